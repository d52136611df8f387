"""What an export writes reads back as exactly the same values, whatever the notes hold, and its names are stable."""

import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from reconcile.adapters.manifest_files import load_manifests
from reconcile.core.export import RECORDS_A_FILE, Choice, Exported, Known, by_file, choose, is_since
from reconcile.core.manifest_entry import has_notes_controls
from reconcile.core.records import MAX_ID, PROVIDERS, UNMANAGED, ObservedRecord, Secret
from reconcile.render.manifest import is_ours, is_untouched, manifest_of

HOSTILE = [
    "0123",
    "NO",
    "null",
    "~",
    "12:30:45",
    "1_000",
    "- a",
    "a: b",
    "a #b",
    "#",
    "{a: b}",
    "[1]",
    "*x",
    "&x",
    "!!str x",
    "|",
    ">-",
    "'",
    '"',
    '\\"',
    "\\",
    "a\nb",
    "a\r\nb\n",
    "\t",
    " a ",
    "trailing ",
    "%x",
    "@x",
    "`x",
    "---",
    "...",
    "=",
    "<<",
    "\u202eabc",
    "\u2028",
    "\ufeff",
    "\ufffe",
    "\U000e0001",
    "é中😀",
    "::set-output name=a::b",
    "x" * 100_000,
    "word " * 400,
]
CONTROLS = ["\0", "a\x07b", "\x1b[31m", "\x7f", "\x85", "\x9f"]
IDS = st.integers(1, MAX_ID)
NOTES = st.none() | st.text(max_size=30) | st.sampled_from([*HOSTILE, *CONTROLS])
RECORDS = st.builds(
    ObservedRecord,
    id=IDS,
    coworker_invoice_id=IDS,
    regular_payment_provider=st.sampled_from([None, 0, 42, -1, *PROVIDERS.values()]),
    notes=NOTES,
    token=st.none() | st.just(Secret("planted-4711")),
)


def read_back(text: str):
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "manifests"
        folder.mkdir()
        (folder / "a.yaml").write_text(text, encoding="utf-8")
        return load_manifests(folder, root=Path(root))


def check(exported: list[Exported]) -> None:
    text = manifest_of(exported)
    manifests = read_back(text)
    assert {problem.code for problem in manifests.diagnostics} <= {"long-notes"}
    assert [(wanted.to, wanted.id) for wanted in manifests.imports] == [(a, r.id) for a, r in exported]
    for address, record in exported:
        declared = manifests.records[address]
        notes = record.notes or None
        is_held = notes is not None and not has_notes_controls(notes)
        assert declared.notes == (notes if is_held else UNMANAGED)
        known = record.regular_payment_provider in set(PROVIDERS.values())
        assert declared.regular_payment_provider == (record.regular_payment_provider if known else UNMANAGED)
        assert (declared.coworker_invoice_id, declared.token_source) == (record.coworker_invoice_id, UNMANAGED)
    # Any other reader of YAML sees the same texts.
    loaded = yaml.safe_load(text)["payment_tokens"]
    assert {a: e.get("notes") for a, e in loaded.items()} == {
        a: None if d.notes is UNMANAGED else d.notes for a, d in manifests.records.items()
    }
    assert "planted" not in text


@pytest.mark.parametrize("notes", [*HOSTILE, *CONTROLS])
def test_hostile_notes_read_back_exactly_or_are_not_managed(notes: str) -> None:
    check([Exported("inv-1-2", ObservedRecord(2, 1, notes=notes))])


@given(st.lists(RECORDS, min_size=1, max_size=4, unique_by=lambda record: record.id), st.booleans())
def test_whatever_there_is_reads_back(records: list[ObservedRecord], owned: bool) -> None:  # noqa: FBT001 - drawn
    owners = {records[0].id: "0123"} if owned else {}
    check(list(choose(records, Known(owners, (), (), ()), only_unmanaged=False).exported))


def test_notes_that_no_manifest_can_hold_are_left_out() -> None:
    text = manifest_of([Exported("a", ObservedRecord(2, 1, notes="x" * (1 << 20) + "y"))])
    assert read_back(text).records["a"].notes is UNMANAGED
    assert "not managed" in text


def test_a_file_can_be_read_by_people() -> None:
    records = [
        Exported("inv-1-7", ObservedRecord(7, 1, 2, "March renewal")),
        Exported("inv-2-8", ObservedRecord(8, 2, 42, "see: #4")),
    ]
    assert manifest_of(records).splitlines()[1:] == [
        "payment_tokens:",
        "  inv-1-7:",
        "    coworker_invoice_id: 1",
        "    regular_payment_provider: Stripe",
        "    notes: March renewal",
        "  inv-2-8:",
        "    coworker_invoice_id: 2",
        "    # regular_payment_provider 42 is none that is known here: not managed",
        '    notes: "see: #4"',
        "imports:",
        "  - {to: inv-1-7, id: 7}",
        "  - {to: inv-2-8, id: 8}",
    ]


def test_a_file_knows_whether_somebody_changed_it() -> None:
    text = manifest_of([Exported("a", ObservedRecord(2, 1))])
    assert (is_ours(text), is_untouched(text)) == (True, True)
    assert (is_ours(text + "\n"), is_untouched(text + "\n")) == (True, False)
    assert (is_ours("payment_tokens:\n"), is_untouched("payment_tokens:\n")) == (False, False)


def test_records_go_to_the_month_of_their_creation_in_parts_by_rising_id() -> None:
    def made(record_id: int, on: str) -> Exported:
        return Exported(f"inv-1-{record_id}", ObservedRecord(record_id, 1, created_on=on))

    many = [made(number, "2026-03-02T10:14:00Z") for number in range(RECORDS_A_FILE + 1)]
    found = by_file([*many, made(9_001, "2026-02-28T23:59:59Z"), made(9_002, ""), made(9_003, "../../x")])
    assert {month: list(map(len, parts)) for month, parts in found.items()} == {
        "2026-02": [1],
        "2026-03": [RECORDS_A_FILE, 1],
        "undated": [2],
    }


def test_what_is_declared_owned_or_in_doubt_is_left_out_and_counted() -> None:
    records = [ObservedRecord(number, 10 + number) for number in range(1, 7)]
    known = Known(
        owners={1: "mine", 2: "also-mine"}, declared={"also-mine", "inv-13-3"}, imported={4}, in_doubt={11, 15}
    )
    assert choose(records, known, only_unmanaged=False) == Choice(
        (Exported("mine", records[0]), Exported("inv-16-6", records[5])), declared=3, in_doubt=1
    )
    assert choose(records, known, only_unmanaged=True) == Choice(
        (Exported("inv-16-6", records[5]),), declared=2, managed=2, in_doubt=1
    )


@pytest.mark.parametrize(
    ("created", "updated", "expected"),
    [
        ("2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z", True),
        ("2026-02-28T23:59:59.9999999Z", "", False),
        ("2026-01-01T00:00:00Z", "2026-03-05T00:00:00Z", True),
        ("", "", True),
    ],
)
def test_since_looks_at_both_times_and_keeps_what_says_none(created: str, updated: str, expected: bool) -> None:  # noqa: FBT001 - cases
    record = ObservedRecord(1, 1, created_on=created, updated_on=updated)
    assert is_since(record, "2026-03-01T00:00:00Z") is expected
