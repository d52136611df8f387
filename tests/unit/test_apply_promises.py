"""What an apply promises whatever happens: intents first, one create at a time, nothing after the lock is gone."""

import threading
from collections.abc import Callable, Mapping
from itertools import count

import pytest
from acting import Stage, rejection, success
from declarations import declare, doubt, held, manifests, plan

from reconcile.apply import Bounds
from reconcile.apply.create import Creator, request_fields
from reconcile.apply.guard import Guard
from reconcile.apply.lookup import Lookup
from reconcile.apply.tally import Tally
from reconcile.apply.write import Writer
from reconcile.core.changes import Plan
from reconcile.core.entries import AppliedEntry, Entry, InDoubtEntry, IntentEntry, StateChangedEntry
from reconcile.core.errors import ExitCode, StateError
from reconcile.core.outcomes import NoAnswer
from reconcile.core.records import Provider, Secret
from reconcile.core.report import Result

PLANTED = "planted-token-Zx81"


@pytest.fixture
def stage() -> Stage:
    return Stage()


def creating(*invoices: int) -> Plan:
    return plan(manifests(*(declare(f"inv-{n}-{i}", n, notes=f"inv-{n}-{i}") for i, n in enumerate(invoices))))


def after(calls: int) -> Callable[[], bool]:
    """False for so many questions, then true."""
    asked = count(1)
    return lambda: next(asked) > calls


def test_the_intent_is_durable_before_the_api_hears_of_it_and_the_outcome_before_anybody_else(stage: Stage) -> None:
    stage.run(creating(1))
    kinds = [who if who != "journal" else type(what).__name__ for who, what in stage.log.said]
    assert kinds == ["IntentEntry", "api", "AppliedEntry", "reporter", "reporter"]


def test_an_intent_holds_everything_but_the_token(stage: Stage) -> None:
    declared = declare(
        "inv-1",
        7,
        line=31,
        regular_payment_provider=Provider.Stripe,
        notes="March",
        token_source="env:TOK",
        token_version=2,
        protect=True,
    )
    stage.run(plan(manifests(declared)), tokens={"inv-1": Secret("abc")})
    assert stage.journal.intents == [
        IntentEntry(
            operation="r1-1",
            run="r1",
            at="2026-03-02T10:14:00Z",
            attempt=1,
            address="inv-1",
            action="create",
            coworker_invoice_id=7,
            deadline="2026-03-02T10:15:05Z",
            regular_payment_provider=Provider.Stripe,
            notes="March",
            token_source="env:TOK",
            token_version=2,
            token_fingerprint="k:126",
            protect=True,
            file="manifests/a.yaml",
            line=31,
        )
    ]


def test_only_what_is_declared_is_sent() -> None:
    assert request_fields(declare("a", 7)) == {"coworker_invoice_id": 7}
    assert request_fields(declare("a", 7, notes="x", regular_payment_provider=Provider.Cash)) == {
        "coworker_invoice_id": 7,
        "notes": "x",
        "regular_payment_provider": 97,
    }
    assert request_fields(declare("a", 7, notes=None, regular_payment_provider=None, token_source=None)) == {
        "coworker_invoice_id": 7,
        "notes": None,
        "regular_payment_provider": None,
        "token": None,
    }
    assert "token" not in request_fields(declare("a", 7, token_source="env:TOK"))


def test_the_token_goes_to_the_api_and_nowhere_else(stage: Stage) -> None:
    declared = [declare(f"inv-{n}", n, token_source="env:TOK") for n in (1, 2, 3)]
    stage.api.script = {2: [rejection()], 3: [NoAnswer("reset")]}
    report = stage.run(plan(manifests(*declared)), tokens={record.address: Secret(PLANTED) for record in declared})
    assert [token for _, token in stage.api.sent] == [PLANTED] * 3
    assert PLANTED not in repr((stage.journal.entries, stage.reporter.events, report, stage.alarms))


def test_creates_of_one_invoice_run_one_at_a_time_and_those_of_others_beside_them(stage: Stage) -> None:
    together = threading.Barrier(3, timeout=20)  # passes only when three invoices are in flight at once
    seen = set[int]()

    def meet(fields: object) -> None:
        invoice = fields["coworker_invoice_id"]  # type: ignore[index]
        if invoice not in seen:
            seen.add(invoice)
            together.wait()

    stage.api.before_answer = meet
    report = stage.run(creating(1, 2, 3, 1, 2, 3, 1, 2, 3), concurrency=8)
    assert len(report.having("applied")) == 9
    assert stage.api.most_at_once == {1: 1, 2: 1, 3: 1}
    order = [intent.address for intent in stage.journal.intents if intent.coworker_invoice_id == 1]
    assert order == ["inv-1-0", "inv-1-3", "inv-1-6"]


def test_doubt_holds_back_the_rest_of_its_invoice_alone(stage: Stage) -> None:
    stage.api.script["inv-1-1"] = [NoAnswer("reset")]
    report = stage.run(creating(1, 1, 1, 2))
    assert [result.status for result in report.results] == ["applied", "in_doubt", "unattempted", "applied"]
    assert report.results[2].words == "waits until the write in doubt at invoice 1 is settled"


