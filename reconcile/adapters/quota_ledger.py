"""What was charged to an account's quota, kept beside the state, so that a limit holds across runs and days.

Writes are counted by the journal while they are in it: each intent is one. A run's writes move here before the journal
lets go of them. Reads have no intents, so they are reserved in blocks that are durable before the first of them leaves;
what a killed run had reserved counts as used. Times are the wall clock's: another run has to understand them.

One account is a base URL with a login; a line of another account counts for nothing. This module decides nothing about
waiting (`adapters/pacing.py`) and knows no window (`core/quota.py`).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock

import orjson

from reconcile.core.errors import StateError
from reconcile.core.quota import DAY
from reconcile.ports import Backend, Clock

BLOCK = 60
"""Reads that are reserved at once: at most half a minute's worth at the published limits."""

BLOCK_SECONDS = 60.0
"""How long a block may be drawn on; its reads count at its end, since nobody else knows when they left."""

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
        journalled: The times of the writes that the journal holds, by run; those of a run that is in the ledger
            already are not counted twice.
    """

    def __init__(
        self, backend: Backend, account: str, clock: Clock, journalled: Mapping[str, Sequence[float]]
    ) -> None:
        self._backend = backend
        self._account = account
        self._clock = clock
        self._journalled = dict(journalled)
        self._left = 0
        self._left_until = 0.0
        self._lock = Lock()

    def charges(self) -> Charges:
        """What counts in the windows of the last day.

        Raises:
            StateError: The ledger cannot be read.
        """
        now = self._clock.now()
        writes: list[float] = []
        reads: list[float] = []
        runs: set[str] = set()
        for line in _lines(self._backend.read_quota()):
            if line.get("account") != self._account:
                continue
            runs.add(str(line.get("run", "")))
            writes.extend(line.get("writes", ()))
            reads.extend([line["until"]] * line["reads"] if "reads" in line else ())
        for run, times in self._journalled.items():
            writes.extend(times if run not in runs else ())
        return Charges(_recent(writes, now), _recent(reads, now))
