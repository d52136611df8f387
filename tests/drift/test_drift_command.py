"""`drift`: what it says about every way in which a record can differ, what it costs, and that it changes nothing."""

import json
from collections.abc import Callable

import pytest
from project_folder import UNPACED, Folder

from reconcile.adapters.backends.local import LocalBackend
from reconcile.core.fingerprints import Fingerprints
from reconcile.core.records import Provider, Secret, StateRecord
from reconcile.core.state import State
from reconcile.core.statefile import dump_state
from reconcile.ports import LockInfo
from reconcile.sandbox.server import Sandbox

AT = "2026-03-02T10:14:00Z"


@pytest.fixture
def nexudus(serve: Callable[..., Sandbox], folder: Folder) -> Sandbox:
    sandbox = serve()
    folder.point_at(sandbox)
    return sandbox


def settle(folder: Folder, sandbox: Sandbox, count: int) -> list[int]:
    """A state of that many records, all of which exist as they were applied; returns their ids."""
    backend = LocalBackend(folder.path / "state")
    backend.fingerprint_key(create=True)
    key = backend.fingerprint_key(create=False)
    assert key is not None
    ids: list[int] = []
    records: dict[str, StateRecord] = {}
    for number in range(1, count + 1):
        token, wire = f"tok_{number}", {"CoworkerInvoiceId": number, "RegularPaymentProvider": 12}
        ids.append(sandbox.plant({**wire, "Notes": f"note {number}", "Token": token}))
        records[f"inv-{number:05}"] = StateRecord(
            id=ids[-1],
            coworker_invoice_id=number,
            regular_payment_provider=Provider.GoCardless,
            notes=f"note {number}",
            token_source=f"env:TOKEN_{number}",
            token_fingerprint=Fingerprints(key).of(Secret(token)),
            created_at=AT,
            updated_at=AT,
        )
    folder.write("state/state.json", dump_state(State("lineage-1", 1, "1", records)).decode())
    (folder.path / "state" / "state.json").chmod(0o600)
    return ids


def spoil(sandbox: Sandbox, ids: list[int]) -> None:
    """One record of each kind of drift that a sandbox can be brought to."""
    sandbox.alter(ids[0], {"Notes": "by hand\x1b[31m"})
    sandbox.alter(ids[1], {"Token": "planted-secret-9917"})
    sandbox.alter(ids[2], {"RegularPaymentProvider": 0, "Token": ""})
    sandbox.alter(ids[3], {"CoworkerInvoiceId": 999})
    sandbox.remove(ids[4])


def test_every_difference_is_named_and_tokens_are_not_shown(folder: Folder, nexudus: Sandbox) -> None:
    ids = settle(folder, nexudus, 12)
    spoil(nexudus, ids)
    ran = folder.run("drift")
    assert ran.code == 0
    rows = [" ".join(line.split()) for line in ran.out.splitlines()]
    assert rows == [
        f'~ changed inv-00001 id {ids[0]} notes "note 1" → "by hand\\x1b[31m"',
        f"~ changed inv-00002 id {ids[1]} token env:TOKEN_2 (changed)",
        f"~ changed inv-00003 id {ids[2]} regular_payment_provider GoCardless → null, token env:TOKEN_3 → null",
        f"> moved inv-00004 id {ids[3]} coworker_invoice_id 4 → 999",
        f"- gone inv-00005 id {ids[4]} deleted: neither to be read nor listed at invoice 5",
        "",
        "Drift: 3 changed, 1 moved, 1 gone, 7 as last applied.",
    ]
    assert "planted-secret" not in ran.out + ran.err
    assert ran.err.splitlines()[0] == "Reading 12 records in batches: about 6 reads."
    assert ran.err.splitlines()[-1].startswith("Nothing was changed. `reconcile plan --refresh`")


def test_json_says_the_same(folder: Folder, nexudus: Sandbox) -> None:
    ids = settle(folder, nexudus, 12)
    spoil(nexudus, ids)
    document = folder.run("drift", "--format", "json").json
    assert document["summary"] == {
        "same": 7,
        "changed": 3,
        "moved": 1,
        "gone": 1,
        "unreadable": 0,
        "unlisted": 0,
        "tokens_not_compared": 0,
        "in_doubt": 0,
    }
    assert document["state"] == {"lineage": "lineage-1", "serial": 1}
    token = {"name": "token", "before": "env:TOKEN_2", "after": "env:TOKEN_2 (changed)", "sensitive": True}
    assert document["drifts"][1] == {
        "address": "inv-00002",
        "id": ids[1],
        "coworker_invoice_id": 2,
        "kind": "changed",
        "fields": [token],
        "message": "token env:TOKEN_2 (changed)",
    }
    assert "planted-secret" not in json.dumps(document)


