from __future__ import annotations

import os
import threading
from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vstore.disk.cache import write_cache
from vstore.disk.footer import BLOCK
from vstore.disk.segment_writer import rounded, write_segment
from vstore.disk.segments import Segment
from vstore.errors import Damage
from vstore.format.hashing import store_hash
from vstore.search import views as views
from vstore.search.bitmaps import bitmaps_of, cached_bitmaps
from vstore.search.index import Index

HASH = store_hash("xxh3_128")
DIM = 8


def key(number: int) -> bytes:
    return HASH.digest(str(number).encode())


def unit(count: int, seed: int = 0) -> Any:
    rows = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def segment(tmp_path: Path) -> Callable[..., Segment]:
    (tmp_path / "segments").mkdir()

    def make(keys: list[bytes], vectors: Any, dtype: str = "float16") -> Segment:
        folder = tmp_path / "segments"
        ref = write_segment(folder, "00" * 32, keys, [rounded(vectors, dtype)], dtype=dtype, time=0, lock="ingest")
        return Segment(folder, ref)

    return make


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


def reference(segments: list[Segment], wanted: set[bytes], query: Any, k: int) -> list[tuple[bytes, float]]:
    """Keys and scores of the k best, by plain numpy: first row of a key wins, equal scores by key."""
    scores: dict[bytes, float] = {}
    for part in segments:
        for found, row in zip(part.key_list(), part.rows().astype(np.float32), strict=True):
            if found in wanted and found not in scores:
                scores[found] = float(np.clip(row @ query, -1, 1))
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:k]


def answer(index: Index, query: Any, k: int) -> list[tuple[bytes, float]]:
    hits = index.top_k(query[None], k)
    return [
        (index.key(int(row)), float(score)) for score, row in zip(hits.scores[0], hits.rows[0], strict=True) if row >= 0
    ]


