"""One create, from its durable intent to its durable outcome (protocol.md, "Outcomes of a create").

An intent is on disk before the first byte of the request; the outcome is on disk before anything else happens to the
address. What is in doubt is never sent again here: settling it is somebody else's work, by reading.
"""

import threading
from collections.abc import Mapping
from dataclasses import replace
from itertools import count

from reconcile.apply.guard import Found, Guard
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
    StateChangedEntry,
)
from reconcile.core.errors import ReconcileError, StateError
from reconcile.core.operations import record_of
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
from reconcile.core.records import UNMANAGED, Address, PaymentToken, Secret
from reconcile.core.report import Result
from reconcile.core.times import from_iso, iso

UNSENT_TRIES = 4
"""How often in all a request is tried that cannot even be sent; the waits in between are 1, 2 and 4 seconds."""

SENT_WITHIN = 5.0
"""Seconds from writing an intent to sending its request: the intent's deadline allows for them, and for no more."""

LONGEST_WAIT = 60.0
"""Seconds; where a throttled answer names no wait, waits double from 1 up to this."""


class Creator:
    """Sends creates for one run; used by all of its workers at once.

    Args:
        tokens: The tokens to send, by address.
        known_ids: The ids of all records in the state; those created and adopted here are added.
        guard: Knows what exists at the invoices already.
    """

    def __init__(
        self,
        run: str,
        tools: Tools,
        bounds: Bounds,
        tally: Tally,
        tokens: Mapping[Address, Secret],
        known_ids: set[int],
        *,
        guard: Guard,
    ) -> None:
        self._run = run
        self._tools = tools
        self._bounds = bounds
        self._tally = tally
        self._tokens = tokens
        self._known_ids = known_ids
        self._guard = guard
        self._claiming = threading.Lock()

    def create(self, change: Change) -> Result | None:
        """Creates one record, as often tried as the outcomes allow; None when the run stopped before it was settled."""
        assert change.declared is not None  # noqa: S101 - a plan declares what it creates
        draft = self._draft(change.declared)
        found = self._look(draft)
        if found is None:
            return None
        if found.matches:
            result = self._meet(change, draft, found.matches)
        else:
            result = self._try(change, replace(draft, baseline=found.baseline))
        if result is not None:
            self._tally.finish(result)
        return result

    def _look(self, draft: IntentEntry) -> Found | None:
        """What exists at the invoice already; None, and the end of the run, when it cannot be read."""
        if self._is_over():
            return None
        try:
            return self._guard.look(draft)
        except ReconcileError as error:
            self._tally.end(stop_of(error))
            return None

    def _meet(self, change: Change, draft: IntentEntry, matches: tuple[int, ...]) -> Result | None:
        """What was to be created exists and nobody owns it: it is taken over where that is wanted, else reported."""
        record_id, *others = matches
        listed = ", ".join(map(str, matches))
        if not self._bounds.adopt_existing:
            return Result("exists", change, words=f"exists already as id {listed}, which no address owns")
        if others:
            return Result("exists", change, words=f"exists more than once, as ids {listed}: only a person can tell")
        if self._is_over():
            return None
        self._claim(record_id)
        at = iso(self._tools.clock.now())
        record = record_of(draft, record_id, at)
        self._tools.journal.append(StateChangedEntry("adopt", at, draft.address, record_id, record=record))
        return Result("adopted", change, record_id)

    def _try(self, change: Change, draft: IntentEntry) -> Result | None:
        """Sends it, as often as the outcomes allow; None when the run stopped before it was settled."""
        assert change.declared is not None  # noqa: S101 - a plan declares what it creates
        attempts = _Attempts()
        for number in count(1):
            if not self._may_send():
                return None
            intent = self._intend(draft, number)
            outcome = self._send(intent, change.declared)
            if outcome is None:
                return None
            result = self._conclude(change, intent, outcome, attempts)
            if result is not None:
                return result
        return None

    def _may_send(self) -> bool:
        """Whether another write may leave: nobody stopped the run, the lock is ours, and the quota has a slot."""
        if self._is_over():
            return False
        too_far = self._tools.pace.before_write()
        if too_far is not None:
            self._tally.end(quota_stop(too_far))
            return False
        # Another worker may find no slot left meanwhile; this one has its own, and would waste it.
        stop = self._tally.stop if self._is_over() else None
        is_free = stop is None or (stop.spares_slots and not self._tools.is_interrupted())
        return is_free and self._tally.take_write()

    def _is_over(self) -> bool:
        if self._tools.is_interrupted():
            self._tally.end(INTERRUPTED)
        elif self._tally.stop is None and not self._tools.lock.is_held():
            self._tally.end(LOCK_LOST)
        return self._tally.stop is not None

    def _draft(self, declared: PaymentToken) -> IntentEntry:
        """What will be sent, before it is known when."""
        token = self._tokens.get(declared.address)
        return IntentEntry(
            operation="",
            run=self._run,
            at="",
            attempt=0,
            address=declared.address,
            action="create",
            coworker_invoice_id=declared.coworker_invoice_id,
            deadline="",
            regular_payment_provider=declared.regular_payment_provider,
            notes=declared.notes,
            token_source=declared.token_source,
            token_version=declared.token_version,
            token_fingerprint=self._tools.fingerprint(token) if token is not None else None,
            protect=declared.protect,
            file=declared.location.file,
            line=declared.location.line,
        )

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

    def _send(self, intent: IntentEntry, declared: PaymentToken) -> Outcome | None:
        """The request and what its answer means; None when the lock was lost before it left."""
        if self._passed_since(intent) > SENT_WITHIN:
            # A machine that slept, a disk that hung: sent now, it could take effect after everybody gave it up.
            return Unreached("too much time passed between writing the intent and sending it")
        if not self._tools.lock.is_held():
            self._tally.end(LOCK_LOST)
            return None  # the intent stays open: whoever holds the lock now settles it by reading
        seen = self._tools.api.create(request_fields(declared), self._tokens.get(intent.address))
        return self._judge(seen)

    def _passed_since(self, intent: IntentEntry) -> float:
        """Seconds by our clock or the server's, whichever went farther: one of them may have been set back."""
        server_now = self._tools.api.server_time
        by_ours = self._tools.clock.now() - from_iso(intent.at)
        return max(by_ours, server_now - from_iso(intent.server_at)) if server_now and intent.server_at else by_ours

    def _judge(self, seen: Seen) -> Outcome:
        with self._claiming:  # two answers that name the same id cannot both be believed
            outcome = classify(seen, self._is_known)
            if isinstance(outcome, Applied):
                self._known_ids.add(outcome.id)
        return outcome

    def _is_known(self, record_id: int) -> bool:
        return record_id in self._known_ids or self._guard.has_seen(record_id)

    def _claim(self, record_id: int) -> None:
        with self._claiming:
            self._known_ids.add(record_id)

    def _conclude(self, change: Change, intent: IntentEntry, outcome: Outcome, attempts: "_Attempts") -> Result | None:
        """Makes the outcome durable; the result when it is final, None when another attempt may follow."""
        self._record(intent, self._entry_for(intent.operation, outcome))
        match outcome:
            case Applied(record_id):
                self._guard.note_created(intent.coworker_invoice_id, record_id)
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
                self._renew_access(attempts, outcome)
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

    def _renew_access(self, attempts: "_Attempts", outcome: Unauthorized) -> None:
        if attempts.renewed or not self._has_fresh_access():
            self._tally.end(unauthorized(outcome))
        attempts.renewed = True

    def _has_fresh_access(self) -> bool:
        try:
            return self._tools.api.refresh_access()
        except ReconcileError as error:
            self._tally.end(stop_of(error))
            return True


class _Attempts:
    """How the attempts at one create went so far."""

    __slots__ = ("renewed", "throttled", "unsent")

    def __init__(self) -> None:
        self.renewed = False
        self.throttled = 0
        self.unsent = 0


def request_fields(declared: PaymentToken) -> dict[str, int | str | None]:
    """What is sent besides the token: what is declared, and nothing else."""
    fields: dict[str, int | str | None] = {"coworker_invoice_id": declared.coworker_invoice_id}
    if declared.regular_payment_provider is not UNMANAGED:
        fields["regular_payment_provider"] = declared.regular_payment_provider
    if declared.notes is not UNMANAGED:
        fields["notes"] = declared.notes
    if declared.token_source is None:
        fields["token"] = None
    return fields


def _emergency_line(intent: IntentEntry, entry: Entry) -> str:
    found = f"id {entry.id}" if isinstance(entry, AppliedEntry) else entry.type.replace("_", " ")
    return f"{intent.address}: {found} (operation {intent.operation}, invoice {intent.coworker_invoice_id})"
