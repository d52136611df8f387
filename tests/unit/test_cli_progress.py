"""What apply tells while it runs, on a terminal, in a log, and as JSON."""

import json
from collections.abc import Iterable, Mapping

import pytest
from declarations import declare, manifests, plan
from hostile import EVERYTHING, is_harmless

from reconcile.cli.console import Console
from reconcile.cli.progress import JsonEvents, Lines, Silence, reporter_for
from reconcile.core.changes import Plan

PLAN = plan(manifests(declare("a", 1), declare("b", 2)))
REJECTED = {"address": "inv-1", "action": "create", "message": "Notes: is too long"}


class Ticking:
    """A clock that says one time after another, and the last one for ever."""

    def __init__(self, times: Iterable[float]) -> None:
        self._times = list(times)

    def __call__(self) -> float:
        return self._times.pop(0) if len(self._times) > 1 else self._times[0]


class Terminal(Console):
    """A console whose standard error can redraw a line."""

    @property
    def shows_progress_bar(self) -> bool:
        return True


def progress(done: int, total: int = 100, **counts: int) -> Mapping[str, object]:
    return {"done": done, "total": total, "applied": done, "rejected": 0, "in_doubt": 0} | counts


def chosen(console: Console, output_format: str = "text", made: Plan = PLAN) -> str:
    with reporter_for(console, output_format)(made) as reporter:
        return type(reporter).__name__


def test_the_reporter_fits_where_the_output_goes() -> None:
    nothing = plan(manifests())
    assert chosen(Console({}), "json") == "JsonEvents"
    assert chosen(Console({}, is_quiet=True), "json") == "JsonEvents"
    assert chosen(Console({}, is_quiet=True)) == "Silence"
    assert chosen(Console({}), made=nothing) == "Silence"
    assert chosen(Console({})) == "Lines"
    assert chosen(Terminal({})) == "_Bar"


def test_silence_tells_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Silence().tell("rejected", REJECTED)
    assert capsys.readouterr() == ("", "")


def test_a_log_gets_a_line_every_thirty_seconds_or_five_percent_and_at_the_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = [0.0]
    lines = Lines(Console({}), 50, clock=lambda: now[0])
    for second in range(1, 101):
        now[0] = float(second if second < 50 else second * 20)
        lines.tell("progress", progress(second if second < 40 else 40 + (second - 40) // 20, applied=1))
    lines.tell("progress", progress(100))
    shown = [line.split("]")[0] for line in capsys.readouterr().err.splitlines()]
    assert shown[:8] == [f"[{done}/100" for done in (5, 10, 15, 20, 25, 30, 35, 40)]
    assert shown[-1] == "[100/100"
    assert len(shown) > 20  # the slow stretch reports by time alone


def test_fast_runs_do_not_print_more_than_a_line_each_second(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(Console({}), None, clock=Ticking([0.0, 0.0, 0.1]))
    for done in range(1, 101):
        lines.tell("progress", progress(done))
    shown = capsys.readouterr().err.splitlines()
    assert [line.split("]")[0] for line in shown] == ["[100/100"]


def test_what_is_left_today_shrinks_as_the_run_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(Console({}), 60, clock=Ticking([0.0, 0.0, 10.0]))
    lines.tell("progress", progress(50))
    assert "· 5.0/s · 10 writes left today · 2 s today, rest tomorrow" in capsys.readouterr().err
    lines.tell("progress", progress(100))
    assert "0 writes left today" in capsys.readouterr().err


def test_what_goes_wrong_is_said_at_once_and_what_goes_right_only_when_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    quiet, verbose = Lines(Console({}), None), Lines(Console({}, is_verbose=True), None)
    for lines in (quiet, verbose):
        lines.tell("rejected", REJECTED)
        lines.tell("in_doubt", {"address": "inv-2", "message": "HTTP 502"})
        lines.tell("throttled", {"seconds": 7.5})
        lines.tell("applied", {"address": "inv-3", "id": 9})
        lines.tell("run_started", {})
    trouble = ["rejected inv-1: Notes: is too long", "in doubt inv-2: HTTP 502"]
    others = ["throttled by the API: waiting 7.5 s", "applied inv-3 id 9", "run started"]
    assert capsys.readouterr().err.splitlines() == trouble + trouble + others


def test_json_prints_every_event_with_its_time_and_progress_only_at_milestones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    events = JsonEvents(Console({}), clock=Ticking([0.0, 0.5, 40.0]))
    events.tell("applied", {"address": "inv-1", "id": 9})
    for done in (1, 2, 3, 100):
        events.tell("progress", progress(done))
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in shown] == ["applied", "progress", "progress"]
    assert [event.get("done") for event in shown] == [None, 2, 100]
    assert shown[0] | {"time": ""} == {"event": "applied", "time": "", "address": "inv-1", "id": 9}
    assert all(event["time"].endswith("Z") for event in shown)


def test_a_bar_moves_and_what_goes_wrong_stands_above_it(capsys: pytest.CaptureFixture[str]) -> None:
    with reporter_for(Terminal({}), "text")(PLAN) as reporter:
        reporter.tell("progress", progress(1, 2))
        reporter.tell("rejected", {"address": "inv-1", "message": "[bold]:warning: no[/bold]"})
        reporter.tell("throttled", {"seconds": 2})
        reporter.tell("applied", {"address": "inv-2"})
    shown = capsys.readouterr()
    assert "rejected inv-1: [bold]:warning: no[/bold]" in shown.err
    assert "throttled by the API: waiting 2 s" in shown.err
    assert ("inv-2" in shown.err, shown.out) == (False, "")


@pytest.mark.parametrize("value", EVERYTHING)
def test_hostile_words_of_the_api_cannot_do_anything_on_the_way(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    Lines(Console({}), None).tell("rejected", {"address": "inv-1", "message": value})
    Lines(Console({}, is_verbose=True), None).tell(value, {"address": value})
    assert is_harmless(capsys.readouterr().err)


def test_details_that_are_no_numbers_count_as_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Lines(Console({}), None).tell("progress", {"done": "many", "total": None})
    assert capsys.readouterr().err == "[0/0] 100%\n"
