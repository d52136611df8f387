"""Every row of the outcome table for updates and deletes: the first, a middle and the last of a run; faults on reads.

The real client and the real apply, over HTTP, against a server of whole records that fails as told and whose books say
whether an intent was durable first, nothing was sent while in doubt, and what is not managed survived to the byte.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from campaign import IS_FULL
from conducting import SETTLE
from fault_server import Fault, answering
from living import CHANGED, TOKEN, WANTED, Life

from reconcile.core.errors import ExitCode
from reconcile.core.report import Report

MET: Counter[str] = Counter()
ENVELOPE = {"WasSuccessful": False, "Message": f"no; you sent {TOKEN}", "Value": None}
HTML = b"<html>"
POSITIONS = {"first": 1, "middle": 2, "last": CHANGED}

NO_EFFECT = [
    Fault("200 refused", "none", answer=answering(200, ENVELOPE)),
    *(Fault(str(status), "none", answer=answering(status, ENVELOPE)) for status in (400, 413, 415, 422)),
]
STOPS = [
    Fault("404 html", "none", answer=answering(404, HTML)),
    Fault("401", "none", answer=answering(401, ENVELOPE)),
    Fault("403", "none", answer=answering(403, b"")),
]
THROTTLES = [
    Fault("409 empty", "none", answer=answering(409)),
    Fault("409 told", "none", answer=answering(409, ENVELOPE, "Retry-After: 3\r\n")),
    Fault("429", "none", answer=answering(429, b"wait", "Retry-After: 7\r\n")),
]
ANSWERS = [
    ("reset", lambda peer, _: peer.reset()),
    ("eof", lambda peer, _: peer.close()),
    ("read timeout", lambda peer, _: peer.hang()),
    ("unreadable 2xx", answering(200, b"{not json")),
    ("2xx of html", answering(200, HTML)),
    ("2xx of nothing", answering(200)),
    ("no verdict", answering(200, {"Value": {}})),
    ("201", answering(201, {"WasSuccessful": True, "Value": None})),
    ("204", lambda peer, _: peer.raw(b"HTTP/1.1 204 No Content\r\n\r\n")),
    ("refusal of a success", answering(500, {"WasSuccessful": True, "Value": None})),
    ("409 with a body", answering(409, ENVELOPE)),
    *((str(status), answering(status, ENVELOPE)) for status in (408, 500, 502, 503, 504, 402, 405, 418)),
    ("302", answering(302, b"", "Location: /api/other\r\n")),
]
IN_DOUBT = [
    Fault(f"{name}, {effect}", effect, after, answer)
    for name, answer in ANSWERS
    for effect, after in (("none", 0.0), ("now", 0.0), ("late", 30.0), ("late", SETTLE))
]
READS = [
    Fault("read reset", answer=lambda peer, _: peer.reset()),
    Fault("read 500", answer=answering(500, {"Message": "An error has occurred."})),
    Fault("read 404 html", answer=answering(404, HTML)),
    Fault("read 401", answer=answering(401, ENVELOPE)),
    Fault("read 200 html", answer=answering(200, HTML)),
    Fault("read 200 refused", answer=answering(200, ENVELOPE)),
    Fault("read empty object", answer=answering(200, {})),
    Fault("read wrong record", answer=answering(200, {"Id": 1, "CoworkerInvoiceId": 1})),
]


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    """Six records that exist: three to be corrected, `u…`, and three to be retired, `d…`."""
    made = Life(tmp_path)
    made.begin()
    yield made
    made.close()


def cases(faults: list[Fault], stride: int) -> pytest.MarkDecorator:
    """Each fault for the first, a middle and the last update and delete; in the small size, for some of these."""
    drawn = list(itertools.product(faults, ("update", "delete"), POSITIONS))
    chosen = drawn if IS_FULL else drawn[::stride]
    MET["runs"] += len(chosen)
    return pytest.mark.parametrize(
        ("fault", "action", "position"),
        [(fault, action, POSITIONS[where]) for fault, action, where in chosen],
        ids=[f"{fault.name} {fault.after:.0f}, {where} {action}" for fault, action, where in chosen],
    )


def result_of(life: Life, report: Report, action: str, position: int) -> tuple[str, tuple[str, int]]:
    """What became of the nth change of that kind that arrived, and its place in the books."""
    arrived = [place for place in life.books.arrived if place[0] == action]
    place = arrived[position - 1]
    return next(result.status for result in report.results if result.change.id == place[1]), place


@cases(NO_EFFECT, 3)
def test_a_refused_change_fails_alone_and_is_planned_again(
    life: Life, fault: Fault, action: str, position: int
) -> None:
    life.server.faults[action, position] = fault
    report = life.change()
    assert (len(report.having("rejected")), len(report.having("applied"))) == (1, 2 * CHANGED - 1)
    assert report.exit_code == ExitCode.FAILED
    assert TOKEN not in repr(report)
    life.assert_it_ends_well()


@cases([Fault("404 json", "none", answer=answering(404, "Not found"))], 1)
def test_a_record_that_the_api_does_not_find_is_refused_an_update_and_looked_up_for_a_delete(
    life: Life, fault: Fault, action: str, position: int
) -> None:
    life.server.faults[action, position] = fault
    report = life.change()
    assert result_of(life, report, action, position)[0] == ("rejected" if action == "update" else "in_doubt")
    life.assert_it_ends_well()


@cases(STOPS, 3)
def test_an_answer_that_is_no_api_or_no_access_stops_the_run_without_doubt(
    life: Life, fault: Fault, action: str, position: int
) -> None:
    life.server.faults[action, position] = fault
    report = life.change()
    assert report.stop is not None
    assert (report.exit_code, bool(report.having("unattempted"))) == (ExitCode.FAILED, True)
    assert not life.conductor().known().doubts
    life.assert_it_ends_well()


@cases(THROTTLES, 3)
def test_a_throttled_change_waits_and_is_sent_again(life: Life, fault: Fault, action: str, position: int) -> None:
    life.server.faults[action, position] = fault
    report = life.change()
    assert (len(report.having("applied")), report.exit_code) == (2 * CHANGED, ExitCode.DONE)
    assert life.server.seen[action] == CHANGED + 1
    life.assert_it_ends_well()


@cases(IN_DOUBT, 11)
def test_a_change_that_may_have_taken_effect_is_never_sent_again_before_it_was_settled_by_reading(
    life: Life, fault: Fault, action: str, position: int
) -> None:
    life.server.faults[action, position] = fault
    report = life.change()
    status, place = result_of(life, report, action, position)
    assert status == ("applied" if fault.effect == "now" else "in_doubt")
    if fault.effect != "now":
        assert report.exit_code == ExitCode.IN_DOUBT
        life.clock.sleep(10)
        life.change()
        assert life.books.arrived[place] == 1, "sent again before the settle time"
    life.assert_it_ends_well()
    assert life.books.arrived[place] == (2 if fault.effect == "none" else 1)


@pytest.mark.parametrize("action", ["update", "delete"])
def test_an_answer_that_names_another_record_stops_all_writes_and_is_asked_about(life: Life, action: str) -> None:
    life.server.faults[action, 1] = Fault(
        "other", "now", answer=answering(200, {"WasSuccessful": True, "Value": {"Id": 1}})
    )
    report = life.change()
    assert (report.exit_code, life.server.seen[action]) == (ExitCode.IN_DOUBT, 1)
    life.wait()
    assert life.change().exit_code == ExitCode.IN_DOUBT, "nobody was asked"


read_cases = list(itertools.product(READS, ("list", "get"), (1, 4), (False, True)))[:: 1 if IS_FULL else 5]


@pytest.mark.parametrize(
    ("fault", "kind", "nth", "is_lasting"),
    read_cases,
    ids=[f"{f.name}, {kind} {nth}, {'always' if lasting else 'once'}" for f, kind, nth, lasting in read_cases],
)
def test_a_read_that_fails_proves_nothing(
    life: Life,
    fault: Fault,
    kind: str,
    nth: int,
    is_lasting: bool,  # noqa: FBT001 - a case
) -> None:
    MET["reads"] += 1
    life.server.faults["update", 2] = Fault("lost", "now", answer=lambda peer, _: peer.reset())
    life.server.faults["delete", 1] = Fault("late", "late", 200.0, answer=lambda peer, _: peer.reset())
    if is_lasting:
        life.server.always[kind] = fault
    else:
        life.server.faults[kind, life.server.seen[kind] + nth] = fault
    for _ in range(3):
        life.books.doomed = {record_id for address, record_id in life.ids().items() if address.startswith("d")}
        life.apply(WANTED)
        life.clock.sleep(SETTLE / 2)
    life.assert_it_ends_well()


@pytest.mark.parametrize("action", ["update", "delete"])
def test_what_is_only_hidden_from_a_read_is_not_taken_for_gone(life: Life, action: str) -> None:
    life.server.faults[action, 1] = Fault("lost", "none", answer=lambda peer, _: peer.reset())
    life.server.always["get"] = Fault("hidden", answer=answering(404, "Not found"))
    for _ in range(2):
        ended = life.change()
        assert len(ended.having("refused")) == 2 * CHANGED
        life.wait()
    assert sum(life.books.arrived.values()) == 0
    life.assert_it_ends_well()


def test_the_rows_and_runs_of_the_table_are_counted(count_of: Callable[[str, str], None]) -> None:
    rows = len(NO_EFFECT) + 1 + len(STOPS) + len(THROTTLES) + len(IN_DOUBT) + 1
    count_of(
        "outcome table of updates and deletes",
        f"{rows} rows, {MET['runs'] + 4} cases at the first, a middle or the last of a run, {MET['reads']} with faults "
        "on reads",
    )
