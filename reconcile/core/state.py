"""The state: which record each address became. Lineage says whose it is, serial how often it was written."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from reconcile.core.records import Address, StateRecord


class State(NamedTuple):
    """What is remembered between runs.

    Attributes:
        lineage: A UUID given at birth; two states with different lineages never replace one another.
        serial: Grows by one with every write; 0 is a state that was never written.
        tool_version: The version of the tool that wrote it last.
    """

    lineage: str
    serial: int = 0
    tool_version: str = ""
    records: Mapping[Address, StateRecord] = MappingProxyType({})


def next_state(state: State, tool_version: str) -> State:
    """The same records, to be written as the following serial."""
    return state._replace(serial=state.serial + 1, tool_version=tool_version)
