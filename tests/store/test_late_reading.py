"""Segments that are not read whole: single rows and keys are proved where they are used, and nothing else is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.rotten import rot

from vstore.disk.footer import BLOCK
from vstore.disk.row_sums import write_row_sums
from vstore.disk.segment_writer import rounded, write_segment
from vstore.disk.segments import Segment
from vstore.errors import Damage
from vstore.format.hashing import store_hash
from vstore.search.bitmaps import bitmaps_of
from vstore.search.index import Index

HASH = store_hash("xxh3_128")
COUNT = BLOCK + 100
KEYS = [HASH.digest(b"%d" % number) for number in range(2 * COUNT)]
VECTORS = np.random.default_rng(3).standard_normal((2 * COUNT, 8)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


@pytest.fixture
def parts(tmp_path: Path) -> list[Segment]:
    folder = tmp_path / "segments"
    folder.mkdir()

    def make(first: int) -> Segment:
        rows = [rounded(VECTORS[first : first + COUNT], "float16")]
        keys = KEYS[first : first + COUNT]
        return Segment(
            folder,
            write_segment(folder, "00" * 32, keys, rows, dtype="float16", time=0, lock="ingest"),
            late_keys=True,
        )

    return [make(0), make(COUNT)]


def late(parts: list[Segment], cache: Path) -> Index:
    bitmaps = bitmaps_of([Segment(part.path.parent, part.ref) for part in parts], KEYS)
    return Index(parts, bitmaps, cache, ahead=False)


def refuse(*args: Any) -> Any:
    raise AssertionError("a segment is read whole")


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets no segment be read whole."""
    for name in ("verify", "verified_row_sums", "bad_blocks"):
        monkeypatch.setattr(Segment, name, refuse)


def test_single_rows_need_no_whole_reading(parts: list[Segment], cache: Path, whole: None) -> None:
    index = late(parts, cache)
    for row in (0, BLOCK, COUNT - 1, COUNT, 2 * COUNT - 1):
        assert np.array_equal(index.vector(row), rounded(VECTORS[row : row + 1], "float16")[0].astype(np.float32))
        assert index.key(row) == KEYS[row]
    rows = np.array([5, COUNT + 7])
    assert np.allclose(index.scores(VECTORS[5:6], rows), VECTORS[rows] @ VECTORS[5], atol=1e-3)
    index.prove(rows)


@pytest.mark.parametrize("has_sums", [False, True])
def test_a_rotten_row_is_never_given_out(parts: list[Segment], cache: Path, has_sums: bool) -> None:
    if has_sums:
        assert all(write_row_sums(cache, part.ref, part.verified_row_sums()) for part in parts)
    rot(parts[1], 7, cache)
    index = late(parts, cache)
    assert index.vector(7) is not None
    for ask in (lambda: index.vector(COUNT + 7), lambda: index.prove(np.array([3, COUNT + 7]))):
        with pytest.raises(Damage, match=parts[1].ref.name):
            ask()
    if has_sums:
        assert index.vector(COUNT + 8) is not None, "a sound row of the same block is proved by its own sum"


def test_an_exact_search_reads_all_first(parts: list[Segment], cache: Path) -> None:
    rot(parts[1], 7, cache)
    index = late(parts, cache)
    assert index.vector(3) is not None
    with pytest.raises(Damage, match=parts[1].ref.name):
        index.top_k(VECTORS[3:4], 1)


def test_a_bad_header_never_reaches_faiss(parts: list[Segment], cache: Path) -> None:
    data = bytearray(parts[0].path.read_bytes())
    data[5] ^= 1
    parts[0].path.write_bytes(data)
    with pytest.raises(Damage, match="its header"):
        late(parts, cache).vector(0)


def test_what_is_held_answers_without_its_files(parts: list[Segment], cache: Path) -> None:
    index = late(parts, cache)
    index.hold()
    for part in parts:
        part.path.unlink()
    assert [index.key(row) for row in (0, COUNT)] == [KEYS[0], KEYS[COUNT]]
    assert index.find(KEYS[COUNT + 5]) == COUNT + 5
    assert index.vector(COUNT + 5) is not None
    assert index.top_k(VECTORS[9:10], 1).rows.tolist() == [[9]]


def test_rot_in_what_is_held_is_found_by_an_exact_search(parts: list[Segment], cache: Path) -> None:
    index = late(parts, cache)
    index.hold()
    with parts[1].path.open("r+b") as file:
        file.seek(parts[1].footer.header + 7 * parts[1].footer.width)
        file.write(b"\0\0")
    parts[1].path.unlink()
    with pytest.raises(Damage, match=parts[1].ref.name):
        index.top_k(VECTORS[9:10], 1)


@pytest.mark.parametrize("ask", [lambda part: part.keys, lambda part: part.key(0), lambda part: part.row_of(KEYS[0])])
def test_late_keys_are_checked_before_any_is_given_out(parts: list[Segment], ask: Callable[[Segment], Any]) -> None:
    data = bytearray(parts[0].path.read_bytes())
    data[parts[0].footer.keys_at + 3] ^= 1
    parts[0].path.write_bytes(data)
    for _ in range(2):
        with pytest.raises(Damage, match="its keys do not match"):
            ask(parts[0])
    with pytest.raises(Damage, match="its keys do not match"):
        Segment(parts[0].path.parent, parts[0].ref)
