"""A small Nexudus of the tests' own, with a ledger: what was created, and when each request was first heard.

It shares no code with the sandbox or the tool. It makes no faults of its own, except that `Ledger.delay` may have a
create take effect late and without an answer. A test looks at the ledger for what happened, never at the tool's words.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

PATH = "/api/billing/coworkerinvoicepaymenttokens"
FIRST_ID = 1_400_000_001


@dataclass
class Request:
    """One request.

    Attributes:
        heard: What `Ledger.on_first_byte` said when the first byte was read.
        answered: What it said right before the answer left; None where there was none.
        sender: The `Authorization` header.
        id: The record it created, if it did.
    """

    method: str
    sender: str
    heard: Any
    body: dict[str, Any] = field(default_factory=dict[str, Any])
    id: int | None = None
    answered: Any = None

    @property
    def address(self) -> str:
        """Whose it is: the tests declare each record's address as its notes."""
        return str(self.body.get("Notes"))


@dataclass
class Ledger:
    """What the server knows.

    Attributes:
        on_first_byte: Asked when the first byte of a request was read.
        before_answer: Called with a create that took effect, before its answer leaves.
        delay: Seconds after which a create takes effect, unanswered; None for at once.
        time: Seconds since the epoch by the server's clock; None sends no `Date` header.
    """

    on_first_byte: Callable[[], Any] = lambda: None
    before_answer: Callable[[Request], None] = lambda _: None
    delay: Callable[[], float | None] = lambda: None
    time: Callable[[], float] | None = None
    requests: list[Request] = field(default_factory=list[Request])
    rows: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])
    visible_from: dict[int, float] = field(default_factory=dict[int, float])
    lock: threading.Lock = field(default_factory=threading.Lock)
    ids: Iterator[int] = field(default_factory=lambda: count(FIRST_ID))

    @property
    def creates(self) -> list[Request]:
        """The creates so far, in the order of their effects."""
        with self.lock:
            return [request for request in self.requests if request.id is not None]

    def records(self) -> dict[int, str]:
        """The address of every record there is or will be, by id."""
        with self.lock:
            return {record_id: str(row["Notes"]) for record_id, row in self.rows.items()}

    def keep(self, is_kept: Callable[[Request], bool]) -> None:
        """Forgets the requests that never happened, in a world where the client ended sooner."""
        with self.lock:
            self.requests = [request for request in self.requests if is_kept(request)]
            kept = {request.id for request in self.requests}
            self.rows = {record_id: row for record_id, row in self.rows.items() if record_id in kept}

    def take(self, request: Request) -> float | None:
        """Lets a create take effect, now or later; returns the delay."""
        with self.lock:
            delay = self.delay()
            request.id = next(self.ids)
            self.rows[request.id] = {"Id": request.id, **request.body}
            if delay is not None and self.time is not None:
                self.visible_from[request.id] = self.time() + delay
            return delay

    def visible(self) -> list[dict[str, Any]]:
        with self.lock:
            now = self.time() if self.time is not None else 0.0
            return [row for record_id, row in self.rows.items() if self.visible_from.get(record_id, 0.0) <= now]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: "_Server"

    def handle_one_request(self) -> None:
        try:
            if not self.rfile.peek(1):
                self.close_connection = True
                return
            self.heard = self.server.ledger.on_first_byte()
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def _begin(self) -> tuple[Request, dict[str, Any]]:
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size)) if size else {}
        return Request(self.command, self.headers.get("Authorization", ""), self.heard, body), body

    def do_POST(self) -> None:
        request, _ = self._begin()
        ledger = self.server.ledger
        with ledger.lock:
            ledger.requests.append(request)
        if ledger.take(request) is not None:
            self.close_connection = True
            return
        ledger.before_answer(request)
        self._answer(request, 200, {"Status": 200, "Value": {"Id": request.id}, "Errors": None, "WasSuccessful": True})

    def do_GET(self) -> None:
        request, _ = self._begin()
        ledger, url = self.server.ledger, urlsplit(self.path)
        with ledger.lock:
            ledger.requests.append(request)
        rows = ledger.visible()
        if url.path != PATH:
            found = [row for row in rows if str(row["Id"]) == url.path.rpartition("/")[2]]
            self._answer(request, 200 if found else 404, found[0] if found else "Not found")
            return
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        invoice = query.get("CoworkerInvoicePaymentToken_CoworkerInvoice")
        rows = [row for row in rows if invoice in {None, str(row["CoworkerInvoiceId"])}]
        first, size = (int(query["page"]) - 1) * int(query["size"]), int(query["size"])
        page = {"Records": rows[first : first + size], "TotalItems": len(rows), "HasNextPage": first + size < len(rows)}
        self._answer(request, 200, page)

    def _answer(self, request: Request, status: int, document: object) -> None:
        content = json.dumps(document).encode()
        self.send_response_only(status)
        if self.server.ledger.time is not None:
            self.send_header("Date", formatdate(self.server.ledger.time(), usegmt=True))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        request.answered = self.server.ledger.on_first_byte()  # before the client can act on it
        self.wfile.flush()

    def finish(self) -> None:
        with suppress(OSError, ValueError):  # the client was killed
            super().finish()

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.ledger = ledger


@contextmanager
def serving(ledger: Ledger) -> Iterator[str]:
    """The server's address while the with-block runs."""
    server = _Server(ledger)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
