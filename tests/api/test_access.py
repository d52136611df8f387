"""Logging in, staying in, and saying clearly why not."""

from base64 import b64encode
from threading import Barrier, Thread
from urllib.parse import parse_qs

import pytest

from reconcile.adapters.auth import Authenticator, Credentials
from reconcile.core.errors import ApiError, InputError, ReconcileError
from reconcile.core.outcomes import Answer, NeverSent, Throttled, Unauthorized, classify
from reconcile.core.quota import UNLIMITED, Limits, QuotaError
from reconcile.core.records import Secret

FIELDS = {"coworker_invoice_id": 1}
LOGIN = Credentials(username="ann@example.com", password=Secret("hunter2-planted"))


class Door:
    """Gives out access tokens; takes only the newest."""

    def __init__(self, created, *, life: object = 86400, takes_refresh: bool = True) -> None:
        self.created = created
        self.life = life
        self.takes_refresh = takes_refresh
        self.forms: list[dict[str, list[str]]] = []
        self.client_ids: list[bytes] = []
        self.refusing: tuple[int, object] | None = None
        self.closed = False
        self.given = 0

    def __call__(self, peer, request) -> None:
        head, _, body = request.partition(b"\r\n\r\n")
        if not head.startswith(b"POST /api/token "):
            is_open = f"Authorization: Bearer access-{self.given}\r\n".encode() in head + b"\r\n"
            peer.answer(200, self.created) if is_open and not self.closed else peer.answer(401)
            return
        self.forms.append(parse_qs(body.decode()))
        self.client_ids += [line for line in head.split(b"\r\n") if line.lower().startswith(b"client_id:")]
        if self.refusing is not None:
            peer.answer(*self.refusing)
        elif self.forms[-1]["grant_type"] == ["refresh_token"] and not self.takes_refresh:
            peer.answer(400, {"error": "invalid_grant"})
        else:
            self.given += 1
            given = {"access_token": f"access-{self.given}", "refresh_token": f"refresh-{self.given}"}
            peer.answer(200, given | {"token_type": "bearer", "expires_in": self.life})


@pytest.fixture
def door(created, answering, connect):
    def make(credentials=LOGIN, *, limits=UNLIMITED, **more):
        behind = Door(created, **more)
        return behind, connect(answering(behind).url, credentials, client_id="reconcile-42", limits=limits)

    return make


def test_a_login_sends_a_form_and_the_client_id(door):
    behind, api = door(Credentials(username="ann@example.com", password=Secret("h&2 é"), totp=Secret("123456")))
    assert isinstance(api.create(FIELDS, None), Answer)
    assert behind.forms == [
        {"grant_type": ["password"], "username": ["ann@example.com"], "password": ["h&2 é"], "totp": ["123456"]}
    ]
    assert behind.client_ids == [b"client_id: reconcile-42"]


def test_an_access_token_serves_until_shortly_before_its_end_and_is_then_renewed_by_refresh(door, clock):
    behind, api = door(life="3600")
    for _ in range(3):
        api.create(FIELDS, None)
    assert len(behind.forms) == 1
    clock.at += 3481
    seen = api.create(FIELDS, None)
    assert isinstance(seen, Answer)
    assert seen.status == 200
    assert behind.forms[1] == {"grant_type": ["refresh_token"], "refresh_token": ["refresh-1"]}
    assert len(set(behind.client_ids)) == 1


@pytest.mark.parametrize("life", [None, "soon", 0, -1, [5]])
def test_an_access_token_of_unknown_life_is_renewed_only_when_it_is_refused(door, clock, life):
    behind, api = door(life=life)
    api.create(FIELDS, None)
    clock.at += 1e7
    api.create(FIELDS, None)
    assert len(behind.forms) == 1


def test_a_refresh_that_is_refused_becomes_a_login(door):
    behind, api = door(takes_refresh=False)
    api.create(FIELDS, None)
    behind.given += 1
    assert isinstance(classify(api.create(FIELDS, None), lambda _: False), Unauthorized)
    assert api.refresh_access()
    assert [form["grant_type"] for form in behind.forms] == [["password"], ["refresh_token"], ["password"]]
    seen = api.create(FIELDS, None)
    assert isinstance(seen, Answer)
    assert seen.status == 200


