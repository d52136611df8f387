"""Credentials: from the environment or from files it names, never from the project folder."""

from pathlib import Path

import pytest

from reconcile.core.errors import InputError
from reconcile.core.records import Secret
from reconcile.settings import read_credentials


def revealed(secret: Secret | None) -> str | None:
    return secret.reveal() if secret is not None else None


def test_credentials_come_from_the_environment() -> None:
    found = read_credentials(
        {"NEXUDUS_ACCESS_TOKEN": "t", "NEXUDUS_USERNAME": "ann", "NEXUDUS_PASSWORD": " p ", "NEXUDUS_TOTP": "123456"}
    )
    assert found["username"] == "ann"
    assert [revealed(found[name]) for name in ("access_token", "password", "totp")] == ["t", " p ", "123456"]


def test_credentials_come_from_files_that_variables_name(tmp_path: Path) -> None:
    file = tmp_path / "credential"
    file.write_text("from-file\n", encoding="utf-8")
    names = ("NEXUDUS_ACCESS_TOKEN_FILE", "NEXUDUS_USERNAME_FILE", "NEXUDUS_PASSWORD_FILE", "NEXUDUS_TOTP_FILE")
    found = read_credentials(dict.fromkeys(names, str(file)))
    assert found["username"] == "from-file"
    assert [revealed(found[name]) for name in ("access_token", "password", "totp")] == ["from-file"] * 3


def test_a_variable_outranks_the_file_beside_it_and_an_empty_one_does_not(tmp_path: Path) -> None:
    file = tmp_path / "credential"
    file.write_text("from-file", encoding="utf-8")
    environ = {"NEXUDUS_ACCESS_TOKEN_FILE": str(file)}
    assert revealed(read_credentials(environ | {"NEXUDUS_ACCESS_TOKEN": "direct"})["access_token"]) == "direct"
    assert revealed(read_credentials(environ | {"NEXUDUS_ACCESS_TOKEN": ""})["access_token"]) == "from-file"


@pytest.mark.parametrize("content", ["", " \n"])
def test_an_empty_file_is_a_missing_credential(tmp_path: Path, content: str) -> None:
    file = tmp_path / "credential"
    file.write_text(content, encoding="utf-8")
    assert read_credentials({"NEXUDUS_ACCESS_TOKEN_FILE": str(file)})["access_token"] is None


def test_without_any_there_are_none() -> None:
    found = read_credentials({"NEXUDUS_ACCESS_TOKEN_FILE": ""})
    assert found == {"access_token": None, "username": "", "password": None, "totp": None}


def test_a_file_that_cannot_be_read_is_named_by_its_variable_and_shows_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError) as missing:
        read_credentials({"NEXUDUS_PASSWORD_FILE": str(tmp_path / "none")})
    assert (missing.value.message, missing.value.code) == (
        "NEXUDUS_PASSWORD_FILE cannot be read: No such file or directory",
        "unreadable-credentials",
    )
    (tmp_path / "latin").write_bytes(b"planted-\xff-token")
    with pytest.raises(InputError, match="it is not UTF-8 text") as wrong:
        read_credentials({"NEXUDUS_PASSWORD_FILE": str(tmp_path / "latin")})
    assert "planted" not in repr(wrong.value.__context__ if not wrong.value.__suppress_context__ else "")
