from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builder import Builder, Floats, unit_vectors

from vstore.disk.segments import Segment
from vstore.errors import Damage
from vstore.progress import Silent, Stages
from vstore.search import alike as module
from vstore.search.alike import look_alike
from vstore.search.bitmaps import bitmaps_of


def brute(rows: Floats, least: float) -> tuple[list[int], list[float]]:
    """The first row of each row's group, and each row's best cosine, pair by pair."""
    rows = rows.astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    group, best = list(range(len(rows))), [0.0] * len(rows)
    for i in range(len(rows)):
        for j in range(i):
            score = min(1.0, float(rows[i] @ rows[j]))
            if score >= least - 1e-6:
                best[i], best[j] = max(best[i], score), max(best[j], score)
                first, second = sorted((group[i], group[j]))
                group = [first if g == second else g for g in group]
    return group, best


def segments(builder: Builder) -> list[Segment]:
    return [builder.repo.segment(ref) for ref in builder.repo.state.segments(builder.space)]


def key(builder: Builder, number: int) -> bytes:
    return builder.repo.hash.digest(b"%d" % number)


def store(folder: Path, rows: Floats, sizes: list[int], dtype: str = "float16") -> Builder:
    """A store of some rows, in segments of these sizes; each a number of its own as its key."""
    folder.mkdir(exist_ok=True)
    recipe = {"family": "fake", "name": "fake-1", "dim": rows.shape[1]}
    builder = Builder(folder / ".vstore", dtype=dtype, recipe=recipe)
    at = 0
    for size in sizes:
        builder.add_segment([key(builder, n) for n in range(at, at + size)], rows[at : at + size])
        at += size
    return builder


def families(count: int, dim: int, spread: float, seed: int) -> Floats:
    """Rows round a few centres."""
    rng = np.random.default_rng(seed)
    centres = unit_vectors(max(1, count // 5), dim, seed)
    rows = centres[rng.integers(0, len(centres), count)] + rng.normal(0, spread, (count, dim)).astype(np.float32)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("block", [3, 7, 1024])
@pytest.mark.parametrize("least", [0.5, 0.9, 0.999])
def test_groups_are_those_of_every_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str, block: int, least: float
) -> None:
    monkeypatch.setattr(module, "BLOCK", block)
    rows = families(60, 8, 0.12, seed=1)
    builder = store(tmp_path, rows, [20, 1, 39], dtype)
    parts = segments(builder)
    named = [n for n in range(60) if n % 4]
    bitmaps = bitmaps_of(parts, {key(builder, n) for n in named})
    found = look_alike(parts, bitmaps, least, Stages())
    stored = np.concatenate([part.rows() for part in parts])[named]
    group, best = brute(stored, least)
    assert found.group.tolist() == group
    np.testing.assert_allclose(found.score, best, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(0, 30),
    least=st.sampled_from([0.2, 0.7, 0.95]),
    block=st.integers(1, 9),
)
def test_any_rows_are_grouped_as_every_pair_says(
    tmp_path_factory: pytest.TempPathFactory, seed: int, count: int, least: float, block: int
) -> None:
    rows = families(count, 4, 0.3, seed) if count else np.zeros((0, 4), np.float32)
    builder = store(tmp_path_factory.mktemp("alike"), rows, [count] if count else [])
    parts = segments(builder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", block)
        found = look_alike(parts, bitmaps_of(parts, {key(builder, n) for n in range(count)}), least, Stages())
    stored = parts[0].rows() if parts else rows
    assert found.group.tolist() == brute(stored, least)[0]


def test_a_chain_of_pairs_is_one_group_in_whatever_blocks_its_links_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BLOCK", 4)
    angles = np.random.default_rng(3).permutation(40) * 0.1
    rows = np.zeros((40, 8), np.float32)
    rows[:, 0], rows[:, 1] = np.cos(angles), np.sin(angles)
    builder = store(tmp_path, rows, [40])
    parts = segments(builder)
    bitmaps = bitmaps_of(parts, {key(builder, n) for n in range(40)})
    assert set(look_alike(parts, bitmaps, float(np.cos(0.11)), Stages()).group) == {0}
    assert len(set(look_alike(parts, bitmaps, float(np.cos(0.09)), Stages()).group)) == 40


def test_many_that_are_all_alike_are_one_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 100)
    builder = store(tmp_path, np.repeat(unit_vectors(1, 8), 1000, axis=0), [1000])
    parts = segments(builder)
    found = look_alike(parts, bitmaps_of(parts, {key(builder, n) for n in range(1000)}), 1.0, Stages())
    assert set(found.group) == {0}
    np.testing.assert_allclose(found.score, 1, atol=1e-6)


def test_equal_rows_score_one_although_rounding_took_some_of_their_norm(tmp_path: Path) -> None:
    rows = unit_vectors(50, 333, seed=5)
    builder = store(tmp_path, np.concatenate([rows, rows]), [100])
    parts = segments(builder)
    found = look_alike(parts, bitmaps_of(parts, {key(builder, n) for n in range(100)}), 1.0, Stages())
    assert found.group.tolist() == [n % 50 for n in range(100)]
    assert found.score.max() <= 1


def test_no_byte_of_a_damaged_segment_is_used(tmp_path: Path) -> None:
    builder = store(tmp_path, unit_vectors(20, 8), [10, 10])
    parts = segments(builder)
    data = bytearray(parts[1].path.read_bytes())
    data[100] ^= 1
    parts[1].path.write_bytes(data)
    with pytest.raises(Damage, match=parts[1].ref.name):
        look_alike(parts, bitmaps_of(parts, {key(builder, 0), key(builder, 15)}), 0.5, Stages())
    look_alike(parts, bitmaps_of(parts, {key(builder, 0)}), 0.5, Stages())  # of the other one nothing is named


def test_progress_counts_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 7)
    builder = store(tmp_path, unit_vectors(20, 8), [20])
    parts = segments(builder)
    told: list[Any] = []

    class Told(Silent):
        def stage(self, name: str, total: int | None) -> None:
            told.append((name, total))

        def advance(self, n: int = 1) -> None:
            told.append(n)

    look_alike(parts, bitmaps_of(parts, {key(builder, n) for n in range(20)}), 0.5, Stages(Told()))
    assert told == [("comparing", 20), 7, 7, 6]


def test_memory_does_not_grow_with_the_number_of_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the rows' own numbers, scores and groups: what is held of rows is two blocks."""
    import tracemalloc

    monkeypatch.setattr(module, "BLOCK", 64)
    peaks = []
    for count in (300, 1800):
        builder = store(tmp_path / str(count), unit_vectors(count, 256), [count])
        parts = segments(builder)
        bitmaps = bitmaps_of(parts, {key(builder, n) for n in range(count)})
        tracemalloc.start()
        look_alike(parts, bitmaps, 0.99, Stages())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 1500 * 100  # their rows are 1500 * 1024 bytes as float32
