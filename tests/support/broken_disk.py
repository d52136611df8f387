"""A disk that fails at a chosen call, once or from then on; every call is noted with the file it was about."""

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeAlias

from reconcile.adapters.files import PRIVATE, FileOperations

Fault: TypeAlias = Literal["ENOSPC", "EIO", "short", "ENOSPC for good", "EIO for good"]
"""`short` takes a part of a write and has no room for the rest; the others fail once, or from then on."""

_TAKES_ROOM = frozenset({"open", "write", "rename", "make_folder"})


class BrokenDisk(FileOperations):
    """Fails at the `at`-th call (0: never).

    Args:
        root: Only calls about files below it count, and fail.

    Attributes:
        on_failure: Called right before the first failure.
        failed: The index of the first call that failed.
    """

    def __init__(self, root: Path, at: int, fault: Fault) -> None:
        self.calls: list[tuple[str, str]] = []
        self.failed: int | None = None
        self._root, self._at, self._fault = root, at, fault
        self.on_failure: Callable[[], None] = lambda: None
        self._paths: dict[int, Path] = {}
        self._lock = threading.RLock()

    def calls_after_failed_sync(self) -> list[str]:
        """What was still written to a file, or synced, after a sync of it had failed."""
        if self.failed is None or not self.calls[self.failed][0].startswith("sync"):
            return []
        path = self.calls[self.failed][1]
        return [
            name
            for name, about in self.calls[self.failed + 1 :]
            if about == path and name in {"write", "sync", "sync_content"}
        ]

    def open(self, path: Path, flags: int, mode: int = PRIVATE) -> int:
        with self._lock:
            self._note("open", path)
            fd = super().open(path, flags, mode)
            self._paths[fd] = path
            return fd

    def write(self, fd: int, data: memoryview) -> int:
        with self._lock:
            if self._fault == "short" and len(self.calls) + 1 == self._at and self._is_below(self._paths[fd]):
                self._at += 1  # the rest of it fails
                self.calls.append(("write", str(self._paths[fd])))
                return super().write(fd, data[: max(1, len(data) // 2)])
            self._note("write", self._paths[fd])
            return super().write(fd, data)

    def _note(self, name: str, path: Path) -> None:
        with self._lock:
            if not self._is_below(path):
                return
            self.calls.append((name, str(path)))
            is_first = len(self.calls) == self._at
            if is_first:
                self.failed = len(self.calls) - 1
                self.on_failure()
            if is_first or (self.failed is not None and self._goes_on_with(name)):
                number = errno.EIO if self._fault.startswith("EIO") else errno.ENOSPC
                raise OSError(number, os.strerror(number))

    def _goes_on_with(self, name: str) -> bool:
        return self._fault == "EIO for good" or (self._fault == "ENOSPC for good" and name in _TAKES_ROOM)

    def _is_below(self, path: Path) -> bool:
        return path.is_relative_to(self._root)


def _by_descriptor(name: str) -> Callable[..., Any]:
    real = getattr(FileOperations, name)

    def call(self: BrokenDisk, fd: int, *args: Any) -> Any:
        self._note(name, self._paths[fd])
        return real(self, fd, *args)

    return call


def _by_path(name: str) -> Callable[..., Any]:
    real = getattr(FileOperations, name)

    def call(self: BrokenDisk, path: Path, *args: Any) -> Any:
        self._note(name, path)
        return real(self, path, *args)

    return call


for _name in ("stat", "read", "truncate", "restrict", "sync", "sync_content"):
    setattr(BrokenDisk, _name, _by_descriptor(_name))
for _name in ("rename", "unlink", "make_folder"):
    setattr(BrokenDisk, _name, _by_path(_name))
