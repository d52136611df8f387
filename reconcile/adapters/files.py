"""Files as we write and read them: private, whole, durable, and never through a link.

Every path to the file system leads through a `FileOperations`, so that a test can make any call fail. This module knows
nothing of what is in the files. It must never retry a failed sync: after one, nobody knows what the disk holds.
"""

import os
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from reconcile.core.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

PRIVATE: Final = 0o600
PRIVATE_FOLDER: Final = 0o700
_TAIL: Final = 1 << 16


class FileOperations:
    """The calls to the operating system, one by one; tests pass one that fails where they choose."""

    def open(self, path: Path, flags: int, mode: int = PRIVATE) -> int:
        """A file descriptor; never through a link in the last segment, and never waiting for a FIFO's other end."""
        return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, mode)

    def close(self, fd: int) -> None:
        """Closes it."""
        os.close(fd)

    def stat(self, fd: int) -> os.stat_result:
        """What kind of file it is, and how large, in bytes."""
        return os.fstat(fd)

    def read(self, fd: int, size: int, offset: int) -> bytes:
        """Up to `size` bytes from `offset`."""
        return os.pread(fd, size, offset)

    def write(self, fd: int, data: memoryview) -> int:
        """Writes some of `data`, and returns how many bytes."""
        return os.write(fd, data)

    def truncate(self, fd: int, size: int) -> None:
        """Cuts the file to `size` bytes."""
        os.ftruncate(fd, size)

    def restrict(self, fd: int) -> None:
        """Takes every permission of other users away."""
        os.fchmod(fd, PRIVATE)

    def sync(self, fd: int) -> None:
        """Returns once content and name would survive a power loss."""
        os.fsync(fd)

    def sync_content(self, fd: int) -> None:
        """As `sync`, without the times of the file: its bytes and size are what counts."""
        getattr(os, "fdatasync", os.fsync)(fd)

    def rename(self, source: Path, target: Path) -> None:
        """Puts `source` in the place of `target`, atomically."""
        source.replace(target)

    def unlink(self, path: Path) -> None:
        """Removes a file, if it is there."""
        path.unlink(missing_ok=True)

    def make_folder(self, path: Path) -> None:
        """Creates a folder that only its owner may enter."""
        path.mkdir(PRIVATE_FOLDER)


REAL: Final = FileOperations()


@contextmanager
def translated(path: Path, doing: str) -> "Generator[None]":
    """Turns what the operating system says into one sentence that names the file and what was being done to it."""
    try:
        yield
    except OSError as error:
        raise StateError(
            f"cannot {doing} {path}: {os.strerror(error.errno) if error.errno else error}",
            code="file-system",
            help=_advice(error),
        ) from None


def _advice(error: OSError) -> str:
    import errno

    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return "free some space, then run the command again: it goes on from what was recorded"
    if error.errno in {errno.ELOOP, errno.EMLINK}:
        return "it is a symbolic link, which is never followed here; put the file itself in its place"
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return "give this user the right to read and write it"
    return "nothing is known beyond what was recorded before; look at the disk, then run the command again"


@contextmanager
def opened(path: Path, flags: int, files: FileOperations = REAL) -> "Generator[int]":
    """A descriptor of a regular file, closed at the end. Raises OSError, or StateError for anything but a file."""
    fd = files.open(path, flags)
    try:
        require_regular(path, files.stat(fd))
        yield fd
    finally:
        files.close(fd)


def require_regular(path: Path, found: os.stat_result) -> None:
    """Raises StateError unless it is a regular file: a FIFO would wait for ever, a device is somebody else's."""
    if not stat.S_ISREG(found.st_mode):
        raise StateError(
            f"{path} is not a regular file", code="not-a-file", help="folders, pipes and devices are refused here"
        )


