"""The backends that the contract is put to; a later one adds a `Room` of its own, and every test here runs on it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
from memory_backend import MemoryBackend

from reconcile.adapters.backends.local import LocalBackend
from reconcile.ports import Backend, LockInfo


@dataclass(frozen=True)
class Room:
    """A store, as the contract needs to reach it.

    `backend` is one client of it, `another` opens a second one, and `leave_lock` makes it look as if a holder had
    gone without releasing its lock.
    """

    backend: Backend
    another: Callable[[], Backend]
    leave_lock: Callable[[LockInfo], object]


def local_room(tmp_path: Path) -> Room:
    folder = tmp_path / "state"

    def leave_lock(info: LockInfo) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "lock").write_bytes(orjson.dumps(info._asdict()))

    return Room(LocalBackend(folder), lambda: LocalBackend(folder), leave_lock)


def memory_room(_: Path) -> Room:
    backend = MemoryBackend()
    return Room(backend, lambda: backend, lambda info: setattr(backend.store, "left_behind", info))


@pytest.fixture(params=[local_room, memory_room], ids=["local", "memory"])
def room(request: pytest.FixtureRequest, tmp_path: Path) -> Room:
    return request.param(tmp_path)
