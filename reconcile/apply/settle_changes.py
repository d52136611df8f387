"""Settles updates and deletes in doubt by reading the record itself (protocol.md, "Update" and "Delete").

That something took effect is seen at once; that it had no effect is believed only after the settle time. What cannot be
read stays in doubt, with the reason. Creates, which have no id to read by, are settled in `settle.py`.
"""

from collections.abc import Sequence

from reconcile.apply.lookup import is_listed
from reconcile.apply.settle import OF_THE_WHOLE_API, UNREADABLE, Moment, SettlingTools, is_ripe, resolved
from reconcile.core.changing import AsBefore, TookEffect, Unclear, judge_update
from reconcile.core.entries import IntentEntry
from reconcile.core.errors import ReconcileError
from reconcile.core.folded import Doubt
from reconcile.core.records import ObservedRecord
from reconcile.core.report import Settlement
from reconcile.core.times import from_iso, iso


def settle_changes(doubts: Sequence[Doubt], tools: SettlingTools, *, by_absence: bool = True) -> list[Settlement]:
    """Settles what reading can settle; the rest stays in doubt, each with the reason.

    Args:
        doubts: Updates and deletes in doubt.
        tools: What to act through.
        by_absence: Whether something may also turn out to have had no effect.

    Raises:
        StateError: The journal cannot be written.
    """
    began = Moment.by(tools.clock)
    failure: ReconcileError | None = None
    settlements: list[Settlement] = []
    for doubt in doubts:
        if failure is None or failure.code not in OF_THE_WHOLE_API:
            try:
                settlements.append(_settle(doubt, tools, began if by_absence else None))
                continue
            except UNREADABLE as error:
                failure = error
        settlements.append(Settlement(doubt, "open", words=f"the record could not be read: {failure.message}"))
    return settlements


def _settle(doubt: Doubt, tools: SettlingTools, began: Moment | None) -> Settlement:
    """One of them; without the moment when settling began, nothing counts as without effect."""
    record_id = doubt.intent.id or 0
    if doubt.ids and set(doubt.ids) != {record_id}:
        ids = tuple(sorted({record_id, *doubt.ids}))
        return Settlement(doubt, "open", words="the server answered with the id of another record", ids=ids)
    seen = tools.api.get(record_id)
    if seen is None and is_listed(tools.api, record_id, doubt.intent.coworker_invoice_id):
        return Settlement(doubt, "open", words="it is listed at its invoice, but cannot be read", ids=(record_id,))
    if seen is None:
        # What is gone cannot be updated any more, whatever the request still does.
        return _write_down(doubt, tools, took_effect=doubt.intent.action == "delete")
    verdict = AsBefore() if doubt.intent.action == "delete" else judge_update(doubt.intent, seen, tools.fingerprint)
    match verdict:
        case TookEffect():
            return _write_down(doubt, tools, took_effect=True)
        case Unclear(why):
            return Settlement(doubt, "open", words=why, ids=(record_id,))
        case AsBefore() if began is not None and is_ripe(doubt.intent, tools, began):
            return _write_down(doubt, tools, took_effect=False)
        case AsBefore():
            return Settlement(doubt, "open", words=_until(doubt.intent, seen, tools))


def _write_down(doubt: Doubt, tools: SettlingTools, *, took_effect: bool) -> Settlement:
    record_id = doubt.intent.id if took_effect else None
    seen = (doubt.intent.id,) if doubt.intent.id is not None else ()
    tools.journal.append(resolved(doubt.intent, tools, record_id, seen))
    return Settlement(doubt, "adopted" if took_effect else "not_created", record_id)


def _until(intent: IntentEntry, seen: ObservedRecord, tools: SettlingTools) -> str:
    ripe_at = iso(from_iso(intent.deadline) + tools.settle_seconds)
    what = "still there" if intent.action == "delete" else "still as it was"
    return f"id {seen.id} is {what}; counts as not done when it is {what} after {ripe_at}"
