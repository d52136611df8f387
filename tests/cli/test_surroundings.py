"""What surrounds a run: a full disk, a repository, a key of one's own, missing packages."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from project_folder import Folder

from reconcile.sandbox.server import Sandbox

Serve = Callable[..., Sandbox]


def entries(folder: Folder, kind: str) -> list[dict[str, object]]:
    lines = (folder.path / "state" / "journal.jsonl").read_text().splitlines()
    return [entry for entry in (json.loads(line)["entry"] for line in lines) if entry["type"] == kind]


def test_a_disk_that_fills_up_stops_the_run_and_loses_no_id(folder: Folder, serve: Serve) -> None:
    """The journal may grow to 16 KiB here; what it cannot take goes to an emergency file and to standard error."""
    sandbox = serve()
    folder.point_at(sandbox).declare(60)
    command = 'ulimit -f 16; exec "$0" -m reconcile apply --auto-approve'

    ran = subprocess.run(
        ["bash", "-c", command, sys.executable],
        cwd=folder.path,
        # The limit holds for every file: bytecode must not be written, or what is cut short breaks later imports.
        # Nor may coverage measure this process, whose data file would be cut short as well.
        env={n: v for n, v in folder.environment().items() if not n.startswith("COVERAGE_")}
        | {"PYTHONDONTWRITEBYTECODE": "1", "RECONCILE_API__TIMEOUT_SECONDS": "3"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 1, ran.stderr
    assert "Traceback" not in ran.stderr
    assert "journal" in ran.stderr
    sent = sandbox.writes
    assert 0 < sent < 60
    assert len(sandbox.records()) == sent

    # An intent that reached the disk whose request was never sent looks like any other in doubt, until it has settled.
    soon = {"RECONCILE_API__SETTLE_SECONDS": "1"}
    deadline = time.monotonic() + 60
    while (again := folder.run("apply", "--auto-approve", environ=soon)).code != 0 and time.monotonic() < deadline:
        assert again.code in {4, 5}, again.err
    stored = {f"inv-{record['CoworkerInvoiceId']:05}": record["Id"] for record in sandbox.records()}
    assert len(sandbox.records()) == len(stored) == 60, "a twin, or a record that is missing"
    assert folder.ids() == stored
    named = {address: int(record_id) for address, record_id in re.findall(r"(inv-\d+): id (\d+)", ran.stderr)}
    assert named.items() <= stored.items()


@pytest.mark.parametrize("head", ["ref: refs/heads/main\n", "0123456789abcdef0123456789abcdef01234567\n"])
def test_a_run_remembers_the_commit_it_was_made_on(head: str, small: Folder, serve: Serve) -> None:
    small.write(".git/HEAD", head)
    small.write(".git/refs/heads/main", "0123456789abcdef0123456789abcdef01234567\n")

    assert small.point_at(serve()).run("apply", "--auto-approve").code == 0

    history = (small.path / "state" / "history.jsonl").read_text()
    assert '"git_commit":"0123456789abcdef0123456789abcdef01234567"' in history


def test_a_fingerprint_key_of_one_s_own_is_used_and_not_kept(small: Folder, serve: Serve) -> None:
    key = {"RECONCILE_FINGERPRINT_KEY": "a-key-from-the-ci-Hh28"}
    small.point_at(serve())

    assert small.run("apply", "--auto-approve", environ=key).code == 0

    assert not (small.path / "state" / "key").exists()
    assert small.run("plan", environ=key).out == "Nothing to do: 3 unchanged.\n"
    assert "compared by source" in small.run("plan").out
    assert "a-key-from-the-ci-Hh28" not in (small.path / "state" / "state.json").read_text()


@pytest.mark.parametrize(("command", "code"), [("--sandbox apply --auto-approve", 65), ("sandbox", 65), ("plan", 0)])
def test_without_the_packages_of_the_sandbox_only_the_sandbox_is_missing(
    command: str, code: int, small: Folder
) -> None:
    script = (
        "import sys; sys.modules['uvicorn'] = None; import reconcile.cli; sys.exit(reconcile.cli.main(sys.argv[1:]))"
    )

    ran = subprocess.run(
        [sys.executable, "-c", script, *command.split()],
        cwd=small.path,
        env=small.environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == code, ran.stderr
    assert ("pip install 'reconcile[sandbox]'" in ran.stderr) == (code == 65)


def test_settings_that_cannot_be_read_end_with_65(small: Folder) -> None:
    (small.path / "reconcile.yaml").mkdir()

    ran = small.run("plan")

    assert ran.code == 65
    assert "reconcile.yaml" in ran.err


def test_what_a_killed_run_left_is_written_into_the_state_by_the_next(small: Folder, serve: Serve) -> None:
    """The journal alone knows the records then: as if the run had been killed right before it wrote the state."""
    sandbox = serve()
    assert small.point_at(sandbox).run("apply", "--auto-approve").code == 0
    state = small.path / "state" / "state.json"
    ids = small.ids()
    journal = (small.path / "state" / "journal.jsonl").read_bytes().splitlines(keepends=True)
    (small.path / "state" / "journal.jsonl").write_bytes(b"".join(journal[:-2]))
    state.unlink()
    assert small.run("plan", "--detailed-exitcode").code == 0

    assert small.run("apply", "--auto-approve").code == 0

    assert small.ids() == ids
    assert sandbox.writes == 3
