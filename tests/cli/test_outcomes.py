"""What apply makes of each thing that can happen to a create, against a server whose own records prove it."""

from collections import Counter
from collections.abc import Callable, Iterable

import pytest
from project_folder import UNPACED, Folder

from reconcile.sandbox.auth import User
from reconcile.sandbox.server import Sandbox

Serve = Callable[..., Sandbox]

READING = {"CoworkerInvoicePaymentToken-Read", "CoworkerInvoicePaymentToken-List"}
ONE_AT_A_TIME = {"RECONCILE_API__CONCURRENCY": "1"}


def invoices(sandbox: Sandbox) -> Counter[object]:
    """How many records the server holds for each invoice."""
    return Counter(record["CoworkerInvoiceId"] for record in sandbox.records())


def addresses(results: Iterable[dict[str, object]]) -> list[object]:
    return [result["address"] for result in results]


def test_every_record_is_created_once_and_recorded_with_the_id_the_server_gave(small: Folder, serve: Serve) -> None:
    sandbox = serve()

    ran = small.point_at(sandbox).run("apply", "--auto-approve")

    assert ran.code == 0, ran.err
    stored = {f"inv-{record['CoworkerInvoiceId']}": record["Id"] for record in sandbox.records()}
    assert small.ids() == stored
    assert [record["Token"] for record in sandbox.records()].count(small.environ["TOKEN_ONE"]) == 1
    assert small.run("plan", "--detailed-exitcode").code == 0
    assert small.run("apply", "--auto-approve").code == 0
    assert sandbox.writes == 3


def test_a_rejected_record_fails_alone_with_the_words_of_the_server_and_its_place(small: Folder, serve: Serve) -> None:
    small.point_at(serve(faults="rejected@2")).environ |= ONE_AT_A_TIME

    ran = small.run("apply", "--auto-approve")

    assert ran.code == 1
    assert "2 created, 1 rejected" in ran.out
    assert "inv-2  manifests/a.yaml:8  " in ran.out
    assert "was not found" in ran.out
    assert sorted(small.ids()) == ["inv-1", "inv-3"]
    assert small.run("apply", "--auto-approve").code == 0  # once corrected, it is a create like any other
    assert sorted(small.ids()) == ["inv-1", "inv-2", "inv-3"]


@pytest.mark.parametrize(
    ("fault", "stored"),
    [
        ("lost_after", 1),
        ("lost_before", 0),
        ("reset_after", 1),
        ("cut_off", 1),
        ("truncated", 1),
        ("no_id", 1),
        ("html", 0),
        ("http_500_after", 1),
        ("http_503", 0),
        ("http_408", 0),
        ("conflict_409_after", 1),
    ],
)
def test_what_is_in_doubt_is_settled_by_reading_and_never_sent_again_before(
    fault: str, stored: int, small: Folder, serve: Serve
) -> None:
    sandbox = serve(faults=f"{fault}@2")
    small.point_at(sandbox).environ |= ONE_AT_A_TIME

    first = small.run("apply", "--auto-approve", "--format", "json")
    second = small.run("apply", "--auto-approve", "--format", "json")

    expected = 0 if stored else 4
    assert (first.code, second.code) == (expected, expected)
    assert ("in_doubt", "inv-2") in [(event["event"], event.get("address")) for event in first.events]
    assert addresses(first.finished["in_doubt"]) == addresses(second.finished["in_doubt"])
    assert first.finished["adopted"] == stored
    assert sandbox.writes == 3
    assert invoices(sandbox) == Counter({1: 1, 2: stored, 3: 1}), "a second record, or none where one is certain"
    if stored:
        assert sorted(small.ids()) == ["inv-1", "inv-2", "inv-3"]
        assert small.run("plan", "--detailed-exitcode").code == 0
        return
    assert addresses(first.finished["in_doubt"]) == ["inv-2"]
    plan = small.run("plan", "--detailed-exitcode")
    assert plan.code == 2
    assert "inv-2" in plan.out
    assert "does it, after asking" not in plan.err


def test_nothing_else_is_created_at_an_invoice_where_a_write_is_in_doubt(folder: Folder, serve: Serve) -> None:
    folder.write(
        "manifests/a.yaml",
        "payment_tokens:\n"
        "  first: {coworker_invoice_id: 7, notes: one}\n"
        "  second: {coworker_invoice_id: 7, notes: two}\n"
        "  third: {coworker_invoice_id: 8}\n",
    )
    sandbox = serve(faults="lost_before@1")
    folder.point_at(sandbox).environ |= ONE_AT_A_TIME

    ran = folder.run("apply", "--auto-approve", "--format", "json")
    again = folder.run("apply", "--auto-approve", "--format", "json")

    assert (ran.code, again.code) == (4, 4)
    assert addresses(again.finished["unattempted"]) == ["second"]
    assert invoices(sandbox) == Counter({8: 1})


def test_max_writes_ends_with_5_and_the_next_run_goes_on(folder: Folder, serve: Serve) -> None:
    sandbox = serve()
    folder.point_at(sandbox).declare(8)

    first = folder.run("apply", "--auto-approve", "--max-writes", "5")
    assert (first.code, sandbox.writes, len(folder.ids())) == (5, 5, 5), first.err
    assert "--max-writes 5 reached" in first.out
    assert "3 not attempted" in first.out

    second = folder.run("apply", "--auto-approve", "--max-writes", "5")
    assert (second.code, sandbox.writes) == (0, 8), second.err
    assert folder.run("plan", "--detailed-exitcode").code == 0


