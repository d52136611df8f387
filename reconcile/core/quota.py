"""The account's limits as sliding windows over a list of times: when the next request may leave, and what a plan costs.

Pure arithmetic over times that somebody else keeps, in whatever clock they were taken: the monotonic one for a pace in
memory, the wall clock for a ledger that outlives the run. Nothing here sleeps, sends or knows what time it is.

Two rules hold for every window (protocol.md, "The quota is a resource"):

- A slot frees one window plus a margin after its charge, because the server counts arrivals, not departures.
- Windows of up to an hour are filled evenly, so that a long run neither bursts nor stops in the middle of one. A day is
  used as it comes: work that fits into today is not stretched over it.
"""

from bisect import bisect_right
from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

from reconcile.core.errors import ExitCode, ReconcileError

MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0

ROWS_PER_PAGE = 1000
"""Records that one read of the listing gives at most (nexudus-api.md, "Listing")."""

FEW_INVOICES = 2
"""So few are read one by one; of more, the number of all records says what is cheaper."""

FRESH_SECONDS = 300.0
"""How old what the duplicate guard has read may be before it looks for what is new."""

LONGEST_RETRY_AFTER = DAY
"""Seconds; a server that asks for more is asked again after this."""

_MARGIN = 0.5
_SPACING_MARGIN = 0.02

_EVEN_UP_TO = HOUR
# What is lost by waking up late, or between two short runs, is caught up by slots that are a little closer together.
_CLOSEST = 0.9
_CAUGHT_UP = 5.0  # seconds; after a longer pause the rhythm begins anew
_REMEMBERED = 64  # charges


class QuotaError(ReconcileError):
    """The quota is used up, or the server keeps throttling: run again to go on."""

    exit_code = ExitCode.QUOTA
    default_code = "quota"


class Window(NamedTuple):
    """At most `limit` charges in any `seconds`; a slot frees `margin` seconds later than that."""

    seconds: float
    limit: int
    margin: float

    @property
    def interval(self) -> float:
        """Seconds between two evenly spaced charges that fill the window."""
        return (self.seconds + self.margin) / self.limit

    def wait(self, charged: Sequence[float], now: float) -> float:
        """Seconds until one more charge fits, 0 or less when it does now; `charged` is sorted."""
        if not charged:
            return 0.0
        earliest = now
        if len(charged) >= self.limit:
            earliest = charged[-self.limit] + self.seconds + self.margin
        if self.limit > 1 and self.seconds <= _EVEN_UP_TO:
            earliest = max(earliest, self._next_beat(charged))
        return earliest - now

    def _next_beat(self, charged: Sequence[float]) -> float:
        recent = charged[-_REMEMBERED:]
        due = recent[0]
        for at in recent:
            due = (due if at - due <= _CAUGHT_UP else at) + self.interval
        return max(charged[-1] + _CLOSEST * self.interval, due)


class Limits(NamedTuple):
    """The published limits of an account; None switches one off (nexudus-api.md, "Limits").

    Writes count as requests too. `requests_per_second` is published as one per 100 ms, so it is a spacing.
    """

    writes_per_minute: int | None = 60
    writes_per_day: int | None = 5000
    requests_per_second: int | None = 10
    requests_per_minute: int | None = 120
    requests_per_hour: int | None = 5000
    requests_per_day: int | None = 200000


UNLIMITED = Limits(None, None, None, None, None, None)


def write_windows(limits: Limits) -> tuple[Window, ...]:
    """What the charges of writes alone have to fit into."""
    return _windows((MINUTE, limits.writes_per_minute), (DAY, limits.writes_per_day))


def request_windows(limits: Limits) -> tuple[Window, ...]:
    """What the charges of all requests, writes included, have to fit into."""
    windows = _windows(
        (MINUTE, limits.requests_per_minute), (HOUR, limits.requests_per_hour), (DAY, limits.requests_per_day)
    )
    if limits.requests_per_second is None:
        return windows
    return (Window(1 / limits.requests_per_second, 1, _SPACING_MARGIN), *windows)


def _windows(*pairs: tuple[float, int | None]) -> tuple[Window, ...]:
    return tuple(Window(seconds, limit, _MARGIN) for seconds, limit in pairs if limit is not None)


def next_slot(windows: Sequence[Window], charged: Sequence[float], now: float) -> float:
    """Seconds to wait until one more charge fits into every window; 0 when it fits now.

    Args:
        windows: The windows this charge counts in.
        charged: When earlier ones were charged, ascending; those older than `horizon` make no difference.
        now: The time, of the same clock.
    """
    return max((0.0, *(window.wait(charged, now) for window in windows)))


def horizon(windows: Sequence[Window]) -> float:
    """Seconds after which a charge no longer matters to any of the windows."""
    return max((window.seconds + window.margin for window in windows), default=0.0)


def writes_used_last_day(charged: Sequence[float], now: float) -> int:
    """How many of the writes charged at these times (ascending) still count against the day's limit."""
    return len(charged) - bisect_right(charged, now - DAY - _MARGIN)


