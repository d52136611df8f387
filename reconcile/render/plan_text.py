"""A plan as text for a terminal or a log: a line for each change, then counts, cost and what is refused."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from reconcile.core.changes import WRITES, Action, Change, Cost, Plan, Refusal
from reconcile.core.records import PaymentToken, Provider
from reconcile.core.times import from_iso
from reconcile.render.escape import escaped
from reconcile.render.style import Style
from reconcile.render.words import counted, duration

SHOWN_CREATES = 20
"""Creates beyond this many fold into one line for each stretch of a file."""

_SIGNS = {
    Action.MOVE: (">", "move"),
    Action.FORGET: ("x", "forget"),
    Action.ADOPT: ("<", "adopt"),
    Action.CREATE: ("+", "create"),
    Action.UPDATE: ("~", "update"),
    Action.DELETE: ("-", "delete"),
    Action.RECORD: ("=", "record"),
    Action.IN_DOUBT: ("!", "in doubt"),
}

_COLOURS = {
    Action.CREATE: "green",
    Action.UPDATE: "yellow",
    Action.DELETE: "red",
    Action.IN_DOUBT: "magenta",
}


def plan_as_text(plan: Plan, *, full: bool = False, style: Style | None = None) -> str:
    """The whole plan, ending with a newline. `full` shows every create."""
    style = style or Style()
    lines = _change_lines(plan, style, full=full)
    if lines:
        lines.append("")
    lines.extend(summary_lines(plan, style))
    return "\n".join(lines) + "\n"


def summary_lines(plan: Plan, style: Style) -> list[str]:
    """The counts, the cost and the refusals: what stands below the changes."""
    lines = [_headline(plan, style)]
    if plan.cost.writes:
        lines.append(_cost_line(plan.cost))
    if plan.compared_by_source:
        tokens = counted(plan.compared_by_source, "token")
        lines.append(f"{tokens} compared by source and version only: the value or the fingerprint key is not at hand.")
    lines.extend(_refusal_line(refusal, style) for refusal in plan.refusals)
    return lines


def _headline(plan: Plan, style: Style) -> str:
    counts = [
        f"{count:,} to {_SIGNS[action][1]}"
        for action in Action
        if action is not Action.IN_DOUBT and (count := plan.count(action))
    ]
    counts.append(f"{plan.unchanged:,} unchanged")
    if doubts := plan.count(Action.IN_DOUBT):
        counts.append(f"{doubts:,} in doubt")
    if plan.is_empty:
        return style.bold(f"Nothing to do: {plan.unchanged:,} unchanged.")
    return style.bold(f"Plan {plan.plan_id}: {', '.join(counts)}.")


def _cost_line(cost: Cost) -> str:
    requests = counted(cost.writes, "write") + (f", {counted(cost.reads, 'read')}" if cost.reads else "")
    days = f" over {cost.days:,} days" if cost.days > 1 else ""
    left = f" · {cost.writes_left_today:,} writes left today" if cost.writes_left_today is not None else ""
    return f"Cost: {requests} · {duration(cost.seconds)}{days} at the limits in the settings{left}."


def _refusal_line(refusal: Refusal, style: Style) -> str:
    ways = f" {refusal.help[:1].upper()}{refusal.help[1:]}." if refusal.help else ""
    return f"{style.paint('Refused', 'red')}: {escaped(refusal.message)}.{ways}"


def _change_lines(plan: Plan, style: Style, *, full: bool) -> list[str]:
    creates = plan.having(Action.CREATE)
    folded = set[str]() if full else {change.address for change in creates[SHOWN_CREATES:]}
    shown = [c for c in plan.changes if c.action is not Action.CREATE or c.address not in folded]
    rows = [_row(change) for change in shown]
    lines: list[str] = []
    for change, cells in zip(shown, _aligned(rows), strict=True):
        lines.append(_line(change.action, cells, style))
        if folded and change.action is Action.CREATE and change is creates[SHOWN_CREATES - 1]:
            lines.extend(_folded_lines(creates[SHOWN_CREATES:], style))
    return lines


def _line(action: Action, cells: str, style: Style) -> str:
    sign, word = _SIGNS[action]
    return style.paint(f"  {sign} {word:<8}", _COLOURS.get(action, "")) + f" {cells}".rstrip()


def _folded_lines(creates: Sequence[Change], style: Style) -> Iterable[str]:
    for file, group in groupby(creates, key=lambda change: change.location.file if change.location else ""):
        changes = list(group)
        first, last = changes[0], changes[-1]
        span = first.address if first is last else f"{first.address} … {last.address}"
        lines = f"{first.location.line}-{last.location.line}" if first.location and last.location else ""
        yield _line(Action.CREATE, f"{span}   {len(changes):,} more   {escaped(file)}:{lines}", style)


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows with the same number of cells line up with one another; a very long cell does not push the others away."""
    widths: dict[tuple[int, int], int] = {}
    for row in rows:
        for index, cell in enumerate(row):
            key = (len(row), 0 if index == 0 else index)
            widths[key] = max(widths.get(key, 0), min(len(cell), 44))
    first = max((width for (_, index), width in widths.items() if index == 0), default=0)
    return [
        "   ".join(f"{cell:<{first if index == 0 else widths[len(row), index]}}" for index, cell in enumerate(row))
        for row in rows
    ]


def _row(change: Change) -> tuple[str, ...]:
    place = escaped(str(change.location)) if change.location else ""
    address = escaped(change.address)
    declared, held = change.declared, change.held
    match change.action:
        case Action.CREATE if declared is not None:
            return (address, f"invoice {declared.coworker_invoice_id}", _provider(declared), token_of(declared), place)
        case Action.UPDATE | Action.RECORD:
            prefix = f"{change.reason}: " if change.reason else ""
            return (address, prefix + _fields(change), place)
        case Action.DELETE if held is not None:
            provider = held.regular_payment_provider
            name = f", {provider.name}" if isinstance(provider, Provider) else ""
            return (address, f"id {held.id}, invoice {held.coworker_invoice_id}{name}", change.reason)
        case Action.MOVE:
            return (address, f"was {escaped(change.moved_from)}" + (f", id {change.id}" if change.id else ""), place)
        case Action.IN_DOUBT if change.doubt is not None:
            intent = change.doubt.intent
            sent = f"{intent.action} sent {_minute(intent.at)}, {escaped(change.doubt.seen)}"
            return (address, sent, place)
        case _:
            return (address, f"id {change.id}" if change.id else "", place or escaped(change.reason))


def _provider(declared: PaymentToken) -> str:
    provider = declared.regular_payment_provider
    return provider.name if isinstance(provider, Provider) else ""


def token_of(declared: PaymentToken) -> str:
    """Where a declared token comes from, as plans show it."""
    return f"token {escaped(declared.token_source)}" if isinstance(declared.token_source, str) else ""


def _fields(change: Change) -> str:
    return ", ".join(
        f"{field.name} {escaped(field.after or 'null')}"
        if field.sensitive and field.before is None
        else f"{field.name} {_quoted(field.before)} → {_quoted(field.after)}"
        for field in change.fields
    )


def _quoted(value: str | None) -> str:
    if value is None:
        return "null"
    return value if value.startswith("(") else f'"{escaped(value)}"'


def _minute(at: str) -> str:
    try:
        from_iso(at)
    except ValueError:
        return escaped(at)
    return f"{at[:10]} {at[11:16]}Z"


def count_of_writes(plan: Plan) -> int:
    """How many requests the plan would send that change something."""
    return sum(change.action in WRITES for change in plan.changes)
