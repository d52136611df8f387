"""Signals, locks and a reader who leaves: what happens to a run that is not left alone."""

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from project_folder import Folder

from reconcile.sandbox.server import Sandbox

Serve = Callable[..., Sandbox]
WaitUntil = Callable[[Callable[[], object]], None]


@pytest.fixture
def many(folder: Folder) -> Folder:
    folder.declare(40)
    return folder


def assert_no_twins(sandbox: Sandbox) -> None:
    counts = Counter(record["CoworkerInvoiceId"] for record in sandbox.records())
    assert {invoice: count for invoice, count in counts.items() if count > 1} == {}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_lets_what_is_in_flight_finish_and_the_next_apply_goes_on(
    number: signal.Signals, many: Folder, serve: Serve, wait_until: WaitUntil
) -> None:
    sandbox = serve(faults="slow=1:0.4")
    process = many.point_at(sandbox).start("apply", "--auto-approve")
    wait_until(lambda: sandbox.writes >= 4)

    process.send_signal(number)
    ran = many.finish(process)

    assert ran.code == 130
    assert "finishing the requests in flight" in ran.err
    assert "not attempted" in ran.out
    assert "in doubt" not in ran.out
    assert "Next: `reconcile apply --auto-approve` goes on where this run stopped." in ran.out
    sent = sandbox.writes
    assert sent < 40
    assert sorted(many.ids().values()) == sorted(record["Id"] for record in sandbox.records())
    assert len(many.ids()) == sent

    sandbox.set_faults("")
    assert many.run("apply", "--auto-approve").code == 0
    assert sandbox.writes == 40
    assert_no_twins(sandbox)


def test_a_second_signal_stops_at_once_and_names_the_doubt(many: Folder, serve: Serve, wait_until: WaitUntil) -> None:
    sandbox = serve(faults="slow=1:20")
    process = many.point_at(sandbox).start("apply", "--auto-approve")
    wait_until(lambda: sandbox.writes >= 8)

    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while "finishing the requests in flight" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGINT)
    ran = many.finish(process)

    assert ran.code == 130
    assert "in doubt" in ran.err
    planned = many.run("plan")
    assert "32 to create, 0 unchanged, 8 in doubt" in planned.out
    sandbox.set_faults("")
    assert many.run("apply", "--auto-approve").code == 0, "what was in flight took effect, and is adopted"
    assert sandbox.writes == 40
    assert_no_twins(sandbox)


def test_an_interruption_in_json_ends_with_its_event(many: Folder, serve: Serve, wait_until: WaitUntil) -> None:
    sandbox = serve(faults="slow=1:0.4")
    process = many.point_at(sandbox).start("apply", "--auto-approve", "--format", "json")
    wait_until(lambda: sandbox.writes >= 4)

    process.send_signal(signal.SIGINT)
    ran = many.finish(process)

    assert ran.code == ran.finished["exit_code"] == 130
    assert ran.finished["created"] + len(ran.finished["unattempted"]) == 40


def test_a_hang_up_that_nohup_ignores_stays_ignored(many: Folder, serve: Serve, wait_until: WaitUntil) -> None:
    sandbox = serve(faults="slow=1:0.05")
    process = subprocess.Popen(
        ["nohup", sys.executable, "-m", "reconcile", "apply", "--auto-approve"],
        cwd=many.path,
        env=many.point_at(sandbox).environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: sandbox.writes >= 1)

    process.send_signal(signal.SIGHUP)

    assert many.finish(process).code == 0
    assert sandbox.writes == 40


def start_with_one_pipe(folder: Folder, *args: str) -> "subprocess.Popen[str]":
    """The command with both outputs in a pipe, which the test may close as `| head` does, or a `| tee` after Ctrl-C."""
    return subprocess.Popen(
        [sys.executable, "-m", "reconcile", *args],
        cwd=folder.path,
        env=folder.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def leave(process: "subprocess.Popen[str]") -> None:
    assert process.stdout is not None
    process.stdout.close()


def test_a_reader_who_leaves_does_not_stop_an_apply(many: Folder, serve: Serve) -> None:
    sandbox = serve()
    many.point_at(sandbox)

    for output in ("text", "json"):
        process = start_with_one_pipe(many, "apply", "--auto-approve", "--format", output)
        leave(process)
        assert process.wait(60) == 0

    assert len(many.ids()) == sandbox.writes == 40


def test_a_reader_who_leaves_with_the_interruption_leaves_a_run_that_ends_well(
    many: Folder, serve: Serve, wait_until: WaitUntil
) -> None:
    sandbox = serve(faults="slow=1:0.5")
    many.point_at(sandbox)
    process = start_with_one_pipe(many, "apply", "--auto-approve")
    wait_until(lambda: sandbox.writes >= 4)
    leave(process)

    process.send_signal(signal.SIGINT)

    assert process.wait(60) == 130
    sent = sandbox.writes
    assert sent < 40
    assert len(many.ids()) == sent
    assert "in doubt" not in many.run("plan").out


@pytest.mark.parametrize(
    ("args", "code"), [("plan --detailed-exitcode", 2), ("plan --format json", 0), ("--help", 0), ("validate", 0)]
)
def test_a_reader_who_leaves_hears_no_complaint_and_changes_no_exit_code(args: str, code: int, many: Folder) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "reconcile", *args.split()],
        cwd=many.path,
        env=many.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    leave(process)
    assert process.stderr is not None
    err = process.stderr.read()
    process.stderr.close()

    assert process.wait(60) == code
    assert "Traceback" not in err
    assert "Broken pipe" not in err
    assert "error[" not in err


