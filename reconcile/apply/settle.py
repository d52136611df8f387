"""Settles creates in doubt by reading, and writes each verdict down before anything acts on it.

The rules are those of the protocol, "Settling doubt". A record that matches is adopted at once; that nothing was made
is believed only after the settle time, and when two complete listings in a row agree. What cannot be read stays in
doubt, with the reason: an error of a read says nothing about a write, and does not hold up other invoices.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reconcile.apply.lookup import Lookup
from reconcile.apply.tools import Recorder
from reconcile.core.entries import IntentEntry, ResolvedEntry
from reconcile.core.errors import ApiError, ReconcileError
from reconcile.core.folded import Doubt
from reconcile.core.quota import QuotaError
from reconcile.core.records import ObservedRecord, Secret
from reconcile.core.report import Settlement
from reconcile.core.settling import Adopt, Ask, NotSeen, Verdict, could_match, has_settled, judge
from reconcile.core.times import from_iso, iso
from reconcile.ports import Clock, PaymentTokens

BETWEEN_LISTINGS = 2.0
"""Seconds at least between the two listings that have to agree (protocol.md, "Settling doubt", 4)."""

UNREADABLE = (ApiError, QuotaError)
"""What ends a read without an answer; nothing follows from it."""

OF_THE_WHOLE_API = frozenset({"unreachable", "unauthorized", "wrong-address", QuotaError.default_code})
"""The codes of errors after which nothing else can be read either."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment by the local clock, which may jump, and by one that never does; seconds."""

    now: float
    uptime: float

    @classmethod
    def by(cls, clock: Clock) -> "Moment":
        """This moment."""
        return cls(clock.now(), clock.monotonic())


@dataclass(frozen=True, slots=True)
class SettlingTools:
    """What settling acts through.

    Attributes:
        owned: The ids that belong to an address; adopted ones are added by `settle`.
        fingerprint: Under the key of the intents.
        settle_seconds: How long after its deadline a request may still take effect (assumption A1).
        who: Who is written down as having settled it.
    """

    api: PaymentTokens
    journal: Recorder
    clock: Clock
    owned: set[int]
    fingerprint: Callable[[Secret], str]
    settle_seconds: float
    who: str


def settle(doubts: Sequence[Doubt], tools: SettlingTools, *, by_absence: bool = True) -> list[Settlement]:
    """Settles what reading can settle; the rest stays in doubt, each with the reason.

    Args:
        doubts: Creates in doubt.
        tools: What to act through.
        by_absence: Whether something may also turn out as not created, which takes time.

    Raises:
        StateError: The journal cannot be written.
    """
    began = Moment.by(tools.clock)
    first = _Reading(doubts, tools)
    settlements = [first.settle(doubt) for doubt in doubts]
    ripe = [
        settlement.doubt
        for settlement in settlements
        if by_absence and first.is_unseen(settlement.doubt) and is_ripe(settlement.doubt.intent, tools, began)
    ]
    if not ripe or not _waited(tools.clock):
        return settlements
    second = _Reading(ripe, tools)
    return [second.settle_again(s.doubt, first) if s.doubt in ripe else s for s in settlements]


def _waited(clock: Clock) -> bool:
    """Lets the time between two listings pass; False when the wait was cut short."""
    began = clock.monotonic()
    clock.sleep(BETWEEN_LISTINGS)
    return clock.monotonic() - began >= BETWEEN_LISTINGS


