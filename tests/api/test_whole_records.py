"""Updates and deletes over real sockets: what goes back to the byte, and the outcome of every answer to them."""

import json

import httpcore
import orjson
import pytest

from reconcile.core.errors import ApiError
from reconcile.core.outcomes import (
    Answer,
    Applied,
    InDoubt,
    NeverSent,
    NoAnswer,
    Rejected,
    Throttled,
    Unauthorized,
    WrongAddress,
    classify,
)
from reconcile.core.records import Secret

TOKEN = "tok_4711_abcdefgh"
RECORD = (
    b' { "Id" : 5,"CoworkerInvoiceId":7,\n"Token":"tok_4711_\\u0061bcdefgh", "Notes":"M\\u00e4rz\\/\xc3\xa4",'
    b'"RegularPaymentProvider":0,"SystemId":"a,}\\"b","Big":123456789012345678901234567890,"Money":1.10,"Tiny":1E-400,'
    b'"CustomFields":{"x":[1.0,-0,{"y":null}], "z" : "}" },"LocalizationDetails":[],"IsNew":false } '
)
KEPT = {
    "SystemId": b'"a,}\\"b"',
    "Big": b"123456789012345678901234567890",
    "Money": b"1.10",
    "Tiny": b"1E-400",
    "CustomFields": b'{"x":[1.0,-0,{"y":null}], "z" : "}" }',
    "LocalizationDetails": b"[]",
    "Token": b'"tok_4711_\\u0061bcdefgh"',
    "RegularPaymentProvider": b"0",
    "Notes": b'"M\\u00e4rz\\/\xc3\xa4"',
}


@pytest.fixture
def sent(answering, connect):
    """A client whose server gives `RECORD` and answers writes; the requests that it was sent."""
    requests: list[bytes] = []

    def answer(peer, request):
        requests.append(request)
        peer.answer(200, RECORD if request.startswith(b"GET") else {"WasSuccessful": True, "Value": {"Id": 5}})

    return connect(answering(answer).url), requests


def test_what_is_not_managed_goes_back_to_the_byte(sent):
    api, requests = sent
    whole = api.get_whole(5)
    assert isinstance(api.update(whole, {"coworker_invoice_id": 7}, None), Answer)
    head, _, body = requests[-1].partition(b"\r\n\r\n")
    assert head.startswith(b"PUT /api/billing/coworkerinvoicepaymenttokens HTTP/1.1\r\n")
    assert json.loads(body).keys() == json.loads(RECORD).keys()
    for name, text in KEPT.items():
        assert b'"%b":%b' % (name.encode(), text) in body, name
    assert json.loads(body)["Id"] == 5


def test_managed_fields_are_laid_over_and_null_clears(sent):
    api, requests = sent
    fields = {"coworker_invoice_id": 7, "regular_payment_provider": 12, "notes": None}
    api.update(api.get_whole(5), fields, Secret("another"))
    body = json.loads(requests[-1].partition(b"\r\n\r\n")[2])
    assert (body["RegularPaymentProvider"], body["Notes"], body["Token"]) == (12, None, "another")
    api.update(api.get_whole(5), {"coworker_invoice_id": 7, "token": None}, None)
    assert json.loads(requests[-1].partition(b"\r\n\r\n")[2])["Token"] is None


def test_a_delete_names_the_id_in_its_path_and_has_no_body(sent):
    api, requests = sent
    api.delete(5)
    head, _, body = requests[-1].partition(b"\r\n\r\n")
    assert head.startswith(b"DELETE /api/billing/coworkerinvoicepaymenttokens/5 HTTP/1.1\r\n")
    assert (b"content-type" in head.lower(), body) == (False, b"")


def test_a_whole_record_shows_neither_its_token_nor_anything_else(sent):
    whole = sent[0].get_whole(5)
    assert "4711" not in f"{whole} {whole!r} {whole.text}"
    assert whole.observed.token.reveal() == TOKEN


def test_a_record_that_is_not_there_is_none_and_another_404_is_an_error(answering, connect):
    answers = [orjson.dumps("Not found"), b"<html>"]
    api = connect(answering(lambda peer, _: peer.answer(404, answers.pop(0))).url)
    assert api.get_whole(5) is None
    with pytest.raises(ApiError, match="is not the API"):
        api.get_whole(5)


