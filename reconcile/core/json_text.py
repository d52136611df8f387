"""Reads JSON with whichever parser is sooner done: orjson is the faster one, and takes 10 ms to be there at all.

A plan of a small folder takes 50 ms, so its state, its journal's last line and its ledger are read by the standard
library, held to what orjson accepts. Files are written by orjson, and whatever is large is read by it.
"""

from collections.abc import Callable
from math import isfinite
from typing import Any, Final, NoReturn

_SMALL: Final = 256 * 1024
"""Bytes that the standard library reads in less time than it takes to import orjson."""

_WHOLE_NUMBERS: Final = range(-(2**63), 2**64)
"""Those that orjson reads as whole numbers."""


def parse_json(data: bytes) -> Any:
    """What the bytes say.

    Raises:
        ValueError: They are not JSON, or hold what could not be written again: other numbers, other texts.
    """
    return json_parser(len(data))(data)


def json_parser(size: int) -> Callable[[bytes], Any]:
    """`parse_json` for so many bytes in all, whatever the size of each part."""
    return json_codec(size)[0]


def json_codec(size: int) -> tuple[Callable[[bytes], Any], Callable[[Any], bytes]]:
    """The same parser, and what writes without white space what it has parsed."""
    if size <= _SMALL:
        return _parse_small, _write_small
    import orjson

    return orjson.loads, orjson.dumps


def _parse_small(data: bytes) -> Any:
    if b"\\u" in data:  # may be half a surrogate pair, which the standard library lets pass
        import orjson

        return orjson.loads(data)
    import json

    try:
        return json.loads(data.decode(), parse_int=_whole, parse_float=_finite, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _write_small(value: object) -> bytes:
    import json

    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _whole(digits: str) -> int:
    number = int(digits)
    if number not in _WHOLE_NUMBERS:
        raise ValueError("a number is beyond 64 bits")
    return number


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError("a number is beyond what a float holds")
    return number


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
