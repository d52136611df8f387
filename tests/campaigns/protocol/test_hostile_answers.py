"""Ten thousand hostile answers: whatever comes, the deadline and the memory hold, and nothing but a success is one.

Each answer is drawn by its number alone. Fast ones share a server and come by the thousand; those that are slow by
nature (a drip, headers without end) each wait for the deadline and are fewer.
"""

import gc
import json
import threading
import time
import tracemalloc
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random

import pytest
from campaign import seeds, size
from conducting import SimulatedClock
from fault_server import Fault, FaultServer, Peer, success
from ledger import Ledger, Row
from mortal import OpenPace

from reconcile.adapters.auth import Authenticator, Credentials
from reconcile.adapters.exchange import ApiOptions
from reconcile.adapters.nexudus import Nexudus
from reconcile.core.errors import ReconcileError
from reconcile.core.outcomes import Applied, classify
from reconcile.core.records import Secret

PARTS = 4
TIMEOUT = 0.4
MIB = 1 << 20
MOST_MEMORY = 40 * MIB
GRACE = 3.0  # seconds; a busy machine, not the tool
ENVELOPE = success(Row(5, 1, None, None, None))

Made = tuple[str, bytes]


def http(body: bytes, status: int = 200, headers: str = "") -> bytes:
    return f"HTTP/1.1 {status} x\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def is_success(body: bytes) -> int | None:
    """The Id that a body confirms, by a reading of its own: one Id, no contradiction, no key twice."""
    try:
        found = json.loads(body.decode("utf-8"), object_pairs_hook=_once)
        created = found["Value"]["Id"]
        is_confirmed = found["WasSuccessful"] is True and not found.get("Errors")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    is_id = isinstance(created, int) and not isinstance(created, bool) and 0 < created < 2**63
    return created if is_confirmed and is_id else None


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a key twice")
    return dict(pairs)


def mutated(random: Random) -> bytes:
    body = bytearray(json.dumps(ENVELOPE).encode())
    for _ in range(random.randrange(1, 6)):
        at = random.randrange(len(body))
        match random.randrange(4):
            case 0:
                body[at] = random.randrange(256)
            case 1:
                del body[at]
            case 2:
                body.insert(at, random.randrange(256))
            case _:
                body[at:at] = body[random.randrange(len(body)) :][: random.randrange(40)]
    return bytes(body)


def wrong_id(random: Random) -> bytes:
    found = random.choice([0, -1, 2**63, 2**64, 10**400, 1.0, 5.5, "5", True, None, [5], {"Id": 5}, "\u0665", -(2**63)])
    return json.dumps({**ENVELOPE, "Value": {"Id": found}}).encode()


def twice(random: Random) -> bytes:
    key, value = random.choice(
        [("WasSuccessful", "false"), ("Value", '{"Id": 6}'), ("Value", "null"), ("Errors", "[1]")]
    )
    text = json.dumps(ENVELOPE)
    return (
        text[:-1] + f', "{key}": {value}}}' if random.random() < 0.5 else f'{{"{key}": {value}, ' + text[1:]
    ).encode()


def deep(random: Random) -> bytes:
    depth = random.randrange(500, 200_000)
    opening, closing = random.choice([("[", "]"), ('{"Value":', "}")])
    middle = random.choice(["", json.dumps(ENVELOPE), "1"])
    return (opening * depth + middle + closing * (depth if random.random() < 0.7 else 0)).encode()


def wrong_envelope(random: Random) -> bytes:
    other = random.choice([None, False, 0, "true", [], {}, [1], {"Message": "no"}])
    key = random.choice(["WasSuccessful", "Value", "Errors"])
    return json.dumps({**ENVELOPE, key: other}).encode()


BODIES: dict[str, Callable[[Random], bytes]] = {
    "mutated envelope": mutated,
    "wrong id": wrong_id,
    "duplicate key": twice,
    "deep json": deep,
    "wrong envelope": wrong_envelope,
    "html": lambda random: b"<html>" + b"<p>" * random.randrange(5000) + b"</html>",
    "random bytes": lambda random: random.randbytes(random.randrange(3000)),
    "huge number": lambda random: (
        b'{"Value":{"Id":' + b"9" * random.randrange(20, 300_000) + b'},"WasSuccessful":true}'
    ),
    "another encoding": lambda random: json.dumps(ENVELOPE).encode(random.choice(["utf-16", "utf-32", "cp037"])),
    "nothing": lambda _: b"",
}


