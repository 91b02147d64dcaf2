"""The agreement of two lists, and the bounds that a sample gives."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vstore.search.agreement import average_overlap, interval, overlap


def test_the_overlap_counts_what_both_have_among_the_first() -> None:
    assert overlap("abcd", "dcba", 4) == 1
    assert overlap("abcd", "dcba", 2) == 0
    assert overlap("abcd", "aecd", 2) == 0.5


@given(st.permutations("abcdefgh"), st.permutations("cdefghij"))
def test_the_average_overlap_is_that_of_each_depth(one: list[str], other: list[str]) -> None:
    depths = [overlap(one, other, depth) for depth in range(1, len(one) + 1)]
    assert average_overlap(one, other) == pytest.approx(sum(depths) / len(depths))
    assert average_overlap(one, other) == pytest.approx(average_overlap(other, one))


def test_early_places_count_most() -> None:
    same = "abcdefgh"
    swaps = [average_overlap(same, same[:at] + same[at : at + 2][::-1] + same[at + 2 :]) for at in range(7)]
    assert all(one < other for one, other in itertools.pairwise(swaps))


def test_all_pictures_give_a_figure_without_bounds_around_it() -> None:
    assert interval([0.5, 1.0], 2) == (0.75, 0.75)


def test_bounds_are_those_of_the_formula() -> None:
    shares = [0.2, 0.4, 0.4, 0.6]  # about their mean, 0.4, with a 0 and a 1: squares of 0.08 + 0.16 + 0.36
    for of, left in ((5, 1 / 4), (100, 96 / 99)):
        off = 1.96 * (0.6 / 5 / 4 * left) ** 0.5
        assert interval(shares, of) == pytest.approx((0.4 - off, 0.4 + off))


def test_bounds_are_shares_and_a_few_equal_ones_do_not_look_certain() -> None:
    low, high = interval([1.0] * 5, 1000)
    assert (high, 0.5 < low < 0.9) == (1.0, True)
    low, high = interval([0.0], 1000)
    assert (low, high) == (0.0, 1.0)


@pytest.mark.parametrize("drawn", [30, 200, 900])
@pytest.mark.parametrize("ends", [(2.0, 2.0), (9.0, 1.0), (0.3, 4.0)])
def test_bounds_hold_the_mean_of_the_population_19_times_of_20(drawn: int, ends: tuple[float, float]) -> None:
    random = np.random.default_rng(drawn)
    population = np.rint(10 * random.beta(*ends, 1000)) / 10
    held = 0
    for _ in range(400):
        low, high = interval(random.choice(population, drawn, replace=False).tolist(), len(population))
        held += low <= population.mean() <= high
    assert held >= 0.93 * 400
    assert high - low < 0.45, "they say something"
