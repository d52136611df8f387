"""A plan as JSON, for scripts: the names are a contract (product.md, "How it looks")."""

from reconcile.core.changes import Action, Change, Cost, Plan, Refusal
from reconcile.core.differences import created_fields
from reconcile.render.diagnostics import as_json as diagnostic_as_json

FORMAT_VERSION = 1


def plan_as_json(plan: Plan, *, created_at: str, tool_version: str) -> dict[str, object]:
    """The whole plan. `created_at` is UTC, ISO 8601."""
    summary = {str(action): plan.count(action) for action in Action}
    return {
        "format_version": FORMAT_VERSION,
        "plan_id": plan.plan_id,
        "created_at": created_at,
        "tool_version": tool_version,
        "state": {"lineage": plan.lineage or None, "serial": plan.serial},
        "manifests": {"digest": plan.digest, "files": plan.files, "records": plan.records},
        "summary": summary | {"unchanged": plan.unchanged},
        "cost": _cost(plan.cost),
        "compared_by_source": plan.compared_by_source,
        "refusals": [_refusal(refusal) for refusal in plan.refusals],
        "changes": [_change(change) for change in plan.changes],
        "diagnostics": [diagnostic_as_json(diagnostic) for diagnostic in (*plan.diagnostics, *plan.hints)],
    }


def _cost(cost: Cost) -> dict[str, object]:
    return {
        "writes": cost.writes,
        "reads": cost.reads,
        "seconds": round(cost.seconds, 1),
        "days": cost.days,
        "writes_left_today": cost.writes_left_today,
    }


def _refusal(refusal: Refusal) -> dict[str, object]:
    return {
        "rule": refusal.rule,
        "message": refusal.message,
        "addresses": list(refusal.addresses),
        "help": refusal.help,
    }


def _change(change: Change) -> dict[str, object]:
    declared = change.declared
    shown: dict[str, object] = {
        "address": change.address,
        "action": str(change.action),
        "id": change.id,
        "fields": _fields(change),
        "file": change.location.file if change.location else None,
        "line": change.location.line if change.location else None,
        "reason": change.reason,
    }
    if change.moved_from:
        shown["moved_from"] = change.moved_from
    invoice = declared or change.held
    if invoice is not None:
        shown["coworker_invoice_id"] = invoice.coworker_invoice_id
    return shown


def _fields(change: Change) -> list[dict[str, object]]:
    fields = created_fields(change.declared) if change.action is Action.CREATE and change.declared else change.fields
    return [
        {"name": field.name, "before": field.before, "after": field.after, "sensitive": field.sensitive}
        for field in fields
    ]
