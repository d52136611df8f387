"""What is wrong with an input, as data: each output format renders it in its own way."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class Location(NamedTuple):
    """A place in a file, counted from 1 as editors do; `file` is relative to the project folder."""

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        """`file:line`, the form that terminals and editors turn into a link."""
        return f"{self.file}:{self.line}"


class Severity(StrEnum):
    """How much a diagnostic matters: an error stops the command, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


class Excerpt(NamedTuple):
    """The line a diagnostic speaks of, already masked: safe to print anywhere.

    `column` (from 1) and `width` say where the marker goes below `text`; masking may have moved it.
    """

    text: str
    column: int
    width: int


class Diagnostic(NamedTuple):
    """One problem: what, where, and what to do about it.

    `code` is stable and in kebab-case. Neither `message` nor `help` ever holds a token. `secret` says that the text at
    the location may be one, so that an excerpt has to mask even the scalar in error.
    """

    code: str
    message: str
    location: Location | None = None
    help: str = ""
    severity: Severity = Severity.ERROR
    secret: bool = False
    excerpt: Excerpt | None = None


def in_file_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Sorted by file, line and column; what has no place comes first."""
    return sorted(diagnostics, key=lambda d: (d.location or Location("", 0, 0), d.severity, d.code))


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether anything in there stops the command."""
    return any(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)
