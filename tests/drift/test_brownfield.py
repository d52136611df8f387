"""Records that exist already are taken over, live on, drift and are retired, and nothing else of them is touched."""

import json
import re
from collections.abc import Callable

import pytest
from project_folder import Folder

from reconcile.sandbox.server import Sandbox

UNMANAGED = ("Token", "SystemId", "CustomFields", "LocalizationDetails", "UniqueId", "CreatedOn")


@pytest.fixture
def nexudus(serve: Callable[..., Sandbox], folder: Folder) -> Sandbox:
    sandbox = serve()
    folder.point_at(sandbox)
    for number in range(1, 13):
        sandbox.plant(
            {
                "CoworkerInvoiceId": 100 + number // 2,
                "RegularPaymentProvider": [2, 0, None, 12][number % 4],
                "Notes": ["of years ago", "", None][number % 3],
                "Token": f"planted-secret-{number}",
                "SystemId": f"erp-{number}",
                "CustomFields": {"Data": [number]},
            }
        )
    return sandbox


def summary(folder: Folder, *args: str) -> dict[str, int]:
    counts = folder.run("plan", "--format", "json", *args).json["summary"]
    return {action: count for action, count in counts.items() if count}


def manifest(folder: Folder) -> str:
    (path,) = (folder.path / "manifests" / "imported").iterdir()
    return str(path.relative_to(folder.path))


def edit(folder: Folder, *changes: tuple[str, str]) -> None:
    name = manifest(folder)
    text = (folder.path / name).read_text(encoding="utf-8")
    for pattern, replacement in changes:
        text, number = re.subn(pattern, replacement, text)
        assert number, pattern
    folder.write(name, text)


def test_after_an_export_an_apply_changes_nothing_and_a_second_plan_is_empty(folder: Folder, nexudus: Sandbox) -> None:
    before = nexudus.records()
    assert folder.run("export").code == 0
    ran = folder.run("apply", "--auto-approve")
    assert ran.code == 0, ran
    assert (nexudus.records(), nexudus.writes) == (before, 0)
    assert sorted(folder.ids().values()) == [record["Id"] for record in before]
    assert summary(folder) == {"unchanged": 12}
    assert summary(folder, "--refresh") == {"unchanged": 12}
    assert folder.run("drift", "--detailed-exitcode").code == 0
    assert "planted-secret" not in json.dumps(folder.state())


def test_one_note_is_changed_and_one_record_retired_and_nothing_else(folder: Folder, nexudus: Sandbox) -> None:
    before = {record["Id"]: record for record in nexudus.records()}
    folder.run("export")
    folder.run("apply", "--auto-approve")
    first, second = list(before)[:2]
    own = rf"  inv-\d+-{second}:\n(    .*\n)+"
    edit(
        folder,
        (rf"(  inv-\d+-{first}:\n    .*\n)", r"\1    notes: of today\n"),
        (own, ""),
        (rf".*id: {second}.*\n", ""),
    )
    ran = folder.run("apply", "--auto-approve", "--allow-deletes", "1")
    assert ran.code == 0, ran
    after = {record["Id"]: record for record in nexudus.records()}
    assert after.keys() == before.keys() - {second}
    assert after[first]["Notes"] == "of today"
    assert {name: after[first][name] for name in UNMANAGED} == {name: before[first][name] for name in UNMANAGED}
    assert {i: r for i, r in after.items() if i != first} == {i: before[i] for i in after if i != first}
    assert (summary(folder), nexudus.writes) == ({"unchanged": 11}, 2)


def test_what_somebody_changed_is_refused_without_refresh_and_overwritten_with_it(
    folder: Folder, nexudus: Sandbox
) -> None:
    folder.write("manifests/a.yaml", "payment_tokens:\n  a:\n    coworker_invoice_id: 7\n    notes: one\n")
    assert folder.run("apply", "--auto-approve").code == 0
    record_id = folder.ids()["a"]
    nexudus.alter(record_id, {"Notes": "by hand"})
    folder.write("manifests/a.yaml", "payment_tokens:\n  a:\n    coworker_invoice_id: 7\n    notes: two\n")
    assert folder.run("apply", "--auto-approve").code == 3
    assert nexudus.records()[-1]["Notes"] == "by hand"
    ran = folder.run("apply", "--refresh", "--auto-approve")
    assert ran.code == 0, ran
    assert nexudus.records()[-1]["Notes"] == "two"
    assert summary(folder, "--refresh") == {"unchanged": 1}


def test_drift_of_every_field_is_put_right_at_once(folder: Folder, nexudus: Sandbox) -> None:
    record = "coworker_invoice_id: 7\n    regular_payment_provider: Stripe\n    notes: one\n    token_from: {env: T}\n"
    folder.write("manifests/a.yaml", f"payment_tokens:\n  a:\n    {record}")
    folder.environ["T"] = "planted-secret-a"
    assert folder.run("apply", "--auto-approve").code == 0
    record_id, declared = folder.ids()["a"], nexudus.records()[-1]
    for change in (
        {"Token": "of somebody"},
        {"Token": ""},
        {"RegularPaymentProvider": 0},
        {"RegularPaymentProvider": 98, "Notes": "", "Token": None},
    ):
        nexudus.alter(record_id, change)
        assert folder.run("drift", "--detailed-exitcode").code == 2
        ran = folder.run("apply", "--refresh", "--auto-approve")
        assert ran.code == 0, ran
        again = nexudus.records()[-1]
        assert {**again, "UpdatedOn": "", "UpdatedBy": ""} == {**declared, "UpdatedOn": "", "UpdatedBy": ""}
        assert summary(folder) == {"unchanged": 1}
    assert folder.run("drift", "--detailed-exitcode").code == 0
