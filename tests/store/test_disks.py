"""The disks in a folder: an unmounted one must not empty its part of the index."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import pytest
from support.folders import World, classes, put
from support.guarded import many, mounted, refused

from vstore.disk.catalogue import Catalogue
from vstore.errors import Refused
from vstore.sync import disks
from vstore.sync.disks import Spot, changed_disk, packed, remembered, spots_of, unpacked

DISK = 25  # of 100 pictures: no other guard minds
PLAIN, MOUNT = Spot(7, False), Spot(2, True)


@pytest.fixture
def four(settled: World) -> World:
    """A folder of four subfolders with 25 pictures each."""
    for number in range(4):
        settled.put({f"disk{number}/{name}": data for name, data in many(DISK, first=100 * number).items()})
    settled.sync()
    return settled


def swap(world: World, name: str) -> None:
    """Put an empty folder in the place of a subfolder, as an unmounted disk leaves it."""
    (world.pictures / name).rename(world.top / "away")
    (world.pictures / name).mkdir()


@pytest.mark.parametrize(
    ("earlier", "now", "is_empty", "doubted"),
    [
        (PLAIN, PLAIN, True, False),  # an ordinary folder that was emptied
        (PLAIN, Spot(8, False), True, True),
        (PLAIN, Spot(8, False), False, False),  # another folder, with other pictures
        (PLAIN, Spot(0, False), True, False),  # a disk that makes inode numbers up
        (Spot(0, False), PLAIN, True, False),
        (PLAIN, None, True, False),  # an ordinary folder that was deleted
        (PLAIN, MOUNT, False, True),
        (MOUNT, MOUNT, True, True),
        (MOUNT, MOUNT, False, True),
        (MOUNT, PLAIN, True, True),
        (MOUNT, None, True, True),
        (None, PLAIN, True, False),  # nobody looked before
        (None, MOUNT, True, True),
        (None, None, True, False),
    ],
)
def test_a_folder_may_lack_its_disk_if_it_is_or_was_one_or_is_another(
    earlier: Spot | None, now: Spot | None, is_empty: bool, doubted: bool
) -> None:
    assert (changed_disk(earlier, now, is_empty=is_empty) is not None) == doubted


def test_a_mount_point_is_remembered_until_it_is_an_ordinary_folder_with_pictures() -> None:
    earlier = {b"p/a": MOUNT, b"p/b": PLAIN}
    assert remembered({}, earlier, []) == {b"p/a": MOUNT}
    assert remembered({b"p/a": PLAIN}, earlier, []) == {b"p/a": PLAIN._replace(mounted=True)}
    assert remembered({b"p/a": PLAIN}, earlier, [b"p/a"]) == {b"p/a": PLAIN}
    assert remembered({b"p/c": MOUNT}, {}, [b"p/c"]) == {b"p/c": MOUNT}


def test_looks_are_packed_and_unpacked() -> None:
    spots = {b"p/a b\n": MOUNT, b"p/\xff": Spot(2**64 - 1, False)}
    assert unpacked(packed(spots)) == spots
    assert unpacked(None) == unpacked(b"") == unpacked(b"short") == {}


def test_mount_points_are_read_from_the_system_at_any_depth(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "p/a b/c/d").mkdir(parents=True)
    listed = tmp_path / "mounts"
    place = os.fsencode(tmp_path / "p")
    line = b"36 35 98:0 / %s rw,noatime master:1 - ext3 /dev/root rw\n"
    names = [place, place + b"/a\\040b/c/d", place + b"other", place + b"/gone"]
    listed.write_bytes(b"".join(line % name for name in names) + b"odd\n")
    monkeypatch.setattr(disks, "MOUNTS", str(listed))
    found = spots_of(b"p", place, [b"p/a b"])
    assert {path: spot.mounted for path, spot in found.items()} == {b"p/a b/c/d": True, b"p/a b": False}
    assert spots_of(b"p", place, [b"p/a b"], inodes=False)[b"p/a b"].inode == 0
    monkeypatch.setattr(disks, "MOUNTS", str(tmp_path / "none"))
    assert list(spots_of(b"p", place, [b"p/a b"])) == [b"p/a b"]


def test_one_disk_of_four_that_is_not_mounted_stops_the_sync(four: World) -> None:
    swap(four, "disk0")
    text = refused(four)
    assert "pictures/disk0 is not the folder that it was" in text
    assert f"its 25 pictures: {four.pictures}/disk0/00000.bmp" in text
    assert "mount its disk" in text and "--allow-mass-delete" in text
    assert "pictures/disk0" in refused(four, four.pictures / "disk0")
    with pytest.raises(Refused, match="pictures/disk0 is not the folder"):
        four.status()
    (four.pictures / "disk0").rmdir()
    (four.top / "away").rename(four.pictures / "disk0")
    assert classes(four.sync()) == {"unchanged": 100}


def test_a_missing_disk_that_is_gone_for_good_can_be_said_once(four: World) -> None:
    swap(four, "disk0")
    assert classes(four.sync(allow_mass_delete=True)) == {"unchanged": 75, "removed": 25}
    assert classes(four.sync()) == {"unchanged": 75}


def test_a_disk_of_twenty_pictures_is_no_accident(settled: World) -> None:
    settled.put({f"disk/{name}": data for name, data in many(20).items()})
    settled.put(many(80, first=1000))
    settled.sync()
    swap(settled, "disk")
    for number in range(5):  # others do not make it more
        (settled.pictures / f"{number:05d}.bmp").unlink()
    assert classes(settled.sync()) == {"unchanged": 75, "removed": 25}


@pytest.mark.parametrize("how", ["emptied", "deleted"])
def test_an_ordinary_subfolder_is_named_and_not_refused(four: World, how: str) -> None:
    if how == "deleted":
        shutil.rmtree(four.pictures / "disk1")
    else:
        for path in (four.pictures / "disk1").iterdir():
            path.unlink()
    note = f"{four.pictures}/disk1 holds none of its 25 pictures any more"
    assert [one for one in four.status().notes if note in one and "would leave" in one]
    report = four.sync()
    assert classes(report) == {"unchanged": 75, "removed": 25}
    (said,) = (one for one in report.notes if note in one)
    assert "they left the index" in said


def test_a_folder_with_other_pictures_now_is_neither_refused_nor_named(four: World) -> None:
    swap(four, "disk0")
    four.put({"disk0/other.png": 1})
    report = four.sync()
    assert classes(report) == {"unchanged": 75, "removed": 25, "new": 1}
    assert report.notes == ()


def test_of_nested_folders_the_outermost_is_named(settled: World) -> None:
    settled.put({f"x/y/{name}": data for name, data in many(25).items()})
    settled.put(many(100, first=1000))
    settled.sync()
    shutil.rmtree(settled.pictures / "x")
    (note,) = settled.sync().notes
    assert note.startswith(f"{settled.pictures}/x holds none of its 25 pictures")


def test_a_renamed_folder_is_neither_refused_nor_named(four: World) -> None:
    (four.pictures / "disk0").rename(four.pictures / "other")
    (four.pictures / "disk0").mkdir()
    report = four.sync()
    assert (classes(report), report.notes) == ({"unchanged": 75, "renamed": 25}, ())


def test_what_an_option_leaves_out_is_still_there_and_not_lost(settled: World) -> None:
    put(settled.top / "linked", many(40))
    settled.put(many(40, first=1000))
    (settled.pictures / "link").symlink_to(settled.top / "linked")
    settled.sync(follow_symlinks=True)
    assert classes(settled.sync(follow_symlinks=False)) == {"unchanged": 40, "removed": 40}


def test_a_real_disk_that_is_not_mounted_stops_the_sync(settled: World) -> None:
    settled.put(many(100))
    deep = settled.pictures / "a/b/c/disk"
    deep.mkdir(parents=True)
    with mounted(deep, "-t", "tmpfs", "none"):
        put(deep, many(DISK, first=1000))
        assert settled.sync().paths == 125
    assert "pictures/a/b/c/disk was on a disk of its own" in refused(settled)
    with contextlib.chdir(settled.pictures):
        assert refused(settled).startswith("a/b/c/disk was on a disk of its own"), "as it is opened from there"
    shutil.rmtree(settled.pictures / "a")  # as of places that exist only while something is mounted there
    assert "pictures/a/b/c/disk was on a disk of its own" in refused(settled)
    deep.mkdir(parents=True)
    with mounted(deep, "-t", "tmpfs", "none"):  # another one
        put(deep, {"1.png": 1})
        assert "pictures/a/b/c/disk is on a disk of its own, which holds none" in refused(settled)
        put(deep, many(DISK, first=1000))
        assert classes(settled.sync()) == {"unchanged": 125, "new": 1}
    settled.sync(allow_mass_delete=True)
    assert settled.sync().paths == 100


def test_a_disk_that_an_option_leaves_out_is_still_there_and_not_lost(settled: World) -> None:
    settled.put(many(100))
    disk = settled.pictures / "disk"
    disk.mkdir()
    with mounted(disk, "-t", "tmpfs", "none"):
        put(disk, many(DISK, first=1000))
        settled.sync()
        assert classes(settled.sync(one_file_system=True)) == {"unchanged": 100, "removed": 25}


def test_a_disk_of_which_a_part_is_there_is_not_missing(four: World) -> None:
    swap(four, "disk0")
    (four.top / "away/00000.bmp").rename(four.pictures / "disk0/00000.bmp")
    assert classes(four.sync()) == {"unchanged": 76, "removed": 24}


def test_a_store_of_an_older_program_notes_its_disks_although_nothing_changed(four: World) -> None:
    repo = four.repo
    catalogue = Catalogue.open(repo.layout.catalogue, repo.store_id, write=True)
    assert catalogue is not None
    with catalogue, catalogue.batch() as batch:
        batch.drop_meta("spots/pictures")
    assert classes(four.sync()) == {"unchanged": 100}
    swap(four, "disk0")
    assert "pictures/disk0 is not the folder" in refused(four)


def test_without_a_catalogue_nothing_is_known_of_disks(four: World) -> None:
    shutil.rmtree(four.folder / "catalogue")
    swap(four, "disk0")
    assert classes(four.sync()) == {"unchanged": 75, "removed": 25}
