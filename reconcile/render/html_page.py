"""One self-contained page: sections above, a table of any length below.

It loads nothing and sends nothing, which a strict content policy makes sure of: the only script and the only style are
those whose hashes it names. Records are inert JSON that the script puts into the table as text. The page is ASCII, so
that no locale can spoil it on its way into a file.
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import NamedTuple, TypeAlias

from reconcile.render.escape import escaped

_find_quoted = re.compile(r"`([^`]+)`").sub

MOST_LISTED = 200
"""How much of what has no table is listed."""

Row: TypeAlias = "Sequence[str | int | Sequence[Sequence[str]] | None]"
"""A cell for each column, escaped, and perhaps one more element: what else the details of the row show.

That is lines of two, which name a value, and of three: a field, what it was and what it becomes.
"""


class Column(NamedTuple):
    """A column of the table.

    Attributes:
        kind: The classes of its cells: `short`, `medium` or `number` for their width, `action` for their colour.
        filter: Whether rows can be filtered by its values.
        opens: Whether its cells open the details of the row; one column does.
    """

    title: str
    kind: str = ""
    filter: bool = False
    opens: bool = False


class Table(NamedTuple):
    """All the records of a page."""

    title: str
    columns: Sequence[Column]
    rows: Iterable[Row]


def text(value: str) -> str:
    """A value as HTML that shows it, wherever it stands."""
    return escape(escaped(value))


def sentence(value: str) -> str:
    """A sentence as HTML, what stands between backticks as code."""
    return _find_quoted(r"<code>\1</code>", text(value))


def section(title: str, *parts: str) -> str:
    """A part of the page with a heading; nothing when it would be empty. The title is the tool's own, the rest HTML."""
    return f"<section><h2>{title}</h2>{''.join(parts)}</section>" if any(parts) else ""


def listed(items: Sequence[str]) -> str:
    """A list of values with what each starts with in HTML; the first of them when there are very many."""
    if not items:
        return ""
    more = f"<li>and {len(items) - MOST_LISTED:,} more</li>" if len(items) > MOST_LISTED else ""
    return f"<ul>{''.join(f'<li>{item}</li>' for item in items[:MOST_LISTED])}{more}</ul>"


def page(title: str, header: str, sections: Iterable[str], table: Table | None = None) -> str:
    """The whole page, ending with a newline. `header` and `sections` are HTML."""
    style, script = _asset("page.css"), _asset("page.js") if table else ""
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    )
    body = f"{header}<main>{''.join(sections)}{_records(table) if table else ''}</main>"
    shown = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{text(title)}</title>
<style>{style}</style>
</head>
<body>
{body}
{_scripts(table, script) if table else ""}</body>
</html>
"""
    return shown.encode("ascii", "xmlcharrefreplace").decode()


def _asset(name: str) -> str:
    return (Path(__file__).parent / "page" / name).read_text(encoding="ascii")


def _hash(source: str) -> str:
    return f"'sha256-{b64encode(sha256(source.encode()).digest()).decode()}'" if source else "'none'"


def _scripts(table: Table, script: str) -> str:
    data = {"columns": [column._asdict() for column in table.columns], "rows": list(table.rows)}
    inert = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")  # nothing in it can end the element
    return f'<script type="application/json" id="data">{inert}</script>\n<script>{script}</script>\n'


def _records(table: Table) -> str:
    return f"""
<section aria-labelledby="records"><h2 id="records">{text(table.title)}</h2>
<noscript><p>The table needs JavaScript, which is part of this file and is switched off here.</p></noscript>
<div class="controls" id="controls" role="search" hidden>
<label class="search">Search<input type="search" id="search" autocomplete="off" spellcheck="false"></label>
<div class="filters" id="filters"></div>
<output id="count" aria-live="polite"></output>
</div>
<p class="printed" id="printed"></p>
<div class="scroll" id="scroll" role="region" aria-labelledby="records" tabindex="0">
<table class="records" id="table" aria-labelledby="records"><thead><tr></tr></thead><tbody></tbody></table>
</div>
</section>
<dialog id="detail" aria-labelledby="detail-title">
<h2 id="detail-title"></h2>
<table class="plain"><tbody id="detail-facts"></tbody></table>
<table class="plain" id="detail-changes">
<thead><tr><th scope="col">Field</th><th scope="col">Before</th><th scope="col">After</th></tr></thead>
<tbody id="detail-fields"></tbody>
</table>
<p><button type="button" id="close">Close</button></p>
</dialog>"""
