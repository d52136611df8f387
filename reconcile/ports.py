"""What the inside needs of the world, as protocols; the adapters implement them, tests pass their own plain code.

Nothing here does anything. An implementation translates every lower error into a `ReconcileError`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from reconcile.core.records import ObservedRecord, PaymentToken, Secret, WholeRecord

if TYPE_CHECKING:
    from reconcile.core.outcomes import Seen


class StoredState(NamedTuple):
    """The state's bytes; whoever is to replace them finds their version, readers need none."""

    data: bytes
    find_version: Callable[[], str]

    @property
    def version(self) -> str:
        """Opaque, for compare-and-swap."""
        return self.find_version()


class LockInfo(NamedTuple):
    """Who holds the lock: shown to whoever waits for it. `since` is UTC, ISO 8601."""

    id: str
    operation: str
    who: str
    host: str
    pid: int
    since: str


class HeldLock(Protocol):
    """A lock while it is held."""

    @property
    def info(self) -> LockInfo:
        """What others are shown."""
        ...

    def is_held(self) -> bool:
        """Whether it is still ours: asked right before every write (protocol.md, I10)."""
        ...


class Backend(Protocol):
    """Where state, journal, lock and history live. Bytes in, bytes out; their meaning is the core's.

    Every method that writes returns only once the bytes would survive a power loss. A failed sync is never retried.
    All raise StateError when the store below fails, and say what is known.
    """

    def read_state(self) -> StoredState | None:
        """The state, or None when there is none yet."""
        ...

    def write_state(self, data: bytes, *, expected: str | None) -> str:
        """Replaces the state if its version is still `expected` (None: there is none), and returns the new version.

        What was there before is kept as the backup. Raises StateError with code `state-conflict` when it changed.
        """
        ...

    def read_backup(self) -> bytes | None:
        """The state before the last write."""
        ...

    def read_journal(self) -> bytes:
        """Everything appended since the last replacement; empty when there is no journal."""
        ...

    def last_journal_line(self) -> bytes:
        """The last line without reading what comes before it; empty when there is no journal."""
        ...

    def append_journal(self, data: bytes) -> None:
        """Adds whole lines at the end."""
        ...

    def replace_journal(self, data: bytes, *, keep_aside: bool = False) -> None:
        """Puts `data` in the journal's place, atomically; `keep_aside` saves a copy of what was there first."""
        ...

    def read_history(self) -> bytes:
        """The finished runs that the journal no longer holds, as JSON lines."""
        ...

    def append_history(self, data: bytes) -> None:
        """Adds whole lines to the history."""
        ...

    def read_quota(self) -> bytes:
        """The ledger of what was charged to the quota, as JSON lines."""
        ...

    def append_quota(self, data: bytes) -> None:
        """Adds to the ledger; needs no lock, and appends of several processes stay apart."""
        ...

    def replace_quota(self, data: bytes) -> None:
        """Puts `data` in the ledger's place, atomically, under the lock."""
        ...

    def lock(self, info: LockInfo, *, timeout: float) -> AbstractContextManager[HeldLock]:
        """Holds the lock inside the with-block, waiting at most `timeout` seconds for it.

        A holder that died on this host is taken over. Raises LockedError, naming the holder.
        """
        ...

    def lock_holder(self) -> LockInfo | None:
        """Who holds the lock, or left it behind; None when it is free."""
        ...

    def break_lock(self, lock_id: str) -> LockInfo:
        """Removes the lock that a holder on another host left behind.

        Raises LockedError while the holder is alive on this host, UsageError when no lock has that id.
        """
        ...

    def record_emergency(self, lines: str) -> Path | None:
        """Writes what the journal could not take to any place that takes it; None when there is none."""
        ...

    def fingerprint_key(self, *, create: bool) -> bytes | None:
        """The key under which tokens are fingerprinted; made once when `create`, None when there is none."""
        ...


