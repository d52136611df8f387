"""The journal's entries and their fold: which writes are known, which are in doubt, what the state becomes.

The journal is the truth about writes; the state is its fold (protocol.md, "The journal"). This module knows what the
entries mean, not how they are written down (`journalfile.py`) or made durable (`reconcile/journal.py`).

Folding twice gives what folding once gives: every entry that takes something away names the id it takes, so replaying
it over a state that already moved on does nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from reconcile.core.errors import StateError
from reconcile.core.records import UNMANAGED, Address, Managed, Provider, StateRecord, Unmanaged
from reconcile.core.state import State

FORMAT_VERSION = 1

WriteAction: TypeAlias = Literal["create", "update", "delete"]


@dataclass(frozen=True, slots=True)
class HeaderEntry:
    """Opens a journal: which lineage it belongs to, and the serial of the state it continues."""

    lineage: str
    serial: int
    format: int = FORMAT_VERSION
    type: Literal["header"] = "header"


@dataclass(frozen=True, slots=True)
class RunEntry:
    """A run begins: who, where, with which tool, for which plan. `at` is UTC, ISO 8601, as everywhere below."""

    run: str
    operation: str
    at: str
    plan_id: str = ""
    who: str = ""
    host: str = ""
    tool_version: str = ""
    git_commit: str = ""
    type: Literal["run"] = "run"


@dataclass(frozen=True, slots=True)
class IntentEntry:
    """A write is about to be sent. Durable before the first byte of the request; holds everything but the token.

    What an applied or adopted record becomes in the state comes from here, not from the manifest of a later day.

    Attributes:
        operation: Names this attempt for the entries that follow.
        attempt: Counts from 1 within the run and address.
        id: The record written to; None for a create.
        baseline: Ids already seen at the invoice before the request.
        deadline: When the request is given up, UTC, ISO 8601.
    """

    operation: str
    run: str
    at: str
    attempt: int
    address: Address
    action: WriteAction
    coworker_invoice_id: int
    deadline: str
    regular_payment_provider: Provider | Literal[Unmanaged.UNMANAGED] | None = UNMANAGED
    notes: Managed = UNMANAGED
    token_source: Managed = UNMANAGED
    token_version: int | None = None
    token_fingerprint: str | None = None
    protect: bool = False
    file: str = ""
    line: int = 0
    id: int | None = None
    baseline: tuple[int, ...] = ()
    type: Literal["intent"] = "intent"


@dataclass(frozen=True, slots=True)
class AppliedEntry:
    """The write took effect, and this is the record's id."""

    operation: str
    id: int
    at: str
    type: Literal["applied"] = "applied"


@dataclass(frozen=True, slots=True)
class NoEffectEntry:
    """The write had no effect; `proof` says how that is known. Durable before any new attempt."""

    operation: str
    at: str
    proof: Literal["never-sent", "rejected", "throttled", "unauthorized", "wrong-address"]
    words: str = ""
    type: Literal["no_effect"] = "no_effect"


@dataclass(frozen=True, slots=True)
class InDoubtEntry:
    """What was seen of a write whose effect is unknown. Doubt is the default: an intent without an outcome."""

    operation: str
    at: str
    seen: str
    ids: tuple[int, ...] = ()
    type: Literal["in_doubt"] = "in_doubt"


@dataclass(frozen=True, slots=True)
class ResolvedEntry:
    """Doubt was settled, by reading or by a person: `id` is the record it became, None when it had no effect."""

    operation: str
    at: str
    verdict: Literal["adopted", "not_created"]
    id: int | None = None
    ids_seen: tuple[int, ...] = ()
    who: str = ""
    type: Literal["resolved"] = "resolved"


@dataclass(frozen=True, slots=True)
class StateChangedEntry:
    """A person or a manifest changed the state alone. Durable before the state is written.

    Attributes:
        id: The record it speaks of; the change is skipped where the address holds another one by now.
        to: The new address of a move.
        record: What the address holds from now on, for `adopt` and `record`.
    """

    change: Literal["mv", "rm", "forget", "adopt", "record", "push"]
    at: str
    address: Address = ""
    id: int = 0
    to: Address = ""
    record: StateRecord | None = None
    who: str = ""
    type: Literal["state_changed"] = "state_changed"


@dataclass(frozen=True, slots=True)
class FinishedEntry:
    """A run ended by itself; one that was killed lacks this entry."""

    run: str
    at: str
    exit_code: int
    unattempted: int = 0
    type: Literal["finished"] = "finished"


