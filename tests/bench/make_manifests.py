"""Writes N realistic records over F manifests, the same ones each time.

    python tests/bench/make_manifests.py FOLDER N [--files F] [--bad] [--changed PERCENT] [--first NUMBER]

`--bad` gives each record a mistake; `--changed` gives that share of the records other notes than before.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

PROVIDERS = ("GoCardless", "Stripe", "StripeACH", "StripeBACS", "BankTransfer", "EziDebit")


def record(number: int, *, is_bad: bool = False, is_changed: bool = False) -> str:
    """One record of about 150 bytes."""
    invoice = f"0{number}" if is_bad else number
    notes = f"Desk {number % 400}, March renewal{', corrected' if is_changed else ''}"
    return (
        f"  inv-{number}:\n    coworker_invoice_id: {invoice}\n"
        f"    regular_payment_provider: {PROVIDERS[number % len(PROVIDERS)]}\n"
        f"    token_from: {{env: INV_{number}_TOKEN}}\n    notes: {notes}\n"
    )


def make_manifests(
    folder: Path, count: int, *, files: int = 1, is_bad: bool = False, changed: float = 0.0, first: int = 1_000_000
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("--files", type=int, default=1)
    parser.add_argument("--bad", action="store_true")
    parser.add_argument("--changed", type=float, default=0.0, help="percent")
    parser.add_argument("--first", type=int, default=1_000_000)
    chosen = parser.parse_args()
    make_manifests(
        chosen.folder, chosen.count, files=chosen.files, is_bad=chosen.bad, changed=chosen.changed, first=chosen.first
    )


if __name__ == "__main__":
    main()
