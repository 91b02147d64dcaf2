from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builder import Builder, Floats, key, unit_vectors
from support.near_stores import crowded, different, found, near, store, stored
from support.plain_pairs import plain_pairs, plain_score

from vstore.embed.builtin import RECIPES
from vstore.errors import Damage, UsageError
from vstore.progress import Silent, Stages
from vstore.search import comparison as comparison_module
from vstore.search import node_pairs as node_pairs_module
from vstore.search import pair_scores as scores_module
from vstore.search.nodes import fold
from vstore.search.pair_scores import millionths
from vstore.search.pairs import near_pairs, scores_of
from vstore.search.turned import turned


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("block", [3, 7, 2048])
@pytest.mark.parametrize("least", [0.5, 0.9, 0.99])
def test_pairs_are_those_of_every_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str, block: int, least: float
) -> None:
    monkeypatch.setattr(comparison_module, "BLOCK", block)
    monkeypatch.setattr(scores_module, "_GATHERED", 8 * block)
    builder = store(tmp_path, crowded(60, 8, seed=1), [20, 1, 39], dtype)
    rows = {one: row for n, (one, row) in enumerate(stored(builder).items()) if n % 4}
    expected = plain_pairs(rows, millionths(least))
    assert found(near(builder, set(rows), least)) == expected
    assert expected[1]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(0, 40),
    least=st.sampled_from([0.2, 0.7, 0.95, 0.9997, 1.0]),
    block=st.integers(1, 9),
    cut=st.integers(0, 3),
    few=st.sampled_from([1, 2, 8]),
    dense=st.sampled_from([0, 8]),
    checked=st.sampled_from([1, 2, 64]),
)
def test_any_pictures_and_decisions_give_what_the_plain_way_gives(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    count: int,
    least: float,
    block: int,
    cut: int,
    few: int,
    dense: int,
    checked: int,
) -> None:
    rows = crowded(count, 6, seed) if count else np.zeros((0, 6), np.float32)
    builder = store(tmp_path_factory.mktemp("pairs"), rows, [count] if count else [])
    kept = stored(builder)
    every = list(combinations(kept, 2))
    picked = np.random.default_rng(seed).random(len(every)) < cut * 0.1
    apart = different(*(pair for pair, is_cut in zip(every, picked, strict=True) if is_cut))
    decided = {one for pair, is_cut in zip(every, picked, strict=True) if is_cut for one in pair}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison_module, "BLOCK", block)
        patch.setattr(comparison_module, "_FEW", few)
        patch.setattr(scores_module, "_DENSE", dense)
        patch.setattr(comparison_module, "_CHECKED", checked)
        patch.setattr(node_pairs_module, "_AT_ONCE", block)
        patch.setattr(node_pairs_module, "_PIECE", block)
        pairs = near(builder, list(kept), least, apart=apart, decided=decided)
    assert found(pairs) == plain_pairs(kept, millionths(least), apart)


