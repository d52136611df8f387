"""A pull request's way from a branch to Nexudus by the recipe for GitHub, its own scripts run against a sandbox."""

import json

from recipe_repository import SECRETS, GitHub, record
from workflow import TOKEN

from reconcile.sandbox.server import Sandbox

MARKER = "<!-- reconcile plan -->"


def notes_of(sandbox: Sandbox) -> list[object]:
    return sorted(str(held["Notes"]) for held in sandbox.records())


def test_a_pull_request_is_planned_merged_and_applied_twice(started: GitHub) -> None:
    for number in (2, 3):
        branch = f"feature-{number}"
        sha = started.commit(branch, **{f"manifests/{number}.yaml": record(f"inv-{number}", number)})
        reviewed = started.review(number, branch, sha)
        assert reviewed.is_success, reviewed.log
        (comment,) = started.comments(number)
        assert comment.startswith(MARKER)
        assert "1 to create, " in comment
        assert sha[:12] in comment
        assert len(started.sandbox.records()) == number - 1

        started.merge(branch)
        planned = started.plan()
        assert planned.outputs["work"] == "new"
        assert f"inv-{number}" in planned.summary
        applied = started.apply(planned)
        assert applied is not None
        assert applied.is_success, applied.log
        assert applied.environment == "reconcile"
        assert list(started.ids) == [f"inv-{n}" for n in range(1, number + 1)]
    assert sorted(held["Id"] for held in started.sandbox.records()) == sorted(started.ids.values())
    assert started.sandbox.writes == 2
    assert {"running", "plan", "plan.of", "state/lock", "state/key"} & started.kept().keys() == set()


def test_one_comment_follows_the_pull_request(started: GitHub) -> None:
    started.say(2, "stranger", f"{MARKER}\nnot the tool's")
    started.say(2, "github-actions[bot]", "of another workflow")
    sha = started.commit("feature", **{"manifests/b.yaml": record("inv-2", 2)})
    started.review(2, "feature", sha)
    sha = started.commit("feature", **{"manifests/c.yaml": record("inv-3", 3)})
    started.review(2, "feature", sha)
    stranger, other, comment = started.comments(2)
    assert (stranger, other) == (f"{MARKER}\nnot the tool's", "of another workflow")
    assert "2 to create" in comment
    assert "1 to create, " not in comment

    sha = started.commit("feature", **{"manifests/c.yaml": "payment_tokens: {a: {coworker_invoice_id: 01}}\n"})
    reviewed = started.review(2, "feature", sha)
    assert reviewed.failed == ["validate", "plan"]
    assert "::error file=manifests/c.yaml,line=1" in reviewed.steps["validate"].out
    comment = started.comments(2)[2]
    assert "failed" in comment
    assert "manifests/c.yaml:1" in comment
    assert "to create" not in comment


def test_a_schedule_finds_nothing_to_do_where_all_is_done(started: GitHub) -> None:
    planned = started.plan()
    assert planned.is_success
    assert planned.outputs["work"] == "none"
    assert started.apply(planned) is None


def test_no_secret_is_in_any_log_comment_summary_or_file_of_the_state(started: GitHub) -> None:
    sha = started.commit("feature", **{"manifests/b.yaml": record("inv-2", 2)})
    reviewed = started.review(2, "feature", sha)
    started.merge("feature")
    planned = started.plan()
    applied = started.apply(planned)
    assert applied is not None
    seen = [reviewed.log, reviewed.summary, planned.log, planned.summary, applied.log, *started.comments(2)]
    secrets = [*SECRETS.values(), *started.runner.secrets.values(), TOKEN]
    for text in (*seen, *started.kept().values()):
        assert [secret for secret in secrets if len(secret) > 8 and secret in text and "@" not in secret] == []


HOSTILE_NOTES = (
    "${{ secrets.NEXUDUS_PASSWORD }} $(touch hacked) `touch hacked` ::error::pwned <!-- reconcile plan --> "
    "<img src=x onerror=alert(1)> @everyone ]]> '; touch hacked #\u202e"
)


