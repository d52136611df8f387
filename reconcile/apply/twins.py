"""Looks once more at the invoices of doubts that were settled: a request may take effect after everybody gave it up.

Late twins are reported with the ids of both records, every time, until one of them is gone; nothing is deleted here.
"""

from collections.abc import Mapping, Sequence

from reconcile.apply.lookup import Lookup
from reconcile.apply.settle import Moment, SettlingTools, is_ripe, suspects_in_full
from reconcile.core.entries import CheckedEntry
from reconcile.core.folded import Watch
from reconcile.core.records import Address, StateRecord
from reconcile.core.report import Twin
from reconcile.core.settling import Likeness, likeness
from reconcile.core.times import iso


def find_twins(
    watches: Sequence[Watch], records: Mapping[Address, StateRecord], tools: SettlingTools, *, may_close: bool
) -> tuple[Twin, ...]:
    """The late twins there are now.

    Args:
        watches: The doubts that were settled.
        records: What the state holds.
        tools: What to act through.
        may_close: Whether a watch that sees none after the settle time is over; a run later than the one that settled
            it says so.

    Raises:
        ApiError, QuotaError: The API cannot be read.
        StateError: The journal cannot be written.
    """
    began = Moment.by(tools.clock)
    lookup = Lookup(tools.api, {watch.intent.coworker_invoice_id for watch in watches})
    twins: list[Twin] = []
    for watch in watches:
        twin = _twin_of(watch, records, lookup, tools)
        if twin is not None:
            twins.append(twin)
        elif may_close and is_ripe(watch.intent, tools, began):
            tools.journal.append(CheckedEntry(watch.intent.operation, iso(tools.clock.now())))
    return tuple(twins)


def _twin_of(watch: Watch, records: Mapping[Address, StateRecord], lookup: Lookup, tools: SettlingTools) -> Twin | None:
    intent = watch.intent
    held = records.get(intent.address)
    suspects, _ = suspects_in_full(intent, lookup, tools)
    ids = [record.id for record in suspects if likeness(intent, record, tools.fingerprint) is Likeness.FULL]
    own = () if held is None else (held.id,)
    return Twin(intent.address, intent.coworker_invoice_id, (*own, *sorted(ids))) if ids else None
