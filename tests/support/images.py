"""What a disk may hold after the power went: images built from notes of every file operation of a run.

Until its file is synced, a write may be missing, be cut short, end in zeros, or be there while an earlier one is not;
until its folder is synced, the same goes for a name: a new file, a rename, a removal. What was synced is there.
"""

import fcntl
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal, TypeAlias

from reconcile.adapters.files import PRIVATE, FileOperations

Image: TypeAlias = dict[str, bytes]
"""The content of every file by its path below the root."""

Loss: TypeAlias = Literal["nothing", "all", "late", "any"]
"""What became of the operations that were not synced: all there, none, those after a moment lost, or any of them."""


@dataclass(frozen=True, slots=True)
class Write:
    file: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Cut:
    file: int
    size: int


@dataclass(frozen=True, slots=True)
class Name:
    """`path` now names `file`, or nothing; `was` is the name that a rename took away."""

    path: str
    file: int | None
    was: str = ""


@dataclass(frozen=True, slots=True)
class Sync:
    """A file's content, or the names in a folder."""

    target: int | str


Operation: TypeAlias = Write | Cut | Name | Sync

FOLDER = 0
"""The file number of a folder."""


class RecordingFiles(FileOperations):
    """The real files below `root`, with notes. Syncs are noted, and not done."""

    def __init__(self, root: Path) -> None:
        self.operations: list[Operation] = []
        self.before = read_image(root)
        self._root = root
        self._files = {name: number for number, name in enumerate(self.before, 1)}
        self._made = len(self._files)
        self._open: dict[int, int | str] = {}
        self._lock = threading.RLock()

    def moment(self) -> int:
        """How many operations are done."""
        return len(self.operations)

    def open(self, path: Path, flags: int, mode: int = PRIVATE) -> int:
        with self._lock:
            fd = super().open(path, flags, mode)
            name = self._name(path)
            if flags & os.O_DIRECTORY:
                self._open[fd] = name
                return fd
            if name not in self._files:
                self._made += 1
                self._files[name] = self._made
                self.operations.append(Name(name, self._made))
            self._open[fd] = self._files[name]
            return fd

    def write(self, fd: int, data: memoryview) -> int:
        with self._lock:
            offset = os.fstat(fd).st_size if _is_appending(fd) else os.lseek(fd, 0, os.SEEK_CUR)
            taken = super().write(fd, data)
            self.operations.append(Write(self._number(fd), offset, bytes(data[:taken])))
            return taken

    def truncate(self, fd: int, size: int) -> None:
        with self._lock:
            super().truncate(fd, size)
            self.operations.append(Cut(self._number(fd), size))

    def sync(self, fd: int) -> None:
        with self._lock:
            self.operations.append(Sync(self._open[fd]))

    def sync_content(self, fd: int) -> None:
        self.sync(fd)

    def rename(self, source: Path, target: Path) -> None:
        with self._lock:
            super().rename(source, target)
            was, now = self._name(source), self._name(target)
            self._files[now] = self._files.pop(was)
            self.operations.append(Name(now, self._files[now], was))

    def unlink(self, path: Path) -> None:
        with self._lock:
            super().unlink(path)
            name = self._name(path)
            if self._files.pop(name, None) is not None:
                self.operations.append(Name(name, None))

    def make_folder(self, path: Path) -> None:
        with self._lock:
            super().make_folder(path)
            self.operations.append(Name(self._name(path), FOLDER))

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._root))

    def _number(self, fd: int) -> int:
        number = self._open[fd]
        assert isinstance(number, int)
        return number


def _is_appending(fd: int) -> bool:
    return bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND)


@dataclass
class _Disk:
    """What is safe, and what the system still has in its memory alone."""

    contents: dict[int, bytes]
    names: dict[str, int]
    unsynced_data: dict[int, list[Write | Cut]] = field(default_factory=dict[int, list[Write | Cut]])
    unsynced_names: dict[str, list[Name]] = field(default_factory=dict[str, list[Name]])

    def do(self, operation: Operation) -> None:
        match operation:
            case Write(number) | Cut(number):
                self.unsynced_data.setdefault(number, []).append(operation)
            case Name(path):
                self.unsynced_names.setdefault(_folder_of(path), []).append(operation)
            case Sync(int(number)):
                for done in self.unsynced_data.pop(number, ()):
                    self.contents[number] = _after(self.contents.get(number, b""), done)
            case Sync(str(folder)):
                self.rename(self.unsynced_names.pop(folder, ()))

    def rename(self, done: Iterable[Name]) -> None:
        for name in done:
            if name.was:
                self.names.pop(name.was, None)
            if name.file is None:
                self.names.pop(name.path, None)
            else:
                self.names[name.path] = name.file


def image_at(recorded: RecordingFiles, moment: int, loss: Loss, random: Random) -> Image:
    """What the disk holds when the power goes after so many operations."""
    numbers = {name: number for number, name in enumerate(recorded.before, 1)}
    disk = _Disk({numbers[name]: data for name, data in recorded.before.items()}, dict(numbers))
    for operation in recorded.operations[:moment]:
        disk.do(operation)
    for number, writes in disk.unsynced_data.items():
        survived = _survivors(writes, loss, random)
        content = disk.contents.get(number, b"")
        for done in survived:
            content = _after(content, _torn(done, random) if done is survived[-1] and loss in {"late", "any"} else done)
        disk.contents[number] = content
    for names in disk.unsynced_names.values():
        disk.rename(_survivors(names, loss, random))
    there = {name: disk.contents.get(number, b"") for name, number in disk.names.items() if number != FOLDER}
    return {name: data for name, data in there.items() if _is_reachable(name, disk.names, recorded.before)}


def _survivors(done: list, loss: Loss, random: Random) -> list:  # type: ignore[type-arg]
    match loss:
        case "nothing":
            return done
        case "all":
            return []
        case "late":
            return done[: random.randrange(len(done) + 1)]
        case "any":
            return [one for one in done if random.random() < 0.5]


def _torn(done: Write | Cut, random: Random) -> Write | Cut:
    """Whole, cut short, or at its full length with zeros from somewhere on."""
    if isinstance(done, Cut) or random.random() < 0.4:
        return done
    kept = done.data[: random.randrange(len(done.data))]
    zeros = b"\0" * (len(done.data) - len(kept)) if random.random() < 0.3 else b""
    return Write(done.file, done.offset, kept + zeros)


def _after(content: bytes, done: Write | Cut) -> bytes:
    if isinstance(done, Cut):
        return content[: done.size].ljust(done.size, b"\0")
    padded = content.ljust(done.offset, b"\0")
    return padded[: done.offset] + done.data + padded[done.offset + len(done.data) :]


def _folder_of(path: str) -> str:
    return str(Path(path).parent)


def _is_reachable(path: str, names: dict[str, int], before: Image) -> bool:
    """Whether every folder above it survived too; those that were there from the beginning did."""
    old = {str(parent) for name in before for parent in Path(name).parents}
    return all(str(parent) in old or names.get(str(parent)) == FOLDER for parent in Path(path).parents if parent.name)


def read_image(root: Path) -> Image:
    """The files below `root` as they are."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def write_image(image: Image, root: Path) -> None:
    """Makes `root` hold the image, and nothing else."""
    root.mkdir(0o700, parents=True, exist_ok=True)
    for name, data in image.items():
        path = root / name
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(PRIVATE)
