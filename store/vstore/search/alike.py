"""Finds look-alikes: every pair of rows is compared, block by block. An index might miss one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from vstore.disk.norms import NORM_OFF
from vstore.disk.segments import Segment
from vstore.errors import Damage
from vstore.progress import Stages

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vstore.disk.segments import Rows

    Floats = npt.NDArray[np.float32]
    Ints = npt.NDArray[np.int64]

BLOCK = 1024  # rows compared with as many others at once: 30 MB at 3,584 numbers a row, and 4 MB of scores
_ROUNDING = 1e-6  # of a cosine in float32; rows are brought to norm 1 again, which rounding to float16 takes from them


class Alike(NamedTuple):
    """The groups of n rows.

    group: int64 (n,), the first row of the row's group.
    score: float32 (n,), its best cosine with another row of the group; 0 if it is alone.
    """

    group: Ints
    score: Floats


def look_alike(segments: Sequence[Segment], bitmaps: Sequence[bytes], least: float, stages: Stages) -> Alike:
    """Group the rows marked by bitmaps.

    Two rows are in one group if a chain of pairs leads from one to the other, each of a cosine of `least` or more.

    bitmaps: one for each segment, as of `vstore.search.bitmaps.bitmaps_of`.
    Returns: the groups; only marked rows are counted, through all segments.
    Raises:  Damage before a byte of a damaged segment is used; FileNotFoundError.
    """
    import numpy as np

    rows = _MarkedRows(segments, bitmaps)
    parents, best = np.arange(rows.count), np.zeros(rows.count, np.float32)
    stages.begin("comparing", rows.count, work=rows.count * (rows.count + 1) // 2, unit="pictures")
    for at in range(0, rows.count, BLOCK):
        block = rows.block(at)
        for other in range(at, rows.count, BLOCK):
            scores = block @ (block if other == at else rows.block(other)).T
            if other == at:
                scores[np.tril_indices(len(scores))] = -1  # each pair once, and no row with itself
            np.clip(scores, -1, 1, out=scores)
            for row, found in _reaching(scores, least - _ROUNDING):
                one, others = at + row, other + found
                best[one] = max(best[one], scores[row, found].max())
                best[others] = np.maximum(best[others], scores[row, found])
                _join(parents, np.append(others, one))
        left = rows.count - at
        stages.advance(len(block), work=left * (left + 1) // 2 - (left - len(block)) * (left - len(block) + 1) // 2)
    return Alike(_roots(parents, np.arange(rows.count)), best)


def _reaching(scores: Floats, least: float) -> Iterator[tuple[int, Ints]]:
    """Find the lines with a score of `least` or more, and its places."""
    import numpy as np

    good = scores >= least
    for row in np.flatnonzero(good.any(axis=1)):
        yield int(row), np.flatnonzero(good[row])


def _join(parents: Ints, rows: Ints) -> None:
    """Make one group of the groups of some rows."""
    roots = _roots(parents, rows)
    first = roots.min()
    parents[roots] = first
    parents[rows] = first


def _roots(parents: Ints, rows: Ints) -> Ints:
    roots = parents[rows]
    while (above := parents[roots]).tobytes() != roots.tobytes():
        roots = above
    return roots


class _MarkedRows:
    """The rows marked by bitmaps, of verified segments."""

    def __init__(self, segments: Sequence[Segment], bitmaps: Sequence[bytes]) -> None:
        import numpy as np

        self._parts: list[tuple[int, Ints, Rows]] = []  # per segment: marked rows before it, its own, all rows
        self.count = 0
        for segment, bitmap in zip(segments, bitmaps, strict=True):
            marked = np.flatnonzero(np.unpackbits(np.frombuffer(bitmap, np.uint8), bitorder="little"))
            if len(marked):
                segment.verify()
                self._parts.append((self.count, marked, segment.rows()))
                self.count += len(marked)

    def block(self, at: int) -> Floats:
        """Read the rows from the at-th on, at most BLOCK: float32 (m, dim), norm 1."""
        import numpy as np

        found = []
        for before, marked, rows in self._parts:
            inside = marked[max(0, at - before) : max(0, at + BLOCK - before)]
            if len(inside):
                found.append(rows[inside].astype(np.float32))
        block: Floats = np.concatenate(found)
        norms = np.linalg.norm(block, axis=1, keepdims=True)
        if not (np.abs(norms - 1) <= NORM_OFF).all():
            raise Damage("a segment holds rows that are no vectors of norm 1", "run: vstore check --read-data")
        block /= norms
        return block
