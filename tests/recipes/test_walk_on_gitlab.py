"""A merge request's way by the recipe for GitLab, its own scripts run against a sandbox."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pipeline import COMMENT_TOKEN, GitLab, notes_api
from recipe_repository import SECRETS, git, record

from reconcile.sandbox.server import SandboxOptions, running_sandbox

MARKER = "<!-- reconcile plan -->"


@pytest.fixture
def gitlab(tmp_path: Path) -> Iterator[GitLab]:
    with running_sandbox(SandboxOptions()) as sandbox:
        service = GitLab(tmp_path, sandbox)
        service.begin()
        yield service


def test_a_merge_request_is_planned_and_applied_after_a_first_run_and_goes_on_after_the_quota(gitlab: GitLab) -> None:
    assert gitlab.run("plan", source="web").code == 1
    first = gitlab.plan_and_apply("first run")
    assert first.code == 0, first.log
    assert list(gitlab.ids) == ["inv-1"]

    more = "payment_tokens:\n" + "".join(f"  day-{n}: {{coworker_invoice_id: {n}}}\n" for n in range(5, 9))
    gitlab.commit("feature", **{"manifests/b.yaml": more})
    reviewed = gitlab.run("review", branch="feature", source="merge_request_event")
    assert reviewed.code == 0, reviewed.log
    assert reviewed.plan.startswith(MARKER)
    assert "4 to create" in reviewed.plan

    git(gitlab.work.path, "checkout", "--quiet", "main")
    git(gitlab.work.path, "merge", "--quiet", "--no-edit", "feature")
    git(gitlab.work.path, "push", "--quiet", "origin", "main")
    gitlab.outside["RECONCILE_API__LIMITS__WRITES_PER_DAY"] = "2"
    stopped = gitlab.plan_and_apply()
    assert stopped.code == 0, stopped.log
    assert "The quota is used up" in stopped.log
    assert len(gitlab.ids) == 3
    assert {"plan", "plan.of"} <= gitlab.kept()

    gitlab.outside["RECONCILE_API__LIMITS__WRITES_PER_DAY"] = "null"
    went_on = gitlab.run("go-on", source="schedule")
    assert went_on.code == 0, went_on.log
    assert len(gitlab.ids) == 5
    assert {"plan", "plan.of", "running", "state/key", "state/lock"} & gitlab.kept() == set()
    assert "no plan was stopped" in gitlab.run("go-on", source="schedule").log
    assert gitlab.sandbox.writes == 5
    logs = first.log + reviewed.log + stopped.log + went_on.log
    assert [secret for secret in (*SECRETS.values(), gitlab.sandbox.password) if secret and secret in logs] == []


def test_what_a_job_that_was_cancelled_has_done_is_kept(gitlab: GitLab) -> None:
    gitlab.secrets["NEXUDUS_PASSWORD"] = "not the password"
    failed = gitlab.plan_and_apply("first run")
    assert failed.code == 1
    assert "running" not in gitlab.kept()
    assert gitlab.sandbox.records() == []


def test_a_lost_job_stops_the_next_one(gitlab: GitLab) -> None:
    assert gitlab.plan_and_apply("first run").code == 0
    clone = gitlab.root / "clone"
    git(gitlab.root, "clone", "--quiet", "--branch", "reconcile-state", str(gitlab.repository), str(clone))
    (clone / "running").write_text("https://gitlab.example/jobs/99\n", encoding="utf-8")
    git(clone, "add", "running")
    git(clone, "commit", "--quiet", "--message", "job 99 begins")
    git(clone, "push", "--quiet", "origin", "reconcile-state")

    stopped = gitlab.run("plan", source="web")
    assert stopped.code == 1
    assert "after a lost run" in stopped.log
    assert gitlab.run("plan", source="web", how="after a lost run").code == 0


def test_one_note_follows_the_merge_request(gitlab: GitLab) -> None:
    with notes_api() as (api, notes):
        gitlab.api = api
        notes += [{"id": 1, "author": {"id": 5}, "body": MARKER}, {"id": 2, "author": {"id": 11}, "body": "other"}]
        for invoice in (5, 6):
            gitlab.commit("feature", **{f"manifests/{invoice}.yaml": record(f"inv-{invoice}", invoice)})
            reviewed = gitlab.run("review", branch="feature", source="merge_request_event")
            done = gitlab.run("comment", branch="feature", source="merge_request_event", after=reviewed)
            assert done.code == 0, done.log
        gitlab.commit("feature", **{"manifests/6.yaml": record("inv-6", 6).replace("6", "06")})
        assert gitlab.run("review", branch="feature", source="merge_request_event").code == 65
    assert [note["body"] for note in notes[:2]] == [MARKER, "other"]
    (note,) = notes[2:]
    assert note["body"].startswith(MARKER)
    assert "3 to create" in note["body"]
    assert COMMENT_TOKEN not in note["body"]
