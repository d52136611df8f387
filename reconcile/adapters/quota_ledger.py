"""What was charged to an account's quota, kept beside the state, so that a limit holds across runs and days.

Writes are counted by the journal while they are in it: each intent is one. A run's writes move here before the journal
lets go of them. Reads have no intents, so they are reserved in blocks that are durable before the first of them leaves;
what a killed run had reserved counts as used. Times are the wall clock's: another run has to understand them.

One account is a base URL with a login; a line of another account counts for nothing. This module decides nothing about
waiting (`adapters/pacing.py`) and knows no window (`core/quota.py`).
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from threading import Lock
from typing import Any, cast

import orjson

from reconcile.core.quota import DAY
from reconcile.ports import Backend, Clock

BLOCK = 60
"""Reads that are reserved at once: at most half a minute's worth at the published limits."""

BLOCK_SECONDS = 60.0
"""How long a block may be drawn on; where nobody said when its reads left, they count at its end."""

_KEPT_SECONDS = DAY + 3600.0


def account_of(base_url: str, login: str) -> str:
    """A short name for an account that tells neither its address nor its user."""
    return hashlib.sha256(f"{base_url}\n{login}".encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Charges:
    """When the requests of the last day were charged, ascending, in seconds since the epoch.

    Attributes:
        writes: POST, PUT and DELETE.
        reads: Everything else.
    """

    writes: tuple[float, ...] = ()
    reads: tuple[float, ...] = ()

    @property
    def requests(self) -> tuple[float, ...]:
        """Both, ascending."""
        return tuple(sorted((*self.writes, *self.reads)))


class QuotaLedger:
    """The charges of one account; its reads may be reserved from several threads.

    Args:
        account: See `account_of`.
        name: Names this process among all that write to the ledger.
        journalled: When the writes that the journal holds were sent, by run. Those of a run that is in the ledger
            already are not counted twice.
    """

    def __init__(
        self, backend: Backend, account: str, name: str, clock: Clock, journalled: Mapping[str, Sequence[float]]
    ) -> None:
        self._backend = backend
        self._account = account
        self._clock = clock
        self._journalled = dict(journalled)
        self._blocks = (f"{name}-{number}" for number in count(1))
        self._block = ""
        self._block_ends = 0.0
        self._used: list[float] = []
        self._lock = Lock()

    def charges(self) -> Charges:
        """What counts in the windows of the last day.

        Raises:
            StateError: The ledger cannot be read.
        """
        lines = [line for line in _lines(self._backend.read_quota()) if line.get("account") == self._account]
        runs = {line["run"] for line in lines if "run" in line}
        writes = [at for line in lines if "run" in line for at in line["writes"]]
        writes += [at for run, times in self._journalled.items() if run not in runs for at in times]
        reads: dict[str, list[float]] = {}
        for line in lines:
            if "block" in line:
                reads[line["block"]] = line["used"] if "used" in line else [line["until"]] * line["reads"]
        now = self._clock.now()
        return Charges(_recent(writes, now), _recent((at for times in reads.values() for at in times), now))

    def absorb(self) -> None:
        """Takes over the writes of all runs that the journal holds, before it lets go of them.

        Raises:
            StateError: The ledger cannot be read or written.
        """
        known = {line.get("run") for line in _lines(self._backend.read_quota())}
        for run, times in self._journalled.items():
            if run not in known and times:
                self.take_over(run, times)

    def take_over(self, run: str, writes: Sequence[float]) -> None:
        """Writes down when a run's writes were charged.

        Raises:
            StateError: The ledger cannot be written.
        """
        self._append(run=run, writes=[round(at, 3) for at in writes])

    def reserve_read(self) -> None:
        """Makes sure that the read about to leave is written down, most often by a block that is already.

        Raises:
            StateError: The ledger cannot be written; the read must not leave.
        """
        now = self._clock.now()
        with self._lock:
            if len(self._used) == BLOCK or not self._block_ends - BLOCK_SECONDS <= now < self._block_ends:
                self._close_block()
                self._block, self._block_ends = next(self._blocks), now + BLOCK_SECONDS
                self._append(block=self._block, reads=BLOCK, until=round(self._block_ends, 3))
            self._used.append(round(now, 3))

    def close(self) -> None:
        """Gives back what was reserved and not used.

        Raises:
            StateError: The ledger cannot be written; everything reserved counts as used then.
        """
        with self._lock:
            self._close_block()

    def _close_block(self) -> None:
        if self._block:
            self._append(block=self._block, used=self._used)
        self._block, self._block_ends, self._used = "", 0.0, []

    def prune(self) -> None:
        """Drops what no window remembers, once that is half of it; the lock must be held.

        Raises:
            StateError: The ledger cannot be written.
        """
        lines = _lines(self._backend.read_quota())
        oldest = self._clock.now() - _KEPT_SECONDS
        kept = [line for line in lines if _latest(line) >= oldest]
        if len(kept) * 2 < len(lines):
            self._backend.replace_quota(b"".join(orjson.dumps(line) + b"\n" for line in kept))

    def _append(self, **line: object) -> None:
        # The line break before it keeps it whole where a crash cut the line above short.
        self._backend.append_quota(b"\n" + orjson.dumps({"account": self._account, **line}) + b"\n")


def _lines(data: bytes) -> list[dict[str, Any]]:
    """The ledger's lines. One that a crash cut short is passed over: what it was to charge had not left yet."""
    lines: list[dict[str, Any]] = []
    for raw in data.splitlines():
        with suppress(orjson.JSONDecodeError):
            lines.append(cast("dict[str, Any]", orjson.loads(raw)))
    return lines


def _latest(line: Mapping[str, Any]) -> float:
    return max((*line.get("writes", ()), *line.get("used", ()), line.get("until", 0.0)), default=0.0)


def _recent(times: Iterable[float], now: float) -> tuple[float, ...]:
    """Those of the last day, ascending; a time ahead of the clock, which was set back, counts as now."""
    return tuple(sorted(min(at, now) for at in times if at > now - _KEPT_SECONDS))
