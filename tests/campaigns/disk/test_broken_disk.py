"""No space, an error of the disk, or half a write, at every call that an apply makes: nothing is lost, ids are told.

After each failure the disk is mended and plain applies follow. The server's ledger then has each record once.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import rmtree

import pytest
from broken_disk import BrokenDisk, Fault
from campaign import IS_FULL
from inside import Ended, SettableClock, addresses, apply_inside, declare, environ_for
from ledger_server import Ledger
from promises import assert_complete, assert_recorded

RECORDS = 4
STEP = 1 if IS_FULL else 23
FAULTS: list[Fault] = ["ENOSPC", "EIO", "short", "ENOSPC for good", "EIO for good"]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("workers", [1, 4])
def test_a_disk_that_fails_at_any_call_loses_nothing(
    fault: Fault, workers: int, tmp_path: Path, ledger: Ledger, url: str, counted: Callable[..., None]
) -> None:
    environ = environ_for(url, RECONCILE_API__CONCURRENCY=str(workers))
    tried = 0
    for is_first_apply in (True, False):
        for at in calls_to_fail(FAULTS.index(fault) + workers):
            root = tmp_path / f"{at}-{is_first_apply}"
            disk = BrokenDisk(root, at, fault)
            try:
                fail_at(root, disk, ledger, environ, is_first_apply=is_first_apply, is_alone=workers == 1)
            except AssertionError as error:
                error.add_note(f"at call {at}, first apply: {is_first_apply}")
                raise
            if disk.failed is None:
                break
            tried += 1
            rmtree(root)
    assert tried > 100 // STEP, "it ended too soon to have proven anything"
    counted("broken-disk", tried, "failed calls")


def calls_to_fail(shift: int) -> Iterator[int]:
    """Every call, or every few, so that the small campaigns together try most of them."""
    yield from range(1 + shift % STEP, 1_000, STEP)


def fail_at(
    root: Path, disk: BrokenDisk, ledger: Ledger, environ: dict[str, str], *, is_first_apply: bool, is_alone: bool
) -> None:
    """An apply over the broken disk, and what has to hold then; `is_alone` when it sends one create at a time."""
    with ledger.lock:
        ledger.requests, ledger.rows = [], {}
    clock, creates_then = SettableClock(), list[int]()
    declare(root, RECORDS // 2)
    if not is_first_apply:
        assert apply_inside(root, environ, clock=clock).code == 0
    declare(root, RECORDS)
    disk.on_failure = lambda: creates_then.append(len(ledger.creates))
    ended = apply_inside(root, environ, disk, clock)
    if disk.failed is None:
        return
    assert_failed_well(ended, disk)
    assert_told(root, ended, ledger)
    if is_alone and disk.calls[disk.failed][1].endswith("journal.jsonl"):
        assert len(ledger.creates) == creates_then[0], "it went on sending"
    assert_mended(root, ledger, environ, clock)


def assert_failed_well(ended: Ended, disk: BrokenDisk) -> None:
    assert ended.code in {0, 1}, ended
    if disk.failed is not None and ended.code == 0:
        assert disk.calls[disk.failed][0] == "unlink", f"a failure without a word: {disk.calls[disk.failed]}"
    assert ended.error is None or ended.error.message, ended
    assert not disk.calls_after_failed_sync()


def assert_told(root: Path, ended: Ended, ledger: Ledger) -> None:
    """Each id that is not recorded is on standard error and, where there is any room for it, in a file."""
    folded = assert_recorded(root / "state", ledger) if (root / "state").exists() else None
    told = "\n".join(ended.alarms)
    files = [Path(path) for path in re.findall(r"kept in ([^)]+)\)", told)]
    kept = "".join(path.read_text(encoding="utf-8") for path in files)
    for record_id, address in ledger.records().items():
        if folded is None or address not in folded.state.records:
            assert f"{address}: id {record_id} " in told
            assert not files or f"{address}: id {record_id} " in kept
    for path in files:
        if not path.is_relative_to(root):
            path.unlink()


def assert_mended(root: Path, ledger: Ledger, environ: dict[str, str], clock: SettableClock) -> None:
    clock.sleep(1_000.0)
    after = apply_inside(root, environ, clock=clock)
    assert after.code == 0, after
    assert_complete(root / "state", ledger, addresses(RECORDS))
    creates = len(ledger.creates)
    assert apply_inside(root, environ, clock=clock).code == 0
    assert len(ledger.creates) == creates
