"""Runs the jobs of a GitHub workflow as a runner does, without containers: each in a checkout of its own, by bash.

Knows the actions and expressions that the recipes use, and refuses all others. Checkouts are of a bare repository
nearby; `gh` is `fake_gh.py`; `pip` does nothing, because `reconcile` is installed already.
"""

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

TOKEN = "planted-github-token-Lw57"


@dataclass
class Step:
    """What a step did."""

    name: str
    outcome: str
    out: str = ""
    outputs: dict[str, str] = field(default_factory=dict)


@dataclass
class Job:
    """What a job did: its steps by name, its outputs, and its verdict."""

    steps: dict[str, Step]
    outputs: dict[str, str]
    summary: str
    environment: str = ""

    @property
    def is_success(self) -> bool:
        return all(step.outcome != "failure" for step in self.steps.values())

    @property
    def log(self) -> str:
        return "".join(step.out for step in self.steps.values())

    @property
    def failed(self) -> list[str]:
        return [step.name for step in self.steps.values() if step.outcome == "failure"]


class Runner:
    """Runs jobs against a bare repository.

    Args:
        github: GitHub's side (see `fake_gh.py`), which holds the repository in `repository.git`, and artifacts.
        outside: What every process on the machine has in its environment.
    """

    def __init__(self, github: Path, outside: Mapping[str, str]) -> None:
        self.github = github
        self.repository = github / "repository.git"
        self.secrets: dict[str, str] = {}
        self.outside = dict(outside)
        self._jobs = 0
        self._bin = _commands(github / "bin")

    def run(
        self,
        workflow: str,
        job: str,
        *,
        event: Mapping[str, Any],
        run: int,
        needs: Mapping[str, Job] | None = None,
        inputs: Mapping[str, str] | None = None,
        may_write: bool = True,
        lose_at: str = "",
    ) -> Job | None:
        """The job's result; None when its condition does not hold.

        Args:
            workflow: Its text.
            event: `sha`, `ref` and `event` of the context `github`.
            run: The run's number, which artifacts are kept under.
            may_write: Whether the token may push.
            lose_at: The name of a step after which the machine is gone.
        """
        document = yaml.safe_load(workflow)
        described = document["jobs"][job]
        context = {
            "github": {"token": TOKEN, **event},
            "secrets": self.secrets,
            "inputs": inputs or {},
            "needs": {name: {"outputs": done.outputs} for name, done in (needs or {}).items()},
            "steps": {},
        }
        if not _holds(described.get("if", "success()"), context, []):
            return None
        self._jobs += 1
        machine = _Machine(self, self.github.parent / f"job-{self._jobs}", run, document, described, context)
        with _read_only(self.repository, is_on=not may_write):
            return machine.work(lose_at)

    def environment(self, home: Path) -> dict[str, str]:
        return {
            "PATH": f"{self._bin}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(home),
            "FAKE_GITHUB": str(self.github),
            "GIT_CONFIG_NOSYSTEM": "1",
        } | self.outside


