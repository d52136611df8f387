"""An operating-system lock on a file that also says who holds it.

The system frees the lock when its holder dies, so one that died on this host is taken over; one on another host (a
shared folder, where that may not work) leaves its name behind and is asked about. The file is never removed: a lock on
a removed file would be a lock on nothing.
"""

import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast
from zlib import crc32

from reconcile.adapters.files import (
    REAL,
    FileOperations,
    opened,
    read_file,
    require_regular,
    sync_folder,
    translated,
    write_fully,
)
from reconcile.core.errors import LockedError, UsageError
from reconcile.core.json_text import parse_json
from reconcile.ports import LockInfo

_POLL_SECONDS: Final = 0.1
_MAX_INFO_BYTES: Final = 64 * 1024


class HeldFileLock:
    """The lock while it is held.

    Attributes:
        info: What others are shown.
        taken_over: Who held it before and died on this host without releasing it.
    """

    def __init__(self, path: Path, fd: int, info: LockInfo, taken_over: LockInfo | None) -> None:
        self._path = path
        self._fd = fd
        self._written = _bytes_of(info)
        self.info = info
        self.taken_over = taken_over

    def is_held(self) -> bool:
        """Whether the file is still the locked one, and still names us."""
        try:
            ours, there = os.fstat(self._fd), self._path.lstat()
            data = os.pread(self._fd, _MAX_INFO_BYTES, 0)
        except OSError:
            return False
        return (ours.st_dev, ours.st_ino) == (there.st_dev, there.st_ino) and data == self._written


@contextmanager
def hold_lock(path: Path, info: LockInfo, *, timeout: float, files: FileOperations = REAL) -> Generator[HeldFileLock]:
    """Holds the lock on `path` inside the with-block, waiting at most `timeout` seconds for it.

    Raises:
        LockedError: Somebody else holds it, or left it behind on another host.
        StateError: The file cannot be used.
    """
    fd = _open(path, files)
    try:
        with translated(path, "lock"):
            _wait(path, fd, timeout, files)
            taken_over = _left_behind(fd, info, files)
            _write_info(fd, _bytes_of(info), files)
        held = HeldFileLock(path, fd, info, taken_over)
        try:
            yield held
        finally:
            # What names somebody else by now is no longer ours to clear.
            if held.is_held():
                with translated(path, "release"):
                    _write_info(fd, b"", files)
    finally:
        os.close(fd)


def lock_holder(path: Path, files: FileOperations = REAL) -> LockInfo | None:
    """Who holds the lock, or left it behind; None when it is free."""
    data = read_file(path, files)
    return _info_of(data) if data else None


def break_lock(path: Path, lock_id: str, files: FileOperations = REAL) -> LockInfo:
    """Clears the lock that a holder left behind.

    Raises:
        UsageError: No lock has that id.
        LockedError: Its holder is alive.
    """
    found = lock_holder(path, files)
    if found is None or found.id != lock_id:
        raise UsageError(
            f"no lock has the id {lock_id}" + (f"; the one there has {found.id}" if found else ": it is free"),
            code="no-such-lock",
        )
    with translated(path, "unlock"), opened(path, os.O_RDWR, files) as fd:
        if not _is_granted(fd):
            raise _locked(found)
        now_there = _info_of(files.read(fd, _MAX_INFO_BYTES, 0))
        if now_there != found:
            raise LockedError("the lock changed hands meanwhile", help="look at who holds it now")
        _write_info(fd, b"", files)
    return found


def _open(path: Path, files: FileOperations) -> int:
    with translated(path, "open"):
        try:
            fd, is_new = files.open(path, os.O_RDWR), False
        except FileNotFoundError:
            # Without O_EXCL, because whoever was quicker made the very file that both have to lock.
            fd, is_new = files.open(path, os.O_RDWR | os.O_CREAT), True
        try:
            found = files.stat(fd)
            require_regular(path, found)
            if found.st_mode & 0o077:
                files.restrict(fd)
            if is_new:
                sync_folder(path.parent, files)
        except BaseException:
            files.close(fd)
            raise
    return fd


def _wait(path: Path, fd: int, timeout: float, files: FileOperations) -> None:
    deadline = time.monotonic() + timeout
    while not _is_granted(fd):
        left = deadline - time.monotonic()
        if left <= 0:
            raise _locked(lock_holder(path, files))
        time.sleep(min(_POLL_SECONDS, left))


def _is_granted(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _left_behind(fd: int, info: LockInfo, files: FileOperations) -> LockInfo | None:
    """Who died holding it on this host, if anybody; LockedError when it was on another one."""
    found = _info_of(files.read(fd, _MAX_INFO_BYTES, 0))
    if found is not None and found.host != info.host:
        raise LockedError(
            f"the lock was left by {_described(found)}",
            code="locked-elsewhere",
            help=f"make sure that nothing runs there any more, then: reconcile unlock {found.id}",
        )
    return found


def _write_info(fd: int, data: bytes, files: FileOperations) -> None:
    files.truncate(fd, 0)
    os.lseek(fd, 0, os.SEEK_SET)
    write_fully(fd, data, files)
    files.sync(fd)


def _bytes_of(info: LockInfo) -> bytes:
    import orjson

    plain = info._asdict()
    return orjson.dumps(plain | {"crc": _crc_of(plain)}) + b"\n"


def _crc_of(plain: dict[str, Any]) -> int:
    import orjson

    return crc32(orjson.dumps(plain))


def _info_of(data: bytes) -> LockInfo | None:
    """What the file says; None when it says nothing that makes sense, as after a kill while it was written.

    A power loss may leave parts of two holders in it, which together name a host that never was.
    """
    try:
        found = cast("dict[str, Any]", parse_json(data))
        crc = found.pop("crc", None)
        info = LockInfo(**found)
    except (ValueError, TypeError, AttributeError):
        return None
    texts = (info.id, info.operation, info.who, info.host, info.since)
    is_whole = crc in {None, _crc_of(found)}  # versions before this one wrote none
    return info if is_whole and type(info.pid) is int and all(type(text) is str for text in texts) else None


def _locked(holder: LockInfo | None) -> LockedError:
    by = f"held by {_described(holder)}" if holder else "held by another run"
    return LockedError(f"the lock is {by}", help="wait for it to end, or let this run wait with --lock-timeout")


def _described(info: LockInfo) -> str:
    return f"{info.who} on {info.host} (process {info.pid}, {info.operation}, since {info.since}, lock {info.id})"
