"""Charts as SVG that a page holds: drawn by hand, coloured by the page's style, with the same figures as a table."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from reconcile.core.changes import Action
from reconcile.render.html_page import text
from reconcile.render.words import duration

_BAR, _STEP = 14, 44  # pixels


class Bar(NamedTuple):
    """One bar of a chart: what it stands for, and how long its parts are, by class."""

    name: str
    parts: Mapping[str, int]

    @property
    def length(self) -> int:
        """Of all its parts."""
        return sum(self.parts.values())


def bars(title: str, shown: Sequence[Bar]) -> str:
    """Bars below one another on one scale; each has its name and its length above it."""
    longest = max((bar.length for bar in shown), default=0) or 1
    drawn = "".join(_bar(bar, number * _STEP, longest) for number, bar in enumerate(shown))
    return f'<svg role="img" aria-label="{text(title)}" height="{len(shown) * _STEP}">{drawn}</svg>'


def _bar(bar: Bar, top: int, longest: int) -> str:
    drawn = [
        f'<text x="0" y="{top + 16}">{text(bar.name)}</text>',
        f'<text x="100%" y="{top + 16}" text-anchor="end">{bar.length:,}</text>',
        f'<rect class="track" x="0" y="{top + 23}" width="100%" height="{_BAR}"/>',
    ]
    start = 0.0
    for kind, length in bar.parts.items():
        if not length:
            continue
        width = 100 * length / longest
        box = f'x="{start:.3f}%" y="{top + 23}" width="{width:.3f}%" height="{_BAR}"'
        drawn.append(f'<rect class="{kind}" {box}><title>{kind.replace("_", " ")}: {length:,}</title></rect>')
        start += width
    return "".join(drawn)


def legend(actions: Sequence[Action]) -> str:
    """Which colour stands for which action."""
    return "".join(
        f'<li><svg aria-hidden="true"><rect class="{action}" width="100%" height="100%"/></svg>{_word(action)}</li>'
        for action in actions
    )


def chart_of_providers(counts: Mapping[str, Mapping[str, int]]) -> str:
    """A bar for each provider, a part for each action, and the same as a table."""
    if not counts:
        return ""
    shown = [Bar(provider, parts) for provider, parts in counts.items()]
    shown.sort(key=lambda bar: (-bar.length, bar.name))
    actions = [action for action in Action if any(bar.parts.get(action) for bar in shown)]
    rows = [(bar.name, *(f"{bar.parts.get(action, 0):,}" for action in actions)) for bar in shown]
    table = plain_table(("Provider", *map(_word, actions)), rows)
    return (
        f'<ul class="legend">{legend(actions)}</ul>{bars("Changes by provider and action", shown)}'
        f"<details><summary>As a table</summary>{table}</details>"
    )


def schedule(by_day: Sequence[int], seconds: float) -> str:
    """How many writes each quota day takes; days that take as many as the one before share a bar.

    `seconds` is how long sending all of them takes.
    """
    shown: list[Bar] = []
    day, a_write = 1, seconds / (sum(by_day) or 1)
    for writes, group in groupby(by_day):
        days = len(list(group))
        name = f"Day {day:,}" if days == 1 else f"Days {day:,} to {day + days - 1:,}, each"
        shown.append(Bar(f"{name} · {duration(a_write * writes)}", {"writes": writes}))
        day += days
    return bars("Writes on each quota day", shown)


def plain_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A small table; the first column names, the others count."""
    titles = "".join(f'<th scope="col"{_number(n)}>{text(title)}</th>' for n, title in enumerate(head))
    lines = "".join(
        f"<tr>{''.join(f'<td{_number(n)}>{text(cell)}</td>' for n, cell in enumerate(row))}</tr>" for row in rows
    )
    return (
        f'<div class="wide"><table class="plain"><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table></div>'
    )


def _number(column: int) -> str:
    return ' class="number"' if column else ""


def _word(action: Action) -> str:
    return action.replace("_", " ")
