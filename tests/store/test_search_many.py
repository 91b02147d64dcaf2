"""Many queries at once: each finds the pictures that a search of its own finds, and rows are proved as there."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from support.builder import Builder, key, unit_vectors
from support.folders import World

from vstore.disk.segments import Segment
from vstore.errors import Damage, UsageError
from vstore.search import many
from vstore.search.bitmaps import bitmaps_of
from vstore.search.hit import Hit
from vstore.search.index import Hits, Index
from vstore.search.many import nearest_of_many
from vstore.search.operand import Operand
from vstore.store import Store


def index_of(folder: Path, rows: Any, marked: list[int], parts: int, dtype: str) -> Index:
    """Write rows into segments of a new store. marked: the numbers of the keys that a snapshot names."""
    folder.mkdir(parents=True, exist_ok=True)
    recipe = {"family": "fake", "name": "fake-1", "dim": rows.shape[1], "prepare": {"max_side": 512}}
    builder = Builder(folder / ".vstore", recipe=recipe, dtype=dtype)
    keys = [key(number) for number in range(len(rows))]
    edges = np.linspace(0, len(rows), parts + 1).astype(int).tolist()
    for begin, end in pairwise(edges):
        if begin < end:
            builder.add_segment(keys[begin:end], rows[begin:end])
    layout = builder.repo.layout
    segments = [Segment(layout.segments, ref) for ref in builder.repo.state.segments(builder.space)]
    return Index(segments, bitmaps_of(segments, {key(number) for number in marked}), layout.cache)


def one_by_one(index: Index, queries: Any, k: int) -> Hits:
    found = [index.top_k(queries[at : at + 1], min(k, index.count)) for at in range(len(queries))]
    return Hits(np.concatenate([one.scores for one in found]), np.concatenate([one.rows for one in found]))


def assert_same(index: Index, queries: Any, k: int) -> None:
    ours, theirs = nearest_of_many(index, queries, k), one_by_one(index, queries, k)
    assert ours.rows.tolist() == theirs.rows.tolist()
    assert np.allclose(ours.scores, theirs.scores, rtol=0, atol=1e-6)


class Case:
    """Rows, many of them equal or nearly so, and queries, many of which are rows."""

    def __init__(self, seed: int, dim: int) -> None:
        random = np.random.default_rng(seed)
        some = unit_vectors(int(random.integers(1, 30)), dim, seed)
        rows = some[random.integers(0, len(some), int(random.integers(1, 120)))].copy()
        nearly = random.random(len(rows)) < 0.3
        rows[nearly] += 1e-4 * random.standard_normal((int(nearly.sum()), dim)).astype(np.float32)
        self.rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        self.marked = [n for n in range(len(rows)) if random.random() < 0.8] or [0]
        queries = np.concatenate([self.rows[:9], unit_vectors(8, dim, seed + 1), some[:5]])
        self.queries = queries.astype(np.float32)
        self.parts = int(random.integers(1, 4))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.integers(0, 10**6),
    st.sampled_from([1, 8, 33]),
    st.sampled_from([1, 3, 10, 500]),
    st.sampled_from([1, 7, 64, 4096]),
    st.sampled_from([3, 1024]),
    st.sampled_from([0, 5, 4096]),
    st.sampled_from(["float16", "float32"]),
)
def test_each_query_finds_what_it_finds_alone(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    dim: int,
    k: int,
    block: int,
    at_once: int,
    crowd: int,
    dtype: str,
) -> None:
    case = Case(seed, dim)
    index = index_of(tmp_path_factory.mktemp("many"), case.rows, case.marked, case.parts, dtype)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(many, "_BLOCK", block)
        patch.setattr(many, "_QUERIES", at_once)
        patch.setattr(many, "CROWD", crowd)
        assert_same(index, case.queries, k)


def test_wide_rows_are_scored_as_a_search_does(tmp_path: Path) -> None:
    rows = unit_vectors(2000, 768)
    rows[1000:1500] = rows[:500]
    index = index_of(tmp_path, rows, list(range(2000)), 3, "float16")
    assert_same(index, unit_vectors(40, 768, seed=5), 10)
    assert_same(index, rows[:40], 10)


def test_of_more_equal_rows_than_are_looked_at_the_keys_decide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "CROWD", 20)
    rows = np.repeat(unit_vectors(1), 300, axis=0)
    index = index_of(tmp_path, rows, list(range(300)), 2, "float16")
    assert_same(index, rows[:3], 5)


def test_rows_about_as_near_as_the_last_one_are_kept_up_to_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a store of equal pictures would need memory for each of them and each query."""
    monkeypatch.setattr(many, "CROWD", 20)
    near = many._Near(2, 5, 64)
    near.offer(np.stack([np.zeros(300), np.linspace(0, 1, 300)]).astype(np.float32), np.arange(300))
    crowded, alone = near.of_each()
    assert crowded is None and alone is not None and sorted(alone.tolist()) == [295, 296, 297, 298, 299]


