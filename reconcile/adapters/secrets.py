"""Where tokens come from: the environment, or files below one folder. The only reader of secret files.

A manifest may come from a stranger, so a source can name neither a variable of this tool nor a file elsewhere. Values
leave this module wrapped in `Secret` and appear in no message.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from reconcile.core.errors import InputError
from reconcile.core.records import LITERAL, PaymentToken, Secret

MAX_SECRET_BYTES: Final = 64 * 1024
RESERVED_PREFIXES: Final = ("NEXUDUS_", "RECONCILE_")


class TokenSources:
    """Finds the token of a declared record; files are read once a run.

    Args:
        directory: The folder below which `file:` sources lie.
        environment: The variables that `env:` sources name.
        placeholder: Whether a missing token becomes a made-up one, as on the sandbox.
    """

    def __init__(self, directory: Path, environment: Mapping[str, str], *, placeholder: bool = False) -> None:
        self._directory = directory
        self._environment = dict(environment)  # os.environ encodes a name each time it is asked for one
        self._placeholder = placeholder
        self._files: dict[str, Secret | None] = {}

    def find(self, record: PaymentToken) -> Secret | None:
        """The record's token; None when it is not at hand, or the record declares none.

        Raises:
            InputError: The source exists and may not be read.
        """
        source = record.token_source
        if not isinstance(source, str):
            return None
        found = self._variable(source[4:]) if source.startswith("env:") else self._elsewhere(record, source)
        if found is None and self._placeholder:
            return Secret(f"sandbox-placeholder-{record.address}")
        return found

    def _elsewhere(self, record: PaymentToken, source: str) -> Secret | None:
        if source == LITERAL:
            return record.literal
        kind, _, name = source.partition(":")
        return self._file(name) if kind == "file" else None

    def _variable(self, name: str) -> Secret | None:
        value = self._environment.get(name)
        # These hold the tool's own credentials, which no manifest may send anywhere.
        if not value or name.upper().startswith(RESERVED_PREFIXES):
            return None
        return Secret(value)

    def _file(self, name: str) -> Secret | None:
        if name not in self._files:
            self._files[name] = _secret_of(_read_below(self._directory, name), name)
        return self._files[name]


def _secret_of(data: bytes | None, name: str) -> Secret | None:
    if data is None:
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise _refused(name, "is not UTF-8") from None
    text = text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
    return Secret(text) if text else None


def _read_below(directory: Path, name: str) -> bytes | None:
    """The file's bytes; None when it does not exist. Raises InputError where it leads elsewhere or is no file."""
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise _outside(name)
    try:
        base = directory.resolve(strict=True)
        target = (base / name).resolve(strict=True)
        if base not in target.parents:
            raise _outside(name)
        fd = _open_below(base, target.relative_to(base).parts)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, RuntimeError, ValueError):
        raise _refused(name, "cannot be opened") from None
    try:
        return _content(fd, name)
    finally:
        os.close(fd)


def _open_below(base: Path, parts: tuple[str, ...]) -> int:
    """Opens segment by segment without following a link, so that what was checked is what is read."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    folder = os.open(base, flags | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            deeper = os.open(part, flags | os.O_DIRECTORY, dir_fd=folder)
            os.close(folder)
            folder = deeper
        return os.open(parts[-1], flags | os.O_NONBLOCK, dir_fd=folder)
    finally:
        os.close(folder)


def _content(fd: int, name: str) -> bytes:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise _refused(name, "is not a regular file")
    try:
        with os.fdopen(os.dup(fd), "rb") as file:
            data = file.read(MAX_SECRET_BYTES + 1)
    except OSError:
        raise _refused(name, "cannot be read") from None
    if len(data) > MAX_SECRET_BYTES:
        raise _refused(name, "is larger than 64 KiB")
    return data


def _outside(name: str) -> InputError:
    return _refused(name, "lies outside of the secrets folder")


def _refused(name: str, why: str) -> InputError:
    return InputError(
        f"the secret file {name} {why}",
        code="secret-file",
        help="a secret is a small text file below `secrets.directory`",
    )
