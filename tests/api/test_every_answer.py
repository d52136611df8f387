"""The protocol's table of outcomes, over real sockets: every status, and every error that a library may raise."""

import inspect
import socket
import ssl
from collections.abc import Iterator
from threading import Event, Thread

import h11
import httpcore
import httpx
import orjson
import pytest

from reconcile.adapters.exchange import ApiOptions, ExchangeError, uptime
from reconcile.adapters.sockets import DeadlineBackend, DeadlineStream
from reconcile.adapters.transport import HttpWire
from reconcile.core.outcomes import (
    Answer,
    Applied,
    InDoubt,
    NeverSent,
    NoAnswer,
    Rejected,
    Throttled,
    Unauthorized,
    Unreached,
    WrongAddress,
    classify,
)
from reconcile.core.records import Secret

FAILURE = {"Message": "Notes: too long", "Value": None, "Errors": None, "WasSuccessful": False}
BODIES = {
    "empty": b"",
    "json": orjson.dumps(FAILURE),
    "html": b"<html><body>Said so.</body></html>",
    "success": orjson.dumps({"Value": {"Id": 5}, "WasSuccessful": True, "Errors": None}),
}
ONCE = {"headers": {}, "max_bytes": 1000}
REFUSING = (400, 401, 403, 404, 409, 413, 415, 422, 429)


def expected(status: int, body: str, *, retry_after: bool) -> type:
    """The table of protocol.md, written down a second time."""
    if body == "success":
        return Applied if status == 200 else InDoubt
    if status in {401, 403}:
        return Unauthorized
    if status == 404:
        return Rejected if body == "json" else WrongAddress
    if status == 429 or (status == 409 and (retry_after or body == "empty")):
        return Throttled
    if status in {400, 413, 415, 422} or (status == 200 and body == "json"):
        return Rejected
    return InDoubt


@pytest.mark.parametrize("retry_after", [False, True])
@pytest.mark.parametrize("body", BODIES)
def test_every_status_has_the_outcome_of_the_table(answering, connect, body, retry_after):
    headers = "Retry-After: 7\r\n" if retry_after else ""

    def answer(peer, request):
        status = orjson.loads(request.partition(b"\r\n\r\n")[2])["CoworkerInvoiceId"]
        peer.answer(status, b"" if status in {204, 304} or status < 200 else BODIES[body], headers)
        if status < 200:
            peer.close()

    api = connect(answering(answer).url)
    for status in range(100, 600):
        seen = api.create({"coworker_invoice_id": status}, Secret("tok_4711_abcdef"))
        outcome = classify(seen, lambda _: False)
        carried = "empty" if status in {204, 304} or status < 200 else body
        assert type(outcome) is expected(status, carried, retry_after=retry_after), status
        if isinstance(seen, Answer):
            assert seen.retry_after == (7.0 if retry_after else None)
        else:
            assert status < 200


def test_an_id_that_is_known_already_stops_the_run(answering, connect, created):
    api = connect(answering(lambda peer, _: peer.answer(200, created)).url)
    outcome = classify(api.create({"coworker_invoice_id": 1}, None), {87654321}.__contains__)
    assert isinstance(outcome, InDoubt)
    assert outcome.stop
    assert outcome.ids == (87654321,)


@pytest.mark.parametrize("status", REFUSING)
def test_a_refusal_that_names_a_new_record_is_in_doubt(answering, connect, created, status):
    api = connect(answering(lambda peer, _: peer.answer(status, created)).url)
    outcome = classify(api.create({"coworker_invoice_id": 1}, None), lambda _: False)
    assert isinstance(outcome, InDoubt)
    assert outcome.ids == (87654321,)


@pytest.mark.parametrize(
    "body",
    [
        {"WasSuccessful": True, "Value": {"Id": value}}
        for value in (0, -5, True, 1.0, "5", None, [5], {"Id": 5}, 2**63, 2**63 - 1.5)
    ]
    + [
        [],
        "5",
        5,
        None,
        {},
        {"Value": {"Id": 5}},
        {"Value": 5, "WasSuccessful": True},
        {"Value": {"Id": 5}, "WasSuccessful": "true"},
        {"Value": {"Id": 5}, "WasSuccessful": 1},
        {"Value": {"Id": 5}, "WasSuccessful": False},
        {"Value": {"Id": 5}, "WasSuccessful": True, "Errors": [{"Message": "no"}]},
    ],
)
def test_a_success_without_a_confirmed_positive_id_is_in_doubt(answering, connect, body):
    api = connect(answering(lambda peer, _: peer.answer(200, body)).url)
    assert isinstance(classify(api.create({"coworker_invoice_id": 1}, None), lambda _: False), InDoubt)


@pytest.mark.parametrize("value", [1, 1_400_000_000, 2**63 - 1])
def test_every_positive_64_bit_id_is_an_id(answering, connect, value):
    body = {"WasSuccessful": True, "Value": {"Id": value, "More": "of it"}, "Errors": []}
    api = connect(answering(lambda peer, _: peer.answer(200, body)).url)
    assert classify(api.create({"coworker_invoice_id": 1}, None), lambda _: False) == Applied(value)


