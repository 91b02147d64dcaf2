"""The approximate index: candidates of its lists, exact scores, and the same answers however it came to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from support.builder import Builder, key
from support.inverted import (
    DIM,
    Asked,
    again,
    approximate_of,
    built,
    clustered,
    grow,
    parameters_of,
    parts,
    payload_of,
    rows_of,
    show,
    store,
)

from vstore.approximate import covering as covering_module
from vstore.approximate.about import CENTROIDS, LISTS, RECALL
from vstore.approximate.build import keep_up
from vstore.approximate.coder import Coder
from vstore.approximate.levels import SMALLEST, WIDTH, level_of, merge_of
from vstore.approximate.measuring import every_row
from vstore.approximate.rotation import rotated

QUERIES = clustered(40, seed=5)


def candidates(builder: Builder, probes: int, depth: int) -> Any:
    index = approximate_of(builder)
    assert index is not None
    marked = every_row([ref.rows for ref in index.refs])
    return index.candidates(QUERIES, index.bitmaps_of(marked), probes, depth)


@pytest.mark.parametrize("dim", [1, 2, 3, 8, 31, 100, 768])
def test_a_rotation_keeps_cosines_and_norms(dim: int) -> None:
    rows = clustered(30, dim=dim)
    turned = rotated(rows)
    assert np.allclose(turned @ turned.T, rows @ rows.T, atol=1e-5)
    assert np.array_equal(turned, rotated(rows))
    assert np.array_equal(turned[7:9], rotated(rows[7:9]))


def test_each_row_is_rewritten_once_a_level() -> None:
    parts, written, most = [], 0, 10**9
    for _ in range(500):
        parts.append(1000)
        while (chosen := merge_of(parts, most)) is not None:
            merged = sum(parts[place] for place in chosen)
            parts = [rows for place, rows in enumerate(parts) if place not in chosen] + [merged]
            written += merged
    assert sum(parts) == 500_000
    assert written <= 500_000 * (level_of(500_000) + 1)
    assert all(sum(level_of(rows) == level for rows in parts) < WIDTH for level in range(12))
    assert merge_of([SMALLEST] * WIDTH, SMALLEST * WIDTH - 1) is None


def test_lists_find_what_the_index_of_faiss_finds(tmp_path: Path) -> None:
    vectors = clustered(2000)
    builder = store(tmp_path, [900, 1100], vectors)
    built(builder)
    (path,) = parts(builder, CENTROIDS)
    centroids = np.frombuffer(payload_of(path), "<f4").reshape(-1, DIM)
    quantizer = faiss.IndexFlatIP(DIM)
    quantizer.add(np.ascontiguousarray(centroids))
    index = faiss.IndexIVFRaBitQ(quantizer, DIM, len(centroids), faiss.METRIC_INNER_PRODUCT)
    index.is_trained = True
    stored = np.concatenate(
        [again(builder).segment(ref).rows() for ref in again(builder).state.segments(builder.space)]
    )
    rows = stored.astype(np.float32)
    index.add(rotated(rows / np.linalg.norm(rows, axis=1, keepdims=True)))
    for probes, depth in ((6, 5), (16, 20), (len(centroids), 50)):
        _, found = index.search(rotated(QUERIES), depth, params=faiss.IVFRaBitQSearchParameters(nprobe=probes, qb=8))
        assert (found >= 0).all()
        for ours, theirs in zip(candidates(builder, probes, depth), found, strict=True):
            assert len(set(ours.tolist()) & set(theirs.tolist())) >= depth - 1  # estimates may tie


def test_answers_below_the_limit_are_those_without_an_index_bit_for_bit(tmp_path: Path) -> None:
    builder = store(tmp_path, [500, 300])
    without = Asked(builder, QUERIES).hits
    built(builder)
    assert Asked(builder, QUERIES).is_approximate
    size = rows_of(builder) * DIM * 2
    built(builder, exact=size)
    below = Asked(builder, QUERIES)
    assert not below.is_approximate
    assert [column.tobytes() for column in below.hits] == [column.tobytes() for column in without]
    built(builder, exact=size - 1)
    assert Asked(builder, QUERIES).is_approximate


def test_where_every_row_is_a_candidate_the_answers_are_exact_bit_for_bit(tmp_path: Path) -> None:
    vectors = clustered(600)
    vectors[100:140] = vectors[100]  # equal scores, told apart by their keys
    vectors[300:304] = vectors[100]
    builder = store(tmp_path, [350, 250], vectors)
    built(builder)
    for k in (60, 100, 600):  # each hit has ten candidates
        for queries in (QUERIES[:1], QUERIES, vectors[100:101]):
            asked = Asked(builder, queries, k)
            assert asked.is_approximate and asked.is_exact and asked.is_true()


def test_a_key_in_two_segments_is_found_once(tmp_path: Path) -> None:
    vectors = clustered(600)
    builder = store(tmp_path, [400, 200], vectors)
    builder.add_segment([key(number) for number in range(350, 450)], clustered(100, seed=8))
    show(builder, range(600))
    built(builder)
    for k in (10, 80):
        asked = Asked(builder, vectors[380:420], k)
        assert asked.is_approximate and asked.is_true()
    assert asked.is_exact


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1, 0.01])
def test_every_snapshot_is_answered_by_its_own_rows(tmp_path: Path, share: float) -> None:
    builder = store(tmp_path, [2500, 1500])
    built(builder)
    chosen = np.random.default_rng(3).permutation(4000)[: int(4000 * share)].tolist()
    name = show(builder, chosen)
    show(builder, range(4000))
    asked = Asked(builder, QUERIES, at=name)
    assert asked.is_approximate and asked.is_true()
    assert asked.recall > 0.93
    lists = parameters_of(parts(builder, RECALL)[0])
    assert lists["reached"] >= 970_000
    few = Asked(builder, QUERIES, k=30, at=show(builder, chosen[:30]))  # all of them
    assert few.is_exact


def test_merged_parts_give_the_candidates_of_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    builder = store(tmp_path, [301, 299, 305, 295])
    with monkeypatch.context() as patched:
        patched.setattr(covering_module, "PART", 1)
        patched.setattr(covering_module, "merge_of", lambda rows, most: None)
        built(builder)
    assert len(parts(builder, LISTS)) == 4
    before = [candidates(builder, probes, 20) for probes in (1, 8, 64)]
    assert built(builder).merged == 4
    assert len(parts(builder, LISTS)) == 1
    for one, other in zip(before, [candidates(builder, probes, 20) for probes in (1, 8, 64)], strict=True):
        assert [set(row) for row in one.tolist()] == [set(row) for row in other.tolist()]


def test_segments_that_were_merged_keep_their_codes(tmp_path: Path) -> None:
    vectors = clustered(1200)
    builder = store(tmp_path, [700, 500], vectors)
    built(builder)
    before = candidates(builder, 8, 20)
    builder.list_segments([])
    builder.add_segment([key(number) for number in range(1200)], vectors)
    show(builder, range(1200))
    assert not Asked(builder, QUERIES).is_approximate
    assert built(builder).encoded == 0
    assert [set(row) for row in before.tolist()] == [set(row) for row in candidates(builder, 8, 20).tolist()]
    assert len(parts(builder, LISTS)) == 1


def test_recall_after_more_rows_is_that_of_a_measure_from_scratch(tmp_path: Path) -> None:
    builder = store(tmp_path, [900])
    built(builder)
    grow(builder, [400, 200], clustered(600, seed=4))
    built(builder)
    (path,) = parts(builder, RECALL)
    kept, payload = parameters_of(path), payload_of(path)
    repo = again(builder)
    segments = [repo.segment(ref) for ref in repo.state.segments(builder.space)]
    rows = np.concatenate([segment.rows() for segment in segments]).astype(np.float32)
    keys = [one for segment in segments for one in segment.key_list()]
    q, a = kept["queries"], kept["answers"]
    held = [payload[16 * at : 16 * at + 16] for at in range(q)]
    scores = np.frombuffer(payload, "<f4", q * a, len(payload) - 4 * q * a).reshape(q, a)
    vectors = np.frombuffer(payload, "<f4", q * DIM, 16 * q).reshape(q, DIM)
    for at in range(0, q, 9):
        every = vectors[at] @ rows.T
        every[keys.index(held[at])] = -np.inf
        assert np.allclose(scores[at], -np.sort(-every)[:a], atol=1e-6)
    assert set(kept["segments"]) == {segment.ref.name for segment in segments}


def test_rows_that_no_list_has_are_compared_exactly(tmp_path: Path) -> None:
    builder = store(tmp_path, [900])
    built(builder)
    new = clustered(300, seed=4)
    grow(builder, [300], new)
    asked = Asked(builder, new[:20])
    assert asked.is_approximate and asked.is_true()
    assert [rows[0] for rows in asked.hits.rows.tolist()] == list(range(900, 920))
    assert asked.recall > 0.9
    repo = again(builder)
    assert keep_up(repo, builder.space) is None  # they are few


def test_codes_are_of_the_nearest_list() -> None:
    centroids = rotated(clustered(20, seed=1))
    coder, rows = Coder(centroids), rotated(clustered(300))
    lists = coder.assign(rows)
    assert np.array_equal(lists, (rows @ centroids.T).argmax(axis=1))
    near, scores = coder.nearest_lists(rows, 20)
    assert np.array_equal(near[:, 0], lists)
    assert np.allclose(scores, np.take_along_axis(rows @ centroids.T, near, 1), atol=1e-6)
    few, _ = coder.nearest_lists(rows[:3], 20)
    assert np.array_equal(few, near[:3])
    assert len(coder.sample) == 2 * (DIM // 8)
