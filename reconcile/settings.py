"""Settings and credentials: `reconcile.yaml`, then `RECONCILE_SECTION__KEY`, then flags. Alone reads the environment.

What each value may be is `core/setting_values.py`.

What stands in `reconcile.yaml` may come from a stranger's pull request, so it cannot point the tool at another host or
out of the project folder; the environment and the flags, which belong to whoever runs the tool, can.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, TypedDict, TypeGuard

from reconcile.core.diagnostics import Diagnostic, Location
from reconcile.core.errors import InputError
from reconcile.core.nodes import MappingNode, Node, Scalar, SequenceNode, is_scalar, place_of
from reconcile.core.quota import Limits
from reconcile.core.records import Secret
from reconcile.core.safety import Policy, Safety
from reconcile.core.setting_values import PUBLISHED_URL, RULES, Given, InvalidSettingError

FILE_NAME: Final = "reconcile.yaml"
_PREFIX: Final = "RECONCILE_"


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
            values[setting.name] = RULES[setting.name](setting)
        except InvalidSettingError as error:
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


def _from_document(document: Node | None) -> tuple[list[Given], list[Diagnostic]]:
    given: list[Given] = []
    problems: list[Diagnostic] = []
    if document is None:
        return given, problems
    if not isinstance(document, MappingNode):
        problem = Diagnostic("invalid-settings", "settings are a mapping of sections", place_of(FILE_NAME, document))
        return given, [problem]
    _flatten(document, "", given, problems)
    return given, problems


def _flatten(node: MappingNode, prefix: str, given: list[Given], problems: list[Diagnostic]) -> None:
    for key, value in node.items():
        name = prefix + key.value
        is_section = any(rule.startswith(f"{name}.") for rule in RULES)
        if isinstance(value, MappingNode) and is_section:
            _flatten(value, f"{name}.", given, problems)
        elif name in RULES and _is_text(value):
            given.append(Given(name, value.value, not value.style, place_of(FILE_NAME, value)))
        elif name in _LISTS and isinstance(value, SequenceNode) and all(map(is_scalar, value.items)):
            text = ",".join(item.value for item in value.items)
            given.append(Given(name, text, is_plain=False, location=place_of(FILE_NAME, value)))
        elif is_section or name in RULES:
            one = "a list" if name in _LISTS else "one value"
            what = "holds settings of its own" if is_section else f"takes {one}"
            problems.append(Diagnostic("invalid-setting", f"{name} {what}", place_of(FILE_NAME, value)))
        else:
            problems.append(_unknown(name, place_of(FILE_NAME, key)))


def _is_text(node: Node) -> TypeGuard[Scalar]:
    return is_scalar(node)


def _from_environment(environ: Mapping[str, str]) -> tuple[list[Given], list[Diagnostic]]:
    given: list[Given] = []
    problems: list[Diagnostic] = []
    if base_url := environ.get("NEXUDUS_BASE_URL"):
        given.append(Given("api.base_url", base_url, is_plain=True, location=None))
    for variable in sorted(environ):
        name = variable.removeprefix(_PREFIX).lower().replace("__", ".")
        if not variable.startswith(_PREFIX) or variable == "RECONCILE_FINGERPRINT_KEY":
            continue
        if name in RULES:
            given.append(Given(name, environ[variable], is_plain=True, location=None))
        elif "." in name or _close_variable(variable, 0.8):
            problems.append(_unknown(name, None, variable))
    return given, problems


def _close_variable(variable: str, cutoff: float = 0.6) -> str:
    """What may be meant by a variable that sets nothing; empty where none is like it: it may be another tool's."""
    from difflib import get_close_matches

    known = ("FINGERPRINT_KEY", *(name.replace(".", "__").upper() for name in RULES))
    return next(iter(get_close_matches(variable.removeprefix(_PREFIX).upper(), known, n=1, cutoff=cutoff)), "")


def _unknown(name: str, location: Location | None, variable: str = "") -> Diagnostic:
    from difflib import get_close_matches

    if variable:
        close = _close_variable(variable)
        meant = close and _PREFIX + close
    else:
        meant = "".join(get_close_matches(name, RULES, n=1))
    help_ = f'did you mean "{meant}"?' if meant else "the README's reference lists all settings"
    what = f"{variable} sets nothing" if variable else f'"{name}" is not a setting'
    return Diagnostic("unknown-setting", what, location, help_)


def _invalid(given: Given, error: InvalidSettingError) -> Diagnostic:
    may_hold_password = "@" in given.text  # https://user:password@host
    return Diagnostic(
        error.code, f"{_source(given)}: {error.message}", given.location, error.help, secret=may_hold_password
    )


def _source(given: Given) -> str:
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


_LISTS: Final = ("policy.allowed_providers", "policy.protected")

SETTING_NAMES: Final = tuple(RULES)
"""Every setting by its path in `reconcile.yaml`, such as `api.limits.writes_per_day`."""
