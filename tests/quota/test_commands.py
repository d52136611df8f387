"""The quota from the command line: runs that meet it, what `plan` and `quota` say of it, and `history`."""

import json
import signal
import threading
import time

import pytest


@pytest.fixture
def limited(folder, serve):
    """Five records, against a server that does not throttle, by an account that may write three times a day."""
    folder.declare(5)
    folder.point_at(serve())
    folder.environ["RECONCILE_API__LIMITS__WRITES_PER_DAY"] = "3"
    return folder


def ledger(folder, *parts):
    path = folder.path.joinpath("state", *parts, "quota.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines() if line] if path.exists() else []


def test_a_run_that_meets_the_day_ends_with_5_and_the_command_to_go_on(limited):
    ran = limited.run("-C", ".", "apply", "--auto-approve", "--target", "inv-*")
    assert ran.code == 5
    assert len(limited.ids()) == 3
    assert "the quota is used up; its next slot is 24 h away" in ran.out
    assert "Next: `reconcile -C . apply --auto-approve --target 'inv-*'` goes on where this run stopped." in ran.out


def test_the_next_run_knows_what_this_one_sent_and_sends_nothing(limited):
    limited.run("apply", "--auto-approve")
    again = limited.run("apply", "--auto-approve", "--format", "json")
    assert again.code == 5
    assert again.finished["created"] == 0
    assert again.finished["next"] == ["`reconcile apply --auto-approve --format json` goes on where this run stopped"]
    assert len(limited.ids()) == 3


def test_corrections_by_hand_lose_no_count(limited):
    limited.run("apply", "--auto-approve")
    address = next(iter(limited.ids()))
    for number in range(4):
        assert limited.run("state", "mv", address, address := f"moved-{number}").code == 0
    assert limited.run("quota", "--format", "json").json["windows"][1]["used"] == 3


def test_a_killed_run_counts(limited):
    limited.environ["RECONCILE_API__LIMITS__WRITES_PER_DAY"] = "100"
    limited.environ["RECONCILE_API__LIMITS__WRITES_PER_MINUTE"] = "2"  # long enough to be looked at
    process = limited.start("apply", "--auto-approve")
    while b'"applied"' not in journal(limited):
        assert process.poll() is None
        time.sleep(0.01)
    assert "  under way\n" in limited.run("history").out
    process.kill()
    process.communicate()
    assert "  killed\n" in limited.run("history").out
    before = limited.run("quota", "--format", "json").json["windows"][1]["used"]
    assert before >= 1
    limited.run("state", "rm", "inv-00001")
    assert limited.run("quota", "--format", "json").json["windows"][1]["used"] == before


def journal(folder):
    path = folder.path / "state" / "journal.jsonl"
    return path.read_bytes() if path.exists() else b""


def test_max_writes_names_the_command_too(limited):
    ran = limited.run("apply", "--auto-approve", "--max-writes", "1")
    assert ran.code == 5
    assert "Next: `reconcile apply --auto-approve --max-writes 1` goes on" in ran.out


def test_whoever_waits_is_told_so_and_ctrl_c_ends_it_well(limited):
    process = limited.start("apply", "--auto-approve", "--wait")
    heard = threading.Event()
    lines = []

    def listen():
        for line in process.stderr:
            lines.append(line)
            if "waiting 24 h" in line:
                heard.set()

    listener = threading.Thread(target=listen)
    listener.start()
    assert heard.wait(30), lines
    process.send_signal(signal.SIGINT)
    out = process.stdout.read()
    assert process.wait(30) == 130
    listener.join()
    process.stdout.close()
    process.stderr.close()
    assert sum("waiting 24 h" in line for line in lines) == 1
    assert "3 created" in out
    assert len(limited.ids()) == 3


@pytest.mark.parametrize("limits", ["", "null"])
def test_what_the_server_asked_for_is_kept_by_the_next_run_too(folder, serve, limits):
    folder.declare(3)
    server = serve(faults="throttle_409@2:3000")
    folder.point_at(server)
    if not limits:
        for name in [name for name in folder.environ if "LIMITS" in name]:
            del folder.environ[name]
    first = folder.run("apply", "--auto-approve", environ={"RECONCILE_API__CONCURRENCY": "1"})
    assert first.code == 5, first
    assert len(folder.ids()) == 1
    heard = server.requests
    again = folder.run("apply", "--auto-approve")
    assert again.code == 5, again
    assert server.requests == heard
    assert "its next slot is 50 min away" in again.out + again.err


def test_reads_that_find_the_quota_used_up_end_the_run_with_5(limited):
    limited.environ |= {"RECONCILE_API__LIMITS__WRITES_PER_DAY": "null", "RECONCILE_API__LIMITS__REQUESTS_PER_DAY": "1"}
    assert limited.run("apply", "--auto-approve").code == 5
    ran = limited.run("apply", "--auto-approve")
    assert ran.code == 5
    assert "the quota of requests is used up" in ran.out + ran.err
    assert "`reconcile apply --auto-approve` goes on where this run stopped" in ran.out + ran.err


def test_missing_credentials_are_said_before_anything_happens(limited):
    del limited.environ["NEXUDUS_PASSWORD"]
    before = limited.digest()
    assert limited.run("apply", "--auto-approve").code == 65
    assert limited.digest() == before


def test_quota_says_what_is_used_and_left_and_whose_it_is(limited):
    limited.run("apply", "--auto-approve")
    ran = limited.run("quota")
    assert ran.code == 0
    assert ran.out.splitlines()[0].startswith("Quota of admin")
    assert limited.environ["NEXUDUS_BASE_URL"] in ran.out
    day = next(line for line in ran.out.splitlines() if line.startswith("writes per day"))
    assert day.split()[3:] == ["3", "3", "0", "in", "24", "h"]
    assert "writes per minute     none" in ran.out
    assert len(ran.out.splitlines()) == 9


def test_quota_in_json_has_six_windows_and_needs_no_credentials(limited):
    limited.run("apply", "--auto-approve")
    for name in ("NEXUDUS_USERNAME", "NEXUDUS_PASSWORD"):
        del limited.environ[name]
    found = limited.run("quota", "--format", "json").json
    assert found["account"] is None
    assert [window["name"] for window in found["windows"]] == [
        "writes_per_minute",
        "writes_per_day",
        "requests_per_second",
        "requests_per_minute",
        "requests_per_hour",
        "requests_per_day",
    ]
    day = found["windows"][1]
    assert (day["limit"], day["used"], day["left"]) == (3, 3, 0)
    assert day["next_slot_seconds"] == pytest.approx(86_400, abs=60)
    assert day["frees_at"].endswith("Z")
    assert "all accounts together" in limited.run("quota").out


def test_another_login_has_a_quota_of_its_own(limited):
    limited.run("apply", "--auto-approve")
    limited.environ["NEXUDUS_USERNAME"] = "somebody@example.com"
    assert limited.run("quota", "--format", "json").json["windows"][1]["used"] == 0


def test_credentials_that_cannot_be_read_do_not_keep_a_plan_from_being_priced(limited):
    limited.run("apply", "--auto-approve")
    for name in ("NEXUDUS_USERNAME", "NEXUDUS_PASSWORD"):
        del limited.environ[name]
    limited.environ["NEXUDUS_USERNAME_FILE"] = "/nowhere/at/all"
    assert "0 writes left today" in limited.run("plan").out


def test_a_plan_says_what_it_costs_and_what_is_left(limited):
    assert "Cost: 5 writes, 4 reads" in (first := limited.run("plan").out)
    assert "4 reads · over 2 days at the limits in the settings · 3 writes left today." in first

    limited.run("apply", "--auto-approve")
    cost = limited.run("plan", "--format", "json").json["cost"]
    assert (cost["writes"], cost["reads"], cost["days"], cost["writes_left_today"]) == (2, 2, 2, 0)


def test_plan_and_quota_and_history_change_no_byte(limited):
    limited.run("apply", "--auto-approve")
    before = limited.digest()
    for command in ("plan", "quota", "history"):
        assert limited.run(command).code == 0
    assert limited.digest() == before


def test_a_sandbox_without_limits_counts_nothing_and_says_so(folder):
    folder.declare(3)
    assert folder.run("--sandbox", "apply", "--auto-approve").code == 0
    assert ledger(folder, "sandbox") == []
    assert folder.run("--sandbox", "quota").out == "No limits are kept here, and nothing is counted.\n"
    assert "left today" not in folder.run("--sandbox", "plan").out


def test_a_sandbox_with_limits_is_an_account_of_its_own(folder):
    folder.declare(4)
    limits = ("--sandbox", "--limits", "writes_per_day=3")
    assert folder.run(*limits, "apply", "--auto-approve").code == 5
    assert {line["account"] for line in ledger(folder, "sandbox")} == {"sandbox"}
    assert "Quota of the sandbox" in folder.run(*limits, "quota").out
    assert "0 writes left today" in folder.run(*limits, "plan").out
    ran = folder.run(*limits, "apply", "--auto-approve")
    assert "`reconcile --sandbox --limits writes_per_day=3 apply --auto-approve` goes on" in ran.out


@pytest.mark.parametrize("command", [("plan",), ("quota",), ("apply", "--auto-approve")])
def test_limits_that_cannot_be_understood_are_wrong_usage_and_touch_nothing(folder, command):
    folder.declare(1)
    before = folder.digest()
    ran = folder.run("--sandbox", "--limits", "writes_per_fortnight=3", *command)
    assert ran.code == 64
    assert "writes_per_fortnight" in ran.err
    assert folder.digest() == before


def test_history_lists_every_run_with_its_counts_and_how_it_ended(limited):
    assert limited.run("history").out == "No runs yet.\n"
    limited.run("apply", "--auto-approve", "--max-writes", "1")
    limited.run("apply", "--auto-approve")
    text = limited.run("history").out
    lines = text.splitlines()
    assert len(lines) == 4
    assert all(len(line) <= 100 for line in lines)
    assert "  quota reached (5) · " in lines[0]
    assert lines[1] == "  apply · 1 write · 1 applied · 4 not attempted"
    assert lines[3] == "  apply · 2 writes · 2 applied · 2 not attempted"
    first, second = limited.run("history", "--format", "json").json
    assert first["started_at"] <= second["started_at"]
    assert (second["writes"], second["applied"], second["exit_code"]) == (2, 2, 5)
    assert second["outcome"] == "quota reached (5)"
    assert second["plan_id"] in text
