"""`reconcile.yaml`, then `RECONCILE_SECTION__KEY`: what each setting takes, and whose word counts where."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from reconcile.adapters.yaml_reader import parse_document
from reconcile.core.diagnostics import Diagnostic
from reconcile.core.quota import Limits
from reconcile.core.safety import Policy
from reconcile.core.setting_values import is_loopback
from reconcile.settings import FILE_NAME, ApiSettings, Settings, environment, read_settings

ROOT = Path("/project")


def read(text: str = "", environ: Mapping[str, str] | None = None) -> tuple[Settings, list[Diagnostic]]:
    node, problems = parse_document(text.encode(), FILE_NAME)
    assert not problems
    return read_settings(ROOT, node, environ or {})


def valid(text: str = "", environ: Mapping[str, str] | None = None) -> Settings:
    settings, problems = read(text, environ)
    assert problems == []
    return settings


def problem(text: str = "", environ: Mapping[str, str] | None = None) -> Diagnostic:
    (found,) = read(text, environ)[1]
    return found


def test_without_a_file_the_published_defaults_hold() -> None:
    settings = valid()
    assert settings.api == ApiSettings()
    assert settings.api.limits == Limits(60, 5000, 10, 120, 5000, 200000)
    assert (settings.manifests, settings.state) == (ROOT / "manifests", ROOT / "state")
    assert (settings.secrets_directory, settings.env_prefix, settings.fingerprint_key) == (ROOT / "secrets", "", None)
    assert (settings.safety.max_creates, settings.safety.max_deletes) == (None, 0)


def test_everything_can_be_set_in_the_file() -> None:
    settings = valid("""
manifests: invoices
state: {path: remembered}
api:
  base_url: https://sandbox.nexudus.com/
  timeout_seconds: 12.5
  settle_seconds: 30
  concurrency: 2
  authentication: basic
  use_environment_proxy: true
  limits: {writes_per_minute: 1, writes_per_day: 2, requests_per_second: 3, requests_per_minute: 4,
           requests_per_hour: 5, requests_per_day: 6}
