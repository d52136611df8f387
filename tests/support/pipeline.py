"""Runs the jobs of the recipe for GitLab as a runner does, without containers, and answers the API that it asks."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml
from project_folder import UNPACED, Folder
from recipe_repository import SECRETS, git, record

from reconcile.sandbox.server import Sandbox

BRANCH = "reconcile-state"
COMMENT_TOKEN = "planted-comment-token-Wm20"


@dataclass
class Done:
    """What a job ended with."""

    code: int
    log: str
    artifacts: Path

    @property
    def plan(self) -> str:
        return (self.artifacts / "plan.md").read_text(encoding="utf-8")


@dataclass
class GitLab:
    """The service: a bare repository, and jobs of the recipe's pipeline, each in a clone of its own."""

    root: Path
    sandbox: Sandbox
    outside: dict[str, str] = field(default_factory=dict)
    api: str = ""
    jobs: int = 0

    def __post_init__(self) -> None:
        self.repository = self.root / "books.git"
        self.work = Folder(self.root / "work")
        self.outside |= UNPACED | {"NEXUDUS_BASE_URL": self.sandbox.base_url, "RECONCILE_API__SETTLE_SECONDS": "0.1"}
        self.secrets = SECRETS | {"NEXUDUS_USERNAME": self.sandbox.username, "NEXUDUS_PASSWORD": self.sandbox.password}

    def begin(self) -> None:
        git(self.root, "init", "--quiet", "--bare", "--initial-branch", "main", self.repository.name)
        self.work.path.mkdir()
        git(self.work.path, "init", "--quiet", "--initial-branch", "main")
        git(self.work.path, "remote", "add", "origin", str(self.repository))
        assert self.work.run("init", "--ci", "gitlab").code == 0
        (self.work.path / "manifests" / "example.yaml").unlink()
        self.commit(**{"manifests/a.yaml": record("inv-1", 1)})

    def commit(self, branch: str = "main", **files: str) -> None:
        git(self.work.path, "checkout", "--quiet", "-B", branch)
        for name, text in files.items():
            self.work.write(name, text)
        git(self.work.path, "add", "--all")
        git(self.work.path, "commit", "--quiet", "--message", "a change")
        git(self.work.path, "push", "--quiet", "--force", "origin", branch)

    def run(
        self, name: str, *, branch: str = "main", source: str = "push", how: str = "", after: Done | None = None
    ) -> Done:
        """One job, with the artifacts of the job `after` which it runs; secrets are known on main alone."""
        self.jobs += 1
        folder = self.root / f"job-{self.jobs}" / "books"
        folder.parent.mkdir()
        git(self.root, "clone", "--quiet", "--branch", branch, str(self.repository), str(folder))
        if after is not None:
            shutil.copytree(after.artifacts, folder, dirs_exist_ok=True)
        document, job = self._job(folder, name)
        environ = self._environment(document["variables"], branch, source, how)
        before = job.get("before_script", document["default"]["before_script"])
        done = self._shell(folder, [*before, *job["script"]], environ)
        ended = self._shell(folder, job.get("after_script", []), environ)
        artifacts = folder.parent / "artifacts"
        artifacts.mkdir()
        for path in job.get("artifacts", {}).get("paths", []):
            if (folder / path).is_file():
                shutil.copy(folder / path, artifacts)
        return Done(done.returncode, done.stdout + ended.stdout, artifacts)

    def plan_and_apply(self, how: str = "") -> Done:
        planned = self.run("plan", source="web", how=how)
        assert planned.code == 0, planned.log
        return self.run("apply", source="web", how=how, after=planned)

    @property
    def ids(self) -> dict[str, int]:
        state = json.loads(git(self.repository, "show", f"{BRANCH}:state/state.json"))
        return {address: held["id"] for address, held in state["records"].items()}

    def kept(self) -> set[str]:
        return set(git(self.repository, "ls-tree", "-r", "--name-only", BRANCH).splitlines())

    def _job(self, folder: Path, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        document = yaml.safe_load((folder / ".gitlab-ci.yml").read_text(encoding="utf-8"))
        job = document[name]
        return document, document[job["extends"]] | job if "extends" in job else job

    def _shell(self, folder: Path, lines: list[Any], environ: dict[str, str]) -> "subprocess.CompletedProcess[str]":
        flat = [line for item in lines for line in ([item] if isinstance(item, str) else item)]
        return subprocess.run(
            ["bash", "-c", "set -eo pipefail\n" + "\n".join(flat)],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )

    def _environment(self, variables: dict[str, Any], branch: str, source: str, how: str) -> dict[str, str]:
        declared = {name: value["value"] if isinstance(value, dict) else value for name, value in variables.items()}
        bin_ = self.root / "bin"
        bin_.mkdir(exist_ok=True)
        (bin_ / "pip").write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
        (bin_ / "pip").chmod(0o755)
        known = self.secrets | {"RECONCILE_STATE_TOKEN": "planted-state-token-Ke83"} if branch == "main" else {}
        return (
            {"PATH": f"{bin_}:{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(self.root), "CI": "true"}
            | declared
            | ({"HOW": how} if how else {})
            | {
                "CI_PIPELINE_SOURCE": source,
                "CI_PROJECT_URL": str(self.repository).removesuffix(".git"),
                "CI_PROJECT_ID": "7",
                "CI_JOB_ID": str(self.jobs),
                "CI_JOB_URL": f"https://gitlab.example/jobs/{self.jobs}",
                "CI_MERGE_REQUEST_IID": "3",
                "CI_COMMIT_SHA": "c0ffee" * 7,
                "CI_API_V4_URL": self.api,
                "RECONCILE_COMMENT_TOKEN": COMMENT_TOKEN,
            }
            | known
            | self.outside
        )


@contextmanager
def notes_api() -> Generator[tuple[str, list[dict[str, Any]]]]:
    """The address of an API of notes, and the notes of the one merge request that it knows."""
    notes: list[dict[str, Any]] = []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            page = int(parse_qs(url.query).get("page", ["1"])[0])
            self._answer({"id": 11} if url.path.endswith("/user") else notes[(page - 1) * 2 : page * 2])

        def do_POST(self) -> None:
            notes.append({"id": len(notes) + 1, "author": {"id": 11}, "body": self._body()})
            self._answer(notes[-1])

        def do_PUT(self) -> None:
            (note,) = [note for note in notes if self.path.endswith(f"/notes/{note['id']}")]
            note["body"] = self._body()
            self._answer(note)

        def _body(self) -> str:
            return json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]

        def _answer(self, value: object) -> None:
            assert self.headers["PRIVATE-TOKEN"] == COMMENT_TOKEN
            data = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/api/v4", notes
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
