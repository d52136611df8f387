"""`kill -9` at random moments of an apply: nothing that the server holds is unknown, nothing is ever created twice.

The server lives in the test's process, survives every kill, and its own records are the proof. Each campaign kills the
same project five times in a row, wherever the apply happens to be, then lets it end. 20 kills by default; for all 200:

    CRASH_KILLS=200 python -m pytest tests/crash

The moments are drawn from the campaign's number, so a campaign that failed draws the same ones again, as far as two
processes can be repeated.
"""

import os
import subprocess
import time
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from project_folder import Folder

from reconcile.adapters.backends.local import LocalBackend
from reconcile.core.operations import Folded
from reconcile.core.times import from_iso
from reconcile.journal import read_current
from reconcile.sandbox.server import Sandbox, SandboxOptions, running_sandbox

KILLS_EACH = 5
CAMPAIGNS = int(os.environ.get("CRASH_KILLS", "20")) // KILLS_EACH
RECORDS = 40
TROUBLE = "slow=0.3:0.03,lost_after=0.05,lost_before=0.02,truncated=0.02,rejected=0.05"


def declare(folder: Folder) -> None:
    """Records whose notes are their address, so that the server's rows say whose they are; invoices are shared."""
    entries = "".join(
        f"  inv-{number:02}: {{coworker_invoice_id: {number * 9 // 10 + 1}, notes: inv-{number:02}}}\n"
        for number in range(RECORDS)
    )
    folder.write("manifests/a.yaml", f"payment_tokens:\n{entries}")


def kill_somewhere(process: "subprocess.Popen[str]", sandbox: Sandbox, random: Random) -> bool:
    """Kills the apply some milliseconds after its nth request reached the server; False when it had ended by then."""
    nth = len(sandbox.requests) + random.randrange(1, RECORDS)
    while len(sandbox.requests) < nth and process.poll() is None:
        time.sleep(0.001)
    time.sleep(random.uniform(0, 0.03))
    process.kill()
    process.communicate()
    return process.returncode == -9


def known(folder: Folder) -> Folded:
    """What state and journal say together; raises when they cannot be read."""
    return read_current(LocalBackend(folder.path / "state"), new_lineage=str)


def assert_nothing_unknown(folder: Folder, sandbox: Sandbox) -> None:
    folded, records = known(folder), sandbox.records()
    per_address = Counter(str(record["Notes"]) for record in records)
    assert {address: count for address, count in per_address.items() if count > 1} == {}, "created twice"
    held = {address: record.id for address, record in folded.state.records.items()}
    stored = {str(record["Notes"]): record["Id"] for record in records}
    unknown = stored.keys() - held.keys() - folded.doubts.keys()
    assert unknown == set(), "created without an intent, an outcome or a state record"
    assert {address: stored.get(address) for address in held} == held, "the state holds Ids that the server never gave"
    assert not held.keys() & folded.doubts.keys()


@pytest.mark.parametrize("seed", range(CAMPAIGNS))
def test_a_killed_apply_loses_nothing_and_repeats_nothing(seed: int, tmp_path: Path) -> None:
    random = Random(seed)  # noqa: S311 - moments that can be drawn again, nothing secret
    folder = Folder(tmp_path)
    declare(folder)
    kills = 0
    with running_sandbox(SandboxOptions(faults=TROUBLE, seed=seed)) as sandbox:
        folder.point_at(sandbox).environ |= {"RECONCILE_API__TIMEOUT_SECONDS": "2"}
        for _ in range(KILLS_EACH):
            kills += kill_somewhere(folder.start("apply", "--auto-approve"), sandbox, random)
            assert_nothing_unknown(folder, sandbox)
        assert kills, "every apply had ended before it was killed: this proved nothing"
        sandbox.set_faults("")

        assert_it_ends_well(folder, sandbox)


def assert_it_ends_well(folder: Folder, sandbox: Sandbox) -> None:
    """Once faults have stopped and the settle time has passed, at most two runs leave nothing to do (I8)."""
    folder.environ |= {"RECONCILE_API__SETTLE_SECONDS": "1"}
    latest = max((from_iso(doubt.intent.deadline) for doubt in known(folder).doubts.values()), default=0.0)
    time.sleep(max(0.0, latest + 2.5 - time.time()))  # the server's clock, in its answers, has whole seconds

    first = folder.run("apply", "--auto-approve")
    assert first.code == 0, first.out + first.err
    assert_nothing_unknown(folder, sandbox)

    writes = sandbox.writes
    assert folder.run("apply", "--auto-approve").code == 0
    assert sandbox.writes == writes, "the last apply left something to do"
    assert sorted(folder.ids()) == [f"inv-{number:02}" for number in range(RECORDS)], "forgotten"
    assert folder.run("plan", "--detailed-exitcode").code == 0