def test_nothing_is_created_at_an_invoice_that_was_in_doubt_before(stage: Stage) -> None:
    earlier = doubt("other", 1)
    report = stage.run(creating(1, 2), doubts=[earlier])
    assert [result.status for result in report.results] == ["unattempted", "applied"]
    assert (report.doubts, report.exit_code) == ((earlier,), ExitCode.IN_DOUBT)
    assert [fields["coworker_invoice_id"] for fields, _ in stage.api.sent] == [2]


def test_an_interruption_finishes_what_is_in_flight_and_attempts_nothing_more(stage: Stage) -> None:
    pressed = threading.Event()
    together = threading.Barrier(2, timeout=20)

    def interrupt(_: object) -> None:
        together.wait()
        pressed.set()

    stage.api.before_answer = interrupt
    stage.is_interrupted = pressed.is_set
    report = stage.run(creating(1, 2, 3, 4), concurrency=2)
    assert [result.status for result in report.results] == ["applied", "applied", "unattempted", "unattempted"]
    assert report.exit_code is ExitCode.INTERRUPTED
    assert report.having("unattempted")[0].words == "the run stopped before its turn"


def test_an_interruption_while_waiting_for_a_slot_sends_nothing(stage: Stage) -> None:
    stage.is_interrupted = after(2)
    report = stage.run(creating(1))
    assert (stage.pace.taken, stage.journal.entries, stage.api.sent) == (1, [], [])
    assert report.exit_code is ExitCode.INTERRUPTED


def test_nothing_at_all_happens_once_the_lock_is_gone(stage: Stage) -> None:
    stage.lock.is_taken_away = lambda: True
    declared = manifests(declare("new", 1), declare("to", 2), moved=[("from", "to")])
    report = stage.run(plan(declared, {"from": held(5, 2)}))
    assert (stage.journal.entries, stage.api.sent, report.state_changes) == ([], [], 0)
    assert [result.status for result in report.results] == ["unattempted"]
    assert report.exit_code is ExitCode.FAILED
    assert report.stop is not None
    assert "lock was taken away" in report.stop.message


def test_a_lock_lost_before_the_intent_leaves_no_trace(stage: Stage) -> None:
    stage.lock.is_taken_away = after(3)
    report = stage.run(creating(1))
    assert (stage.journal.entries, stage.api.sent) == ([], [])
    assert report.exit_code is ExitCode.FAILED


def test_a_lock_lost_after_the_intent_sends_nothing_and_leaves_the_intent_open(stage: Stage) -> None:
    stage.lock.is_taken_away = after(4)
    report = stage.run(creating(1, 2))
    assert [type(entry) for entry in stage.journal.entries] == [IntentEntry]
    assert (stage.api.sent, report.exit_code) == ([], ExitCode.FAILED)


def on(kind: type[Entry], address: str = "") -> Callable[[Entry], bool]:  # type: ignore[valid-type]
    return lambda entry: isinstance(entry, kind) and address in getattr(entry, "address", "")


def test_an_intent_that_cannot_be_written_is_not_sent(stage: Stage) -> None:
    stage.journal.fails_on = on(IntentEntry, "inv-2")
    with pytest.raises(StateError, match="the disk is full"):
        stage.run(creating(1, 2, 3))
    assert [fields["coworker_invoice_id"] for fields, _ in stage.api.sent] == [1]
    assert stage.alarms == []


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        (AppliedEntry, "inv-1-0: id 5001 (operation r1-1, invoice 1)"),
        (InDoubtEntry, "inv-1-0: in doubt (operation r1-1, invoice 1)"),
    ],
)
def test_an_outcome_that_cannot_be_written_is_told_where_a_person_finds_it(
    stage: Stage,
    kind: type[Entry],  # type: ignore[valid-type]
    line: str,
) -> None:
    stage.journal.fails_on = on(kind)
    if kind is InDoubtEntry:
        stage.api.script[1] = [NoAnswer("reset")]
    with pytest.raises(StateError, match="the disk is full"):
        stage.run(creating(1, 2))
    assert stage.alarms == [line]
    assert len(stage.api.sent) == 1
    assert stage.reporter.events == []


def test_the_others_in_flight_are_recorded_when_one_fails_and_nothing_more_is_sent(stage: Stage) -> None:
    together, alarmed, third = threading.Barrier(2, timeout=20), threading.Event(), threading.Event()

    def answer_the_second_after_the_alarm(fields: Mapping[str, int | str | None]) -> None:
        if fields["coworker_invoice_id"] in {3, 4}:
            third.set()
            return
        together.wait()
        if fields["coworker_invoice_id"] == 2:
            alarmed.wait(20)

    def alarm(line: str) -> None:
        stage.alarms.append(line)
        alarmed.set()
        third.wait(0.2)  # time enough for another create to leave, if nobody had stopped it

    stage.api.before_answer = answer_the_second_after_the_alarm
    stage.api.script = {1: [success(11)], 2: [success(12)]}
    stage.journal.fails_on = lambda entry: isinstance(entry, AppliedEntry) and entry.id == 11
    stage.alarm = alarm
    with pytest.raises(StateError):
        stage.run(creating(1, 2, 3, 4), concurrency=2)
    assert [entry.id for entry in stage.journal.outcomes if isinstance(entry, AppliedEntry)] == [12]
    assert [line.partition(" (")[0] for line in stage.alarms] == ["inv-1-0: id 11"]
    assert len(stage.api.sent) == 2


