"""Keyed fingerprints of tokens: enough to see that a token changed, useless for learning what it is.

HMAC-SHA-256 under a key that stays beside the state. Where two fingerprints come from different keys, nothing follows
from their difference; this module says so instead of guessing. It must not keep or show a token.
"""

import hashlib
import hmac
from enum import Enum

from reconcile.core.errors import InputError
from reconcile.core.records import Secret

MINIMUM_KEY_LENGTH = 16
"""Characters of a key that a person chose: fewer could be tried out."""


class Comparison(Enum):
    """What two fingerprints say about their tokens."""

    SAME = "same"
    DIFFERENT = "different"
    INCOMPARABLE = "incomparable"


class Fingerprints:
    """Fingerprints under one key.

    Args:
        key: The secret bytes; `key_id` names them without telling anything about them.
    """

    __slots__ = ("_key", "key_id")

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.key_id = hashlib.sha256(b"reconcile fingerprint key id\0" + key).hexdigest()[:8]

    def of(self, secret: Secret) -> str:
        """`<key id>:<64 hex digits>`; equal tokens give equal fingerprints under equal keys."""
        # Variables of the environment may hold bytes that are not UTF-8, which Python carries as surrogates.
        token = secret.reveal().encode("utf-8", "surrogateescape")
        return f"{self.key_id}:{hmac.digest(self._key, token, 'sha256').hex()}"

    def __repr__(self) -> str:
        return f"Fingerprints({self.key_id})"


def compare_fingerprints(one: str | None, other: str | None) -> Comparison:
    """Whether two tokens are the same; incomparable where one is not known or the keys differ."""
    if not one or not other or one.partition(":")[0] != other.partition(":")[0]:
        return Comparison.INCOMPARABLE
    return Comparison.SAME if one == other else Comparison.DIFFERENT


def key_of_text(text: str) -> bytes:
    """The key that `RECONCILE_FINGERPRINT_KEY` spells out.

    Raises:
        InputError: It is shorter than 16 characters.
    """
    if len(text) < MINIMUM_KEY_LENGTH:
        raise InputError(
            f"RECONCILE_FINGERPRINT_KEY is shorter than {MINIMUM_KEY_LENGTH} characters",
            code="weak-fingerprint-key",
            help="use a random text, for example 64 hex digits",
        )
    return text.encode("utf-8", "surrogateescape")
