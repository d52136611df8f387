"""The state, by hand: looking at it, and correcting it under the lock, through the journal like everything else."""

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase

from reconcile import __version__
from reconcile.adapters.clock import Interruption, SystemClock
from reconcile.app.identity import lock_info, whoami
from reconcile.app.project import Project, folded_state, open_journal
from reconcile.core.entries import StateChangedEntry
from reconcile.core.errors import RefusedError, UsageError
from reconcile.core.folded import Folded
from reconcile.core.records import Address, StateRecord, is_address
from reconcile.core.state import State
from reconcile.core.statefile import dump_state, load_state
from reconcile.core.times import iso
from reconcile.journal import Journal
from reconcile.ports import LockInfo


def find_records(project: Project, patterns: Sequence[str]) -> list[tuple[Address, StateRecord]]:
    """The records whose address matches one of the globs, all without any, sorted by address.

    Raises:
        UsageError: A glob matches nothing.
    """
    records = folded_state(project).state.records
    if not patterns:
        return sorted(records.items())
    return [(address, records[address]) for address in _matching(records, patterns)]


def find_record(project: Project, address: Address) -> StateRecord:
    """The record at an address.

    Raises:
        UsageError: There is none; a write in doubt there is said.
    """
    folded = folded_state(project)
    if address in folded.doubts:
        doubt = folded.doubts[address]
        message = (
            f"{address} has no record yet: its {doubt.intent.action} of {doubt.intent.at} is in doubt, {doubt.seen}"
        )
        raise UsageError(message, code="in-doubt", help="`reconcile plan` lists what is in doubt")
    if address not in folded.state.records:
        raise _unknown(address)
    return folded.state.records[address]


def _matching(records: Iterable[Address], patterns: Sequence[str]) -> list[Address]:
    matches: set[Address] = set()
    for pattern in patterns:
        found = [address for address in records if fnmatchcase(address, pattern)]
        if not found:
            raise _unknown(pattern)
        matches.update(found)
    return sorted(matches)


def _unknown(address: str) -> UsageError:
    help_ = "`reconcile state list` shows what there is"
    return UsageError(f"no address in the state matches {address}", help=help_, code="unknown-address")


def move_record(project: Project, source: Address, to: Address, lock_timeout: float) -> None:
    """Gives a record, or a write in doubt, another address.

    Raises:
        UsageError: There is nothing at `source`, or `to` is no address.
        RefusedError: There is something at `to` already.
    """
    if not is_address(to):
        raise UsageError(f"{to} is not an address: letters, digits, `.`, `_` and `-` only")
    with _changing(project, "state mv", lock_timeout) as (journal, now):
        folded = journal.folded
        held = folded.state.records.get(source)
        if held is None and source not in folded.doubts:
            raise _unknown(source)
        if to in folded.state.records or to in folded.doubts:
            raise RefusedError(
                f"{to} is taken already", help=f"`reconcile state rm {to}` forgets it", code="address-taken"
            )
        journal.append(StateChangedEntry("mv", now, source, held.id if held else 0, to=to, who=whoami()))


def forget_records(project: Project, patterns: Sequence[str], lock_timeout: float) -> list[tuple[Address, StateRecord]]:
    """Forgets the records that match the globs; they stay in Nexudus.

    Raises:
        UsageError: A glob matches nothing.
    """
    with _changing(project, "state rm", lock_timeout) as (journal, now):
        records = journal.folded.state.records
        forgotten = [(address, records[address]) for address in _matching(records, patterns)]
        who = whoami()
        journal.append(*(StateChangedEntry("rm", now, address, held.id, who=who) for address, held in forgotten))
        return forgotten


def state_bytes(project: Project) -> bytes:
    """The state as it would be written, with open journal entries folded in."""
    return dump_state(folded_state(project).state)


def push_state(project: Project, data: bytes, *, force: bool, lock_timeout: float) -> State:
    """Replaces the records of the state by those of `data`, as the next serial; what was there becomes the backup.

    Raises:
        StateError: `data` is not a state.
        RefusedError: It has another lineage or an older serial, or writes are in doubt, and `force` is not given.
    """
    pushed = load_state(data)
    with _changing(project, "state push", lock_timeout) as (journal, _):
        if not force:
            _refuse_foreign(journal.folded, pushed)
        return journal.push(pushed, who=whoami(), tool_version=__version__)


def _refuse_foreign(folded: Folded, pushed: State) -> None:
    held = folded.state
    if held.serial > 0 and pushed.lineage != held.lineage:
        message = f"the file has lineage {pushed.lineage}, the state {held.lineage}"
    elif pushed.serial < held.serial:
        message = f"the file is older (serial {pushed.serial}) than the state (serial {held.serial})"
    elif folded.doubts:
        message = f"{len(folded.doubts)} writes are in doubt"
    else:
        return
    raise RefusedError(message, help="`reconcile state pull` shows the state; --force replaces it", code="push-refused")


def holder(project: Project) -> LockInfo | None:
    """Who holds the lock, or left it behind."""
    return project.backend.lock_holder()


def break_lock(project: Project, lock_id: str) -> LockInfo:
    """Removes the lock that a holder on another host left behind.

    Raises:
        LockedError: The holder is alive on this host.
        UsageError: No lock has that id.
    """
    return project.backend.break_lock(lock_id)


@contextmanager
def _changing(project: Project, operation: str, lock_timeout: float) -> Generator[tuple[Journal, str]]:
    """The journal under the lock, and the time; what was appended is in the state when the with-block ends well."""
    clock = SystemClock(Interruption())
    now = clock.now()
    with project.backend.lock(lock_info(operation, now), timeout=lock_timeout) as lock:
        journal = open_journal(project, clock, lock)
        yield journal, iso(now)
        journal.commit(tool_version=__version__)
