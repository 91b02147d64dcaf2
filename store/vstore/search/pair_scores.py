"""Exact scores of pairs of pictures: cosines in whole millionths, the same in whatever order and blocks they are found.

The numbers of a row are multiples of 2**-24, so that the sum of the products of two rows needs no more bits than a
float64 has: it is exact however it is added up, and what follows is rounded in one way alone.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from vstore.search.space_rows import SpaceRows
from vstore.search.turned import TURNS, Parted, best_of_turns, parted, turned

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Bools = npt.NDArray[np.bool_]
    Doubles = npt.NDArray[np.float64]
    Floats = npt.NDArray[np.float32]
    Ints = npt.NDArray[np.int64]
    Scores = npt.NDArray[np.int32]

WHOLE = 1_000_000  # the score of a picture with itself
_GATHERED = 1 << 21  # numbers of rows that are compared at once: 16 MiB as float64
_DENSE = 8  # pairs of rows that are scored for one that is asked for, at most
_ROUNDING = 2.0**-24  # of float32


def millionths(score: float) -> int:
    """Give the least whole score that reaches a cosine. Of a cosine in millionths it is that number."""
    return math.ceil(round(score * WHOLE, 3))


class Scoring:
    """The scores of pairs of some rows: their cosines."""

    def __init__(self, rows: SpaceRows) -> None:
        self.rows = rows

    def pairs(self, one: Ints, other: Ints) -> Scores:
        """Score pairs of rows. one, other: int64 (m,). Returns: int32 (m,), millionths. Raises: Damage."""
        import numpy as np

        scores = np.empty(len(one), np.int32)
        size = max(1, _GATHERED // self.rows.dim)
        for begin in range(0, len(one), size):
            some = slice(begin, begin + size)
            (ones, left), (others, right) = (np.unique(rows[some], return_inverse=True) for rows in (one, other))
            if len(ones) * len(others) <= _DENSE * len(left):  # a product of matrices takes less for each pair
                scores[some] = self.across(ones, others)[left, right]
                continue
            (lefts, left_squares), (rights, right_squares) = self.rows.exact(ones), self.rows.exact(others)
            products = self._products_of_pairs(lefts[left], rights[right])
            scores[some] = _whole(products, left_squares[left] * right_squares[right])
        return scores

    def across(self, one: Ints, other: Ints) -> Scores:
        """Score each of some rows with each of others. Returns: int32 (len(one), len(other)). Raises: Damage."""
        import numpy as np

        (left, left_squares), (right, right_squares) = self.rows.exact(one), self.rows.exact(other)
        return _whole(self._products_across(left, right), np.multiply.outer(left_squares, right_squares))

    @property
    def off(self) -> float:
        """How far `about` is from the cosine of two rows of norm 1, at most."""
        # A sum of dim products is off by dim roundings; numbers of float32 rows by one each, and what turns add by few.
        return (self.rows.dim + 2 * math.sqrt(self.rows.dim) + 64) * _ROUNDING

    def ready(self, rows: Floats) -> Any:
        """Make rows ready for `about`. rows: float32 (m, dim), of any norms near 1."""
        return rows

    def about(self, some: Any, others: Any) -> Floats:
        """Multiply each of some rows with each of others, as `ready` gives them: float32 (m, n), off by a little."""
        scores: Floats = some @ others.T
        return scores

    def _products_of_pairs(self, left: Doubles, right: Doubles) -> Doubles:
        import numpy as np

        products: Doubles = np.einsum("ij,ij->i", left, right)
        return products

    def _products_across(self, left: Doubles, right: Doubles) -> Doubles:
        products: Doubles = left @ right.T
        return products


class TurnedScoring(Scoring):
    """The scores of pairs in a space whose rows tell turned and mirrored pictures: the best of all eight turns."""

    def ready(self, rows: Floats) -> Parted:
        return parted(rows)

    def about(self, some: Parted, others: Parted) -> Floats:
        return best_of_turns(some, others)

    def _products_of_pairs(self, left: Doubles, right: Doubles) -> Doubles:
        return _best([Scoring._products_of_pairs(self, left, turned(right, turn)) for turn in range(len(TURNS))])

    def _products_across(self, left: Doubles, right: Doubles) -> Doubles:
        return _best([left @ turned(right, turn).T for turn in range(len(TURNS))])


def _best(products: list[Doubles]) -> Doubles:
    import numpy as np

    best = products[0]
    for other in products[1:]:
        np.maximum(best, other, out=best)
    return best


def _whole(products: Doubles, squares: Doubles) -> Scores:
    """Turn products of rows, and products of their squared norms, into cosines in millionths."""
    import numpy as np

    cosines = np.rint(products / np.sqrt(squares) * WHOLE)
    return np.clip(cosines, -WHOLE, WHOLE).astype(np.int32)
