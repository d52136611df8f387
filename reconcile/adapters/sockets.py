"""Sockets below httpcore that keep one total deadline per request, and know whether a byte of it may have left.

httpx and httpcore only bound single operations, so a server that drips bytes holds a request for ever. httpcore lets a
caller bring its own network (`NetworkBackend`, `NetworkStream`); this one gives every operation what is left of the
deadline of the request that the current thread is sending. Must not know HTTP, except how a tunnel is asked for.
"""

import select
import socket
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeAlias

import httpcore

from reconcile.adapters.exchange import uptime

_SocketAddress: TypeAlias = "tuple[Any, ...]"
_Found: TypeAlias = "list[tuple[socket.AddressFamily, socket.SocketKind, int, str, _SocketAddress]]"


class Progress:
    """How far a request got, and how long it may still take.

    Args:
        deadline: When it is given up, in `uptime` seconds.

    Attributes:
        sent: Whether a byte of it may have left for the API.
        heard: Whether anything came back since.
    """

    __slots__ = ("_deadline", "heard", "sent")

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self.sent = False
        self.heard = False

    def left(self) -> float:
        """Seconds to go; raises TimeoutError when there are none."""
        left = self._deadline - uptime()
        if left <= 0:
            raise TimeoutError
        return left


_under_way: ContextVar[Progress] = ContextVar("_under_way")


@contextmanager
def under_way(progress: Progress) -> Generator[None]:
    """Everything that this thread does inside the with-block belongs to that request."""
    mark = _under_way.set(progress)
    try:
        yield
    finally:
        _under_way.reset(mark)


class NoConnectionError(httpcore.ConnectError):
    """A connection could not be made; the message is never the other side's, only ours, the system's or TLS's."""


class DeadlineStream(httpcore.NetworkStream):
    """A connection whose every operation ends by the deadline of the request it serves."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._is_spoiled = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - the deadline outranks it
        """What came, at most `max_bytes`; empty at the end."""
        progress = _under_way.get()
        with _translated(httpcore.ReadTimeout, httpcore.ReadError):
            self._socket.settimeout(progress.left())
            data = self._socket.recv(max_bytes)
        progress.heard = progress.heard or (progress.sent and bool(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - the deadline outranks it
        """Sends all of `buffer`."""
        progress = _under_way.get()
        rest = memoryview(buffer)
        with _translated(httpcore.WriteTimeout, httpcore.WriteError):
            while rest:
                self._socket.settimeout(progress.left())
                # Asking a proxy for a tunnel reaches the proxy only; what follows reaches the API.
                progress.sent = progress.sent or not buffer.startswith(b"CONNECT ")
                rest = rest[self._socket.send(rest) :]

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - the deadline outranks it
    ) -> httpcore.NetworkStream:
        """The same connection, encrypted; the certificate is verified as `ssl_context` says."""
        with _translated(httpcore.ConnectTimeout, NoConnectionError):
            try:
                self._socket.settimeout(_under_way.get().left())
                return DeadlineStream(ssl_context.wrap_socket(self._socket, server_hostname=server_hostname))
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Closes it at once."""
        self._socket.close()

    def spoil(self) -> None:
        """Marks what may follow on this connection as not to be believed: it serves no other request."""
        self._is_spoiled = True

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks about a connection: its TLS, and whether anything waits to be read."""
        if info == "ssl_object":
            return self._socket if isinstance(self._socket, ssl.SSLSocket) else None
        # httpcore gives up an idle connection that is readable: nothing can come on it but its end.
        return self._is_spoiled or _is_readable(self._socket) if info == "is_readable" else None


class DeadlineBackend(httpcore.NetworkBackend):
    """Makes connections, each by the deadline of the request that needs it."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline outranks it
        local_address: str | None = None,  # noqa: ARG002 - never asked for
        socket_options: Any = None,  # noqa: ARG002 - never asked for
    ) -> httpcore.NetworkStream:
        """A connection to the first address of `host` that takes one."""
        with _translated(httpcore.ConnectTimeout, NoConnectionError):
            progress = _under_way.get()
            connected = _connect(_resolve(host, port, progress), progress)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return DeadlineStream(connected)


@contextmanager
def _translated(on_timeout: type[Exception], on_failure: type[Exception]) -> Generator[None]:
    try:
        yield
    except TimeoutError:
        raise on_timeout("the time allowed has passed") from None
    except (OSError, ValueError) as error:
        raise on_failure(_told(error)) from None


def _told(error: OSError | ValueError) -> str:
    """What the system or the TLS library says, which never came from the other side."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not valid: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {(error.reason or 'unknown').lower().replace('_', ' ')}"
    if isinstance(error, socket.gaierror | UnicodeError):
        return "its name cannot be resolved"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return type(error).__name__


def _resolve(host: str, port: int, progress: Progress) -> _Found:
    """The addresses of a name. The system's look-up takes as long as it likes, so another thread waits for it."""
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        answers: SimpleQueue[_Found | OSError | UnicodeError] = SimpleQueue()
        Thread(target=_look_up, args=(host, port, answers), name="name look-up", daemon=True).start()
    try:
        found = answers.get(timeout=progress.left())
    except Empty:
        raise TimeoutError from None
    if isinstance(found, Exception):
        raise found
    return found


def _look_up(host: str, port: int, answers: "SimpleQueue[_Found | OSError | UnicodeError]") -> None:
    try:
        answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError) as error:
        answers.put(error)


def _connect(found: _Found, progress: Progress) -> socket.socket:
    """A connection to the first address that takes one; an address that is silent does not use up the others' time."""
    failure: OSError = socket.gaierror("no address")
    for untried, (family, kind, protocol, _, address) in zip(range(len(found), 0, -1), found, strict=True):
        try:
            connecting = socket.socket(family, kind, protocol)
        except OSError as error:
            failure = error
            continue
        try:
            connecting.settimeout(progress.left() / untried)
            connecting.connect(address)
        except OSError as error:
            connecting.close()
            failure = error
        else:
            return connecting
    raise failure


def _is_readable(connected: socket.socket) -> bool:
    descriptor = connected.fileno()
    if descriptor < 0:
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
