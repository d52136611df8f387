"""State and journal as they are read: without the lock, and without changing a byte.

Where the journal ends with the commit of the state, which is nearly always, that one line is all that is read of it,
and nothing that understands the other entries is loaded.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from reconcile.core.commit import decode_commit
from reconcile.core.errors import StateError
from reconcile.core.folded import Folded
from reconcile.core.state import State
from reconcile.core.statefile import load_state
from reconcile.ports import Backend, StoredState

if TYPE_CHECKING:
    from reconcile.core.entries import Entry

_READ_ATTEMPTS = 3


class Loaded(NamedTuple):
    """The state as it was read, and where from; None when there is no state yet."""

    state: State
    stored: StoredState | None

    @property
    def version(self) -> str | None:
        """What a write has to find."""
        return self.stored.version if self.stored else None


def load(backend: Backend, *, new_lineage: Callable[[], str]) -> Loaded:
    """The state as it is stored, without what the journal knows on top.

    Where there is none, its lineage comes from the journal, if a run began and was killed before its first state was
    written; else from `new_lineage`, and a state is born.

    Raises:
        StateError: The state cannot be read or believed, or is gone while its journal says that it was there.
    """
    stored = backend.read_state()
    if stored is not None:
        return Loaded(load_state(stored.data), stored)
    data = backend.read_journal()
    return _unwritten(data) if data else Loaded(State(new_lineage()), None)


def _unwritten(journal: bytes) -> Loaded:
    """The state of a journal whose first state was never written."""
    from reconcile.core.entries import HeaderEntry
    from reconcile.core.journalfile import decode

    entries = decode(journal).entries
    header = entries[0] if entries else None
    if not isinstance(header, HeaderEntry):
        return Loaded(State(""), None)  # folding it says what is wrong
    if header.serial or _has_lost_push(entries):
        raise StateError(
            "state.json is gone, and its journal does not reach back to its beginning",
            code="state-missing",
            help="restore state.json.backup as state.json: the journal knows what was written since",
        )
    return Loaded(State(header.lineage), None)


def _has_lost_push(entries: "Sequence[Entry]") -> bool:
    """Whether the journal builds on a state that was pushed, which it does not hold itself."""
    from reconcile.core.entries import CommittedEntry, StateChangedEntry

    pushed = [i for i, e in enumerate(entries) if isinstance(e, StateChangedEntry) and e.change == "push"]
    return bool(pushed) and any(isinstance(entry, CommittedEntry) for entry in entries[pushed[-1] :])


def read_folded(backend: Backend, state: State) -> Folded:
    """The state with its journal laid over it, for whoever takes no lock; changes no byte, ignores a torn tail.

    Costs one line when there is no journal, or when it ends with the commit of this very state and nothing is in doubt;
    the runs are left out then, `read_runs` has them.

    Raises:
        StateError: The journal cannot be read or does not belong to the state.
    """
    last = backend.last_journal_line()
    commit = decode_commit(last)
    if not last or (commit and commit.settled and (commit.serial, commit.lineage) == (state.serial, state.lineage)):
        return Folded(state)
    from reconcile.core.journalfile import decode
    from reconcile.core.operations import fold

    return fold(state, decode(backend.read_journal()).entries)


def read_current(backend: Backend, *, new_lineage: Callable[[], str]) -> Folded:
    """Loads and folds without the lock, again when another run wrote a state between the two.

    Raises:
        StateError: As `load` and `read_folded`.
    """
    for _ in range(_READ_ATTEMPTS):
        loaded = load(backend, new_lineage=new_lineage)
        try:
            return read_folded(backend, loaded.state)
        except StateError:
            now_there = backend.read_state()
            if (now_there.version if now_there else None) == loaded.version:
                raise
    raise StateError(
        "another run keeps writing the state", code="state-busy", help="wait until it has ended, then run this again"
    )
