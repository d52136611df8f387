"""Settings and credentials: `reconcile.yaml`, then `RECONCILE_SECTION__KEY`, then flags. Alone reads the environment.

The rules stand in one table of plain functions, not in a pydantic model, because every command reads settings,
and importing pydantic takes longer than planning a small folder.

What stands in `reconcile.yaml` may come from a stranger's pull request, so it cannot point the tool at another host or
out of the project folder; the environment and the flags, which belong to whoever runs the tool, can.
"""

import os
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Final, NamedTuple, TypedDict, TypeGuard

from reconcile.core.diagnostics import Diagnostic, Location
from reconcile.core.errors import InputError
from reconcile.core.nodes import MappingNode, Node, Scalar, SequenceNode, is_scalar, place_of
from reconcile.core.quota import Limits
from reconcile.core.records import Secret
from reconcile.core.safety import Policy, Safety

FILE_NAME: Final = "reconcile.yaml"
PUBLISHED_URL: Final = "https://spaces.nexudus.com"
_PREFIX: Final = "RECONCILE_"

# The form that is the same number in every version of YAML: no leading zeros, signs, exponents or underscores.
_is_whole = re.compile(r"(?:0|[1-9][0-9]{0,14})\Z").match
_is_number = re.compile(r"(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?\Z").match
_is_host = re.compile(r"[A-Za-z0-9.-]+\Z|[0-9A-Fa-f:.]+\Z").match


class ApiSettings(NamedTuple):
    """How to talk to the API; times in seconds.

    Attributes:
        timeout_seconds: Total, per request.
        settle_seconds: How long after its deadline a request may still take effect (assumption A1).
        authentication: `bearer`, or `basic` to send username and password with every request.
        use_environment_proxy: Whether HTTPS_PROXY, NO_PROXY and SSL_CERT_FILE count.
    """

    base_url: str = PUBLISHED_URL
    timeout_seconds: float = 60.0
    settle_seconds: float = 300.0
    concurrency: int = 8
    authentication: str = "bearer"
    use_environment_proxy: bool = False
    limits: Limits = Limits()


class Settings(NamedTuple):
    """Everything that can be set, with the published defaults. Paths are absolute.

    Attributes:
        fingerprint_key: From RECONCILE_FINGERPRINT_KEY; None for the key kept beside the state.
    """

    root: Path
    manifests: Path
    state: Path
    api: ApiSettings
    safety: Safety
    secrets_directory: Path
    policy: Policy = Policy()
    env_prefix: str = ""
    fingerprint_key: Secret | None = None


class CredentialValues(TypedDict):
    """What the environment says about who we are; whether it is enough is the API client's to say."""

    access_token: Secret | None
    username: str
    password: Secret | None
    totp: Secret | None


class _Given(NamedTuple):
    """One setting as somebody wrote it."""

    name: str
    text: str
    is_plain: bool
    location: Location | None

    @property
    def is_from_file(self) -> bool:
        return self.location is not None


class _InvalidSettingError(Exception):
    """One sentence on what is wrong with a value, and what to write instead."""

    def __init__(self, message: str, help: str = "", code: str = "invalid-setting") -> None:  # noqa: A002 - as elsewhere
        super().__init__(message)
        self.message, self.help, self.code = message, help, code


def environment() -> Mapping[str, str]:
    """The process's environment."""
    return os.environ


def step_summary(environ: Mapping[str, str]) -> Path | None:
    """The file that GitHub Actions shows as the summary of a step, where the command runs in one."""
    path = environ.get("GITHUB_STEP_SUMMARY")
    return Path(path) if path else None


def read_settings(root: Path, document: Node | None, environ: Mapping[str, str]) -> tuple[Settings, list[Diagnostic]]:
    """The settings, or what is wrong with them (with errors among the diagnostics, do not use the settings).

    Args:
        root: The project folder, absolute.
        document: What `reconcile.yaml` holds; None when there is none.
        environ: The environment.
    """
    given, problems = _from_document(document)
    overrides, more = _from_environment(environ)
    values: dict[str, object] = {}
    for setting in (*given, *overrides):
        try:
            values[setting.name] = _RULES[setting.name](setting)
        except _InvalidSettingError as error:
            problems.append(_invalid(setting, error))
    key = environ.get("RECONCILE_FINGERPRINT_KEY")
    return _settings(root, values, Secret(key) if key else None), problems + more


