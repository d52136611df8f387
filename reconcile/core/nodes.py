"""What a YAML document looks like to the core: scalars, mappings and sequences, each with its place.

The core sees scalars through a protocol, so that the parser's own event objects serve as they are. This module must not
know the parser, nor what any key means.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

from reconcile.core.diagnostics import Location

if TYPE_CHECKING:
    from typing_extensions import TypeIs


class Mark(Protocol):
    """A position, counted from 0 as the parser does."""

    @property
    def line(self) -> int:
        """Lines before this one."""
        ...

    @property
    def column(self) -> int:
        """Characters before this one on its line."""
        ...


class Scalar(Protocol):
    """A scalar as it is written; its text has no type until the schema gives it one."""

    @property
    def value(self) -> str:
        """The text, escapes and folding resolved."""
        ...

    @property
    def style(self) -> str | None:
        """How it is written: empty for plain, or a quote, `|` or `>`."""
        ...

    @property
    def start_mark(self) -> Mark:
        """Where it begins."""
        ...

    @property
    def end_mark(self) -> Mark:
        """Where it ends, exclusive."""
        ...


class MappingNode:
    """A mapping without duplicate keys, in the order of the file.

    Attributes:
        keys: The key scalars, for their places; as many and in the same order as `values`.
        values: The value of each key.
        start_mark: Where it begins.
        is_broken: Something inside was refused and reported, so what is missing here may not be missing in the file.
    """

    __slots__ = ("is_broken", "keys", "start_mark", "values")
    style: Final = "{"
    value: Final = ""

    def __init__(self, keys: list[Scalar], values: "dict[str, Node]", start_mark: Mark, *, is_broken: bool) -> None:
        self.keys = keys
        self.values = values
        self.start_mark = start_mark
        self.is_broken = is_broken

    def items(self) -> "Iterator[tuple[Scalar, Node]]":
        """Each key's scalar with its value."""
        return zip(self.keys, self.values.values(), strict=True)

    def key(self, name: str) -> Scalar:
        """The scalar of the key `name`, which must be there."""
        return next(key for key in self.keys if key.value == name)


class SequenceNode:
    """A sequence; `is_broken` as for a mapping."""

    __slots__ = ("is_broken", "items", "start_mark")
    style: Final = "["
    value: Final = ""

    def __init__(self, items: "list[Node]", start_mark: Mark, *, is_broken: bool) -> None:
        self.items = items
        self.start_mark = start_mark
        self.is_broken = is_broken


Node: TypeAlias = Scalar | MappingNode | SequenceNode

COLLECTION_STYLES: Final = ("{", "[")
"""The `style` of what is not a scalar, whose `value` is empty: one comparison tells a text from a collection."""


Wanted: TypeAlias = Literal["entries", "tree", "nothing"]
"""What a reader is to do with a section: hand over its entries one by one, the whole of it, or skip it."""


class Sections(Protocol):
    """Takes a document apart while it is being read, so that no more than one entry of it is in memory at a time."""

    def open_section(self, key: Scalar, shape: Literal["mapping", "sequence"]) -> Wanted:
        """A top-level key whose value is a collection, and what of it is wanted."""
        ...

    def take_entry(self, key: Scalar, node: Node | None) -> None:
        """One key of the mapping opened last, with its value, or None when the value was refused and reported."""
        ...

    def take_item(self, node: Node) -> None:
        """One item of the sequence opened last."""
        ...

    def take_section(self, key: Scalar, node: Node) -> None:
        """A whole section: one that was wanted as a tree, or that is no collection."""
        ...


def place_of(file: str, node: "Node | Scalar") -> Location:
    """Where a node begins, counted from 1."""
    mark = node.start_mark
    return Location(file, mark.line + 1, mark.column + 1)


def is_scalar(node: Node) -> "TypeIs[Scalar]":
    """Whether it is a text of any style."""
    return node.style not in COLLECTION_STYLES


def is_empty(node: Node) -> bool:
    """Whether nothing at all stands where a value is expected."""
    return is_scalar(node) and not node.style and not node.value
