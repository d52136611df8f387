"""Runs the real apply over HTTP against the server of whole records, in simulated time: one project, one server."""

import itertools
from pathlib import Path
from typing import Any

from conducting import SETTLE, Conductor, SimulatedClock, SimulatedProject, ends, settings
from declarations import declare, manifests
from life_server import Books, LifeServer, exact
from mortal import OpenPace
from synced_files import SyncedFiles

from reconcile.adapters.auth import Authenticator, Credentials
from reconcile.adapters.backends.local import LocalBackend
from reconcile.adapters.exchange import ApiOptions
from reconcile.adapters.nexudus import Nexudus
from reconcile.core.errors import ExitCode, ReconcileError
from reconcile.core.manifest import Manifests
from reconcile.core.records import Secret
from reconcile.core.report import Report

TIMEOUT = 3.0
ACCESS = "access-planted-secret"
TOKEN = "pm_planted/secret+of=tests"
CHANGED = 3


def everything(notes: str, *kinds: str) -> Manifests:
    """Three records of each kind, some at one invoice; the API's words repeat the beginning of every token."""
    records = []
    for kind, number in itertools.product(kinds, range(CHANGED)):
        secret = Secret(f"{TOKEN}{kind}{number}")
        said = f"{notes} {kind}{number}" if kind == "u" else f"{kind}{number}"
        invoice = 100 + 2 * number + (kind == "d") * (number > 1)
        records.append(declare(f"{kind}{number}", invoice, notes=said, token_source="literal", literal=secret))
    return manifests(*records)


WANTED = everything("new", "u")
"""What `Life.begin` made is to become this: the `u…` are corrected, the `d…` retired."""


class Life:
    """Records that are created, corrected and retired, on a real disk or on a backend of the test's."""

    def __init__(self, folder: Path, backend: Any = None) -> None:
        self.files = SyncedFiles()
        self.state = folder / "state"
        self.clock = SimulatedClock()
        self.backend = backend
        self.books = Books(self.clock.true)
        self.server = LifeServer(self.books, self.journal, self.clock.true)
        self._clients: list[Nexudus] = []

    def journal(self) -> bytes:
        """What a power loss would leave of the journal."""
        if self.backend is not None:
            return self.backend.store.journal
        return self.files.after_power_loss(self.state / "journal.jsonl")

    def conductor(self, backend: Any = None) -> Conductor:
        pace = OpenPace(self.clock)
        access = Authenticator(Credentials(access_token=Secret(ACCESS)), "tests", self.clock)
        client = Nexudus(ApiOptions(self.server.url, TIMEOUT, 1), access, self.clock, pace)
        self._clients.append(client)
        store = backend or self.backend or LocalBackend(self.state, self.files)
        return Conductor(SimulatedProject(store, settings(timeout=TIMEOUT)), self.clock, client, pace)

    def apply(self, declared: Manifests, backend: Any = None, **options: Any) -> Report | ReconcileError:
        """Applies, with every delete allowed, and looks into the books."""
        conductor = self.conductor(backend)
        try:
            ended = ends(conductor, declared, **{"allow_deletes": 99, **options})
        finally:
            conductor.api.close()
        self.check()
        doubts = self.conductor().known().doubts
        assert not doubts or not isinstance(ended, Report) or ended.exit_code not in {ExitCode.DONE, ExitCode.REFUSED}
        return ended

    def begin(self) -> None:
        """Six records that exist: three to be corrected and three to be retired."""
        assert isinstance(self.apply(everything("old", "u", "d")), Report)

    def change(self, backend: Any = None) -> Report:
        """Corrects three records and retires the other three."""
        self.books.doomed = {record_id for address, record_id in self.ids().items() if address.startswith("d")}
        report = self.apply(WANTED, backend)
        assert isinstance(report, Report), report
        deleted = {r.change.address for r in report.having("applied") if r.change.action == "delete"}
        assert not deleted & self.ids().keys(), "the state holds what was deleted"
        return report

    def assert_it_ends_well(self) -> None:
        """I8 and I11: without faults and after the settle time, two runs reach what is declared; no token is kept."""
        self.server.faults, self.server.always = {}, {}
        self.wait()
        for _ in range(2):
            self.change()
        asked = self.books.requests
        conductor = self.conductor()
        assert conductor.plan(WANTED).is_empty
        assert not conductor.known().doubts
        assert self.books.requests == asked, "I7: a plan sent something"
        with self.books.lock:
            texts = sorted(str(exact(text)["Notes"]) for text in self.books.records.values())
        assert texts == [f"new u{number}" for number in range(CHANGED)]
        for path in self.state.rglob("*"):
            held = path.read_bytes() if path.is_file() else b""
            assert TOKEN.encode() not in held, path
            assert ACCESS.encode() not in held, path

    def check(self) -> None:
        with self.books.lock:
            assert not self.books.broken, "; ".join(self.books.broken)
            self.books.take_effect()

    def ids(self) -> dict[str, int]:
        return {address: held.id for address, held in self.conductor().known().state.records.items()}

    def bytes_kept(self) -> list[bytes]:
        """The state and the journal."""
        files = (self.state / name for name in ("state.json", "journal.jsonl"))
        return [path.read_bytes() if path.exists() else b"" for path in files]

    def wait(self) -> None:
        """Until nothing that was sent can take effect any more."""
        self.clock.sleep(2 * SETTLE + 10)

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self.server.stop()
