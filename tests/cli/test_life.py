"""The life of a record end to end: corrected, refused, retired, taken over; the server's own records are the proof."""

import re
from collections.abc import Callable, Mapping
from threading import Event
from typing import Any

import pytest
from project_folder import Folder
from terminal import Terminal

from reconcile.sandbox.server import Sandbox

Serve = Callable[..., Sandbox]

QUICK = {
    "RECONCILE_API__CONCURRENCY": "1",
    "RECONCILE_API__SETTLE_SECONDS": "1",
    "RECONCILE_API__TIMEOUT_SECONDS": "1",
}


@pytest.fixture
def sandbox(serve: Serve) -> Sandbox:
    return serve()


@pytest.fixture
def applied(small: Folder, sandbox: Sandbox) -> Folder:
    assert small.point_at(sandbox).run("apply", "--auto-approve").code == 0
    return small


def rename(folder: Folder, old: str, new: str, file: str = "manifests/a.yaml") -> None:
    folder.write(file, (folder.path / file).read_text().replace(old, new))


def record(sandbox: Sandbox, record_id: int) -> Mapping[str, Any]:
    return next(record for record in sandbox.records() if record["Id"] == record_id)


def retire(folder: Folder) -> None:
    """`inv-3` is declared no more."""
    (folder.path / "manifests" / "b.yml").unlink()


def test_an_update_changes_what_is_declared_and_nothing_else(applied: Folder, sandbox: Sandbox) -> None:
    record_id = applied.ids()["inv-1"]
    unmanaged = {"SystemId": "sys-1", "CustomFields": {"a": [1, None]}, "LocalizationDetails": ["x"]}
    sandbox.alter(record_id, unmanaged)
    before = record(sandbox, record_id)
    rename(applied, "March renewal", "April renewal")

    ran = applied.run("apply", "--auto-approve")

    assert (ran.code, applied.run("plan", "--detailed-exitcode").code) == (0, 0)
    assert "Applied: 1 updated · 1 write in" in ran.out
    after = record(sandbox, record_id)
    changed = {name for name in before if before[name] != after[name]} - {"UpdatedOn", "UpdatedBy"}
    assert (changed, after["Notes"]) == ({"Notes"}, "April renewal")
    assert after["Token"] == "planted-token-one-Zx81"
    assert applied.state()["records"]["inv-1"]["notes"] == "April renewal"


def test_a_changed_secret_is_sent_and_one_that_is_missing_stops_the_apply(applied: Folder, sandbox: Sandbox) -> None:
    applied.environ["TOKEN_ONE"] = "planted-token-new-Kw55"
    assert "token env:TOKEN_ONE (changed)" in applied.run("plan").out
    assert applied.run("apply", "--auto-approve").code == 0
    assert record(sandbox, applied.ids()["inv-1"])["Token"] == "planted-token-new-Kw55"

    rename(applied, "TOKEN_ONE", "TOKEN_ELSEWHERE")
    assert "may update" in applied.run("plan").out
    ran = applied.run("apply", "--auto-approve")
    assert ran.code == 65
    assert "env TOKEN_ELSEWHERE is missing" in ran.err
    assert sandbox.writes == 4

    applied.environ["TOKEN_ELSEWHERE"] = "planted-token-new-Kw55"
    assert applied.run("apply", "--auto-approve").code == 0
    assert sandbox.writes == 4, "the same token from elsewhere was sent again"
    assert applied.run("plan", "--detailed-exitcode").code == 0


def test_an_update_needs_no_secret_that_it_does_not_send(applied: Folder, sandbox: Sandbox) -> None:
    rename(applied, "March renewal", "April renewal")
    ran = applied.run("apply", "--auto-approve", environ={"TOKEN_ONE": "", "TOKEN_TWO": ""})
    assert ran.code == 0
    assert record(sandbox, applied.ids()["inv-1"])["Token"] == "planted-token-one-Zx81"
    assert applied.run("plan", "--detailed-exitcode").code == 0