def test_a_hostile_pull_request_gets_nothing_and_does_nothing(started: GitHub) -> None:
    branch = "x&state=all;$(touch hacked)"
    sha = started.commit(
        "hostile",
        **{
            "manifests/b.yaml": record("inv-2", 2, HOSTILE_NOTES),
            "manifests/$(touch hacked) @everyone.yaml": record("inv-3", 3),
        },
    )
    reviewed = started.review(9, branch, sha, changed=("manifests/b.yaml",))
    assert reviewed.is_success, reviewed.log
    (comment,) = started.comments(9)
    assert "2 to create" in comment
    assert comment.count(MARKER) == 1
    assert not any(line.startswith("::") and "pwned" in line for line in reviewed.log.splitlines())
    assert "<img" not in comment
    assert list(started.work.path.parent.rglob("hacked")) == []

    started.merge("hostile")
    applied = started.plan_and_apply()
    assert applied.is_success, applied.log
    assert HOSTILE_NOTES in [held["Notes"] for held in started.sandbox.records()]
    assert list(started.work.path.parent.rglob("hacked")) == []


def test_a_pull_request_cannot_point_the_tool_at_another_host_or_at_the_jobs_own_secrets(started: GitHub) -> None:
    settings = "api: {base_url: https://evil.example}\nstate: {path: ../../elsewhere}\n"
    sha = started.commit("hostile", **{"reconcile.yaml": settings})
    reviewed = started.review(9, "hostile", sha, changed=("reconcile.yaml",))
    assert reviewed.failed == ["validate", "plan"]
    assert "failed" in started.comments(9)[0]

    wanted = "payment_tokens:\n  a: {coworker_invoice_id: 7, token_from: {env: NEXUDUS_PASSWORD}}\n"
    sha = started.commit("hostile", **{"reconcile.yaml": "", "manifests/b.yaml": wanted})
    assert started.review(9, "hostile", sha).failed == ["validate", "plan"]


def test_a_pull_request_that_changes_workflows_has_its_words_withheld(started: GitHub) -> None:
    for number, changed in enumerate((".github/workflows/reconcile-review.yml", ".github/x")):
        sha = started.commit(f"hostile-{number}", **{f"manifests/{number}.yaml": record(f"inv-{number}9", 9 + number)})
        started.review(50 + number, f"hostile-{number}", sha, changed=("manifests/b.yaml", changed))
        (comment,) = started.comments(50 + number)
        assert comment.startswith(f"{MARKER}\nThis pull request changes workflows")
        assert "to create" not in comment


def test_what_is_no_plan_is_not_shown_as_one(started: GitHub) -> None:
    line = 'cat "$RUNNER_TEMP/plan.md" >>'
    approving = f'echo "Approved by the owner" > "$RUNNER_TEMP/plan.md"; {line}'
    hostile = started.workflow("review").replace(line, approving)
    sha = started.commit(
        "hostile", **{".github/workflows/reconcile-review.yml": hostile, "manifests/b.yaml": record("inv-2", 2)}
    )
    started.merge("hostile")  # so that the run is not that of a pull request which changes workflows
    started.review(9, "hostile", sha)
    assert "what its run left is not one" in started.comments(9)[0]
    assert "Approved" not in started.comments(9)[0]


def test_a_comment_is_not_written_for_commits_that_are_not_the_newest(started: GitHub) -> None:
    sha = started.commit("feature", **{"manifests/b.yaml": record("inv-2", 2)})
    started.review(2, "feature", sha)
    before = started.comments(2)
    pulls = [{"number": 2, "head": {"sha": "0" * 40, "label": "somebody:feature"}}]
    started.runner.github.joinpath("pulls.json").write_text(json.dumps(pulls), encoding="utf-8")
    run = {
        "event": "pull_request", "conclusion": "success", "head_branch": "feature", "head_sha": sha, "id": 1,
        "html_url": "x", "head_repository": {"owner": {"login": "somebody"}},
    }  # fmt: skip
    event = {"sha": started.main, "ref": "refs/heads/main", "event": {"workflow_run": run}}
    done = started.runner.run(started.workflow("comment"), "comment", event=event, run=99)
    assert done is not None
    assert done.is_success
    assert "newer commits" in done.log
    assert started.comments(2) == before
