"""Real files that remember what a power loss would leave of them: content as last synced, names as last synced."""

import os
import threading
from pathlib import Path

from reconcile.adapters.files import PRIVATE, FileOperations


class SyncedFiles(FileOperations):
    """The operating system, with a second, pessimistic memory: what was not synced is not there."""

    def __init__(self) -> None:
        self._paths: dict[int, Path] = {}
        self._content: dict[int, bytes] = {}
        self._names: dict[Path, int] = {}
        self._durable: dict[Path, int] = {}
        self._lock = threading.Lock()

    def after_power_loss(self, path: Path) -> bytes:
        """What the file would hold; empty when its name was never made durable."""
        with self._lock:
            inode = self._durable.get(path)
            return b"" if inode is None else self._content.get(inode, b"")

    def open(self, path: Path, flags: int, mode: int = PRIVATE) -> int:
        fd = super().open(path, flags, mode)
        with self._lock:
            self._paths[fd] = path
            self._names[path] = os.fstat(fd).st_ino
            if flags & os.O_EXCL:
                self._content.pop(os.fstat(fd).st_ino, None)
        return fd

    def sync(self, fd: int) -> None:
        super().sync(fd)
        self._remember(fd)

    def sync_content(self, fd: int) -> None:
        super().sync_content(fd)
        self._remember(fd)

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        with self._lock:
            self._names[target] = self._names.pop(source)

    def _remember(self, fd: int) -> None:
        with self._lock:
            path = self._paths[fd]
            if path.is_dir():
                self._durable.update({p: inode for p, inode in self._names.items() if p.parent == path})
            else:
                self._content[os.fstat(fd).st_ino] = path.read_bytes()
