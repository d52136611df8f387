"""Pages, orders, filters and batches."""

from __future__ import annotations

import pytest

E = "CoworkerInvoicePaymentToken_"


@pytest.fixture
def planted(sandbox, clock):
    """Five records, made at 45 seconds past 10:30, 10:31, 10:32, 10:33 and 10:34; their ids."""
    clock.now += 45
    ids = []
    for invoice, provider, token, notes in (
        (30, 2, "tok_a", "March"),
        (10, 2, "tok_b", None),
        (20, None, "tok_ab", "March renewal"),
        (10, 12, "tok_c", "April"),
        (40, 0, None, ""),
    ):
        ids.append(
            sandbox.plant(
                {"CoworkerInvoiceId": invoice, "RegularPaymentProvider": provider, "Token": token, "Notes": notes}
            )
        )
        clock.now += 60
    return ids


def _ids(answer):
    return [record["Id"] for record in answer.json()["Records"]]


def test_a_page_says_where_it_stands(client, records, planted):
    answer = client.get(records, params={"page": 2, "size": 2, "orderBy": "Id", "dir": 0}).json()

    assert [record["Id"] for record in answer.pop("Records")] == planted[2:4]
    assert answer == {
        "CurrentPage": 2,
        "CurrentPageSize": 2,
        "CurrentOrderField": "Id",
        "CurrentSortDirection": 0,
        "FirstItem": 3,
        "LastItem": 4,
        "TotalItems": 5,
        "TotalPages": 3,
        "HasNextPage": True,
        "HasPreviousPage": True,
    }


@pytest.mark.usefixtures("planted")
def test_the_last_page_may_be_short_and_a_page_beyond_it_is_empty(client, records):
    last = client.get(records, params={"page": 3, "size": 2}).json()
    beyond = client.get(records, params={"page": "9" * 19, "size": 1_000}).json()

    assert (last["FirstItem"], last["LastItem"], last["HasNextPage"]) == (5, 5, False)
    assert (beyond["Records"], beyond["FirstItem"], beyond["LastItem"]) == ([], 0, 0)
    assert (beyond["TotalItems"], beyond["HasNextPage"]) == (5, False)


@pytest.mark.usefixtures("planted")
def test_a_row_of_a_list_is_the_whole_record(client, sandbox, records):
    assert client.get(records).json()["Records"] == sandbox.records()


def test_rows_of_lists_and_batches_can_be_partial_while_a_single_read_is_whole(start, connect, records):
    sandbox = start(partial_rows=True)
    planted = sandbox.plant({"CoworkerInvoiceId": 1, "RegularPaymentProvider": 2})
    client = connect(sandbox)

    assert client.get(records).json()["Records"][0]["RegularPaymentProvider"] is None
    assert client.get(f"{records}/?id=[{planted}]").json()[0]["RegularPaymentProvider"] is None
    assert client.get(f"{records}/{planted}").json()["RegularPaymentProvider"] == 2


@pytest.mark.parametrize(
    ("asked", "given"),
    [(None, 25), ("7", 7), ("1000", 1000), ("1001", 1000), ("0", 25), ("many", 25), ("-3", 25), ("9" * 30, 25)],
)
def test_a_page_holds_25_records_unless_asked_and_never_more_than_1000(client, records, asked, given):
    params = {} if asked is None else {"size": asked}

    assert client.get(records, params=params).json()["CurrentPageSize"] == given


@pytest.mark.parametrize(
    ("params", "order"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"dir": "1"}, [4, 3, 2, 1, 0]),
        ({"dir": "-1"}, [4, 3, 2, 1, 0]),
        ({"orderBy": "CoworkerInvoiceId"}, [1, 3, 2, 0, 4]),
        ({"orderBy": "CoworkerInvoiceId", "dir": "1"}, [4, 0, 2, 3, 1]),
        ({"orderBy": "RegularPaymentProvider", "dir": "1"}, [3, 1, 0, 4, 2]),
        ({"orderBy": "CreatedOn", "dir": "1"}, [4, 3, 2, 1, 0]),
        ({"orderBy": "Id; DROP TABLE records"}, [0, 1, 2, 3, 4]),
    ],
)
def test_a_list_is_sorted_as_asked(client, records, planted, params, order):
    assert _ids(client.get(records, params=params)) == [planted[place] for place in order]


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({E + "CoworkerInvoice": "10"}, [1, 3]),
        ({E + "RegularPaymentProvider": "2"}, [0, 1]),
        ({E + "RegularPaymentProvider": "0"}, [4]),
        ({E + "Token": "tok_a"}, [0, 2]),
        ({E + "Notes": "March"}, [0, 2]),
        ({E + "Notes": "March", E + "CoworkerInvoice": "20"}, [2]),
        ({E + "CoworkerInvoice": "11"}, []),
        ({f"from_{E}CreatedOn": "2025-01-15T10:31:59"}, [1, 2, 3, 4]),
        ({f"to_{E}CreatedOn": "2025-01-15T10:31Z"}, [0, 1]),
        ({f"from_{E}UpdatedOn": "2025-01-15T11:32+01:00", f"to_{E}UpdatedOn": "2025-01-15T10:33:00Z"}, [2, 3]),
        ({f"to_{E}CreatedOn": "2025-01-15"}, []),
    ],
)
def test_filters_are_anded_and_ranges_include_their_minutes(client, records, planted, params, found):
    answer = client.get(records, params=params)

    assert _ids(answer) == [planted[place] for place in found]
    assert answer.json()["TotalItems"] == len(found)


@pytest.mark.parametrize(
    "params",
    [
        {E + "CoworkerInvoiceId": "10"},
        {E + "CoworkerInvoice": "ten"},
        {E + "Notes": ""},
        {f"from_{E}CreatedOn": "yesterday"},
        {f"to_{E}CreatedOn": "0001-01-01T00:00+10:00"},
    ],
)
def test_a_filter_that_is_not_understood_returns_everything(client, records, planted, params):
    assert _ids(client.get(records, params=params)) == planted


def test_a_batch_is_a_bare_array_of_what_exists(client, records, planted):
    wanted = [planted[3], planted[0], planted[3], 1, 2**70]

    answer = client.get(f"{records}/", params={"id": str(wanted)}).json()

    assert [record["Id"] for record in answer] == [planted[0], planted[3]]


@pytest.mark.parametrize("ids", ["7", "1,2", "{}", "[" * 5000])
def test_a_batch_whose_ids_are_no_array_is_refused(client, records, ids):
    assert client.get(f"{records}/", params={"id": ids}).status_code == 400
