"""Every fault on a real socket: what the client sees, and what was stored."""

from __future__ import annotations

import json
import socket
import threading
from base64 import b64encode

import httpx
import pytest

from reconcile.sandbox.faults import FAULTS_HELP, KINDS, Effect, Ending, FaultSource, parse_faults

BODY = {"CoworkerInvoiceId": 1001, "Token": "tok_secret"}
NO_ANSWER = {Ending.CLOSED, Ending.RESET, Ending.CUT}


def _meet(start, connect, records, fault):
    """One record that was there before, then a create that meets the fault."""
    sandbox = start(faults=f"{fault}@1")
    sandbox.plant({"CoworkerInvoiceId": 5})
    return sandbox, connect(sandbox).post(records, json=BODY)


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS.values() if kind.ending not in NO_ANSWER], ids=lambda k: k.name
)
def test_a_fault_with_an_answer_stores_exactly_what_its_row_says(start, connect, records, kind):
    spec = kind.name + "@1:0.01" if kind.name == "slow" else kind.name + "@1"
    sandbox = start(faults=spec)
    client = connect(sandbox)

    client.post(records, json=BODY)

    assert len(sandbox.records()) == (1 if kind.effect is Effect.AT_ONCE else 0)
    assert sandbox.requests[0].fault == kind.name
    assert client.post(records, json=BODY).json()["WasSuccessful"] is True


@pytest.mark.parametrize(
    ("fault", "error", "stored"),
    [
        ("lost_before", "Server disconnected without sending a response", 0),
        ("lost_after", "Server disconnected without sending a response", 1),
        ("reset_before", "reset by peer", 0),
        ("reset_after", "reset by peer", 1),
        ("cut_off", "without sending complete message body", 1),
    ],
)
def test_a_broken_connection_brings_no_answer_and_stores_what_its_row_says(
    start, connect, records, fault, error, stored
):
    sandbox = start(faults=fault + "@1")
    client = connect(sandbox)

    with pytest.raises(httpx.TransportError, match=error):
        client.post(records, json=BODY)

    assert len(sandbox.records()) == stored
    assert client.get(records).status_code == 200  # the next connection works


def test_a_closed_connection_sends_not_a_single_byte(start, records):
    sandbox = start(faults="lost_after@1")
    body = json.dumps(BODY)
    basic = b64encode(f"{sandbox.username}:{sandbox.password}".encode()).decode()
    head = (
        f"POST {records} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Basic {basic}\r\nContent-Length: {len(body)}\r\n\r\n"
    )

    with socket.create_connection(_address(sandbox), timeout=10) as connection:
        connection.sendall((head + body).encode())
        answer = connection.recv(1_000)

    assert answer == b""
    assert len(sandbox.records()) == 1


def test_a_late_effect_appears_after_its_seconds(start, connect, records):
    sandbox = start(faults="late@1:0.4")

    with pytest.raises(httpx.RemoteProtocolError):
        connect(sandbox).post(records, json=BODY)

    assert sandbox.records() == []
    _wait_until(lambda: sandbox.records() != [])
    assert sandbox.records()[0]["CoworkerInvoiceId"] == 1001


def test_a_late_effect_that_is_still_to_come_is_dropped_at_the_end(start, connect, records):
    with pytest.raises(httpx.RemoteProtocolError):
        connect(start(faults="late@1:3600")).post(records, json=BODY)


def test_a_slow_answer_comes_after_its_effect(start, connect, records):
    sandbox = start(faults="slow@1:3600")

    with pytest.raises(httpx.ReadTimeout):
        connect(sandbox, timeout=0.2).post(records, json=BODY)

    _wait_until(lambda: len(sandbox.records()) == 1)


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("http_500", 500),
        ("http_500_after", 500),
        ("http_503", 503),
        ("http_503_after", 503),
        ("html", 200),
        ("html_after", 200),
        ("truncated", 200),
        ("no_id", 200),
        ("old_id", 200),
        ("unsuccessful", 200),
        ("rejected", 400),
        ("http_401", 401),
        ("http_403", 403),
        ("http_408", 408),
        ("conflict_409", 409),
        ("conflict_409_after", 409),
        ("throttle_409", 409),
        ("throttle_409_bare", 409),
        ("http_429", 429),
    ],
)
def test_a_fault_answers_with_its_status(start, connect, records, fault, status):
    assert _meet(start, connect, records, fault)[1].status_code == status


