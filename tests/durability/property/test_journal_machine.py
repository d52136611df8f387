"""Whatever a run does and wherever it is killed, state and journal together say what was acknowledged."""

from collections.abc import Callable, Sequence
from typing import Literal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from journal_entries import AT, intent, record, run_of
from memory_backend import Killed, MemoryBackend

from reconcile.core.entries import (
    AppliedEntry,
    Entry,
    FinishedEntry,
    HeaderEntry,
    InDoubtEntry,
    NoEffectEntry,
    ResolvedEntry,
    StateChangedEntry,
)
from reconcile.core.folded import Folded
from reconcile.core.journalfile import decode
from reconcile.core.operations import fold
from reconcile.core.state import State
from reconcile.journal import Journal, read_runs
from reconcile.reading import load, read_current

LINEAGE = "lineage-1"
ADDRESSES = st.sampled_from(["a", "b", "c", "d"])
PICK = st.integers(0, 9)


def lineage() -> str:
    return LINEAGE


def time() -> str:
    return AT


class JournalMachine(RuleBasedStateMachine):
    """Runs a journal over a store that outlives it; `history` is every entry that is known to have been written."""

    def __init__(self) -> None:
        super().__init__()
        self.backend = MemoryBackend()
        self.history: list[Entry] = []
        self.kills: list[tuple[int, int | None]] = []
        self.number = 0
        self.run = ""

    @initialize()
    def start(self) -> None:
        self.open()

    def expected(self, more: Sequence[Entry] = ()) -> Folded:
        return fold(State(LINEAGE), [HeaderEntry(LINEAGE, 0), *self.history, *more])

    def open(self) -> None:
        self.journal = Journal.open(self.backend, load(self.backend, new_lineage=lineage), now=time)

    def act(self, entries: Sequence[Entry], action: Callable[[], object]) -> None:
        """Does it; when it is killed, starts again, perhaps more than once, and finds out how much had arrived."""
        try:
            action()
        except Killed:
            self.recover()
            arrived = [n for n in range(len(entries), -1, -1) if self.fits(self.expected(entries[:n]))]
            assert arrived, "what was acknowledged was lost, or something else appeared"
            self.history += entries[: arrived[0]]
        else:
            self.history += entries

    def fits(self, expected: Folded) -> bool:
        runs = read_runs(self.backend, self.journal.folded)
        return same(expected, self.journal.folded) and {r.run for r in runs} == {r.run for r in expected.runs}

    def recover(self) -> None:
        while True:
            after, tear = self.kills.pop() if self.kills else (None, None)
            self.backend = MemoryBackend(self.backend.store, kill_after=after, tear=tear)
            try:
                self.open()
                self.journal.commit(tool_version="1")
            except Killed:
                continue
            self.backend.kill_after = None
            return

    def write(self, *entries: Entry) -> None:
        self.act(entries, lambda: self.journal.append(*entries))

    def name(self) -> str:
        self.number += 1
        return f"o{self.number}"

    def doubt(self, pick: int) -> str | None:
        found = sorted(doubt.intent.operation for doubt in self.expected().doubts.values())
        return found[pick % len(found)] if found else None

    @rule(after=st.integers(1, 6), tear=st.none() | st.integers(0, 400))
    def will_be_killed(self, after: int, tear: int | None) -> None:
        self.backend.kill_after, self.backend.tear = after, tear

    @rule(kills=st.lists(st.tuples(st.integers(1, 4), st.none() | st.integers(0, 200)), max_size=3))
    def recovery_will_be_killed(self, kills: list[tuple[int, int | None]]) -> None:
        self.kills = list(kills)

    @rule()
    def begin_run(self) -> None:
        self.run = self.name()
        self.write(run_of(self.run))

    @rule(address=ADDRESSES)
    def create(self, address: str) -> None:
        if address not in self.expected().doubts and address not in self.expected().state.records:
            self.write(intent(self.name(), address, self.run))

    @rule(address=ADDRESSES, action=st.sampled_from(["update", "delete"]))
    def change(self, address: str, action: str) -> None:
        held = self.expected().state.records.get(address)
        if held is not None and address not in self.expected().doubts:
            self.write(intent(self.name(), address, self.run, action=action, id=held.id, notes=f"note {self.number}"))

    @rule(pick=PICK, later=st.booleans())
    def take_effect(self, pick: int, *, later: bool) -> None:
        operation = self.doubt(pick)
        if operation is None:
            return
        before = next(d.intent for d in self.expected().doubts.values() if d.intent.operation == operation)
        record_id = before.id or 1000 + self.number
        self.number += 1
        at = f"2026-03-02T11:00:{self.number % 60:02}Z"
        self.write(
            ResolvedEntry(operation, at, "adopted", record_id) if later else AppliedEntry(operation, record_id, at)
        )

    @rule(pick=PICK, verdict=st.sampled_from(["rejected", "not created"]))
    def have_no_effect(self, pick: int, verdict: str) -> None:
        operation = self.doubt(pick)
        if operation is not None:
            is_rejected = verdict == "rejected"
            self.write(
                NoEffectEntry(operation, AT, "rejected") if is_rejected else ResolvedEntry(operation, AT, "not_created")
            )

    @rule(pick=PICK)
    def stay_in_doubt(self, pick: int) -> None:
        operation = self.doubt(pick)
        if operation is not None:
            self.write(InDoubtEntry(operation, AT, f"seen {self.number}", (1,)))

    @rule(source=ADDRESSES, to=ADDRESSES)
    def move(self, source: str, to: str) -> None:
        folded = self.expected()
        held = folded.state.records.get(source)
        if (held or source in folded.doubts) and to not in folded.state.records and to not in folded.doubts:
            self.write(StateChangedEntry("mv", AT, source, held.id if held else 0, to=to))

    @rule(address=ADDRESSES, why=st.sampled_from(["rm", "gone"]))
    def forget(self, address: str, why: Literal["rm", "gone"]) -> None:
        held = self.expected().state.records.get(address)
        if held is not None:
            self.write(StateChangedEntry(why, AT, address, held.id))

    @rule(address=ADDRESSES)
    def adopt(self, address: str) -> None:
        if address not in self.expected().state.records:
            self.number += 1
            adopted = record(2000 + self.number, created_at=f"adopted {self.number}")
            self.write(StateChangedEntry("adopt", AT, address, adopted.id, record=adopted))

    @rule()
    def finish_and_commit(self) -> None:
        self.write(FinishedEntry(self.run, AT, 0))
        self.act((), lambda: self.journal.commit(tool_version="1"))

    @rule()
    def commit(self) -> None:
        self.act((), lambda: self.journal.commit(tool_version="1"))

    @rule()
    def die(self) -> None:
        self.recover()

    @precondition(lambda self: self.backend.store.backup is not None)
    @rule()
    def restore_the_backup(self) -> None:
        self.backend.store.state = self.backend.store.backup
        self.recover()

    @invariant()
    def what_is_read_is_what_was_acknowledged(self) -> None:
        before = self.backend.store.copy()
        found = read_current(self.backend, new_lineage=lineage)
        assert same(found, self.expected())
        assert self.backend.store == before

    @invariant()
    def folding_again_changes_nothing(self) -> None:
        loaded = load(self.backend, new_lineage=lineage)
        entries = decode(self.backend.read_journal()).entries
        once = fold(loaded.state, entries)
        again = fold(State(LINEAGE, loaded.state.serial, "", once.state.records), entries)
        assert (again.state.records, again.doubts) == (once.state.records, once.doubts)

    @invariant()
    def no_run_is_lost(self) -> None:
        begun = {run.run for run in self.expected().runs}
        assert {run.run for run in read_runs(self.backend, read_current(self.backend, new_lineage=lineage))} == begun


def same(one: Folded, other: Folded) -> bool:
    return (one.state.records, one.doubts) == (other.state.records, other.doubts)


JournalMachine.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
test_nothing_that_was_acknowledged_is_lost = JournalMachine.TestCase
