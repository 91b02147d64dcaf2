"""Edges: all pairs of rows whose score reaches a least one, by blocked products, each pair once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vstore.progress import Stages
from vstore.search.pair_scores import WHOLE, scores_of_pairs
from vstore.search.space_rows import SpaceRows

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Ints = npt.NDArray[np.int64]
    Scores = npt.NDArray[np.int32]

BLOCK = 2048  # rows compared with as many others at once: 6 MB at 768 numbers a row, and 16 MB of scores
_ROUNDING = 2.0**-24  # of float32


class Edges(NamedTuple):
    """Pairs of rows.

    one, other: int64 (e,), rows, one < other.
    score:      int32 (e,), millionths.
    """

    one: Ints
    other: Ints
    score: Scores


def edges_among(rows: SpaceRows, least: int, stages: Stages) -> Edges:
    """Find all pairs of rows with a score of `least` millionths or more, in the order of the rows.

    Raises: Damage.
    """
    import numpy as np

    count = len(rows)
    # A sum of dim products is off by dim roundings at most, the rows by a few, the score by half a millionth.
    floor = (least - 0.5) / WHOLE - (rows.dim + 16) * _ROUNDING
    found = []
    stages.begin("comparing", count, work=count * (count + 1) // 2, unit="pictures")
    for at in range(0, count, BLOCK):
        block = rows.unit(np.arange(at, min(at + BLOCK, count)))
        for begin in range(0, at + 1, BLOCK):
            others = block if begin == at else rows.unit(np.arange(begin, begin + BLOCK))
            near, far = np.nonzero(block @ others.T >= np.float32(floor))
            near, far = near + at, far + begin
            once = far < near
            one, other = far[once], near[once]
            score = scores_of_pairs(rows, one, other)
            fits = score >= least
            found.append(Edges(one[fits], other[fits], score[fits]))
        stages.advance(len(block), work=len(block) * at + len(block) * (len(block) + 1) // 2)
    one, other = (np.concatenate([np.empty(0, np.int64), *(part[i] for part in found)]) for i in (0, 1))
    score = np.concatenate([np.empty(0, np.int32), *(part.score for part in found)])
    order = np.lexsort((other, one))
    return Edges(one[order], other[order], score[order])
