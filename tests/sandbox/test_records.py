"""Create, read, update and delete, in the words of the API."""

from __future__ import annotations

import pytest

FULL = {
    "CoworkerInvoiceId": 1001,
    "RegularPaymentProvider": 12,
    "Token": "tok_1",
    "Notes": "March",
    "SystemId": "erp-7",
    "LocalizationDetails": [{"Language": "es"}],
    "CustomFields": {"Colour": "blue"},
}


def test_a_create_answers_the_documented_envelope(client, records):
    answer = client.post(records, json=FULL)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.json() == {
        "Status": 200,
        "Message": "CoworkerInvoicePaymentToken was successfully created.",
        "Value": {"Id": 1_400_000_001},
        "OpenInDialog": False,
        "OpenInWindow": False,
        "RedirectURL": None,
        "JavaScript": None,
        "UpdatedOn": "2025-01-15T10:30:00Z",
        "UpdatedBy": "admin@sandbox.example",
        "Errors": None,
        "WasSuccessful": True,
    }


def test_a_record_reads_back_whole_with_its_read_side_fields(client, records):
    created = client.post(records, json=FULL).json()["Value"]["Id"]

    record = client.get(f"{records}/{created}").json()

    assert len(record.pop("UniqueId")) == 36
    assert record == {
        **FULL,
        "Id": created,
        "CreatedOn": "2025-01-15T10:30:00Z",
        "UpdatedOn": "2025-01-15T10:30:00Z",
        "UpdatedBy": "admin@sandbox.example",
        "IsNew": False,
        "ToStringText": "1001",
    }


def test_a_create_may_leave_out_all_but_the_invoice(client, sandbox, records):
    assert client.post(records + "/", json={"CoworkerInvoiceId": 7}).status_code == 200

    stored = sandbox.records()[0]
    assert {name: stored[name] for name in FULL} == dict.fromkeys(FULL) | {"CoworkerInvoiceId": 7}


def test_an_update_replaces_the_whole_record_and_clears_what_is_left_out(client, sandbox, records, clock):
    created = client.post(records, json=FULL).json()["Value"]["Id"]
    before = sandbox.records()[0]
    clock.now += 61

    answer = client.put(records, json={"Id": created, "CoworkerInvoiceId": 1001, "Notes": "April"})

    assert answer.json()["Value"] == {"Id": created}
    assert answer.json()["Message"] == "CoworkerInvoicePaymentToken was successfully updated."
    after = client.get(f"{records}/{created}").json()
    cleared = dict.fromkeys(("RegularPaymentProvider", "Token", "SystemId", "LocalizationDetails", "CustomFields"))
    assert after == before | cleared | {"Notes": "April", "UpdatedOn": "2025-01-15T10:31:01Z"}


def test_an_update_of_an_absent_record_is_not_found(client, records):
    answer = client.put(records, json={"Id": 5, "CoworkerInvoiceId": 1})

    assert (answer.status_code, answer.json()) == (404, "Not found")


def test_an_update_without_an_id_is_refused_with_the_other_errors(client, records):
    answer = client.put(records, json={"Token": 5})

    assert answer.status_code == 400
    assert [error["PropertyName"] for error in answer.json()["Errors"]] == ["Id", "CoworkerInvoiceId", "Token"]


def test_an_update_with_an_invalid_field_changes_nothing(client, sandbox, records):
    created = client.post(records, json=FULL).json()["Value"]["Id"]

    answer = client.put(records, json={"Id": created, "CoworkerInvoiceId": 0})

    assert answer.status_code == 400
    assert sandbox.records()[0]["Token"] == "tok_1"


def test_a_delete_removes_the_record_and_its_id_never_comes_back(client, records):
    first = client.post(records, json=FULL).json()["Value"]["Id"]

    answer = client.delete(f"{records}/{first}")

    assert (answer.status_code, answer.json()["Value"], answer.json()["WasSuccessful"]) == (200, None, True)
    assert client.get(f"{records}/{first}").status_code == 404
    assert client.post(records, json=FULL).json()["Value"]["Id"] == first + 1


