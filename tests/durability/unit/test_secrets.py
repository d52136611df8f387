import os
from pathlib import Path

import pytest

from reconcile.adapters.secrets import TokenSources
from reconcile.core.diagnostics import Location
from reconcile.core.errors import InputError
from reconcile.core.records import UNMANAGED, PaymentToken, Secret


def declared(source, literal: Secret | None = None) -> PaymentToken:
    return PaymentToken("inv-1", Location("m.yaml", 1), 1001, token_source=source, literal=literal)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    found = tmp_path / "secrets"
    (found / "march").mkdir(parents=True)
    return found


@pytest.fixture
def sources(directory: Path) -> TokenSources:
    return TokenSources(directory, {"TOK": "pm_env", "EMPTY": "", "NEXUDUS_PASSWORD": "hunter2"})


def value(found: Secret | None) -> str | None:
    return found.reveal() if found else None


def test_a_token_comes_from_the_variable_that_is_named(sources):
    assert value(sources.find(declared("env:TOK"))) == "pm_env"


@pytest.mark.parametrize(
    "source",
    ["env:ABSENT", "env:EMPTY", "env:NEXUDUS_PASSWORD", "env:RECONCILE_X", "file:absent", "file:march/absent", "odd:x"],
)
def test_a_token_that_is_not_at_hand_is_none(sources, source):
    assert sources.find(declared(source)) is None


def test_the_tools_own_variables_are_never_read_whatever_their_case(directory):
    sources = TokenSources(directory, {"nexudus_password": "x", "RECONCILE_FINGERPRINT_KEY": "y"})
    assert sources.find(declared("env:nexudus_password")) is None
    assert sources.find(declared("env:RECONCILE_FINGERPRINT_KEY")) is None


@pytest.mark.parametrize("source", [UNMANAGED, None])
def test_a_record_that_declares_no_token_has_none_even_on_the_sandbox(directory, source):
    assert TokenSources(directory, {}, placeholder=True).find(declared(source)) is None


def test_a_literal_token_is_the_one_of_the_manifest(sources):
    assert value(sources.find(declared("literal", Secret("pm_literal")))) == "pm_literal"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"pm_file", "pm_file"),
        (b"pm_file\n", "pm_file"),
        (b"pm_file\r\n", "pm_file"),
        (b"pm_file\n\n", "pm_file\n"),
        (b"pm_file\r", "pm_file\r"),
        (b" pm ", " pm "),
        (b"\n", None),
        (b"", None),
    ],
)
def test_one_trailing_newline_of_a_file_is_dropped_and_an_empty_secret_is_a_missing_one(
    sources, directory, content, expected
):
    (directory / "march" / "token").write_bytes(content)
    assert value(sources.find(declared("file:march/token"))) == expected


def test_a_file_is_read_once_a_run(sources, directory):
    (directory / "token").write_text("one")
    assert value(sources.find(declared("file:token"))) == "one"
    (directory / "token").write_text("two")
    assert value(sources.find(declared("file:token"))) == "one"


def test_a_link_that_stays_inside_is_followed(sources, directory):
    (directory / "data").mkdir()
    (directory / "data" / "token").write_text("pm_linked")
    (directory / "current").symlink_to("data")
    (directory / "token").symlink_to("current/token")
    assert value(sources.find(declared("file:token"))) == "pm_linked"


@pytest.mark.parametrize(
    "name", ["../outside", "/etc/hostname", "march/../../outside", "leak", "folder/outside", ".", "march", "pipe"]
)
def test_nothing_outside_of_the_folder_and_nothing_but_a_file_is_read(sources, directory, tmp_path, name):
    (tmp_path / "outside").write_text("pm_outside")
    (directory / "leak").symlink_to(tmp_path / "outside")
    (directory / "folder").symlink_to(tmp_path)
    os.mkfifo(directory / "pipe")
    with pytest.raises(InputError) as caught:
        sources.find(declared(f"file:{name}"))
    assert "pm_outside" not in caught.value.message


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x" * (64 * 1024 + 1)])
def test_a_file_that_is_no_text_or_too_large_is_refused(sources, directory, content):
    (directory / "token").write_bytes(content)
    with pytest.raises(InputError):
        sources.find(declared("file:token"))


def test_a_file_of_exactly_the_limit_is_read(sources, directory):
    (directory / "token").write_bytes(b"x" * 64 * 1024)
    assert len(value(sources.find(declared("file:token"))) or "") == 64 * 1024


@pytest.mark.parametrize("name", ["loop", "nul\0byte", "x" * 300])
def test_a_name_that_cannot_be_opened_is_refused(sources, directory, name):
    (directory / "loop").symlink_to("loop")
    with pytest.raises(InputError):
        sources.find(declared(f"file:{name}"))


def test_without_a_secrets_folder_every_file_is_missing(tmp_path):
    assert TokenSources(tmp_path / "none", {}).find(declared("file:token")) is None


def test_on_the_sandbox_a_missing_token_becomes_the_same_placeholder_each_time(directory):
    sources = TokenSources(directory, {"TOK": "pm_env"}, placeholder=True)
    assert value(sources.find(declared("env:ABSENT"))) == "sandbox-placeholder-inv-1"
    assert value(sources.find(declared("env:TOK"))) == "pm_env"
