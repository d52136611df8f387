"""No spelling of a secret survives in a server's words."""

import html
import json
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconcile.adapters.answers import answer_to_write, retry_after, words_of
from reconcile.adapters.exchange import RawAnswer
from reconcile.adapters.redaction import redacted
from reconcile.core.records import Secret

TOKEN = 'pm_"1NxEx/ample+é&<Ω>?=\\4711'
SECRETS = (Secret(TOKEN),)


def spellings(token: str) -> list[str]:
    raw = token.encode()
    escaped = [json.dumps(token)[1:-1], json.dumps(token, ensure_ascii=False)[1:-1]]
    coded = [encode(bytes(pad) + raw + b"..").decode() for pad in range(3) for encode in (b64encode, urlsafe_b64encode)]
    return [
        token,
        *escaped,
        escaped[0].replace("/", "\\/"),
        json.dumps(escaped[0])[1:-1],
        html.escape(token),
        quote(token),
        quote(token, safe="").lower(),
        quote_plus(token),
        raw.hex(),
        raw.hex().upper(),
        token.upper(),
        *coded,
    ]


@pytest.mark.parametrize("spelling", spellings(TOKEN))
def test_every_spelling_is_masked(spelling):
    text = redacted(f"You sent {spelling} and {spelling}.", SECRETS)
    assert text.startswith("You sent ")
    assert text.count("***") == 2
    assert len(text) < 40
    for piece in spellings(TOKEN):
        assert piece[3:] not in text


def test_a_token_that_the_server_cut_off_is_masked():
    assert redacted("Token 'tok_4711_abcdefgh…' is too long", [Secret("tok_4711_abcdefgh_rest_of_it")]) == (
        "Token '***…' is too long"
    )


def test_what_only_begins_alike_stays():
    assert redacted("tok_471 is short", [Secret("tok_4711_abcdefgh")]) == "tok_471 is short"


def test_overlapping_secrets_become_one_mask():
    assert redacted("xabcdefghijklx", [Secret("abcdefgh"), Secret("efghijkl")]) == "x***x"
    assert redacted("nothing here", []) == "nothing here"
    assert redacted("", [Secret("")]) == ""


WITHOUT_MASK = st.characters(exclude_characters="*")


@settings(max_examples=50)
@given(st.text(WITHOUT_MASK, min_size=1, max_size=40), st.text(max_size=20), st.text(max_size=20))
def test_no_text_around_it_saves_a_secret(secret, before, after):
    assert secret not in redacted(f"{before}{secret}{after}", [Secret(secret)])


def raw(document: object, **more) -> RawAnswer:
    return RawAnswer(400, document=document, is_json=True, **more)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"Message": "Name: is a required field", "Errors": None}, "Name: is a required field"),
        (
            {"Message": "x", "Errors": [{"PropertyName": "Name", "Message": "missing", "AttemptedValue": TOKEN}]},
            "Name: missing",
        ),
        ({"Errors": [{"Message": "a"}, {"PropertyName": "B", "Message": "b"}]}, "a; B: b"),
        ({"Message": "whole", "Errors": [{"AttemptedValue": TOKEN}, 5, None]}, "whole"),
        ({"Message": "whole", "Errors": "no list"}, "whole"),
        ({"error": "invalid_grant", "error_description": "Wrong password"}, "Wrong password"),
        ({"error": "invalid_grant"}, "invalid_grant"),
        ("Not found", "Not found"),
        ({"Message": f"bad {TOKEN}\r\n  token"}, "bad *** token"),
        ({"Message": 5}, ""),
        ({"AttemptedValue": TOKEN}, ""),
        (None, ""),
        ([1], ""),
    ],
)
def test_the_servers_words_are_its_message_or_errors(document, words):
    assert words_of(raw(document), SECRETS) == words


def test_long_words_are_cut_after_the_secret_is_out_of_them():
    words = words_of(raw({"Message": "m" * 495 + TOKEN + "m" * 1000}), SECRETS)
    assert words == "m" * 495 + "***m…"
    assert len(words) == 500


def test_an_answer_to_a_write_keeps_nothing_of_the_body_but_what_classifies_it():
    document = {
        "Message": TOKEN,
        "WasSuccessful": False,
        "Errors": [{"AttemptedValue": TOKEN, "Message": "bad", "PropertyName": "Token"}],
        "Value": {"Id": 0, "Token": TOKEN},
        "JavaScript": TOKEN,
    }
    answer = answer_to_write(raw(document), SECRETS, 0.0)
    assert answer.body == {"WasSuccessful": False, "Errors": True, "Value": None}
    assert answer.words == "Token: bad"
    assert "pm_" not in repr(answer)
    assert "pm_" not in repr(raw(document))


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        ((), None),
        (("1",), 1.0),
        ((" 30 ",), 30.0),
        (("1.5",), 1.5),
        (("-5",), 0.0),
        (("99999999",), 86_400.0),
        (("9" * 350,), 86_400.0),
        (("9" * 5000,), None),
        (("soon",), None),
        (("",), None),
        (("٣",), None),
        (("NaN",), None),
        (("1", "5"), 5.0),
        (("soon", "5"), 5.0),
        (("Sun, 06 Nov 1994 08:50:37 GMT",), 60.0),
        (("Sun, 06 Nov 1994 08:50:37 -0000",), 60.0),
        (("Sun, 06 Nov 1994 08:49:00 GMT",), 0.0),
        (("Sun, 06 Nov 2094 08:49:00 GMT",), 86_400.0),
        (("Sun, 99 Nov 1994 08:49:00 GMT",), None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_never_absurd(values, seconds):
    assert retry_after(raw(None, retry_after=values), 784111777.0) == seconds


def test_a_date_to_wait_for_counts_from_the_servers_own_time():
    answer = raw(None, retry_after=("Sun, 06 Nov 1994 08:50:37 GMT",), date="Sun, 06 Nov 1994 08:50:07 GMT")
    assert retry_after(answer, 0.0) == 30.0
