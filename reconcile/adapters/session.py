"""Requests to the API with access to it, and reads repeated until they say something.

Owns the use of one authenticator over one wire: which header a thread sent last, a stale one renewed once, waits of a
throttled or failing read. A write goes through `exchange`, exactly once. Must not know what is asked for.
"""

from collections.abc import Mapping
from threading import Lock, local
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from reconcile.adapters.answers import retry_after
from reconcile.adapters.auth import Authenticator, LoginThrottledError
from reconcile.adapters.exchange import MIB, ApiOptions, ExchangeError, PostForm, RawAnswer, api_root, uptime
from reconcile.core.errors import ApiError
from reconcile.core.quota import QuotaError
from reconcile.core.records import Secret
from reconcile.ports import Clock

if TYPE_CHECKING:
    from httpcore import NetworkBackend

    from reconcile.adapters.transport import HttpWire

READ_TRIES = 4
"""How often a read that fails is tried in all; the waits in between are 1, 2 and 4 seconds."""

PATIENCE = 900.0
"""Seconds for which a read may be throttled on end before the run stops."""

_LONGEST_BACKOFF = 60.0
_LONGEST_LOGIN_ANSWER = 1 * MIB


class ReadPace(Protocol):
    """When the next read, or request for access, may leave (`pacing.Pacer`)."""

    def before_read(self) -> None:
        """Waits for its turn."""
        ...

    def pause(self, seconds: float) -> None:
        """Nothing leaves for so long."""
        ...


