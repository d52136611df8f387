"""The process is killed at a system call of an apply, in full at each of them: nothing is lost, nothing done twice.

strace kills before the nth write, sync, rename, removal, send or receive of a real process. With one worker the nth
call of a kind falls into the middle of the run, with many into its end; a run over an existing state also compacts.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from campaign import IS_FULL
from inside import START, SettableClock, addresses, apply_inside, declare, environ_for, recover
from ledger_server import Ledger
from project_folder import Folder
from promises import assert_complete, assert_heard_after_intent, assert_recorded
from strace import Failure, count_calls, require_strace, run_failing, run_killed

APPLY = [sys.executable, "-m", "reconcile", "apply", "--auto-approve"]
RECORDS = 4
SAMPLE = 2
SHAPES = [(0, 1), (0, 8), (2, 1)]
"""How many records there are before, and how many workers."""


def lay_out(root: Path, before: int, workers: int, url: str, ledger: Ledger) -> Folder:
    root.mkdir()
    folder = Folder(root, environ_for(url, RECONCILE_API__CONCURRENCY=str(workers)))
    with ledger.lock:
        ledger.requests, ledger.rows = [], {}
    ledger.on_first_byte = lambda: journal_of(root)
    if before:
        declare(root, before)
        assert apply_inside(root, folder.environ, clock=now_clock()).code == 0
    declare(root, RECORDS)
    return folder


def journal_of(root: Path) -> bytes:
    try:
        return (root / "state" / "journal.jsonl").read_bytes()
    except FileNotFoundError:
        return b""


def now_clock(later: float = 0.0) -> SettableClock:
    clock = SettableClock()
    clock.ahead = time.time() - START + later
    return clock


def points(tmp_path: Path, url: str, ledger: Ledger, shape: tuple[int, int]) -> list[tuple[str, int]]:
    """Every call at which to kill; in the small size some, chosen anew for each shape."""
    warm = lay_out(tmp_path / "warm", *shape, url, ledger)
    assert warm.run("apply", "--auto-approve").code == 0  # so that no bytecode is written by those that are counted
    folder = lay_out(tmp_path / "counted", *shape, url, ledger)
    counts = count_calls(APPLY, folder.path, folder.environment(), tmp_path / "log")
    every = [(call, number) for call, most in sorted(counts.items()) for number in range(1, most + 1)]
    assert {"write", "fsync", "fdatasync", "rename", "sendto"} <= counts.keys()
    return every if IS_FULL else Random(sum(shape)).sample(every, SAMPLE)  # noqa: S311 - a choice, nothing secret


@pytest.mark.parametrize(("before", "workers"), SHAPES)
def test_an_apply_that_is_killed_at_a_call_loses_nothing_and_repeats_nothing(
    before: int, workers: int, tmp_path: Path, ledger: Ledger, url: str, counted: Callable[..., None]
) -> None:
    require_strace(tmp_path)
    chosen = points(tmp_path, url, ledger, (before, workers))
    kills = 0
    for call, number in chosen:
        folder = lay_out(tmp_path / f"{call}-{number}", before, workers, url, ledger)
        try:
            kills += kill_and_go_on(folder, ledger, call, number)
        except AssertionError as error:
            error.add_note(f"killed at {call} {number}, {before} records before, {workers} workers")
            raise
    assert kills >= len(chosen) * 3 // 4, "most applies ended before they were killed"
    counted("killed-at-calls", kills, "kills")


def kill_and_go_on(folder: Folder, ledger: Ledger, call: str, number: int) -> bool:
    ended = run_killed(APPLY, folder.path, folder.environment(), call, number)
    assert ended.code in {0, -9}, ended
    state = folder.path / "state"
    found = assert_recorded(state, ledger)
    for request in ledger.creates:
        assert_heard_after_intent(request)
    if state.exists():
        recovered = recover(state)
        assert recovered.state.records == found.state.records
        assert recovered.doubts == found.doubts
        again = recover(state)
        assert (again.state.records, again.doubts) == (recovered.state.records, recovered.doubts)
    assert_goes_on(folder, ledger)
    return ended.code == -9


def assert_goes_on(folder: Folder, ledger: Ledger) -> None:
    """Plain applies, until there is nothing left to do: at most two, once the settle time has passed (I8)."""
    first = apply_inside(folder.path, folder.environ, clock=now_clock(1_000.0))
    assert first.code == 0, first
    creates = len(ledger.creates)
    second = apply_inside(folder.path, folder.environ, clock=now_clock(2_000.0))
    assert second.code == 0, second
    assert len(ledger.creates) == creates
    for request in ledger.creates:
        assert_heard_after_intent(request)
    assert_complete(folder.path / "state", ledger, addresses(RECORDS))
    assert folder.run("plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize(("call", "error"), [("fdatasync", "EIO"), ("write", "ENOSPC")])
def test_a_journal_that_cannot_be_written_ends_the_command_with_1_and_the_id_on_standard_error(
    call: str, error: str, tmp_path: Path, ledger: Ledger, url: str, counted: Callable[..., None]
) -> None:
    require_strace(tmp_path)
    numbers = range(1, 9) if IS_FULL else [3]
    for number in numbers:
        folder = lay_out(tmp_path / str(number), 0, 1, url, ledger)
        journal = folder.path / "state" / "journal.jsonl"
        ended = run_failing(APPLY, folder.path, folder.environment(), Failure(call, number, error, journal))
        assert ended.code == 1, ended
        assert "error[file-system]: cannot append to" in ended.err
        assert "Traceback" not in ended.err
        held = assert_recorded(folder.path / "state", ledger).state.records
        for record_id, address in ledger.records().items():
            assert address in held or f"{address}: id {record_id} " in ended.err
        assert_goes_on(folder, ledger)
    counted("journal-failures-of-the-command", len(numbers), "failed calls")
