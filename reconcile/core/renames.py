"""Recognises a rename that nobody declared: a record removed at one address and added with the same content at another.

A plan carries it out as it stands, a delete and a create; this only says how the record could be kept.
"""

from collections.abc import Iterable, Iterator

from reconcile.core.changes import Change
from reconcile.core.diagnostics import Diagnostic, Severity
from reconcile.core.differences import FingerprintOf, TokenComparison, compare_token, fields_differ, record_differs
from reconcile.core.records import PaymentToken, StateRecord

_SAME_TOKEN = frozenset(TokenComparison) - {TokenComparison.CHANGED, TokenComparison.MAY_HAVE_CHANGED}


def likely_renames(
    creates: Iterable[Change], deletes: Iterable[Change], fingerprint_of: FingerprintOf
) -> Iterator[Diagnostic]:
    """A warning for each pair, at the place of the new declaration, with what to declare instead."""
    gone: dict[int, list[Change]] = {}
    for change in deletes:
        if change.held is not None:
            gone.setdefault(change.held.coworker_invoice_id, []).append(change)
    for change in creates if gone else ():
        declared = change.declared
        candidates = gone.get(declared.coworker_invoice_id, []) if declared is not None else []
        for former in candidates:
            if declared is not None and former.held is not None and _is_same(declared, former.held, fingerprint_of):
                candidates.remove(former)
                yield _warning(former, declared)
                break


def _is_same(declared: PaymentToken, held: StateRecord, fingerprint_of: FingerprintOf) -> bool:
    alike = held._replace(protect=declared.protect)
    if fields_differ(declared, alike) or record_differs(declared, alike):
        return False
    return compare_token(declared, held, fingerprint_of) in _SAME_TOKEN


def _warning(former: Change, declared: PaymentToken) -> Diagnostic:
    new, old = declared.address, former.address
    return Diagnostic(
        "looks-moved",
        f"{old} (id {former.id}) is no longer declared, and {new} has the same content: one would be deleted, "
        "the other created",
        declared.location,
        f"to keep the record, declare `moved: [{{from: {old}, to: {new}}}]`",
        Severity.WARNING,
    )