def harm(index: Index, row: int, data: bytes) -> None:
    (segment,) = index._segments
    with segment.path.open("r+b") as file:
        file.seek(segment.footer.header + row * segment.footer.width)
        file.write(data)


def test_a_row_that_rots_later_is_in_no_answer(tmp_path: Path) -> None:
    rows = unit_vectors(50)
    index = index_of(tmp_path, rows, list(range(50)), 1, "float16")
    index.hold()
    assert_same(index, rows[:2], 3)
    harm(index, 7, rows[7].astype("<f2")[::-1].tobytes())
    with pytest.raises(Damage, match="do not match their checksums"):
        nearest_of_many(index, rows, 50)


def test_a_row_that_becomes_too_long_is_damage(tmp_path: Path) -> None:
    rows = unit_vectors(50)
    index = index_of(tmp_path, rows, list(range(50)), 1, "float16")
    index.hold()
    harm(index, 7, (rows[7] * 3).astype("<f2").tobytes())
    with pytest.raises(Damage, match="no vectors of norm 1"):
        nearest_of_many(index, rows[7:8], 3)


def test_a_row_that_becomes_no_number_is_in_no_answer(tmp_path: Path) -> None:
    rows = unit_vectors(50)
    index = index_of(tmp_path, rows, list(range(50)), 1, "float16")
    index.hold()
    assert_same(index, rows[:5], 3)
    harm(index, 7, np.full(8, np.nan, "<f2").tobytes())
    assert 7 not in nearest_of_many(index, rows[:5], 3).rows


def test_it_leaves_the_threads_of_faiss_to_the_program(tmp_path: Path) -> None:
    import faiss

    rows = unit_vectors(50)
    index = index_of(tmp_path, rows, list(range(50)), 1, "float16")
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(before + 3)
    try:
        index.top_k(rows[:1], 3)
        nearest_of_many(index, rows, 3)
        assert faiss.omp_get_max_threads() == before + 3
    finally:
        faiss.omp_set_num_threads(before)


# Through a view


@pytest.fixture
def world(world: World) -> World:
    world.put({f"{number}.png": number for number in range(30)})
    world.put({"again.png": 3})
    world.sync()
    (world.top / "query.png").write_bytes((world.pictures / "5.png").read_bytes() + b"unknown")
    return world


def test_reports_are_those_of_single_searches(world: World) -> None:
    operands = [
        [Operand(1.0, image=bytes(world.pictures / "3.png"))],
        [Operand(1.0, image=bytes(world.top / "query.png"))],
        [Operand(1.0, image=b"pictures/4.png"), Operand(-0.5, image=b"pictures/6.png")],
        [Operand(1.0, key=bytes.fromhex(world.key(9)))],
        [Operand(1.0, image=b"pictures/7.png", typed=True)],
    ]
    with world.store.view() as view:
        for k in (1, 10, 100):
            found = view.search_many(operands, k)
            for query, report in zip(operands, found, strict=True):
                single = view.search(query, k=k)
                assert [hit.key for hit in report.hits] == [hit.key for hit in single.hits]
                assert (report.snapshot, report.flat_query) == (single.snapshot, single.flat_query)
                assert report.notes == single.notes
                for one, other in zip(report.hits, single.hits, strict=True):
                    assert one._replace(score=0) == other._replace(score=0)
                    assert abs(one.score - other.score) <= 1e-6


