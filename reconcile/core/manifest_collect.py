"""Collects what the manifests declare, entry by entry, and every problem on the way.

A reader hands over one file after another in path order; `finish` compares the entries of all of them. Which entry is
valid is decided by `manifest_entry.py` and `manifest_examine.py`, what fits together by `manifest_rules.py`. This
module must not read files or know the parser.
"""

from typing import TYPE_CHECKING, Final, Literal, TypeVar, cast

from reconcile.core.diagnostics import Diagnostic, Location, Severity, in_file_order
from reconcile.core.manifest import Import, Manifests, Moved, Removed
from reconcile.core.manifest_entry import NO_DEFAULTS, Defaults, obvious_defaults, obvious_record, with_late_defaults
from reconcile.core.manifest_rules import Declared, PlacedImport, PlacedMove, PlacedRemoval, find_contradictions
from reconcile.core.nodes import MappingNode, Node, Scalar, Wanted, is_empty, place_of
from reconcile.core.records import Address, PaymentToken, is_address

if TYPE_CHECKING:
    from pydantic import BaseModel

    Model = TypeVar("Model", bound=BaseModel)

MAX_DIAGNOSTICS: Final = 10_000
"""Beyond these, entries that are not obviously valid are counted and no longer explained."""

NOTES_LIMIT: Final = 255
"""A limit for "Notes" that the platform prints without saying which field it means (nexudus-api.md, "Record")."""

_SHAPES: Final[dict[str, Literal["mapping", "sequence"]]] = {
    "defaults": "mapping",
    "payment_tokens": "mapping",
    "moved": "sequence",
    "removed": "sequence",
    "imports": "sequence",
}


class Problems:
    """Diagnostics as long as there is room, and an honest count of what came after."""

    __slots__ = ("beyond", "found", "room")

    def __init__(self, room: int = MAX_DIAGNOSTICS) -> None:
        self.found: list[Diagnostic] = []
        self.room = room
        self.beyond = 0

    @property
    def is_full(self) -> bool:
        """Whether further problems are only counted."""
        return self.room <= 0

    def add(self, diagnostic: Diagnostic) -> None:
        """One more."""
        if self.room > 0:
            self.found.append(diagnostic)
            self.room -= 1
        else:
            self.beyond += 1

    def merge(self, others: "Problems") -> None:
        """All of a file that was given what room there was."""
        self.found += others.found
        self.room = others.room
        self.beyond += others.beyond

    def all(self) -> tuple[Diagnostic, ...]:
        """In file order; before them, how many are not among them."""
        found = self.found
        if self.beyond:
            message = f"{self.beyond:,} more problems were found; only the first {len(found):,} are explained"
            found = [*found, Diagnostic("too-many-problems", message, None, "correct these and run again")]
        return tuple(in_file_order(found))


