"""Takes over a record that exists already: it is read, and the state remembers it; nothing is sent."""

from collections.abc import Callable

from reconcile.apply.stops import stop_of
from reconcile.apply.tally import Tally
from reconcile.apply.tools import Tools
from reconcile.apply.write import Writer
from reconcile.core.changes import Change
from reconcile.core.changing import remembered
from reconcile.core.entries import StateChangedEntry
from reconcile.core.errors import ReconcileError, RefusedError
from reconcile.core.records import PaymentToken, Secret
from reconcile.core.report import Result
from reconcile.core.times import iso
from reconcile.ports import PaymentTokens


def adoption(
    api: PaymentTokens,
    declared: PaymentToken,
    record_id: int,
    fingerprint: Callable[[Secret], str],
    at: str,
    who: str = "",
) -> StateChangedEntry:
    """The entry by which a declared address gets an existing record, with what that holds now.

    Raises:
        RefusedError: There is no such record, or it is at another invoice.
        ApiError, QuotaError: It cannot be read.
    """
    seen = api.get(record_id)
    if seen is None:
        raise RefusedError(
            f"there is no record {record_id}", help="look its id up in Nexudus again", code="unfit-record"
        )
    if seen.coworker_invoice_id != declared.coworker_invoice_id:
        raise RefusedError(
            f"record {record_id} is of invoice {seen.coworker_invoice_id}, not {declared.coworker_invoice_id}",
            help=f"look its id up in Nexudus again, or correct the invoice of {declared.address}",
            code="unfit-record",
        )
    record = remembered(declared, seen, fingerprint, at)
    return StateChangedEntry("adopt", at, declared.address, record_id, record=record, who=who)


class Adopter:
    """Carries out the imports of a plan; used by all workers of a run at once."""

    def __init__(self, writer: Writer, tools: Tools, tally: Tally) -> None:
        self._writer = writer
        self._tools = tools
        self._tally = tally

    def adopt(self, change: Change) -> Result | None:
        """Takes over one record; None when the run is over."""
        assert change.declared is not None and change.id is not None  # noqa: S101, PT018 - a plan says both of an import
        if self._writer.is_over():
            return None
        tools = self._tools
        try:
            entry = adoption(tools.api, change.declared, change.id, tools.fingerprint, iso(tools.clock.now()))
        except RefusedError as unfit:
            return Result("refused", change, change.id, unfit.message, unfit.help)
        except ReconcileError as error:
            self._tally.end(stop_of(error))
            return None
        self._writer.claim(change.id)
        tools.journal.append(entry)
        return Result("adopted", change, change.id)
