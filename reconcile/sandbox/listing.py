"""What a list request asks for, read from its query as leniently as the API reads it.

Owns the names of the query parameters, their defaults, and the filters as conditions on columns. It must not open the
database or build an envelope. What it cannot read it ignores, and an unknown filter too: so a slip returns
everything, not an error.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_SIZE: Final = 25
MAXIMUM_SIZE: Final = 1_000
_LARGEST_PAGE: Final = 10**12  # beyond any record, and times the size still a 64-bit offset
_LARGEST: Final = 2**63 - 1

SORTABLE: Final = (
    "Id",
    "CoworkerInvoiceId",
    "RegularPaymentProvider",
    "Token",
    "Notes",
    "CreatedOn",
    "UpdatedOn",
    "UpdatedBy",
)

_ENTITY: Final = "CoworkerInvoicePaymentToken_"
_NUMBERS: Final = {
    f"{_ENTITY}CoworkerInvoice": "CoworkerInvoiceId",
    f"{_ENTITY}RegularPaymentProvider": "RegularPaymentProvider",
}
# Whether the API compares the whole text or a part is unknown. A part is the harder case: a client has to check
# every row.
_TEXTS: Final = {f"{_ENTITY}Token": "Token", f"{_ENTITY}Notes": "Notes"}
_TIMES: Final = {
    f"{bound}_{_ENTITY}{column}": (column, bound) for bound in ("from", "to") for column in ("CreatedOn", "UpdatedOn")
}


@dataclass(frozen=True, slots=True)
class Condition:
    """One filter as SQL with a single placeholder, and its value. The SQL holds names of this module only."""

    sql: str
    value: int | str


@dataclass(frozen=True, slots=True)
class Listing:
    """A list request: `page` counts from 1, every condition has to hold."""

    page: int
    size: int
    order_by: str
    descending: bool
    conditions: tuple[Condition, ...]


def read_listing(query: Mapping[str, str]) -> Listing:
    """Read the query of a list request; never fails."""
    return Listing(
        page=min(_read_number(query.get("page")) or 1, _LARGEST_PAGE),
        size=min(_read_number(query.get("size")) or DEFAULT_SIZE, MAXIMUM_SIZE),
        order_by=query.get("orderBy", "") if query.get("orderBy") in SORTABLE else "Id",
        descending=query.get("dir")
        in ("1", "-1"),  # the newest pages: 0 ascending, 1 descending; -1 is the older spelling
        conditions=tuple(
            condition for name, text in query.items() if (condition := _read_condition(name, text)) is not None
        ),
    )


def _read_condition(name: str, text: str) -> Condition | None:
    if name in _NUMBERS:
        number = _read_number(text)
        return None if number is None else Condition(f"{_NUMBERS[name]} = ?", number)
    if name in _TEXTS:
        return Condition(f"instr({_TEXTS[name]}, ?) > 0", text) if text else None
    if name in _TIMES:
        return _read_bound(*_TIMES[name], text)
    return None


def _read_bound(column: str, bound: str, text: str) -> Condition | None:
    """Ranges include the whole minute named at either end."""
    try:
        moment = datetime.fromisoformat(text)
        aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # the second: year 1, east of Greenwich
        return None
    minute = aware.replace(tzinfo=None).isoformat(timespec="minutes")
    if bound == "from":
        return Condition(f"{column} >= ?", f"{minute}:00Z")
    return Condition(f"{column} <= ?", f"{minute}:59Z")


def _read_number(text: str | None) -> int | None:
    """Plain digits up to 64 bits; None for anything else."""
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > 19:
        return None
    return min(int(text), _LARGEST)
