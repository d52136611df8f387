"""Who claimed a saved plan, and who came between, as the journal's entries tell."""

import pytest
from journal_entries import intent

from reconcile.core.entries import (
    AppliedEntry,
    CommittedEntry,
    Entry,
    FinishedEntry,
    HeaderEntry,
    ResolvedEntry,
    RunEntry,
    StateChangedEntry,
)
from reconcile.core.reviewed import Claim, find_claim

AT = "2026-03-02T10:14:00Z"
OURS = "ab" * 32
HEADER = HeaderEntry("lineage", 4)


def run(name: str, plan_file: str = OURS) -> RunEntry:
    return RunEntry(name, "apply", AT, who="ann", plan_file=plan_file)


FINISHED, COMMITTED = FinishedEntry("r1", AT, 5), CommittedEntry(5, "d", AT)
MOVED = StateChangedEntry("mv", AT, "a", 1, to="b")
RESOLVED = ResolvedEntry("o", AT, "adopted", 7, who="ann@host")


@pytest.mark.parametrize("entries", [[], [HEADER], [HEADER, run("r1", ""), FINISHED], [HEADER, run("r1", "cd" * 32)]])
def test_nobody_has_claimed_what_no_run_names(entries: list[Entry]) -> None:
    assert find_claim(entries, OURS) is None


@pytest.mark.parametrize(
    "entries",
    [
        [run("r1")],
        [run("r0", ""), MOVED, RESOLVED, run("r1")],
        [run("r1"), RESOLVED, MOVED, intent("o", "a"), AppliedEntry("o", 7, AT), FINISHED, COMMITTED],
        [run("r1"), FINISHED, COMMITTED, run("r2"), RESOLVED, MOVED],
        [run("r1"), run("r2"), MOVED],
    ],
)
def test_what_its_own_runs_do_leaves_a_claim_as_it_is(entries: list[Entry]) -> None:
    assert find_claim([HEADER, *entries], OURS) == Claim()


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([run("r2", "")], f"`apply` by ann, {AT}"),
        ([run("r2", "cd" * 32)], f"`apply` by ann, {AT}"),
        ([FINISHED, MOVED], f"`state mv` by another run, {AT}"),
        ([StateChangedEntry("rm", AT, "a", 1, who="ann@host")], f"`state rm` by ann@host, {AT}"),
        ([FINISHED, COMMITTED, StateChangedEntry("push", AT, who="ann@host")], f"`state push` by ann@host, {AT}"),
        ([FINISHED, RESOLVED], f"a write in doubt was settled by ann@host, {AT}"),
        ([run("r2", ""), FinishedEntry("r2", AT, 0), run("r3")], f"`apply` by ann, {AT}"),
    ],
)
def test_whatever_else_changes_the_state_after_a_claim_is_named(entries: list[Entry], words: str) -> None:
    assert find_claim([HEADER, run("r1"), *entries], OURS) == Claim(words)