def test_eight_threads_with_one_stale_token_refresh_once(door):
    behind, api = door()
    api.create(FIELDS, None)
    behind.given = 7  # another runner logged in
    barrier = Barrier(8)
    answers = []

    def run():
        first = api.create(FIELDS, None)
        barrier.wait(20)
        renewed = api.refresh_access()
        answers.append((first.status, renewed, api.create(FIELDS, None).status))

    threads = [Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [(401, True, 200)] * 8
    assert len(behind.forms) == 2


def test_a_thread_that_comes_late_with_a_stale_token_gets_the_fresh_one_without_a_login(door):
    behind, api = door()
    api.create(FIELDS, None)
    behind.given = 7
    api.create(FIELDS, None)
    other = Thread(target=lambda: (api.create(FIELDS, None), api.refresh_access()))
    other.start()
    other.join()
    assert len(behind.forms) == 2
    assert api.refresh_access()
    assert len(behind.forms) == 2


def test_a_read_gets_one_fresh_access_by_itself(door):
    behind, api = door()
    api.create(FIELDS, None)
    behind.closed = True
    with pytest.raises(ApiError, match="CoworkerInvoicePaymentToken-Read is missing"):
        api.get(1)
    assert len(behind.forms) == 2


def test_an_access_token_alone_cannot_be_renewed(door):
    behind, api = door(Credentials(access_token=Secret(" planted-access ")))
    seen = api.create(FIELDS, None)
    assert isinstance(seen, Answer)
    assert seen.status == 401
    assert not api.refresh_access()
    assert behind.forms == []


def test_an_access_token_with_a_login_beside_it_is_renewed_by_the_login(door):
    behind, api = door(Credentials(access_token=Secret("old"), username="ann", password=Secret("pw")))
    api.create(FIELDS, None)
    assert behind.forms == []
    assert api.refresh_access()
    assert behind.forms[0]["grant_type"] == ["password"]


def test_basic_sends_the_login_every_time_and_cannot_be_renewed(answering, connect, created):
    heads = []

    def answer(peer, request):
        heads.append(request.partition(b"\r\n\r\n")[0])
        peer.answer(200, created)

    api = connect(answering(answer).url, Credentials("basic", username="ann@example.com", password=Secret("pässword")))
    api.create(FIELDS, None)
    assert b"\r\nAuthorization: Basic " + b64encode("ann@example.com:pässword".encode()) in heads[0]
    assert not api.refresh_access()


@pytest.mark.parametrize(
    ("status", "body", "kind", "told"),
    [
        (400, {"error": "invalid_grant", "error_description": "Wrong"}, ApiError, "the login was refused: Wrong"),
        (401, {"error": "invalid_grant"}, ApiError, "the login was refused: invalid_grant"),
        (400, {"error": "two_factor_auth_check"}, InputError, "one-time code"),
        (400, {"error": "must_reset_password"}, InputError, "password has expired"),
        (400, {"error": "unsupported_grant_type"}, ApiError, "this kind of login"),
        (400, {"error": "something_new"}, ApiError, r"refused \(HTTP 400\): something_new"),
        (403, "no", ApiError, r"refused \(HTTP 403\): no"),
        (404, b"<html>", ApiError, "HTTP 404 without an access token"),
        (302, b"", ApiError, "HTTP 302 without an access token"),
        (200, b"<html>", ApiError, "HTTP 200 without an access token"),
        (200, {}, ApiError, "HTTP 200 without an access token"),
        (200, {"access_token": 5}, ApiError, "HTTP 200 without an access token"),
        (200, {"access_token": "two\r\nlines"}, ApiError, "HTTP 200 without an access token"),
        (200, {"access_token": ""}, ApiError, "HTTP 200 without an access token"),
    ],
)
def test_a_refused_login_is_one_clear_error_and_is_not_tried_again(door, status, body, kind, told):
    behind, api = door()
    behind.refusing = (status, body)
    seen = api.create(FIELDS, Secret("tok"))
    assert isinstance(classify(seen, lambda _: False), Unauthorized)
    for ask in (api.refresh_access, lambda: api.get(1), lambda: list(api.list_records())):
        with pytest.raises(kind, match=told) as caught:
            ask()
        assert caught.value.help
    assert len(behind.forms) == 1


@pytest.mark.parametrize("status", [500, 503, 408])
def test_a_login_that_is_out_of_order_leaves_the_create_unsent_and_may_be_tried_again(door, status):
    behind, api = door()
    behind.refusing = (status, b"")
    assert api.create(FIELDS, None) == NeverSent(f"HTTP {status} to a login")
    with pytest.raises(ApiError, match="did not answer: HTTP"):
        api.refresh_access()
    behind.refusing = None
    assert api.refresh_access()
    assert isinstance(api.create(FIELDS, None), Answer)


def test_a_throttled_login_is_a_throttled_create(door, clock):
    behind, api = door()
    behind.refusing = (409, b"", "Retry-After: 9\r\n")
    assert classify(api.create(FIELDS, None), lambda _: False) == Throttled(9.0)
    with pytest.raises(QuotaError):
        api.refresh_access()
    with pytest.raises(QuotaError):
        api.get(1)
    assert set(clock.slept) == {9.0}


def test_a_login_that_cannot_be_reached_leaves_the_create_unsent(serve, connect):
    api = connect(serve(lambda peer: peer.request()).url, LOGIN)
    assert api.create(FIELDS, None) == NeverSent("the connection ended before an answer")
    with pytest.raises(ApiError, match="did not answer"):
        api.refresh_access()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, "credentials of the API are missing"),
        ({"username": "ann"}, "the password of the API's user is missing"),
        ({"password": Secret("hunter2")}, "credentials of the API are missing"),
        ({"scheme": "basic", "access_token": Secret("planted-access")}, "credentials of the API are missing"),
    ],
)
def test_credentials_that_open_nothing_are_an_input_error(arguments, told):
    with pytest.raises(InputError, match=told):
        Credentials(**arguments)


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "", "ключ"])
def test_an_access_token_that_no_header_can_hold_is_an_input_error(clock, token):
    with pytest.raises(InputError, match="not an access token"):
        Authenticator(Credentials(access_token=Secret(token)), "id", clock)


