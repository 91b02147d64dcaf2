"""The leaves of a run of facts: sorted rows, column by column, so that one column is read without the others. Pure."""

from __future__ import annotations

import bisect
import re
import struct
from collections.abc import Container, Sequence
from itertools import pairwise

from vstore.format.fact_columns import TYPES, Place, place_of, read_column, read_value, write_column
from vstore.format.facts import FLAT, KEY, KNOWN, PIXELS, READER, Column, Fact, Value
from vstore.format.leb128 import get_number, put_number
from vstore.format.pages import FACTS, magic, no_page, rises
from vstore.quick_tuple import NamedTuple

ROWS = 1024  # of a leaf, but the last
_MOST_COLUMNS = 64
_LARGEST = 1 << 24  # bytes
_FEW = 16  # rows that are read one by one; of more the whole column is
_LEAF = magic(FACTS, 0)
_NAME = re.compile(r"[ -~]{1,100}")
_PREPARED = re.compile(f"({PIXELS}|{FLAT})[0-9a-f]{{16}}")
_TYPES = {**{column.name: column.type for column in (KEY, READER, *KNOWN)}, PIXELS: "k", FLAT: "1"}
_UNREADABLE = (ValueError, IndexError, struct.error)


def encode_facts(facts: Sequence[Fact], key_size: int) -> bytes:
    """Write a leaf. Raises: ValueError for a value that is none of its column.

    facts: at least one, in rising order of their keys. A column without any value is left out.
    """
    columns = sorted({column for fact in facts for column in fact.values})
    _check_columns(columns)
    if not 0 < len(facts) <= ROWS or len(columns) + 2 > _MOST_COLUMNS or not rises([fact.key for fact in facts]):
        raise ValueError("these facts are out of order, or too many for a page")
    out = bytearray(_LEAF)
    put_number(out, len(facts))
    put_number(out, len(columns) + 2)
    for name, kind in (KEY, READER, *columns):
        put_number(out, len(name))
        out += name.encode("ascii") + kind.encode("ascii")
    out += write_column(KEY, [fact.key for fact in facts], key_size)
    out += write_column(READER, [fact.reader for fact in facts], key_size)
    for column in columns:
        out += write_column(column, [fact.values.get(column) for fact in facts], key_size)
    if len(out) > _LARGEST:
        raise ValueError(f"these facts have {len(out)} bytes")
    return bytes(out)


class FactPage:
    """A leaf whose columns are found and not read: each is read, and proves itself, when it is asked for.

    rows:    its facts.
    columns: its columns but keys and readers.
    """

    def __init__(self, data: bytes, key_size: int) -> None:
        """Raises: Damage if it does not begin as a leaf, or its columns do not fill it."""
        self._data = data
        self._size = key_size
        try:
            if len(data) > _LARGEST:
                raise ValueError(f"it has {len(data)} bytes")
            self.rows, listed, at = _read_head(data)
            places = {}
            for column in listed:
                place = places[column] = place_of(column, data, at, self.rows, key_size)
                at = place.stop
            if at != len(data):
                raise ValueError("its length is wrong")
        except _UNREADABLE as err:
            raise no_page(FACTS, err) from err
        self._keys, self._readers = places.pop(KEY), places.pop(READER)
        self._places = places
        self.columns: tuple[Column, ...] = tuple(places)

    def key(self, row: int) -> bytes:
        """Read the key of a row."""
        at = self._keys.at + row * self._size
        return self._data[at : at + self._size]

    def keys(self) -> list[bytes]:
        """Read all keys. Raises: Damage if they do not rise."""
        keys = [self.key(row) for row in range(self.rows)]
        if not rises(keys):
            raise no_page(FACTS, "its keys do not rise")
        return keys

    def rows_of(self, keys: Sequence[bytes]) -> list[int]:
        """Find the rows of keys, which rise; a key without a row is passed over. Raises: Damage."""
        if len(keys) > _FEW:
            rows = {key: row for row, key in enumerate(self.keys())}
            return [rows[key] for key in keys if key in rows]
        found = ((key, bisect.bisect_left(range(self.rows), key, key=self.key)) for key in keys)
        return [row for key, row in found if row < self.rows and self.key(row) == key]

    def column(self, column: Column) -> list[Value | None]:
        """Read one column: the value of each row, None where it has none. Raises: Damage."""
        place = self._places.get(column)
        return [None] * self.rows if place is None else self._read(place)

    def raw(self, column: Column) -> tuple[bytes, bytes]:
        """Give the bits of a column that the leaf has, none for keys and readers, and its values as they are written.

        They are checked by nobody.
        """
        place = {KEY: self._keys, READER: self._readers}.get(column) or self._places[column]
        return self._data[place.bits : place.at], self._data[place.at : place.stop]

    def facts(self, rows: Sequence[int] | None = None, columns: Container[Column] | None = None) -> list[Fact]:
        """Read some rows and some columns; None means all. Raises: Damage."""
        keys = self.keys() if rows is None else [self.key(row) for row in rows]
        values: list[dict[Column, Value]] = [{} for _ in keys]
        for column, place in self._places.items():
            if columns is None or column in columns:
                for known, value in zip(values, self._cells(place, rows), strict=True):
                    if value is not None:
                        known[column] = value
        return list(map(Fact, keys, self._cells(self._readers, rows), values))  # type: ignore[arg-type]

    def _cells(self, place: Place, rows: Sequence[int] | None) -> list[Value | None]:
        if rows is not None and len(rows) <= _FEW:
            try:
                return [read_value(place, self._data, row, self.rows, self._size) for row in rows]
            except _UNREADABLE as err:
                raise no_page(FACTS, err) from err
        cells = self._read(place)
        return cells if rows is None else [cells[row] for row in rows]

    def _read(self, place: Place) -> list[Value | None]:
        try:
            return read_column(place, self._data, self.rows, self._size)
        except _UNREADABLE as err:
            raise no_page(FACTS, err) from err


class _Head(NamedTuple):
    rows: int
    columns: list[Column]
    at: int


def _read_head(data: bytes) -> _Head:
    if data[: len(_LEAF)] != _LEAF:
        raise ValueError("it does not begin as FORMAT.md says")
    rows, at = get_number(data, len(_LEAF))
    count, at = get_number(data, at)
    if not 0 < rows <= ROWS or not 2 <= count <= _MOST_COLUMNS:
        raise ValueError(f"it claims {rows} facts of {count} columns")
    columns = []
    for _ in range(count):
        size, at = get_number(data, at)
        name, kind = data[at : at + size].decode("ascii"), chr(data[at + size])
        columns.append(Column(name, kind))
        at += size + 1
    if columns[:2] != [KEY, READER]:
        raise ValueError("it does not begin with keys and readers")
    _check_columns(columns[2:])
    return _Head(rows, columns, at)


def _check_columns(columns: Sequence[Column]) -> None:
    if any(before.name >= column.name for before, column in pairwise(columns)):
        raise ValueError("its columns are out of order")
    for name, kind in columns:
        folder = name[: name.find("/") + 1]
        if kind not in TYPES or kind != _TYPES.get(folder, _TYPES.get(name, kind)):
            raise ValueError(f"the column {name} is of the type {kind!r}")
        if name in (KEY.name, READER.name) or not _NAME.fullmatch(name):
            raise ValueError(f"a column is called {name!r}")
        if folder in _TYPES and not _PREPARED.fullmatch(name):
            raise ValueError(f"a column is called {name!r}")
