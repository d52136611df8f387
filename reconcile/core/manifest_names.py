"""The names in a manifest: environment variables, secret files, addresses, patterns (see `manifest_fields.py`).

A manifest may come from a stranger, so what it can name is what it can reach: no variable of the tool itself, no file
outside the folder of secrets.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo

from reconcile.core.manifest_entry import (
    BOOLEANS,
    CONTROLS,
    MAX_TOKEN,
    RESERVED_PREFIXES,
    is_reserved,
    is_secret_path,
    is_variable_name,
)
from reconcile.core.manifest_fields import refuse, refuse_empty, text_of, text_schema, text_without
from reconcile.core.records import ADDRESS_PATTERN, is_address

_GLOB_CHARACTERS = frozenset("*?[]!")

# Where a token comes from.


def _env_name(node: object, info: ValidationInfo) -> str:
    scalar = text_of(node, "the name of an environment variable")
    refuse_empty(scalar, "write the name of an environment variable")
    text = scalar.value
    if is_reserved(text) and is_variable_name(text):
        hint = "the tool's own credentials are out of reach of manifests; use another name"
        refuse("reserved-variable", f"a name that begins with {' or '.join(RESERVED_PREFIXES)} is refused", hint)
    if not is_variable_name(text) or (not scalar.style and text in BOOLEANS):
        hint = "write its name, such as INV_1001_TOKEN, never its value"
        refuse("bad-variable", "this is not the name of an environment variable", hint, is_secret=True)
    context: Mapping[str, Any] = info.context or {}
    prefix = str(context.get("env_prefix", ""))
    if not text.startswith(prefix):
        hint = "secrets.env_prefix of the settings says so"
        refuse("bad-variable", f'the name has to begin with "{prefix}"', hint, is_secret=True)
    return text


EnvName = Annotated[
    str | None,
    BeforeValidator(_env_name),
    text_schema(
        "Environment variable",
        "The name of an environment variable, never its value.",
        "INV_1001_TOKEN",
        pattern="^(?![Nn][Ee][Xx][Uu][Dd][Uu][Ss]_|[Rr][Ee][Cc][Oo][Nn][Cc][Ii][Ll][Ee]_)[A-Za-z_][A-Za-z0-9_]*$",
    ),
]


def _secret_file(node: object) -> str:
    scalar = text_of(node, "the name of a file")
    refuse_empty(scalar, "write the name of a file below secrets.directory")
    if not is_secret_path(scalar.value):
        hint = "a relative path below secrets.directory, with / and without .. or hidden names"
        refuse("bad-secret-file", "this file name is refused", hint, is_secret=True)
    return scalar.value


FileName = Annotated[
    str | None,
    BeforeValidator(_secret_file),
    text_schema(
        "Secret file",
        "A file below secrets.directory, by its relative path.",
        "inv-1001.token",
        "number",
        "boolean",
        maxLength=MAX_TOKEN,
        **text_without(CONTROLS),
        pattern=r"^[^./\\][^/\\]*(/[^./\\][^/\\]*)*$",
    ),
]


# Addresses.


def _address(node: object) -> str:
    scalar = text_of(node, "an address")
    refuse_empty(scalar, "write the address of a record")
    if not is_address(scalar.value):
        refuse("bad-address", *address_words(scalar.value))
    return scalar.value


def address_words(text: str) -> tuple[str, str]:
    """Message and hint for a text that may not name a record."""
    if len(text) > 200:
        return "an address has at most 200 characters", ""
    return "an address consists of letters, digits, dots, underscores and hyphens", "rename it"


AddressField = Annotated[
    str,
    BeforeValidator(_address),
    text_schema("Address", "What a record is called here.", "inv-1001", "number", "boolean", pattern=ADDRESS_PATTERN),
]


def _glob(node: object) -> str:
    scalar = text_of(node, "an address or a pattern")
    refuse_empty(scalar, "write an address, or a pattern such as inv-2024-*")
    text = scalar.value
    bare = "".join(c for c in text if c not in _GLOB_CHARACTERS)
    if not text or len(text) > 200 or not is_address(bare or "x"):
        refuse("bad-glob", "a pattern consists of the characters of addresses, and * ? [ ]", "")
    if not _has_closed_brackets(text):
        refuse("bad-glob", "a [ of this pattern is not closed, or nothing stands in it", "write [abc], or [0-9]")
    return text


def _has_closed_brackets(text: str) -> bool:
    outside, opened, rest = text.partition("[")
    if "]" in outside or not opened:
        return "]" not in outside
    inside, closed, after = rest.partition("]")
    return bool(closed and inside.lstrip("!") and "[" not in inside) and _has_closed_brackets(after)


GlobField = Annotated[
    str,
    BeforeValidator(_glob),
    text_schema(
        "Pattern",
        "An address, or a pattern with * ? and [ ].",
        "inv-2024-*",
        "number",
        "boolean",
        pattern=r"^(?=.{1,200}$)([A-Za-z0-9._*?!-]|\[!*[A-Za-z0-9._*?-][A-Za-z0-9._*?!-]*\])+$",
    ),
]