def read_credentials(environ: Mapping[str, str]) -> CredentialValues:
    """Credentials from the environment, or from the files that `…_FILE` variables name.

    Raises:
        InputError: A file cannot be read.
    """
    username = _secret(environ, "NEXUDUS_USERNAME")
    return CredentialValues(
        access_token=_secret(environ, "NEXUDUS_ACCESS_TOKEN"),
        username=username.reveal() if username is not None else "",
        password=_secret(environ, "NEXUDUS_PASSWORD"),
        totp=_secret(environ, "NEXUDUS_TOTP"),
    )


def _secret(environ: Mapping[str, str], name: str) -> Secret | None:
    if value := environ.get(name):
        return Secret(value)
    path = environ.get(f"{name}_FILE")
    if not path:
        return None
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(f"{name}_FILE cannot be read: {reason}", code="unreadable-credentials") from None
    return Secret(text.strip()) if text.strip() else None


def _from_document(document: Node | None) -> tuple[list[_Given], list[Diagnostic]]:
    given: list[_Given] = []
    problems: list[Diagnostic] = []
    if document is None:
        return given, problems
    if not isinstance(document, MappingNode):
        problem = Diagnostic("invalid-settings", "settings are a mapping of sections", place_of(FILE_NAME, document))
        return given, [problem]
    _flatten(document, "", given, problems)
    return given, problems


def _flatten(node: MappingNode, prefix: str, given: list[_Given], problems: list[Diagnostic]) -> None:
    for key, value in node.items():
        name = prefix + key.value
        is_section = any(rule.startswith(f"{name}.") for rule in _RULES)
        if isinstance(value, MappingNode) and is_section:
            _flatten(value, f"{name}.", given, problems)
        elif name in _RULES and _is_text(value):
            given.append(_Given(name, value.value, not value.style, place_of(FILE_NAME, value)))
        elif name in _LISTS and isinstance(value, SequenceNode) and all(map(is_scalar, value.items)):
            text = ",".join(item.value for item in value.items)
            given.append(_Given(name, text, is_plain=False, location=place_of(FILE_NAME, value)))
        elif is_section or name in _RULES:
            one = "a list" if name in _LISTS else "one value"
            what = "holds settings of its own" if is_section else f"takes {one}"
            problems.append(Diagnostic("invalid-setting", f"{name} {what}", place_of(FILE_NAME, value)))
        else:
            problems.append(_unknown(name, place_of(FILE_NAME, key)))


def _is_text(node: Node) -> TypeGuard[Scalar]:
    return is_scalar(node)


def _from_environment(environ: Mapping[str, str]) -> tuple[list[_Given], list[Diagnostic]]:
    given: list[_Given] = []
    problems: list[Diagnostic] = []
    if base_url := environ.get("NEXUDUS_BASE_URL"):
        given.append(_Given("api.base_url", base_url, is_plain=True, location=None))
    for variable in sorted(environ):
        name = variable.removeprefix(_PREFIX).lower().replace("__", ".")
        if not variable.startswith(_PREFIX) or variable == "RECONCILE_FINGERPRINT_KEY":
            continue
        if name in _RULES:
            given.append(_Given(name, environ[variable], is_plain=True, location=None))
        elif "." in name or _close_variable(variable, 0.8):
            problems.append(_unknown(name, None, variable))
    return given, problems


def _close_variable(variable: str, cutoff: float = 0.6) -> str:
    """What may be meant by a variable that sets nothing; empty where none is like it: it may be another tool's."""
    from difflib import get_close_matches

    known = ("FINGERPRINT_KEY", *(name.replace(".", "__").upper() for name in _RULES))
    return next(iter(get_close_matches(variable.removeprefix(_PREFIX).upper(), known, n=1, cutoff=cutoff)), "")


def _unknown(name: str, location: Location | None, variable: str = "") -> Diagnostic:
    from difflib import get_close_matches

    if variable:
        close = _close_variable(variable)
        meant = close and _PREFIX + close
    else:
        meant = "".join(get_close_matches(name, _RULES, n=1))
    help_ = f'did you mean "{meant}"?' if meant else "the README's reference lists all settings"
    what = f"{variable} sets nothing" if variable else f'"{name}" is not a setting'
    return Diagnostic("unknown-setting", what, location, help_)


def _invalid(given: _Given, error: _InvalidSettingError) -> Diagnostic:
    may_hold_password = "@" in given.text  # https://user:password@host
    return Diagnostic(
        error.code, f"{_source(given)}: {error.message}", given.location, error.help, secret=may_hold_password
    )


def _source(given: _Given) -> str:
    return given.name if given.is_from_file else f"{given.name} (from the environment)"


