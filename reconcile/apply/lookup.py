"""What exists at invoices, read with as few requests as it takes: whole pages of the listing, or invoice by invoice.

Every answer is complete or an error; an error is never an empty list. Decides nothing about what it finds.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from threading import Lock

from reconcile.core.errors import ApiError
from reconcile.core.quota import FEW_INVOICES, FRESH_SECONDS, whole_pages
from reconcile.core.records import ObservedRecord
from reconcile.ports import PaymentTokens

_OVERDUE_SECONDS = 3 * FRESH_SECONDS  # as after a long wait for the quota: nobody goes on with what is that old


class Lookup:
    """The records at some invoices, at most some minutes old; used by several threads.

    Args:
        api: Where to read.
        invoices: Those that will be asked for; with enough of them, the whole listing is cheaper.
        note_total: Told how many records there are, where that was asked; it prices later plans.
        uptime: Seconds that never go back; by a clock that stands still, nothing ever grows old.

    Raises:
        ApiError: The listing cannot be read completely.
    """

    def __init__(
        self,
        api: PaymentTokens,
        invoices: Collection[int],
        note_total: Callable[[int], None] = lambda _: None,
        uptime: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._api = api
        self._uptime = uptime
        self._rows: dict[int, list[ObservedRecord]] = {}
        self._read_at: dict[int, float] = {}
        self._ids: set[int] = set()
        self._listing: _Listing | None = None
        self._renewing = Lock()
        if len(invoices) > FEW_INVOICES and self._pages(len(invoices), note_total):
            began, rows = uptime(), list(self._noted(api.list_records()))
            self._rows = _by_invoice(rows, invoices)
            self._listing = _Listing(rows, began)

    def _pages(self, invoices: int, note_total: Callable[[int], None]) -> int:
        total = self._api.count_records()
        note_total(total)
        return whole_pages(invoices, total)

    def at(self, invoice: int) -> list[ObservedRecord]:
        """The rows of an invoice; a null in one may mean "not filled in".

        Raises:
            ApiError: They cannot be read completely.
        """
        self._renew_listing()
        now = self._uptime()
        is_listed = self._listing is not None and invoice in self._rows
        if not is_listed and now - self._read_at.get(invoice, float("-inf")) >= FRESH_SECONDS:
            self._rows[invoice] = list(self._noted(self._api.list_records(invoice)))
            self._read_at[invoice] = now
        return self._rows[invoice]

    def has_seen(self, record_id: int) -> bool:
        """Whether a listing showed that id before anything was created there."""
        return record_id in self._ids

    def _renew_listing(self) -> None:
        """Looks for what is new where the listing has grown old; one thread does, while the others go on."""
        listing = self._listing
        if listing is None or (age := self._uptime() - listing.read_at) < FRESH_SECONDS:
            return
        if not self._renewing.acquire(blocking=age >= _OVERDUE_SECONDS):
            return
        try:
            if self._listing is listing:  # else somebody was quicker
                self._take_newer(listing)
        finally:
            self._renewing.release()

    def _take_newer(self, listing: "_Listing") -> None:
        began = self._uptime()
        try:
            newer = list(self._api.list_newer(listing.highest, listing.number))
        except ApiError:
            self._listing = None  # from now on each invoice is read by itself, which says so if it is the API's fault
            return
        # Not noted as seen: what this run is creating right now is among them.
        for row in newer:
            if row.coworker_invoice_id in self._rows:
                self._rows[row.coworker_invoice_id] = [*self._rows[row.coworker_invoice_id], row]
        self._listing = listing.grown(newer, began)

    def _noted(self, rows: Iterable[ObservedRecord]) -> Iterator[ObservedRecord]:
        for row in rows:
            self._ids.add(row.id)
            yield row


class _Listing:
    """How far a complete listing went, and when it was begun."""

    __slots__ = ("highest", "number", "read_at")

    def __init__(self, rows: Collection[ObservedRecord], read_at: float, highest: int = 0, number: int = 0) -> None:
        self.highest = max((highest, *(row.id for row in rows)))
        self.number = number + len(rows)
        self.read_at = read_at

    def grown(self, newer: Collection[ObservedRecord], read_at: float) -> "_Listing":
        return _Listing(newer, read_at, self.highest, self.number)


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
