"""What has to fit together across entries and files: addresses, moves, removals, imports, equal records.

Works on entries that are valid each for itself and returns diagnostics. It must not read files or know the parser.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import translate
from itertools import chain
from typing import NamedTuple

from reconcile.core.diagnostics import Diagnostic, Location
from reconcile.core.manifest import Import, Moved, Removed
from reconcile.core.records import UNMANAGED, Address, PaymentToken


class PlacedMove(NamedTuple):
    """A move with the places of its two addresses."""

    item: Moved
    source: Location
    to: Location


class PlacedRemoval(NamedTuple):
    """A removal with the place of its pattern."""

    item: Removed
    pattern: Location


class PlacedImport(NamedTuple):
    """An import with the places of its address and its id."""

    item: Import
    to: Location
    id: Location


class Declared:
    """What was read so far.

    Attributes:
        records: The valid ones, in the order of reading.
        broken: Addresses whose entry has errors: declared all the same.
        is_complete: No file is missing, so an address that is not here is not declared anywhere.
    """

    __slots__ = ("broken", "imports", "is_complete", "moved", "records", "removed")

    def __init__(self) -> None:
        self.records: dict[Address, PaymentToken] = {}
        self.broken: dict[Address, Location] = {}
        self.moved: list[PlacedMove] = []
        self.removed: list[PlacedRemoval] = []
        self.imports: list[PlacedImport] = []
        self.is_complete = True

    def __contains__(self, address: Address) -> bool:
        return address in self.records or address in self.broken

    def place_of(self, address: Address) -> Location | None:
        """Where an address is declared."""
        record = self.records.get(address)
        return record.location if record is not None else self.broken.get(address)

    def add(self, others: "Declared") -> None:
        """What another file declares, whose addresses are new."""
        self.records.update(others.records)
        self.broken.update(others.broken)
        self.moved += others.moved
        self.removed += others.removed
        self.imports += others.imports


def find_contradictions(declared: Declared) -> Iterator[Diagnostic]:
    """Everything that does not fit together."""
    return chain(
        _equal_records(_to_be_created(declared)),
        _wrong_moves(declared),
        _cycles(declared.moved),
        _declared_removals(declared),
        _wrong_imports(declared),
    )


# Records.


def _to_be_created(declared: Declared) -> Iterable[PaymentToken]:
    """All but those that take over an existing record, which its id tells apart however equal its content is."""
    if not declared.imports:
        return declared.records.values()
    imported = {placed.item.to for placed in declared.imports}
    return [record for address, record in declared.records.items() if address not in imported]


def _equal_records(records: Iterable[PaymentToken]) -> Iterator[Diagnostic]:
    """Two addresses with the same content would be created twice, or found to exist already (protocol.md)."""
    first_of_invoice: dict[int, PaymentToken] = {}
    remember = first_of_invoice.setdefault
    first_of_content: dict[object, PaymentToken] = {}
    for record in records:
        first = remember(record.coworker_invoice_id, record)
        if first is record:
            continue
        first_of_content.setdefault(_content(first), first)
        twin = first_of_content.setdefault(_content(record), record)
        if twin is not record:
            message = f"the same content is declared for {twin.address} at {twin.location}"
            yield Diagnostic("equal-records", message, record.location, "remove one, or tell them apart by their notes")


def _content(record: PaymentToken) -> tuple[object, ...]:
    # The API keeps no difference between an empty text and null.
    notes = record.notes if record.notes is UNMANAGED else record.notes or None
    literal = record.literal.reveal() if record.literal is not None else None
    return (
        record.coworker_invoice_id,
        record.regular_payment_provider,
        notes,
        record.token_source,
        record.token_version,
        literal,
    )


# Moves.


def _wrong_moves(declared: Declared) -> Iterator[Diagnostic]:
    sources = {move.item.source for move in declared.moved}
    seen_sources: dict[Address, Location] = {}
    seen_targets: dict[Address, Location] = {}
    for move in declared.moved:
        source, to = move.item.source, move.item.to
        first = seen_sources.setdefault(source, move.source)
        if first is not move.source:
            yield Diagnostic("moved-twice", f"{source} is moved already at {first}", move.source, "keep one of the two")
        elif source in declared:
            hint = f"remove the entry at {declared.place_of(source)}, or this move"
            yield Diagnostic("moved-still-declared", f"{source} is still declared", move.source, hint)
        first = seen_targets.setdefault(to, move.to)
        if first is not move.to:
            message = f"another address is moved to {to} at {first}"
            yield Diagnostic("moved-together", message, move.to, "two records cannot share an address")
        elif to not in sources and to not in declared and declared.is_complete:
            yield _undeclared("moved-undeclared", to, move.to)


def _undeclared(code: str, address: Address, place: Location) -> Diagnostic:
    return Diagnostic(
        code, f"{address} is not declared", place, "declare it under payment_tokens, or correct the address"
    )


def _cycles(moved: list[PlacedMove]) -> Iterator[Diagnostic]:
    """Each cycle once, at its first move in the order of reading."""
    following = {move.item.source: move.item.to for move in reversed(moved)}
    settled: set[Address] = set()
    for move in moved:
        path: dict[Address, None] = {}
        address = move.item.source
        while address in following and address not in settled and address not in path:
            path[address] = None
            address = following[address]
        if address in path:
            help_ = "remove one of these moves; `reconcile state mv` swaps addresses, by way of a third"
            yield Diagnostic("moved-in-a-circle", _circle(address, following), move.source, help_)
        settled.update(path)


def _circle(start: Address, following: Mapping[Address, Address]) -> str:
    if following[start] == start:
        return f"{start} is moved to itself"
    steps = [start]
    while following[steps[-1]] != start and len(steps) < 5:
        steps.append(following[steps[-1]])
    end = start if following[steps[-1]] == start else "…"
    return f"the moves lead in a circle: {' -> '.join([*steps, end])}"


# Removals.


def _declared_removals(declared: Declared) -> Iterator[Diagnostic]:
    if not declared.removed:
        return
    addresses = sorted(chain(declared.records, declared.broken))
    for removal in declared.removed:
        found = _first_match(removal.item.pattern, addresses, declared)
        if found is not None:
            message = f"{found} is still declared at {declared.place_of(found)}"
            hint = "what is declared cannot be forgotten: remove its entry, or narrow the pattern"
            yield Diagnostic("removed-still-declared", message, removal.pattern, hint)


def _first_match(pattern: str, addresses: list[Address], declared: Declared) -> Address | None:
    prefix = re.split(r"[*?\[]", pattern, maxsplit=1)[0]
    if prefix == pattern:
        return pattern if pattern in declared else None
    matches: Callable[[str], object] = re.compile(translate(pattern)).match
    for index in range(bisect_left(addresses, prefix), len(addresses)):
        if not addresses[index].startswith(prefix):
            break
        if matches(addresses[index]):
            return addresses[index]
    return None


# Imports.


def _wrong_imports(declared: Declared) -> Iterator[Diagnostic]:
    by_address: dict[Address, Location] = {}
    by_id: dict[int, Location] = {}
    for placed in declared.imports:
        to, record_id = placed.item.to, placed.item.id
        first = by_address.setdefault(to, placed.to)
        if first is not placed.to:
            yield Diagnostic("imported-twice", f"{to} imports a record already at {first}", placed.to, "keep one")
        elif to not in declared and declared.is_complete:
            yield _undeclared("import-undeclared", to, placed.to)
        first = by_id.setdefault(record_id, placed.id)
        if first is not placed.id:
            message = f"record {record_id} is imported already at {first}"
            yield Diagnostic("imported-twice", message, placed.id, "a record belongs to one address")