def test_what_was_changed_outside_is_refused_alone_with_the_ways_on(applied: Folder, sandbox: Sandbox) -> None:
    ids = applied.ids()
    sandbox.alter(ids["inv-1"], {"Notes": "theirs"})
    rename(applied, "March renewal", "April renewal")
    rename(applied, "no token", "still none", "manifests/b.yml")

    ran = applied.run("apply", "--auto-approve")

    assert ran.code == 3
    assert "changed outside since it was last applied: notes" in ran.out
    assert "Next: `reconcile apply --refresh` overwrites what was changed outside; or change the manifest." in ran.out
    assert (record(sandbox, ids["inv-1"])["Notes"], record(sandbox, ids["inv-3"])["Notes"]) == ("theirs", "still none")
    events = applied.run("apply", "--auto-approve", "--format", "json")
    assert [event["address"] for event in events.events if event["event"] == "refused"] == ["inv-1"]
    assert [(e["address"], e["action"]) for e in events.finished["refused"]] == [("inv-1", "update")]


def test_a_delete_is_done_where_it_is_allowed(applied: Folder, sandbox: Sandbox) -> None:
    record_id = applied.ids()["inv-3"]
    retire(applied)

    ran = applied.run("apply", "--auto-approve", "--allow-deletes", "1")

    assert (ran.code, applied.run("plan", "--detailed-exitcode").code) == (0, 0)
    assert "Applied: 1 deleted · 1 write in" in ran.out
    assert record_id not in [record["Id"] for record in sandbox.records()]
    assert sorted(applied.ids()) == ["inv-1", "inv-2"]


def test_deleting_the_declaration_does_not_delete_the_guard(applied: Folder, sandbox: Sandbox) -> None:
    text = (applied.path / "manifests" / "b.yml").read_text()
    applied.write("manifests/b.yml", text + "    protect: true\n")
    assert applied.run("apply", "--auto-approve").code == 0
    retire(applied)

    ran = applied.run("apply", "--auto-approve", "--allow-deletes", "9")

    assert ran.code == 3
    assert "is protected and no longer declared" in ran.err
    assert sandbox.writes == 3


def test_an_import_block_takes_over_what_exists_and_the_next_plan_shows_what_differs(
    applied: Folder, sandbox: Sandbox
) -> None:
    planted = sandbox.plant({"CoworkerInvoiceId": 9, "Notes": "theirs", "Token": "tok-of-theirs-1"})
    text = "payment_tokens:\n  inv-9: {{coworker_invoice_id: 9, notes: ours}}\nimports:\n  - {{to: inv-9, id: {}}}\n"
    applied.write("manifests/c.yaml", text.format(planted))

    ran = applied.run("apply", "--auto-approve")

    assert ran.code == 0
    assert "Applied: 1 adopted · 0 writes in" in ran.out
    assert (applied.ids()["inv-9"], sandbox.writes) == (planted, 3)
    assert 'notes "theirs" → "ours"' in applied.run("plan").out
    assert applied.run("apply", "--auto-approve").code == 0
    assert (record(sandbox, planted)["Notes"], record(sandbox, planted)["Token"]) == ("ours", "tok-of-theirs-1")


def test_the_import_command_takes_over_one_record_and_refuses_what_does_not_fit(
    applied: Folder, sandbox: Sandbox
) -> None:
    planted = sandbox.plant({"CoworkerInvoiceId": 9, "Notes": "theirs"})
    other = sandbox.plant({"CoworkerInvoiceId": 10})
    applied.write("manifests/c.yaml", "payment_tokens:\n  inv-9: {coworker_invoice_id: 9, notes: theirs}\n")
    taken = applied.ids()["inv-1"]
    refused = {
        (64, "is not declared"): ("import", "inv-10", str(planted)),
        (3, f"record {other} is of invoice 10, not 9"): ("import", "inv-9", str(other)),
        (3, "there is no record 77"): ("import", "inv-9", "77"),
        (3, f"id {taken} is inv-1 already"): ("import", "inv-9", str(taken)),
        (3, "inv-2 is id"): ("import", "inv-2", str(planted)),
    }
    for (code, words), args in refused.items():
        ran = applied.run(*args)
        assert (ran.code, words in ran.err) == (code, True), ran
    assert "inv-9" not in applied.ids()

    ran = applied.run("import", "inv-9", str(planted))

    assert ran.code == 0
    assert f"inv-9 is id {planted} now; nothing was sent." in ran.err
    assert (applied.ids()["inv-9"], sandbox.writes) == (planted, 3)
    assert applied.run("plan", "--detailed-exitcode").code == 0
    assert "already; nothing to do" in applied.run("import", "inv-9", str(planted)).err


