"""Runs the real apply, plan and settling in a world of the test's making: its clock, its server, its disk.

The one place that knows how `app/change.py` wires a run together, so that a campaign need not.
"""

import contextlib
import os
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from declarations import manifests as declaring

from reconcile import __version__
from reconcile.adapters.clock import Interruption
from reconcile.app import change as applying
from reconcile.app.connection import Connection
from reconcile.app.identity import lock_info
from reconcile.app.project import open_journal
from reconcile.app.review import plan_from
from reconcile.app.settling import Settled, settle_doubts
from reconcile.core.changes import Plan, Selection
from reconcile.core.entries import ResolvedEntry
from reconcile.core.errors import ReconcileError
from reconcile.core.fingerprints import Fingerprints
from reconcile.core.folded import Folded
from reconcile.core.manifest import Manifests
from reconcile.core.quota import UNLIMITED
from reconcile.core.records import PaymentToken, Secret
from reconcile.core.report import Report
from reconcile.core.safety import Safety
from reconcile.core.times import iso
from reconcile.reading import read_current
from reconcile.settings import ApiSettings, Settings

KEY = b"a key of the tests, 32 bytes....."
START = 1_772_446_440.0  # 2026-03-02T10:14:00Z
SETTLE = 300.0


class SimulatedClock:
    """Sleeping takes no time and makes it pass. `skew` is how wrong this machine's clock is, in seconds."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.skew = 0.0

    def true(self) -> float:
        return START + self.passed

    def now(self) -> float:
        return self.true() + self.skew

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += max(0.0, seconds)


@dataclass
class Listener:
    """Hears what a run says."""

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def tell(self, event: str, details: Mapping[str, object]) -> None:
        self.events.append((event, dict(details)))


class _LiteralSecrets:
    def find(self, record: PaymentToken) -> Secret | None:
        return record.literal


@dataclass
class SimulatedProject:
    """Takes the place of `app.project.Project`."""

    backend: Any
    settings: Settings
    environ: Mapping[str, str] = field(default_factory=dict)
    is_sandbox: bool = False
    limits: Any = UNLIMITED
    root: Path = Path(os.sep)

    def secrets(self) -> _LiteralSecrets:
        return _LiteralSecrets()

    def fingerprints(self, *, create: bool) -> Fingerprints:  # noqa: ARG002 - the key is always there
        return Fingerprints(KEY)


def settings(*, concurrency: int = 1, timeout: float = 60.0, max_rejections: int = 20) -> Settings:
    """Settings of a world without limits."""
    nowhere = Path(os.sep) / "nowhere"
    api = ApiSettings("http://127.0.0.1:9", timeout, SETTLE, concurrency, limits=UNLIMITED)
    return Settings(nowhere, nowhere, nowhere, api, Safety(max_consecutive_rejections=max_rejections), nowhere)


@dataclass
class Conductor:
    """One client, run after run.

    Attributes:
        alarms: What had to be said because the journal could not take it.
        listener: Everything that was reported.
    """

    project: SimulatedProject
    clock: SimulatedClock
    api: Any
    pace: Any
    interruption: Interruption = field(default_factory=Interruption)
    alarms: list[str] = field(default_factory=list)
    listener: Listener = field(default_factory=Listener)

    def apply(self, declared: Manifests, **options: Any) -> Report:
        """Apply, from taking the lock to letting it go. Raises whatever a real one raises before its boundary."""
        with self._locked("apply") as lock:
            journal = open_journal(self.project, self.clock, lock)  # type: ignore[arg-type]
            bench = applying._Bench(
                self.project,  # type: ignore[arg-type]
                applying.ApplyOptions(**options),
                self._audience(),
                self.interruption,
                self.clock,  # type: ignore[arg-type]
                Connection(self.api, self.pace),
                lock,
                journal,
            )
            return applying._apply(bench, declared)

    def settle(self, only: str | None = None) -> Settled:
        """What `resolve` does."""
        with self._locked("resolve") as lock:
            journal = open_journal(self.project, self.clock, lock)  # type: ignore[arg-type]
            settled = settle_doubts(self.project, journal, self.api, self.clock, only=only)  # type: ignore[arg-type]
            journal.commit(tool_version=__version__)
            return settled

    def take_word(self, address: str, record_id: int | None) -> None:
        """What `resolve ADDRESS --adopt ID` and `--not-created` do."""
        with self._locked("resolve") as lock:
            journal = open_journal(self.project, self.clock, lock)  # type: ignore[arg-type]
            operation = journal.folded.doubts[address].intent.operation
            verdict = "not_created" if record_id is None else "adopted"
            journal.append(ResolvedEntry(operation, iso(self.clock.now()), verdict, record_id, who="a person"))  # type: ignore[arg-type]
            journal.commit(tool_version=__version__)

    def plan(self, declared: Manifests) -> Plan:
        """Plan, without the lock."""
        return plan_from(self.project, declared, self.known(), Selection(), None, create_key=False)  # type: ignore[arg-type]

    def known(self) -> Folded:
        """State and journal together, without the lock."""
        return read_current(self.project.backend, new_lineage=str)

    def _locked(self, operation: str) -> Any:
        return self.project.backend.lock(lock_info(operation, self.clock.now()), timeout=0.0)

    def _audience(self) -> applying.Audience:
        @contextlib.contextmanager
        def reporting(_: Plan) -> Generator[Listener]:
            yield self.listener

        return applying.Audience(lambda *_: None, lambda _: None, reporting, self.alarms.append)


def ends(conductor: Conductor, declared: Manifests, **options: Any) -> Report | ReconcileError:
    """What an apply ends with; anything but a report or an error for users goes on up."""
    try:
        return conductor.apply(declared, **options)
    except ReconcileError as error:
        return error


def declared_all(records: Sequence[PaymentToken], **more: Any) -> Manifests:
    """Manifests that declare these."""
    made = declaring(*records, **more)
    return made._replace(digest=f"sha256:{len(records)}")
