"""Columns of facts as arrays: of a leaf, and of many rows of several runs, among which each key's count. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from vstore.format.fact_columns import NUMBERS
from vstore.format.facts import KEY, RANGES, READER, Column, Value, is_handed_on
from vstore.format.pages import FACTS, no_page
from vstore.quick_tuple import NamedTuple

if TYPE_CHECKING:
    import numpy as np

    from vstore.format.fact_pages import FactPage

    Array = np.ndarray[Any, Any]

_CODES = {"k": "B", **NUMBERS}  # types of columns to those of arrays


class Values(NamedTuple):
    """One column of facts, for many rows.

    there:  bool (n,): the row has a value.
    values: (n,) in the type of the column; digests are uint8 (n, size of a key); of texts int32 (n,), numbers of
            `texts`. Where there is no value it is 0.
    texts:  the different texts of the column, each once; () for columns of other types.
    """

    there: Array
    values: Array
    texts: tuple[str, ...] = ()

    def value(self, row: int) -> Value | None:
        """Give the value of a row; None if it has none."""
        if not self.there[row]:
            return None
        found = self.values[row]
        if self.texts:
            return self.texts[int(found)]
        return bytes(found) if found.ndim else found.item()


class FactArrays(NamedTuple):
    """Columns of facts of many pictures.

    keys:    uint8 (n, size of a key), rising, none twice: `keys.tobytes()` are the keys one after another.
    columns: the values of the rows, by column; every column that was asked for.
    """

    keys: Array
    columns: dict[Column, Values]

    def rows_of(self, keys: bytes | memoryview) -> Array:
        """Find the rows of keys, given one after another. Returns: int64, -1 for a key without facts."""
        import numpy as np

        kind = np.dtype(f"S{self.keys.shape[1]}")  # of one length: that zeros at an end are passed over changes nothing
        have, wanted = self.keys.reshape(-1).view(kind), np.frombuffer(keys, kind)
        if not len(have):
            return np.full(len(wanted), -1, np.int64)
        at = np.minimum(np.searchsorted(have, wanted), len(have) - 1)
        return np.where(have[at] == wanted, at, -1)


class Gathered:
    """The rows of several runs, leaf by leaf, from which the columns of the facts that count are made."""

    def __init__(self, columns: Iterable[Column], key_size: int) -> None:
        self._size = key_size
        self._rows = 0
        self._keys: list[Array] = []
        self._readers: list[Array] = []
        self._parts: dict[Column, list[tuple[int, Array, Array]]] = {column: [] for column in columns}
        self._texts: dict[Column, dict[bytes, int]] = {column: {} for column in columns if column.type == "t"}

    def add(self, leaf: FactPage) -> None:
        """Take the rows of a leaf, which come behind those before. Raises: Damage."""
        import numpy as np

        _, keys = leaf.raw(KEY)
        _, readers = leaf.raw(READER)
        rising = np.frombuffer(keys, f"S{self._size}")
        if not (rising[1:] > rising[:-1]).all():
            raise no_page(FACTS, "its keys do not rise")
        self._keys.append(np.frombuffer(keys, np.uint8).reshape(-1, self._size))
        self._readers.append(np.frombuffer(readers, "<u2"))
        for column, parts in self._parts.items():
            if column in leaf.columns:
                try:
                    parts.append((self._rows, *self._cells(leaf, column)))
                except (ValueError, struct.error) as err:
                    raise no_page(FACTS, err) from err
        self._rows += leaf.rows

    def _cells(self, leaf: FactPage, column: Column) -> tuple[Array, Array]:
        import numpy as np

        bits, data = leaf.raw(column)
        there: Array = np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little").astype(bool)
        if not there.any() or there[leaf.rows :].any():
            raise ValueError("a column without values, or bits beyond its rows")
        there = there[: leaf.rows]
        if column.type == "t":
            values, lengths = self._numbers(column, data, leaf.rows)
            full: Array = lengths > 0
        elif column.type == "k":
            values = np.frombuffer(data, np.uint8).reshape(-1, self._size)
            full = np.any(values, axis=1)
        else:
            values = np.frombuffer(data, "<" + _CODES[column.type])
            full = values != 0
        if (full & ~there).any():
            raise ValueError(f"a row without a value has one in the column {column.name}")
        if column.type == "d" and not np.isfinite(values).all():
            raise ValueError(f"a number of the column {column.name} is not finite")
        if column in RANGES:  # a value outside is no fact
            low, high = RANGES[column]
            there = np.logical_and.reduce((there, values >= low, values <= high))
            values = np.where(there, values, 0)
        return there, values

    def _numbers(self, column: Column, data: bytes, rows: int) -> tuple[Array, Array]:
        """Number the texts of a leaf. Returns: the numbers, and the lengths of the texts in bytes."""
        import numpy as np

        from vstore.format.fact_columns import decoded

        known = self._texts[column]
        lengths = np.frombuffer(data, "<u4", rows)
        numbers = []
        at = 4 * rows
        for size in lengths.tolist():
            text = data[at : at + size]
            at += size
            number = known.get(text)
            if number is None:
                decoded(text)
                number = known[text] = len(known)
            numbers.append(number)
        return np.array(numbers, np.int32), lengths

    def arrays(self) -> FactArrays:
        """Choose the rows that count, by `vstore.format.facts.chosen`, and put their columns together."""
        import numpy as np

        if not self._rows:
            keys = np.zeros((0, self._size), np.uint8)
            return FactArrays(
                keys, {column: self._column(column, np.zeros(0, np.int64), None) for column in self._parts}
            )
        keys = np.concatenate(self._keys)
        order = np.argsort(np.concatenate(self._readers), kind="stable")
        flat = keys.reshape(-1).view(f"S{self._size}")
        # Each run rises: sorting so that equal ones stay in order is merging.
        order = order[np.argsort(flat[order], kind="stable")]
        flat = flat[order]
        starts = np.flatnonzero(np.concatenate(([True], flat[1:] != flat[:-1])))
        best = order[np.concatenate((starts[1:], [len(order)])) - 1]
        ranked = _Ranked(order, starts)
        return FactArrays(
            keys[best],
            {column: self._column(column, best, ranked if is_handed_on(column) else None) for column in self._parts},
        )

    def _column(self, column: Column, best: Array, ranked: _Ranked | None) -> Values:
        import numpy as np

        shape, kind = (self._rows,), np.dtype(np.int32 if column.type == "t" else _CODES[column.type])
        there = np.zeros(self._rows, bool)
        values = np.zeros((*shape, self._size) if column.type == "k" else shape, kind)
        for at, has, some in self._parts[column]:
            there[at : at + len(has)] = has
            values[at : at + len(has)] = some
        if ranked is not None:
            best = ranked.last_with(there)
        there, values = there[best], values[best]
        texts = tuple(text.decode("utf-8") for text in self._texts.get(column, ()))
        if texts:
            values[~there] = 0
        return Values(there, values, texts)


class _Ranked(NamedTuple):
    """All rows by key, and among those of a key the one that counts last.

    order:  numbers of rows.
    starts: where in `order` each key begins.
    """

    order: Array
    starts: Array

    def last_with(self, there: Array) -> Array:
        """Find of each key the last row that has a value, or any row if none has."""
        import numpy as np

        at = np.where(there[self.order], np.arange(len(self.order)), -1)
        found = np.maximum.reduceat(at, self.starts)
        return self.order[np.where(found < 0, self.starts, found)]


def gathered(leaves: Iterable[FactPage], columns: Sequence[Column], key_size: int) -> FactArrays:
    """Read columns of the leaves of all runs, in the order of the places of the runs. Raises: Damage."""
    rows = Gathered(columns, key_size)
    for leaf in leaves:
        rows.add(leaf)
    return rows.arrays()
