"""What exists already is not created again, and is read with as few requests as it takes ("Before a create")."""

import threading

import pytest
from acting import FakeApi, Log, Stage, success
from declarations import declare, held, manifests, plan

from reconcile.apply.lookup import Lookup
from reconcile.core.changes import Plan
from reconcile.core.entries import StateChangedEntry
from reconcile.core.errors import ApiError, ExitCode
from reconcile.core.quota import FRESH_SECONDS, QuotaError
from reconcile.core.records import ObservedRecord, Provider, Secret

TOKENS = {f"inv-{n}": Secret("t") for n in range(30)}


@pytest.fixture
def stage() -> Stage:
    return Stage()


def creating(*invoices: int, **fields: object) -> Plan:
    declared = {"notes": "March", "token_source": "env:T", "regular_payment_provider": Provider.Stripe} | fields
    return plan(manifests(*(declare(f"inv-{n}", n, **declared) for n in invoices)))


def test_what_exists_is_reported_and_not_created_and_the_others_go_on(stage: Stage) -> None:
    stage.api.hold(77, 1, 2, "March", Secret("t"))
    report = stage.run(creating(1, 2), tokens=TOKENS)
    assert [(result.status, result.words) for result in report.results] == [
        ("exists", "exists already as id 77, which no address owns"),
        ("applied", ""),
    ]
    assert report.exit_code is ExitCode.REFUSED
    assert [intent.address for intent in stage.journal.intents] == ["inv-2"]
    assert stage.reporter.named("exists")[0]["address"] == "inv-1"


def test_what_exists_is_taken_over_where_that_is_wanted(stage: Stage) -> None:
    stage.api.hold(77, 1, 2, "March", Secret("t"))
    report = stage.run(creating(1), tokens=TOKENS, adopt_existing=True)
    assert [(result.status, result.id) for result in report.results] == [("adopted", 77)]
    at = "2026-03-02T10:14:00Z"
    record = held(
        77, 1, regular_payment_provider=Provider.Stripe, notes="March", token_source="env:T", token_fingerprint="k:74"
    )
    assert stage.journal.entries == [StateChangedEntry("adopt", at, "inv-1", 77, record=record)]
    assert (stage.api.sent, report.exit_code) == ([], ExitCode.DONE)


@pytest.mark.parametrize("adopt_existing", [True, False])
def test_of_several_that_match_none_is_taken_over(adopt_existing: bool, stage: Stage) -> None:  # noqa: FBT001 - cases
    for record_id in (78, 77):
        stage.api.hold(record_id, 1, 2, "March", Secret("t"))
    report = stage.run(creating(1), tokens=TOKENS, adopt_existing=adopt_existing)
    assert (report.results[0].status, stage.api.sent, stage.journal.entries) == ("exists", [], [])
    assert "77" in report.results[0].words
    assert "78" in report.results[0].words


@pytest.mark.parametrize(
    ("provider", "notes", "token"),
    [(2, "April", "t"), (12, "March", "t"), (2, "March", "other"), (None, "March", "t"), (2, "March", None)],
)
def test_what_differs_in_a_declared_field_is_no_obstacle_but_part_of_the_baseline(
    provider: int | None, notes: str, token: str | None, stage: Stage
) -> None:
    stage.api.hold(77, 1, provider, notes, Secret(token) if token else None)
    report = stage.run(creating(1), tokens=TOKENS)
    assert report.exit_code is ExitCode.DONE
    assert stage.journal.intents[0].baseline == (77,)


def test_what_an_address_owns_is_no_obstacle(stage: Stage) -> None:
    stage.api.hold(77, 1, 2, "March", Secret("t"))
    report = stage.run(creating(1), tokens=TOKENS, known_ids=[77])
    assert (report.exit_code, stage.journal.intents[0].baseline) == (ExitCode.DONE, (77,))


