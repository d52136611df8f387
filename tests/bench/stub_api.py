"""The cheapest server that answers creates: what is left of an apply is the tool's own cost.

    python tests/bench/stub_api.py PORT_FILE [LATENCY]

Answers after LATENCY seconds, at once where none is given. Writes its port to PORT_FILE. It remembers nothing but how
many creates came and when: `GET /span` answers with their number and the seconds from the first one's arrival to the
last one's, and starts anew. Any other GET is answered with an empty page, so that whoever lists before creating finds
nothing.
"""

import asyncio
import json
import re
import sys
import time
from itertools import count
from pathlib import Path

_find_length = re.compile(rb"content-length: *(\d+)", re.IGNORECASE).search
_FIRST_ID = 1_700_000_000
_EMPTY_PAGE = {
    "Records": [],
    "CurrentPage": 1,
    "CurrentPageSize": 1000,
    "CurrentOrderField": "Id",
    "CurrentSortDirection": 0,
    "FirstItem": 0,
    "LastItem": 0,
    "TotalItems": 0,
    "TotalPages": 0,
    "HasNextPage": False,
    "HasPreviousPage": False,
}


class Span:
    """When creates came."""

    def __init__(self) -> None:
        self.creates = 0
        self.began = 0.0
        self.ended = 0.0

    def take(self) -> dict[str, float]:
        """What there was since the last call."""
        found = {"creates": self.creates, "seconds": self.ended - self.began}
        self.__init__()
        return found


class Connection(asyncio.Protocol):
    """One client; requests come one at a time on it."""

    def __init__(self, ids: "count[int]", span: Span, latency: float) -> None:
        self._latency = latency
        self._ids = ids
        self._span = span
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        length = _find_length(head)
        if not blank or (length is not None and len(body) < int(length[1])):
            return
        self._received = b""
        response = _response(self._answer(head))
        if self._latency:
            asyncio.get_running_loop().call_later(self._latency, self._transport.write, response)
        else:
            self._transport.write(response)

    def _answer(self, head: bytes) -> object:
        if head.startswith(b"POST"):
            return self._create()
        return self._span.take() if head.startswith(b"GET /span") else _EMPTY_PAGE

    def _create(self) -> object:
        now = time.perf_counter()
        self._span.began = self._span.began or now
        self._span.ended = now
        self._span.creates += 1
        return {
            "Status": 200,
            "Message": "CoworkerInvoicePaymentToken was successfully created.",
            "Value": {"Id": next(self._ids)},
            "Errors": None,
            "WasSuccessful": True,
        }


def _response(document: object) -> bytes:
    body = json.dumps(document).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


async def serve(port_file: Path, latency: float = 0.0) -> None:
    """Until the process is ended."""
    ids, span = count(_FIRST_ID), Span()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(ids, span, latency), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    written = port_file.with_suffix(".new")
    written.write_text(str(port))
    written.rename(port_file)
    await server.serve_forever()


if __name__ == "__main__":
    if len(sys.argv) not in {2, 3}:
        sys.exit(__doc__)
    asyncio.run(serve(Path(sys.argv[1]), *map(float, sys.argv[2:])))
