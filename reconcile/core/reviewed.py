"""What of a saved plan is still to be done, and whether that is all that would be done: decided by comparing values.

A saved plan is never carried out as it stands in its file. The plan is made again from the manifests and the state, and
has to be what was reviewed, less what the plan's own runs have done. So a file can neither add to what the manifests
say nor hide any of it. Reading files, the journal and the state happens elsewhere (`app/saved_plans.py`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from reconcile.core.changes import AS_SEEN, GONE, WRITES, Action, Change, Plan
from reconcile.core.differences import FingerprintOf
from reconcile.core.drift import Comparisons, Drift, DriftKind
from reconcile.core.entries import Entry, FinishedEntry, ResolvedEntry, RunEntry, StateChangedEntry
from reconcile.core.records import Address, PaymentToken, StateRecord
from reconcile.core.state import State


@dataclass(frozen=True, slots=True)
class Claim:
    """That a saved plan was begun; `intruder` is what else changed the state since, in words, if anything did."""

    intruder: str = ""


def find_claim(entries: Iterable[Entry], plan_file: str) -> Claim | None:
    """The claim of a saved plan among the journal's entries, by the digest of its file; None where there is none.

    The journal holds everything since the state before the last one. What came between the claim and that was looked
    at by the runs that came between, none of which would have begun after somebody else's.
    """
    claim: Claim | None = None
    is_running = False
    for entry in entries:
        if isinstance(entry, RunEntry) and entry.plan_file == plan_file:
            claim, is_running = claim or Claim(), True
        elif claim is not None and (intruder := _intruder(entry, is_running=is_running)):
            return Claim(intruder)
        elif isinstance(entry, FinishedEntry):
            is_running = False
    return claim


def _intruder(entry: Entry, *, is_running: bool) -> str:
    match entry:
        case RunEntry():
            return f"`{entry.operation}` by {entry.who}, {entry.at}"
        case StateChangedEntry() if entry.who or not is_running:
            return f"`state {entry.change}` by {entry.who or 'another run'}, {entry.at}"
        case ResolvedEntry() if not is_running:
            return f"a write in doubt was settled by {entry.who}, {entry.at}"
        case _:
            return ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How what would be done now compares with what was reviewed.

    Attributes:
        differing: The first address at which the two differ; None when what would be done was reviewed.
        beyond: Addresses that were in doubt, are settled, and would now be changed in a way nobody reviewed: that is
            for the next plan.
    """

    differing: Address | None
    beyond: tuple[Address, ...] = ()


def compare(reviewed: Plan, now: Plan, *, is_begun: bool) -> Comparison:
    """Compares the plan as it would be made now with the one that was saved.

    Args:
        reviewed: The saved plan.
        now: What would be done.
        is_begun: Whether runs of the saved plan have done a part of it already, or settled its doubts.
    """
    planned = {(change.address, change.action): change for change in reviewed.changes}
    beyond: list[Address] = []
    met = 0
    for change in now.changes:
        known = planned.get((change.address, change.action))
        if known is not None and _is_same(known, change):
            met += 1
        elif not is_begun:
            return Comparison(change.address)
        elif (doubted := planned.get((change.address, Action.IN_DOUBT))) is not None:
            if not _is_branch(doubted, change):
                beyond.append(change.address)
        elif not _is_left_in_doubt(change, planned):
            return Comparison(change.address)
    if not is_begun and met < len(reviewed.changes):
        return Comparison(_first_missing(reviewed, now))
    return Comparison(None, tuple(beyond))


def _is_same(reviewed: Change, change: Change) -> bool:
    if reviewed.doubt is not None and change.doubt is not None:
        return reviewed.doubt.intent.operation == change.doubt.intent.operation
    return reviewed == change._replace(declared=_without_token(change.declared))


def _without_token(declared: PaymentToken | None) -> PaymentToken | None:
    """As a plan file holds it."""
    return declared._replace(literal=None) if declared is not None and declared.literal is not None else declared


def _is_branch(doubted: Change, change: Change) -> bool:
    """Whether it is what a doubt may turn into: the write once more where it had no effect, or doubt again."""
    if change.action is Action.IN_DOUBT:
        return True
    sent = doubted.doubt.intent if doubted.doubt is not None else None
    if sent is None or change.action.value != sent.action or doubted.declared != _without_token(change.declared):
        return False
    # An update that took effect left its time in the state; what is different after that was not reviewed.
    return change.action is not Action.UPDATE or (change.held is not None and change.held.updated_at < sent.at)


def _is_left_in_doubt(change: Change, planned: Mapping[tuple[Address, Action], Change]) -> bool:
    return change.action is Action.IN_DOUBT and any((change.address, action) in planned for action in WRITES)


def _first_missing(reviewed: Plan, now: Plan) -> Address:
    there = {(change.address, change.action) for change in now.changes}
    return next(change.address for change in reviewed.changes if (change.address, change.action) not in there)


def as_reviewed(reviewed: Plan, records: Iterable[StateRecord]) -> FingerprintOf:
    """Fingerprints under which a comparison of tokens comes out as it did when the plan was made.

    Who makes a plan and who applies it may not have the same tokens at hand, and what the one could not see was not
    reviewed. Where a change is done already, tokens are compared by their source alone.
    """
    current = {record.id: record for record in records}
    shown = {
        change.address: _fingerprint(change, change.held)
        for change in reviewed.changes
        if change.action in {Action.UPDATE, Action.RECORD}
        and change.held is not None
        and current.get(change.held.id) == change.held
    }

    def fingerprint_of(declared: PaymentToken) -> str | None:
        return shown.get(declared.address)

    return fingerprint_of


def _fingerprint(change: Change, held: StateRecord) -> str | None:
    if held.token_fingerprint is None or change.reason == "may update":
        return None
    return held.token_fingerprint.partition(":")[0] + ":" if change.sends_token else held.token_fingerprint


def as_observed(reviewed: Plan, state: State) -> tuple[State, Comparisons]:
    """What the making of a plan saw in Nexudus, laid over the state, as far as the plan itself tells.

    Whatever drift changed is in one of its changes; what its own runs have done since has another time in the state.
    """
    seen = {change.held.id: change.held for change in reviewed.changes if change.held is not None}
    records = {
        address: seen[held.id] if held.id in seen and seen[held.id].updated_at == held.updated_at else held
        for address, held in state.records.items()
    }
    drifts = tuple(
        Drift(_DRIFTED[change.reason], change.address, change.held, fields=change.fields)
        for change in reviewed.changes
        if change.reason in _DRIFTED and change.held is not None and _is_there(change, state)
    )
    for drift in drifts:
        if drift.kind is DriftKind.GONE:
            del records[drift.address]
    return state._replace(records=records), Comparisons(drifts, same=len(records))


_DRIFTED: Final = {GONE: DriftKind.GONE, AS_SEEN: DriftKind.CHANGED}


def _is_there(change: Change, state: State) -> bool:
    held = state.records.get(change.address)
    return change.action is Action.RECORD or (held is not None and held.id == change.id)
