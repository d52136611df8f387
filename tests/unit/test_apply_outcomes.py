"""What an apply does with each outcome of a create (protocol.md, "Outcomes of a create")."""

import pytest
from acting import Stage, rejection, success, throttling
from declarations import declare, manifests, plan

from reconcile.apply import Report
from reconcile.core.changes import Plan
from reconcile.core.entries import AppliedEntry, InDoubtEntry, NoEffectEntry
from reconcile.core.errors import ApiError, ExitCode
from reconcile.core.outcomes import Answer, NeverSent, NoAnswer


@pytest.fixture
def stage() -> Stage:
    return Stage()


def creating(*invoices: int) -> Plan:
    return plan(manifests(*(declare(f"inv-{n}", n, line=n) for n in invoices)))


def statuses(report: Report) -> dict[str, str]:
    return {result.change.address: result.status for result in report.results}


def proofs(stage: Stage) -> list[str]:
    return [entry.proof for entry in stage.journal.outcomes if isinstance(entry, NoEffectEntry)]


def test_a_success_is_recorded_with_the_id_the_server_gave(stage: Stage) -> None:
    stage.api.script[1] = [success(87654321)]
    report = stage.run(creating(1))
    assert stage.journal.outcomes == [AppliedEntry("r1-1", 87654321, "2026-03-02T10:14:00Z")]
    assert [(result.status, result.id) for result in report.results] == [("applied", 87654321)]
    assert (report.exit_code, report.writes, report.stop) == (ExitCode.DONE, 1, None)


def test_a_rejected_record_does_not_stop_the_others(stage: Stage) -> None:
    stage.api.script[2] = [rejection("Notes: is too long")]
    report = stage.run(creating(1, 2, 3))
    assert statuses(report) == {"inv-1": "applied", "inv-2": "rejected", "inv-3": "applied"}
    assert report.having("rejected")[0].words == "Notes: is too long"
    assert report.exit_code is ExitCode.FAILED
    assert stage.journal.outcomes[1] == NoEffectEntry("r1-2", "2026-03-02T10:14:00Z", "rejected", "Notes: is too long")


def test_a_rejection_without_words_names_its_status(stage: Stage) -> None:
    stage.api.script[1] = [rejection("")]
    assert stage.run(creating(1)).results[0].words == "HTTP 400"


def test_twenty_rejections_in_a_row_stop_the_run(stage: Stage) -> None:
    stage.api.script["*"] = [rejection() for _ in range(30)]
    report = stage.run(creating(*range(1, 31)))
    assert len(stage.api.sent) == 20
    assert report.stop is not None
    assert report.stop.message == "20 writes in a row were rejected"
    assert (len(report.having("unattempted")), report.exit_code) == (10, ExitCode.FAILED)


def test_a_success_in_between_starts_the_count_of_rejections_anew(stage: Stage) -> None:
    stage.api.script["*"] = [*(rejection() for _ in range(3)), success(9), *(rejection() for _ in range(3))]
    report = stage.run(creating(*range(1, 9)), max_rejections=4)
    assert report.stop is None
    assert len(report.having("rejected")) == 6


def test_what_is_in_doubt_is_never_sent_again_and_the_others_go_on(stage: Stage) -> None:
    stage.api.script[1] = [NoAnswer("read timeout")]
    report = stage.run(creating(1, 2))
    assert statuses(report) == {"inv-1": "in_doubt", "inv-2": "applied"}
    assert len(stage.api.sent) == 2
    assert stage.journal.outcomes[0] == InDoubtEntry("r1-1", "2026-03-02T10:14:00Z", "read timeout")
    assert (report.exit_code, report.stop) == (ExitCode.IN_DOUBT, None)


