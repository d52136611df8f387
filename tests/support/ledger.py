"""A server's own books: what arrived, what took effect and when, and whether the client kept its promises.

Nothing of the tool decides here. The journal and the state are read as plain JSON, so that a mistake in the tool's own
reading cannot hide one in its writing. A record's notes are its label: one label is one thing that somebody declared.
"""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """A record of the server; listings show it from `visible_at` on."""

    id: int
    invoice: int
    provider: int | None
    token: str | None
    notes: str | None
    is_ours: bool = True
    visible_at: float = 0.0


def open_intents(journal: bytes) -> list[dict[str, Any]]:
    """The intents without an outcome, oldest first; a torn last line counts for nothing."""
    opened: dict[str, dict[str, Any]] = {}
    for entry in entries_of(journal):
        if entry["type"] == "intent":
            opened[entry["operation"]] = entry
        elif entry["type"] in {"applied", "no_effect", "resolved"}:
            opened.pop(entry["operation"], None)
    return list(opened.values())


def entries_of(journal: bytes) -> list[dict[str, Any]]:
    """Every entry that a power loss would have left."""
    entries: list[dict[str, Any]] = []
    for line in journal.split(b"\n")[:-1]:
        try:
            entries.append(json.loads(line)["entry"])
        except (ValueError, KeyError):
            break
    return entries


def held_ids(state: bytes | None) -> dict[int, str | None]:
    """The ids in a state file, each with the label of its record."""
    records = json.loads(state)["records"] if state else {}
    return {record["id"]: record.get("notes") for record in records.values()}


def journalled_ids(journal: bytes) -> set[int]:
    """The ids that the journal says belong to an address."""
    return {
        int(entry["id"])
        for entry in entries_of(journal)
        if entry["type"] in {"applied", "resolved", "state_changed"} and entry.get("id")
    }


class Ledger:
    """What the server knows; used by all of its threads.

    Args:
        now: The true time, in seconds, whatever the client's clock says.
        durable_journal: The journal as a power loss at this moment would leave it.
        first_id: Where the server's ids begin.
    """

    def __init__(self, now: Callable[[], float], durable_journal: Callable[[], bytes], first_id: int = 7001) -> None:
        self.rows: dict[int, Row] = {}
        self.ever: dict[int, Row] = {}
        self.pending: list[tuple[float, Row]] = []
        self.arrived: Counter[str] = Counter()
        self.requests = 0
        self.broken: list[str] = []
        self.released: set[str] = set()
        self.deleted: set[int] = set()
        self.standing: set[str | None] = set()
        self.closed_until = float("-inf")
        self.is_locked_out = False
        self._now, self._durable_journal = now, durable_journal
        self._next_id = first_id
        self._next_foreign_id = first_id // 2
        self._lock = threading.RLock()

    def note_request(self) -> None:
        """Any request at all: none may come before the time that a throttled answer named is over (I9)."""
        with self._lock:
            self.requests += 1
            self.take_effect()
            if self._now() < self.closed_until - 1e-6:
                self.broken.append(f"I9: a request {self.closed_until - self._now():.3f} s before Retry-After is over")

    def note_create(self, label: str, journal: bytes | None = None) -> None:
        """The first byte of a create arrived: its intent has to be durable, and nothing else of it open (I4, I5)."""
        with self._lock:
            self.note_request()
            self.arrived[label] += 1
            if label in self.standing:
                self.broken.append(f"guard: {label} was sent though it was there, and owned by nobody")
            if self.is_locked_out:
                self.broken.append(f"I10: {label} was sent without the lock")
            mine = open_intents(journal if journal is not None else self._durable_journal())
            named = [entry for entry in mine if entry.get("notes") == label]
            if not named:
                self.broken.append(f"I4: {label} was sent before its intent was durable")
            if len(named) > 1:
                self.broken.append(f"I5: {label} was sent while an earlier attempt is in doubt")
            invoice = {entry["coworker_invoice_id"] for entry in named}
            if len([entry for entry in mine if entry["coworker_invoice_id"] in invoice]) > max(1, len(named)):
                self.broken.append(f"I5: {label} was sent while its invoice is in doubt")

    def add(self, invoice: int, provider: int | None, token: str | None, notes: str | None, **more: Any) -> Row:
        """A record that exists from now on; `after` and `lag` are seconds until then, and until listings show it."""
        after, lag, is_ours = more.get("after", 0.0), more.get("lag", 0.0), more.get("is_ours", True)
        with self._lock:
            at = self._now() + after
            row = Row(self._next_id, invoice, provider, token, notes, is_ours, at + lag)
            self._next_id += 1
            if after:
                self.pending.append((at, row))
            else:
                self.rows[row.id] = self.ever[row.id] = row
            return row

    def note_client(self, owned: set[int]) -> None:
        """A client begins, which was told nothing so far; what stands there unowned, it must not create again."""
        with self._lock:
            self.take_effect()
            self.closed_until = float("-inf")
            self.standing = {row.notes for row in self.rows.values() if not row.is_ours and row.id not in owned}

    def add_foreign(self, invoice: int, token: str | None, notes: str) -> Row:
        """Somebody else writes a record; its id is below all of ours, so that the lowest is not always right."""
        with self._lock:
            row = Row(self._next_foreign_id, invoice, None, token, notes, is_ours=False)
            self._next_foreign_id += 1
            self.rows[row.id] = self.ever[row.id] = row
            return row

    def edit(self, row: Row, **fields: Any) -> Row:
        """Somebody changes a record."""
        with self._lock:
            edited = replace(row, **fields)
            self.rows[row.id] = self.ever[row.id] = edited
            return edited

    def delete(self, row: Row) -> None:
        """Somebody deletes a record; what is created in its place is of another generation."""
        with self._lock:
            del self.rows[row.id]
            self.deleted.add(row.id)

    def take_effect(self) -> None:
        """What was due by now exists."""
        with self._lock:
            due = [(at, row) for at, row in self.pending if at <= self._now()]
            self.pending = [(at, row) for at, row in self.pending if at > self._now()]
            for _, row in due:
                self.rows[row.id] = self.ever[row.id] = row

    def listed(self, invoice: int | None = None) -> list[Row]:
        """What a complete listing shows now."""
        with self._lock:
            self.take_effect()
            return [
                row for row in self.rows.values() if row.visible_at <= self._now() and invoice in {None, row.invoice}
            ]

    def check(self, state: bytes | None, journal: bytes) -> None:
        """Raises AssertionError where a promise was broken: those seen as requests came, and I1 to I3 now."""
        with self._lock:
            self.take_effect()
            assert not self.broken, "; ".join(self.broken)
            self._check_once(row for row in self.ever.values() if row.is_ours and row.id not in self.deleted)
            held, journalled = held_ids(state), journalled_ids(journal)
            opened = {entry.get("notes") for entry in open_intents(journal)}
            for row in self.rows.values():
                is_known = row.id in held or row.id in journalled or row.notes in opened or row.notes in self.released
                assert is_known or not row.is_ours, f"I2: {row} is in no state, entry or open intent"
            for record_id, label in held.items():
                row = self.ever.get(record_id)
                assert row is not None, f"I3: the state holds id {record_id}, which never was"
                assert row.notes == label, f"I3: the state holds {row} as {label}"

    def _check_once(self, ours: Iterable[Row]) -> None:
        often = {label: n for label, n in Counter(row.notes for row in ours).items() if n > 1}
        assert not often, f"I1: created more than once: {often}"
