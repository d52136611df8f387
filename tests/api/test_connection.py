"""Where the API may be, what of the environment counts, and what is loaded when."""

import socket
import subprocess
import sys
from threading import Thread

import httpcore
import orjson
import pytest

from reconcile.adapters.exchange import ApiOptions, ExchangeError, api_root, is_loopback, uptime
from reconcile.adapters.sockets import (
    DeadlineBackend,
    DeadlineStream,
    NoConnectionError,
    Progress,
    _connect,
    under_way,
)
from reconcile.adapters.transport import HttpWire
from reconcile.core.errors import InputError
from reconcile.core.outcomes import Answer, Applied, NeverSent, classify
from reconcile.core.records import Secret

FIELDS = {"coworker_invoice_id": 1}


@pytest.mark.parametrize(
    ("base_url", "root"),
    [
        ("https://spaces.nexudus.com", "https://spaces.nexudus.com/api"),
        ("https://spaces.nexudus.com/", "https://spaces.nexudus.com/api"),
        ("https://spaces.nexudus.com/api", "https://spaces.nexudus.com/api"),
        ("https://spaces.nexudus.com/api/ ", "https://spaces.nexudus.com/api"),
        ("https://proxy.example/nexudus", "https://proxy.example/nexudus/api"),
        ("http://localhost:8080", "http://localhost:8080/api"),
        ("http://127.9.9.9", "http://127.9.9.9/api"),
        ("http://[::1]:8080", "http://[::1]:8080/api"),
    ],
)
def test_the_root_of_the_api_is_found_with_or_without_its_path(base_url, root):
    assert api_root(base_url) == root


@pytest.mark.parametrize(
    ("base_url", "told"),
    [
        ("http://spaces.nexudus.com", "in clear"),
        ("http://128.0.0.1", "in clear"),
        ("http://127.0.0.1.nexudus.com", "in clear"),
        ("http://localhost.nexudus.com", "in clear"),
        ("http://[::2]", "in clear"),
        ("ftp://spaces.nexudus.com", "not the address of an API"),
        ("spaces.nexudus.com", "not the address of an API"),
        ("", "not the address of an API"),
        ("https://", "not the address of an API"),
        ("https://spaces.nexudus.com?token=5", "not the address of an API"),
        ("https://spaces.nexudus.com#x", "not the address of an API"),
        ("https://ann:hunter2@spaces.nexudus.com", "must not hold credentials"),
        ("https://spaces.nexudus.com:port", "cannot be read"),
        ("https://spaces.nexudus.com:0", "cannot be read"),
        ("https://spaces.nexudus.com:99999", "cannot be read"),
        ("https://[::1", "cannot be read"),
        ("https://a b.com", "cannot be read"),
        ("https://" + "a" * 70 + ".com", "cannot be read"),
        ("https://%6c", "cannot be read"),
        ("https://exa$mple.com", "cannot be read"),
        ("https://bücher.example", "cannot be read"),
        ("https://[::1%25lo]", "cannot be read"),
        ("https://spaces.nexudus.com/\x00", "cannot be read"),
    ],
)
def test_what_is_no_safe_address_of_an_api_is_an_input_error(base_url, told):
    with pytest.raises(InputError, match=told) as caught:
        api_root(base_url)
    assert "hunter2" not in str(caught.value)


def test_loopback_is_by_address_or_by_the_name_localhost_only():
    assert all(is_loopback(host) for host in ("localhost", "LOCALHOST", "127.0.0.1", "127.1.2.3", "::1"))
    assert not any(is_loopback(host) for host in ("", "localhost.", "10.0.0.1", "example.com", "1.1.1.1", "127.1"))


def test_the_path_of_the_base_url_is_kept(answering, connect, created):
    heads = []

    def answer(peer, request):
        heads.append(request.partition(b" HTTP/1.1")[0])
        peer.answer(200, created)

    connect(answering(answer).url + "/behind/api").create(FIELDS, None)
    assert heads == [b"POST /behind/api/billing/coworkerinvoicepaymenttokens"]


def secure(created):
    def script(peer):
        peer.secure()
        while peer.request():
            peer.answer(200, created)

    return script


def test_certificates_of_the_environment_count_when_asked_for(serve, connect, created, certificate, monkeypatch):
    url = f"https://localhost:{serve(secure(created)).port}"
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    for asked, kind in ((False, NeverSent), (True, Answer)):
        seen = connect(url, use_environment_proxy=asked).create(FIELDS, None)
        assert type(seen) is kind, seen