def read_file(path: Path, files: FileOperations = REAL, *, most: int | None = None) -> bytes | None:
    """The whole file; None when it does not exist.

    Raises:
        StateError: It cannot be read, holds more than `most` bytes, or is a link, a folder, a FIFO or a device.
    """
    with translated(path, "read"):
        try:
            with opened(path, os.O_RDONLY, files) as fd:
                size = files.stat(fd).st_size
                if most is not None and size > most:
                    raise StateError(f"{path} is larger than {most:,} bytes", code="file-too-large")
                # All in one piece where the system gives it so: joining pieces would hold a large state twice.
                return b"".join(_chunks(fd, size + 1, files))
        except FileNotFoundError:
            return None


def _chunks(fd: int, size: int, files: FileOperations) -> "Iterator[bytes]":
    offset = 0
    while chunk := files.read(fd, size, offset):
        offset += len(chunk)
        yield chunk


def read_last_line(path: Path, files: FileOperations = REAL) -> bytes:
    """The last line with its newline, if it has one; empty when there is no file. Raises StateError as `read_file`."""
    with translated(path, "read"):
        try:
            with opened(path, os.O_RDONLY, files) as fd:
                return _last_line(fd, files)
        except FileNotFoundError:
            return b""


def _last_line(fd: int, files: FileOperations) -> bytes:
    tail, offset = b"", files.stat(fd).st_size
    while offset and b"\n" not in tail[:-1]:
        size = min(_TAIL, offset)
        offset -= size
        tail = files.read(fd, size, offset) + tail
    return tail[tail[:-1].rfind(b"\n") + 1 :]


def write_private_file(path: Path, data: bytes, files: FileOperations = REAL) -> None:
    """Puts `data` in the place of `path`, whole or not at all: written beside, synced, renamed, the folder synced.

    Raises:
        StateError: It could not be done; what was there before is still there, unless only the last sync failed.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.new")
    with translated(path, "write"):
        refuse_special(path)
        try:
            files.unlink(beside)
            fd = files.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
            try:
                write_fully(fd, data, files)
                files.sync(fd)
            finally:
                files.close(fd)
            files.rename(beside, path)
        except BaseException:
            with suppress(OSError):
                files.unlink(beside)
            raise
        sync_folder(path.parent, files)


def append_private_file(path: Path, data: bytes, files: FileOperations = REAL) -> None:
    """Adds `data` at the end of `path`, made when missing; durable on return.

    Raises:
        StateError: It could not be done; the file may end with a part of `data`.
    """
    with translated(path, "append to"):
        try:
            fd, is_new = files.open(path, os.O_WRONLY | os.O_APPEND), False
        except FileNotFoundError:
            fd, is_new = files.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL), True
        try:
            found = files.stat(fd)
            require_regular(path, found)
            if found.st_mode & 0o077:
                files.restrict(fd)
            write_fully(fd, data, files)
            files.sync_content(fd)
        finally:
            files.close(fd)
        if is_new:
            sync_folder(path.parent, files)


def write_fully(fd: int, data: bytes, files: FileOperations = REAL) -> None:
    """Writes all of `data`, however little each call takes."""
    rest = memoryview(data)
    while rest:
        rest = rest[files.write(fd, rest) :]


def make_private_folder(path: Path, files: FileOperations = REAL) -> None:
    """Creates `path` and what is missing above it, for this user alone; what is there stays as it is.

    Raises:
        StateError: It cannot be made.
    """
    with translated(path, "create the folder"):
        if path.is_dir():
            return
        make_private_folder(path.parent, files)
        with suppress(FileExistsError):  # another run was quicker; if it made a file, opening below it says so
            files.make_folder(path)
        sync_folder(path.parent, files)


def sync_folder(path: Path, files: FileOperations = REAL) -> None:
    """Makes the names in a folder durable."""
    fd = files.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        files.sync(fd)
    finally:
        files.close(fd)


def refuse_special(path: Path) -> None:
    """Raises StateError where a link, a folder, a FIFO or a device stands in the way of a file."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if stat.S_ISLNK(found.st_mode):
        raise StateError(f"{path} is a symbolic link", code="not-a-file", help="put the file itself in its place")
    require_regular(path, found)
