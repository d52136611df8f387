"""Servers that drip, flood, lie and hang up: every create ends in time, in bounds, and as what it may have been."""

import os
import socket
import time
import zlib

import pytest

from reconcile.core.outcomes import Answer, Applied, InDoubt, NeverSent, NoAnswer, classify
from reconcile.core.records import Secret

FIELDS = {"coworker_invoice_id": 1}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
OUT_OF_TIME = NoAnswer("no complete answer within the time allowed")
HUNG_UP = NoAnswer("the connection ended before an answer")
BROKEN = NoAnswer("the answer broke off, or was no HTTP")


def drip(peer, data=b"x", every=0.02):
    """Sends piece after piece; for so long only because a client without a deadline shall fail, not hang."""
    end = time.monotonic() + 15
    while time.monotonic() < end:
        peer.send(data)
        time.sleep(every)


def scripted(*parts):
    """Reads a request, sends the parts, then hangs up."""

    def script(peer):
        peer.request()
        for part in parts:
            peer.send(part)

    return script


@pytest.mark.parametrize(
    "first",
    [b"HTTP/1.1 200 O", HEAD + b"X-Drip: ", HEAD + b"Content-Length: 1000\r\n\r\n", HEAD + b"\r\n", b""],
    ids=["status line", "headers", "body", "body without a length", "before the status"],
)
def test_a_dripping_answer_ends_at_the_deadline(serve, connect, first):
    def script(peer):
        peer.request()
        peer.send(first)
        drip(peer)

    seen = connect(serve(script).url, timeout_seconds=0.4).create(FIELDS, None)
    assert seen in {OUT_OF_TIME, BROKEN} if first == b"" else seen == OUT_OF_TIME


def test_interim_answers_without_end_end_at_the_deadline(serve, connect):
    def script(peer):
        peer.request()
        drip(peer, b"HTTP/1.1 100 Continue\r\n\r\n" * 50, every=0.001)

    assert connect(serve(script).url, timeout_seconds=0.4).create(FIELDS, None) == OUT_OF_TIME


def test_a_server_that_never_reads_ends_at_the_deadline(serve, connect):
    seen = connect(serve(lambda peer: peer.idle()).url, timeout_seconds=0.4).create(
        {**FIELDS, "notes": "n" * 50_000_000}, None
    )
    assert seen == OUT_OF_TIME


def test_a_silent_listener_ends_at_the_deadline_before_tls_is_up(serve, connect):
    url = serve(lambda peer: peer.idle()).url.replace("http:", "https:")
    seen = connect(url, timeout_seconds=0.4).create(FIELDS, None)
    assert seen == NeverSent("no connection within the time allowed")


def test_a_flood_of_headers_is_cut_off(serve, connect):
    def script(peer):
        peer.request()
        peer.send(HEAD)
        drip(peer, b"X-Flood: " + b"f" * 1000 + b"\r\n", every=0)

    assert connect(serve(script).url).create(FIELDS, None) == BROKEN


def test_a_flood_of_body_is_cut_off_after_one_mebibyte(serve, connect):
    sent = []

    def script(peer):
        peer.request()
        peer.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        while True:
            peer.send(b"10000\r\n" + b" " * 65536 + b"\r\n")
            sent.append(65536)

    seen = connect(serve(script).url).create(FIELDS, None)
    assert isinstance(seen, NoAnswer)
    assert "1,048,576 bytes" in seen.reason
    assert sum(sent) < 64 * 1024 * 1024