safety: {max_creates: 1, max_updates: 2, max_deletes: 3, max_consecutive_rejections: 4}
secrets: {directory: tokens/here, env_prefix: TOK_}
""")
    limits = Limits(1, 2, 3, 4, 5, 6)
    assert settings.api == ApiSettings("https://sandbox.nexudus.com", 12.5, 30.0, 2, "basic", True, limits)  # noqa: FBT003 - in order
    assert (settings.manifests, settings.state) == (ROOT / "invoices", ROOT / "remembered")
    safety = settings.safety
    assert (safety.max_creates, safety.max_updates, safety.max_deletes) == (1, 2, 3)
    assert safety.max_consecutive_rejections == 4
    assert (settings.secrets_directory, settings.env_prefix) == (ROOT / "tokens/here", "TOK_")


def test_null_switches_a_limit_off() -> None:
    settings = valid("safety: {max_deletes: null, max_creates: null}\napi: {limits: {writes_per_day: null}}")
    assert (settings.safety.max_deletes, settings.safety.max_creates) == (None, None)
    assert (settings.api.limits.writes_per_day, settings.api.limits.writes_per_minute) == (None, 60)


def test_the_environment_outranks_the_file() -> None:
    environ = {
        "RECONCILE_MANIFESTS": "/elsewhere",
        "RECONCILE_STATE__PATH": "../state",
        "RECONCILE_API__CONCURRENCY": "3",
        "RECONCILE_API__LIMITS__WRITES_PER_DAY": "null",
        "RECONCILE_SAFETY__MAX_DELETES": "7",
        "RECONCILE_SECRETS__ENV_PREFIX": "",
        "RECONCILE_FINGERPRINT_KEY": "0123456789abcdef",
        "RECONCILE_HOME": "not ours to judge",
        "reconcile_api__concurrency": "9",
    }
    settings = valid("api: {concurrency: 2}\nsecrets: {env_prefix: TOK_}\nstate: {path: s}", environ)
    assert (settings.manifests, settings.state) == (Path("/elsewhere"), ROOT / "../state")
    assert (settings.api.concurrency, settings.api.limits.writes_per_day) == (3, None)
    assert (settings.safety.max_deletes, settings.env_prefix) == (7, "")
    assert settings.fingerprint_key is not None
    assert settings.fingerprint_key.reveal() == "0123456789abcdef"
    assert "0123456789abcdef" not in repr(settings)


def test_the_address_of_the_api_comes_from_the_environment() -> None:
    text = "api: {base_url: https://spaces.nexudus.com}"
    assert valid(text, {"NEXUDUS_BASE_URL": "https://proxy.example.org/nexudus"}).api.base_url == (
        "https://proxy.example.org/nexudus"
    )
    assert valid(text, {"NEXUDUS_BASE_URL": ""}).api.base_url == "https://spaces.nexudus.com"
    both = {"NEXUDUS_BASE_URL": "https://one.example", "RECONCILE_API__BASE_URL": "https://two.example"}
    assert valid(text, both).api.base_url == "https://two.example"


@pytest.mark.parametrize(
    "url",
    [
        "https://nexudus.com",
        "https://spaces.nexudus.com:8443/api",
        "https://Spaces.Nexudus.COM",
        "http://127.0.0.1:8080",
        "http://localhost:1",
        "'http://[::1]:99'",
        "https://127.0.0.2",
    ],
)
def test_the_file_may_name_the_api_and_this_machine(url: str) -> None:
    assert valid(f"api: {{base_url: {url}}}").api.base_url == url.strip("'")


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://evil.example", "foreign-host"),
        ("https://nexudus.com.evil.example", "foreign-host"),
        ("https://evilnexudus.com", "foreign-host"),
        ("https://nexudus.com.", "foreign-host"),
        ("https://10.0.0.1", "foreign-host"),
        ("http://spaces.nexudus.com", "plain-http"),
        ("http://evil.example", "plain-http"),
        ("https://user:pw@spaces.nexudus.com", "invalid-setting"),
        ("https://evil.example\\\\.nexudus.com", "invalid-setting"),
        ("https://evil.example%5c.nexudus.com", "invalid-setting"),
        ("https://evil\\u3002example.nexudus.com", "invalid-setting"),
        ("https://spaces.nexudus.com/a b", "invalid-setting"),
        ("https://spaces.nexudus.com/\\n", "invalid-setting"),
        ("https://spaces.nexudus.com?x=1", "invalid-setting"),
        ("https://spaces.nexudus.com#x", "invalid-setting"),
        ("https://spaces.nexudus.com:99999", "invalid-setting"),
        ("https://[::1", "invalid-setting"),
        ("ftp://spaces.nexudus.com", "invalid-setting"),
        ("spaces.nexudus.com", "invalid-setting"),
        ("https://", "invalid-setting"),
        ("", "invalid-setting"),
    ],
)
def test_the_file_cannot_point_the_tool_elsewhere(url: str, code: str) -> None:
    found = problem(f'\napi:\n  base_url: "{url}"\n')
    assert (found.code, str(found.location)) == (code, "reconcile.yaml:3")
    assert found.location is not None
    assert found.location.column == 13
    assert found.message.startswith("api.base_url: ")
    assert found.secret is ("@" in url)


@pytest.mark.parametrize("url", ["http://spaces.nexudus.com", "http://10.0.0.1"])
def test_plain_http_to_another_machine_is_refused_from_anywhere(url: str) -> None:
    found = problem(environ={"NEXUDUS_BASE_URL": url})
    assert (found.code, found.location) == ("plain-http", None)
    assert found.message.startswith("api.base_url (from the environment): ")


@pytest.mark.parametrize("name", ["manifests", "state.path", "secrets.directory"])
@pytest.mark.parametrize("folder", ["/etc", "..", "a/../../b", "../a"])
def test_the_file_cannot_point_out_of_the_folder_and_the_environment_can(name: str, folder: str) -> None:
    section, _, key = name.partition(".")
    found = problem(f"{section}: {{{key}: {folder}}}" if key else f"{section}: {folder}")
    assert (found.code, found.location and found.location.line) == ("folder-outside", 1)
    variable = "RECONCILE_" + name.upper().replace(".", "__")
    assert problem_free({variable: folder})


def problem_free(environ: Mapping[str, str]) -> bool:
    return read("", environ)[1] == []


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (
            "api.timeout_seconds",
            ["1", "0.5", "86400"],
            ["0", "-1", "1e3", "1_000", "nan", "inf", "x", '"5"', "null", "", "86401", "08", "٣"],
        ),
        ("api.settle_seconds", ["300"], ["0", "true"]),
        ("api.concurrency", ["1", "64"], ["0", "65", "1.5", "x", "010", "1_0", "+1", '"8"', "null", "9" * 30]),
        ("api.limits.writes_per_minute", ["1", "null"], ["0", "~", "-1", '"null"', "no"]),
        ("api.limits.requests_per_day", ["1000000000"], ["1000000001"]),
        ("safety.max_deletes", ["0", "1", "null"], ["-1", "x", "0x10", "1,000"]),
        ("safety.max_consecutive_rejections", ["1"], ["0", "null"]),
        ("api.use_environment_proxy", ["true", "false"], ["yes", "1", '"true"', "True", "null"]),
        ("api.authentication", ["bearer", "basic", '"basic"'], ["Basic", "token", "null"]),
        ("secrets.env_prefix", ['""', "TOK_", '"null"'], ["null", "~", ""]),
        ("manifests", ["a/b", "a.b", '"null"'], ["null", "~", "", '""']),
    ],
)
def test_each_setting_takes_what_it_is_for_and_nothing_else(name: str, good: list[str], bad: list[str]) -> None:
    *sections, key = name.split(".")
    indents = "".join(f"{'  ' * depth}{section}:\n" for depth, section in enumerate(sections))
    indent = "  " * len(sections)
    for value in good:
        assert read(f"{indents}{indent}{key}: {value}\n")[1] == [], value
    for value in bad:
        found = problem(f"{indents}{indent}{key}: {value}\n")
        assert found.code == "invalid-setting", value
        assert found.location is not None, value
        assert found.location.line == len(sections) + 1, value
        assert found.message.startswith(f"{name}: "), value


@pytest.mark.parametrize(
    ("text", "message", "help_"),
    [
        ("api:\n  timeout_secs: 5", '"api.timeout_secs" is not a setting', 'did you mean "api.timeout_seconds"?'),
        ("manifest: a", '"manifest" is not a setting', 'did you mean "manifests"?'),
        ("zzz: {a: 1}", '"zzz" is not a setting', "the README's reference lists all settings"),
        ("api: {limits: {writes: 1}}", '"api.limits.writes" is not a setting', None),
    ],
)
def test_an_unknown_setting_is_named_at_its_key_with_the_closest_known_one(
    text: str, message: str, help_: str | None
) -> None:
    found = problem(text)
    assert (found.code, found.message) == ("unknown-setting", message)
    assert found.location is not None
    assert found.location.line == (2 if "\n" in text else 1)
    assert help_ is None or found.help == help_


def test_an_unknown_variable_with_a_section_is_named_with_the_closest_known_one() -> None:
    found = problem(environ={"RECONCILE_API__TIMEOUT": "5"})
    assert (found.code, found.message, found.location) == (
        "unknown-setting",
        "RECONCILE_API__TIMEOUT sets nothing",
        None,
    )
    assert found.help == 'did you mean "RECONCILE_API__TIMEOUT_SECONDS"?'
    assert problem(environ={"RECONCILE_X__Y": ""}).message == "RECONCILE_X__Y sets nothing"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("api: fast", "api holds settings of its own"),
        ("api:", "api holds settings of its own"),
        ("api: [1]", "api holds settings of its own"),
        ("api: {limits: 3}", "api.limits holds settings of its own"),
        ("api: {concurrency: [8]}", "api.concurrency takes one value"),
        ("manifests: {a: b}", "manifests takes one value"),
    ],
)
def test_a_value_of_the_wrong_shape_is_refused(text: str, message: str) -> None:
    assert (problem(text).code, problem(text).message) == ("invalid-setting", message)


@pytest.mark.parametrize("text", ["- a", "text"])
def test_settings_that_are_no_mapping_are_refused(text: str) -> None:
    assert (problem(text).code, str(problem(text).location)) == ("invalid-settings", "reconcile.yaml:1")


def test_every_problem_is_found_in_one_run() -> None:
    text = "manifests: /a\napi: {concurrency: 0, nope: 1}\nsafety: 5\n"
    codes = [found.code for found in read(text, {"RECONCILE_SAFETY__MAX_DELETES": "x", "RECONCILE_A__B": "1"})[1]]
    assert sorted(codes) == ["folder-outside", *["invalid-setting"] * 3, *["unknown-setting"] * 2]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1"])
def test_a_loopback_host_is_known_by_name_or_number(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["localhost.evil.example", "10.0.0.1", "0.0.0.0", "2001:db8::1", ""])  # noqa: S104 - not bound
def test_any_other_host_is_another_machine(host: str) -> None:
    assert not is_loopback(host)


def test_the_environment_is_that_of_the_process() -> None:
    assert "PATH" in environment()


def test_shares_and_policy_are_read_from_the_file() -> None:
    settings = valid("""
