"""A plan as a comment on a pull request: the verdict first, what needs a person next, the many creates folded."""

from collections.abc import Iterable, Iterator, Sequence

from reconcile.core.changes import Action, Change, Plan
from reconcile.render.markdown import (
    FOLD_END,
    MARKER,
    Page,
    bullets,
    code,
    code_in_html,
    fold,
    prose,
    row,
    table_head,
)
from reconcile.render.plan_text import (
    SHOWN_CREATES,
    SIGNS,
    change_cells,
    create_cells,
    headline,
    price_lines,
    refusal_words,
)
from reconcile.render.review_markdown import add_diagnostics
from reconcile.render.words import counted, stretches

_SHOWN_DIGITS = len("sha256:") + 12

_CREATES = table_head("Address", "Invoice", "Provider", "Token from", "Line")
_OTHERS = table_head("Action", "Address", "What", "Where")


def plan_as_markdown(plan: Plan, *, full: bool = False) -> str:
    """At most `MOST_BYTES` bytes, ending with a newline. `full` shows every create that fits."""
    page = Page()
    page.add(MARKER, f"### reconcile plan: {verdict(plan)}")
    page.add("\n\n".join((f"**{prose(headline(plan))}**", *map(prose, price_lines(plan)))))
    page.add_records("**Refused**\n", bullets([prose(refusal_words(r)) for r in plan.refusals]), len(plan.refusals))
    _add_doubts(page, plan.having(Action.IN_DOUBT))
    _add_others(page, [c for c in plan.changes if c.action not in {Action.CREATE, Action.IN_DOUBT}])
    _add_creates(page, plan.having(Action.CREATE), full=full)
    add_diagnostics(page, (*plan.diagnostics, *plan.hints))
    files = f"{counted(plan.records, 'record')} in {counted(plan.files, 'file')}"
    page.add(f"Made from {files} ({code(plan.digest[:_SHOWN_DIGITS])}) and serial {plan.serial} of the state.")
    return page.text("`reconcile plan --full` shows them all")


def verdict(plan: Plan) -> str:
    """What apply would do about the whole plan, in half a sentence."""
    doubts = plan.count(Action.IN_DOUBT)
    after = f", after settling {counted(doubts, 'write')} in doubt" if doubts else ""
    if plan.refusals:
        return "refused, apply would send nothing"
    if len(plan.changes) == doubts:
        return f"nothing to send{after}" if doubts else "nothing to do"
    if not plan.cost.writes:
        return f"ready, and only the state would change{after}"
    return f"ready, apply would send {counted(plan.cost.writes, 'write')}{after}"


def _add_doubts(page: Page, doubts: Sequence[Change]) -> None:
    page.add_records(
        f"**In doubt**: settled by reading before anything is sent\n\n{_OTHERS}", _rows(doubts), len(doubts)
    )


def _add_others(page: Page, changes: Sequence[Change]) -> None:
    title = fold(f"{counted(len(changes), 'change')} of what exists or is remembered", is_open=True)
    page.add_records(f"{title}\n{_OTHERS}", _rows(changes), len(changes), FOLD_END)


def _rows(changes: Iterable[Change]) -> Iterator[tuple[str, int]]:
    for change in changes:
        sign, word = SIGNS[change.action]
        address, details, place = change_cells(change)
        where = code(place) if change.location else prose(place)
        yield row(f"{code(sign)} {word}", code(address), code(details), where), 1


def _add_creates(page: Page, creates: Sequence[Change], *, full: bool) -> None:
    shown = len(creates) if full else SHOWN_CREATES
    by_file: dict[str, tuple[list[Change], list[Change]]] = {}
    for number, change in enumerate(creates):
        of_file = by_file.setdefault(change.location.file if change.location else "", ([], []))
        of_file[number >= shown].append(change)
    for file, (rows, folded) in by_file.items():
        total = len(rows) + len(folded)
        opening = f"{fold(f'{code_in_html(file)}: {total:,} to create')}\n{_CREATES}"
        page.add_records(opening, _create_rows(rows, folded), total, FOLD_END)


def _create_rows(creates: Sequence[Change], folded: Sequence[Change]) -> Iterator[tuple[str, int]]:
    for change in creates:
        invoice, provider, token = create_cells(change.declared) if change.declared else ("", "", "")
        line = str(change.location.line) if change.location else ""
        cells = (code(invoice.removeprefix("invoice ")), provider, code(token.removeprefix("token ")))
        yield row(code(change.address), *cells, line), 1
    for span, more, place in stretches(folded):
        yield row(code(span), more, "", "", code(place.rpartition(":")[2])), len(folded)
