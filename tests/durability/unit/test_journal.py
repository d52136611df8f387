import threading
from contextlib import suppress

import pytest
from journal_entries import AT, creates, failure_of, intent, record, run_of
from memory_backend import Killed, MemoryBackend, Store

from reconcile.core.entries import AppliedEntry, CommittedEntry, FinishedEntry, HeaderEntry, StateChangedEntry
from reconcile.core.errors import StateError
from reconcile.core.journalfile import decode, decode_runs, encode
from reconcile.core.state import State
from reconcile.core.statefile import dump_state, load_state
from reconcile.journal import Journal, read_runs
from reconcile.reading import load, read_current, read_folded


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def backend(store) -> MemoryBackend:
    return MemoryBackend(store)


@pytest.fixture
def opened(backend, now):
    return lambda: Journal.open(backend, load(backend, new_lineage=lambda: "lineage-1"), now=now)


def entries_of(backend):
    return decode(backend.read_journal()).entries


def test_a_first_state_is_born_with_a_new_lineage(backend):
    loaded = load(backend, new_lineage=lambda: "brand-new")
    assert loaded.state == State("brand-new")
    assert loaded.version is None


def test_opening_and_reading_write_nothing(backend, opened):
    journal = opened()
    assert journal.folded.state == State("lineage-1")
    read_current(backend, new_lineage=lambda: "x")
    assert backend.writes == []


def test_the_header_is_written_together_with_the_first_entry(backend, opened):
    opened().append(run_of())
    assert backend.writes == ["append_journal"]
    assert entries_of(backend) == (HeaderEntry("lineage-1", 0), run_of())


def test_a_run_that_was_killed_before_its_first_state_keeps_its_lineage(backend, opened):
    opened().append(run_of(), intent("o1", "a"), AppliedEntry("o1", 7, AT))
    found = read_current(backend, new_lineage=lambda: "another")
    assert found.state.lineage == "lineage-1"
    assert found.state.records["a"].id == 7
    assert found.is_ahead


def test_a_commit_writes_the_next_state_and_says_so(backend, opened):
    journal = opened()
    journal.append(*creates(2))
    state = journal.commit(tool_version="0.2.0")
    assert (state.serial, state.tool_version, len(state.records)) == (1, "0.2.0", 2)
    assert load_state(backend.read_state().data) == state
    last = entries_of(backend)[-1]
    assert isinstance(last, CommittedEntry)
    assert (last.serial, last.digest, last.settled) == (1, backend.read_state().version, True)
    assert not journal.folded.is_ahead


def test_committing_again_writes_nothing(backend, opened):
    journal = opened()
    journal.append(*creates(1))
    journal.commit(tool_version="1")
    writes = list(backend.writes)
    journal.commit(tool_version="1")
    opened().commit(tool_version="2")
    assert backend.writes == writes


def test_a_run_without_effect_leaves_the_state_as_it_was(backend, opened):
    journal = opened()
    journal.append(*creates(1))
    journal.commit(tool_version="1")
    journal.append(run_of("r2"), FinishedEntry("r2", AT, 1))
    before = backend.read_state().version
    journal.commit(tool_version="1")
    assert backend.read_state().version == before
    assert isinstance(entries_of(backend)[-1], CommittedEntry)


def test_reading_costs_one_line_when_the_last_one_commits_this_very_state(backend, opened):
    journal = opened()
    journal.append(*creates(1))
    state = journal.commit(tool_version="1")
    backend.reads.clear()
    assert read_folded(backend, state).state == state
    assert backend.reads == ["last line"]


@pytest.mark.parametrize(("lineage", "serial"), [("lineage-1", 0), ("lineage-2", 1)])
def test_reading_looks_closer_when_the_last_line_commits_another_state(backend, opened, lineage, serial):
    journal = opened()
    journal.append(*creates(1))
    journal.commit(tool_version="1")
    backend.reads.clear()
    failure = failure_of(lambda: read_folded(backend, State(lineage, serial)))
    assert failure is None or failure.code == "journal-foreign"
    assert "journal" in backend.reads


