"""Records (named tuples and dataclasses) <-> plain JSON objects, strictly: the border that every file of ours crosses.

The class is the one definition. `to_plain` leaves out what equals its default, so an unmanaged field is absent and
a cleared one is null. `of_plain` has a fast way, which accepts what it is sure of, and a slow way through pydantic over
the same class, which is loaded only when something is wrong, and says what.

This module knows no file and no journal. It must not guess: an unknown field, a missing one, another type is an error.
"""

from collections.abc import Callable, Iterable
from functools import cache, partial
from types import GenericAlias, NoneType
from typing import Any, Final, Literal, NamedTuple, TypeAlias, TypeVar, cast, get_args, get_origin, get_type_hints

from reconcile.core.records import PROVIDERS, Provider, StateRecord

T = TypeVar("T")
Plain: TypeAlias = dict[str, Any]

_PROVIDER: Final = "regular_payment_provider"
_RECORDS: Final = frozenset({"record", "before"})
_ALWAYS: Final = frozenset({"type", "format"})
_SHAPES_KEPT: Final = 4096


class NotPlainError(ValueError):
    """A JSON object is not what its class says; the message names the fields and shows no value."""


def to_plain(value: object) -> Plain:
    """The JSON object of a record, keys sorted, without what equals its default; its `type` is always there."""
    plain = {
        name: found
        for name, default in _ordered_fields(type(value))
        if (found := getattr(value, name)) != default or name in _ALWAYS
    }
    provider = plain.get(_PROVIDER)
    if provider is not None:
        plain[_PROVIDER] = provider.name
    for name in _RECORDS & plain.keys():
        if isinstance(plain[name], StateRecord):
            plain[name] = to_plain(plain[name])
    return plain


def of_plain(cls: type[T], raw: Plain) -> T:
    """The record of a JSON object.

    Raises:
        NotPlainError: A field is unknown, missing or of another type.
    """
    accepted = reader_of(cls)(raw.copy())
    return accepted if accepted is not None else explain(cls, raw)


def explain(cls: type[T], raw: Plain) -> T:
    """What `of_plain` gives, decided by pydantic alone: slower, and able to say what is wrong.

    Raises:
        NotPlainError: As `of_plain`.
    """
    import orjson
    from pydantic import ConfigDict, TypeAdapter, ValidationError  # slow to load, and needed only for what is wrong

    # The list lets the configuration reach the class, which has none of its own.
    listed = cast("type[list[T]]", GenericAlias(list, (cls,)))
    adapter = TypeAdapter(listed, config=ConfigDict(strict=True, extra="forbid"))
    try:
        return adapter.validate_json(orjson.dumps([_with_provider_numbers(raw)]))[0]
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise NotPlainError("; ".join(dict.fromkeys(_problem(e["loc"], e["msg"]) for e in found))) from None
    except orjson.JSONEncodeError:
        raise NotPlainError("a number beyond 64 bits, or a text that is not Unicode") from None


def _problem(where: tuple[int | str, ...], message: str) -> str:
    names = [part for part in where if isinstance(part, str) and part.isidentifier()]
    if _PROVIDER in names:
        return f"{_PROVIDER} is not the name of a payment provider"
    return f"{names[0]}: {message[0].lower()}{message[1:]}" if names else message


def _with_provider_numbers(raw: Plain) -> Plain:
    """`raw` as pydantic expects an enum: by its number, while files name it."""
    changed = {k: _with_provider_numbers(cast("Plain", v)) if isinstance(v, dict) else v for k, v in raw.items()}
    if isinstance(raw.get("record"), list):
        changed["record"] = ""  # out of an array pydantic would take the fields by their order
    name = raw.get(_PROVIDER)
    if name is not None:
        changed[_PROVIDER] = PROVIDERS.get(name, "unknown") if isinstance(name, str) else "unknown"
    return changed


@cache
def _ordered_fields(cls: type) -> list[tuple[str, object]]:
    return sorted(defaults_of(cls).items(), key=lambda pair: pair[0])


_REQUIRED: Final = object()
"""Stands for the default of a field that has none; equals nothing that a field may hold."""


