"""Two runners on one state, as real processes: they never write at the same time, and who lost the lock sends nothing.

Each runner has an access token of its own, so the server's ledger says who sent what, and when it was heard and
answered. A runner is paused while a create of its is in flight: not between its last check and its send, which is what
the protocol assumes (A2).
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from random import Random
from shutil import rmtree

import pytest
from campaign import size
from inside import addresses, apply_inside, declare, environ_for
from ledger_server import Ledger, Request
from promises import assert_complete
from runners import Runner, Runners

from reconcile.adapters.file_lock import lock_holder
from reconcile.ports import LockInfo

RACES = size(28, 1_000)
PARTS = 4
RECORDS = 3
ONE, TWO = "one", "two"


@pytest.fixture
def runners() -> Iterator[Runners]:
    with Runners() as started:
        yield started


class Course:
    """A project folder for one race, and who may run in it."""

    def __init__(self, root: Path, runners: Runners, ledger: Ledger, url: str, random: Random) -> None:
        self.root, self.ledger, self.random = root, ledger, random
        self._runners, self._url = runners, url
        declare(root, RECORDS)
        with ledger.lock:
            ledger.requests, ledger.rows = [], {}
        ledger.on_first_byte = time.monotonic
        ledger.before_answer = lambda _: time.sleep(random.uniform(0, 0.004))

    @property
    def lock(self) -> Path:
        return self.root / "state" / "lock"

    def start(self, name: str, *args: str) -> Runner:
        environ = environ_for(self._url, RECONCILE_API__CONCURRENCY="1", NEXUDUS_ACCESS_TOKEN=f"token-{name}")
        return self._runners.start(self.root, environ, *args)

    def apply(self, name: str, *args: str) -> Runner:
        return self.start(name, "apply", "--auto-approve", *args)

    def sent_by(self, name: str) -> list[Request]:
        return [request for request in self.ledger.creates if request.sender == f"Bearer token-{name}"]

    def unlock_elsewhere(self) -> None:
        """Removes the lock as another host does that shares the folder, and not the system's lock: by another file."""
        elsewhere = self.lock.with_name("lock-elsewhere")
        elsewhere.touch(0o600)
        elsewhere.replace(self.lock)

    def apply_until_a_create_is_in_flight(self, then: Callable[[Runner], None], *, before_last: bool = False) -> Runner:
        """Runner one, on which `then` is done while a create of its has taken effect and is not answered."""
        nth = self.random.randrange(1, RECORDS + (0 if before_last else 1))
        started, reached = threading.Event(), threading.Event()
        runner: list[Runner] = []

        def before_answer(request: Request) -> None:
            if request.sender == f"Bearer token-{ONE}" and len(self.sent_by(ONE)) == nth and not reached.is_set():
                started.wait(30)
                then(runner[0])
                reached.set()

        self.ledger.before_answer = before_answer
        runner.append(self.apply(ONE))
        started.set()
        assert reached.wait(30), runner[0].said()
        return runner[0]


def both_start_at_once(course: Course) -> None:
    patience = [course.random.choice(["0", "30"]) for _ in range(2)]
    first, second = (course.apply(n, "--lock-timeout", p) for n, p in zip((ONE, TWO), patience, strict=True))
    codes = [first.wait(), second.wait()]
    assert sorted(codes) in ([0, 0], [0, 6]), (first.said(), second.said())
    for name, code, waited in zip((ONE, TWO), codes, patience, strict=True):
        assert code == 0 or waited == "0", "it did not wait for the lock"
        assert code == 0 or not course.sent_by(name), "sent without the lock"


def one_is_paused(course: Course) -> None:
    paused = course.apply_until_a_create_is_in_flight(Runner.stop)
    other = course.apply(TWO)
    assert other.wait() == 6, other.said()
    held = lock_holder(course.lock)
    assert held is not None
    unlocking = course.start(TWO, "unlock", held.id)
    assert unlocking.wait() == 6, "the lock of a live holder was removed"
    assert not course.sent_by(TWO)
    paused.go_on()
    assert paused.wait() == 0, paused.said()


