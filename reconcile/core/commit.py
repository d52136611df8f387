"""The commit that usually ends a journal: all that a reader needs of it where nothing is in doubt.

Apart from the other entries, so that a plan of a settled state need not load what understands them.
"""

from typing import Final, Literal, NamedTuple, cast

from reconcile.core.json_text import parse_json
from reconcile.core.plain import Plain, reader_of

PREFIX: Final = b'{"crc":"'
MIDDLE: Final = b'","entry":'
ENTRY_FROM: Final = len(PREFIX) + 8 + len(MIDDLE)
"""Where the entry begins in a line of the journal; between `PREFIX` and `MIDDLE` stand eight hex digits."""


class CommittedEntry(NamedTuple):
    """The state with this serial and digest (SHA-256, hex) holds everything above. Durable before compaction.

    Attributes:
        lineage: The lineage of that state, so that this line can be believed without reading the header.
        settled: Whether no write above is in doubt; only then may a reader without the lock stop at this line.
    """

    serial: int
    digest: str
    at: str
    lineage: str = ""
    settled: bool = False
    type: Literal["committed"] = "committed"


def decode_commit(line: bytes) -> CommittedEntry | None:
    """The commit that a journal's last line states; None when it states something else or cannot be read.

    Its checksum continues a line that was not read, so it proves nothing here; what it says has to fit the state.
    """
    if not (line.startswith(PREFIX) and line.endswith(b"}\n")):
        return None
    try:
        raw = cast("Plain", parse_json(line[ENTRY_FROM:-2]))
    except ValueError:
        return None
    is_commit = isinstance(cast("object", raw), dict) and raw.get("type") == "committed"
    return reader_of(CommittedEntry)(raw) if is_commit else None
