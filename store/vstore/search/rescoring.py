"""Exact scores of the rows that a rougher sum found near, ordered as a scan by faiss orders them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from vstore.search.index import Hits, Index
from vstore.threads import cores, share

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Ints = npt.NDArray[np.int64]

CROWD = 4096  # rows about as near as the k-th one from which on a query is answered alone
_ROUNDING = 2.0**-24  # of float32


def rounding(dim: int) -> np.float32:
    """Give the distance from the k-th best within which another sum may change the order.

    Either of two sums of dim products is off by dim roundings at most, so the k-th best is by twice as many.
    """
    import numpy as np

    return np.float32(4 * dim * _ROUNDING)


def floor(kth: Floats, off: np.float32) -> Floats:
    """Give the score from which on rows count, by that of the k-th: cosines beyond 1 and -1 are equal to these."""
    import numpy as np

    return np.where(kth < off - 1, np.float32(-np.inf), np.minimum(kth, np.float32(1)))


def best_of(index: Index, queries: Floats, k: int, near: Sequence[Ints | None]) -> Hits:
    """Order the rows near each query as `Index.scan` does. They are not proved yet.

    near:    int64 (m,) for each query; None if they are too many, which lets the query be answered alone.
    Returns: as `Index.top_k`.
    """
    import numpy as np

    scores, rows = np.full((len(near), k), -np.inf, np.float32), np.full((len(near), k), -1, np.int64)
    for at, best in enumerate(share(partial(_best, index, queries, k), list(enumerate(near)), cores())):
        for place, (low, row) in enumerate(best[:k]):
            scores[at, place], rows[at, place] = -low, row
    return Hits(scores, rows)


def _best(index: Index, queries: Floats, k: int, near: tuple[int, Ints | None]) -> list[tuple[float, int]]:
    """Order the rows near a query.

    near:    the number of the query, and the rows.
    Returns: scores, negated, and rows; k at least if there are as many.
    """
    at, rows = near
    query = queries[at : at + 1]
    if rows is None:
        found = index.scan(query, k)
        pairs = zip(found.scores[0].tolist(), found.rows[0].tolist(), strict=True)
        return [(-score, row) for score, row in pairs if row >= 0]
    best = sorted(zip((-index.scores(query, rows)).tolist(), rows.tolist(), strict=True))
    if any(one[0] == other[0] for one, other in pairwise(best)):
        return [(low, row) for low, _, row in sorted((low, index.key(row), row) for low, row in best)]
    return best
