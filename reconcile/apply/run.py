"""A whole plan: changes of the state first, then imports, then writes, several at a time but one for each invoice."""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from reconcile.apply.adopt import Adopter
from reconcile.apply.create import Creator
from reconcile.apply.delete import Deleter
from reconcile.apply.guard import Guard
from reconcile.apply.lookup import Lookup
from reconcile.apply.stops import LOCK_LOST, stop_of
from reconcile.apply.tally import Tally
from reconcile.apply.tools import Bounds, Tools
from reconcile.apply.update import Updater
from reconcile.apply.write import Writer
from reconcile.core.changes import CARRIED_OUT, GONE, STATE_ONLY, WRITES, Action, Change, Plan
from reconcile.core.entries import StateChangedEntry
from reconcile.core.errors import ExitCode, ReconcileError
from reconcile.core.folded import Doubt
from reconcile.core.records import Address, Secret, StateRecord
from reconcile.core.report import Report, Result, Stop
from reconcile.core.times import iso


def apply_plan(
    plan: Plan,
    tokens: Mapping[Address, Secret],
    tools: Tools,
    bounds: Bounds,
    *,
    run: str,
    known_ids: Iterable[int],
    doubts: Sequence[Doubt] = (),
) -> Report:
    """Does what the plan says and reports what became of every write and import.

    Args:
        plan: Without refusals.
        tokens: The tokens to send, by address.
        tools: What to act through.
        bounds: How far to go.
        run: The run's id, already in the journal.
        known_ids: The ids of all records in the state: an answer that names one of them is not believed.
        doubts: The writes that were in doubt before; nothing is written at their invoices.

    Raises:
        StateError: The journal could not be written; what was sent until then is in it, or was told to `emergency`.
    """
    began = tools.clock.monotonic()
    changes = plan.having(*CARRIED_OUT)
    stuck = {doubt.intent.coworker_invoice_id for doubt in doubts}
    if not tools.lock.is_held():  # somebody may have taken a long time to say yes
        return Report(_with_unattempted(changes, {}, stuck), tuple(doubts), stop=LOCK_LOST)
    state_changes = _change_state(plan, tools)
    tally = Tally(
        tools.reporter,
        changes,
        max_writes=bounds.max_writes,
        max_rejections=bounds.max_consecutive_rejections,
    )
    owned = set(known_ids)
    guard = _guard(plan.having(Action.CREATE), stuck, tools, owned, tally)
    if guard is not None:
        writer = Writer(run, tools, bounds, tally, owned, guard.has_seen)
        actions: _Actions = {
            Action.ADOPT: Adopter(writer, tools, tally).adopt,
            Action.CREATE: Creator(writer, tools, bounds, tally, tokens, guard=guard).create,
            Action.UPDATE: Updater(writer, tools, tally, tokens).update,
            Action.DELETE: Deleter(writer, tools, tally).delete,
        }
        workers = _Workers(actions, tally, stuck)
        workers.carry_out(plan.having(Action.ADOPT), bounds.concurrency)
        workers.carry_out(plan.having(*WRITES), bounds.concurrency)
    results = _with_unattempted(changes, tally.results, stuck)
    seconds = tools.clock.monotonic() - began
    return Report(
        results,
        tuple(doubts),
        stop=tally.stop,
        state_changes=state_changes,
        writes=tally.writes,
        seconds=seconds,
    )


def _guard(creates: Sequence[Change], stuck: set[int], tools: Tools, owned: set[int], tally: Tally) -> Guard | None:
    """The duplicate guard, with the whole listing read where that is cheaper; None when it cannot be read."""
    invoices = {invoice for change in creates if (invoice := _invoice(change)) is not None} - stuck
    try:
        lookup = Lookup(tools.api, invoices, tools.note_total, tools.clock.monotonic)
        return Guard(tools.api, lookup, owned, tools.fingerprint)
    except ReconcileError as error:
        tally.end(stop_of(error))
        return None


