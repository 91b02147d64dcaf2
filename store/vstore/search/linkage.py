"""Groups of look-alikes, from the pairs that reach a threshold. Pure.

No chain makes a group, and the groups depend on the set of the pairs alone, never on an order of theirs.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vstore.search.pairs import Pairs

    Ints = npt.NDArray[np.int64]

_BLOCK = 1 << 16  # edges at least that are taken before those within one group are left out again
_ONE = 1_000_000  # the score of pictures of one node, in millionths


class Linked(NamedTuple):
    """Pictures that are one group.

    members:        the numbers of its pictures, rising.
    representative: the one that stands for them.
    least:          the least score of two of its nodes, in millionths; None of a star, or of one node.
    """

    members: list[int]
    representative: int
    least: int | None = None


def linked(pairs: Pairs) -> list[Linked]:
    """Group pictures by complete linkage: every two nodes of a group are an edge.

    Edges are taken by falling score, equal ones by key. One joins the groups of its nodes if every two nodes across
    them are an edge, too; so no two of the groups that come out could be joined. The picture with the largest sum of
    scores with the others stands for them, of equals that with the least key.

    Returns: the groups of two pictures and more, by their first pictures.
    """
    import numpy as np

    graph = _Graph(pairs)
    group = _joined(graph)
    inside = group[graph.one] == group[graph.other]
    one, other, score = graph.one[inside], graph.other[inside], graph.score[inside]
    sums = np.bincount(one, score * graph.weight[other], graph.count)  # whole numbers below 2^53: they are exact
    sums += np.bincount(other, score * graph.weight[one], graph.count)
    sums += (graph.weight - 1) * _ONE
    best = np.lexsort((-sums, group))
    centre = np.zeros(graph.count, np.int64)
    centre[group[best][::-1]] = best[::-1]  # the first of each group is written last
    least = np.full(graph.count, _ONE + 1)
    np.minimum.at(least, group[one], score)
    return [*graph.groups(group, centre, least)]


def stars(pairs: Pairs, apart: Callable[[int, int], bool] | None = None, decided: Collection[int] = ()) -> list[Linked]:
    """Group pictures loosely: every node of a group is an edge with that of the representative.

    The node whose edges reach most pictures stands for the first group, of equals that with the least key. Then its
    group is left out, and so on.

    apart:   tells of two pictures whether they may share no group.
    decided: the pictures of which that may be true.
    Returns: as `linked`.
    """
    import numpy as np

    graph = _Graph(pairs)
    kept_apart = _KeptApart(graph, apart, decided)
    group = np.full(graph.count, -1)
    reach: Ints = graph.weight.copy()
    np.add.at(reach, graph.one, graph.weight[graph.other])
    np.add.at(reach, graph.other, graph.weight[graph.one])
    waiting = [(-count, node) for node, count in enumerate(reach.tolist())]
    heapq.heapify(waiting)
    while waiting:
        count, node = heapq.heappop(waiting)
        if group[node] >= 0:
            continue
        if -count != reach[node]:  # some that it reached have a group by now
            heapq.heappush(waiting, (-int(reach[node]), node))
            continue
        others, scores = graph.neighbours(node)
        free = group[others] < 0
        others, scores = others[free], scores[free]
        order = np.lexsort((others, -scores))
        chosen = kept_apart.chosen(node, others[order].tolist())
        group[[node, *chosen]] = node
        for one in (node, *chosen):
            np.subtract.at(reach, graph.neighbours(one)[0], graph.weight[one])
    return [*graph.groups(group, np.arange(graph.count))]


class _Graph:
    """Nodes, numbered by their first pictures, and the edges between them.

    count:  the number of nodes.
    firsts: int64 (count,), the first picture of each.
    of:     int64 (n,), the node of each picture.
    weight: int64 (count,), the pictures of each node.
    one, other, score: int64 (e,), the edges: of two nodes each, one < other, and in millionths.
    """

    def __init__(self, pairs: Pairs) -> None:
        import numpy as np

        self.firsts, self.of = np.unique(pairs.node, return_inverse=True)
        self.count = len(self.firsts)
        self.weight: Ints = np.bincount(self.of, minlength=self.count)
        self.one: Ints = np.searchsorted(self.firsts, pairs.one)
        self.other: Ints = np.searchsorted(self.firsts, pairs.other)
        self.score: Ints = np.asarray(pairs.score, np.int64)
        self._begin: Ints | None = None

    def falling(self) -> Ints:
        """Number the edges, the highest score first; equals by the keys of their nodes."""
        import numpy as np

        return np.lexsort((self.other, self.one, -self.score))

    def neighbours(self, node: int) -> tuple[Ints, Ints]:
        """Find the nodes that share an edge with a node, in no order, and the scores of these edges."""
        import numpy as np

        if self._begin is None:
            ends = np.concatenate([self.one, self.other])
            order = np.argsort(ends, kind="stable")
            self._begin = np.searchsorted(ends[order], np.arange(self.count + 1))
            self._others: Ints = np.concatenate([self.other, self.one])[order]
            self._scores: Ints = np.concatenate([self.score, self.score])[order]
        span = slice(self._begin[node], self._begin[node + 1])
        return self._others[span], self._scores[span]

    def groups(self, group: Ints, centre: Ints, least: Ints | None = None) -> Iterator[Linked]:
        """Yield the groups of two pictures and more, by their first pictures.

        group:  int64 (count,), the group of each node, below `count`.
        centre: int64 (count,), of each group the node that stands for it.
        least:  int64 (count,), of each group its least score, or more than 1,000,000.
        """
        import numpy as np

        of = group[self.of]
        order = np.argsort(of, kind="stable")
        ends = np.flatnonzero(np.diff(of[order], append=-1)) + 1
        begins = np.concatenate([[0], ends[:-1]]) if len(ends) else ends
        several = ends - begins > 1
        begins, ends = begins[several], ends[several]
        for at in np.argsort(order[begins]):
            members = order[begins[at] : ends[at]]
            number = of[members[0]]
            lowest = int(least[number]) if least is not None and least[number] <= _ONE else None
            yield Linked(members.tolist(), int(self.firsts[centre[number]]), lowest)


class _Joined:
    """Nodes in groups that grow. A group has the number of one of its nodes."""

    def __init__(self, graph: _Graph) -> None:
        self._graph = graph
        self.of = list(range(graph.count))
        self._nodes: dict[int, list[int]] = {}  # of groups of two and more
        self._reached: dict[int, set[int]] = {}  # of these: the nodes with which each of theirs is an edge

    def may_join(self, a: int, b: int) -> bool:
        """Tell whether every two nodes across two groups, of which two are an edge, are one."""
        of_a, of_b = self._nodes.get(a), self._nodes.get(b)
        if of_a is None:
            return of_b is None or a in self._reached[b]
        if of_b is None:
            return b in self._reached[a]
        return self._reached[b].issuperset(of_a) if len(of_a) <= len(of_b) else self._reached[a].issuperset(of_b)

    def join(self, a: int, b: int) -> None:
        of_a, of_b = self._nodes.pop(a, [a]), self._nodes.pop(b, [b])
        common = self._pop_reached(a) & self._pop_reached(b)
        if len(of_a) < len(of_b):
            a, of_a, of_b = b, of_b, of_a
        for node in of_b:
            self.of[node] = a
        of_a += of_b
        self._nodes[a], self._reached[a] = of_a, common

    def _pop_reached(self, group: int) -> set[int]:
        found = self._reached.pop(group, None)
        return set(self._graph.neighbours(group)[0].tolist()) if found is None else found


def _joined(graph: _Graph) -> Ints:
    """Join nodes: int64 (count,), the group of each, below `count`."""
    import numpy as np

    groups = _Joined(graph)
    order, block = graph.falling(), max(_BLOCK, graph.count)
    for at in range(0, len(order), block):
        now = np.array(groups.of)
        one, other = graph.one[order[at : at + block]], graph.other[order[at : at + block]]
        left = now[one] != now[other]
        for x, y in zip(one[left].tolist(), other[left].tolist(), strict=True):
            a, b = groups.of[x], groups.of[y]
            if a != b and groups.may_join(a, b):
                groups.join(a, b)
    return np.array(groups.of, np.int64)


class _KeptApart:
    """Pairs of pictures that may share no group, by their nodes."""

    def __init__(self, graph: _Graph, apart: Callable[[int, int], bool] | None, decided: Collection[int]) -> None:
        self._apart = apart
        self._decided: dict[int, list[int]] = {}
        for picture in decided if apart is not None else ():
            self._decided.setdefault(int(graph.of[picture]), []).append(picture)

    def chosen(self, node: int, others: Sequence[int]) -> list[int]:
        """Choose the nodes that may share a group with a node, and with those chosen before them."""
        if self._apart is None or not self._decided:
            return [*others]
        found, inside = [], [*self._decided.get(node, ())]
        for other in others:
            pictures = self._decided.get(other, [])
            if not any(self._apart(a, b) for a in pictures for b in inside):
                found.append(other)
                inside += pictures
        return found
