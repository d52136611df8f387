"""Uvicorn, bent where the sandbox needs it: breaking connections, reason phrases, a quick start and stop.

Owns everything that depends on uvicorn's classes; the rest of the room knows ASGI only. It must not know the API. An
ASGI application cannot end a connection without an answer, so each request carries a `Wire` in
`scope["state"]["wire"]`, by which it can.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from typing import TYPE_CHECKING, Any, cast

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Scope
    from uvicorn.server import ServerState

_KEEP_ALIVE_SECONDS = 75  # longer than a paced client pauses, so that it never writes into a connection just closed
_SEND_RST_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: on, for no time
_DATE_SECONDS = 1.0  # how old the Date header may get


class Wire:
    """The connection a request came in on."""

    def __init__(self, transport: asyncio.Transport, connection: _Connection) -> None:
        self._transport = transport
        self._connection = connection

    def say(self, reason: bytes) -> None:
        """Use this reason phrase in the next status line."""
        self._connection.reason = reason

    def close(self) -> None:
        """End the connection after what was sent: the client reads the end of the stream."""
        self._transport.close()

    def reset(self) -> None:
        """Reset the connection: the client's read fails."""
        _socket_of(self._transport).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _SEND_RST_ON_CLOSE)
        self._transport.abort()


def wire_of(scope: Scope) -> Wire:
    """The wire of a request that this module's server handed to the application."""
    return cast("Wire", scope["state"]["wire"])


def _socket_of(transport: asyncio.Transport) -> socket.socket:
    return cast("socket.socket", transport.get_extra_info("socket"))


class _Connection(h11.Connection):
    """Says a reason phrase of ours; uvicorn knows only the standard one of each status."""

    reason: bytes | None = None

    def send_with_data_passthrough(self, event: h11.Event) -> list[bytes] | None:
        if self.reason is not None and isinstance(event, h11.Response):
            event = h11.Response(status_code=event.status_code, headers=list(event.headers), reason=self.reason)
            self.reason = None
        return super().send_with_data_passthrough(event)


class _Protocol(H11Protocol):
    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._connection = _Connection(h11.SERVER)
        self.conn = self._connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - as uvicorn narrows it
        super().connection_made(transport)
        # asyncio does this itself only where the listener names its protocol; without it every answer, sent in two
        # parts, waits 40 ms for the client's acknowledgement
        _socket_of(transport).setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.app_state = {**self.app_state, "wire": Wire(transport, self._connection)}


class WireServer(uvicorn.Server):
    """A uvicorn server for a thread of its own: silent, ready at once, and gone at once when told to stop."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=_Protocol,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="critical",  # an access log or a traceback on the terminal could carry what must not leak
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            )
        )
        self.ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()

    def run_on(self, listener: socket.socket) -> None:
        """Serve until `stop`; blocks. The listener is closed at the end."""
        try:
            asyncio.run(self.serve(sockets=[listener]))
        finally:
            self.ready.set()  # whoever waits for a start that failed must not wait for ever

    def stop(self) -> None:
        """Make `run_on` return, or not serve at all when it was not called yet; from any thread."""
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, and then tell who waits."""
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        self.ready.set()

    async def main_loop(self) -> None:
        """As uvicorn's, but awake at once on `stop` instead of up to a tenth of a second later."""
        while not await self.on_tick(0):  # tick 0 renews the Date header
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _DATE_SECONDS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - uvicorn's signature
        """Cut every connection: a client that still waits is a client of a server that is gone."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            cast("H11Protocol", connection).transport.abort()
        tasks = list(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
