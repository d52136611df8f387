"""The duplicate guard: what exists at an invoice already, looked at before anything is created there.

Always on (protocol.md, "Before a create"). It reads and compares; it creates and adopts nothing.
"""

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass

from reconcile.apply.lookup import Lookup
from reconcile.core.entries import IntentEntry
from reconcile.core.records import ObservedRecord, Secret
from reconcile.core.rows import has_blank, managed_fields
from reconcile.core.settling import Likeness, could_match, likeness
from reconcile.ports import PaymentTokens


@dataclass(frozen=True, slots=True)
class Found:
    """What exists at the invoice of a create.

    Attributes:
        baseline: Every id there, owned or not; the intent keeps them.
        matches: The full matches that no address owns: creating would make a second one.
    """

    baseline: tuple[int, ...]
    matches: tuple[int, ...]


class Guard:
    """Looks for what is about to be created; used by all workers of a run.

    Args:
        owned: The ids that belong to an address, kept up to date by whoever creates and adopts.
        fingerprint: Under the key of the run.
    """

    def __init__(
        self, api: PaymentTokens, lookup: Lookup, owned: Collection[int], fingerprint: Callable[[Secret], str]
    ) -> None:
        self._api = api
        self._lookup = lookup
        self._owned = owned
        self._fingerprint = fingerprint
        self._created: dict[int, list[int]] = {}
        self._lock = threading.Lock()

    def look(self, intent: IntentEntry) -> Found:
        """What exists at the intent's invoice. Creates at one invoice come one at a time, so nothing is missed between.

        Raises:
            ApiError: It cannot be read completely.
        """
        rows = self._lookup.at(intent.coworker_invoice_id)
        suspects = [row for row in rows if row.id not in self._owned and could_match(intent, row, self._fingerprint)]
        matches = tuple(row.id for row in suspects if self._is_match(intent, row))
        with self._lock:
            created = self._created.get(intent.coworker_invoice_id, [])
            baseline = sorted({row.id for row in rows} | set(created))
        return Found(tuple(baseline), matches)

    def _is_match(self, intent: IntentEntry, row: ObservedRecord) -> bool:
        if not has_blank(row, managed_fields(intent)) and likeness(intent, row, self._fingerprint) is Likeness.FULL:
            return True  # it shows every declared value: reading it by its id would say the same
        record = self._api.get(row.id) or row  # where lists and reads disagree, the list may be the one that is right
        return likeness(intent, record, self._fingerprint) is Likeness.FULL

    def has_seen(self, record_id: int) -> bool:
        """Whether a record was there before: no create of this run made it."""
        return self._lookup.has_seen(record_id)

    def note_created(self, invoice: int, record_id: int) -> None:
        """Remembers what this run created, which the rows read before do not show."""
        with self._lock:
            self._created.setdefault(invoice, []).append(record_id)