@pytest.mark.parametrize(
    ("parts", "seen"),
    [
        ([], HUNG_UP),
        ([b"HTTP/1.1 200"], BROKEN),
        ([HEAD], BROKEN),
        ([HEAD + b'Content-Length: 90\r\n\r\n{"Value":'], BROKEN),
        ([HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"], BROKEN),
        ([HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}"], BROKEN),
        ([HEAD + b"Content-Length: -1\r\n\r\n"], BROKEN),
        ([HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"], BROKEN),
        ([b"SSH-2.0-OpenSSH_9.6\r\n"], BROKEN),
        ([os.urandom(32) + b"\r\n\r\n"], BROKEN),
        ([b"HTTP/1.1 999999 Too much\r\n\r\n"], BROKEN),
    ],
)
def test_half_an_answer_is_no_answer(serve, connect, parts, seen):
    assert connect(serve(scripted(*parts)).url).create(FIELDS, None) == seen


def test_a_reset_after_the_request_is_no_answer(serve, connect):
    def script(peer):
        peer.request()
        peer.reset()

    assert connect(serve(script).url).create(FIELDS, None) == HUNG_UP


def test_a_refused_connection_was_never_sent(connect):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert connect(f"http://127.0.0.1:{port}").create(FIELDS, None) == NeverSent("connection refused")


def test_a_name_that_does_not_exist_was_never_sent(connect):
    seen = connect("https://no-such-host.invalid", timeout_seconds=10.0).create(FIELDS, None)
    assert isinstance(seen, NeverSent)


def test_a_certificate_that_nobody_signed_was_never_sent(serve, connect):
    def script(peer):
        peer.secure()
        peer.answer(200, b"{}")

    url = serve(script).url.replace("http:", "https:")
    seen = connect(url).create(FIELDS, None)
    assert isinstance(seen, NeverSent)
    assert seen.reason.startswith("the server's certificate is not valid: self")


def test_plain_http_behind_https_was_never_sent(serve, connect):
    url = serve(lambda peer: peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")).url.replace("http:", "https:")
    seen = connect(url).create(FIELDS, None)
    assert isinstance(seen, NeverSent)
    assert seen.reason.startswith("TLS failed")


@pytest.mark.parametrize(
    "body",
    [
        b"<html>Please log in</html>",
        b"[" * 1_000_000,
        b'{"Value":' * 100_000,
        b'{"Value":{"Id":5},"WasSuccessful":tru',
        b'{"Value":{"Id":5},"WasSuccessful":true} trailing',
        b'{"Value":{"Id":' + b"9" * 10_000 + b'},"WasSuccessful":true}',
        b'{"Value":{"Id":NaN},"WasSuccessful":true}',
        b'{"Value":{"Id":5},"WasSuccessful":true,"Message":"\xff"}',
        b"\x00" * 1000,
    ],
)
def test_a_body_that_is_no_sound_json_is_an_unreadable_answer(answering, connect, body):
    seen = connect(answering(lambda peer, _: peer.answer(200, body)).url).create(FIELDS, None)
    assert isinstance(seen, Answer)
    assert isinstance(classify(seen, lambda _: False), InDoubt)


def test_an_encoded_answer_is_not_unpacked(answering, connect):
    packed = zlib.compress(b'{"Value":{"Id":5},"WasSuccessful":true}' + b" " * 5_000_000, wbits=31)
    asked = []

    def answer(peer, request):
        asked.append(request)
        peer.answer(200, packed, "Content-Encoding: gzip\r\n")

    seen = connect(answering(answer).url).create(FIELDS, None)
    assert isinstance(seen, Answer)
    assert not seen.is_json
    assert b"\r\nAccept-Encoding: identity\r\n" in asked[0]


def test_a_redirect_is_not_followed(answering, connect, created):
    elsewhere = answering(lambda peer, _: peer.answer(200, created))
    for status in (301, 302, 307, 308):
        here = answering(lambda peer, _, s=status: peer.answer(s, b"", f"Location: {elsewhere.url}/x\r\n"))
        seen = connect(here.url).create(FIELDS, None)
        assert isinstance(seen, Answer)
        assert seen.status == status
    assert elsewhere.connections == 0


def test_an_answer_that_was_there_before_the_request_is_not_its_answer(answering, connect):
    def twice(peer, _):
        body = b'{"Value":{"Id":5},"WasSuccessful":true,"Errors":null}'
        one = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
        peer.send(one + one if peer.number == 1 else one.replace(b":5", b":6"))

    api = connect(answering(twice).url)
    assert classify(api.create(FIELDS, None), lambda _: False) == Applied(5)
    assert api.create(FIELDS, None) == NoAnswer("the answer was there before the request, so it answers another one")
    assert classify(api.create(FIELDS, None), lambda _: False) == Applied(6)


def test_a_connection_that_said_something_unreadable_serves_no_other_request(answering, connect, created):
    def answer(peer, _):
        peer.answer(200, b"{]" if peer.number == 1 else created)

    server = answering(answer)
    api = connect(server.url)
    assert isinstance(classify(api.create(FIELDS, None), lambda _: False), InDoubt)
    assert classify(api.create(FIELDS, None), lambda _: False) == Applied(87654321)
    assert server.connections == 2


def test_an_idle_connection_that_the_server_closed_is_not_used_again(serve, connect, created):
    def script(peer):
        if peer.request():
            peer.answer(200, created)

    server = serve(script)
    api = connect(server.url)
    for _ in range(3):
        assert classify(api.create(FIELDS, None), lambda _: False) == Applied(87654321)
        time.sleep(0.05)
    assert server.connections == 3


def test_cookies_are_neither_kept_nor_sent(answering, connect, created):
    requests = []

    def answer(peer, request):
        requests.append(request)
        peer.answer(200, created, "Set-Cookie: session=5\r\n")

    api = connect(answering(answer).url)
    api.create(FIELDS, None)
    api.create(FIELDS, None)
    assert b"ookie" not in requests[1]


def test_a_value_that_json_does_not_know_is_never_sent(answering, connect, created):
    server = answering(lambda peer, _: peer.answer(200, created))
    seen = connect(server.url).create({**FIELDS, "notes": "\ud800"}, Secret("tok_4711_abcdef"))
    assert isinstance(seen, NeverSent)
    assert server.connections == 0