@dataclass(frozen=True, slots=True)
class CommittedEntry:
    """The state with this serial and digest (SHA-256, hex) holds everything above. Durable before compaction."""

    serial: int
    digest: str
    at: str
    type: Literal["committed"] = "committed"


Entry: TypeAlias = (
    HeaderEntry
    | RunEntry
    | IntentEntry
    | AppliedEntry
    | NoEffectEntry
    | InDoubtEntry
    | ResolvedEntry
    | StateChangedEntry
    | FinishedEntry
    | CommittedEntry
)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A write whose outcome is unknown: its intent, and what was last seen of it."""

    intent: IntentEntry
    seen: str = "the run ended before the outcome was recorded"
    ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run, as `history` shows it. `finished_at` and `exit_code` are None for a run that was killed."""

    run: str
    operation: str
    started_at: str
    plan_id: str = ""
    who: str = ""
    host: str = ""
    tool_version: str = ""
    git_commit: str = ""
    finished_at: str | None = None
    exit_code: int | None = None
    writes: int = 0
    applied: int = 0
    rejected: int = 0
    in_doubt: int = 0
    unattempted: int = 0


@dataclass(frozen=True, slots=True)
class Folded:
    """What a state and its journal say together.

    Attributes:
        state: The state's records with everything the journal knows laid over them; the serial is the state's own.
        doubts: Open intents by address.
        runs: Every run the journal still holds, oldest first.
        is_ahead: Whether the journal knows something that the state file does not.
    """

    state: State
    doubts: Mapping[Address, Doubt] = field(default_factory=dict[Address, Doubt])
    runs: tuple[RunSummary, ...] = ()
    is_ahead: bool = False


def fold(state: State, entries: Iterable[Entry]) -> Folded:
    """The state with its journal laid over it; idempotent, and pure.

    Raises:
        StateError: The two do not belong together: another lineage, a state older than the journal reaches back, or
            entries that speak of operations the journal does not hold.
    """
    listed = list(entries)
    folding = _Fold(dict(state.records), _start(state, listed))
    for index, entry in enumerate(listed):
        folding.take(index, entry)
    return Folded(
        state=replace(state, records=folding.records),
        doubts={doubt.intent.address: doubt for doubt in folding.doubts.values()},
        runs=tuple(folding.runs.values()),
        is_ahead=folding.is_ahead,
    )


def record_of(intent: IntentEntry, record_id: int, at: str, created_at: str = "") -> StateRecord:
    """What the state remembers of a write that took effect."""
    return StateRecord(
        id=record_id,
        coworker_invoice_id=intent.coworker_invoice_id,
        regular_payment_provider=intent.regular_payment_provider,
        notes=intent.notes,
        token_source=intent.token_source,
        token_version=intent.token_version,
        token_fingerprint=intent.token_fingerprint,
        protect=intent.protect,
        created_at=created_at or at,
        updated_at=at,
    )


def _start(state: State, entries: list[Entry]) -> int:
    """The index of the first entry that `state` may not hold yet."""
    if not entries:
        return 0
    header = entries[0]
    if not isinstance(header, HeaderEntry):
        raise StateError("the journal does not begin with its header", code="journal-corrupt", help=_ASK)
    if header.lineage != state.lineage:
        raise StateError(
            f"the journal belongs to lineage {header.lineage}, the state to {state.lineage}",
            code="journal-foreign",
            help="put back the state or the journal that belongs here; they are kept and moved together",
        )
    serials = {header.serial: 0}
    serials.update({entry.serial: i for i, entry in enumerate(entries) if isinstance(entry, CommittedEntry)})
    if state.serial in serials:
        return serials[state.serial] + 1
    latest = max(serials)
    if state.serial > latest:
        return _start_of_newer(state, entries, serials[latest] + 1, latest)
    raise StateError(
        f"the state (serial {state.serial}) is older than its journal reaches back (serial {min(serials)})",
        code="state-older-than-journal",
        help="restore state.json.backup or a newer copy; writes made since would be lost with this one",
    )