def test_the_baseline_holds_what_the_run_itself_created_there(stage: Stage) -> None:
    declared = [declare(f"inv-{n}", 1, notes=f"n{n}") for n in range(3)]
    stage.api.hold(77, 1, None, "of somebody else")
    stage.run(plan(manifests(*declared)))
    assert [intent.baseline for intent in stage.journal.intents] == [(77,), (77, 5001), (77, 5001, 5002)]
    assert stage.api.reads.count("invoice 1") == 1


def test_a_partial_row_is_read_by_its_id(stage: Stage) -> None:
    stage.api.hold(77, 1, 2, "March", Secret("t"))
    stage.api.listings = [[ObservedRecord(77, 1)]]
    assert stage.run(creating(1), tokens=TOKENS).results[0].status == "exists"


def test_a_row_that_cannot_be_read_by_its_id_counts_as_the_list_shows_it(stage: Stage) -> None:
    stage.api.hold(77, 1, 2, "March", Secret("t"))
    stage.api.unreadable[77] = None
    assert stage.run(creating(1), tokens=TOKENS).results[0].status == "exists"


@pytest.mark.parametrize(
    ("error", "code"), [(ApiError("HTTP 500"), ExitCode.FAILED), (QuotaError("used up"), ExitCode.QUOTA)]
)
@pytest.mark.parametrize("count", [1, 5])
def test_what_cannot_be_read_is_not_created_and_nothing_is_lost(
    error: ApiError, code: ExitCode, count: int, stage: Stage
) -> None:
    stage.api.listings = [error]
    report = stage.run(creating(*range(1, count + 1)), tokens=TOKENS)
    assert (stage.api.sent, stage.journal.entries, report.exit_code) == ([], [], code)
    assert {result.status for result in report.results} == {"unattempted"}


def test_an_id_that_was_listed_before_is_no_new_one(stage: Stage) -> None:
    stage.api.hold(77, 1, 2, "of somebody else")
    stage.api.script[1] = [success(77)]
    report = stage.run(creating(1), tokens=TOKENS)
    assert report.results[0].status == "in_doubt"
    assert report.stop is not None
    assert "already belongs to another record" in report.stop.message


def api_with(count: int) -> FakeApi:
    api = FakeApi(Log())
    for number in range(count):
        api.hold(number + 1, number % 10)
    return api


@pytest.mark.parametrize(
    ("records", "invoices", "reads"),
    [
        (0, 1, ["invoice 0"]),
        (5000, 2, ["invoice 0", "invoice 1"]),
        (5000, 3, ["count", "invoice 0", "invoice 1", "invoice 2"]),
        (5000, 5, ["count", *(f"invoice {n}" for n in range(5))]),
        (5000, 6, ["count", "all"]),
        (20, 3, ["count", "all"]),
    ],
)
def test_whole_pages_are_read_where_that_takes_fewer_requests(records: int, invoices: int, reads: list[str]) -> None:
    api = api_with(records)
    lookup = Lookup(api, range(invoices))
    for _ in range(2):
        found = [row.coworker_invoice_id for invoice in range(invoices) for row in lookup.at(invoice)]
    assert len(found) == sum(1 for row in api.records.values() if row.coworker_invoice_id < invoices)
    assert api.reads == reads


def test_what_somebody_else_created_during_a_long_run_is_found(stage: Stage) -> None:
    stage.api.hold(1, 99)

    def somebody_else(_: object) -> None:
        stage.clock.sleep(FRESH_SECONDS / 2)
        if len(stage.api.sent) == 2:
            stage.api.hold(4000, 6, 2, "March", Secret("t"))

    stage.api.before_answer = somebody_else
    report = stage.run(creating(1, 2, 3, 4, 5, 6), tokens=TOKENS)
    assert [result.status for result in report.results] == ["applied"] * 5 + ["exists"]
    assert stage.api.reads == ["count", "all", "newer", "newer"]


