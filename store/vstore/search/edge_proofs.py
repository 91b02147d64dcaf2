"""Proofs of pairs that a part lists: its checksums say only that it is whole, not that its maker told the truth."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from vstore.search.compared import Compared, Members
from vstore.search.nodes import FOLDED
from vstore.search.pair_scores import WHOLE, Scoring

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]

_AT_ONCE = 1024  # rows that are compared exactly with as many others
_SAFE = math.acos(FOLDED / WHOLE)  # angle up to which two rows are surely folded


def are_true(compared: Compared, scoring: Scoring) -> bool:
    """Tell whether all listed pairs have their listed scores, and all rows of a clump reach one another.

    That no pair is missing is not told: that takes a comparison of all rows.
    Raises: Damage.
    """
    import numpy as np

    if (scoring.pairs(compared.one, compared.other) != compared.score).any():
        return False
    plain = Scoring(scoring.rows)
    rows = np.flatnonzero(compared.clump != np.arange(len(compared)))
    scores = np.full(len(compared), WHOLE, np.int32)
    scores[rows] = plain.pairs(compared.clump[rows], rows)
    if (scores < FOLDED).any():
        return False
    angles = np.arccos((scores - 0.5) / WHOLE)
    for inside in Members(compared.clump).several.values():
        if np.sort(angles[inside])[-2:].sum() > _SAFE and not _reach_each_other(plain, inside):
            return False
    return True


def _reach_each_other(plain: Scoring, rows: Ints) -> bool:
    """Tell whether each of some rows is near enough to each other one to be folded."""
    blocks = [rows[at : at + _AT_ONCE] for at in range(0, len(rows), _AT_ONCE)]
    return all((plain.across(one, other) >= FOLDED).all() for one in blocks for other in blocks)
