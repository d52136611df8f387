"""An HTTP server of the tests' own that fails as it is told: every fault has a name, an effect and an answer.

Separate from the sandbox in every line. It keeps a `Ledger`, takes the journal's power-loss image when the first byte
of a create arrives, and never asks the tool what it thinks.
"""

import json
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ledger import Ledger, Row

Envelope = dict[str, Any]
PATH = "/api/billing/coworkerinvoicepaymenttokens"
FILTER = "CoworkerInvoicePaymentToken_CoworkerInvoice"


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request.

    Attributes:
        effect: For a create: `none`, `now`, or `late`, which is `after` seconds from now.
        answer: Sends what the client hears; None sends what a healthy server would.
    """

    name: str
    effect: str = "now"
    after: float = 0.0
    answer: "Callable[[Peer, Row | None], None] | None" = None


class Peer:
    """The server's end of one connection."""

    def __init__(self, connection: socket.socket, date: Callable[[], str], stopping: threading.Event) -> None:
        self.connection = connection
        self.stopping = stopping
        self._date = date

    def send(self, status: int, body: object = b"", headers: str = "", length: int | None = None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        size = len(content) if length is None else length
        head = f"HTTP/1.1 {status} Said So\r\nDate: {self._date()}\r\nContent-Length: {size}\r\n{headers}\r\n"
        self.connection.sendall(head.encode() + content)

    def raw(self, data: bytes) -> None:
        self.connection.sendall(data)

    def reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def close(self) -> None:
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()

    def hang(self) -> None:
        self.stopping.wait(10)


def success(row: Row | None) -> Envelope:
    """The envelope of a create that worked."""
    found = row.id if row is not None else None
    return {"Status": 200, "Message": "created", "Value": {"Id": found}, "Errors": None, "WasSuccessful": True}


class FaultServer:
    """Serves the API's creates and reads from a ledger, and fails where `faults` says so.

    Args:
        ledger: The books.
        journal: The journal as a power loss would leave it now.

    Attributes:
        faults: What goes wrong with the nth request of a kind: `("create", 1)`, `("list", 1)`, `("get", 1)`.
        always: What goes wrong with every request of a kind.
    """

    def __init__(self, ledger: Ledger, journal: Callable[[], bytes], now: Callable[[], float]) -> None:
        self.ledger = ledger
        self.faults: dict[tuple[str, int], Fault] = {}
        self.always: dict[str, Fault] = {}
        self.seen: Counter[str] = Counter()
        self.targets: list[str] = []
        self.met: list[str] = []
        self._journal, self._now = journal, now
        self._stopping = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._peers: list[Peer] = []
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
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

    def drop_connections(self) -> None:
        """Ends every connection, as a server does that was restarted."""
        for peer in self._peers:
            peer.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = Peer(connection, lambda: formatdate(self._now(), usegmt=True), self._stopping)
            thread = threading.Thread(target=self._serve, args=(peer,), daemon=True)
            self._peers.append(peer)
            self._threads.append(thread)
            thread.start()

    def _serve(self, peer: Peer) -> None:
        with suppress(OSError):
            while True:
                first = peer.connection.recv(1)
                if not first:
                    break
                image = self._journal() if first in {b"P", b"D"} else b""  # POST, PUT, DELETE
                head, body = self._rest(peer, first)
                self._meet(peer, head, body, image)
        peer.close()

    def _rest(self, peer: Peer, first: bytes) -> tuple[bytes, bytes]:
        data = first
        while b"\r\n\r\n" not in data:
            data += self._received(peer)
        head, _, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        while length and len(body) < int(length[1]):
            body += self._received(peer)
        return head, body

    def _received(self, peer: Peer) -> bytes:
        data = peer.connection.recv(65536)
        if not data:
            raise OSError("the client is gone")
        return data

    def _meet(self, peer: Peer, head: bytes, body: bytes, image: bytes) -> None:
        method, target = head.split(b" ", 2)[:2]
        self.targets.append(target.decode())
        url = urlsplit(target.decode())
        kind = "create" if method == b"POST" else "list" if url.path == PATH else "get"
        self.seen[kind] += 1
        fault = self.faults.get((kind, self.seen[kind])) or self.always.get(kind) or Fault("none")
        self.met.append(fault.name)
        if kind == "create":
            self._create(peer, json.loads(body), image, fault)
            return
        self.ledger.note_request()
        if fault.answer is not None:
            fault.answer(peer, None)
        elif kind == "list":
            self._list(peer, parse_qs(url.query))
        else:
            self._get(peer, int(url.path.rsplit("/", 1)[1]))

    def _create(self, peer: Peer, body: dict[str, Any], image: bytes, fault: Fault) -> None:
        self.ledger.note_create(str(body.get("Notes")), image)
        row = None
        if fault.effect != "none":
            after = fault.after if fault.effect == "late" else 0.0
            row = self.ledger.add(
                body["CoworkerInvoiceId"],
                body.get("RegularPaymentProvider"),
                body.get("Token"),
                body.get("Notes"),
                after=after,
            )
        if fault.answer is not None:
            fault.answer(peer, row)
        else:
            peer.send(200, success(row))

    def _list(self, peer: Peer, query: dict[str, list[str]]) -> None:
        invoice = int(query[FILTER][0]) if FILTER in query else None
        rows = sorted(self.ledger.listed(invoice), key=lambda row: row.id)
        number, size = int(query["page"][0]), min(int(query["size"][0]), 25)
        shown = rows[(number - 1) * size : number * size]
        has_next = number * size < len(rows)
        peer.send(200, {"Records": [partial(row) for row in shown], "TotalItems": len(rows), "HasNextPage": has_next})

    def _get(self, peer: Peer, record_id: int) -> None:
        self.ledger.take_effect()
        row = self.ledger.rows.get(record_id)
        if row is None:
            peer.send(404, "Not found")
        else:
            peer.send(200, {**partial(row), "Token": row.token, "RegularPaymentProvider": row.provider})


def partial(row: Row) -> dict[str, Any]:
    """A row of a list, which leaves out what such lists leave out."""
    return {"Id": row.id, "CoworkerInvoiceId": row.invoice, "Notes": row.notes}


def answering(status: int, body: object = b"", headers: str = "") -> Callable[[Peer, Row | None], None]:
    """An answer that is the same whatever happened."""
    return lambda peer, _: peer.send(status, body, headers)
