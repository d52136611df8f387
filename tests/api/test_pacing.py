"""The pacer waits as the limits and the server say, for all threads together, and never beyond its patience."""

from bisect import bisect_left
from threading import Lock, Thread

import pytest

from reconcile.adapters.pacing import LONGEST_WAIT, Pacer, WaitInterruptedError
from reconcile.core.errors import ExitCode
from reconcile.core.quota import DAY, UNLIMITED, Limits, QuotaError

ONLY_WRITES = Limits(60, 5000, None, None, None, None)


def test_without_limits_nothing_waits(clock):
    pacer = Pacer(clock, UNLIMITED)
    for _ in range(1000):
        assert pacer.before_write() is None
        pacer.before_read()
    assert clock.slept == []
    assert pacer.seconds_until_write() == pacer.seconds_until_read() == 0


def test_a_write_takes_a_slot_of_a_request_too(clock):
    pacer = Pacer(clock, Limits(None, None, None, 2, None, None))
    pacer.before_write()
    assert pacer.seconds_until_read() > 20
    assert pacer.seconds_until_write() > 20


def test_a_read_takes_no_slot_of_a_write(clock):
    pacer = Pacer(clock, ONLY_WRITES)
    for _ in range(100):
        pacer.before_read()
    assert pacer.seconds_until_write() == 0
    assert pacer.writes_used_last_day() == 0


def test_eight_threads_together_stay_within_the_limit(clock):
    lock = Lock()
    left = []

    class SharedClock:
        now = monotonic = clock.now

        @staticmethod
        def sleep(seconds):
            with lock:
                clock.sleep(seconds / 4)
                clock.sleep(seconds * 3 / 4)

    pacer = Pacer(SharedClock(), ONLY_WRITES)

    def write():
        for _ in range(30):
            assert pacer.before_write() is None
            left.append(clock.at)

    threads = [Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    left.sort()
    assert len(left) == 240
    assert pacer.writes_used_last_day() == 240
    assert max(i - bisect_left(left, at - 60) + 1 for i, at in enumerate(left)) <= 60


def test_the_servers_word_outranks_the_count(clock):
    pacer = Pacer(clock, UNLIMITED)
    pacer.pause(90)
    pacer.pause(5)
    assert pacer.seconds_until_read() == 90
    assert pacer.before_write() is None
    pacer.before_read()
    assert clock.slept == [90]


def test_a_slot_that_is_too_far_away_is_named_and_not_taken(clock):
    past = [clock.at - 3600 + number * 0.5 for number in range(5000)]
    pacer = Pacer(clock, ONLY_WRITES, past_writes=past)
    away = pacer.before_write()
    assert away == pytest.approx(DAY + 0.5 - 3600)
    assert away > LONGEST_WAIT
    assert clock.slept == []
    assert pacer.writes_used_last_day() == 5000


def test_a_read_whose_slot_is_too_far_away_ends_with_5(clock):
    pacer = Pacer(clock, UNLIMITED)
    pacer.pause(601)
    with pytest.raises(QuotaError, match="10 min away") as caught:
        pacer.before_read()
    assert caught.value.exit_code == ExitCode.QUOTA


def test_whoever_wants_to_wait_waits_for_ever(clock):
    pacer = Pacer(clock, UNLIMITED, longest_wait=None)
    pacer.pause(50_000)
    assert pacer.before_write() is None
    assert clock.slept == [50_000]


def test_an_interrupted_wait_takes_no_slot(clock):
    pacer = Pacer(clock, ONLY_WRITES)
    pacer.before_write()
    clock.cut_short = True
    assert pacer.before_write() is None
    assert pacer.writes_used_last_day() == 1
    pacer.pause(5)
    with pytest.raises(WaitInterruptedError) as caught:
        pacer.before_read()
    assert caught.value.exit_code == ExitCode.INTERRUPTED


def test_charges_that_no_window_remembers_are_forgotten(clock):
    pacer = Pacer(clock, Limits(None, None, None, 60_000, None, None))
    for _ in range(100_000):
        pacer.before_read()
    assert len(pacer._requests.charged) < 70_000
