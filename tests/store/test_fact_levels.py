"""The runs of facts that a merge takes."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vstore.format.fact_levels import FANOUT, Group, level, to_merge


def test_the_level_of_a_run_is_how_often_its_facts_can_be_divided_by_eight() -> None:
    assert [level(rows) for rows in (1, 7, 8, 63, 64, 511, 512, 8**9 - 1, 8**9)] == [0, 0, 1, 1, 2, 2, 3, 8, 9]


def test_eight_neighbours_of_a_level_are_merged_and_seven_are_not() -> None:
    assert to_merge([]) == to_merge([5]) == to_merge([5] * 7) == []
    assert to_merge([5] * 8) == [Group(0, 8, 40)]
    assert to_merge([900, 70, 70, 9, *[1] * 8]) == [Group(4, 12, 8)], "larger ones before them stay"
    assert to_merge([64, *[8] * 7, *[1] * 8]) == [Group(1, 16, 64)], "one merge, where one carries into the next"


def test_a_run_before_one_of_a_higher_level_goes_into_it() -> None:
    assert to_merge([1, 1, 100]) == [Group(0, 3, 102)]
    assert to_merge([600, 1, 1, 100, 1]) == [Group(1, 4, 102)]
    assert to_merge([500, 70, 1, 511]) == [Group(0, 4, 1082)], "what is of a higher level together, too"
    assert to_merge([100, 64, 9, 8, 1, 1]) == []


SIZES = st.one_of(
    st.lists(st.integers(1, 3000), max_size=80),
    st.lists(st.just(1), max_size=300),
    st.lists(st.sampled_from([1, 1, 1, 1, 5000]), max_size=200),
    st.lists(st.integers(0, 12).map(lambda n: 3**n), max_size=120),
)


def merge(runs: list[list[int]], commits: list[int]) -> list[list[int]]:
    """Merge runs of numbered commits as the rule says, and count the rewriting of each commit."""
    sizes = [sum(commits[number] for number in run) for run in runs]
    merged, at = [], 0
    for group in to_merge(sizes):
        assert at <= group.start < group.stop - 1 and group.rows == sum(sizes[group.start : group.stop])
        merged += [*runs[at : group.start], [n for run in runs[group.start : group.stop] for n in run]]
        at = group.stop
    return merged + runs[at:]


@given(SIZES, st.integers(1, 30))
def test_each_fact_is_rewritten_once_a_level_and_few_runs_stay(commits: list[int], at_once: int) -> None:
    rewritten = [0] * len(commits)
    runs: list[list[int]] = []
    for first in range(0, len(commits), at_once):
        runs += [[number] for number in range(first, min(first + at_once, len(commits)))]
        before = runs
        runs = merge(runs, commits)
        for run in runs:
            if run not in before:
                for number in run:
                    rewritten[number] += 1
        total = sum(commits[: first + at_once])
        levels = [level(sum(commits[number] for number in run)) for run in runs]
        assert levels == sorted(levels, reverse=True)
        assert all(levels.count(n) < FANOUT for n in levels)
        assert len(runs) <= (FANOUT - 1) * (level(total) + 1)
        assert max(rewritten) <= 1 + level(total), "once when it comes before a larger one, and once a level"
    assert [number for run in runs for number in run] == list(range(len(commits))), "the order stays"


@pytest.mark.parametrize("size", [1, 10])
def test_ten_thousand_small_commits_rewrite_each_fact_a_few_times(size: int) -> None:
    sizes: list[int] = []
    written = 0
    for _ in range(10_000):
        sizes.append(size)
        for group in reversed(to_merge(sizes)):
            written += group.rows
            sizes[group.start : group.stop] = [group.rows]
    assert sum(sizes) == 10_000 * size
    assert written <= 4.5 * sum(sizes) and len(sizes) <= 35


def test_small_commits_between_large_ones_do_not_stay_for_ever() -> None:
    chance = random.Random(1)
    sizes: list[int] = []
    for _ in range(3000):
        sizes.append(chance.choice([1, 2, 20_000]))
        for group in reversed(to_merge(sizes)):
            sizes[group.start : group.stop] = [group.rows]
    assert len(sizes) <= 7 * 9
