"""An API for tests of looking at many records: it may page small, leave fields out, hide records, or refuse batches."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

from reconcile.core.errors import ReconcileError
from reconcile.core.records import ObservedRecord, Secret, StateRecord


@dataclass
class ShownApi:
    """What exists, and how the API shows it.

    Attributes:
        records: What exists, by id; a read by id shows it in full.
        page: Rows of a page of the listing.
        listing_leaves_out: Fields that are null in every row of a listing.
        batches_leave_out: The same for batches; None when batches are not answered at all.
        unlisted: Ids that no listing shows.
        unreadable: Ids that no read finds, though listings show them.
        missing_in_batches: Ids that batches drop for no reason.
        stale: What listings and batches show instead of the record.
        reads: Every request in order.
    """

    records: dict[int, ObservedRecord] = field(default_factory=dict[int, ObservedRecord])
    page: int = 1000
    listing_leaves_out: tuple[str, ...] = ()
    batches_leave_out: tuple[str, ...] | None = ()
    unlisted: frozenset[int] = frozenset()
    unreadable: Mapping[int, ReconcileError | None] = field(default_factory=dict[int, "ReconcileError | None"])
    missing_in_batches: frozenset[int] = frozenset()
    stale: dict[int, ObservedRecord] = field(default_factory=dict[int, ObservedRecord])
    reads: list[str] = field(default_factory=list[str])

    def hold(
        self,
        record_id: int,
        provider: int | None = 2,
        notes: str | None = "n",
        token: str | None = "t",  # noqa: S107 - no secret
        **more: int,
    ) -> None:
        invoice = more.get("invoice", 10_000 + record_id)
        self.records[record_id] = ObservedRecord(
            record_id, invoice, provider, notes, None if token is None else Secret(token)
        )

    def measure_listing(self) -> tuple[int, int]:
        self.reads.append("page")
        return len(self._listed()), self._pages(len(self._listed()))

    def count_records(self) -> int:
        self.reads.append("count")
        return len(self._listed())

    def list_records(self, coworker_invoice_id: int | None = None, *, since: str = "") -> Iterator[ObservedRecord]:
        del since  # a hint, which this API does not know
        rows = [row for row in self._listed() if coworker_invoice_id in {None, row.coworker_invoice_id}]
        self.reads += ["page"] * self._pages(len(rows)) if coworker_invoice_id is None else ["invoice"]
        return iter(rows)

    def get_batch(self, record_ids: Sequence[int]) -> Mapping[int, ObservedRecord] | None:
        self.reads.append("batch")
        if self.batches_leave_out is None:
            return None
        found = {i: self.records[i] for i in record_ids if i in self.records and i not in self.unreadable}
        return {
            i: without(self.stale.get(i, record), self.batches_leave_out)
            for i, record in found.items()
            if i not in self.missing_in_batches
        }

    def get(self, record_id: int) -> ObservedRecord | None:
        self.reads.append("id")
        found = self.unreadable.get(record_id, self.records.get(record_id))
        if isinstance(found, ReconcileError):
            raise found
        return found

    def _listed(self) -> list[ObservedRecord]:
        shown = [record for i, record in sorted(self.records.items()) if i not in self.unlisted]
        return [without(self.stale.get(record.id, record), self.listing_leaves_out) for record in shown]

    def _pages(self, rows: int) -> int:
        return max(1, ceil(rows / self.page))


def without(record: ObservedRecord, fields: Sequence[str]) -> ObservedRecord:
    return record._replace(**dict.fromkeys(fields))


def fingerprint(secret: Secret) -> str:
    return f"k:{secret.reveal()}"


def remembered(api: ShownApi, **fields: object) -> dict[int, StateRecord]:
    """A state in which every record is as it is in the API now; `fields` are other than that."""
    found: dict[int, StateRecord] = {}
    for record in api.records.values():
        known = {
            "regular_payment_provider": record.regular_payment_provider,
            "notes": record.notes,
            "token_source": "env:T" if record.token else None,
            "token_fingerprint": fingerprint(record.token) if record.token else None,
        }
        found[record.id] = StateRecord(record.id, record.coworker_invoice_id, **(known | fields))  # type: ignore[arg-type]
    return found
