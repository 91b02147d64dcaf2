"""Groups of look-alikes, held against what every pair of a matrix of scores says."""

from __future__ import annotations

from itertools import chain, combinations, product
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builder import key

from vstore.search.linkage import Linked, linked, stars
from vstore.search.pairs import Pairs

ONE, FOLDED = 1_000_000, 999_500
Scores = npt.NDArray[np.int64]


class Case(NamedTuple):
    """Pictures by number: the scores of every two, those that are decided to be different, and a threshold."""

    scores: Scores
    different: frozenset[tuple[int, int]] = frozenset()
    least: int = 850_000

    def apart(self, one: int, other: int) -> bool:
        return (min(one, other), max(one, other)) in self.different

    def nodes(self) -> list[list[int]]:
        """Fold: each picture joins the first node all of whose members it reaches 0.9995 with."""
        nodes: list[list[int]] = []
        for picture in range(len(self.scores)):
            for node in nodes:
                if all(self.scores[picture, one] >= FOLDED and not self.apart(picture, one) for one in node):
                    node.append(picture)
                    break
            else:
                nodes.append([picture])
        return nodes

    def score(self, one: list[int], other: list[int]) -> int:
        """The score of two nodes; -1 where they are no edge."""
        pairs = [*product(one, other)]
        least = int(min(self.scores[pair] for pair in pairs))
        return -1 if least < self.least or any(self.apart(*pair) for pair in pairs) else least

    def pairs(self, order: np.random.Generator | None = None) -> Pairs:
        nodes = self.nodes()
        edges = [(a[0], b[0], self.score(a, b)) for a, b in combinations(nodes, 2) if self.score(a, b) >= 0]
        if order is not None:
            order.shuffle(edges)
        first = {picture: node[0] for node in nodes for picture in node}
        node = np.array([first[picture] for picture in range(len(self.scores))], np.int64)
        one, other, score = np.array(edges, np.int64).reshape(-1, 3).T
        return Pairs(sorted(map(key, range(len(node)))), node, one, other, score.astype(np.int32))

    def groups(self) -> list[list[int]]:
        """Link by the definition: nodes are taken in turn, and every pair of pictures across is looked at."""
        nodes = self.nodes()
        inside = {node[0]: [node] for node in nodes}
        taken = sorted((-self.score(a, b), a[0], b[0]) for a, b in combinations(nodes, 2) if self.score(a, b) >= 0)
        for _, one, other in taken:
            a, b = inside[one], inside[other]
            if a is not b and all(self.score(*two) >= 0 for two in product(a, b)):
                a += b
                for node in b:
                    inside[node[0]] = a
        found = {id(group): sorted(chain(*group)) for group in inside.values()}
        return sorted(found.values())

    def stars(self) -> list[tuple[int, list[int]]]:
        """Group loosely by the definition: the representative, and the pictures."""
        left, found = self.nodes(), []
        while left:
            near = [[other for other in left if other is not node and self.score(node, other) >= 0] for node in left]
            most = max(range(len(left)), key=lambda at: (sum(map(len, [left[at], *near[at]])), -left[at][0]))
            group = [left[most]]
            for node in sorted(near[most], key=lambda node: (-self.score(left[most], node), node[0])):
                if not any(self.apart(*pair) for inside in group for pair in product(inside, node)):
                    group.append(node)
            found.append((group[0][0], sorted(chain(*group))))
            left = [node for node in left if node not in group]
        return sorted(found, key=lambda one: one[1])


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw scores that have many ties, nodes of several pictures, and chains."""
    count = draw(st.integers(0, 14))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    if draw(st.booleans()):
        values = draw(st.sampled_from([[0, 850_000, 900_000, 999_999], [849_999, 850_000], [999_499, 999_500, 0]]))
        scores = rng.choice(np.array(values, np.int64), (count, count))
    else:  # cosines of places on an arc
        at = np.sort(rng.uniform(0, draw(st.sampled_from([0.1, 1, 3])), count)) if count else np.zeros(0)
        scores = np.rint(np.cos(at[:, None] - at) * ONE).astype(np.int64)
    scores = np.triu(scores, 1) + np.triu(scores, 1).T
    np.fill_diagonal(scores, ONE)
    every = [*combinations(range(count), 2)]
    different = draw(st.frozensets(st.sampled_from(every), max_size=8)) if every else frozenset()
    return Case(scores, different)


def complete(groups: list[Linked], count: int) -> list[list[int]]:
    """With those that are alone."""
    inside = {member for group in groups for member in group.members}
    assert len(inside) == sum(len(group.members) for group in groups)
    return sorted([*(group.members for group in groups), *([n] for n in range(count) if n not in inside)])


@given(cases())
def test_groups_are_those_of_the_definition(case: Case) -> None:
    assert complete(linked(case.pairs()), len(case.scores)) == case.groups()


@given(cases())
def test_every_two_of_a_group_reach_the_least_and_are_not_different(case: Case) -> None:
    for group in linked(case.pairs()):
        for one, other in combinations(group.members, 2):
            assert case.scores[one, other] >= case.least
            assert not case.apart(one, other)


@given(cases())
def test_no_two_groups_could_be_joined(case: Case) -> None:
    groups = complete(linked(case.pairs()), len(case.scores))
    for one, other in combinations(groups, 2):
        pairs = [*product(one, other)]
        assert any(case.scores[pair] < case.least or case.apart(*pair) for pair in pairs)


@given(cases(), st.integers(0, 10**6))
def test_the_order_of_the_pairs_changes_nothing(case: Case, seed: int) -> None:
    shuffled = case.pairs(np.random.default_rng(seed))
    assert linked(shuffled) == linked(case.pairs())
    assert loosely(case, shuffled) == loosely(case, case.pairs())


@given(cases())
def test_the_representative_is_most_like_the_others(case: Case) -> None:
    node = {picture: node for node in case.nodes() for picture in node}

    def total(group: list[int], one: int) -> int:
        return sum(ONE if node[one] is node[other] else case.score(node[one], node[other]) for other in group)

    for group in linked(case.pairs()):
        assert group.representative == max(group.members, key=lambda one: (total(group.members, one), -one))
        across = [case.score(node[a], node[b]) for a, b in combinations(group.members, 2) if node[a] is not node[b]]
        assert group.least == (min(across) if across else None)


def loosely(case: Case, pairs: Pairs) -> list[Linked]:
    return stars(pairs, case.apart, {picture for two in case.different for picture in two})


@given(cases())
def test_loose_groups_are_those_of_the_definition(case: Case) -> None:
    found = loosely(case, case.pairs())
    several = [(representative, members) for representative, members in case.stars() if len(members) > 1]
    assert [(group.representative, group.members) for group in found] == several
    for group in found:
        for member in group.members:
            assert case.scores[group.representative, member] >= case.least or member == group.representative
        assert not any(case.apart(*two) for two in combinations(group.members, 2))


def arc(count: int, step: float) -> Scores:
    at = np.arange(count) * step
    scores: Scores = np.rint(np.cos(at[:, None] - at) * ONE).astype(np.int64)
    return scores


def test_a_chain_whose_ends_are_not_alike_is_parted() -> None:
    case = Case(arc(40, 0.1))
    groups = linked(case.pairs())
    assert len(groups) > 5
    assert max(len(group.members) for group in groups) <= 6  # cos(0.5) is above 0.85, cos(0.6) below


def test_a_loose_group_of_a_chain_goes_as_far_as_its_representative_reaches() -> None:
    (first, *_) = stars(Case(arc(40, 0.1)).pairs())
    assert (first.representative, first.members) == (5, [*range(11)])


def test_loose_groups_without_decisions_ask_nobody() -> None:
    def unheard(one: int, other: int) -> bool:
        raise AssertionError

    pairs = Case(arc(9, 0.1)).pairs()
    assert stars(pairs, unheard) == stars(pairs)


@pytest.mark.parametrize("find", [linked, stars])
def test_there_may_be_no_pictures_and_no_pairs(find: object) -> None:
    assert callable(find)
    for count in (0, 1, 3):
        assert find(Case(np.eye(count, dtype=np.int64) * ONE).pairs()) == []


def test_five_thousand_equal_pictures_are_one_node_and_one_group() -> None:
    none = np.zeros(0, np.int64)
    pairs = Pairs(sorted(map(key, range(5000))), np.zeros(5000, np.int64), none, none, none.astype(np.int32))
    for find in (linked, stars):
        assert find(pairs) == [Linked([*range(5000)], 0, None)]


def test_all_pairs_of_many_that_are_all_alike_are_one_group() -> None:
    count = 400
    one, other = np.triu_indices(count, 1)
    score = np.random.default_rng(1).integers(850_000, 999_000, len(one)).astype(np.int32)
    pairs = Pairs(sorted(map(key, range(count))), np.arange(count), one, other, score)
    (group,) = linked(pairs)
    assert group.members == [*range(count)] and group.least == score.min()
