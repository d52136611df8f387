"""The scalars of a manifest: what each field accepts, and what to say when it is something else.

Each field is a type that validates a scalar as it is written (never what YAML 1.1 would make of it) and describes
itself in JSON Schema, as a reader of YAML 1.2 sees the same values. Names of things (addresses, variables, files) are
in `manifest_names.py`. Imports pydantic, so it is loaded only once there is something to explain.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated, Any, NoReturn, cast

from pydantic import BeforeValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from reconcile.core.manifest_entry import (
    CONTROLS,
    MAX_TOKEN,
    NOTES_CONTROLS,
    NULLS,
    has_controls,
    has_notes_controls,
    whole_number,
)
from reconcile.core.nodes import Node, Scalar, is_scalar
from reconcile.core.records import MAX_ID, PROVIDERS, Provider

_BLOCK_STYLES = ("|", ">")


def refuse(code: str, message: str, hint: str, *, is_secret: bool = False) -> NoReturn:
    """Ends a validation with a diagnostic; `is_secret` when the text in error may be a token."""
    # Braces in a template of pydantic are placeholders; the message itself is the only thing filled in.
    context = {"message": message, "help": hint, "secret": is_secret}
    raise PydanticCustomError(cast("Any", code), "{message}", context)


def did_you_mean(text: str, known: Iterable[str]) -> str | None:
    """The closest of the known words, upper and lower case set aside; None when none is close."""
    by_lower = {word.lower(): word for word in known}
    found = get_close_matches(text.lower()[:100], by_lower, n=1, cutoff=0.7)
    return by_lower[found[0]] if found else None


def shown(text: str) -> str:
    """A text from a manifest within a message: quoted, and cut when it is long."""
    return f'"{text}"' if len(text) <= 60 else f'"{text[:59]}…"'


def text_of(node: object, what: str) -> Scalar:
    """The node as a text; refused when it is a collection where `what` is expected."""
    found = cast("Node", node)
    if not is_scalar(found):
        kind = "mapping" if found.style == "{" else "sequence"
        refuse(
            "wrong-type", f"{what} is expected here, not a {kind}", "write it on one line after the key", is_secret=True
        )
    return found


def refuse_empty(scalar: Scalar, hint: str) -> None:
    """Refuses every plain way of writing nothing; where `null` is allowed, ask for it before."""
    if not scalar.style and scalar.value in NULLS:
        message = f"{scalar.value} is not a value here" if scalar.value else "the value is empty"
        refuse("empty-value", message, hint)


def _is_clearing(scalar: Scalar) -> bool:
    """Whether it is the plain word that clears a field; every other way of writing nothing is an error."""
    if not scalar.style and scalar.value == "null":
        return True
    refuse_empty(scalar, "write null to clear the field, or quote the text")
    return False


# Whole numbers.


def _whole_number(node: object, info: ValidationInfo) -> int:
    scalar = text_of(node, "a whole number")
    refuse_empty(scalar, "write the number, or remove the key")
    text = scalar.value
    if not scalar.style and (number := whole_number(text)) is not None:
        return number
    what = "version" if info.field_name == "version" else "an id"
    refuse("not-a-number", f"{what} is a whole number from 1 to {MAX_ID}, in plain digits", _number_hint(scalar))


def _number_hint(scalar: Scalar) -> str:
    text = scalar.value
    if scalar.style:
        return "remove the quotes" if whole_number(text) else ""
    if whole_number(text.replace("_", "")):
        return f"write {text.replace('_', '')}, without underscores"
    if whole_number(text.lstrip("0")):
        return f"write {text.lstrip('0')}, without zeros before it: YAML readers disagree on what those mean"
    if whole_number(text.removeprefix("+")):
        return f"write {text[1:]}, without the sign"
    if whole_number(text.partition(".")[0]) and not text.partition(".")[2].strip("0"):
        return f"write {text.partition('.')[0]}, without a fraction"
    if text[:2] in {"0x", "0X", "0o", "0b"}:
        return "write it in decimal digits"
    if text.isascii() and text.isdigit() and text.strip("0"):
        return "that is more than 64 bits hold"
    return ""


def _number_schema(title: str, description: str, example: int) -> WithJsonSchema:
    bounds = {"type": "integer", "minimum": 1, "maximum": MAX_ID}
    return WithJsonSchema({"title": title, "description": description, "examples": [example], **bounds})


InvoiceId = Annotated[
    int,
    BeforeValidator(_whole_number),
    _number_schema("Invoice", "The Id of the customer invoice that the token pays.", 1001),
]
RecordId = Annotated[
    int,
    BeforeValidator(_whole_number),
    _number_schema("Record", "The Id of an existing payment-token record in Nexudus.", 87654321),
]
Version = Annotated[
    int,
    BeforeValidator(_whole_number),
    _number_schema("Version", "Raise it to have the token sent again although its source is called the same.", 2),
]


# The provider.


def _provider(node: object) -> Provider | None:
    scalar = text_of(node, "a payment provider")
    if _is_clearing(scalar):
        return None
    text = scalar.value
    if not scalar.style and text in PROVIDERS:
        return PROVIDERS[text]
    by_number = {str(provider.value): provider for provider in Provider}
    if not scalar.style and text in by_number:
        return by_number[text]
    if text in PROVIDERS:
        return PROVIDERS[text]
    listed = f"`reconcile schema` lists all {len(PROVIDERS)}"
    if text in by_number:
        refuse("unknown-provider", f"{shown(text)} in quotes is not a payment provider", f"write {text} without quotes")
    close = did_you_mean(text, PROVIDERS)
    hint = f'did you mean "{close}"? {listed}' if close else listed
    refuse("unknown-provider", f"{shown(text)} is not a payment provider", hint)


ProviderField = Annotated[
    Provider | None,
    BeforeValidator(_provider),
    WithJsonSchema(
        {
            "title": "Payment provider",
            "description": "A provider's name, or its number in eRegularPaymentProvider; null clears it.",
            "enum": [*PROVIDERS, *map(int, Provider), None],
            "examples": ["GoCardless", "Stripe"],
        }
    ),
]


# Texts.


def text_without(characters: str) -> dict[str, object]:
    """The rule of JSON Schema that a text holds none of a class of characters; other types pass it."""
    return {"not": {"type": "string", "pattern": f"[{characters}]"}}


def text_schema(title: str, description: str, example: str, *others: str, **rules: object) -> WithJsonSchema:
    """A text that a YAML reader may take for one of the `others` (number, boolean, null) when it is not quoted."""
    types = ["string", *others] if others else "string"
    return WithJsonSchema({"title": title, "description": description, "type": types, "examples": [example], **rules})


def _notes(node: object) -> str | None:
    scalar = text_of(node, "a text")
    if _is_clearing(scalar):
        return None
    if has_notes_controls(scalar.value):
        refuse("bad-notes", "the notes hold a control character", "remove it")
    return scalar.value


NotesField = Annotated[
    str | None,
    BeforeValidator(_notes),
    text_schema(
        "Notes",
        "Free text; null clears it. Nexudus may not keep more than 255 characters.",
        "March renewal",
        "number",
        "boolean",
        "null",
        **text_without(NOTES_CONTROLS),
    ),
]


def _token(node: object) -> str | None:
    scalar = text_of(node, "a token")
    if not scalar.style and scalar.value == "null":
        return None
    if not scalar.value or (not scalar.style and scalar.value in NULLS):
        hint = "write null to clear it, or name its source with token_from"
        refuse("empty-value", "the token is missing", hint, is_secret=True)
    if len(scalar.value) > MAX_TOKEN:
        refuse("bad-token", f"the token is longer than {MAX_TOKEN:,} characters", "check the source", is_secret=True)
    if has_controls(scalar.value):
        hint = "write it on one line" if scalar.style in _BLOCK_STYLES else "check how it was copied"
        refuse("bad-token", "the token holds a line break or a control character", hint, is_secret=True)
    return scalar.value


TokenField = Annotated[
    str | None,
    BeforeValidator(_token),
    text_schema(
        "Token",
        "The token itself, kept as written; better name its source with token_from. null clears it.",
        "pm_1NxExample",
        "number",
        "boolean",
        "null",
        minLength=1,
        maxLength=MAX_TOKEN,
        **text_without(CONTROLS),
    ),
]


def _flag(node: object) -> bool:
    scalar = text_of(node, "true or false")
    if not scalar.style and scalar.value in {"true", "false"}:
        return scalar.value == "true"
    refuse_empty(scalar, "write true or false, or remove the key")
    refuse("not-a-flag", "protect is true or false", _flag_hint(scalar))


def _flag_hint(scalar: Scalar) -> str:
    if scalar.value in {"true", "false"}:
        return "remove the quotes"
    word = scalar.value.lower()
    if word in {"true", "yes", "on", "y"}:
        return "write true"
    return "write false" if word in {"false", "no", "off", "n"} else ""


ProtectField = Annotated[
    bool,
    BeforeValidator(_flag),
    WithJsonSchema(
        {
            "title": "Protect",
            "description": "Refuses to let the record be deleted.",
            "type": "boolean",
            "examples": [True],
        }
    ),
]
