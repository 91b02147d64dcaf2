"""The rows of an index on a device of torch, here its CPU: answers are those of a scan by faiss, bit for bit."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.builder import Builder, key, unit_vectors
from support.folders import World
from support.shell import Shell

from vstore.disk.segments import Segment
from vstore.embed.model_words import Settings
from vstore.errors import Damage, ModelError
from vstore.search import on_device
from vstore.search.bitmaps import bitmaps_of
from vstore.search.index import Hits, Index
from vstore.search.many import nearest_of_many
from vstore.search.on_device import OnDevice, place
from vstore.store import Store

NO_MEMORY = "CUDA out of memory. Tried to allocate 15.00 GiB"


class Rows:
    """Rows in segments of a new store, all of them marked."""

    def __init__(self, folder: Path, rows: Any, parts: int = 3, dtype: str = "float16") -> None:
        recipe = {"family": "fake", "name": "fake-1", "dim": rows.shape[1], "prepare": {"max_side": 512}}
        builder = Builder(folder / ".vstore", recipe=recipe, dtype=dtype)
        self.count = len(rows)
        edges = np.linspace(0, len(rows), parts + 1).astype(int).tolist()
        for begin, end in pairwise(edges):
            if begin < end:
                builder.add_segment([key(number) for number in range(begin, end)], rows[begin:end])
        self.cache = builder.repo.layout.cache
        self.segments = [
            Segment(builder.repo.layout.segments, ref) for ref in builder.repo.state.segments(builder.space)
        ]
        self.here = self.index()
        self.there = self.index()
        self.there.wait()
        self.device = OnDevice(torch, "cpu")
        self.device.take(self.there)
        self.there.device = self.device

    def index(self) -> Index:
        index = Index(self.segments, self.bitmaps(list(range(self.count))), self.cache)
        index.wait()
        return index

    def bitmaps(self, marked: list[int]) -> list[bytes]:
        return bitmaps_of(self.segments, {key(number) for number in marked})


def assert_same(here: Index, there: Index, queries: Any, k: int) -> None:
    for at in range(len(queries)):
        one, other = (index.top_k(queries[at : at + 1], k) for index in (here, there))
        same(one, other)
    ours, theirs = (nearest_of_many(index, queries, k) for index in (here, there))
    same(ours, theirs)


def same(one: Hits, other: Hits) -> None:
    assert one.rows.tolist() == other.rows.tolist()
    assert one.scores.tobytes() == other.scores.tobytes()


class Case:
    """Rows, many of them equal or nearly so, of which some are marked; and queries, many of which are rows."""

    def __init__(self, seed: int, dim: int) -> None:
        random = np.random.default_rng(seed)
        some = unit_vectors(int(random.integers(1, 30)), dim, seed)
        rows = some[random.integers(0, len(some), int(random.integers(1, 120)))].copy()
        nearly = random.random(len(rows)) < 0.3
        rows[nearly] += 1e-4 * random.standard_normal((int(nearly.sum()), dim)).astype(np.float32)
        self.rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        self.queries = np.concatenate([self.rows[:5], unit_vectors(5, dim, seed + 1)]).astype(np.float32)
        self.parts = int(random.integers(1, 4))
        self.shares = [0.05, 0.4, 0.9]
        self.random = random


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.integers(0, 10**6),
    st.sampled_from([1, 8, 33]),
    st.sampled_from([1, 3, 10, 500]),
    st.sampled_from([7, 64, 1 << 16]),
    st.sampled_from([3, 1024]),
    st.sampled_from([0, 4]),
    st.sampled_from([0, 5, 4096]),
)
def test_each_query_finds_what_a_scan_finds(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    dim: int,
    k: int,
    block: int,
    at_once: int,
    more: int,
    crowd: int,
) -> None:
    case = Case(seed, dim)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"_BLOCK": block, "_QUERIES": at_once, "_MORE": more, "CROWD": crowd}.items():
            patch.setattr(on_device, name, value)
        rows = Rows(tmp_path_factory.mktemp("device"), case.rows, case.parts)
        assert_same(rows.here, rows.there, case.queries, k)
        for share in case.shares:
            marked = [number for number in range(rows.count) if case.random.random() < share] or [0]
            here, there = (index.narrowed(rows.bitmaps(marked)) for index in (rows.here, rows.there))
            assert_same(here, there, case.queries, k)
        assert not rows.there.notes()


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_wide_rows_are_scored_as_a_scan_does(tmp_path: Path, dtype: str) -> None:
    rows = unit_vectors(2000, 768)
    rows[1000:1500] = rows[:500]
    store = Rows(tmp_path, rows, 3, dtype)
    for queries in (unit_vectors(15, 768, seed=5), rows[:15]):
        assert_same(store.here, store.there, queries, 10)


def test_of_more_equal_rows_than_are_looked_at_the_keys_decide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_device, "CROWD", 20)
    rows = np.repeat(unit_vectors(1), 300, axis=0)
    store = Rows(tmp_path, rows, 2)
    assert store.device.near(store.there, rows[:2], 5) == [None, None]
    assert_same(store.here, store.there, rows[:3], 5)


def test_wide_rows_are_scored_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a model with 3,584 numbers a block would take 940 MB."""
    monkeypatch.setattr(on_device, "_BLOCK_BYTES", 4 * 64 * 70)
    rows = unit_vectors(200, 64)
    store = Rows(tmp_path, rows, 1)
    (block,) = placed(store.device)
    assert [(begin, len(some)) for begin, some in block.blocks] == [(0, 70), (70, 70), (140, 60)]
    assert_same(store.here, store.there, rows[:3], 10)


