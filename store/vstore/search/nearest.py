"""The nearest rows by an approximate index: candidates from its lists, exact scores from the segments.

Rows of segments that no list covers are compared exactly, all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from vstore.approximate.opened import EXACT, Approximate, BadPart, Way
from vstore.quick_tuple import NamedTuple
from vstore.search.index import Hits, Index
from vstore.threads import cores, share

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Ints = npt.NDArray[np.int64]

_MOST = 1000  # hits of a query from which on all rows are compared
_AT = 10  # hits for which recall was measured
_QUERIES = 1024  # at once: their candidates lie in memory


def exact_up_to(approximate: Approximate) -> int:
    """Tell up to how many bytes of marked rows all of them are compared."""
    return EXACT if approximate.recall is None else approximate.recall.exact


class _Lists(NamedTuple):
    """An approximate index, and the marked rows for it.

    of:      the index.
    bitmaps: of each of its parts, uint8.
    marked:  marked rows that its lists have.
    tail:    the marked rows that they do not have.
    """

    of: Approximate
    bitmaps: list[Any]
    marked: int
    tail: Index


class Nearest:
    """The marked rows of an index, searched by an approximate index of the same segments. Safe in several threads.

    is_damaged: a part of the approximate index is done without: it is damaged, or another version of faiss made it.
    """

    def __init__(self, index: Index, approximate: Approximate) -> None:
        self._index = index
        self._lists = self._with(approximate)
        self.is_damaged = approximate.is_damaged

    def _with(self, approximate: Approximate) -> _Lists:
        bitmaps = self._index.bitmaps
        left = [
            bytes(len(bitmap)) if is_covered else bitmap
            for bitmap, is_covered in zip(bitmaps, approximate.covered, strict=True)
        ]
        tail = self._index.alone(left)
        return _Lists(approximate, approximate.bitmaps_of(bitmaps), self._index.count - tail.count, tail)

    def answers_approximately(self, k: int) -> bool:
        """Tell whether queries for k hits are answered by the approximate index: not if its parts are all damaged."""
        return k <= _MOST and self._lists.marked > 0

    def honesty(self, k: int) -> tuple[bool, float | None]:
        """Tell whether the k nearest rows may lack some, and the measured recall at 10; None if there is none."""
        if not self.answers_approximately(k):
            return False, None
        recall = self._lists.of.recall
        return True, None if recall is None else recall.reached / 1_000_000

    def top_k(self, queries: Floats, k: int) -> Hits:
        """Find the k nearest marked rows of each query, as `Index.top_k` does, but for those that the lists miss.

        queries: float32 (n, dim), rows of norm 1.
        Raises:  Damage, FileNotFoundError.
        """
        import numpy as np

        k = min(k, self._index.count)
        if len(queries) > _QUERIES:
            some = [self.top_k(queries[at : at + _QUERIES], k) for at in range(0, len(queries), _QUERIES)]
            return Hits(np.concatenate([one.scores for one in some]), np.concatenate([one.rows for one in some]))
        while self.answers_approximately(k):
            lists = self._lists
            probes, depth = self._effort(lists.of.way, k)
            try:
                near = lists.of.candidates(queries, lists.bitmaps, probes, min(depth, lists.marked))
            except BadPart as bad:
                self._lists, self.is_damaged = self._with(lists.of.without(bad.part)), True
                continue
            if lists.tail.count:
                rest = lists.tail.top_k(queries, min(k, lists.tail.count))
                near = np.concatenate([near, rest.rows], axis=1)
            best = share(partial(self._best, queries, k), list(enumerate(near)), cores() if len(queries) > 1 else 1)
            if any(len(one) < k for one in best):
                self.is_damaged = True
                break  # lists whose numbers are not those of their rows: no part of ours
            scores, rows = np.empty((len(queries), k), np.float32), np.empty((len(queries), k), np.int64)
            for at, one in enumerate(best):
                for place, (low, row) in enumerate(one):
                    scores[at, place], rows[at, place] = -low, row
            self._index.prove(rows)
            return Hits(scores, rows)
        return self._index.top_k(queries, k)

    def _effort(self, way: Way, k: int) -> tuple[int, int]:
        """Choose the lists to look into, and the candidates: more for more hits, and where fewer rows count.

        The k-th of a share of the rows is about the (k / share)-th of all; lists were measured for ten of all. Fewer
        hits get as many candidates as ten: a code alone does not tell the best row from the ten best.
        """
        rank = k * self._index.rows / max(1, self._index.count)
        return round(way.probes * max(1.0, (rank / _AT) ** 0.5)), way.depth * max(k, _AT)

    def _best(self, queries: Floats, k: int, one: tuple[int, Ints]) -> list[tuple[float, int]]:
        """Score the candidates of one query, and order them as `Index.top_k` does."""
        import numpy as np

        at, rows = one
        index = self._index
        rows = np.sort(rows[rows >= 0])
        rows = rows[np.diff(rows, prepend=-1) > 0]  # np.unique would import numpy.ma
        scores = index.scores(queries[at : at + 1], rows)
        best = np.argsort(-scores, kind="stable")[: k + 1]
        least = scores[best[min(k, len(best)) - 1]] if len(best) else 0
        places = np.flatnonzero(scores >= least).tolist()
        in_order: Sequence[tuple[float, bytes, int]] = sorted(
            (-float(scores[place]), index.key(int(rows[place])), int(rows[place])) for place in places
        )
        return [(low, row) for low, _, row in in_order[:k]]
