"""Doubt, twins and what exists already, end to end: the server's own records prove that nothing exists twice."""

from collections import Counter
from collections.abc import Callable

import pytest
from project_folder import Folder

from reconcile.sandbox.server import Sandbox

Serve = Callable[..., Sandbox]

QUICK = {
    "RECONCILE_API__CONCURRENCY": "1",
    "RECONCILE_API__SETTLE_SECONDS": "1",
    "RECONCILE_API__TIMEOUT_SECONDS": "1",
}
"""Doubt is ripe some four seconds after a request: its deadline, the settle time, and the server's whole seconds."""


def counts(sandbox: Sandbox) -> dict[object, int]:
    """How many records the server holds for each invoice."""
    return dict(Counter(record["CoworkerInvoiceId"] for record in sandbox.records()))


PATIENT = {"RECONCILE_API__SETTLE_SECONDS": "600"}


@pytest.fixture
def wait() -> Callable[[], None]:
    from threading import Event

    return lambda: Event().wait(9.2) and None


@pytest.fixture
def doubtful(small: Folder, serve: Serve) -> tuple[Folder, Sandbox]:
    """A folder whose first record was lost before it took effect."""
    sandbox = serve(faults="lost_before@1")
    small.point_at(sandbox).environ |= QUICK
    assert small.run("apply", "--auto-approve").code == 4
    return small, sandbox


def test_after_faults_at_most_two_runs_end_with_nothing_to_do_and_no_second_record(
    folder: Folder, serve: Serve, wait: Callable[[], None]
) -> None:
    faults = (
        *("lost_before", "lost_after", "reset_before", "reset_after", "late", "cut_off", "http_500", "http_500_after"),
        *("http_503", "html", "html_after", "truncated", "no_id", "http_408", "conflict_409", "conflict_409_after"),
    )
    spec = ",".join(f"{fault}@{number}{':0.5' if fault == 'late' else ''}" for number, fault in enumerate(faults, 1))
    sandbox = serve(faults=spec)
    folder.point_at(sandbox).environ |= QUICK
    folder.declare(len(faults) + 4)
    assert folder.run("apply", "--auto-approve").code == 4
    wait()

    first = folder.run("apply", "--auto-approve")

    assert first.code == 0, first.out + first.err
    assert folder.run("plan", "--detailed-exitcode").code == 0
    assert counts(sandbox) == dict.fromkeys(range(1, len(faults) + 5), 1)
    assert folder.ids() == {f"inv-{record['CoworkerInvoiceId']:05}": record["Id"] for record in sandbox.records()}


def test_an_answer_with_the_id_of_another_record_asks_and_a_person_says_which(small: Folder, serve: Serve) -> None:
    sandbox = serve(faults="old_id@2")
    small.point_at(sandbox).environ |= QUICK
    assert small.run("apply", "--auto-approve").code == 4

    asked = small.run("resolve", "--format", "json")
    assert asked.code == 4
    (settlement,) = asked.json["settlements"]
    ids = {record["CoworkerInvoiceId"]: record["Id"] for record in sandbox.records()}
    assert (settlement["address"], settlement["ids"]) == ("inv-2", sorted([ids[1], ids[2]]))

    assert small.run("resolve", "inv-2", "--adopt", str(ids[1])).code == 3
    assert small.run("resolve", "inv-2", "--adopt", "12").code == 3
    assert small.run("resolve", "inv-2", "--adopt", str(ids[2])).code == 0
    assert small.ids()["inv-2"] == ids[2]
    assert small.run("apply", "--auto-approve").code == 0
    assert counts(sandbox) == {1: 1, 2: 1, 3: 1}


@pytest.fixture
def twice(small: Folder, serve: Serve) -> tuple[Folder, Sandbox]:
    """A record of which a person said that it was not created, so that it was created again; then it took effect."""
    sandbox = serve(faults="lost_before@1")
    small.point_at(sandbox).environ |= QUICK | PATIENT
    assert small.run("apply", "--auto-approve").code == 4
    assert small.run("resolve", "inv-1", "--not-created").code == 0
    again = small.run("apply", "--auto-approve")
    assert again.code == 0, again.out
    (made,) = (record for record in sandbox.records() if record["CoworkerInvoiceId"] == 1)
    fields = ("CoworkerInvoiceId", "RegularPaymentProvider", "Token", "Notes")
    sandbox.plant({name: made[name] for name in fields})
    return small, sandbox


def test_a_person_may_say_that_nothing_was_created_and_a_late_twin_is_met(twice: tuple[Folder, Sandbox]) -> None:
    small, sandbox = twice
    for _ in range(2):
        found = small.run("apply", "--auto-approve", "--format", "json")
        assert found.code == 4
        (twin,) = found.finished["late_twins"]
        assert twin["address"] == "inv-1"
        assert set(twin["ids"]) == {r["Id"] for r in sandbox.records() if r["CoworkerInvoiceId"] == 1}
        assert twin["ids"][0] == small.ids()["inv-1"]
    assert small.run("resolve").code == 4


