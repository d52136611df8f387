"""A repository with the recipe for GitHub, its bare remote, and the events that start its workflows."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from project_folder import UNPACED, Folder
from workflow import Job, Runner

from reconcile.sandbox.server import Sandbox

BRANCH = "reconcile-state"
SECRETS = {
    "NEXUDUS_USERNAME": "",
    "NEXUDUS_PASSWORD": "",
    "RECONCILE_FINGERPRINT_KEY": "planted-fingerprint-key-Vn36",
}


class GitHub:
    """The service: a bare repository, pull requests, comments, artifacts, and runs of the recipe's workflows."""

    def __init__(self, root: Path, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._root = root / "github"
        self.outside = UNPACED | {"NEXUDUS_BASE_URL": sandbox.base_url, "RECONCILE_API__SETTLE_SECONDS": "0.1"}
        self.runner = Runner(self._root, self.outside)
        self.runner.secrets = SECRETS | {
            "NEXUDUS_USERNAME": sandbox.username,
            "NEXUDUS_PASSWORD": sandbox.password,
        }
        self.work = Folder(root / "work")
        self.runs = 0

    # What people do.

    def begin(self) -> None:
        """The recipe and one record, merged."""
        self._root.mkdir(exist_ok=True)
        git(self._root, "init", "--quiet", "--bare", "--initial-branch", "main", "repository.git")
        self.work.path.mkdir()
        git(self.work.path, "init", "--quiet", "--initial-branch", "main")
        git(self.work.path, "remote", "add", "origin", "../github/repository.git")
        assert self.work.run("init", "--ci", "github").code == 0
        (self.work.path / "manifests" / "example.yaml").unlink()
        self.commit("main", **{"manifests/a.yaml": record("inv-1", 1)})

    def commit(self, branch: str, **files: str) -> str:
        """Commits files to a branch, made from main where it is new, and pushes it; the commit."""
        path = self.work.path
        known = git(path, "branch", "--list", branch)
        if git(path, "branch", "--show-current") != branch:
            git(path, "checkout", "--quiet", *([branch] if known else ["-b", branch, "main"]))
        for name, text in files.items():
            self.work.write(name, text)
        git(path, "add", "--all")
        git(path, "commit", "--quiet", "--message", "a change")
        git(path, "push", "--quiet", "origin", branch)
        return git(path, "rev-parse", "HEAD")

    def merge(self, branch: str) -> str:
        git(self.work.path, "checkout", "--quiet", "main")
        git(self.work.path, "merge", "--quiet", "--no-ff", "--no-edit", branch)
        git(self.work.path, "push", "--quiet", "origin", "main")
        return git(self.work.path, "rev-parse", "HEAD")

    # What GitHub does.

    def review(self, number: int, branch: str, sha: str, *, changed: tuple[str, ...] = ("manifests/a.yaml",)) -> Job:
        """What a push to a pull request starts: the review and, when that is done, the comment."""
        label = f"somebody:{branch}"
        self._write("pulls", [{"number": number, "head": {"sha": sha, "label": label}}])
        self._write(f"files-{number}", [{"filename": name} for name in changed])
        secrets, self.runner.secrets = self.runner.secrets, {}  # as for any pull request from a fork
        reviewed = self._job("review", "review", {"sha": sha, "ref": f"refs/pull/{number}/merge"}, may_write=False)
        self.runner.secrets = secrets
        assert reviewed is not None
        run = {
            "event": "pull_request",
            "conclusion": "success" if reviewed.is_success else "failure",
            "head_branch": branch,
            "head_sha": sha,
            "head_repository": {"owner": {"login": "somebody"}},
            "id": self.runs,
            "html_url": f"https://github.example/acme/books/actions/runs/{self.runs}",
        }
        main = {"sha": self.main, "ref": "refs/heads/main", "event": {"workflow_run": run}}
        commented = self._job("comment", "comment", main, may_write=False)
        assert commented is not None
        assert commented.is_success, commented.log
        return reviewed

    def comments(self, number: int) -> list[str]:
        path = self._root / f"comments-{number}.json"
        return [comment["body"] for comment in json.loads(path.read_text(encoding="utf-8"))] if path.exists() else []

    def say(self, number: int, login: str, body: str) -> None:
        """Somebody else's comment."""
        path = self._root / f"comments-{number}.json"
        comments = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        comments.append({"id": number * 1000 + len(comments), "user": {"login": login}, "body": body})
        self._write(f"comments-{number}", comments)

    def plan(self, *, how: str = "", sha: str = "") -> Job:
        """The first job of what a merge, a schedule or a person starts."""
        planned = self._job("apply", "plan", self._on_main(sha), inputs={"how": how}, may_write=False)
        assert planned is not None
        return planned

    def apply(self, planned: Job, *, how: str = "", sha: str = "", lose_at: str = "") -> Job | None:
        """The second job, in the same run as the first; None when there is nothing to do."""
        return self._job(
            "apply",
            "apply",
            self._on_main(sha),
            inputs={"how": how},
            needs={"plan": planned},
            lose_at=lose_at,
            is_same_run=True,
        )

    def plan_and_apply(self, *, how: str = "") -> Job:
        planned = self.plan(how=how)
        assert planned.is_success, planned.log
        applied = self.apply(planned, how=how)
        assert applied is not None
        return applied

    def kept(self) -> dict[str, str]:
        """The files of the branch that holds the state."""
        names = git(self._root / "repository.git", "ls-tree", "-r", "--name-only", BRANCH).splitlines()
        return {name: git(self._root / "repository.git", "show", f"{BRANCH}:{name}") for name in names}

    @property
    def main(self) -> str:
        return git(self._root / "repository.git", "rev-parse", "main")

    @property
    def ids(self) -> dict[str, int]:
        """The Id of each address in the state that is kept."""
        state = json.loads(self.kept()["state/state.json"])
        return {address: held["id"] for address, held in state["records"].items()}

    def workflow(self, name: str, sha: str = "main") -> str:
        return git(self._root / "repository.git", "show", f"{sha}:.github/workflows/reconcile-{name}.yml")

    def _on_main(self, sha: str) -> dict[str, Any]:
        return {"sha": sha or self.main, "ref": "refs/heads/main"}

    def _job(
        self, name: str, job: str, event: Mapping[str, Any], *, is_same_run: bool = False, **options: Any
    ) -> Job | None:
        self.runs += not is_same_run
        return self.runner.run(self.workflow(name), job, event=event, run=self.runs, **options)

    def _write(self, name: str, value: object) -> None:
        (self._root / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")


def record(address: str, invoice: int, notes: str = "March") -> str:
    return f"payment_tokens:\n  {address}: {{coworker_invoice_id: {invoice}, notes: {json.dumps(notes)}}}\n"


def git(folder: Path, *args: str) -> str:
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.com",
    }
    done = subprocess.run(["git", *args], cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip("\n")
