"""Records as a manifest: YAML that people can read, and that every YAML reader takes for the same values.

Texts are quoted wherever a reader might take them for something else. What a manifest cannot hold is left out, with a
comment that says so: it is not managed then.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence

from reconcile.core.drift import provider_name
from reconcile.core.export import Exported
from reconcile.core.manifest_entry import has_notes_controls
from reconcile.core.records import PROVIDERS

_HEADER = "# Written by `reconcile export`; from here on it is yours. "
_LONGEST_NOTES = 1 << 20
_YAML_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})

_is_plain = re.compile(r"[A-Za-z][A-Za-z0-9 ,.()/_-]*[A-Za-z0-9.)]").fullmatch


def manifest_of(exported: Sequence[Exported]) -> str:
    """The whole file; the first line proves later that nobody changed it."""
    body = "".join(f"{line}\n" for line in _lines(exported))
    return f"{_HEADER}{_digest(body)}\n{body}"


def is_ours(text: str) -> bool:
    """Whether it is a file that `manifest_of` made, changed or not."""
    return text.startswith(_HEADER)


def is_untouched(text: str) -> bool:
    """Whether it is as `manifest_of` made it."""
    first, _, body = text.partition("\n")
    return first == f"{_HEADER}{_digest(body)}"


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:16]


def _lines(exported: Sequence[Exported]) -> Iterator[str]:
    yield "payment_tokens:"
    for address, record in exported:
        yield f"  {_key(address)}:"
        yield f"    coworker_invoice_id: {record.coworker_invoice_id}"
        provider = provider_name(record.regular_payment_provider)
        if provider in PROVIDERS:
            yield f"    regular_payment_provider: {provider}"
        elif provider:
            yield f"    # regular_payment_provider {provider} is none that is known here: not managed"
        if record.notes:
            yield _notes(record.notes)
    yield "imports:"
    for address, record in exported:
        yield f"  - {{to: {_key(address)}, id: {record.id}}}"


def _notes(notes: str) -> str:
    if has_notes_controls(notes) or len(notes.encode()) > _LONGEST_NOTES:
        return "    # notes hold control characters, or more than a manifest may: not managed"
    return f"    notes: {quoted(notes)}"


def _key(address: str) -> str:
    """An address as it stands; in quotes where another reader might see a number or a word of YAML."""
    is_safe = address[0].isalpha() and address.isascii() and address.lower() not in _YAML_WORDS
    return address if is_safe else f'"{address}"'


def quoted(text: str) -> str:
    """A text on one line: plain where that is safe with every reader of YAML, else in double quotes.

    What cannot be seen is written as an escape: line breaks, marks of direction, and whatever YAML calls not printable.
    """
    if _is_plain(text) and text.lower() not in _YAML_WORDS:
        return text
    return "".join(c if c.isprintable() else _escape(c) for c in json.dumps(text, ensure_ascii=False))


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
