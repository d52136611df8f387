"""What an apply says at the end, and on its way."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from declarations import declare, doubt, held
from hostile import EVERYTHING, is_harmless

from reconcile.core.changes import Action, Change
from reconcile.core.errors import ExitCode
from reconcile.core.records import Provider
from reconcile.core.report import Report, Result, Settlement, Stop, Twin
from reconcile.render.progress import Standing, percentage, progress_line
from reconcile.render.records import record_as_json, record_as_text, records_as_text
from reconcile.render.report import report_as_json, report_as_text
from reconcile.render.settled import settled_as_json, settled_as_text
from reconcile.render.style import Style
from reconcile.render.words import counted, duration

Golden = Callable[[str, str], None]
PLAIN = Style()
STUCK = "waits until the write in doubt at invoice 4 is settled"
STOPPED = "the run stopped before its turn"


def create(n: int, file: str = "manifests/2026-03.yaml") -> Change:
    declared = declare(f"inv-{n}", n, line=12 + 4 * n, file=file)
    return Change(Action.CREATE, declared.address, location=declared.location, declared=declared)


def eventful() -> Report:
    """Something of everything, with more unattempted creates over two files than are listed."""
    return Report(
        results=(
            Result("applied", create(1), 87654321),
            Result("rejected", create(2), words="CoworkerInvoice: does not exist"),
            Result("rejected", create(103), words="Notes: is too long"),
            Result("exists", create(3), words="exists already as id 77, which no address owns"),
            Result("adopted", create(104), 78),
            Result("in_doubt", create(4), words="HTTP 502: Bad Gateway"),
            Result("unattempted", create(5), words=STUCK),
            *(Result("unattempted", create(n), words=STOPPED) for n in range(6, 26)),
            Result("unattempted", create(26), words=STOPPED),
            *(Result("unattempted", create(n, "manifests/2026-04.yaml"), words=STOPPED) for n in range(30, 40)),
        ),
        doubts=(
            doubt("inv-8841", 8841, file="manifests/2026-02.yaml", line=64),
            doubt("inv-9", 9, "op-2", file="b.yml"),
        ),
        stop=Stop(ExitCode.QUOTA, "--max-writes 4 reached", "`reconcile apply` goes on where this run stopped"),
        state_changes=2,
        settlements=(
            Settlement(doubt("inv-41", 41), "adopted", 9041),
            Settlement(doubt("inv-42", 42), "not_created"),
            Settlement(doubt("inv-8841", 8841), "open", words="a record is almost what was sent", ids=(501, 502)),
        ),
        twins=(Twin("inv-43", 43, (9043, 9044)),),
        unchecked="HTTP 500 for the list of records",
        writes=1204,
        seconds=1237.4,
    )


def test_a_report_names_everything_that_needs_attention_and_the_ways_on(golden: Golden) -> None:
    golden("report-eventful.txt", report_as_text(eventful(), PLAIN))


def test_a_report_is_json_for_scripts(golden: Golden) -> None:
    shown = json.dumps(report_as_json(eventful()), indent=2, ensure_ascii=False)
    golden("report-eventful.json", shown + "\n")


def test_a_run_without_trouble_is_one_line() -> None:
    report = Report((Result("applied", create(1), 9),), writes=1, seconds=0.6)
    assert report_as_text(report, PLAIN) == "Applied: 1 created · 1 write in 1 s.\n"
    assert report_as_json(report) == {
        "exit_code": 0,
        "created": 1,
        "updated": 0,
        "deleted": 0,
        "adopted": 0,
        "altered": [],
        "exists": [],
        "refused": [],
        "rejected": [],
        "in_doubt": [],
        "unattempted": [],
        "settled": [],
        "late_twins": [],
        "state_changes": 0,
        "writes": 1,
        "seconds": 0.6,
    }


def test_what_waits_for_doubt_alone_is_gone_on_with_once_it_is_settled() -> None:
    report = Report((Result("in_doubt", create(4), words="reset"), Result("unattempted", create(5), words=STUCK)))
    shown = report_as_text(report, PLAIN)
    assert "Next: `reconcile apply` or `reconcile resolve` once more settles what is in doubt, by reading; " in shown
    assert "Next: `reconcile apply` once more does what was not attempted.\n" in shown


def test_what_was_settled_is_said_before_the_plan_in_one_line_each(golden: Golden) -> None:
    golden("settled.txt", settled_as_text(eventful().settlements, eventful().twins, PLAIN))


def test_what_was_settled_is_json_for_scripts(golden: Golden) -> None:
    golden("settled.json", json.dumps(settled_as_json(eventful()), indent=2, ensure_ascii=False) + "\n")


def test_a_stop_without_a_way_on_suggests_nothing() -> None:
    assert "Next" not in report_as_text(Report(stop=Stop(ExitCode.FAILED, "the run failed")), PLAIN)


def test_a_result_without_a_place_still_prints() -> None:
    report = Report((Result("rejected", Change(Action.CREATE, "inv-1"), words="no"),))
    assert "  inv-1    no\n" in report_as_text(report, PLAIN)
    assert report_as_json(report)["rejected"] == [
        {"address": "inv-1", "action": "create", "file": None, "line": None, "message": "no"}
    ]


@pytest.mark.parametrize("value", EVERYTHING)
def test_hostile_words_of_the_api_cannot_do_anything(value: str) -> None:
    statuses = ("rejected", "in_doubt", "unattempted")
    results = [Result(status, create(n, value), words=value) for n, status in enumerate(statuses)]
    stop = Stop(ExitCode.FAILED, f"HTTP 403 ({value})")
    assert is_harmless(report_as_text(Report(tuple(results), (doubt("a", at=value, file=value),), stop), PLAIN))


@pytest.mark.parametrize(
    ("results", "doubts", "stop", "expected"),
    [
        ((), False, None, ExitCode.DONE),
        (("rejected",), False, None, ExitCode.FAILED),
        (("rejected", "in_doubt"), False, None, ExitCode.IN_DOUBT),
        (("rejected",), True, None, ExitCode.IN_DOUBT),
        ((), True, ExitCode.QUOTA, ExitCode.IN_DOUBT),
        ((), False, ExitCode.QUOTA, ExitCode.QUOTA),
        (("rejected",), False, ExitCode.QUOTA, ExitCode.FAILED),
        (("in_doubt",), False, ExitCode.INTERRUPTED, ExitCode.INTERRUPTED),
        (("in_doubt",), False, ExitCode.FAILED, ExitCode.IN_DOUBT),
        (("unattempted", "applied"), False, None, ExitCode.QUOTA),
        (("unattempted", "in_doubt"), False, None, ExitCode.IN_DOUBT),
        (("exists", "unattempted"), False, None, ExitCode.REFUSED),
        (("exists", "rejected"), False, None, ExitCode.FAILED),
        (("adopted",), False, None, ExitCode.DONE),
        ((), False, ExitCode.INVALID, ExitCode.INVALID),
    ],
)
def test_the_gravest_exit_code_wins(
    results: tuple[str, ...],
    doubts: bool,  # noqa: FBT001 - cases
    stop: ExitCode | None,
    expected: ExitCode,
) -> None:
    report = Report(
        tuple(Result(status, create(n)) for n, status in enumerate(results)),  # type: ignore[arg-type]
        (doubt("a"),) if doubts else (),
        Stop(stop, "why") if stop is not None else None,
    )
    assert report.exit_code is expected


def test_the_progress_line_says_how_far_how_fast_and_how_long() -> None:
    standing = Standing(1240, 6206, {"created": 1238}, 1, 1, 1240.0, 1940)
    assert progress_line(standing) == (
        "[1,240/6,206] 20% · 1,238 created · 1 in doubt · 1 rejected · 1.0/s · 1,940 writes left today"
        " · 32 min today, rest tomorrow"
    )


@pytest.mark.parametrize(
    ("standing", "line"),
    [
        (Standing(0, 10, {"created": 0}, 0, 0, 0.0), "[0/10] 0% · 0 created"),
        (Standing(1, 10, {"created": 1}, 0, 0, 2.0), "[1/10] 10% · 1 created"),
        (Standing(5, 10, {"created": 5}, 0, 0, 2.0), "[5/10] 50% · 5 created · 2.5/s · 2 s left"),
        (
            Standing(5, 10, {"created": 5}, 0, 0, 2.0, 5),
            "[5/10] 50% · 5 created · 2.5/s · 5 writes left today · 2 s left",
        ),
        (Standing(10, 10, {"created": 10}, 0, 0, 2.0, 0), "[10/10] 100% · 10 created · 5.0/s · 0 writes left today"),
    ],
)
def test_the_progress_line_leaves_out_what_is_not_known_yet(standing: Standing, line: str) -> None:
    assert progress_line(standing) == line


@pytest.mark.parametrize(
    ("done", "total", "percent"), [(0, 0, 100), (0, 3, 0), (1, 3, 33), (2, 3, 67), (999, 1000, 99), (1000, 1000, 100)]
)
def test_a_hundred_percent_is_said_only_when_all_is_done(done: int, total: int, percent: int) -> None:
    assert percentage(Standing(done, total, {}, 0, 0, 1.0)) == percent


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (89.4, "89 s"),
        (90, "2 min"),
        (1020, "17 min"),
        (3599, "1 h"),
        (6240, "1 h 44 min"),
        (36_000_000, "10,000 h"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_numbers_are_counted_with_their_noun() -> None:
    assert [counted(n, "write") for n in (0, 1, 6206)] == ["0 writes", "1 write", "6,206 writes"]


RECORDS = [
    ("inv-1001", held(87654321, 1001, regular_payment_provider=Provider.GoCardless, token_source="env:INV_1001")),
    ("inv-2", held(5, 2)),
    ("x" * 60, held(6, 3, regular_payment_provider=None, token_source=None, notes=None)),
]


def test_records_stand_in_columns(golden: Golden) -> None:
    golden("records.txt", records_as_text(RECORDS))


def test_a_state_without_records_says_so() -> None:
    assert records_as_text([]) == "The state holds no records.\n"


def test_a_record_shows_its_managed_fields_one_on_each_line(golden: Golden) -> None:
    record = held(5, 2, notes="a\x1b[1mb\n::error", token_source=None, token_version=3, protect=True)
    golden("record.txt", record_as_text("inv-2", record))


def test_a_record_as_json_leaves_out_what_is_not_managed_and_any_fingerprint() -> None:
    record = held(5, 2, regular_payment_provider=Provider.Cash, notes=None, token_fingerprint="k:1")
    assert record_as_json("inv-2", record) == {
        "address": "inv-2",
        "id": 5,
        "coworker_invoice_id": 2,
        "regular_payment_provider": "Cash",
        "notes": None,
        "token_version": None,
        "protect": False,
        "created_at": "2026-03-02T10:14:00Z",
        "updated_at": "2026-03-02T10:14:00Z",
    }


@pytest.mark.parametrize("value", EVERYTHING)
def test_hostile_values_of_records_cannot_do_anything(value: str) -> None:
    record = held(5, 2, notes=value, token_source=f"file:{value}")
    assert is_harmless(records_as_text([("a", record)]) + record_as_text("a", record))


def test_with_a_saved_plan_no_way_on_leads_away_from_its_file() -> None:
    text = report_as_text(replace(eventful(), stop=None, plan_command="reconcile apply a.plan"), PLAIN)
    assert [line for line in text.splitlines() if line.startswith("Next:")] == [
        "Next: correct the rejected records in their manifests, then save, review and apply another plan.",
        (
            "Next: `reconcile apply a.plan` once more settles what is in doubt, by reading; until then nothing else is "
            "written at these invoices."
        ),
        "Next: `reconcile apply a.plan --adopt-existing` takes over what exists already.",
        "Next: `reconcile apply a.plan` once more does what was not attempted.",
    ]
