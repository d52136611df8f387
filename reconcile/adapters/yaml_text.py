"""Decides whether bytes can be read as YAML text at all, before a parser sees them.

Refuses what would make a line number lie or a parser stumble: other encodings, control characters, line breaks that
editors do not count, files beyond a size. It knows nothing of YAML's structure.
"""

import re
from collections.abc import Iterable
from typing import Final

from reconcile.core.diagnostics import Diagnostic, Location

MAX_FILE_BYTES: Final = 64 * 1024 * 1024

UNPARSED: Final = frozenset({"file-too-large", "encoding", "control-character", "line-break", "yaml-syntax"})
"""Codes after which nothing is known of a file's structure, so nothing of it may be shown."""

_UTF8_MARK = b"\xef\xbb\xbf"
_OTHER_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_MISCOUNTED = {
    b"\xc2\x85": ("U+0085", r"\N"),
    b"\xe2\x80\xa8": ("U+2028", r"\L"),
    b"\xe2\x80\xa9": ("U+2029", r"\P"),
}
# What YAML 1.2 calls printable (section 5.1), the other way round.
_find_refused = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]").search


class UnreadableError(Exception):
    """A file that cannot be read as YAML: nothing in it counts, and nothing of it may be shown.

    It never leaves the adapters: whoever reads a file turns it into its diagnostic.
    """

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.code)
        self.diagnostic = diagnostic


def unreadable(code: str, message: str, location: Location, hint: str) -> UnreadableError:
    """The error that ends the reading of one file; its excerpt hides everything."""
    return UnreadableError(Diagnostic(code, message, location, hint, secret=True))


def checked_bytes(data: bytes, file: str) -> bytes:
    """The same text as UTF-8 without a byte order mark.

    Raises:
        UnreadableError: Naming the place and what to do.
    """
    if len(data) > MAX_FILE_BYTES:
        raise unreadable("file-too-large", "the file is larger than 64 MiB", Location(file, 1), "split it into several")
    data = data.removeprefix(_UTF8_MARK)
    if data.startswith(_OTHER_MARKS):
        raise unreadable("encoding", "the file is not UTF-8 but UTF-16 or UTF-32", Location(file, 1), _SAVE_AS_UTF8)
    if not data.isascii():
        _check_beyond_ascii(data, file)
    if b"\0" in data:
        hint = "remove it, or save the file as UTF-8 if it is another encoding"
        raise unreadable("control-character", "the file holds a NUL character", _place(data, data.index(0), file), hint)
    return data


_SAVE_AS_UTF8 = "save it as UTF-8"


def _check_beyond_ascii(data: bytes, file: str) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        place = _place(data, error.start, file)
        raise unreadable("encoding", "the file is not valid UTF-8 here", place, _SAVE_AS_UTF8) from None
    for encoded, (name, escape) in _MISCOUNTED.items():
        if encoded in data:
            message = f"the file holds the line break {name}, which editors and YAML count differently"
            hint = f'write it as "{escape}" in double quotes, or remove it'
            raise unreadable("line-break", message, _place(data, data.index(encoded), file), hint)
    if _UTF8_MARK in data:
        place = _place(data, data.index(_UTF8_MARK), file)
        hint = "remove the invisible character; files were probably joined here"
        raise unreadable("encoding", "a byte order mark stands inside the file", place, hint)


def refused_character(data: bytes, file: str) -> UnreadableError:
    """Why the parser refuses a character of `data`, which `checked_bytes` let pass."""
    found = _find_refused(data.decode())
    if found is None:
        return unreadable("yaml-syntax", "the file is not readable as YAML", Location(file, 1), "")
    name = f"U+{ord(found.group()):04X}"
    place = _place(data, len(data.decode()[: found.start()].encode()), file)
    hint = "remove it, or write it as an escape in double quotes"
    return unreadable("control-character", f"the file holds the control character {name}", place, hint)


def _place(data: bytes, offset: int, file: str) -> Location:
    """The line and column of a byte, both from 1; what comes before it on its line is valid UTF-8."""
    before = data[:offset]
    breaks = before.count(b"\n") + before.count(b"\r") - before.count(b"\r\n")
    line_start = max(before.rfind(b"\n"), before.rfind(b"\r")) + 1
    return Location(file, breaks + 1, len(before[line_start:].decode()) + 1)


def lines_at(data: bytes, numbers: Iterable[int]) -> dict[int, str]:
    """The text of some lines, numbered from 1, without splitting the others; bytes that are no UTF-8 are replaced."""
    data = data.removeprefix(_UTF8_MARK)
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    found: dict[int, str] = {}
    line, start = 1, 0
    for number in sorted(numbers):
        while line < number and start >= 0:
            start = data.find(b"\n", start) + 1 or -1
            line += 1
        if start < 0:
            break
        end = data.find(b"\n", start)
        found[number] = data[start : end if end >= 0 else len(data)].decode(errors="replace")
    return found


_HINTS: Final = {
    "\t": "indent with spaces, not tabs",
    "@": "quote a text that begins with @",
    "`": "quote a text that begins with `",
    "%": "quote a text that begins with %",
}


def syntax_error(problem: str, line: int, column: int, data: bytes, file: str) -> UnreadableError:
    """What the parser could not read; `line` and `column` count from 0."""
    at = lines_at(data, [line + 1]).get(line + 1, "")[column : column + 1]
    hint = _HINTS.get(at, "")
    if not hint and "mapping values are not allowed" in problem:
        hint = "quote a text that holds a colon and a space, or check the indentation"
    if not hint and "could not find expected ':'" in problem:
        hint = "a key is followed by a colon and a space"
    return unreadable("yaml-syntax", f"not readable as YAML: {problem}", Location(file, line + 1, column + 1), hint)