class Session:
    """One API, one access, shared by threads. Nothing is loaded or connected before the first request.

    Attributes:
        host: The API's host, for messages.
        dated: The server's last `Date` header as it came, empty when it sent none, and when by the monotonic clock.
    """

    def __init__(
        self,
        options: ApiOptions,
        authenticator: Authenticator,
        clock: Clock,
        pace: ReadPace,
        backend: "NetworkBackend | None" = None,
    ) -> None:
        self.host = urlsplit(api_root(options.base_url)).netloc
        self.dated = ("", 0.0)
        self._options = options
        self._authenticator = authenticator
        self._clock = clock
        self._pace = pace
        self._backend = backend
        self._used = local()
        self._wire_made: HttpWire | None = None
        self._wire_lock = Lock()

    def deadline(self) -> float:
        """When a request that begins now is given up, in `uptime` seconds."""
        return uptime() + self._options.timeout_seconds

    def secrets(self, *tokens: Secret | None) -> tuple[Secret, ...]:
        """What no message may repeat: the credentials, and the tokens that were sent."""
        return (*(token for token in tokens if token is not None), *self._authenticator.secrets)

    def authorization(self, deadline: float) -> str:
        """The `Authorization` header for this thread's next request. Raises as `Authenticator.authorization`."""
        self._used.header = self._authenticator.authorization(self._post(deadline))
        return self._used.header

    def sign_in(self) -> None:
        """Gets access where a login is due, and loads what requests need.

        For before the first paced write: writes that took their turns, then waited for the login together, would all
        leave at once.

        Raises:
            ApiError: The login was refused, or no answer came.
            InputError: The login needs something else.
            QuotaError: It was throttled for longer than `PATIENCE`, or the quota is used up.
        """
        self._wire()
        tries = _Tries()
        while self._authenticator.needs_login:
            try:
                self.authorization(self.deadline())
            except ExchangeError as error:
                if tries.are_used_up():
                    raise self._unreachable(error) from None
                self._clock.sleep(tries.next_wait())
            except LoginThrottledError as error:
                self._wait_out(tries, error.retry_after)

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
        """Sends one request, once. Raises ExchangeError; see `HttpWire.exchange`."""
        raw = self._wire().exchange(
            method, path, headers=headers, max_bytes=max_bytes, deadline=deadline, content=content, params=params
        )
        self.dated = (raw.date, self._clock.monotonic())
        return raw

    def refresh(self) -> bool:
        """Gets another header than this thread sent last; False when there is no way to one.

        Raises:
            ApiError: The login was refused, or the API cannot be reached.
            InputError: The login needs something else.
            QuotaError: The API throttles logins.
        """
        try:
            return self._authenticator.refresh(getattr(self._used, "header", ""), self._post(self.deadline()))
        except ExchangeError as error:
            raise self._unreachable(error) from None
        except LoginThrottledError as error:
            self._pace.pause(error.retry_after or 0.0)
            raise QuotaError("the API throttles logins", help="run the command again in a while") from None

    def read(self, path: str, params: Mapping[str, str | int] | None = None, *, max_bytes: int) -> RawAnswer:
        """The first answer to a GET that says something: not throttled, not out of order, not to a stale access.

        Raises:
            ApiError: No answer came, or the login was refused.
            QuotaError: It was throttled for longer than `PATIENCE`, or the quota is used up.
        """
        tries = _Tries()
        while True:
            try:
                raw = self._get(path, params, max_bytes)
            except ExchangeError as error:
                if tries.are_used_up():
                    raise self._unreachable(error) from None
                self._clock.sleep(tries.next_wait())
            except LoginThrottledError as error:
                self._wait_out(tries, error.retry_after)
            else:
                if self._is_worth_showing(raw, tries):
                    return raw

    def close(self) -> None:
        """Closes every connection."""
        if self._wire_made is not None:
            self._wire_made.close()

    def _get(self, path: str, params: Mapping[str, str | int] | None, max_bytes: int) -> RawAnswer:
        headers = {"Authorization": self.authorization(self.deadline())}  # a login comes before the turn of the read
        self._pace.before_read()
        return self.exchange("GET", path, headers=headers, params=params, max_bytes=max_bytes, deadline=self.deadline())

    def _is_worth_showing(self, raw: RawAnswer, tries: "_Tries") -> bool:
        """False when the read is to be tried again, after the wait that this takes."""
        if raw.status in {409, 429}:
            self._wait_out(tries, retry_after(raw, self._clock.now()))
            return False
        if raw.status in {401, 403} and not tries.renewed:
            tries.renewed = True
            return not self.refresh()
        if (raw.status == 408 or raw.status >= 500) and not tries.are_used_up():
            self._clock.sleep(tries.next_wait())
            return False
        return True

    def _wait_out(self, tries: "_Tries", told: float | None) -> None:
        now = self._clock.monotonic()
        wait = tries.next_backoff() if told is None else told
        if now - tries.throttled_since(now) > PATIENCE:
            raise QuotaError("the API keeps throttling every read", help="run the command again in a while")
        self._pace.pause(wait)

    def _unreachable(self, error: ExchangeError) -> ApiError:
        return ApiError(
            f"the API at {self.host} did not answer: {error.reason}",
            code="unreachable",
            help="check the network, and api.base_url in reconcile.yaml or NEXUDUS_BASE_URL",
        )

    def _post(self, deadline: float) -> PostForm:
        def post(path: str, form: Mapping[str, str], headers: Mapping[str, str]) -> RawAnswer:
            from urllib.parse import urlencode

            self._pace.before_read()
            return self.exchange(
                "POST",
                path,
                headers={**headers, "Content-Type": "application/x-www-form-urlencoded"},
                content=urlencode(form).encode("ascii"),
                max_bytes=_LONGEST_LOGIN_ANSWER,
                deadline=deadline,
            )

        return post

    def _wire(self) -> "HttpWire":
        if self._wire_made is None:
            from reconcile.adapters.transport import HttpWire

            with self._wire_lock:
                self._wire_made = self._wire_made or HttpWire(self._options, self._backend)
        return self._wire_made


class _Tries:
    """How often one read was tried, and how long it has been throttled."""

    __slots__ = ("_backoff", "_failed", "_since", "renewed")

    def __init__(self) -> None:
        self.renewed = False
        self._failed = 0
        self._backoff = 0.5
        self._since: float | None = None

    def are_used_up(self) -> bool:
        return self._failed + 1 >= READ_TRIES

    def next_wait(self) -> float:
        self._failed += 1
        return 2.0 ** (self._failed - 1)

    def next_backoff(self) -> float:
        self._backoff = min(self._backoff * 2, _LONGEST_BACKOFF)
        return self._backoff

    def throttled_since(self, now: float) -> float:
        self._since = now if self._since is None else self._since
        return self._since
