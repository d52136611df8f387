"""What an answer of the API says, whatever it is about: the server's words, how long to wait, the envelope of a write.

Owns the shapes of envelopes and errors (nexudus-api.md, "Envelopes"). Must not know any field of a record, nor decide
what an answer means for a write: that is `core/outcomes.py`. `AttemptedValue` repeats what was sent: never looked at.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC
from typing import cast

from reconcile.adapters.exchange import RawAnswer
from reconcile.adapters.redaction import redacted
from reconcile.core.outcomes import Answer, created_id
from reconcile.core.quota import LONGEST_RETRY_AFTER
from reconcile.core.records import Secret

LONGEST_WORDS = 500
"""Characters of a server's explanation that are kept."""

_SECONDS = re.compile(r"\s*[+-]?\d{1,400}(\.\d{1,400})?\s*", re.ASCII)


def answer_to_write(raw: RawAnswer, secrets: Iterable[Secret], now: float) -> Answer:
    """An answer as `core/outcomes.py` classifies it: nothing of the server's body but what that needs."""
    return Answer(
        status=raw.status,
        body=_envelope(raw.document),
        is_json=raw.is_json,
        is_empty=raw.is_empty,
        words=words_of(raw, secrets),
        retry_after=retry_after(raw, now),
    )


def words_of(raw: RawAnswer, secrets: Iterable[Secret]) -> str:
    """The server's own explanation in one line, bounded, without secrets; empty when there is none."""
    text = " ".join(redacted(_explanation(raw.document), secrets).split())
    return text if len(text) <= LONGEST_WORDS else text[: LONGEST_WORDS - 1] + "…"


def retry_after(raw: RawAnswer, now: float) -> float | None:
    """Seconds to wait, a day at most, by the longest `Retry-After`; None when there is no readable one.

    Args:
        raw: The answer.
        now: Seconds since the epoch: what a date counts from when the server does not say what time it is.
    """
    waits = [wait for value in raw.retry_after if (wait := _seconds(value, raw.date, now)) is not None]
    return min(max(waits), LONGEST_RETRY_AFTER) if waits else None


def seconds_of_date(text: str) -> float | None:
    """An HTTP date as seconds since the epoch; None when it is none."""
    from email.utils import parsedate_to_datetime

    try:
        date = parsedate_to_datetime(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def mapping(value: object) -> Mapping[str, object] | None:
    """`value` when it is a JSON object."""
    return cast("Mapping[str, object]", value) if isinstance(value, dict) else None


def _seconds(value: str, date: str, now: float) -> float | None:
    if _SECONDS.fullmatch(value):
        return max(0.0, float(value))
    until = seconds_of_date(value)
    if until is None:
        return None
    server_now = seconds_of_date(date)
    return max(0.0, until - (now if server_now is None else server_now))


def _envelope(document: object) -> Mapping[str, object] | None:
    envelope = mapping(document)
    if envelope is None:
        return None
    created = created_id(cast("Mapping[object, object]", envelope))
    successful = envelope.get("WasSuccessful")
    return {
        "WasSuccessful": successful if isinstance(successful, bool) else None,
        "Errors": bool(envelope.get("Errors")),
        "Value": None if created is None else {"Id": created},
    }


def _explanation(document: object) -> str:
    if isinstance(document, str):
        return document
    body = mapping(document) or {}
    errors = body.get("Errors")
    told = "; ".join(_told(cast("list[object]", errors))) if isinstance(errors, list) else ""
    return told or _first_text(body, "Message", "error_description", "error")


def _told(errors: list[object]) -> Iterator[str]:
    for error in errors:
        entry = mapping(error) or {}
        message = _first_text(entry, "Message")
        name = _first_text(entry, "PropertyName")
        if message:
            yield f"{name}: {message}" if name else message


def _first_text(body: Mapping[str, object], *names: str) -> str:
    return next((found for name in names if isinstance(found := body.get(name), str) and found), "")