def price(writes: int, reads: int, limits: Limits, used_today: int = 0, *, reads_first: int = 0) -> tuple[float, int]:
    """What sending so much takes: seconds of sending at the pace of `next_slot`, and the quota days it touches.

    Args:
        writes: Requests that count against the write limits.
        reads: All others.
        limits: The account's limits; where one is None, it costs nothing.
        used_today: Writes of the last 24 hours, which today's share has already gone to.
        reads_first: How many of the reads the first write waits for; the others alternate with the writes.
    """
    requests = writes + reads
    if not requests:
        return 0.0, 0
    every, only_writes = request_windows(limits), write_windows(limits)
    alternating = requests - reads_first
    seconds = _filling(every, reads_first + bool(alternating))
    seconds += max(_filling(every, alternating), _filling(only_writes, writes))
    return seconds, max(1, _days(writes, limits.writes_per_day, used_today), _days(requests, limits.requests_per_day))


def _filling(windows: Sequence[Window], count: int) -> float:
    """Seconds from the first of `count` charges to the last, each as soon as it fits; no day is waited for."""
    return max(0, count - 1) * max(
        (window.interval for window in windows if window.seconds <= _EVEN_UP_TO), default=0.0
    )


def whole_pages(invoices: int, records: int) -> int:
    """How many pages the duplicate guard reads for so many invoices; 0 where one read an invoice takes fewer."""
    pages = max(1, ceil(records / ROWS_PER_PAGE))  # that there are none is seen on the first page
    return pages if FEW_INVOICES < invoices > pages else 0


def reads_of_creates(invoices: int, records: int, seconds: float = 0.0, runs: int = 1) -> int:
    """How many reads the duplicate guard needs.

    Args:
        invoices: Where something is created.
        records: How many the account holds, as far as that is known.
        seconds: How long the creates take; whole pages grow old meanwhile.
        runs: How many it takes; each begins with pages of its own.
    """
    if invoices <= FEW_INVOICES:
        return invoices
    pages = whole_pages(invoices, records)
    return runs * (1 + pages) + int(seconds / FRESH_SECONDS) if pages else 1 + invoices


READS_OF_CHANGES = {"adopt": 1, "update": 2, "delete": 1}
"""How many reads each of them needs: a look at the record before, and after an update another one."""


def writes_by_day(writes: int, limits: Limits, left_today: int | None) -> tuple[int, ...]:
    """How many writes each quota day takes, today first: as many days as `price` counts, each used in full.

    `left_today` is None where nobody counts, which leaves all of today.
    """
    per_day = limits.writes_per_day
    if per_day is None or not writes:
        return (writes,) if writes else ()
    today = min(writes, per_day if left_today is None else left_today)
    full, rest = divmod(writes - today, per_day)
    return (today, *[per_day] * full, *([rest] if rest else ()))


def _days(count: int, per_day: int | None, used: int = 0) -> int:
    if per_day is None or not count:
        return 0
    return ceil((count + min(used, per_day)) / per_day)


class WindowUse(NamedTuple):
    """How full one of the account's windows is.

    Attributes:
        name: The name of its limit in the settings.
        limit: None where there is none.
        used: The charges that count in it now.
        next_slot: Seconds until one more fits; 0 when it fits now.
        frees: Seconds until the oldest charge leaves it; None when it is empty.
    """

    name: str
    limit: int | None
    used: int
    next_slot: float = 0.0
    frees: float | None = None

    @property
    def left(self) -> int | None:
        """How many more fit now; None where there is no limit."""
        return None if self.limit is None else max(0, self.limit - self.used)


def window_uses(
    limits: Limits, writes: Sequence[float], requests: Sequence[float], now: float
) -> tuple[WindowUse, ...]:
    """All six windows, in the order of the settings. Times are ascending, of the clock that says `now`."""
    charged = {"writes": writes, "requests": requests}
    return tuple(
        _use(name, getattr(limits, name), charged[name.partition("_")[0]], seconds, now)
        for name, seconds in _SECONDS.items()
    )


_SECONDS = {
    "writes_per_minute": MINUTE,
    "writes_per_day": DAY,
    "requests_per_second": 1.0,
    "requests_per_minute": MINUTE,
    "requests_per_hour": HOUR,
    "requests_per_day": DAY,
}


def _use(name: str, limit: int | None, charged: Sequence[float], seconds: float, now: float) -> WindowUse:
    margin = _MARGIN if seconds > 1 else _SPACING_MARGIN
    counting = charged[bisect_right(charged, now - seconds - margin) :]
    used = len(counting)
    if not used:
        return WindowUse(name, limit, used)
    frees = counting[0] + seconds + margin - now
    next_slot = counting[-limit] + seconds + margin - now if limit is not None and used >= limit else 0.0
    return WindowUse(name, limit, used, next_slot, frees)
