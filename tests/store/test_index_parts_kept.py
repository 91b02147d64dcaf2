"""Parts of indexes in a whole store: which gc deletes, which check notes, which repair deletes."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.failing_disks import Watched, disk
from support.folders import World, digests, repaired, stats_of
from support.index_parts import by_hand, parts_of, put_part

from vstore.disk import durable
from vstore.disk.index_parts import part_files
from vstore.errors import DiskTrouble, MigrationNeeded, UsageError
from vstore.repository.add_space import add_space
from vstore.repository.create import create_store
from vstore.repository.index_parts import index_parts, write_index_part
from vstore.repository.repository import Repository
from vstore.search.query import Operand
from vstore.store import Store
from vstore.testing import FakeEmbedder

__all__ = ["disk"]

STRANGERS = {"notes.txt": b"mine", "0" * 32 + ".faiss": b"", "0" * 31 + ".part": b""}


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two segments of twelve and one pictures; of the first ten are in a forgotten snapshot alone."""
    world = World(tmp_path)
    world.put({f"{n:02d}.png": n for n in range(12)})
    world.sync()
    for number in range(2, 12):
        (world.pictures / f"{number:02d}.png").unlink()
    world.put({"new.png": 50})
    world.sync()
    world.store.snapshot_forget(["v1"])
    return world


def space_of(world: World) -> str:
    (space,) = world.repo.state.spaces
    return space


def put_parts(world: World) -> dict[str, Path]:
    """Put parts over no segment, the first, the second, and over both."""
    repo, space = world.repo, space_of(world)
    first, second = repo.state.segments(space)
    covers: dict[str, Any] = {"none": [], "first": [first], "second": [second], "both": [first, second]}
    return {name: put_part(repo, space, refs, name.encode()) for name, refs in covers.items()}


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)


def payloads(repo: Repository, space: str, kind: str) -> list[bytes]:
    found = []
    for part in index_parts(repo, space, kind):
        with part:
            found.append(b"".join(part.blocks()))
    return sorted(found)


def fill(disk: Watched) -> None:
    disk.fail("open", errno.ENOSPC, ".tmp-commit")


# Collecting


def test_a_part_whose_segment_is_rewritten_goes_and_the_others_stay(world: World) -> None:
    parts = put_parts(world)
    expected = sum(parts[name].stat().st_size for name in ("first", "both"))
    without = world.store.gc(dry_run=True, drop_unnamed=True)
    for name in ("first", "both"):
        parts[name].rename(world.folder / name)
    bare = world.store.gc(dry_run=True, drop_unnamed=True)
    for name in ("first", "both"):
        (world.folder / name).rename(parts[name])
    assert (without.unlisted - bare.unlisted, without.bytes - bare.bytes) == (2, expected)
    report = world.store.gc(drop_unnamed=True)
    assert report == without._replace(dry_run=False)
    assert report.rewritten
    assert parts_of(world.repo.layout) == {parts["none"], parts["second"]}
    assert world.store.gc(drop_unnamed=True).unlisted == 0


def test_a_gc_that_rewrites_nothing_keeps_every_part(world: World) -> None:
    parts = put_parts(world)
    before = {path: path.stat().st_mtime_ns for path in parts.values()}
    assert world.store.gc().unlisted == 0
    assert {path: path.stat().st_mtime_ns for path in parts_of(world.repo.layout)} == before


def test_the_parts_of_a_space_that_was_dropped_go_whatever_they_cover(world: World) -> None:
    parts = put_parts(world)
    add_space(world.repo, FakeEmbedder("fake-2", 12).recipe, "second")
    repo = world.repo
    (gone,) = set(repo.state.spaces) - {repo.snapshot("current").space}
    sound, bad = put_part(repo, gone), put_part(repo, gone)
    flip(bad, 20)
    assert world.store.gc().unlisted == 0
    world.store.model_drop("second")
    assert {sound, bad} <= parts_of(repo.layout)
    assert world.store.gc().unlisted == 2
    assert parts_of(repo.layout) == set(parts.values())


