"""The close look at a manifest entry that was not obviously valid: a record after all, or what is wrong and where.

Asks the models of `manifest_schema.py` and joins what they say with positions. Imports pydantic, so it is loaded only
once there is something to explain. It must not repeat a text that may be a token.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from reconcile.core.diagnostics import Diagnostic, Location
from reconcile.core.manifest_entry import Defaults
from reconcile.core.manifest_fields import did_you_mean, shown
from reconcile.core.manifest_names import address_words
from reconcile.core.manifest_schema import (
    DefaultsItem,
    ImportItem,
    MovedItem,
    RecordItem,
    RemovedItem,
    TokenFrom,
)
from reconcile.core.nodes import MappingNode, Node, Scalar, is_empty, place_of
from reconcile.core.records import LITERAL, UNMANAGED, Address, PaymentToken, Secret, is_address

Model = TypeVar("Model", bound=BaseModel)

_WHAT: Final[Mapping[type[BaseModel], str]] = {
    RecordItem: "a record",
    DefaultsItem: "defaults",
    MovedItem: "an item of moved",
    RemovedItem: "an item of removed",
    ImportItem: "an item of imports",
    TokenFrom: "token_from",
}


def examine(model: type[Model], node: Node, at: Location, env_prefix: str) -> Model | list[Diagnostic]:
    """The entry as its model, or everything that is wrong with it.

    Args:
        model: What the entry has to be.
        node: What stands in the file.
        at: Where the entry is named: its address or its first character. What is missing is reported there.
        env_prefix: What names of environment variables have to begin with.
    """
    if not isinstance(node, MappingNode):
        return [_not_a_mapping(model, node, at)]
    context = {"env_prefix": env_prefix, "names": frozenset(node.values)}
    try:
        return model.model_validate(node.values, context=context)
    except ValidationError as error:
        # Its own text may quote a token, so it ends here.
        found = error.errors(include_url=False, include_input=False)
    diagnostics = [_diagnostic(model, node, details, at) for details in found]
    return [found for found in diagnostics if not (node.is_broken and found.code == "missing-field")]


def bad_address(key: Scalar, at: Location) -> Diagnostic | None:
    """What is wrong with an address, if anything is."""
    if is_address(key.value):
        return None
    return Diagnostic("bad-address", *_placed(address_words(key.value), at))


def declared_record(item: RecordItem, address: Address, location: Location, defaults: Defaults) -> PaymentToken:
    """The record of a valid entry, its file's defaults below its own fields."""
    own = item.model_fields_set
    source, version, literal = defaults.token_source, defaults.token_version, None
    if item.token_from is not None:
        source, version = item.token_from.source, item.token_from.version
    elif "token" in own:
        literal = None if item.token is None else Secret(item.token)
        source, version = (None if literal is None else LITERAL), None
    provider = item.regular_payment_provider if "regular_payment_provider" in own else defaults.regular_payment_provider
    notes = item.notes if "notes" in own else defaults.notes
    protect = item.protect if "protect" in own else defaults.protect
    return PaymentToken(address, location, item.coworker_invoice_id, provider, notes, source, version, protect, literal)


def declared_defaults(item: DefaultsItem) -> Defaults:
    """The defaults of a file; what it does not say stays unmanaged."""
    own = item.model_fields_set
    return Defaults(
        regular_payment_provider=item.regular_payment_provider if "regular_payment_provider" in own else UNMANAGED,
        notes=item.notes if "notes" in own else UNMANAGED,
        protect=item.protect,
        token_source=UNMANAGED if item.token_from is None else item.token_from.source,
        token_version=None if item.token_from is None else item.token_from.version,
    )


def unknown_key(key: Scalar, known: Iterable[str], what: str, file: str, *, is_secret: bool = False) -> Diagnostic:
    """A key that nothing here is called, with the closest that exists."""
    names = list(known)
    close = did_you_mean(key.value, names)
    name = shown(key.value) if not is_secret and _is_like_a_name(key.value, close) else "this"
    hint = f'did you mean "{close}"?' if close else f"known here: {', '.join(names)}"
    message = f"{name} is not a field of {what}"
    return Diagnostic("unknown-key", message, place_of(file, key), hint, secret=name == "this")


def _is_like_a_name(text: str, close: str | None) -> bool:
    """Whether a key is a misspelt name rather than a value in the wrong place, which may be a token."""
    bare = text.replace("_", "").replace("-", "")
    longest = len("token") + 2 if close == "token" or text.lower().startswith("token") else 40
    return bare.isascii() and bare.isalpha() and len(text) <= longest


def _placed(words: tuple[str, str], at: Location) -> tuple[str, Location, str]:
    return words[0], at, words[1]


def _not_a_mapping(model: type[BaseModel], node: Node, at: Location) -> Diagnostic:
    hint = f"its fields are {', '.join(_names(model))}"
    if is_empty(node):
        return Diagnostic("empty-value", f"{_WHAT[model]} cannot be empty", at, hint)
    return Diagnostic("wrong-type", f"{_WHAT[model]} is a mapping", place_of(at.file, node), hint, secret=True)


def _names(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _diagnostic(model: type[BaseModel], node: MappingNode, details: ErrorDetails, at: Location) -> Diagnostic:
    path = tuple(str(part) for part in details["loc"])
    code = details["type"]
    if code == "missing":
        return Diagnostic("missing-field", f"{path[-1]} is missing", at, f"{_WHAT[model]} needs it")
    is_inside = len(path) > 1
    if code == "extra_forbidden":
        inner = TokenFrom if is_inside else model
        return unknown_key(_key(node, path), _names(inner), _WHAT[inner], at.file, is_secret=is_inside)
    said: dict[str, Any] = details.get("ctx", {})
    # A name of the tool's own variables is no secret, and says what was tried.
    is_secret = said["secret"] or (path[0] in {"token", "token_from"} and code != "reserved-variable")
    return Diagnostic(code, said["message"], place_of(at.file, _value(node, path)), said["help"], secret=is_secret)


def _value(node: MappingNode, path: tuple[str, ...]) -> Node:
    found: Node = node
    for name in path:
        if not isinstance(found, MappingNode):
            break
        found = found.values[name]
    return found


def _key(node: MappingNode, path: tuple[str, ...]) -> Scalar:
    parent = _value(node, path[:-1])
    return (parent if isinstance(parent, MappingNode) else node).key(path[-1])
