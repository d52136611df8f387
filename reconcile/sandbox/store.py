"""The sandbox's records, in SQLite.

Owns the table and every statement on it. It must not know HTTP, users or the time: who writes and when comes from the
caller. One connection behind one lock: statements take microseconds, so a pool would only add a way to fail.
"""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING, Final, Self
from uuid import uuid4

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType

    from reconcile.sandbox.fields import Fields
    from reconcile.sandbox.listing import Listing

Record = dict[str, object]
"""A record under its wire names."""

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS records (
    Id INTEGER PRIMARY KEY AUTOINCREMENT,
    CoworkerInvoiceId INTEGER NOT NULL,
    RegularPaymentProvider INTEGER,
    Token TEXT,
    Notes TEXT,
    SystemId TEXT,
    LocalizationDetails TEXT,
    CustomFields TEXT,
    UniqueId TEXT NOT NULL,
    CreatedOn TEXT NOT NULL,
    UpdatedOn TEXT NOT NULL,
    UpdatedBy TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS records_by_invoice ON records (CoworkerInvoiceId);
"""
_FIRST_ID: Final = """
INSERT INTO sqlite_sequence (name, seq)
    SELECT 'records', 1400000000 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'records');
"""  # live ids are near 1.4e9 (nexudus-api.md, Record)

_WRITABLE: Final = (
    "CoworkerInvoiceId, RegularPaymentProvider, Token, Notes, SystemId, LocalizationDetails, CustomFields, "
    "UpdatedOn, UpdatedBy"
)
_SELECT: Final = f"SELECT Id, {_WRITABLE}, UniqueId, CreatedOn FROM records "  # noqa: S608 - constants of this module
_INSERT: Final = (
    f"INSERT INTO records ({_WRITABLE}, CreatedOn, UniqueId) "  # noqa: S608 - constants of this module
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?8, ?10)"
)
_REPLACE: Final = (
    f"UPDATE records SET ({_WRITABLE}) "  # noqa: S608 - constants of this module
    "= (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) WHERE Id = ?10"
)


def spell_time(seconds: float) -> str:
    """Seconds since the epoch as the API prints them on reads: UTC, whole seconds, `Z`."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


class Store:
    """The table of records; every method may be called from any thread. Closes as a context manager."""

    def __init__(self, path: Path | None) -> None:
        """Open the file at `path`, made with mode 0600 when it is new, or a database in memory for None."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # it holds tokens; SQLite's own files copy this mode
        self._lock = Lock()
        self._connection = sqlite3.connect(
            ":memory:" if path is None else path,
            isolation_level=None,  # each statement is its own transaction
            check_same_thread=False,
            timeout=10.0,
        )
        try:
            self._prepare()
        except sqlite3.Error:
            self._connection.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._connection.close()

    def insert(self, fields: Fields, *, by: str, now: float) -> int:
        """Store a new record and return its Id; ids are never used again."""
        with self._lock, closing(self._connection.cursor()) as cursor:
            cursor.execute(_INSERT, (*_as_columns(fields), spell_time(now), by, str(uuid4())))
            return cursor.lastrowid or 0

    def replace(self, record_id: int, fields: Fields, *, by: str, now: float) -> bool:
        """Replace everything writable of a record; False when there is none with this Id."""
        with self._lock, closing(self._connection.cursor()) as cursor:
            cursor.execute(_REPLACE, (*_as_columns(fields), spell_time(now), by, record_id))
            return cursor.rowcount == 1

    def delete(self, record_id: int) -> bool:
        """Remove a record; False when there is none with this Id."""
        with self._lock, closing(self._connection.cursor()) as cursor:
            cursor.execute("DELETE FROM records WHERE Id = ?", (record_id,))
            return cursor.rowcount == 1

    def get(self, record_id: int) -> Record | None:
        """The record with this Id, or None."""
        rows = self._read("WHERE Id = ?", [record_id])
        return rows[0] if rows else None

    def get_many(self, record_ids: Iterable[int]) -> list[Record]:
        """The records that exist among these ids, each once, by rising Id."""
        wanted = json.dumps(list(record_ids))  # one parameter, whatever the number of ids
        return self._read("WHERE Id IN (SELECT value FROM json_each(?)) ORDER BY Id", [wanted])

    def read_page(self, listing: Listing) -> tuple[list[Record], int]:
        """The records of one page, and how many there are on all pages."""
        where = " AND ".join(condition.sql for condition in listing.conditions) or "1"
        values: list[int | str] = [condition.value for condition in listing.conditions]
        direction = "DESC" if listing.descending else "ASC"
        rows = self._read(
            f"WHERE {where} ORDER BY {listing.order_by} {direction}, Id {direction} LIMIT ? OFFSET ?",
            [*values, listing.size, (listing.page - 1) * listing.size],
        )
        return rows, self._count(where, values)

    def read_all(self) -> list[Record]:
        """Every record, by rising Id."""
        return self._read("ORDER BY Id", [])

    def find_oldest_id(self) -> int | None:
        """The smallest Id there is, or None."""
        with self._lock:
            return self._connection.execute("SELECT min(Id) FROM records").fetchone()[0]

    def _prepare(self) -> None:
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")  # survives a killed process, which is all a trial needs
        self._connection.executescript(_SCHEMA + _FIRST_ID)

    def _read(self, clause: str, values: list[int | str]) -> list[Record]:
        with self._lock:
            rows = self._connection.execute(_SELECT + clause, values).fetchall()
        return [_as_record(row) for row in rows]

    def _count(self, where: str, values: list[int | str]) -> int:
        statement = f"SELECT count(*) FROM records WHERE {where}"  # noqa: S608 - a Condition's SQL holds constants only
        with self._lock:
            return self._connection.execute(statement, values).fetchone()[0]


def _as_columns(fields: Fields) -> tuple[int | str | None, ...]:
    return (
        fields.coworker_invoice_id,
        fields.regular_payment_provider,
        fields.token,
        fields.notes,
        fields.system_id,
        fields.localization_details,
        fields.custom_fields,
    )


def _as_record(row: sqlite3.Row) -> Record:
    return {
        "Id": row["Id"],
        "CoworkerInvoiceId": row["CoworkerInvoiceId"],
        "RegularPaymentProvider": row["RegularPaymentProvider"],
        "Token": row["Token"],
        "Notes": row["Notes"],
        "UniqueId": row["UniqueId"],
        "CreatedOn": row["CreatedOn"],
        "UpdatedOn": row["UpdatedOn"],
        "UpdatedBy": row["UpdatedBy"],
        "IsNew": False,
        "SystemId": row["SystemId"],
        "ToStringText": str(row["CoworkerInvoiceId"]),
        "LocalizationDetails": _from_json(row["LocalizationDetails"]),
        "CustomFields": _from_json(row["CustomFields"]),
    }


def _from_json(text: str | None) -> object:
    return None if text is None else json.loads(text)
