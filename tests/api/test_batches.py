"""Reading many at once: a batch is complete, or what is missing in it says nothing; and what a listing would cost."""

from urllib.parse import parse_qs, urlsplit

import pytest

from reconcile.adapters.auth import Credentials
from reconcile.core.errors import ApiError
from reconcile.core.records import Secret
from reconcile.sandbox.server import SandboxOptions, running_sandbox

PATH = "/api/billing/coworkerinvoicepaymenttokens"


def row(record_id: int, invoice: int | None = 1, **more) -> dict[str, object]:
    return {"Id": record_id, "CoworkerInvoiceId": invoice, "CreatedOn": "2026-03-01T08:00:00Z", **more}


@pytest.fixture
def saying(answering, connect):
    """A client of an API that gives one answer to everything, and the addresses that it was asked for."""

    def make(status: int, body: object):
        asked: list[str] = []

        def answer(peer, request: bytes) -> None:
            asked.append(request.split(b" ", 2)[1].decode())
            peer.answer(status, body)

        return connect(answering(answer).url), asked

    return make


def test_a_batch_is_one_request_with_the_ids_as_a_json_array(saying):
    api, asked = saying(200, [row(2, Notes="n", Token="tok_4711"), row(3)])
    found = api.get_batch([2, 3, 4])
    url = urlsplit(asked[0])
    assert (url.path, parse_qs(url.query), len(asked)) == (f"{PATH}/", {"id": ["[2,3,4]"]}, 1)
    assert found.keys() == {2, 3}
    assert (found[2].notes, found[2].token.reveal(), found[2].created_on) == ("n", "tok_4711", "2026-03-01T08:00:00Z")


def test_what_was_not_asked_for_has_no_invoice_or_comes_twice_is_left_out(saying):
    api, _ = saying(200, [row(2), row(3, None), row(4, Notes="a"), row(4, Notes="b"), row(99)])
    assert api.get_batch([2, 3, 4]).keys() == {2}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, {"Records": [], "TotalItems": 0}),
        (200, b"<html>"),
        (200, [{"Id": "2"}]),
        (400, {"Message": "no"}),
        (404, b"<html>"),
        (404, "Not found"),
        (405, b""),
        (414, b""),
    ],
)
def test_an_api_that_does_not_answer_batches_is_told_from_an_empty_one(saying, status, body):
    api, _ = saying(status, body)
    assert api.get_batch([2]) is None
    api, _ = saying(200, [])
    assert api.get_batch([2]) == {}


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_an_api_that_cannot_be_read_is_an_error(saying, status):
    api, _ = saying(status, {"Message": "no"})
    with pytest.raises(ApiError, match=f"HTTP {status}"):
        api.get_batch([2])


@pytest.mark.parametrize(
    ("total", "rows", "requests"), [(0, 0, 0), (1, 1, 1), (10_000, 1000, 10), (10_001, 1000, 11), (10_000, 25, 400)]
)
def test_a_listing_is_measured_by_the_page_that_comes(saying, total, rows, requests):
    page = {"Records": [row(number + 1) for number in range(rows)], "TotalItems": total, "HasNextPage": False}
    api, asked = saying(200, page)
    assert api.measure_listing() == (total, requests)
    assert len(asked) == 1


def test_the_sandbox_answers_batches(connect):
    with running_sandbox(SandboxOptions()) as sandbox:
        access = Credentials(username=sandbox.username, password=Secret(sandbox.password))
        api = connect(sandbox.base_url, access)
        ids = [sandbox.plant({"CoworkerInvoiceId": number, "Notes": f"{number}"}) for number in range(1, 101)]
        found = api.get_batch([*ids, 5])
        assert [record.notes for record in found.values()] == [f"{number}" for number in range(1, 101)]
        assert api.measure_listing() == (100, 1)
        api.close()
