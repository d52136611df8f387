"""Diagnostics, failures and records as Markdown, for a comment on a pull request or the summary of a CI step."""

from collections.abc import Iterator, Sequence

from reconcile.core.diagnostics import Diagnostic, Severity
from reconcile.core.errors import DiagnosedError, ReconcileError
from reconcile.core.records import Address, StateRecord
from reconcile.render.markdown import MARKER, Page, code, prose, row, table_head
from reconcile.render.records import COLUMNS, record_as_json, record_cells, text_of
from reconcile.render.words import counted

_EVERYTHING = "the command's text and JSON show all"


def add_diagnostics(page: Page, diagnostics: Sequence[Diagnostic]) -> None:
    """Errors before warnings, each with its place and its hint; nothing for none."""
    gravest_first = sorted(diagnostics, key=lambda diagnostic: diagnostic.severity is not Severity.ERROR)
    opening = table_head("Severity", "Where", "What", "Help")
    page.add_records(opening, map(_diagnostic_row, gravest_first), len(diagnostics))


def _diagnostic_row(diagnostic: Diagnostic) -> tuple[str, int]:
    place = diagnostic.location
    where = code(f"{place.file}:{place.line}:{place.column}") if place else ""
    what = f"{code(diagnostic.code)} {prose(diagnostic.message)}"
    return row(diagnostic.severity.value, where, what, prose(diagnostic.help)), 1


def failure_as_markdown(error: ReconcileError, command: str) -> str:
    """Why there is no plan, in the place where the plan would stand."""
    page = Page()
    page.add(MARKER, f"### reconcile {command}: failed", "", f"**{code(error.code)}** {prose(error.message)}")
    if error.help:
        page.add(prose(error.help))
    if isinstance(error, DiagnosedError):
        add_diagnostics(page, error.diagnostics)
    return page.text(_EVERYTHING)


def diagnostics_as_markdown(verdict: str, diagnostics: Sequence[Diagnostic]) -> str:
    """What validate found. `verdict` is one sentence."""
    page = Page()
    page.add("### reconcile validate", "", f"**{prose(verdict)}**")
    add_diagnostics(page, diagnostics)
    return page.text(_EVERYTHING)


def records_as_markdown(records: Sequence[tuple[Address, StateRecord]]) -> str:
    """A table of records."""
    page = Page()
    page.add(f"### reconcile state: {counted(len(records), 'record')}")
    page.add_records(table_head(*COLUMNS), _record_rows(records), len(records))
    return page.text(_EVERYTHING)


def _record_rows(records: Sequence[tuple[Address, StateRecord]]) -> Iterator[tuple[str, int]]:
    return ((row(*map(code, record_cells(*item))), 1) for item in records)


def record_as_markdown(address: Address, record: StateRecord) -> str:
    """One record, a field in each row."""
    page = Page()
    page.add(f"### reconcile state: {code(address)}")
    fields = record_as_json(address, record)
    page.add_records(
        table_head("Field", "Value"), ((row(n, code(text_of(v))), 1) for n, v in fields.items()), len(fields)
    )
    return page.text(_EVERYTHING)
