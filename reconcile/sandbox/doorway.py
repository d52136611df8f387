"""The way in: every request is noted, counted against the limits, and may meet a fault, before the API sees it.

Owns the order of those three, the log of arrivals, and carrying faults out on the wire. It must not know records or
roles; the answers of the API pass through it unread.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect
from starlette.responses import Response

from reconcile.sandbox.api import RECORDS_PATH
from reconcile.sandbox.fault_answers import replace_answer
from reconcile.sandbox.faults import Effect, Ending, Fault, FaultSource
from reconcile.sandbox.wire import wire_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from reconcile.sandbox.store import Store
    from reconcile.sandbox.throttle import Throttle

_WRITES: Final = frozenset({"POST", "PUT", "DELETE"})
_REMEMBERED: Final = 200_000  # arrivals: a full day at the published limits; a sandbox may run for weeks
_THROTTLED_REASON: Final = b"You must wait before accessing this url again."


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request as it came in.

    Attributes:
        at: seconds since the epoch, by the sandbox's clock.
        target: path and query as the client sent them.
        is_write: a POST, PUT or DELETE of a record; a request for a token is none.
        throttled: the limits turned it away, so it had no effect.
        fault: the name of the fault it met, or None.
    """

    at: float
    method: str
    target: str
    is_write: bool
    throttled: bool
    fault: str | None


class Doorway:
    """The ASGI application of the sandbox. For one event loop only; `clock` gives seconds since the epoch."""

    def __init__(
        self, api: ASGIApp, throttle: Throttle, faults: FaultSource, store: Store, clock: Callable[[], float]
    ) -> None:
        self.arrivals: deque[Arrival] = deque(maxlen=_REMEMBERED)
        self.crashes: list[Exception] = []
        self._api = api
        self._throttle = throttle
        self._faults = faults
        self._store = store
        self._clock = clock
        self._late: set[asyncio.Task[Response]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. An error of the sandbox itself is kept in `crashes` and answers 500."""
        try:
            await self._answer(scope, receive, send)
        except ClientDisconnect:  # before the whole body came: a client that was killed, no fault of ours
            return
        except Exception as error:
            self.crashes.append(error)
            raise

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        now = self._clock()
        is_write = scope["method"] in _WRITES and scope["path"].startswith(RECORDS_PATH)
        wait = self._throttle.admit(now, is_write=is_write)
        fault = self._faults.draw() if is_write and wait == 0.0 else None
        self._note(scope, now, is_write=is_write, throttled=wait > 0.0, fault=fault)
        if wait > 0.0:
            await _send(_make_throttled(wait), scope, receive, send)
        elif fault is None:
            await self._api(scope, receive, send)
        else:
            await self._meet(fault, scope, receive, send)

    def _note(self, scope: Scope, now: float, *, is_write: bool, throttled: bool, fault: Fault | None) -> None:
        query = scope["query_string"]
        target = (scope["raw_path"] + (b"?" + query if query else b"")).decode("latin-1")
        name = None if fault is None else fault.kind.name
        self.arrivals.append(Arrival(now, scope["method"], target, is_write, throttled, name))

    async def _meet(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _read_body(receive)  # unread bytes would turn every closed connection into a reset one
        answer = Response()
        if fault.kind.effect is Effect.AT_ONCE:
            answer = await self._carry_out(scope, body)
        elif fault.kind.effect is Effect.LATER:
            self._carry_out_later(fault.seconds, scope, body)
        if fault.kind.ending is Ending.REPLACED:
            answer = replace_answer(fault, body, answer, self._store)
        elif fault.kind.ending is Ending.DELAYED:
            await asyncio.sleep(fault.seconds)
        await _end(fault.kind.ending, answer, scope, receive, send)

    async def _carry_out(self, scope: Scope, body: bytes) -> Response:
        """Let the API answer, and keep the answer here."""
        messages: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._api(scope, receive, keep)
        answer = Response(b"".join(message.get("body", b"") for message in messages), messages[0]["status"])
        answer.raw_headers = list(messages[0]["headers"])
        return answer

    def _carry_out_later(self, seconds: float, scope: Scope, body: bytes) -> None:
        async def wait_and_carry_out() -> Response:
            await asyncio.sleep(seconds)
            return await self._carry_out(scope, body)

        task = asyncio.create_task(wait_and_carry_out())
        self._late.add(task)  # the event loop alone would let it be collected
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Response]) -> None:
        self._late.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self.crashes.append(error)


async def _end(ending: Ending, answer: Response, scope: Scope, receive: Receive, send: Send) -> None:
    if ending in {Ending.REPLACED, Ending.DELAYED}:
        await _send(answer, scope, receive, send)
        return
    if ending is Ending.CUT:
        await send({"type": "http.response.start", "status": answer.status_code, "headers": answer.raw_headers})
        half = bytes(answer.body[: len(answer.body) // 2])
        await send({"type": "http.response.body", "body": half, "more_body": True})
    if ending is Ending.RESET:
        wire_of(scope).reset()
    else:
        wire_of(scope).close()
    await receive()  # the disconnect, as the body is read; to return before it looks to uvicorn like a forgotten answer


async def _send(answer: Response, scope: Scope, receive: Receive, send: Send) -> None:
    if answer.status_code == 409 and not answer.body:
        wire_of(scope).say(_THROTTLED_REASON)
    await answer(scope, receive, send)


async def _read_body(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message["body"]
        if not message["more_body"]:
            return body


def _make_throttled(wait: float) -> Response:
    return Response(status_code=409, headers={"Retry-After": str(max(1, math.ceil(wait)))})
