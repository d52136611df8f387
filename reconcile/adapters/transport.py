"""Requests to one API over httpx: sent once, no redirect followed, every answer bounded in time and size.

Owns: the connection pool, TLS, the proxy of the environment, and reading answers as JSON. Must not know what a request
means nor with which credentials it goes. Importing this loads httpx, so only `Nexudus` does, once it is used.
"""

import json
import logging
import os
import ssl
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from queue import Empty, LifoQueue
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import certifi
import httpcore
import httpx
import orjson

from reconcile import __version__
from reconcile.adapters.exchange import ApiOptions, ExchangeError, RawAnswer, api_root, is_loopback
from reconcile.adapters.sockets import DeadlineBackend, DeadlineStream, NoConnectionError, Progress, under_way
from reconcile.core.errors import InputError

IDLE_SECONDS = 5.0
"""How long an idle connection is kept. Short, because a server that has closed one leaves the next create in doubt."""

_HEADERS = {"User-Agent": f"reconcile/{__version__}", "Accept": "application/json", "Accept-Encoding": "identity"}
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class _UnusableAnswerError(Exception):
    """An answer came and cannot be used; the message is our own."""


class DeadlineTransport(httpx.BaseTransport):
    """httpx's way to an httpcore pool, without the cookies: no answer may change the next request."""

    def __init__(self, pool: httpcore.ConnectionPool) -> None:
        self._pool = pool

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends `request` over a connection of the pool; its body has yet to be read."""
        url = request.url
        answer = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            status_code=answer.status,
            headers=[(name, value) for name, value in answer.headers if name.lower() != b"set-cookie"],
            stream=_AnswerBody(answer),
            extensions=cast("dict[str, object]", cast("Any", answer).extensions),
        )

    def close(self) -> None:
        """Closes every connection."""
        self._pool.close()


class _AnswerBody(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        return self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


class HttpWire:
    """Sends requests to one API and brings back complete answers.

    Args:
        options: Where the API is, and how it may be reached.
        backend: The network; another one only in tests.

    Raises:
        InputError: The address, or the proxy or the certificates of the environment, cannot be used.
    """

    def __init__(self, options: ApiOptions, backend: httpcore.NetworkBackend | None = None) -> None:
        # Their records hold headers and reason phrases as they came: a server that echoes a token would have it logged.
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._root = api_root(options.base_url)
        root = httpx.URL(self._root)
        self._tls = _tls(use_environment=options.use_environment_proxy) if root.scheme == "https" else None
        self._proxy = _proxy_to(root) if options.use_environment_proxy else None
        self._backend = backend or DeadlineBackend()
        # A shared httpcore pool (1.0.9, encode/httpcore#1110) may close, as idle, a connection on which another thread
        # has just begun: a create would be left in doubt. So each client has one connection and serves one at a time.
        self._idle: LifoQueue[httpx.Client | None] = LifoQueue()
        for _ in range(options.concurrency):
            self._idle.put(None)

    def exchange(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        max_bytes: int,
        deadline: float,
        content: bytes | None = None,
        params: Mapping[str, str | int] | None = None,
    ) -> RawAnswer:
        """Sends one request, once, and reads its whole answer.

        Args:
            method: The HTTP method.
            path: Below the API's root, with its leading slash.
            headers: Besides those that every request carries.
            max_bytes: A longer answer is given up as unreadable.
            deadline: When the request is given up, in `uptime` seconds.
            content: The body.
            params: The query. Never a token: URLs are logged all along their way.

        Raises:
            ExchangeError: No complete answer came; it says whether anything was sent.
        """
        progress = Progress(deadline)
        try:
            with under_way(progress), self._free_client(progress) as client:
                request = client.build_request(
                    method, self._root + path, headers=headers, content=content, params=params
                )
                return _answer_to(client.send(request, stream=True), progress, max_bytes)
        except Exception as error:  # noqa: BLE001 - whatever breaks below, what must not get lost is whether bytes left
            raise ExchangeError(_reason(error, progress), sent=progress.sent) from None

    def close(self) -> None:
        """Closes every connection that is not in use."""
        while True:
            try:
                client = self._idle.get_nowait()
            except Empty:
                return
            if client is not None:
                client.close()

    @contextmanager
    def _free_client(self, progress: Progress) -> Generator[httpx.Client]:
        """A client for this request alone; the one used last, whose connection is the likeliest to be alive."""
        try:
            client = self._idle.get(timeout=progress.left())
        except Empty:
            raise TimeoutError from None
        try:
            client = client or self._new_client()
            yield client
        finally:
            self._idle.put(client)

    def _new_client(self) -> httpx.Client:
        pool = httpcore.ConnectionPool(
            ssl_context=self._tls,
            proxy=self._proxy,
            max_connections=1,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=self._backend,
        )
        # No time-out: the deadline of the sockets stands above all that httpx could set.
        return httpx.Client(
            transport=DeadlineTransport(pool),
            headers=_HEADERS,
            timeout=httpx.Timeout(None),
            trust_env=False,
            follow_redirects=False,
        )


def _answer_to(response: httpx.Response, progress: Progress, max_bytes: int) -> RawAnswer:
    try:
        answer = _read(response, max_bytes)
        is_ours = progress.heard
        if not is_ours or not (answer.is_json or answer.is_empty):
            _spoil(response)
    finally:
        response.close()
    if not is_ours:
        raise _UnusableAnswerError("the answer was there before the request, so it answers another one")
    return answer


def _read(response: httpx.Response, max_bytes: int) -> RawAnswer:
    body = bytearray()
    for chunk in cast("httpx.SyncByteStream", response.stream):
        body += chunk
        if len(body) > max_bytes:
            raise _UnusableAnswerError(f"HTTP {response.status_code} with an answer of more than {max_bytes:,} bytes")
    headers = response.headers
    is_plain = headers.get("content-encoding", "identity").strip().lower() in {"", "identity"}
    document, is_json = _decoded(bytes(body)) if is_plain else (None, False)
    return RawAnswer(
        status=response.status_code,
        document=document,
        body=bytes(body),
        is_json=is_json,
        is_empty=not body,
        retry_after=tuple(headers.get_list("retry-after")),
        date=headers.get("date", ""),
    )


def _decoded(body: bytes) -> tuple[object, bool]:
    try:
        text = body.removeprefix(_BYTE_ORDER_MARK)
        document = orjson.loads(text)
        json.loads(text, object_pairs_hook=_require_each_name_once)
    except (ValueError, RecursionError):
        return None, False
    return document, True


def _require_each_name_once(pairs: list[tuple[str, object]]) -> None:
    # orjson lets the last of two win: an answer that says both yes and no would be taken at its last word.
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name stands twice in one object")


def _spoil(response: httpx.Response) -> None:
    stream = response.extensions.get("network_stream")
    if isinstance(stream, DeadlineStream):
        stream.spoil()


def _reason(error: Exception, progress: Progress) -> str:
    """What was seen, in our own words: the lower error's may repeat what the server sent."""
    if isinstance(error, _UnusableAnswerError | NoConnectionError):
        return str(error)
    if isinstance(error, httpcore.TimeoutException | TimeoutError):
        return (
            "no complete answer within the time allowed" if progress.sent else "no connection within the time allowed"
        )
    if progress.heard:
        return "the answer broke off, or was no HTTP"
    if progress.sent:
        return "the connection ended before an answer"
    if isinstance(error, httpcore.ProxyError):
        return "the proxy refused to connect"
    return f"the request could not be sent ({type(error).__name__})"