class FileCollector:
    """Takes one file apart; implements `Sections`. What it collects is left in `declared` and `problems`."""

    __slots__ = (
        "_defaults",
        "_earlier",
        "_earlier_records",
        "_env_prefix",
        "_file",
        "_has_broken",
        "_literal_count",
        "_literals",
        "_records",
        "_section",
        "_strict",
        "_unprotected",
        "declared",
        "problems",
    )

    def __init__(self, file: str, earlier: Declared, problems: Problems, *, env_prefix: str, strict: bool) -> None:
        self._file = file
        self._earlier = earlier
        self._env_prefix = env_prefix
        self._strict = strict
        self._section = ""
        self._defaults: Defaults | None = None
        self._unprotected: set[Address] = set()
        self._literals: list[Location] = []
        self._literal_count = 0
        self.declared = Declared()
        self._records = self.declared.records
        self._earlier_records = earlier.records
        self._has_broken = bool(earlier.broken)
        self.problems = problems

    # Sections.

    def open_section(self, key: Scalar, shape: Literal["mapping", "sequence"]) -> Wanted:
        """Knows the five sections; anything else is reported once and skipped."""
        expected = _SHAPES.get(key.value)
        if expected is None:
            self._report_unknown(key)
            return "nothing"
        if expected != shape:
            self.problems.add(_wrong_shape(key, expected, place_of(self._file, key)))
            return "nothing"
        self._section = key.value
        return "tree" if key.value == "defaults" else "entries"

    def take_section(self, key: Scalar, node: Node) -> None:
        """The defaults; any other section that is not opened is one without entries."""
        expected = _SHAPES.get(key.value)
        if expected is None:
            self._report_unknown(key)
        elif isinstance(node, MappingNode):
            self._take_defaults(node, place_of(self._file, key))
        else:
            at = place_of(self._file, key if is_empty(node) else node)
            self.problems.add(_wrong_shape(key, expected, at))

    def take_entry(self, key: Scalar, node: Node | None) -> None:
        """One record."""
        mark = key.start_mark
        address = key.value
        location = Location(self._file, mark.line + 1, mark.column + 1)
        record = None
        if type(node) is MappingNode and not node.is_broken and is_address(address):
            record = obvious_record(address, location, node, self._defaults or NO_DEFAULTS, self._env_prefix)
        if record is None and node is not None:
            record = self._examined_record(key, location, node)
        # Written out, because a call for each record would be felt.
        if (
            address in self._records
            or address in self._earlier_records
            or (self._has_broken and self._is_broken(address))
        ):
            self._report_duplicate(address, location)
        elif record is None:
            self.declared.broken[address] = location
            self._has_broken = True
        else:
            self._records[address] = record
            self._note(record, cast("MappingNode", node).values)

    def take_item(self, node: Node) -> None:
        """One item of moved, removed or imports."""
        if self.problems.is_full:
            self.problems.beyond += 1
            return
        at = place_of(self._file, node)
        if self._section == "moved":
            self._take_moved(node, at)
        elif self._section == "removed":
            self._take_removed(node, at)
        else:
            self._take_import(node, at)

    def close(self) -> None:
        """The file is read to its end."""
        if not self._literals:
            return
        hint = "name its source instead: token_from: {env: NAME} or {file: NAME}"
        if self._strict:
            for place in self._literals:
                message = "a token stands in the manifest"
                self.problems.add(Diagnostic("literal-token", message, place, hint, secret=True))
            return
        count = self._literal_count
        message = f"{count:,} tokens stand in this manifest" if count > 1 else "a token stands in this manifest"
        warning = Diagnostic("literal-token", message, self._literals[0], hint, Severity.WARNING, secret=True)
        self.problems.add(warning)

    # Records.

    def _examined_record(self, key: Scalar, location: Location, node: Node) -> PaymentToken | None:
        if self.problems.is_full:
            self.problems.beyond += 1
            return None
        from reconcile.core.manifest_examine import bad_address, declared_record
        from reconcile.core.manifest_schema import RecordItem

        if (wrong := bad_address(key, location)) is not None:
            self.problems.add(wrong)
        item = self._examined(RecordItem, node, location)
        if item is None or wrong is not None:
            return None
        return declared_record(item, key.value, location, self._defaults or NO_DEFAULTS)

    def _examined(self, model: "type[Model]", node: Node, at: Location) -> "Model | None":
        from reconcile.core.manifest_examine import examine

        found = examine(model, node, at, self._env_prefix)
        if not isinstance(found, list):
            return found
        for diagnostic in found:
            self.problems.add(diagnostic)
        return None

    def _is_broken(self, address: Address) -> bool:
        return address in self.declared.broken or address in self._earlier.broken

    def _report_duplicate(self, address: Address, location: Location) -> None:
        first = self.declared.place_of(address) or self._earlier.place_of(address)
        message = f"this address stands already at {first}"
        self.problems.add(Diagnostic("duplicate-address", message, location, "addresses are unique across all files"))

    def _note(self, record: PaymentToken, values: "dict[str, Node]") -> None:
        """Remembers what is judged at the end of the file, and warns of what the platform may refuse."""
        if "token" in values and record.literal is not None:
            self._literal_count += 1
            if self._strict or not self._literals:
                self._literals.append(place_of(self._file, values["token"]))
        if "notes" in values and len(values["notes"].value) > NOTES_LIMIT:
            self._warn_of_notes(values["notes"])
        if "protect" in values and not record.protect and self._defaults is None:
            self._unprotected.add(record.address)

    def _warn_of_notes(self, notes: Node) -> None:
        message = f"the notes have {len(notes.value):,} characters; Nexudus may not keep more than {NOTES_LIMIT}"
        place = place_of(self._file, notes)
        self.problems.add(Diagnostic("long-notes", message, place, "shorten them", Severity.WARNING))

    # The other sections.

    def _take_defaults(self, node: MappingNode, at: Location) -> None:
        defaults = None if node.is_broken else obvious_defaults(node, self._env_prefix)
        if defaults is None:
            defaults = self._examined_defaults(node, at)
        if defaults is None:
            return
        if "notes" in node.values and len(node.values["notes"].value) > NOTES_LIMIT:
            self._warn_of_notes(node.values["notes"])
        self._defaults = defaults
        for address, record in self.declared.records.items():
            self.declared.records[address] = with_late_defaults(
                record, defaults, is_protect_declared=record.protect or address in self._unprotected
            )

    def _examined_defaults(self, node: MappingNode, at: Location) -> Defaults | None:
        from reconcile.core.manifest_examine import declared_defaults
        from reconcile.core.manifest_schema import DefaultsItem

        item = self._examined(DefaultsItem, node, at)
        return declared_defaults(item) if item is not None else None

    def _take_moved(self, node: Node, at: Location) -> None:
        from reconcile.core.manifest_schema import MovedItem

        item = self._examined(MovedItem, node, at)
        if item is not None and isinstance(node, MappingNode):
            source, to = (place_of(self._file, node.values[name]) for name in ("from", "to"))
            self.declared.moved.append(PlacedMove(Moved(item.source, item.to, at), source, to))

    def _take_removed(self, node: Node, at: Location) -> None:
        from reconcile.core.manifest_schema import RemovedItem

        item = self._examined(RemovedItem, node, at)
        if item is not None and isinstance(node, MappingNode):
            place = place_of(self._file, node.values["from"])
            self.declared.removed.append(PlacedRemoval(Removed(item.source, at), place))

    def _take_import(self, node: Node, at: Location) -> None:
        from reconcile.core.manifest_schema import ImportItem

        item = self._examined(ImportItem, node, at)
        if item is not None and isinstance(node, MappingNode):
            to, record_id = (place_of(self._file, node.values[name]) for name in ("to", "id"))
            self.declared.imports.append(PlacedImport(Import(item.to, item.id, at), to, record_id))

    def _report_unknown(self, key: Scalar) -> None:
        from reconcile.core.manifest_examine import unknown_key

        self.problems.add(unknown_key(key, _SHAPES, "a manifest", self._file))


