"""Records of the state, in every format. A token appears as where it came from."""

from collections.abc import Sequence

from reconcile.core.records import UNMANAGED, Address, Provider, StateRecord
from reconcile.render.escape import escaped, json_document
from reconcile.render.words import column_width, counted, padded

COLUMNS = ("ADDRESS", "ID", "INVOICE", "PROVIDER", "TOKEN FROM")
"""What tables of records show."""


def render_records(records: Sequence[tuple[Address, StateRecord]], output: str) -> str:
    """Many records in a format of `render/plan.py`."""
    match output:
        case "markdown":
            from reconcile.render.review_markdown import records_as_markdown

            return records_as_markdown(records)
        case "html":
            from reconcile.render.review_html import records_as_html

            return records_as_html(records)
        case "github":
            from reconcile.render.github import annotations

            return annotations((), f"The state holds {counted(len(records), 'record')}.", folder="")
        case "json":
            return json_document([record_as_json(*item) for item in records])
        case _:
            return records_as_text(records)


def render_record(address: Address, record: StateRecord, output: str) -> str:
    """One record in a format of `render/plan.py`."""
    match output:
        case "markdown":
            from reconcile.render.review_markdown import record_as_markdown

            return record_as_markdown(address, record)
        case "html" | "github":
            return render_records([(address, record)], output)
        case "json":
            return json_document(record_as_json(address, record))
        case _:
            return record_as_text(address, record)


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
    return "".join(f"{name:<{width}}  {text_of(value)}\n" for name, value in fields.items())


def records_as_text(records: Sequence[tuple[Address, StateRecord]]) -> str:
    """Many records, one on each line, in columns."""
    rows = [COLUMNS] + [record_cells(*item) for item in records]
    widths = list(map(column_width, zip(*rows, strict=True)))
    lines = ("  ".join(map(padded, row, widths)).rstrip() for row in rows)
    return "\n".join(lines) + "\n" if records else "The state holds no records.\n"


def record_cells(address: Address, record: StateRecord) -> tuple[str, ...]:
    """One record in the order of `COLUMNS`, escaped."""
    provider, source = record.regular_payment_provider, record.token_source
    return (
        escaped(address),
        str(record.id),
        str(record.coworker_invoice_id),
        provider.name if isinstance(provider, Provider) else "",
        escaped(source) if isinstance(source, str) else "",
    )


def text_of(value: object) -> str:
    """A field's value, escaped."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else escaped(str(value))
