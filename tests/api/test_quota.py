"""Sliding windows, even pacing and the price of a plan: arithmetic, checked against a count of every window."""

from bisect import bisect_left
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.core.errors import ExitCode
from reconcile.core.quota import (
    DAY,
    MINUTE,
    UNLIMITED,
    Limits,
    QuotaError,
    Window,
    horizon,
    next_slot,
    price,
    request_windows,
    write_windows,
    writes_used_last_day,
)


def fill(windows, seconds, *, late=0.0, start=0.0):
    """Charges as soon as a slot is free, waking up `late` seconds after it."""
    charged, now = [], start
    while now < start + seconds:
        wait = next_slot(windows, charged, now)
        if wait > 0:
            now += wait + late
        else:
            charged.append(now)
    return charged


def busiest(charged, seconds):
    """The most charges in any window of so many seconds."""
    return max(index - bisect_left(charged, at - seconds) + 1 for index, at in enumerate(charged))


def test_the_published_limits_are_the_defaults():
    windows = (*write_windows(Limits()), *request_windows(Limits()))
    assert [(w.seconds, w.limit, w.margin) for w in windows] == [
        (60, 60, 0.5),
        (86400, 5000, 0.5),
        (0.1, 1, 0.02),
        (60, 120, 0.5),
        (3600, 5000, 0.5),
        (86400, 200000, 0.5),
    ]
    assert horizon(windows) == 86400.5


@pytest.mark.parametrize("late", [0.0, 0.002, 0.01])
def test_a_long_run_of_writes_fills_the_minute_to_98_percent_and_never_over(late):
    charged = fill(write_windows(Limits()), 900, late=late)
    assert busiest(charged, 60.4999) <= 60
    steady = [at for at in charged if at > 120]
    assert (len(steady) - 1) / (steady[-1] - steady[0]) >= 0.98


@pytest.mark.parametrize("per_minute", [1, 2, 7, 60, 600, 5000])
def test_any_limit_of_a_minute_is_filled_to_98_percent_and_never_over(per_minute):
    windows = (Window(MINUTE, per_minute, 0.5),)
    charged = fill(windows, 600)
    assert busiest(charged, 60.4999) <= per_minute
    assert (len(charged) - 1) / (charged[-1] - charged[0]) >= 0.98 * per_minute / MINUTE


def test_reads_fill_the_hour_that_binds_them_without_a_stop():
    charged = fill(request_windows(Limits()), 3 * 3600)
    assert busiest(charged, 3600.4) <= 5000
    assert busiest(charged, 60.4) <= 120
    assert (len(charged) - 1) / (charged[-1] - charged[0]) >= 0.98 * 5000 / 3600
    assert max(b - a for a, b in pairwise(charged)) < 2
    assert min(b - a for a, b in pairwise(charged)) >= 0.12


def test_writes_are_spaced_evenly_from_the_first_on():
    charged = fill(write_windows(Limits()), 120)
    gaps = [b - a for a, b in pairwise(charged)]
    assert min(gaps) > 0.9
    assert max(gaps) < 1.8


def test_a_day_is_used_as_it_comes_and_then_waited_for():
    windows = write_windows(Limits())
    charged = [10_000.0 + 1.1 * number for number in range(4999)]
    now = charged[-1] + 2
    assert next_slot(windows, charged, now) == 0
    charged.append(now)
    assert next_slot(windows, charged, now + 2) == pytest.approx(10_000 + DAY + 0.5 - now - 2)


def test_charges_of_an_earlier_run_count():
    windows = write_windows(Limits())
    earlier = [100 + number / 10 for number in range(60)]
    assert next_slot(windows, earlier, 110) == pytest.approx(160.5 - 110)


def test_without_limits_or_charges_nothing_waits():
    assert next_slot((), [1.0, 2.0], 2.0) == 0
    assert next_slot(write_windows(Limits()), [], 2.0) == 0
    assert write_windows(UNLIMITED) == request_windows(UNLIMITED) == ()
    assert horizon(()) == 0


@given(
    limit=st.integers(1, 30),
    pauses=st.lists(st.floats(0, 40), max_size=120),
    late=st.floats(0, 2),
)
def test_no_window_ever_holds_more_than_its_limit(limit, pauses, late):
    windows = (Window(MINUTE, limit, 0.5), Window(0.1, 1, 0.02))
    charged, now = [], 0.0
    for pause in pauses:
        now += pause
        wait = next_slot(windows, charged, now)
        if wait > 0:
            now += wait + late
        assert next_slot(windows, charged, now) <= 1e-6
        charged.append(now)
    if charged:
        assert busiest(charged, 60.4999) <= limit


@pytest.mark.parametrize(
    ("writes", "reads", "used", "cost"),
    [
        (6206, 12, 1820, (6206, 2)),  # product.md's example: 1 h 44 min over 2 days
        (0, 0, 0, (0, 0)),
        (1, 0, 0, (0, 1)),  # the first leaves at once
        (5000, 0, 0, (5000, 1)),
        (5001, 0, 0, (5001, 2)),
        (1, 0, 5000, (0, 2)),
        (1, 0, 9999, (0, 2)),
        (0, 5000, 5000, (3600, 1)),
        (0, 200_001, 0, (200_001 * 0.72, 2)),
        (10, 100, 0, (79.2, 1)),
    ],
)
def test_the_price_of_a_plan(writes, reads, used, cost):
    seconds, days = price(writes, reads, Limits(), used)
    assert seconds == pytest.approx(cost[0], rel=0.02)
    assert days == cost[1]


def test_without_limits_a_plan_costs_no_time():
    assert price(1000, 1000, UNLIMITED) == (0.0, 1)


def test_writes_of_the_last_day_are_counted_until_their_slots_are_free_again():
    charged = [0.0, 10.0, 20.0]
    assert writes_used_last_day(charged, 20.0) == 3
    assert writes_used_last_day(charged, DAY + 0.4) == 3
    assert writes_used_last_day(charged, DAY + 0.5) == 2
    assert writes_used_last_day(charged, DAY + 100) == 0


def test_a_used_up_quota_ends_with_5():
    assert QuotaError("used up").exit_code == ExitCode.QUOTA
