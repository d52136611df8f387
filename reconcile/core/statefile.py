"""State <-> the bytes of `state.json`: versions, upgrades, and what is wrong with a damaged file.

One record a line, keys sorted, so that a diff reads record by record. What holds no token in memory (`StateRecord`)
holds none here. This module must not open anything: bytes in, bytes out.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn, TypeAlias, cast

from reconcile.core.errors import StateError
from reconcile.core.json_text import json_codec
from reconcile.core.plain import NotPlainError, Plain, of_plain, reader_of, to_plain
from reconcile.core.records import MAX_ID, Address, StateRecord, is_address
from reconcile.core.state import State

VERSION: Final = 1

Upgrade: TypeAlias = Callable[[Plain], Plain]

UPGRADES: Final[Mapping[int, Upgrade]] = {}
"""From a version to the next one; version 1 is the first. The backup keeps what was there before."""

_HEAD: Final = ["lineage", "records", "serial", "tool_version", "version"]
_BYTES_AT_A_TIME: Final = 64 * 1024
_RESTORE: Final = "restore state.json.backup, or a copy of the whole state folder"


def dump_state(state: State) -> bytes:
    """The bytes of a state; the same state always gives the same bytes."""
    import orjson

    head = b'{"lineage":%b,"records":{' % orjson.dumps(state.lineage)
    tail = b'},"serial":%d,"tool_version":%b,"version":%d}\n' % (
        state.serial,
        orjson.dumps(state.tool_version),
        VERSION,
    )
    records = state.records
    if not records:
        return head + tail
    # Joined once: a million records would otherwise be held several times over.
    lines = [
        b"%b:%b" % (orjson.dumps(address), orjson.dumps(to_plain(records[address]))) for address in sorted(records)
    ]
    lines[0] = b"%b\n%b" % (head, lines[0])
    lines[-1] = b"%b\n%b" % (lines[-1], tail)
    return b",\n".join(lines)


def load_state(data: bytes, upgrades: Mapping[int, Upgrade] = UPGRADES) -> State:
    """The state of a file's bytes, upgraded from an older version where need be.

    Raises:
        StateError: Code `state-too-new` when a newer tool wrote it; `state-corrupt` when it is not a state, with the
            line where that shows and what to do.
    """
    quick = _load_canonical(data)
    return quick if quick is not None else _load_carefully(data, upgrades)


def _load_canonical(data: bytes) -> State | None:
    """The state of bytes that `dump_state` wrote; None when in doubt.

    Some lines at a time, because a hundred thousand parsed objects cost more memory than the state itself.
    """
    start, end = data.find(b"\n") + 1, data.rfind(b"\n", 0, -1) + 1
    head = _canonical_head(data[:start] + data[end:]) if 0 < start < end and data.endswith(b"\n") else None
    if head is None:
        return None
    records: dict[Address, StateRecord] = {}
    try:
        _read_records(data, start, end, records)
    except (ValueError, AttributeError, TypeError):
        return None
    return State(head["lineage"], head["serial"], head["tool_version"], records)


def _read_records(data: bytes, start: int, end: int, records: dict[Address, StateRecord]) -> None:
    """Fills `records` from canonical lines: those that are written again as they are.

    So no object names a key twice, of which a parser would keep only the last, and nothing is written in another way.

    Raises:
        ValueError, AttributeError, TypeError: It is in doubt.
    """
    accept, (parse, write) = reader_of(StateRecord), json_codec(end - start)
    addresses = 0
    while start < end:
        lines_end = data.index(b"\n", min(start + _BYTES_AT_A_TIME, end - 1)) + 1
        if lines_end < end and not data.endswith(b",\n", start, lines_end):
            raise ValueError(start)
        lines = b"{%b}" % data[start:lines_end].removesuffix(b"\n").removesuffix(b"," if lines_end < end else b"")
        parsed: dict[Address, Plain] = parse(lines)
        if write(parsed) != lines.replace(b",\n", b","):
            raise ValueError(start)
        addresses += len(parsed)
        for address, raw in parsed.items():
            record = accept(raw)
            if record is None or not _is_sound(address, record):
                raise ValueError(address)
            records[address] = record
        start = lines_end
    if len(records) != addresses:  # named twice, in different lots
        raise ValueError(addresses)


def _canonical_head(framed: bytes) -> Plain | None:
    """The first and the last line of a canonical file, which together are the same file without its records."""
    parse, write = json_codec(len(framed))
    try:
        found = parse(framed)
    except ValueError:
        return None
    is_canonical = isinstance(found, dict) and write(found) == framed.replace(b"\n", b"")
    head: Plain = cast("Plain", found) if is_canonical else {}
    return head if _is_head(head) and head["version"] == VERSION and not head["records"] else None


def _is_head(head: Plain) -> bool:
    return (
        sorted(head) == _HEAD
        and type(head["lineage"]) is str
        and type(head["serial"]) is int
        and 0 <= head["serial"] <= MAX_ID
        and type(head["tool_version"]) is str
        and type(head["records"]) is dict
    )


def _is_sound(address: Address, record: StateRecord) -> bool:
    return 0 < record.id <= MAX_ID and 0 < record.coworker_invoice_id <= MAX_ID and is_address(address)


def _load_carefully(data: bytes, upgrades: Mapping[int, Upgrade]) -> State:
    """The same, one question after another, each with its own answer to a person."""
    head = _upgraded(_parse(data), upgrades)
    if not _is_head(head):
        _refuse_head(head)
    records = {address: _record(data, address, raw) for address, raw in head["records"].items()}
    return State(head["lineage"], head["serial"], head["tool_version"], records)


def _parse(data: bytes) -> Plain:
    import json  # tells duplicate keys and lines, which the fast parser cannot

    import orjson

    if not data.strip():
        raise _corrupt("state.json is empty")
    try:
        found = json.loads(data.decode(), object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
        orjson.loads(data)  # refuses texts that are not Unicode, which could not be written again
    except UnicodeDecodeError as error:
        raise _corrupt("state.json is not UTF-8", data.count(b"\n", 0, error.start) + 1) from None
    except json.JSONDecodeError as error:
        raise _corrupt(*_syntax(data, error.msg, error.lineno)) from None
    except _DuplicateKeyError as error:
        raise _corrupt(f'state.json names "{error}" twice', _line_of(data, str(error), last=True)) from None
    except (ValueError, RecursionError) as error:
        raise _corrupt(f"state.json cannot be read as JSON: {error}") from None
    if not isinstance(found, dict):
        raise _corrupt("state.json is not a JSON object")
    return cast("Plain", found)


class _DuplicateKeyError(ValueError):
    """An object names a key twice."""


def _without_duplicates(pairs: list[tuple[str, Any]]) -> Plain:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        raise _DuplicateKeyError(next(name for name, _ in pairs if name in seen or seen.add(name)))
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _syntax(data: bytes, words: str, line: int) -> tuple[str, int]:
    conflict = re.search(rb"^(<{7}|={7}|>{7})", data, re.MULTILINE)
    if conflict:
        return "state.json holds an unresolved merge conflict", data.count(b"\n", 0, conflict.start()) + 1
    if line > data.rstrip().count(b"\n") and not data.rstrip().endswith(b"}"):
        return "state.json was cut off", line
    return f"state.json is not valid JSON ({words[0].lower()}{words[1:]})", line


def _upgraded(head: Plain, upgrades: Mapping[int, Upgrade]) -> Plain:
    version = head.get("version")
    if type(version) is not int:
        raise _corrupt("state.json lacks its version: it is not a state of this tool")
    if version > VERSION:
        raise StateError(
            f"state.json has format version {version}; this tool knows versions up to {VERSION}",
            code="state-too-new",
            help="upgrade the tool to the one that wrote it",
        )
    for step in range(version, VERSION):
        if step not in upgrades:
            raise _corrupt(f"state.json has format version {version}, which never existed")
        head = {**upgrades[step](head), "version": step + 1}
    return head


def _refuse_head(head: Plain) -> NoReturn:
    missing = [name for name in _HEAD if name not in head]
    unknown = sorted(name for name in head if name not in _HEAD)
    if missing:
        raise _corrupt(f"state.json lacks {', '.join(missing)}")
    if unknown:
        raise _corrupt(f"state.json has unknown fields: {', '.join(unknown)}")
    raise _corrupt("state.json: lineage and tool_version are texts, serial is a number from 0, records is an object")


def _record(data: bytes, address: Address, raw: object) -> StateRecord:
    if not is_address(address):
        message = "state.json holds a record whose address is not made of letters, digits, . _ and -"
        raise _corrupt(message, _line_of(data, address))
    if not isinstance(raw, dict):
        raise _corrupt(f"the record of {address} is not an object", _line_of(data, address))
    try:
        record = of_plain(StateRecord, cast("Plain", raw))
    except NotPlainError as error:
        raise _corrupt(f"the record of {address} cannot be read: {error}", _line_of(data, address)) from None
    if not _is_sound(address, record):
        message = f"the record of {address} has an id that is not a positive 64-bit number"
        raise _corrupt(message, _line_of(data, address))
    return record


def _line_of(data: bytes, key: str, *, last: bool = False) -> int:
    """The line that names `key`, 0 when it is written in another way."""
    found = [match.start() for match in re.finditer(b'"%b"\\s*:' % re.escape(key.encode(errors="replace")), data)]
    return data.count(b"\n", 0, found[-1 if last else 0]) + 1 if found else 0


def _corrupt(message: str, line: int = 0) -> StateError:
    return StateError(f"{message} (line {line})" if line else message, code="state-corrupt", help=_RESTORE)
