"""Random declarations and states, for tests of what holds of every plan."""

from typing import Any

from declarations import declare, doubt, held, manifests, plan
from hypothesis import strategies as st

from reconcile.core.changes import Plan
from reconcile.core.records import UNMANAGED, Address, PaymentToken, Provider, StateRecord

ADDRESSES = st.sampled_from([f"inv-{n}" for n in range(8)])
INVOICES = st.integers(1, 4)
MANAGED: dict[str, st.SearchStrategy[Any]] = {
    "regular_payment_provider": st.sampled_from([UNMANAGED, None, Provider.Stripe, Provider.Cash]),
    "notes": st.sampled_from([UNMANAGED, None, "", "March", "April"]),
    "token_source": st.sampled_from([UNMANAGED, None, "env:A", "env:B"]),
    "protect": st.booleans(),
}


@st.composite
def declared_records(draw: st.DrawFn) -> dict[Address, PaymentToken]:
    records: dict[Address, PaymentToken] = {}
    for address in draw(st.lists(ADDRESSES, unique=True)):
        fields = {name: draw(strategy) for name, strategy in MANAGED.items()}
        version = draw(st.sampled_from([None, 1, 2])) if isinstance(fields["token_source"], str) else None
        records[address] = declare(address, draw(INVOICES), token_version=version, **fields)
    return records


@st.composite
def remembered_records(draw: st.DrawFn) -> dict[Address, StateRecord]:
    records: dict[Address, StateRecord] = {}
    for number, address in enumerate(draw(st.lists(ADDRESSES, unique=True))):
        fields = {name: draw(strategy) for name, strategy in MANAGED.items()}
        fingerprint = (
            draw(st.sampled_from([None, "k:1", "other:1"])) if isinstance(fields["token_source"], str) else None
        )
        records[address] = held(500 + number, draw(INVOICES), token_fingerprint=fingerprint, **fields)
    return records


@st.composite
def situations(draw: st.DrawFn) -> dict[str, Any]:
    """Declared, remembered and in doubt at once, with moves and removals that a manifest may hold."""
    declared, remembered = draw(declared_records()), draw(remembered_records())
    gone = sorted({f"inv-{n}" for n in range(8)} - declared.keys())
    sources = draw(st.lists(st.sampled_from(gone), unique=True)) if gone else []
    targets = draw(st.permutations(sorted(declared)))
    chain = draw(st.booleans()) and len(sources) > 1 and len(targets) > 1
    moved = list(zip(sources, targets, strict=False))
    if chain:
        moved[0] = (sources[0], sources[1])
    removed = [address for address in gone if draw(st.booleans())]
    doubtful = draw(st.lists(ADDRESSES, unique=True, max_size=2))
    return {
        "declared": manifests(*declared.values(), moved=moved, removed=removed),
        "records": remembered,
        "doubts": [doubt(address, operation=address) for address in doubtful],
    }


def made(situation: dict[str, Any], **more: Any) -> Plan:
    return plan(situation["declared"], situation["records"], doubts=situation["doubts"], **more)