def test_an_answer_with_a_known_id_is_in_doubt_and_stops_all_writes(stage: Stage) -> None:
    stage.api.script[1] = [success(77)]
    report = stage.run(creating(1, 2), known_ids=[77])
    assert statuses(report) == {"inv-1": "in_doubt", "inv-2": "unattempted"}
    assert report.stop is not None
    assert report.stop.message == "HTTP 200 with id 77, which already belongs to another record"
    assert (report.exit_code, len(stage.api.sent)) == (ExitCode.IN_DOUBT, 1)
    assert stage.journal.outcomes[0].ids == (77,)  # type: ignore[union-attr]


def test_an_id_that_this_run_was_given_before_is_a_known_one(stage: Stage) -> None:
    stage.api.script["*"] = [success(9), success(9)]
    assert statuses(stage.run(creating(1, 2))) == {"inv-1": "applied", "inv-2": "in_doubt"}


def test_a_throttled_create_waits_as_long_as_it_is_told(stage: Stage) -> None:
    stage.api.script[1] = [throttling(7.5), throttling(3)]
    report = stage.run(creating(1))
    assert stage.pace.pauses == [7.5, 3]
    assert stage.reporter.named("throttled") == [{"seconds": 7.5}, {"seconds": 3}]
    assert (report.exit_code, report.writes) == (ExitCode.DONE, 3)
    assert proofs(stage) == ["throttled", "throttled"]
    assert [intent.attempt for intent in stage.journal.intents] == [1, 2, 3]


def test_without_a_number_waits_double_from_one_second_to_sixty(stage: Stage) -> None:
    stage.api.script[1] = [throttling() for _ in range(9)]
    assert stage.run(creating(1)).exit_code is ExitCode.DONE
    assert stage.pace.pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_wait_of_zero_is_no_word_at_all(stage: Stage) -> None:
    stage.api.script[1] = [throttling(0), throttling(0)]
    stage.run(creating(1))
    assert stage.pace.pauses == [1, 2]


def test_after_a_quarter_of_an_hour_of_throttling_the_run_ends_to_be_gone_on_with(stage: Stage) -> None:
    stage.api.script["*"] = [throttling() for _ in range(99)]
    report = stage.run(creating(1, 2))
    assert 900 <= stage.clock.passed < 960
    assert report.stop is not None
    assert report.stop.message == "throttled by the API for 15 minutes without a single success"
    assert report.exit_code is ExitCode.QUOTA
    assert set(statuses(report).values()) == {"unattempted"}


def test_patience_begins_anew_with_every_answer(stage: Stage) -> None:
    stage.api.script[1] = [throttling(600)]
    stage.api.script[2] = [throttling(600), throttling(10)]
    report = stage.run(creating(1, 2))
    assert (report.exit_code, stage.clock.passed) == (ExitCode.DONE, 1210)


def test_a_request_that_cannot_be_sent_is_tried_four_times(stage: Stage) -> None:
    stage.api.script["*"] = [NeverSent("connection refused") for _ in range(9)]
    report = stage.run(creating(1, 2))
    assert stage.clock.slept == [1, 2, 4]
    assert proofs(stage) == ["never-sent"] * 4
    assert report.stop is not None
    assert report.stop.message == "the API cannot be reached: connection refused"
    assert (report.exit_code, report.writes, len(stage.api.sent)) == (ExitCode.FAILED, 0, 4)


def test_a_request_that_is_sent_at_last_is_applied(stage: Stage) -> None:
    stage.api.script[1] = [NeverSent("DNS"), NeverSent("DNS"), success(8)]
    report = stage.run(creating(1))
    assert (report.exit_code, report.writes, statuses(report)) == (ExitCode.DONE, 1, {"inv-1": "applied"})


def unauthorized(status: int = 401, words: str = "") -> Answer:
    return Answer(status, is_empty=True, words=words)


def test_a_refused_token_is_renewed_once(stage: Stage) -> None:
    stage.api.script[1] = [unauthorized(), success(8)]
    report = stage.run(creating(1))
    assert (stage.api.refreshed, report.exit_code, proofs(stage)) == (1, ExitCode.DONE, ["unauthorized"])