def test_gc_leaves_bad_parts_and_whatever_is_no_part(world: World) -> None:
    parts = put_parts(world)
    folder = parts["none"].parent
    for path in parts.values():
        flip(path, 15)
    (folder / ("a" * 32 + ".part")).symlink_to(world.folder / "FORMAT")
    os.mkfifo(folder / ("b" * 32 + ".part"))
    for name, data in STRANGERS.items():
        (folder / name).write_bytes(data)
    before = set(folder.iterdir())
    assert world.store.gc(drop_unnamed=True).unlisted == 0
    assert set(folder.iterdir()) == before


def test_gc_deletes_unfinished_parts(world: World) -> None:
    folder = put_parts(world)["none"].parent
    left = folder / f"{durable.TEMPORARY}ingest-{'0' * 32}"
    left.write_bytes(b"half of a part")
    report = world.store.gc()
    assert (report.unlisted, left.exists(), len(part_files(folder))) == (1, False, 4)


def test_gc_does_not_follow_a_link_in_place_of_the_folder(world: World, tmp_path: Path) -> None:
    parts = put_parts(world)
    layout = world.repo.layout
    layout.indexes.rename(tmp_path / "elsewhere")
    layout.indexes.symlink_to(tmp_path / "elsewhere")
    world.store.gc(drop_unnamed=True)
    assert all(path.exists() for path in parts.values())
    layout.indexes.unlink()
    layout.indexes.mkdir()
    parts["none"].parent.symlink_to(tmp_path / "elsewhere" / parts["none"].parent.name)
    world.store.gc(drop_unnamed=True)
    assert all(path.exists() for path in parts.values())


# On a full disk


def test_on_a_full_disk_all_parts_go_but_after_cache_and_reserve(disk: Watched, world: World) -> None:
    parts = put_parts(world)
    flip(parts["none"], 20)
    (world.folder / "cache" / "some").write_bytes(b"")
    fill(disk)
    disk.calls.clear()
    with pytest.raises(DiskTrouble, match="No space left"):
        world.store.gc(drop_unnamed=True)
    gone = disk.named("unlink")
    names = {path.name for path in parts.values()}
    assert gone.index("some") < gone.index("reserve") < min(gone.index(name) for name in names)
    assert parts_of(world.repo.layout) == set()
    disk.heal()
    assert world.store.gc(drop_unnamed=True).rewritten
    assert (world.folder / "reserve").exists()
    assert world.store.check(read_data=True).ok


@pytest.mark.parametrize(("enough", "stay"), [("some", True), ("reserve", True), (".part", False)])
def test_parts_stay_while_less_makes_room(
    disk: Watched, world: World, monkeypatch: pytest.MonkeyPatch, enough: str, stay: bool
) -> None:
    parts = put_parts(world)
    (world.folder / "cache" / "some").write_bytes(b"")
    fill(disk)
    unlink: Callable[[str], None] = disk.unlink

    def making_room(path: str) -> None:
        unlink(path)
        if enough in path:
            disk.heal()

    monkeypatch.setattr(disk, "unlink", making_room)
    report = world.store.gc(drop_unnamed=True)
    assert report.changed
    assert bool(report.rewritten) == (enough == "some"), "without the reserve nothing is written but records"
    left = parts_of(world.repo.layout)
    assert left == (
        (set(parts.values()) - ({parts["first"], parts["both"]} if enough == "some" else set())) if stay else set()
    )
    assert world.store.check(read_data=True).ok


def test_another_error_than_a_full_disk_costs_no_part(disk: Watched, world: World) -> None:
    parts = put_parts(world)
    disk.fail("open", errno.EIO, ".tmp-commit")
    with pytest.raises(DiskTrouble):
        world.store.gc(drop_unnamed=True)
    assert parts_of(world.repo.layout) == set(parts.values())
    assert (world.folder / "reserve").exists()


# Checking


def test_sound_parts_are_passed_over_in_silence(world: World) -> None:
    before = world.store.check(read_data=True)
    parts = put_parts(world)
    report = world.store.check(read_data=True)
    assert report == before._replace(bytes_read=before.bytes_read + sum(len(name) for name in parts))