def test_a_doubt_is_seen_although_the_last_line_is_a_commit(backend, opened):
    journal = opened()
    journal.append(*creates(1)[:-1], intent("o9", "z"), FinishedEntry("r1", AT, 4))
    state = journal.commit(tool_version="1")
    assert list(read_folded(backend, state).doubts) == ["z"]
    for run in ("r2", "r3"):
        journal.append(*creates(1, run, 600 + int(run[1])))
        state = journal.commit(tool_version="1")
    assert list(read_folded(backend, state).doubts) == ["z"]


def test_the_journal_does_not_grow_from_run_to_run(backend, opened):
    sizes = []
    for number in range(6):
        journal = opened()
        journal.append(*creates(5, f"r{number}", 1000 + 10 * number))
        journal.commit(tool_version="1")
        sizes.append(len(backend.read_journal()))
    assert sizes[-1] <= sizes[2]


def test_the_backup_can_be_folded_forward_after_every_commit(backend, opened):
    for number in range(4):
        journal = opened()
        journal.append(*creates(2, f"r{number}", 1000 + 10 * number))
        state = journal.commit(tool_version="1")
        if (backup := backend.read_backup()) is not None:
            restored = load_state(backup)
            assert restored.serial == state.serial - 1
            assert read_folded(backend, restored).state.records == state.records


def test_an_older_state_than_the_backup_is_refused_and_the_backup_named(backend, opened):
    first = None
    for number in range(3):
        journal = opened()
        journal.append(*creates(1, f"r{number}", 1000 + number))
        state = journal.commit(tool_version="1")
        first = first or state
    with pytest.raises(StateError) as caught:
        read_folded(backend, first)
    assert caught.value.code == "state-older-than-journal"
    assert "state.json.backup" in caught.value.help


def test_a_serial_is_never_used_twice_even_after_an_older_state_was_restored(opened, store):
    for number in range(2):
        journal = opened()
        journal.append(*creates(1, f"r{number}", 1000 + number))
        journal.commit(tool_version="1")
    store.state = store.backup
    journal = opened()
    assert journal.commit(tool_version="1").serial == 3
    assert len(load_state(store.state).records) == 2


def test_a_state_that_is_gone_is_rebuilt_where_the_journal_reaches_back_to_its_beginning(backend, opened, store):
    journal = opened()
    journal.append(*creates(2))
    state = journal.commit(tool_version="1")
    store.state = None
    assert read_current(backend, new_lineage=lambda: "x").state.records == state.records
    assert opened().commit(tool_version="1").serial == 2


def test_a_state_that_is_gone_is_asked_for_where_the_journal_does_not_reach_back(backend, opened, store):
    for number in range(2):
        journal = opened()
        journal.append(*creates(1, f"r{number}", 1000 + number))
        journal.commit(tool_version="1")
    store.state = None
    with pytest.raises(StateError) as caught:
        load(backend, new_lineage=lambda: "x")
    assert caught.value.code == "state-missing"
    assert "state.json.backup" in caught.value.help


def test_a_pushed_state_that_is_gone_is_asked_for(backend, opened, store):
    opened().push(State("lineage-1", 0, "", {"a": record()}), who="ana", tool_version="1")
    store.state = None
    with pytest.raises(StateError) as caught:
        load(backend, new_lineage=lambda: "x")
    assert caught.value.code == "state-missing"


def test_a_journal_without_its_header_is_refused(backend, store):
    store.journal = encode([run_of()])[0]
    with pytest.raises(StateError) as caught:
        read_current(backend, new_lineage=lambda: "x")
    assert caught.value.code == "journal-corrupt"


def test_a_torn_tail_is_ignored_by_readers_and_cut_and_kept_by_the_next_writer(backend, opened, store):
    opened().append(run_of(), intent("o1", "a"))
    whole = store.journal
    store.journal = torn = whole + b'{"crc":"0000'
    assert list(read_current(backend, new_lineage=lambda: "x").doubts) == ["a"]
    assert store.journal == torn
    opened().append(AppliedEntry("o1", 7, AT))
    assert store.aside == (torn,)
    assert store.journal.startswith(whole)
    assert read_current(backend, new_lineage=lambda: "x").state.records["a"].id == 7


def test_a_run_killed_between_state_and_commit_does_not_make_another_serial(backend, opened, store):
    journal = opened()
    journal.append(*creates(1))
    before = store.journal
    state = journal.commit(tool_version="1")
    store.journal = before
    assert opened().commit(tool_version="1") == state
    assert read_folded(backend, state).doubts == {}
    assert isinstance(entries_of(backend)[-1], CommittedEntry)


