"""A process that appends to a journal, or holds a lock, until it is killed; what it says on standard output is true."""

import itertools
import sys
import threading
import time
from pathlib import Path

from reconcile.adapters.backends.local import LocalBackend
from reconcile.core.entries import AppliedEntry, IntentEntry, RunEntry
from reconcile.core.errors import LockedError
from reconcile.journal import Journal
from reconcile.ports import LockInfo
from reconcile.reading import load

AT = "2026-03-02T10:14:00Z"
THREADS = 4


def append(folder: Path, run: str) -> None:
    """Says `intent OPERATION` and `applied ID` once each is durable."""
    backend = LocalBackend(folder)
    with backend.lock(LockInfo(run, "apply", "ana", "here", 1, AT), timeout=0):
        journal = Journal.open(backend, load(backend, new_lineage=lambda: "lineage-1"), now=lambda: AT)
        journal.append(RunEntry(run, "apply", AT))
        first = int(run[1:]) * 1_000_000
        threads = [threading.Thread(target=create_for_ever, args=(journal, run, first + n)) for n in range(THREADS)]
        for thread in threads:
            thread.start()
        for number in itertools.count(1):
            time.sleep(0.01)
            if number % 5 == 0:
                journal.commit(tool_version="1")


def create_for_ever(journal: Journal, run: str, first: int) -> None:
    for number in itertools.count(first, THREADS):
        operation = f"{run}-{number}"
        journal.append(IntentEntry(operation, run, AT, 1, f"inv-{number}", "create", 1001, AT))
        say(f"intent inv-{number}")
        journal.append(AppliedEntry(operation, number + 1, AT))
        say(f"applied inv-{number}")


def hold(folder: Path) -> None:
    with LocalBackend(folder).lock(LockInfo("holder", "apply", "ana", "here", 1, AT), timeout=0):
        say("held")
        time.sleep(60)


def race(folder: Path, name: str) -> None:
    """Adds to a number that only a lock keeps right."""
    backend = LocalBackend(folder)
    for _ in range(25):
        while True:
            try:
                with backend.lock(LockInfo(name, "race", "ana", "here", 1, AT), timeout=10) as held:
                    counter = folder / "counter"
                    number = int(counter.read_text()) if counter.exists() else 0
                    time.sleep(0.0005)
                    counter.write_text(str(number + 1))
                    assert held.is_held()
                    break
            except LockedError:
                continue


def say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    {"append": append, "hold": hold, "race": race}[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
