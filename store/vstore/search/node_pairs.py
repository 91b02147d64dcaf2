"""Pairs of nodes: the least score of a picture of the one and a picture of the other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise, product
from typing import TYPE_CHECKING, NamedTuple

from vstore.search import comparison
from vstore.search.compared import Compared, Members
from vstore.search.nodes import FOLDED, Apart
from vstore.search.pair_scores import WHOLE, Scoring

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Bools = npt.NDArray[np.bool_]
    Ints = npt.NDArray[np.int64]
    Scores = npt.NDArray[np.int32]

_AT_ONCE = 1024  # rows that are compared exactly with as many others
_PIECE = 1 << 20  # pairs that are looked at together: some 50 MB
# The score under which a row reaches no row of a clump, if it is that with one of them: twice the angle.
_OUT_OF_REACH = math.floor(math.cos(2 * math.acos((FOLDED - 0.5) / WHOLE)) * WHOLE) - 1


class NodePairs(NamedTuple):
    """Pairs of nodes, by their first members.

    one, other: int64 (e,), one < other, rising.
    score:      int32 (e,), millionths.
    """

    one: Ints
    other: Ints
    score: Scores


def folding(compared: Compared, plain: Scoring, least: int) -> tuple[Ints, Ints, Ints]:
    """Find the rows that are near enough to be folded. least: the score that folds two rows, FOLDED or more.

    Returns: clumps, int64 (n,), whose rows all reach one another, each by its first row; and all pairs of rows of
             different clumps that do, one < other, int64 (m,) each.
    """
    import numpy as np

    members = Members(compared.clump)
    found = [_reaching(_maybe_folded(compared, members, plain, least), plain, least)]
    clump = compared.clump
    if least > FOLDED:
        clump = np.arange(len(compared))  # those of equal rows
        for rows in members.several.values():
            clump[rows] = rows[plain.rows.first_equal(rows)]
            found.append(_within(clump[rows], rows, plain, least))
    one, other = np.divmod(_collected(chain(*found), len(compared), least), max(1, len(compared)))
    return clump, one, other


def _maybe_folded(compared: Compared, members: Members, plain: Scoring, least: int) -> Iterator[tuple[Ints, Ints]]:
    """Find the pairs of rows of different clumps that may reach a score. members: of the clumps."""
    import numpy as np

    high = compared.score >= least
    yield compared.one[high], compared.other[high]
    near = plain.pairs(compared.crowd, compared.row) >= _OUT_OF_REACH
    for crowd, row in zip(compared.crowd[near].tolist(), compared.row[near].tolist(), strict=True):
        inside = members.of(crowd)
        yield np.minimum(inside, row), np.maximum(inside, row)


def _reaching(pairs: Iterable[tuple[Ints, Ints]], scoring: Scoring, least: int) -> Iterator[tuple[Ints, Ints]]:
    """Choose the pairs of rows that reach a score. Many are scored at once, but never all."""
    for one, other in _in_pieces(pairs):
        reach = scoring.pairs(one, other) >= least
        yield one[reach], other[reach]


def _in_pieces(pairs: Iterable[tuple[Ints, Ints]]) -> Iterator[tuple[Ints, Ints]]:
    """Join pairs until they are many."""
    import numpy as np

    waiting: list[tuple[Ints, Ints]] = []
    count = 0
    for pair in pairs:
        waiting.append(pair)
        count += len(pair[0])
        if count >= _PIECE:
            one, other = map(np.concatenate, zip(*waiting, strict=True))
            yield one, other
            waiting, count = [], 0
    if waiting:
        one, other = map(np.concatenate, zip(*waiting, strict=True))
        yield one, other


def _collected(pairs: Iterable[tuple[Ints, Ints]], count: int, least: int) -> Ints:
    """Collect pairs: int64 (m,), rising, each once, as one number. count: of the rows.

    Raises: UsageError if they are more than `MOST_PAIRS`. least: the score that they reach.
    """
    import numpy as np

    found, size = [np.empty(0, np.int64)], 0
    for one, other in pairs:
        found.append(one * count + other)
        size += len(one)
        if size > comparison.MOST_PAIRS:
            found = [_once(found)]
            size = len(found[0])
            if size > comparison.MOST_PAIRS:
                raise comparison.too_many(least)
    return _once(found)


def _once(codes: list[Ints]) -> Ints:
    """Sort numbers, and leave each in once. np.unique hashes: these take it a hundred times as long."""
    import numpy as np

    every = np.sort(np.concatenate(codes))
    return every[np.diff(every, prepend=-1) > 0]


def _within(first: Ints, rows: Ints, plain: Scoring, least: int) -> Iterator[tuple[Ints, Ints]]:
    """Find the pairs of unequal rows of a clump that reach a score. first: the first row that equals each row."""
    import numpy as np

    unlike, times = np.unique(first, return_counts=True)
    several = unlike[times > 1]
    for at in range(0, len(unlike), _AT_ONCE):
        some = unlike[at : at + _AT_ONCE]
        for begin in range(at, len(unlike), _AT_ONCE):
            others = unlike[begin : begin + _AT_ONCE]
            near, far = np.nonzero((plain.across(some, others) >= least) & np.less.outer(some, others))
            one, other = some[near], others[far]
            alone = ~(np.isin(one, several) | np.isin(other, several))
            yield one[alone], other[alone]
            for ends in zip(one[~alone].tolist(), other[~alone].tolist(), strict=True):
                for left, right in _products(*(rows[first == end] for end in ends)):
                    yield np.minimum(left, right), np.maximum(left, right)


def _products(some: Ints, others: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Pair each of some with each of others, a piece at a time."""
    import numpy as np

    step = max(1, _PIECE // max(1, len(others)))
    for at in range(0, len(some), step):
        part = some[at : at + step]
        yield np.repeat(part, len(others)), np.tile(others, len(part))


def pairs_of_nodes(compared: Compared, node: Ints, scoring: Scoring, least: int, parted: Apart | None) -> NodePairs:
    """Find the pairs of nodes whose score reaches `least`, and of which no pair across is decided to be different."""
    import numpy as np

    maybe = _reaching(_crowded(compared, node), scoring, least)
    crowded = _collected(maybe, len(node), least)
    listed = _listed(compared, node, least, crowded, parted)
    more = _exact(node, crowded, scoring, least, parted)
    one, other = np.concatenate([listed.one, more.one]), np.concatenate([listed.other, more.other])
    score = np.concatenate([listed.score, more.score])
    order = np.lexsort((other, one))
    return NodePairs(one[order], other[order], score[order])


def _listed(compared: Compared, node: Ints, least: int, crowded: Ints, parted: Apart | None) -> NodePairs:
    """Find pairs of nodes all of whose pairs of rows are listed. crowded: other pairs of nodes, as one number each."""
    import numpy as np

    count = len(node)
    one, other = node[compared.one], node[compared.other]
    first, second = np.minimum(one, other), np.maximum(one, other)
    between = (first != second) & (compared.score >= least)
    if len(crowded):
        between &= ~np.isin(first * count + second, crowded)
    if parted is not None:
        for at in np.flatnonzero(between).tolist():
            if parted(int(compared.one[at]), int(compared.other[at])):
                between[at] = False  # so one of the pairs across is missing
    first, second, score = first[between], second[between], compared.score[between]
    order = np.lexsort((second, first))
    first, second, score = first[order], second[order], score[order]
    begins = np.flatnonzero(np.diff(first * count + second, prepend=-1))
    first, second = first[begins], second[begins]
    sizes = np.bincount(node, minlength=count)
    whole = np.diff(begins, append=len(order)) == sizes[first] * sizes[second]
    lowest = np.minimum.reduceat(score, begins) if len(begins) else score
    return NodePairs(first[whole], second[whole], lowest[whole])


def _crowded(compared: Compared, node: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Find the pairs of nodes whose pairs of rows are not all listed, some of them several times."""
    import numpy as np

    members = Members(compared.clump)
    order = np.argsort(compared.crowd, kind="stable")
    crowds, rows = compared.crowd[order], compared.row[order]
    begins = np.flatnonzero(np.diff(crowds, prepend=-1)).tolist()
    for begin, end in pairwise([*begins, len(crowds)]):
        inside = _once([node[members.of(int(crowds[begin]))]])
        for one, other in _products(inside, _once([node[rows[begin:end]]])):
            apart = one != other
            yield np.minimum(one, other)[apart], np.maximum(one, other)[apart]
    for clump in members.several.values():
        inside = _once([node[clump]])
        for one, other in _products(inside, inside):
            yield one[one < other], other[one < other]


def _exact(node: Ints, crowded: Ints, scoring: Scoring, least: int, parted: Apart | None) -> NodePairs:
    """Score pairs of nodes by all their rows. crowded: those whose first rows reach the score, as one number each."""
    import numpy as np

    one, other = np.divmod(crowded, max(1, len(node)))
    score = np.empty(len(one), np.int32)
    members = Members(node)
    begins = np.flatnonzero(np.diff(one, prepend=-1)).tolist()
    for begin, end in pairwise([*begins, len(one)]):  # crowded pairs are sorted by the first node
        score[begin:end] = _least_across(
            scoring, members.of(int(one[begin])), [*map(members.of, other[begin:end].tolist())]
        )
    reach = score >= least
    if parted is not None:
        for at in np.flatnonzero(reach).tolist():
            across = product(members.of(int(one[at])).tolist(), members.of(int(other[at])).tolist())
            reach[at] = not any(parted(a, b) for a, b in across)
    return NodePairs(one[reach], other[reach], score[reach])


def _least_across(scoring: Scoring, some: Ints, nodes: list[Ints]) -> Scores:
    """Find the least score of a row of one node and a row of each of others. Returns: int32, one for each of these."""
    import numpy as np

    every = np.concatenate(nodes)
    lowest = np.full(len(every), WHOLE, np.int32)
    for at in range(0, len(some), _AT_ONCE):
        for begin in range(0, len(every), _AT_ONCE):
            scores = scoring.across(some[at : at + _AT_ONCE], every[begin : begin + _AT_ONCE])
            here = lowest[begin : begin + _AT_ONCE]
            np.minimum(here, scores.min(axis=0), out=here)
    return np.minimum.reduceat(lowest, np.cumsum([0, *map(len, nodes[:-1])]))
