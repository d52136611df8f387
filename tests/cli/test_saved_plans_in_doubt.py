"""Saved plans where writes are in doubt: both branches were reviewed, and what was killed is carried on."""

from collections.abc import Callable

import pytest
from plan_files import QUICK, assert_stale, carry_on, counts, edit_notes
from project_folder import Folder

from reconcile.sandbox.server import Sandbox

Serve = Callable[..., Sandbox]
WaitUntil = Callable[[Callable[[], object]], None]


def test_a_killed_apply_is_carried_on(folder: Folder, serve: Serve, wait_until: WaitUntil) -> None:
    sandbox = serve(faults="slow=1:0.1")
    folder.declare(30)
    folder.point_at(sandbox).environ |= QUICK
    assert folder.run("plan", "--out", "a.plan").code == 0
    for _ in range(2):
        before = sandbox.writes
        process = folder.start("apply", "a.plan")
        wait_until(lambda: sandbox.writes >= before + 5)  # noqa: B023 - called in this round of the loop
        process.kill()
        process.communicate()
    sandbox.set_faults("")

    ran = carry_on(folder)

    assert ran.code == 0, ran
    assert counts(sandbox) == dict.fromkeys(range(1, 31), 1)
    assert len(folder.ids()) == 30
    assert_stale(folder.run("apply", "a.plan"), "already applied", "plan-applied")


@pytest.fixture
def doubted(small: Folder, serve: Serve, wait_until: WaitUntil) -> tuple[Folder, Sandbox]:
    """A folder whose first create took effect, and whose run was killed before it heard of that."""
    sandbox = serve(faults="slow@1:30")
    small.point_at(sandbox).environ["RECONCILE_API__CONCURRENCY"] = "1"
    killed = small.start("apply", "--auto-approve")
    wait_until(sandbox.records)
    killed.kill()
    killed.communicate()
    sandbox.set_faults("")
    return small, sandbox


def test_a_doubt_whose_record_is_seen_is_adopted_by_the_plan(doubted: tuple[Folder, Sandbox]) -> None:
    small, sandbox = doubted
    assert "1 in doubt" in small.run("plan", "--out", "a.plan").out

    ran = small.run("apply", "a.plan")

    assert (ran.code, "it exists as id" in ran.out) == (0, True), ran
    assert counts(sandbox) == {1: 1, 2: 1, 3: 1}
    assert_stale(small.run("apply", "a.plan"), "already applied", "plan-applied")


def test_what_an_adopted_record_needs_besides_is_left_to_the_next_plan(doubted: tuple[Folder, Sandbox]) -> None:
    small, sandbox = doubted
    edit_notes(small)
    assert small.run("plan", "--out", "a.plan").code == 0

    ran = small.run("apply", "a.plan")

    assert ran.code == 0, ran
    assert [record["Notes"] for record in sandbox.records()].count("April") == 0
    assert "1 to update" in small.run("plan").out
    assert_stale(small.run("apply", "a.plan"), "already applied", "plan-applied")


def test_a_doubt_of_which_nothing_is_seen_is_created_by_the_plan(small: Folder, serve: Serve) -> None:
    sandbox = serve(faults="lost_before@1")
    small.point_at(sandbox).environ |= QUICK
    assert small.run("apply", "--auto-approve", "--target", "inv-1").code == 4
    assert "1 in doubt" in small.run("plan", "--out", "a.plan").out

    ran = carry_on(small)

    assert ran.code == 0, ran
    assert counts(sandbox) == {1: 1, 2: 1, 3: 1}
    assert_stale(small.run("apply", "a.plan"), "already applied", "plan-applied")
