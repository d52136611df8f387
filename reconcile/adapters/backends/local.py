"""The backend of a folder on this machine: state, backup, journal, history, key and lock, each a private file.

Writes are durable on return; reads create and change nothing. What the bytes mean is not known here. Compare-and-swap
is only as atomic as the lock that a writer holds.
"""

import hashlib
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from reconcile.adapters import file_lock
from reconcile.adapters.file_lock import HeldFileLock
from reconcile.adapters.files import (
    PRIVATE,
    REAL,
    FileOperations,
    append_private_file,
    make_private_folder,
    read_file,
    read_last_line,
    translated,
    write_fully,
    write_private_file,
)
from reconcile.core.errors import StateError
from reconcile.ports import LockInfo, StoredState

_KEY_BYTES: Final = 32


class LocalBackend:
    """The Backend of `ports.py` over a folder.

    Args:
        folder: Where the files are; made when the first of them is written.
        files: The operating system; a test passes one that fails.
    """

    def __init__(self, folder: Path, files: FileOperations = REAL) -> None:
        self._folder = folder
        self._files = files
        self._state = folder / "state.json"
        self._backup = folder / "state.json.backup"
        self._journal = folder / "journal.jsonl"
        self._history = folder / "history.jsonl"
        self._quota = folder / "quota.jsonl"
        self._key = folder / "key"
        self._lock = folder / "lock"

    def read_state(self) -> StoredState | None:
        """The state with the SHA-256 of its bytes as version, or None when there is none yet."""
        data = self._read(self._state)
        return None if data is None else StoredState(data, lambda: _digest(data))

    def write_state(self, data: bytes, *, expected: str | None) -> str:
        """Keeps what is there as the backup, then replaces it, and returns the new version."""
        there = self.read_state()
        if (there.version if there else None) != expected:
            raise StateError(
                f"{self._state} was changed by somebody else since it was read",
                code="state-conflict",
                help="run the command again: it starts from what is there now",
            )
        self._make_folder()
        if there is not None:
            write_private_file(self._backup, there.data, self._files)
        write_private_file(self._state, data, self._files)
        return _digest(data)

    def read_backup(self) -> bytes | None:
        """The state before the last write."""
        return self._read(self._backup)

    def read_journal(self) -> bytes:
        """The whole journal; empty when there is none."""
        return self._read(self._journal) or b""

    def last_journal_line(self) -> bytes:
        """Its last line, read from the end."""
        self._require_real_folder()
        return read_last_line(self._journal, self._files)

    def append_journal(self, data: bytes) -> None:
        """Adds lines to the journal, durable on return."""
        self._append(self._journal, data)

    def replace_journal(self, data: bytes, *, keep_aside: bool = False) -> None:
        """Replaces the journal whole; what was there is kept beside it first, once, however often this is repeated."""
        self._make_folder()
        if keep_aside:
            before = self.read_journal()
            name = f"journal.jsonl.torn-{hashlib.sha256(before).hexdigest()[:12]}"
            write_private_file(self._folder / name, before, self._files)
        write_private_file(self._journal, data, self._files)

    def read_history(self) -> bytes:
        """The finished runs that the journal no longer holds."""
        return self._read(self._history) or b""

    def append_history(self, data: bytes) -> None:
        """Adds lines to the history."""
        self._append(self._history, data)

    def read_quota(self) -> bytes:
        """The ledger of the quota."""
        return self._read(self._quota) or b""

    def append_quota(self, data: bytes) -> None:
        """Adds to the ledger, durable on return."""
        self._append(self._quota, data)

    def replace_quota(self, data: bytes) -> None:
        """Replaces the ledger whole."""
        self._make_folder()
        write_private_file(self._quota, data, self._files)

    @contextmanager
    def lock(self, info: LockInfo, *, timeout: float) -> Generator[HeldFileLock]:
        """Holds the lock; whoever gets it sweeps away what a killed writer left half written."""
        self._make_folder()
        with file_lock.hold_lock(self._lock, info, timeout=timeout, files=self._files) as held:
            self._sweep()
            yield held

    def lock_holder(self) -> LockInfo | None:
        """Who holds the lock, or left it behind."""
        self._require_real_folder()
        return file_lock.lock_holder(self._lock, self._files)

    def break_lock(self, lock_id: str) -> LockInfo:
        """Clears the lock that a holder on another host left behind."""
        self._require_real_folder()
        return file_lock.break_lock(self._lock, lock_id, self._files)

    def fingerprint_key(self, *, create: bool) -> bytes | None:
        """The key in `key`, 64 hex digits; made of the system's randomness when `create` and missing."""
        written = self._read(self._key)
        if written is not None:
            return self._key_of(written)
        if not create:
            return None
        key = os.urandom(_KEY_BYTES)
        self._make_folder()
        write_private_file(self._key, key.hex().encode() + b"\n", self._files)
        return key

    def record_emergency(self, lines: str) -> Path | None:
        """Writes what the journal could not take to any place that takes it; None when there is none.

        First `emergency.jsonl` in the state folder, then a new file in the system's folder for temporary files.
        """
        data = lines.encode()
        with suppress(StateError):
            self._append(self._folder / "emergency.jsonl", data)
            return self._folder / "emergency.jsonl"
        return self._record_elsewhere(data)

    def _record_elsewhere(self, data: bytes) -> Path | None:
        import tempfile

        try:
            path = Path(tempfile.gettempdir()) / f"reconcile-emergency-{os.urandom(8).hex()}.jsonl"
            fd = self._files.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
            try:
                write_fully(fd, data, self._files)
                self._files.sync(fd)
            finally:
                self._files.close(fd)
        except OSError:
            return None
        return path

    def _key_of(self, written: bytes) -> bytes:
        try:
            key = bytes.fromhex(written.decode())
        except ValueError:
            key = b""
        if len(key) != _KEY_BYTES:
            raise StateError(
                f"{self._key} is damaged: it should hold 64 hex digits",
                code="key-damaged",
                help="restore it, or remove it: tokens are then compared by source and version",
            )
        return key

    def _read(self, path: Path) -> bytes | None:
        self._require_real_folder()
        return read_file(path, self._files)

    def _append(self, path: Path, data: bytes) -> None:
        self._make_folder()
        append_private_file(path, data, self._files)

    def _require_real_folder(self) -> None:
        # A link, which a pull request can bring along, would lead reads and writes out of the project.
        if self._folder.is_symlink():
            raise StateError(
                f"{self._folder} is a symbolic link",
                code="not-a-folder",
                help="name the folder that it leads to as `state.path`",
            )

    def _make_folder(self) -> None:
        self._require_real_folder()
        make_private_folder(self._folder, self._files)

    def _sweep(self) -> None:
        with translated(self._folder, "tidy"):
            for left_over in self._folder.glob(".*.new"):
                self._files.unlink(left_over)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
