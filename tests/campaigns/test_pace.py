"""The pace on a real clock: the whole command against a server that counts arrivals and is slow to answer.

`CAMPAIGN=full python -m pytest tests/campaigns/test_pace.py -s` takes three minutes for each latency.
"""

import re
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

import orjson
import pytest
from project_folder import Folder

PLURAL = "/api/billing/coworkerinvoicepaymenttokens"
WORKERS = {0.2: 8, 1.0: 3, 3.0: 4}
"""How many fill the published quota at each latency, in seconds."""

SMALL = {"writes_per_minute": 300, "requests_per_minute": 600, "requests_per_hour": 36_000}
"""Five times the published pace, so that a fifth of the time tells as much."""

WINDOWS = {
    "writes_per_minute": (60.0, 60),
    "requests_per_second": (0.1, 1),
    "requests_per_minute": (60.0, 120),
    "requests_per_hour": (3600.0, 5000),
}


class CountingServer(ThreadingHTTPServer):
    """Just enough of Nexudus to create records; remembers when the first byte of each request came."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, latency: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.latency = latency
        self.writes: list[float] = []
        self.requests: list[float] = []
        self.throttled = 0
        self.ids = count(1_400_000_001)
        self.guard = threading.Lock()
        self.records: list[dict[str, object]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: CountingServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def parse_request(self) -> bool:
        self.arrived = time.monotonic()
        return super().parse_request()

    def do_GET(self) -> None:
        self._note(self.server.requests)
        wanted = re.search(r"_CoworkerInvoice=(\d+)", self.path)
        rows = [r for r in self.server.records if wanted is None or r["CoworkerInvoiceId"] == int(wanted[1])]
        self._answer({"Records": rows, "CurrentPage": 1, "TotalItems": len(rows), "HasNextPage": False})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/token"):
            self._note(self.server.requests)
            self._answer({"access_token": "a", "token_type": "bearer", "expires_in": 86_400, "refresh_token": "r"})
            return
        self._note(self.server.requests, self.server.writes)
        with self.server.guard:
            record_id = next(self.server.ids)
            self.server.records.append({"Id": record_id, **orjson.loads(body)})
        self._answer({"Status": 200, "Value": {"Id": record_id}, "Errors": None, "WasSuccessful": True})

    def _note(self, *lists: list[float]) -> None:
        with self.server.guard:
            for arrivals in lists:
                arrivals.append(self.arrived)

    def _answer(self, document: dict[str, object]) -> None:
        time.sleep(self.server.latency)
        data = orjson.dumps(document)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(latency: float) -> Iterator[CountingServer]:
    server = CountingServer(latency)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def busiest(arrivals: list[float], seconds: float) -> int:
    times = sorted(arrivals)
    return max(number - bisect_left(times, at - seconds + 1e-9) + 1 for number, at in enumerate(times))


@pytest.mark.parametrize("latency", WORKERS)
def test_the_limit_that_binds_is_used_to_98_percent_and_none_is_exceeded(
    latency: float,
    tmp_path: Path,
    is_full_size: bool,  # noqa: FBT001 - a fixture
    capsys: pytest.CaptureFixture[str],
) -> None:
    scaled = {} if is_full_size else SMALL
    per_second = scaled.get("writes_per_minute", 60) / 60
    # Five writes a second keep fifteen in flight at 3 s.
    writes, workers = (180, WORKERS[latency]) if is_full_size else (45, 24)
    folder = Folder(tmp_path)
    folder.declare(writes)
    folder.environ |= {f"RECONCILE_API__LIMITS__{name.upper()}": str(limit) for name, limit in scaled.items()}
    folder.environ |= {"NEXUDUS_USERNAME": "ann@example.com", "NEXUDUS_PASSWORD": "sandbox-only-password"}
    with serving(latency) as server:
        folder.environ |= {"NEXUDUS_BASE_URL": server.url, "RECONCILE_API__CONCURRENCY": str(workers)}
        process = folder.start("apply", "--auto-approve", "--format", "json")
        out, err = process.communicate(timeout=20 + 2 * writes / per_second)
    assert process.returncode == 0, err
    assert len(folder.ids()) == writes == len(server.writes)
    rate = (writes - 1) / (max(server.writes) - min(server.writes))
    share = rate / per_second
    counted = f"{share:.1%} of the limit, {out.count('throttled')} throttled"
    counted = f"{writes} writes by {workers} workers, latency {latency} s: {counted}"
    with capsys.disabled():
        print(f"\npace: {counted}")  # noqa: T201 - the campaign's count
    assert share >= 0.98
    assert '"throttled"' not in out
    for name, (seconds, published) in WINDOWS.items():
        arrivals = server.writes if name.startswith("writes") else server.requests
        assert busiest(arrivals, seconds) <= scaled.get(name, published), name
