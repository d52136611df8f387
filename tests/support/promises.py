"""The invariants of protocol.md that a ledger kept by somebody else can prove, for the campaigns about disks."""

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from inside import known
from ledger_server import Ledger, Request

from reconcile.core.entries import AppliedEntry, IntentEntry, NoEffectEntry, ResolvedEntry
from reconcile.core.folded import Folded
from reconcile.core.journalfile import decode


def assert_kept(folded: Folded, records: Mapping[int, str]) -> None:
    """I1, I2 and I3: nothing twice, nothing unknown, nothing that was never created."""
    twice = {address: n for address, n in Counter(records.values()).items() if n > 1}
    assert not twice, f"I1: created more than once: {twice}"
    held = {address: record.id for address, record in folded.state.records.items()}
    unknown = {
        record_id: address
        for record_id, address in records.items()
        if held.get(address) != record_id and address not in folded.doubts
    }
    assert not unknown, f"I2: created, and neither in the state nor in an open intent: {unknown}"
    invented = {address: i for address, i in held.items() if records.get(i) != address}
    assert not invented, f"I3: held, and never created: {invented}"
    assert not held.keys() & folded.doubts.keys(), "held and in doubt at once"


def assert_heard_after_intent(request: Request) -> None:
    """I4 and I5, where `heard` is the journal at the request's first byte: one intent of it was there, and no other."""
    open_intents: dict[str, str] = {}
    for entry in decode(request.heard).entries:
        if isinstance(entry, IntentEntry):
            open_intents[entry.operation] = entry.address
        elif isinstance(entry, AppliedEntry | NoEffectEntry | ResolvedEntry):
            del open_intents[entry.operation]
    mine = [operation for operation, address in open_intents.items() if address == request.address]
    assert mine, f"I4: a create of {request.address} was heard before its intent was durable"
    assert len(mine) == 1, f"I5: {request.address} was sent again while in doubt"


def assert_recorded(state: Path, ledger: Ledger) -> Folded:
    """I1 to I3 for a folder as it lies there now."""
    folded = known(state)
    assert_kept(folded, ledger.records())
    return folded


def assert_complete(state: Path, ledger: Ledger, expected: Collection[str]) -> None:
    """Everything declared exists once, is in the state, and nothing is in doubt."""
    folded = assert_recorded(state, ledger)
    assert set(folded.state.records) == set(expected)
    assert not folded.doubts
    assert sorted(ledger.records().values()) == sorted(expected)