class _Reading:
    """One complete look at the invoices of some doubts.

    Attributes:
        unseen: For each doubt of which nothing was seen, by operation, the ids that are at its invoice.
    """

    def __init__(self, doubts: Sequence[Doubt], tools: SettlingTools) -> None:
        self.unseen: dict[str, frozenset[int]] = {}
        self._tools = tools
        self._lookup: Lookup | None = None
        self._failure: ReconcileError | None = None
        try:
            self._lookup = Lookup(tools.api, {doubt.intent.coworker_invoice_id for doubt in doubts})
        except UNREADABLE as error:
            self._failure = error

    def is_unseen(self, doubt: Doubt) -> bool:
        """Whether the invoice was read completely, and nothing there could be what was sent."""
        return doubt.intent.operation in self.unseen

    def settle(self, doubt: Doubt) -> Settlement:
        """Adopts what was sent where it can be seen, and names what only a person can tell."""
        if self._lookup is None or (self._failure is not None and self._failure.code in OF_THE_WHOLE_API):
            return _unread(doubt, self._failure)
        try:
            verdict = _judge(doubt, self._lookup, self._tools)
        except UNREADABLE as error:
            self._failure = error
            return _unread(doubt, error)
        match verdict:
            case Adopt(record_id):
                return self._adopt(doubt, record_id)
            case Ask(why, ids):
                return Settlement(doubt, "open", words=why, ids=ids)
            case NotSeen():
                rows = self._lookup.at(doubt.intent.coworker_invoice_id)
                self.unseen[doubt.intent.operation] = frozenset(row.id for row in rows)
                return Settlement(doubt, "open", words=_until(doubt, self._tools))

    def settle_again(self, doubt: Doubt, first: "_Reading") -> Settlement:
        """Believes that nothing was created where this reading agrees with the first one on the invoice."""
        settlement = self.settle(doubt)
        operation = doubt.intent.operation
        seen = self.unseen.get(operation)
        if seen is None or seen != first.unseen[operation]:
            return settlement
        self._tools.journal.append(resolved(doubt.intent, self._tools, None, tuple(sorted(seen))))
        return Settlement(doubt, "not_created")

    def _adopt(self, doubt: Doubt, record_id: int) -> Settlement:
        self._tools.journal.append(resolved(doubt.intent, self._tools, record_id, (record_id,)))
        self._tools.owned.add(record_id)
        return Settlement(doubt, "adopted", record_id)


def _judge(doubt: Doubt, lookup: Lookup, tools: SettlingTools) -> Verdict:
    records, unreadable = suspects_in_full(doubt.intent, lookup, tools)
    verdict = judge(doubt.intent, records, tools.owned, tools.fingerprint, doubt.ids)
    if isinstance(verdict, NotSeen) and unreadable:
        return Ask("a record is listed there that cannot be read by its id", unreadable)
    return verdict


def suspects_in_full(
    intent: IntentEntry, lookup: Lookup, tools: SettlingTools
) -> tuple[list[ObservedRecord], tuple[int, ...]]:
    """What came to the invoice since and no address owns, read by id (a row may leave fields out).

    Returns:
        The records, and the ids that are listed although there is no record to read.

    Raises:
        ApiError, QuotaError: They cannot be read.
    """
    rows = lookup.at(intent.coworker_invoice_id)
    new = [row for row in rows if row.id not in intent.baseline and row.id not in tools.owned]
    suspects = {row.id: tools.api.get(row.id) for row in new if could_match(intent, row, tools.fingerprint)}
    records = [record for record in suspects.values() if record is not None]
    return records, tuple(record_id for record_id, record in suspects.items() if record is None)


def is_ripe(intent: IntentEntry, tools: SettlingTools, at: Moment) -> bool:
    """Whether the request could no longer take effect at that moment (assumption A1)."""
    server_now = tools.api.server_time
    then = None if server_now is None else server_now - (tools.clock.monotonic() - at.uptime)
    return has_settled(intent, tools.settle_seconds, at.now, then)


def _until(doubt: Doubt, tools: SettlingTools) -> str:
    ripe_at = iso(from_iso(doubt.intent.deadline) + tools.settle_seconds)
    return f"not seen at the invoice so far; counts as not created when it is still not there after {ripe_at}"


def _unread(doubt: Doubt, failure: ReconcileError | None) -> Settlement:
    why = failure.message if failure is not None else "no answer"
    return Settlement(doubt, "open", words=f"the invoice could not be read: {why}")


def resolved(intent: IntentEntry, tools: SettlingTools, record_id: int | None, seen: tuple[int, ...]) -> ResolvedEntry:
    """The verdict as the journal keeps it: it took effect, on `record_id`, or had none."""
    verdict = "not_created" if record_id is None else "adopted"
    return ResolvedEntry(intent.operation, iso(tools.clock.now()), verdict, record_id, seen, tools.who)