def _change_state(plan: Plan, tools: Tools) -> int:
    """Journals what the plan changes in the state alone, in plan order; sends nothing."""
    entries = [_state_change(change, tools) for change in plan.having(*STATE_ONLY)]
    if entries:
        tools.journal.append(*entries)
    return len(entries)


def _state_change(change: Change, tools: Tools) -> StateChangedEntry:
    at = iso(tools.clock.now())
    record_id = change.id or 0
    if change.action is Action.MOVE:
        return StateChangedEntry("mv", at, change.moved_from, record_id, to=change.address)
    if change.action is Action.FORGET:
        return StateChangedEntry("gone" if change.reason == GONE else "forget", at, change.address, record_id)
    return StateChangedEntry("record", at, change.address, record_id, record=_redescribed(change))


def _redescribed(change: Change) -> StateRecord | None:
    """The record as the state shall hold it: the same values, described as the manifest now describes them."""
    declared, held = change.declared, change.held
    if declared is None or held is None:
        return None
    return held._replace(
        regular_payment_provider=declared.regular_payment_provider,
        notes=declared.notes,
        token_source=declared.token_source,
        token_version=declared.token_version,
        token_fingerprint=held.token_fingerprint if isinstance(declared.token_source, str) else None,
        protect=declared.protect,
    )


_Actions = Mapping[Action, Callable[[Change], Result | None]]
"""What carries out a change, by its action."""


class _Workers:
    """Threads that carry out chains of changes; a chain holds all changes of one invoice."""

    def __init__(self, actions: _Actions, tally: Tally, stuck: set[int]) -> None:
        self._actions = actions
        self._tally = tally
        self._stuck = stuck
        self._failures: list[BaseException] = []
        self._lock = threading.Lock()

    def carry_out(self, changes: Sequence[Change], concurrency: int) -> None:
        """Returns when all workers have ended; raises the first failure that was not an outcome."""
        chains = _by_invoice(changes)
        remaining = iter(chains.items())
        threads = [
            threading.Thread(target=self._work, args=(remaining,), name=f"write-{number}")
            for number in range(min(concurrency, len(chains)))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._failures:
            raise self._failures[0]

    def _work(self, remaining: Iterator[tuple[int, list[Change]]]) -> None:
        try:
            while (chain := self._next(remaining)) is not None:
                self._carry_out_chain(*chain)
        except BaseException as failure:  # noqa: BLE001 - a worker's failure belongs to the run, which raises it
            self._failures.append(failure)
            self._tally.end(Stop(ExitCode.FAILED, "the run failed"))

    def _next(self, remaining: Iterator[tuple[int, list[Change]]]) -> tuple[int, list[Change]] | None:
        with self._lock:
            return None if self._tally.stop is not None else next(remaining, None)

    def _carry_out_chain(self, invoice: int, chain: list[Change]) -> None:
        for change in chain:
            if invoice in self._stuck:
                return  # nothing is written at an invoice where a write is in doubt (protocol.md, I5)
            result = self._actions[change.action](change)
            if result is None:
                return
            self._tally.finish(result)
            if result.status == "in_doubt":
                self._stuck.add(invoice)


def _by_invoice(changes: Sequence[Change]) -> dict[int, list[Change]]:
    chains: dict[int, list[Change]] = {}
    for change in changes:
        chains.setdefault(_invoice(change) or 0, []).append(change)
    return chains


def _invoice(change: Change) -> int | None:
    described = change.declared or change.held
    return described.coworker_invoice_id if described is not None else None


def _with_unattempted(
    changes: Sequence[Change], results: Mapping[Address, Result], stuck: set[int]
) -> tuple[Result, ...]:
    return tuple(results.get(change.address) or _unattempted(change, stuck) for change in changes)


def _unattempted(change: Change, stuck: set[int]) -> Result:
    invoice = _invoice(change)
    if invoice in stuck:
        return Result("unattempted", change, words=f"waits until the write in doubt at invoice {invoice} is settled")
    return Result("unattempted", change, words="the run stopped before its turn")
