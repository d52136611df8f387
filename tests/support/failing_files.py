"""An operating system that fails at a chosen call: plain code passed in where the real one would be."""

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconcile.adapters.files import FileOperations


@dataclass
class FailingFiles(FileOperations):
    """Fails once, at the `at`-th call of those named `only` (None: of all), with `error`; notes every call.

    `at` 0 never fails. `largest_write` is how many bytes a write takes at most.
    """

    at: int = 0
    error: int = errno.ENOSPC
    only: str | None = None
    largest_write: int = 1 << 30
    calls: list[str] = field(default_factory=list[str])

    def _note(self, name: str) -> None:
        if self.only in {None, name}:
            self.calls.append(name)
            if len(self.calls) == self.at:
                raise OSError(self.error, os.strerror(self.error))

    def write(self, fd: int, data: memoryview) -> int:
        self._note("write")
        return super().write(fd, data[: self.largest_write])


def _noting(name: str) -> Callable[..., Any]:
    real = getattr(FileOperations, name)

    def call(self: FailingFiles, *args: Any) -> Any:
        self._note(name)
        return real(self, *args)

    return call


for _name in (
    "open",
    "stat",
    "read",
    "truncate",
    "restrict",
    "sync",
    "sync_content",
    "rename",
    "unlink",
    "make_folder",
):
    setattr(FailingFiles, _name, _noting(_name))


def modes(folder: Path) -> dict[str, int]:
    """The permissions of every file in a folder."""
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
