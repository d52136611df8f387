"""A whole apply inside the test's process: the real one, over files, a clock and a server that the test chooses."""

import gc
import socket
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from project_folder import UNPACED

from reconcile.adapters.backends.local import LocalBackend
from reconcile.adapters.clock import Interruption
from reconcile.adapters.files import REAL, FileOperations
from reconcile.app.change import ApplyOptions, Audience, apply
from reconcile.app.project import Project, open_project
from reconcile.core.changes import Plan
from reconcile.core.errors import ReconcileError
from reconcile.core.folded import Folded
from reconcile.core.report import Report
from reconcile.journal import Journal
from reconcile.ports import LockInfo
from reconcile.reading import load, read_current

START = 1_772_446_440.0  # 2026-03-02T10:14:00Z
AT = "2026-03-02T10:14:00Z"


class SettableClock:
    """True time passes by sleeping alone; what the machine shows is `ahead` of it by so many seconds."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.ahead = 0.0
        self._lock = threading.Lock()

    def true(self) -> float:
        return START + self.passed

    def now(self) -> float:
        return self.true() + self.ahead

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.passed += max(0.0, seconds)


class WatchedProject(Project):
    """A project whose backend makes its calls through `files`."""

    files = REAL

    @property
    def backend(self) -> LocalBackend:
        return LocalBackend(self.settings.state, self.files)


@dataclass
class Ended:
    """What an apply ended with, and every line that was to be seen at once."""

    code: int
    alarms: list[str]
    report: Report | None = None
    error: ReconcileError | None = None


@dataclass
class _Listener:
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def tell(self, event: str, details: Mapping[str, object]) -> None:
        self.events.append((event, dict(details)))


def environ_for(url: str, **more: str) -> dict[str, str]:
    """The environment of commands that talk to a server without limits, with short deadlines."""
    short = {"RECONCILE_API__TIMEOUT_SECONDS": "5", "NEXUDUS_ACCESS_TOKEN": "runner-0"}
    return UNPACED | {"NEXUDUS_BASE_URL": url} | short | more


def declare(folder: Path, count: int) -> None:
    """That many records, whose notes are their addresses; every fourth shares its invoice with the one before."""
    entries = "".join(
        f"  inv-{number:03}: {{coworker_invoice_id: {number * 3 // 4 + 1}, notes: inv-{number:03}}}\n"
        for number in range(count)
    )
    (folder / "manifests").mkdir(parents=True, exist_ok=True)
    (folder / "manifests" / "all.yaml").write_text(f"payment_tokens:\n{entries}", encoding="utf-8")


def addresses(count: int) -> set[str]:
    """The addresses that `declare` declares."""
    return {f"inv-{number:03}" for number in range(count)}


def apply_inside(
    folder: Path, environ: Mapping[str, str], files: FileOperations = REAL, clock: SettableClock | None = None
) -> Ended:
    """One `apply --auto-approve`. Anything but an error for users goes on up."""
    alarms: list[str] = []
    opened = open_project(str(folder), environ)
    project = WatchedProject(*opened)
    project.files = files

    @contextmanager
    def reporting(_: Plan) -> Generator[_Listener]:
        yield _Listener()

    audience = Audience(lambda *_: None, lambda _: None, reporting, alarms.append)
    try:
        report = apply(project, ApplyOptions(), audience, Interruption(), clock or SettableClock())
    except ReconcileError as error:
        return Ended(int(error.exit_code), alarms, error=error)
    finally:
        gc.unfreeze()  # a command freezes what it has loaded, for the rest of a life that is short
    return Ended(int(report.exit_code), alarms, report)


def recover(state: Path, files: FileOperations = REAL) -> Folded:
    """What any command under the lock does first: reads, mends and commits."""
    backend = LocalBackend(state, files)
    with backend.lock(LockInfo("recovery", "recovery", "ana", socket.gethostname(), 1, AT), timeout=0):
        journal = Journal.open(backend, load(backend, new_lineage=lambda: "born again"), now=lambda: AT)
        folded = journal.folded
        journal.commit(tool_version="1")
    return folded


def known(state: Path) -> Folded:
    """What state and journal say together, without the lock."""
    return read_current(LocalBackend(state), new_lineage=str)
