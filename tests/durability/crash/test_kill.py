"""Real processes, really killed."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from journal_entries import lock_info

from reconcile.core.errors import LockedError
from reconcile.journal import Journal
from reconcile.reading import load, read_current

APPENDER = str(Path(__file__).parent / "appender.py")
LIMIT = 30  # seconds; only against a hang


def start(*words: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, APPENDER, *words], stdout=subprocess.PIPE, text=True)


def kill_after(process: subprocess.Popen[str], lines: int) -> list[str]:
    """Lets it say `lines` lines, kills it, and returns everything it said."""
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(lines)]
    process.kill()
    with process:
        return said + process.stdout.read().splitlines(keepends=True)


def test_a_killed_writer_loses_nothing_that_it_had_been_told_is_durable(folder, backend, now):
    dice = random.Random(7)  # noqa: S311 - the same kills every time
    sent: set[str] = set()
    applied: set[str] = set()
    for run in range(6):
        said = kill_after(start("append", str(folder), f"r{run + 1}"), dice.randrange(1, 400))
        words = [line.split() for line in said if line.endswith("\n")]
        sent |= {address for kind, address in words if kind == "intent"}
        applied |= {address for kind, address in words if kind == "applied"}
        found = read_current(backend, new_lineage=lambda: "lost")
        assert found.state.lineage == "lineage-1"
        assert applied <= set(found.state.records)
        assert sent <= set(found.state.records) | set(found.doubts)
        assert all(record.id == int(address[4:]) + 1 for address, record in found.state.records.items())
    assert len(applied) > 50
    with backend.lock(lock_info(), timeout=0):
        journal = Journal.open(backend, load(backend, new_lineage=lambda: "lost"), now=now)
        assert applied <= set(journal.commit(tool_version="1").records)


def test_the_lock_of_a_killed_holder_is_taken_over_by_the_next(folder, backend):
    process = start("hold", str(folder))
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(LockedError, match="ana"), backend.lock(lock_info(), timeout=0):
        pass
    assert backend.lock_holder().id == "holder"
    with pytest.raises(LockedError):
        backend.break_lock("holder")
    process.kill()
    with process:
        process.wait(LIMIT)
    with backend.lock(lock_info(), timeout=5) as held:
        assert held.taken_over.id == "holder"


def test_processes_that_race_for_the_lock_never_hold_it_together(folder):
    racers = [start("race", str(folder), name) for name in ("one", "two")]
    for racer in racers:
        with racer:
            assert racer.wait(LIMIT) == 0
    assert (folder / "counter").read_text() == "50"


def test_who_waits_for_a_lock_gets_it_when_its_holder_is_killed(folder, backend):
    process = start("hold", str(folder))
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    process.kill()
    began = time.monotonic()
    with process, backend.lock(lock_info(), timeout=LIMIT) as held:
        assert held.is_held()
    assert time.monotonic() - began < LIMIT