def corrupt(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("k", [1, 7, 1000])
def test_answers_are_those_of_a_plain_scan(segment: Any, cache: Path, dtype: str, k: int) -> None:
    vectors = unit(300)
    parts = [
        segment([key(n) for n in range(100)], vectors[0:100], dtype),
        segment([key(n) for n in range(50, 200)], -vectors[50:200], dtype),  # fifty keys stand twice, with other rows
        segment([key(n) for n in range(200, 213)], vectors[200:213], dtype),
    ]
    wanted = {key(n) for n in range(0, 260, 3)}
    index = Index(parts, bitmaps_of(parts, wanted), cache)
    for query in unit(5, seed=1):
        expected = reference(parts, wanted, query, k)
        found = answer(index, query, k)
        assert [hit for hit, _ in found] == [hit for hit, _ in expected]
        np.testing.assert_allclose([s for _, s in found], [s for _, s in expected], atol=1e-6)


def test_several_queries_are_answered_as_each_alone(segment: Any, cache: Path) -> None:
    parts = [segment([key(n) for n in range(40)], unit(40)), segment([key(n) for n in range(40, 60)], unit(20, 5))]
    index = Index(parts, bitmaps_of(parts, map(key, range(60))), cache)
    queries = unit(30, seed=2)
    together = index.top_k(queries, 4)
    for query, rows in zip(queries, together.rows, strict=True):
        assert list(rows) == list(index.top_k(query[None], 4).rows[0])


def test_fewer_rows_than_asked_for_are_padded(segment: Any, cache: Path) -> None:
    parts = [segment([key(0), key(1)], unit(2))]
    hits = Index(parts, bitmaps_of(parts, [key(1)]), cache).top_k(unit(1), 3)
    assert list(hits.rows[0]) == [1, -1, -1]
    assert hits.scores.dtype == np.float32 and hits.rows.dtype == np.int64


def test_an_index_without_rows_has_no_hit(segment: Any, cache: Path) -> None:
    assert list(Index([], [], cache).top_k(unit(1), 2).rows[0]) == [-1, -1]
    parts = [segment([key(0)], unit(1))]
    assert list(Index(parts, bitmaps_of(parts, []), cache).top_k(unit(1), 2).rows[0]) == [-1, -1]


@pytest.mark.parametrize("k", [1, 3, 10])
def test_equal_scores_come_in_the_order_of_their_keys_whatever_the_segments(segment: Any, cache: Path, k: int) -> None:
    same = np.repeat(unit(1), 100, axis=0)
    keys = [key(n) for n in range(100)]
    one = [segment(keys, same)]
    other = [segment(keys[60:], same[60:]), segment(keys[:60], same[:60])]
    for parts in (one, other):
        found = answer(Index(parts, bitmaps_of(parts, keys), cache), unit(1)[0], k)
        assert [hit for hit, _ in found] == sorted(keys)[:k]


def test_scores_are_cosines_within_their_bounds(segment: Any, cache: Path) -> None:
    rows = unit(2000, seed=9)
    parts = [segment([key(n) for n in range(2000)], rows)]
    index = Index(parts, bitmaps_of(parts, map(key, range(2000))), cache)
    scores = np.array([[s for _, s in answer(index, sign * row, 2000)] for row in rows[:50] for sign in (1, -1)])
    assert scores.max() == 1 and scores.min() == -1


def test_a_key_is_found_where_it_begins_a_row_and_the_first_row_wins(segment: Any, cache: Path) -> None:
    split = key(1)[8:] + key(2)[:8]  # stands across two keys of the column
    parts = [segment([key(1), key(2)], unit(2)), segment([key(3), split, key(1)], unit(3, 4))]
    index = Index(parts, bitmaps_of(parts, [key(1), split]), cache)
    assert [index.find(k) for k in (key(1), key(2), key(3), split, key(9))] == [0, 1, 2, 3, None]
    assert [index.is_marked(row) for row in range(5)] == [True, False, False, True, False]
    np.testing.assert_array_equal(index.vector(3), parts[1].rows()[1].astype(np.float32))


def kept(cache: Path, parts: list[Segment], content: str = "ab" * 16) -> tuple[list[bytes], int]:
    """The bitmaps of keys 0 to 9, and how often the keys themselves were asked for."""
    asked = []

    def keys() -> Any:
        asked.append(1)
        return map(key, range(10))

    count = len({key(n) for n in range(10)} & {k for part in parts for k in part.key_list()})
    return cached_bitmaps(cache, HASH, content, parts, keys=keys, count=count), len(asked)


@pytest.mark.parametrize(
    "forged", [bytes([0b11111, 0, 0b11110000]), bytes([0b1111, 0, 0b10000]), bytes([0b1111, 0, 0])]
)
def test_bitmaps_that_mark_other_rows_than_there_are_keys_are_computed_again(
    segment: Any, cache: Path, forged: bytes
) -> None:
    parts = [segment([key(n) for n in range(5, 25)], unit(20))]
    kept(cache, parts)
    (file,) = cache.iterdir()
    write_cache(cache, file.name, forged)
    assert kept(cache, parts) == ([bytes([0b11111, 0, 0])], 1)


def test_bitmaps_are_computed_once_and_kept(segment: Any, cache: Path) -> None:
    parts = [segment([key(n) for n in range(5, 25)], unit(20)), segment([key(1)], unit(1))]
    expected = [bytes([0b11111, 0, 0]), b"\1"]
    assert kept(cache, parts) == (expected, 1)
    assert kept(cache, parts) == (expected, 0)


def test_bitmaps_belong_to_one_snapshot_and_one_order_of_segments(segment: Any, cache: Path) -> None:
    parts = [segment([key(n) for n in range(20)], unit(20)), segment([key(n) for n in range(20)], unit(20))]
    first, _ = kept(cache, parts)
    assert kept(cache, parts[::-1]) == (first, 1)
    assert kept(cache, parts[:1]) == (first[:1], 1)
    assert kept(cache, parts, "cd" * 16)[1] == 1
    assert first[1] == bytes(3)


@pytest.mark.parametrize("harm", ["bit", "cut", "empty", "gone", "other"])
def test_harmed_bitmaps_are_computed_again(segment: Any, cache: Path, harm: str) -> None:
    parts = [segment([key(n) for n in range(5, 25)], unit(20))]
    expected, _ = kept(cache, parts)
    (file,) = cache.iterdir()
    data = file.read_bytes()
    if harm == "bit":
        corrupt(file, len(data) - 1)
    elif harm == "cut":
        file.write_bytes(data[:-1])
    elif harm == "empty":
        file.write_bytes(b"")
    elif harm == "gone":
        file.unlink()
    else:  # a sound file under another file's name
        kept(cache, parts, "cd" * 16)
        next(path for path in cache.iterdir() if path != file).rename(file)
    assert kept(cache, parts) == (expected, 1)
    assert kept(cache, parts) == (expected, 0)


def test_a_cache_folder_that_was_deleted_is_made_again(segment: Any, cache: Path) -> None:
    parts = [segment([key(1)], unit(1))]
    cache.rmdir()
    assert kept(cache, parts) == ([b"\1"], 1)
    assert kept(cache, parts) == ([b"\1"], 0)


def test_where_no_cache_can_be_written_bitmaps_are_computed_each_time(segment: Any, cache: Path) -> None:
    parts = [segment([key(1)], unit(1))]
    cache.rmdir()
    cache.write_bytes(b"a file where the folder should be")
    assert kept(cache, parts) == ([b"\1"], 1)
    assert kept(cache, parts) == ([b"\1"], 1)


@pytest.mark.parametrize("where", ["header", "first row", "last row"])
def test_damage_is_named_before_any_answer(segment: Any, cache: Path, where: str) -> None:
    good = segment([key(n) for n in range(10)], unit(10))
    bad = segment([key(n) for n in range(10, 20)], unit(10))
    footer = bad.footer
    corrupt(bad.path, {"header": 5, "first row": footer.header, "last row": footer.keys_at - 1}[where])
    parts = [good, bad]
    index = Index(
        parts, bitmaps_of(parts, [key(1)]), cache
    )  # no row of the damaged one is marked: it stops all the same
    for ask in (lambda: index.top_k(unit(1), 1), lambda: index.vector(0), index.wait):
        with pytest.raises(Damage, match=bad.ref.name):
            ask()


def test_a_segment_that_vanishes_before_it_was_read_is_a_missing_file(segment: Any, cache: Path) -> None:
    parts = [segment([key(1)], unit(1))]
    parts[0].path.unlink()
    with pytest.raises(FileNotFoundError, match=parts[0].ref.name):
        Index(parts, bitmaps_of(parts, [key(1)]), cache).wait()


def test_a_segment_is_read_once_per_process(segment: Any, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [segment([key(1)], unit(1)), segment([key(2)], unit(1))]
    read = count_checks(monkeypatch)
    for _ in range(3):
        Index(parts, bitmaps_of(parts, [key(1)]), cache).top_k(unit(1), 1)
    assert len(read) == 2


def count_checks(monkeypatch: pytest.MonkeyPatch) -> list[Segment]:
    read: list[Segment] = []
    bad_blocks = Segment.bad_blocks

    def counted(segment: Segment, kept: array[int] | None = None) -> Iterator[tuple[int, int]]:
        read.append(segment)
        return bad_blocks(segment, kept)

    monkeypatch.setattr(Segment, "bad_blocks", counted)
    return read


def test_threads_that_map_a_segment_at_once_get_one_view(
    segment: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = segment([key(n) for n in range(10)], unit(10))
    both, mapped = threading.Barrier(2), views._mapped

    def together(*words: Any) -> Any:
        found = mapped(*words)
        both.wait(30)
        return found

    monkeypatch.setattr(views, "_mapped", together)
    index = Index([part], bitmaps_of([part], [key(1)]), cache, ahead=False)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: index._views.of(part), range(2))
    assert one is other is index._views.of(part)


def test_the_check_of_large_segments_is_remembered_until_they_are_touched(
    segment: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "REMEMBERED_FROM", 1)
    parts = [segment([key(n) for n in range(10)], unit(10)), segment([key(20)], unit(1))]
    read = count_checks(monkeypatch)

    def again() -> list[tuple[bytes, float]]:
        fresh = [Segment(part.path.parent, part.ref) for part in parts]  # as another process would open them
        return answer(Index(fresh, bitmaps_of(fresh, [key(1), key(20)]), cache), unit(1)[0], 5)

    first = again()
    assert len(read) == 2
    assert again() == first
    assert len(read) == 2
    os.utime(parts[0].path)
    assert again() == first
    assert len(read) == 3
    corrupt(parts[0].path, parts[0].footer.header)
    with pytest.raises(Damage, match=parts[0].ref.name):
        again()
    (remembered,) = cache.glob("checked")
    remembered.write_bytes(b"not what was written")
    with pytest.raises(Damage, match=parts[0].ref.name):
        again()


def test_a_segment_that_changed_after_its_check_is_not_remembered_as_checked(
    segment: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "REMEMBERED_FROM", 1)
    parts = [segment([key(1), key(2)], unit(2))]
    bits = bitmaps_of(parts, [key(1)])
    Index(parts, bits, cache).wait()
    (cache / "checked").unlink()
    with parts[0].path.open("r+b") as file:  # in place: the view that this process has sees it too
        file.seek(parts[0].footer.header)
        file.write(b"rotten")
    Index(parts, bits, cache).wait()
    fresh = [Segment(parts[0].path.parent, parts[0].ref)]
    with pytest.raises(Damage, match=parts[0].ref.name):
        Index(fresh, bits, cache).wait()


def test_rows_beyond_one_checksum_block_are_found(segment: Any, cache: Path) -> None:
    count = BLOCK + 100
    vectors = unit(count)
    parts = [segment([key(n) for n in range(count)], vectors)]
    index = Index(parts, bitmaps_of(parts, [key(count - 1), key(3)]), cache)
    assert answer(index, vectors[-1], 1)[0][0] == key(count - 1)


def test_a_folder_that_is_not_utf8_can_be_searched(tmp_path: Path, cache: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    folder.mkdir()
    ref = write_segment(
        folder, "00" * 32, [key(1)], [rounded(unit(1), "float16")], dtype="float16", time=0, lock="ingest"
    )
    parts = [Segment(folder, ref)]
    assert answer(Index(parts, bitmaps_of(parts, [key(1)]), cache), unit(1)[0], 1)[0][0] == key(1)