def test_no_representation_or_message_shows_a_secret(door, clock):
    behind, api = door()
    behind.refusing = (400, {"error": "invalid_grant", "error_description": "not hunter2-planted, ann"})
    access = Authenticator(LOGIN, "id", clock)
    shown = [repr(LOGIN), str(LOGIN), repr(access), repr(api.create(FIELDS, None))]
    with pytest.raises(ReconcileError) as caught:
        api.refresh_access()
    shown += [str(caught.value), repr(caught.value), repr(caught.value.__context__)]
    assert "hunter2" not in "".join(shown)
    assert "not ***, ann" in str(caught.value)


def test_every_request_for_access_takes_its_turn(door, clock):
    behind, api = door(limits=Limits(None, None, 2, None, None, None), takes_refresh=False)
    api.sign_in()
    api.create(FIELDS, None)
    assert clock.slept == []
    assert api.refresh_access()  # a refresh that is refused, then a login
    assert len(behind.forms) == 3
    assert clock.slept == [pytest.approx(0.52), pytest.approx(0.52)]


def test_a_login_comes_before_the_turn_of_the_read_that_needs_it(door, clock):
    behind, api = door(limits=Limits(None, None, 2, None, None, None))
    behind.created = "Not found"
    with pytest.raises(ApiError):
        api.get(1)
    assert (len(behind.forms), clock.slept) == (1, [pytest.approx(0.52)])


def test_a_create_whose_login_has_no_turn_is_not_sent_and_may_be_tried_again(door, clock):
    behind, api = door(limits=Limits(None, None, None, None, None, 1), life=3600)
    api.sign_in()
    clock.at += 3600
    seen = api.create(FIELDS, None)
    assert isinstance(seen, NeverSent)
    assert "quota of requests is used up" in seen.reason
    clock.at += 86_400
    assert isinstance(api.create(FIELDS, None), Answer)
    assert [form["grant_type"] for form in behind.forms] == [["password"], ["refresh_token"]]
