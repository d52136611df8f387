"""Tokens, Basic credentials and roles."""

from __future__ import annotations

import pytest

from reconcile.sandbox.auth import ACCESS_SECONDS, REFRESH_SECONDS, ROLE_PREFIX, User

TOKEN = "/api/token"


@pytest.fixture
def guest(sandbox, connect):
    """A client without credentials of its own."""
    return connect(sandbox, auth=None)


def _sign_in(guest, sandbox, client_id=None, **more):
    form = {"grant_type": "password", "username": sandbox.username, "password": sandbox.password, **more}
    return guest.post(TOKEN, data=form, headers={} if client_id is None else {"client_id": client_id})


def _refresh(guest, refresh_token, client_id=None):
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    return guest.post(TOKEN, data=form, headers={} if client_id is None else {"client_id": client_id})


def _bearer(granted):
    return {"Authorization": f"Bearer {granted['access_token']}"}


def test_a_password_buys_a_bearer_token_that_opens_the_api_for_a_day(guest, sandbox, records, clock):
    granted = _sign_in(guest, sandbox).json()

    assert set(granted) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert (granted["token_type"], granted["expires_in"]) == ("bearer", ACCESS_SECONDS)
    assert guest.get(records, headers=_bearer(granted)).status_code == 200
    clock.now += ACCESS_SECONDS
    assert guest.get(records, headers=_bearer(granted)).status_code == 401


def test_a_wrong_password_is_an_invalid_grant(guest, sandbox):
    answer = _sign_in(guest, sandbox, password="guess")

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert "error_description" in answer.json()


@pytest.mark.parametrize("form", [{"grant_type": "client_credentials"}, {}])
def test_another_grant_type_is_unsupported(guest, form):
    answer = guest.post(TOKEN, data=form, headers={"content-type": "application/x-www-form-urlencoded"})

    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


def test_a_json_body_is_an_unsupported_grant_type(guest, sandbox):
    form = {"grant_type": "password", "username": sandbox.username, "password": sandbox.password}

    answer = guest.post(TOKEN, json=form)

    assert (answer.status_code, answer.json()["error"]) == (400, "unsupported_grant_type")


def test_a_refresh_token_rotates_on_use(guest, sandbox, records):
    first = _sign_in(guest, sandbox).json()

    second = _refresh(guest, first["refresh_token"]).json()

    assert guest.get(records, headers=_bearer(second)).status_code == 200
    assert _refresh(guest, first["refresh_token"]).json()["error"] == "invalid_grant"
    assert _refresh(guest, second["refresh_token"]).status_code == 200


def test_a_refresh_token_lives_fifteen_days(guest, sandbox, clock):
    granted = _sign_in(guest, sandbox).json()
    clock.now += REFRESH_SECONDS

    assert _refresh(guest, granted["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_second_login_under_the_same_client_id_kills_the_first_refresh_token(guest, sandbox):
    first = _sign_in(guest, sandbox, "runner").json()
    other = _sign_in(guest, sandbox, "another").json()
    _sign_in(guest, sandbox, "runner")

    assert _refresh(guest, first["refresh_token"], "runner").status_code == 400
    assert _refresh(guest, other["refresh_token"], "another").status_code == 200


def test_a_refresh_needs_the_client_id_of_the_login_which_is_the_email_by_default(guest, sandbox):
    named = _sign_in(guest, sandbox, "runner").json()
    unnamed = _sign_in(guest, sandbox).json()

    assert _refresh(guest, named["refresh_token"]).status_code == 400
    assert _refresh(guest, named["refresh_token"], "runner").status_code == 200
    assert _refresh(guest, unnamed["refresh_token"], sandbox.username).status_code == 200


@pytest.mark.parametrize(
    ("more", "error"),
    [({}, "two_factor_auth_check"), ({"totp": "000000"}, "invalid_grant"), ({"totp": "123456"}, None)],
)
def test_a_second_factor_is_asked_for_and_checked(start, connect, more, error):
    sandbox = start(users=(User("ana@example.com", "pw", totp="123456"),))

    answer = _sign_in(connect(sandbox, auth=None), sandbox, username="ana@example.com", password="pw", **more)

    assert answer.json().get("error") == error


def test_a_password_that_must_be_reset_buys_nothing(start, connect):
    sandbox = start(users=(User("ana@example.com", "pw", must_reset_password=True),))

    answer = _sign_in(connect(sandbox, auth=None), sandbox, username="ana@example.com", password="pw")

    assert answer.json()["error"] == "must_reset_password"


@pytest.mark.parametrize(
    "header", [None, "Bearer nonsense", "Basic %%%", "Basic /w==", "Basic YTpi", "Digest x", "Bearer"]
)
def test_anything_but_good_credentials_answers_401_on_every_call(guest, sandbox, records, header):
    headers = {} if header is None else {"Authorization": header}

    answers = [
        guest.post(records, json={"CoworkerInvoiceId": 1}, headers=headers),
        guest.put(records, json={"Id": 1, "CoworkerInvoiceId": 1}, headers=headers),
        guest.get(records, headers=headers),
        guest.get(f"{records}/?id=[1]", headers=headers),
        guest.get(f"{records}/1", headers=headers),
        guest.delete(f"{records}/1", headers=headers),
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert sandbox.records() == []


@pytest.mark.parametrize("role", ["Create", "List", "Read", "Edit", "Delete"])
def test_each_call_needs_its_role(start, connect, records, role):
    sandbox = start(users=(User("ana@example.com", "p:w", frozenset({ROLE_PREFIX + role})),))
    planted = sandbox.plant({"CoworkerInvoiceId": 1})
    ana = connect(sandbox, auth=("ana@example.com", "p:w"))

    allowed = {
        "List": ana.get(records),
        "Read": ana.get(f"{records}/{planted}"),
        "Create": ana.post(records, json={"CoworkerInvoiceId": 2}),
        "Edit": ana.put(records, json={"Id": planted, "CoworkerInvoiceId": 3}),
        "Delete": ana.delete(f"{records}/{planted}"),
    }

    assert {name for name, answer in allowed.items() if answer.status_code == 200} == {role}
    assert {answer.status_code for name, answer in allowed.items() if name != role} == {401}
    assert ana.get(f"{records}/?id=[{planted}]").status_code == (200 if role == "Read" else 401)
