"""Drift as text, a line for each record that differs, and as JSON for scripts."""

from reconcile.core.drift import Comparisons, Drift, DriftKind
from reconcile.core.drift_plan import invisible
from reconcile.core.state import State
from reconcile.render.escape import escaped
from reconcile.render.plan_text import field_as_text
from reconcile.render.style import Style
from reconcile.render.words import column_width, counted, padded

FORMAT_VERSION = 1

_SIGNS = {
    DriftKind.CHANGED: ("~", "yellow"),
    DriftKind.MOVED: (">", "red"),
    DriftKind.GONE: ("-", "red"),
    DriftKind.UNREADABLE: ("?", "magenta"),
    DriftKind.UNLISTED: ("?", "magenta"),
}


def drift_as_text(found: Comparisons, style: Style) -> str:
    """Every record that differs, then the counts; ends with a newline."""
    rows = [(escaped(drift.address), f"id {drift.held.id}", words_of(drift)) for drift in found.drifts]
    widths = [column_width(cells) for cells in list(zip(*rows, strict=True))[:2]]
    lines: list[str] = []
    for drift, (address, record_id, words) in zip(found.drifts, rows, strict=True):
        sign, colour = _SIGNS[drift.kind]
        cells = f"{padded(address, widths[0])}   {padded(record_id, widths[1])}   {words}"
        lines.append(style.paint(f"  {sign} {drift.kind:<10}", colour) + f" {cells}")
    if lines:
        lines.append("")
    lines.append(style.bold(_headline(found)))
    if found.incomparable:
        tokens = counted(found.incomparable, "token")
        lines.append(f"{tokens} could not be compared: the fingerprint key is not the one they were applied under.")
    if found.in_doubt:
        listed = escaped(", ".join(found.in_doubt[:3]) + (", …" if len(found.in_doubt) > 3 else ""))
        lines.append(f"{counted(len(found.in_doubt), 'record')} left out, as a write is in doubt: {listed}.")
    return "\n".join(lines) + "\n"


def words_of(drift: Drift) -> str:
    """What became of a record, in words."""
    if drift.kind is DriftKind.GONE:
        return f"deleted: neither to be read nor listed at invoice {drift.held.coworker_invoice_id}"
    changed = ", ".join(field_as_text(field) for field in drift.fields)
    if drift.kind in {DriftKind.CHANGED, DriftKind.MOVED}:
        return changed
    return "; ".join(filter(None, (invisible(drift.kind, drift.held), changed)))


def _headline(found: Comparisons) -> str:
    counts = [f"{len(drifts):,} {kind}" for kind in DriftKind if (drifts := found.having(kind))]
    if not counts:
        return f"No drift: {counted(found.same, 'record')} in Nexudus as last applied."
    return f"Drift: {', '.join(counts)}, {found.same:,} as last applied."


def drift_as_json(found: Comparisons, state: State, *, checked_at: str, tool_version: str) -> dict[str, object]:
    """The whole comparison. `checked_at` is UTC, ISO 8601."""
    return {
        "format_version": FORMAT_VERSION,
        "checked_at": checked_at,
        "tool_version": tool_version,
        "state": {"lineage": state.lineage or None, "serial": state.serial},
        "summary": {
            "same": found.same,
            **{str(kind): len(found.having(kind)) for kind in DriftKind},
            "tokens_not_compared": found.incomparable,
            "in_doubt": len(found.in_doubt),
        },
        "drifts": [_drift(drift) for drift in found.drifts],
        "in_doubt": list(found.in_doubt),
    }


def _drift(drift: Drift) -> dict[str, object]:
    return {
        "address": drift.address,
        "id": drift.held.id,
        "coworker_invoice_id": drift.held.coworker_invoice_id,
        "kind": str(drift.kind),
        "fields": [
            {"name": field.name, "before": field.before, "after": field.after, "sensitive": field.sensitive}
            for field in drift.fields
        ],
        "message": words_of(drift),
    }
