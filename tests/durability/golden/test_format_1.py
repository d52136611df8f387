"""Files that version 1 wrote, kept as they were: every later version has to read them, and this one writes them so."""

from pathlib import Path

import pytest
from journal_entries import AT, intent, record, run_of

from reconcile.core.entries import AppliedEntry, CommittedEntry, FinishedEntry, HeaderEntry, InDoubtEntry
from reconcile.core.journalfile import decode, encode
from reconcile.core.records import Provider, StateRecord
from reconcile.core.state import State
from reconcile.core.statefile import dump_state, load_state

HERE = Path(__file__).parent
LINEAGE = "0b9f2a50-8a53-4a73-9d1f-6f6c1f6f8f10"
STATE = State(
    LINEAGE,
    12,
    "0.1.0",
    {
        "inv-1001": record(),
        "inv-1002-card": StateRecord(
            1_400_000_002, 1002, Provider.StripeBACS, protect=True, created_at=AT, updated_at=AT
        ),
        "inv-1003": record(1_400_000_003, notes='Größe "L"\n', token_source="file:march/1003", token_version=2),
        "inv-1004": record(1_400_000_004, regular_payment_provider=None, notes=None, token_source=None),
        "inv-1005": StateRecord(1_400_000_005, 1005),
    },
)
JOURNAL = (
    HeaderEntry(LINEAGE, 11),
    run_of(),
    intent("r1-1", "inv-1001"),
    AppliedEntry("r1-1", 1_400_000_001, AT),
    intent("r1-2", "inv-1006", notes=None, baseline=()),
    InDoubtEntry("r1-2", AT, "the connection was reset", (1_400_000_009,)),
    FinishedEntry("r1", AT, 4, 1),
    CommittedEntry(12, "ab" * 32, AT, LINEAGE),
)


@pytest.mark.parametrize(
    ("name", "written"), [("state-1.json", dump_state(STATE)), ("journal-1.jsonl", encode(JOURNAL)[0])]
)
def test_files_are_written_byte_for_byte_as_version_1_did(name, written):
    assert written == (HERE / name).read_bytes()


def test_files_of_version_1_are_read():
    assert load_state((HERE / "state-1.json").read_bytes()) == STATE
    assert decode((HERE / "journal-1.jsonl").read_bytes()).entries == JOURNAL
