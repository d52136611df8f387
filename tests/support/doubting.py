"""Doubts, and what settles them, over the small store of `acting.py`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from acting import START, FakeApi, FakeClock, FakeJournal, Log
from declarations import doubt

from reconcile.apply.settle import SettlingTools, settle
from reconcile.core.entries import ResolvedEntry
from reconcile.core.operations import Doubt
from reconcile.core.records import Secret
from reconcile.core.report import Settlement
from reconcile.core.times import iso

SETTLE_SECONDS = 300.0


def fingerprint(secret: Secret) -> str:
    return f"k:{secret.reveal()}"


@dataclass
class Scene:
    """An API with records, a journal, and a clock that stands where the settle time of `sent` has passed."""

    log: Log = field(default_factory=Log)
    clock: FakeClock = field(default_factory=FakeClock)
    owned: set[int] = field(default_factory=set)
    fingerprint: Callable[[Secret], str] = fingerprint

    def __post_init__(self) -> None:
        self.api = FakeApi(self.log)
        self.journal = FakeJournal(self.log)
        self.clock.passed = SETTLE_SECONDS

    def sent(self, address: str, invoice: int = 7, deadline: float = START, **intent: object) -> Doubt:
        """A create in doubt of a record whose token is `t` and whose notes are its address."""
        fields = {"notes": address, "token_source": "env:T", "token_fingerprint": "k:t"} | intent
        return doubt(address, invoice, f"op-{address}", deadline=iso(deadline), **fields)

    def hold(self, record_id: int, notes: str, token: str | None = "t", invoice: int = 7) -> None:
        self.api.hold(record_id, invoice, None, notes, Secret(token) if token is not None else None)

    @property
    def tools(self) -> SettlingTools:
        return SettlingTools(
            self.api, self.journal, self.clock, self.owned, self.fingerprint, SETTLE_SECONDS, "ann@host"
        )

    def settle(self, *doubts: Doubt) -> Sequence[Settlement]:
        return settle(doubts, self.tools)

    @property
    def verdicts(self) -> list[tuple[str, str, int | None]]:
        """What the journal was told."""
        entries = [entry for entry in self.journal.entries if isinstance(entry, ResolvedEntry)]
        return [(entry.operation, entry.verdict, entry.id) for entry in entries]
