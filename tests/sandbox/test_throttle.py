"""The limits: what counts, when a slot frees, and how a throttled answer looks."""

from __future__ import annotations

import pytest

from reconcile.sandbox.throttle import PUBLISHED, Throttle, parse_limits


def test_a_throttled_answer_is_an_empty_409_that_says_how_long_to_wait(start, connect, records, clock):
    sandbox = start(limits="writes_per_minute=2", clock=clock)
    client = connect(sandbox)
    for at in (0.0, 10.0):
        clock.now += at
        assert client.post(records, json={"CoworkerInvoiceId": 1}).status_code == 200
    clock.now += 20.5

    answer = client.post(records, json={"CoworkerInvoiceId": 1})

    assert answer.status_code == 409
    assert answer.reason_phrase == "You must wait before accessing this url again."
    assert (answer.content, answer.headers["retry-after"]) == (b"", "30")  # 29.5 s, rounded up
    assert len(sandbox.records()) == 2
    assert client.get(records).status_code == 200
    clock.now += 29.5
    assert client.post(records, json={"CoworkerInvoiceId": 1}).reason_phrase == "OK"
    assert [arrival.throttled for arrival in sandbox.requests] == [False, False, True, False, False]


def test_retry_after_is_never_below_a_second(start, connect, records, clock):
    client = connect(start(limits="requests_per_second=10", clock=clock))
    client.get(records)

    assert client.get(records).headers["retry-after"] == "1"


def test_a_login_counts_as_a_request_but_not_as_a_write(start, connect, records, clock):
    client = connect(start(limits="writes_per_day=1,requests_per_day=2", clock=clock))

    client.post("/api/token", data={"grant_type": "password"})

    assert client.post(records, json={"CoworkerInvoiceId": 1}).status_code == 200
    assert client.get(records).status_code == 409


def test_a_throttled_write_meets_no_fault_and_is_not_counted_by_the_faults(start, connect, records, clock):
    sandbox = start(limits="writes_per_minute=1", faults="http_500@2", clock=clock)
    client = connect(sandbox)

    statuses = []
    for pause in (0, 0, 60):
        clock.now += pause
        statuses.append(client.post(records, json={"CoworkerInvoiceId": 1}).status_code)

    assert statuses == [200, 409, 500]


def test_ten_a_second_means_a_tenth_of_a_second_apart():
    throttle = Throttle(parse_limits("requests_per_second=10"))

    assert throttle.admit(5.0, is_write=False) == 0.0
    assert throttle.admit(5.04, is_write=True) == pytest.approx(0.06)
    assert throttle.admit(5.1, is_write=True) == 0.0


def test_the_window_slides_and_a_refused_request_does_not_count():
    throttle = Throttle(parse_limits("writes_per_minute=2"))
    assert [throttle.admit(at, is_write=True) for at in (0.0, 59.0)] == [0.0, 0.0]

    assert throttle.admit(59.5, is_write=True) == 0.5
    assert throttle.admit(60.0, is_write=True) == 0.0
    assert throttle.admit(60.5, is_write=True) == 58.5
    assert throttle.admit(60.5, is_write=False) == 0.0


def test_the_longest_wait_of_all_windows_counts_and_a_refusal_fills_none_of_them():
    throttle = Throttle(parse_limits("writes_per_minute=1, requests_per_hour=2"))
    throttle.admit(0.0, is_write=True)

    assert throttle.admit(1.0, is_write=True) == 59.0
    assert throttle.admit(1.0, is_write=False) == 0.0
    assert throttle.admit(2.0, is_write=True) == 3_598.0


def test_no_limits_admit_everything():
    throttle = Throttle(parse_limits("off"))

    assert {throttle.admit(0.0, is_write=True) for _ in range(1_000)} == {0.0}


def test_the_published_limits_are_those_of_the_newest_table():
    windows = {(window.count, window.seconds, window.writes_only) for window in parse_limits(" published ")}

    assert len(windows) == len(PUBLISHED)
    assert windows == {
        (60, 60.0, True),
        (5_000, 86_400.0, True),
        (1, 0.1, False),
        (120, 60.0, False),
        (5_000, 3_600.0, False),
        (200_000, 86_400.0, False),
    }


@pytest.mark.parametrize(
    "spec", ["", "on", "writes_per_minute", "writes_per_minute=0", "writes_per_minute=x", "reads_per_day=5", "off,"]
)
def test_a_bad_text_is_refused_with_what_is_allowed(spec):
    with pytest.raises(ValueError, match=r"published.*writes_per_minute"):
        parse_limits(spec)
