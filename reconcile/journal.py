"""The journal in use: what is appended is durable on return, what is folded becomes the next state.

It owns the order in which things become durable, and so what every crash leaves behind. It knows a Backend and no file.
Only one journal may be open at a time, under the backend's lock; reading needs no lock and changes nothing.

A commit lets go of writes that the quota still counts, so whoever keeps their count takes them over first (`absorb`).
Then it is four steps, and a crash after any of them loses nothing and repeats nothing:

1. The state is written. A crash before it leaves the entries, which the next run folds. One after it leaves a state one
   serial ahead of the journal's last commit; folding the same entries over it again changes nothing.
2. The runs that ended go to the history. A crash after it repeats the step, which leaves out the runs that are there.
3. The commit entry says which state holds everything above it. Until it is there, `open` adds it before anything else,
   so a state is never more than one serial ahead.
4. The journal drops what the backup does not need, in one replacement: either journal folds to the same.

Before the first state is ever written, the journal's header alone carries the lineage. The header is written together
with the first entry; a crash that tears it leaves nothing, and nothing had happened.
"""

import hashlib
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from threading import Lock

from reconcile.core.entries import CommittedEntry, Entry, HeaderEntry, StateChangedEntry
from reconcile.core.errors import StateError
from reconcile.core.folded import Folded
from reconcile.core.journalfile import Decoded, decode, decode_runs, encode, encode_runs
from reconcile.core.operations import Folding, compact, fold
from reconcile.core.runs import RunSummary, RunWrites, writes_by_run
from reconcile.core.state import State, next_state
from reconcile.core.statefile import dump_state
from reconcile.ports import Backend
from reconcile.reading import Loaded


def read_runs(backend: Backend, folded: Folded) -> list[RunSummary]:
    """Every run, oldest first, each once: from the history, and from the journal what is not there yet.

    Raises:
        StateError: The journal cannot be read.
    """
    runs = {run.run: run for run in decode_runs(backend.read_history())}
    entries = decode(backend.read_journal()).entries
    for run in fold(folded.state, entries).runs:
        runs.setdefault(run.run, run)
    return sorted(runs.values(), key=lambda run: run.started_at)


class _Batch:
    """Entries of one or several threads that become durable together, or not at all as far as anybody knows."""

    __slots__ = ("entries", "failure", "is_done")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.is_done = False
        self.failure: StateError | None = None


