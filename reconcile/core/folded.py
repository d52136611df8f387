"""What a state and its journal say together, as values: the result of the fold (`operations.py`), cheap to load."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from reconcile.core.records import Address
from reconcile.core.state import State

if TYPE_CHECKING:
    from reconcile.core.entries import IntentEntry, ResolvedEntry
    from reconcile.core.runs import RunSummary


class Doubt(NamedTuple):
    """A write whose outcome is unknown: its intent, what was last seen of it, and when (UTC, ISO 8601)."""

    intent: "IntentEntry"
    seen: str = "the run ended before the outcome was recorded"
    ids: tuple[int, ...] = ()
    at: str = ""


class Watch(NamedTuple):
    """A doubt that was settled, whose request may still take effect late: its invoice is to be listed once more."""

    intent: "IntentEntry"
    resolved: "ResolvedEntry"

    @property
    def id(self) -> int | None:
        """The record that was adopted; None when it counted as not created."""
        return self.resolved.id


class Folded(NamedTuple):
    """What a state and its journal say together.

    Attributes:
        state: The state's records with everything the journal knows laid over them; the serial is the state's own.
        doubts: Open intents by address.
        watches: Settled doubts whose invoices are to be listed once more.
        runs: Every run the journal still holds, oldest first.
        is_ahead: Whether the journal knows something that the state file does not.
    """

    state: State
    doubts: Mapping[Address, Doubt] = MappingProxyType({})
    watches: tuple[Watch, ...] = ()
    runs: "tuple[RunSummary, ...]" = ()
    is_ahead: bool = False