@pytest.mark.parametrize("absent", ["5", "99999999999999999999999"])
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_absent_record_is_a_404_with_a_json_string(client, records, method, absent):
    answer = client.request(method, f"{records}/{absent}")

    assert (answer.status_code, answer.json()) == (404, "Not found")


def test_a_missing_invoice_answers_the_documented_validation_failure(client, records):
    answer = client.post(records, json={"Token": "tok_1"})

    assert answer.status_code == 400
    assert answer.json() == {
        "Message": "CoworkerInvoiceId: is a required field",
        "Value": None,
        "Errors": [
            {"AttemptedValue": None, "Message": "is a required field", "PropertyName": "CoworkerInvoiceId"},
        ],
        "WasSuccessful": False,
    }


def test_several_errors_come_in_one_message_and_echo_what_was_sent(client, records):
    answer = client.post(records, json={"CoworkerInvoiceId": 1, "RegularPaymentProvider": 14, "Token": ["tok_1"]})

    assert answer.json()["Message"] == "RegularPaymentProvider: is not a payment provider, Token: must be a string"
    assert [error["AttemptedValue"] for error in answer.json()["Errors"]] == [14, ["tok_1"]]


@pytest.mark.parametrize("invoice", [0, -1, True, "1001", 1.0, 2**63])
def test_an_invoice_that_is_no_positive_integer_is_refused(client, sandbox, records, invoice):
    answer = client.post(records, json={"CoworkerInvoiceId": invoice})

    assert answer.status_code == 400
    assert answer.json()["Errors"][0]["PropertyName"] == "CoworkerInvoiceId"
    assert sandbox.records() == []


@pytest.mark.parametrize("provider", [None, 0, 1, 13, 94, 99])
def test_a_provider_of_the_enum_is_stored(client, sandbox, records, provider):
    client.post(records, json={"CoworkerInvoiceId": 1, "RegularPaymentProvider": provider})

    assert sandbox.records()[0]["RegularPaymentProvider"] == provider


@pytest.mark.parametrize("provider", [14, 93, 100, -1, True, "Stripe"])
def test_a_provider_outside_the_enum_is_refused(client, records, provider):
    answer = client.post(records, json={"CoworkerInvoiceId": 1, "RegularPaymentProvider": provider})

    assert answer.status_code == 400


def test_text_of_any_language_is_stored_and_half_a_surrogate_pair_is_refused(client, sandbox, records):
    json_type = {"content-type": "application/json"}
    assert client.post(records, json={"CoworkerInvoiceId": 1, "Notes": "naïve 🙂"}).status_code == 200
    assert sandbox.records()[0]["Notes"] == "naïve 🙂"

    broken = client.post(records, content=b'{"CoworkerInvoiceId": 1, "Notes": "\\ud83d"}', headers=json_type)

    assert broken.json()["Errors"][0]["Message"] == "is not valid text"


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 200_000])
def test_a_body_that_is_no_json_object_is_refused(client, records, body):
    answer = client.post(records, content=body, headers={"content-type": "application/json"})

    assert (answer.status_code, answer.json()["WasSuccessful"]) == (400, False)
    assert client.put(records, content=body, headers={"content-type": "application/json"}).status_code == 400


def test_a_write_that_is_not_json_is_an_unsupported_media_type(client, records):
    assert client.post(records, data={"CoworkerInvoiceId": "1"}).status_code == 415


@pytest.mark.parametrize("path", ["/api/billing/coworkerinvoices", "/api/token/", "/billing", "/"])
def test_a_wrong_path_answers_a_page_for_people(client, path):
    answer = client.get(path)

    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


def test_there_is_no_patch(client, records):
    assert client.patch(f"{records}/1", json={}).status_code == 405
