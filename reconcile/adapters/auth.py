"""Access to the API: what proves who we are, and how that is renewed (nexudus-api.md, "Authentication").

Owns the login and the refresh, one at a time however many threads need one. Must not know what the access is used for.
Passwords and access tokens stay wrapped; no message, representation or error here holds one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Literal

from reconcile.adapters.answers import mapping, retry_after, words_of
from reconcile.adapters.exchange import ExchangeError, PostForm, RawAnswer
from reconcile.core.errors import ApiError, InputError, ReconcileError
from reconcile.core.records import Secret
from reconcile.ports import Clock

TOKEN_PATH = "/token"  # noqa: S105 - a path of the API

RENEW_BEFORE = 120.0
"""Seconds before its end at which an access token is renewed; a tenth of its life when that is less."""


class LoginThrottledError(Exception):
    """The login has to wait; `retry_after` is in seconds, None when the server did not say."""

    def __init__(self, retry_after: float | None) -> None:
        super().__init__("the login has to wait")
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Credentials:
    """What proves who we are: an access token, a username with its password, or both.

    Attributes:
        scheme: `basic` sends username and password with every request; `bearer` an access token.
        access_token: Used first; it cannot be renewed without username and password.
        totp: The one-time code of two-factor authentication; good for one login.

    Raises:
        InputError: Nothing in it opens the API.
    """

    scheme: Literal["bearer", "basic"] = "bearer"
    access_token: Secret | None = None
    username: str = ""
    password: Secret | None = None
    totp: Secret | None = None

    def __post_init__(self) -> None:
        if self.has_login or (self.access_token is not None and self.scheme == "bearer"):
            return
        raise InputError(
            "credentials of the API are missing" if not self.username else "the password of the API's user is missing",
            code="credentials-missing",
            help="set NEXUDUS_USERNAME and NEXUDUS_PASSWORD, or NEXUDUS_ACCESS_TOKEN (each also as …_FILE)",
        )

    @property
    def has_login(self) -> bool:
        """Whether a login is possible."""
        return bool(self.username) and self.password is not None


@dataclass(frozen=True, slots=True)
class _Access:
    """An `Authorization` header and how it can be renewed. Times are the clock's monotonic ones."""

    header: Secret
    renew_at: float = float("inf")
    refresh_token: Secret | None = None


