"""The quick way from a manifest entry to a declared record: it accepts what is obviously valid and doubts the rest.

The definition of an entry is `manifest_schema.py`. What is accepted here, that accepts too, with an equal record (a
property test holds this); what is doubted here goes there, to become a record after all, or diagnostics. So nothing
here explains anything, and pydantic is not loaded for manifests without mistakes.
"""

import re
from typing import Final, Literal, NamedTuple

from reconcile.core.diagnostics import Location
from reconcile.core.nodes import COLLECTION_STYLES, MappingNode, Node
from reconcile.core.records import (
    LITERAL,
    MAX_ID,
    PROVIDERS,
    UNMANAGED,
    Address,
    Managed,
    PaymentToken,
    Provider,
    Secret,
    Unmanaged,
)

MAX_TOKEN: Final = 4096
RESERVED_PREFIXES: Final = ("NEXUDUS_", "RECONCILE_")
NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
"""What a YAML reader takes for null when it is not quoted; only `null` itself is accepted."""

BOOLEANS: Final = frozenset({"true", "True", "TRUE", "false", "False", "FALSE"})
_OTHER_TYPES: Final = NULLS | BOOLEANS

CONTROLS: Final = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
"""What a token and a file name never hold, as the inside of a character class, for Python and for JSON Schema."""

NOTES_CONTROLS: Final = r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f"
"""The same for notes, where line breaks and tabs are welcome."""

_find_control = re.compile(f"[{CONTROLS}]").search
_find_notes_control = re.compile(f"[{NOTES_CONTROLS}]").search

_BY_NUMBER: Final = {str(provider.value): provider for provider in Provider}


class Defaults(NamedTuple):
    """What a file declares for each of its records that does not say otherwise."""

    regular_payment_provider: Provider | Literal[Unmanaged.UNMANAGED] | None = UNMANAGED
    notes: Managed = UNMANAGED
    protect: bool = False
    token_source: Managed = UNMANAGED
    token_version: int | None = None


NO_DEFAULTS: Final = Defaults()


class _DoubtError(Exception):
    """Not obviously valid."""


def obvious_record(
    address: Address, location: Location, node: MappingNode, defaults: Defaults, env_prefix: str
) -> PaymentToken | None:
    """The record that an entry declares, or None when it takes a closer look to tell."""
    values = node.values
    get = values.get
    provider, notes, protect = defaults.regular_payment_provider, defaults.notes, defaults.protect
    source, version, literal = defaults.token_source, defaults.token_version, None
    known = 1
    try:
        invoice = _whole_number(values["coworker_invoice_id"])
        if (value := get("regular_payment_provider")) is not None:
            provider = _provider(value)
            known += 1
        if (value := get("notes")) is not None:
            notes = _notes(value)
            known += 1
        if (value := get("protect")) is not None:
            protect = _flag(value)
            known += 1
        if (value := get("token_from")) is not None:
            source, version = _token_from(value, env_prefix)
            known += 1
        elif (value := get("token")) is not None:
            source, version, literal = _token(value)
            known += 1
    except (_DoubtError, KeyError):
        return None
    if known != len(values):
        return None
    return PaymentToken(address, location, invoice, provider, notes, source, version, protect, literal)


def obvious_defaults(node: MappingNode, env_prefix: str) -> Defaults | None:
    """The defaults that a file declares, or None when it takes a closer look to tell."""
    get = node.values.get
    provider, notes, protect, source, version = UNMANAGED, UNMANAGED, False, UNMANAGED, None
    known = 0
    try:
        if (value := get("regular_payment_provider")) is not None:
            provider = _provider(value)
            known += 1
        if (value := get("notes")) is not None:
            notes = _notes(value)
            known += 1
        if (value := get("protect")) is not None:
            protect = _flag(value)
            known += 1
        if (value := get("token_from")) is not None:
            source, version = _token_from(value, env_prefix)
            known += 1
    except (_DoubtError, KeyError):
        return None
    return Defaults(provider, notes, protect, source, version) if known == len(node.values) else None


