"""On a terminal: the question, the bar, the colours; and their absence elsewhere."""

import os
import re
import subprocess
import sys
from collections.abc import Callable

import pytest
from project_folder import UNPACED, Folder
from terminal import Terminal

from reconcile.sandbox.server import Sandbox

Serve = Callable[..., Sandbox]
OpenTerminal = Callable[..., Terminal]

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def test_a_typed_yes_applies(small: Folder, terminal: OpenTerminal) -> None:
    screen = terminal(small, "--sandbox", "apply")
    screen.wait_for("Create 3 records in the sandbox? Type `yes` to do it: ")

    screen.type("yes\n")

    assert screen.finish() == 0
    assert "3 created" in screen.seen
    assert sorted(small.ids("sandbox")) == ["inv-1", "inv-2", "inv-3"]


@pytest.mark.parametrize("answer", ["no\n", "y\n", "YES\n", "yes please\n", "\n", "\x04"])
def test_any_other_answer_ends_with_3_and_sends_nothing(
    answer: str, small: Folder, serve: Serve, terminal: OpenTerminal
) -> None:
    sandbox = serve()
    screen = terminal(small.point_at(sandbox), "apply")
    screen.wait_for(f"Create 3 records at {sandbox.base_url}? Type `yes` to do it: ")

    screen.type(answer)

    assert screen.finish() == 3
    assert "the answer was not `yes`; nothing was sent" in screen.seen
    assert sandbox.requests == ()
    assert not (small.path / "state" / "state.json").exists()


def test_ctrl_c_at_the_question_ends_with_130_and_sends_nothing(
    small: Folder, serve: Serve, terminal: OpenTerminal
) -> None:
    sandbox = serve()
    screen = terminal(small.point_at(sandbox), "apply")
    screen.wait_for("Type `yes` to do it: ")

    screen.interrupt()

    assert screen.finish() == 130
    assert "[interrupted]" in COLOUR.sub("", screen.seen)
    assert sandbox.requests == ()


def test_without_a_terminal_nobody_is_asked_and_nothing_sent(small: Folder, serve: Serve) -> None:
    sandbox = serve()
    small.point_at(sandbox)

    ran = small.run("apply", stdin="yes\n")

    assert ran.code == 3
    assert "error[no-terminal]" in ran.err
    assert "--auto-approve" in ran.err
    assert small.run("apply", "--format", "json").events[-1]["error"]["code"] == "no-terminal"
    assert sandbox.requests == ()


def test_json_on_a_terminal_asks_nobody_who_has_not_seen_the_plan(small: Folder, terminal: OpenTerminal) -> None:
    screen = terminal(small, "--sandbox", "apply", "--format", "json")

    assert screen.finish() == 3
    assert "to do it" not in screen.seen


def test_a_terminal_shows_a_bar_and_what_goes_wrong_above_it(
    folder: Folder, serve: Serve, terminal: OpenTerminal
) -> None:
    folder.declare(12)
    folder.point_at(serve(faults="rejected@3,slow=1:0.2")).environ["RECONCILE_API__CONCURRENCY"] = "2"

    screen = terminal(folder, "apply", "--auto-approve")

    assert screen.finish() == 1
    text = COLOUR.sub("", screen.seen)
    assert "━" in text
    assert re.search(r"\[\d+/12\] \d+% · \d+ created", text)
    assert re.search(r"rejected inv-\d+: ", text)
    assert "Applied: 11 created, 1 rejected" in text


def test_elsewhere_progress_is_plain_lines_on_standard_error(small: Folder) -> None:
    ran = small.run("--sandbox", "apply", "--auto-approve")

    assert re.fullmatch(r"\[3/3\] 100% · 3 created · [\d.,]+/s\n", ran.err), ran.err
    assert "\x1b" not in ran.out + ran.err
    assert "\r" not in ran.out + ran.err


def test_quiet_and_verbose_change_standard_error_alone(small: Folder) -> None:
    quiet = small.run("-q", "--sandbox", "apply", "--auto-approve", "--target", "inv-1")
    verbose = small.run("-v", "--sandbox", "apply", "--auto-approve", "--target", "inv-2")

    assert (quiet.code, quiet.err) == (0, "")
    assert "1 created" in quiet.out
    assert re.search(r"^applied inv-2 id 14\d+$", verbose.err, re.MULTILINE), verbose.err


def test_a_plan_on_a_terminal_is_coloured_unless_no_color_says_otherwise(small: Folder, terminal: OpenTerminal) -> None:
    coloured = terminal(small, "plan")
    assert coloured.finish() == 0
    assert "\x1b[32m  + create" in coloured.seen

    for environ in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        plain = terminal(small, "plan", **environ)
        assert plain.finish() == 0
        assert COLOUR.search(plain.seen) is None


def test_no_color_holds_for_the_bar_and_the_report_too(folder: Folder, terminal: OpenTerminal) -> None:
    folder.declare(3)
    screen = terminal(folder, "--sandbox", "--faults", "rejected@1", "apply", "--auto-approve", NO_COLOR="1")

    assert screen.finish() == 1
    assert COLOUR.search(screen.seen.replace("\x1b[0m", "").replace("\x1b[1m", "").replace("\x1b[2m", "")) is None


@pytest.mark.parametrize(
    "locale", [{"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}]
)
def test_a_locale_without_unicode_crashes_nothing(locale: dict[str, str], folder: Folder) -> None:
    folder.write("manifests/a.yaml", 'payment_tokens:\n  a: {coworker_invoice_id: 1, notes: "Café → Zürich"}\n')
    folder.environ |= locale

    applied = run_as_bytes(folder, "--sandbox", "apply", "--auto-approve")
    shown = run_as_bytes(folder, "--sandbox", "show", "a")
    folder.write("manifests/a.yaml", 'payment_tokens:\n  a: {coworker_invoice_id: 1, notes: "Ελλάδα"}\n')
    planned = run_as_bytes(folder, "--sandbox", "plan")

    assert applied.returncode == shown.returncode == planned.returncode == 0, applied.stderr
    assert b"Traceback" not in applied.stderr + shown.stderr + planned.stderr


def run_as_bytes(folder: Folder, *args: str) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "reconcile", *args]
    return subprocess.run(command, cwd=folder.path, env=folder.environment(), capture_output=True, check=False)


def test_a_terminal_that_closes_lets_the_run_end_well(
    folder: Folder, serve: Serve, wait_until: Callable[[Callable[[], object]], None]
) -> None:
    """An ssh connection that breaks sends SIGHUP and leaves a terminal that can no longer be written to."""
    sandbox = serve(faults="slow=1:0.4")
    folder.point_at(sandbox).declare(40)
    screen, side = os.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", "--wait", sys.executable, "-m", "reconcile", "apply", "--auto-approve"],
        cwd=folder.path,
        env=folder.environment(UNPACED | {"TERM": "xterm"}),
        stdin=side,
        stdout=side,
        stderr=side,
    )
    os.close(side)
    wait_until(lambda: sandbox.writes >= 4)

    os.close(screen)

    process.wait(60)
    wait_until(lambda: (folder.path / "state" / "lock").read_bytes() == b"")
    assert len(folder.ids()) == sandbox.writes < 40
    assert "in doubt" not in folder.run("plan").out
