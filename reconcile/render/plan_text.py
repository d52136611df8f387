"""A plan as text for a terminal or a log: a line for each change, then counts, cost and what is refused."""

from collections.abc import Iterator, Sequence

from reconcile.core.changes import Action, Change, Cost, Plan, Refusal
from reconcile.core.differences import NOT_MANAGED, FieldChange
from reconcile.core.records import PaymentToken, Provider
from reconcile.render.escape import escaped
from reconcile.render.style import Style
from reconcile.render.words import column_width, counted, duration, minute, padded, shortened, stretches

SHOWN_CREATES = 20
"""Creates beyond this many fold into one line for each stretch of a file."""

SIGNS = {
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
    lines = [style.bold(headline(plan)), *price_lines(plan)]
    lines.extend(f"{style.paint('Refused', 'red')}: {refusal_words(refusal)}" for refusal in plan.refusals)
    lines.extend(f"{style.paint('Hint', 'yellow')}: {escaped(h.message)}; {escaped(h.help)}." for h in plan.hints)
    return lines


def headline(plan: Plan) -> str:
    """How much of what the plan would do, in one sentence."""
    counts = [
        f"{count:,} to {SIGNS[action][1]}"
        for action in Action
        if action is not Action.IN_DOUBT and (count := plan.count(action))
    ]
    counts.append(f"{plan.unchanged:,} unchanged")
    if doubts := plan.count(Action.IN_DOUBT):
        counts.append(f"{doubts:,} in doubt")
    if plan.is_empty and not plan.refusals:
        return f"Nothing to do: {plan.unchanged:,} unchanged."
    if plan.is_empty:
        counts.append(f"{len(plan.refusals):,} refused")
    return f"Plan {plan.plan_id}: {', '.join(counts)}."


def price_lines(plan: Plan) -> list[str]:
    """What it costs, and how much of it could only be guessed; empty when there is nothing to say."""
    lines = [_cost_line(plan.cost)] if plan.cost.writes or plan.cost.reads else []
    if plan.compared_by_source:
        tokens = counted(plan.compared_by_source, "token")
        lines.append(f"{tokens} compared by source and version only: the value or the fingerprint key is not at hand.")
    return lines


def _cost_line(cost: Cost) -> str:
    requests = counted(cost.writes, "write") + (f", {counted(cost.reads, 'read')}" if cost.reads else "")
    days = f"over {cost.days:,} days" if cost.days > 1 else ""
    spent = " ".join(filter(None, (duration(cost.seconds) if cost.seconds else "", days)))
    left = f" · {counted(cost.writes_left_today, 'write')} left today" if cost.writes_left_today is not None else ""
    limits = "the published limits" if cost.is_at_published_limits else "the limits in the settings"
    time = f" · {spent} at {limits}" if spent else ""
    return f"Cost: {requests}{time}{left}."


def refusal_words(refusal: Refusal) -> str:
    """What is refused, and the ways on."""
    ways = f" {refusal.help[:1].upper()}{refusal.help[1:]}." if refusal.help else ""
    return escaped(f"{refusal.message}.{ways}")


def _change_lines(plan: Plan, style: Style, *, full: bool) -> list[str]:
    creates = plan.having(Action.CREATE)
    folded = set[str]() if full else {change.address for change in creates[SHOWN_CREATES:]}
    shown = [c for c in plan.changes if c.action is not Action.CREATE or c.address not in folded]
    details = _create_details([change for change in shown if change.action is Action.CREATE])
    rows = [change_cells(change) for change in shown]
    rows = [  # an address may have another change beside its create, such as forgetting what is gone
        (cells[0], details.get(change.address, cells[1]) if change.action is Action.CREATE else cells[1], cells[2])
        for change, cells in zip(shown, rows, strict=True)
    ]
    lines: list[str] = []
    for change, cells in zip(shown, _aligned(rows), strict=True):
        lines.append(_line(change.action, cells, style))
        if folded and change.action is Action.CREATE and change is creates[SHOWN_CREATES - 1]:
            lines.extend(_folded_lines(creates[SHOWN_CREATES:], style))
    return lines


def _line(action: Action, cells: str, style: Style) -> str:
    sign, word = SIGNS[action]
    return style.paint(f"  {sign} {word:<8}", _COLOURS.get(action, "")) + f" {cells}".rstrip()


def _folded_lines(creates: Sequence[Change], style: Style) -> Iterator[str]:
    for stretch in stretches(creates):
        yield _line(Action.CREATE, "   ".join(stretch), style)


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Addresses, details and places below one another; a very long cell does not push the others away."""
    widths = list(map(column_width, zip(*rows, strict=True)))
    return ["   ".join(map(padded, row, widths)) for row in rows]


def change_cells(change: Change) -> tuple[str, str, str]:
    """Address, details, and where it is declared or why it is here; the details of a create are `create_cells`."""
    place = escaped(str(change.location)) if change.location else ""
    address = escaped(change.address)
    held = change.held
    match change.action:
        case Action.UPDATE | Action.RECORD:
            prefix = f"{escaped(change.reason)}: " if change.reason else ""
            return (address, prefix + ", ".join(map(field_as_text, change.fields)), place)
        case Action.DELETE if held is not None:
            provider = held.regular_payment_provider
            name = f", {provider.name}" if isinstance(provider, Provider) else ""
            return (address, f"id {held.id}, invoice {held.coworker_invoice_id}{name}", escaped(change.reason))
        case Action.MOVE:
            return (address, f"was {escaped(change.moved_from)}" + (f", id {change.id}" if change.id else ""), place)
        case Action.IN_DOUBT if change.doubt is not None:
            intent = change.doubt.intent
            sent = f"{intent.action} sent {minute(intent.at)}, {escaped(shortened(change.doubt.seen))}"
            return (address, sent, place)
        case _:
            known = f"id {change.id}" if change.id else ""
            return (address, ", ".join(filter(None, (known, change.reason))), place)


def _create_details(creates: Sequence[Change]) -> dict[str, str]:
    """What stands between address and place of each create, in columns of their own."""
    cells = {c.address: create_cells(c.declared) for c in creates if c.declared is not None}
    widths = list(map(column_width, zip(*cells.values(), strict=True)))
    return {address: "   ".join(map(padded, row, widths)).rstrip() for address, row in cells.items()}


def create_cells(declared: PaymentToken) -> tuple[str, str, str]:
    """Invoice, provider, and where the token comes from."""
    return (f"invoice {declared.coworker_invoice_id}", _provider(declared), _token(declared))


def _provider(declared: PaymentToken) -> str:
    provider = declared.regular_payment_provider
    return provider.name if isinstance(provider, Provider) else ""


def _token(declared: PaymentToken) -> str:
    return f"token {escaped(declared.token_source)}" if isinstance(declared.token_source, str) else ""


def field_as_text(field: FieldChange) -> str:
    """`notes "March" → "April"`, `token env:CARD (changed)`."""
    before, after = _value(field.name, field.before), _value(field.name, field.after)
    if after == f"{before} (changed)":
        return f"{field.name} {after}"
    return f"{field.name} {before} → {after}"


def _value(name: str, value: str | None) -> str:
    if value is None:
        return "null"
    shown = escaped(shortened(value))
    return f'"{shown}"' if name == "notes" and value != NOT_MANAGED else shown
