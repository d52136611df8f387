"""What an apply does with updates, deletes and imports: what it reads, sends, refuses and remembers."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from acting import FakeApi, Stage, fingerprint_of, rejection, success, throttling
from declarations import AT, declare, doubt, held, manifests, plan

from reconcile.apply import Report
from reconcile.core.changes import Plan
from reconcile.core.entries import AppliedEntry, IntentEntry, NoEffectEntry, StateChangedEntry
from reconcile.core.errors import ApiError, ExitCode
from reconcile.core.outcomes import Answer, NoAnswer
from reconcile.core.records import UNMANAGED, ObservedRecord, Provider, Secret, StateRecord

OLD, NEW = Secret("old"), Secret("new")
OLD_PRINT, NEW_PRINT = fingerprint_of({"a": OLD})(declare("a")), fingerprint_of({"a": NEW})(declare("a"))


@pytest.fixture
def stage() -> Stage:
    return Stage()


def updating(before: dict[str, Any], after: dict[str, Any], token: Secret | None = None) -> Plan:
    """A plan that updates record 501 of address `a` at invoice 7."""
    return plan(
        manifests(declare("a", 7, **after)),
        {"a": held(501, 7, **before)},
        fingerprint_of=fingerprint_of({"a": token} if token else {}),
    )


def deleting(*addresses: str, **fields: Any) -> Plan:
    """A plan that deletes records 501, 502 … at invoice 7."""
    return plan(manifests(), {a: held(501 + n, 7, **fields) for n, a in enumerate(addresses)}, max_deletes=None)


def importing(record_id: int = 501, **declared: Any) -> Plan:
    return plan(manifests(declare("a", 7, **declared), imports=[("a", record_id)]))


def outcome(report: Report) -> tuple[str, str]:
    (result,) = report.results
    return (result.status, result.words)


def recorded(stage: Stage) -> list[tuple[str, StateRecord | None]]:
    return [(e.change, e.record) for e in stage.journal.entries if isinstance(e, StateChangedEntry)]


# Updates.


def test_an_update_sends_what_is_declared_reads_it_back_and_is_recorded(stage: Stage) -> None:
    stage.api.hold(501, 7, 2, "one", OLD)
    report = stage.run(updating({"notes": "one"}, {"notes": "two"}))
    assert stage.api.updated == [(501, {"coworker_invoice_id": 7, "notes": "two"}, None)]
    assert stage.api.records[501] == ObservedRecord(501, 7, 2, "two", OLD)
    assert stage.api.reads == ["id 501", "id 501"]
    assert (outcome(report), report.exit_code, report.writes) == (("applied", ""), ExitCode.DONE, 1)
    (intent,) = stage.journal.intents
    assert (intent.action, intent.id, intent.notes) == ("update", 501, "two")
    assert intent.before is not None
    assert intent.before.notes == "one"
    assert stage.journal.outcomes == [AppliedEntry("r1-1", 501, AT)]


def test_the_record_is_read_before_the_intent_and_the_intent_is_durable_before_the_request(stage: Stage) -> None:
    stage.api.hold(501, 7, notes="one")
    stage.run(updating({"notes": "one"}, {"notes": "two"}))
    kinds = [type(what).__name__ if who == "journal" else who for who, what in stage.log.said]
    assert kinds == ["IntentEntry", "api", "AppliedEntry", "reporter", "reporter"]


def test_null_clears_and_what_is_not_declared_is_not_sent(stage: Stage) -> None:
    stage.api.hold(501, 7, 2, "one", OLD)
    before = {"notes": "one", "token_source": "env:T", "token_fingerprint": OLD_PRINT, "regular_payment_provider": 2}
    stage.run(updating(before | {"regular_payment_provider": Provider.Stripe}, {"notes": None, "token_source": None}))
    assert stage.api.updated == [(501, {"coworker_invoice_id": 7, "notes": None, "token": None}, None)]
    assert stage.api.records[501] == ObservedRecord(501, 7, 2, None, None)


TOKEN = {"token_source": "env:T", "token_fingerprint": OLD_PRINT}


def test_a_changed_token_is_sent_and_its_fingerprint_remembered(stage: Stage) -> None:
    stage.api.hold(501, 7, token=OLD)
    stage.run(updating(TOKEN, {"token_source": "env:T"}, NEW), tokens={"a": NEW})
    assert stage.api.updated == [(501, {"coworker_invoice_id": 7}, "new")]
    assert stage.journal.intents[0].token_fingerprint == NEW_PRINT


def test_a_token_that_stays_goes_back_without_being_at_hand(stage: Stage) -> None:
    stage.api.hold(501, 7, notes="one", token=OLD)
    made = updating(TOKEN | {"notes": "one"}, {"token_source": "env:T", "notes": "two"})
    assert [change.sends_token for change in made.changes] == [False]
    stage.run(made)
    assert stage.api.updated == [(501, {"coworker_invoice_id": 7, "notes": "two"}, None)]
    assert stage.api.records[501].token is OLD
    assert stage.journal.intents[0].token_fingerprint == OLD_PRINT


@pytest.mark.parametrize(
    ("seen", "names"),
    [
        ({"notes": "theirs"}, "notes"),
        ({"provider": 5}, "regular_payment_provider"),
        ({"token": NEW}, "token"),
        ({"token": None}, "token"),
        ({"invoice": 8}, "coworker_invoice_id"),
        ({"notes": "theirs", "provider": None}, "notes, regular_payment_provider"),
    ],
)
def test_what_somebody_changed_outside_is_not_overwritten(stage: Stage, seen: dict[str, Any], names: str) -> None:
    stage.api.hold(501, **({"invoice": 7, "provider": 2, "notes": "one", "token": OLD} | seen))
    before = TOKEN | {"notes": "one", "regular_payment_provider": Provider.Stripe}
    after = {"notes": "two", "regular_payment_provider": Provider.Cash, "token_source": "env:T"}
    report = stage.run(updating(before, after))
    assert outcome(report) == ("refused", f"changed outside since it was last applied: {names}")
    assert "--refresh" in report.results[0].help
    assert (stage.api.updated, stage.journal.entries, report.exit_code) == ([], [], ExitCode.REFUSED)


def test_a_change_outside_of_a_field_that_is_not_managed_matters_to_nobody(stage: Stage) -> None:
    stage.api.hold(501, 7, 5, "one", NEW)
    assert outcome(stage.run(updating({"notes": "one"}, {"notes": "two"})))[0] == "applied"
    assert stage.api.records[501] == ObservedRecord(501, 7, 5, "two", NEW)


def test_a_token_whose_fingerprint_has_another_key_is_never_called_changed(stage: Stage) -> None:
    stage.api.hold(501, 7, notes="one", token=OLD)
    before = {"notes": "one", "token_source": "env:T", "token_fingerprint": "other:1"}
    assert outcome(stage.run(updating(before, {"notes": "two", "token_source": "env:T"})))[0] == "applied"
    assert stage.journal.intents[0].token_fingerprint == OLD_PRINT


def test_what_is_so_already_is_recorded_without_a_request(stage: Stage) -> None:
    stage.api.hold(501, 7, 2, "two", NEW)
    made = updating(TOKEN | {"notes": "one"}, {"notes": "two", "token_source": "env:T"}, NEW)
    report = stage.run(made, tokens={"a": NEW})
    assert outcome(report) == ("applied", "was so already; nothing was sent")
    assert (stage.api.updated, report.writes, report.exit_code) == ([], 0, ExitCode.DONE)
    record = held(501, 7, notes="two", token_source="env:T", token_fingerprint=NEW_PRINT)
    assert recorded(stage) == [("record", record)]


def test_a_raised_version_sends_the_token_again_even_if_it_is_there(stage: Stage) -> None:
    stage.api.hold(501, 7, token=OLD)
    stage.run(updating(TOKEN, {"token_source": "env:T", "token_version": 2}, OLD), tokens={"a": OLD})
    assert stage.api.updated == [(501, {"coworker_invoice_id": 7}, "old")]


def test_a_record_that_is_gone_is_drift(stage: Stage) -> None:
    report = stage.run(updating({"notes": "one"}, {"notes": "two"}))
    assert outcome(report) == ("refused", "id 501 is gone from Nexudus: drift")
    assert stage.api.reads == ["id 501", "invoice 7"]
    assert report.exit_code is ExitCode.REFUSED


def test_a_record_that_is_listed_but_cannot_be_read_is_not_taken_for_gone(stage: Stage) -> None:
    stage.api.hold(501, 7, notes="one")
    stage.api.unreadable[501] = None
    for made in (updating({"notes": "one"}, {"notes": "two"}), deleting("a")):
        assert outcome(stage.run(made)) == ("refused", "id 501 is listed at its invoice, but cannot be read")
    assert (stage.api.updated, stage.api.deleted) == ([], [])


@pytest.mark.parametrize("made", [updating({"notes": "one"}, {"notes": "two"}), deleting("a"), importing(notes="x")])
def test_an_api_that_cannot_be_read_stops_the_run(stage: Stage, made: Plan) -> None:
    stage.api.unreadable[501] = ApiError("HTTP 404 for record 501: whatever answers there is not the API")
    report = stage.run(made)
    assert report.stop is not None
    assert "is not the API" in report.stop.message
    assert (outcome(report)[0], stage.journal.entries) == ("unattempted", [])


def test_what_the_api_cut_is_an_error_with_both_values_and_the_state_holds_what_is_there(stage: Stage) -> None:
    stage.api.hold(501, 7, notes="one", token=OLD)
    stage.api.altering = lambda record: record._replace(notes=(record.notes or "")[:3], token=Secret("cut"))
    before = TOKEN | {"notes": "one"}
    report = stage.run(updating(before, {"notes": "three", "token_source": "env:T"}, NEW), tokens={"a": NEW})
    assert outcome(report) == (
        "altered",
        'notes was sent as "three" and is "thr"; token is not the one that was sent',
    )
    assert report.exit_code is ExitCode.FAILED
    ((change, record),) = recorded(stage)
    assert (change, record.notes if record else "") == ("record", "thr")
    assert "new" not in repr(report)
    assert isinstance(stage.journal.entries[1], AppliedEntry)


def test_a_long_text_that_was_cut_is_told_by_its_length(stage: Stage) -> None:
    stage.api.hold(501, 7, notes="one")
    stage.api.altering = lambda record: record._replace(notes=(record.notes or "")[:255])
    words = outcome(stage.run(updating({"notes": "one"}, {"notes": "x" * 300})))[1]
    assert words == f'notes was sent as "{"x" * 60}…" (300 characters) and is "{"x" * 60}…" (255 characters)'


def test_a_read_back_that_fails_ends_the_run_and_leaves_the_update_applied(stage: Stage) -> None:
    stage.api.hold(501, 7, notes="one")

    def spoil(record: ObservedRecord) -> ObservedRecord:
        stage.api.unreadable[501] = ApiError("did not answer")
        return record

    stage.api.altering = spoil
    report = stage.run(updating({"notes": "one"}, {"notes": "two"}))
    assert (outcome(report)[0], report.exit_code) == ("applied", ExitCode.FAILED)


def test_a_record_that_vanishes_after_its_update_is_an_error(stage: Stage) -> None:
    stage.api.hold(501, 7, notes="one")
    stage.api.script["update"] = [success(501)]
    stage.api.before_read = once_read(stage.api, 2)
    assert outcome(stage.run(updating({"notes": "one"}, {"notes": "two"}))) == (
        "altered",
        "was updated, and cannot be read back",
    )


def once_read(api: FakeApi, times: int) -> Callable[[], None]:
    """Takes the record away before the read with that number."""
    return lambda: api.records.pop(501, None) and None if len(api.reads) == times else None


def test_every_attempt_begins_with_a_look_at_the_record(stage: Stage) -> None:
    stage.api.hold(501, 7, notes="one")
    stage.api.script["update"] = [throttling(5)]
    stage.run(updating({"notes": "one"}, {"notes": "two"}))
    assert stage.api.reads == ["id 501"] * 3
    assert [type(entry) for entry in stage.journal.entries] == [IntentEntry, NoEffectEntry, IntentEntry, AppliedEntry]


def test_a_look_that_has_grown_old_while_waiting_for_a_slot_is_taken_again(stage: Stage) -> None:
    stage.api.hold(501, 7, notes="one")
    stage.pace._due = 31.0
    stage.run(updating({"notes": "one"}, {"notes": "two"}))
    assert stage.api.reads == ["id 501"] * 3
    stage.api.hold(501, 7, notes="one")
    stage.pace._due, stage.api.before_read = 31.0, edit_before_second_look(stage.api, len(stage.api.reads))
    report = stage.run(updating({"notes": "one"}, {"notes": "two"}))
    assert (outcome(report)[0], report.writes, len(stage.api.updated)) == ("refused", 0, 1)


def edit_before_second_look(api: FakeApi, so_far: int) -> Callable[[], None]:
    return lambda: api.hold(501, 7, notes="theirs") and None if len(api.reads) == so_far + 2 else None


def test_a_rejected_update_fails_alone_in_the_servers_words(stage: Stage) -> None:
    stage.api.hold(501, 7, notes="one")
    stage.api.script["update"] = [rejection("Notes: is too long")]
    report = stage.run(updating({"notes": "one"}, {"notes": "two"}))
    assert (outcome(report), report.exit_code) == (("rejected", "Notes: is too long"), ExitCode.FAILED)


@pytest.mark.parametrize(("action", "role"), [("update", "Edit"), ("delete", "Delete")])
def test_a_missing_role_is_named(stage: Stage, action: str, role: str) -> None:
    stage.api.hold(501, 7, notes="one")
    stage.api.script[action] = [Answer(401, is_empty=True)] * 2
    report = stage.run(updating({"notes": "one"}, {"notes": "two"}) if action == "update" else deleting("a"))
    assert report.stop is not None
    assert f"the role CoworkerInvoicePaymentToken-{role} is missing" in report.stop.message


def test_nothing_else_is_written_at_an_invoice_where_an_update_is_in_doubt(stage: Stage) -> None:
    stage.api.hold(501, 7, notes="one")
    stage.api.script["update"] = [NoAnswer("reset")]
    stage.api.hold(502, 7)
    made = plan(
        manifests(declare("a", 7, notes="two"), declare("c", 8)),
        {"a": held(501, 7, notes="one"), "b": held(502, 7)},
        max_deletes=None,
    )
    report = stage.run(made)
    assert [(r.change.address, r.status) for r in report.results] == [
        ("c", "applied"),
        ("a", "in_doubt"),
        ("b", "unattempted"),
    ]
    assert (stage.api.deleted, report.exit_code) == ([], ExitCode.IN_DOUBT)


# Deletes.


def test_a_delete_looks_at_the_record_first_and_is_recorded(stage: Stage) -> None:
    stage.api.hold(501, 7, notes="one")
    report = stage.run(deleting("a"))
    assert (stage.api.deleted, stage.api.records, stage.api.reads) == ([501], {}, ["id 501"])
    assert (outcome(report), report.done()) == (("applied", ""), {"created": 0, "updated": 0, "deleted": 1})
    (intent,) = stage.journal.intents
    assert (intent.action, intent.id, intent.coworker_invoice_id) == ("delete", 501, 7)


def test_a_record_that_is_at_another_invoice_by_now_is_not_deleted(stage: Stage) -> None:
    stage.api.hold(501, 8)
    report = stage.run(deleting("a"))
    assert outcome(report) == ("refused", "id 501 is at invoice 8, not 7")
    assert (stage.api.deleted, stage.journal.entries) == ([], [])


def test_what_is_gone_already_is_forgotten_without_a_request(stage: Stage) -> None:
    report = stage.run(deleting("a"))
    assert outcome(report) == ("applied", "was gone already; nothing was sent")
    assert (stage.api.deleted, stage.api.reads, report.writes) == ([], ["id 501", "invoice 7"], 0)
    assert stage.journal.entries == [StateChangedEntry("forget", AT, "a", 501)]


def test_what_is_protected_is_never_deleted(stage: Stage) -> None:
    stage.api.hold(501, 7)
    assert outcome(stage.run(deleting("a", protect=True)))[0] == "refused"
    assert (stage.api.deleted, stage.journal.entries) == ([], [])


def test_a_delete_that_finds_nothing_is_in_doubt_until_it_was_looked_up(stage: Stage) -> None:
    stage.api.hold(501, 7)
    stage.api.script["delete"] = [Answer(404, is_json=True, words="Not found")]
    assert outcome(stage.run(deleting("a"))) == ("in_doubt", "HTTP 404: the API finds no such record")


# Imports.


def test_an_import_remembers_what_is_there_and_sends_nothing(stage: Stage) -> None:
    stage.api.hold(501, 7, 2, "theirs", OLD)
    declared = {"regular_payment_provider": Provider.Cash, "token_source": "env:T", "token_version": 3, "protect": True}
    report = stage.run(importing(**declared))
    assert (outcome(report), report.exit_code, report.writes) == (("adopted", ""), ExitCode.DONE, 0)
    assert recorded(stage) == [
        (
            "adopt",
            StateRecord(
                501, 7, Provider.Stripe, UNMANAGED, "env:T", 3, OLD_PRINT, protect=True, created_at=AT, updated_at=AT
            ),
        )
    ]
    assert (stage.api.sent, stage.api.updated, stage.api.reads) == ([], [], ["id 501"])


@pytest.mark.parametrize(
    ("seen", "declared", "held_after"),
    [
        ({"token": None}, {"token_source": "env:T"}, {"token_source": None}),
        ({"token": Secret("")}, {"token_source": "env:T"}, {"token_source": None}),
        ({"token": OLD}, {"token_source": None}, {}),
        ({"token": None}, {"token_source": None}, {"token_source": None}),
        ({"provider": 0}, {"regular_payment_provider": Provider.Cash}, {"regular_payment_provider": None}),
        ({"provider": 77}, {"regular_payment_provider": Provider.Cash}, {}),
        ({"notes": ""}, {"notes": "x"}, {"notes": None}),
    ],
)
def test_what_differs_from_the_declaration_is_remembered_as_it_is(
    stage: Stage, seen: dict[str, Any], declared: dict[str, Any], held_after: dict[str, Any]
) -> None:
    stage.api.hold(501, 7, **seen)
    stage.run(importing(**declared))
    ((_, record),) = recorded(stage)
    assert record == held(501, 7, **held_after)
    is_same = declared == held_after
    after = plan(manifests(declare("a", 7, **declared)), {"a": record})  # type: ignore[dict-item]
    assert [str(change.action) for change in after.changes] == ([] if is_same else ["update"])


@pytest.mark.parametrize(
    ("invoice", "words"), [(8, "record 501 is of invoice 8, not 7"), (None, "there is no record 501")]
)
def test_an_import_that_does_not_fit_is_refused_alone(stage: Stage, invoice: int | None, words: str) -> None:
    if invoice is not None:
        stage.api.hold(501, invoice)
    stage.api.hold(502, 9)
    declared = manifests(declare("a", 7), declare("b", 9), imports=[("a", 501), ("b", 502)])
    report = stage.run(plan(declared))
    assert [(r.status, r.words) for r in report.results] == [("refused", words), ("adopted", "")]
    assert report.exit_code is ExitCode.REFUSED


def test_imports_come_before_writes_so_that_what_is_taken_over_is_not_met_as_somebody_elses(stage: Stage) -> None:
    stage.api.hold(501, 7, notes="x")
    declared = manifests(declare("a", 7, notes="y"), declare("b", 7, notes="x"), imports=[("a", 501)])
    report = stage.run(plan(declared))
    assert [(r.change.address, r.status) for r in report.results] == [("a", "adopted"), ("b", "applied")]


def test_nothing_is_taken_over_at_an_invoice_in_doubt(stage: Stage) -> None:
    stage.api.hold(501, 7)
    report = stage.run(importing(), doubts=[doubt("z", 7)])
    assert outcome(report)[0] == "unattempted"
    assert stage.journal.entries == []


def events(stage: Stage) -> Sequence[tuple[object, object]]:
    return [(details["action"], details["id"]) for details in stage.reporter.named("applied")]


def test_events_and_counts_name_the_action(stage: Stage) -> None:
    stage.api.hold(501, 7, notes="one")
    stage.api.hold(502, 9)
    made = plan(
        manifests(declare("a", 7, notes="two"), declare("c", 8)),
        {"a": held(501, 7, notes="one"), "b": held(502, 9)},
        max_deletes=None,
    )
    report = stage.run(made)
    assert sorted(events(stage)) == [("create", 5001), ("delete", 502), ("update", 501)]  # type: ignore[type-var]
    assert report.done() == {"created": 1, "updated": 1, "deleted": 1}
    last = stage.reporter.named("progress")[-1]
    assert [last[word] for word in ("created", "updated", "deleted", "applied", "done", "total")] == [1, 1, 1, 3, 3, 3]
