"""What a client may write into a record, and what is wrong with what it sent.

Owns the wire names of the writable fields and their validation. It must not store anything or build an answer:
problems are values, and `envelopes` gives them their shape.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

PROVIDERS: Final = frozenset({*range(1, 14), *range(94, 100)})
"""The numbers of eRegularPaymentProvider (nexudus-api.md, Record)."""

_ACCEPTED: Final = PROVIDERS | {0}  # 0 is seen on reads: a client that carries it through an update must not be refused
_LARGEST: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Fields:
    """The writable part of a record; the last two hold JSON text, as they are stored."""

    coworker_invoice_id: int
    regular_payment_provider: int | None = None
    token: str | None = None
    notes: str | None = None
    system_id: str | None = None
    localization_details: str | None = None
    custom_fields: str | None = None


@dataclass(frozen=True, slots=True)
class FieldError:
    """One entry of `Errors`. `attempted` echoes what was sent, as the API does: it can be the token."""

    property_name: str
    message: str
    attempted: object


def read_fields(payload: Mapping[str, object]) -> Fields | list[FieldError]:
    """Check a create's or update's body; every problem is found. Unknown and read-side fields are ignored."""
    errors = [
        FieldError(name, problem, payload.get(name))
        for name, check in _CHECKS.items()
        if (problem := check(payload.get(name)))
    ]
    return errors or _make_fields(payload)


def read_id(payload: Mapping[str, object]) -> int | FieldError:
    """The Id of an update, which travels in the body."""
    value = payload.get("Id")
    problem = _check_positive(value)
    if problem or not isinstance(value, int):
        return FieldError("Id", problem, value)
    return value


def _make_fields(payload: Mapping[str, object]) -> Fields:
    checked = cast("Mapping[str, Any]", payload)  # every check has passed: the types are what Fields says
    return Fields(
        coworker_invoice_id=checked["CoworkerInvoiceId"],
        regular_payment_provider=checked.get("RegularPaymentProvider"),
        token=checked.get("Token"),
        notes=checked.get("Notes"),
        system_id=checked.get("SystemId"),
        localization_details=_as_json(checked.get("LocalizationDetails")),
        custom_fields=_as_json(checked.get("CustomFields")),
    )


def _as_json(value: object) -> str | None:
    return None if value is None else json.dumps(value)


def _check_positive(value: object) -> str:
    if value is None:
        return "is a required field"
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _LARGEST:
        return "must be a positive integer"
    return ""


def _check_provider(value: object) -> str:
    if value is None or (isinstance(value, int) and not isinstance(value, bool) and value in _ACCEPTED):
        return ""
    return "is not a payment provider"


def _check_text(value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return "must be a string"
    return "" if value.isascii() or _is_encodable(value) else "is not valid text"


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # JSON can spell half of a surrogate pair, a database cannot store it
        return False
    return True


_CHECKS: Final = {
    "CoworkerInvoiceId": _check_positive,
    "RegularPaymentProvider": _check_provider,
    "Token": _check_text,
    "Notes": _check_text,
    "SystemId": _check_text,
}