def test_a_pair_counts_by_its_rounded_score_in_whatever_block_it_lies(tmp_path: Path) -> None:
    """The last pair that reaches a threshold has just its score."""
    builder = store(tmp_path, crowded(80, 100, seed=3), [50, 30])
    rows = stored(builder)
    scores = sorted({plain_score(rows[a], rows[b]) for a, b in combinations(rows, 2)})
    for score in scores[:: len(scores) // 15]:
        if score <= 0:
            continue
        pairs = near(builder, set(rows), score / 1_000_000)
        assert pairs.score.min(initial=score) >= score
        alone = np.bincount(pairs.node, minlength=80) == 1
        least = [
            s for one, other, s in zip(pairs.one, pairs.other, pairs.score, strict=True) if alone[[one, other]].all()
        ]
        ends = [(a, b) for a, b in combinations(np.flatnonzero(alone).tolist(), 2)]
        expected = [plain_score(rows[pairs.keys[a]], rows[pairs.keys[b]]) for a, b in ends]
        assert sorted(least) == sorted(one for one in expected if one >= score)


def test_a_picture_of_no_row_is_left_out_and_of_two_rows_the_first_counts(tmp_path: Path) -> None:
    rows = unit_vectors(4, seed=2)
    builder = store(tmp_path, rows[:3], [3])
    builder.add_segment([key(0), key(3)], np.stack([rows[1], rows[0]]))
    pairs = near(builder, {key(n) for n in (0, 1, 3, 77)}, 0.999)
    assert found(pairs) == (sorted([sorted([key(0), key(3)]), [key(1)]]), {})


def test_pictures_that_are_decided_to_be_different_are_no_node_and_no_pair(tmp_path: Path) -> None:
    rows = np.repeat(unit_vectors(1), 6, axis=0)
    builder = store(tmp_path, rows, [6])
    keys = sorted(stored(builder))
    whole = near(builder, keys, 0.9)
    assert set(whole.node.tolist()) == {0}
    apart = different((keys[0], keys[1]), (keys[2], keys[3]))
    pairs = near(builder, keys, 0.9, apart=apart, decided=keys[:4])
    assert found(pairs) == ([[keys[0], keys[2], keys[4], keys[5]], [keys[1], keys[3]]], {})
    asked: list[tuple[bytes, bytes]] = []

    def asking(one: bytes, other: bytes) -> bool:
        asked.append((one, other))
        return apart(one, other)

    near(builder, keys, 0.9, apart=asking, decided=keys[:2])
    assert {frozenset(pair) for pair in asked} == {frozenset(keys[:2])}


def test_folding_does_not_chain() -> None:
    """1 reaches 0 and 2, which do not reach one another; 3 reaches 2 alone."""
    one, other = np.array([0, 1, 2]), np.array([1, 2, 3])
    assert fold(np.arange(5), one, other).tolist() == [0, 0, 2, 2, 4]


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_scores_of_pairs_are_exact_and_symmetric(tmp_path: Path, dtype: str) -> None:
    builder = store(tmp_path, crowded(30, 333, seed=4), [10, 20], dtype)
    rows = stored(builder)
    every = [*combinations(rows, 2), *((one, one) for one in rows)]
    expected = [plain_score(rows[a], rows[b]) for a, b in every]
    assert scores_of(builder.repo, builder.space, every) == expected
    assert scores_of(builder.repo, builder.space, [(b, a) for a, b in every]) == expected
    assert scores_of(builder.repo, builder.space, []) == []
    assert expected[-30:] == [1_000_000] * 30
    with pytest.raises(Damage, match=key(99).hex()):
        scores_of(builder.repo, builder.space, [(key(99), key(1))])


@pytest.mark.parametrize(
    "score, whole", [(0.85, 850_000), (0.57, 570_000), (0.29, 290_000), (1.0, 1_000_000), (0.8500004, 850_001)]
)
def test_a_threshold_is_reached_by_the_whole_score_at_or_above_it(score: float, whole: int) -> None:
    assert millionths(score) == whole


def test_no_byte_of_a_damaged_segment_is_used(tmp_path: Path) -> None:
    builder = store(tmp_path, unit_vectors(20, 8), [10, 10])
    bad = builder.repo.segment(builder.repo.state.segments(builder.space)[1])
    data = bytearray(bad.path.read_bytes())
    data[100] ^= 1
    bad.path.write_bytes(data)
    attempts: list[Callable[[], object]] = [
        lambda: near(builder, {key(0), key(15)}, 0.5),
        lambda: scores_of(builder.repo, builder.space, [(key(0), key(15))]),
    ]
    for attempt in attempts:
        with pytest.raises(Damage, match=bad.ref.name):
            attempt()
    near(builder, {key(0), key(5)}, 0.5)  # of the other one nothing is named


def test_rows_that_are_no_vectors_are_in_no_pair(tmp_path: Path) -> None:
    rows = unit_vectors(5)
    rows[2] = 0
    builder = store(tmp_path, rows, [5])
    for attempt in (
        lambda: near(builder, {key(1), key(2)}, 0.5),
        lambda: scores_of(builder.repo, builder.space, [(key(1), key(2))]),
    ):
        with pytest.raises(Damage, match="no vectors of norm 1"):
            attempt()


def test_progress_counts_the_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison_module, "BLOCK", 7)
    builder = store(tmp_path, unit_vectors(20), [20])
    told: list[Any] = []

    class Told(Silent):
        def stage(self, name: str, total: int | None) -> None:
            told.append((name, total))

        def advance(self, n: int = 1) -> None:
            told.append(n)

    near_pairs(builder.repo, builder.space, set(stored(builder)), 0.5, stages=Stages(Told()))
    assert told == [("comparing", 20), 7, 7, 6]


@pytest.mark.parametrize("least", [0.5, 0.9, 0.9997])
def test_in_the_built_in_space_the_best_turn_counts(tmp_path: Path, least: float) -> None:
    """Turned pictures are near, and no node: only what is alike as it is can be folded."""
    recipe = next(iter(RECIPES.values()))
    builder = Builder(tmp_path / ".vstore", recipe=recipe)
    rows = crowded(30, 333, seed=5)
    rows[::3] = [turned(row[None], turn % 8)[0] for turn, row in enumerate(rows[::3])]
    builder.add_segment([key(n) for n in range(30)], rows)
    kept = stored(builder)

    def best(one: Floats, other: Floats) -> int:
        return max(plain_score(one, turned(other[None], turn)[0]) for turn in range(8))

    expected = plain_pairs(kept, millionths(least), score=best)
    assert found(near(builder, set(kept), least)) == expected
    assert found(near(builder, set(kept), least)) == expected  # what is kept
    assert len(expected[1]) > len(plain_pairs(kept, millionths(least))[1])
    ends = list(expected[1])
    assert scores_of(builder.repo, builder.space, ends) == [best(kept[a], kept[b]) for a, b in ends]
    assert scores_of(builder.repo, builder.space, [(b, a) for a, b in ends]) == [
        best(kept[a], kept[b]) for a, b in ends
    ]


@pytest.mark.parametrize("least", [0.9997, 0.99999, 1.0])
def test_a_score_above_that_of_nodes_parts_clumps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, least: float
) -> None:
    monkeypatch.setattr(node_pairs_module, "_AT_ONCE", 4)
    random = np.random.default_rng(1)
    rows = np.repeat(unit_vectors(2, 16), 20, axis=0) + 0.005 * random.standard_normal((40, 16))
    rows[random.permutation(40)[:24]] = rows[:3].repeat(8, axis=0)
    builder = store(tmp_path, (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), [40])
    kept = stored(builder)
    pairs = near(builder, set(kept), least)
    assert found(pairs) == plain_pairs(kept, millionths(least))
    assert 2 < len(set(pairs.node.tolist())) < 40


def test_too_many_pairs_within_a_clump_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison_module, "MOST_PAIRS", 100)
    rows = unit_vectors(1, 16).repeat(40, axis=0) + 0.003 * np.random.default_rng(1).standard_normal((40, 16))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    builder = store(tmp_path, rows.astype(np.float32), [40])
    kept = stored(builder)
    assert len(set(near(builder, set(kept), 0.9).node.tolist())) == 1
    assert len(near(builder, set(kept), 1.0).one) == 0
    with pytest.raises(UsageError, match=r"more than 100 pairs of pictures have a score of 0\.9996 or more"):
        near(builder, set(kept), 0.9996)