def test_rows_that_a_snapshot_lacks_are_never_near(tmp_path: Path) -> None:
    rows = unit_vectors(300)
    store = Rows(tmp_path, rows)
    few, most = store.bitmaps(list(range(0, 300, 10))), store.bitmaps([n for n in range(300) if n % 10])
    for bitmaps in (few, most):
        part = store.there.narrowed(bitmaps)
        for near in store.device.near(part, rows[:40], 1000) or ():
            assert near is not None and len(near) == part.count
            assert all(part.is_marked(row) for row in near.tolist())


def test_a_program_that_lets_torch_round_gets_the_same_answers(tmp_path: Path) -> None:
    rows = unit_vectors(500, 64)
    store = Rows(tmp_path, rows)
    torch.set_float32_matmul_precision("medium")
    try:
        assert_same(store.here, store.there, rows[:5], 10)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


def test_torch_multiplies_in_full_meanwhile() -> None:
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    try:
        with on_device._in_full(torch):
            assert torch.backends.cuda.matmul.fp32_precision == "ieee"
            assert torch.backends.mkldnn.matmul.fp32_precision == "ieee"
        assert torch.backends.cuda.matmul.fp32_precision == "tf32"
    finally:
        torch.backends.cuda.matmul.fp32_precision = "none"


def placed(device: OnDevice) -> set[Any]:
    return {one.of for chosen in device._chosen.values() for one in chosen or ()}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize("precision", ["highest", "medium"])
def test_on_a_gpu_answers_are_those_of_a_scan(tmp_path: Path, precision: str) -> None:
    rows = unit_vectors(20_000, 768)
    rows[10_000:15_000] = rows[:5_000]
    store = Rows(tmp_path, rows)
    device = OnDevice(torch, "cuda")
    device.take(store.there)
    store.there.device = device
    torch.set_float32_matmul_precision(precision)
    try:
        assert_same(store.here, store.there, np.concatenate([rows[:50], unit_vectors(50, 768, 7)]), 10)
        for step in (2, 50):
            marked = store.bitmaps(list(range(0, len(rows), step)))
            assert_same(store.here.narrowed(marked), store.there.narrowed(marked), rows[:20], 10)
    finally:
        torch.set_float32_matmul_precision("highest")
    assert not store.there.notes()


def test_rows_are_brought_to_a_device_once_for_all_indexes(tmp_path: Path) -> None:
    store = Rows(tmp_path, unit_vectors(100))
    other, index = OnDevice(torch, "cpu"), store.index()
    other.take(index)
    assert placed(other) == placed(store.device) and len(placed(other)) == 3


def test_rows_leave_a_device_with_the_last_index(tmp_path: Path) -> None:
    import gc

    others = [*on_device._placed.values()]  # of other tests, which stay so
    store = Rows(tmp_path, unit_vectors(100))
    assert len(on_device._placed) == len(others) + 3
    del store
    gc.collect()
    assert len(on_device._placed) == len(others)


# What goes wrong


def harm(store: Rows, row: int, data: bytes) -> None:
    segment = store.segments[0]
    with segment.path.open("r+b") as file:
        file.seek(segment.footer.header + row * segment.footer.width)
        file.write(data)


def test_a_row_that_rots_later_is_in_no_answer(tmp_path: Path) -> None:
    rows = unit_vectors(50)
    store = Rows(tmp_path, rows, 1)
    store.there.hold()
    harm(store, 7, rows[7].astype("<f2")[::-1].tobytes())
    with pytest.raises(Damage, match="do not match their checksums"):
        store.there.top_k(rows[7:8], 50)


