"""Rows of a file set aside on disk, sorted there, and joined with keys: memory does not grow with their number."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, NamedTuple, Self

from vstore.errors import DiskTrouble

_BLOCK = 10_000
_TABLES = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA temp_store = FILE;
PRAGMA cache_size = -65536;
BEGIN;
CREATE TABLE rows (row INTEGER PRIMARY KEY, word BLOB, key BLOB);
CREATE TABLE cells (row INTEGER, name INTEGER, value BLOB);
CREATE TABLE places (word BLOB, row INTEGER);
CREATE TABLE names (id INTEGER PRIMARY KEY, name BLOB);
"""


class Cell(NamedTuple):
    """A value of a row.

    key:   of the picture.
    name:  of the field, in UTF-8.
    value: as the field has it.
    row:   number of the row.
    """

    key: bytes
    name: bytes
    value: bytes
    row: int


class Spool:
    """A private database in a temporary file, which goes when it is closed."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.executescript(_TABLES)
        self._names: dict[bytes, int] = {}
        self._rows: list[tuple[int, bytes | None]] = []
        self._cells: list[tuple[int, int, bytes]] = []

    def add(self, row: int, word: bytes | None, values: Iterable[tuple[bytes, bytes]]) -> None:
        """Set a row aside. word: what it says of its picture. values: of its fields, by name. Raises: DiskTrouble."""
        self._rows.append((row, word))
        for name, value in values:
            self._cells.append((row, self._names.setdefault(name, len(self._names)), value))
        if len(self._rows) >= _BLOCK:
            self._flush()

    def _flush(self) -> None:
        self._many("INSERT INTO rows (row, word) VALUES (?, ?)", self._rows)
        self._many("INSERT INTO cells VALUES (?, ?, ?)", self._cells)
        self._rows, self._cells = [], []

    def finish(self) -> None:
        """Take in the last rows. Raises: DiskTrouble."""
        self._flush()
        self._many("INSERT INTO names VALUES (?, ?)", [(id, name) for name, id in self._names.items()])

    def forget(self) -> None:
        """Let no row have a key."""
        self._many("UPDATE rows SET key = NULL WHERE key IS NOT NULL AND ?", [(1,)])

    def open_rows(self) -> int:
        """Count the rows that have no key yet."""
        return int(next(self._read("SELECT count(*) FROM rows WHERE key IS NULL"))[0])

    def words(self) -> Iterator[tuple[bytes, int]]:
        """Yield the words of the rows without a key, sorted, and the numbers of these rows."""
        return self._read("SELECT word, row FROM rows WHERE key IS NULL AND word IS NOT NULL ORDER BY word")

    def sorted(self, words: Iterable[tuple[bytes, int]]) -> Iterator[tuple[bytes, int]]:
        """Sort other words of rows. Raises: DiskTrouble."""
        self._many("DELETE FROM places WHERE ?", [(1,)])
        self._many("INSERT INTO places VALUES (?, ?)", words)
        return self._read("SELECT word, row FROM places ORDER BY word")

    def know(self, keys: Iterable[tuple[bytes, int]]) -> None:
        """Note the keys of rows. Raises: DiskTrouble."""
        self._many("UPDATE rows SET key = ? WHERE row = ?", keys)

    def unknown(self, count: int) -> list[tuple[int, bytes | None]]:
        """List the first rows without a key: number and word."""
        return list(self._read(f"SELECT row, word FROM rows WHERE key IS NULL ORDER BY row LIMIT {count}"))

    def cells(self) -> Iterator[Cell]:
        """Yield the values of rows with a key, sorted by key, name and row. Raises: DiskTrouble."""
        return (
            Cell(*found)
            for found in self._read(
                "SELECT rows.key, names.name, cells.value, cells.row FROM cells JOIN rows USING (row) "
                "JOIN names ON names.id = cells.name WHERE rows.key IS NOT NULL "
                "ORDER BY rows.key, names.name, cells.row"
            )
        )

    def by_value(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the value and the word of each cell, sorted by both. Raises: DiskTrouble."""
        return self._read("SELECT cells.value, rows.word FROM cells JOIN rows USING (row) ORDER BY 1, 2")

    def _many(self, words: str, rows: Iterable[tuple[Any, ...]]) -> None:
        try:
            self._db.executemany(words, rows)
        except sqlite3.Error as err:
            raise _trouble(err) from err

    def _read(self, words: str) -> Iterator[Any]:
        try:
            cursor = self._db.execute(words)
            while rows := cursor.fetchmany(_BLOCK):
                yield from rows
        except sqlite3.Error as err:
            raise _trouble(err) from err

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()


def _trouble(err: sqlite3.Error) -> DiskTrouble:
    return DiskTrouble(
        f"the folder for temporary files cannot take what is sorted there: {err}",
        "free some space there, or set SQLITE_TMPDIR to another folder",
    )
