"""One delete: of an id that the state holds and nothing else, after a look at the record.

Sending and recording is the writer's (`write.py`).
"""

from functools import partial

from reconcile.apply.lookup import is_listed
from reconcile.apply.stops import stop_of
from reconcile.apply.tally import Tally
from reconcile.apply.tools import Tools
from reconcile.apply.write import Ready, Writer
from reconcile.core.changes import Change
from reconcile.core.entries import StateChangedEntry
from reconcile.core.errors import ReconcileError
from reconcile.core.records import StateRecord
from reconcile.core.report import Result
from reconcile.core.times import iso


class Deleter:
    """Deletes records in one run; used by all of its workers at once."""

    def __init__(self, writer: Writer, tools: Tools, tally: Tally) -> None:
        self._writer = writer
        self._tools = tools
        self._tally = tally

    def delete(self, change: Change) -> Result | None:
        """Deletes one record, as often tried as the outcomes allow; None when the run stopped before it was settled."""
        assert change.held is not None  # noqa: S101 - a plan deletes what the state holds
        if change.held.protect:
            return Result("refused", change, change.id, "is protected", "set `protect: false` and apply before")
        return self._writer.write(change, partial(self._prepare, change, change.held))

    def _prepare(self, change: Change, held: StateRecord) -> Ready | Result | None:
        """The delete, after a look at the record; or why nothing is sent."""
        if self._writer.is_over():
            return None
        try:
            seen = self._tools.api.get(held.id)
            if seen is None:
                return self._absent(change, held)
        except ReconcileError as error:
            self._tally.end(stop_of(error))
            return None
        if seen.coworker_invoice_id != held.coworker_invoice_id:
            words = f"id {held.id} is at invoice {seen.coworker_invoice_id}, not {held.coworker_invoice_id}"
            return Result("refused", change, held.id, words, "look at that record in Nexudus; nothing was deleted")
        draft = self._writer.draft("delete", change, held.token_fingerprint)
        return Ready(draft, lambda: self._tools.api.delete(held.id, seen.token))

    def _absent(self, change: Change, held: StateRecord) -> Result:
        if is_listed(self._tools.api, held.id, held.coworker_invoice_id):
            words = f"id {held.id} is listed at its invoice, but cannot be read"
            return Result("refused", change, held.id, words, "look at that record in Nexudus; nothing was deleted")
        at = iso(self._tools.clock.now())
        self._tools.journal.append(StateChangedEntry("forget", at, change.address, held.id))
        return Result("applied", change, held.id, "was gone already; nothing was sent")
