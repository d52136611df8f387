"""Short ways to say what is declared and what is remembered, for tests of what is decided from the two."""

from collections.abc import Mapping, Sequence
from typing import Any

from reconcile.core.changes import Limiting, Plan, Safety, Selection
from reconcile.core.diagnostics import Location
from reconcile.core.differences import FingerprintOf
from reconcile.core.entries import IntentEntry
from reconcile.core.folded import Doubt
from reconcile.core.manifest import Import, Manifests, Moved, Removed
from reconcile.core.plan import make_plan
from reconcile.core.quota import Limits
from reconcile.core.records import Address, PaymentToken, StateRecord
from reconcile.core.state import State

AT = "2026-03-02T10:14:00Z"
HERE = Location("manifests/a.yaml", 1)


def declare(
    address: str, invoice: int = 1001, *, line: int = 3, file: str = "manifests/a.yaml", **fields: Any
) -> PaymentToken:
    return PaymentToken(address, Location(file, line), invoice, **fields)


def held(record_id: int = 501, invoice: int = 1001, **fields: Any) -> StateRecord:
    return StateRecord(record_id, invoice, created_at=AT, updated_at=AT, **fields)


def manifests(
    *records: PaymentToken,
    moved: Sequence[tuple[str, str]] = (),
    removed: Sequence[str] = (),
    imports: Sequence[tuple[str, int]] = (),
    digest: str = "sha256:00",
    files: int = 1,
) -> Manifests:
    return Manifests(
        records={record.address: record for record in records},
        moved=tuple(Moved(source, to, HERE) for source, to in moved),
        removed=tuple(Removed(pattern, HERE) for pattern in removed),
        imports=tuple(Import(to, record_id, HERE) for to, record_id in imports),
        digest=digest,
        files=files,
        diagnostics=(),
    )


def state(records: Mapping[Address, StateRecord] | None = None, serial: int = 4) -> State:
    return State("0b1f-lineage", serial, "1.0", dict(records or {}))


def doubt(address: str, invoice: int = 1001, operation: str = "op-1", **intent: Any) -> Doubt:
    fields = {"run": "r0", "at": AT, "attempt": 1, "action": "create", "deadline": AT} | intent
    entry = IntentEntry(operation=operation, address=address, coworker_invoice_id=invoice, **fields)
    return Doubt(entry, "HTTP 502")


def unknown_fingerprint(_: PaymentToken) -> None:
    """The value of no token is at hand."""


def plan(
    declared: Manifests,
    records: Mapping[Address, StateRecord] | None = None,
    *,
    doubts: Sequence[Doubt] = (),
    fingerprint_of: FingerprintOf = unknown_fingerprint,
    targets: Sequence[str] = (),
    excludes: Sequence[str] = (),
    limits: Limits | None = None,
    used_today: int | None = None,
    known_records: int | None = None,
    serial: int = 4,
    **safety: int | None,
) -> Plan:
    limiting = Limiting(Safety()._replace(**safety), limits or Limits(), used_today, known_records)  # type: ignore[arg-type]
    return make_plan(
        declared,
        state(records, serial),
        {found.intent.address: found for found in doubts},
        fingerprint_of,
        selection=Selection(tuple(targets), tuple(excludes)),
        limiting=limiting,
    )


def outline(made: Plan) -> list[tuple[str, str]]:
    """Action and address of each change, in plan order."""
    return [(str(change.action), change.address) for change in made.changes]


def rules(made: Plan) -> list[str]:
    return [refusal.rule for refusal in made.refusals]
