"""What the recipe for GitHub does when a run does not simply succeed: quota, doubt, lost machines, stale plans."""

from recipe_repository import BRANCH, GitHub, git, record


def many(count: int) -> str:
    entries = "".join(f"  day-{n}: {{coworker_invoice_id: {100 + n}}}\n" for n in range(count))
    return f"payment_tokens:\n{entries}"


def limited(github: GitHub, writes_per_day: str) -> None:
    github.runner.outside["RECONCILE_API__LIMITS__WRITES_PER_DAY"] = writes_per_day


def test_a_plan_larger_than_the_days_quota_goes_on_the_next_day_as_it_was_approved(started: GitHub) -> None:
    started.commit("main", **{"manifests/many.yaml": many(4)})
    limited(started, "2")
    applied = started.plan_and_apply()
    assert applied.is_success, applied.log
    assert "::notice::The quota is used up" in applied.log
    assert len(started.ids) == 3
    assert "plan" in started.kept()

    limited(started, "null")  # the next day
    planned = started.plan()
    assert planned.outputs["work"] == "goes on"
    applied = started.apply(planned)
    assert applied is not None
    assert applied.is_success, applied.log
    assert applied.environment == "reconcile-goes-on"
    assert len(started.ids) == 5
    assert "plan" not in started.kept()
    assert started.sandbox.writes == 4


def test_a_plan_that_waits_for_the_quota_is_replaced_where_the_manifests_have_changed(started: GitHub) -> None:
    started.commit("main", **{"manifests/many.yaml": many(3)})
    limited(started, "2")
    assert started.plan_and_apply().is_success
    started.commit("main", **{"README.md": "nothing to do with it"})
    assert started.plan().outputs["work"] == "goes on"
    assert started.plan(how="plan anew").outputs["work"] == "new"
    started.commit("main", **{"manifests/many.yaml": many(4)})
    limited(started, "null")
    planned = started.plan()
    assert planned.outputs["work"] == "new"
    applied = started.apply(planned)
    assert applied is not None
    assert applied.is_success, applied.log
    assert len(started.ids) == 5


def test_doubt_ends_red_is_kept_and_is_settled_by_the_next_run(started: GitHub) -> None:
    started.commit("main", **{"manifests/many.yaml": many(1)})
    started.sandbox.set_faults("late@1:3")
    applied = started.plan_and_apply()
    assert applied.failed == ["verdict"]
    assert "::error::Writes are in doubt" in applied.log
    assert "in doubt" in started.plan().summary
    assert len(started.ids) == 1


def test_a_lost_machine_stops_the_next_run_until_somebody_says_so_and_nothing_is_created_twice(
    started: GitHub,
) -> None:
    started.commit("main", **{"manifests/many.yaml": many(3)})
    lost = started.apply(started.plan(), lose_at="apply")
    assert lost is not None
    assert len(started.sandbox.records()) == 4
    assert len(started.ids) == 1

    stopped = started.plan()
    assert stopped.failed == ["state"]
    assert "after a lost run" in stopped.log
    found = started.plan_and_apply(how="after a lost run")
    assert found.is_success, found.log
    assert sorted(started.ids.values()) == sorted(held["Id"] for held in started.sandbox.records())
    assert len(started.sandbox.records()) == 4
    assert started.plan().outputs["work"] == "none"


def test_a_state_that_cannot_be_read_is_not_taken_for_an_empty_one(started: GitHub) -> None:
    git(started.runner.repository, "branch", "-D", BRANCH)
    stopped = started.plan()
    assert stopped.failed == ["state"]
    assert "::error::The branch reconcile-state cannot be read" in stopped.log


def test_nothing_runs_before_the_first_run(github: GitHub) -> None:
    assert github.plan().failed == ["state"]


def test_a_plan_that_is_stale_by_the_time_it_is_approved_sends_nothing(started: GitHub) -> None:
    started.commit("main", **{"manifests/many.yaml": many(1)})
    old, sha = started.plan(), started.main
    runs = started.runs
    started.commit("main", **{"manifests/b.yaml": record("inv-2", 2)})
    assert started.plan_and_apply().is_success
    started.runs = runs
    applied = started.apply(old, sha=sha)
    assert applied is not None
    assert applied.failed == ["verdict"]
    assert "::error::The plan was stale" in applied.log
    assert len(started.sandbox.records()) == 3
    assert "plan" not in started.kept()


def test_a_policy_refuses_the_run_and_a_pull_request_cannot_change_the_one_of_the_job(started: GitHub) -> None:
    started.runner.outside["RECONCILE_POLICY__NOTES_PATTERN"] = "^March"
    started.commit("main", **{"manifests/many.yaml": many(1), "reconcile.yaml": "policy: {notes_pattern: x}\n"})
    applied = started.plan_and_apply()
    assert applied.failed == ["verdict"]
    assert "policy.notes_pattern" in applied.log
    assert len(started.sandbox.records()) == 1


def test_a_missing_key_for_fingerprints_stops_before_anything_is_sent(github: GitHub) -> None:
    github.runner.secrets["RECONCILE_FINGERPRINT_KEY"] = ""
    applied = github.plan_and_apply(how="first run")
    assert applied.failed == ["apply"]
    assert github.sandbox.records() == []
    github.runner.secrets["RECONCILE_FINGERPRINT_KEY"] = "another-long-random-text"
    assert github.plan_and_apply().is_success


def test_a_state_that_somebody_else_has_pushed_meanwhile_is_not_overwritten(started: GitHub) -> None:
    started.commit("main", **{"manifests/many.yaml": many(1)})
    planned = started.plan()
    hook = started.runner.repository / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    applied = started.apply(planned)
    hook.unlink()
    assert applied is not None
    assert applied.failed == ["claim"]
    assert applied.steps["apply"].outcome == "skipped"
    assert len(started.sandbox.records()) == 1