def with_late_defaults(record: PaymentToken, defaults: Defaults, *, is_protect_declared: bool) -> PaymentToken:
    """The record as it would be had the defaults stood before it in the file."""
    fields: dict[str, object] = {}
    if record.regular_payment_provider is UNMANAGED:
        fields["regular_payment_provider"] = defaults.regular_payment_provider
    if record.notes is UNMANAGED:
        fields["notes"] = defaults.notes
    if record.token_source is UNMANAGED:
        fields["token_source"] = defaults.token_source
        fields["token_version"] = defaults.token_version
    if not is_protect_declared:
        fields["protect"] = defaults.protect
    return record._replace(**fields)


def whole_number(text: str) -> int | None:
    """The number from 1 to 2^63 - 1 that is written in plain digits without a leading zero; None for another text."""
    if not (text.isascii() and text.isdigit() and text[0] != "0" and len(text) <= 19):
        return None
    number = int(text)
    return number if number <= MAX_ID else None


def is_variable_name(text: str) -> bool:
    """Whether an environment variable can be called so: a letter or `_`, then letters, digits and `_`."""
    return text.isascii() and text.isidentifier()


def is_reserved(text: str) -> bool:
    """Whether an environment variable belongs to the tool itself, and so may hold its own credentials."""
    return text.upper().startswith(RESERVED_PREFIXES)


def has_controls(text: str) -> bool:
    """Whether a token or a file name holds a line break or another control character."""
    return not text.isprintable() and _find_control(text) is not None


def has_notes_controls(text: str) -> bool:
    """Whether notes hold a control character other than a line break or a tab."""
    return not text.isprintable() and _find_notes_control(text) is not None


def is_secret_path(text: str) -> bool:
    """Whether it is a relative path that stays below the folder it starts from and meets no hidden file."""
    if "\\" in text or len(text) > MAX_TOKEN or has_controls(text):
        return False
    return all(part and part[0] != "." for part in text.split("/"))


# What follows is asked of every field of every record: the common answer comes first, and with few calls.


def _whole_number(node: Node) -> int:
    number = None if node.style else whole_number(node.value)
    if number is None:
        raise _DoubtError
    return number


def _provider(node: Node) -> Provider | None:
    text = node.value
    provider = PROVIDERS.get(text)
    if provider is not None:
        return provider  # a name, since a collection has no text
    if node.style in COLLECTION_STYLES:
        raise _DoubtError
    if not node.style:
        provider = _BY_NUMBER.get(text)
    if provider is None and (node.style or text != "null"):
        raise _DoubtError
    return provider


def _notes(node: Node) -> str | None:
    text = node.value
    if text.isprintable() and text not in NULLS:
        return text
    text = _text(node)
    if text is not None and has_notes_controls(text):
        raise _DoubtError
    return text


def _text(node: Node) -> str | None:
    style = node.style
    if style in COLLECTION_STYLES:
        raise _DoubtError
    text = node.value
    if not style and text in NULLS:
        if text == "null":
            return None
        raise _DoubtError
    return text


def _flag(node: Node) -> bool:
    if node.style or node.value not in {"true", "false"}:
        raise _DoubtError
    return node.value == "true"


def _token(node: Node) -> tuple[str | None, None, Secret | None]:
    text = _text(node)
    if text is None:
        return None, None, None
    if not text or len(text) > MAX_TOKEN or has_controls(text):
        raise _DoubtError
    return LITERAL, None, Secret(text)


def _token_from(node: Node, env_prefix: str) -> tuple[str, int | None]:
    if type(node) is not MappingNode:
        raise _DoubtError
    values = node.values
    version = _whole_number(values["version"]) if "version" in values else None
    if len(values) != (1 if version is None else 2):
        raise _DoubtError
    if (name := values.get("env")) is not None:
        return _variable(name, env_prefix), version
    return _secret_file(values["file"]), version


def _variable(node: Node, env_prefix: str) -> str:
    text = node.value
    if not is_variable_name(text) or is_reserved(text) or not text.startswith(env_prefix):
        raise _DoubtError
    if not node.style and text in _OTHER_TYPES:
        raise _DoubtError
    return "env:" + text


def _secret_file(node: Node) -> str:
    text = _text(node)
    if text is None or not is_secret_path(text):
        raise _DoubtError
    return "file:" + text
