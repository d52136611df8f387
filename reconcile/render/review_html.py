"""Diagnostics, failures and records as a page for a browser."""

from collections.abc import Sequence

from reconcile.core.diagnostics import Diagnostic
from reconcile.core.errors import DiagnosedError, ReconcileError
from reconcile.core.records import Address, StateRecord
from reconcile.render.html_page import Column, Row, Table, listed, page, section, sentence, text
from reconcile.render.records import record_as_json, record_cells, text_of
from reconcile.render.words import counted

_COLUMNS = (
    Column("Address", "medium", opens=True),
    Column("Id", "number"),
    Column("Invoice", "number"),
    Column("Provider", "medium", filter=True),
    Column("Token from"),
)


def diagnostics_section(diagnostics: Sequence[Diagnostic]) -> str:
    """What is wrong, or may be; nothing when nothing is."""
    return section("Problems", listed([_diagnostic(diagnostic) for diagnostic in diagnostics]))


def _diagnostic(diagnostic: Diagnostic) -> str:
    place = diagnostic.location
    where = f"<code>{text(f'{place.file}:{place.line}:{place.column}')}</code> " if place else ""
    hint = f' <span class="quiet">{sentence(diagnostic.help)}</span>' if diagnostic.help else ""
    return f"{where}<strong>{text(f'{diagnostic.severity}: {diagnostic.message}')}</strong>{hint}"


def failure_as_html(error: ReconcileError, command: str) -> str:
    """Why there is nothing else to show."""
    header = f'<header><h1>reconcile {text(command)}</h1><p class="verdict refused">{text(error.message)}</p></header>'
    diagnostics = error.diagnostics if isinstance(error, DiagnosedError) else ()
    return page(
        f"reconcile {command}: failed", header, (f"<p>{sentence(error.help)}</p>", diagnostics_section(diagnostics))
    )


def records_as_html(records: Sequence[tuple[Address, StateRecord]]) -> str:
    """A table of records; each opens to show all its fields."""
    title = f"reconcile state: {counted(len(records), 'record')}"
    table = Table("Records", _COLUMNS, (_row(*item) for item in records))
    return page(title, f"<header><h1>{title}</h1></header>", (), table if records else None)


def _row(address: Address, record: StateRecord) -> Row:
    name, _, _, provider, source = record_cells(address, record)
    fields = [(field, text_of(value)) for field, value in record_as_json(address, record).items()]
    return (name, record.id, record.coworker_invoice_id, provider, source, fields)