def _tls(*, use_environment: bool) -> ssl.SSLContext:
    """Verifies names and certificates. Made bare, because the default context writes session keys where told to."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    file = os.environ.get("SSL_CERT_FILE") if use_environment else None
    folder = os.environ.get("SSL_CERT_DIR") if use_environment else None
    try:
        context.load_verify_locations(file or (None if folder else certifi.where()), folder or None)
    except OSError:
        raise InputError(
            "the certificate authorities named by SSL_CERT_FILE or SSL_CERT_DIR cannot be read", code="certificates"
        ) from None
    return context


def _proxy_to(root: httpx.URL) -> httpcore.Proxy | None:
    """The environment's proxy on the way to `root`; never one on the way to this machine."""
    from urllib.request import getproxies, proxy_bypass

    if is_loopback(root.host) or proxy_bypass(root.host):
        return None
    proxies = getproxies()
    named = proxies.get(root.scheme) or proxies.get("all")
    if not named:
        return None
    try:
        parts = urlsplit(named if "://" in named else f"http://{named}")
        port = parts.port or 80
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme != "http" or not parts.hostname:
        raise InputError(
            "the proxy that the environment names is not of the form http://host:port",
            code="proxy",
            help="set HTTPS_PROXY to such an address, or do without --use-environment-proxy",
        )
    login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    return httpcore.Proxy(httpcore.URL(scheme="http", host=parts.hostname, port=port, target="/"), auth=login)
