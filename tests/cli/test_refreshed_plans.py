"""Plans saved with `--refresh`: what was seen when they were made is what they are applied to."""

from collections.abc import Callable

import pytest
from project_folder import Folder

from reconcile.core.planfile import dump_plan, load_plan
from reconcile.sandbox.server import Sandbox

MANIFEST = """\
payment_tokens:
  inv-1: {coworker_invoice_id: 1, regular_payment_provider: Stripe, notes: one}
  inv-2: {coworker_invoice_id: 2, notes: two}
  inv-3: {coworker_invoice_id: 3, notes: three}
  inv-4: {coworker_invoice_id: 4, notes: four}
"""


@pytest.fixture
def nexudus(serve: Callable[..., Sandbox], folder: Folder) -> Sandbox:
    """Four records; one was changed by hand, one is gone, one is as it shall become."""
    sandbox = serve()
    folder.point_at(sandbox).write("manifests/a.yaml", MANIFEST)
    folder.environ["RECONCILE_API__CONCURRENCY"] = "1"
    assert folder.run("apply", "--auto-approve").code == 0
    ids = folder.ids()
    sandbox.alter(ids["inv-1"], {"Notes": "by hand", "RegularPaymentProvider": 97})
    sandbox.remove(ids["inv-2"])
    sandbox.alter(ids["inv-3"], {"Notes": "agreed"})
    folder.write("manifests/a.yaml", MANIFEST.replace("notes: three", "notes: agreed"))
    return sandbox


def actions(folder: Folder, *args: str) -> list[tuple[str, str]]:
    changes = folder.run(*args, "--format", "json").json["changes"]
    return [(change["action"], change["address"]) for change in changes]


SEEN = [("forget", "inv-2"), ("create", "inv-2"), ("update", "inv-1"), ("record", "inv-3")]


def test_what_was_seen_is_saved_shown_and_done(folder: Folder, nexudus: Sandbox) -> None:
    assert actions(folder, "plan", "--refresh", "--out", "a.plan") == SEEN
    assert actions(folder, "show", "a.plan") == SEEN
    data = (folder.path / "a.plan").read_bytes()
    assert dump_plan(load_plan(data, "a.plan")) == data

    ran = folder.run("apply", "a.plan")

    assert ran.code == 0, ran
    assert sorted(record["Notes"] for record in nexudus.records()) == ["agreed", "four", "one", "two"]
    assert actions(folder, "plan", "--refresh") == []
    assert folder.run("apply", "a.plan").code == 7


def test_it_is_carried_on_with_what_was_seen(folder: Folder, nexudus: Sandbox) -> None:
    assert folder.run("plan", "--refresh", "--out", "a.plan").code == 0
    assert folder.run("apply", "a.plan", "--max-writes", "1").code == 5
    assert folder.run("apply", "a.plan").code == 0
    assert sorted(record["Notes"] for record in nexudus.records()) == ["agreed", "four", "one", "two"]
    assert len(nexudus.records()) == 4
    assert folder.run("apply", "a.plan").code == 7


def test_what_was_changed_since_it_was_seen_is_refused_and_left_as_it_is(folder: Folder, nexudus: Sandbox) -> None:
    assert folder.run("plan", "--refresh", "--out", "a.plan").code == 0
    nexudus.alter(folder.ids()["inv-1"], {"Notes": "by another hand"})

    ran = folder.run("apply", "a.plan")

    assert ran.code == 3, ran
    assert sorted(record["Notes"] for record in nexudus.records()) == ["agreed", "by another hand", "four", "two"]


def test_without_refresh_a_plan_is_what_the_state_remembers(folder: Folder, nexudus: Sandbox) -> None:
    assert actions(folder, "plan", "--out", "a.plan") == [("update", "inv-3")]
    assert folder.run("apply", "a.plan").code in {0, 3}
    assert len(nexudus.records()) == 3