def test_a_row_that_is_no_vector_is_damage_as_in_a_scan(tmp_path: Path) -> None:
    rows = unit_vectors(50)
    store = Rows(tmp_path, rows, 1)
    store.there.hold()
    harm(store, 7, (rows[7] * 3).astype("<f2").tobytes())
    device = OnDevice(torch, "cpu")  # torch has not read the rows yet: the others are let go of
    store.device._chosen.clear()
    store.there.device = device
    with pytest.raises(Damage, match="no vectors of norm 1"):
        store.there.top_k(rows[7:8], 3)


def test_a_row_that_becomes_no_number_hides_no_other(tmp_path: Path) -> None:
    rows = unit_vectors(50)
    store = Rows(tmp_path, rows, 1)
    store.here.hold()
    store.here.top_k(rows[:5], 3)  # the block is sound so far
    store.device._chosen.clear()
    harm(store, 7, np.full(8, np.nan, "<f2").tobytes())
    same(store.here.top_k(rows[3:4], 5), store.there.top_k(rows[3:4], 5))
    assert not store.there.notes()


class Full:
    """A torch whose device has too little memory, after so many calls."""

    def __init__(self, calls: int, error: Exception) -> None:
        self._calls, self._error = calls, error

    def __getattr__(self, name: str) -> Any:
        if name in ("from_numpy", "empty"):
            self._calls -= 1
            if self._calls < 0:
                raise self._error
        return getattr(torch, name)


@pytest.mark.parametrize("calls", [0, 2, 3, 5])
def test_a_device_without_memory_leaves_the_rows_to_the_cpu_and_says_so_once(tmp_path: Path, calls: int) -> None:
    rows = unit_vectors(100)
    store = Rows(tmp_path, rows)
    store.device._chosen.clear()
    device = OnDevice(Full(calls, torch.OutOfMemoryError(NO_MEMORY)), "cpu")
    device.take(store.there)
    store.there.device = device
    assert_same(store.here, store.there, rows[:3], 10)
    (note,) = store.there.notes()
    assert note.startswith("cpu has too little free memory for the vectors: the CPU looks through them;")
    assert not store.there.notes()
    assert not device._chosen


def test_a_device_that_fails_is_named_with_its_reason(tmp_path: Path) -> None:
    rows = unit_vectors(100)
    store = Rows(tmp_path, rows)
    store.there.device = OnDevice(Full(0, RuntimeError("CUDA error: unspecified\nlaunch failure")), "cpu")
    store.device._chosen.clear()
    assert_same(store.here, store.there, rows[:3], 10)
    (note,) = store.there.notes()
    assert note.startswith("cpu failed (CUDA error: unspecified launch failure): the CPU looks through them;")


def test_a_child_of_a_fork_scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No GPU works there."""
    rows = unit_vectors(100)
    store = Rows(tmp_path, rows)
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert store.device.near(store.there, rows[:1], 3) is None
    assert_same(store.here, store.there, rows[:3], 10)


# The words of a person


def test_a_device_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_device, "LEAST", 0)
    store = Rows(tmp_path, unit_vectors(10))
    with pytest.raises(ModelError, match="this machine has no device 'cuda:77'"):
        place(store.here, Settings("cuda:77"))


@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_without_a_named_device_nothing_is_placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    monkeypatch.setattr(on_device, "LEAST", 0)
    store = Rows(tmp_path, unit_vectors(10))
    place(store.here, Settings(device))
    assert store.here.device is None


def test_few_rows_stay(tmp_path: Path) -> None:
    """The device is not even looked for: torch takes longer to load than these searches take."""
    store = Rows(tmp_path, unit_vectors(10))
    place(store.here, Settings("cuda:77"))
    assert store.here.device is None


def test_rows_from_a_size_on_are_placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_device, "_STAY", ("auto",))
    store = Rows(tmp_path, unit_vectors(10))
    monkeypatch.setattr(on_device, "LEAST", 10 * 8 * 2 + 1)
    place(store.here, Settings("cpu"))
    assert store.here.device is None
    monkeypatch.setattr(on_device, "LEAST", 10 * 8 * 2)
    place(store.here, Settings("cpu"))
    assert store.here.device is not None


@pytest.fixture
def placing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the CPU be a device that is named, for any number of rows."""
    monkeypatch.setattr(on_device, "_STAY", ("auto",))
    monkeypatch.setattr(on_device, "LEAST", 0)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path / "world")
    world.put({f"{number}.png": number for number in range(30)})
    world.sync()
    return world


@pytest.mark.usefixtures("placing")
def test_a_view_on_a_device_answers_as_one_without(world: World) -> None:
    with world.store.view() as here, world.store.view(device="cpu") as there:
        assert there._now.rows.device is not None
        for words in ({}, {"under": "pictures"}, {"where": "width > 0"}, {"min_score": 0.3}):
            one, other = (view.search(world.pictures / "3.png", **words) for view in (here, there))
            assert one == other and one.hits
        queries = [[world.pictures / f"{number}.png"] for number in range(5)]
        assert here.search_many(queries, 4) == there.search_many(queries, 4)


