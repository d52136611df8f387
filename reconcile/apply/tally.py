"""What the workers of a run have in common: results, counts, and the reason to stop. Safe to call from any of them."""

import threading
from collections.abc import Mapping, Sequence

from reconcile.core.changes import WRITES, Change
from reconcile.core.errors import ExitCode
from reconcile.core.records import Address
from reconcile.core.report import Result, Status, Stop
from reconcile.ports import Reporter

PATIENCE_SECONDS = 15 * 60.0
"""How long a run puts up with being throttled without a single answer in between (protocol.md, "Outcomes")."""


class Tally:
    """Results so far. The first reason to stop wins; writes in flight are still finished.

    Args:
        changes: What is to be carried out, for the progress told to the reporter.
        max_writes: The most requests this run may send; None is no bound.
        max_rejections: How many rejections in a row end the run.
    """

    def __init__(
        self, reporter: Reporter, changes: Sequence[Change], *, max_writes: int | None, max_rejections: int
    ) -> None:
        self.results: dict[Address, Result] = {}
        self.writes = 0
        self.stop: Stop | None = None
        self._reporter = reporter
        self._total = len(changes)
        self._max_writes = max_writes
        self._max_rejections = max_rejections
        self._rejections_in_a_row = 0
        self._throttled_since: float | None = None
        self._counts = dict.fromkeys((*_COUNTED, *(f"{c.action}d" for c in changes if c.action in WRITES)), 0)
        self._lock = threading.Lock()

    def end(self, stop: Stop) -> None:
        """Lets no further request leave."""
        with self._lock:
            self._end(stop)

    def _end(self, stop: Stop) -> None:
        self.stop = self.stop or stop

    def take_write(self) -> bool:
        """Counts a request that is about to be sent; False, and the end of the run, where none is left."""
        with self._lock:
            if self._max_writes is not None and self.writes >= self._max_writes:
                message = f"--max-writes {self._max_writes:,} reached"
                self._end(Stop(ExitCode.QUOTA, message, "`reconcile apply` goes on where this run stopped"))
                return False
            self.writes += 1
            return True

    def give_back_write(self) -> None:
        """The request never left, or the server did not count it."""
        with self._lock:
            self.writes -= 1

    def note_throttled(self, now: float) -> None:
        """Remembers since when nothing but throttling was heard, and ends the run once patience is out."""
        with self._lock:
            since = self._throttled_since = self._throttled_since if self._throttled_since is not None else now
            if now - since >= PATIENCE_SECONDS:
                message = f"throttled by the API for {PATIENCE_SECONDS / 60:.0f} minutes without a single success"
                self._end(Stop(ExitCode.QUOTA, message, "run `reconcile apply` again later; it goes on from here"))

    def finish(self, result: Result) -> None:
        """Takes an outcome, tells the reporter, and stops a run that is one systematic mistake."""
        with self._lock:
            self.results[result.change.address] = result
            self._counts[result.status] += 1
            if result.status == "applied":
                self._counts[f"{result.change.action}d"] += 1
            self._throttled_since = None
            self._rejections_in_a_row = self._rejections_in_a_row + 1 if result.status == "rejected" else 0
            if 0 < self._max_rejections <= self._rejections_in_a_row:
                message = f"{self._rejections_in_a_row} writes in a row were rejected"
                help_ = "the quota is not spent on a systematic mistake: correct the first of them, then apply again"
                self._end(Stop(ExitCode.FAILED, message, help_))
            self._tell(result)

    def _tell(self, result: Result) -> None:
        self._reporter.tell(result.status, _details(result))
        self._reporter.tell("progress", {"done": len(self.results), "total": self._total, **self._counts})

    def tell(self, event: str, details: Mapping[str, object]) -> None:
        """Passes an event on, one at a time."""
        with self._lock:
            self._reporter.tell(event, details)


_COUNTED: tuple[Status, ...] = ("applied", "adopted", "altered", "exists", "refused", "rejected", "in_doubt")


def _details(result: Result) -> dict[str, object]:
    change = result.change
    details: dict[str, object] = {"address": change.address, "action": str(change.action)}
    if result.id is not None:
        details["id"] = result.id
    described = change.declared or change.held
    if described is not None:
        details["coworker_invoice_id"] = described.coworker_invoice_id
    if change.location is not None:
        details |= {"file": change.location.file, "line": change.location.line}
    if result.words:
        details["message"] = result.words
    return details
