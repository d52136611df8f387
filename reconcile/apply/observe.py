"""What exists of many records whose ids are known, read with as few requests as it can be believed with.

Whole pages of the listing, batches by ids, or one read for each id: the cheapest by count comes first, and what it
leaves open is read by the next. Rows are believed as far as `core/rows.py` says; some of them, and those that differ,
are read by their ids to find out. Nothing follows from a record that is missing in a batch. Reads only.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from reconcile.apply.lookup import Lookup
from reconcile.core.records import ObservedRecord, StateRecord
from reconcile.core.rows import RowTrust, has_blank, managed_fields
from reconcile.ports import PaymentTokens

BATCH = 100
"""Ids in one request: an address of some two thousand characters, which every proxy lets pass."""

SAMPLE = 5
"""Rows that are read by id as well although they show nothing new."""

PROOFS = 20
"""Rows that show a difference and are read by id as well; where all of these agree, the others are believed."""

_FEW_BATCHES = 2

Rows = Mapping[int, ObservedRecord]
Expect = Callable[[int, str], None]
"""Told before a stage of reading how many reads it is about to take, and what for; may raise, and nothing is read."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What the API shows of the records that were looked for; each id is in `records`, in `gone`, or in `unreadable`.

    Attributes:
        records: What is there, by id.
        gone: A read by id says in JSON that there is none, and a complete listing of its invoice lacks it.
        unreadable: Listed at its invoice, although there is none to read by that id.
        unlisted: In `records`, and missing in a complete listing of its invoice.
    """

    records: Rows
    gone: frozenset[int] = frozenset()
    unreadable: frozenset[int] = frozenset()
    unlisted: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Eyes:
    """What to look with.

    Attributes:
        differs: Whether a record seen is another than the one remembered.
        expect: See `Expect`.
        note_total: Told how many records the account holds, where that was asked.
    """

    api: PaymentTokens
    differs: Callable[[StateRecord, ObservedRecord], bool]
    expect: Expect
    note_total: Callable[[int], None] = lambda _: None


def observe(held: Mapping[int, StateRecord], eyes: Eyes, listed: Rows | None = None) -> Observed:
    """Looks for the records that the state remembers, by their ids.

    Args:
        held: By id.
        eyes: What to look with.
        listed: A complete listing, where one was read already.

    Raises:
        ApiError: Something could not be read; nothing follows from that.
        QuotaError: The quota of reads does not suffice.
    """
    return _Observer(held, eyes).observe(listed) if held else Observed({})


class _Observer:
    """One look at everything.

    Attributes:
        records: What was found so far.
        absent: Ids that a read says do not exist.
    """

    def __init__(self, held: Mapping[int, StateRecord], eyes: Eyes) -> None:
        self.records: dict[int, ObservedRecord] = {}
        self.absent: set[int] = set()
        self._held = held
        self._eyes = eyes
        self._fields = {record_id: managed_fields(record) for record_id, record in held.items()}

    def observe(self, listed: Rows | None) -> Observed:
        wanted = sorted(self._held)
        if listed is None and ceil(len(wanted) / BATCH) > _FEW_BATCHES:
            listed = self._listed()
        if listed is None:
            self._read_all(wanted)
            return self._told_apart(None)
        unclear = self._believe(listed, [record_id for record_id in wanted if record_id in listed])
        self._read_all(unclear, ", as the listing leaves out what matters")
        self._read_each([record_id for record_id in wanted if record_id not in listed], ", missing in the listing")
        return self._told_apart(listed)

    def _read_all(self, wanted: Sequence[int], why: str = "") -> None:
        self._read_each(self._in_batches(wanted, why), why)

    def _listed(self) -> Rows | None:
        """The whole listing, where that costs less than batches."""
        api, count = self._eyes.api, len(self._held)
        total, pages = api.measure_listing()
        self._eyes.note_total(total)
        if pages > ceil(count / BATCH):
            return None
        self._eyes.expect(pages + SAMPLE, f"reading the whole listing, {total:,} records")
        return {row.id: row for row in api.list_records()}

    def _in_batches(self, wanted: Sequence[int], why: str = "") -> Sequence[int]:
        """Reads batches where that costs less than single reads; returns the ids that remain."""
        requests = ceil(len(wanted) / BATCH) + SAMPLE
        if requests >= len(wanted):
            return wanted
        self._eyes.expect(requests, f"reading {_records(wanted)} in batches{why}")
        rows: dict[int, ObservedRecord] = {}
        for start in range(0, len(wanted), BATCH):
            batch = self._eyes.api.get_batch(wanted[start : start + BATCH])
            rows |= batch or {}
            trust = RowTrust(rows.values())
            if not any(trust.covers(row, self._fields[record_id]) for record_id, row in rows.items()):
                break  # batches that are refused, or leave out what matters, will do so again
        return self._believe(rows, wanted)

    def _believe(self, rows: Rows, wanted: Sequence[int]) -> Sequence[int]:
        """Takes over what rows can be believed in; returns the ids that remain."""
        trust = RowTrust(rows.values())

        def covered() -> list[int]:
            return [i for i in wanted if i in rows and trust.covers(rows[i], self._fields[i])]

        for record_id in self._proofs(rows, covered()):
            full = self._read(record_id)
            if full is not None:
                trust.check(rows[record_id], full)
        if not trust.is_stale:
            self.records |= {i: rows[i] for i in covered() if not self._is_known(i)}
        return [record_id for record_id in wanted if not self._is_known(record_id)]

    def _proofs(self, rows: Rows, covered: Sequence[int]) -> Iterable[int]:
        differing = [i for i in covered if self._eyes.differs(self._held[i], rows[i])]
        others = set(differing)
        alike = [i for i in covered if i not in others]
        blank = [i for i in alike if has_blank(rows[i], self._fields[i])]
        sample = list(dict.fromkeys([*_spread(blank, SAMPLE - 2), *_spread(alike, SAMPLE)]))
        return [*sample[:SAMPLE], *differing[:PROOFS]]

    def _read_each(self, wanted: Sequence[int], why: str = "") -> None:
        if wanted:
            self._eyes.expect(len(wanted), f"reading {_records(wanted)} by id{why}")
        for record_id in wanted:
            self._read(record_id)

    def _read(self, record_id: int) -> ObservedRecord | None:
        full = self._eyes.api.get(record_id)
        if full is None:
            self.absent.add(record_id)
        else:
            self.records[record_id] = full
        return full

    def _is_known(self, record_id: int) -> bool:
        return record_id in self.records or record_id in self.absent

    def _told_apart(self, listed: Collection[int] | None) -> Observed:
        """Gone, or only invisible: by what is listed at the invoices, read once more where a listing said otherwise."""
        doubtful = self.absent if listed is None else {i for i in self.absent if i in listed}
        strange = set[int]() if listed is None else {i for i in self.records if i not in listed}
        invoices = {i: self._held[i].coworker_invoice_id for i in doubtful}
        invoices |= {i: self.records[i].coworker_invoice_id for i in strange}
        if invoices:
            distinct = len(set(invoices.values()))
            self._eyes.expect(distinct, f"listing the invoices of {_records(invoices)}, to tell deleted from hidden")
        lookup = Lookup(self._eyes.api, set(invoices.values()), self._eyes.note_total)
        there = {i for i, invoice in invoices.items() if any(row.id == i for row in lookup.at(invoice))}
        return Observed(
            self.records,
            gone=frozenset(self.absent - there),
            unreadable=frozenset(self.absent & there),
            unlisted=frozenset(strange - there),
        )


def _records(ids: Collection[int]) -> str:
    return f"{len(ids):,} record{'' if len(ids) == 1 else 's'}"


def _spread(ids: Sequence[int], most: int) -> list[int]:
    """Up to so many of them, from the first to the last."""
    if len(ids) <= most:
        return list(ids)
    return [ids[number * (len(ids) - 1) // (most - 1)] for number in range(most)]
