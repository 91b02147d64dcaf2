"""What a sync makes of a folder: classes, reading, embedding, failures, and snapshots."""

from __future__ import annotations

import os
import shutil

import pytest
from support.folders import Reads, World, classes, drawn

# Classes


def test_pictures_that_the_store_never_saw_are_new(world: World) -> None:
    world.put({"a.png": 1, "deep/er/b.PNG": 2, "notes.txt": b"words"})
    report = world.sync()
    assert classes(report) == {"new": 2}
    assert (report.ignored, report.embedded, report.snapshot, report.parent) == (1, 2, "v1", None)
    assert world.aliases() == {"pictures/a.png": world.key(1), "pictures/deep/er/b.PNG": world.key(2)}


def test_untouched_pictures_are_unchanged(settled: World) -> None:
    settled.put({"a.png": 1, "b.png": 2})
    settled.sync()
    settled.put({"c.png": 3})
    assert classes(settled.sync()) == {"unchanged": 2, "new": 1}


def test_a_picture_that_was_only_touched_is_unchanged(settled: World) -> None:
    settled.put({"a.png": 1})
    settled.sync()
    os.utime(settled.pictures / "a.png", ns=(5, 5))
    report = settled.sync()
    assert (classes(report), report.snapshot, report.embedded) == ({"unchanged": 1}, None, 0)


def test_a_path_whose_bytes_differ_is_changed(settled: World) -> None:
    settled.put({"a.png": 1, "b.png": 2})
    settled.sync()
    settled.put({"a.png": 3})
    report = settled.sync()
    assert (classes(report), report.embedded) == ({"unchanged": 1, "changed": 1}, 1)
    assert settled.aliases()["pictures/a.png"] == settled.key(3)


def test_a_path_that_took_the_bytes_of_another_is_changed_and_not_a_copy(settled: World) -> None:
    settled.put({"a.png": 1, "b.png": 2})
    settled.sync()
    settled.put({"a.png": 2})
    report = settled.sync()
    assert (classes(report), report.embedded, report.images) == ({"unchanged": 1, "changed": 1}, 0, 1)


def test_two_files_that_swap_contents_are_two_changed_and_embed_nothing(settled: World) -> None:
    settled.put({"a.png": 1, "b.png": 2})
    settled.sync()
    settled.put({"a.png": 2, "b.png": 1})
    report = settled.sync()
    assert (classes(report), report.embedded, settled.fake.embedded) == ({"changed": 2}, 0, 2)
    assert settled.aliases() == {"pictures/a.png": settled.key(2), "pictures/b.png": settled.key(1)}


def test_a_picture_under_another_name_is_renamed(settled: World) -> None:
    settled.put({"a.png": 1, "b.png": 2})
    settled.sync()
    (settled.pictures / "sub").mkdir()
    (settled.pictures / "a.png").rename(settled.pictures / "sub/z.png")
    report = settled.sync()
    assert (classes(report), report.embedded, report.reused) == ({"unchanged": 1, "renamed": 1}, 0, 1)
    assert report.examples["renamed"] == ((b"pictures/a.png", b"pictures/sub/z.png"),)
    assert settled.paths() == ["pictures/b.png", "pictures/sub/z.png"]


def test_renamed_paths_of_one_key_are_paired_in_path_order(settled: World) -> None:
    settled.put({"1.png": 1, "2.png": 1})
    settled.sync()
    (settled.pictures / "1.png").rename(settled.pictures / "x.png")
    (settled.pictures / "2.png").rename(settled.pictures / "a.png")
    report = settled.sync()
    assert classes(report) == {"renamed": 2}
    assert report.examples["renamed"] == (
        (b"pictures/1.png", b"pictures/a.png"),
        (b"pictures/2.png", b"pictures/x.png"),
    )


def test_the_second_path_of_a_key_that_is_there_is_copied(settled: World) -> None:
    settled.put({"b.png": 1})
    settled.sync()
    settled.put({"a.png": 1, "c.png": 1})
    report = settled.sync()
    assert (classes(report), report.embedded) == ({"unchanged": 1, "copied": 2}, 0)
    assert (report.paths, report.images) == (3, 1)


def test_of_equal_new_pictures_the_first_in_path_order_is_new_and_the_others_are_copied(world: World) -> None:
    world.put({"c.png": 1, "a.png": 1, "b.png": 1})
    report = world.sync()
    assert (classes(report), report.embedded) == ({"new": 1, "copied": 2}, 1)
    assert report.examples["new"] == ((b"pictures/a.png",),)


def test_one_renamed_and_one_copied_when_a_key_moves_to_two_paths(settled: World) -> None:
    settled.put({"m.png": 1})
    settled.sync()
    (settled.pictures / "m.png").unlink()
    settled.put({"a.png": 1, "b.png": 1})
    report = settled.sync()
    assert classes(report) == {"renamed": 1, "copied": 1}
    assert report.examples["renamed"] == ((b"pictures/m.png", b"pictures/a.png"),)


def test_one_renamed_and_one_removed_when_two_paths_of_a_key_become_one(settled: World) -> None:
    settled.put({"a.png": 1, "b.png": 1})
    settled.sync()
    (settled.pictures / "a.png").unlink()
    (settled.pictures / "b.png").rename(settled.pictures / "c.png")
    report = settled.sync()
    assert classes(report) == {"renamed": 1, "removed": 1}
    assert report.examples["renamed"] == ((b"pictures/a.png", b"pictures/c.png"),)
    assert report.examples["removed"] == ((b"pictures/b.png",),)


def test_a_key_whose_old_path_got_other_bytes_is_copied_to_its_new_path(settled: World) -> None:
    settled.put({"a.png": 1})
    settled.sync()
    settled.put({"a.png": 2, "b.png": 1})
    report = settled.sync()
    assert (classes(report), report.embedded) == ({"changed": 1, "copied": 1}, 1)


def test_a_picture_that_comes_back_is_known_and_embeds_nothing(settled: World) -> None:
    settled.put({"a.png": 1, "b.png": 2})
    settled.sync()
    (settled.pictures / "a.png").unlink()
    assert classes(settled.sync()) == {"unchanged": 1, "removed": 1}
    settled.put({"again.png": 1})
    report = settled.sync()
    assert (classes(report), report.embedded, settled.fake.embedded) == ({"unchanged": 1, "known": 1}, 0, 2)


def test_a_picture_that_went_is_removed(settled: World) -> None:
    settled.put({"a.png": 1, "b.png": 2, "sub/c.png": 3})
    settled.sync()
    (settled.pictures / "a.png").unlink()
    shutil.rmtree(settled.pictures / "sub")
    report = settled.sync()
    assert (classes(report), report.paths, report.images) == ({"unchanged": 1, "removed": 2}, 1, 1)
    assert settled.paths() == ["pictures/b.png"]
    assert settled.paths("v1") == ["pictures/a.png", "pictures/b.png", "pictures/sub/c.png"]


def test_equal_bytes_are_embedded_once(world: World) -> None:
    world.put({f"{folder}/{i}.png": i for folder in ("a", "b", "c") for i in range(20)})
    report = world.sync()
    assert (report.embedded, world.fake.embedded, report.paths, report.images) == (20, 20, 60, 20)
    assert sorted(world.keys()) == sorted(world.key(i) for i in range(20))


def test_each_new_file_is_read_and_decoded_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = Reads(monkeypatch)
    world.put({f"{i}.png": i for i in range(40)})
    world.sync()
    assert len(reads.opened) == len(set(reads.opened)) == 40
    assert reads.decoded == 40
    assert drawn(0) != drawn(1)
