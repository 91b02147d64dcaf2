"""The table of the columns that an expression names, over the pictures of a snapshot, or over their paths."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from vstore.format.entries import Snapshot
from vstore.repository.repository import Repository
from vstore.turns import Turn
from vstore.where.columns import FACTS, FLAT, KEY, OF_PATHS, Column, Elsewhere, column_of, is_fact, names_paths
from vstore.where.engine import SECONDS, Engine
from vstore.where.expression import FACT, FIELD, Expression, Name
from vstore.where.kept import KeptColumns
from vstore.where.loaded import Loaded, loaded
from vstore.where.values import (
    Coded,
    FieldColumns,
    facts_by_name,
    fields_by_name,
    flat_by,
    hex_keys,
    numbers_in,
    paths_by_name,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Marks = npt.NDArray[np.bool_]
    Ints = npt.NDArray[np.int64]

_LARGEST = 1 << 62
_KEPT = 4  # groups of columns that are compared with each other
_FEW = 1 << 22  # kinds of rows that may be, for each of which a number is kept a moment


class Pictures(NamedTuple):
    """The pictures that are asked about.

    keys:  theirs, one after another, rising.
    paths: gives all paths, and the key of each; asked only if an expression names one.
    """

    keys: bytes | memoryview
    paths: Callable[[], tuple[Sequence[bytes], Sequence[bytes]]]


class Table:
    """Columns over rows, loaded for expressions that name these. Safe in several threads: they take turns.

    SQLite judges the different values of a column, and of columns that are compared with each other the different rows:
    each once.

    lacking: pictures of which no facts were read, where it has facts.
    """

    def __init__(self, slots: dict[Name, int], columns: Sequence[Loaded], rows: int, lacking: int = 0) -> None:
        self.lacking = lacking
        self._slots = slots
        self._turn = Turn()
        self._columns = columns
        self._rows = rows
        self._several: dict[tuple[int, ...], _Several] = {}

    def fitting(self, expression: Expression) -> Marks:
        """Tell for which rows an expression is true. Raises: UsageError."""
        import numpy as np

        marks: Marks = np.ones(self._rows, bool)
        with self._turn:
            late = time.monotonic() + SECONDS  # other threads may have taken long before
            for part in expression.conjuncts:
                marks &= self._fitting(part, late)
        return marks

    def counts(self) -> dict[int | float | str | bytes, int]:
        """Count the rows by their values of its first column; those without one are left out. Raises: UsageError."""
        import numpy as np

        codes, engine = self._columns[0]
        values = engine.values()
        counted = np.bincount(codes, minlength=len(values)).tolist()
        return {value: count for value, count in zip(values, counted, strict=True) if value is not None and count}

    def _fitting(self, part: Expression, late: float) -> Marks:
        slots = tuple(sorted({self._slots[name] for name in part.names}))
        sql = part.sql({name: slots.index(self._slots[name]) for name in part.names})
        if len(slots) == 1:
            column = self._columns[slots[0]]
            found: Marks = _marks(column.engine.fitting(sql, late))[column.codes]
            return found
        several = self._several.pop(slots, None) or _Several([self._columns[slot] for slot in slots], self._rows)
        self._several[slots] = several  # those used last stand last
        if len(self._several) > _KEPT:
            del self._several[next(iter(self._several))]
        marks = _marks(several.engine.fitting(sql, late))
        return marks if several.kinds is None else marks[several.kinds]


class _Several:
    """Columns that are compared with each other. Rows that are alike in all of them are one for SQLite."""

    def __init__(self, columns: Sequence[Loaded], rows: int) -> None:
        self.kinds: Ints | None = None
        self.engine = Engine([column.engine.types[0] for column in columns])
        firsts = _different(columns, rows)
        if firsts is not None:
            first, self.kinds = firsts
            columns = [column.at(first) for column in columns]
        self.engine.load(
            zip(*(map(one.engine.values().__getitem__, one.codes.tolist()) for one in columns), strict=True)
            if columns
            else [()] * min(rows, 1)
        )


def _marks(found: str) -> Marks:
    import numpy as np

    marks: Marks = np.frombuffer(found.encode(), np.uint8) == ord("1")
    return marks


def load(repo: Repository, snapshot: Snapshot, pictures: Pictures, expression: Expression) -> Table:
    """Load the columns that an expression names: over paths if it names one of these, over pictures otherwise.

    Raises: UsageError for a name that means nothing; Damage, FileNotFoundError.
    """
    size = repo.hash.size
    rows = len(pictures.keys) // size
    kept = KeptColumns(repo, snapshot, rows)
    fields = _Fields(repo, snapshot, pictures, kept, expression)

    def elsewhere() -> Elsewhere | None:
        current = repo.state.current_snapshot
        if current is None or current.name == snapshot.name:
            return None
        return Elsewhere(current.name, fields_by_name(repo, current, b"", lambda name: False).names)

    meant = {name: column_of(name, fields.names, elsewhere) for name in expression.names}
    wanted = list(dict.fromkeys(meant.values()))
    facts = [one.name for one in wanted if one.home == FACT]
    columns, lacking = _facts(repo, snapshot, pictures, kept, [one for one in facts if one in FACTS or one == FLAT])
    columns |= fields.columns([one.name for one in wanted if one.home == FIELD])
    if KEY in facts:
        columns[Column(FACT, KEY)] = loaded(hex_keys(pictures.keys, size))
    if names_paths(expression):
        paths, keys = pictures.paths()
        rows, owners = len(paths), numbers_in(pictures.keys, b"".join(keys), size)
        columns = {column: one.at(owners) for column, one in columns.items()}
        of_paths = paths_by_name(repo, snapshot, paths, keys, [one for one in facts if one in OF_PATHS])
        columns |= {Column(FACT, name): loaded(coded) for name, coded in of_paths.items()}
    slots = {name: wanted.index(column) for name, column in meant.items()}
    return Table(slots, [columns[one] for one in wanted], rows, lacking)


def _facts(
    repo: Repository, snapshot: Snapshot, pictures: Pictures, kept: KeptColumns, names: Sequence[str]
) -> tuple[dict[Column, Loaded], int]:
    """Find facts: those that are kept, and the others in the store. Returns: them; of how many pictures none is known.

    Raises: Damage, FileNotFoundError.
    """
    columns: dict[Column, Loaded] = {}
    lacking = 0
    variants = {name: flat_by(repo, snapshot) if name == FLAT else "" for name in names}
    for name in names:
        found = kept.read(Column(FACT, name), variants[name])
        if found is not None:
            columns[Column(FACT, name)] = found.column
            lacking = max(lacking, found.lacking)
    left = [name for name in names if Column(FACT, name) not in columns]
    if left:
        read = facts_by_name(repo, snapshot, pictures.keys, left)
        lacking = max(lacking, read.lacking)
        for name, coded in read.columns.items():
            column = Column(FACT, name)
            columns[column] = loaded(coded)
            kept.keep(column, columns[column], 0 if name == FLAT else read.lacking, variants[name])
    return columns, lacking


class _Fields:
    """The fields that an expression may name: those that are kept, or else all of its names are read at once."""

    def __init__(
        self, repo: Repository, snapshot: Snapshot, pictures: Pictures, kept: KeptColumns, expression: Expression
    ) -> None:
        """Raises: Damage."""
        self._kept = kept
        named = {name.name.casefold() for name in expression.names if not is_fact(name)}
        self._read = partial(fields_by_name, repo, snapshot, pictures.keys, lambda name: name.casefold() in named)
        names = kept.field_names() if named else frozenset()
        self._found: dict[str, Coded] | None = None
        if names is None:
            names = self._all().names
            kept.keep_field_names(names)
        self.names = names

    def columns(self, names: Sequence[str]) -> dict[Column, Loaded]:
        """Find fields. names: of those that there are. Raises: Damage."""
        columns: dict[Column, Loaded] = {}
        for name in names:
            column = Column(FIELD, name)
            found = self._kept.read(column)
            if found is None:
                columns[column] = loaded((self._found or self._all().columns)[name])
                self._kept.keep(column, columns[column])
            else:
                columns[column] = found.column
        return columns

    def _all(self) -> FieldColumns:
        read = self._read()
        self._found = read.columns
        return read


def _different(columns: Sequence[Loaded], rows: int) -> tuple[Ints, Ints] | None:
    """Find rows that differ. Returns: one of each kind, and of each row the number of its kind; None for all."""
    import numpy as np

    if any(column.engine.rows > rows // 2 for column in columns):
        return None
    kinds, different = np.zeros(rows, np.int64), 1
    for column in columns:
        if different * column.engine.rows >= _LARGEST:
            found, kinds = np.unique(kinds, return_inverse=True)
            different = len(found)
        kinds = kinds * column.engine.rows + column.codes
        different *= column.engine.rows
    if different > _FEW:
        _, first, kinds = np.unique(kinds, return_index=True, return_inverse=True)
        return first, kinds.reshape(-1)
    of_kind = np.full(different, -1, np.int64)  # sorting a million rows takes many times as long
    of_kind[kinds] = np.arange(rows)
    is_met = of_kind >= 0
    return of_kind[is_met], (np.cumsum(is_met) - 1)[kinds]