@pytest.mark.parametrize("read_data", [False, True])
def test_a_bad_part_is_a_note_and_no_damage(world: World, read_data: bool) -> None:
    parts = put_parts(world)
    flip(parts["first"], 20)  # of the head
    flip(parts["second"], -30)  # of the payload
    report = world.store.check(read_data=read_data)
    assert report.ok
    named = {name for name, path in parts.items() if any(path.name in note for note in report.notes)}
    assert named == ({"first", "second"} if read_data else {"first"})
    assert all("(repair deletes it)" in note for note in report.notes if ".part" in note)


def test_unused_and_unfinished_parts_are_counted_in_notes(world: World) -> None:
    parts = put_parts(world)
    (parts["none"].parent / f"{durable.TEMPORARY}ingest-{'0' * 32}").write_bytes(b"")
    ref = world.repo.state.segments(space_of(world))[0]
    put_part(world.repo, space_of(world), [ref._replace(check="0" * 16)])
    put_part(world.repo, "ef" * 32)
    notes = world.store.check().notes
    assert "unused files in indexes/: 2 (gc deletes them)" in notes
    assert "unfinished files in indexes/: 1" in notes


def test_a_part_that_may_not_be_read_is_a_note_of_its_own(disk: Watched, world: World) -> None:
    parts = put_parts(world)
    disk.fail("look", errno.EACCES, parts["none"].name)
    report = world.store.check(read_data=True)
    assert report.ok
    assert [note for note in report.notes if ".part" in note] == [
        f"indexes/{space_of(world)}/{parts['none'].name} may not be read: Permission denied"
    ]
    assert repaired(world).done == ()
    assert parts["none"].exists()
    disk.heal()
    disk.fail("look", errno.ENOENT, parts["none"].name)  # gc was faster
    assert not [note for note in world.store.check(read_data=True).notes if ".part" in note]


# Repairing


def test_repair_deletes_the_parts_that_fail_a_checksum_and_nothing_else(world: World) -> None:
    parts = put_parts(world)
    folder = parts["none"].parent
    flip(parts["first"], 20)
    flip(parts["second"], -30)
    (folder / ("c" * 32 + ".part")).write_bytes(by_hand({"space": space_of(world)}))
    (folder / ("a" * 32 + ".part")).symlink_to(world.folder / "FORMAT")
    for name, data in STRANGERS.items():
        (folder / name).write_bytes(data)
    stale = put_part(world.repo, "ef" * 32)
    assert world.store.check(read_data=True).ok
    bad = {parts["first"], parts["second"], folder / ("c" * 32 + ".part")}
    before = stats_of(world.folder)
    report = repaired(world, dry_run=True)
    assert {line.split()[0] for line in report.done} == {str(path.relative_to(world.folder)) for path in bad}
    assert stats_of(world.folder) == before
    again = repaired(world)
    assert again == report._replace(dry_run=False)
    assert (again.changed, again.quarantined) == (False, ())
    after = stats_of(world.folder)
    gone = before.keys() - after.keys()
    assert {world.folder / name for name in gone} == bad
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {str(folder.relative_to(world.folder))}, "neither catalogue nor cache is made again for it"
    assert stale.exists()
    assert repaired(world).done == ()


def test_a_store_with_sound_parts_is_left_as_it_is(world: World) -> None:
    put_parts(world)
    assert world.store.check(read_data=True).ok
    before = stats_of(world.folder)
    assert repaired(world).done == ()
    assert stats_of(world.folder) == before


