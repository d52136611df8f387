"""What a run acts through, and how far it may go. Declarations only."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from reconcile.core.entries import Entry
from reconcile.core.records import Secret
from reconcile.ports import Clock, HeldLock, PaymentTokens, Reporter


class Pace(Protocol):
    """When the next request may leave (`adapters/pacing.py`)."""

    def before_write(self) -> float | None:
        """Waits for a slot and takes it; or, when that is too far away, takes none and says in how many seconds."""
        ...

    def pause(self, seconds: float) -> None:
        """Nothing leaves for so long: the server said so, and its word outranks our count."""
        ...


class Recorder(Protocol):
    """The journal, as far as a run needs it (`reconcile/journal.py`)."""

    def append(self, *entries: Entry) -> None:
        """Writes entries, from any thread; they would survive a power loss once this returns."""
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What a run acts through.

    Attributes:
        emergency: Takes a line that could not be written to the journal, and puts it where a person finds it.
        is_interrupted: Whether the user asked to stop.
        new_operation: A name for the next attempt, never used before.
        fingerprint: The fingerprint under which the state remembers a token.
        note_total: Told how many records the account holds.
    """

    api: PaymentTokens
    journal: Recorder
    lock: HeldLock
    clock: Clock
    pace: Pace
    reporter: Reporter
    emergency: Callable[[str], None]
    is_interrupted: Callable[[], bool]
    new_operation: Callable[[], str]
    fingerprint: Callable[[Secret], str]
    note_total: Callable[[int], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a run may go.

    Attributes:
        timeout_seconds: The total deadline of one request.
        adopt_existing: Whether a record that matches in full, and that nobody owns, is taken over.
    """

    concurrency: int = 8
    timeout_seconds: float = 60.0
    max_writes: int | None = None
    max_consecutive_rejections: int = 20
    adopt_existing: bool = False
