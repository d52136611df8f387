"""The state: which record each address became. Lineage says whose it is, serial how often it was written."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from reconcile.core.records import Address, StateRecord


@dataclass(frozen=True, slots=True)
class State:
    """What is remembered between runs.

    Attributes:
        lineage: A UUID given at birth; two states with different lineages never replace one another.
        serial: Grows by one with every write; 0 is a state that was never written.
        tool_version: The version of the tool that wrote it last.
    """

    lineage: str
    serial: int = 0
    tool_version: str = ""
    records: Mapping[Address, StateRecord] = field(default_factory=dict[Address, StateRecord])


def next_state(state: State, tool_version: str) -> State:
    """The same records, to be written as the following serial."""
    return replace(state, serial=state.serial + 1, tool_version=tool_version)
