"""What a record that was read says about changing it, whether somebody else did, and what the state remembers of it.

Only managed fields are compared. Reading and writing down are others' work (`apply/update.py`, `apply/settle.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from reconcile.core.entries import IntentEntry
from reconcile.core.fingerprints import Comparison
from reconcile.core.records import UNMANAGED, ObservedRecord, PaymentToken, Provider, StateRecord, Unmanaged
from reconcile.core.settling import Expected, FingerprintToken, compare_seen_token, same_notes, same_provider

_LONGEST_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Apart:
    """How a record that was read differs from what is expected of it.

    Attributes:
        fields: The names of the managed fields that differ.
        is_token_untold: Whether nothing follows about the token, as its fingerprint has another key or is not known.
    """

    fields: tuple[str, ...]
    is_token_untold: bool

    @property
    def is_same(self) -> bool:
        """Whether every managed field is as expected, for certain."""
        return not self.fields and not self.is_token_untold


def compare(expected: Expected, seen: ObservedRecord, fingerprint: FingerprintToken) -> Apart:
    """Compares the managed fields of `expected` with a record that was read by its id."""
    token = _compare_token(expected, seen, fingerprint)
    are_same = {
        "coworker_invoice_id": expected.coworker_invoice_id == seen.coworker_invoice_id,
        "notes": same_notes(expected, seen),
        "regular_payment_provider": same_provider(expected, seen),
        "token": token is not Comparison.DIFFERENT,
    }
    return Apart(tuple(name for name, is_same in are_same.items() if not is_same), token is Comparison.INCOMPARABLE)


def _compare_token(expected: Expected, seen: ObservedRecord, fingerprint: FingerprintToken) -> Comparison:
    is_blank = seen.token is None or not seen.token.reveal()
    if is_blank and isinstance(expected.token_source, str) and expected.token_fingerprint:
        return Comparison.DIFFERENT  # a read by id leaves nothing out: the token that was there is gone
    return compare_seen_token(expected, seen, fingerprint)


@dataclass(frozen=True, slots=True)
class TookEffect:
    """The record is what was sent."""


@dataclass(frozen=True, slots=True)
class AsBefore:
    """The record is what it was. Whether that means "no effect" depends on how long ago it was sent."""


@dataclass(frozen=True, slots=True)
class Unclear:
    """Only a person can tell."""

    why: str


def judge_update(
    intent: IntentEntry, seen: ObservedRecord, fingerprint: FingerprintToken
) -> TookEffect | AsBefore | Unclear:
    """What a record says about an update of it whose outcome is unknown (protocol.md, "Update in doubt").

    An update replaces all fields at once, so one that can be compared speaks for those that cannot.
    """
    sent = compare(intent, seen, fingerprint)
    before = compare(intent.before, seen, fingerprint) if intent.before is not None else None
    is_old = before is not None and not before.fields
    if sent.is_same:
        return TookEffect()
    if sent.fields and is_old:
        return AsBefore()
    if sent.fields:
        return Unclear(f"it is neither what was sent nor what was there before: {_listed(sent.fields)}")
    if is_old:
        return Unclear("its token cannot be compared with the one that was sent")
    return TookEffect()


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) + (" differs" if len(names) == 1 else " differ")


def remembered(
    declared: PaymentToken, seen: ObservedRecord, fingerprint: FingerprintToken, at: str, created_at: str = ""
) -> StateRecord:
    """What the state holds of a record that was read: for each declared field, what is there now.

    What differs from the declaration shows in the next plan. A token is taken to come from where it is declared to; its
    fingerprint tells whether it does.
    """
    token = seen.token if seen.token is not None and seen.token.reveal() else None
    is_wanted = isinstance(declared.token_source, str)
    source = declared.token_source
    if source is not UNMANAGED and is_wanted == (token is None):
        source = UNMANAGED if token is not None else None  # what is declared is not what is there
    return StateRecord(
        id=seen.id,
        coworker_invoice_id=seen.coworker_invoice_id,
        regular_payment_provider=_provider(declared, seen),
        notes=UNMANAGED if declared.notes is UNMANAGED else seen.notes or None,
        token_source=source,
        token_version=declared.token_version,
        token_fingerprint=fingerprint(token) if token is not None and isinstance(source, str) else None,
        protect=declared.protect,
        created_at=created_at or at,
        updated_at=at,
    )


def _provider(declared: PaymentToken, seen: ObservedRecord) -> Provider | Literal[Unmanaged.UNMANAGED] | None:
    if declared.regular_payment_provider is UNMANAGED or not seen.regular_payment_provider:
        return UNMANAGED if declared.regular_payment_provider is UNMANAGED else None
    try:
        return Provider(seen.regular_payment_provider)
    except ValueError:
        return UNMANAGED  # a number without a name is no value that could be declared


def altered_words(intent: IntentEntry, seen: ObservedRecord, apart: Apart) -> str:
    """What the API made of what it was sent, field by field; of a token, only that it is another one."""
    return "; ".join(_altered(intent, seen, apart))


def _altered(intent: IntentEntry, seen: ObservedRecord, apart: Apart) -> Iterator[str]:
    sent = intent.regular_payment_provider
    number = sent.value if isinstance(sent, Provider) else None
    words = {
        "coworker_invoice_id": f"was sent as {intent.coworker_invoice_id} and is {seen.coworker_invoice_id}",
        "notes": f"was sent as {_text(intent.notes)} and is {_text(seen.notes)}",
        "regular_payment_provider": f"was sent as {number} and is {seen.regular_payment_provider}",
        "token": "is not the one that was sent",
    }
    return (f"{name} {words[name]}" for name in apart.fields)


def _text(value: object) -> str:
    if not isinstance(value, str):
        return "null"
    if len(value) <= _LONGEST_SHOWN:
        return f'"{value}"'
    return f'"{value[:_LONGEST_SHOWN]}…" ({len(value):,} characters)'