class Authenticator:
    """Hands out the `Authorization` header; shared by all threads.

    Args:
        credentials: What proves who we are.
        client_id: Names this installation and runner to the API, and no other at the same time: a login under the same
            name ends the one before.
        clock: Tells when an access token is due.
    """

    def __init__(self, credentials: Credentials, client_id: str, clock: Clock) -> None:
        self._credentials = credentials
        self._client_id = {"client_id": client_id}
        self._clock = clock
        self._lock = Lock()
        self._access = _given(credentials)
        self._refused: ReconcileError | None = None
        self._secrets: tuple[Secret, ...] = tuple(
            secret
            for secret in (credentials.access_token, credentials.password, credentials.totp)
            if secret is not None
        )

    def __repr__(self) -> str:
        return f"Authenticator({self._credentials.scheme})"

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Everything that must not be repeated by a message."""
        return self._secrets

    @property
    def needs_login(self) -> bool:
        """Whether the next `authorization` has to ask the API for access first."""
        access = self._access
        return access is None or self._clock.monotonic() >= access.renew_at

    def authorization(self, post: PostForm) -> str:
        """The header to send now; logs in, or renews an access token that is about to end, when it has to.

        Raises:
            ApiError: The login was refused, or its answer cannot be used.
            InputError: The login needs something else: a one-time code, a new password.
            ExchangeError: The API could not be reached for a login, or is out of order.
            LoginThrottledError: Too many requests.
            ReconcileError: Whatever keeps `post` from sending.
        """
        access = self._access
        if access is None or self._clock.monotonic() >= access.renew_at:
            access = self._renewed(access, post)
        return access.header.reveal()

    def refresh(self, stale: str, post: PostForm) -> bool:
        """Gets another header than `stale`; True at once when another thread has already done so.

        Returns:
            False when there is no way to one: an access token alone, or a username and password sent every time.

        Raises:
            ApiError: As `authorization`; also when an earlier login was refused: it is not tried again.
            InputError: As `authorization`.
            ExchangeError: As `authorization`.
            LoginThrottledError: As `authorization`.
        """
        if self._refused is not None:
            raise self._refused
        access = self._access
        if access is not None and access.header.reveal() != stale:
            return True
        if self._credentials.scheme == "basic" or not self._credentials.has_login:
            return False
        self._renewed(access, post)
        return True

    def _renewed(self, old: _Access | None, post: PostForm) -> _Access:
        with self._lock:
            if self._access is not None and self._access is not old:
                return self._access
            if self._refused is not None:
                raise self._refused
            try:
                self._access = self._obtained(old, post)
            except (ApiError, InputError) as error:
                self._refused = error
                raise
            return self._access

    def _obtained(self, old: _Access | None, post: PostForm) -> _Access:
        if old is not None and old.refresh_token is not None:
            token = old.refresh_token.reveal()
            answer = post(TOKEN_PATH, {"grant_type": "refresh_token", "refresh_token": token}, self._client_id)
            if answer.status == 200:
                return self._access_of(answer)
        return self._access_of(post(TOKEN_PATH, self._login_form(), self._client_id))

    def _login_form(self) -> Mapping[str, str]:
        credentials = self._credentials
        assert credentials.password is not None  # noqa: S101 - an access token alone is never renewed
        form = {"grant_type": "password", "username": credentials.username, "password": credentials.password.reveal()}
        return form if credentials.totp is None else {**form, "totp": credentials.totp.reveal()}

    def _access_of(self, answer: RawAnswer) -> _Access:
        if answer.status in {409, 429}:
            raise LoginThrottledError(retry_after(answer, self._clock.now()))
        if answer.status == 408 or answer.status >= 500:
            raise ExchangeError(f"HTTP {answer.status} to a login", sent=True)
        body = mapping(answer.document) or {}
        token = body.get("access_token")
        if answer.status != 200 or not _is_header_text(token):
            raise _refusal(answer, body, words_of(answer, self._secrets))
        refresh_token = body.get("refresh_token")
        access = _Access(
            header=Secret(f"Bearer {token}"),
            renew_at=self._clock.monotonic() + _useful_life(body.get("expires_in")),
            refresh_token=Secret(refresh_token) if isinstance(refresh_token, str) and refresh_token else None,
        )
        given = (Secret(str(token)), access.refresh_token)
        self._secrets = (*self._secrets[-6:], *(secret for secret in given if secret is not None))
        return access


def _given(credentials: Credentials) -> _Access | None:
    """The access that needs no login."""
    if credentials.scheme == "basic":
        from base64 import b64encode

        assert credentials.password is not None  # noqa: S101 - Credentials makes sure of it
        pair = f"{credentials.username}:{credentials.password.reveal()}".encode()
        return _Access(Secret(f"Basic {b64encode(pair).decode('ascii')}"))
    if credentials.access_token is None:
        return None
    token = credentials.access_token.reveal().strip()
    if not _is_header_text(token):
        raise InputError("NEXUDUS_ACCESS_TOKEN is not an access token", code="credentials-invalid")
    return _Access(Secret(f"Bearer {token}"))


def _is_header_text(token: object) -> bool:
    return isinstance(token, str) and token.isascii() and token.isprintable() and bool(token) and " " not in token


def _useful_life(expires_in: object) -> float:
    """Seconds until a token is due; for ever when its life is not told, so that a 401 has to tell."""
    try:
        life = float(expires_in) if isinstance(expires_in, int | float | str) else float("inf")
    except ValueError:
        return float("inf")
    return life - min(RENEW_BEFORE, life / 10) if life > 0 else float("inf")


def _refusal(answer: RawAnswer, body: Mapping[str, object], words: str) -> ReconcileError:
    """What a login without an access token in its answer comes to."""
    told = f": {words}" if words else ""
    match body.get("error"):
        case "two_factor_auth_check":
            return InputError(
                "the login needs a one-time code", code="totp", help="set NEXUDUS_TOTP to the authenticator's code"
            )
        case "must_reset_password":
            return InputError(
                "the password has expired",
                code="password-expired",
                help="log in to Nexudus by browser and set a new one",
            )
        case "invalid_grant":
            return ApiError(
                f"the login was refused{told}", code="login", help="check NEXUDUS_USERNAME and NEXUDUS_PASSWORD"
            )
        case "unsupported_grant_type":
            return ApiError(f"the API does not take this kind of login{told}", code="login", help=_CHECK_ADDRESS)
        case _:
            if answer.status in {400, 401, 403} and answer.is_json:
                return ApiError(f"the login was refused (HTTP {answer.status}){told}", code="login", help=_CHECK_USER)
            return ApiError(f"the login got HTTP {answer.status} without an access token{told}", help=_CHECK_ADDRESS)


_CHECK_USER = "check NEXUDUS_USERNAME and NEXUDUS_PASSWORD"
_CHECK_ADDRESS = "check api.base_url in reconcile.yaml, or NEXUDUS_BASE_URL"
