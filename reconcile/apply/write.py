"""One write, from its durable intent to its durable outcome (protocol.md, "The journal" and "Outcomes of a create").

What creates, updates and deletes have in common: an intent is on disk before the first byte of the request, its outcome
is on disk before anything else happens to the address, and what is in doubt is never sent again here: settling it is
somebody else's work, by reading. Knows no field of a record and reads none.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count

from reconcile.apply.stops import (
    INTERRUPTED,
    LOCK_LOST,
    known_id,
    quota_stop,
    stop_of,
    unauthorized,
    unreachable,
    wrong_address,
)
from reconcile.apply.tally import Tally
from reconcile.apply.tools import Bounds, Tools
from reconcile.core.changes import Change
from reconcile.core.entries import (
    AppliedEntry,
    Entry,
    InDoubtEntry,
    IntentEntry,
    NoEffectEntry,
    WriteAction,
)
from reconcile.core.errors import ReconcileError, StateError
from reconcile.core.outcomes import (
    Applied,
    InDoubt,
    Outcome,
    Rejected,
    Seen,
    Throttled,
    Unauthorized,
    Unreached,
    WrongAddress,
    classify,
)
from reconcile.core.report import Result
from reconcile.core.times import from_iso, iso

UNSENT_TRIES = 4
"""How often in all a request is tried that cannot even be sent; the waits in between are 1, 2 and 4 seconds."""

SENT_WITHIN = 5.0
"""Seconds from writing an intent to sending its request: the intent's deadline allows for them, and for no more."""

LONGEST_WAIT = 60.0
"""Seconds; where a throttled answer names no wait, waits double from 1 up to this."""

FRESH_FOR = 30.0
"""Seconds for which what was read before a write still counts, should the write have to wait for its turn."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A write that may be sent.

    Attributes:
        draft: The intent, before it is known when.
        send: Sends the request, once.
        conclude: Called once it is known, and recorded, that it took effect; gives the result to report.
    """

    draft: IntentEntry
    send: Callable[[], Seen]
    conclude: Callable[[Result], Result] = lambda result: result


Prepare = Callable[[], "Ready | Result | None"]
"""Looks at what is there before each attempt; a result says that nothing is to be sent, None that the run is over."""