class PaymentTokens(Protocol):
    """The API's one resource. Reports what was seen and decides nothing; never raises for an answer."""

    def create(self, fields: Mapping[str, int | str | None], token: Secret | None) -> "Seen":
        """Sends one create with a total deadline. `fields` has the record's own names, without the token.

        `token` None means that no token is sent, unless `fields` says `"token": None`, which sends null.
        """
        ...

    def update(self, whole: WholeRecord, fields: Mapping[str, int | str | None], token: Secret | None) -> "Seen":
        """Sends the whole record back with `fields` and `token`, as in `create`, laid over it; once, as `create`.

        Whatever is not laid over goes back as it came, to the byte: an update replaces everything.
        """
        ...

    def delete(self, record_id: int, token: Secret | None = None) -> "Seen":
        """Sends one delete, once, with a total deadline; no message repeats the token, which is the record's."""
        ...

    def sign_in(self) -> None:
        """Gets access where there is none, or it is about to end; else does nothing.

        Raises ApiError, InputError or QuotaError where there is no way to it.
        """
        ...

    def refresh_access(self) -> bool:
        """Gets a fresh access token; False when there is no way to one. Raises ApiError when the login is refused."""
        ...

    def list_records(self, coworker_invoice_id: int | None = None, *, since: str = "") -> Iterator[ObservedRecord]:
        """Every record, or those of one invoice, each checked locally against the filter.

        `since` (UTC, ISO 8601) asks for those changed since, and is no more than a hint: others may come as well.
        Raises ApiError on any error: an error is never an empty list.
        """
        ...

    def list_newer(self, than: int, known: int) -> Iterator[ObservedRecord]:
        """The records with a higher id than `than`; `known` is how many there were up to that one.

        Costs one request most often, and may be read while records are being created. Raises as `list_records`.
        """
        ...

    def count_records(self) -> int:
        """How many records there are in all; costs one request. Raises ApiError."""
        ...

    def measure_listing(self) -> tuple[int, int]:
        """How many records there are, and how many requests a listing of all takes; costs one. Raises ApiError."""
        ...

    def get_batch(self, record_ids: Sequence[int]) -> Mapping[int, ObservedRecord] | None:
        """What one request shows of several records, by id; None where the API does not answer such requests.

        A record that is missing here may exist all the same, and None in a field may mean "not filled in".
        Raises ApiError when the API cannot be read at all.
        """
        ...

    @property
    def server_time(self) -> float | None:
        """Seconds since the epoch by the server's last answer and what passed since; None when it did not say."""
        ...

    def get(self, record_id: int) -> ObservedRecord | None:
        """One full record; None on a JSON 404. Raises ApiError on anything else."""
        ...

    def get_whole(self, record_id: int) -> WholeRecord | None:
        """As `get`, with what an update has to send back."""
        ...


class Secrets(Protocol):
    """Tokens by where they come from."""

    def find(self, record: PaymentToken) -> Secret | None:
        """The token of a declared record; None when it is not at hand.

        Raises InputError when the source exists but may not be read (a link, a wrong encoding, too large).
        """
        ...


class Clock(Protocol):
    """Time, so that days can pass in a test."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Waits; returns early when the run is being interrupted."""
        ...


class ReadWatcher(Protocol):
    """Hears what reading many records costs, before each stage of it, and how far it is; from one thread at a time."""

    def expect(self, reads: int, seconds: float, what: str) -> None:
        """So many reads more are about to be sent, which takes about so long at the account's limits."""
        ...

    def note_read(self) -> None:
        """One read leaves."""
        ...

    def finish(self) -> None:
        """Reading has ended; what is read from now on is none of its business."""
        ...


class Reporter(Protocol):
    """Hears what apply does, as it happens; called from several threads, one call at a time."""

    def tell(self, event: str, details: Mapping[str, object]) -> None:
        """One event, by its name in the contract of `apply --format json` (product.md, "How it looks")."""
        ...