def test_a_state_that_came_from_elsewhere_gets_what_only_the_journal_knows(backend, opened, store):
    journal = opened()
    journal.append(*creates(1))
    store.state = dump_state(State("lineage-1", 1, "1", {"other": record(9)}))
    journal = opened()
    assert set(journal.folded.state.records) == {"other", "inv-500"}
    assert entries_of(backend)[0] == HeaderEntry("lineage-1", 1)
    assert set(journal.commit(tool_version="1").records) == {"other", "inv-500"}


def test_a_state_that_somebody_else_wrote_meanwhile_is_not_overwritten(opened, store):
    journal = opened()
    journal.append(*creates(1))
    theirs = dump_state(State("lineage-1", 1, "1", {"other": record(9)}))
    store.state = theirs
    with pytest.raises(StateError) as caught:
        journal.commit(tool_version="1")
    assert caught.value.code == "state-conflict"
    assert store.state == theirs
    with pytest.raises(StateError):
        journal.append(run_of("r2"))


def test_finished_and_killed_runs_are_in_the_history_once(backend, opened):
    for number in range(4):
        journal = opened()
        journal.append(*creates(1, f"r{number}", 1000 + number)[: 3 if number == 2 else 4])
        journal.commit(tool_version="1")
    runs = read_runs(backend, read_current(backend, new_lineage=lambda: "x"))
    assert [run.run for run in runs] == ["r0", "r1", "r2", "r3"]
    assert [run.exit_code for run in runs] == [0, 0, None, 0]
    assert backend.read_history().count(b'"r2"') == 1


def test_a_run_that_commits_on_its_way_is_in_the_history_as_it_ended(backend, opened):
    journal = opened()
    whole = creates(2)
    journal.append(*whole[:3])
    journal.commit(tool_version="1")
    journal.append(*whole[3:])
    journal.commit(tool_version="1")
    journal.append(*creates(1, "r2", 900))
    journal.commit(tool_version="1")
    first = read_runs(backend, journal.folded)[0]
    assert (first.run, first.writes, first.applied, first.exit_code) == ("r1", 2, 2, 0)


def test_a_torn_line_of_the_history_does_not_swallow_the_next(opened, store):
    store.history = b'{"run":"r0","oper'
    journal = opened()
    journal.append(*creates(1))
    journal.commit(tool_version="1")
    assert [run.run for run in decode_runs(store.history)] == ["r1"]


def test_an_entry_that_makes_no_sense_does_not_get_into_the_journal(backend, opened):
    journal = opened()
    journal.append(run_of())
    with pytest.raises(StateError):
        journal.append(AppliedEntry("never-begun", 7, AT))
    assert entries_of(backend)[-1] == run_of()


def test_a_failed_write_is_never_tried_again(backend, opened):
    journal = opened()
    journal.append(run_of())
    backend.failure = StateError("disk full", code="file-system", help="free some space")
    with pytest.raises(StateError, match="disk full"):
        journal.append(intent("o1", "a"))
    backend.failure = None
    for refused in (lambda: journal.append(intent("o2", "b")), lambda: journal.commit(tool_version="1")):
        with pytest.raises(StateError, match="disk full") as caught:
            refused()
        assert caught.value.help == "free some space"
    with pytest.raises(StateError, match="disk full"):
        journal.push(State("lineage-1"), who="ana", tool_version="1")
    assert backend.writes == ["append_journal"]


def test_a_failed_push_is_the_end_of_the_journal(backend, opened):
    journal = opened()
    backend.failure = StateError("disk full")
    with pytest.raises(StateError, match="disk full"):
        journal.push(State("lineage-1"), who="ana", tool_version="1")
    backend.failure = None
    with pytest.raises(StateError, match="disk full"):
        journal.append(run_of())


def test_a_bug_below_leaves_the_journal_closed_and_is_not_hidden(backend, opened):
    journal = opened()
    with pytest.raises(TypeError):
        journal.append("not an entry")
    with pytest.raises(StateError):
        journal.append(run_of())
    assert backend.writes == []