def test_the_exit_code_tells_only_when_asked(folder: Folder, nexudus: Sandbox) -> None:
    ids = settle(folder, nexudus, 3)
    assert folder.run("drift", "--detailed-exitcode").code == 0
    nexudus.alter(ids[0], {"Notes": "x"})
    assert (folder.run("drift").code, folder.run("drift", "--detailed-exitcode").code) == (0, 2)


def test_it_sends_no_write_takes_no_lock_and_changes_no_byte(folder: Folder, nexudus: Sandbox) -> None:
    spoil(nexudus, settle(folder, nexudus, 12))
    folder.write("manifests/a.yaml", "payment_tokens:\n  inv-00001:\n    coworker_invoice_id: 1\n    notes: x\n")
    before = folder.digest()
    info = LockInfo("other", "apply", "ann", "elsewhere", 1, AT)
    with LocalBackend(folder.path / "state").lock(info, timeout=0):
        held = folder.digest()
        assert folder.run("drift").code == 0
        assert folder.run("plan", "--refresh").code == 0
        assert folder.digest() == held
    assert {name for name in before if folder.digest().get(name) != before[name]} <= {"state"}
    assert nexudus.writes == 0


def test_the_quota_ledger_alone_grows(folder: Folder, nexudus: Sandbox) -> None:
    settle(folder, nexudus, 3)
    for name in UNPACED:
        del folder.environ[name]
    before = folder.digest()
    assert folder.run("drift").code == 0
    assert folder.digest().keys() - before.keys() == {"state/quota.jsonl"}
    assert {name: was for name, was in before.items() if folder.digest()[name] != was}.keys() <= {"state"}
    used = {window["name"]: window["used"] for window in folder.run("quota", "--format", "json").json["windows"]}
    assert used["requests_per_day"] == len(nexudus.requests) == 4  # the login, and three reads


def test_what_today_s_quota_cannot_bear_is_not_begun(folder: Folder, nexudus: Sandbox) -> None:
    settle(folder, nexudus, 12)
    ran = folder.run("drift", environ={"RECONCILE_API__LIMITS__REQUESTS_PER_DAY": "5"})
    assert (ran.code, nexudus.url_log) == (5, ())
    assert "this takes 6 reads more, and today's quota has 5 requests left" in ran.err


def test_without_credentials_it_says_so_and_a_state_without_records_asks_nothing(
    folder: Folder, nexudus: Sandbox
) -> None:
    ran = folder.run("drift", environ={"NEXUDUS_USERNAME": "", "NEXUDUS_PASSWORD": ""})
    assert ran.code == 65
    ran = folder.run("drift")
    assert (ran.code, ran.out, nexudus.url_log) == (0, "No drift: 0 records in Nexudus as last applied.\n", ())


def test_a_quiet_one_prints_the_drift_alone(folder: Folder, nexudus: Sandbox) -> None:
    spoil(nexudus, settle(folder, nexudus, 12))
    ran = folder.run("-q", "drift")
    assert (ran.err, len(ran.out.splitlines())) == ("", 7)


def test_ten_thousand_records_take_at_most_sixty_requests(folder: Folder, nexudus: Sandbox) -> None:
    ids = settle(folder, nexudus, 10_000)
    for number in range(0, 10_000, 2_500):
        nexudus.alter(ids[number], {"Notes": "by hand"})
    nexudus.remove(ids[77])
    ran = folder.run("drift")
    assert "Drift: 4 changed, 1 gone, 9,995 as last applied." in ran.out
    assert "Reading the whole listing, 9,999 records: about 15 reads." in ran.err
    assert len(nexudus.requests) <= 60


def test_where_rows_leave_out_the_provider_every_record_is_read(folder: Folder, serve: Callable[..., Sandbox]) -> None:
    sandbox = serve(partial_rows=True)
    ids = settle(folder.point_at(sandbox), sandbox, 250)
    sandbox.alter(ids[200], {"RegularPaymentProvider": None})
    ran = folder.run("drift")
    assert "Drift: 1 changed, 249 as last applied." in ran.out
    assert "Reading 250 records by id, as the listing leaves out what matters: about 250 reads." in ran.err
    assert len(sandbox.requests) == 1 + 2 + 1 + 250
