"""Reads YAML as a stream of the C parser's events: positions kept, everything hostile refused, no type guessed.

Owns the rules that hold for every YAML file of a project, whatever it says: no anchors, aliases, tags, merge keys,
directives or second documents, no duplicate keys, bounds on depth, size and number. It must not know what a key means,
nor open a file. PyYAML's composer is not used: it crashes the interpreter on deeply nested input.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeAlias, cast

from yaml import error, events, reader

from reconcile.adapters.yaml_text import UnreadableError, checked_bytes, refused_character, syntax_error, unreadable
from reconcile.core.diagnostics import Diagnostic, Location
from reconcile.core.errors import InputError
from reconcile.core.nodes import MappingNode, Node, Scalar, Sections, SequenceNode, place_of

MAX_DEPTH: Final = 16
MAX_SCALAR: Final = 1024 * 1024
MAX_NODES: Final = 20_000_000
MAX_TREE_NODES: Final = 10_000
"""How many nodes are held in memory at a time: those of one record, or of one settings file."""

Event: TypeAlias = Any
"""An event of the parser; its classes carry no types, and asking for more than its class costs a third of the speed."""

_Scalar = events.ScalarEvent
_Mapping = events.MappingStartEvent
_Sequence = events.SequenceStartEvent
_EndOfMapping = events.MappingEndEvent
_EndOfSequence = events.SequenceEndEvent
_Alias = events.AliasEvent


def parse_document(data: bytes, file: str) -> tuple[Node | None, list[Diagnostic]]:
    """One small document as a tree, or None when it is empty or cannot be read.

    Args:
        data: The file's bytes.
        file: What diagnostics call it.

    Raises:
        InputError: PyYAML lacks its C parser.
    """
    problems: list[Diagnostic] = []
    try:
        node = _Document(checked_bytes(data, file), file, problems.append).tree()
    except UnreadableError as refused:
        return None, [refused.diagnostic]
    return node, problems


def read_sections(data: bytes, file: str, sections: Sections, report: Callable[[Diagnostic], None]) -> None:
    """Reads a document of sections, handing over one entry at a time.

    Raises:
        UnreadableError: The file does not parse; what was handed over before does not count.
        InputError: PyYAML lacks its C parser.
    """
    _Document(checked_bytes(data, file), file, report).read_into(sections)


class EventParser(Protocol):
    """What of PyYAML's C parser is used."""

    def get_event(self) -> Event:
        """The next event; None after the last."""
        ...


def new_parser(data: bytes) -> EventParser:
    """PyYAML's C parser over checked bytes.

    Raises:
        InputError: PyYAML was built without libyaml; the parser in Python is twenty times slower and differs in detail.
    """
    try:
        from yaml import cyaml
    except ImportError:
        message = "PyYAML was installed without its C parser (libyaml)"
        raise InputError(message, help="install a PyYAML wheel for this platform, or libyaml and reinstall") from None
    return cast("Any", cyaml).CParser(data)


