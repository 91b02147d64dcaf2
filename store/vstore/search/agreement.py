"""The agreement of two lists of nearest pictures, and what a sample says of all pictures. Pure."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

_95_PERCENT = 1.96  # standard deviations of a normal distribution to either side


def overlap(one: Sequence[Hashable], other: Sequence[Hashable], k: int) -> float:
    """Give the share of the first k that two lists have in common. Both have k or more, none twice."""
    return len(set(one[:k]).intersection(other[:k])) / k


def average_overlap(one: Sequence[Hashable], other: Sequence[Hashable]) -> float:
    """Give the mean overlap of the first 1, of the first 2, … of two lists of one length: early places count most.

    Source: Webber, Moffat, Zobel 2010, A similarity measure for indefinite rankings.
    """
    first: set[Hashable] = set()
    second: set[Hashable] = set()
    common, total = 0, 0.0
    for depth, (mine, theirs) in enumerate(zip(one, other, strict=True), 1):
        first.add(mine)
        second.add(theirs)
        common += (mine in second) + (theirs in first and theirs != mine)
        total += common / depth
    return total / len(one)


def interval(shares: Sequence[float], of: int) -> tuple[float, float]:
    """Bound the mean of a population at 95 %, by some of it that were drawn at random.

    shares: of those, from 0 to 1, one or more.
    of:     the size of the population; if all of it was drawn, the bounds are its mean.
    Source: normal approximation with the finite population correction, Cochran 1977, Sampling Techniques, 2.6. One
            share of 0 and one of 1 are added to the variance, so that a few equal shares do not look certain.
    """
    drawn = len(shares)
    mean = math.fsum(shares) / drawn
    if drawn >= of:
        return mean, mean
    variance = math.fsum((share - mean) ** 2 for share in (*shares, 0.0, 1.0)) / (drawn + 1)
    off = _95_PERCENT * math.sqrt(variance / drawn * (of - drawn) / (of - 1))
    return max(0.0, mean - off), min(1.0, mean + off)
