"""What was charged to an account's quota, kept beside the state, so that a limit holds across runs and days.

Writes are counted by the journal while they are in it: each intent is one. A run's writes move here before the journal
lets go of them. Reads have no intents, so they are reserved in blocks that are durable before the first of them leaves;
what a killed run had reserved counts as used. Times are the wall clock's: another run has to understand them. How long
the server told us to wait is kept too: its word holds for whoever comes next.

The ledger is lines that add up, whatever order and however often they were written: of a run the longest list of writes
counts, of a block the times it was used at rather than its reservation, of totals the last, of waits the longest. A
line cut short by a crash is none: what it was to charge had not left yet, or is still in the journal.

One account is a base URL with a login; a line of another account counts for nothing. This module decides nothing about
waiting (`adapters/pacing.py`) and knows no window (`core/quota.py`).
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import count
from typing import Any, NamedTuple, TypeAlias, cast

from reconcile.core.json_text import json_parser
from reconcile.core.quota import DAY, LONGEST_RETRY_AFTER
from reconcile.core.runs import RunWrites
from reconcile.ports import Backend, Clock

BLOCK = 60
"""Reads that are reserved at once: at most half a minute's worth at the published limits."""

BLOCK_SECONDS = 60.0
"""How long a block may be drawn on; where nobody said when its reads left, they count at its end."""

_KEPT_SECONDS = DAY + 3600.0
_SMALL = 64  # lines; a ledger that short is not worth rewriting
_AHEAD_SECONDS = 2 * BLOCK_SECONDS  # farther ahead than any line of a right clock

_Line: TypeAlias = dict[str, Any]


def account_of(base_url: str, login: str) -> str:
    """A short name for an account that tells neither its address nor its user."""
    return hashlib.sha256(f"{base_url}\n{login}".encode()).hexdigest()[:16]


class Charges(NamedTuple):
    """When the requests of the last day were charged, ascending, in seconds since the epoch.

    Attributes:
        writes: POST, PUT and DELETE.
        reads: Everything else.
        total: How many records the account held when they were last counted; None when they never were.
        paused_until: Until when the server said that nothing may be sent, in seconds since the epoch.
    """

    writes: tuple[float, ...] = ()
    reads: tuple[float, ...] = ()
    total: int | None = None
    paused_until: float = 0.0

    @property
    def requests(self) -> tuple[float, ...]:
        """Both, ascending."""
        return tuple(sorted((*self.writes, *self.reads)))


def read_charges(backend: Backend, account: str | None, now: float, journalled: Mapping[str, RunWrites]) -> Charges:
    """What counts in the windows of the last day; takes no lock and changes nothing.

    Args:
        backend: Where the ledger is.
        account: Whose; None adds up all accounts.
        now: Seconds since the epoch. Later times than that, from before the clock was set back, count as now.
        journalled: The writes that the journal holds; those the ledger has too are not counted twice.

    Raises:
        StateError: The ledger cannot be read.
    """
    ledger = _Lines.of(backend.read_quota())
    runs = {run: RunWrites(line["account"], _times(line, "writes")) for run, line in ledger.runs.items()}
    for run, told in journalled.items():
        if run not in runs or len(runs[run].times) < len(told.times):
            runs[run] = told
    writes = (at for told in runs.values() if account in {None, told.account} for at in told.times)
    reads = (at for line in ledger.blocks.values() if account in {None, line["account"]} for at in _reads_of(line))
    totals = [line["total"] for whose, line in ledger.totals.items() if account in {None, whose}]
    pauses = (line["paused_until"] for line in ledger.pauses if account in {None, line["account"]})
    # No server is believed to ask for more: what is farther away comes from a clock that was ahead of its time.
    paused_until = max((until for until in pauses if until <= now + LONGEST_RETRY_AFTER), default=0.0)
    return Charges(_recent(writes, now), _recent(reads, now), totals[-1] if totals else None, paused_until)


def absorb(backend: Backend, journalled: Mapping[str, RunWrites], now: float) -> None:
    """Takes over the writes of runs that the journal holds, before it lets go of them; the lock must be held.

    Raises:
        StateError: The ledger cannot be read or written.
    """
    recent = {run: told for run, told in journalled.items() if told.times and told.times[-1] > now - _KEPT_SECONDS}
    if not recent:
        return
    ledger = _Lines.of(backend.read_quota())
    for run, told in recent.items():
        if len(_times(ledger.runs.get(run, {}), "writes")) < len(told.times):
            _append(backend, account=told.account, run=run, writes=told.times)
    _prune(backend, ledger, now)


