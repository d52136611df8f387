"""The sandbox's limits: sliding windows over the arrivals of requests.

Owns the published numbers, the grammar of `--limits` and the decision to admit or to make wait. It must not read a
clock, sleep, or know HTTP: the caller says when a request arrived and turns a refusal into an answer.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final

PUBLISHED: Final = {
    "writes_per_minute": 60,
    "writes_per_day": 5_000,
    "requests_per_second": 10,
    "requests_per_minute": 120,
    "requests_per_hour": 5_000,
    "requests_per_day": 200_000,
}
"""The newest published table (nexudus-api.md, Limits), under the names the settings of the project use."""

_SECONDS: Final = {"second": 1.0, "minute": 60.0, "hour": 3_600.0, "day": 86_400.0}
_NAMES: Final = tuple(f"{scope}_per_{unit}" for scope in ("writes", "requests") for unit in _SECONDS)

LIMITS_HELP: Final = (
    '"off", "published" (the numbers of the newest table), or a list such as '
    f'"writes_per_minute=60,requests_per_second=10"; names: {", ".join(_NAMES)}. '
    "A number per second is a spacing: 10 allows one request in any 0.1 s."
)


@dataclass(frozen=True, slots=True)
class Window:
    """At most `count` arrivals in any `seconds` seconds; of POST, PUT and DELETE alone when `writes_only`."""

    count: int
    seconds: float
    writes_only: bool


def parse_limits(spec: str) -> tuple[Window, ...]:
    """Read a `--limits` text; no window at all for "off".

    Raises:
        ValueError: the text is none of what `LIMITS_HELP` allows, which the message repeats.
    """
    text = spec.strip()
    if text == "off":
        return ()
    if text == "published":
        return tuple(_make_window(name, count) for name, count in PUBLISHED.items())
    return tuple(_parse_item(item.strip()) for item in text.split(","))


def _parse_item(item: str) -> Window:
    name, _, count = (part.strip() for part in item.partition("="))
    if name not in _NAMES or not (count.isascii() and count.isdigit()) or int(count) < 1:
        raise ValueError(f'limits: "{item}" is not a limit; write {LIMITS_HELP}')
    return _make_window(name, int(count))


def _make_window(name: str, count: int) -> Window:
    scope, _, unit = name.partition("_per_")
    if unit == "second":  # published as "1 per 100 ms", a spacing: ten at once would not be allowed
        return Window(1, 1.0 / count, scope == "writes")
    return Window(count, _SECONDS[unit], scope == "writes")


@dataclass(slots=True)
class _Counted:
    window: Window
    arrivals: deque[float] = field(default_factory=deque[float])

    def measure_wait(self, now: float) -> float:
        while self.arrivals and self.arrivals[0] <= now - self.window.seconds:
            self.arrivals.popleft()
        if len(self.arrivals) < self.window.count:
            return 0.0
        return self.arrivals[0] + self.window.seconds - now


class Throttle:
    """Counts arrivals in every window at once. For one thread only; a request that was refused is not counted."""

    def __init__(self, windows: tuple[Window, ...]) -> None:
        self._counted = [_Counted(window) for window in windows]

    def admit(self, now: float, *, is_write: bool) -> float:
        """Count an arrival at `now` (seconds, any origin that never goes back).

        Returns:
            0.0 when admitted, otherwise the seconds until every window that applies has a free slot.
        """
        counted = [one for one in self._counted if is_write or not one.window.writes_only]
        wait = max((one.measure_wait(now) for one in counted), default=0.0)
        if wait <= 0.0:
            for one in counted:
                one.arrivals.append(now)
        return max(wait, 0.0)
