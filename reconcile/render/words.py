"""Numbers, times and long texts in words, the same in every output."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from reconcile.core.diagnostics import Location
from reconcile.core.times import from_iso
from reconcile.render.escape import display_width, escaped

if TYPE_CHECKING:
    from reconcile.core.changes import Change

LONGEST_VALUE = 120
"""Characters of a value that are shown where a line has to stay readable."""


WIDEST_CELL = 76


def counted(number: int, noun: str) -> str:
    """`1 write`, `6,206 writes`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def duration(seconds: float) -> str:
    """`0 s`, `42 s`, `17 min`, `1 h 44 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min" if minutes else f"{hours:,} h"


def minute(at: str) -> str:
    """`2026-03-02 10:14Z`; what is not such a time comes back escaped."""
    try:
        from_iso(at)
    except ValueError:
        return escaped(at)
    return f"{at[:10]} {at[11:16]}Z"


def shortened(text: str) -> str:
    """The text, or its beginning and its length in characters."""
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}… ({len(text):,} characters)"


def column_width(cells: Sequence[str]) -> int:
    """How wide a column of escaped cells is; cells wider than most of a line stick out of it instead of widening it."""
    widths = [display_width(cell) for cell in cells]
    return max((width for width in widths if width <= WIDEST_CELL), default=0)


def padded(text: str, columns: int) -> str:
    """An escaped text with blanks up to so many columns of a terminal."""
    return text + " " * (columns - display_width(text))


def stretches(changes: "Sequence[Change]") -> Iterator[tuple[str, str, str]]:
    """Many changes folded: for each file in turn the first and last address, how many, and the lines they span."""
    for file, group in groupby(changes, key=lambda change: _location(change).file):
        stretch = list(group)
        first, last = stretch[0], stretch[-1]
        if first is last:
            yield (escaped(first.address), "1 more", escaped(str(_location(first))))
            continue
        span = f"{escaped(first.address)} … {escaped(last.address)}"
        lines = f"{_location(first).line}-{_location(last).line}"
        yield (span, f"{len(stretch):,} more", f"{escaped(file)}:{lines}")


def _location(change: "Change") -> Location:
    return change.location or Location("", 0)
