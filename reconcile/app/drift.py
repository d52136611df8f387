"""Drift: the state against Nexudus. Takes no lock, sends no write, and changes no byte of state and journal."""

from collections.abc import Callable
from dataclasses import dataclass

from reconcile.adapters.clock import Interruption, SystemClock
from reconcile.app.connection import Connection, SandboxWishes, Waiting, connect, find_access
from reconcile.app.project import Project, folded_state, keep_loaded
from reconcile.app.quota import quota_use
from reconcile.apply.observe import Eyes, observe
from reconcile.core.drift import Comparisons, compare, field_drift
from reconcile.core.folded import Folded
from reconcile.core.quota import QuotaError, price
from reconcile.core.records import Address, ObservedRecord, StateRecord
from reconcile.core.state import State
from reconcile.ports import ReadWatcher


@dataclass(frozen=True, slots=True)
class Found:
    """A state, and what was found of its records."""

    state: State
    comparisons: Comparisons


class Unwatched:
    """A `ports.ReadWatcher` for whoever does not care."""

    def expect(self, reads: int, seconds: float, what: str) -> None:
        """Nothing."""

    def note_read(self) -> None:
        """Nothing."""

    def finish(self) -> None:
        """Nothing."""


def find_drift(
    project: Project,
    wishes: SandboxWishes,
    watcher: ReadWatcher,
    is_selected: Callable[[Address], bool] = lambda _: True,
) -> Found:
    """Compares every record of the state with the API.

    Raises:
        InputError: Credentials are missing.
        StateError: The state or its journal cannot be read.
        ApiError: Something could not be read; then nothing is known.
        QuotaError: The quota of reads does not suffice.
    """
    access = find_access(project, wishes)
    folded = folded_state(project)
    with connect(access, SystemClock(Interruption()), Waiting(note_read=watcher.note_read)) as connection:
        keep_loaded()
        return Found(folded.state, look(project, folded, connection, watcher, is_selected))


def look(
    project: Project,
    folded: Folded,
    connection: Connection,
    watcher: ReadWatcher,
    is_selected: Callable[[Address], bool],
) -> Comparisons:
    """What became of the records whose address is selected; one with a write in doubt is left out.

    Raises:
        ApiError: Something could not be read; then nothing is known.
        QuotaError: The quota of reads does not suffice.
        StateError: The quota's ledger cannot be written.
    """
    selected = {address: record for address, record in folded.state.records.items() if is_selected(address)}
    in_doubt = selected.keys() & folded.doubts.keys()
    records = {address: record for address, record in selected.items() if address not in in_doubt}
    fingerprints = project.fingerprints(create=False)
    fingerprint = fingerprints.of if fingerprints is not None else None

    def differs(held: StateRecord, seen: ObservedRecord) -> bool:
        return bool(field_drift(held, seen, fingerprint))

    try:
        eyes = eyes_of(project, connection, watcher, differs)
        observed = observe({record.id: record for record in records.values()}, eyes)
    finally:
        watcher.finish()
    return compare(
        records,
        observed.records,
        fingerprint,
        gone=observed.gone,
        unreadable=observed.unreadable,
        unlisted=observed.unlisted,
        in_doubt=in_doubt,
    )


def eyes_of(
    project: Project,
    connection: Connection,
    watcher: ReadWatcher,
    differs: Callable[[StateRecord, ObservedRecord], bool],
) -> Eyes:
    """What to look with, where every stage of reading is priced and told before it begins."""

    def expect(reads: int, what: str) -> None:
        _refuse_unaffordable(project, reads)
        seconds, _ = price(0, reads, project.limits)
        watcher.expect(reads, seconds, what)

    return Eyes(connection.api, differs, expect, connection.note_total)


def _refuse_unaffordable(project: Project, reads: int) -> None:
    """Reading that ends in the middle has said nothing, so it does not begin when today's quota cannot bear it."""
    left = next(window.left for window in quota_use(project).windows if window.name == "requests_per_day")
    if left is not None and reads > left:
        message = f"this takes {reads:,} reads more, and today's quota has {left:,} requests left"
        raise QuotaError(message, help="`reconcile quota` says when it frees; nothing was changed")
