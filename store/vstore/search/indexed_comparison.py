"""A comparison of rows by an approximate index: each row with those that its lists make likely, scored exactly.

Rows that no list has are compared with all rows, as `Comparison` does.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

from vstore.approximate.opened import Approximate, BadPart, open_approximate
from vstore.repository.index_parts import has_indexes
from vstore.repository.repository import Repository
from vstore.search.compared import Compared
from vstore.search.comparison import AHEAD, BLOCK, Comparison, Near, joined
from vstore.search.nearest import exact_up_to
from vstore.search.pair_scores import Scoring
from vstore.search.space_rows import SpaceRows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Ints = npt.NDArray[np.int64]

_DEPTH = 32  # rows that are scored for each; four times as many where all of them may reach it
_DEEPEST = 4096
_SCORED = 1 << 25  # numbers of rows that are scored at once: 128 MiB of float32


def index_for(repo: Repository, space: str, rows: SpaceRows) -> Approximate | None:
    """Open the index of a space, if some rows are so many that comparing each with each takes too long."""
    if not has_indexes(repo, space):
        return None
    found = open_approximate(repo, space, repo.state.segments(space))
    return None if found is None or rows.size <= exact_up_to(found) else found


class IndexedComparison(Comparison):
    """A comparison that may miss pairs, as many as the index does."""

    def __init__(self, before: Compared, plain: Scoring, scoring: Scoring, least: int, index: Approximate) -> None:
        """index: of all segments of the space, in their order. others: as for `Comparison`."""
        import numpy as np

        super().__init__(before, plain, scoring, least)
        rows = scoring.rows
        firsts = list(accumulate((ref.rows for ref in index.refs), initial=0))
        self._place = rows.places(firsts)
        self._number = np.full(firsts[-1], -1)
        self._number[self._place] = np.arange(len(rows))
        self._marks = self._number >= 0
        self._firsts = firsts
        self._take(index)

    def _take(self, index: Approximate) -> None:
        import numpy as np

        self._index = index
        ends = zip(self._firsts, self._firsts[1:], strict=False)
        self._bitmaps = index.bitmaps_of(
            [np.packbits(self._marks[begin:end], bitorder="little").tobytes() for begin, end in ends]
        )
        segment = np.searchsorted(self._firsts, self._place, side="right") - 1
        self._is_alone = ~np.array([*index.covered, True])[segment]

    def _earlier(self, block: Any, begin: int, end: int) -> Near:
        """Find the rows of a block that may reach an earlier clump: by the lists, and all rows without one."""
        import numpy as np

        parts = [self._by_lists(begin, end)]
        leaders = np.flatnonzero((self._clump[:begin] == np.arange(begin)) & self._is_alone[:begin])
        others = [leaders[at : at + BLOCK] for at in range(0, len(leaders), BLOCK)]
        for at in range(0, len(others), AHEAD):
            parts += self._with(block, others[at : at + AHEAD], begin)
        near = Near(*joined(parts, 3))
        once = np.unique(near.row * max(1, begin) + near.other, return_index=True)[1]
        return near.only(once)

    def _by_lists(self, begin: int, end: int) -> Near:
        import numpy as np

        left, depth = np.arange(begin, end), _DEPTH
        found = []
        while len(left):
            queries = self._scoring.rows.unit(left)
            rows, others = self._likely(queries, depth)
            about = self._about(queries, rows, others)
            reach = about >= self._lone
            found.append(self._before(left[rows], others, about, begin))
            full = np.bincount(rows[reach], minlength=len(left)) >= min(depth, len(self._place)) // 2
            left, depth = left[full] if depth < _DEEPEST else left[:0], depth * 4
        return Near(*joined(found, 3))

    def _likely(self, queries: Floats, depth: int) -> tuple[Ints, Ints]:
        """Find the rows that seem nearest to some. Returns: int64 (m,), places in `queries`, and numbers of rows."""
        import numpy as np

        while True:
            try:
                found = self._index.candidates(
                    queries, self._bitmaps, self._index.way.probes, min(depth, len(self._place))
                )
                break
            except BadPart as bad:
                self._take(self._index.without(bad.part))
        rows, columns = np.nonzero(found >= 0)
        return rows, self._number[found[rows, columns]]

    def _about(self, queries: Floats, rows: Ints, others: Ints) -> Floats:
        """Score pairs, off by a little: float32 (m,)."""
        import numpy as np

        step = max(1, _SCORED // queries.shape[1])
        parts = [np.empty(0, np.float32)]
        for at in range(0, len(rows), step):
            those, norms = self._scoring.rows.with_norms(others[at : at + step])
            parts.append(np.einsum("ij,ij->i", queries[rows[at : at + step]], those) / norms)
        return np.concatenate(parts)

    def _before(self, rows: Ints, others: Ints, about: Floats, begin: int) -> Near:
        """Give the pairs with rows that came before a block, by the first row of their clump, as far as they count."""
        import numpy as np

        near = Near(rows, others, about).only((others < begin) & (about >= self._wide))
        leaders = self._clump[near.other]
        is_leader = leaders == near.other
        scores = near.about.copy()
        if not is_leader.all():
            unit = self._scoring.rows.unit
            scores[~is_leader] = np.einsum("ij,ij->i", unit(near.row[~is_leader]), unit(leaders[~is_leader]))
        near = Near(near.row, leaders, scores)
        return near.only(scores >= self._floor[leaders])