def test_what_the_run_itself_creates_is_no_news_to_it(stage: Stage) -> None:
    """Its own record may be listed before its answer has come; the answer is believed all the same."""
    stage.api.hold(1, 99)
    tools = stage.tools()
    lookup = Lookup(stage.api, range(5), uptime=tools.clock.monotonic)
    stage.api.hold(5001, 3)
    stage.clock.sleep(FRESH_SECONDS)
    assert [row.id for row in lookup.at(3)] == [5001]
    assert (lookup.has_seen(1), lookup.has_seen(5001)) == (True, False)


def test_where_the_listing_cannot_be_renewed_each_invoice_is_read_by_itself(stage: Stage) -> None:
    lookup = Lookup(stage.api, range(5), uptime=stage.clock.monotonic)
    stage.clock.sleep(FRESH_SECONDS)
    stage.api.listings = [ApiError("HTTP 503")]
    stage.api.hold(7, 3)
    assert [row.id for row in lookup.at(3)] == [7]
    assert [row.id for row in lookup.at(3)] == [7]
    assert stage.api.reads == ["count", "all", "newer", "invoice 3"]
    stage.clock.sleep(FRESH_SECONDS)
    lookup.at(3)
    assert stage.api.reads[-1:] == ["invoice 3"]


@pytest.mark.parametrize(("age", "others_wait"), [(FRESH_SECONDS, False), (3 * FRESH_SECONDS, True)])
def test_while_one_worker_looks_for_news_the_others_go_on_unless_all_is_far_too_old(
    age: float,
    others_wait: bool,  # noqa: FBT001 - a case
    stage: Stage,
) -> None:
    lookup = Lookup(stage.api, range(5), uptime=stage.clock.monotonic)
    stage.clock.sleep(age)
    reading, go_on = threading.Event(), threading.Event()

    def read_slowly() -> None:
        reading.set()
        go_on.wait(10)

    stage.api.before_listing = read_slowly
    stage.api.hold(7, 3)
    one = threading.Thread(target=lookup.at, args=(1,))
    one.start()
    assert reading.wait(10)
    found: list[int] = []
    another = threading.Thread(target=lambda: found.extend(row.id for row in lookup.at(3)))
    another.start()
    if not others_wait:
        another.join(10)
        assert not another.is_alive()
    go_on.set()
    one.join()
    another.join()
    assert found == ([7] if others_wait else [])
    assert stage.api.reads == ["count", "all", "newer"]


def test_an_address_that_declares_only_its_invoice_is_met_by_any_record_there(stage: Stage) -> None:
    """Nothing else is declared, so nothing else can differ: one record more would be one too many."""
    stage.api.hold(77, 1, 12, "of somebody else", Secret("unknown"))
    bare = plan(manifests(declare("inv-1", 1)))
    report = stage.run(bare)
    assert (report.results[0].status, stage.api.sent) == ("exists", [])
    assert stage.run(bare, adopt_existing=True).results[0].id == 77


def test_an_address_that_declares_only_its_invoice_never_takes_what_another_address_owns(stage: Stage) -> None:
    stage.api.hold(77, 1, 12, "of another address")
    report = stage.run(plan(manifests(declare("inv-1", 1))), known_ids=[77], adopt_existing=True)
    assert [(result.status, result.id) for result in report.results] == [("applied", 5001)]


def test_of_two_addresses_at_one_invoice_the_one_that_declares_less_does_not_take_the_other_ones_record(
    stage: Stage,
) -> None:
    both = manifests(declare("a", 1), declare("b", 1, notes="b"))
    report = stage.run(plan(both), adopt_existing=True)
    assert [result.id for result in report.results] == [5001, 5002]


def test_what_came_while_a_create_waited_for_its_turn_is_found(stage: Stage) -> None:
    class SlowPace(type(stage.pace)):
        def before_write(self) -> float | None:
            stage.clock.sleep(FRESH_SECONDS)
            stage.api.hold(77, 1, 2, "March", Secret("t"))
            return super().before_write()

    stage.pace = SlowPace(stage.clock)
    report = stage.run(creating(1), tokens=TOKENS)
    assert (report.results[0].status, stage.api.sent, stage.journal.entries) == ("exists", [], [])