class _Document:
    """One pass over the events of one file."""

    __slots__ = ("_data", "_file", "_get", "_held", "_read", "_refusals", "_report")

    def __init__(self, data: bytes, file: str, report: Callable[[Diagnostic], None]) -> None:
        self._data = data
        self._file = file
        self._report = report
        self._get: Callable[[], Event] = new_parser(data).get_event
        self._held = 0
        self._read = 0
        self._refusals = 0

    def tree(self) -> Node | None:
        """The whole document as nodes."""
        try:
            first = self._open()
            node = None if first is None else self._node(first, 1)
            self._close()
        except error.YAMLError as lower:
            raise self._translated(lower) from None
        return node

    def read_into(self, sections: Sections) -> None:
        """The document, entry by entry."""
        try:
            first = self._open()
            if first is not None:
                self._read_root(first, sections)
            self._close()
        except error.YAMLError as lower:
            raise self._translated(lower) from None

    # The frame: one document, nothing before or after it.

    def _open(self) -> Event | None:
        """The first event of the content; None when there is none."""
        self._get()
        start = self._get()
        if type(start) is not events.DocumentStartEvent:
            return None
        if start.version or start.tags:
            self._refuse(start, "directive", "directives are not allowed", "remove the lines that begin with %")
        first = self._get()
        is_nothing = type(first) is _Scalar and not first.style and not first.value and first.anchor is first.tag
        return None if is_nothing else first

    def _close(self) -> None:
        following = self._get()
        if following.__class__ is events.DocumentEndEvent:
            following = self._get()
        if following.__class__ is events.DocumentStartEvent:
            place = place_of(self._file, following)
            hint = "put each document into a file of its own"
            raise unreadable("several-documents", "a second document begins here", place, hint)

    # The sections: what is below a top-level key is handed over entry by entry.

    def _read_root(self, first: Event, sections: Sections) -> None:
        if type(first) is not _Mapping:
            place = place_of(self._file, first)
            hint = "begin with a key such as payment_tokens:"
            raise unreadable("not-a-mapping", "the file has to be a mapping of sections", place, hint)
        self._check_bare(first)
        seen: list[Scalar] = []
        while type(key := self._get()) is not _EndOfMapping:
            if type(key) is not _Scalar:
                self._refuse_pair(key, 2)
            elif self._is_usable_key(key, seen):
                seen.append(key)
                self._read_section(key, sections)
            else:
                self._skip(self._get(), 2)

    def _read_section(self, key: Event, sections: Sections) -> None:
        value = self._get()
        kind = value.__class__
        wanted = "tree"
        if kind is _Mapping or kind is _Sequence:
            wanted = sections.open_section(key, "mapping" if kind is _Mapping else "sequence")
        if wanted == "nothing":
            self._skip(value, 2)
        elif wanted == "tree":
            node = self._node(value, 2)
            self._let_go()
            if node is not None:
                sections.take_section(key, node)
        else:
            self._check_bare(value)
            read = self._read_entries if kind is _Mapping else self._read_items
            read(sections)

    def _read_entries(self, sections: Sections) -> None:
        get, take = self._get, sections.take_entry
        while type(key := get()) is not _EndOfMapping:
            if type(key) is not _Scalar:
                self._refuse_pair(key, 3)
                continue
            if (key.anchor is not None or key.tag is not None or key.value == "<<") and not self._is_usable_key(key):
                self._skip(get(), 3)
                continue
            node = self._node(get(), 3)
            self._let_go()
            take(key, node)

    def _read_items(self, sections: Sections) -> None:
        while type(event := self._get()) is not _EndOfSequence:
            node = self._node(event, 3)
            self._let_go()
            if node is not None:
                sections.take_item(node)

    def _let_go(self) -> None:
        """The tree held so far is somebody else's now; only its size is remembered."""
        self._read += self._held + 1
        self._held = 0
        if self._read > MAX_NODES:
            message = f"the file holds more than {MAX_NODES:,} values"
            raise unreadable("too-many-values", message, Location(self._file, 1), "split it into several")

    # The nodes.

    def _node(self, event: Event, depth: int) -> Node | None:
        """The node that `event` begins; None when it was refused and reported."""
        kind = event.__class__
        if kind is _Mapping:
            if event.anchor is not None or event.tag is not None:
                self._check_bare(event)
            return self._mapping(event, depth)
        if kind is _Scalar:
            return event if self._is_usable(event) else None
        self._check_bare(event)
        return None if kind is _Alias else self._sequence(event, depth)

    def _mapping(self, start: Event, depth: int) -> MappingNode:
        if depth > MAX_DEPTH:
            raise self._too_deep(start)
        get, refusals = self._get, self._refusals
        keys: list[Scalar] = []
        values: dict[str, Node] = {}
        while type(key := get()) is not _EndOfMapping:
            if type(key) is not _Scalar:
                self._refuse_pair(key, depth + 1)
                continue
            value = get()
            # The common case is written out: a call for each scalar would cost a tenth of the whole.
            if type(value) is _Scalar and value.anchor is value.tag is None and len(value.value) <= MAX_SCALAR:
                node = value
            else:
                node = self._node(value, depth + 1)
            name = key.value
            is_doubtful = key.anchor is not None or key.tag is not None or name in values or name == "<<"
            if node is None or (is_doubtful and not self._is_usable_key(key, keys)):
                continue
            keys.append(key)
            values[name] = node
            if len(keys) > MAX_TREE_NODES:
                break
        self._held += len(keys)
        if self._held > MAX_TREE_NODES:
            raise self._too_large(start)
        return MappingNode(keys, values, start.start_mark, is_broken=self._refusals != refusals)

    def _sequence(self, start: Event, depth: int) -> SequenceNode:
        if depth > MAX_DEPTH:
            raise self._too_deep(start)
        refusals = self._refusals
        items: list[Node] = []
        while type(event := self._get()) is not _EndOfSequence and len(items) <= MAX_TREE_NODES:
            node = self._node(event, depth + 1)
            if node is not None:
                items.append(node)
        self._held += len(items)
        if self._held > MAX_TREE_NODES:
            raise self._too_large(start)
        return SequenceNode(items, start.start_mark, is_broken=self._refusals != refusals)

    def _too_large(self, start: Event) -> UnreadableError:
        message = f"more than {MAX_TREE_NODES:,} values belong to one entry here"
        return unreadable("too-many-values", message, place_of(self._file, start), "an entry has a handful of fields")

    def _too_deep(self, start: Event) -> UnreadableError:
        message = f"the nesting is deeper than {MAX_DEPTH} levels"
        return unreadable("too-deep", message, place_of(self._file, start), "records need four levels")

    # What is refused.

    def _is_usable(self, scalar: Event) -> bool:
        self._check_bare(scalar)
        if len(scalar.value) <= MAX_SCALAR:
            return True
        self._refuse(scalar, "scalar-too-long", "the text is longer than 1 MiB", "no field is that long")
        return False

    def _is_usable_key(self, key: Event, before: "list[Scalar] | tuple[()]" = ()) -> bool:
        """Whether a scalar may be the next key after those `before`; if not, that is reported."""
        if not self._is_usable(key):
            return False
        if key.value == "<<":
            self._refuse(key, "merge-key", "merge keys are not allowed", "write the fields out, or use defaults")
            return False
        first = next((other for other in before if other.value == key.value), None)
        if first is not None:
            message = (
                f"this key stands already at line {first.start_mark.line + 1}, column {first.start_mark.column + 1}"
            )
            self._refuse(key, "duplicate-key", message, "keep one of the two")
        return first is None

    def _check_bare(self, event: Event) -> None:
        """Reports an anchor, a tag or an alias at `event`."""
        if type(event) is _Alias:
            self._refuse(event, "alias", "aliases are not allowed", "write the value out, or use defaults")
            return
        if event.anchor is not None:
            self._refuse(event, "anchor", "anchors are not allowed", "remove the & and the name after it")
        if event.tag is not None:
            hint = "remove it: the fields have their types already; quote a text that begins with !"
            self._refuse(event, "tag", "tags are not allowed", hint)

    def _refuse_pair(self, key: Event, depth: int) -> None:
        """Skips a key that is not a text, and its value."""
        self._refuse(
            key, "complex-key", "a key has to be a text", "write `key: value`; quote what begins with [ { * or &"
        )
        self._skip(key, depth)
        self._skip(self._get(), depth)

    def _skip(self, event: Event, depth: int) -> None:
        """Passes over the node that `event` begins, within the bound on depth."""
        level = 0
        while True:
            kind = event.__class__
            if kind is _Mapping or kind is _Sequence:
                level += 1
                if depth + level - 1 > MAX_DEPTH:
                    raise self._too_deep(event)
            elif kind is _EndOfMapping or kind is _EndOfSequence:
                level -= 1
            if not level:
                return
            event = self._get()

    def _refuse(self, event: Event, code: str, message: str, hint: str) -> None:
        self._refusals += 1
        self._report(Diagnostic(code, message, place_of(self._file, event), hint, secret=True))

    def _translated(self, lower: error.YAMLError) -> UnreadableError:
        """The parser's error in our words; its own never quote the file, so they may be kept."""
        if isinstance(lower, reader.ReaderError):
            return refused_character(self._data, self._file)
        problem, mark = getattr(lower, "problem", None), getattr(lower, "problem_mark", None)
        line, column = (mark.line, mark.column) if mark is not None else (0, 0)
        return syntax_error(problem or "unknown reason", line, column, self._data, self._file)
