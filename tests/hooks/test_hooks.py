"""The hooks, run by pre-commit itself in a repository of their own; and what editors are told about a new project.

pre-commit installs hooks from the network; here it runs the same entries with the command that is installed already.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from project_folder import Folder, Ran

ROOT = Path(__file__).parents[2]
HOOKS: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
GOOD = "payment_tokens:\n  a: {coworker_invoice_id: 1, token_from: {env: A}}\n"
LITERAL = "payment_tokens:\n  a: {coworker_invoice_id: 1, token: planted-literal-Kx90}\n"
INVALID = "payment_tokens:\n  a: {coworker_invoice_id: 01}\n"
VALIDATE, NO_LITERALS = "reconcile-validate", "reconcile-no-literal-tokens"


def local(hook: dict[str, Any], **changed: object) -> dict[str, Any]:
    """The hook as a repository may write it down without pre-commit having to install anything."""
    kept = {name: value for name, value in hook.items() if name != "minimum_pre_commit_version"}
    return kept | {"language": "system"} | changed


class Repository:
    """A git repository whose hooks are those of `.pre-commit-hooks.yaml`."""

    def __init__(self, path: Path, **changed: object) -> None:
        self.folder = Folder(path / "repository")
        self._home = path / "home"
        hooks = [local(hook, **changed) for hook in HOOKS]
        config = {"repos": [{"repo": "local", "hooks": hooks}]}
        self.folder.write(".pre-commit-config.yaml", json.dumps(config))
        self._run("git", "init", "--quiet")

    def commit(self, **files: str) -> Ran:
        """Runs the hooks as a commit of these files would; `__` in a name is a slash."""
        for name, text in files.items():
            self.folder.write(f"{name.replace('__', '/')}.yaml", text)
        self._run("git", "add", "--all")
        return self._run(sys.executable, "-m", "pre_commit", "run", "--color", "never")

    def _run(self, *command: str) -> Ran:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        more = {"PRE_COMMIT_HOME": str(self._home), "PATH": path, "GIT_CONFIG_GLOBAL": os.devnull}
        done = subprocess.run(
            command,
            cwd=self.folder.path,
            env=self.folder.environment(more),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)


def verdicts(ran: Ran) -> list[str]:
    """The last word of each hook's line, in the order of the hooks."""
    names = [hook["name"] + "." for hook in HOOKS]
    found = [line for line in ran.out.splitlines() if line.startswith(tuple(names))]
    return [line.rsplit(".", 1)[-1].split(")")[-1] for line in found]


def test_pre_commit_understands_the_hooks() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pre_commit", "validate-manifest", str(ROOT / ".pre-commit-hooks.yaml")], check=False
    )
    assert done.returncode == 0
    assert [hook["id"] for hook in HOOKS] == [VALIDATE, NO_LITERALS]
    assert {hook["language"] for hook in HOOKS} == {"python"}


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [(GOOD, ["Passed", "Passed"]), (LITERAL, ["Passed", "Failed"]), (INVALID, ["Failed", "Failed"])],
)
def test_a_commit_is_checked_before_it_is_made(tmp_path: Path, manifest: str, expected: list[str]) -> None:
    ran = Repository(tmp_path).commit(manifests__a=manifest)

    assert verdicts(ran) == expected
    assert ran.code == (1 if "Failed" in expected else 0)
    assert "planted-literal-Kx90" not in ran.out + ran.err
    assert ("manifests/a.yaml:2" in ran.out) == ("Failed" in expected)


def test_a_commit_without_manifests_runs_no_hook(tmp_path: Path) -> None:
    ran = Repository(tmp_path).commit(notes="a: b\n")
    assert verdicts(ran) == ["Skipped", "Skipped"]


def test_settings_that_are_wrong_are_caught_too(tmp_path: Path) -> None:
    ran = Repository(tmp_path).commit(reconcile="safety: {max_deletes: many}\n", manifests__a=GOOD)
    assert verdicts(ran) == ["Failed", "Failed"]
    assert "reconcile.yaml:1:23" in ran.out


def test_a_project_in_a_folder_of_the_repository_is_checked_there(tmp_path: Path) -> None:
    repository = Repository(tmp_path, args=["-C", "books", "validate", "--strict"])
    assert verdicts(repository.commit(books__manifests__deep__a=LITERAL)) == ["Failed", "Failed"]
    assert verdicts(repository.commit(books__manifests__deep__a=GOOD)) == ["Passed", "Passed"]


def test_the_starter_tells_editors_where_its_schema_is_without_a_network(folder: Folder) -> None:
    assert folder.run("init").code == 0
    manifest = folder.path / "manifests" / "example.yaml"
    first, _, _ = manifest.read_text(encoding="utf-8").partition("\n")
    keyword, _, named = first.removeprefix("# ").partition(": $schema=")

    schema = json.loads((manifest.parent / named).read_text(encoding="utf-8"))

    assert keyword == "yaml-language-server"
    assert schema == folder.run("schema").json
    assert Draft202012Validator(schema).is_valid(yaml.safe_load(manifest.read_text(encoding="utf-8")))
    assert folder.run("validate", "--strict").out == "Valid: 2 records in 1 file.\n"