def test_a_certificate_of_another_name_is_refused(serve, connect, created, certificate, monkeypatch):
    url = f"https://127.0.0.2:{serve(secure(created)).port}"
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    backend = Elsewhere()
    seen = connect(url, use_environment_proxy=True, backend=backend).create(FIELDS, None)
    assert isinstance(seen, NeverSent)
    assert "not valid for '127.0.0.2'" in seen.reason


class Elsewhere(DeadlineBackend):
    """Reaches every address at 127.0.0.1."""

    def connect_tcp(self, host, port, *arguments, **named):
        assert host == "127.0.0.2"
        return super().connect_tcp("127.0.0.1", port, *arguments, **named)


def test_session_keys_are_never_written_out(serve, connect, created, certificate, monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    url = f"https://localhost:{serve(secure(created)).port}"
    assert isinstance(connect(url, use_environment_proxy=True).create(FIELDS, None), Answer)
    assert list(tmp_path.iterdir()) == []


def test_certificates_that_cannot_be_read_are_an_input_error(monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing"))
    with pytest.raises(InputError, match="certificate authorities"):
        HttpWire(ApiOptions(use_environment_proxy=True))


def test_a_folder_of_certificates_counts_alone(serve, connect, created, monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    url = f"https://localhost:{serve(secure(created)).port}"
    assert isinstance(connect(url, use_environment_proxy=True).create(FIELDS, None), NeverSent)


def tunnel(created, heads, *, status=200):
    """A proxy that speaks for every host behind it."""

    def script(peer):
        heads.append(peer.request())
        peer.send(b"HTTP/1.1 %d Said hunter2\r\n\r\n" % status)
        if status == 200:
            peer.secure()
            heads.append(peer.request())
            peer.answer(200, created)

    return script


def test_the_proxy_of_the_environment_is_used_only_when_asked_for(serve, connect, created, certificate, monkeypatch):
    heads = []
    proxy = serve(tunnel(created, heads))
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("HTTPS_PROXY", f"http://ann:p%40ss@127.0.0.1:{proxy.port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    seen = connect("https://nexudus.test", use_environment_proxy=True).create(FIELDS, Secret("tok_4711"))
    assert classify(seen, lambda _: False) == Applied(87654321)
    assert heads[0].startswith(b"CONNECT nexudus.test:443 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic YW5uOnBAc3M=\r\n" in heads[0]
    assert b"tok_4711" not in heads[0]
    assert b"Proxy-Authorization" not in heads[1]
    assert proxy.connections == 1
    assert isinstance(connect("https://nexudus.test").create(FIELDS, None), NeverSent)
    assert proxy.connections == 1


def test_a_proxy_that_refuses_leaves_the_create_unsent(serve, connect, created, monkeypatch):
    proxy = serve(tunnel(created, [], status=403))
    monkeypatch.setenv("https_proxy", f"127.0.0.1:{proxy.port}")
    seen = connect("https://nexudus.test", use_environment_proxy=True).create(FIELDS, None)
    assert seen == NeverSent("the proxy refused to connect")


def test_a_proxy_that_hangs_up_leaves_the_create_unsent(serve, connect, monkeypatch):
    proxy = serve(lambda peer: peer.request())
    monkeypatch.setenv("https_proxy", f"127.0.0.1:{proxy.port}")
    seen = connect("https://nexudus.test", use_environment_proxy=True).create(FIELDS, None)
    assert seen == NeverSent("the request could not be sent (RemoteProtocolError)")


def test_no_proxy_stands_between_us_and_this_machine(answering, connect, created, monkeypatch):
    proxy = answering(lambda peer, _: peer.answer(500))
    api = answering(lambda peer, _: peer.answer(200, created))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    for asked in (False, True):
        seen = connect(api.url, use_environment_proxy=asked).create(FIELDS, None)
        assert classify(seen, lambda _: False) == Applied(87654321)
    assert proxy.connections == 0


@pytest.mark.parametrize("named", ["socks5://127.0.0.1:1080", "https://127.0.0.1:3128", "http://", "http://a:port"])
def test_a_proxy_of_another_kind_is_an_input_error_without_its_address(monkeypatch, named):
    monkeypatch.setenv("https_proxy", named)
    with pytest.raises(InputError, match="the proxy that the environment names") as caught:
        HttpWire(ApiOptions("https://nexudus.test", use_environment_proxy=True))
    assert "127.0.0.1" not in str(caught.value)


def test_a_host_that_needs_no_proxy_gets_none(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "nexudus.test")
    HttpWire(ApiOptions("https://nexudus.test", use_environment_proxy=True)).close()
    monkeypatch.delenv("https_proxy")
    monkeypatch.delenv("no_proxy")
    HttpWire(ApiOptions("https://nexudus.test", use_environment_proxy=True)).close()


def test_a_deadline_that_has_passed_sends_nothing(answering, created):
    server = answering(lambda peer, _: peer.answer(200, created))
    wire = HttpWire(ApiOptions(server.url))
    with pytest.raises(ExchangeError) as caught:
        wire.exchange("GET", "/x", headers={}, max_bytes=10, deadline=uptime() - 1)
    wire.close()
    assert not caught.value.sent
    assert server.connections == 0


def test_a_name_with_several_addresses_is_reached_at_any_of_them(answering, created, connect):
    server = answering(lambda peer, _: peer.answer(200, created))
    seen = connect(f"http://localhost:{server.port}").create(FIELDS, None)
    assert classify(seen, lambda _: False) == Applied(87654321)


def test_a_port_that_is_no_port_is_no_connection():
    with under_way(Progress(uptime() + 5)), pytest.raises(NoConnectionError):
        DeadlineBackend().connect_tcp("127.0.0.1", 70_000)


def test_a_name_that_takes_too_long_to_look_up_is_no_connection():
    with under_way(Progress(uptime() + 1e-4)), pytest.raises(httpcore.ConnectTimeout):
        DeadlineBackend().connect_tcp("a-name-to-look-up.invalid", 443)


def test_a_name_without_a_usable_address_is_no_connection():
    progress = Progress(uptime() + 5)
    unknown_family = (9999, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 1))
    with pytest.raises(OSError, match=r"."):
        _connect([unknown_family], progress)
    with pytest.raises(OSError, match="no address"):
        _connect([], progress)


def test_the_next_address_is_tried_when_one_refuses(serve):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        refusing = listener.getsockname()
    server = serve(lambda peer: peer.idle())
    found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", at) for at in (refusing, ("127.0.0.1", server.port))]
    connected = _connect(found, Progress(uptime() + 5))
    assert connected.getpeername() == ("127.0.0.1", server.port)
    connected.close()


def test_a_closed_connection_counts_as_readable_so_that_nobody_uses_it():
    ours, theirs = socket.socketpair()
    stream = DeadlineStream(ours)
    assert stream.get_extra_info("is_readable") is False
    theirs.close()
    assert stream.get_extra_info("is_readable") is True
    stream.close()
    assert stream.get_extra_info("is_readable") is True
    assert stream.get_extra_info("server_addr") is None


def test_connections_are_kept_and_their_number_is_the_concurrency(answering, connect, created):
    server = answering(lambda peer, _: peer.answer(200, created))
    api = connect(server.url, concurrency=3)

    def run():
        for _ in range(20):
            assert isinstance(api.create(FIELDS, None), Answer)

    threads = [Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.connections <= 3


def test_nothing_slow_is_loaded_before_the_first_request():
    script = """
import sys
before = set(sys.modules)
from reconcile.adapters.auth import Authenticator, Credentials
from reconcile.adapters.exchange import ApiOptions
from reconcile.adapters.nexudus import Nexudus
from reconcile.adapters.pacing import Pacer
from reconcile.core.records import Secret

class Clock:
    now = monotonic = staticmethod(lambda: 0.0)

access = Authenticator(Credentials(access_token=Secret("x")), "id", Clock())
Nexudus(ApiOptions(), access, Clock(), Pacer(Clock())).close()
print(",".join(set(sys.modules) - before))
"""
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    slow = {"httpx", "httpcore", "h11", "pydantic", "certifi", "ssl", "logging", "email.utils", "uuid", "http.client"}
    assert slow.isdisjoint(loaded.stdout.strip().split(","))


def test_no_log_of_a_library_repeats_what_the_server_said(answering, connect, caplog):
    caplog.set_level(0)
    body = orjson.dumps({"Message": "bad tok_4711_abcdefgh"})
    server = answering(lambda peer, _: peer.answer(400, body, "X-Echo: tok_4711_abcdefgh\r\n"))
    connect(server.url).create(FIELDS, Secret("tok_4711_abcdefgh"))
    assert "tok_4711" not in caplog.text
