"""A plan as a page for a browser: the verdict, counts, the schedule, what needs a person, and every change."""

from collections.abc import Iterator

from reconcile.core.changes import Action, Change, Plan
from reconcile.core.differences import FieldChange, created_fields
from reconcile.core.quota import Limits, writes_by_day
from reconcile.core.records import Provider
from reconcile.render.charts import chart_of_providers, schedule
from reconcile.render.escape import escaped
from reconcile.render.html_page import Column, Row, Table, listed, page, section, sentence, text
from reconcile.render.plan_markdown import verdict
from reconcile.render.plan_text import SIGNS, change_cells, create_cells, price_lines, refusal_words
from reconcile.render.review_html import diagnostics_section
from reconcile.render.words import counted, minute

_COLUMNS = (
    Column("Action", "short action", filter=True),
    Column("Address", "medium", opens=True),
    Column("Invoice", "number"),
    Column("Provider", "medium", filter=True),
    Column("What"),
    Column("Where"),
)
_SHOWN_IN_COLUMNS = frozenset({"coworker_invoice_id", "regular_payment_provider", "token"})


def plan_as_html(plan: Plan, *, created_at: str, limits: Limits | None) -> str:
    """The whole plan. `created_at` is UTC, ISO 8601; `limits` are the account's, as far as they are known."""
    return page(
        f"reconcile plan {plan.plan_id}: {verdict(plan)}",
        _header(plan, created_at),
        (
            _summary(plan),
            section("Refused", listed([sentence(refusal_words(refusal)) for refusal in plan.refusals])),
            section("In doubt", listed([_doubt(change) for change in plan.having(Action.IN_DOUBT)])),
            diagnostics_section((*plan.diagnostics, *plan.hints)),
            f'<div class="side">{_chart(plan)}{_schedule(plan, limits)}</div>',
        ),
        Table("Changes", _COLUMNS, map(_row, plan.changes)) if plan.changes else None,
    )


def _header(plan: Plan, created_at: str) -> str:
    kind = "refused" if plan.refusals else "doubt" if plan.count(Action.IN_DOUBT) else "ready"
    skip = '<a class="skip" href="#records">Skip to the changes</a>' if plan.changes else ""
    files = f"{counted(plan.records, 'record')} in {counted(plan.files, 'file')}"
    source = f"{files} (<code>{text(plan.digest)}</code>) and serial {plan.serial} of the state"
    return (
        f"{skip}<header><h1>reconcile plan <code>{text(plan.plan_id)}</code></h1>"
        f'<p class="verdict {kind}">{text(verdict(plan).capitalize())}.</p>'
        f'<p class="quiet">Made {text(minute(created_at))} from {source}.</p></header>'
    )


def _summary(plan: Plan) -> str:
    counts = [(str(action), SIGNS[action][1], plan.count(action)) for action in Action]
    cards = [*(card for card in counts if card[2]), ("", "unchanged", plan.unchanged)]
    shown = "".join(f'<div class="{kind}"><dt>{words}</dt><dd>{count:,}</dd></div>' for kind, words, count in cards)
    prices = "".join(f"<p>{text(line)}</p>" for line in price_lines(plan))
    return section("Summary", f'<dl class="cards">{shown}</dl>{prices}')


def _doubt(change: Change) -> str:
    address, details, place = change_cells(change)
    return f"<code>{text(address)}</code>: {text(details)} <code>{text(place)}</code>"


def _chart(plan: Plan) -> str:
    counts: dict[str, dict[str, int]] = {}
    for change in plan.changes:
        of_provider = counts.setdefault(_provider(change) or "no provider", dict.fromkeys(Action, 0))
        of_provider[change.action] += 1
    return section("By provider and action", chart_of_providers(counts))


def _schedule(plan: Plan, limits: Limits | None) -> str:
    if limits is None and plan.cost.is_at_published_limits:
        limits = Limits()
    if limits is None or not plan.cost.writes:
        return ""
    by_day = writes_by_day(plan.cost.writes, limits, plan.cost.writes_left_today)
    note = '<p class="quiet">Writes on each quota day, if apply starts now.</p>'
    return section("Schedule", note, schedule(by_day, plan.cost.seconds))


def _provider(change: Change) -> str:
    record = change.declared or change.held
    provider = record.regular_payment_provider if record else None
    return provider.name if isinstance(provider, Provider) else ""


def _row(change: Change) -> Row:
    address, what, where = change_cells(change)
    record = change.declared or change.held
    if change.action is Action.CREATE and change.declared is not None:
        what = create_cells(change.declared)[2]
    cells = (SIGNS[change.action][1], address, record.coworker_invoice_id if record else None)
    details = [*_facts(change), *_fields(change)]
    return (*cells, _provider(change), what, where, *([details] if details else ()))


def _facts(change: Change) -> Iterator[tuple[str, ...]]:
    if change.id is not None:
        yield "Id", str(change.id)
    if change.moved_from:
        yield "address", escaped(change.moved_from), escaped(change.address)


def _fields(change: Change) -> Iterator[tuple[str, ...]]:
    fields: tuple[FieldChange, ...] = change.fields
    if change.action is Action.CREATE and change.declared is not None:
        fields = tuple(f for f in created_fields(change.declared) if f.name not in _SHOWN_IN_COLUMNS)
    for field in fields:
        yield escaped(field.name), _shown(field.before), _shown(field.after)


def _shown(value: str | None) -> str:
    return "null" if value is None else escaped(value)
