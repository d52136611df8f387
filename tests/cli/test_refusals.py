"""What stops a command before its first write: refusals, things that are missing, and bugs of the tool itself."""

import re
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from project_folder import Folder

from reconcile.sandbox.server import Sandbox

Serve = Callable[..., Sandbox]


@pytest.fixture
def sandbox(serve: Serve) -> Sandbox:
    return serve()


@pytest.fixture
def applied(small: Folder, sandbox: Sandbox) -> Folder:
    assert small.point_at(sandbox).run("apply", "--auto-approve").code == 0
    return small


def test_a_delete_is_shown_and_refused_unless_left_out(applied: Folder, sandbox: Sandbox) -> None:
    (applied.path / "manifests" / "b.yml").unlink()

    plan = applied.run("plan")
    ran = applied.run("apply", "--auto-approve")
    excluded = applied.run("apply", "--auto-approve", "--exclude", "inv-3")

    assert re.search(r"- delete +inv-3 +id \d+, invoice 3 +no longer declared", plan.out)
    assert "Refused: 1 delete, 0 allowed (1 of 3 records, 33.3 %)." in plan.out
    assert (ran.code, excluded.code) == (3, 0)
    assert "1 delete, 0 allowed" in ran.err
    assert sorted(applied.ids()) == ["inv-1", "inv-2", "inv-3"]
    assert sandbox.writes == 3


def test_a_new_invoice_under_an_old_address_is_refused(applied: Folder) -> None:
    applied.write("manifests/b.yml", "payment_tokens:\n  inv-3: {coworker_invoice_id: 33, notes: no token}\n")

    ran = applied.run("apply", "--auto-approve")

    assert ran.code == 3
    assert "declare the new invoice under a new address" in ran.err


def test_a_limit_of_the_settings_is_kept(folder: Folder, sandbox: Sandbox) -> None:
    folder.point_at(sandbox).declare(3)
    folder.write("reconcile.yaml", "safety: {max_creates: 2}\n")

    assert folder.run("plan").code == 0
    assert folder.run("apply", "--auto-approve").code == 3
    assert sandbox.writes == 0


def test_a_difference_in_the_state_alone_is_recorded_without_a_request(applied: Folder, sandbox: Sandbox) -> None:
    requests = len(sandbox.requests)
    text = (applied.path / "manifests" / "a.yaml").read_text()
    applied.write("manifests/a.yaml", text + "    protect: true\n")

    plan, ran = applied.run("plan"), applied.run("apply", "--auto-approve")

    assert "1 to record" in plan.out
    assert ran.code == 0
    assert applied.state()["records"]["inv-2"]["protect"] is True
    assert len(sandbox.requests) == requests


def test_missing_secrets_are_all_named_with_their_places(small: Folder, sandbox: Sandbox) -> None:
    small.write("manifests/c.yaml", "payment_tokens:\n  inv-4: {coworker_invoice_id: 4, token_from: {file: card}}\n")
    small.point_at(sandbox)
    empty = {"TOKEN_ONE": "", "TOKEN_TWO": ""}

    ran = small.run("apply", "--auto-approve", environ=empty)
    in_json = small.run("apply", "--auto-approve", "--format", "json", environ=empty)

    assert ran.code == 65
    for place, source in (("a.yaml:4", "TOKEN_ONE"), ("a.yaml:8", "TOKEN_TWO"), ("c.yaml:2", "card")):
        assert re.search(rf"^manifests/{place}:\d+: error\[missing-secret\]: .*{source}", ran.err, re.MULTILINE)
    assert "3 tokens are not at hand; nothing was sent" in ran.err
    assert [problem["line"] for problem in in_json.events[-1]["diagnostics"]] == [4, 8, 2]
    assert sandbox.requests == ()
    assert small.run("apply", "--auto-approve", "--target", "inv-3", environ=empty).code == 0


def test_missing_credentials_end_with_65_and_say_what_to_set(small: Folder) -> None:
    ran = small.run("apply", "--auto-approve")

    assert ran.code == 65
    assert "NEXUDUS_USERNAME and NEXUDUS_PASSWORD, or NEXUDUS_ACCESS_TOKEN" in ran.err
    assert small.run("apply", "--format", "json").events[-1]["error"]["exit_code"] == 65


def test_credentials_can_come_from_files(small: Folder, sandbox: Sandbox) -> None:
    small.point_at(sandbox)
    del small.environ["NEXUDUS_PASSWORD"]
    small.environ["NEXUDUS_PASSWORD_FILE"] = str(small.write("elsewhere/password", f"{sandbox.password}\n"))

    assert small.run("apply", "--auto-approve").code == 0
    assert small.run("apply", "--auto-approve", environ={"NEXUDUS_PASSWORD_FILE": "/nowhere"}).code == 65


def test_nothing_to_do_is_said_in_json_too(applied: Folder) -> None:
    ran = applied.run("apply", "--auto-approve", "--format", "json")

    assert ran.code == 0
    assert (ran.finished["exit_code"], ran.finished["created"], ran.finished["in_doubt"]) == (0, 0, [])


def test_events_carry_times_ids_and_places(small: Folder) -> None:
    events = small.run("--sandbox", "apply", "--auto-approve", "--format", "json").events

    assert [event["event"] for event in events if event["event"] not in {"applied", "progress"}] == [
        "run_started",
        "run_finished",
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event["time"]) for event in events)
    applied = {event["address"]: event for event in events if event["event"] == "applied"}
    assert {address: event["id"] for address, event in applied.items()} == small.ids("sandbox")
    assert (applied["inv-1"]["file"], applied["inv-1"]["line"]) == ("manifests/a.yaml", 4)


BROKEN = """\
import argparse, sys
from reconcile.cli import boundary

def broken(token):
    raise KeyError(token)

boundary.import_module = lambda name: argparse.Namespace(plan=lambda args, console: broken("planted-in-a-bug-Ww55"))
sys.exit(boundary.run(sys.argv[1:]))
"""
"""A command that raises what no command should: what a bug looks like from outside."""


@pytest.mark.parametrize("output", ["text", "json"])
def test_a_bug_ends_with_70_and_a_private_file_without_values(output: str, small: Folder, tmp_path: Path) -> None:
    bugs = tmp_path / "bugs"
    bugs.mkdir()
    ran = subprocess.run(
        [sys.executable, "-c", BROKEN, "plan", "--format", output],
        cwd=small.path,
        env=small.environment({"TMPDIR": str(bugs)}),
        capture_output=True,
        text=True,
        check=False,
    )

    (report,) = bugs.iterdir()
    written = report.read_text()
    assert ran.returncode == 70
    assert ran.stderr.startswith("error[bug]: KeyError: this is a bug in reconcile")
    assert str(report) in ran.stderr
    assert "Traceback" not in ran.stderr
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert "builtins.KeyError" in written
    assert "in broken" in written
    assert "planted-in-a-bug-Ww55" not in written + ran.stdout + ran.stderr
    assert ('"exit_code": 70' in ran.stdout) == (output == "json")


def test_a_bug_is_said_even_where_no_file_can_be_written(small: Folder) -> None:
    nowhere = BROKEN.replace("sys.exit", "import tempfile; tempfile.tempdir = '/nowhere'; sys.exit")

    ran = subprocess.run(
        [sys.executable, "-c", nowhere, "plan"], cwd=small.path, capture_output=True, text=True, check=False
    )

    assert ran.returncode == 70
    assert ran.stderr.splitlines()[0] == "error[bug]: KeyError: this is a bug in reconcile, not a mistake of yours"
