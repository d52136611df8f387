"""What the answer to a create means: the outcome table of the protocol, in one place.

`classify` is total: whatever was seen, exactly one outcome follows. What cannot be proven to have had no effect is in
doubt; nothing here guesses.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, cast

from reconcile.core.records import MAX_ID


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
    """It took effect; `id` is the new record's."""

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


def classify(seen: Seen, is_known: Callable[[int], bool]) -> Outcome:
    """The outcome of a create (protocol.md, "Outcomes of a create").

    Args:
        seen: What came back.
        is_known: Whether an Id already belongs to a record that this run did not just create.
    """
    match seen:
        case NeverSent(reason):
            return Unreached(reason)
        case NoAnswer(reason):
            return InDoubt(reason)
        case Answer():
            return _of_answer(seen, is_known)


def _of_answer(answer: Answer, is_known: Callable[[int], bool]) -> Outcome:
    status = answer.status
    if 200 <= status < 300:
        return _of_success(answer, is_known)
    claimed = _claimed_id(answer)
    if claimed is not None:
        # A refusal that names a new record contradicts itself; taking either side would be a guess.
        return InDoubt(f"HTTP {status} naming id {claimed} as created", ids=(claimed,))
    if status in _UNAUTHORIZED:
        return Unauthorized(status, answer.words)
    if status == 404:
        return Rejected(status, answer.words) if answer.is_json else WrongAddress(status)
    if status in _REJECTING:
        return Rejected(status, answer.words)
    if _is_throttling(answer):
        return Throttled(answer.retry_after)
    return InDoubt(_described(answer))


def _claimed_id(answer: Answer) -> int | None:
    envelope = _mapping(answer.body)
    return created_id(envelope) if envelope is not None and envelope.get("WasSuccessful") is True else None


def _is_throttling(answer: Answer) -> bool:
    # A 409 of this API is its throttle; one that explains itself and names no wait is something nobody documented.
    if answer.status == 409:
        return answer.is_empty or answer.retry_after is not None
    return answer.status == 429


def _of_success(answer: Answer, is_known: Callable[[int], bool]) -> Outcome:
    envelope = _mapping(answer.body)
    if not answer.is_json or envelope is None:
        return InDoubt(f"HTTP {answer.status} with an unreadable answer")
    created = created_id(envelope)
    if created is None and answer.status == 200 and envelope.get("WasSuccessful") is False:
        return Rejected(200, answer.words)
    if created is None:
        return InDoubt(f"HTTP {answer.status} without the Id of the new record")
    if answer.status != 200 or envelope.get("WasSuccessful") is not True or envelope.get("Errors"):
        # An Id beside a failure contradicts itself; taking either side would be a guess.
        return InDoubt(f"HTTP {answer.status} naming id {created} without confirming it", ids=(created,))
    if is_known(created):
        return InDoubt(
            f"HTTP 200 with id {created}, which already belongs to another record", stop=True, ids=(created,)
        )
    return Applied(created)


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
