"""What can go wrong with a write, and when it does.

Owns the table of faults, the grammar of `--faults` and the seeded draw. It must not know HTTP, sockets or the
database: the answers are in `fault_answers`, and carrying a fault out is the doorway's work.

A specification is a list of items:

    lost_after=0.02        each write request meets it with this probability
    lost_after@3           the third write request meets it, whatever was drawn
    late=0.01:5            the same, with the fault's own number of seconds

Write requests (POST, PUT and DELETE of a record) are counted as they arrive, those that the limits turn away
excepted. One number is drawn for each of them, so the same seed and the same sequence of requests meet the same
faults.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping


class Effect(Enum):
    """Whether, and when, the write is carried out."""

    NEVER = auto()
    AT_ONCE = auto()
    LATER = auto()  # after the fault's seconds


class Ending(Enum):
    """What becomes of the answer."""

    CLOSED = auto()  # the connection ends (FIN) without a byte of an answer
    RESET = auto()  # the connection is reset (RST) without a byte of an answer
    CUT = auto()  # the status line, the headers and half of the body, then the end of the connection
    DELAYED = auto()  # the true answer, after the fault's seconds
    REPLACED = auto()  # another answer, made in `fault_answers`


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the table. `seconds` is the default of its number, None when it takes none."""

    name: str
    effect: Effect
    ending: Ending
    summary: str
    seconds: float | None = None


_NEVER, _NOW, _LATER = Effect.NEVER, Effect.AT_ONCE, Effect.LATER
_REPLACED = Ending.REPLACED

_TABLE: Final = (
    Kind("lost_before", _NEVER, Ending.CLOSED, "connection closed without an answer"),
    Kind("lost_after", _NOW, Ending.CLOSED, "connection closed without an answer"),
    Kind("reset_before", _NEVER, Ending.RESET, "connection reset"),
    Kind("reset_after", _NOW, Ending.RESET, "connection reset"),
    Kind("late", _LATER, Ending.CLOSED, "connection closed at once, the write happens SECONDS later", 5.0),
    Kind("cut_off", _NOW, Ending.CUT, "half of the answer, then the connection is closed"),
    Kind("slow", _NOW, Ending.DELAYED, "the true answer, SECONDS later", 2.0),
    Kind("http_500", _NEVER, _REPLACED, "500 with a JSON message"),
    Kind("http_500_after", _NOW, _REPLACED, "500 with a JSON message"),
    Kind("http_503", _NEVER, _REPLACED, "503 with the HTML page of a proxy"),
    Kind("http_503_after", _NOW, _REPLACED, "503 with the HTML page of a proxy"),
    Kind("html", _NEVER, _REPLACED, "200 with an HTML page"),
    Kind("html_after", _NOW, _REPLACED, "200 with an HTML page"),
    Kind("truncated", _NOW, _REPLACED, "a complete answer that holds half of its JSON"),
    Kind("no_id", _NOW, _REPLACED, "200, successful, but without an Id"),
    Kind("old_id", _NOW, _REPLACED, "200, successful, but with the Id of the oldest record"),
    Kind("unsuccessful", _NEVER, _REPLACED, "200 with WasSuccessful false"),
    Kind("rejected", _NEVER, _REPLACED, "400, a validation failure that echoes the token"),
    Kind("http_401", _NEVER, _REPLACED, "401"),
    Kind("http_403", _NEVER, _REPLACED, "403"),
    Kind("http_408", _NEVER, _REPLACED, "408 without a body"),
    Kind("conflict_409", _NEVER, _REPLACED, "409 with a JSON body and no Retry-After"),
    Kind("conflict_409_after", _NOW, _REPLACED, "409 with a JSON body and no Retry-After"),
    Kind("throttle_409", _NEVER, _REPLACED, "409, empty, Retry-After: SECONDS", 1.0),
    Kind("throttle_409_bare", _NEVER, _REPLACED, "409, empty, no Retry-After"),
    Kind("http_429", _NEVER, _REPLACED, "429, Retry-After: SECONDS", 1.0),
)

