"""Settles writes in doubt by reading, and writes each verdict down before anything acts on it.

The rules are those of the protocol, "Settling doubt". A record that matches is adopted at once; that nothing was made
is believed only after the settle time, and when two complete listings in a row agree.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from reconcile.apply.lookup import Lookup
from reconcile.apply.tools import Recorder
from reconcile.core.entries import IntentEntry, ResolvedEntry
from reconcile.core.operations import Doubt
from reconcile.core.records import ObservedRecord, Secret
from reconcile.core.report import Settlement
from reconcile.core.settling import Adopt, Ask, NotSeen, Verdict, could_match, has_settled, judge
from reconcile.core.times import from_iso, iso
from reconcile.ports import Clock, PaymentTokens

BETWEEN_LISTINGS = 2.0
"""Seconds at least between the two listings that have to agree (protocol.md, "Settling doubt", 4)."""


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


def settle(doubts: Sequence[Doubt], tools: SettlingTools) -> list[Settlement]:
    """Settles what reading can settle; the rest stays in doubt, each with the reason.

    Raises:
        ApiError: The API cannot be read; what was settled until then is in the journal.
        StateError: The journal cannot be written.
    """
    began = tools.clock.now()
    first = Lookup(tools.api, _invoices(doubts))
    settlements = [_by_sight(doubt, first, tools) for doubt in doubts]
    ripe = [s.doubt for s in settlements if s.verdict == "open" and not s.ids and is_ripe(s.doubt.intent, tools, began)]
    if not ripe or not _waited(tools.clock):
        return settlements
    second = Lookup(tools.api, _invoices(ripe))
    return [_by_absence(s, first, second, tools) if s.doubt in ripe else s for s in settlements]


def _waited(clock: Clock) -> bool:
    """Lets the time between two listings pass; False when the wait was cut short."""
    began = clock.monotonic()
    clock.sleep(BETWEEN_LISTINGS)
    return clock.monotonic() - began >= BETWEEN_LISTINGS


def _invoices(doubts: Sequence[Doubt]) -> set[int]:
    return {doubt.intent.coworker_invoice_id for doubt in doubts}


def _by_sight(doubt: Doubt, lookup: Lookup, tools: SettlingTools) -> Settlement:
    """Adopts what was sent where it can be seen, and names what only a person can tell."""
    match _judge(doubt, lookup, tools):
        case Adopt(record_id):
            tools.journal.append(_resolved(doubt.intent, tools, record_id, (record_id,)))
            tools.owned.add(record_id)
            return Settlement(doubt, "adopted", record_id)
        case Ask(why, ids):
            return Settlement(doubt, "open", words=why, ids=ids)
        case NotSeen():
            return Settlement(doubt, "open", words=_until(doubt, tools))


def _judge(doubt: Doubt, lookup: Lookup, tools: SettlingTools) -> Verdict:
    intent = doubt.intent
    known = tuple(claimed for claimed in doubt.ids if claimed in tools.owned or claimed in intent.baseline)
    if known:
        # The server confirmed a create with a record that was there before: reading cannot tell what it meant.
        return Ask("the answer named a record that was there before", known)
    return judge(intent, suspects_in_full(intent, lookup, tools), tools.owned, tools.fingerprint)


def suspects_in_full(intent: IntentEntry, lookup: Lookup, tools: SettlingTools) -> Iterator[ObservedRecord]:
    """The records at the invoice that came since and that no address owns, read by id: a row may leave fields out."""
    for row in lookup.at(intent.coworker_invoice_id):
        is_new = row.id not in intent.baseline and row.id not in tools.owned
        if is_new and could_match(intent, row, tools.fingerprint):
            record = tools.api.get(row.id)
            if record is not None:
                yield record


def _by_absence(open_one: Settlement, first: Lookup, second: Lookup, tools: SettlingTools) -> Settlement:
    """Believes that nothing was created when two complete listings in a row agree on the invoice."""
    doubt, invoice = open_one.doubt, open_one.doubt.intent.coworker_invoice_id
    seen = {row.id for row in second.at(invoice)}
    if seen != {row.id for row in first.at(invoice)}:
        return _by_sight(doubt, second, tools)
    tools.journal.append(_resolved(doubt.intent, tools, None, tuple(sorted(seen))))
    return Settlement(doubt, "not_created")


def is_ripe(intent: IntentEntry, tools: SettlingTools, at: float) -> bool:
    """Whether the request could no longer take effect at that time of the local clock (assumption A1)."""
    server_now = tools.api.server_time
    then = None if server_now is None else server_now - (tools.clock.now() - at)
    return has_settled(from_iso(intent.deadline), tools.settle_seconds, at, then)


def _until(doubt: Doubt, tools: SettlingTools) -> str:
    ripe_at = iso(from_iso(doubt.intent.deadline) + tools.settle_seconds)
    return f"not seen at the invoice so far; counts as not created when it is still not there after {ripe_at}"


def _resolved(intent: IntentEntry, tools: SettlingTools, record_id: int | None, seen: tuple[int, ...]) -> ResolvedEntry:
    verdict = "not_created" if record_id is None else "adopted"
    return ResolvedEntry(intent.operation, iso(tools.clock.now()), verdict, record_id, seen, tools.who)