class Journal:
    """A journal that is open for writing, under the lock. All methods may be called from any thread."""

    def __init__(
        self,
        backend: Backend,
        loaded: Loaded,
        decoded: Decoded,
        *,
        now: Callable[[], str],
        is_ours: Callable[[], bool],
        absorb: Callable[[Mapping[str, RunWrites]], None],
    ) -> None:
        self._backend = backend
        self._is_ours = is_ours
        self._absorb = absorb
        self._version = loaded.version
        self._entries = list(decoded.entries)
        self._crc = decoded.last_crc
        self._folding = Folding(loaded.state, decoded.entries)
        self._now = now
        self._gathering = Lock()
        self._writing = Lock()
        self._next = _Batch()
        self._failure: StateError | None = None

    @classmethod
    def open(
        cls,
        backend: Backend,
        loaded: Loaded,
        *,
        now: Callable[[], str],
        is_ours: Callable[[], bool] = lambda: True,
        absorb: Callable[[Mapping[str, RunWrites]], None] = lambda _: None,
    ) -> "Journal":
        """Reads and folds the journal, and mends what a crash left: a torn tail, a commit that was not said.

        The lock must be held; `is_ours` says whether it still is, and is asked before every write: a line of ours
        between those of whoever took it would break the journal for good. `now` gives UTC, ISO 8601. `absorb` is told
        the writes the journal holds, now and before every commit, because a commit lets go of them; it leaves out those
        it was told before.

        Raises:
            StateError: It cannot be read, believed or mended.
        """
        data = backend.read_journal()
        decoded = decode(data)
        journal = cls(backend, loaded, decoded, now=now, is_ours=is_ours, absorb=absorb)
        if decoded.torn is not None:
            backend.replace_journal(data[: decoded.torn], keep_aside=True)
        absorb(journal.write_times())
        journal._say_forgotten_commit()
        return journal

    def write_times(self) -> dict[str, RunWrites]:
        """When the writes that the journal still holds were charged, by run."""
        return writes_by_run(self._entries)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """What it still holds, oldest first."""
        with self._writing:
            return tuple(self._entries)

    @property
    def folded(self) -> Folded:
        """What state and journal say together now; costs the size of the state."""
        with self._writing:
            return self._folding.folded()

    def append(self, *entries: Entry) -> None:
        """Makes entries durable, in this order; threads that append at the same time share one write.

        Raises:
            StateError: They may or may not have become durable. From then on nothing more is taken: a failed sync is
                never tried again, because the system forgets what it could not write.
        """
        with self._gathering:
            batch = self._next
            batch.entries.extend(entries)
        with self._writing:
            # Whoever comes first writes for all, and the others find it done.
            if not batch.is_done:
                self._write_batch(batch)
        if batch.failure is not None:
            raise _again(batch.failure)

    def commit(self, *, tool_version: str) -> State:
        """Makes a state of all that is known, unless it is one already, and drops what nobody needs any more.

        A run that is to appear in the history appends its FinishedEntry before.

        Raises:
            StateError: Code `state-conflict` when somebody else wrote the state. The journal takes nothing more then,
                and still holds everything.
        """
        with self._writing, self._closing_on_failure():
            return self._commit(tool_version)

    def push(self, state: State, *, who: str, tool_version: str) -> State:
        """Puts other records in the place of the state's, as `state push` does; doubts stay open.

        Raises:
            StateError: Code `journal-foreign` when it has another lineage and writes are in doubt; and as `commit`.
        """
        if self._version is not None or self._folding.is_ahead:
            self.commit(tool_version=tool_version)
        with self._writing, self._closing_on_failure():
            return self._push(state, who, tool_version)

    def _write_batch(self, batch: _Batch) -> None:
        with self._gathering:
            self._next = _Batch()
        batch.is_done = True
        try:
            with self._closing_on_failure():
                self._write(batch.entries)
        except StateError as error:
            batch.failure = error
        except BaseException:
            batch.failure = self._failure
            raise

    @contextmanager
    def _closing_on_failure(self) -> Generator[None, None, None]:
        """Whatever ends the with-block early closes the journal: nobody knows then what was written."""
        if self._failure is None and not self._is_ours():
            self._failure = _lock_lost()
        if self._failure is not None:
            raise _again(self._failure)
        self._failure = StateError("the journal could not be written", code="journal-unwritten")
        try:
            yield
        except StateError as error:
            self._failure = error
            raise
        self._failure = None

    def _write(self, entries: Sequence[Entry]) -> None:
        state = self._folding.state
        new = entries if self._entries else [HeaderEntry(state.lineage, state.serial), *entries]
        # Folded first: an entry that makes no sense must not get into the file.
        for entry in new:
            self._folding.take(entry)
        data, crc = encode(new, self._crc)
        self._backend.append_journal(data)
        self._entries.extend(new)
        self._crc = crc

    def _commit(self, tool_version: str) -> State:
        self._absorb(self.write_times())
        before = self._folding.state
        is_written = self._folding.is_ahead or self._version is None
        if not is_written and (not self._entries or isinstance(self._entries[-1], CommittedEntry)):
            return before
        if is_written:
            digest = self._write_state(before._replace(records=self._folding.records), tool_version)
        else:
            digest = _digest(dump_state(before))
        self._remember_runs()
        self._say_commit(digest)
        if is_written:
            self._compact(before.serial)
        return self._folding.state

    def _push(self, state: State, who: str, tool_version: str) -> State:
        self._absorb(self.write_times())
        before = self._folding.state
        if state.lineage == before.lineage:
            self._write([StateChangedEntry("push", self._now(), who=who)])
        else:
            self._leave_lineage(state)
        digest = self._write_state(before._replace(lineage=state.lineage, records=state.records), tool_version)
        self._say_commit(digest)
        self._compact(before.serial)
        return self._folding.state

    def _leave_lineage(self, state: State) -> None:
        """Empties the journal, all of which is in the state: whichever state a crash leaves, it fits."""
        if self._folding.doubts or self._folding.is_ahead:
            raise StateError(
                f"the pushed state has lineage {state.lineage}, and writes of this one are in doubt",
                code="journal-foreign",
                help="settle them with `reconcile resolve` first",
            )
        self._replace([])
        self._folding = Folding(State(state.lineage, max(state.serial, self._folding.serial)))

    def _write_state(self, state: State, tool_version: str) -> str:
        # Above every serial that was ever used, also when an older state was restored: a serial means one content.
        written = next_state(state._replace(serial=self._folding.serial), tool_version)
        data = dump_state(written)
        self._version = self._backend.write_state(data, expected=self._version)
        self._folding.commit(written)
        return _digest(data)

    def _remember_runs(self) -> None:
        history = self._backend.read_history()
        known = {run.run for run in decode_runs(history)}
        new = [run for run in self._folding.ended_runs() if run.run not in known]
        if new:
            # A line that a crash tore must not swallow the one that follows it.
            torn = b"\n" if history and not history.endswith(b"\n") else b""
            self._backend.append_history(torn + encode_runs(new))

    def _say_commit(self, digest: str) -> None:
        state = self._folding.state
        settled = not self._folding.doubts
        self._write([CommittedEntry(state.serial, digest, self._now(), lineage=state.lineage, settled=settled)])

    def _say_forgotten_commit(self) -> None:
        """Catches up with a state that is newer than the journal's last word on it.

        Usually a run was killed between the two, and the state holds all that the journal says. Where it does not, the
        journal is put on top of that state, so that its entries are folded and nothing they say is lost.
        """
        serials = [entry.serial for entry in self._entries if isinstance(entry, HeaderEntry | CommittedEntry)]
        state = self._folding.state
        if not serials or state.serial <= max(serials):
            return
        if self._folding.records == state.records:
            self._folding.commit(state)
            self._say_commit(_digest(dump_state(state)))
        else:
            kept = compact(self._entries, max(serials))
            self._replace([HeaderEntry(state.lineage, state.serial), *kept[1:]])

    def _compact(self, serial: int) -> None:
        kept = compact(self._entries, serial)
        if len(kept) < len(self._entries):
            self._replace(kept)

    def _replace(self, entries: Sequence[Entry]) -> None:
        data, crc = encode(entries)
        self._backend.replace_journal(data)
        self._entries = list(entries)
        self._crc = crc


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _lock_lost() -> StateError:
    return StateError(
        "the lock was taken away while this run held it; nothing more was written",
        code="lock-lost",
        help="what was sent is in the journal; whoever holds the lock now settles it, and so does the next run",
    )


def _again(failure: StateError) -> StateError:
    """The same failure for another thread, whose stack is its own."""
    return StateError(failure.message, help=failure.help, code=failure.code)