def _wrong_shape(key: Scalar, expected: str, at: Location) -> Diagnostic:
    empty = "{}" if expected == "mapping" else "[]"
    hint = f"write {key.value}: {empty} if there is nothing to declare, or remove the key"
    return Diagnostic("wrong-type", f"{key.value} has to be a {expected}", at, hint, secret=True)


class Collector:
    """All files of a run, one after another in path order."""

    def __init__(self, *, env_prefix: str, strict: bool) -> None:
        self._env_prefix = env_prefix
        self._strict = strict
        self._declared = Declared()
        self._problems = Problems()

    def report(self, diagnostic: Diagnostic) -> None:
        """A file that cannot be read: what it would have declared is not known."""
        self._problems.add(diagnostic)
        self._declared.is_complete = False

    def begin(self, file: str) -> FileCollector:
        """Takes the next file apart; hand it back to `accept` once it is read."""
        problems = Problems(room=self._problems.room)
        return FileCollector(file, self._declared, problems, env_prefix=self._env_prefix, strict=self._strict)

    def accept(self, read: FileCollector) -> None:
        """The file was read to its end, so what it declares counts."""
        read.close()
        self._declared.add(read.declared)
        self._problems.merge(read.problems)

    def finish(self, *, digest: str, files: int) -> Manifests:
        """Everything declared, compared across files."""
        declared = self._declared
        for contradiction in find_contradictions(declared):
            self._problems.add(contradiction)
        return Manifests(
            records=declared.records,
            moved=tuple(placed.item for placed in declared.moved),
            removed=tuple(placed.item for placed in declared.removed),
            imports=tuple(placed.item for placed in declared.imports),
            digest=digest,
            files=files,
            diagnostics=self._problems.all(),
        )
