"""What the answer to a write means: the outcome table of the protocol, in one place, for all three actions.

`classify` is total: whatever was seen, exactly one outcome follows. What cannot be proven to have had no effect is in
doubt; nothing here guesses.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, cast

from reconcile.core.records import MAX_ID

if TYPE_CHECKING:
    from reconcile.core.entries import WriteAction


@dataclass(frozen=True, slots=True)
class NeverSent:
    """The connection could not be made (DNS, refused, TLS, connect or pool time-out): no byte of the request left."""

    reason: str


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """The request may have arrived, and no usable answer came back (reset, EOF, time-out, deadline)."""

    reason: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer.

    Attributes:
        body: Of the decoded JSON, what classification needs; None when there is no such thing in it.
        is_json: Whether the body was complete, valid JSON.
        is_empty: Whether there was no body at all.
        words: The server's own explanation, bounded and with every token redacted.
        retry_after: Seconds, when the server named them.
    """

    status: int
    body: object = None
    is_json: bool = False
    is_empty: bool = False
    words: str = ""
    retry_after: float | None = None


Seen: TypeAlias = NeverSent | NoAnswer | Answer


@dataclass(frozen=True, slots=True)
class Applied:
    """It took effect; `id` is the record's."""

    id: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """It had no effect, in the server's words; this address fails, the others go on."""

    status: int
    words: str


@dataclass(frozen=True, slots=True)
class Throttled:
    """It had no effect; wait `retry_after` seconds (None: the server did not say), then try again."""

    retry_after: float | None


@dataclass(frozen=True, slots=True)
class Unreached:
    """It was never sent; try again a few times."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unauthorized:
    """It had no effect; one fresh access token, then stop the run: bad credentials or a missing role."""

    status: int
    words: str


@dataclass(frozen=True, slots=True)
class WrongAddress:
    """It had no effect; stop the run: whatever answers there is not the API."""

    status: int


@dataclass(frozen=True, slots=True)
class InDoubt:
    """It may have taken effect: never sent again before reading has settled it.

    `stop` ends the whole run: the server answered with an Id that belongs to another record.
    """

    seen: str
    stop: bool = False
    ids: tuple[int, ...] = field(default=())


Outcome: TypeAlias = Applied | Rejected | Throttled | Unreached | Unauthorized | WrongAddress | InDoubt

_REJECTING = frozenset({400, 413, 415, 422})
_UNAUTHORIZED = frozenset({401, 403})


def classify(
    seen: Seen, is_known: Callable[[int], bool], action: "WriteAction" = "create", record_id: int | None = None
) -> Outcome:
    """The outcome of a write (protocol.md, "Outcomes of a create").

    Args:
        seen: What came back.
        is_known: Whether an Id already belongs to a record that this run did not just create.
        action: What was sent.
        record_id: The record that was to be updated or deleted; None for a create.
    """
    match seen:
        case NeverSent(reason):
            return Unreached(reason)
        case NoAnswer(reason):
            return InDoubt(reason)
        case Answer():
            if 200 <= seen.status < 300:
                return _of_created(seen, is_known) if record_id is None else _of_changed(seen, record_id)
            return _of_refusal(seen, action)


def _of_refusal(answer: Answer, action: "WriteAction") -> Outcome:
    status = answer.status
    claimed = _claim(answer, action)
    if claimed is not None:
        return claimed
    if status in _UNAUTHORIZED:
        return Unauthorized(status, answer.words)
    if status == 404 and answer.is_json and action == "delete":
        # What is not there any more cannot be deleted; whether that is so, the listing of its invoice tells.
        return InDoubt("HTTP 404: the API finds no such record")
    if status == 404:
        return Rejected(status, answer.words) if answer.is_json else WrongAddress(status)
    if status in _REJECTING:
        return Rejected(status, answer.words)
    if _is_throttling(answer):
        return Throttled(answer.retry_after)
    return InDoubt(_described(answer))


def _claim(answer: Answer, action: "WriteAction") -> InDoubt | None:
    """A refusal that says it succeeded contradicts itself; taking either side would be a guess."""
    envelope = _mapping(answer.body)
    if envelope is None or envelope.get("WasSuccessful") is not True:
        return None
    claimed = created_id(envelope)
    if action != "create":
        return InDoubt(f"HTTP {answer.status} with a success in it")
    return None if claimed is None else InDoubt(f"HTTP {answer.status} naming id {claimed} as created", ids=(claimed,))


def _is_throttling(answer: Answer) -> bool:
    # A 409 of this API is its throttle; one that explains itself and names no wait is something nobody documented.
    if answer.status == 409:
        return answer.is_empty or answer.retry_after is not None
    return answer.status == 429


def _of_created(answer: Answer, is_known: Callable[[int], bool]) -> Outcome:
    envelope = _mapping(answer.body)
    if not answer.is_json or envelope is None:
        return InDoubt(f"HTTP {answer.status} with an unreadable answer")
    created = created_id(envelope)
    if created is None and answer.status == 200 and envelope.get("WasSuccessful") is False:
        return Rejected(200, answer.words)
    if created is None:
        return InDoubt(f"HTTP {answer.status} without the Id of the new record")
    if not _is_confirmed(answer, envelope):
        # An Id beside a failure contradicts itself; taking either side would be a guess.
        return InDoubt(f"HTTP {answer.status} naming id {created} without confirming it", ids=(created,))
    if is_known(created):
        return InDoubt(
            f"HTTP 200 with id {created}, which already belongs to another record", stop=True, ids=(created,)
        )
    return Applied(created)


def _of_changed(answer: Answer, record_id: int) -> Outcome:
    """A 2xx to an update or a delete, which may leave out the Id that is known already."""
    envelope = _mapping(answer.body)
    if not answer.is_json or envelope is None:
        return InDoubt(f"HTTP {answer.status} with an unreadable answer")
    named = created_id(envelope)
    if named is not None and named != record_id:
        return InDoubt(f"HTTP {answer.status} naming id {named} instead of {record_id}", stop=True, ids=(named,))
    if answer.status == 200 and envelope.get("WasSuccessful") is False and named is None:
        return Rejected(200, answer.words)
    if not _is_confirmed(answer, envelope):
        return InDoubt(f"HTTP {answer.status} without confirming it")
    return Applied(record_id)


def _is_confirmed(answer: Answer, envelope: Mapping[object, object]) -> bool:
    return answer.status == 200 and envelope.get("WasSuccessful") is True and not envelope.get("Errors")


def created_id(envelope: Mapping[object, object]) -> int | None:
    """`Value.Id` when it is a positive 64-bit integer, the only field of a success that may be relied on."""
    value = _mapping(envelope.get("Value"))
    found = value.get("Id") if value is not None else None
    if isinstance(found, int) and not isinstance(found, bool) and 0 < found <= MAX_ID:
        return found
    return None


def _mapping(value: object) -> Mapping[object, object] | None:
    return cast("Mapping[object, object]", value) if isinstance(value, Mapping) else None


def _described(answer: Answer) -> str:
    words = f": {answer.words}" if answer.words else ""
    return f"HTTP {answer.status}{words}"