def _settings(root: Path, values: Mapping[str, object], key: Secret | None) -> Settings:
    def section(prefix: str) -> dict[str, Any]:
        rest = {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}
        return {name: value for name, value in rest.items() if "." not in name}

    limits = Limits(**section("api.limits."))
    return Settings(
        root=root,
        manifests=root / str(values.get("manifests", "manifests")),
        state=root / str(values.get("state.path", "state")),
        api=ApiSettings(**section("api."), limits=limits),
        safety=Safety(**section("safety.")),
        policy=Policy(**section("policy.")),
        secrets_directory=root / str(values.get("secrets.directory", "secrets")),
        env_prefix=str(values.get("secrets.env_prefix", "")),
        fingerprint_key=key,
    )


def _text(given: _Given) -> str:
    if not given.text or (given.is_plain and given.text in {"null", "~"}):
        raise _InvalidSettingError("a value is missing", "remove the key to use its default")
    return given.text


def _prefix(given: _Given) -> str:
    return given.text if not given.text and not (given.is_from_file and given.is_plain) else _text(given)


def _folder(given: _Given) -> str:
    path = _text(given)
    parts = PurePosixPath(path).parts
    if given.is_from_file and (path.startswith("/") or ".." in parts):
        help_ = "name a folder inside the project; the environment or a flag may point elsewhere"
        raise _InvalidSettingError("this folder is outside of the project", help_, "folder-outside")
    return path


def _number(given: _Given, lowest: float, highest: float) -> float:
    number = float(given.text) if given.is_plain and _is_number(given.text) else -1.0
    if not lowest <= number <= highest:
        raise _InvalidSettingError(f"a number from {lowest:g} to {highest:,g} is needed, in plain digits")
    return number


def _whole(given: _Given, lowest: int, highest: int) -> int:
    number = int(given.text) if given.is_plain and _is_whole(given.text) else -1
    if not lowest <= number <= highest:
        raise _InvalidSettingError(f"a whole number from {lowest:,} to {highest:,} is needed, in plain digits")
    return number


def _bound(given: _Given) -> int | None:
    """A whole number, or `null` for no bound."""
    return None if given.is_plain and given.text == "null" else _whole(given, 0, 10**9)


def _limit(given: _Given) -> int | None:
    return None if given.is_plain and given.text == "null" else _whole(given, 1, 10**9)


def _share(given: _Given) -> float | None:
    return None if given.is_plain and given.text == "null" else _number(given, 0, 1)


def _policy(given: _Given) -> object:
    """A rule of `core/policy.py`, or `null` for none."""
    if given.is_plain and given.text == "null":
        return None
    from reconcile.core.policy import PolicyError, read_rule

    try:
        return read_rule(given.name.removeprefix("policy."), _text(given))
    except PolicyError as error:
        raise _InvalidSettingError(str(error), error.help) from None


def _flag(given: _Given) -> bool:
    if not given.is_plain or given.text not in {"true", "false"}:
        raise _InvalidSettingError("true or false is needed")
    return given.text == "true"


def _authentication(given: _Given) -> str:
    if given.text not in {"bearer", "basic"}:
        raise _InvalidSettingError("bearer or basic is needed")
    return given.text


def _base_url(given: _Given) -> str:
    url = _text(given).rstrip("/")
    if url == PUBLISHED_URL:
        return url
    from urllib.parse import urlsplit  # a tenth of what starting the tool takes, for an address that is seldom another

    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        raise _InvalidSettingError("this is not a URL", "write https://spaces.nexudus.com") from None
    is_plain = _is_host(host) and url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in {"https", "http"} or not is_plain or parts.query or parts.fragment or "@" in parts.netloc:
        raise _InvalidSettingError("this is not the address of an API", "write https://spaces.nexudus.com")
    if parts.scheme == "http" and not is_loopback(host):
        raise _InvalidSettingError("plain http would send tokens in the clear", "use https", "plain-http")
    if given.is_from_file and not (host == "nexudus.com" or host.endswith(".nexudus.com") or is_loopback(host)):
        help_ = "set NEXUDUS_BASE_URL instead: manifests and settings may come from a stranger's pull request"
        raise _InvalidSettingError("a host outside nexudus.com counts only from the environment", help_, "foreign-host")
    return url


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by name or number."""
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


_RULES: Final[Mapping[str, Callable[[_Given], object]]] = {
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

_LISTS: Final = ("policy.allowed_providers", "policy.protected")

SETTING_NAMES: Final = tuple(_RULES)
"""Every setting by its path in `reconcile.yaml`, such as `api.limits.writes_per_day`."""
