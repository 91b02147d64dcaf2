from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support.builder import Builder, unit_vectors
from support.folders import World, newest_pack

from vstore.errors import Damage
from vstore.stats import Part, StatsReport, stats
from vstore.store import Store


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.put({"a/1.png": 1, "a/2.png": 2, "3.png": 3, "copy of 3.png": 3})
    world.sync()
    world.put({"4.png": 4})
    os.unlink(world.pictures / "a/1.png")
    world.sync()
    return world


def on_disk(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def parts(report: StatsReport) -> dict[str, Part]:
    return {part.name: part for part in report.parts}


def test_the_parts_add_up_to_the_whole_folder(world: World) -> None:
    world.store.snapshot_list()
    (world.folder / ".tmp-ingest-half").mkdir()
    (world.folder / ".tmp-ingest-half" / "data.mdb").write_bytes(b"half")
    (world.folder / "note by the user").write_bytes(b"mine")
    (world.folder / "quarantine" / "damaged").write_bytes(b"rotten")
    report = stats(world.repo)
    assert report.total == on_disk(world.folder) == sum(part.bytes for part in report.parts)
    assert sum(part.files for part in report.parts) == sum(not path.is_dir() for path in world.folder.rglob("*"))
    for name, part in parts(report).items():
        if (world.folder / name).is_dir():
            assert part.bytes == on_disk(world.folder / name)


@pytest.mark.skipif(shutil.which("du") is None, reason="du says what is right")
def test_the_total_is_what_du_says(world: World) -> None:
    done = subprocess.run(["du", "-s", "--apparent-size", "-B1", world.folder], capture_output=True, text=True)
    if done.returncode:
        pytest.skip("this du knows no apparent size")
    folders = [world.folder, *(path for path in world.folder.rglob("*") if path.is_dir())]
    in_folders = sum(path.stat().st_size for path in folders)
    assert int(done.stdout.split()[0]) - in_folders in (0, stats(world.repo).total)  # some count folders as nothing


def test_unused_files_are_counted_apart(world: World) -> None:
    assert all(part.unlisted == 0 for part in stats(world.repo).parts)
    (world.folder / "segments" / ("1" * 32 + ".faiss")).write_bytes(bytes(100))
    (world.folder / "packs" / ".tmp-commit-1").write_bytes(bytes(7))
    found = parts(stats(world.repo))
    assert (found["segments"].unlisted, found["packs"].unlisted) == (100, 7)


def test_pictures_rows_and_snapshots_are_counted(world: World) -> None:
    report = stats(world.repo)
    (space,) = report.spaces
    assert (report.snapshots, report.records) == (2, 3)
    assert (space.rows, space.named, space.segments, space.dim) == (4, 4, 2, 8)
    assert report.images == 4
    assert space.bytes == 4 * (8 * 2 + 16)
    assert report.copies == (3 + 3) * 8 * 4
    assert [(root.label, root.place, root.there) for root in report.roots] == [("pictures", str(world.pictures), True)]
    assert (report.store, report.hash, report.dtype) == (str(world.folder), "xxh3_128", "float16")


def test_rows_that_no_snapshot_uses_are_not_in_use(world: World) -> None:
    repo = world.repo
    with repo.committing("forget"):
        repo.publish("forget", {"snapshots": {"v1": {"kept": False}}})
    report = stats(world.repo)
    assert (report.snapshots, report.spaces[0].rows, report.spaces[0].named) == (1, 4, 3)


def test_the_rows_of_a_key_that_stands_twice_are_both_counted(tmp_path: Path) -> None:
    builder = Builder(tmp_path / ".vstore", dtype="float32", hash="sha256")
    keys = [builder.repo.hash.digest(b"%d" % n) for n in range(3)]
    builder.add_segment(keys, unit_vectors(3))
    builder.add_segment(keys[:1], unit_vectors(1))
    builder.add_snapshot({b"p/%d" % n: key for n, key in enumerate(keys)})
    (space,) = stats(builder.repo).spaces
    assert (space.rows, space.named, space.bytes) == (4, 3, 4 * (8 * 4 + 32))


def test_an_empty_store_has_bytes_too(tmp_path: Path) -> None:
    Store.init(tmp_path / ".vstore")
    with Store(tmp_path / ".vstore") as store:
        report = store.stats()
    assert report.total == on_disk(tmp_path / ".vstore") > 1 << 20
    assert (report.snapshots, report.images, report.copies, report.roots) == (0, 0, 0, ())


def test_a_root_that_is_gone_is_said_to_be(world: World) -> None:
    shutil.rmtree(world.pictures)
    assert [root.there for root in stats(world.repo).roots] == [False]


def test_a_damaged_page_is_named(world: World) -> None:
    ref = newest_pack(world.repo)
    path = world.folder / "packs" / ref.name
    data = bytearray(path.read_bytes())
    for at in range(20, len(data) - 400, 8):  # every blob, and not the table behind them
        data[at] ^= 1
    path.write_bytes(data)
    with pytest.raises(Damage, match=ref.name):
        stats(world.repo)


def test_counting_writes_nothing_and_reads_no_row(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.stat().st_mtime_ns for path in world.folder.rglob("*")}
    monkeypatch.setattr("vstore.disk.segments.Segment.__init__", None)
    assert stats(world.repo).to_json()["total"] > 0
    assert {path: path.stat().st_mtime_ns for path in world.folder.rglob("*")} == before
