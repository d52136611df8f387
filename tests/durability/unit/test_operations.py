import pytest
from journal_entries import AT, creates, intent, record, run_of

from reconcile.core.entries import (
    AppliedEntry,
    CommittedEntry,
    FinishedEntry,
    HeaderEntry,
    InDoubtEntry,
    NoEffectEntry,
    ResolvedEntry,
    StateChangedEntry,
)
from reconcile.core.errors import StateError
from reconcile.core.operations import Folding, compact, fold, record_of
from reconcile.core.state import State

EMPTY = State("lineage-1")
HEADER = HeaderEntry("lineage-1", 0)


def committed(serial: int) -> CommittedEntry:
    return CommittedEntry(serial, "ab" * 32, AT, "lineage-1")


def folded(*entries, state=EMPTY):
    return fold(state, [HeaderEntry("lineage-1", state.serial), *entries])


def refused(state, entries) -> StateError:
    with pytest.raises(StateError) as caught:
        fold(state, entries)
    return caught.value


def test_an_applied_create_becomes_what_its_intent_said():
    asked = intent("o1", "inv-1", notes=None, protect=True, token_version=2)
    found = folded(asked, AppliedEntry("o1", 77, "later"))
    assert found.state.records == {"inv-1": record_of(asked, 77, "later")}
    assert found.state.records["inv-1"].created_at == "later"
    assert found.is_ahead
    assert not found.doubts


def test_an_intent_without_an_outcome_is_in_doubt():
    found = folded(intent("o1", "inv-1"))
    assert found.doubts["inv-1"].seen == "the run ended before the outcome was recorded"
    assert not found.is_ahead


def test_what_was_seen_of_a_doubt_is_kept():
    found = folded(intent("o1", "inv-1"), InDoubtEntry("o1", "then", "reset", (5,)))
    doubt = found.doubts["inv-1"]
    assert (doubt.seen, doubt.ids, doubt.at) == ("reset", (5,), "then")


@pytest.mark.parametrize("settled", [NoEffectEntry("o1", AT, "rejected"), ResolvedEntry("o1", AT, "not_created")])
def test_a_write_without_effect_changes_nothing(settled):
    found = folded(intent("o1", "inv-1"), settled)
    assert not found.state.records
    assert not found.doubts
    assert not found.is_ahead


def test_an_adopted_doubt_becomes_a_record():
    assert folded(intent("o1", "a"), ResolvedEntry("o1", AT, "adopted", 9)).state.records["a"].id == 9


def test_an_update_keeps_when_the_record_was_created():
    state = State("lineage-1", 3, "", {"a": record(7, created_at="long ago")})
    found = folded(intent("o1", "a", action="update", id=7, notes="new"), AppliedEntry("o1", 7, "later"), state=state)
    assert (found.state.records["a"].notes, found.state.records["a"].created_at) == ("new", "long ago")
    assert found.state.records["a"].updated_at == "later"


@pytest.mark.parametrize("action", ["update", "delete"])
def test_a_change_of_a_record_that_the_address_no_longer_holds_is_skipped(action):
    state = State("lineage-1", 3, "", {"a": record(8)})
    found = folded(intent("o1", "a", action=action, id=7), AppliedEntry("o1", 7, AT), state=state)
    assert found.state.records == state.records


def test_a_deleted_record_is_gone():
    state = State("lineage-1", 3, "", {"a": record(7)})
    assert not folded(intent("o1", "a", action="delete", id=7), AppliedEntry("o1", 7, AT), state=state).state.records


def test_a_move_takes_the_record_and_its_doubt_along():
    state = State("lineage-1", 3, "", {"a": record(7)})
    found = folded(intent("o1", "a", action="update", id=7), StateChangedEntry("mv", AT, "a", 7, to="b"), state=state)
    assert found.state.records == {"b": record(7)}
    assert found.doubts["b"].intent.address == "b"


@pytest.mark.parametrize("change", ["mv", "rm", "forget"])
def test_a_change_of_the_state_that_was_done_already_does_nothing(change):
    state = State("lineage-1", 3, "", {"a": record(8)})
    found = folded(StateChangedEntry(change, AT, "a", 7, to="b"), StateChangedEntry("rm", AT, "z", 7), state=state)
    assert found.state.records == state.records


def test_a_removed_record_is_forgotten_and_an_adopted_one_remembered():
    state = State("lineage-1", 3, "", {"a": record(7)})
    adopt = StateChangedEntry("adopt", AT, "b", 9, record=record(9))
    assert folded(StateChangedEntry("rm", AT, "a", 7), adopt, state=state).state.records == {"b": record(9)}


def test_a_run_counts_what_it_left_behind():
    entries = [
        run_of("r1"),
        *creates(2)[1:-1],
        intent("x", "x"),
        NoEffectEntry("x", AT, "rejected"),
        intent("y", "y"),
        FinishedEntry("r1", "end", 4, 3),
        run_of("r2"),
        ResolvedEntry("y", AT, "adopted", 5),
    ]
    first, second = folded(*entries).runs
    assert (first.writes, first.applied, first.rejected, first.in_doubt, first.unattempted) == (4, 2, 1, 1, 3)
    assert (first.finished_at, first.exit_code, first.operation, first.who) == ("end", 4, "apply", "ana")
    assert (second.finished_at, second.exit_code, second.writes) == (None, None, 0)
    assert (second.applied, second.in_doubt) == (0, 0)