def test_a_second_refusal_stops_the_run_with_both_readings(stage: Stage) -> None:
    stage.api.script["*"] = [unauthorized(403, "no role"), unauthorized(403, "no role")]
    report = stage.run(creating(1, 2))
    assert (stage.api.refreshed, len(stage.api.sent)) == (1, 2)
    assert report.stop is not None
    assert report.stop.message == (
        "HTTP 403 (no role): bad credentials, or the role CoworkerInvoicePaymentToken-Create is missing"
    )
    assert report.exit_code is ExitCode.FAILED


def test_where_there_is_no_fresh_token_the_first_refusal_stops_the_run(stage: Stage) -> None:
    stage.api.script[1] = [unauthorized()]
    stage.api.refreshes = [False]
    report = stage.run(creating(1))
    assert len(stage.api.sent) == 1
    assert report.stop is not None
    assert report.stop.message.startswith("HTTP 401: bad credentials")


def test_a_refused_login_stops_the_run_in_its_own_words(stage: Stage) -> None:
    stage.api.script[1] = [unauthorized()]
    stage.api.refreshes = [ApiError("the password was refused", help="check NEXUDUS_PASSWORD")]
    report = stage.run(creating(1, 2))
    assert len(stage.api.sent) == 1
    assert report.stop is not None
    assert (report.stop.message, report.stop.help) == ("the password was refused", "check NEXUDUS_PASSWORD")


def test_a_wrong_address_stops_the_run(stage: Stage) -> None:
    stage.api.script[1] = [Answer(404, words="<html>")]
    report = stage.run(creating(1, 2))
    assert len(stage.api.sent) == 1
    assert report.stop is not None
    assert "HTTP 404 without JSON" in report.stop.message
    assert (proofs(stage), report.exit_code) == (["wrong-address"], ExitCode.FAILED)


def test_no_more_writes_leave_than_were_allowed(stage: Stage) -> None:
    stage.api.script[1] = [throttling(1)]
    report = stage.run(creating(1, 2, 3), max_writes=2)
    assert (len(stage.api.sent), report.writes) == (2, 2)
    assert report.stop is not None
    assert (report.stop.message, report.exit_code) == ("--max-writes 2 reached", ExitCode.QUOTA)
    assert statuses(report) == {"inv-1": "applied", "inv-2": "unattempted", "inv-3": "unattempted"}


def test_no_writes_at_all_may_be_allowed(stage: Stage) -> None:
    report = stage.run(creating(1), max_writes=0)
    assert (stage.api.sent, stage.journal.entries, report.exit_code) == ([], [], ExitCode.QUOTA)


@pytest.mark.parametrize(("away", "words"), [(30, "1 min"), (1200, "20 min"), (7200, "2 h"), (80_000, "22 h")])
def test_a_quota_slot_too_far_away_ends_the_run_cleanly(stage: Stage, away: float, words: str) -> None:
    stage.pace._slots, stage.pace._away = 1, away
    report = stage.run(creating(1, 2))
    assert statuses(report) == {"inv-1": "applied", "inv-2": "unattempted"}
    assert report.stop is not None
    assert report.stop.message == f"the quota is used up; its next slot is {words} away"
    assert (report.exit_code, len(stage.journal.intents)) == (ExitCode.QUOTA, 1)


def test_whoever_cannot_log_in_takes_no_turn_and_sends_nothing(stage: Stage) -> None:
    stage.api.sign_ins = ApiError("the login was refused", code="login")
    report = stage.run(plan(manifests(declare("inv-1", 1), declare("inv-2", 2))))
    assert (stage.pace.taken, stage.api.sent, stage.journal.entries) == (0, [], [])
    assert report.exit_code is ExitCode.FAILED
    assert report.stop is not None
    assert report.stop.message == "the login was refused"
