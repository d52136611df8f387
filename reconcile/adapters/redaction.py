"""Takes secrets out of text that came over the wire, in every spelling in which a server may repeat them.

Owns the spellings (protocol.md, I11): raw, as JSON and HTML escape it, URL-encoded, base64 at its three offsets, hex.
Must not decide which texts are shown. Nothing here keeps, logs or raises a secret.
"""

import re
from collections.abc import Iterable, Iterator

from reconcile.core.records import Secret

MASK = "***"

# A server may cut what it repeats: so many characters of a secret's beginning are as good as the whole.
_TELLING = 8
# Shorter pieces of base64 turn up in any text by chance.
_SHORTEST_BASE64 = 6


def redacted(text: str, secrets: Iterable[Secret]) -> str:
    """`text` with every secret in it masked, and every cut-off beginning of one that is at least 8 characters long."""
    spans: list[tuple[int, int]] = []
    for secret in secrets:
        for spelling in _spellings(secret.reveal()):
            spans.extend(_found(text, spelling))
    parts: list[str] = []
    end = 0
    for start, stop in _merged(spans):
        parts += (text[end:start], MASK)
        end = stop
    return "".join((*parts, text[end:]))


def _found(text: str, spelling: str) -> Iterator[tuple[int, int]]:
    beginning = re.compile(re.escape(spelling[:_TELLING]), re.IGNORECASE)
    position = 0
    while match := beginning.search(text, position):
        position = _end_of_agreement(text, match.end(), spelling)
        yield match.start(), position


def _end_of_agreement(text: str, position: int, spelling: str) -> int:
    """Where `text`, which agrees with the beginning of `spelling` up to `position`, stops agreeing."""
    for expected in spelling[_TELLING:]:
        if text[position : position + 1].lower() != expected.lower():
            break
        position += 1
    return position


def _merged(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    start, stop = -1, -1
    for begin, end in sorted(spans):
        if begin > stop:
            if start >= 0:
                yield start, stop
            start, stop = begin, end
        stop = max(stop, end)
    if start >= 0:
        yield start, stop


def _spellings(secret: str) -> set[str]:
    """Every way in which `secret` may be written; empty for an empty one, which is in every text."""
    if not secret:
        return set()
    from html import escape
    from json import dumps
    from urllib.parse import quote, quote_plus

    raw = secret.encode("utf-8", "surrogatepass")
    escaped = (dumps(secret)[1:-1], dumps(secret, ensure_ascii=False)[1:-1])
    return {
        secret,
        *escaped,
        *(text.replace("/", "\\/") for text in escaped),
        *(dumps(text)[1:-1] for text in escaped),
        escape(secret),
        escape(secret, quote=False),
        quote(raw, safe=""),
        quote(raw),
        quote_plus(raw),
        raw.hex(),
        *_base64_pieces(raw),
    }


def _base64_pieces(raw: bytes) -> Iterator[str]:
    """What base64 makes of `raw` wherever it starts in a longer text, without the characters its neighbours share."""
    from base64 import b64encode, urlsafe_b64encode

    for offset in range(3):
        used_bits = (offset + len(raw)) * 8
        first, last = -(-offset * 8 // 6), used_bits // 6
        for encode in (b64encode, urlsafe_b64encode):
            piece = encode(bytes(offset) + raw)[first:last].decode("ascii")
            if len(piece) >= _SHORTEST_BASE64:
                yield piece