def defaults_of(cls: type) -> dict[str, object]:
    """Every field with its default."""
    if issubclass(cls, tuple):
        named = cast("type[NamedTuple]", cls)
        return {name: named._field_defaults.get(name, _REQUIRED) for name in named._fields}
    from dataclasses import MISSING, fields  # a quarter of the time in which a small plan is made: only for the journal

    return {field.name: _REQUIRED if field.default is MISSING else field.default for field in fields(cast("Any", cls))}


class _Expected(NamedTuple):
    """What a class accepts, read from its annotations."""

    required: frozenset[str]
    types: dict[str, frozenset[type]]
    literals: list[tuple[str, frozenset[object]]]
    conversions: list[tuple[str, Callable[[Any], Any]]]

    def fits(self, raw: Plain) -> bool:
        """Whether every field is known and of an expected type, and none is missing."""
        types = self.types
        return self.required <= raw.keys() and all(n in types and type(v) in types[n] for n, v in raw.items())


@cache
def reader_of(cls: type[T]) -> Callable[[Plain], T | None]:
    """A function that makes `cls` of a JSON object it is sure of, using it up, and gives None when in doubt.

    Objects of one file have few shapes (their keys and the types of their values), so each shape is checked once.
    """
    expected = _expected(cls)
    literals, conversions = expected.literals, expected.conversions
    shapes: set[tuple[object, ...]] = set()

    def accept(raw: Plain) -> T | None:
        shape = (*raw, *map(type, raw.values()))
        if shape not in shapes:
            if not expected.fits(raw):
                return None
            if len(shapes) < _SHAPES_KEPT:
                shapes.add(shape)
        for name, allowed in literals:
            if raw.get(name) not in allowed:
                return None
        for name, convert in conversions:
            if (value := raw.get(name)) is not None:
                raw[name] = converted = convert(value)
                if converted is None:
                    return None
        return cls(**raw)

    return accept


def _expected(cls: type) -> _Expected:
    hints = get_type_hints(cls)
    defaults = defaults_of(cls)
    literals = [(name, _literal_values(hints[name], default)) for name, default in defaults.items()]
    return _Expected(
        required=frozenset(name for name, default in defaults.items() if default is _REQUIRED),
        types={name: frozenset(_json_types(hint)) for name, hint in hints.items()},
        literals=[(name, values) for name, values in literals if values],
        conversions=[(name, convert) for name, hint in hints.items() for convert in _conversions(hint)],
    )


def _alternatives(hint: object) -> Iterable[object]:
    if hint in _PLAIN_TYPES or get_origin(hint) in {Literal, tuple}:
        return (hint,)
    return get_args(hint)


def _json_types(hint: object) -> Iterable[type]:
    for alternative in _alternatives(hint):
        if alternative in _PLAIN_TYPES:
            yield _PLAIN_TYPES[cast("type", alternative)]
        elif get_origin(alternative) is tuple:
            yield list
        else:
            yield from (str for value in get_args(alternative) if isinstance(value, str))


def _literal_values(hint: object, default: object) -> frozenset[object]:
    values = {v for a in _alternatives(hint) if get_origin(a) is Literal for v in get_args(a) if isinstance(v, str)}
    # An absent field reads as None here, and is fine wherever there is a default.
    return frozenset(values if default is _REQUIRED else values and {*values, None})


def _conversions(hint: object) -> Iterable[Callable[[Any], Any]]:
    for alternative in _alternatives(hint):
        if alternative is Provider:
            yield PROVIDERS.get
        elif alternative is StateRecord:
            # A copy, because who is told None looks at the object again.
            yield lambda raw: reader_of(StateRecord)(raw.copy())
        elif get_origin(alternative) is tuple:
            yield partial(_items, get_args(alternative)[0])


def _items(item: type, values: list[object]) -> tuple[object, ...] | None:
    return tuple(values) if all(type(value) is item for value in values) else None


_PLAIN_TYPES: Final[dict[object, type]] = {
    int: int,
    str: str,
    bool: bool,
    float: float,
    NoneType: NoneType,
    Provider: str,
    StateRecord: dict,
}