def test_an_output_that_cannot_be_written_ends_with_1(many: Folder) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        ran = subprocess.run(
            [sys.executable, "-m", "reconcile", "plan"],
            cwd=many.path,
            env=many.environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert ran.returncode == 1
    assert ran.stderr.startswith("error[output-unwritable]: the output cannot be written: No space left")
    assert len(ran.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("closed", "code"), [("<&-", 130), (">&-", 130), ("2>&-", 130), ("<&- >&- 2>&-", 130), (">/dev/full 2>&1", 1)]
)
def test_a_closed_stream_is_not_taken_for_the_journal(
    closed: str, code: int, many: Folder, serve: Serve, wait_until: WaitUntil
) -> None:
    """The first file opened would get the number of a closed stream, and the words of a signal would land in it."""
    sandbox = serve(faults="slow=1:0.3")
    process = subprocess.Popen(
        ["sh", "-c", f'exec "$0" -m reconcile -v apply --auto-approve {closed}', sys.executable],
        cwd=many.path,
        env=many.point_at(sandbox).environment(),
    )
    if code == 130:
        wait_until(lambda: sandbox.writes >= 4)
        process.send_signal(signal.SIGINT)

    assert process.wait(60) == code
    sandbox.set_faults("")
    assert many.run("apply", "--auto-approve").code == 0
    assert sandbox.writes == len(sandbox.records()) == 40


def test_one_apply_at_a_time_and_readers_need_no_lock(many: Folder, serve: Serve, wait_until: WaitUntil) -> None:
    sandbox = serve(faults="slow=1:60")
    holder = many.point_at(sandbox).start("apply", "--auto-approve")
    wait_until(lambda: sandbox.writes >= 8)

    second = many.run("apply", "--auto-approve", "--format", "json")
    by_hand = many.run("state", "rm", "inv-00001")
    readers = [many.run(*args.split()).code for args in ("plan", "show", "state list", "state pull", "validate")]
    lock_id = json.loads((many.path / "state" / "lock").read_text())["id"]
    unlocked = many.run("unlock", lock_id)
    holder.kill()
    many.finish(holder)

    assert (second.code, by_hand.code, unlocked.code) == (6, 6, 6)
    assert second.events[-1]["error"]["code"] == "locked"
    assert lock_id in by_hand.err
    assert readers == [0] * 5
    # The system frees the lock of a holder that died; what it had in flight was in doubt, and is adopted.
    sandbox.set_faults("")
    assert many.run("apply", "--auto-approve").code == 0
    assert sandbox.writes == 40


def test_a_run_can_wait_for_the_lock(many: Folder, serve: Serve, wait_until: WaitUntil) -> None:
    sandbox = serve(faults="slow=1:0.2")
    process = many.point_at(sandbox).start("apply", "--auto-approve")
    wait_until(lambda: sandbox.writes >= 1)

    second = many.run("apply", "--auto-approve", "--lock-timeout", "30")

    assert (many.finish(process).code, second.code) == (0, 0)
    assert "Nothing to do: 40 unchanged." in second.out
    assert sandbox.writes == 40


def test_a_wait_for_the_lock_can_be_interrupted(many: Folder, serve: Serve, wait_until: WaitUntil) -> None:
    sandbox = serve(faults="slow=1:0.5")
    holder = many.point_at(sandbox).start("apply", "--auto-approve")
    wait_until(lambda: sandbox.writes >= 1)
    waiting = many.start("apply", "--auto-approve", "--lock-timeout", "30", "--format", "json")
    lock = many.path / "state" / "lock"
    wait_until(lambda: str(lock) in opened_files(waiting.pid))

    waiting.send_signal(signal.SIGINT)
    ran = many.finish(waiting)

    assert ran.code == 130
    assert ran.events[-1]["error"]["code"] == "interrupted"
    assert many.finish(holder).code == 0


def opened_files(pid: int) -> set[str]:
    """The files that a process holds open."""
    found: set[str] = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.add(str(link.readlink()))
        except OSError:
            continue
    return found


def test_a_sandbox_in_the_foreground_serves_until_it_is_interrupted(small: Folder) -> None:
    process = small.start("sandbox", "--db", "records.sqlite")
    assert process.stderr is not None
    said = ""
    while "Ctrl-C stops it." not in said:
        said += process.stderr.readline()
    exports = dict(line.split()[1].split("=", 1) for line in said.splitlines() if "export " in line)

    ran = small.run("apply", "--auto-approve", environ=exports)
    process.send_signal(signal.SIGINT)

    assert small.finish(process).code == 0
    assert ran.code == 0, ran.err
    assert (small.path / "records.sqlite").stat().st_mode & 0o077 == 0


def test_a_sandbox_that_cannot_start_says_why(folder: Folder, serve: Serve) -> None:
    taken = serve().base_url.rpartition(":")[2]
    folder.write("no-database", "x" * 200)
    folder.write("manifests/a.yaml", "payment_tokens:\n  a: {coworker_invoice_id: 1}\n")
    folder.write("state/sandbox/nexudus.sqlite", "x" * 200)

    for args, says in (
        (f"sandbox --port {taken}", "in use"),
        ("sandbox --db no-database", "not a database"),
        ("--sandbox apply --auto-approve", "not a database"),
    ):
        ran = folder.run(*args.split())
        assert ran.code == 65, args
        assert says in ran.err


@pytest.mark.parametrize("options", ["--faults frobnicate=1", "--limits frobnicate=1"])
def test_sandbox_options_that_make_no_sense_are_wrong_usage(options: str, small: Folder) -> None:
    for command in (f"--sandbox {options} apply --auto-approve", f"sandbox {options}"):
        ran = small.run(*command.split())
        assert ran.code == 64
        assert "frobnicate" in ran.err
        assert len(ran.err.splitlines()) == 2, "the whole table belongs into the help"