class _Machine:
    """One job's machine, which is new for each."""

    def __init__(
        self, runner: Runner, root: Path, run: int, document: dict[str, Any], job: dict[str, Any], context: Any
    ) -> None:
        self._runner, self._run, self._document, self._job, self._context = runner, run, document, job, context
        self._home, self._workspace, self._temp = root / "home", root / "work" / "repository", root / "temp"
        for folder in (self._home, self._workspace, self._temp):
            folder.mkdir(parents=True)
        self._summary = root / "summary"
        self._summary.touch()
        context["runner"] = {"temp": str(self._temp)}
        context["github"]["workspace"] = str(self._workspace)
        self.steps: list[Step] = []

    def work(self, lose_at: str) -> Job:
        for number, described in enumerate(self._job["steps"]):
            step = self._take(described, described.get("name") or f"{number} {described['uses'].partition('@')[0]}")
            self.steps.append(step)
            if "id" in described:
                self._context["steps"][described["id"]] = {"outcome": step.outcome, "outputs": step.outputs}
            if lose_at and step.name == lose_at:
                break
        outputs = {name: _filled(text, self._context) for name, text in self._job.get("outputs", {}).items()}
        environment = _filled(self._job.get("environment", ""), self._context)
        summary = self._summary.read_text(encoding="utf-8")
        return Job({step.name: step for step in self.steps}, outputs, summary, environment)

    def _take(self, step: dict[str, Any], name: str) -> Step:
        if not _holds(step.get("if", "success()"), self._context, self.steps):
            return Step(name, "skipped")
        if "uses" not in step:
            return self._shell(step, name)
        action, _, pin = step["uses"].partition("@")
        assert re.fullmatch("[0-9a-f]{40}", pin), f"{action} is not pinned"
        given = {key: _filled(text, self._context) for key, text in step.get("with", {}).items()}
        {"actions/checkout": self._check_out, "actions/setup-python": _set_up, "actions/upload-artifact": self._upload}[
            action
        ](given)
        return Step(name, "success")

    def _check_out(self, given: Mapping[str, str]) -> None:
        assert given == {"persist-credentials": "False"}, "a checkout that leaves its token behind"
        for command in (
            ["clone", "--quiet", str(self._runner.repository), "."],
            ["checkout", "--quiet", "--detach", self._context["github"]["sha"]],
        ):
            subprocess.run(["git", *command], cwd=self._workspace, check=True, env=self._runner.environment(self._home))

    def _upload(self, given: Mapping[str, str]) -> None:
        kept = self._runner.github / "artifacts" / str(self._run) / given["name"]
        assert not kept.exists(), "an artifact has one name in a run"
        source = Path(given["path"])
        if source.is_file():
            kept.mkdir(parents=True)
            shutil.copy(source, kept)
        elif source.is_dir():
            shutil.copytree(source, kept)

    def _shell(self, step: dict[str, Any], name: str) -> Step:
        assert "${{" not in step["run"], "an expression within a script"
        assert self._document["defaults"]["run"] == {"shell": "bash"}
        output = self._temp / "output"
        output.write_text("", encoding="utf-8")
        script = self._temp / "script.sh"
        script.write_text(step["run"], encoding="utf-8")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=self._workspace,
            env=self._environment(step, output),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        lines = output.read_text(encoding="utf-8").splitlines()
        outputs = dict(line.split("=", 1) for line in lines)
        return Step(name, "failure" if done.returncode else "success", done.stdout, outputs)

    def _environment(self, step: dict[str, Any], output: Path) -> dict[str, str]:
        levels = (self._document.get("env", {}), self._job.get("env", {}), step.get("env", {}))
        declared = {key: _filled(text, self._context) for level in levels for key, text in level.items()}
        return (
            self._runner.environment(self._home)
            | {
                "CI": "true",
                "GITHUB_ACTIONS": "true",
                "GITHUB_OUTPUT": str(output),
                "GITHUB_STEP_SUMMARY": str(self._summary),
                "GITHUB_REPOSITORY": "acme/books",
                "GITHUB_SERVER_URL": "https://github.example",
                "GITHUB_RUN_ID": str(self._run),
                "GITHUB_WORKSPACE": str(self._workspace),
                "RUNNER_TEMP": str(self._temp),
            }
            | declared
        )


def _set_up(given: Mapping[str, str]) -> None:
    assert given.keys() == {"python-version"}


def _commands(folder: Path) -> Path:
    """A folder with the commands that a runner has and this machine may not have, or not like that."""
    folder.mkdir(parents=True, exist_ok=True)
    fake = Path(__file__).with_name("fake_gh.py")
    for name, script in {"gh": f'exec "{sys.executable}" "{fake}" "$@"', "pip": "exit 0"}.items():
        command = folder / name
        command.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        command.chmod(0o755)
    return folder


class _read_only:  # noqa: N801 - used like a function
    """A repository that takes no push."""

    def __init__(self, repository: Path, *, is_on: bool) -> None:
        self._hook = repository / "hooks" / "pre-receive"
        self._is_on = is_on

    def __enter__(self) -> None:
        if self._is_on:
            self._hook.write_text("#!/bin/sh\necho read-only >&2\nexit 1\n", encoding="utf-8")
            self._hook.chmod(self._hook.stat().st_mode | stat.S_IXUSR)

    def __exit__(self, *_: object) -> None:
        if self._is_on:
            self._hook.unlink()


def _filled(text: object, context: Mapping[str, Any]) -> str:
    return re.sub(r"\$\{\{(.*?)\}\}", lambda found: str(_value(found[1], context, [])), str(text))


def _holds(condition: str, context: Mapping[str, Any], steps: list[Step]) -> bool:
    bare = condition.removeprefix("${{").removesuffix("}}")
    has_status = re.search(r"\b(success|failure|always|cancelled)\(\)", bare)
    return bool(_value(bare if has_status else f"success() && ({bare})", context, steps))


def _value(expression: str, context: Mapping[str, Any], steps: list[Step]) -> object:
    """An expression's value, by way of Python's own grammar, which is the same for what the recipes use."""
    has_failed = any(step.outcome == "failure" for step in steps)
    names = {name: _Value(value) for name, value in context.items()}
    status = {
        "success": lambda: not has_failed,
        "failure": lambda: has_failed,
        "always": lambda: True,
        "cancelled": lambda: False,
    }
    python = re.sub(r"!(?!=)", " not ", expression.replace("&&", " and ").replace("||", " or "))
    value = eval(python.strip(), {"__builtins__": {}}, names | status)  # noqa: S307 - expressions of our own files
    return "" if isinstance(value, _Value) and not value else str(value) if isinstance(value, _Value) else value


class _Value:
    """A value of a context; one that is missing is empty, as GitHub has it."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __getattr__(self, name: str) -> "_Value":
        return _Value(self._value.get(name, "") if isinstance(self._value, Mapping) else "")

    def __eq__(self, other: object) -> bool:
        return self._value == other

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        return bool(self._value)

    def __str__(self) -> str:
        return str(self._value)