def test_changes_of_the_state_alone_are_journalled_in_plan_order_before_any_create(stage: Stage) -> None:
    declared = manifests(
        declare("new", 1),
        declare("to", 2),
        declare("kept", 3, notes="x", token_source="env:NEW", token_version=3, protect=True),
        declare("bare", 4),
        moved=[("from", "to")],
        removed=["old-*"],
    )
    records = {
        "from": held(5, 2),
        "old-1": held(6, 9),
        "kept": held(7, 3, notes="x", token_source="env:OLD", token_version=3, token_fingerprint="k:1"),
        "bare": held(
            8, 4, notes="y", regular_payment_provider=Provider.Cash, token_source="env:B", token_fingerprint="k:2"
        ),
    }
    made = plan(declared, records, fingerprint_of=lambda _: "k:1")
    report = stage.run(made)
    at = "2026-03-02T10:14:00Z"
    kept = held(7, 3, notes="x", token_source="env:NEW", token_version=3, token_fingerprint="k:1", protect=True)
    assert stage.journal.entries[:4] == [
        StateChangedEntry("mv", at, "from", 5, to="to"),
        StateChangedEntry("forget", at, "old-1", 6),
        StateChangedEntry("record", at, "kept", 7, record=kept),
        StateChangedEntry("record", at, "bare", 8, record=held(8, 4)),
    ]
    assert isinstance(stage.journal.entries[4], IntentEntry)
    assert (report.state_changes, report.writes) == (4, 1)


def test_a_plan_of_nothing_does_nothing(stage: Stage) -> None:
    report = stage.run(plan(manifests()))
    assert (report.results, report.exit_code, stage.log.said) == ((), ExitCode.DONE, [])


def test_events_say_what_became_of_each_create_and_how_far_the_run_is(stage: Stage) -> None:
    stage.api.script = {1: [success(11)], 2: [rejection("no")]}
    stage.run(creating(1, 2))
    place = {"action": "create", "file": "manifests/a.yaml", "line": 3}
    statuses = ("applied", "adopted", "altered", "exists", "refused", "rejected", "in_doubt")
    none = dict.fromkeys((*statuses, "created"), 0)
    assert stage.reporter.events == [
        ("applied", {"address": "inv-1-0", "id": 11, "coworker_invoice_id": 1, **place}),
        ("progress", {"done": 1, "total": 2, **none, "applied": 1, "created": 1}),
        ("rejected", {"address": "inv-2-1", "coworker_invoice_id": 2, "message": "no", **place}),
        ("progress", {"done": 2, "total": 2, **none, "applied": 1, "created": 1, "rejected": 1}),
    ]


def test_many_creates_over_eight_threads_each_have_one_intent_and_one_outcome(stage: Stage) -> None:
    invoices = [n % 120 for n in range(1, 601)]
    report = stage.run(creating(*(n + 1 for n in invoices)), concurrency=8)
    assert len({result.id for result in report.having("applied")}) == 600
    intents = {intent.operation: intent for intent in stage.journal.intents}
    outcomes = [entry.operation for entry in stage.journal.outcomes]
    assert len(intents) == 600
    assert sorted(outcomes) == sorted(intents)
    assert len(set(stage.journal.threads)) > 1
    assert set(stage.api.most_at_once.values()) == {1}
    assert [details["done"] for details in stage.reporter.named("progress")] == list(range(1, 601))
    assert report.writes == 600


class _Hesitant(set[int]):
    """Known ids that take a moment to look up, so that another thread may come in between."""

    def __contains__(self, record_id: object) -> bool:
        found = super().__contains__(record_id)
        threading.Event().wait(0.05)
        return found


def test_two_answers_with_one_id_are_never_both_believed(stage: Stage) -> None:
    together = threading.Barrier(2, timeout=20)
    stage.api.before_answer = lambda _: together.wait() and None
    stage.api.script["*"] = [success(9), success(9)]
    changes = creating(1, 2).changes
    tools, tally = stage.tools(), Tally(stage.reporter, changes, max_writes=None, max_rejections=20)
    guard = Guard(stage.api, Lookup(stage.api, ()), (), lambda _: "")
    writer = Writer("r1", tools, Bounds(), tally, _Hesitant(), guard.has_seen)
    creator = Creator(writer, tools, Bounds(), tally, {}, guard=guard)
    results: list[Result | None] = []
    threads = [
        threading.Thread(target=lambda change: results.append(creator.create(change)), args=(change,))
        for change in changes
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result.status for result in results if result is not None) == ["applied", "in_doubt"]
