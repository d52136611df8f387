"""What a record seen in Nexudus says about a create whose outcome is unknown, or about one that is not sent yet.

The rules of the protocol, "Before a create" and "Settling doubt", as plain comparisons. Reading, waiting and writing
down the verdict happen elsewhere (`apply/lookup.py`, `apply/settle.py`).
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from reconcile.core.entries import IntentEntry
from reconcile.core.fingerprints import Comparison, compare_fingerprints
from reconcile.core.records import UNMANAGED, ObservedRecord, Secret, StateRecord
from reconcile.core.times import from_iso

FingerprintToken = Callable[[Secret], str]

Expected: TypeAlias = "IntentEntry | StateRecord"
"""What says which fields are managed, and what they hold."""


class Likeness(Enum):
    """How a record seen compares with what was to be created.

    A near match has the same token and another declared field that differs, or shows no token where one was sent: it
    may be ours, altered or cut short by somebody, so only a person can tell. Where no token was sent there is nothing
    to be told apart by, so whatever is new at the invoice is near.
    """

    FULL = "full"
    NEAR = "near"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Adopt:
    """Exactly one record is what was to be created: it becomes the address's."""

    id: int


@dataclass(frozen=True, slots=True)
class Ask:
    """Only a person can tell; `ids` are the records to look at."""

    why: str
    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NotSeen:
    """Nothing that could be it. Whether that means "not created" depends on how long ago it was sent."""


Verdict: TypeAlias = Adopt | Ask | NotSeen


def likeness(intent: IntentEntry, seen: ObservedRecord, fingerprint: FingerprintToken) -> Likeness:
    """Compares every declared field of a full record, one that was read by its id (undeclared fields do not count)."""
    if seen.coworker_invoice_id != intent.coworker_invoice_id:
        return Likeness.OTHER
    others_equal = same_provider(intent, seen) and same_notes(intent, seen)
    token = compare_seen_token(intent, seen, fingerprint)
    if token is Comparison.SAME:
        return Likeness.FULL if others_equal else Likeness.NEAR
    return Likeness.NEAR if token is Comparison.INCOMPARABLE and others_equal else Likeness.OTHER


def same_provider(intent: Expected, seen: ObservedRecord) -> bool:
    """Whether the provider is as expected, where it is managed; the API does not tell 0 from null."""
    declared = intent.regular_payment_provider
    return declared is UNMANAGED or (declared or None) == (seen.regular_payment_provider or None)


def same_notes(intent: Expected, seen: ObservedRecord) -> bool:
    """Whether the notes are as expected, where they are managed; the API does not tell an empty text from null."""
    return intent.notes is UNMANAGED or (intent.notes or None) == (seen.notes or None)


def compare_seen_token(intent: Expected, seen: ObservedRecord, fingerprint: FingerprintToken) -> Comparison:
    """A record that declares no token is the same in that respect, whatever token is seen."""
    if intent.token_source is UNMANAGED:
        return Comparison.SAME
    shown = seen.token is not None and seen.token.reveal() != ""
    if intent.token_source is None:
        return Comparison.DIFFERENT if shown else Comparison.SAME
    if seen.token is None or not shown:
        return Comparison.INCOMPARABLE
    return compare_fingerprints(intent.token_fingerprint, fingerprint(seen.token))


def judge(
    intent: IntentEntry,
    seen: Iterable[ObservedRecord],
    owned: Collection[int],
    fingerprint: FingerprintToken,
    named: Collection[int] = (),
) -> Verdict:
    """What the records at the invoice say about a create in doubt (protocol.md, "Settling doubt", 2 and 3).

    Args:
        intent: The create in doubt, with the ids that were at the invoice before it.
        seen: The full records at the invoice now.
        owned: Ids that belong to an address.
        fingerprint: Under the key of the intent.
        named: Ids that the server's answer to the create named. One that is not new at the invoice is asked about,
            whatever else is seen (protocol.md, "Outcomes of a create").
    """
    new = [record for record in seen if record.id not in intent.baseline and record.id not in owned]
    by_likeness = {record.id: likeness(intent, record, fingerprint) for record in new}
    full = tuple(sorted(i for i, like in by_likeness.items() if like is Likeness.FULL))
    near = tuple(sorted(i for i, like in by_likeness.items() if like is Likeness.NEAR))
    elsewhere = set(named) - by_likeness.keys()
    if elsewhere:
        return Ask("the server answered with the id of another record", tuple(sorted({*full, *near, *elsewhere})))
    if len(full) == 1:
        return Adopt(full[0])  # even if somebody else wrote it, what was declared now exists once
    if full:
        return Ask("more than one record is what was sent", full)
    if near:
        return Ask("a record is almost what was sent", near)
    return NotSeen()


def could_match(intent: IntentEntry, row: ObservedRecord, fingerprint: FingerprintToken) -> bool:
    """Whether a row of a list is worth reading by its id; a null there may only mean "not filled in"."""
    if row.coworker_invoice_id != intent.coworker_invoice_id:
        return False
    if row.token is None or not row.token.reveal():
        return True
    shown = compare_seen_token(intent, row, fingerprint)
    return shown is not Comparison.DIFFERENT


def has_settled(intent: IntentEntry, settle_seconds: float, now: float, server_now: float | None) -> bool:
    """Whether the request can no longer take effect (assumption A1).

    What counts is how far each clock went since the intent was written, not what it shows: one that is wrong by hours
    neither blocks nor shortens the wait, and one that jumped ahead meanwhile is outvoted by the other.
    """
    passed = now - from_iso(intent.at)
    if server_now is not None:
        passed = min(passed, server_now - from_iso(intent.server_at or intent.at))
    return passed >= from_iso(intent.deadline) - from_iso(intent.at) + settle_seconds
