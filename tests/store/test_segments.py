"""Segments: plain faiss reads them, and no damaged byte of one is used."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from vstore.disk.footer import BLOCK, FOOTER_SIZE, Footer
from vstore.disk.segment_writer import rounded, write_segment
from vstore.disk.segments import Segment
from vstore.errors import Damage, MissingPackage
from vstore.format.entries import FileRef
from vstore.format.hashing import HASHES, checksum, store_hash
from vstore.format.layout import DTYPES
from vstore.packages import faiss_module

DIM = 8
SPACE = "5a" * 32


def unit(count: int, dim: int = DIM, seed: int = 0) -> Any:
    rows = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def keys_of(count: int, hash: str = "xxh3_128") -> list[bytes]:
    return [store_hash(hash).digest(b"%d" % i) for i in range(count)]


def write(
    folder: Path, count: int, *, dtype: str = "float16", hash: str = "xxh3_128", blocks: list[int] | None = None
) -> FileRef:
    rows = rounded(unit(count), dtype)
    edges = np.cumsum(blocks or [count])
    parts = np.split(rows, edges[:-1])
    return write_segment(folder, SPACE, keys_of(count, hash), parts, dtype=dtype, time=1_700_000_000, lock="ingest")


# What plain faiss sees


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("hash", HASHES)
@pytest.mark.parametrize("count", [1, 3, BLOCK, BLOCK + 1])
def test_plain_faiss_reads_the_file_as_it_is(tmp_path: Path, dtype: str, hash: str, count: int) -> None:
    ref = write(tmp_path, count, dtype=dtype, hash=hash)
    index = faiss.read_index(str(tmp_path / ref.name))
    expected = unit(count).astype(dtype).astype(np.float32)
    assert isinstance(index, faiss.IndexScalarQuantizer if dtype == "float16" else faiss.IndexFlatIP)
    assert (index.ntotal, index.d, index.metric_type) == (count, DIM, faiss.METRIC_INNER_PRODUCT)
    assert np.array_equal(index.reconstruct_n(0, count), expected)
    segment = Segment(tmp_path, ref)
    segment.verify()
    assert np.array_equal(segment.rows().astype(np.float32), expected)
    assert segment.key_list() == keys_of(count, hash)
    assert segment.key(count - 1) == keys_of(count, hash)[-1]


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_file_begins_as_faiss_itself_would_write_it(tmp_path: Path, dtype: str) -> None:
    ref = write(tmp_path, 5, dtype=dtype)
    if dtype == "float16":
        index = faiss.IndexScalarQuantizer(DIM, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    else:
        index = faiss.IndexFlatIP(DIM)
    index.add(unit(5).astype(dtype).astype(np.float32))
    written = faiss.serialize_index(index).tobytes()
    assert (tmp_path / ref.name).read_bytes()[: len(written)] == written


@pytest.mark.parametrize(("dtype", "header"), [("float16", 81), ("float32", 45)])
def test_a_segment_is_laid_out_as_format_says(tmp_path: Path, dtype: str, header: int) -> None:
    count = BLOCK + 2
    ref = write(tmp_path, count, dtype=dtype)
    data = (tmp_path / ref.name).read_bytes()
    assert len(data) == ref.size
    width = DIM * DTYPES[dtype]
    rows_end = header + count * width
    keys_end = rows_end + count * 16
    assert data[header:rows_end] == unit(count).astype(np.dtype(dtype).newbyteorder("<")).tobytes()
    assert data[rows_end:keys_end] == b"".join(keys_of(count))
    cut = header + BLOCK * width
    assert data[keys_end:-128] == checksum(data[header:cut]) + checksum(data[cut:rows_end])
    fields = struct.unpack("<HHIIQI32sq8s8s8s24s8s8s", data[-128:])
    assert fields[:7] == (1, {"float16": 1, "float32": 2}[dtype], 16, DIM, count, header, bytes.fromhex(SPACE))
    assert fields[7] == 1_700_000_000
    assert fields[8:11] == (checksum(data[:header]), checksum(data[rows_end:keys_end]), checksum(data[keys_end:-128]))
    assert fields[11:] == (bytes(24), checksum(data[-128:-16]), b"vsegment")
    assert ref == FileRef(ref.name, len(data), data[-16:-8].hex(), count)


@pytest.mark.parametrize("blocks", [[1] * 7, [3, 4], [7], [BLOCK - 1, 2, BLOCK], [BLOCK, 5], [2 * BLOCK + 3]])
def test_blocks_may_end_anywhere(tmp_path: Path, blocks: list[int]) -> None:
    count = sum(blocks)
    one, other = write(tmp_path, count), write(tmp_path, count, blocks=blocks)
    assert (tmp_path / one.name).read_bytes() == (tmp_path / other.name).read_bytes()


def test_rows_are_rounded_to_the_nearest_even_number(tmp_path: Path) -> None:
    # Halfway between two float16 values: numpy rounds to even, faiss away from zero.
    half = np.array([[1 + 2**-11, 1 + 3 * 2**-11]], dtype=np.float32)
    assert rounded(half, "float16").tolist() == [[1.0, 1 + 2**-9]]
    assert rounded(half.astype(">f8"), "float32").dtype == np.dtype("<f4")


def test_rows_of_another_dtype_or_number_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Damage, match="rows of 8 × float32"):
        write_segment(tmp_path, SPACE, keys_of(2), [unit(2)], dtype="float16", time=0, lock="ingest")
    mixed = [rounded(unit(1), "float16"), rounded(unit(1, dim=4), "float16")]
    with pytest.raises(Damage, match="rows of 4 × float16, where 8 × float16 belong"):
        write_segment(tmp_path, SPACE, keys_of(2), mixed, dtype="float16", time=0, lock="ingest")
    with pytest.raises(AssertionError):
        write_segment(
            tmp_path, SPACE, keys_of(3), [rounded(unit(2), "float16")], dtype="float16", time=0, lock="ingest"
        )
    assert os.listdir(tmp_path) == []


def test_writing_holds_no_more_than_a_block_in_memory(tmp_path: Path) -> None:
    asked: list[int] = []

    def blocks() -> Iterator[Any]:
        for i in range(5):
            asked.append(i)
            yield rounded(unit(2, seed=i), "float16")

    write_segment(tmp_path, SPACE, keys_of(10), blocks(), dtype="float16", time=0, lock="ingest")
    assert asked == list(range(5))


# Damage

COUNT = BLOCK + 100


@pytest.fixture
def ref(tmp_path: Path) -> FileRef:
    return write(tmp_path, COUNT)


def regions(ref: FileRef) -> dict[str, tuple[int, int]]:
    rows, keys = 81, 81 + COUNT * DIM * 2
    sums = keys + COUNT * 16
    return {
        "header": (0, rows),
        "first rows": (rows, rows + 200),
        "last rows": (keys - 200, keys),
        "keys": (keys, sums),
        "checksums": (sums, sums + 16),
        "footer": (sums + 16, ref.size),
    }


REGIONS = ["header", "first rows", "last rows", "keys", "checksums", "footer"]


def use(folder: Path, ref: FileRef) -> None:
    """Open a segment as every reader does: its rows come only after this."""
    segment = Segment(folder, ref)
    segment.verify()


@pytest.mark.parametrize("region", REGIONS)
def test_a_flipped_bit_is_damage_that_names_the_file(tmp_path: Path, ref: FileRef, region: str) -> None:
    path = tmp_path / ref.name
    first, end = regions(ref)[region]
    with open(path, "r+b") as file:
        for at in {*range(first, end, max(1, (end - first) // 25)), end - 1}:
            file.seek(at)
            byte = file.read(1)[0]
            for bit in (0, 7):
                file.seek(at)
                file.write(bytes([byte ^ 1 << bit]))
                file.flush()
                with pytest.raises(Damage, match=f"segments/{ref.name} is damaged: "):
                    use(tmp_path, ref)
            file.seek(at)
            file.write(bytes([byte]))
    use(tmp_path, ref)


@pytest.mark.parametrize("region", REGIONS)
def test_a_segment_that_was_cut_or_zeroed_is_damage(tmp_path: Path, ref: FileRef, region: str) -> None:
    path = tmp_path / ref.name
    whole = path.read_bytes()
    first, end = regions(ref)[region]
    for data in (whole[:first], whole[: (first + end) // 2], whole[:first] + bytes(end - first) + whole[end:]):
        path.write_bytes(data)
        with pytest.raises(Damage, match=f"segments/{ref.name} is damaged: "):
            use(tmp_path, ref)


def test_a_segment_with_more_at_its_end_is_damage(tmp_path: Path, ref: FileRef) -> None:
    with open(tmp_path / ref.name, "ab") as file:
        file.write(b"\0")
    with pytest.raises(Damage, match="bytes instead of"):
        Segment(tmp_path, ref)


def test_another_segment_in_its_place_is_damage(tmp_path: Path) -> None:
    ref, other = write(tmp_path, 3), write(tmp_path, 3)
    rows = rounded(unit(3, seed=9), "float16")
    other = write_segment(tmp_path, SPACE, keys_of(3), [rows], dtype="float16", time=1_700_000_001, lock="ingest")
    os.replace(tmp_path / other.name, tmp_path / ref.name)
    with pytest.raises(Damage, match="its footer belongs to another file"):
        Segment(tmp_path, ref)


def test_every_bad_block_is_found_and_no_other(tmp_path: Path, ref: FileRef) -> None:
    segment = Segment(tmp_path, ref)
    assert list(segment.bad_blocks()) == []
    with open(tmp_path / ref.name, "r+b") as file:
        file.seek(81 + BLOCK * DIM * 2)
        file.write(b"\xff\xff")
    assert list(segment.bad_blocks()) == [(BLOCK, COUNT)]
    with open(tmp_path / ref.name, "r+b") as file:
        file.seek(81 + 5)
        file.write(b"\xff\xff")
    assert list(segment.bad_blocks()) == [(0, BLOCK), (BLOCK, COUNT)]
    with pytest.raises(Damage, match=f"rows 0 to {BLOCK - 1} do not match their checksums"):
        segment.verify()


def test_rows_are_checked_by_their_blocks_alone(tmp_path: Path, ref: FileRef) -> None:
    segment = Segment(tmp_path, ref)
    with open(tmp_path / ref.name, "r+b") as file:
        file.seek(81 + BLOCK * DIM * 2)
        file.write(b"\xff")
    segment.verify_rows([0, BLOCK - 1])
    with pytest.raises(Damage, match=f"rows {BLOCK} to {COUNT - 1} do not match their checksums"):
        segment.verify_rows([0, BLOCK])


@pytest.mark.parametrize("at", [4, -FOOTER_SIZE - 3])
def test_rows_are_not_trusted_beside_a_damaged_header_or_damaged_checksums(
    tmp_path: Path, ref: FileRef, at: int
) -> None:
    segment = Segment(tmp_path, ref)
    with open(tmp_path / ref.name, "r+b") as file:
        file.seek(at, os.SEEK_SET if at > 0 else os.SEEK_END)
        file.write(b"\xfe")
    with pytest.raises(Damage, match=r"header|own checksum"):
        segment.verify_rows([0])


def test_a_segment_that_is_missing_is_named(tmp_path: Path, ref: FileRef) -> None:
    (tmp_path / ref.name).unlink()
    with pytest.raises(FileNotFoundError) as caught:
        Segment(tmp_path, ref)
    assert Path(caught.value.filename) == tmp_path / ref.name


def test_a_footer_of_another_version_is_no_footer() -> None:
    footer = Footer("float16", 16, DIM, 1, 81, bytes(32), 0, bytes(8), bytes(8), bytes(8))
    assert Footer.from_bytes(footer.to_bytes()) == footer
    for field, value in ((0, 2), (2, 3)):
        data = bytearray(footer.to_bytes())
        data[field] = value
        data[-16:-8] = checksum(data[:-16])
        with pytest.raises(ValueError, match="does not know"):
            Footer.from_bytes(bytes(data))
    assert footer.size == 81 + 16 + 16 + 8 + FOOTER_SIZE


# faiss


def test_a_faiss_that_is_broken_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    import types

    for broken in (None, types.ModuleType("faiss")):
        monkeypatch.setitem(sys.modules, "faiss", broken)
        with pytest.raises(MissingPackage, match=r"vstore-index\[cpu\]"):
            faiss_module()


def test_a_faiss_that_writes_another_format_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = faiss.serialize_index
    monkeypatch.setattr(faiss, "serialize_index", lambda index: np.concatenate([np.zeros(8, np.uint8), plain(index)]))
    with pytest.raises(MissingPackage, match="another file format"):
        write(tmp_path, 3)
    assert os.listdir(tmp_path) == []
