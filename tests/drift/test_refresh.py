"""`--refresh`: a plan begins with what is there; what is gone becomes a new generation, durably, before its create."""

from collections.abc import Callable

import pytest
from acting import Stage
from declarations import declare, held, manifests
from observing import fingerprint
from project_folder import Folder

from reconcile.core.drift import compare, lay_over
from reconcile.core.entries import IntentEntry, StateChangedEntry
from reconcile.core.plan import make_plan
from reconcile.core.state import State
from reconcile.sandbox.server import Sandbox

MANIFEST = """\
payment_tokens:
  inv-1:
    coworker_invoice_id: 1
    regular_payment_provider: Stripe
    notes: one
  inv-2:
    coworker_invoice_id: 2
    notes: two
"""


@pytest.fixture
def nexudus(serve: Callable[..., Sandbox], folder: Folder) -> Sandbox:
    sandbox = serve()
    folder.point_at(sandbox).write("manifests/a.yaml", MANIFEST)
    assert folder.run("apply", "--auto-approve").code == 0
    return sandbox


def plan(folder: Folder, *args: str) -> list[tuple[str, str]]:
    document = folder.run("plan", "--format", "json", *args).json
    return [(change["action"], change["address"]) for change in document["changes"]]


def test_only_refresh_sees_what_was_changed_outside(folder: Folder, nexudus: Sandbox) -> None:
    ids = folder.ids()
    nexudus.alter(ids["inv-1"], {"Notes": "by hand"})
    requests = len(nexudus.requests)
    assert plan(folder) == []
    assert len(nexudus.requests) == requests
    assert plan(folder, "--refresh") == [("update", "inv-1")]
    (change,) = folder.run("plan", "--refresh", "--format", "json").json["changes"]
    assert change["fields"] == [{"name": "notes", "before": "by hand", "after": "one", "sensitive": False}]


def test_refresh_needs_credentials(folder: Folder, nexudus: Sandbox) -> None:
    nowhere = {"NEXUDUS_USERNAME": "", "NEXUDUS_PASSWORD": ""}
    assert folder.run("plan", environ=nowhere).code == 0
    assert folder.run("plan", "--refresh", environ=nowhere).code == 65
    assert nexudus.writes == 2


def test_only_selected_addresses_are_read(folder: Folder, nexudus: Sandbox) -> None:
    ids = folder.ids()
    before = len(nexudus.url_log)
    assert plan(folder, "--refresh", "--target", "inv-2") == []
    seen = [line for line in nexudus.url_log[before:] if line.startswith("GET")]
    assert [line.rpartition("/")[2] for line in seen] == [str(ids["inv-2"])]


def test_what_is_gone_is_created_once_more_and_the_journal_says_so_first(folder: Folder, nexudus: Sandbox) -> None:
    gone = folder.ids()["inv-2"]
    nexudus.remove(gone)
    before = folder.digest()
    assert plan(folder, "--refresh") == [("forget", "inv-2"), ("create", "inv-2")]
    assert folder.digest() == before
    ran = folder.run("apply", "--refresh", "--auto-approve")
    assert ran.code == 0, ran
    assert folder.ids()["inv-2"] not in {gone, folder.ids()["inv-1"]}
    assert len(nexudus.records()) == 2
    assert plan(folder, "--refresh") == []


def test_what_was_made_as_declared_is_written_to_the_state_without_a_request(folder: Folder, nexudus: Sandbox) -> None:
    nexudus.alter(folder.ids()["inv-1"], {"Notes": "agreed"})
    folder.write("manifests/a.yaml", MANIFEST.replace("notes: one", "notes: agreed"))
    assert plan(folder) == [("update", "inv-1")]
    assert plan(folder, "--refresh") == [("record", "inv-1")]
    assert folder.run("apply", "--refresh", "--auto-approve").code == 0
    assert folder.state()["records"]["inv-1"]["notes"] == "agreed"
    assert (nexudus.writes, plan(folder)) == (2, [])


def test_what_was_only_seen_is_not_written_to_the_state(folder: Folder, nexudus: Sandbox) -> None:
    nexudus.alter(folder.ids()["inv-1"], {"Notes": "by hand"})
    before = folder.state()
    ran = folder.run("apply", "--refresh", "--exclude", "inv-1", "--auto-approve")
    assert (ran.code, folder.state()) == (0, before)
    ran = folder.run("apply", "--refresh", stdin="no\n")
    assert (ran.code, folder.state()) == (3, before)


def test_an_account_that_cannot_be_read_stops_apply_before_anything_is_done(folder: Folder, nexudus: Sandbox) -> None:
    nexudus.remove(folder.ids()["inv-1"])
    ran = folder.run("apply", "--refresh", "--auto-approve", environ={"NEXUDUS_PASSWORD": "wrong"})
    assert (ran.code, len(nexudus.records())) == (1, 1)


@pytest.mark.parametrize("stop_before", [True, False])
def test_a_new_generation_is_durable_before_its_create_leaves(stop_before: bool) -> None:  # noqa: FBT001 - cases
    stage = Stage()
    records = {"a": held(501, 1)}
    found = compare(records, {}, fingerprint, gone={501})
    made = make_plan(
        manifests(declare("a", 1)), lay_over(State("l", 1, "", records), found), {}, lambda _: None, found=found
    )
    if stop_before:
        stage.journal.fails_on = lambda entry: isinstance(entry, IntentEntry)
    try:
        stage.run(made, known_ids=[501])
    except Exception:  # noqa: BLE001 - the disk is full
        assert stop_before
    kinds = [type(what) if who == "journal" else who for who, what in stage.log.said if who != "reporter"]
    first = stage.journal.entries[0]
    assert isinstance(first, StateChangedEntry)
    assert (first.change, first.address, first.id) == ("gone", "a", 501)
    assert kinds[:1] == [StateChangedEntry]
    assert ("api" in kinds) is not stop_before
