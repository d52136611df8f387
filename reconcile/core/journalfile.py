"""Entries <-> the lines of `journal.jsonl`, and run summaries <-> the lines of `history.jsonl`.

A journal line is JSON and proves itself: `{"crc":"1a2b3c4d","entry":{...}}`, where the CRC-32 of the entry's bytes
continues the one of the line before, so a line that was altered, lost or moved shows. The history is for people: a line
of it that cannot be read is left out. This module must not open anything: bytes in, bytes out.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, cast, get_args
from zlib import crc32

import orjson

from reconcile.core.commit import ENTRY_FROM, MIDDLE, PREFIX
from reconcile.core.entries import FORMAT_VERSION, Entry
from reconcile.core.errors import StateError
from reconcile.core.plain import NotPlainError, Plain, defaults_of, of_plain, reader_of, to_plain
from reconcile.core.runs import RunSummary

_ENTRY_TYPES: Final[dict[object, type[Entry]]] = {defaults_of(cls)["type"]: cls for cls in get_args(Entry)}
_CRC_AT: Final = slice(len(PREFIX), len(PREFIX) + 8)


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a journal's bytes hold.

    Attributes:
        entries: Everything that can be believed.
        last_crc: What the next line continues.
        torn: The byte offset from which a write was cut short; None when the journal ends as it should.
    """

    entries: tuple[Entry, ...] = ()
    last_crc: int = 0
    torn: int | None = None


def encode(entries: Iterable[Entry], previous_crc: int = 0) -> tuple[bytes, int]:
    """The lines of entries that follow a line with `previous_crc`, and the CRC of the last of them."""
    lines: list[bytes] = []
    crc = previous_crc
    for entry in entries:
        written = orjson.dumps(to_plain(entry))
        crc = crc32(written, crc)
        lines.append(b"%b%08x%b%b}\n" % (PREFIX, crc, MIDDLE, written))
    return b"".join(lines), crc


def decode(data: bytes) -> Decoded:
    """The entries of a journal's bytes.

    A last line that lacks its newline or fails its checksum was torn by a crash, and is reported, not read.

    Raises:
        StateError: Code `journal-corrupt` for anything wrong before that, with line, byte offset and what to do;
            `journal-too-new` when a newer tool wrote it.
    """
    entries: list[Entry] = []
    crc, offset = 0, 0
    lines = data.split(b"\n")
    unended = lines.pop()
    for number, line in enumerate(lines, 1):
        written = line[ENTRY_FROM:-1]
        following = crc32(written, crc)
        if line != b"%b%08x%b%b}" % (PREFIX, following, MIDDLE, written):
            if number == len(lines) and not unended:
                return Decoded(tuple(entries), crc, torn=offset)
            raise _corrupt("fails its checksum", number, offset)
        entries.append(_entry_of(written, number, offset))
        crc = following
        offset += len(line) + 1
    return Decoded(tuple(entries), crc, torn=offset if unended else None)


def encode_runs(runs: Iterable[RunSummary]) -> bytes:
    """The history's lines of finished runs."""
    return b"".join(orjson.dumps(to_plain(run)) + b"\n" for run in runs)


def decode_runs(data: bytes) -> list[RunSummary]:
    """The runs of a history's bytes, oldest first, each once; lines that cannot be read are left out."""
    runs: dict[str, RunSummary] = {}
    for line in data.split(b"\n"):
        try:
            raw = cast("Plain", orjson.loads(line))
            run = reader_of(RunSummary)(raw) if isinstance(cast("object", raw), dict) else None
        except orjson.JSONDecodeError:
            continue
        if run is not None:
            runs.setdefault(run.run, run)
    return list(runs.values())


def _entry_of(written: bytes, number: int, offset: int) -> Entry:
    try:
        raw = cast("Plain", orjson.loads(written))
        entry_type = _type_of(raw)
        if number == 1 and type(raw.get("format")) is int and raw["format"] > FORMAT_VERSION:
            raise StateError(
                f"the journal has format {raw['format']}; this tool knows formats up to {FORMAT_VERSION}",
                code="journal-too-new",
                help="upgrade the tool to the one that wrote it",
            )
        return of_plain(entry_type, raw)
    except orjson.JSONDecodeError:
        raise _corrupt("is not JSON", number, offset) from None
    except NotPlainError as error:
        raise _corrupt(f"is no entry that this tool knows ({error})", number, offset) from None


def _type_of(raw: Any) -> type[Entry]:
    found = cast("Plain", raw).get("type") if isinstance(raw, dict) else None
    if isinstance(found, str) and found in _ENTRY_TYPES:
        return _ENTRY_TYPES[found]
    raise NotPlainError("its type is unknown")


def _corrupt(what: str, number: int, offset: int) -> StateError:
    return StateError(
        f"line {number} of the journal (byte {offset}) {what}",
        code="journal-corrupt",
        help="keep the file, restore a copy of the whole state folder, and look at what it says before going on",
    )
