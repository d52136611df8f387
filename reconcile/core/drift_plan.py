"""What a plan makes of drift, beyond comparing with what is there: what is gone, elsewhere, or cannot be seen.

Loaded only where somebody looked; the plan without that costs nothing here.
"""

from collections.abc import Callable, Mapping

from reconcile.core.changes import GONE, Action, Change, Refusal
from reconcile.core.diagnostics import Diagnostic, Severity
from reconcile.core.drift import Comparisons, DriftKind
from reconcile.core.records import Address, StateRecord

_SUSPICIOUS = 10

IsSelected = Callable[[Address], bool]


def forget_gone(found: Comparisons, is_selected: IsSelected) -> list[Change]:
    """The records that are proven gone; forgetting one is written down before anything is created in its place."""
    return [
        Change(Action.FORGET, drift.address, id=drift.held.id, reason=GONE, held=drift.held)
        for drift in found.having(DriftKind.GONE)
        if is_selected(drift.address)
    ]


def refuse_elsewhere(found: Comparisons, held: Mapping[Address, StateRecord], is_selected: IsSelected) -> list[Refusal]:
    """The records that somebody put to another invoice: neither updating nor deleting them is what was reviewed."""
    seen = {drift.held.id: drift.seen for drift in found.drifts if drift.seen is not None}
    refusals: list[Refusal] = []
    for address, record in held.items():
        there = seen.get(record.id)
        if there is None or there.coworker_invoice_id == record.coworker_invoice_id or not is_selected(address):
            continue
        message = (
            f"{address} (id {record.id}) is at invoice {there.coworker_invoice_id} in Nexudus now, "
            f"and was created for invoice {record.coworker_invoice_id}"
        )
        help_ = f"put it back in Nexudus, or let go of it with `reconcile state rm {address}`; or --exclude {address}"
        refusals.append(Refusal("invoice-moved", message, (address,), help_))
    return refusals


def refuse_empty_account(found: Comparisons) -> list[Refusal]:
    """Where nothing that the state remembers exists, another account is likelier than that many deletes."""
    gone = [drift.address for drift in found.having(DriftKind.GONE)]
    if len(gone) < _SUSPICIOUS or found.same or len(gone) < len(found.drifts):
        return []
    message = f"none of the {len(gone):,} records of the state exists in this account"
    help_ = "check NEXUDUS_USERNAME and api.base_url; if they were all deleted, `reconcile state rm '*'` forgets them"
    return [Refusal("all-gone", message, tuple(gone), help_)]


def diagnose_invisible(found: Comparisons) -> list[Diagnostic]:
    """A warning for each record that is shown in one way and not in the other: it is not treated as gone."""
    return [
        Diagnostic(
            "invisible-record",
            f"{drift.address} (id {drift.held.id}) is {invisible(drift.kind, drift.held)}",
            severity=Severity.WARNING,
            help="it counts as being there; look it up in Nexudus, and check the roles of the user",
        )
        for drift in found.having(DriftKind.UNREADABLE, DriftKind.UNLISTED)
    ]


def invisible(kind: DriftKind, held: StateRecord) -> str:
    """What is strange about a record that is only half there."""
    if kind is DriftKind.UNREADABLE:
        return f"listed at invoice {held.coworker_invoice_id}, but there is none to read by its id"
    return "readable by its id, but a complete listing of its invoice lacks it"
