"""The line that a diagnostic speaks of, read again from its file and masked before anybody sees it.

A manifest may hold tokens, and names of people in notes; a terminal, a CI log and a code-scanning page show what is
printed to many. So every scalar becomes `***`, except the names of fields and the one text that is wrong, and that one
too when it may be a token. Comments are masked with the rest.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from yaml import error, events

from reconcile.adapters.manifest_files import read_file
from reconcile.adapters.yaml_reader import MAX_DEPTH, new_parser
from reconcile.adapters.yaml_text import UNPARSED, UnreadableError, checked_bytes, lines_at
from reconcile.core.diagnostics import Diagnostic, Excerpt

MASK: Final = "***"
MANIFEST_KEYS: Final = frozenset({
    "defaults", "payment_tokens", "moved", "removed", "imports", "coworker_invoice_id", "regular_payment_provider",
    "token", "token_from", "env", "file", "version", "notes", "protect", "from", "to", "id",
})  # fmt: skip

_MOST_SPANS = 2_000
_LONGEST_LINE = 160
_mask_words = re.compile(r"[^\s\-?:,\[\]{}]+").sub
_mask_runs = re.compile(r"\S+").sub


class _Span(NamedTuple):
    """Where a scalar stands on a line, counted from 0."""

    start: int
    end: int


def with_excerpts(
    diagnostics: Iterable[Diagnostic], root: Path, most: int = 200, *, known_keys: frozenset[str] = MANIFEST_KEYS
) -> list[Diagnostic]:
    """The same diagnostics, the first `most` of them with the line they speak of.

    A file that cannot be read any more leaves its diagnostics as they are.

    Args:
        diagnostics: In the order in which they will be shown.
        root: The folder that locations are relative to.
        most: How many get an excerpt.
        known_keys: Keys that are shown as they are: the names of fields.
    """
    found = list(diagnostics)
    by_file: defaultdict[str, list[int]] = defaultdict(list)
    for index, diagnostic in enumerate(found[:most]):
        if diagnostic.location is not None:
            by_file[diagnostic.location.file].append(index)
    for file, indices in by_file.items():
        excerpts = _excerpts(root / file, file, [found[index] for index in indices], known_keys)
        for index, excerpt in zip(indices, excerpts, strict=False):
            found[index] = found[index]._replace(excerpt=excerpt)
    return found


def _excerpts(
    path: Path, file: str, diagnostics: Sequence[Diagnostic], known_keys: frozenset[str]
) -> list[Excerpt | None]:
    try:
        data = read_file(path, file)
    except UnreadableError:
        return []
    places = [diagnostic.location for diagnostic in diagnostics if diagnostic.location is not None]
    lines = lines_at(data, {place.line for place in places})
    is_parsed = not any(diagnostic.code in UNPARSED for diagnostic in diagnostics)
    spans = _spans(data, file, {place.line for place in places}) if is_parsed else None
    found: list[Excerpt | None] = []
    for diagnostic, place in zip(diagnostics, places, strict=True):
        line = lines.get(place.line)
        if line is None:
            found.append(None)
        elif spans is None or place.line not in spans:
            found.append(_hidden(line, place.column - 1))
        else:
            masked = _Masked(line, spans[place.line], known_keys, place.column - 1, is_secret=diagnostic.secret)
            found.append(masked.excerpt())
    return found


def _spans(data: bytes, file: str, wanted: set[int]) -> dict[int, list[_Span]] | None:
    """Where scalars stand on the wanted lines; None when the file cannot be read up to the last of them."""
    found: dict[int, list[_Span]] = {line: [] for line in wanted}
    last, depth = max(wanted), 0
    try:
        get = new_parser(checked_bytes(data, file)).get_event
        while (event := get()) is not None and event.start_mark.line < last:
            if isinstance(event, events.ScalarEvent):
                _add_spans(event, found)
            elif isinstance(event, events.CollectionStartEvent):
                depth += 1
            elif isinstance(event, events.CollectionEndEvent):
                depth -= 1
            # The parser's time grows with the square of the depth.
            if depth > MAX_DEPTH:
                return None
    except (UnreadableError, error.YAMLError):
        return None
    return {line: spans for line, spans in found.items() if len(spans) < _MOST_SPANS}


def _add_spans(event: Any, found: dict[int, list[_Span]]) -> None:
    start, end = event.start_mark, event.end_mark
    first, last = start.line + 1, end.line + 1
    lines = (first,) if first == last else [line for line in found if first <= line <= last]
    for line in lines:
        spans = found.get(line)
        if spans is not None and len(spans) < _MOST_SPANS:
            until = end.column if line == last else _LINE_END
            spans.append(_Span(start.column if line == first else 0, until))


_LINE_END = 1 << 62


class _Masked:
    """One line being masked from left to right, the place of the caret kept."""

    def __init__(
        self, line: str, spans: list[_Span], known_keys: frozenset[str], caret: int, *, is_secret: bool
    ) -> None:
        self._line = line
        self._spans = spans
        self._known_keys = known_keys
        self._caret = min(caret, len(line))
        self._is_secret = is_secret
        self._text = ""
        self._column: int | None = None
        self._width = 1

    def excerpt(self) -> Excerpt:
        """The masked line with its marker."""
        at = 0
        for start, until in self._spans:
            end = min(until, len(self._line))
            self._add_gap(at, start)
            self._add_scalar(start, end)
            at = max(at, end)
        self._add_gap(at, len(self._line))
        column = len(self._text) if self._column is None else self._column
        return _cut(self._text, column, self._width)

    def _add_gap(self, start: int, end: int) -> None:
        """What stands between scalars: indicators stay, comments and the names of anchors and tags do not."""
        if start <= self._caret < end and self._column is None:
            self._add_structure(self._line[start : self._caret])
            self._column = len(self._text)
            self._add_structure(self._line[self._caret : end])
            self._width = 3 if self._text.startswith(MASK, self._column) else 1
        else:
            self._add_structure(self._line[start:end])

    def _add_structure(self, text: str) -> None:
        before, comment, _ = text.partition("#")
        self._text += _mask_words(MASK, before) + ("# " + MASK if comment else "")

    def _add_scalar(self, start: int, end: int) -> None:
        text = self._line[start:end]
        is_in_error = start == self._caret and self._column is None
        if is_in_error:
            self._column = len(self._text)
        is_field = text in self._known_keys and self._line[end:].lstrip().startswith(":")
        is_shown = is_field or (is_in_error and not self._is_secret)
        shown = text if is_shown or not text else MASK
        if is_in_error:
            self._width = max(1, len(shown.rstrip()))
        self._text += shown


def _hidden(line: str, caret: int) -> Excerpt:
    """A line of which nothing is known: everything becomes a mask."""
    # Only what may be shown is masked: 200 problems on one line of many megabytes would take minutes.
    before = _mask_runs(MASK, line[max(0, caret - _LONGEST_LINE) : caret])
    after = _mask_runs(MASK, line[caret : caret + _LONGEST_LINE])
    return _cut(before + after, len(before), len(MASK) if after.startswith(MASK) else 1)


def _cut(text: str, column: int, width: int) -> Excerpt:
    """Around the marker, when the line is too long to show; `column` counts from 0."""
    if len(text) <= _LONGEST_LINE:
        return Excerpt(text.rstrip(), column + 1, width)
    start = max(0, column - _LONGEST_LINE // 3)
    end = start + _LONGEST_LINE
    before, after = ("…" if start else ""), ("…" if end < len(text) else "")
    at = column - start + len(before)
    return Excerpt(before + text[start:end].rstrip() + after, at + 1, max(1, min(width, _LONGEST_LINE - at)))
