"""Starts the command many times over in processes of its own, each a fork of one that has loaded everything already.

A fork takes milliseconds where a fresh interpreter takes tenths of a second, and is a process like any other: it can be
stopped, continued and killed. This file is both ends: run as a script it is the process that forks.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, Self

_LOADED = ("cli.change", "cli.state", "app.change", "app.state", "adapters.nexudus", "adapters.wire_records",
           "adapters.transport", "adapters.backends.local", "journal", "render.report")  # fmt: skip


class Runners:
    """The process that forks; close it by leaving the with-block."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            env={name: value for name, value in os.environ.items() if not name.startswith(("NEXUDUS_", "RECONCILE_"))},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)

    def start(self, folder: Path, environ: Mapping[str, str], *args: str) -> "Runner":
        """Starts `reconcile ARGS` in a folder."""
        said = self.ask({"folder": str(folder), "environ": dict(environ), "args": args})
        return Runner(self, said["pid"], folder)

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@dataclass(frozen=True)
class Runner:
    """One running command."""

    runners: Runners
    pid: int
    folder: Path

    def stop(self) -> None:
        """Returns once every thread stands still: on a busy machine a signal takes its time."""
        os.kill(self.pid, signal.SIGSTOP)
        tasks = Path(f"/proc/{self.pid}/task")
        _wait_until(lambda: all(_state_of(task) == "T" for task in tasks.iterdir()), "it never stopped")

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Its exit code; a negative one names the signal that ended it."""
        code = self.runners.ask({"wait": self.pid})["code"]
        assert "Traceback" not in self.said(), self.said()
        return code

    def linger(self) -> None:
        """Returns once it has ended, without asking for its exit code; for a thread beside the one that waits."""
        _wait_until(lambda: _state_of(Path(f"/proc/{self.pid}")) == "Z", "it never ended")

    def said(self) -> str:
        """What it has said so far, on standard output and error together."""
        return (self.folder / f"said-{self.pid}").read_text(encoding="utf-8")


def _state_of(task: Path) -> str:
    """The letter by which the system says what a process or a thread does."""
    return (task / "stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]


def _wait_until(holds: Callable[[], bool], complaint: str) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.002)


def _fork_on_demand() -> None:
    for name in _LOADED:
        import_module(f"reconcile.{name}")
    for line in sys.stdin:
        question = json.loads(line)
        if "wait" in question:
            _, status = os.waitpid(question["wait"], 0)
            answer = {"code": os.waitstatus_to_exitcode(status)}
        else:
            answer = {"pid": os.fork()}
            if not answer["pid"]:
                _be_the_command(question["folder"], question["environ"], question["args"])
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _be_the_command(folder: str, environ: Mapping[str, str], args: Sequence[str]) -> NoReturn:
    code = 70
    try:
        os.chdir(folder)
        os.environ.update(environ)
        said = os.open(f"said-{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for number, target in ((0, nothing), (1, said), (2, said)):
            os.dup2(target, number)
        from reconcile.cli.boundary import run

        code = int(run(list(args)))
        sys.stdout.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    _fork_on_demand()