@pytest.mark.parametrize("fault", ["html", "html_after", "http_503"])
def test_a_page_is_html(start, connect, records, fault):
    answer = _meet(start, connect, records, fault)[1]

    assert answer.headers["content-type"].startswith("text/html")
    assert answer.text.startswith("<!DOCTYPE html>")


def test_a_truncated_answer_is_a_beginning_of_json_in_a_complete_message(start, connect, records):
    answer = _meet(start, connect, records, "truncated")[1]

    assert answer.content.startswith(b'{"Status": 200')
    with pytest.raises(ValueError, match=r"."):
        answer.json()


def test_an_answer_without_an_id_is_a_success_with_an_empty_value(start, connect, records):
    answer = _meet(start, connect, records, "no_id")[1].json()

    assert (answer["WasSuccessful"], answer["Value"]) == (True, {})


def test_an_answer_with_an_old_id_names_another_record(start, connect, records):
    sandbox, answer = _meet(start, connect, records, "old_id")

    assert answer.json()["Value"]["Id"] == sandbox.records()[0]["Id"]
    assert sandbox.records()[1]["CoworkerInvoiceId"] == 1001


def test_a_record_that_the_api_refuses_stays_refused_under_a_fault_that_changes_the_id(start, connect, records):
    answer = connect(start(faults="no_id@1")).post(records, json={})

    assert answer.status_code == 400
    assert answer.json()["Errors"][0]["PropertyName"] == "CoworkerInvoiceId"


def test_an_unsuccessful_answer_is_a_200_that_says_no(start, connect, records):
    assert _meet(start, connect, records, "unsuccessful")[1].json()["WasSuccessful"] is False


def test_a_rejection_names_the_relation_and_echoes_the_token(start, connect, records):
    answer = _meet(start, connect, records, "rejected")[1].json()

    assert (answer["Status"], answer["WasSuccessful"]) == (500, False)
    assert [error["PropertyName"] for error in answer["Errors"]] == ["CoworkerInvoice", "Token"]
    assert answer["Errors"][1]["AttemptedValue"] == "tok_secret"


@pytest.mark.parametrize("method", ["DELETE", "POST"])
def test_a_rejection_of_a_request_without_a_json_body_echoes_nothing(start, connect, records, method):
    answer = connect(start(faults="rejected@1")).request(method, f"{records}/5")

    assert [error["AttemptedValue"] for error in answer.json()["Errors"]] == [None, None]


@pytest.mark.parametrize(
    ("fault", "seconds"), [("throttle_409@1", "1"), ("throttle_409@1:7", "7"), ("http_429@1:2", "2")]
)
def test_a_throttle_like_fault_says_how_long_to_wait(start, connect, records, fault, seconds):
    answer = connect(start(faults=fault)).post(records, json=BODY)

    assert (answer.content, answer.headers["retry-after"]) == (b"", seconds)


def test_a_bare_throttle_says_nothing_and_a_conflict_has_a_body(start, connect, records):
    bare = _meet(start, connect, records, "throttle_409_bare")[1]
    conflict = _meet(start, connect, records, "conflict_409")[1]

    assert (bare.content, "retry-after" in bare.headers) == (b"", False)
    assert bare.reason_phrase == "You must wait before accessing this url again."
    assert "Message" in conflict.json()
    assert ("retry-after" in conflict.headers, conflict.reason_phrase) == (False, "Conflict")


