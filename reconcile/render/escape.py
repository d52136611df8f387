"""Makes text from manifests and from the API safe to print: on a terminal, in a log, in CI.

Everything that a user or the API wrote passes through `escaped` on its way out. It must not be given the tool's own
colours, which it would escape as well.
"""

import re
import unicodedata

# Drawn as nothing, though not in a category of invisible characters: a text could hide behind them.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_NAMED = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
# GitHub and Azure look for this one anywhere in a line, the other only where a line begins.
_find_hash_command = re.compile(r"##(?=[A-Za-z]*\[)").sub
_find_beyond_ascii = re.compile(r"[^\x00-\x7e]+").sub
_find_colon_command = re.compile(r"\A(\s*):(?=:)").sub


def escaped(text: str) -> str:
    r"""One line that shows what it holds: control, ANSI, bidirectional and invisible characters as `\x1b` or `\u202e`.

    Nothing in it can be read as a command by a CI service, wherever in a line it is put.
    """
    if not text.isascii() or not text.isprintable():
        text = "".join(map(_shown, text))
    if ":" in text:
        text = _find_colon_command(r"\1\\x3a", text)
    return _find_hash_command(r"\\x23#", text) if "##" in text else text


def escaped_json(document: str) -> str:
    r"""A JSON document that says the same and shows what it holds: what `escaped` escapes stands there as `\u202e`."""
    document = _find_beyond_ascii(lambda run: "".join(map(_shown_in_json, run[0])), document)
    return _find_hash_command(r"\\u0023#", document) if "##" in document else document


def json_document(value: object) -> str:
    """One JSON document, indented, ending with a newline."""
    import orjson

    return escaped_json(orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())


def display_width(text: str) -> int:
    """How many columns of a terminal an escaped text takes."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"F", "W"} else 1


def _shown(character: str) -> str:
    if character.isprintable() and character not in _BLANK and not _is_selector(character):
        return character
    if character in _NAMED:
        return _NAMED[character]
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _shown_in_json(character: str) -> str:
    if _shown(character) == character:
        return character
    return "".join(f"\\u{unit:04x}" for unit in memoryview(character.encode("utf-16-le")).cast("H"))


def _is_selector(character: str) -> bool:
    """Whether it is a variation selector: invisible, and enough of them to write any bytes with."""
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
