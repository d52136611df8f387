"""Diagnostics as text for people and as values for JSON (product.md, "Manifest" and "How it looks").

Takes diagnostics that carry masked excerpts already; it must not read files.
"""

from collections.abc import Iterator, Sequence

from reconcile.core.diagnostics import Diagnostic, Excerpt, Location, Severity
from reconcile.render.escape import display_width, escaped
from reconcile.render.words import counted

_BOLD, _RED, _YELLOW, _BLUE, _PLAIN = "\x1b[1m", "\x1b[1;31m", "\x1b[1;33m", "\x1b[1;34m", "\x1b[0m"
_COLOURS = {Severity.ERROR: _RED, Severity.WARNING: _YELLOW}


def as_text(diagnostics: Sequence[Diagnostic], *, most: int = 200, colour: bool = False) -> str:
    """The first `most`, each with its line and its hint, and how many there are in all when there are more.

    Empty for no diagnostics; otherwise it ends with a line break.
    """
    blocks = ["\n".join(_lines(diagnostic, colour=colour)) for diagnostic in diagnostics[:most]]
    if len(diagnostics) > most:
        blocks.append(f"{totals(diagnostics)}; the first {most:,} are shown")
    return "".join(block + "\n" for block in blocks)


def as_json(diagnostic: Diagnostic) -> dict[str, str | int | None]:
    """The keys of `diagnostics[]` in every JSON output; file, line and column are null when there is no place."""
    place = diagnostic.location
    return {
        "severity": diagnostic.severity.value,
        "code": diagnostic.code,
        "message": escaped(diagnostic.message),
        "file": None if place is None else escaped(place.file),
        "line": None if place is None else place.line,
        "column": None if place is None else place.column,
        "help": escaped(diagnostic.help),
    }


def totals(diagnostics: Sequence[Diagnostic]) -> str:
    """How many there are of each severity."""
    errors = sum(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)
    counts = (counted(errors, "error"), counted(len(diagnostics) - errors, "warning"))
    return f"{counted(len(diagnostics), 'problem')}: {', '.join(counts)}"


def _lines(diagnostic: Diagnostic, *, colour: bool) -> Iterator[str]:
    severity = _painted(f"{diagnostic.severity}[{diagnostic.code}]", _COLOURS[diagnostic.severity], colour=colour)
    yield f"{_place(diagnostic.location)}{severity}: {_painted(escaped(diagnostic.message), _BOLD, colour=colour)}"
    if diagnostic.excerpt is not None and diagnostic.location is not None:
        yield from _excerpt_lines(
            diagnostic.excerpt, diagnostic.location.line, _COLOURS[diagnostic.severity], colour=colour
        )
    if diagnostic.help:
        yield f"   {_painted('=', _BLUE, colour=colour)} help: {escaped(diagnostic.help)}"


def _place(location: Location | None) -> str:
    return "" if location is None else f"{escaped(location.file)}:{location.line}:{location.column}: "


def _excerpt_lines(excerpt: Excerpt, line: int, marker_colour: str, *, colour: bool) -> Iterator[str]:
    start = excerpt.column - 1
    before = escaped(excerpt.text[:start])
    marked = escaped(excerpt.text[start : start + excerpt.width])
    number = f"{line:>5}"
    gutter = _painted("|", _BLUE, colour=colour)
    yield f"{_painted(number, _BLUE, colour=colour)} {gutter} {escaped(excerpt.text)}"
    padding = " " * (display_width(before) + max(0, start - len(excerpt.text)))
    marker = _painted("^" * max(1, display_width(marked)), marker_colour, colour=colour)
    yield f"{' ' * len(number)} {gutter} {padding}{marker}"


def _painted(text: str, colour_code: str, *, colour: bool) -> str:
    return f"{colour_code}{text}{_PLAIN}" if colour else text
