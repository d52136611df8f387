"""One create: what exists at its invoice is looked at first, and what is there already is not created again.

Sending and recording is the writer's (`write.py`), looking is the guard's (`guard.py`).
"""

from collections.abc import Mapping
from dataclasses import replace

from reconcile.apply.guard import Found, Guard
from reconcile.apply.stops import stop_of
from reconcile.apply.tally import Tally
from reconcile.apply.tools import Bounds, Tools
from reconcile.apply.write import Ready, Writer
from reconcile.core.changes import Change
from reconcile.core.entries import IntentEntry, StateChangedEntry
from reconcile.core.errors import ReconcileError
from reconcile.core.operations import record_of
from reconcile.core.records import UNMANAGED, Address, PaymentToken, Secret
from reconcile.core.report import Result
from reconcile.core.times import iso


class Creator:
    """Creates records in one run; used by all of its workers at once.

    Args:
        tokens: The tokens to send, by address.
        guard: Knows what exists at the invoices already.
    """

    def __init__(
        self,
        writer: Writer,
        tools: Tools,
        bounds: Bounds,
        tally: Tally,
        tokens: Mapping[Address, Secret],
        *,
        guard: Guard,
    ) -> None:
        self._writer = writer
        self._tools = tools
        self._bounds = bounds
        self._tally = tally
        self._tokens = tokens
        self._guard = guard

    def create(self, change: Change) -> Result | None:
        """Creates one record, as often tried as the outcomes allow; None when the run stopped before it was settled."""
        token = self._tokens.get(change.address)
        fingerprint = self._tools.fingerprint(token) if token is not None else None
        draft = self._writer.draft("create", change, fingerprint)
        return self._writer.write(change, lambda: self._prepare(change, draft, token))

    def _prepare(self, change: Change, draft: IntentEntry, token: Secret | None) -> Ready | Result | None:
        """Looks at the invoice, again where the create had to wait: what was seen then must not have grown old."""
        assert change.declared is not None  # noqa: S101 - a plan declares what it creates
        found = self._look(draft)
        if found is None:
            return None
        if found.matches:
            return self._meet(change, draft, found.matches)
        return self._ready(replace(draft, baseline=found.baseline), change.declared, token)

    def _ready(self, draft: IntentEntry, declared: PaymentToken, token: Secret | None) -> Ready:
        fields = request_fields(declared)

        def conclude(result: Result) -> Result:
            if result.id is not None:
                self._guard.note_created(draft.coworker_invoice_id, result.id)
            return result

        return Ready(draft, lambda: self._tools.api.create(fields, token), conclude)

    def _look(self, draft: IntentEntry) -> Found | None:
        """What exists at the invoice already; None, and the end of the run, when it cannot be read."""
        if self._writer.is_over():
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
        if self._writer.is_over():
            return None
        self._writer.claim(record_id)
        at = iso(self._tools.clock.now())
        record = record_of(draft, record_id, at)
        self._tools.journal.append(StateChangedEntry("adopt", at, draft.address, record_id, record=record))
        return Result("adopted", change, record_id)


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
