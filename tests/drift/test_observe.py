"""Many records are seen as they are, whatever rows leave out, with as few requests as that takes."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from observing import ShownApi, fingerprint, remembered, without

from reconcile.apply.observe import PROOFS, SAMPLE, Eyes, Observed, observe
from reconcile.core.drift import compare, field_drift
from reconcile.core.errors import ApiError
from reconcile.core.quota import QuotaError
from reconcile.core.records import UNMANAGED, ObservedRecord, Secret, StateRecord


def look(api: ShownApi, held: dict[int, StateRecord], told: list[tuple[int, str]] | None = None) -> Observed:
    def expect(reads: int, what: str) -> None:
        (told if told is not None else []).append((reads, what))

    def differs(record: StateRecord, seen: ObservedRecord) -> bool:
        return bool(field_drift(record, seen, fingerprint))

    return observe(held, Eyes(api, differs, expect))  # type: ignore[arg-type]


def api_of(count: int, **how: object) -> ShownApi:
    api = ShownApi(**how)  # type: ignore[arg-type]
    for number in range(1, count + 1):
        api.hold(number)
    return api


def full(api: ShownApi) -> Observed:
    return Observed(api.records)


def test_nothing_remembered_asks_nothing() -> None:
    api = api_of(3)
    assert (look(api, {}), api.reads) == (Observed({}), [])


@pytest.mark.parametrize(
    ("count", "total", "how", "most"),
    [
        (1, 1, {}, {"id": 1}),
        (6, 6, {}, {"id": 6}),
        (7, 7, {}, {"batch": 1, "id": SAMPLE}),
        (200, 9000, {}, {"batch": 2, "id": SAMPLE}),
        (1000, 1000, {}, {"page": 2, "id": SAMPLE}),
        (10_000, 10_000, {}, {"page": 11, "id": SAMPLE}),
        (300, 50_000, {}, {"page": 1, "batch": 3, "id": SAMPLE}),
        (1000, 1000, {"page": 25}, {"page": 1, "batch": 10, "id": SAMPLE}),
    ],
)
def test_the_cheapest_way_is_taken(count: int, total: int, how: dict[str, object], most: dict[str, int]) -> None:
    api = api_of(total, **how)
    held = dict(list(remembered(api).items())[:count])
    seen = look(api, held)
    assert seen == Observed({i: api.records[i] for i in held})
    assert Counter(api.reads) == most


def test_ten_thousand_records_with_some_drift_take_at_most_sixty_requests() -> None:
    api = api_of(10_000)
    held = remembered(api)
    for number in range(1, 10_000, 100):
        api.hold(number, notes="other")
    assert look(api, held) == full(api)
    assert len(api.reads) == 11 + SAMPLE + PROOFS


@pytest.mark.parametrize("left_out", ["regular_payment_provider", "notes", "token"])
def test_what_rows_leave_out_is_read_by_id(left_out: str) -> None:
    api = api_of(250, listing_leaves_out=(left_out,), batches_leave_out=(left_out,))
    assert look(api, remembered(api)) == full(api)
    assert Counter(api.reads) == {"page": 2, "batch": 1, "id": 250}


@pytest.mark.parametrize("left_out", ["regular_payment_provider", "notes", "token"])
def test_what_the_listing_leaves_out_is_read_in_batches_where_they_show_it(left_out: str) -> None:
    api = api_of(250, listing_leaves_out=(left_out,))
    held = remembered(api)
    assert not compare({str(i): record for i, record in held.items()}, look(api, held).records, fingerprint).drifts
    assert Counter(api.reads) == {"page": 2, "batch": 3, "id": SAMPLE}


def test_what_is_not_managed_may_be_left_out() -> None:
    api = api_of(250, listing_leaves_out=("token", "notes"))
    look(api, remembered(api, token_source=UNMANAGED, notes=UNMANAGED))
    assert Counter(api.reads) == {"page": 2, "id": SAMPLE}


@pytest.mark.parametrize("partial", [True, False])
def test_a_null_is_right_under_both_readings(partial: bool) -> None:  # noqa: FBT001 - cases
    left_out = ("notes",) if partial else ()
    api = api_of(300, listing_leaves_out=left_out, batches_leave_out=left_out)
    held = remembered(api)
    for number in (7, 70, 270):
        api.hold(number, notes=None)
    seen = look(api, held)
    assert [i for i, record in seen.records.items() if record.notes is None] == [7, 70, 270]


def test_a_value_where_null_is_remembered_is_seen_though_no_row_shows_any() -> None:
    api = api_of(250, listing_leaves_out=("notes",), batches_leave_out=("notes",))
    for number in api.records:
        api.hold(number, notes=None)
    held = remembered(api)
    api.hold(133, notes="set by somebody")
    assert look(api, held).records[133].notes == "set by somebody"


def test_a_listing_that_is_behind_is_not_believed() -> None:
    api = api_of(400)
    held = remembered(api)
    for number in range(1, 401):
        api.stale[number] = api.records[number]
        api.hold(number, notes="new")
    assert look(api, held) == full(api)


def test_a_record_that_a_batch_drops_is_read_by_id() -> None:
    api = api_of(50, missing_in_batches=frozenset({3, 44}))
    assert look(api, remembered(api)) == full(api)
    assert Counter(api.reads) == {"batch": 1, "id": SAMPLE + 2}


def test_batches_that_are_refused_cost_one_request() -> None:
    api = api_of(150, batches_leave_out=None)
    assert look(api, remembered(api)) == full(api)
    assert Counter(api.reads) == {"batch": 1, "id": 150}


@pytest.mark.parametrize("count", [3, 50, 400])
def test_gone_is_what_neither_a_read_nor_a_listing_shows(count: int) -> None:
    api = api_of(count)
    held = remembered(api)
    del api.records[2]
    seen = look(api, held)
    assert (seen.gone, seen.unreadable, seen.unlisted) == ({2}, frozenset(), frozenset())
    assert seen.records == api.records


@pytest.mark.parametrize("count", [3, 50, 400])
def test_what_is_listed_and_cannot_be_read_is_not_gone(count: int) -> None:
    api = api_of(count, unreadable={2: None}, listing_leaves_out=("token",))
    seen = look(api, remembered(api))
    assert (seen.gone, seen.unreadable) == (frozenset(), {2})


def test_what_can_be_read_and_is_not_listed_is_not_gone() -> None:
    api = api_of(400, unlisted=frozenset({2}))
    seen = look(api, remembered(api))
    assert (seen.gone, seen.unlisted) == (frozenset(), {2})
    assert seen.records[2] == api.records[2]


@pytest.mark.parametrize("count", [3, 50, 400])
def test_any_other_failure_of_a_read_ends_it(count: int) -> None:
    api = api_of(count, listing_leaves_out=("notes",), batches_leave_out=("notes",))
    api.unreadable = {2: ApiError("HTTP 404", code="wrong-address")}
    with pytest.raises(ApiError, match="HTTP 404"):
        look(api, remembered(api))


def test_many_that_are_gone_cost_one_read_each_where_the_listing_was_read() -> None:
    api = api_of(2000)
    held = remembered(api)
    for number in range(1, 301):
        del api.records[number]
    assert look(api, held).gone == set(range(1, 301))
    assert Counter(api.reads) == {"page": 3, "id": SAMPLE + 300}


def test_a_record_at_another_invoice_is_seen_there() -> None:
    api = api_of(400)
    held = remembered(api)
    api.hold(9, invoice=5)
    assert look(api, held).records[9].coworker_invoice_id == 5


def test_every_stage_is_told_beforehand_and_may_be_refused() -> None:
    api = api_of(250, listing_leaves_out=("notes",), batches_leave_out=("notes",))
    told: list[tuple[int, str]] = []
    look(api, remembered(api), told)
    assert told == [
        (1 + SAMPLE, "reading the whole listing, 250 records"),
        (3 + SAMPLE, "reading 250 records in batches, as the listing leaves out what matters"),
        (250, "reading 250 records by id, as the listing leaves out what matters"),
    ]

    def refuse(reads: int, what: str) -> None:
        raise QuotaError(f"{reads} for {what}")

    small = api_of(3)
    with pytest.raises(QuotaError):
        observe(remembered(small), Eyes(small, lambda *_: False, refuse))  # type: ignore[arg-type]
    assert small.reads == []


FIELDS = st.sets(st.sampled_from(["regular_payment_provider", "notes", "token"])).map(tuple)
VALUES = st.tuples(
    st.sampled_from([None, 0, 2, 12, 42]), st.sampled_from([None, "", "n", "m"]), st.sampled_from([None, "", "t", "u"])
)


@settings(max_examples=150)
@given(
    st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=30),
    st.integers(1, 12),
    FIELDS,
    st.none() | FIELDS,
    st.sets(st.integers(1, 30)),
    st.sets(st.integers(1, 30)),
)
def test_however_the_api_shows_it_drift_is_what_full_reads_say(pairs, times, by_list, by_batch, gone, dropped):
    api = ShownApi(
        page=7, listing_leaves_out=by_list, batches_leave_out=by_batch, missing_in_batches=frozenset(dropped)
    )
    count = len(pairs) * times
    for number in range(1, count + 1):
        api.hold(number, *pairs[number % len(pairs)][0])
    held = remembered(api)
    for number in range(1, count + 1):
        api.hold(number, *pairs[number % len(pairs)][1])
    for number in gone & api.records.keys():
        del api.records[number]
    seen = look(api, held)
    assert seen.gone == {i for i in gone if i <= count}
    records = {str(i): record for i, record in held.items() if i not in seen.gone}
    by_reading = compare(records, api.records, fingerprint)
    assert strip(compare(records, seen.records, fingerprint)) == strip(by_reading)


def strip(found):
    return [(drift.kind, drift.address, drift.fields, drift.token) for drift in found.drifts]


def test_a_secret_is_in_no_message() -> None:
    api = api_of(3)
    api.hold(2, token="planted-4711")
    told: list[tuple[int, str]] = []
    seen = look(api, remembered(api), told)
    assert "planted" not in repr((seen, told))
    assert isinstance(seen.records[2].token, Secret)


def test_what_a_listing_shows_in_full_and_cannot_be_read_is_not_gone_when_it_is_looked_at() -> None:
    api = api_of(400, unreadable={1: None})
    seen = look(api, remembered(api))
    assert (seen.gone, seen.unreadable, len(seen.records)) == (frozenset(), {1}, 399)


def test_rows_of_which_only_some_leave_a_field_out_are_read_by_id_too() -> None:
    api = api_of(400)
    api.stale = {number: without(record, ("notes",)) for number, record in api.records.items() if number > 5}
    assert look(api, remembered(api)) == full(api)


def test_a_listing_that_shows_the_invoices_of_before_is_not_believed() -> None:
    api = api_of(400)
    held = remembered(api)
    api.stale = dict(api.records)
    for number in list(api.records):
        api.hold(number, invoice=5)
    assert look(api, held) == full(api)