def whole_answer(random: Random) -> Made:
    name = random.choice(list(BODIES))
    body = BODIES[name](random)
    status = random.choice([200, 200, 200, 201, 202, 206, 299])
    return name, http(body, status)


def redirect(random: Random) -> Made:
    target = random.choice(["/", "http://127.0.0.1:1/", "//elsewhere/", "\x01", "file:///etc/passwd", "x" * 5000])
    body = json.dumps(ENVELOPE).encode()
    return "redirect", http(body, random.choice([300, 301, 302, 303, 307, 308, 399]), f"Location: {target}\r\n")


def bomb(random: Random) -> Made:
    packed = zlib.compress(b"0" * random.choice([MIB, 30 * MIB]), 9)
    return "bomb", http(
        packed, 200, f"Content-Encoding: {random.choice(['deflate', 'gzip', 'br', 'identity, deflate'])}\r\n"
    )


def bad_frame(random: Random) -> Made:
    body = json.dumps(ENVELOPE).encode()
    head = random.choice(
        [
            b"HTTP/1.1 200 x\r\nContent-Length: -5\r\n\r\n",
            b"HTTP/1.1 200 x\r\nContent-Length: 5\r\nContent-Length: 500\r\n\r\n",
            b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
            b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
            b"HTTP/1.1 2000 x\r\n\r\n",
            b"HTTP/9.9 200 x\r\n\r\n",
            b"SSH-2.0-OpenSSH_9\r\n",
            b"\x16\x03\x01\x02\x00\x01",
            b"HTTP/1.1 200 x\r\n" + b"A: " + b"b" * random.randrange(200_000) + b"\r\n\r\n",
            b"HTTP/1.1 200 x\r\n" + b"A: b\r\n" * random.randrange(20_000) + b"\r\n",
            b"HTTP/1.1 200 x\r\nContent-Length: 999999999999\r\n\r\n",
            random.randbytes(random.randrange(1, 400)),
        ]
    )
    return "bad frame", head + body


def cut_short(random: Random) -> Made:
    whole = http(json.dumps(ENVELOPE).encode())
    return "cut short", whole[: random.randrange(len(whole))]


KINDS: list[Callable[[Random], Made]] = [*[whole_answer] * 10, redirect, bomb, bad_frame, cut_short]


class Hostile:
    """A server that answers every create with the bytes it is given, then hangs up; and a client."""

    def __init__(self, timeout: float) -> None:
        self.clock = SimulatedClock()
        self.server = FaultServer(Ledger(self.clock.true, lambda: b""), lambda: b"", self.clock.true)
        access = Authenticator(Credentials(access_token=Secret("opensesame")), "tests", self.clock)
        self.client = Nexudus(ApiOptions(self.server.url, timeout, 1), access, self.clock, OpenPace(self.clock))

    def create(self, answer: Callable[[Peer, Row | None], None]) -> object:
        self.server.always["create"] = Fault("hostile", "none", answer=answer)
        return classify(self.client.create({"coworker_invoice_id": 1, "notes": "a"}, Secret("pm_1")), lambda _: False)

    def close(self) -> None:
        self.client.close()
        self.server.stop()


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    made = Hostile(20.0)
    yield made
    made.close()


@pytest.fixture
def impatient() -> Iterator[Hostile]:
    made = Hostile(TIMEOUT)
    yield made
    made.close()


def ended(data: bytes) -> Callable[[Peer, Row | None], None]:
    def answer(peer: Peer, _: Row | None) -> None:
        peer.raw(data)
        peer.close()

    return answer


