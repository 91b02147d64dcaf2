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


def fold(clump: Ints, one: Ints, other: Ints, apart: Apart | None = None) -> Ints:
    """Fold pictures into nodes.

    In their order each joins the first node all of whose members it reaches, and from none of whose members it is
    decided to be different; else it makes its own.

    clump:      int64 (n,), the first picture of each one's clump: pictures of one clump reach one another.
    one, other: int64 (m,), the pairs of different clumps that reach one another, one < other; none twice.
    apart:      tells whether two pictures are decided to be different.
    Returns:    int64 (n,), the first member of each picture's node.
    """
    import numpy as np

    node = np.arange(len(clump))
    before: defaultdict[int, list[int]] = defaultdict(list)  # those that a picture reaches and that come before it
    for first, second in zip(one.tolist(), other.tolist(), strict=True):
        before[second].append(first)
    crowded = np.flatnonzero(np.bincount(clump, minlength=len(clump))[clump] > 1)
    clump_of = dict(zip(crowded.tolist(), clump[crowded].tolist(), strict=True))
    nodes_of: defaultdict[int, Counter[int]] = defaultdict(Counter)  # of a clump: how many are in which node
    members: dict[int, list[int]] = {}
    for picture in sorted(before.keys() | clump_of.keys() | set(one.tolist())):
        mine = nodes_of[clump_of[picture]] if picture in clump_of else Counter()
        reached = mine + Counter(int(node[earlier]) for earlier in before.get(picture, ()))
        for first in sorted(reached):
            inside = members[first]
            if reached[first] == len(inside) and not (apart and any(apart(picture, member) for member in inside)):
                node[picture] = first
                inside.append(picture)
                break
        else:
            first = picture
            members[first] = [picture]
        mine[first] += 1
    return node
