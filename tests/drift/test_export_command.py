"""`export`: what it writes is adopted by the plan and changes nothing; no file of anybody else is touched."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from project_folder import Folder

from reconcile.sandbox.server import Sandbox


class Calendar:
    """The time by which the sandbox dates its records."""

    def __init__(self) -> None:
        self.at = 1_767_600_000.0  # 2026-01-05

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture
def nexudus(serve: Callable[..., Sandbox], folder: Folder, calendar: Calendar) -> Sandbox:
    """Eight records over three months, two of each at the same invoice; half of them have a token."""
    sandbox = serve(clock=calendar)
    folder.point_at(sandbox)
    for number in range(8):
        token = f"planted-secret-{number}" if number % 2 else None
        notes = ["March renewal", "NO", "0123", "see: #4", "", None, "a\x07b", "line\nbreak"][number]
        fields = {"CoworkerInvoiceId": 100 + number // 2, "RegularPaymentProvider": [2, 12, 0, None][number % 4]}
        sandbox.plant({**fields, "Notes": notes, "Token": token})
        calendar.at += 10 * 86_400
    return sandbox


def files(folder: Folder) -> dict[str, str]:
    found = sorted((folder.path / "manifests").rglob("*.yaml"))
    return {str(path.relative_to(folder.path)): path.read_text(encoding="utf-8") for path in found}


def actions(folder: Folder, *args: str) -> dict[str, int]:
    summary = folder.run("plan", "--format", "json", *args).json["summary"]
    return {action: count for action, count in summary.items() if count}


def test_everything_is_written_by_month_and_only_adopted(folder: Folder, nexudus: Sandbox) -> None:
    ran = folder.run("export")
    assert ran.code == 0, ran
    assert ran.out.splitlines() == [
        "manifests/imported/2026-01.yaml   3 records",
        "manifests/imported/2026-02.yaml   3 records",
        "manifests/imported/2026-03.yaml   2 records",
        "Exported: 8 records to 3 files.",
    ]
    assert folder.run("validate", "--strict").out == "Valid: 8 records in 3 files.\n"
    assert actions(folder) == {"adopt": 8}
    assert "planted-secret" not in "".join(files(folder).values()) + ran.out + ran.err
    assert nexudus.writes == 0


def test_files_are_private(folder: Folder, nexudus: Sandbox) -> None:
    folder.run("export")
    modes = {stat.S_IMODE((folder.path / name).stat().st_mode) for name in files(folder)}
    assert (modes, len(nexudus.requests)) == ({0o600}, 3 + 5)


def test_the_same_export_again_writes_nothing(folder: Folder, nexudus: Sandbox) -> None:
    folder.run("export")
    before = files(folder)
    ran = folder.run("export")
    assert (ran.code, files(folder)) == (0, before)
    assert ran.out == "Exported: 0 records to 0 files; left out: 8 declared already.\n"
    assert nexudus.writes == 0


def test_what_came_since_goes_beside_what_was_exported_before(
    folder: Folder, nexudus: Sandbox, calendar: Calendar
) -> None:
    folder.run("export")
    before = files(folder)
    calendar.at -= 86_400 * 5
    nexudus.plant({"CoworkerInvoiceId": 900, "Notes": "new"})
    ran = folder.run("export")
    assert ran.out.splitlines()[0] == "manifests/imported/2026-03-2.yaml   1 record"
    assert {name: files(folder)[name] for name in before} == before
    assert actions(folder) == {"adopt": 9}


def test_one_invoice_or_a_time_since_is_enough(folder: Folder, nexudus: Sandbox) -> None:
    assert folder.run("export", "--invoice", "101", "--out", "one").out.splitlines()[-1] == (
        "Exported: 2 records to 2 files."
    )
    assert folder.run("export", "--since", "2026-03-01", "--out", "two").out.splitlines() == [
        "two/2026-03.yaml   2 records",
        "Exported: 2 records to 1 file.",
    ]
    assert any("from_CoworkerInvoicePaymentToken_UpdatedOn=2026-03-01" in line for line in nexudus.url_log)
    ran = folder.run("export", "--since", "yesterday")
    assert (ran.code, "is not a date" in ran.err) == (64, True)


def test_outside_of_the_manifests_a_file_of_ours_is_written_anew(folder: Folder, nexudus: Sandbox) -> None:
    out = folder.path.parent / "elsewhere"
    ids = [int(str(record["Id"])) for record in nexudus.records()]
    assert folder.run("export", "--out", str(out)).code == 0
    assert "left out: 8 in files that are there already" in folder.run("export", "--out", str(out)).out
    nexudus.alter(ids[0], {"Notes": "another"})
    assert folder.run("export", "--out", str(out)).code == 0
    assert "another" in (out / "2026-01.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["payment_tokens: {}\n", "touched"])
def test_a_file_of_somebody_else_is_not_overwritten(folder: Folder, nexudus: Sandbox, text: str) -> None:
    out = Path("elsewhere")
    folder.run("export", "--out", str(out))
    path = folder.path / out / "2026-02.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "# mine\n" if text == "touched" else text, encoding="utf-8")
    (folder.path / out / "2026-01.yaml").unlink()
    before = folder.digest()
    ran = folder.run("export", "--out", str(out))
    assert (ran.code, folder.digest(), nexudus.writes) == (3, before, 0)
    assert "choose another folder with --out" in ran.err


def test_a_foreign_file_among_the_manifests_is_not_overwritten(folder: Folder, nexudus: Sandbox) -> None:
    folder.write("manifests/imported/2026-01.yaml", "payment_tokens: {}\n")
    ran = folder.run("export")
    assert (ran.code, len(files(folder)), nexudus.writes) == (3, 1, 0)


def _only(path: Path) -> str:
    (found,) = path.iterdir()
    return found.name


def test_what_the_state_knows_keeps_its_address(folder: Folder, serve: Callable[..., Sandbox]) -> None:
    sandbox = serve()
    folder.point_at(sandbox).declare(2)
    assert folder.run("apply", "--auto-approve").code == 0
    sandbox.plant({"CoworkerInvoiceId": 7})
    assert "left out: 2 managed already" in folder.run("export", "--unmanaged", "--out", "out").out
    assert "left out: 2 declared already" in folder.run("export", "--out", "manifests/more").out
    (folder.path / "manifests" / "more").joinpath(_only(folder.path / "manifests" / "more")).unlink()
    assert "Exported: 3 records to 1 file." in folder.run("export", "--out", "out-2").out
    (folder.path / "manifests" / "many.yaml").unlink()
    assert folder.run("export").code == 0
    assert actions(folder) == {"adopt": 1, "unchanged": 2}


def test_rows_that_leave_out_the_provider_are_read_in_full(folder: Folder, serve: Callable[..., Sandbox]) -> None:
    sandbox = serve(partial_rows=True)
    for number in range(1, 9):
        sandbox.plant({"CoworkerInvoiceId": number, "RegularPaymentProvider": 2, "Notes": "n"})
    assert folder.point_at(sandbox).run("export").code == 0
    assert "".join(files(folder).values()).count("regular_payment_provider: Stripe") == 8


def test_manifests_that_are_wrong_stop_it(folder: Folder, nexudus: Sandbox) -> None:
    folder.write("manifests/a.yaml", "payment_tokens: 1\n")
    ran = folder.run("export")
    assert (ran.code, len(files(folder)), nexudus.requests) == (65, 1, ())
