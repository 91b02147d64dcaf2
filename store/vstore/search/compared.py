"""Pictures that were compared with one another, and the pairs of them that reach a least score. Pure.

Rows of which each reaches 0.9995 with each other one make a clump. Pairs within a clump are not listed, nor those of a
row with a large clump: so 5,000 screenshots that are nearly equal do not cost 12 million pairs.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Bools = npt.NDArray[np.bool_]
    Ints = npt.NDArray[np.int64]
    Scores = npt.NDArray[np.int32]


class Compared(NamedTuple):
    """Rows that were compared, numbered in the order in which they came.

    clump:      int64 (n,), the first row of each row's clump.
    one, other: int64 (e,), pairs of rows of different clumps that reach the least score, one < other.
    score:      int32 (e,), their scores in millionths.
    crowd, row: int64 (c,), a clump by its first row, and a row that may reach the least score with rows of it.

    Two rows that reach the least score are in one clump, or listed, or one of them stands in `row` with the clump of
    the other one.
    """

    clump: Ints
    one: Ints
    other: Ints
    score: Scores
    crowd: Ints
    row: Ints

    def __len__(self) -> int:
        return len(self.clump)

    def only(self, stay: Bools) -> Compared:
        """Leave out all other rows. stay: bool (n,)."""
        import numpy as np

        number = np.cumsum(stay) - 1
        return self._renumbered(stay, number)

    def reaching(self, least: int) -> Compared:
        """Leave out all pairs of a lower score."""
        reach = self.score >= least
        return Compared(self.clump, self.one[reach], self.other[reach], self.score[reach], self.crowd, self.row)

    def ordered(self, order: Ints) -> Compared:
        """Number the rows in another order. order: int64 (n,), the rows."""
        import numpy as np

        number = np.empty(len(order), np.int64)
        number[order] = np.arange(len(order))
        return self._renumbered(np.ones(len(order), bool), number)

    def _renumbered(self, stay: Bools, number: Ints) -> Compared:
        """Give the rows that stay other numbers. number: int64 (n,)."""
        import numpy as np

        left = np.flatnonzero(stay)
        first = np.full(len(self), len(self))
        np.minimum.at(first, self.clump[left], number[left])  # the first of each clump that is left
        clump = np.empty(len(left), np.int64)
        clump[number[left]] = first[self.clump[left]]
        pairs = stay[self.one] & stay[self.other]
        one, other = number[self.one[pairs]], number[self.other[pairs]]
        crowds = stay[self.row] & (first[self.crowd] < len(self))
        return Compared(
            clump,
            np.minimum(one, other),
            np.maximum(one, other),
            self.score[pairs],
            first[self.crowd[crowds]],
            number[self.row[crowds]],
        )


def none_compared() -> Compared:
    """Give the comparison of no rows."""
    import numpy as np

    no = np.empty(0, np.int64)
    return Compared(no, no, no, np.empty(0, np.int32), no, no)


class Members:
    """The members of clumps or nodes, by their first ones."""

    def __init__(self, first: Ints) -> None:
        """first: int64 (n,), the first member of each one's clump or node."""
        import numpy as np

        inside = np.flatnonzero(np.bincount(first, minlength=len(first))[first] > 1)
        order = inside[np.argsort(first[inside], kind="stable")]
        begins = np.flatnonzero(np.diff(first[order], prepend=-1)).tolist()
        self.several = {int(first[order[at]]): order[at:end] for at, end in pairwise([*begins, len(order)])}

    def of(self, first: int) -> Ints:
        """List the members of one, rising."""
        import numpy as np

        found = self.several.get(first)
        return np.array([first]) if found is None else found
