"""The shapes of the API's answers, as HTTP responses.

Owns every JSON body the API is known to send (nexudus-api.md, Envelopes). It must not decide anything: which answer
is due is known by its caller.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from reconcile.sandbox.auth import Grant, Refusal
    from reconcile.sandbox.fields import FieldError
    from reconcile.sandbox.listing import Listing
    from reconcile.sandbox.store import Record

ENTITY: Final = "CoworkerInvoicePaymentToken"


def answer_json(content: object, status: int = 200) -> Response:
    """Any JSON value as a response."""
    return Response(json.dumps(content), status, media_type="application/json; charset=utf-8")


def answer_message(message: str, status: int) -> Response:
    """The short form of a failure: a message alone."""
    return answer_json({"Message": message}, status)


def answer_not_found() -> Response:
    """An absent record: 404 with a JSON string."""
    return answer_json("Not found", 404)


def answer_unauthorized() -> Response:
    """Bad credentials and a missing role look the same."""
    return answer_message("Authorization has been denied for this request.", 401)


def answer_wrong_path() -> Response:
    """What the web server says where the API has nothing."""
    return answer_html("The resource cannot be found.", 404)


def answer_html(title: str, status: int) -> Response:
    """A page for people, as proxies and the web server itself send."""
    page = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    return Response(page, status, media_type="text/html; charset=utf-8")


def answer_done(verb: str, value: Mapping[str, object] | None, *, by: str, at: str) -> Response:
    """The envelope of a success; `verb` is "created", "updated" or "deleted", `at` a time as the API spells it."""
    return answer_json(
        {
            "Status": 200,
            "Message": f"{ENTITY} was successfully {verb}.",
            "Value": value,
            "OpenInDialog": False,
            "OpenInWindow": False,
            "RedirectURL": None,
            "JavaScript": None,
            "UpdatedOn": at,
            "UpdatedBy": by,
            "Errors": None,
            "WasSuccessful": True,
        }
    )


def answer_invalid(errors: Sequence[FieldError]) -> Response:
    """The envelope of a validation failure; several errors are joined in its message."""
    return answer_json(
        {
            "Message": ", ".join(f"{error.property_name}: {error.message}" for error in errors),
            "Value": None,
            "Errors": [
                {"AttemptedValue": error.attempted, "Message": error.message, "PropertyName": error.property_name}
                for error in errors
            ],
            "WasSuccessful": False,
        },
        400,
    )


def answer_page(listing: Listing, records: Sequence[Record], total: int) -> Response:
    """The envelope of one page of a list; items count from 1, and are 0 on an empty page."""
    first = (listing.page - 1) * listing.size + 1 if records else 0
    pages = -(-total // listing.size)
    return answer_json(
        {
            "Records": records,
            "CurrentPage": listing.page,
            "CurrentPageSize": listing.size,
            "CurrentOrderField": listing.order_by,
            "CurrentSortDirection": int(listing.descending),
            "FirstItem": first,
            "LastItem": first + len(records) - 1 if records else 0,
            "TotalItems": total,
            "TotalPages": pages,
            "HasNextPage": listing.page < pages,
            "HasPreviousPage": listing.page > 1,
        }
    )


def answer_grant(granted: Grant, expires_in: int) -> Response:
    """A successful token answer; `expires_in` in seconds."""
    return answer_json(
        {
            "access_token": granted.access_token,
            "token_type": "bearer",
            "expires_in": expires_in,
            "refresh_token": granted.refresh_token,
        }
    )


def answer_refusal(refused: Refusal) -> Response:
    """A failed token answer."""
    return answer_json({"error": refused.error, "error_description": refused.description}, 400)
