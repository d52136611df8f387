"""A payment-token record on the wire: its field names, the bodies of writes, the rows and pages of an answer.

The only module that knows those names (nexudus-api.md, "Record", "Envelopes"). Must not send anything. Answers are read
tolerantly, what is not known is ignored, except that an id is a positive integer and nothing else. Importing this loads
pydantic, so only `Nexudus` does, once it is used.
"""

import json
from collections.abc import Mapping
from typing import Annotated, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, RootModel, ValidationError

from reconcile.core.records import MAX_ID, ObservedRecord, Secret

PATH = "/billing/coworkerinvoicepaymenttokens"
INVOICE_FILTER = "CoworkerInvoicePaymentToken_CoworkerInvoice"
CHANGED_SINCE = "from_CoworkerInvoicePaymentToken_UpdatedOn"

_NAMES = {
    "coworker_invoice_id": "CoworkerInvoiceId",
    "regular_payment_provider": "RegularPaymentProvider",
    "notes": "Notes",
    "token": "Token",
}

_Model = TypeVar("_Model", bound=BaseModel)
_Id = Annotated[int, Field(gt=0, le=MAX_ID)]


class WrongShapeError(Exception):
    """Valid JSON that is not what the API's documentation says; the message names the fields, never their values."""


class Row(BaseModel):
    """One record as the API sends it; fields may be missing from a list's."""

    model_config = ConfigDict(strict=True, hide_input_in_errors=True)

    Id: _Id
    CoworkerInvoiceId: _Id | None = None
    RegularPaymentProvider: int | None = None
    Token: str | None = Field(default=None, repr=False)
    Notes: str | None = None
    CreatedOn: str | None = None
    UpdatedOn: str | None = None


class Page(BaseModel):
    """One page of a list. `HasNextPage` is None where the server does not say."""

    model_config = ConfigDict(strict=True, hide_input_in_errors=True)

    Records: list[Row]
    TotalItems: Annotated[int, Field(ge=0)]
    HasNextPage: bool | None = None


class _Batch(RootModel[list[Row]]):
    model_config = ConfigDict(strict=True, hide_input_in_errors=True)


def create_body(fields: Mapping[str, int | str | None], token: Secret | None) -> bytes:
    """The JSON body of a create.

    Raises:
        ValueError: A value cannot be written as JSON; the message does not repeat it.
    """
    return _encoded(_named(fields, token))


def update_body(text: Secret, fields: Mapping[str, int | str | None], token: Secret | None) -> bytes:
    """The JSON body of an update: the record as it came, to the byte, with the managed fields laid over.

    Raises:
        ValueError: As `create_body`.
    """
    carried = {name: orjson.Fragment(value) for name, value in _value_texts(text.reveal()).items()}
    return _encoded(carried | _named(fields, token))


def _named(fields: Mapping[str, int | str | None], token: Secret | None) -> dict[str, object]:
    body: dict[str, object] = {_NAMES[name]: value for name, value in fields.items()}
    return body if token is None else body | {_NAMES["token"]: token.reveal()}


def _value_texts(document: str) -> dict[str, str]:
    """The text of each value of a JSON object, by name: a number or a text that is read and written may change."""
    texts: dict[str, str] = {}
    at = _behind_blanks(document, 0) + 1
    while document[at := _behind_blanks(document, at)] != "}":
        name, at = _decoder.raw_decode(document, at)
        start = _behind_blanks(document, _behind_blanks(document, at) + 1)
        _, at = _decoder.raw_decode(document, start)
        texts[name] = document[start:at]
        at = _behind_blanks(document, at)
        at += document[at] == ","
    return texts


def _behind_blanks(document: str, at: int) -> int:
    while document[at] in " \t\n\r":
        at += 1
    return at


_decoder = json.JSONDecoder()


def _encoded(body: Mapping[str, object]) -> bytes:
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:
        raise ValueError("a value holds characters or a size that JSON does not know") from None


def page_of(document: object) -> Page:
    """A page of the list. Raises WrongShapeError."""
    return _read(Page, document)


def rows_of(document: object) -> list[Row]:
    """The bare array of a batch. Raises WrongShapeError."""
    return _read(_Batch, document).root


def row_of(document: object) -> Row:
    """One bare record. Raises WrongShapeError."""
    return _read(Row, document)


def observed(row: Row, coworker_invoice_id: int) -> ObservedRecord:
    """The record of a row whose invoice is known."""
    return ObservedRecord(
        id=row.Id,
        coworker_invoice_id=coworker_invoice_id,
        regular_payment_provider=row.RegularPaymentProvider,
        notes=row.Notes,
        token=None if row.Token is None else Secret(row.Token),
        created_on=row.CreatedOn or "",
        updated_on=row.UpdatedOn or "",
    )


def _read(model: type[_Model], document: object) -> _Model:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors(include_url=False, include_input=False)[0]["loc"])
        raise WrongShapeError(where or "the body") from None
