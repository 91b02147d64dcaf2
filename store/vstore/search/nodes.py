"""Nodes: pictures that are folded together, as every two of them reach 0.9995, or more if more is asked. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]

FOLDED = 999_500  # millionths of the cosine from which on pictures are one node

Apart = Callable[[int, int], bool]


def fold(count: int, one: Ints, other: Ints, apart: Apart | None = None) -> Ints:
    """Fold pictures into nodes.

    In their order each joins the first node all of whose members it reaches, and from none of whose members it is
    decided to be different; else it makes its own.

    one, other: int64 (m,), the pairs that reach one another, one < other; none twice.
    apart:      tells whether two pictures are decided to be different.
    Returns:    int64 (count,), the first member of each picture's node.
    """
    import numpy as np

    node = np.arange(count)
    before: defaultdict[int, list[int]] = defaultdict(list)  # those that a picture reaches and that come before it
    for first, second in zip(one.tolist(), other.tolist(), strict=True):
        before[second].append(first)
    members: dict[int, list[int]] = {}
    of: dict[int, int] = {}
    for picture in sorted(before):
        reached = Counter(of.get(earlier, earlier) for earlier in before[picture])
        for first in sorted(reached):
            inside = members.get(first, [first])
            if reached[first] == len(inside) and not (apart and any(apart(picture, member) for member in inside)):
                of[picture] = node[picture] = first
                members[first] = [*inside, picture]
                break
    return node
