"""Columns as expressions are asked of them: an engine with the different values, and the number of each row's value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore.where.engine import Engine

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vstore.where.values import Coded, Scalar

    Ints = npt.NDArray[np.int64]


class Loaded(NamedTuple):
    """A column.

    codes:  (n,) of unsigned numbers: of each row the number of its value.
    engine: the values, as its column c0.
    """

    codes: Any
    engine: Engine

    def at(self, rows: Ints) -> Loaded:
        """Give the column of other rows. rows: of this one, by theirs."""
        return Loaded(self.codes[rows], self.engine)


def loaded(coded: Coded) -> Loaded:
    """Load a column, and of its values those alone that a row has. It is compared as if it had all of them."""
    import numpy as np

    is_met = np.zeros(len(coded.values), bool)
    is_met[0] = True
    is_met[coded.codes] = True
    count = int(np.count_nonzero(is_met))
    numbers = (np.cumsum(is_met) - 1).astype(code_type(count))
    engine = Engine([_affinity(coded.values)])
    met = is_met.tolist()
    engine.load((value,) for value, there in zip(coded.values, met, strict=True) if there)
    return Loaded(numbers[coded.codes], engine)


def code_type(values: int) -> np.dtype[Any]:
    """Choose the type of the numbers of so many values."""
    import numpy as np

    return np.dtype("<u1" if values <= 1 << 8 else "<u2" if values <= 1 << 16 else "<u4")


def _affinity(values: Sequence[Scalar]) -> str:
    """Choose how SQLite compares a column with texts and numbers: as what its values are."""
    kinds = {type(value) for value in values if value is not None}
    return {frozenset((str,)): "TEXT", frozenset((int,)): "INTEGER", frozenset((float,)): "REAL"}.get(
        frozenset(kinds), ""
    )
