"""What was changed in Nexudus without the tool: the state against what was seen there, and laid over for a plan.

Only managed fields count; tokens are compared by fingerprint. How to see is `apply/observe.py`; what follows for a plan
is `drift_plan.py`.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from reconcile.core.differences import FieldChange
from reconcile.core.fingerprints import Comparison, compare_fingerprints
from reconcile.core.records import UNMANAGED, Address, ObservedRecord, Provider, Secret, StateRecord
from reconcile.core.state import State

_CHANGED_OUTSIDE = "(changed outside)"

FingerprintSeen = Callable[[Secret], str] | None
"""The fingerprint of a token seen; None when there is no key."""

_BY_NUMBER = {int(provider): provider for provider in Provider}


class DriftKind(StrEnum):
    """What became of a record, in the order in which drift lists it.

    A record is gone only when that is proven; one that is listed and cannot be read, or can be read and is not listed,
    is something else (protocol.md, "Outcomes of a create").
    """

    CHANGED = "changed"
    MOVED = "moved"
    GONE = "gone"
    UNREADABLE = "unreadable"
    UNLISTED = "unlisted"


@dataclass(frozen=True, slots=True)
class Drift:
    """One record that is not what the state remembers.

    Attributes:
        fields: What was changed: before, as the state remembers it, and after, as it is now.
        seen: What is there; None where nothing could be read.
        token: The fingerprint of a changed token; None when it was cleared, or did not change.
    """

    kind: DriftKind
    address: Address
    held: StateRecord
    seen: ObservedRecord | None = None
    fields: tuple[FieldChange, ...] = ()
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Comparisons:
    """A whole state against what was seen.

    Attributes:
        drifts: By kind and address.
        same: How many records are what the state remembers.
        incomparable: How many tokens could not be compared: the fingerprint key is another, or none was remembered.
        in_doubt: Addresses that were left out, because a write to them is in doubt.
    """

    drifts: tuple[Drift, ...] = ()
    same: int = 0
    incomparable: int = 0
    in_doubt: tuple[Address, ...] = ()

    def having(self, *kinds: DriftKind) -> list[Drift]:
        """The records of which one of these became."""
        return [drift for drift in self.drifts if drift.kind in kinds]

    @property
    def changed(self) -> Mapping[int, tuple[FieldChange, ...]]:
        """What was changed of the records that can be read, by id."""
        return {drift.held.id: drift.fields for drift in self.drifts if drift.fields}


def compare(
    records: Mapping[Address, StateRecord],
    seen: Mapping[int, ObservedRecord],
    fingerprint: FingerprintSeen,
    *,
    gone: Collection[int] = (),
    unreadable: Collection[int] = (),
    unlisted: Collection[int] = (),
    in_doubt: Collection[Address] = (),
) -> Comparisons:
    """What became of each record, given what was seen of it."""
    drifts: list[Drift] = []
    incomparable = 0
    for address, held in sorted(records.items()):
        if held.id in gone or held.id in unreadable:
            kind = DriftKind.GONE if held.id in gone else DriftKind.UNREADABLE
            drifts.append(Drift(kind, address, held))
            continue
        record = seen[held.id]
        incomparable += compare_token(held, record, fingerprint) is Comparison.INCOMPARABLE
        drift = _drift_of(address, held, record, fingerprint, is_listed=held.id not in unlisted)
        if drift is not None:
            drifts.append(drift)
    order = list(DriftKind)
    ordered = tuple(sorted(drifts, key=lambda drift: (order.index(drift.kind), drift.address)))
    return Comparisons(ordered, len(records) - len(drifts), incomparable, tuple(sorted(in_doubt)))


def _drift_of(
    address: Address, held: StateRecord, seen: ObservedRecord, fingerprint: FingerprintSeen, *, is_listed: bool
) -> Drift | None:
    is_moved = seen.coworker_invoice_id != held.coworker_invoice_id
    fields = field_drift(held, seen, fingerprint)
    if not is_listed:
        kind = DriftKind.UNLISTED
    elif is_moved:
        kind = DriftKind.MOVED
    elif fields:
        kind = DriftKind.CHANGED
    else:
        return None
    is_token = any(field.sensitive for field in fields)
    token = fingerprint(seen.token) if is_token and fingerprint and seen.token and shows_token(seen) else None
    return Drift(kind, address, held, seen, fields, token)


def field_drift(held: StateRecord, seen: ObservedRecord, fingerprint: FingerprintSeen) -> tuple[FieldChange, ...]:
    """The managed fields that are not as last applied, sorted by name. `""` equals null, and so does provider 0."""
    values = [("coworker_invoice_id", str(held.coworker_invoice_id), str(seen.coworker_invoice_id))]
    if held.notes is not UNMANAGED:
        values.append(("notes", held.notes or "", seen.notes or ""))
    if held.regular_payment_provider is not UNMANAGED:
        before, after = provider_name(held.regular_payment_provider), provider_name(seen.regular_payment_provider)
        values.append(("regular_payment_provider", before, after))
    changes = [FieldChange(name, before or None, after or None) for name, before, after in values if before != after]
    if compare_token(held, seen, fingerprint) is Comparison.DIFFERENT:
        source = held.token_source if isinstance(held.token_source, str) else None
        after = f"{source or ''} (changed)".strip() if shows_token(seen) else None
        changes.append(FieldChange("token", source, after, sensitive=True))
    return tuple(changes)


def provider_name(number: int | None) -> str:
    """The name of a provider seen, or its number where it is none of the known; empty for none at all."""
    known = _BY_NUMBER.get(number or 0)
    return known.name if known is not None else str(number or "")


def shows_token(seen: ObservedRecord) -> bool:
    """Whether the record has a token; `""` is none."""
    return seen.token is not None and seen.token.reveal() != ""


def compare_token(held: StateRecord, seen: ObservedRecord, fingerprint: FingerprintSeen) -> Comparison:
    """The token last applied against the one that is there; one that is not managed is the same."""
    if held.token_source is UNMANAGED:
        return Comparison.SAME
    if held.token_source is None:
        return Comparison.DIFFERENT if shows_token(seen) else Comparison.SAME
    if seen.token is None or not shows_token(seen):
        return Comparison.DIFFERENT
    return compare_fingerprints(held.token_fingerprint, fingerprint(seen.token) if fingerprint else None)


def lay_over(state: State, found: Comparisons) -> State:
    """The state as it would be had it been told of everything that was seen, without what is gone.

    A record that moved to another invoice keeps the one it had: what follows from that is the plan's to say.
    """
    records = dict(state.records)
    for drift in found.drifts:
        if drift.kind is DriftKind.GONE:
            del records[drift.address]
        elif drift.fields and drift.seen is not None:
            records[drift.address] = _as_seen(drift, drift.seen)
    return state._replace(records=records)


def _as_seen(drift: Drift, seen: ObservedRecord) -> StateRecord:
    held = drift.held
    number = seen.regular_payment_provider or 0
    # A number that no provider has stays one: it is compared and shown, and never gets into a state.
    provider = cast("Provider | None", _BY_NUMBER.get(number, number or None))
    changed = held
    if held.regular_payment_provider is not UNMANAGED:
        changed = changed._replace(regular_payment_provider=provider)
    if held.notes is not UNMANAGED:
        changed = changed._replace(notes=seen.notes or None)
    if not any(field.sensitive for field in drift.fields):
        return changed
    # A source that no manifest can name: where the declared value is not at hand, the plan says that it may update.
    source = _CHANGED_OUTSIDE if shows_token(seen) else None
    return changed._replace(token_source=source, token_fingerprint=drift.token)
