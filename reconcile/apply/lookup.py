"""What exists at invoices, read with as few requests as it takes: whole pages of the listing, or invoice by invoice.

Every answer is complete or an error; an error is never an empty list. Decides nothing about what it finds.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from math import ceil

from reconcile.core.records import ObservedRecord
from reconcile.ports import PaymentTokens

PAGE = 1000
"""Rows of a whole page (nexudus-api.md, "Listing")."""

_FEW = 2


class Lookup:
    """The records at some invoices, as they were when this was made, or when an invoice was first asked for.

    Args:
        api: Where to read.
        invoices: Those that will be asked for; with enough of them, the whole listing is cheaper.
        note_total: Told how many records there are, where that was asked; it prices later plans.

    Raises:
        ApiError: The listing cannot be read completely.
    """

    def __init__(
        self, api: PaymentTokens, invoices: Collection[int], note_total: Callable[[int], None] = lambda _: None
    ) -> None:
        self._api = api
        self._rows: dict[int, list[ObservedRecord]] = {}
        self._ids: set[int] = set()
        if len(invoices) > _FEW and self._pages(note_total) < len(invoices):
            self._rows = _by_invoice(self._noted(api.list_records()), invoices)

    def _pages(self, note_total: Callable[[int], None]) -> int:
        total = self._api.count_records()
        note_total(total)
        return ceil(total / PAGE)

    def at(self, invoice: int) -> list[ObservedRecord]:
        """The rows of an invoice; a null in one may mean "not filled in".

        Raises:
            ApiError: They cannot be read completely.
        """
        if invoice not in self._rows:
            self._rows[invoice] = list(self._noted(self._api.list_records(invoice)))
        return self._rows[invoice]

    def has_seen(self, record_id: int) -> bool:
        """Whether a listing showed that id, at whichever invoice."""
        return record_id in self._ids

    def _noted(self, rows: Iterable[ObservedRecord]) -> Iterator[ObservedRecord]:
        for row in rows:
            self._ids.add(row.id)
            yield row


def is_listed(api: PaymentTokens, record_id: int, invoice: int) -> bool:
    """Whether a complete listing of the invoice shows the record.

    One that a read by id does not find is *gone* only when this does not find it either (protocol.md, "Delete").

    Raises:
        ApiError: The listing cannot be read completely.
    """
    return any(row.id == record_id for row in api.list_records(invoice))


def _by_invoice(rows: Iterable[ObservedRecord], invoices: Collection[int]) -> dict[int, list[ObservedRecord]]:
    found: dict[int, list[ObservedRecord]] = {invoice: [] for invoice in invoices}
    for row in rows:
        if row.coworker_invoice_id in found:
            found[row.coworker_invoice_id].append(row)
    return found