safety: {max_create_share: 1, max_update_share: 0.25, max_delete_share: null}
policy:
  allowed_providers: [Stripe, "GoCardless"]
  notes_pattern: ^INV-[0-9]+
  protected:
    - deposit-*
""")
    safety = settings.safety
    assert (safety.max_create_share, safety.max_update_share, safety.max_delete_share) == (1.0, 0.25, None)
    assert settings.policy == Policy(("Stripe", "GoCardless"), "^INV-[0-9]+", ("deposit-*",))


def test_a_list_may_come_from_the_environment_separated_by_commas() -> None:
    environ = {"RECONCILE_POLICY__PROTECTED": "a-*, b", "RECONCILE_POLICY__NOTES_PATTERN": "x,y"}
    assert valid("policy: {protected: [c]}", environ).policy == Policy(None, "x,y", ("a-*", "b"))
    assert valid("policy: {protected: [c]}", {"RECONCILE_POLICY__PROTECTED": "null"}).policy == Policy()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("safety: {max_delete_share: 1.5}", "safety.max_delete_share: a number from 0 to 1 is needed, in plain digits"),
        ("safety: {max_delete_share: 10%}", "safety.max_delete_share: a number from 0 to 1 is needed, in plain digits"),
        ("policy: {allowed_providers: [Strype]}", '"Strype" is not the name of a payment provider'),
        ("policy: {allowed_providers: []}", "a value is missing"),
        ("policy: {protected: [[a]]}", "policy.protected takes a list"),
        ("policy: {notes_pattern: [a]}", "policy.notes_pattern takes one value"),
        ("policy: {notes_pattern: '(?=a)'}", "this is not a regular expression that can be used"),
        ("policy: {protected: {a: b}}", "policy.protected takes a list"),
        ("policy: x", "policy holds settings of its own"),
    ],
)
def test_a_rule_that_cannot_be_one_is_refused_at_its_place(text: str, message: str) -> None:
    found = problem(text)
    assert message in found.message
    assert found.location is not None
    assert found.location.line == 1
