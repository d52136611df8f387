"""How far rows of a list or a batch can be believed: a null there may mean "not filled in" (nexudus-api.md, "Listing").

A field counts as filled in once any row shows a value in it, until a record that was read by its id shows one where its
row does not. Reading happens elsewhere (`apply/observe.py`).
"""

from collections.abc import Collection, Iterable

from reconcile.core.entries import IntentEntry
from reconcile.core.records import UNMANAGED, ObservedRecord, StateRecord

FIELDS = ("regular_payment_provider", "notes", "token")
"""What a row may leave out."""


def managed_fields(held: StateRecord | IntentEntry) -> frozenset[str]:
    """The fields of a record that are managed, of those that a row may leave out."""
    sources = (held.regular_payment_provider, held.notes, held.token_source)
    return frozenset(name for name, value in zip(FIELDS, sources, strict=True) if value is not UNMANAGED)


class RowTrust:
    """What is known about one listing, or about the batches of one run.

    Attributes:
        is_stale: Whether a row showed something else than its record: then none of them can be believed.
    """

    def __init__(self, rows: Iterable[ObservedRecord]) -> None:
        self.is_stale = False
        self._filled = set[str]()
        for row in rows:
            self._filled.update(name for name in FIELDS if _value(row, name))
            if len(self._filled) == len(FIELDS):
                break

    def covers(self, row: ObservedRecord, fields: Collection[str]) -> bool:
        """Whether what the row says about these fields can be believed."""
        return all(name in self._filled or _value(row, name) for name in fields)

    def check(self, row: ObservedRecord, full: ObservedRecord) -> None:
        """Learns from a record that was read by its id."""
        self.is_stale |= row.coworker_invoice_id != full.coworker_invoice_id
        for name in FIELDS:
            shown = _value(row, name)
            if shown != _value(full, name):
                self._filled.discard(name)
                self.is_stale |= shown is not None


def has_blank(row: ObservedRecord, fields: Collection[str]) -> bool:
    """Whether the row leaves one of these fields empty."""
    return any(not _value(row, name) for name in fields)


def _value(record: ObservedRecord, name: str) -> object:
    """What is there; None for every way of having nothing: the API does not tell them apart."""
    if name == "token":
        return (record.token.reveal() or None) if record.token is not None else None
    return getattr(record, name) or None