def one_is_paused_and_unlocked_elsewhere(course: Course) -> None:
    """On a shared folder, where the system's lock does not reach the other host."""
    paused = course.apply_until_a_create_is_in_flight(Runner.stop)
    sent = len(course.sent_by(ONE))
    course.unlock_elsewhere()
    other = course.apply(TWO)
    assert other.wait() == 0, other.said()
    paused.go_on()
    code = paused.wait()
    assert len(course.sent_by(ONE)) == sent, "sent after the lock was lost"
    assert code == 1, paused.said()


def one_goes_on_while_the_other_writes(course: Course) -> None:
    """The same, but the one that lost its lock wakes up in the middle of the other's run: it must not touch a thing."""
    paused = course.apply_until_a_create_is_in_flight(Runner.stop, before_last=True)
    sent, woken = len(course.sent_by(ONE)), threading.Event()
    course.unlock_elsewhere()

    def before_answer(request: Request) -> None:
        if request.sender == f"Bearer token-{TWO}" and not woken.is_set():
            woken.set()
            paused.go_on()
            paused.linger()

    course.ledger.before_answer = before_answer
    other = course.apply(TWO)
    assert other.wait() == 0, other.said()
    assert len(course.sent_by(ONE)) == sent, "sent after the lock was lost"
    assert woken.is_set()
    assert paused.wait() == 1, paused.said()


def one_was_on_another_host(course: Course) -> None:
    left = LockInfo("left-behind-1", "apply", "bea", "another-host", 4242, "2026-03-02T10:14:00Z")
    course.lock.parent.mkdir(0o700)
    course.lock.write_text(json.dumps(left._asdict()) + "\n", encoding="utf-8")
    refused = course.apply(ONE, "--lock-timeout", course.random.choice(["0", "0.1"]))
    assert refused.wait() == 6
    assert "another-host" in refused.said()
    assert "left-behind-1" in refused.said()
    assert not course.ledger.creates
    assert course.start(ONE, "unlock", "left-behind-2").wait() == 64
    assert course.start(ONE, "unlock", "left-behind-1").wait() == 0
    both_start_at_once(course)


def one_is_killed(course: Course) -> None:
    killed = course.apply_until_a_create_is_in_flight(Runner.kill)
    waiting = course.apply(TWO, "--lock-timeout", "30")
    assert killed.wait() == -9
    assert waiting.wait() == 0, waiting.said()


RACED = [
    both_start_at_once,
    both_start_at_once,
    one_is_paused,
    one_is_paused_and_unlocked_elsewhere,
    one_goes_on_while_the_other_writes,
    one_was_on_another_host,
    one_is_killed,
]


@pytest.mark.parametrize("part", range(PARTS))
def test_two_runners_never_write_at_the_same_time(
    part: int, tmp_path: Path, runners: Runners, ledger: Ledger, url: str, counted: Callable[..., None]
) -> None:
    for number in range(part, RACES, PARTS):
        race = RACED[number // PARTS % len(RACED)]
        root = tmp_path / str(number)
        root.mkdir()
        course = Course(root, runners, ledger, url, Random(number))  # noqa: S311 - can be drawn again
        try:
            race(course)
            assert_apart(course)
            assert_ends_well(course, url)
        except AssertionError as error:
            error.add_note(f"race {number}: {race.__name__}")
            raise
        rmtree(root)
    counted("racing-runners", len(range(part, RACES, PARTS)), "races")


def assert_apart(course: Course) -> None:
    """I10: no create of one runner was heard while one of the other was under way, and each ran in one piece."""
    senders = [request.sender for request in course.ledger.creates]
    assert sum(one != following for one, following in pairwise(senders)) <= 1, senders
    one, two = course.sent_by(ONE), course.sent_by(TWO)
    for mine in one:
        for theirs in two:
            is_apart = mine.answered is None or theirs.answered is None
            assert is_apart or mine.answered <= theirs.heard or theirs.answered <= mine.heard


def assert_ends_well(course: Course, url: str) -> None:
    creates = len(course.ledger.creates)
    ended = apply_inside(course.root, environ_for(url))
    assert ended.code == 0, ended
    assert len(course.ledger.creates) == creates
    assert_complete(course.root / "state", course.ledger, addresses(RECORDS))
