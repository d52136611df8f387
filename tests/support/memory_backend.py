"""A backend in memory: plain code that passes the contract of every backend, and can be killed at any of its writes."""

import hashlib
import os
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from reconcile.core.errors import LockedError, StateError, UsageError
from reconcile.ports import LockInfo, StoredState


class Killed(BaseException):
    """The process ended here; nothing of it runs any more."""


@dataclass
class Store:
    """What outlives a process."""

    state: bytes | None = None
    backup: bytes | None = None
    journal: bytes = b""
    aside: tuple[bytes, ...] = ()
    history: bytes = b""
    quota: bytes = b""
    key: bytes | None = None
    left_behind: LockInfo | None = None

    def copy(self) -> "Store":
        return replace(self)


class MemoryLock:
    """The lock while it is held."""

    def __init__(self, backend: "MemoryBackend", info: LockInfo) -> None:
        self._backend = backend
        self.info = info

    def is_held(self) -> bool:
        return self._backend.holder == self.info


@dataclass
class MemoryBackend:
    """The Backend of `ports.py` over a `Store`.

    `kill_after` counts writes down to the one after which the process is killed; `tear` is how many bytes of that
    one arrive, where it appends (None: all). `failure` is raised instead of the next write, as by a full disk.
    """

    store: Store = field(default_factory=Store)
    kill_after: int | None = None
    tear: int | None = None
    failure: StateError | None = None
    writes: list[str] = field(default_factory=list[str])
    reads: list[str] = field(default_factory=list[str])
    holder: LockInfo | None = None
    delay: float = 0.0  # seconds that an append takes
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def read_state(self) -> StoredState | None:
        self.reads.append("state")
        data = self.store.state
        return None if data is None else StoredState(data, hashlib.sha256(data).hexdigest)

    def write_state(self, data: bytes, *, expected: str | None) -> str:
        there = self.read_state()
        if (there.version if there else None) != expected:
            raise StateError("the state was changed by somebody else", code="state-conflict")
        self._begin("write_state")
        if there is not None:
            self.store.backup = there.data
        self.store.state = data
        self._end()
        return hashlib.sha256(data).hexdigest()

    def read_backup(self) -> bytes | None:
        return self.store.backup

    def read_journal(self) -> bytes:
        self.reads.append("journal")
        return self.store.journal

    def last_journal_line(self) -> bytes:
        self.reads.append("last line")
        return (self.store.journal.splitlines(keepends=True) or [b""])[-1]

    def append_journal(self, data: bytes) -> None:
        self._begin("append_journal")
        if self.delay:
            time.sleep(self.delay)
        self.store.journal += self._arriving(data)
        self._end()

    def replace_journal(self, data: bytes, *, keep_aside: bool = False) -> None:
        self._begin("replace_journal")
        if keep_aside and self.store.journal not in self.store.aside:
            self.store.aside += (self.store.journal,)
        self.store.journal = data
        self._end()

    def read_history(self) -> bytes:
        return self.store.history

    def append_history(self, data: bytes) -> None:
        self._begin("append_history")
        self.store.history += self._arriving(data)
        self._end()

    def read_quota(self) -> bytes:
        return self.store.quota

    def append_quota(self, data: bytes) -> None:
        self._begin("append_quota")
        self.store.quota += self._arriving(data)
        self._end()

    def replace_quota(self, data: bytes) -> None:
        self._begin("replace_quota")
        self.store.quota = data
        self._end()

    @contextmanager
    def lock(self, info: LockInfo, *, timeout: float) -> Generator[MemoryLock]:
        if not self._mutex.acquire(timeout=timeout):
            holder = self.holder
            raise LockedError(f"held by {holder.who} on {holder.host} since {holder.since}" if holder else "held")
        try:
            behind = self.store.left_behind
            if behind is not None and behind.host != info.host:
                raise LockedError(f"left by {behind.who} on {behind.host}; reconcile unlock {behind.id}")
            self.store.left_behind = None
            self.holder = info
            yield MemoryLock(self, info)
        finally:
            self.holder = None
            self._mutex.release()

    def lock_holder(self) -> LockInfo | None:
        return self.holder or self.store.left_behind

    def break_lock(self, lock_id: str) -> LockInfo:
        found = self.lock_holder()
        if found is None or found.id != lock_id:
            raise UsageError(f"no lock has the id {lock_id}")
        if self.holder is not None:
            raise LockedError(f"held by {found.who}, who is alive")
        self.store.left_behind = None
        return found

    def fingerprint_key(self, *, create: bool) -> bytes | None:
        if self.store.key is None and create:
            self.store.key = os.urandom(32)
        return self.store.key

    def _begin(self, name: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.writes.append(name)

    def _is_last(self) -> bool:
        return self.kill_after is not None and self.kill_after <= 1

    def _arriving(self, data: bytes) -> bytes:
        return data[: self.tear] if self._is_last() and self.tear is not None else data

    def _end(self) -> None:
        if self._is_last():
            raise Killed
        if self.kill_after is not None:
            self.kill_after -= 1
