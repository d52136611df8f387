"""Writes N realistic records over F manifests, the same ones each time, and on request the state that holds them all.

    python tests/bench/make_manifests.py FOLDER N [--files F] [--bad] [--changed PERCENT] [--first NUMBER]
                                         [--state FOLDER [--held N]]

`--bad` gives each record a mistake; `--changed` gives that share of the records other notes than the state has.
`--held` puts only the first N of the records into the state.
"""

import argparse
import hashlib
from collections.abc import Iterator
from pathlib import Path

PROVIDERS = ("GoCardless", "Stripe", "StripeACH", "StripeBACS", "BankTransfer", "EziDebit")
FIRST = 1_000_000
LINEAGE = "5b0f6d1e-3f0a-4c1b-9d7e-2a6c8e4f1b3d"
SERIAL = 7
WRITTEN_AT = "2026-03-02T10:14:00Z"


def notes_of(number: int) -> str:
    """What the state remembers as the notes of a record."""
    return f"Desk {number % 400}, March renewal"


def record(number: int, *, is_bad: bool = False, is_changed: bool = False) -> str:
    """One record of about 150 bytes."""
    invoice = f"0{number}" if is_bad else number
    return (
        f"  inv-{number}:\n    coworker_invoice_id: {invoice}\n"
        f"    regular_payment_provider: {PROVIDERS[number % len(PROVIDERS)]}\n"
        f"    token_from: {{env: INV_{number}_TOKEN}}\n"
        f"    notes: {notes_of(number)}{', corrected' if is_changed else ''}\n"
    )


def make_manifests(
    folder: Path, count: int, *, files: int = 1, is_bad: bool = False, changed: float = 0.0, first: int = FIRST
) -> None:
    """Writes `count` records over `files` files below `folder`, a hundred files to a subfolder."""
    step = round(100 / changed) if changed else 0

    def numbered(numbers: range) -> Iterator[str]:
        yield "payment_tokens:\n"
        for number in numbers:
            yield record(number, is_bad=is_bad, is_changed=bool(step) and number % step == 0)

    for index in range(files):
        numbers = range(first + count * index // files, first + count * (index + 1) // files)
        path = folder / f"{index // 100:03}" / f"{index:05}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as file:
            file.writelines(numbered(numbers))


def make_state(folder: Path, count: int, *, first: int = FIRST) -> None:
    """Writes what an apply of the first `count` records leaves behind: state, journal and key, through the project."""
    from reconcile.core.entries import CommittedEntry, HeaderEntry
    from reconcile.core.journalfile import encode
    from reconcile.core.records import PROVIDERS as BY_NAME
    from reconcile.core.records import StateRecord
    from reconcile.core.state import State
    from reconcile.core.statefile import dump_state

    records = {
        f"inv-{number}": StateRecord(
            id=1_400_000_000 + number,
            coworker_invoice_id=number,
            regular_payment_provider=BY_NAME[PROVIDERS[number % len(PROVIDERS)]],
            notes=notes_of(number),
            token_source=f"env:INV_{number}_TOKEN",
            token_fingerprint=f"5d41402a:{hashlib.sha256(b'%d' % number).hexdigest()}",
            created_at=WRITTEN_AT,
            updated_at=WRITTEN_AT,
        )
        for number in range(first, first + count)
    }
    data = dump_state(State(LINEAGE, SERIAL, "0.1.0", records))
    committed = CommittedEntry(SERIAL, hashlib.sha256(data).hexdigest(), WRITTEN_AT, LINEAGE, settled=True)
    journal, _ = encode([HeaderEntry(LINEAGE, SERIAL), committed])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, content in (("state.json", data), ("journal.jsonl", journal), ("key", b"0123456789abcdef" * 4 + b"\n")):
        path = folder / name
        path.write_bytes(content)
        path.chmod(0o600)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("--files", type=int, default=1)
    parser.add_argument("--bad", action="store_true")
    parser.add_argument("--changed", type=float, default=0.0, help="percent")
    parser.add_argument("--first", type=int, default=FIRST)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--held", type=int)
    chosen = parser.parse_args()
    make_manifests(
        chosen.folder, chosen.count, files=chosen.files, is_bad=chosen.bad, changed=chosen.changed, first=chosen.first
    )
    if chosen.state is not None:
        make_state(chosen.state, chosen.count if chosen.held is None else chosen.held, first=chosen.first)


if __name__ == "__main__":
    main()
