"""Live records as what a manifest would declare: which of them, under which address, in which file.

A record's values are those that are there; its token is never among them. Pure; how a file looks is
`render/manifest.py`.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from reconcile.core.records import Address, ObservedRecord

RECORDS_A_FILE = 500
"""So many at most, so that a file can be reviewed."""

_is_month = re.compile(r"\d{4}-(0[1-9]|1[0-2])").fullmatch


class Exported(NamedTuple):
    """One record, and the address that it is to be declared under."""

    address: Address
    record: ObservedRecord


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of records already.

    Attributes:
        owners: The address of each id in the state.
        declared: The addresses that manifests declare.
        imported: The ids that manifests take over.
        in_doubt: Invoices where a create is in doubt: what is new there may be what it made.
    """

    owners: Mapping[int, Address]
    declared: Collection[Address]
    imported: Collection[int]
    in_doubt: Collection[int]


@dataclass(frozen=True, slots=True)
class Choice:
    """What is exported, and how many records are not, by the reason."""

    exported: tuple[Exported, ...]
    declared: int = 0
    managed: int = 0
    in_doubt: int = 0


def choose(records: Iterable[ObservedRecord], known: Known, *, only_unmanaged: bool) -> Choice:
    """The records to write, without those that are known to be declared.

    One that the state knows keeps its address, so that it is not planned as a delete; `only_unmanaged` leaves it out.
    """
    exported: list[Exported] = []
    counts = {"declared": 0, "managed": 0, "in_doubt": 0}
    for record in sorted(records, key=lambda record: record.id):
        owner = known.owners.get(record.id)
        address = owner or f"inv-{record.coworker_invoice_id}-{record.id}"
        if owner is not None and only_unmanaged:
            counts["managed"] += 1
        elif address in known.declared or record.id in known.imported:
            counts["declared"] += 1
        elif owner is None and record.coworker_invoice_id in known.in_doubt:
            counts["in_doubt"] += 1
        else:
            exported.append(Exported(address, record))
    return Choice(tuple(exported), **counts)


def by_file(exported: Iterable[Exported]) -> dict[str, list[Sequence[Exported]]]:
    """The records of each month in which they were created, by rising id, in parts of `RECORDS_A_FILE`."""
    months: dict[str, list[Exported]] = {}
    for item in exported:
        month = item.record.created_on[:7]
        months.setdefault(month if _is_month(month) else "undated", []).append(item)
    return {
        month: [items[start : start + RECORDS_A_FILE] for start in range(0, len(items), RECORDS_A_FILE)]
        for month, items in sorted(months.items())
    }


def is_since(record: ObservedRecord, since: str) -> bool:
    """Whether it was created or changed at that time or later, or does not say when; `since` is UTC, ISO 8601."""
    last = max(record.created_on, record.updated_on)
    return not last or last[:19] >= since[:19]
