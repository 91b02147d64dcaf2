"""What stands in an export is what the store holds, whatever its segments and its names are."""

from __future__ import annotations

import base64
import errno
import json
import os
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow.parquet as pq
import pytest
from support.arrays import read_npz
from support.builder import Builder, Floats, unit_vectors

from vstore.disk import target
from vstore.errors import Damage, DiskTrouble
from vstore.store import Store

FILES = ("npz", "parquet", "jsonl")
EVERY_FILE = (*FILES, "csv")
FOLDERS = ("triple", "clip-retrieval")


def key(builder: Builder, number: int) -> bytes:
    return builder.repo.hash.digest(b"%d" % number)


@pytest.fixture(params=["float16", "float32"])
def builder(tmp_path: Path, request: pytest.FixtureRequest) -> Builder:
    """Thirty keys in three segments, ten of which stand twice with other rows; twenty are named, some of them twice."""
    builder = Builder(tmp_path / ".vstore", dtype=request.param)
    for begin, end in ((0, 15), (5, 25), (25, 30)):
        builder.add_segment([key(builder, n) for n in range(begin, end)], unit_vectors(end - begin, seed=begin))
    names = {b"p/%02d" % n: key(builder, n) for n in range(0, 30, 3)}
    names |= {
        b"p/copy": key(builder, 3),
        b"p/\xff": key(builder, 6),
        b"p/\xfe": key(builder, 6),
        b"q/new\nline": key(builder, 9),
    }
    builder.add_snapshot(names)
    return builder


def stored(builder: Builder) -> dict[str, Floats]:
    """Keys in hex, and the row that wins, by plain reading."""
    found: dict[str, Floats] = {}
    for ref in builder.repo.state.segments(builder.space):
        segment = builder.repo.segment(ref)
        for name, row in zip(segment.key_list(), segment.rows(), strict=True):
            found.setdefault(name.hex(), np.array(row))
    return found


def exported(builder: Builder, out: Path, format: str) -> tuple[list[str], Any, list[list[bytes]]]:
    """Keys, rows and paths, as another program reads them."""
    with Store(builder.repo.layout.folder) as store:
        report = store.snapshot_export("current", out, format=format)
    assert (report.images, report.paths, report.bytes) == (10, 14, out.stat().st_size)
    if format == "npz":
        data = read_npz(out)
        lines = [data[name].tobytes().splitlines() for name in ("all_paths", "all_paths_b64")]
        names = [(json.loads(a), json.loads(b)) for a, b in zip(*lines, strict=True)]
        keys, rows = data["keys"].tolist(), data["vectors"]
    elif format == "parquet":
        table = pq.read_table(out).to_pydict()
        names = list(zip(table["paths"], table["paths_b64"], strict=True))
        keys, rows = table["key"], np.array(table["vector"], np.float32)
    else:
        entries = [json.loads(line) for line in out.read_text().splitlines()]
        names = [(entry["paths"], entry.get("paths_b64") or [None] * len(entry["paths"])) for entry in entries]
        keys, rows = [entry["key"] for entry in entries], np.array([entry["vector"] for entry in entries])
    paths = [
        [base64.b64decode(b) if b is not None else a.encode() for a, b in zip(plain, encoded, strict=True)]
        for plain, encoded in names
    ]
    return keys, rows, paths


@pytest.mark.parametrize("format", FILES)
def test_rows_and_paths_are_those_of_the_store(builder: Builder, tmp_path: Path, format: str) -> None:
    keys, rows, paths = exported(builder, tmp_path / "out", format)
    wanted = stored(builder)
    assert keys == sorted(key(builder, n).hex() for n in range(0, 30, 3))
    for name, row in zip(keys, rows, strict=True):
        np.testing.assert_array_equal(np.asarray(row, np.float64), wanted[name].astype(np.float64))
    tree = builder.repo.tree(builder.repo.snapshot("current"))
    assert sorted((path, name) for name, found in zip(keys, paths, strict=True) for path in found) == [
        (path, name.hex()) for path, name in tree
    ]


def test_where_every_path_is_utf8_nothing_is_said_of_others(builder: Builder, tmp_path: Path) -> None:
    builder.add_snapshot({b"p/a": key(builder, 1)})
    with Store(builder.repo.layout.folder) as store:
        for format in EVERY_FILE:
            store.snapshot_export("current", tmp_path / format, format=format)
    more = ["all_files", "all_paths", "facts", "fields", "files"]
    assert sorted(read_npz(tmp_path / "npz")) == [*more, "keys", "paths", "vectors"]
    assert pq.read_table(tmp_path / "parquet").column_names == ["key", "paths", "files", "vector"]
    plain = ["facts", "fields", "files", "key", "paths", "vector"]
    assert sorted(json.loads((tmp_path / "jsonl").read_text())) == plain
    assert (tmp_path / "csv").read_text().partition("\n")[0] == "path,file,key"


def test_a_triple_has_the_winning_row_of_each_path(builder: Builder, tmp_path: Path) -> None:
    with Store(builder.repo.layout.folder) as store:
        store.snapshot_export("current", tmp_path / "out", format="triple")
    rows = np.load(tmp_path / "out" / "embeddings.npy")
    index = faiss.read_index(str(tmp_path / "out" / "index.faiss"))
    wanted = stored(builder)
    listed = [wanted[name.hex()] for _, name in builder.repo.tree(builder.repo.snapshot("current"))]
    np.testing.assert_array_equal(rows, listed)
    np.testing.assert_array_equal(index.reconstruct_n(0, len(rows)), rows.astype(np.float32))


@pytest.mark.parametrize("format", [*EVERY_FILE, *FOLDERS])
def test_no_byte_of_a_damaged_segment_is_written(builder: Builder, tmp_path: Path, format: str) -> None:
    ref = builder.repo.state.segments(builder.space)[1]
    path = builder.repo.layout.segments / ref.name
    data = bytearray(path.read_bytes())
    data[-300] ^= 1
    path.write_bytes(data)
    before = sorted(os.listdir(tmp_path))
    with Store(builder.repo.layout.folder) as store, pytest.raises(Damage, match=ref.name):
        store.snapshot_export("current", tmp_path / "out", format=format)
    assert sorted(os.listdir(tmp_path)) == before


def test_an_export_on_a_full_disk_fails_and_leaves_nothing(tmp_path: Path) -> None:
    def write(made: Path) -> None:
        made.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device", str(made))

    with pytest.raises(DiskTrouble, match=r"cannot write .*out: No space") as told:
        target.make(tmp_path / "out", write)
    assert "free some space" in told.value.next_step
    assert os.listdir(tmp_path) == []


def test_an_object_that_is_missing_while_an_export_is_written_is_left_to_who_reads(tmp_path: Path) -> None:
    def write(made: Path) -> None:
        (tmp_path / "collected").read_bytes()

    with pytest.raises(FileNotFoundError):
        target.make(tmp_path / "out", write)


@pytest.mark.parametrize("format", [*EVERY_FILE, *FOLDERS])
def test_an_export_that_breaks_off_leaves_nothing(
    builder: Builder, tmp_path: Path, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(old: object, new: object) -> None:
        raise OSError(28, "No space left on device", str(new))

    before = sorted(os.listdir(tmp_path))
    monkeypatch.setattr("vstore.disk.target.os.rename", refuse)
    with Store(builder.repo.layout.folder) as store, pytest.raises(DiskTrouble, match="No space"):
        store.snapshot_export("current", tmp_path / "out", format=format)
    assert sorted(os.listdir(tmp_path)) == before
