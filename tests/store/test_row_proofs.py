"""Rows that are given out are checked, although their segment is believed by its stat, or was read by this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.rotten import rot

from vstore.disk.believed import believed
from vstore.disk.footer import BLOCK
from vstore.disk.read_times import read_times
from vstore.disk.row_sums import open_row_sums, row_sums_name
from vstore.disk.segment_writer import rounded, write_segment
from vstore.disk.segments import Segment
from vstore.errors import Damage
from vstore.format.hashing import checksum, store_hash
from vstore.search import row_proofs, views
from vstore.search.bitmaps import bitmaps_of
from vstore.search.index import Index

HASH = store_hash("xxh3_128")
DIM = 8
COUNT = BLOCK + 100
KEYS = [HASH.digest(b"%d" % number) for number in range(COUNT)]
VECTORS = np.random.default_rng(3).standard_normal((COUNT, DIM)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "REMEMBERED_FROM", 1)


@pytest.fixture
def segment(tmp_path: Path) -> Callable[..., Segment]:
    folder = tmp_path / "segments"
    folder.mkdir()

    def make(first: int = 0, end: int = COUNT, dtype: str = "float16") -> Segment:
        rows = [rounded(VECTORS[first:end], dtype)]
        ref = write_segment(folder, "00" * 32, KEYS[first:end], rows, dtype=dtype, time=0, lock="ingest")
        return Segment(folder, ref)

    return make


def in_another_process(segment: Segment) -> Segment:
    return Segment(segment.path.parent, segment.ref)


def index_of(parts: list[Segment], cache: Path) -> Index:
    return Index(parts, bitmaps_of(parts, KEYS), cache)


def nearest(parts: list[Segment], cache: Path, row: int, k: int = 1) -> list[int]:
    """The rows nearest to the vector of a row."""
    return [int(at) for at in index_of(parts, cache).top_k(VECTORS[row][None], k).rows[0]]


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("row", [0, 7, BLOCK - 1, BLOCK, COUNT - 1])
def test_a_row_that_rotted_after_the_remembered_check_is_never_scored(
    segment: Any, cache: Path, large: None, dtype: str, row: int
) -> None:
    one = segment(dtype=dtype)
    assert nearest([one], cache, row) == [row]
    rot(one, row, cache)
    with pytest.raises(Damage, match=one.ref.name) as caught:
        nearest([in_another_process(one)], cache, row)
    assert caught.value.exit_code == 4
    assert "vstore check --read-data" in caught.value.next_step


def test_rot_in_other_rows_changes_no_answer(segment: Any, cache: Path, large: None) -> None:
    one = segment()
    before = nearest([one], cache, 7, k=5)
    other = next(row for row in range(BLOCK) if row not in before)
    rot(one, other, cache)
    assert nearest([in_another_process(one)], cache, 7, k=5) == before


def test_a_row_that_rot_makes_the_nearest_is_never_a_hit(segment: Any, cache: Path, large: None) -> None:
    one = segment()
    nearest([one], cache, 7)
    first = next(row for row in range(COUNT) if KEYS[row] < KEYS[7])  # of equal scores the smaller key comes first
    rot(one, first, cache, like=7)
    with pytest.raises(Damage, match=one.ref.name):
        nearest([in_another_process(one)], cache, 7)


def test_the_vector_of_a_picture_of_the_query_is_checked(segment: Any, cache: Path, large: None) -> None:
    one = segment()
    np.testing.assert_array_equal(index_of([one], cache).vector(9), VECTORS[9].astype(np.float16).astype(np.float32))
    rot(one, 9, cache)
    with pytest.raises(Damage, match=one.ref.name):
        index_of([in_another_process(one)], cache).vector(9)


def test_every_row_of_a_long_answer_is_checked(segment: Any, cache: Path, large: None) -> None:
    parts = [segment(0, 50), segment(50, 60), segment(60, COUNT)]
    k = COUNT // 2
    found = nearest(parts, cache, 70, k=k)
    hit, hidden = max(row for row in found if row >= 60), next(row for row in range(60, COUNT) if row not in found)
    rot(parts[2], hidden - 60, cache)
    assert nearest([in_another_process(part) for part in parts], cache, 70, k=k) == found
    rot(parts[2], hit - 60, cache)
    with pytest.raises(Damage, match=parts[2].ref.name):
        nearest([in_another_process(part) for part in parts], cache, 70, k=k)


def test_a_segment_with_a_false_row_is_believed_no_more(segment: Any, cache: Path, large: None) -> None:
    one, other = segment(0, 100), segment(100, 200)
    nearest([one, other], cache, 0)
    rot(one, 5, cache)
    here = [in_another_process(one), in_another_process(other)]
    assert nearest(here, cache, 150) == [150]
    with pytest.raises(Damage, match=one.ref.name):
        nearest(here, cache, 5)
    assert set(believed(cache)) == set(read_times(cache)) == {other.ref.name}
    for parts in (here, [in_another_process(one), in_another_process(other)]):
        with pytest.raises(Damage, match=one.ref.name):
            nearest(parts, cache, 150)  # it holds a row that may be nearer than all others


def test_so_is_one_with_a_row_that_is_no_vector(segment: Any, cache: Path, large: None) -> None:
    one = segment(0, 100)
    nearest([one], cache, 0)
    rot(one, 5, cache, byte=1, bits=0x40)  # a number of it is some 2^16 times as large
    sign = 1 if VECTORS[5, 0] > 0 else -1
    query = np.eye(1, DIM, dtype=np.float32) * sign
    with pytest.raises(Damage, match="no vectors of norm 1"):
        index_of([in_another_process(one)], cache).top_k(query, 1)
    assert not believed(cache)


def test_rows_of_a_segment_that_this_process_has_read_are_checked(segment: Any, cache: Path) -> None:
    one = segment()
    assert nearest([one], cache, 7) == [7]
    assert nearest([one], cache, 7) == [7]  # its block is read once more, and the sums of its rows are kept
    assert not list(cache.iterdir())
    rot(one, 8, cache)
    assert nearest([one], cache, 7) == [7]
    rot(one, BLOCK + 3, cache)
    with pytest.raises(Damage, match=f"rows {BLOCK} to {COUNT - 1} "):
        nearest([one], cache, BLOCK + 50)  # no row of its block was asked for: the whole block is read
    with pytest.raises(Damage, match="rows 0 to "):
        nearest([one], cache, 7)  # the segment is read whole again


def spoil(one: Segment, other: Segment, cache: Path, harm: str) -> None:
    file = cache / row_sums_name(one.ref.name)
    data = file.read_bytes()
    if harm == "gone":
        file.unlink()
    elif harm == "short":
        file.write_bytes(data[:-8])
    elif harm == "empty":
        file.write_bytes(b"")
    elif harm == "another segment's":
        file.write_bytes((cache / row_sums_name(other.ref.name)).read_bytes())
    elif harm == "another segment's, with a right checksum":
        content = (cache / row_sums_name(other.ref.name)).read_bytes()[8:]
        file.write_bytes(checksum(file.name.encode(), content) + content)


HARMS = ["gone", "short", "empty", "another segment's", "another segment's, with a right checksum"]


@pytest.mark.parametrize("harm", HARMS)
def test_without_row_sums_a_segment_is_read_whole_again(segment: Any, cache: Path, large: None, harm: str) -> None:
    one, other = segment(0, 100), segment(100, 200)
    nearest([one, other], cache, 3)
    file = cache / row_sums_name(one.ref.name)
    whole = file.read_bytes()
    spoil(one, other, cache, harm)
    assert nearest([in_another_process(one)], cache, 3) == [3]
    assert file.read_bytes() == whole
    spoil(one, other, cache, harm)
    rot(one, 50, cache)
    with pytest.raises(Damage, match=one.ref.name):
        nearest([in_another_process(one)], cache, 3)


@pytest.mark.parametrize("harm", HARMS)
def test_row_sums_that_go_meanwhile_are_made_up_for_by_the_block(
    segment: Any, cache: Path, large: None, harm: str
) -> None:
    one, other = segment(), segment(100, 200)
    nearest([one, other], cache, 3)
    index = index_of([in_another_process(one)], cache)
    index.wait()
    spoil(one, other, cache, harm)
    assert int(index.top_k(VECTORS[3][None], 1).rows[0, 0]) == 3
    rot(one, BLOCK + 1, cache)
    with pytest.raises(Damage, match=f"rows {BLOCK} to "):
        index.top_k(VECTORS[BLOCK + 50][None], 1)


def test_false_row_sums_are_no_damage_and_are_made_again(segment: Any, cache: Path, large: None) -> None:
    one = segment()
    nearest([one], cache, 7)
    file = cache / row_sums_name(one.ref.name)
    whole = file.read_bytes()
    content = whole[8:16] + bytes(len(whole) - 16)
    file.write_bytes(checksum(file.name.encode(), content) + content)
    assert nearest([in_another_process(one)], cache, 7) == [7]
    assert not file.exists()
    assert nearest([in_another_process(one)], cache, 7) == [7]
    assert file.read_bytes() == whole


def test_row_sums_bear_the_sum_of_each_row(segment: Any, cache: Path, large: None) -> None:
    one = segment()
    nearest([one], cache, 7)
    data = (cache / row_sums_name(one.ref.name)).read_bytes()
    rows = np.asarray(one.rows())
    assert data[:8] == checksum(row_sums_name(one.ref.name).encode(), data[8:])
    assert data[8:16].hex() == one.ref.check
    assert data[16:] == b"".join(checksum(row.tobytes()) for row in rows)


def test_spaces_that_are_searched_in_turn_do_not_forget_each_other(segment: Any, cache: Path, large: None) -> None:
    one, other = segment(0, 100), segment(100, 200)
    for part, row in ((one, 3), (other, 0)):
        nearest([part], cache, row)
    assert set(believed(cache)) == {one.ref.name, other.ref.name}
    (cache / row_sums_name(one.ref.name)).unlink()  # gc removed it with its segment
    nearest([segment(200, 300)], cache, 0)
    assert one.ref.name not in believed(cache)


def test_where_nothing_can_be_written_no_row_sums_are_computed(
    segment: Any, cache: Path, large: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = segment()
    cache.rmdir()
    cache.write_bytes(b"a file where the folder should be")
    monkeypatch.setattr(Segment, "verified_row_sums", None)
    assert nearest([one], cache, 7) == [7]


def test_what_was_read_whole_a_moment_ago_is_not_read_once_more(
    segment: Any, cache: Path, large: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = segment()
    monkeypatch.setattr(views.RowProofs, "prove", None)
    assert nearest([one], cache, 7) == [7]


def test_checksums_that_are_asked_for_often_are_read_once(
    segment: Any, cache: Path, large: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = segment()
    nearest([one], cache, 7)
    opened = []

    def counted(*args: Any) -> Any:
        opened.append(args)
        return open_row_sums(*args)

    monkeypatch.setattr(row_proofs, "open_row_sums", counted)
    index = index_of([in_another_process(one)], cache)
    for row in range(30):
        assert index.top_k(VECTORS[row][None], 1).rows[0] == [row]
    assert len(opened) == 9
    rot(one, 40, cache)
    with pytest.raises(Damage, match=one.ref.name):
        index.top_k(VECTORS[40][None], 1)