def test_threads_that_append_together_share_writes_and_lose_nothing(backend, opened):
    journal = opened()
    journal.append(run_of())
    backend.delay = 0.005
    barrier = threading.Barrier(8)

    def create(thread: int) -> None:
        barrier.wait()
        for number in range(10):
            operation = f"{thread}-{number}"
            journal.append(intent(operation, f"inv-{operation}"))
            assert operation.encode() in backend.store.journal
            journal.append(AppliedEntry(operation, 1 + thread * 100 + number, AT))

    threads = [threading.Thread(target=create, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = read_current(backend, new_lineage=lambda: "x")
    assert len(found.state.records) == 80
    assert not found.doubts
    assert len(backend.writes) < 160  # each append for itself would be 160


def test_when_a_shared_write_fails_every_thread_hears_of_it(backend, opened):
    journal = opened()
    journal.append(run_of())
    backend.failure = StateError("disk full", code="file-system")
    heard = []

    def append(number: int) -> None:
        try:
            journal.append(intent(f"o{number}", f"a{number}"))
        except StateError as error:
            heard.append(error.message)

    threads = [threading.Thread(target=append, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert heard == ["disk full"] * 8


def test_a_reader_tries_again_when_a_run_commits_between_its_two_reads(opened, store, now):
    class Busy(MemoryBackend):
        """Another run commits twice, each time right after the state was read."""

        rounds = 1

        def read_state(self):
            stored = super().read_state()
            if self.rounds:
                self.rounds -= 1
                for number in range(2):
                    journal = Journal.open(MemoryBackend(store), load(MemoryBackend(store), new_lineage=str), now=now)
                    journal.append(*creates(1, f"b{self.rounds}{number}", 2000 + 10 * self.rounds + number))
                    journal.commit(tool_version="1")
            return stored

    journal = opened()
    journal.append(*creates(1))
    journal.commit(tool_version="1")
    assert len(read_current(Busy(store), new_lineage=lambda: "x").state.records) == 3
    busy = Busy(store)
    busy.rounds = 10
    with pytest.raises(StateError) as caught:
        read_current(busy, new_lineage=lambda: "x")
    assert caught.value.code == "state-busy"


def test_a_push_replaces_the_records_and_keeps_what_was_there_as_the_backup(backend, opened):
    journal = opened()
    journal.append(*creates(1), intent("o9", "z"))
    pushed = journal.push(State("lineage-1", 0, "", {"a": record(7)}), who="ana", tool_version="1")
    assert (pushed.serial, dict(pushed.records)) == (2, {"a": record(7)})
    assert set(load_state(backend.read_backup()).records) == {"inv-500"}
    found = read_current(backend, new_lineage=lambda: "x")
    assert found.state == journal.folded.state == pushed
    assert list(found.doubts) == ["z"]
    assert any(isinstance(e, StateChangedEntry) and e.who == "ana" for e in entries_of(backend))


@pytest.mark.parametrize("kill", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("lineage", ["lineage-1", "lineage-2"])
def test_a_push_that_is_killed_anywhere_happened_or_did_not(backend, opened, store, now, kill, lineage):
    journal = opened()
    journal.append(*creates(1))
    journal.commit(tool_version="1")
    backend.kill_after = kill
    with suppress(Killed):
        journal.push(State(lineage, 5, "", {"a": record(7)}), who="ana", tool_version="1")
    after = MemoryBackend(store)
    found = read_current(after, new_lineage=lambda: "x").state
    assert dict(found.records) == {"a": record(7)} or set(found.records) == {"inv-500"}
    journal = Journal.open(after, load(after, new_lineage=lambda: "x"), now=now)
    journal.append(*creates(1, "r7", 700))
    assert set(journal.commit(tool_version="1").records) == {*found.records, "inv-700"}


def test_a_push_into_an_empty_folder_brings_its_lineage(backend, opened):
    pushed = opened().push(State("theirs", 40, "", {"a": record()}), who="ana", tool_version="1")
    assert (pushed.lineage, pushed.serial) == ("theirs", 41)
    assert read_current(backend, new_lineage=lambda: "x").state == pushed


def test_a_push_of_another_lineage_is_refused_while_writes_are_in_doubt(opened):
    journal = opened()
    journal.append(run_of(), intent("o1", "a"))
    with pytest.raises(StateError) as caught:
        journal.push(State("theirs"), who="ana", tool_version="1")
    assert caught.value.code == "journal-foreign"
