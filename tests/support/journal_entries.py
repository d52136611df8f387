"""Entries and records as a real run makes them, for tests about state and journal."""

from collections.abc import Callable
from typing import Any

from reconcile.core.entries import AppliedEntry, Entry, FinishedEntry, IntentEntry, RunEntry
from reconcile.core.errors import StateError
from reconcile.core.records import Provider, StateRecord
from reconcile.ports import LockInfo

AT = "2026-03-02T10:14:00Z"


def failure_of(action: Callable[[], object]) -> StateError | None:
    """The StateError that it ends with, if it does."""
    try:
        action()
    except StateError as error:
        return error
    return None


def record(record_id: int = 1_400_000_001, **more: Any) -> StateRecord:
    fields: dict[str, Any] = {
        "coworker_invoice_id": 1001,
        "regular_payment_provider": Provider.Stripe,
        "notes": "March renewal",
        "token_source": "env:INV_1001_TOKEN",
        "token_fingerprint": "0123abcd:" + "5e" * 32,
        "created_at": AT,
        "updated_at": AT,
    }
    return StateRecord(record_id, **{**fields, **more})


def intent(operation: str, address: str, run: str = "r1", **more: Any) -> IntentEntry:
    fields: dict[str, Any] = {
        "at": AT,
        "attempt": 1,
        "action": "create",
        "coworker_invoice_id": 1001,
        "deadline": "2026-03-02T10:15:00Z",
        "regular_payment_provider": Provider.GoCardless,
        "token_source": "env:INV_1001_TOKEN",
        "token_fingerprint": "0123abcd:" + "5e" * 32,
        "file": "manifests/2026-03.yaml",
        "line": 12,
        "baseline": (7, 8),
    }
    return IntentEntry(operation, run, address=address, **{**fields, **more})


def run_of(name: str = "r1") -> RunEntry:
    return RunEntry(name, "apply", AT, "7f3a91c2", "ana", "runner-1", "0.1.0", "c0ffee")


def creates(count: int, run: str = "r1", first_id: int = 500) -> list[Entry]:
    """A whole run of creates that all worked."""
    entries: list[Entry] = [run_of(run)]
    for i in range(count):
        entries += [intent(f"{run}-{i}", f"inv-{first_id + i}", run), AppliedEntry(f"{run}-{i}", first_id + i, AT)]
    return [*entries, FinishedEntry(run, AT, 0)]


def lock_info(lock_id: str = "lock-1", host: str = "here", pid: int = 4242) -> LockInfo:
    return LockInfo(lock_id, "apply", "ana", host, pid, AT)