def test_a_disk_that_hesitates_costs_no_part(disk: Watched, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = put_parts(world)
    pread, failed = disk.pread, []

    def hesitating(fd: int, size: int, offset: int) -> bytes:
        if disk._names[fd].endswith(".part") and disk._names[fd] not in failed:
            failed.append(disk._names[fd])
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return pread(fd, size, offset)

    monkeypatch.setattr(disk, "pread", hesitating)
    assert repaired(world).done == ()
    assert sorted(failed) == sorted(map(str, parts.values()))
    assert parts_of(world.repo.layout) == set(parts.values())


def test_parts_outlive_the_repair_of_a_segment_and_are_used_no_more(world: World) -> None:
    parts = put_parts(world)
    ref = world.repo.state.segments(space_of(world))[0]
    flip(world.folder / "segments" / ref.name, 90)
    report = repaired(world)
    assert report.changed
    assert parts_of(world.repo.layout) == set(parts.values())
    assert world.store.check(read_data=True).ok
    world.store.gc()
    assert parts_of(world.repo.layout) == {parts["none"], parts["second"]}


# Written and used through the store


def test_parts_are_written_and_used_by_kind(world: World) -> None:
    repo, space = world.repo, space_of(world)
    first, second = repo.state.segments(space)
    for kind, refs, payload in (("graph", [first], b"one"), ("graph", [second], b"two"), ("coarse", [], b"three")):
        assert write_index_part(repo, space, kind, [payload], size=len(payload), covers=refs, parameters={"k": 1})
    assert payloads(repo, space, "graph") == [b"one", b"two"]
    assert payloads(repo, space, "coarse") == [b"three"]
    assert payloads(repo, space, "other") == []
    world.store.gc(drop_unnamed=True)
    assert payloads(world.repo, space, "graph") == [b"two"]
    assert payloads(repo, space, "graph") == [b"two"], "who opened the store before finds it gone"


def test_a_part_over_segments_that_a_merge_replaced_is_not_used(world: World) -> None:
    repo, space = world.repo, space_of(world)
    refs = repo.state.segments(space)
    put_part(repo, space, refs)
    assert payloads(repo, space, "graph") == [b"payload"]
    with repo.committing("merge"):
        repo.publish("merge", {"segments": repo.state.segments_changed(space, refs[1:])})
    assert payloads(repo, space, "graph") == []


def test_a_store_of_format_1_has_no_parts(tmp_path: Path) -> None:
    folder = tmp_path / ".vstore"
    shutil.copytree(Path(__file__).parent / "data" / "format-1" / "store", folder)
    repo = Repository(folder)
    (space,) = repo.state.spaces
    with pytest.raises(MigrationNeeded, match="indexes need store format 2"):
        write_index_part(repo, space, "graph", [b""], size=0, covers=[], parameters={})
    assert not repo.layout.indexes.exists()
    put_part(repo, space)
    assert payloads(repo, space, "graph") == []


# Copies, and what else looks at the folder


def test_a_copy_may_leave_the_folder_out(world: World, tmp_path: Path) -> None:
    put_parts(world)
    copy = tmp_path / "copy" / ".vstore"
    shutil.copytree(world.folder, copy, ignore=shutil.ignore_patterns("indexes"))
    assert digests(copy) == {n: d for n, d in digests(world.folder).items() if not n.startswith("indexes")}
    with Store(copy, load_embedder=lambda recipe: world.fake) as store:
        assert store.check(read_data=True).ok
        query = [Operand(1.0, image=os.fsencode(world.pictures / "new.png"))]
        found, expected = store.search(query).hits, world.store.search(query).hits
        assert [hit._replace(files=()) for hit in found] == [hit._replace(files=()) for hit in expected]
        assert store.gc(drop_unnamed=True).changed
        assert not any("indexes" in line for line in Store.repair(copy).done)
        store.sync([world.pictures], as_label="moved")
    assert not (copy / "indexes").exists()


def test_a_store_whose_maker_was_killed_may_have_the_folder_and_another_folder_may_not(tmp_path: Path) -> None:
    folder = tmp_path / ".vstore"
    (folder / "indexes").mkdir(parents=True)
    create_store(folder)
    (tmp_path / "other" / "index").mkdir(parents=True)
    with pytest.raises(UsageError, match="is not a store, and holds 'index'"):
        create_store(tmp_path / "other")


def test_stats_counts_the_bytes_of_parts(world: World) -> None:
    parts = put_parts(world)
    (found,) = (part for part in world.store.stats().parts if part.name == "indexes")
    assert (found.files, found.bytes) == (4, sum(path.stat().st_size for path in parts.values()))
