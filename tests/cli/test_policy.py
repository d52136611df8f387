"""Policy from a user's chair: the plan shows what breaks it, and apply sends nothing."""

from collections.abc import Callable

from project_folder import Folder

from reconcile.sandbox.server import Sandbox

Serve = Callable[..., Sandbox]

POLICY = """\
safety: {max_deletes: null, max_delete_share: 0.1}
policy: {allowed_providers: [Stripe], notes_pattern: "^INV"}
"""


def test_apply_refuses_the_whole_run_before_the_first_write(small: Folder, serve: Serve) -> None:
    sandbox = serve()
    small.write("reconcile.yaml", POLICY)

    planned = small.point_at(sandbox).run("plan")
    applied = small.run("apply", "--auto-approve")

    assert planned.code == 0
    refused = "policy.allowed_providers: 2 records with a provider other than Stripe: inv-1 (manifests/a.yaml:4), inv-2"
    assert f"Refused: {refused}" in planned.out
    assert "policy.notes_pattern: 3 records without notes" in planned.out
    assert applied.code == 3
    assert refused in applied.err
    assert "manifests/b.yml:2" in applied.err
    assert sandbox.records() == []
    assert not (small.path / "state" / "state.json").exists()


def test_the_records_that_keep_to_the_policy_can_go_on(small: Folder) -> None:
    small.write("reconcile.yaml", 'policy: {notes_pattern: "^March"}')
    assert small.run("--sandbox", "apply", "--auto-approve").code == 3
    assert small.run("--sandbox", "apply", "--auto-approve", "--exclude", "inv-[23]").code == 0
    assert list(small.ids("sandbox")) == ["inv-1"]


def test_allowing_deletes_allows_their_share(folder: Folder) -> None:
    folder.write("reconcile.yaml", POLICY.splitlines()[0])
    folder.declare(10)
    assert folder.run("--sandbox", "apply", "--auto-approve").code == 0
    folder.declare(8)

    refused = folder.run("--sandbox", "plan", "--format", "json").json["refusals"]
    allowed = folder.run("--sandbox", "plan", "--format", "json", "--allow-deletes", "2").json["refusals"]

    assert [refusal["rule"] for refusal in refused] == ["max-delete-share"]
    assert "--allow-deletes 2" in refused[0]["help"]
    assert allowed == []