def test_a_scripted_fault_hits_the_nth_write_and_reads_do_not_count(start, connect, records):
    sandbox = start(faults="http_500@2, unsuccessful@4")
    client = connect(sandbox)
    seen = []

    for number in range(4):
        client.get(records)
        seen.append(client.post(records, json=BODY).json().get("WasSuccessful", f"none at {number}"))

    assert seen == [True, "none at 1", True, False]


def test_updates_and_deletes_meet_faults_too(start, connect, records):
    sandbox = start(faults="http_500@1,http_500_after@2,http_500_after@3")
    planted = sandbox.plant({"CoworkerInvoiceId": 1, "Notes": "before"})
    client = connect(sandbox)
    update = {"Id": planted, "CoworkerInvoiceId": 1, "Notes": "after"}

    assert client.put(records, json=update).status_code == 500
    assert sandbox.records()[0]["Notes"] == "before"
    assert client.put(records, json=update).status_code == 500
    assert sandbox.records()[0]["Notes"] == "after"
    assert client.delete(f"{records}/{planted}").status_code == 500
    assert sandbox.records() == []


def test_faults_can_stop_while_the_sandbox_runs(start, connect, records):
    sandbox = start(faults="http_500=1")
    client = connect(sandbox)
    assert client.post(records, json=BODY).status_code == 500

    sandbox.set_faults("")

    assert client.post(records, json=BODY).status_code == 200


def _draw(spec, seed, writes):
    source = FaultSource(parse_faults(spec), seed)
    return [fault and fault.kind.name for fault in (source.draw() for _ in range(writes))]


def test_the_same_seed_draws_the_same_faults_and_another_seed_others():
    spec = "lost_after=0.2,http_500=0.1"

    assert _draw(spec, 7, 500) == _draw(spec, 7, 500)
    assert _draw(spec, 7, 500) != _draw(spec, 8, 500)


def test_each_fault_is_about_as_frequent_as_asked():
    drawn = _draw("lost_after=0.2,http_500=0.1", 1, 10_000)

    assert drawn.count("lost_after") == pytest.approx(2_000, rel=0.1)
    assert drawn.count("http_500") == pytest.approx(1_000, rel=0.1)
    assert drawn.count(None) == pytest.approx(7_000, rel=0.1)


def test_a_scripted_fault_leaves_the_other_draws_as_they_were():
    drawn = _draw("http_500=0.5", 3, 50)

    assert _draw("http_500=0.5,html@10", 3, 50) == [*drawn[:9], "html", *drawn[10:]]


def test_probabilities_may_sum_to_one_whatever_the_rounding():
    assert None not in _draw("html=0.2,no_id=0.4,late=0.3,slow=0.1", 0, 2_000)  # 1.0000000000000002 in sum


def test_an_empty_text_plans_nothing():
    assert _draw(" ", 0, 100) == [None] * 100


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("lost", "is not an item"),
        ("lost=0.1", "names no fault"),
        ("lost_after=x", "is not an item"),
        ("lost_after@0", "is not an item"),
        ("lost_after=0.1:5", "takes no seconds"),
        ("late=0.1:", "is not an item"),
        ("lost_after=1.5", "more than 1"),
        ("lost_after=0.6,html=0.6", "more than 1"),
        ("lost_after@3,html@3", "a second time"),
    ],
)
def test_a_bad_text_is_refused_with_the_reason_and_the_table(spec, why):
    with pytest.raises(ValueError, match=why) as refused:
        parse_faults(spec)

    assert FAULTS_HELP in str(refused.value)


def test_the_help_names_every_fault_and_what_it_stores():
    lines = FAULTS_HELP.splitlines()[1:]

    assert [line.split()[0] for line in lines] == list(KINDS)
    assert all(" stored" in line for line in lines)


def _address(sandbox):
    url = httpx.URL(sandbox.base_url)
    return url.host, url.port


def _wait_until(claim):
    tick = threading.Event()
    for _ in range(500):
        if claim():
            return
        tick.wait(0.01)
    raise AssertionError("it never came true")
