"""How high unrelated pictures score in a space: the tail of their scores, fitted and extrapolated.

Over z = atanh(cosine) the best tenth of the scores of unrelated pairs falls off exponentially: of 8,778 pairs of 133
photographs in the built-in space one in 1,000 reaches 0.617; the fit, which does not see the best hundredth, says
0.624. Copies among the pictures are taken out first. What is left of them lies in the best hundredth, where it does not
count how high they score.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]
    Doubles = npt.NDArray[np.float64]

FEWEST = 50  # different pictures: of their 1,225 pairs 122 are in the tail
_BODY, _END = 0.9, 0.99  # shares of pairs between which the tail is fitted
_OWN_BODY, _OWN_END = 0.75, 0.95  # the same for a query: as many as one picture in twenty may be what it looks for
_STEPS = 100  # of the scores before the tail
_MOST = 1 - 1e-7  # atanh(1) is infinite
_SAME = 0.9995  # from it on pictures are the same one: of 5,000 equal screenshots one is looked at
_NARROW = 1e-4  # the least width of a tail: where all scores are equal there is none
_ROUNDS = 8  # of taking out what is related; two or three are enough


class Calibration(NamedTuple):
    """The scores of unrelated pairs in a space.

    pictures: the number of different pictures from which they come; 0: photographs that vstore was tried on.
    levels:   atanh of the scores that equal shares of the pairs stay below, from none of them to the begin of the tail.
    body:     the share of the pairs before the tail.
    width:    of the tail: the share that reaches atanh(score) falls by e over it.
    """

    pictures: int
    levels: tuple[float, ...]
    body: float
    width: float

    def chance(self, score: float) -> float:
        """Give the share of unrelated pairs that reach a score, from 0 to 1."""
        z, begin = _atanh(score), self.levels[-1]
        if z >= begin:
            return (1 - self.body) * math.exp(-(z - begin) / self.width)
        return 1 - self.body * _place(self.levels, z)

    def score(self, chance: float) -> float:
        """Give the score that this share of unrelated pairs reaches. chance: above 0, below 1."""
        if chance <= 1 - self.body:
            return math.tanh(self.levels[-1] + self.width * math.log((1 - self.body) / chance))
        at = (1 - chance) / self.body * (len(self.levels) - 1)
        low = min(int(at), len(self.levels) - 2)
        return math.tanh(self.levels[low] + (at - low) * (self.levels[low + 1] - self.levels[low]))


def _photographs(levels: Sequence[float], width: float) -> Calibration:
    return Calibration(0, tuple(levels), _BODY, width)


# Of 133 photographs in the built-in space (`bench_dupes_quality.py`): for stores with few pictures.
PLAIN = _photographs((-0.522, -0.152, -0.090, -0.046, -0.009, 0.024, 0.059, 0.093, 0.133, 0.178, 0.247), 0.0844)
TURNED = _photographs((-0.487, -0.002, 0.060, 0.100, 0.133, 0.161, 0.191, 0.219, 0.252, 0.292, 0.351), 0.0826)


def of_pairs(scores: Floats) -> Calibration | None:
    """Calibrate by the pairs of some pictures, copies among them left out.

    scores:  float32 (n, n), of each with each.
    Returns: None if fewer than FEWEST are left.
    """
    import numpy as np

    z = np.arctanh(np.clip(scores, -_MOST, _MOST)).astype(np.float64)
    kept = _unlike(z, math.atanh(_SAME))
    if len(kept) < FEWEST:
        return None
    # Copies raise the last tenth of the pairs; the first cut is made without it, and comes out too high.
    found = _fitted(_upper(z, kept), 0.5, 0.8)
    seen: set[bytes] = set()
    for _ in range(_ROUNDS):
        pairs = len(kept) * (len(kept) - 1) / 2
        kept = _unlike(z, _atanh(found.score(1 / pairs)))  # of unrelated ones, one pair may reach it
        if len(kept) < FEWEST:
            return None
        found = _fitted(_upper(z, kept), _BODY, _END)
        if kept.tobytes() in seen:
            break
        seen.add(kept.tobytes())
    return found._replace(pictures=len(kept))


def of_query(scores: Floats) -> Calibration | None:
    """Calibrate by the scores of one query with a sample of the pictures. Few of them are what it looks for.

    scores:  float32 (n,).
    Returns: None if they are fewer than FEWEST.
    """
    import numpy as np

    if len(scores) < FEWEST:
        return None
    z = np.arctanh(np.clip(scores, -_MOST, _MOST)).astype(np.float64)
    found = _fitted(z, _OWN_BODY, _OWN_END)
    rest = z
    for _ in range(_ROUNDS):
        rest, before = z[z < _atanh(found.score(1 / len(z)))], rest  # of what it is not about, one may reach it
        if len(rest) in (0, len(before)):
            break
        found = _fitted(rest, _OWN_BODY, _OWN_END)
    return found._replace(pictures=len(scores))


def _fitted(z: Doubles, body: float, end: float) -> Calibration:
    """Fit an exponential tail from the share `body` on; beyond the share `end`, values count as its last one."""
    import numpy as np

    levels = np.quantile(z, np.linspace(0, body, _STEPS + 1))
    begin, last = float(levels[-1]), float(np.quantile(z, end))
    beyond = z[z > begin]
    inside = np.count_nonzero(beyond <= last)
    # The likeliest width of an exponential tail that is known up to `last` alone.
    width = float((np.minimum(beyond, last) - begin).sum()) / int(inside) if inside else 0.0
    rounded = tuple(round(float(level), 6) for level in levels)
    return Calibration(0, rounded, body, max(round(width, 6), _NARROW))


def _upper(z: Doubles, kept: Any) -> Doubles:
    """List the values of the pairs of the kept."""
    import numpy as np

    one, other = np.triu_indices(len(kept), 1)
    pairs: Doubles = z[kept[one], kept[other]]
    return pairs


def _unlike(z: Doubles, cut: float) -> Any:
    """Choose pictures, the first ones first, so that no pair of them reaches a value: int64 (m,), rising."""
    import numpy as np

    is_left = np.ones(len(z), bool)
    for at in range(len(z)):
        if is_left[at]:
            is_left[at + 1 :] &= z[at, at + 1 :] < cut
    return np.flatnonzero(is_left)


def _atanh(score: float) -> float:
    return math.atanh(max(-_MOST, min(score, _MOST)))


def _place(levels: Sequence[float], z: float) -> float:
    """Give the share of rising levels that lie below a value."""
    from bisect import bisect_right

    low = bisect_right(levels, z) - 1
    if low < 0:
        return 0.0
    step = levels[low + 1] - levels[low]  # above 0: bisect_right passed equal ones
    return (low + (z - levels[low]) / step) / (len(levels) - 1)
