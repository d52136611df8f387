"""The state by hand: looking at it, correcting it, taking it out and putting it back; and the lock."""

import json
import socket
from collections.abc import Callable

import pytest
from project_folder import Folder

from reconcile.sandbox.server import Sandbox

Serve = Callable[..., Sandbox]


@pytest.fixture
def applied(small: Folder, serve: Serve) -> Folder:
    small.point_at(serve())
    assert small.run("apply", "--auto-approve").code == 0
    return small


def test_records_are_listed_in_columns_and_in_json(applied: Folder) -> None:
    text, listed = applied.run("state", "list"), applied.run("state", "list", "--format", "json")

    ids = applied.ids()
    assert [line.split() for line in text.out.splitlines()] == [
        ["ADDRESS", "ID", "INVOICE", "PROVIDER", "TOKEN", "FROM"],
        ["inv-1", str(ids["inv-1"]), "1", "GoCardless", "env:TOKEN_ONE"],
        ["inv-2", str(ids["inv-2"]), "2", "GoCardless", "env:TOKEN_TWO"],
        ["inv-3", str(ids["inv-3"]), "3"],
    ]
    first = listed.json[0]
    assert {name: first[name] for name in ("address", "id", "coworker_invoice_id", "notes", "token_source")} == {
        "address": "inv-1",
        "id": ids["inv-1"],
        "coworker_invoice_id": 1,
        "notes": "March renewal",
        "token_source": "env:TOKEN_ONE",
    }
    assert applied.run("show").out == text.out
    assert applied.run("show", "--format", "json").json == listed.json


def test_a_list_can_be_narrowed_by_globs(applied: Folder) -> None:
    ran = applied.run("state", "list", "inv-[13]", "inv-3", "--format", "json")

    assert [record["address"] for record in ran.json] == ["inv-1", "inv-3"]
    assert applied.run("state", "list", "nope*").code == 64


def test_one_record_is_shown_alike_by_both_commands(applied: Folder) -> None:
    for command in (["show"], ["state", "show"]):
        text, document = applied.run(*command, "inv-3"), applied.run(*command, "inv-3", "--format", "json")
        assert text.code == document.code == 0
        assert f"id                   {applied.ids()['inv-3']}\n" in text.out
        assert document.json["notes"] == "no token"
        unknown = applied.run(*command, "inv-*", "--format", "json")
        assert (unknown.code, unknown.json["error"]["code"]) == (64, "unknown-address")


def test_an_address_in_doubt_is_no_unknown_address(small: Folder, serve: Serve) -> None:
    small.point_at(serve(faults="lost_before=1"))
    assert small.run("apply", "--auto-approve", "--target", "inv-1").code == 4

    ran = small.run("show", "inv-1")

    assert ran.code == 64
    assert "is in doubt" in ran.err


def test_a_record_can_be_given_another_address(applied: Folder) -> None:
    ids = applied.ids()

    assert applied.run("state", "mv", "inv-1", "renamed").code == 0

    assert applied.ids() == {"inv-2": ids["inv-2"], "inv-3": ids["inv-3"], "renamed": ids["inv-1"]}
    assert applied.run("state", "mv", "inv-1", "other").code == 64
    assert applied.run("state", "mv", "inv-2", "renamed").code == 3
    assert applied.run("state", "mv", "inv-2", "no address").code == 64


def test_records_are_forgotten_by_globs_and_a_backup_is_kept(applied: Folder) -> None:
    ids = applied.ids()

    ran = applied.run("state", "rm", "inv-[12]")

    assert ran.code == 0
    assert f"forgot inv-1 (id {ids['inv-1']})" in ran.err
    assert sorted(applied.ids()) == ["inv-3"]
    backup = json.loads((applied.path / "state" / "state.json.backup").read_text())
    assert sorted(backup["records"]) == ["inv-1", "inv-2", "inv-3"]
    assert applied.run("state", "rm", "inv-1").code == 64


