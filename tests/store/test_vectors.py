"""The vectors of a snapshot as arrays: the store's own rows, whatever its segments, types and names are."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from support.builder import Builder, Floats, unit_vectors
from support.folders import World

from vstore.disk.cache import read_cache, write_cache
from vstore.disk.segment_writer import rounded
from vstore.errors import Damage, SnapshotNotFound, StoreClosed, UsageError
from vstore.format import small_files
from vstore.store import Store


def key(builder: Builder, number: int) -> bytes:
    return builder.repo.hash.digest(b"%d" % number)


def names_of(builder: Builder, *numbers: int) -> dict[bytes, bytes]:
    return {b"p/%02d" % n: key(builder, n) for n in numbers}


@pytest.fixture(params=["float16 xxh3_128", "float32 sha256", "float16 sha256"])
def builder(tmp_path: Path, request: pytest.FixtureRequest) -> Builder:
    """Thirty keys in three segments, ten of which stand twice with other rows; ten are named, two of them twice."""
    dtype, hash = request.param.split()
    builder = Builder(tmp_path / ".vstore", dtype=dtype, hash=hash)
    for begin, end in ((0, 15), (5, 25), (25, 30)):
        builder.add_segment([key(builder, n) for n in range(begin, end)], unit_vectors(end - begin, seed=begin))
    builder.add_snapshot(names_of(builder, *range(0, 30, 3)) | {b"p/copy": key(builder, 3), b"p/\xff": key(builder, 6)})
    return builder


@pytest.fixture
def plain(tmp_path: Path) -> Builder:
    """One segment of five pictures, all of them named."""
    builder = Builder(tmp_path / ".vstore")
    builder.add_segment([key(builder, n) for n in range(5)], unit_vectors(5))
    builder.add_snapshot(names_of(builder, *range(5)))
    return builder


def store_of(builder: Builder) -> Store:
    return Store(builder.repo.layout.folder)


def stored(builder: Builder) -> dict[bytes, Floats]:
    """Keys, and the row that wins, by plain reading."""
    found: dict[bytes, Floats] = {}
    for ref in builder.repo.state.segments(builder.space):
        segment = builder.repo.segment(ref)
        for name, row in zip(segment.key_list(), segment.rows(), strict=True):
            found.setdefault(name, np.array(row))
    return found


def flip(builder: Builder, number: int, at: int) -> Path:
    """Change a byte of a segment."""
    path = builder.repo.layout.segments / builder.repo.state.segments(builder.space)[number].name
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    return path


def is_mapped(rows: Any) -> bool:
    while isinstance(rows, np.ndarray):
        rows = rows.base
    return rows is not None


def test_vectors_are_the_rows_of_the_store(builder: Builder) -> None:
    wanted = stored(builder)
    with store_of(builder) as store:
        keys, paths, rows = store.vectors()
    assert sorted(keys) == sorted(key(builder, n) for n in range(0, 30, 3))
    assert keys == tuple(name for name in wanted if name in keys)  # as they stand in the segments
    assert repr(rows.dtype) == f"dtype('{builder.repo.dtype}')"
    np.testing.assert_array_equal(rows, [wanted[name] for name in keys])
    named = dict(zip(keys, paths, strict=True))
    assert named[key(builder, 3)] == ("p/03", "p/copy")
    assert named[key(builder, 6)] == ("p/06", b"p/\xff")
    assert named[key(builder, 27)] == ("p/27",)
    assert not rows.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        rows[0, 0] = 1


def test_rows_that_are_one_run_of_one_segment_are_mapped(plain: Builder) -> None:
    with store_of(plain) as store:
        rows = store.vectors().rows
        assert is_mapped(rows) and not rows.flags.writeable
        assert not rows.flags.aligned  # as the page says
        assert repr(rows.dtype) == "dtype('float16')"
        plain.add_snapshot(names_of(plain, 1, 2, 3))
        assert is_mapped(store.vectors().rows)
        assert store.vectors().keys == tuple(key(plain, n) for n in (1, 2, 3))
        plain.add_snapshot(names_of(plain, 0, 2))
        assert not is_mapped(store.vectors().rows)
        assert store.vectors("v1").keys == tuple(key(plain, n) for n in range(5))


def test_a_mapped_array_outlives_its_store_and_its_segment(plain: Builder) -> None:
    wanted = stored(plain)
    with store_of(plain) as store:
        keys, _, rows = store.vectors()
    for path in plain.repo.layout.segments.iterdir():
        path.unlink()
    np.testing.assert_array_equal(rows, [wanted[name] for name in keys])


@pytest.mark.parametrize("size", [1, 3, 10, 1000])
def test_batches_are_the_vectors_in_the_same_order(builder: Builder, size: int) -> None:
    with store_of(builder) as store:
        keys, paths, rows = store.vectors()
        batches = list(store.batches(size=size))
    assert [len(batch.keys) for batch in batches[:-1]] == [size] * (len(batches) - 1)
    assert tuple(name for batch in batches for name in batch.keys) == keys
    assert tuple(name for batch in batches for name in batch.paths) == paths
    np.testing.assert_array_equal(np.concatenate([batch.rows for batch in batches]), rows)
    assert all(batch.rows.flags.aligned and batch.rows.flags.writeable for batch in batches)


def test_batches_hold_what_was_asked_for_whatever_is_removed_meanwhile(builder: Builder) -> None:
    wanted = stored(builder)
    with store_of(builder) as store:
        batches = store.batches(size=4)
        first = next(batches)
        builder.add_snapshot(names_of(builder, 1))
        for path in builder.repo.layout.segments.iterdir():
            path.unlink()
        rest = list(batches)
    for batch in (first, *rest):
        np.testing.assert_array_equal(batch.rows, [wanted[name] for name in batch.keys])
    assert sum(len(batch.keys) for batch in (first, *rest)) == 10


def test_vectors_are_those_of_the_newest_state_after_gc(builder: Builder) -> None:
    with store_of(builder) as store, store_of(builder) as other:
        before = store.vectors()
        other.gc(drop_unnamed=True)
        after = store.vectors()
    assert dict(zip(after.keys, after.rows.tolist(), strict=True)) == dict(
        zip(before.keys, before.rows.tolist(), strict=True)
    )


def test_vectors_of_merged_segments_are_those_from_before(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_files, "TOO_MANY", 4)
    monkeypatch.setattr(small_files, "TOO_MANY_PARTED", 4)
    found: list[dict[bytes, list[float]]] = []
    counts: list[int] = []
    for number in range(1, 9):
        world.put({f"{number}.png": number})
        world.sync()
        with Store(world.folder) as store:
            keys, paths, rows = store.vectors()
            assert sorted(paths) == [(f"pictures/{n}.png",) for n in range(1, number + 1)]
            np.testing.assert_array_equal(np.concatenate([batch.rows for batch in store.batches(size=3)]), rows)
            np.testing.assert_array_equal(store.index().index.reconstruct_n(0, number), rows.astype(np.float32))
        found.append(dict(zip(keys, rows.tolist(), strict=True)))
        counts.append(len(world.repo.state.segments(world.repo.snapshot("current").space)))
    assert all(before.items() <= after.items() for before, after in pairwise(found))
    assert any(before > after for before, after in pairwise(counts)), "segments were merged"


def test_an_index_gives_places_in_its_keys(builder: Builder) -> None:
    wanted = stored(builder)
    with store_of(builder) as store:
        keys, paths, index = store.index()
        assert (keys, paths) == store.vectors()[:2]
    kind = faiss.IndexFlatIP if builder.repo.dtype == "float32" else faiss.IndexScalarQuantizer
    assert isinstance(index, kind) and index.ntotal == len(keys) == 10
    rows = np.array([wanted[name] for name in keys], np.float32)
    np.testing.assert_array_equal(index.reconstruct_n(0, 10), rows)
    scores, ids = index.search(rows, 1)
    assert ids[:, 0].tolist() == list(range(10))
    np.testing.assert_allclose(scores[:, 0], 1, atol=2e-3)
    index.add(unit_vectors(3, seed=9))  # it is the caller's own
    assert index.ntotal == 13
    index.reset()


def test_an_index_survives_a_file(builder: Builder, tmp_path: Path) -> None:
    with store_of(builder) as store:
        _, _, index = store.index()
    faiss.write_index(index, str(tmp_path / "own.faiss"))
    again = faiss.read_index(str(tmp_path / "own.faiss"))
    np.testing.assert_array_equal(again.reconstruct_n(0, 10), index.reconstruct_n(0, 10))


def test_an_empty_snapshot_has_no_rows(builder: Builder) -> None:
    builder.add_snapshot({})
    with store_of(builder) as store:
        keys, paths, rows = store.vectors()
        assert (keys, paths, rows.shape, rows.dtype) == ((), (), (0, 8), builder.repo.dtype)
        assert list(store.batches()) == []
        found = store.index()
        assert found.keys == () and (found.index.ntotal, found.index.d) == (0, 8)


def test_a_store_without_a_snapshot_has_none(tmp_path: Path) -> None:
    builder = Builder(tmp_path / ".vstore")
    with store_of(builder) as store:
        for method in (store.vectors, store.batches, store.index):
            with pytest.raises(SnapshotNotFound):
                method()


@pytest.mark.parametrize("number", range(3))
def test_a_damaged_segment_gives_no_row(builder: Builder, number: int) -> None:
    path = flip(builder, number, 100)
    with store_of(builder) as store:
        for method in (store.vectors, store.index, lambda: list(store.batches(size=1))):
            with pytest.raises(Damage, match=path.name):
                method()


def test_batches_before_the_damage_are_given(builder: Builder) -> None:
    path = flip(builder, 2, 100)
    with store_of(builder) as store:
        batches = store.batches(size=2)
        assert [len(next(batches).keys) for _ in range(4)] == [2] * 4
        with pytest.raises(Damage, match=path.name):
            next(batches)


@pytest.mark.parametrize("odd", [0.0, 2.0, np.nan])
def test_a_row_that_is_no_vector_is_given_to_nobody(tmp_path: Path, odd: float) -> None:
    builder = Builder(tmp_path / ".vstore")
    rows = unit_vectors(5)
    rows[3] = odd
    builder.add_segment([key(builder, n) for n in range(5)], rows)
    builder.add_snapshot(names_of(builder, *range(5)))
    with store_of(builder) as store:
        for method in (store.vectors, store.index, lambda: list(store.batches())):
            with pytest.raises(Damage, match="norm 1"):
                method()


def test_a_picture_without_a_vector_is_damage(plain: Builder) -> None:
    plain.add_snapshot(names_of(plain, 0, 77))
    with store_of(plain) as store:
        for method in (store.vectors, store.index, lambda: list(store.batches())):
            with pytest.raises(Damage, match="1 picture of v2 without a vector"):
                method()


def test_a_cache_that_marks_other_pictures_gives_no_wrong_path(plain: Builder) -> None:
    cache = plain.repo.layout.cache

    def bitmaps(name: str) -> str:
        begin = f"rows-{plain.repo.snapshot(name).id[:32]}"
        (found,) = [path.name for path in cache.iterdir() if path.name.startswith(begin)]
        return found

    with store_of(plain) as store:
        for numbers in ((0, 1), (2, 3)):
            plain.add_snapshot(names_of(plain, *numbers))
            store.vectors()
        body = read_cache(cache, bitmaps("v2"), 100)
        assert body is not None
        write_cache(cache, bitmaps("v3"), body)
        for method in (store.vectors, store.index, lambda: list(store.batches())):
            with pytest.raises(Damage, match="other pictures"):
                method()


def test_a_size_that_is_none_is_refused_at_once(plain: Builder) -> None:
    with store_of(plain) as store:
        for size in (0, -1):
            with pytest.raises(UsageError, match="size of a batch"):
                store.batches(size=size)
        with pytest.raises(SnapshotNotFound):
            store.batches("v9")


def test_a_foreign_store_is_read_and_not_written(
    plain: Builder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = plain.repo.layout.folder
    before = sorted(str(path) for path in folder.rglob("*"))
    monkeypatch.setattr("vstore.disk.owner.os.geteuid", lambda: 12345)
    with Store(folder, cache=tmp_path / "caches") as store:
        assert len(store.vectors().keys) == 5
        assert len(list(store.batches(size=2))) == 3
        assert store.index().index.ntotal == 5
    assert sorted(str(path) for path in folder.rglob("*")) == before


def test_a_closed_store_gives_none(plain: Builder) -> None:
    store = store_of(plain)
    store.close()
    for method in (store.vectors, store.batches, store.index):
        with pytest.raises(StoreClosed):
            method()


def test_threads_get_the_same_beside_a_store_that_changes(builder: Builder) -> None:
    wanted = stored(builder)
    errors: list[BaseException] = []
    done = threading.Event()
    with store_of(builder) as store:

        def read() -> None:
            try:
                while not done.is_set():
                    for keys, _, rows in (store.vectors(), *store.batches(size=3)):
                        np.testing.assert_array_equal(rows, [wanted[name] for name in keys])
            except BaseException as err:
                errors.append(err)

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        with store_of(builder) as other:
            for number in range(3):
                builder.repo.reload()  # gc published since
                builder.add_snapshot(names_of(builder, 3 * number, 27 - 3 * number))
                other.gc(drop_unnamed=True)
        done.set()
        for thread in threads:
            thread.join()
    assert not errors


def test_many_blocks_of_rows_are_given_whole(tmp_path: Path) -> None:
    builder = Builder(tmp_path / ".vstore")
    rows = unit_vectors(9000)
    for begin, end in ((0, 5000), (5000, 9000)):
        builder.add_segment([key(builder, n) for n in range(begin, end)], rows[begin:end])
    builder.add_snapshot({b"p/%05d" % n: key(builder, n) for n in range(9000) if n % 1000})
    kept = [n for n in range(9000) if n % 1000]
    wanted = rounded(rows, "float16")[kept]
    with store_of(builder) as store:
        keys, paths, found = store.vectors()
        assert keys == tuple(key(builder, n) for n in kept)
        assert paths == tuple((f"p/{n:05d}",) for n in kept)
        np.testing.assert_array_equal(found, wanted)
        np.testing.assert_array_equal(np.concatenate([batch.rows for batch in store.batches(size=700)]), wanted)
        np.testing.assert_array_equal(store.index().index.reconstruct_n(0, len(kept)), wanted.astype(np.float32))


def test_nothing_but_numpy_is_needed_for_arrays(plain: Builder) -> None:
    code = (
        "import sys; sys.modules['faiss'] = None\n"
        "from vstore import MissingPackage, Store\n"
        "with Store(sys.argv[1]) as store:\n"
        "    assert len(store.vectors().keys) == 5 and len(list(store.batches(size=2))) == 3\n"
        "    try:\n        store.index()\n"
        "    except MissingPackage as err:\n        print(err.next_step)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, os.fspath(plain.repo.layout.folder)], capture_output=True, text=True, check=True
    )
    assert "vstore-index[cpu]" in told.stdout
