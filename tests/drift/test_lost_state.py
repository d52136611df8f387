"""A state that is lost entirely is rebuilt from the manifests and the API without a single write."""

import shutil
from collections.abc import Callable

import pytest
from project_folder import Folder

from reconcile.sandbox.server import Sandbox

COUNT = 40
KINDS = (
    "regular_payment_provider: Stripe\n    token_from: {{env: TOKEN_{0}}}",
    "regular_payment_provider: GoCardless\n    token_from: {{env: TOKEN_{0}, version: 2}}\n    notes: March {0}",
    "regular_payment_provider: null\n    notes: null\n    token: null",
    "regular_payment_provider: Cash\n    protect: true",
)


@pytest.fixture
def nexudus(folder: Folder, serve: Callable[..., Sandbox], request: pytest.FixtureRequest) -> Sandbox:
    sandbox = serve(partial_rows=getattr(request, "param", False))
    entries: list[str] = []
    for number in range(COUNT):
        declared = KINDS[number % len(KINDS)].format(number)
        entries.append(f"  inv-{number}:\n    coworker_invoice_id: {number // 2 + 1}\n    {declared}\n")
    folder.point_at(sandbox).write("manifests/a.yaml", "payment_tokens:\n" + "".join(entries))
    folder.environ |= {f"TOKEN_{number}": f"planted-secret-{number}" for number in range(COUNT)}
    assert folder.run("apply", "--auto-approve").code == 0
    return sandbox


def without_times(folder: Folder) -> dict[str, dict[str, object]]:
    left_out = {"created_at", "updated_at", "token_fingerprint"}
    records = folder.state()["records"]
    return {a: {name: value for name, value in r.items() if name not in left_out} for a, r in records.items()}


@pytest.mark.parametrize("nexudus", [False, True], indirect=True)
def test_what_exists_is_adopted_with_the_ids_it_had(folder: Folder, nexudus: Sandbox) -> None:
    records, before, writes = nexudus.records(), without_times(folder), nexudus.writes
    shutil.rmtree(folder.path / "state")
    ran = folder.run("apply", "--adopt-existing", "--auto-approve")
    assert ran.code == 0, ran
    assert (nexudus.writes, nexudus.records(), without_times(folder)) == (writes, records, before)
    assert folder.run("plan").out == f"Nothing to do: {COUNT} unchanged.\n"
    assert folder.run("drift").out == f"No drift: {COUNT} records in Nexudus as last applied.\n"
    assert "planted-secret" not in ran.out + ran.err


def test_rows_that_show_everything_cost_no_read_each(folder: Folder, nexudus: Sandbox) -> None:
    shutil.rmtree(folder.path / "state")
    before = len(nexudus.url_log)
    assert folder.run("apply", "--adopt-existing", "--auto-approve").code == 0
    reads = [line for line in nexudus.url_log[before:] if line.startswith("GET")]
    by_id = [line for line in reads if line.rpartition("/")[2].isdigit()]
    assert len(reads) - len(by_id) == 2  # how many there are, and a page of them
    # A null may mean "not filled in", so the records that declare one are read, and with them the other of the invoice.
    assert len(by_id) <= COUNT // 2


def test_without_being_asked_to_nothing_is_adopted_and_nothing_created(folder: Folder, nexudus: Sandbox) -> None:
    writes = nexudus.writes
    shutil.rmtree(folder.path / "state")
    assert folder.run("apply", "--auto-approve").code == 3
    assert nexudus.writes == writes


def test_without_manifests_an_export_declares_what_is_there(folder: Folder, nexudus: Sandbox) -> None:
    shutil.rmtree(folder.path / "state")
    (folder.path / "manifests" / "a.yaml").unlink()
    assert folder.run("export").code == 0
    summary = folder.run("plan", "--format", "json").json["summary"]
    assert {action: count for action, count in summary.items() if count} == {"adopt": COUNT}
    assert nexudus.writes == COUNT


def test_one_that_fits_two_records_is_adopted_once_the_other_is_taken(
    folder: Folder, serve: Callable[..., Sandbox]
) -> None:
    sandbox = serve()
    loose, exact = "  a: {coworker_invoice_id: 1}\n", "  b: {coworker_invoice_id: 1, regular_payment_provider: Cash}\n"
    folder.point_at(sandbox).write("manifests/a.yaml", f"payment_tokens:\n{loose}{exact}")
    assert folder.run("apply", "--auto-approve").code == 0
    ids = folder.ids()
    shutil.rmtree(folder.path / "state")
    ran = folder.run("apply", "--adopt-existing", "--auto-approve")
    assert (ran.code, folder.ids()) == (3, {"b": ids["b"]})
    assert folder.run("apply", "--adopt-existing", "--auto-approve").code == 0
    assert (folder.ids(), sandbox.writes) == (ids, 2)
