"""What each setting may be: a plain function for each kind of value, and one table of them. Pure: it opens nothing.

Not a pydantic model, because every command reads settings, and importing pydantic takes longer than planning a small
folder.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from reconcile.core.diagnostics import Location
from reconcile.core.quota import Limits

PUBLISHED_URL: Final = "https://spaces.nexudus.com"

# The form that is the same number in every version of YAML: no leading zeros, signs, exponents or underscores.
_is_whole = re.compile(r"(?:0|[1-9][0-9]{0,14})\Z").match
_is_number = re.compile(r"(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?\Z").match
_is_host = re.compile(r"[A-Za-z0-9.-]+\Z|[0-9A-Fa-f:.]+\Z").match


class Given(NamedTuple):
    """One setting as somebody wrote it."""

    name: str
    text: str
    is_plain: bool
    location: Location | None

    @property
    def is_from_file(self) -> bool:
        """Whether it may come from a stranger's pull request."""
        return self.location is not None


class InvalidSettingError(Exception):
    """One sentence on what is wrong with a value, and what to write instead."""

    def __init__(self, message: str, help: str = "", code: str = "invalid-setting") -> None:  # noqa: A002 - as elsewhere
        super().__init__(message)
        self.message, self.help, self.code = message, help, code


def _text(given: Given) -> str:
    if not given.text or (given.is_plain and given.text in {"null", "~"}):
        raise InvalidSettingError("a value is missing", "remove the key to use its default")
    return given.text


def _prefix(given: Given) -> str:
    return given.text if not given.text and not (given.is_from_file and given.is_plain) else _text(given)


def _folder(given: Given) -> str:
    path = _text(given)
    parts = PurePosixPath(path).parts
    if given.is_from_file and (path.startswith("/") or ".." in parts):
        help_ = "name a folder inside the project; the environment or a flag may point elsewhere"
        raise InvalidSettingError("this folder is outside of the project", help_, "folder-outside")
    return path


def _number(given: Given, lowest: float, highest: float) -> float:
    number = float(given.text) if given.is_plain and _is_number(given.text) else -1.0
    if not lowest <= number <= highest:
        raise InvalidSettingError(f"a number from {lowest:g} to {highest:,g} is needed, in plain digits")
    return number


def _whole(given: Given, lowest: int, highest: int) -> int:
    number = int(given.text) if given.is_plain and _is_whole(given.text) else -1
    if not lowest <= number <= highest:
        raise InvalidSettingError(f"a whole number from {lowest:,} to {highest:,} is needed, in plain digits")
    return number


def _bound(given: Given) -> int | None:
    """A whole number, or `null` for no bound."""
    return None if given.is_plain and given.text == "null" else _whole(given, 0, 10**9)


def _limit(given: Given) -> int | None:
    return None if given.is_plain and given.text == "null" else _whole(given, 1, 10**9)


def _share(given: Given) -> float | None:
    return None if given.is_plain and given.text == "null" else _number(given, 0, 1)


def _policy(given: Given) -> object:
    """A rule of `core/policy.py`, or `null` for none."""
    if given.is_plain and given.text == "null":
        return None
    from reconcile.core.policy import PolicyError, read_rule

    try:
        return read_rule(given.name.removeprefix("policy."), _text(given))
    except PolicyError as error:
        raise InvalidSettingError(str(error), error.help) from None


def _flag(given: Given) -> bool:
    if not given.is_plain or given.text not in {"true", "false"}:
        raise InvalidSettingError("true or false is needed")
    return given.text == "true"


def _authentication(given: Given) -> str:
    if given.text not in {"bearer", "basic"}:
        raise InvalidSettingError("bearer or basic is needed")
    return given.text


def _base_url(given: Given) -> str:
    url = _text(given).rstrip("/")
    if url == PUBLISHED_URL:
        return url
    from urllib.parse import urlsplit  # a tenth of what starting the tool takes, for an address that is seldom another

    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        raise InvalidSettingError("this is not a URL", "write https://spaces.nexudus.com") from None
    is_plain = _is_host(host) and url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in {"https", "http"} or not is_plain or parts.query or parts.fragment or "@" in parts.netloc:
        raise InvalidSettingError("this is not the address of an API", "write https://spaces.nexudus.com")
    if parts.scheme == "http" and not is_loopback(host):
        raise InvalidSettingError("plain http would send tokens in the clear", "use https", "plain-http")
    if given.is_from_file and not (host == "nexudus.com" or host.endswith(".nexudus.com") or is_loopback(host)):
        help_ = "set NEXUDUS_BASE_URL instead: manifests and settings may come from a stranger's pull request"
        raise InvalidSettingError("a host outside nexudus.com counts only from the environment", help_, "foreign-host")
    return url


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by name or number."""
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


RULES: Final[Mapping[str, Callable[[Given], object]]] = {
    "manifests": _folder,
    "state.path": _folder,
    "api.base_url": _base_url,
    "api.timeout_seconds": partial(_number, lowest=0.001, highest=86_400),
    "api.settle_seconds": partial(_number, lowest=0.001, highest=86_400),
    "api.concurrency": partial(_whole, lowest=1, highest=64),
    "api.authentication": _authentication,
    "api.use_environment_proxy": _flag,
    **{f"api.limits.{name}": _limit for name in Limits._fields},
    "safety.max_creates": _bound,
    "safety.max_updates": _bound,
    "safety.max_deletes": _bound,
    "safety.max_create_share": _share,
    "safety.max_update_share": _share,
    "safety.max_delete_share": _share,
    "safety.max_consecutive_rejections": partial(_whole, lowest=1, highest=10**6),
    "policy.allowed_providers": _policy,
    "policy.notes_pattern": _policy,
    "policy.protected": _policy,
    "secrets.directory": _folder,
    "secrets.env_prefix": _prefix,
}
"""The rule of every setting, by its path in `reconcile.yaml`; each raises InvalidSettingError."""