@pytest.mark.parametrize(
    "narrow",
    [{"under": "pictures/3.png"}, {"where": "name like '1%'"}, {"min_score": 0.3}, {"new_since": "v1"}, {"k": 2}],
)
def test_many_are_narrowed_as_one_is(world: World, narrow: dict[str, Any]) -> None:
    world.put({"late.png": 99})
    world.sync()
    rows = unit_vectors(7, seed=4)
    with world.store.view() as view:
        every = [view.search(row, k=40) for row in rows]
        for queries in (rows, list(rows)):
            found = view.search_many(queries, **{"k": 40, **narrow})
            assert [[hit.paths for hit in report] for report in found] == [
                [hit.paths for hit in view.search(row, **{"k": 40, **narrow})] for row in rows
            ]
            assert sum(map(len, found)) < sum(map(len, every))
        with pytest.raises(UsageError, match="no such column: nothing"):
            view.search_many(rows, where="nothing = 1")
        assert [list(report) for report in view.search_many(rows, where="name = 'x'")] == [[]] * len(rows)


def test_an_array_of_vectors_is_searched_for_row_by_row(world: World) -> None:
    rows = unit_vectors(12, seed=3)
    with world.store.view() as view:
        expected = [[hit.key for hit in view.search(Operand(1.0, vector=row)).hits] for row in rows]
        tiny, huge = rows.astype(np.float64) * 1e-300, rows.astype(np.float64) * 1e300
        others = (tiny, huge, np.ma.masked_array(rows), memoryview(np.ascontiguousarray(rows)))
        for queries in (*others, rows, rows.astype(np.float64) * 7, np.asfortranarray(rows), list(rows), rows.tolist()):
            assert [[hit.key for hit in report.hits] for report in view.search_many(queries)] == expected
        assert view.search_many(rows[:0]) == view.search_many([]) == []


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        (unit_vectors(3, 5), "an array of 3 x 5 float32"),
        (unit_vectors(1)[0], "an array of 8 float32"),
        (unit_vectors(1).astype(str), "give one of n x 8 floats"),
        (np.zeros((2, 8)), "query 0 is no vector"),
        (np.array([[1.0] * 8, [np.nan] * 8]), "query 1 is no vector"),
        ("a cat", "give a list of queries"),
        (Operand(1.0, text="a cat"), "give a list of queries"),
        ({"a cat": 1}, "give a list of queries"),
        (Image.new("RGB", (9, 9)), "give a list of queries"),
        (Hit(b"0" * 16, 1.0, (), ()), "give a list of queries"),
        (None, "None is no list of queries"),
        (7, "7 is no list of queries"),
    ],
)
def test_wrong_queries_are_refused(world: World, queries: Any, message: str) -> None:
    with world.store.view() as view, pytest.raises(UsageError, match=message):
        view.search_many(queries)
    with world.store.view() as view, pytest.raises(UsageError, match="-k must be at least 1"):
        view.search_many(unit_vectors(1), k=0)


def test_pictures_of_one_colour_are_marked(tmp_path: Path, world: World) -> None:
    from support.folders import plain

    world.put({"white.png": plain((255, 255, 255))})
    world.sync()
    with Store(world.folder, load_embedder=world.load) as store, store.view() as view:
        (report,) = view.search_many([Operand(1.0, image=b"pictures/white.png")], 40)
        single = store.search(Operand(1.0, image=b"pictures/white.png"), k=40)
        assert [hit._replace(score=0) for hit in report.hits] == [hit._replace(score=0) for hit in single.hits]
        assert report.flat_query
        assert [hit.flat for hit in report.hits] == [True] + [False] * 30
