"""The answers that take the place of the true one.

Owns one function for each fault whose ending is `REPLACED`. It must not decide when a fault happens or whether the
write took effect.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Final, cast

from starlette.responses import Response

from reconcile.sandbox import envelopes
from reconcile.sandbox.fields import FieldError

if TYPE_CHECKING:
    from collections.abc import Callable

    from reconcile.sandbox.faults import Fault
    from reconcile.sandbox.store import Store


def replace_answer(fault: Fault, body: bytes, true_answer: Response, store: Store) -> Response:
    """The answer of a fault that replaces it.

    Args:
        fault: what happens.
        body: the request's, for the answers that echo it.
        true_answer: what the API answered; an empty 200 where the write was not carried out.
        store: for the Id of another record.
    """
    if fault.kind.name in _CHANGED:
        return _CHANGED[fault.kind.name](true_answer, store)
    if fault.kind.name == "rejected":
        return _reject(body)
    return _FIXED[fault.kind.name](fault.seconds)


def _reject(body: bytes) -> Response:
    """A validation failure that names the relation, echoes the token, and has an odd status in its body."""
    payload = _read_object(body)
    answer = envelopes.answer_invalid(
        [
            FieldError("CoworkerInvoice", "was not found", payload.get("CoworkerInvoiceId")),
            FieldError("Token", "is not valid for this customer", payload.get("Token")),
        ]
    )
    return envelopes.answer_json({"Status": 500, **_read_object(answer.body)}, 400)


def _truncate(answer: Response, _store: Store) -> Response:
    return Response(answer.body[: len(answer.body) // 2], answer.status_code, {"Content-Type": "application/json"})


def _remove_id(answer: Response, _store: Store) -> Response:
    return _with_value(answer, {})


def _age_id(answer: Response, store: Store) -> Response:
    return _with_value(answer, {"Id": store.find_oldest_id()})


def _with_value(answer: Response, value: dict[str, object]) -> Response:
    envelope = _read_object(answer.body)
    if answer.status_code != 200:  # what the API refused stays refused
        return answer
    return envelopes.answer_json({**envelope, "Value": value})


def _read_object(body: bytes | memoryview) -> dict[str, object]:
    try:
        value: object = json.loads(bytes(body))
    except ValueError:
        return {}
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}


def _conflict(_seconds: float) -> Response:
    return envelopes.answer_message("The record was changed by another request.", 409)


def _fail(_seconds: float) -> Response:
    return envelopes.answer_message("An error has occurred.", 500)


def _fail_before_the_api(_seconds: float) -> Response:
    return envelopes.answer_html("503 Service Temporarily Unavailable", 503)


def _show_page(_seconds: float) -> Response:
    return envelopes.answer_html("We will be back soon", 200)


def _decline(_seconds: float) -> Response:
    return envelopes.answer_json(
        {
            "Status": 500,
            "Message": "The record could not be saved.",
            "Value": None,
            "Errors": None,
            "WasSuccessful": False,
        }
    )


def _wait_answer(status: int) -> Callable[[float], Response]:
    def answer(seconds: float) -> Response:
        return Response(status_code=status, headers={"Retry-After": str(math.ceil(seconds))})

    return answer


_CHANGED: Final = {"truncated": _truncate, "no_id": _remove_id, "old_id": _age_id}

_FIXED: Final[dict[str, Callable[[float], Response]]] = {
    "http_500": _fail,
    "http_500_after": _fail,
    "http_503": _fail_before_the_api,
    "http_503_after": _fail_before_the_api,
    "html": _show_page,
    "html_after": _show_page,
    "unsuccessful": _decline,
    "http_401": lambda _seconds: envelopes.answer_unauthorized(),
    "http_403": lambda _seconds: envelopes.answer_message("Forbidden.", 403),
    "http_408": lambda _seconds: Response(status_code=408),
    "conflict_409": _conflict,
    "conflict_409_after": _conflict,
    "throttle_409": _wait_answer(409),
    "throttle_409_bare": lambda _seconds: Response(status_code=409),
    "http_429": _wait_answer(429),
}
