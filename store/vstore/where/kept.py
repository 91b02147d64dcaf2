"""Columns that are kept in `cache/`: those that an expression named, over all pictures of a snapshot.

    offset  size   content
    0       8      n: the number of pictures
    8       8      m: the number of different values, nothing being the first one
    16      8      of columns of facts: pictures of which no facts were read
    24      n × w  of each picture, in the order of the keys, the number of its value, from 0 on; w is 1, 2 or 4
    …       …      an SQLite database: the value k is c0 of the row k + 1 of its only table
Numbers are little-endian. A file that this disk did not write is not used.
"""

from __future__ import annotations

import struct

from vstore.disk.cache import COLUMNS
from vstore.disk.written import make_room, read_written, write_written
from vstore.format.canonical import SMALL, canonical, parsed
from vstore.format.entries import Snapshot
from vstore.quick_tuple import NamedTuple
from vstore.repository.kept_columns import of_facts, of_fields
from vstore.repository.repository import Repository
from vstore.where.columns import Column
from vstore.where.engine import Engine
from vstore.where.expression import FACT, FIELD
from vstore.where.loaded import Loaded, code_type

_FROM = 10_000  # pictures of a snapshot: of fewer, reading the columns takes some 20 ms
_FORM = "1"  # how values are written
_HEAD = struct.Struct("<QQQ")
_FILES = 64  # that are kept at most, and
_MOST = 256 << 20  # bytes of all of them: one of a million pictures has 1 MB, or 40 where nearly all values differ
_NAMES = "names"


class KeptColumn(NamedTuple):
    """A column that was read.

    column:  the column.
    lacking: pictures of which no facts were read.
    """

    column: Loaded
    lacking: int


class KeptColumns:
    """The columns of one snapshot that are kept; none of a small one, and of a part of its pictures."""

    def __init__(self, repo: Repository, snapshot: Snapshot, pictures: int) -> None:
        """pictures: how many are asked about."""
        self._cache = repo.layout.cache
        self._hash = repo.hash
        self._pictures = pictures
        self._begins: dict[str, str] = {}
        if pictures >= _FROM and pictures == snapshot.images:
            tree = repo.manifest(snapshot).tree
            if repo.state.facts:
                self._begins[FACT] = of_facts(repo, tree)
            if snapshot.fields:
                self._begins[FIELD] = of_fields(snapshot, tree)

    def read(self, column: Column, variant: str = "") -> KeptColumn | None:
        """Read a column; None if it is not kept. variant: what it depends on beside its source."""
        name = self._name(column, variant)
        content = None if name is None else read_written(self._cache, name, _MOST)
        return None if content is None else _decoded(content, self._pictures)

    def keep(self, column: Column, loaded: Loaded, lacking: int = 0, variant: str = "") -> None:
        """Write a column."""
        name = self._name(column, variant)
        if name is not None:
            head = _HEAD.pack(len(loaded.codes), loaded.engine.rows, lacking)
            codes = loaded.codes.astype(code_type(loaded.engine.rows), copy=False)
            self._write(name, b"".join((head, codes.tobytes(), loaded.engine.image())))

    def field_names(self) -> frozenset[str] | None:
        """Read the names of all fields; None if they are not kept."""
        begin = self._begins.get(FIELD)
        content = None if begin is None else read_written(self._cache, begin + _NAMES, SMALL)
        try:
            names = None if content is None else parsed(content, SMALL)
        except ValueError:
            return None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            return None
        return frozenset(map(str, names))

    def keep_field_names(self, names: frozenset[str]) -> None:
        """Write the names of all fields."""
        begin = self._begins.get(FIELD)
        content = canonical(sorted(names))
        if begin is not None and len(content) <= SMALL:
            self._write(begin + _NAMES, content)

    def _write(self, name: str, content: bytes) -> None:
        if len(content) <= _MOST and write_written(self._cache, name, content):
            make_room(self._cache, COLUMNS, name, _FILES, _MOST)

    def _name(self, column: Column, variant: str) -> str | None:
        begin = self._begins.get(column.home)
        if begin is None:
            return None
        return begin + self._hash.digest("\n".join((_FORM, *column, variant)).encode()).hex()[:32]


def _decoded(content: bytes, pictures: int) -> KeptColumn | None:
    import numpy as np

    if len(content) < _HEAD.size:
        return None
    count, values, lacking = _HEAD.unpack_from(content)
    kind = code_type(values)
    at = _HEAD.size + count * kind.itemsize
    if count != pictures or not 0 < values <= count + 1 or lacking > count or len(content) < at:
        return None
    codes = np.frombuffer(content, kind, count, _HEAD.size)
    if codes.max(initial=0) >= values:
        return None
    engine = Engine.of_image(memoryview(content)[at:], values)
    # The copy lets go of the image, which the engine has.
    return None if engine is None else KeptColumn(Loaded(codes.copy(), engine), lacking)
