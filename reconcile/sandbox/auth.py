"""Who may do what: users, roles, tokens.

Owns the demo administrator, the grants of `POST /api/token` and the reading of an Authorization header. It must not
know the records or write an answer: refusals are values. Tokens live in memory and die with the server, as a revoked
one would.
"""

from __future__ import annotations

import binascii
import secrets
from base64 import b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ACCESS_SECONDS: Final = 86_400
"""Life of an access token in seconds; the shorter of the two documented lives."""

REFRESH_SECONDS: Final = 15 * 86_400
"""Life of a refresh token in seconds (nexudus-api.md, Authentication)."""

ROLE_PREFIX: Final = "CoworkerInvoicePaymentToken-"
"""The roles of a record are this and Create, List, Read, Edit or Delete."""


@dataclass(frozen=True, slots=True)
class User:
    """A person who can sign in.

    Attributes:
        roles: full role names such as `CoworkerInvoicePaymentToken-Read`; None for a full administrator, who has all.
        totp: the fixed code that stands for the second factor; None when there is none.
        must_reset_password: the password grant answers `must_reset_password`.
    """

    email: str
    password: str
    roles: frozenset[str] | None = None
    totp: str | None = None
    must_reset_password: bool = False

    def may(self, verb: str) -> bool:
        """Whether the user has the role `CoworkerInvoicePaymentToken-<verb>`."""
        return self.roles is None or ROLE_PREFIX + verb in self.roles


ADMINISTRATOR: Final = User("admin@sandbox.example", "sandbox-only-password")
"""Always there: published demo credentials, worth nothing outside the sandbox."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A successful answer of the token endpoint."""

    access_token: str
    refresh_token: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A failed answer of the token endpoint: the error's code and its description."""

    error: str
    description: str


@dataclass(frozen=True, slots=True)
class _Session:
    user: User
    client_id: str
    refresh_token: str
    expires: float


class Authority:
    """Issues tokens and recognises them. For one thread only; `clock` gives seconds since the epoch."""

    def __init__(self, users: tuple[User, ...], clock: Callable[[], float]) -> None:
        self._users = {user.email: user for user in (ADMINISTRATOR, *users)}
        self._clock = clock
        self._access: dict[str, tuple[User, float]] = {}
        self._sessions: dict[str, _Session] = {}  # by client_id: a later one kills the earlier

    def grant(self, form: Mapping[str, str], client_id: str | None) -> Grant | Refusal:
        """Answer a token request; `client_id` is the header's value, None when it was not sent."""
        if form.get("grant_type") == "password":
            return self._grant_password(form, client_id)
        if form.get("grant_type") == "refresh_token":
            return self._grant_refresh(form.get("refresh_token", ""), client_id)
        return Refusal("unsupported_grant_type", "The grant type is missing or not supported.")

    def identify(self, authorization: str | None) -> User | None:
        """The user behind an Authorization header (Basic or Bearer), or None."""
        scheme, _, credentials = (authorization or "").partition(" ")
        if scheme.lower() == "bearer":
            return self._find_bearer(credentials.strip())
        if scheme.lower() == "basic":
            return self._find_basic(credentials.strip())
        return None

    def _grant_password(self, form: Mapping[str, str], client_id: str | None) -> Grant | Refusal:
        user = self._check_password(form.get("username", ""), form.get("password", ""))
        if user is None:
            return Refusal("invalid_grant", "The user name or password is incorrect.")
        if user.must_reset_password:
            return Refusal("must_reset_password", "The password has to be reset.")
        if user.totp is not None and not form.get("totp"):
            return Refusal("two_factor_auth_check", "A two-factor authentication code is required.")
        if user.totp is not None and form["totp"] != user.totp:
            return Refusal("invalid_grant", "The two-factor authentication code is incorrect.")
        return self._issue(user, client_id or user.email)

    def _grant_refresh(self, refresh_token: str, client_id: str | None) -> Grant | Refusal:
        for session in self._sessions.values():
            if session.refresh_token == refresh_token and session.client_id == (client_id or session.user.email):
                if session.expires <= self._clock():
                    break
                return self._issue(session.user, session.client_id)
        return Refusal("invalid_grant", "The refresh token is unknown, expired, or belongs to another client_id.")

    def _issue(self, user: User, client_id: str) -> Grant:
        now = self._clock()
        granted = Grant(secrets.token_urlsafe(32), secrets.token_urlsafe(32))
        self._access[granted.access_token] = (user, now + ACCESS_SECONDS)
        self._sessions[client_id] = _Session(user, client_id, granted.refresh_token, now + REFRESH_SECONDS)
        return granted

    def _find_bearer(self, token: str) -> User | None:
        user, expires = self._access.get(token, (None, 0.0))
        return user if expires > self._clock() else None

    def _find_basic(self, credentials: str) -> User | None:
        try:
            email, _, password = b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return self._check_password(email, password)

    def _check_password(self, email: str, password: str) -> User | None:
        user = self._users.get(email)
        return user if user is not None and user.password == password else None
