"""Exact scores of pairs of pictures: cosines in whole millionths, the same in whatever order and blocks they are found.

The numbers of a row are multiples of 2**-24, so that the sum of the products of two rows needs no more bits than a
float64 has: it is exact however it is added up, and what follows is rounded in one way alone.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from vstore.search.space_rows import SpaceRows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Doubles = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]
    Scores = npt.NDArray[np.int32]

WHOLE = 1_000_000  # the score of a picture with itself
_GATHERED = 1 << 22  # numbers of rows that are compared at once: 32 MiB as float64


def millionths(score: float) -> int:
    """Give the least whole score that reaches a cosine. Of a cosine in millionths it is that number."""
    return math.ceil(round(score * WHOLE, 3))


def scores_of_pairs(rows: SpaceRows, one: Ints, other: Ints) -> Scores:
    """Score pairs of rows. one, other: int64 (m,). Returns: int32 (m,), millionths."""
    import numpy as np

    scores = np.empty(len(one), np.int32)
    size = max(1, _GATHERED // rows.dim)
    for begin in range(0, len(one), size):
        some = slice(begin, begin + size)
        left, right = rows.exact(one[some]), rows.exact(other[some])
        scores[some] = _whole(np.einsum("ij,ij->i", left, right), _squares(left) * _squares(right))
    return scores


def scores_across(rows: SpaceRows, one: Ints, other: Ints) -> Scores:
    """Score each of some rows with each of others. Returns: int32 (len(one), len(other)), millionths."""
    import numpy as np

    left, right = rows.exact(one), rows.exact(other)
    return _whole(left @ right.T, np.multiply.outer(_squares(left), _squares(right)))


def _squares(rows: Doubles) -> Doubles:
    """Give the squared norm of each row."""
    import numpy as np

    squares: Doubles = np.einsum("ij,ij->i", rows, rows)
    return squares


def _whole(products: Doubles, squares: Doubles) -> Scores:
    """Turn products of rows, and products of their squared norms, into cosines in millionths."""
    import numpy as np

    cosines = np.rint(products / np.sqrt(squares) * WHOLE)
    return np.clip(cosines, -WHOLE, WHOLE).astype(np.int32)
