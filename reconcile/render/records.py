"""Records of the state, for people and for scripts. A token appears as where it came from."""

from collections.abc import Sequence

from reconcile.core.records import UNMANAGED, Address, Provider, StateRecord
from reconcile.render.escape import escaped
from reconcile.render.words import column_width, padded


def record_as_json(address: Address, record: StateRecord) -> dict[str, object]:
    """One record; fields that are not managed are left out."""
    managed = {
        "regular_payment_provider": record.regular_payment_provider,
        "notes": record.notes,
        "token_source": record.token_source,
    }
    shown = {name: _plain(value) for name, value in managed.items() if value is not UNMANAGED}
    return {
        "address": address,
        "id": record.id,
        "coworker_invoice_id": record.coworker_invoice_id,
        **shown,
        "token_version": record.token_version,
        "protect": record.protect,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
    }


def _plain(value: object) -> object:
    return value.name if isinstance(value, Provider) else value


def record_as_text(address: Address, record: StateRecord) -> str:
    """One record, a field on each line."""
    fields = record_as_json(address, record)
    width = max(len(name) for name in fields)
    return "".join(f"{name:<{width}}  {_text(value)}\n" for name, value in fields.items())


def records_as_text(records: Sequence[tuple[Address, StateRecord]]) -> str:
    """Many records, one on each line, in columns."""
    rows = [("ADDRESS", "ID", "INVOICE", "PROVIDER", "TOKEN FROM")] + [_row(*item) for item in records]
    widths = list(map(column_width, zip(*rows, strict=True)))
    lines = ("  ".join(map(padded, row, widths)).rstrip() for row in rows)
    return "\n".join(lines) + "\n" if records else "The state holds no records.\n"


def _row(address: Address, record: StateRecord) -> tuple[str, ...]:
    provider, source = record.regular_payment_provider, record.token_source
    return (
        escaped(address),
        str(record.id),
        str(record.coworker_invoice_id),
        provider.name if isinstance(provider, Provider) else "",
        escaped(source) if isinstance(source, str) else "",
    )


def _text(value: object) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else escaped(str(value))
