import hashlib
import hmac

import pytest

from reconcile.core.errors import InputError
from reconcile.core.fingerprints import Comparison, Fingerprints, compare_fingerprints, key_of_text
from reconcile.core.records import Secret

ONE, OTHER = Fingerprints(b"k" * 32), Fingerprints(b"other" * 8)
TOKEN = Secret("pm_1NxExample")


def test_a_fingerprint_is_an_hmac_under_the_key_named_by_its_id():
    expected = hmac.new(b"k" * 32, b"pm_1NxExample", hashlib.sha256).hexdigest()
    assert ONE.of(TOKEN) == f"{ONE.key_id}:{expected}"
    assert len(ONE.key_id) == 8


def test_the_key_id_is_not_a_plain_hash_of_the_key():
    assert not hashlib.sha256(b"k" * 32).hexdigest().startswith(ONE.key_id)


def test_equal_tokens_are_the_same_and_others_are_different():
    assert compare_fingerprints(ONE.of(TOKEN), ONE.of(Secret("pm_1NxExample"))) is Comparison.SAME
    assert compare_fingerprints(ONE.of(TOKEN), ONE.of(Secret("pm_2"))) is Comparison.DIFFERENT


@pytest.mark.parametrize("unknown", [None, "", OTHER.of(TOKEN)])
def test_nothing_follows_from_a_fingerprint_that_is_unknown_or_has_another_key(unknown):
    assert compare_fingerprints(ONE.of(TOKEN), unknown) is Comparison.INCOMPARABLE
    assert compare_fingerprints(unknown, ONE.of(TOKEN)) is Comparison.INCOMPARABLE


def test_a_token_that_is_not_unicode_has_a_fingerprint_too():
    assert ONE.of(Secret("\udcff")).startswith(ONE.key_id)


def test_neither_key_nor_token_shows():
    assert "kkkk" not in repr(ONE)
    assert "pm_1" not in ONE.of(TOKEN)


def test_a_key_that_a_person_chose_has_at_least_sixteen_characters():
    assert key_of_text("0123456789abcdef") == b"0123456789abcdef"
    with pytest.raises(InputError) as caught:
        key_of_text("0123456789abcde")
    assert "0123456789" not in caught.value.message
