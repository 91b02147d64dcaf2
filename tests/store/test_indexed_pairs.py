"""Pairs through an approximate index: those that its lists make likely, scored exactly, kept apart from exact ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.builder import Builder, key
from support.near_stores import crowded, found, near, store

from vstore.approximate import build
from vstore.approximate.lists import Lists
from vstore.approximate.opened import BadPart
from vstore.progress import Stages
from vstore.search import comparison, indexed_comparison
from vstore.search.dupes import DupesReport
from vstore.search.pairs import Pairs

LEAST = 0.9
SIZES = (200, 150, 50)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of one block are compared with each other whatever the index says."""
    monkeypatch.setattr(comparison, "BLOCK", 16)


def indexed(folder: Path, *, covered: tuple[int, ...] = SIZES, seed: int = 3) -> Builder:
    """A store whose first segments have lists, and the others none."""
    rows = crowded(sum(SIZES), 24, seed)
    builder = store(folder, rows, covered)
    assert build.build(builder.repo, builder.space, build.Wanted(exact=0, recall=1_000_000), stages=Stages()).generation
    at = sum(covered)
    for size in SIZES[len(covered) :]:
        builder.add_segment([key(n) for n in range(at, at + size)], rows[at : at + size])
        at += size
    return builder


def keys(count: int = sum(SIZES)) -> list[bytes]:
    return [key(n) for n in range(count)]


def same(one: Pairs, other: Pairs) -> bool:
    return found(one) == found(other)


@pytest.mark.parametrize("covered", [SIZES, SIZES[:2], SIZES[:1]])
@pytest.mark.parametrize("least", [0.9, 0.99, 0.99999])
def test_an_index_that_misses_nothing_gives_every_pair(
    covered: tuple[int, ...], least: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexed_comparison, "_DEPTH", sum(SIZES))
    builder = indexed(tmp_path, covered=covered)
    likely = near(builder, keys(), least)
    assert not likely.is_exact
    assert likely.recall == 1
    exact = near(builder, keys(), least, exact=True)
    assert exact.is_exact
    assert same(likely, exact)


def test_depth_grows_while_all_rows_may_reach_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexed_comparison, "_DEPTH", 4)
    builder = indexed(tmp_path)
    assert same(near(builder, keys(), LEAST), near(builder, keys(), LEAST, exact=True))


def test_new_pictures_alone_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builder = indexed(tmp_path)
    near(builder, keys(350), LEAST)
    asked = []
    likely = indexed_comparison.IndexedComparison._likely

    def seen(self: indexed_comparison.IndexedComparison, queries: np.ndarray, depth: int) -> object:
        asked.append(len(queries))
        return likely(self, queries, depth)

    monkeypatch.setattr(indexed_comparison.IndexedComparison, "_likely", seen)
    after = near(builder, keys(), LEAST)
    assert sum(asked) >= 50
    assert len(asked) < 350 // 16  # none of those before
    monkeypatch.undo()
    assert same(after, near(builder, keys(), LEAST, exact=True))


def test_what_an_index_chose_is_no_exact_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builder = indexed(tmp_path)
    exact = near(builder, keys(), LEAST, exact=True)
    other = indexed(tmp_path / "other")
    monkeypatch.setattr(  # an index that finds nothing at all
        indexed_comparison.IndexedComparison,
        "_likely",
        lambda self, queries, depth: (np.empty(0, np.int64), np.empty(0, np.int64)),
    )
    missed = near(other, keys(), LEAST)
    assert len(missed.one) < len(exact.one)
    monkeypatch.undo()
    monkeypatch.setattr(comparison, "BLOCK", 16)
    assert same(near(other, keys(), LEAST), missed)  # kept
    assert same(near(other, keys(), LEAST, exact=True), exact)
    known = near(other, keys(), LEAST)  # the exact ones are better, and there
    assert known.is_exact
    assert same(known, exact)


def test_a_part_that_turns_out_to_be_damaged_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builder = indexed(tmp_path)
    exact = near(builder, keys(), LEAST, exact=True)
    other = indexed(tmp_path / "other")

    def bad(self: Lists, *given: object) -> object:
        raise BadPart(self)

    monkeypatch.setattr(Lists, "search", bad)
    assert same(near(other, keys(), LEAST), exact)


def test_few_pictures_are_compared_exactly(tmp_path: Path) -> None:
    builder = indexed(tmp_path)
    size = 24 * 2
    assert build.build(builder.repo, builder.space, build.Wanted(exact=100 * size), stages=Stages()).generation
    assert near(builder, keys(100), LEAST).is_exact
    assert not near(builder, keys(101), LEAST).is_exact


def test_a_report_says_that_an_index_chose_the_pairs() -> None:
    exact = DupesReport("v1", False, LEAST, (), 0)
    assert not {"approximate", "recall_at_10"} & exact.to_json().keys()
    likely = exact._replace(approximate=True, recall_at_10=0.98)
    assert (likely.to_json()["approximate"], likely.to_json()["recall_at_10"]) == (True, 0.98)
    assert any("0.980 of the nearest ten" in remark for remark in likely._remarks())
