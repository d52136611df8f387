"""Workflow commands of GitHub Actions: annotations beside the lines of a pull request, and a summary.

GitHub shows ten annotations of a kind for a step, so at most ten are written, errors first. Escaping is that of its
own toolkit: `%`, carriage returns and line feeds everywhere, colons and commas in properties too. The only line breaks
are the tool's own.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from reconcile.core.changes import Action, Plan
from reconcile.core.diagnostics import Diagnostic, Location, Severity, has_errors
from reconcile.core.errors import DiagnosedError, ReconcileError
from reconcile.render.escape import escaped
from reconcile.render.plan_text import headline, price_lines
from reconcile.render.words import minute

MOST: Final = 10
"""How many annotations a command writes, besides its summary."""


class Note(NamedTuple):
    """One annotation; `location` is relative to the project folder."""

    severity: Severity
    title: str
    message: str
    help: str = ""
    location: Location | None = None


def annotations(notes: Iterable[Note], *summary: str, folder: str, level: str = "notice") -> str:
    """The first ten notes, errors first, and the summary at its own level; every line is a command.

    Args:
        notes: What there is to say at places.
        summary: One sentence about all of it, and perhaps what to do.
        folder: The project folder below the repository's root, empty for the root itself.
        level: `notice`, `warning` or `error`, for the summary.
    """
    first = sorted(notes, key=lambda note: note.severity is not Severity.ERROR)[:MOST]
    lines = [_command(note.severity.value, _properties(note, folder), note.message, note.help) for note in first]
    return "".join([*lines, _command(level, {"title": "reconcile"}, *summary)])


def diagnostics_as_github(diagnostics: Sequence[Diagnostic], verdict: str, *, folder: str) -> str:
    """What validate found. `verdict` is one sentence."""
    more = f"the first {MOST} are shown beside their lines" if len(diagnostics) > MOST else ""
    level = "error" if has_errors(diagnostics) else "notice"
    return annotations(map(_note_of, diagnostics), verdict, more, folder=folder, level=level)


def failure_as_github(error: ReconcileError, *, folder: str) -> str:
    """Why a command failed, at the places it knows."""
    notes = map(_note_of, error.diagnostics) if isinstance(error, DiagnosedError) else ()
    return annotations(notes, error.message, error.help, folder=folder, level="error")


def plan_as_github(plan: Plan, *, folder: str) -> str:
    """What is refused, in doubt or doubtful about a plan, and its counts and its cost."""
    level = "error" if plan.refusals else "notice"
    return annotations(_notes_of(plan), headline(plan), *price_lines(plan), folder=folder, level=level)


def _notes_of(plan: Plan) -> Iterable[Note]:
    places = {change.address: change.location for change in plan.changes}
    for refusal in plan.refusals:
        place = next(filter(None, map(places.get, refusal.addresses)), None)
        yield Note(Severity.ERROR, refusal.rule, refusal.message, refusal.help, place)
    for change in plan.having(Action.IN_DOUBT):
        sent = f", {change.doubt.intent.action} sent {minute(change.doubt.intent.at)}" if change.doubt else ""
        message = f"{change.address} is in doubt{sent}: {change.reason}"
        yield Note(Severity.WARNING, "in-doubt", message, "apply settles it first", change.location)
    yield from map(_note_of, (*plan.diagnostics, *plan.hints))


def _note_of(diagnostic: Diagnostic) -> Note:
    return Note(diagnostic.severity, diagnostic.code, diagnostic.message, diagnostic.help, diagnostic.location)


def _properties(note: Note, folder: str) -> dict[str, str]:
    title, place = {"title": f"reconcile: {note.title}"}, note.location
    if place is None:
        return title
    file = f"{folder}/{place.file}" if folder else place.file
    return {"file": file, "line": str(place.line), "col": str(place.column)} | title


def _command(level: str, properties: dict[str, str], *lines: str) -> str:
    written = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{level} {written}::{'%0A'.join(_data(line) for line in lines if line)}\n"


def _data(text: str) -> str:
    return escaped(text).replace("%", "%25")  # no line break is left to be escaped


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