def test_the_end_of_a_run_that_the_journal_no_longer_holds_is_passed_over():
    assert folded(FinishedEntry("r0", AT, 0)).runs == ()


def test_a_state_without_a_journal_is_what_it_is():
    assert fold(EMPTY, []).state == EMPTY


def test_entries_that_the_state_holds_already_are_not_laid_over_it_again():
    state = State("lineage-1", 1, "", {"a": record(99)})
    entries = [HEADER, intent("o1", "a"), AppliedEntry("o1", 7, AT), committed(1), intent("o2", "b")]
    found = fold(state, entries)
    assert found.state == state
    assert not found.is_ahead
    assert list(found.doubts) == ["b"]


def test_a_state_restored_from_the_backup_is_folded_forward():
    entries = [HEADER, *creates(1, "r1", 1), committed(1), *creates(1, "r2", 2), committed(2), *creates(1, "r3", 3)]
    latest = fold(EMPTY, entries).state.records
    backup = State("lineage-1", 1, "", {"inv-1": latest["inv-1"]})
    assert fold(backup, entries).state.records == latest


def test_a_state_between_two_commits_is_folded_from_the_earlier_one():
    entries = [HEADER, *creates(1, "r1", 1), committed(1), *creates(1, "r2", 2), committed(3)]
    state = State("lineage-1", 2, "", fold(EMPTY, entries).state.records)
    assert fold(state, entries).state == state


def test_a_state_one_ahead_of_its_journal_is_folded_again_without_harm():
    entries = [HEADER, *creates(3)]
    state = State("lineage-1", 1, "", fold(EMPTY, entries).state.records)
    assert fold(state, entries).state == state


def test_folding_again_keeps_when_a_moved_record_was_created():
    before = State("lineage-1", 3, "", {"a": record(7, created_at="long ago")})
    entries = [
        HeaderEntry("lineage-1", 3),
        intent("o1", "a", action="update", id=7),
        AppliedEntry("o1", 7, "later"),
        StateChangedEntry("mv", AT, "a", 7, to="b"),
    ]
    after = State("lineage-1", 4, "", fold(before, entries).state.records)
    assert fold(after, entries).state == after
    assert after.records["b"].created_at == "long ago"


def test_what_was_said_before_a_push_is_not_laid_over_the_pushed_state():
    pushed = State("lineage-1", 1, "", {})
    entries = [HEADER, *creates(1), StateChangedEntry("push", AT)]
    assert fold(pushed, entries).state == pushed
    assert len(fold(EMPTY, entries).state.records) == 1


@pytest.mark.parametrize(
    ("state", "entries", "code"),
    [
        (EMPTY, [run_of()], "journal-corrupt"),
        (EMPTY, [HEADER, AppliedEntry("o1", 1, AT)], "journal-corrupt"),
        (EMPTY, [HEADER, InDoubtEntry("o1", AT, "reset")], "journal-corrupt"),
        (EMPTY, [HEADER, *creates(1), AppliedEntry("r1-0", 500, AT)], "journal-corrupt"),
        (State("lineage-2"), [HEADER], "journal-foreign"),
        (State("lineage-1", 2), [HeaderEntry("lineage-1", 3)], "state-older-than-journal"),
        (State("lineage-1", 3), [HEADER, *creates(1), committed(1), *creates(1, "r2")], "state-newer-than-journal"),
    ],
)
def test_a_state_and_a_journal_that_do_not_belong_together_are_refused(state, entries, code):
    error = refused(state, entries)
    assert error.code == code
    assert error.help


def test_a_newer_state_from_elsewhere_is_taken_where_the_journal_holds_no_writes_of_its_own():
    state = State("lineage-1", 30, "", {"a": record()})
    assert fold(state, [HEADER, *creates(1), committed(1), run_of("r2")]).state == state


def test_compaction_keeps_what_states_from_the_backup_on_need():
    entries = [
        HEADER,
        *creates(1, "r1", 1),
        intent("old", "a", "r1"),
        InDoubtEntry("old", "then", "reset", (4,)),
        committed(1),
        StateChangedEntry("mv", AT, "a", to="b"),
        *creates(1, "r2", 2),
        committed(2),
    ]
    kept = compact(entries, 1)
    assert kept[0] == HeaderEntry("lineage-1", 1)
    assert len(kept) < len(entries)
    first = State("lineage-1", 1, "", fold(EMPTY, entries[:7]).state.records)
    second = State("lineage-1", 2, "", fold(EMPTY, entries).state.records)
    for state in (first, second):
        before, after = fold(state, entries), fold(state, kept)
        assert (before.state, before.doubts) == (after.state, after.doubts)
    assert compact(kept, 1) == kept


def test_compaction_keeps_a_run_that_goes_on_whole():
    entries = [HEADER, *creates(1, "r1", 1), committed(1), run_of("r2"), *creates(1, "r2", 2)[1:-1], committed(2)]
    assert run_of("r2") in compact(entries, 2)
    assert compact(entries, 2)[0] == HeaderEntry("lineage-1", 1)
    ended = [*entries[:-1], FinishedEntry("r2", AT, 0), committed(2)]
    assert compact(ended, 2) == [HeaderEntry("lineage-1", 2)]


def test_a_fold_in_progress_gives_values_that_later_entries_do_not_change():
    folding = Folding(EMPTY, [HEADER])
    before = folding.folded()
    for entry in creates(1):
        folding.take(entry)
    assert before.state.records == {}
    assert len(folding.folded().state.records) == 1