@pytest.mark.usefixtures("placing")
def test_a_view_says_once_that_its_device_is_full(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with world.store.view() as here, world.store.view(device="cpu") as there:
        monkeypatch.setattr(there._now.rows.device, "_torch", Full(0, torch.OutOfMemoryError(NO_MEMORY)))
        expected = here.search(world.pictures / "3.png")
        first, second = (there.search(world.pictures / "3.png") for _ in range(2))
        assert second == expected and first.hits == expected.hits
        (note,) = first.notes
        assert "too little free memory" in note


@pytest.mark.usefixtures("placing")
def test_of_many_queries_the_first_report_says_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with world.store.view(device="cpu") as there:
        monkeypatch.setattr(there._now.rows.device, "_torch", Full(0, torch.OutOfMemoryError(NO_MEMORY)))
        first, second = there.search_many([[world.pictures / "3.png"], [world.pictures / "4.png"]])
        assert len(first.notes) == 1 and not second.notes


@pytest.mark.usefixtures("placing")
def test_a_store_that_keeps_its_model_keeps_the_rows_on_the_device(world: World) -> None:
    others = [*on_device._placed.values()]  # of other tests, which stay so
    with Store(world.store.folder, keep_model=True) as store:
        reports = [store.search(world.pictures / "3.png", device="cpu")]
        (known,) = [one for one in on_device._placed.values() if one not in others]
        reports.append(store.search(world.pictures / "3.png", device="cpu"))
        assert [one for one in on_device._placed.values() if one not in others] == [known]
    assert reports == [world.store.search(world.pictures / "3.png")] * 2


@pytest.mark.usefixtures("placing")
def test_one_search_brings_no_rows_to_a_device(world: World) -> None:
    """It is answered before they are there."""
    others = [*on_device._placed.values()]  # of other tests, which stay so
    world.store.search(world.pictures / "3.png", device="cpu")
    assert len(on_device._placed) == len(others)


@pytest.mark.usefixtures("placing")
def test_a_store_whose_device_is_full_says_so_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(world.store.folder, keep_model=True) as store:
        store.search(world.pictures / "3.png", device="cpu")
        assert store._placed is not None
        monkeypatch.setattr(store._placed.device, "_torch", Full(0, torch.OutOfMemoryError(NO_MEMORY)))
        first, second = (store.search(world.pictures / "4.png", device="cpu") for _ in range(2))
        assert len(first.notes) == 1 and not second.notes


@pytest.mark.usefixtures("placing")
def test_a_view_on_a_device_that_is_not_there_is_refused(world: World) -> None:
    with pytest.raises(ModelError, match="this machine has no device 'cuda:77'"):
        world.store.view(device="cuda:77")


@pytest.mark.usefixtures("placing")
def test_rows_on_a_device_are_all_compared_though_there_is_an_index(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vstore.approximate.build import Wanted, build
    from vstore.progress import Stages
    from vstore.search import nearest

    repo = world.repo
    build(repo, repo.snapshot("current").space, Wanted(exact=0), stages=Stages(None))
    monkeypatch.setattr(nearest, "exact_up_to", lambda approximate: 0)
    with world.store.view() as here, world.store.view(device="cpu") as there:
        assert here.search(world.pictures / "3.png").approximate
        assert not there.search(world.pictures / "3.png").approximate
        monkeypatch.setattr(there._now.rows.device, "_torch", Full(0, torch.OutOfMemoryError(NO_MEMORY)))
        assert not there.search(world.pictures / "3.png").approximate
        assert there.search(world.pictures / "3.png").approximate


@pytest.mark.usefixtures("placing")
def test_a_page_on_a_device_that_is_not_there_is_refused_at_once(
    vstore: Shell, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vstore_page.server import Serving

    monkeypatch.setattr(Serving, "run", lambda *args, **words: pytest.fail("it was served"))
    said = vstore.bad(13, "--store", str(world.folder), "serve", "--no-open", "--port", "0", "--device", "cuda:77")
    assert "this machine has no device 'cuda:77'" in said


@pytest.mark.usefixtures("placing")
def test_what_else_is_wrong_with_a_snapshot_the_page_says(world: World) -> None:
    from vstore_cli.commands.serve import _open_on_device
    from vstore_page.page import Page

    for segment in (world.folder / "segments").iterdir():
        segment.write_bytes(b"")
    with Store(world.folder) as store, Page(store, device="cuda:77") as page:
        with pytest.raises(Damage):
            page.view()
        _open_on_device(page)