def _start_of_newer(state: State, entries: list[Entry], start: int, latest: int) -> int:
    # One ahead is a run that ended between writing the state and saying so in the journal: folding again is harmless.
    if state.serial == latest + 1 or not any(isinstance(e, AppliedEntry | StateChangedEntry) for e in entries[start:]):
        return start
    raise StateError(
        f"the state (serial {state.serial}) is newer than its journal (serial {latest}), which holds writes of its own",
        code="state-newer-than-journal",
        help="two copies of this state were used; put back the state.json that belongs to this journal",
    )


_ASK = "keep the file, restore a copy of the whole state folder, and look at what it says before going on"


class _Fold:
    """The fold in progress: records, open intents and runs, entry by entry."""

    def __init__(self, records: dict[Address, StateRecord], start: int) -> None:
        self.records = records
        self.doubts: dict[str, Doubt] = {}
        self.runs: dict[str, RunSummary] = {}
        self.is_ahead = False
        self._start = start

    def take(self, index: int, entry: Entry) -> None:
        is_new = index >= self._start
        match entry:
            case HeaderEntry() | CommittedEntry():
                return
            case RunEntry():
                self.runs[entry.run] = _summary_of(entry)
            case FinishedEntry():
                self._finish(entry)
            case IntentEntry():
                self.doubts[entry.operation] = Doubt(entry)
                self._count(entry.run, writes=1, in_doubt=1)
            case StateChangedEntry():
                self._change(entry, is_new=is_new)
            case InDoubtEntry():
                self.doubts[entry.operation] = replace(self._doubt(entry.operation), seen=entry.seen, ids=entry.ids)
            case AppliedEntry() | NoEffectEntry() | ResolvedEntry():
                self._settle(entry, is_new=is_new)

    def _settle(self, entry: AppliedEntry | NoEffectEntry | ResolvedEntry, *, is_new: bool) -> None:
        intent = self._doubt(entry.operation).intent
        del self.doubts[entry.operation]
        rejected = int(isinstance(entry, NoEffectEntry) and entry.proof == "rejected")
        applied = int(not isinstance(entry, NoEffectEntry) and entry.id is not None)
        self._count(intent.run, in_doubt=-1, applied=applied, rejected=rejected)
        if is_new and not isinstance(entry, NoEffectEntry) and entry.id is not None:
            self._write(intent, entry.id, entry.at)

    def _write(self, intent: IntentEntry, record_id: int, at: str) -> None:
        self.is_ahead = True
        before = self.records.get(intent.address)
        if intent.action == "delete":
            if before is not None and before.id == record_id:
                del self.records[intent.address]
            return
        created_at = before.created_at if intent.action == "update" and before is not None else ""
        self.records[intent.address] = record_of(intent, record_id, at, created_at)

    def _change(self, entry: StateChangedEntry, *, is_new: bool) -> None:
        if entry.change == "mv":
            self._rename_doubts(entry)
        if not is_new or entry.change == "push":
            return
        self.is_ahead = True
        if entry.record is not None:
            self.records[entry.to or entry.address] = entry.record
            return
        held = self.records.get(entry.address)
        if held is None or held.id != entry.id:
            return  # done already, or the address holds another record by now
        del self.records[entry.address]
        if entry.change == "mv":
            self.records[entry.to] = held

    def _rename_doubts(self, entry: StateChangedEntry) -> None:
        for operation, doubt in self.doubts.items():
            if doubt.intent.address == entry.address:
                self.doubts[operation] = replace(doubt, intent=replace(doubt.intent, address=entry.to))

    def _doubt(self, operation: str) -> Doubt:
        try:
            return self.doubts[operation]
        except KeyError:
            raise StateError(
                f"the journal settles operation {operation}, which it never began",
                code="journal-corrupt",
                help=_ASK,
            ) from None

    def _finish(self, entry: FinishedEntry) -> None:
        if entry.run in self.runs:
            self.runs[entry.run] = replace(
                self.runs[entry.run],
                finished_at=entry.at,
                exit_code=entry.exit_code,
                unattempted=entry.unattempted,
            )

    def _count(self, run: str, **more: int) -> None:
        summary = self.runs.get(run)
        if summary is not None:
            self.runs[run] = replace(summary, **{name: getattr(summary, name) + n for name, n in more.items()})


def _summary_of(entry: RunEntry) -> RunSummary:
    return RunSummary(
        run=entry.run,
        operation=entry.operation,
        started_at=entry.at,
        plan_id=entry.plan_id,
        who=entry.who,
        host=entry.host,
        tool_version=entry.tool_version,
        git_commit=entry.git_commit,
    )
