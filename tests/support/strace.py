"""Runs a command under strace, which counts its system calls, kills it at the nth of them, or lets that one fail.

strace counts for each thread and each call by itself: the nth `write` is the first nth one that any thread makes.
"""

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

CALLS = (
    "write", "pwrite64", "fsync", "fdatasync", "ftruncate", "fchmod", "rename", "renameat", "renameat2",
    "unlink", "unlinkat", "mkdir", "sendto", "recvfrom",
)  # fmt: skip
"""What makes something durable or visible to others, and what is heard of it. A kill comes before the call."""

TIMEOUT = 120  # seconds; only against a hang

_LINE = re.compile(r"(\d+) +(\w+)\(")


@dataclass(frozen=True)
class Traced:
    """What became of a command; `code` is -9 when it was killed."""

    code: int
    out: str
    err: str


def require_strace(scratch: Path) -> None:
    """Fails in one sentence where strace is missing or may not trace: skipping would prove nothing."""
    if shutil.which("strace") is None:
        pytest.fail("strace is not installed; this campaign kills the command at its system calls: install `strace`")
    tried = _run(["-o", str(scratch / "probe"), "-e", "trace=write"], ["true"], scratch, {})
    if tried.code:
        pytest.fail(f"strace may not trace processes here, so nothing can be killed at a system call: {tried.err}")


def count_calls(command: Sequence[str], folder: Path, environ: Mapping[str, str], log: Path) -> dict[str, int]:
    """How often each of the calls is made, by the thread that makes it most often."""
    traced = _run(["-o", str(log), "-e", f"trace={','.join(CALLS)}"], command, folder, environ)
    assert traced.code == 0, traced
    made = Counter(_LINE.match(line).groups() for line in log.read_text().splitlines() if _LINE.match(line))  # type: ignore[union-attr]
    most: dict[str, int] = {}
    for (_, call), number in made.items():
        most[call] = max(most.get(call, 0), number)
    return most


def run_killed(command: Sequence[str], folder: Path, environ: Mapping[str, str], call: str, number: int) -> Traced:
    """Kills the command right before a thread of it makes its `number`-th such call."""
    inject = [f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}"]
    return _run(["-o", "/dev/null", "-e", *inject], command, folder, environ)


@dataclass(frozen=True)
class Failure:
    """The `number`-th such call about the file at `path` fails with `error`."""

    call: str
    number: int
    error: str
    path: Path


def run_failing(command: Sequence[str], folder: Path, environ: Mapping[str, str], failure: Failure) -> Traced:
    """Lets one call fail."""
    call = failure.call
    when = f"inject={call}:error={failure.error}:when={failure.number}"
    inject = [f"trace={call}", "-e", when, "-P", str(failure.path)]
    return _run(["-o", "/dev/null", "-e", *inject], command, folder, environ)


def _run(options: Sequence[str], command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> Traced:
    ran = subprocess.run(
        ["strace", "-f", "-qqq", *options, *command],
        cwd=folder,
        env=dict(environ) or None,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=TIMEOUT,
        check=False,
    )
    return Traced(ran.returncode, ran.stdout, ran.stderr)
