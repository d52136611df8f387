"""One update: the record is read, the managed fields are laid over it, all of it is sent, and read back.

An update replaces the whole record, and the API knows no versions: what somebody else changed is seen by reading right
before, and left to a person. Sending and recording is the writer's (`write.py`).
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from reconcile.apply.create import request_fields
from reconcile.apply.lookup import is_listed
from reconcile.apply.stops import stop_of
from reconcile.apply.tally import Tally
from reconcile.apply.tools import Tools
from reconcile.apply.write import Ready, Writer
from reconcile.core.changes import Change
from reconcile.core.changing import altered_words, compare, remembered
from reconcile.core.entries import IntentEntry, StateChangedEntry
from reconcile.core.errors import ReconcileError
from reconcile.core.records import Address, ObservedRecord, PaymentToken, Secret, StateRecord, WholeRecord
from reconcile.core.report import Result
from reconcile.core.times import iso

OVERWRITING = "`reconcile apply --refresh` overwrites what was changed outside; or change the manifest"
RECREATING = "`reconcile drift` shows what is gone; `reconcile apply --refresh` creates it anew"


class Updater:
    """Updates records in one run; used by all of its workers at once.

    Args:
        tokens: The tokens to send, by address.
    """

    def __init__(self, writer: Writer, tools: Tools, tally: Tally, tokens: Mapping[Address, Secret]) -> None:
        self._writer = writer
        self._tools = tools
        self._tally = tally
        self._tokens = tokens

    def update(self, change: Change) -> Result | None:
        """Updates one record, as often tried as the outcomes allow; None when the run stopped before it was settled."""
        assert change.declared is not None and change.held is not None  # noqa: S101, PT018 - a plan says both of an update
        return self._writer.write(change, partial(self._prepare, change, change.declared, change.held))

    def _prepare(self, change: Change, declared: PaymentToken, held: StateRecord) -> Ready | Result | None:
        """What is to be sent, after a look at the record; or why nothing is."""
        if self._writer.is_over():
            return None
        try:
            whole = self._tools.api.get_whole(held.id)
            if whole is None:
                return _absent(change, is_gone=not is_listed(self._tools.api, held.id, held.coworker_invoice_id))
        except ReconcileError as error:
            self._tally.end(stop_of(error))
            return None
        token = self._tokens.get(change.address) if change.sends_token else None
        draft = self._draft(change, held, token)
        desired = compare(draft, whole.observed, self._tools.fingerprint)
        is_wanted = not desired.fields and (token is None or not desired.is_token_untold)
        if is_wanted and not _is_forced(declared, held, token):
            return self._note_as_wanted(change, declared, held, whole.observed)
        outside = compare(held, whole.observed, self._tools.fingerprint)
        changed = [name for name in outside.fields if name in desired.fields]
        if changed:
            words = f"changed outside since it was last applied: {', '.join(changed)}"
            return Result("refused", change, held.id, words, OVERWRITING)
        return self._ready(draft, declared, held, whole, token)

    def _draft(self, change: Change, held: StateRecord, token: Secret | None) -> IntentEntry:
        # Without another one, the token that is there goes back.
        fingerprint = held.token_fingerprint if token is None else self._tools.fingerprint(token)
        return self._writer.draft("update", change, fingerprint)

    def _ready(
        self, draft: IntentEntry, declared: PaymentToken, held: StateRecord, whole: WholeRecord, token: Secret | None
    ) -> Ready:
        before = remembered(declared, whole.observed, self._tools.fingerprint, held.updated_at, held.created_at)
        kept = before.token_fingerprint if token is None else draft.token_fingerprint
        draft = replace(draft, before=before, token_fingerprint=kept)
        fields = request_fields(declared)
        return Ready(
            draft,
            lambda: self._tools.api.update(whole, fields, token),
            partial(self._read_back, declared, held, draft),
        )

    def _note_as_wanted(
        self, change: Change, declared: PaymentToken, held: StateRecord, seen: ObservedRecord
    ) -> Result:
        record = remembered(declared, seen, self._tools.fingerprint, held.updated_at, held.created_at)
        self._note(change.address, record)
        return Result("applied", change, held.id, "was so already; nothing was sent")

    def _read_back(self, declared: PaymentToken, held: StateRecord, sent: IntentEntry, result: Result) -> Result:
        """What the API made of it: what it cut or changed is an error, and the state holds what is there."""
        try:
            seen = self._tools.api.get(held.id)
        except ReconcileError as error:
            self._tally.end(stop_of(error))
            return result
        if seen is None:
            return replace(result, status="altered", words="was updated, and cannot be read back")
        apart = compare(sent, seen, self._tools.fingerprint)
        if not apart.fields:
            return result
        at = iso(self._tools.clock.now())
        self._note(sent.address, remembered(declared, seen, self._tools.fingerprint, at, held.created_at))
        return replace(result, status="altered", words=altered_words(sent, seen, apart))

    def _note(self, address: Address, record: StateRecord) -> None:
        at = iso(self._tools.clock.now())
        self._tools.journal.append(StateChangedEntry("record", at, address, record.id, record=record))


def _is_forced(declared: PaymentToken, held: StateRecord, token: Secret | None) -> bool:
    """Whether a version was raised, by which people force a token to be sent again."""
    return token is not None and declared.token_version not in {None, held.token_version}


def _absent(change: Change, *, is_gone: bool) -> Result:
    if is_gone:
        return Result("refused", change, change.id, f"id {change.id} is gone from Nexudus: drift", RECREATING)
    words = f"id {change.id} is listed at its invoice, but cannot be read"
    return Result("refused", change, change.id, words, "look at that record in Nexudus")