class QuotaLedger:
    """The ledger as one run writes to it; its reads may be reserved from several threads.

    Args:
        account: See `account_of`.
        name: Names this run's blocks among all that were ever written.
    """

    def __init__(self, backend: Backend, account: str, name: str, clock: Clock) -> None:
        from threading import Lock  # only a run needs it; a plan reads what runs were charged

        self._backend = backend
        self._account = account
        self._clock = clock
        self._blocks = (f"{name}-{number}" for number in count(1))
        self._block = ""
        self._block_ends = 0.0
        self._used: list[float] = []
        self._total: int | None = None
        self._paused_until = 0.0
        self._lock = Lock()

    def charges(self, journalled: Mapping[str, RunWrites] | None = None) -> Charges:
        """What the account was charged before this run.

        Args:
            journalled: The writes that the journal holds, where `absorb` has not seen them.

        Raises:
            StateError: The ledger cannot be read.
        """
        return read_charges(self._backend, self._account, self._clock.now(), journalled or {})

    def known_total(self) -> int | None:
        """How many records the account held when they were last counted; None when they never were.

        Raises:
            StateError: The ledger cannot be read.
        """
        if self._total is None:
            self._total = self.charges().total
        return self._total

    def note_total(self, total: int) -> None:
        """Remembers how many records the account holds, for the price of later plans.

        Raises:
            StateError: The ledger cannot be written.
        """
        if total != self.known_total():
            _append(self._backend, account=self._account, total=total)
            self._total = total

    def note_pause(self, seconds: float) -> None:
        """Remembers that nothing may be sent for so long, also by whoever comes next.

        Raises:
            StateError: The ledger cannot be written.
        """
        until = self._clock.now() + seconds
        with self._lock:
            if until > self._paused_until:
                _append(self._backend, account=self._account, paused_until=round(until, 3))
                self._paused_until = until

    def take_over(self, run: str, writes: Sequence[float]) -> None:
        """Writes down when a run's writes were charged, more exactly than the journal knows.

        Raises:
            StateError: The ledger cannot be written.
        """
        if writes:
            _append(self._backend, account=self._account, run=run, writes=[round(at, 3) for at in writes])

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
                until = round(self._block_ends, 3)
                _append(self._backend, account=self._account, block=self._block, reads=BLOCK, until=until)
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
            _append(self._backend, account=self._account, block=self._block, used=self._used)
        self._block, self._block_ends, self._used = "", 0.0, []


class _Lines(NamedTuple):
    """The lines that count: runs and blocks by their names, totals by account, pauses; and how many lines there are."""

    runs: dict[str, _Line]
    blocks: dict[str, _Line]
    totals: dict[str, _Line]
    pauses: list[_Line]
    number: int

    @classmethod
    def of(cls, data: bytes) -> "_Lines":
        lines, parse = cls({}, {}, {}, [], data.count(b"\n{")), json_parser(len(data))
        for raw in data.splitlines():
            with suppress(ValueError):
                lines._take(parse(raw))
        return lines

    def _take(self, read: Any) -> None:
        line = cast("_Line", read if isinstance(read, dict) else {})
        match line:
            case {"account": str(), "run": str(run), "writes": [*writes]} if _are_times(writes):
                if len(writes) >= len(_times(self.runs.get(run, {}), "writes")):
                    self.runs[run] = line
            case {"account": str(), "block": str(block), "used": [*used]} if _are_times(used):
                self.blocks[block] = line
            case {"account": str(), "block": str(block), "reads": int(), "until": int() | float()}:
                self.blocks.setdefault(block, line)
            case {"account": str(account), "total": int()}:
                self.totals.pop(account, None)
                self.totals[account] = line
            case {"account": str(), "paused_until": int() | float()}:
                self.pauses.append(line)
            case _:
                pass  # of a later version, or damaged: the server's own count stands behind ours


def _are_times(values: Sequence[object]) -> bool:
    return all(isinstance(value, int | float) for value in values)


def _times(line: Mapping[str, Any], name: str) -> tuple[float, ...]:
    return tuple(line.get(name, ()))


def _reads_of(line: _Line) -> tuple[float, ...]:
    return _times(line, "used") if "used" in line else (float(line["until"]),) * min(line["reads"], BLOCK)


def _recent(times: Iterable[float], now: float) -> tuple[float, ...]:
    return tuple(sorted(min(at, now) for at in times if at > now - _KEPT_SECONDS))


def _prune(backend: Backend, ledger: _Lines, now: float) -> None:
    """Drops what no window remembers once that is half of it, and brings back what a clock ahead of time put down."""
    winning = [*ledger.runs.values(), *ledger.blocks.values()]
    kept = [line for line in winning if _latest(line) > now - _KEPT_SECONDS]
    is_due = ledger.number > _SMALL and (len(kept) + len(ledger.totals)) * 2 < ledger.number
    if is_due or any(_latest(line) > now + _AHEAD_SECONDS for line in kept):
        # Read once more: what was appended since the lines were read, by the one before this, must stay.
        fresh = _Lines.of(backend.read_quota())
        kept = [
            _not_ahead(line, now)
            for line in (*fresh.runs.values(), *fresh.blocks.values())
            if _latest(line) > now - _KEPT_SECONDS
        ]
        pauses = (line for line in fresh.pauses if now < line["paused_until"] <= now + LONGEST_RETRY_AFTER)
        backend.replace_quota(b"".join(_line(line) for line in (*fresh.totals.values(), *pauses, *kept)))


def _latest(line: _Line) -> float:
    return max((*line.get("writes", ()), *line.get("used", ()), line.get("until", 0.0)), default=0.0)


def _not_ahead(line: _Line, now: float) -> _Line:
    """The line with every time that the clock has not reached, and will not soon, put at `now`."""
    if _latest(line) <= now + _AHEAD_SECONDS:
        return line
    brought = {name: [min(at, now) for at in line[name]] for name in ("writes", "used") if name in line}
    return line | brought | ({"until": min(line["until"], now)} if "until" in line else {})


def _append(backend: Backend, **line: object) -> None:
    backend.append_quota(_line(line))


def _line(line: Mapping[str, object]) -> bytes:
    # The line break before it keeps it whole where a crash cut the line above short.
    import orjson

    return b"\n" + orjson.dumps(line) + b"\n"