def test_a_byte_order_mark_does_no_harm(answering, connect):
    body = b'\xef\xbb\xbf{"Value":{"Id":7},"WasSuccessful":true}'
    api = connect(answering(lambda peer, _: peer.answer(200, body)).url)
    assert classify(api.create({"coworker_invoice_id": 1}, None), lambda _: False) == Applied(7)


def test_an_answer_that_names_a_thing_twice_is_in_doubt(answering, connect):
    body = b'{"WasSuccessful":false,"Value":{"Id":1},"Value":{"Id":7},"WasSuccessful":true}'
    api = connect(answering(lambda peer, _: peer.answer(200, body)).url)
    assert isinstance(classify(api.create({"coworker_invoice_id": 1}, None), lambda _: False), InDoubt)


# --- every error ---


class FailingSocket:
    """Stands where a socket would, and raises at one step of a request."""

    def __init__(self, step: str, error: BaseException) -> None:
        self._step = step
        self._error = error
        self._answer = [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"] if step == "body" else []
        self._writes = 0

    def settimeout(self, seconds: float) -> None:
        assert seconds > 0

    def send(self, data: bytes) -> int:
        self._writes += 1
        if self._step == "head" or (self._step == "content" and self._writes == 2):
            raise self._error
        return len(data)

    def recv(self, _: int) -> bytes:
        if self._answer:
            return self._answer.pop()
        raise self._error

    def close(self) -> None:
        pass

    def fileno(self) -> int:
        return -1


class FailingStream(DeadlineStream):
    def __init__(self, step: str, error: BaseException) -> None:
        super().__init__(FailingSocket(step, error))
        self._failure = error if step == "tls" else None

    def start_tls(self, *_, **__):
        if self._failure is not None:
            raise self._failure
        return self


class FailingBackend(DeadlineBackend):
    def __init__(self, step: str) -> None:
        self._step = step
        self.error: BaseException = RuntimeError()

    def connect_tcp(self, *_, **__):
        if self._step == "connect":
            raise self.error
        return FailingStream(self._step, self.error)


def errors() -> Iterator[BaseException]:
    found = {
        kind
        for module in (httpx, httpcore, h11, ssl, socket)
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Exception)
    }
    plain = {OSError, ConnectionResetError, BrokenPipeError, TimeoutError, AssertionError, RuntimeError, UnicodeError}
    for kind in sorted(found | plain, key=lambda kind: (kind.__module__, kind.__qualname__)):
        yield made(kind)


def made(kind: type[BaseException]) -> BaseException:
    if kind is h11.ProtocolError:
        kind = h11.LocalProtocolError  # its base class cannot be made
    for arguments, named in (
        (("told tok_4711_abcdef",), {}),
        ((), {}),
        (("told",), {"request": None, "response": None}),
    ):
        try:
            return kind(*arguments, **named)
        except TypeError:
            continue
    raise AssertionError(f"nobody knows how to make a {kind}")


def test_the_list_of_errors_holds_those_of_all_libraries():
    names = {type(error).__name__ for error in errors()}
    assert names >= {
        "ConnectTimeout",
        "PoolTimeout",
        "RemoteProtocolError",
        "TooManyRedirects",
        "ConnectionNotAvailable",
    }
    assert names >= {"SSLCertVerificationError", "gaierror", "LocalProtocolError", "InvalidURL", "StreamConsumed"}


# httpcore retries this one by itself, on another connection, before anything was written to this one.
NOT_RAISED_BELOW = (httpcore.ConnectionNotAvailable,)


@pytest.mark.parametrize("step", ["connect", "tls", "head", "content", "answer", "body"])
def test_every_error_is_never_sent_before_the_first_byte_and_no_answer_after_it(connect, step):
    backend = FailingBackend(step)
    api = connect("https://nexudus.test", backend=backend)
    for error in errors():
        if isinstance(error, NOT_RAISED_BELOW):
            continue
        backend.error = error
        seen = api.create({"coworker_invoice_id": 1}, Secret("tok_4711_abcdef"))
        assert type(seen) is (NeverSent if step in {"connect", "tls"} else NoAnswer), error
        assert "tok_4711" not in repr(seen)
        assert type(classify(seen, lambda _: False)) is (Unreached if isinstance(seen, NeverSent) else InDoubt)


def test_a_request_that_waits_for_a_connection_until_its_deadline_was_never_sent(answering, created):
    release, arrived = Event(), Event()

    def answer(peer, _):
        arrived.set()
        release.wait(20)
        peer.answer(200, created)

    wire = HttpWire(ApiOptions(answering(answer).url, concurrency=1))
    first = Thread(target=wire.exchange, args=("GET", "/1"), kwargs={**ONCE, "deadline": uptime() + 20})
    first.start()
    assert arrived.wait(20)
    with pytest.raises(ExchangeError, match="no connection within the time allowed") as caught:
        wire.exchange("GET", "/2", **ONCE, deadline=uptime() + 0.2)
    release.set()
    first.join()
    wire.close()
    assert not caught.value.sent
