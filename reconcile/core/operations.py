"""The meaning of the journal's entries together: which writes are known, which are in doubt, what the state becomes.

The journal is the truth about writes; the state is its fold (protocol.md, "The journal"). The entries themselves are
`entries.py`, offered here as well; how they are written down is `journalfile.py`, how they are made durable is
`reconcile/journal.py`. Everything here is pure.

Folding twice gives what folding once gives: an entry that takes something away or changes it names the id it speaks of,
so replaying it over a state that already moved on does nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from reconcile.core.entries import (
    AppliedEntry,
    CheckedEntry,
    CommittedEntry,
    Entry,
    FinishedEntry,
    HeaderEntry,
    InDoubtEntry,
    IntentEntry,
    NoEffectEntry,
    ResolvedEntry,
    RunEntry,
    StateChangedEntry,
)
from reconcile.core.errors import StateError
from reconcile.core.folded import Doubt, Folded, Watch
from reconcile.core.records import StateRecord
from reconcile.core.runs import RunInProgress, RunSummary
from reconcile.core.state import State


def fold(state: State, entries: Iterable[Entry]) -> Folded:
    """The state with its journal laid over it; idempotent, and pure.

    Raises:
        StateError: The two do not belong together: another lineage, a state older than the journal reaches back, or
            entries that speak of operations the journal does not hold.
    """
    return Folding(state, list(entries)).folded()


def compact(entries: Sequence[Entry], serial: int) -> Sequence[Entry]:
    """The journal without what no state from `serial` on needs; it folds onto those as before.

    Kept are the entries since that serial, the intents that were open or watched then, and a run that has not ended,
    whole.
    """
    running = _index_of_running(entries)
    anchor = _anchor(entries[:running], serial)
    if anchor == 0:
        return entries
    before = Folding.of_past(entries[: anchor + 1])
    kept: list[Entry] = [HeaderEntry(before.state.lineage, _serial_of(entries[anchor]))]
    for doubt in before.doubts.values():
        kept.append(doubt.intent)
        if doubt.at:
            kept.append(InDoubtEntry(doubt.intent.operation, doubt.at, doubt.seen, doubt.ids))
    for watch in before.watches.values():
        kept += [watch.intent, replace(watch.resolved, carried=True)]
    return [*kept, *entries[anchor + 1 :]]


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


_ASK = "keep the file, restore a copy of the whole state folder, and look at what it says before going on"


def _serial_of(entry: Entry) -> int:
    return entry.serial if isinstance(entry, HeaderEntry | CommittedEntry) else -1


def _anchor(entries: Sequence[Entry], serial: int) -> int:
    """The index of the entry up to which a state of `serial` holds everything: of the highest serial not above it."""
    found = [(_serial_of(entry), index) for index, entry in enumerate(entries) if 0 <= _serial_of(entry) <= serial]
    return max(found, default=(0, 0))[1]


def _index_of_running(entries: Sequence[Entry]) -> int:
    """The index of the entry that began the last run; behind the end when that run is over."""
    began = max((i for i, entry in enumerate(entries) if isinstance(entry, RunEntry)), default=len(entries))
    is_over = any(isinstance(entry, FinishedEntry) for entry in entries[began:])
    return len(entries) if is_over else began


def _start(state: State, entries: Sequence[Entry]) -> int:
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
    if state.serial < header.serial:
        raise StateError(
            f"the state (serial {state.serial}) is older than its journal reaches back (serial {header.serial})",
            code="state-older-than-journal",
            help="restore state.json.backup or a newer copy; writes made since would be lost with this one",
        )
    anchor = _anchor(entries, state.serial)
    latest = max(_serial_of(entry) for entry in entries)
    return anchor + 1 if state.serial <= latest else _start_of_newer(state, entries, anchor + 1, latest)


def _start_of_newer(state: State, entries: Sequence[Entry], start: int, latest: int) -> int:
    # A state that was pushed replaced everything said before it.
    pushed = max(
        (i for i, e in enumerate(entries) if isinstance(e, StateChangedEntry) and e.change == "push"), default=0
    )
    start = max(start, pushed + 1)
    # One ahead is a run that ended between writing the state and saying so in the journal: folding again is harmless.
    if state.serial == latest + 1 or not any(isinstance(e, AppliedEntry | StateChangedEntry) for e in entries[start:]):
        return start
    raise StateError(
        f"the state (serial {state.serial}) is newer than its journal (serial {latest}), which holds writes of its own",
        code="state-newer-than-journal",
        help="two copies of this state were used; put back the state.json that belongs to this journal",
    )


class Folding:
    """A fold in progress, so that each further entry costs the same however many came before.

    Attributes:
        state: The state it started from, or was last committed as.
        records: The records with everything laid over them.
        doubts: Open intents by operation.
        watches: Settled doubts to look at once more, by operation.
        serial: The highest serial that is known to have been used.
        is_ahead: Whether `records` says something that `state` does not.
    """

    def __init__(self, state: State, entries: Sequence[Entry] = ()) -> None:
        self.state = state
        self.records = dict(state.records)
        self.doubts: dict[str, Doubt] = {}
        self.watches: dict[str, Watch] = {}
        self.serial = state.serial
        self.is_ahead = False
        self._runs: dict[str, RunInProgress] = {}
        self._running: RunInProgress | None = None
        start = _start(state, entries)
        for index, entry in enumerate(entries):
            self.take(entry, is_new=index >= start)

    @classmethod
    def of_past(cls, entries: Sequence[Entry]) -> "Folding":
        """What entries say of doubts and runs, whatever the records were."""
        header = entries[0]
        folding = cls(State(header.lineage if isinstance(header, HeaderEntry) else ""))
        for entry in entries:
            folding.take(entry, is_new=False)
        return folding

    def take(self, entry: Entry, *, is_new: bool = True) -> None:
        """Lays one more entry over it; not over the records, unless it `is_new` to the state."""
        match entry:
            case HeaderEntry() | CommittedEntry():
                self.serial = max(self.serial, entry.serial)
            case RunEntry():
                self._running = self._runs[entry.run] = RunInProgress(entry)
            case FinishedEntry():
                self._finish(entry)
            case IntentEntry():
                self.doubts[entry.operation] = Doubt(entry)
                self._count(entry.run, writes=1, in_doubt=1)
            case StateChangedEntry():
                self._change(entry, is_new=is_new)
            case InDoubtEntry():
                doubt = self._doubt(entry.operation)
                self.doubts[entry.operation] = doubt._replace(seen=entry.seen, ids=entry.ids, at=entry.at)
            case AppliedEntry() | NoEffectEntry() | ResolvedEntry():
                self._settle(entry, is_new=is_new)
            case CheckedEntry():
                self.watches.pop(entry.operation, None)

    def folded(self) -> Folded:
        """What was laid over the state so far, as a value of its own."""
        return Folded(
            state=self.state._replace(records=dict(self.records)),
            doubts={doubt.intent.address: doubt for doubt in self.doubts.values()},
            watches=tuple(self.watches.values()),
            runs=tuple(run.summary() for run in self._runs.values()),
            is_ahead=self.is_ahead,
        )

    def commit(self, state: State) -> None:
        """`state` is what was written, and what further entries are laid over."""
        self.state = state
        self.records = dict(state.records)
        self.serial = max(self.serial, state.serial)
        self.is_ahead = False

    def ended_runs(self) -> list[RunSummary]:
        """The runs that will not change any more: they finished, or another one began after they were killed."""
        return [run.summary() for run in self._runs.values() if run is not self._running]

    def _settle(self, entry: AppliedEntry | NoEffectEntry | ResolvedEntry, *, is_new: bool) -> None:
        intent = self._doubt(entry.operation).intent
        del self.doubts[entry.operation]
        took_effect = not isinstance(entry, NoEffectEntry) and entry.id is not None
        is_rejected = isinstance(entry, NoEffectEntry) and entry.proof == "rejected"
        self._count(intent.run, in_doubt=-1, applied=int(took_effect), rejected=int(is_rejected))
        if took_effect and intent.action != "create":
            self._count(intent.run, **{f"{intent.action}d": 1})
        if isinstance(entry, ResolvedEntry):
            if intent.action == "create":  # a late update or delete makes no second record
                self.watches[entry.operation] = Watch(intent, entry)
            is_new = is_new and not entry.carried
        if is_new and not isinstance(entry, NoEffectEntry) and entry.id is not None:
            self._write(intent, entry.id, entry.at)

    def _write(self, intent: IntentEntry, record_id: int, at: str) -> None:
        self.is_ahead = True
        address = intent.address
        if intent.action == "create":
            self.records[address] = record_of(intent, record_id, at)
            return
        before = self.records.get(address)
        if before is None or before.id != record_id:
            return  # forgotten or moved since, or this is a replay and it was
        if intent.action == "delete":
            del self.records[address]
        else:
            self.records[address] = record_of(intent, record_id, at, before.created_at)

    def _change(self, entry: StateChangedEntry, *, is_new: bool) -> None:
        if entry.change == "mv":
            self._rename_intents(entry)
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

    def _rename_intents(self, entry: StateChangedEntry) -> None:
        for operation, doubt in self.doubts.items():
            if doubt.intent.address == entry.address:
                self.doubts[operation] = doubt._replace(intent=replace(doubt.intent, address=entry.to))
        for operation, watch in self.watches.items():
            if watch.intent.address == entry.address:
                self.watches[operation] = watch._replace(intent=replace(watch.intent, address=entry.to))

    def _doubt(self, operation: str) -> Doubt:
        try:
            return self.doubts[operation]
        except KeyError:
            raise StateError(
                f"the journal settles operation {operation}, which it never began, or settled before",
                code="journal-corrupt",
                help=_ASK,
            ) from None

    def _finish(self, entry: FinishedEntry) -> None:
        run = self._runs.get(entry.run)
        if run is not None:
            run.finished = entry
        if run is self._running:
            self._running = None

    def _count(self, run: str, **more: int) -> None:
        if self._running is not None and self._running.began.run == run:
            counts = self._running.counts
            for name, n in more.items():
                counts[name] = counts.get(name, 0) + n