KINDS: Final[Mapping[str, Kind]] = {kind.name: kind for kind in _TABLE}
"""Every fault by its name: the one table of them."""

_EFFECTS: Final = {_NEVER: "nothing stored", _NOW: "stored", _LATER: "stored later"}


def _describe(kind: Kind) -> str:
    seconds = "" if kind.seconds is None else f" (SECONDS: {kind.seconds:g})"
    return f"  {kind.name:<18} {_EFFECTS[kind.effect]:<14} {kind.summary}{seconds}"


FAULTS_HELP: Final = "\n".join(
    (
        "FAULT=PROBABILITY[:SECONDS] or FAULT@N[:SECONDS] (the Nth write request), separated by commas:",
        *(_describe(kind) for kind in _TABLE),
    )
)
"""The grammar and the table, for the command line's help and for errors."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind, and its seconds (0.0 where the kind takes none)."""

    kind: Kind
    seconds: float


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """A parsed specification: faults by chance, with rising bounds in 0..1, and faults by the number of the write."""

    bounds: tuple[tuple[float, Fault], ...] = ()
    scripted: Mapping[int, Fault] = field(default_factory=dict[int, Fault])


_ITEM: Final = re.compile(
    r"(?P<name>[a-z_0-9]+)\s*(?:=\s*(?P<chance>\d*\.?\d+)|@\s*(?P<nth>[1-9]\d*))(?::(?P<seconds>\d+(?:\.\d+)?))?",
    re.ASCII,
)


def parse_faults(spec: str) -> FaultPlan:
    """Read a `--faults` text; an empty one plans none.

    Raises:
        ValueError: an unknown name, a number out of range, a write aimed at twice, or probabilities above 1 in sum.
            The message says what is allowed.
    """
    chances: list[tuple[float, Fault]] = []
    scripted: dict[int, Fault] = {}
    for item in (part.strip() for part in spec.split(",") if part.strip()):
        match = _ITEM.fullmatch(item)
        if match is None:
            raise _refuse(item, "is not an item of the list")
        fault = _make_fault(item, match["name"], match["seconds"])
        if match["nth"] is None:
            chances.append((float(match["chance"]), fault))
        elif scripted.setdefault(int(match["nth"]), fault) is not fault:
            raise _refuse(item, f"aims at write {match['nth']} a second time")
    return FaultPlan(_make_bounds(spec, chances), scripted)


def _make_fault(item: str, name: str, seconds: str | None) -> Fault:
    kind = KINDS.get(name)
    if kind is None:
        raise _refuse(item, "names no fault")
    if seconds is not None and kind.seconds is None:
        raise _refuse(item, "takes no seconds")
    return Fault(kind, float(seconds) if seconds is not None else kind.seconds or 0.0)


def _make_bounds(spec: str, chances: list[tuple[float, Fault]]) -> tuple[tuple[float, Fault], ...]:
    bounds = list(accumulate(chance for chance, _ in chances))
    if bounds and bounds[-1] > 1.0 + 1e-9:  # ten times 0.1 is a little more than 1
        raise _refuse(spec, f"has probabilities of {bounds[-1]:g} in sum, more than 1")
    return tuple((bound, fault) for bound, (_, fault) in zip(bounds, chances, strict=True))


def _refuse(item: str, why: str) -> ValueError:
    return ValueError(f'faults: "{item}" {why}; write {FAULTS_HELP}')


class FaultSource:
    """Says for each write request, in order, which fault it meets. For one thread only."""

    def __init__(self, plan: FaultPlan, seed: int) -> None:
        self._plan = plan
        self._random = Random(seed)  # noqa: S311 - repeatable trials are the point, nothing secret is drawn
        self._writes = 0

    def replace(self, plan: FaultPlan) -> None:
        """Go on with another plan; the count of writes and the sequence of draws go on too."""
        self._plan = plan

    def draw(self) -> Fault | None:
        """The fault of the next write request, or None."""
        self._writes += 1
        number = self._random.random()
        scripted = self._plan.scripted.get(self._writes)
        if scripted is not None:
            return scripted
        return next((fault for bound, fault in self._plan.bounds if number < bound), None)