def test_no_answer_to_an_update_repeats_the_token_that_was_there_or_the_one_that_was_sent(answering, connect):
    words = {"WasSuccessful": False, "Message": f"had {TOKEN}, got tok_5822_new"}

    def answer(peer, request):
        peer.answer(200, RECORD) if request.startswith(b"GET") else peer.answer(400, words)

    api = connect(answering(answer).url)
    seen = api.update(api.get_whole(5), {"coworker_invoice_id": 7}, Secret("tok_5822_new"))
    assert seen.words == "had ***, got ***"


FAILURE = orjson.dumps({"Message": "Notes: too long", "Value": None, "Errors": None, "WasSuccessful": False})
BODIES = {
    "empty": b"",
    "json": FAILURE,
    "html": b"<html>",
    "named": orjson.dumps({"Value": {"Id": 5}, "WasSuccessful": True}),
    "unnamed": orjson.dumps({"Value": None, "WasSuccessful": True, "Errors": []}),
}


def expected(action: str, status: int, body: str, *, retry_after: bool) -> type:
    """The table of protocol.md for a record that exists, written down a second time."""
    if body in {"named", "unnamed"}:
        return Applied if status == 200 else InDoubt
    if status in {401, 403}:
        return Unauthorized
    if status == 404 and body == "json":
        return InDoubt if action == "delete" else Rejected
    if status == 404:
        return WrongAddress
    if status == 429 or (status == 409 and (retry_after or body == "empty")):
        return Throttled
    return Rejected if status in {400, 413, 415, 422} or (status == 200 and body == "json") else InDoubt


@pytest.mark.parametrize("action", ["update", "delete"])
@pytest.mark.parametrize("retry_after", [False, True])
@pytest.mark.parametrize("body", BODIES)
def test_every_status_has_the_outcome_of_the_table(answering, connect, action, body, retry_after):
    statuses = iter(range(200, 600))

    def answer(peer, request):
        if request.startswith(b"GET"):
            peer.answer(200, RECORD)
            return
        status = next(statuses)
        headers = "Retry-After: 7\r\n" if retry_after else ""
        peer.answer(status, b"" if status in {204, 304} else BODIES[body], headers)

    api = connect(answering(answer).url)
    whole = api.get_whole(5)
    for status in range(200, 600):
        seen = api.update(whole, {"coworker_invoice_id": 7}, None) if action == "update" else api.delete(5)
        outcome = classify(seen, {5}.__contains__, action, 5)
        carried = "empty" if status in {204, 304} else body
        assert type(outcome) is expected(action, status, carried, retry_after=retry_after), status


@pytest.mark.parametrize("action", ["update", "delete"])
@pytest.mark.parametrize(
    ("body", "stops"),
    [
        ({"Value": {"Id": 6}, "WasSuccessful": True}, True),
        ({"Value": {"Id": 6}, "WasSuccessful": False}, True),
        ({"Value": {"Id": 5}, "WasSuccessful": False}, False),
        ({"Value": {"Id": 5}, "WasSuccessful": True, "Errors": [{"Message": "no"}]}, False),
        ({"Value": {"Id": 5}}, False),
        ([], False),
    ],
)
def test_a_success_that_does_not_confirm_this_record_is_in_doubt(action, body, stops):
    outcome = classify(Answer(200, body, is_json=True), lambda _: False, action, 5)
    assert isinstance(outcome, InDoubt)
    assert (outcome.stop, outcome.ids) == (stops, (6,) if stops else ())


@pytest.mark.parametrize("action", ["update", "delete"])
def test_without_an_answer_an_update_or_a_delete_is_in_doubt(action):
    assert isinstance(classify(NoAnswer("reset"), {}.get, action, 5), InDoubt)


def test_a_delete_that_cannot_be_sent_was_never_sent(connect):
    seen = connect("http://127.0.0.1:1").delete(5)
    assert isinstance(seen, NeverSent)
    assert httpcore.__name__ not in seen.reason