@pytest.mark.parametrize("fault", ["lost_before@4", "lost_after@4"])
@pytest.mark.parametrize("action", ["update", "delete"])
def test_a_change_in_doubt_is_settled_by_reading_and_done_once(
    small: Folder, serve: Serve, fault: str, action: str
) -> None:
    sandbox = serve(faults=fault)
    small.point_at(sandbox).environ |= QUICK
    assert small.run("apply", "--auto-approve").code == 0
    ids = small.ids()
    if action == "update":
        rename(small, "no token", "still none", "manifests/b.yml")
    else:
        retire(small)

    ran = small.run("apply", "--auto-approve", "--allow-deletes", "1")
    assert ran.code == (0 if "after" in fault else 4)
    if ran.code:
        assert f"! in doubt inv-3   {action} sent" in small.run("plan").out
        Event().wait(9.2)  # the deadline, the settle time, and the server's whole seconds
        again = small.run("apply", "--auto-approve", "--allow-deletes", "1")
        assert f"it was not {action}d, and may be sent again" in again.out
        assert again.code == 0
    assert small.run("plan", "--detailed-exitcode").code == 0
    notes = {record["Id"]: record["Notes"] for record in sandbox.records()}
    assert notes.get(ids["inv-3"]) == ("still none" if action == "update" else None)
    assert sandbox.writes == (4 if "after" in fault else 5)


def test_a_person_may_say_what_became_of_a_change_in_doubt(small: Folder, serve: Serve) -> None:
    sandbox = serve(faults="lost_before@4,lost_before@5")
    small.point_at(sandbox).environ |= QUICK | {"RECONCILE_API__SETTLE_SECONDS": "600"}
    assert small.run("apply", "--auto-approve").code == 0
    record_id = small.ids()["inv-3"]
    rename(small, "no token", "still none", "manifests/b.yml")
    assert small.run("apply", "--auto-approve").code == 4
    sandbox.alter(record_id, {"Notes": "a third value"})

    asked = small.run("resolve")
    assert asked.code == 4
    assert f"notes differs (id {record_id}). Say whether it was done:" in asked.out
    wrong = small.run("resolve", "inv-3", "--adopt", "77")
    assert (wrong.code, f"the update in doubt is of id {record_id}, not of 77" in wrong.err) == (3, True)
    assert small.run("resolve", "inv-3", "--not-created").code == 0
    assert small.state()["records"]["inv-3"]["notes"] == "no token"

    sandbox.alter(record_id, {"Notes": "no token"})
    retire(small)
    assert small.run("apply", "--auto-approve", "--allow-deletes", "1").code == 4
    still = small.run("resolve", "inv-3", "--adopt", str(record_id))
    assert (still.code, f"id {record_id} is still there" in still.err) == (3, True)
    sandbox.remove(record_id)
    assert small.run("resolve", "inv-3", "--adopt", str(record_id)).code == 0
    assert "inv-3" not in small.ids()


def test_the_question_names_every_action(applied: Folder, terminal: Callable[..., Terminal], sandbox: Sandbox) -> None:
    planted = sandbox.plant({"CoworkerInvoiceId": 9})
    applied.write(
        "manifests/c.yaml",
        "payment_tokens:\n  inv-8: {coworker_invoice_id: 8}\n  inv-9: {coworker_invoice_id: 9}\n"
        f"imports:\n  - {{to: inv-9, id: {planted}}}\n",
    )
    rename(applied, "March renewal", "April renewal")
    retire(applied)
    run = terminal(applied, "apply", "--allow-deletes", "1")
    run.wait_for("Take over 1, create 1, update 1, delete 1 records at http")
    run.type("no\n")
    assert run.finish() == 3


def test_the_history_tells_what_was_done(applied: Folder) -> None:
    rename(applied, "March renewal", "April renewal")
    retire(applied)
    assert applied.run("apply", "--auto-approve", "--allow-deletes", "1").code == 0
    runs = applied.run("history", "--format", "json").json
    assert [(run["applied"], run["updated"], run["deleted"]) for run in runs] == [(3, 0, 0), (2, 1, 1)]
    assert re.search(r"apply · 2 writes · 2 applied \(1 updated, 1 deleted\)", applied.run("history").out)
