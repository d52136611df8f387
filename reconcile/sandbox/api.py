"""The routes of the sandbox: a request in, an answer of the API out.

Owns the paths, the roles each of them asks for, and the order of checks. It must not know limits, faults or sockets:
the doorway stands before it. Handlers run on the server's one event loop; the store answers in microseconds, so they
call it directly.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import parse_qsl

from starlette.routing import Route, Router

from reconcile.sandbox import envelopes
from reconcile.sandbox.auth import ACCESS_SECONDS, Authority, Refusal, User
from reconcile.sandbox.fields import FieldError, read_fields, read_id
from reconcile.sandbox.listing import read_listing
from reconcile.sandbox.store import Record, Store, spell_time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send

    Endpoint = Callable[[Request], Awaitable[Response]]
    Handler = Callable[[Request, User], Awaitable[Response]]

RECORDS_PATH: Final = "/api/billing/coworkerinvoicepaymenttokens"
TOKEN_PATH: Final = "/api/token"  # noqa: S105 - a path


class Api:
    """The endpoints over one store. `clock` gives seconds since the epoch."""

    def __init__(self, store: Store, authority: Authority, clock: Callable[[], float], *, partial_rows: bool) -> None:
        """Make the endpoints; with `partial_rows`, lists and batches leave the provider unset, as a sibling's do."""
        self._store = store
        self._authority = authority
        self._clock = clock
        self._partial_rows = partial_rows

    def make_router(self) -> Router:
        """The routes; what is none of them answers 404 with a page, as the web server does."""
        one = RECORDS_PATH + "/{record_id:int}"
        collection = [
            Route(path, self._guard(role, handler), methods=[method])
            for path in (RECORDS_PATH, RECORDS_PATH + "/")
            for method, role, handler in (
                ("POST", "Create", self._create),
                ("PUT", "Edit", self._update),
            )
        ]
        return Router(
            [
                *collection,
                Route(RECORDS_PATH, self._read_collection, methods=["GET"]),
                Route(RECORDS_PATH + "/", self._read_collection, methods=["GET"]),
                Route(one, self._guard("Read", self._get), methods=["GET"]),
                Route(one, self._guard("Delete", self._delete), methods=["DELETE"]),
                Route(TOKEN_PATH, self._grant, methods=["POST"]),
            ],
            redirect_slashes=False,
            default=_answer_elsewhere,
        )

    def _guard(self, role: str, handler: Handler) -> Endpoint:
        async def endpoint(request: Request) -> Response:
            user = self._authority.identify(request.headers.get("authorization"))
            if user is None or not user.may(role):
                return envelopes.answer_unauthorized()
            return await handler(request, user)

        return endpoint

    async def _grant(self, request: Request) -> Response:
        if not _has_type(request, "application/x-www-form-urlencoded"):
            return envelopes.answer_refusal(Refusal("unsupported_grant_type", "The body has to be form-encoded."))
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
        granted = self._authority.grant(form, request.headers.get("client_id"))
        if isinstance(granted, Refusal):
            return envelopes.answer_refusal(granted)
        return envelopes.answer_grant(granted, ACCESS_SECONDS)

    async def _read_collection(self, request: Request) -> Response:
        """A list, or a batch when ids are named: the two differ in their role and their shape."""
        if "id" in request.query_params:
            return await self._guard("Read", self._get_batch)(request)
        return await self._guard("List", self._list)(request)

    async def _list(self, request: Request, _user: User) -> Response:
        listing = read_listing(request.query_params)
        records, total = self._store.read_page(listing)
        return envelopes.answer_page(listing, self._as_rows(records), total)

    async def _get_batch(self, request: Request, _user: User) -> Response:
        ids = _read_ids(request.query_params["id"])
        if ids is None:
            return envelopes.answer_message("The request is invalid.", 400)
        return envelopes.answer_json(self._as_rows(self._store.get_many(ids)))

    async def _get(self, request: Request, _user: User) -> Response:
        record = self._store.get(_clamp(request.path_params["record_id"]))
        return envelopes.answer_not_found() if record is None else envelopes.answer_json(record)

    async def _create(self, request: Request, user: User) -> Response:
        payload = await _read_object(request)
        if not isinstance(payload, dict):
            return payload
        fields = read_fields(payload)
        if isinstance(fields, list):
            return envelopes.answer_invalid(fields)
        now = self._clock()
        record_id = self._store.insert(fields, by=user.email, now=now)
        return envelopes.answer_done("created", {"Id": record_id}, by=user.email, at=spell_time(now))

    async def _update(self, request: Request, user: User) -> Response:
        payload = await _read_object(request)
        if not isinstance(payload, dict):
            return payload
        record_id, fields = read_id(payload), read_fields(payload)
        if isinstance(record_id, FieldError) or isinstance(fields, list):
            first = [record_id] if isinstance(record_id, FieldError) else []
            return envelopes.answer_invalid([*first, *(fields if isinstance(fields, list) else [])])
        now = self._clock()
        if not self._store.replace(record_id, fields, by=user.email, now=now):
            return envelopes.answer_not_found()
        return envelopes.answer_done("updated", {"Id": record_id}, by=user.email, at=spell_time(now))

    async def _delete(self, request: Request, user: User) -> Response:
        if not self._store.delete(_clamp(request.path_params["record_id"])):
            return envelopes.answer_not_found()
        return envelopes.answer_done("deleted", None, by=user.email, at=spell_time(self._clock()))

    def _as_rows(self, records: list[Record]) -> list[Record]:
        if not self._partial_rows:
            return records
        return [{**record, "RegularPaymentProvider": None} for record in records]


async def _answer_elsewhere(scope: Scope, receive: Receive, send: Send) -> None:
    await envelopes.answer_wrong_path()(scope, receive, send)


def _has_type(request: Request, media_type: str) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == media_type


async def _read_object(request: Request) -> dict[str, object] | Response:
    """The JSON object of a write, or the answer to a body that is none."""
    if not _has_type(request, "application/json"):
        return envelopes.answer_message("The request's media type is not supported for this resource.", 415)
    try:
        payload: object = json.loads(await request.body())
    except (ValueError, RecursionError):  # the second: a body of nothing but brackets
        payload = None
    if not isinstance(payload, dict):
        return envelopes.answer_invalid([FieldError("Body", "is not a JSON object", None)])
    return cast("dict[str, object]", payload)


def _read_ids(text: str) -> list[int] | None:
    """The ids of a batch, written as a JSON array of integers; None when they are not."""
    try:
        ids: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(ids, list):
        return None
    return [_clamp(one) for one in cast("list[object]", ids) if isinstance(one, int)]


def _clamp(record_id: int) -> int:
    """An Id that does not fit into the database belongs to no record, like 0."""
    return record_id if 0 < record_id < 2**63 else 0