def test_twins_that_nobody_can_look_for_fail_the_command_and_are_looked_for_again(
    twice: tuple[Folder, Sandbox],
) -> None:
    small, _ = twice
    locked_out = {"NEXUDUS_PASSWORD": "of yesterday"}

    unheard = small.run("resolve", environ=locked_out)
    assert unheard.code == 1, unheard
    assert "Not looked for late twins: " in unheard.out
    assert small.run("resolve", "--format", "json", environ=locked_out).json["unchecked"]
    applied = small.run("apply", "--auto-approve", environ=locked_out)
    assert applied.code == 1
    assert "Not looked for late twins: " in applied.out

    assert small.run("resolve").code == 4


def test_resolve_waits_for_the_settle_time_and_needs_nothing_where_nothing_is_in_doubt(
    doubtful: tuple[Folder, Sandbox], wait: Callable[[], None]
) -> None:
    small, sandbox = doubtful
    early = small.run("resolve", environ=PATIENT)
    assert (early.code, "not seen at the invoice so far" in early.out) == (4, True)
    assert small.run("resolve", "inv-2").code == 64
    assert small.run("resolve", "--not-created").code == 64
    assert small.run("resolve", "inv-1", "--not-created", "--adopt", "5").code == 64
    wait()

    settled = small.run("resolve", "inv-1", "--format", "json")
    assert (settled.code, settled.json["settlements"][0]["verdict"]) == (0, "not_created")
    assert small.run("apply", "--auto-approve").code == 0
    assert counts(sandbox) == {1: 1, 2: 1, 3: 1}
    assert Folder(small.path).run("resolve").code in {0, 65}


def test_resolve_of_nothing_needs_no_credentials(small: Folder) -> None:
    ran = small.run("resolve")
    assert (ran.code, ran.out) == (0, "Nothing is in doubt.\n")


def test_a_doubt_that_is_no_longer_declared_is_settled_all_the_same(small: Folder, serve: Serve) -> None:
    sandbox = serve(faults="slow@1:30")
    small.point_at(sandbox).environ |= QUICK
    assert small.run("apply", "--auto-approve", "--target", "inv-1").code in {0, 4}
    (small.path / "manifests" / "a.yaml").unlink()

    ran = small.run("apply", "--auto-approve")

    assert ran.code == 3, ran.out
    assert "1 delete" in ran.err
    assert small.run("plan").out.count("- delete   inv-1") == 1


def test_a_rename_carries_its_doubt_along(doubtful: tuple[Folder, Sandbox], wait: Callable[[], None]) -> None:
    small, sandbox = doubtful
    path = small.path / "manifests" / "a.yaml"
    path.write_text(path.read_text().replace("inv-1:", "inv-1-new:") + "moved:\n  - {from: inv-1, to: inv-1-new}\n")
    assert small.run("apply", "--auto-approve", environ=PATIENT).code == 4
    wait()

    assert small.run("apply", "--auto-approve").code == 0
    assert sorted(small.ids()) == ["inv-1-new", "inv-2", "inv-3"]
    assert counts(sandbox) == {1: 1, 2: 1, 3: 1}


def test_doubt_is_settled_and_counts_whatever_is_selected(doubtful: tuple[Folder, Sandbox]) -> None:
    small, _ = doubtful
    small.environ |= PATIENT
    for args in (("--target", "inv-3"), ("--exclude", "inv-1")):
        assert small.run("apply", "--auto-approve", *args).code == 4


def test_what_exists_already_is_refused_then_adopted(small: Folder, serve: Serve) -> None:
    sandbox = serve()
    small.point_at(sandbox)
    assert small.run("apply", "--auto-approve", "--target", "inv-1").code == 0
    assert small.run("state", "rm", "inv-1").code == 0

    refused = small.run("apply", "--auto-approve")
    assert refused.code == 3
    assert "exists already as id" in refused.out
    assert sorted(small.ids()) == ["inv-2", "inv-3"]
    adopted = small.run("apply", "--auto-approve", "--adopt-existing", "--format", "json")
    assert (adopted.code, adopted.finished["adopted"]) == (0, 1)
    assert counts(sandbox) == {1: 1, 2: 1, 3: 1}


def test_what_waited_for_a_doubt_that_is_settled_by_now_is_gone_on_with(folder: Folder, serve: Serve) -> None:
    folder.write(
        "manifests/a.yaml",
        "payment_tokens:\n  one: {coworker_invoice_id: 7, notes: one}\n  two: {coworker_invoice_id: 7, notes: two}\n",
    )
    sandbox = serve(faults="lost_after@1")
    folder.point_at(sandbox).environ |= QUICK

    assert folder.run("apply", "--auto-approve").code == 5
    assert folder.run("apply", "--auto-approve").code == 0
    assert counts(sandbox) == {7: 2}
    assert sorted(folder.ids()) == ["one", "two"]


def test_doubt_is_graver_than_a_refusal(doubtful: tuple[Folder, Sandbox]) -> None:
    small, _ = doubtful
    small.environ |= PATIENT
    (small.path / "manifests" / "b.yml").unlink()

    ran = small.run("apply", "--auto-approve")

    assert (ran.code, "1 delete" in ran.err) == (4, True)
