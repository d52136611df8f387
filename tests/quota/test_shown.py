"""How quota and history read, and the arithmetic of the windows below it."""

import os

import pytest

from reconcile.app.history import _is_under_way
from reconcile.app.identity import hostname
from reconcile.core.quota import UNLIMITED, Limits, WindowUse, reads_of_creates, window_uses
from reconcile.core.runs import PastRun, RunSummary
from reconcile.ports import LockInfo
from reconcile.render.history import outcome, runs_as_json, runs_as_text
from reconcile.render.quota import quota_as_json, quota_as_text

AT = "2026-03-02T10:14:00Z"


def used(name, writes=(), requests=(), now=1000.0, limits=None):
    return next(use for use in window_uses(limits or Limits(), writes, requests, now) if use.name == name)


def test_a_window_counts_what_has_not_left_it_yet():
    writes = [900.0, 939.4, 939.6, 999.0]
    assert used("writes_per_minute", writes) == WindowUse("writes_per_minute", 60, 2, 0.0, pytest.approx(0.1))
    assert used("writes_per_day", writes).used == 4
    assert used("writes_per_minute", writes).left == 58


def test_a_full_window_names_its_next_slot():
    use = used("writes_per_minute", [950.0, 960.0, 970.0], limits=Limits(writes_per_minute=2))
    assert (use.used, use.left) == (3, 0)
    assert use.next_slot == pytest.approx(20.5)
    assert use.frees == pytest.approx(10.5)


def test_requests_include_writes_and_no_limit_has_no_left():
    uses = window_uses(UNLIMITED, [999.0], [998.0, 999.0], 1000.0)
    assert [use.left for use in uses] == [None] * 6
    assert {use.name: use.used for use in uses}["requests_per_hour"] == 2


def test_a_window_that_is_not_full_frees_later_and_has_a_slot_now():
    text = quota_as_text([used("writes_per_minute", [999.0])], "ann", is_counted=True)
    assert text.splitlines()[-1].split() == ["writes", "per", "minute", "60", "1", "59", "now"]


def test_quota_escapes_what_comes_from_the_environment():
    assert "\x1b" not in quota_as_text([used("writes_per_day")], "\x1b[2Jann at x", is_counted=True)


def test_quota_in_json_tells_when_the_oldest_charge_leaves():
    document = quota_as_json([used("writes_per_minute", [999.0])], "", is_counted=True, at=1000.0)
    assert document["account"] is None
    (window,) = document["windows"]
    assert window["frees_at"] == "1970-01-01T00:17:39Z"


@pytest.mark.parametrize(
    ("invoices", "records", "reads"),
    [
        *[(0, 0, 0), (0, 5000, 0), (1, 0, 1), (2, 0, 2), (3, 0, 2), (6206, 11_000, 12), (3, 100_000, 4), (5, 1000, 2)],
        *[(5, 1001, 3), (5, 4001, 6), (3, 2000, 3)],
    ],
)
def test_the_guard_reads_whole_pages_or_each_invoice_whichever_is_fewer(invoices, records, reads):
    assert reads_of_creates(invoices, records) == reads


def run(**more):
    return RunSummary(
        **{"run": "r", "operation": "apply", "started_at": AT, "who": "ana", "host": "runner-1", "plan_id": "7f3a91c2"}
        | {"git_commit": "c0ffee" * 6, "finished_at": "2026-03-02T10:31:00Z", "exit_code": 0}
        | more
    )


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "done (0)"),
        (1, "failed (1)"),
        (3, "refused in part (3)"),
        (4, "left doubt (4)"),
        (5, "quota reached (5)"),
        (130, "interrupted, saved (130)"),
        (77, "ended (77)"),
        (None, "killed"),
    ],
)
def test_every_outcome_has_words(code, words):
    assert outcome(PastRun(run(exit_code=code))) == words


def test_a_run_that_has_not_ended_is_under_way_or_killed_or_out_of_sight():
    unfinished = run(exit_code=None, finished_at=None)
    words = [outcome(PastRun(unfinished, is_under_way)) for is_under_way in (True, False, None)]
    assert words == ["under way", "killed", "killed, or not over yet"]


HERE, MINE = hostname(), 0
"""This machine, and in the place of a process number, that of the test: workers of the tests have different ones."""


@pytest.mark.parametrize(
    ("host", "lock_host", "lock_since", "pid", "expected"),
    [
        (HERE, HERE, AT, MINE, True),
        (HERE, HERE, "2026-03-02T10:13:59Z", MINE, True),
        (HERE, HERE, "2026-03-02T10:14:01Z", MINE, False),  # somebody who came later
        (HERE, HERE, AT, 2**22 + 1, False),
        (HERE, HERE, AT, 2**80, False),
        (HERE, "elsewhere", AT, MINE, False),
        (HERE, None, AT, 0, False),
        ("elsewhere", "elsewhere", AT, MINE, None),
    ],
)
def test_a_run_is_under_way_while_its_process_holds_the_lock(host, lock_host, lock_since, pid, expected):
    holder = LockInfo("l", "apply", "ana", lock_host, pid or os.getpid(), lock_since) if lock_host else None
    assert _is_under_way(run(exit_code=None, host=host), holder) is expected
    assert _is_under_way(run(exit_code=5, host=host), holder) is False


def test_a_run_is_two_lines_with_its_counts():
    counts = {"writes": 1240, "applied": 1237, "rejected": 1, "in_doubt": 2, "unattempted": 4966, "exit_code": 4}
    first, second = runs_as_text([PastRun(run(**counts))]).splitlines()
    assert first == "2026-03-02 10:14Z  ana@runner-1          c0ffeec  7f3a91c2  left doubt (4) · 17 min"
    assert second == "  apply · 1,240 writes · 1,237 applied · 1 rejected · 2 in doubt · 4,966 not attempted"


def test_whatever_its_names_are_a_run_fits_in_100_columns():
    names = {
        "who": "浄" * 80,
        "host": "\x1b[2J" * 30,
        "exit_code": 130,
        "plan_id": "x" * 300,
        "git_commit": "\u202e" * 9,
    }
    counts = dict.fromkeys(("writes", "applied", "in_doubt", "rejected", "unattempted"), 12_345)
    from reconcile.render.escape import display_width

    for line in runs_as_text([PastRun(run(**names, **counts))]).splitlines():
        assert display_width(line) <= 100, line
        assert "\x1b" not in line


def test_a_killed_run_has_no_end_and_a_repository_is_not_needed():
    text = runs_as_text([PastRun(run(finished_at=None, exit_code=None, git_commit="", plan_id=""))])
    assert "  -        -         killed\n" in text
    assert runs_as_json([PastRun(run(exit_code=None), is_under_way=True)])[0]["outcome"] == "under way"
