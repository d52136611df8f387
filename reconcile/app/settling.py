"""Settles writes in doubt: by itself around an apply, and on demand by `resolve`, which also takes a person's word."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from reconcile import __version__
from reconcile.adapters.clock import Interruption, SystemClock
from reconcile.app.connection import SandboxWishes, connect, find_access
from reconcile.app.identity import lock_info, whoami
from reconcile.app.project import Project, open_journal
from reconcile.apply.settle import UNREADABLE, SettlingTools, settle
from reconcile.apply.settle_changes import settle_changes
from reconcile.apply.twins import find_twins
from reconcile.core.entries import IntentEntry, ResolvedEntry
from reconcile.core.errors import RefusedError, UsageError
from reconcile.core.folded import Doubt
from reconcile.core.records import Address, ObservedRecord, Secret
from reconcile.core.report import Report, Result, Settlement, Twin
from reconcile.core.times import iso
from reconcile.journal import Journal
from reconcile.ports import Clock, PaymentTokens


@dataclass(frozen=True, slots=True)
class Settled:
    """What reading has settled, and the late twins it has seen; `unchecked` says why none could be looked for."""

    settlements: tuple[Settlement, ...] = ()
    twins: tuple[Twin, ...] = ()
    unchecked: str = ""

    def then(self, later: "Settled") -> "Settled":
        """Both together, where the later look at an address counts."""
        verdicts = {s.doubt.intent.operation: s for s in (*self.settlements, *later.settlements)}
        return Settled(tuple(verdicts.values()), later.twins, later.unchecked)

    def leaving_to_the_guard(self, addresses: Container[Address]) -> "Settled":
        """Without late records of addresses that are about to be created: there the guard finds them."""
        twins = tuple(twin for twin in self.twins if not (twin.is_orphan and twin.address in addresses))
        return replace(self, twins=twins)


def settle_doubts(
    project: Project,
    journal: Journal,
    api: PaymentTokens,
    clock: Clock,
    *,
    only: Address | None = None,
    is_end: bool = False,
) -> Settled:
    """Settles what can be settled now; asks the API nothing where there is neither doubt nor anything to look at again.

    What cannot be read stays as it is, and is said: it must not hold up what has nothing to do with it.

    Args:
        project: For its key and its settle time.
        journal: Takes the verdicts.
        api: Where to read.
        clock: For the settle time, and for the wait between two listings.
        only: One address; None for all.
        is_end: Whether the run ends with this. Then nothing counts as not created, since nothing would be created in
            its place any more; and what it settled is looked at once more by the next run, too.

    Raises:
        StateError: The journal cannot be written.
    """
    folded = journal.folded
    doubts = [doubt for address, doubt in folded.doubts.items() if only in {None, address}]
    watches = [watch for watch in folded.watches if only in {None, watch.intent.address}]
    if not doubts and not watches:
        return Settled()
    tools = _tools(project, journal, api, clock)
    creates = [doubt for doubt in doubts if doubt.intent.action == "create"]
    changes = [doubt for doubt in doubts if doubt.intent.action != "create"]
    settlements = (
        *(settle(creates, tools, by_absence=not is_end) if creates else ()),
        *settle_changes(changes, tools, by_absence=not is_end),
    )
    if not watches:
        return Settled(settlements)
    try:
        twins = find_twins(watches, journal.folded.state.records, tools, may_close=not is_end)
    except UNREADABLE as error:
        return Settled(settlements, unchecked=error.message)
    return Settled(settlements, twins)


def _tools(project: Project, journal: Journal, api: PaymentTokens, clock: Clock) -> SettlingTools:
    fingerprints = project.fingerprints(create=False)
    records = journal.folded.state.records.values()
    return SettlingTools(
        api=api,
        journal=journal,
        clock=clock,
        owned={record.id for record in records},
        # Without the key nothing can be compared, and what cannot be compared is asked about.
        fingerprint=fingerprints.of if fingerprints is not None else _incomparable,
        settle_seconds=project.settings.api.settle_seconds,
        who=whoami(),
    )


def _incomparable(secret: Secret) -> str:  # noqa: ARG001 - the signature of a fingerprint
    return ""


def settled_results(results: Sequence[Result], settlements: Sequence[Settlement]) -> tuple[Result, ...]:
    """The results of a run once its own doubts were looked at."""
    verdicts: Mapping[Address, Settlement] = {s.doubt.intent.address: s for s in settlements}
    return tuple(_after(result, verdicts.get(result.change.address)) for result in results)


def _after(result: Result, settlement: Settlement | None) -> Result:
    if result.status != "in_doubt" or settlement is None:
        return result
    if settlement.verdict == "adopted":
        is_create = settlement.doubt.intent.action == "create"
        return replace(result, status="adopted" if is_create else "applied", id=settlement.id, words="")
    if settlement.verdict == "not_created":
        return replace(result, status="unattempted", words="had no effect: what was to be changed is gone")
    listed = f": {', '.join(map(str, settlement.ids))}" if settlement.ids else ""
    return replace(result, words=f"{result.words}; {settlement.words}{listed}")


@dataclass(frozen=True, slots=True)
class ResolveOptions:
    """What the command line says about a `resolve`.

    Attributes:
        address: One write in doubt; None for all of them.
        adopt: A person's word that this record is the one that was sent; of an update or a delete, that it was done.
        not_created: A person's word that it had no effect.
    """

    address: Address | None = None
    adopt: int | None = None
    not_created: bool = False
    lock_timeout: float = 0.0
    sandbox: SandboxWishes = field(default_factory=SandboxWishes)


def resolve(project: Project, options: ResolveOptions) -> Report:
    """Settles writes in doubt by reading, or one of them by a person's word.

    Raises:
        UsageError: Nothing is in doubt at the address.
        RefusedError: The record to adopt does not fit.
        ApiError: The record to adopt cannot be read.
        StateError: The journal cannot be written.
    """
    clock = SystemClock(Interruption())
    with project.backend.lock(lock_info("resolve", clock.now()), timeout=options.lock_timeout) as lock:
        journal = open_journal(project, clock, lock)
        doubt = _doubt_at(journal, options.address) if options.address is not None else None
        if doubt is not None and options.not_created:
            settled = Settled((_take_word(journal, clock, doubt, None),))
        elif not journal.folded.doubts and not journal.folded.watches:
            settled = Settled()  # needs no credentials
        else:
            with connect(find_access(project, options.sandbox), clock) as connection:
                settled = _settle_or_adopt(project, journal, connection.api, clock, doubt, options)
        journal.commit(tool_version=__version__)
        return report_of(journal, settled)


def report_of(journal: Journal, settled: Settled) -> Report:
    """What is still in doubt, and what became of the rest, where nothing else was done."""
    return Report(
        doubts=tuple(journal.folded.doubts.values()),
        settlements=settled.settlements,
        twins=settled.twins,
        unchecked=settled.unchecked,
    )


def _settle_or_adopt(
    project: Project,
    journal: Journal,
    api: PaymentTokens,
    clock: Clock,
    doubt: Doubt | None,
    options: ResolveOptions,
) -> Settled:
    if doubt is None or options.adopt is None:
        return settle_doubts(project, journal, api, clock, only=options.address)
    _refuse_unfit(journal, api, doubt, options.adopt)
    return Settled((_take_word(journal, clock, doubt, options.adopt),))


def _doubt_at(journal: Journal, address: Address) -> Doubt:
    doubt = journal.folded.doubts.get(address)
    if doubt is None:
        raise UsageError(f"nothing is in doubt at {address}", help="`reconcile plan` lists what is", code="no-doubt")
    return doubt


def _refuse_unfit(journal: Journal, api: PaymentTokens, doubt: Doubt, record_id: int) -> None:
    intent = doubt.intent
    if intent.id is None:
        owner = next((a for a, r in journal.folded.state.records.items() if r.id == record_id), None)
        message = (
            f"id {record_id} is {owner} already" if owner is not None else _unfit(intent, api.get(record_id), record_id)
        )
    elif intent.id != record_id:
        message = f"the {intent.action} in doubt is of id {intent.id}, not of {record_id}"
    elif intent.action == "delete":
        message = f"id {record_id} is still there" if api.get(record_id) is not None else ""
    else:
        message = _unfit(intent, api.get(record_id), record_id)
    if message:
        raise RefusedError(message, help="look the invoice up in Nexudus again", code="unfit-record")


def _unfit(intent: IntentEntry, record: ObservedRecord | None, record_id: int) -> str:
    """Why the record cannot be the one that was sent, in words; empty when it can."""
    if record is None:
        return f"there is no record {record_id}"
    if record.coworker_invoice_id != intent.coworker_invoice_id:
        return f"record {record_id} is of invoice {record.coworker_invoice_id}, not {intent.coworker_invoice_id}"
    return ""


def _take_word(journal: Journal, clock: Clock, doubt: Doubt, record_id: int | None) -> Settlement:
    verdict: Literal["adopted", "not_created"] = "not_created" if record_id is None else "adopted"
    operation, now = doubt.intent.operation, iso(clock.now())
    journal.append(ResolvedEntry(operation, now, verdict, record_id, who=whoami()))
    return Settlement(doubt, verdict, record_id)
