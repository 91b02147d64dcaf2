"""The estimate of the time that is left settles, and holds for files of all sizes."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable

import pytest

from vstore_cli.progress.pace import Pace

MB = 1_000_000


def estimates(sizes: list[int], cost: Callable[[int], float], noise: float = 0.0) -> list[tuple[float, float | None]]:
    """Work on files of some sizes. Returns: after each, the true time left, and the estimate."""
    chance = random.Random(5)
    taken = [cost(size) * (1 + noise * chance.uniform(-1, 1)) for size in sizes]
    pace, found = Pace(), []
    for done, (size, seconds) in enumerate(zip(sizes, taken, strict=True), 1):
        pace.add(seconds, 1, size)
        found.append((sum(taken[done:]), pace.left(len(sizes) - done, sum(sizes[done:]))))
    return found


def worst(found: list[tuple[float, float | None]], first: int) -> float:
    """The largest error of the estimates from a file on, as a share of the true time, until that is nearly over."""
    return max(abs((told or 0) / true - 1) for true, told in found[first:] if true > 0.05 * found[0][0])


def mixed(count: int, seed: int = 3) -> list[int]:
    chance = random.Random(seed)
    return [int(chance.lognormvariate(14, 1.2)) for _ in range(count)]


def test_nothing_is_said_before_something_was_seen() -> None:
    pace = Pace()
    assert pace.left(100, 0) is None
    pace.add(2.9, 29, 29 * MB)
    assert pace.left(100, 100 * MB) is None
    pace.add(2.1, 21, 21 * MB)
    assert pace.left(100, 100 * MB) == pytest.approx(10)


@pytest.mark.parametrize(
    ("name", "cost"),
    [
        ("reading", lambda size: size / (20 * MB)),
        ("a model", lambda size: 0.1),
        ("decoding and a model", lambda size: 0.05 + size / (40 * MB)),
    ],
)
def test_it_settles_whatever_decides_the_cost(name: str, cost: Callable[[int], float]) -> None:
    found = estimates(mixed(3000), cost, noise=0.5)
    assert worst(found, 300) < 0.1, "after a tenth of the files"


def test_large_files_at_the_end_are_expected_where_bytes_cost() -> None:
    small, large = [100_000] * 1000, [20 * MB] * 100
    chance = random.Random(2)
    first = [*small[:500], *large[:20]]
    chance.shuffle(first)
    found = estimates([*first, *small[500:], *large[20:]], lambda size: size / (10 * MB))
    assert worst(found, 300) < 0.05


def test_large_files_at_the_end_cost_no_more_where_pictures_do() -> None:
    chance = random.Random(2)
    sizes = [chance.choice((100_000, 5 * MB)) for _ in range(800)] + [5 * MB] * 800
    assert worst(estimates(sizes, lambda size: 0.1), 200) < 0.05


def test_it_does_not_jump() -> None:
    found = estimates(mixed(3000), lambda size: 0.05 + size / (40 * MB), noise=0.9)[300:]
    told = [one for _, one in found if one is not None]
    jumps = [abs(after - before) for before, after in itertools.pairwise(told)]
    assert max(jumps) < 0.05 * told[0]


def test_a_change_of_pace_shows() -> None:
    sizes = [MB] * 4000
    took = iter([0.1] * 1000 + [0.4] * 3000)
    found = estimates(sizes, lambda size: next(took))
    true, told = found[2500]
    assert told is not None
    assert abs(told / true - 1) < 0.25


def test_time_that_passes_is_taken_off_until_a_file_takes_longer_than_usual() -> None:
    pace = Pace()
    for _ in range(10):
        pace.add(1.0, 1, 0)
    assert pace.left(100, 0) == pytest.approx(100)
    pace.add(0.5, 0, 0)
    assert pace.left(100, 0) == pytest.approx(99.5)
    pace.add(60, 0, 0)
    assert pace.left(100, 0) == pytest.approx(99, rel=0.005), (
        "a slow picture says nothing of the others until it is done"
    )


def test_empty_files_and_stages_without_bytes_are_estimated_by_their_number() -> None:
    pace = Pace()
    for _ in range(10):
        pace.add(1.0, 5, 0)
    assert pace.left(50, 0) == pytest.approx(10)


def test_work_of_its_own_measure_is_estimated_by_it_alone() -> None:
    pace = Pace()
    for _ in range(10):
        pace.add(1.0, 0, 500)
    assert pace.left(0, 5000) == pytest.approx(10)
