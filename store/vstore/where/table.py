"""The table of the columns that an expression names, over the pictures of a snapshot, or over their paths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore.format.entries import Snapshot
from vstore.repository.repository import Repository
from vstore.turns import Turn
from vstore.where.columns import FACTS, FLAT, KEY, OF_PATHS, Column, Elsewhere, column_of, is_fact, names_paths
from vstore.where.engine import Engine
from vstore.where.expression import FACT, FIELD, Expression, Name
from vstore.where.values import Coded, facts_by_name, fields_by_name, hex_keys, numbers_in, paths_by_name

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Marks = npt.NDArray[np.bool_]
    Ints = npt.NDArray[np.int64]

_LARGEST = 1 << 62
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

    Rows that are alike in all columns are one for SQLite.

    lacking: pictures of which no facts were read, where it has facts.
    """

    def __init__(self, slots: dict[Name, int], columns: Sequence[Coded], rows: int, lacking: int = 0) -> None:
        self.lacking = lacking
        self._slots = slots
        self._turn = Turn()
        self._engine = Engine([_affinity(column.values) for column in columns])
        self._rows: Ints | None = None
        firsts = _different(columns, rows)
        if firsts is not None:
            first, self._rows = firsts
            columns = [column.at(first) for column in columns]
        self._engine.load(
            zip(*(map(column.values.__getitem__, column.codes.tolist()) for column in columns), strict=True)
            if columns
            else [()] * min(rows, 1)
        )

    def fitting(self, expression: Expression) -> Marks:
        """Tell for which rows an expression is true. Raises: UsageError."""
        import numpy as np

        with self._turn:
            found = self._engine.fitting(expression.sql({name: self._slots[name] for name in expression.names}))
        marks: Marks = np.frombuffer(found.encode(), np.uint8) == ord("1")
        return marks if self._rows is None else marks[self._rows]


def load(repo: Repository, snapshot: Snapshot, pictures: Pictures, expression: Expression) -> Table:
    """Load the columns that an expression names: over paths if it names one of these, over pictures otherwise.

    Raises: UsageError for a name that means nothing; Damage, FileNotFoundError.
    """
    size = repo.hash.size
    fields: set[str] = {name.name.casefold() for name in expression.names if not is_fact(name)}
    read = fields_by_name(repo, snapshot, pictures.keys, lambda name: name.casefold() in fields) if fields else None
    names = frozenset() if read is None else read.names

    def elsewhere() -> Elsewhere | None:
        current = repo.state.current_snapshot
        if current is None or current.name == snapshot.name:
            return None
        return Elsewhere(current.name, fields_by_name(repo, current, b"", lambda name: False).names)

    meant = {name: column_of(name, names, elsewhere) for name in expression.names}
    wanted = list(dict.fromkeys(meant.values()))
    facts = [one.name for one in wanted if one.home == FACT]
    found = facts_by_name(repo, snapshot, pictures.keys, [one for one in facts if one in FACTS or one == FLAT])
    columns = {Column(FACT, name): coded for name, coded in found.columns.items()}
    if KEY in facts:
        columns[Column(FACT, KEY)] = hex_keys(pictures.keys, size)
    if read is not None:
        columns |= {Column(FIELD, name): coded for name, coded in read.columns.items()}
    rows = len(pictures.keys) // size
    if names_paths(expression):
        paths, keys = pictures.paths()
        rows, owners = len(paths), numbers_in(pictures.keys, b"".join(keys), size)
        columns = {column: coded.at(owners) for column, coded in columns.items()}
        of_paths = paths_by_name(repo, snapshot, paths, keys, [one for one in facts if one in OF_PATHS])
        columns |= {Column(FACT, name): coded for name, coded in of_paths.items()}
    slots = {name: wanted.index(column) for name, column in meant.items()}
    return Table(slots, [columns[one] for one in wanted], rows, found.lacking)


def _affinity(values: Sequence[Any]) -> str:
    """Choose how SQLite compares a column with texts and numbers: as what its values are."""
    kinds = {type(value) for value in values if value is not None}
    return {frozenset((str,)): "TEXT", frozenset((int,)): "INTEGER", frozenset((float,)): "REAL"}.get(
        frozenset(kinds), ""
    )


def _different(columns: Sequence[Coded], rows: int) -> tuple[Ints, Ints] | None:
    """Find rows that differ. Returns: one of each kind, and of each row the number of its kind; None for all."""
    import numpy as np

    if any(len(column.values) > rows // 2 for column in columns):
        return None
    kinds, different = np.zeros(rows, np.int64), 1
    for column in columns:
        if different * len(column.values) >= _LARGEST:
            found, kinds = np.unique(kinds, return_inverse=True)
            different = len(found)
        kinds = kinds * len(column.values) + column.codes
        different *= len(column.values)
    if different > _FEW:
        _, first, kinds = np.unique(kinds, return_index=True, return_inverse=True)
        return first, kinds.reshape(-1)
    of_kind = np.full(different, -1, np.int64)  # sorting a million rows takes many times as long
    of_kind[kinds] = np.arange(rows)
    is_met = of_kind >= 0
    return of_kind[is_met], (np.cumsum(is_met) - 1)[kinds]
