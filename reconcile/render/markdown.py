"""Markdown in which no value can do anything, in a page of bounded size.

A value stands in a code span. Neither the parser nor what GitHub does with its output (mentions, references, links,
emoji, mathematics) looks into one. The two characters that could end a span, or a table's cell around it, are shown
as control characters are. Sentences that may hold values are taken apart: only plain words stay outside of spans.
"""

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from reconcile.render.escape import escaped

MOST_BYTES: Final = 60_000
"""GitHub takes 65,536 characters in a comment; some room is left for what a workflow adds."""

MARKER: Final = "<!-- reconcile plan -->"
"""The first line of a comment, always the same, by which a workflow finds the one that it updates."""

_LONGEST_SENTENCE = 600
_RESERVED = 400  # for the last lines of a page, which say what is left out of it

_find_words = re.compile(r"`[^`]+`[,.;:!?)]*|--[a-z-]+ [0-9]+[,.;:)]*|[^\s`]+").findall
_outside_of_span = re.compile(r"(\(?)(.*?)([,.;:!?)]*)", re.DOTALL).fullmatch
# Letters alone, or a number of few digits: not a mention, a reference, a link, an emoji or a commit.
_is_plain = re.compile(
    r"(?![0-9a-f]{7})\(?(?:[A-Za-z]+(?:['-][A-Za-z]+)*|[0-9]{1,6}|[0-9]{1,3}(?:,[0-9]{3})+)[,.;:!?)]*|[·…→]"
).fullmatch


def code(text: str) -> str:
    """The text in a code span, which nothing in it can leave; empty for an empty one."""
    shown = escaped(text).replace("`", r"\x60").replace("|", r"\x7c")
    return f"`{shown}`" if shown else ""


def prose(text: str) -> str:
    """A sentence: plain words as they stand, everything else in code spans."""
    if len(text) > _LONGEST_SENTENCE:
        text = f"{text[:_LONGEST_SENTENCE]} …"
    return " ".join(_spans(_find_words(escaped(text))))


def _spans(words: Iterable[str]) -> Iterator[str]:
    for kind, group in groupby(words, key=_kind):
        if kind == "plain":
            yield from group
        elif kind == "quoted":
            yield from (_span(word.replace("`", "")) for word in group)
        else:
            yield _span(" ".join(group))


def _kind(word: str) -> str:
    if word.startswith("`"):
        return "quoted"
    return "plain" if _is_plain(word) else "other"


def _span(text: str) -> str:
    """The text in a code span, with the sentence's own punctuation outside of it."""
    match = _outside_of_span(text)
    before, inside, after = match.groups() if match and match[2] else ("", text, "")
    return f"{before}{code(inside)}{after}"


def row(*cells: str) -> str:
    """One row of a table; the cells are Markdown already."""
    return f"| {' | '.join(cells)} |"


def table_head(*names: str) -> str:
    """The two lines that begin a table."""
    return f"{row(*names)}\n{'|---' * len(names)}|"


def fold(title: str, *, is_open: bool = False) -> str:
    """What begins a part that unfolds; `title` is HTML. It ends with `FOLD_END`."""
    return f"<details{' open' if is_open else ''}><summary>{title}</summary>\n"


FOLD_END: Final = "\n\n</details>"


def code_in_html(text: str) -> str:
    """The same as `code` where Markdown is not read, as in the title of a fold."""
    return f"<code>{html.escape(escaped(text))}</code>"


class Page:
    """Markdown of at most so many bytes, cut between records, with a count of those that are left out."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._parts: list[str] = []
        self._room = most - _RESERVED
        self._left_out = 0

    def add(self, *lines: str) -> None:
        """A paragraph of the tool's own words, which always fits."""
        self._take("\n".join(lines) + "\n")

    def add_records(self, opening: str, rows: Iterable[tuple[str, int]], total: int, closing: str = "") -> None:
        """As many rows as fit, each with the number of records it stands for, of `total` records in all."""
        end = f"{closing}\n"
        room = self._room - _size(opening) - _size(end) - 64
        shown: list[str] = []
        counted = 0
        for text, records in rows:
            room -= _size(text) + 1
            if room < 0:
                break
            shown.append(text)
            counted += records
        self._left_out += total - counted
        if shown:
            # A line right below a table would be a row of it.
            missing = f"\n\n… and {total - counted:,} more" if counted < total else ""
            self._take("\n".join((opening, *shown)) + missing + end)

    def text(self, whole: str) -> str:
        """The page. `whole` says, as Markdown, how to see what is left out."""
        if self._left_out:
            self._parts.append(f"**{self._left_out:,} records are left out here** for want of room: {whole}.\n")
        return "\n".join(self._parts)

    def _take(self, part: str) -> None:
        self._parts.append(part)
        self._room -= _size(part) + 1


def _size(text: str) -> int:
    return len(text.encode())


def bullets(texts: Sequence[str]) -> Iterator[tuple[str, int]]:
    """The rows of a list, one record each; the texts are Markdown already."""
    return ((f"- {text}", 1) for text in texts)
