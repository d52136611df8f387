"""Reads are complete or an error: whatever pages, filters, totals and wrong addresses do."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from reconcile.adapters.auth import Credentials
from reconcile.adapters.pacing import WaitInterruptedError
from reconcile.core.errors import ApiError, ExitCode
from reconcile.core.quota import Limits, QuotaError
from reconcile.core.records import ObservedRecord, Secret

PATH = "/api/billing/coworkerinvoicepaymenttokens"


def row(record_id: int, invoice: int | None = 1, **more) -> dict[str, object]:
    return {"Id": record_id, "CoworkerInvoiceId": invoice, "UniqueId": "u", "CustomFields": None, **more}


def target(request: bytes):
    return urlsplit(request.split(b" ", 2)[1].decode())


class Account:
    """A list endpoint that pages as it likes: `size` rows at most, filters known or ignored."""

    def __init__(self, rows, size=1000, *, filters=True, says_next=True) -> None:
        self.rows = rows
        self.size = size
        self.filters = filters
        self.says_next = says_next
        self.queries: list[dict[str, list[str]]] = []
        self.before_answer = lambda _: None

    def __call__(self, peer, request) -> None:
        url = target(request)
        if match := re.fullmatch(PATH + r"/(\d+)", url.path):
            found = [r for r in self.rows if r["Id"] == int(match[1])]
            full = (
                {**found[0], "CoworkerInvoiceId": found[0].get("Full", found[0]["CoworkerInvoiceId"])} if found else ""
            )
            peer.answer(200, full) if found else peer.answer(404, b'"Not found"')
            return
        assert url.path == PATH
        query = parse_qs(url.query)
        self.queries.append(query)
        self.before_answer(len(self.queries))
        wanted = query.get("CoworkerInvoicePaymentToken_CoworkerInvoice")
        rows = [r for r in self.rows if not wanted or not self.filters or r["CoworkerInvoiceId"] == int(wanted[0])]
        number, size = int(query["page"][0]), min(self.size, int(query["size"][0]))
        page = {"Records": rows[(number - 1) * size : number * size], "TotalItems": len(rows), "CurrentPage": number}
        peer.answer(200, page | ({"HasNextPage": number * size < len(rows)} if self.says_next else {}))


@pytest.fixture
def account(answering, connect):
    def make(rows, **more):
        behind = Account(rows, **more)
        return behind, connect(answering(behind).url)

    return make


def ids(records) -> list[int]:
    return [record.id for record in records]


def test_a_list_of_nothing_is_empty(account):
    _, api = account([])
    assert list(api.list_records()) == []


@pytest.mark.parametrize("says_next", [True, False])
@pytest.mark.parametrize("size", [1, 7, 25, 50, 1000])
def test_every_record_comes_once_and_sorted_whatever_the_page_size(account, size, says_next):
    behind, api = account([row(number) for number in range(50, 0, -1)], size=size, says_next=says_next)
    assert ids(api.list_records()) == list(range(1, 51))
    assert behind.queries[0] == {"page": ["1"], "size": ["1000"], "orderBy": ["Id"]}


@pytest.mark.parametrize("filters", [True, False])
def test_only_the_invoice_that_was_asked_for_comes_even_when_the_filter_is_ignored(account, filters):
    behind, api = account([row(1, 5), row(2, 55), row(3, 5)], filters=filters)
    assert ids(api.list_records(5)) == [1, 3]
    assert behind.queries[0]["CoworkerInvoicePaymentToken_CoworkerInvoice"] == ["5"]


@pytest.mark.parametrize("wanted", [None, 5])
def test_a_row_without_its_invoice_is_read_by_its_id(account, wanted):
    _, api = account([row(1, 5), row(2, None, Full=5), row(3, None, Full=6)], filters=False)
    assert ids(api.list_records(wanted)) == ([1, 2] if wanted else [1, 2, 3])


def test_a_record_carries_what_the_api_shows_of_it(account):
    _, api = account([row(2**62, 7, RegularPaymentProvider=12, Token="tok_4711", Notes="")])
    (record,) = api.list_records()
    assert (record.id, record.coworker_invoice_id, record.regular_payment_provider) == (2**62, 7, 12)
    assert record.notes == ""
    assert record.token is not None
    assert record.token.reveal() == "tok_4711"
    assert "tok_4711" not in repr(record)


def test_a_listing_that_moves_underneath_is_read_again(account):
    behind, api = account([row(number) for number in range(1, 11)], size=4)

    def move(number):
        if number == 2:
            behind.rows.insert(0, row(99))

    behind.before_answer = move
    assert sorted(ids(api.list_records())) == [*range(1, 11), 99]
    assert len(behind.queries) > 3


def test_a_listing_that_never_stands_still_is_an_error(account):
    behind, api = account([row(number) for number in range(1, 11)], size=4)
    behind.before_answer = lambda number: behind.rows.insert(0, row(1000 + number))
    with pytest.raises(ApiError, match="did not come out the same size"):
        list(api.list_records())


@pytest.mark.parametrize(
    "page",
    [
        {"Records": [], "TotalItems": 3},
        {"Records": [row(1)], "TotalItems": 2, "HasNextPage": False},
        {"Records": [row(1), row(1)], "TotalItems": 2},
        {"Records": [row(1), row(2)], "TotalItems": 1},
        {"Records": [row(1)], "TotalItems": 9, "HasNextPage": True},
    ],
)
def test_pages_that_do_not_add_up_are_an_error(answering, connect, page):
    api = connect(answering(lambda peer, _: peer.answer(200, page)).url)
    with pytest.raises(ApiError, match="did not come out the same size"):
        list(api.list_records())


def test_pages_that_name_different_totals_are_no_listing_even_when_their_rows_add_up(answering, connect):
    def answer(peer, request):
        number = int(parse_qs(target(request).query)["page"][0])
        peer.answer(200, {"Records": [row(number)], "TotalItems": number + 1, "HasNextPage": number == 1})

    api = connect(answering(answer).url)
    with pytest.raises(ApiError, match="did not come out the same size"):
        list(api.list_records())


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "the body"),
        ("Not found", "the body"),
        (None, "the body"),
        ({}, "Records"),
        ({"Records": None, "TotalItems": 0}, "Records"),
        ({"Records": []}, "TotalItems"),
        ({"Records": [], "TotalItems": "0"}, "TotalItems"),
        ({"Records": [{"Id": "1"}], "TotalItems": 1}, "Records.0.Id"),
        ({"Records": [{"Id": 0}], "TotalItems": 1}, "Records.0.Id"),
        ({"Records": [{"Id": True}], "TotalItems": 1}, "Records.0.Id"),
        ({"Records": [{"Id": 1.5}], "TotalItems": 1}, "Records.0.Id"),
        ({"Records": [{}], "TotalItems": 1}, "Records.0.Id"),
        ({"Records": [{"Id": 1, "Token": ["tok_4711"]}], "TotalItems": 1}, "Records.0.Token"),
    ],
)
def test_json_of_the_wrong_shape_is_an_error_that_names_the_field_and_no_value(answering, connect, body, field):
    api = connect(answering(lambda peer, _: peer.answer(200, body)).url)
    with pytest.raises(ApiError, match=f"not documented: {field}$") as caught:
        list(api.list_records())
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    with pytest.raises(ApiError, match="not documented"):
        api.get(1)


def test_a_refusal_in_an_envelope_is_an_error_in_the_servers_words(answering, connect):
    body = {"WasSuccessful": False, "Message": "Not for you", "Value": None}
    api = connect(answering(lambda peer, _: peer.answer(200, body)).url)
    with pytest.raises(ApiError, match="refused to give the list of records: Not for you"):
        list(api.list_records())
    with pytest.raises(ApiError, match="refused to give record 5: Not for you"):
        api.get(5)


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (200, b"<html>", "is not the API"),
        (200, b"", "is not the API"),
        (404, b"<html>", "is not the API"),
        (302, b"", "is not the API"),
        (400, {"Message": "no such filter"}, r"HTTP 400 .*\(no such filter\)"),
        (500, {"Message": "An error has occurred."}, "HTTP 500"),
        (503, b"", "HTTP 503"),
        (408, b"", "HTTP 408"),
        (401, b"", "bad credentials, or the role CoworkerInvoicePaymentToken-List is missing"),
        (403, {"Message": "Nope"}, r"\(Nope\): bad credentials, or the role"),
    ],
)
def test_an_error_is_never_an_empty_list_nor_an_absent_record(answering, connect, status, body, told):
    api = connect(answering(lambda peer, _: peer.answer(status, body)).url)
    with pytest.raises(ApiError, match=told):
        list(api.list_records())
    with pytest.raises(ApiError, match=told.replace("List", "Read")):
        api.get(1)


def test_a_record_is_absent_only_by_a_404_in_json(account):
    _, api = account([row(5)])
    assert api.get(6) is None
    assert api.get(5) == ObservedRecord(5, 1)


def test_another_record_than_the_one_asked_for_is_an_error(answering, connect):
    api = connect(answering(lambda peer, _: peer.answer(200, row(6))).url)
    with pytest.raises(ApiError, match="record 5 in a shape that is not documented: Id"):
        api.get(5)


def test_a_full_record_without_its_invoice_is_an_error(answering, connect):
    api = connect(answering(lambda peer, _: peer.answer(200, row(5, None))).url)
    with pytest.raises(ApiError, match="CoworkerInvoiceId"):
        api.get(5)


def test_a_list_may_be_larger_than_the_answer_to_a_write(account):
    _, api = account([row(number, Notes="n" * 3000) for number in range(1, 1001)])
    assert len(ids(api.list_records())) == 1000


def test_failing_reads_are_tried_again_with_growing_waits(answering, connect, clock):
    answers = iter([(503, b""), (500, b"<html>"), (200, row(5))])
    api = connect(answering(lambda peer, _: peer.answer(*next(answers))).url)
    assert api.get(5) is not None
    assert clock.slept == [1.0, 2.0]


def test_a_connection_that_breaks_is_tried_again_and_then_an_error_that_names_the_host(serve, connect, clock):
    server = serve(lambda peer: peer.request())
    api = connect(server.url)
    with pytest.raises(ApiError, match=rf"127.0.0.1:{server.port} did not answer: the connection ended") as caught:
        api.get(5)
    assert caught.value.code == "unreachable"
    assert clock.slept == [1.0, 2.0, 4.0]
    assert server.connections == 4


def test_throttled_reads_wait_as_long_as_the_server_says(answering, connect, clock):
    answers = iter([(409, b"", "Retry-After: 3\r\n"), (429, b""), (409, b""), (200, row(5))])
    api = connect(answering(lambda peer, _: peer.answer(*next(answers))).url)
    assert api.get(5) is not None
    assert clock.slept == [3.0, 1.0, 2.0]


def test_reads_that_are_throttled_for_a_quarter_of_an_hour_end_the_run(answering, connect, clock):
    api = connect(answering(lambda peer, _: peer.answer(429)).url)
    with pytest.raises(QuotaError) as caught:
        api.get(5)
    assert caught.value.exit_code == ExitCode.QUOTA
    assert 900 < sum(clock.slept) < 1000


def test_a_wait_that_is_interrupted_ends_the_read(answering, connect, clock):
    api = connect(answering(lambda peer, _: peer.answer(200, row(5))).url, limits=Limits())
    api.get(5)
    clock.cut_short = True
    with pytest.raises(WaitInterruptedError):
        api.get(5)


def test_the_servers_time_is_that_of_its_last_answer(answering, connect):
    dates = iter(["", "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "Date: soon\r\n"])
    api = connect(answering(lambda peer, _: peer.answer(200, row(5), next(dates))).url)
    told = []
    for _ in range(3):
        api.get(5)
        told.append(api.server_time)
    assert told == [None, 784111777.0, None]


def test_no_token_is_ever_in_an_address(answering, connect, created):
    requests = []

    def answer(peer, request):
        requests.append(request)
        peer.answer(200, created)

    api = connect(answering(answer).url, Credentials(access_token=Secret("opensesame")))
    api.create({"coworker_invoice_id": 1, "notes": None}, Secret("tok_4711"))
    head, _, body = requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /api/billing/coworkerinvoicepaymenttokens HTTP/1.1\r\n")
    assert b"tok_4711" not in head
    assert b"\r\nAuthorization: Bearer opensesame\r\n" in head
    assert re.search(rb"\r\nUser-Agent: reconcile/\d", head)
    assert body == b'{"CoworkerInvoiceId":1,"Notes":null,"Token":"tok_4711"}'


def test_what_is_not_declared_is_not_sent_and_a_cleared_token_is_null(answering, connect, created):
    bodies = []

    def answer(peer, request):
        bodies.append(request.partition(b"\r\n\r\n")[2])
        peer.answer(200, created)

    api = connect(answering(answer).url)
    api.create({"coworker_invoice_id": 1, "regular_payment_provider": 12}, None)
    api.create({"coworker_invoice_id": 1, "token": None}, None)
    assert bodies == [
        b'{"CoworkerInvoiceId":1,"RegularPaymentProvider":12}',
        b'{"CoworkerInvoiceId":1,"Token":null}',
    ]


SORTED = {"ascending": False, "descending": True}


@pytest.mark.parametrize("says_next", [True, False])
@pytest.mark.parametrize("is_reversed", SORTED.values(), ids=SORTED)
@pytest.mark.parametrize("number", [0, 1, 3, 4, 9])
def test_what_is_new_is_read_from_one_end_however_the_list_is_sorted(account, number, is_reversed, says_next):
    behind, api = account([row(n) for n in range(1, 11)], size=4, says_next=says_next)
    known = list(api.list_records())
    behind.rows = sorted([row(n) for n in range(1, 11 + number)], key=lambda r: r["Id"], reverse=is_reversed)
    before = len(behind.queries)
    assert ids(api.list_newer(known[-1].id, len(known))) == list(range(11, 11 + number))
    if not is_reversed:
        assert len(behind.queries) - before <= 2 + number // 4


def test_new_records_are_found_where_old_ones_are_gone(account):
    behind, api = account([row(n) for n in range(1, 21)], size=4)
    assert len(list(api.list_records())) == 20
    behind.rows = [row(n) for n in (1, 2, 3, 18, 21, 22, 23, 24, 25, 26)]
    assert ids(api.list_newer(20, 20)) == [21, 22, 23, 24, 25, 26]
    behind.rows = []
    assert ids(api.list_newer(20, 20)) == []


def test_new_records_of_a_list_in_no_order_are_found_by_reading_all_of_it(account):
    behind, api = account([row(n) for n in range(1, 11)], size=4)
    list(api.list_records())
    behind.rows = [row(n) for n in (5, 1, 12, 9, 3, 2, 4, 8, 7, 11, 6, 10)]
    assert ids(api.list_newer(10, 10)) == [11, 12]


def test_new_records_may_come_while_they_are_read(account):
    behind, api = account([row(n) for n in range(1, 11)], size=4)
    list(api.list_records())
    behind.rows += [row(n) for n in range(11, 16)]
    behind.before_answer = lambda number: behind.rows.append(row(100 + number)) if number < 7 else None
    assert set(ids(api.list_newer(10, 10))) >= set(range(11, 16))
