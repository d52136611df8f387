"""One request and its answer, as the API client's parts hand them to each other; light enough to import anywhere.

Owns where the API may be (https, or plain http on this machine) and what a failed exchange says: whether a byte of the
request may have left. Must not know how bytes travel (`transport.py`) nor what they mean (`nexudus.py`).
"""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from reconcile.core.errors import InputError

MIB = 1024 * 1024

_AWAKE = getattr(time, "CLOCK_BOOTTIME", None)


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """Where the API is and how it may be reached.

    Attributes:
        base_url: The API's address, with or without its `/api`; checked by `api_root`.
        timeout_seconds: Total, per request: name look-up, connection, sending and the whole answer together.
        concurrency: Connections at most, open and idle.
        use_environment_proxy: Whether the proxy and the certificate authorities named in the environment count.
    """

    base_url: str = "https://spaces.nexudus.com"
    timeout_seconds: float = 60.0
    concurrency: int = 8
    use_environment_proxy: bool = False


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """A complete HTTP answer, decoded and not yet understood.

    Attributes:
        document: The JSON of the body, not redacted: never to be printed. None when there is none.
        body: The body as it came; never to be printed either.
        is_json: Whether the body is complete, valid JSON in no encoding.
        is_empty: Whether there is no body.
        retry_after: The `Retry-After` headers as they came.
        date: The `Date` header as it came.
    """

    status: int
    document: object = field(default=None, repr=False)
    body: bytes = field(default=b"", repr=False)
    is_json: bool = False
    is_empty: bool = False
    retry_after: tuple[str, ...] = field(default=(), repr=False)
    date: str = field(default="", repr=False)


class ExchangeError(Exception):
    """A request without a complete answer.

    Attributes:
        reason: What was seen, in our own words: nothing that came over the wire.
        sent: Whether a byte of the request may have reached anybody.
    """

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sent = sent


PostForm = Callable[[str, Mapping[str, str], Mapping[str, str]], RawAnswer]
"""Posts a form to a path below the API's root, with extra headers, at the pace of reads.

Raises ExchangeError, and whatever its pace raises: nothing was sent then.
"""


def uptime() -> float:
    """Seconds that never go back and go on while the machine sleeps: a deadline has to pass then too."""
    return time.monotonic() if _AWAKE is None else time.clock_gettime(_AWAKE)


def api_root(base_url: str) -> str:
    """The address of the API up to and including `/api`.

    Raises:
        InputError: It is no such address, or plain http to another machine: tokens would cross the network in clear.
    """
    parts = _split(base_url)
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"} or not host or parts.query or parts.fragment:
        raise InputError(
            "api.base_url is not the address of an API", code="base-url", help="for example https://spaces.nexudus.com"
        )
    if "@" in parts.netloc:
        raise InputError(
            "api.base_url must not hold credentials",
            code="base-url",
            help="set NEXUDUS_USERNAME and NEXUDUS_PASSWORD, or NEXUDUS_ACCESS_TOKEN",
        )
    if parts.scheme == "http" and not is_loopback(host):
        raise InputError(
            f"plain http to {host} would send tokens in clear", code="base-url", help="write https:// instead"
        )
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path if path.endswith('/api') else path + '/api'}"


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine, by its name or its address."""
    if host.lower() == "localhost":
        return True
    from ipaddress import ip_address

    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _split(base_url: str) -> SplitResult:
    text = base_url.strip()
    try:
        parts = urlsplit(text)
        is_usable = parts.port != 0 and text.isprintable() and _is_host(parts.hostname or "") is not None
    except ValueError:
        is_usable, parts = False, urlsplit("")
    if not is_usable:
        raise InputError(
            "api.base_url cannot be read as an address", code="base-url", help="for example https://spaces.nexudus.com"
        )
    return parts


# A name in another script is written in its ASCII form (xn--...), so that it reads the same to every library.
_is_host = re.compile(r"|[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?|[0-9A-Fa-f:.]+").fullmatch