def test_a_state_can_be_pulled_changed_and_pushed(applied: Folder) -> None:
    pulled = applied.run("state", "pull").out
    assert json.loads(pulled) == applied.state()
    applied.run("state", "rm", "inv-1")

    older = applied.run("state", "push", "-", stdin=pulled)
    assert older.code == 3
    assert "older" in older.err

    forced = applied.run("state", "push", "--force", "-", stdin=pulled)
    assert forced.code == 0, forced.err
    assert sorted(applied.ids()) == ["inv-1", "inv-2", "inv-3"]
    assert applied.run("plan", "--detailed-exitcode").code == 0


def test_a_file_to_push_is_named_as_seen_from_the_project_folder(applied: Folder) -> None:
    (applied.path / "pulled.json").write_text(applied.run("state", "pull").out)
    above = Folder(applied.path.parent, applied.environ)

    pushed = above.run("-C", applied.path.name, "state", "push", "--force", "pulled.json")

    assert pushed.code == 0, pushed.err
    assert sorted(applied.ids()) == ["inv-1", "inv-2", "inv-3"]


def test_a_pushed_file_must_be_there_and_a_state(applied: Folder) -> None:
    before = applied.state()

    assert applied.run("state", "push", "nowhere.json").code == 65
    assert applied.run("state", "push", "-", stdin="{}").code == 1
    foreign = json.dumps(before | {"lineage": "3f0c3d5e-0000-4000-8000-000000000000", "serial": 99})
    assert applied.run("state", "push", "-", stdin=foreign).code == 3
    assert applied.state() == before


def test_a_state_that_cannot_be_believed_ends_with_1_and_a_hint(applied: Folder) -> None:
    (applied.path / "state" / "state.json").write_text('{"version":1,')

    for command in ("plan", "apply --auto-approve", "state list"):
        ran = applied.run(*command.split())
        assert ran.code == 1, command
        assert ran.err.startswith("error[")


def test_a_broken_line_in_the_journal_stops_everything_and_sends_nothing(small: Folder, serve: Serve) -> None:
    sandbox = serve(faults="lost_before@1")
    small.point_at(sandbox)
    assert small.run("apply", "--auto-approve").code == 4
    journal = small.path / "state" / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([lines[0], lines[1].replace(b":", b";", 1), *lines[2:]]))

    ran = small.run("apply", "--auto-approve", "--format", "json")

    assert ran.code == 1
    assert ran.events[-1]["error"]["code"].startswith("journal-")
    assert sandbox.writes == 3


def test_a_lock_left_on_another_host_is_shown_and_removed_by_its_id(applied: Folder) -> None:
    left = {
        "id": "abc123abc123",
        "operation": "apply",
        "who": "jane",
        "host": "elsewhere",
        "pid": 1,
        "since": "2026-03-02T10:14:00Z",
    }
    lock = applied.path / "state" / "lock"
    lock.write_text(json.dumps(left))

    refused = applied.run("state", "rm", "inv-1")
    assert refused.code == 6
    assert "jane on elsewhere" in refused.err
    assert "reconcile unlock abc123abc123" in refused.err
    assert applied.run("plan").code == 0

    assert applied.run("unlock", "wrong").code == 64
    unlocked = applied.run("unlock", "abc123abc123")
    assert (unlocked.code, "apply by jane on elsewhere" in unlocked.err) == (0, True)
    assert applied.run("state", "rm", "inv-1").code == 0


def test_a_holder_that_died_on_this_host_is_taken_over(applied: Folder) -> None:
    left = {
        "id": "abc123abc123",
        "operation": "apply",
        "who": "jane",
        "host": socket.gethostname(),
        "pid": 1,
        "since": "2026-03-02T10:14:00Z",
    }
    (applied.path / "state" / "lock").write_text(json.dumps(left))

    assert applied.run("state", "rm", "inv-1").code == 0


def test_everything_that_is_written_is_private(applied: Folder) -> None:
    modes = {path.name: path.stat().st_mode & 0o077 for path in (applied.path / "state").iterdir()}

    assert set(modes.values()) == {0}, modes