@pytest.mark.parametrize("numbers", seeds(400, 10_000, PARTS), ids=lambda numbers: f"from-{numbers.start}")
def test_no_hostile_answer_is_taken_for_a_success(
    hostile: Hostile, numbers: range, count_of: Callable[[str, str], None]
) -> None:
    met: Counter[str] = Counter()
    hostile.create(ended(http(b"{}")))  # loads what a client loads once
    gc.collect()
    tracemalloc.start()
    try:
        for number in numbers:
            name, data = KINDS[number % len(KINDS)](Random(number))  # noqa: S311 - can be drawn again
            body = data.partition(b"\r\n\r\n")[2]
            outcome = hostile.create(ended(data))
            met[name] += 1
            if isinstance(outcome, Applied):
                assert data[5:].startswith((b"1.1 200 ", b"9.9 200 ")), (number, name)
                assert is_success(body) == outcome.id, (number, name, body[:300])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MOST_MEMORY + 31 * MIB, f"{peak / MIB:.0f} MiB"  # a bomb is made here, too
    count_of("hostile answers", f"{met.total()} of {len(met)} kinds, at most {peak / MIB:.0f} MiB")


def drip(peer: Peer, stopping: threading.Event) -> None:
    peer.raw(b"HTTP/1.1 200 x\r\nContent-Length: 100000\r\n\r\n")
    while not stopping.wait(0.02):
        peer.raw(b" ")


def drip_in_the_head(peer: Peer, stopping: threading.Event) -> None:
    for byte in b"HTTP/1.1 200 x\r\n" + b"X-Padding: y\r\n" * 1000:
        if stopping.wait(0.02):
            return
        peer.raw(bytes([byte]))


def headers_without_end(peer: Peer, stopping: threading.Event) -> None:
    peer.raw(b"HTTP/1.1 200 x\r\n")
    while not stopping.is_set():
        peer.raw(b"X-More: " + b"y" * 1000 + b"\r\n")


def chunks_without_end(peer: Peer, stopping: threading.Event) -> None:
    peer.raw(b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not stopping.is_set():
        peer.raw(b"1000\r\n" + b" " * 4096 + b"\r\n")


def informed_without_end(peer: Peer, stopping: threading.Event) -> None:
    while not stopping.is_set():
        peer.raw(b"HTTP/1.1 103 Early Hints\r\n\r\n")


def silence(_: Peer, stopping: threading.Event) -> None:
    stopping.wait(5)


SLOW = [drip, drip_in_the_head, headers_without_end, chunks_without_end, informed_without_end, silence]


@pytest.mark.parametrize("way", SLOW, ids=lambda way: way.__name__)
def test_an_answer_that_never_ends_is_given_up_at_the_deadline(
    impatient: Hostile, way: Callable[[Peer, threading.Event], None], count_of: Callable[[str, str], None]
) -> None:
    times = size(1, 20)
    longest = 0.0
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(times):
            stopping = threading.Event()
            began = time.monotonic()
            outcome = impatient.create(lambda peer, _, stopping=stopping: way(peer, stopping))
            longest = max(longest, time.monotonic() - began)
            stopping.set()
            assert not isinstance(outcome, Applied)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert longest < TIMEOUT + GRACE
    assert peak < MOST_MEMORY
    count_of(
        "endless answers", f"{times} of {way.__name__}, given up after at most {longest:.1f} s, {peak / MIB:.0f} MiB"
    )


@pytest.mark.parametrize("numbers", seeds(60, 2_000, PARTS), ids=lambda numbers: f"from-{numbers.start}")
def test_no_hostile_answer_to_a_read_is_an_empty_list_or_a_traceback(
    hostile: Hostile, numbers: range, count_of: Callable[[str, str], None]
) -> None:
    refused = 0
    for number in numbers:
        name, data = KINDS[number % len(KINDS)](Random(number))  # noqa: S311 - can be drawn again
        hostile.server.always = dict.fromkeys(("list", "get"), Fault(name, answer=ended(data)))
        for read in (lambda: list(hostile.client.list_records(1)), lambda: [hostile.client.get(5)]):
            try:
                found = read()
            except ReconcileError:
                refused += 1
            else:
                raise AssertionError((number, name, found))
    count_of("hostile reads", f"{2 * len(numbers)} answers, {refused} refused")
