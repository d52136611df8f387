"""Servers on loopback that say exactly what a test wants, a clock that jumps, and clients made for both."""

import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import orjson
import pytest

from reconcile.adapters.auth import Authenticator, Credentials
from reconcile.adapters.exchange import ApiOptions
from reconcile.adapters.nexudus import Nexudus
from reconcile.adapters.pacing import Pacer
from reconcile.core.quota import UNLIMITED, Limits
from reconcile.core.records import Secret

CERTIFICATE = Path(__file__).parent / "localhost.pem"
CREATED = {"Status": 200, "Value": {"Id": 87654321}, "Errors": None, "WasSuccessful": True}


class JumpingClock:
    """Sleeping takes no time; the time is what was slept."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.at = 1_700_000_000.0
        self.cut_short = False

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        if not self.cut_short:
            self.slept.append(seconds)
            self.at += seconds


class Peer:
    """The server's end of one connection."""

    def __init__(self, connection: socket.socket, number: int, stopping: threading.Event) -> None:
        self.number = number
        self._stopping = stopping
        self._connection = connection
        self._rest = b""

    def request(self) -> bytes:
        """The next request, whole; empty when the client is gone."""
        while b"\r\n\r\n" not in self._rest:
            if not self._receive():
                return b""
        end = self._rest.index(b"\r\n\r\n") + 4
        length = re.search(rb"(?i)content-length: (\d+)", self._rest[:end])
        end += int(length[1]) if length else 0
        while len(self._rest) < end:
            if not self._receive():
                return b""
        request, self._rest = self._rest[:end], self._rest[end:]
        return request

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def answer(self, status: int, body: object = b"", headers: str = "", *, length: int | None = None) -> None:
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        size = "" if status in {204, 304} else f"Content-Length: {len(content) if length is None else length}\r\n"
        self.send(f"HTTP/1.1 {status} Said So\r\n{size}{headers}\r\n".encode() + content)

    def secure(self) -> None:
        """Speaks TLS from here on, with a certificate that nobody knows."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        self._connection = context.wrap_socket(self._connection, server_side=True)

    def idle(self) -> None:
        """Neither reads nor writes until the server is stopped."""
        self._stopping.wait(30)

    def reset(self) -> None:
        """Ends the connection at once, with an RST."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._connection.close()

    def close(self) -> None:
        with suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()

    def _receive(self) -> bool:
        data = self._connection.recv(65536)
        self._rest += data
        return bool(data)


class Server:
    """Runs `script` for every connection, in a thread of its own."""

    def __init__(self, script: Callable[[Peer], None]) -> None:
        self._script = script
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._stopping = threading.Event()
        self._peers: list[Peer] = []
        self._threads: list[threading.Thread] = []
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.connections = 0
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def stop(self) -> None:
        self._stopping.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._socket.close()
        for peer in self._peers:
            peer.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            peer = Peer(connection, self.connections, self._stopping)
            thread = threading.Thread(target=self._serve, args=(peer,))
            self._peers.append(peer)
            self._threads.append(thread)
            thread.start()

    def _serve(self, peer: Peer) -> None:
        with suppress(OSError, ValueError):
            self._script(peer)
        peer.close()


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[Peer], None]], Server]]:
    """Starts a server that runs a script for every connection."""
    servers: list[Server] = []

    def start(script: Callable[[Peer], None]) -> Server:
        servers.append(Server(script))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def answering(serve):
    """Starts a server that has every request of every connection answered by a function of peer and request."""

    def start(answer):
        def script(peer: Peer) -> None:
            while request := peer.request():
                answer(peer, request)

        return serve(script)

    return start


@pytest.fixture
def connect(clock) -> Iterator[Callable[..., Nexudus]]:
    """Makes a client: of an address, with credentials and anything of `ApiOptions`."""
    clients: list[Nexudus] = []

    def make(
        url: str,
        credentials: Credentials | None = None,
        *,
        limits: Limits = UNLIMITED,
        client_id: str = "reconcile-test",
        backend=None,
        **options,
    ) -> Nexudus:
        access = Authenticator(credentials or Credentials(access_token=Secret("opensesame")), client_id, clock)
        settings = ApiOptions(url, **{"timeout_seconds": 20.0, **options})
        clients.append(Nexudus(settings, access, clock, Pacer(clock, limits), backend=backend))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def created() -> dict[str, object]:
    """The envelope of a create that worked."""
    return CREATED


@pytest.fixture
def certificate() -> Path:
    """Key and certificate of localhost and nexudus.test, signed by nobody, in one file."""
    return CERTIFICATE