class Writer:
    """Sends the writes of one run; used by all of its workers at once.

    Args:
        known_ids: The ids of all records in the state; those created and adopted here are added.
        has_seen: Whether a record was there before this run wrote anything.
    """

    def __init__(
        self, run: str, tools: Tools, bounds: Bounds, tally: Tally, known_ids: set[int], has_seen: Callable[[int], bool]
    ) -> None:
        self._run = run
        self._tools = tools
        self._bounds = bounds
        self._tally = tally
        self._known_ids = known_ids
        self._has_seen = has_seen
        self._claiming = threading.Lock()

    def draft(self, action: WriteAction, change: Change, fingerprint: str | None) -> IntentEntry:
        """What will be sent, before it is known when: as declared, or of what is deleted, as the state holds it."""
        described = change.declared or change.held
        assert described is not None  # noqa: S101 - a plan has one of the two for every write
        return IntentEntry(
            operation="",
            run=self._run,
            at="",
            attempt=0,
            address=change.address,
            action=action,
            coworker_invoice_id=described.coworker_invoice_id,
            deadline="",
            regular_payment_provider=described.regular_payment_provider,
            notes=described.notes,
            token_source=described.token_source,
            token_version=described.token_version,
            token_fingerprint=fingerprint,
            protect=described.protect,
            file=change.location.file if change.location else "",
            line=change.location.line if change.location else 0,
            id=None if action == "create" else change.id,
        )

    def write(self, change: Change, prepare: Prepare) -> Result | None:
        """Sends it, as often as the outcomes allow; None when the run stopped before it was settled."""
        attempts = _Attempts()
        for number in count(1):
            ready = self._take_turn(prepare)
            if not isinstance(ready, Ready):
                return ready
            intent = self._intend(ready.draft, number)
            outcome = self._send(intent, ready.send)
            if outcome is None:
                return None
            result = self._conclude(change, intent, outcome, attempts)
            if result is not None:
                return ready.conclude(result) if result.status == "applied" else result
        return None

    def is_over(self) -> bool:
        """Whether nothing more is to be sent: somebody stopped the run, or the lock is not ours any more."""
        if self._tools.is_interrupted():
            self._tally.end(INTERRUPTED)
        elif self._tally.stop is None and not self._tools.lock.is_held():
            self._tally.end(LOCK_LOST)
        return self._tally.stop is not None

    def claim(self, record_id: int) -> None:
        """The record belongs to an address from now on: no create of this run made it."""
        with self._claiming:
            self._known_ids.add(record_id)

    def _take_turn(self, prepare: Prepare) -> Ready | Result | None:
        """The write, prepared, with its slot of the quota taken."""
        ready, looked = prepare(), self._tools.clock.monotonic()
        if not isinstance(ready, Ready):
            return ready
        if not self._may_send():
            return None
        if self._tools.clock.monotonic() - looked <= FRESH_FOR:
            return ready
        ready = prepare()
        if not isinstance(ready, Ready):
            self._tally.give_back_write()
        return ready

    def _may_send(self) -> bool:
        """Whether another write may leave: nobody stopped the run, the lock is ours, and the quota has a slot."""
        if self.is_over() or not self._has_access():
            return False
        too_far = self._tools.pace.before_write()
        if too_far is not None:
            self._tally.end(quota_stop(too_far))
            return False
        # Another worker may find no slot left meanwhile; this one has its own, and would waste it.
        stop = self._tally.stop if self.is_over() else None
        is_free = stop is None or (stop.spares_slots and not self._tools.is_interrupted())
        return is_free and self._tally.take_write()

    def _has_access(self) -> bool:
        """Logs in before the turn is taken: writes that took theirs, then waited together, would all leave at once."""
        try:
            self._tools.api.sign_in()
        except ReconcileError as error:
            self._tally.end(stop_of(error))
            return False
        return True

    def _intend(self, draft: IntentEntry, number: int) -> IntentEntry:
        """The intent, durable."""
        now, server_now = self._tools.clock.now(), self._tools.api.server_time
        intent = replace(
            draft,
            operation=self._tools.new_operation(),
            at=iso(now),
            attempt=number,
            deadline=iso(now + self._bounds.timeout_seconds + SENT_WITHIN),
            server_at=iso(server_now) if server_now is not None else "",
        )
        self._tools.journal.append(intent)
        return intent

    def _send(self, intent: IntentEntry, send: Callable[[], Seen]) -> Outcome | None:
        """The request and what its answer means; None when the lock was lost before it left."""
        if self._passed_since(intent) > SENT_WITHIN:
            # A machine that slept, a disk that hung: sent now, it could take effect after everybody gave it up.
            return Unreached("too much time passed between writing the intent and sending it")
        if not self._tools.lock.is_held():
            self._tally.end(LOCK_LOST)
            return None  # the intent stays open: whoever holds the lock now settles it by reading
        return self._judge(intent, send())

    def _passed_since(self, intent: IntentEntry) -> float:
        """Seconds by our clock or the server's, whichever went farther: one of them may have been set back."""
        server_now = self._tools.api.server_time
        by_ours = self._tools.clock.now() - from_iso(intent.at)
        return max(by_ours, server_now - from_iso(intent.server_at)) if server_now and intent.server_at else by_ours

    def _judge(self, intent: IntentEntry, seen: Seen) -> Outcome:
        with self._claiming:  # two answers that name the same id cannot both be believed
            outcome = classify(seen, self._is_known, intent.action, intent.id)
            if isinstance(outcome, Applied):
                self._known_ids.add(outcome.id)
        return outcome

    def _is_known(self, record_id: int) -> bool:
        return record_id in self._known_ids or self._has_seen(record_id)

    def _conclude(self, change: Change, intent: IntentEntry, outcome: Outcome, attempts: "_Attempts") -> Result | None:
        """Makes the outcome durable; the result when it is final, None when another attempt may follow."""
        self._record(intent, self._entry_for(intent.operation, outcome))
        match outcome:
            case Applied(record_id):
                return Result("applied", change, record_id)
            case Rejected(status, words):
                return Result("rejected", change, words=words or f"HTTP {status}")
            case InDoubt(seen, stop, _):
                if stop:
                    self._tally.end(known_id(seen))
                return Result("in_doubt", change, words=seen)
            case Throttled(retry_after):
                self._wait_out(attempts, retry_after)
            case Unreached(reason):
                self._wait_for_connection(attempts, reason)
            case Unauthorized():
                self._renew_access(attempts, outcome, intent.action)
            case WrongAddress(status):
                self._tally.end(wrong_address(status))
        return None

    def _entry_for(self, operation: str, outcome: Outcome) -> Entry:
        at = iso(self._tools.clock.now())
        match outcome:
            case Applied(record_id):
                return AppliedEntry(operation, record_id, at)
            case InDoubt(seen, _, ids):
                return InDoubtEntry(operation, at, seen, ids)
            case Rejected(_, words):
                return NoEffectEntry(operation, at, "rejected", words)
            case Throttled():
                return NoEffectEntry(operation, at, "throttled")
            case Unreached(reason):
                return NoEffectEntry(operation, at, "never-sent", reason)
            case Unauthorized(_, words):
                return NoEffectEntry(operation, at, "unauthorized", words)
            case WrongAddress(status):
                return NoEffectEntry(operation, at, "wrong-address", f"HTTP {status}")

    def _record(self, intent: IntentEntry, entry: Entry) -> None:
        try:
            self._tools.journal.append(entry)
        except StateError as error:
            self._tally.end(stop_of(error))
            # The intent is on disk, so nothing is lost; the id spares whoever repairs the disk a look-up.
            self._tools.emergency(_emergency_line(intent, entry))
            raise

    def _wait_out(self, attempts: "_Attempts", retry_after: float | None) -> None:
        attempts.throttled += 1
        seconds = retry_after or min(2.0 ** (attempts.throttled - 1), LONGEST_WAIT)  # a wait of 0 is no word at all
        self._tally.tell("throttled", {"seconds": seconds})
        self._tally.note_throttled(self._tools.clock.monotonic())
        if self._tally.stop is None:
            self._tools.pace.pause(seconds)

    def _wait_for_connection(self, attempts: "_Attempts", reason: str) -> None:
        self._tally.give_back_write()
        attempts.unsent += 1
        if attempts.unsent >= UNSENT_TRIES:
            self._tally.end(unreachable(reason))
        else:
            self._tools.clock.sleep(2.0 ** (attempts.unsent - 1))

    def _renew_access(self, attempts: "_Attempts", outcome: Unauthorized, action: WriteAction) -> None:
        if attempts.renewed or not self._has_fresh_access():
            self._tally.end(unauthorized(outcome, action))
        attempts.renewed = True

    def _has_fresh_access(self) -> bool:
        try:
            return self._tools.api.refresh_access()
        except ReconcileError as error:
            self._tally.end(stop_of(error))
            return True


class _Attempts:
    """How the attempts at one write went so far."""

    __slots__ = ("renewed", "throttled", "unsent")

    def __init__(self) -> None:
        self.renewed = False
        self.throttled = 0
        self.unsent = 0


def _emergency_line(intent: IntentEntry, entry: Entry) -> str:
    found = f"id {entry.id}" if isinstance(entry, AppliedEntry) else entry.type.replace("_", " ")
    found = found if intent.action == "create" else f"{intent.action} of {found}"
    return f"{intent.address}: {found} (operation {intent.operation}, invoice {intent.coworker_invoice_id})"