def test_a_throttled_answer_is_waited_out(small: Folder, serve: Serve) -> None:
    sandbox = serve(faults="throttle_409@1,http_429@2")
    small.point_at(sandbox).environ |= ONE_AT_A_TIME

    ran = small.run("apply", "--auto-approve", "--format", "json")

    assert ran.code == 0
    assert [event["seconds"] for event in ran.events if event["event"] == "throttled"] == [1.0, 1.0]
    assert invoices(sandbox) == Counter({1: 1, 2: 1, 3: 1})


def test_twenty_rejections_in_a_row_end_the_run(folder: Folder, serve: Serve) -> None:
    sandbox = serve(faults="rejected=1")
    folder.point_at(sandbox).environ |= ONE_AT_A_TIME
    folder.declare(30)

    ran = folder.run("apply", "--auto-approve")

    assert (ran.code, sandbox.writes) == (1, 20)
    assert "20 writes in a row were rejected" in ran.out
    assert "10 not attempted" in ran.out


def test_an_id_that_is_known_already_stops_every_write(small: Folder, serve: Serve) -> None:
    sandbox = serve()
    small.point_at(sandbox).environ |= ONE_AT_A_TIME
    assert small.run("apply", "--auto-approve", "--target", "inv-1").code == 0
    sandbox.set_faults("old_id@2")

    ran = small.run("apply", "--auto-approve", "--format", "json")

    assert ran.code == 4
    assert addresses(ran.finished["in_doubt"]) == ["inv-2"]
    assert addresses(ran.finished["unattempted"]) == ["inv-3"]


@pytest.mark.parametrize("fault", ["http_401", "http_403"])
def test_a_refused_access_is_renewed_once(fault: str, small: Folder, serve: Serve) -> None:
    sandbox = serve(faults=f"{fault}@1")

    ran = small.point_at(sandbox).run("apply", "--auto-approve")

    assert (ran.code, sandbox.writes, len(sandbox.records())) == (0, 4, 3), ran.out


def test_a_missing_role_stops_the_run_and_both_readings_are_given(small: Folder, serve: Serve) -> None:
    reader = User("reader@sandbox.example", "reader-password", frozenset(READING))
    sandbox = serve(users=(reader,))
    small.point_at(sandbox).environ |= {"NEXUDUS_USERNAME": reader.email, "NEXUDUS_PASSWORD": reader.password}

    ran = small.run("apply", "--auto-approve")

    assert ran.code == 1
    assert "bad credentials, or the role CoworkerInvoicePaymentToken-Create is missing" in ran.out
    assert "3 not attempted" in ran.out
    assert sandbox.records() == []


def test_a_refused_login_ends_with_1_and_sends_no_write(small: Folder, serve: Serve) -> None:
    sandbox = serve()
    small.point_at(sandbox).environ["NEXUDUS_PASSWORD"] = "not-the-password-77"

    ran = small.run("apply", "--auto-approve")

    assert ran.code == 1
    assert sandbox.writes == 0
    assert "not-the-password-77" not in ran.out + ran.err


def test_an_address_that_is_no_api_ends_with_1_and_says_what_to_check(small: Folder, serve: Serve) -> None:
    sandbox = serve()
    small.point_at(sandbox).environ |= {
        "NEXUDUS_BASE_URL": f"{sandbox.base_url}/elsewhere",
        "NEXUDUS_ACCESS_TOKEN": "an-access-token",
    }

    ran = small.run("apply", "--auto-approve")

    assert ran.code == 1, ran.out
    assert "NEXUDUS_BASE_URL" in ran.out
    assert small.run("plan", "--detailed-exitcode").code == 2


@pytest.mark.slow
def test_an_api_that_cannot_be_reached_ends_with_1_and_leaves_no_doubt(small: Folder) -> None:
    small.environ |= UNPACED | {"NEXUDUS_BASE_URL": "http://127.0.0.1:9", "NEXUDUS_ACCESS_TOKEN": "an-access-token"}

    ran = small.run("apply", "--auto-approve")

    assert ran.code == 1
    assert "did not answer" in ran.out
    assert "in doubt" not in small.run("plan").out


def test_an_apply_that_keeps_the_pace_is_never_throttled(folder: Folder) -> None:
    folder.declare(8)
    limits = "writes_per_minute=240,requests_per_second=50,requests_per_minute=600"

    ran = folder.run("--sandbox", "--limits", limits, "apply", "--auto-approve", "--format", "json")

    assert ran.code == 0, ran.err
    assert ran.finished["created"] == 8
    assert [event for event in ran.events if event["event"] == "throttled"] == []
    # Eight writes, a quarter of a second apart: had nobody kept the pace, they would have come at once.
    assert ran.finished["seconds"] >= 1.5


@pytest.mark.slow
def test_two_thousand_creates_are_all_recorded_with_the_ids_the_server_gave(folder: Folder, serve: Serve) -> None:
    sandbox = serve()
    folder.point_at(sandbox).declare(2_000)

    ran = folder.run("apply", "--auto-approve")

    assert ran.code == 0, ran.err
    assert "2,000 created" in ran.out
    assert folder.ids() == {f"inv-{record['CoworkerInvoiceId']:05}": record["Id"] for record in sandbox.records()}
    plan = folder.run("plan", "--detailed-exitcode")
    assert (plan.code, plan.out) == (0, "Nothing to do: 2,000 unchanged.\n")
    assert sandbox.writes == 2_000
