"""Folders that a store knows: their labels and places, their parts, moves, and one that takes in others."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.folders import Reads, World, classes, drawn, put

from vstore.errors import LabelTaken, UsageError
from vstore.repository.repository import Repository
from vstore.repository.stored_paths import prefixes_of
from vstore.store import Store


def places(world: World) -> dict[str, str]:
    """Where the roots lie: label -> absolute path."""
    repo = world.repo
    return {label: os.fsdecode(repo.place(root)) for label, root in repo.state.roots.items()}


# Labels and places


def test_a_root_is_called_as_its_folder(world: World) -> None:
    world.put({"a.png": 1})
    world.sync()
    assert places(world) == {"pictures": str(world.pictures)}
    assert world.paths() == ["pictures/a.png"]


def test_or_as_the_user_says(world: World) -> None:
    world.put({"a.png": 1})
    world.sync(as_label="holiday")
    assert places(world) == {"holiday": str(world.pictures)}
    assert world.paths() == ["holiday/a.png"]
    assert world.sync().snapshot is None, "it is known by its place"
    assert world.sync(as_label="holiday").snapshot is None


def test_a_root_has_one_label(world: World) -> None:
    world.put({"a.png": 1, "x/b.png": 2})
    world.sync()
    with pytest.raises(LabelTaken, match="is already known as 'pictures'") as raised:
        world.sync(as_label="holiday trip")
    assert raised.value.next_step.endswith("to give it another label: vstore root rename pictures 'holiday trip'")
    with pytest.raises(UsageError, match="which is known as 'pictures'"):
        world.sync(world.pictures / "x", as_label="holiday")
    assert list(places(world)) == ["pictures"]


@pytest.mark.parametrize("label", ["", ".", "..", "a/b", "a\0b", "x" * 256, "é" * 128, "\ud800"])
def test_a_label_is_one_name_as_long_as_a_disk_allows(world: World, label: str) -> None:
    world.put({"a.png": 1})
    with pytest.raises(UsageError, match="cannot be a label"):
        world.sync(as_label=label)


@pytest.mark.parametrize("label", ["x" * 255, "é" * 127, "a\nb", "\udcff"])
def test_a_label_that_is_taken_is_read_again(world: World, label: str) -> None:
    world.put({"a.png": 1})
    world.sync(as_label=label)
    with world.another() as store:
        assert list(store.stats().roots[0].label) == list(label)
        assert store.check().ok


def test_one_label_is_for_one_path(world: World) -> None:
    for paths in ((), (world.pictures, world.top)):
        with pytest.raises(UsageError, match="--as names one folder"):
            world.store.sync(paths, as_label="x")


def test_two_folders_of_one_name_need_a_label_each(world: World) -> None:
    a, b = world.top / "a/pictures", world.top / "b/pictures"
    put(a, {"1.png": 1})
    put(b, {"2.png": 2})
    world.sync(a)
    with pytest.raises(LabelTaken) as taken:
        world.sync(b)
    assert (str(taken.value), taken.value.exit_code) == (f"the label pictures belongs to {a}; add --as NAME", 2)
    assert world.paths() == ["pictures/1.png"]
    assert classes(world.sync(b, as_label="more")) == {"new": 1}
    assert world.paths() == ["more/2.png", "pictures/1.png"]


def test_a_label_and_a_path_may_be_any_bytes_and_long(settled: World) -> None:
    root = os.fsencode(settled.top) + b"/new\nline \xff"
    long = b"/".join([b"d" * 200] * 18)  # 3.6 KB, and 4 KB with what is above it
    os.mkdir(root)
    folder = os.open(root, os.O_RDONLY)
    for name in long.split(b"/"):
        os.mkdir(name, dir_fd=folder)
        below = os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    for name in (b"plain.png", b"new\nline.png", b"\xff\xfe.png", b" ", b"tab\t.PNG"):
        fd = os.open(name, os.O_WRONLY | os.O_CREAT, dir_fd=folder)
        os.write(fd, drawn(len(name)))
        os.close(fd)
    os.close(folder)
    report = settled.store.sync([root])
    assert (classes(report), report.ignored) == ({"new": 4}, 1)
    stored = b"new\nline \xff/" + long + b"/"
    assert dict(settled.tree()).keys() == {
        stored + name for name in (b"plain.png", b"new\nline.png", b"\xff\xfe.png", b"tab\t.PNG")
    }
    assert settled.store.sync([root]).snapshot is None
    assert classes(settled.store.sync()) == {"unchanged": 4}


def test_places_are_compared_by_device_and_inode(settled: World, reads: Reads, monkeypatch: pytest.MonkeyPatch) -> None:
    # On a disk that is not case-sensitive two paths that no realpath makes equal lead to one folder. A link does so
    # here, once realpath does not resolve it.
    (settled.top / "Pictures").symlink_to("pictures")
    settled.put({"a.png": 1, "x/b.png": 2})
    settled.sync()
    monkeypatch.setattr(os.path, "realpath", lambda path, **_: os.path.abspath(path))
    reads.clear()
    assert classes(settled.sync(settled.top / "Pictures")) == {"unchanged": 2}
    assert classes(settled.sync(settled.top / "Pictures/x")) == {"unchanged": 1}
    assert (list(places(settled)), reads.opened) == (["pictures"], [])
    assert within(settled, "current", os.fsencode(settled.top / "Pictures/x")) == (b"pictures/x",)


def test_a_link_to_a_root_means_that_root(settled: World) -> None:
    settled.put({"a.png": 1})
    (settled.top / "link").symlink_to(settled.pictures)
    settled.sync(settled.top / "link")
    assert list(places(settled)) == ["pictures"]
    assert classes(settled.sync()) == {"unchanged": 1}


# Several roots


def test_no_path_means_all_known_roots(settled: World) -> None:
    settled.put({"a.png": 1})
    put(settled.top / "other", {"b.png": 2})
    settled.sync(settled.pictures, settled.top / "other")
    settled.put({"c.png": 3})
    put(settled.top / "other", {"d.png": 4})
    assert classes(settled.all()) == {"unchanged": 2, "new": 2}


def test_one_root_leaves_the_others_as_they_are(settled: World) -> None:
    settled.put({"a.png": 1})
    put(settled.top / "other", {"b.png": 2})
    settled.sync(settled.pictures, settled.top / "other")
    (settled.pictures / "a.png").rename(settled.pictures / "z.png")
    (settled.top / "other/b.png").rename(settled.top / "other/y.png")
    assert classes(settled.sync(settled.top / "other")) == {"renamed": 1}
    assert settled.paths() == ["other/y.png", "pictures/a.png"]
    assert classes(settled.all()) == {"unchanged": 1, "renamed": 1}


def test_a_store_that_knows_no_folder_says_so(world: World) -> None:
    with pytest.raises(UsageError, match="has no folder yet"):
        world.all()


def test_a_path_that_is_named_twice_or_lies_in_another_is_synced_once(settled: World) -> None:
    settled.put({"a.png": 1, "x/b.png": 2})
    settled.sync()
    report = settled.sync(settled.pictures / "x", settled.pictures, settled.pictures / "x/b.png", settled.pictures)
    assert classes(report) == {"unchanged": 2}


# What cannot be synced


def test_what_is_no_folder_of_pictures_is_refused_by_name(world: World) -> None:
    world.put({"a.png": 1})
    for path, words in (
        (world.top / "nowhere", "there is no folder"),
        (world.pictures / "a.png", "is not a folder"),
        (world.pictures / "a.png" / "deeper", "there is no folder"),
        (world.folder, "is the store, or lies inside it"),
        (world.folder / "segments", "is the store, or lies inside it"),
    ):
        with pytest.raises(UsageError, match=words) as caught:
            world.sync(path)
        assert str(path) in str(caught.value)
    assert world.repo.state.roots == {}


def test_the_store_inside_a_root_is_not_scanned(tmp_path: Path) -> None:
    fake = World(tmp_path)
    put(fake.pictures, {"a.png": 1, "index/looks.png": 2})
    shutil.rmtree(fake.pictures / "index")
    Store.init(fake.pictures / "index", recipe=fake.fake.recipe)
    put(fake.pictures / "index/cache", {"looks.png": 2})
    with Store(fake.pictures / "index", load_embedder=fake.load) as store:
        assert store.sync([fake.pictures]).new == 1
        assert store.sync([fake.pictures]).snapshot is None


# Parts of a root


def test_a_folder_of_a_root_is_synced_alone(settled: World) -> None:
    settled.put({"a.png": 1, "x/b.png": 2, "xx/c.png": 3, "x.png": 4})
    settled.sync()
    settled.put({"a.png": 5, "x/b.png": 6, "x/new.png": 7, "xx/c.png": 8, "x.png": 9})
    report = settled.sync(settled.pictures / "x")
    assert (classes(report), report.paths) == ({"changed": 1, "new": 1}, 5)
    assert classes(settled.sync()) == {"unchanged": 2, "changed": 3}


def test_a_file_of_a_root_is_synced_alone(settled: World, reads: Reads) -> None:
    settled.put({"x/a.png": 1, "x/b.png": 2})
    settled.sync()
    settled.put({"x/a.png": 3, "x/b.png": 4, "x/c.png": 5})
    reads.clear()
    assert classes(settled.sync(settled.pictures / "x/a.png", settled.pictures / "x/c.png")) == {"changed": 1, "new": 1}
    assert sorted(map(os.path.basename, reads.opened)) == ["a.png", "c.png"]
    assert settled.aliases()["pictures/x/b.png"] == settled.key(2)
    assert classes(settled.sync()) == {"unchanged": 2, "changed": 1}


def test_two_files_of_one_folder_are_each_held_against_their_own_alias(settled: World) -> None:
    settled.put({"a.png": 1, "b.png": 2, "c.png": 3})
    settled.sync()
    settled.put({"b.png": 1})
    report = settled.sync(settled.pictures / "a.png", settled.pictures / "b.png")
    assert (classes(report), report.images) == ({"unchanged": 1, "changed": 1}, 2)


def test_a_file_that_is_no_picture_is_synced_alone_to_no_effect(settled: World) -> None:
    settled.put({"a.png": 1, "notes.txt": b"words"})
    settled.sync()
    report = settled.sync(settled.pictures / "notes.txt")
    assert (classes(report), report.ignored) == ({}, 1)


@pytest.mark.parametrize("gone", ["x", "x/b.png"])
def test_a_path_in_a_root_that_is_gone_is_a_removal(settled: World, gone: str) -> None:
    settled.put({"a.png": 1, "x/b.png": 2})
    settled.sync()
    shutil.rmtree(settled.pictures / "x")
    (settled.pictures / "a.png").unlink()
    assert classes(settled.sync(settled.pictures / gone)) == {"removed": 1}
    assert settled.paths() == ["pictures/a.png"]


def test_a_path_in_a_root_that_is_gone_itself_is_an_error(settled: World) -> None:
    settled.put({"x/b.png": 2})
    settled.sync()
    shutil.rmtree(settled.pictures)
    with pytest.raises(UsageError, match=r"neither .* nor its folder .* exists"):
        settled.sync(settled.pictures / "x")


def test_paths_may_come_from_a_file(settled: World, tmp_path: Path) -> None:
    settled.put({"a.png": 1, "x/b.png": 2, "new\nline.png": 3})
    settled.sync()
    settled.put({"a.png": 4, "x/b.png": 5, "new\nline.png": 6})
    lines, nuls, nothing = tmp_path / "lines", tmp_path / "nuls", tmp_path / "nothing"
    lines.write_text(f"# these\n\n{settled.pictures}/x\n")
    nuls.write_bytes(os.fsencode(settled.pictures) + b"/new\nline.png\0")
    nothing.write_text("# none\n")
    assert classes(settled.store.sync(files_from=lines)) == {"changed": 1}
    assert classes(settled.store.sync(files_from=nuls)) == {"changed": 1}
    with pytest.raises(UsageError, match="lists no path"):
        settled.store.sync(files_from=nothing)
    with pytest.raises(UsageError, match="cannot read"):
        settled.store.sync(files_from=tmp_path / "missing")
    assert classes(settled.sync()) == {"unchanged": 2, "changed": 1}


def test_excludes_may_come_from_a_file(settled: World, tmp_path: Path) -> None:
    settled.put({"a.png": 1, "b.png": 2, "x/c.png": 3})
    patterns = tmp_path / "patterns"
    patterns.write_text("# not these\n\nb.png\nx/\n")
    assert classes(settled.sync(exclude_from=patterns)) == {"new": 1}
    assert classes(settled.sync()) == {"unchanged": 1}
    with pytest.raises(UsageError, match="cannot read"):
        settled.sync(exclude_from=tmp_path / "missing")


def test_an_exclude_that_is_not_set_cannot_be_dropped(settled: World) -> None:
    settled.put({"a.png": 1})
    settled.sync()
    with pytest.raises(UsageError, match="it has no excludes"):
        settled.sync(no_exclude=["x"])
    settled.sync(exclude=["b", "c"])
    with pytest.raises(UsageError, match="it has: b, c"):
        settled.sync(no_exclude=["x"])


def test_includes_are_kept_with_the_root(settled: World) -> None:
    settled.put({"a.png": 1, "b.dat": 2, ".hidden.png": 3, "c.txt": b"words"})
    assert classes(settled.sync(include=["*.dat", ".hidden.png"])) == {"new": 3}
    assert classes(settled.sync()) == {"unchanged": 3}


# Moves


def test_a_root_whose_old_place_is_gone_has_moved(settled: World, reads: Reads) -> None:
    settled.put({"a.png": 1, "x/b.png": 2})
    settled.sync(exclude=["no"])
    reads.clear()
    moved = settled.top / "elsewhere/pictures"
    moved.parent.mkdir()
    settled.pictures.rename(moved)
    report = settled.sync(moved)
    assert (classes(report), report.snapshot, reads.opened) == ({"unchanged": 2}, None, [])
    assert places(settled) == {"pictures": str(moved)}
    assert settled.repo.state.roots["pictures"].options["exclude"] == ["no"]
    assert classes(settled.all()) == {"unchanged": 2}


def test_a_root_whose_old_place_is_still_there_has_moved_if_the_user_says_so(settled: World, reads: Reads) -> None:
    settled.put({"a.png": 1, "x/b.png": 2})
    settled.sync()
    copy = settled.top / "copy"
    shutil.copytree(settled.pictures, copy)
    reads.clear()
    report = settled.sync(copy, as_label="pictures")
    assert (classes(report), report.snapshot, report.embedded) == ({"unchanged": 2}, None, 0)
    assert places(settled) == {"pictures": str(copy)}


def test_a_root_under_another_name_is_moved_by_its_label(settled: World) -> None:
    settled.put({"a.png": 1})
    settled.sync()
    settled.pictures.rename(settled.top / "photos")
    assert classes(settled.sync(settled.top / "photos", as_label="pictures")) == {"unchanged": 1}
    assert places(settled) == {"pictures": str(settled.top / "photos")}


def test_a_root_that_moved_together_with_its_store_is_where_it_was_beside_it(tmp_path: Path) -> None:
    old = World(tmp_path / "old")
    old.put({"a.png": 1, "x/b.png": 2})
    old.sync()
    assert old.repo.state.roots["pictures"].relative
    old.store.close()
    (tmp_path / "old").rename(tmp_path / "new")
    with Store(tmp_path / "new/.vstore", load_embedder=old.load) as store:
        assert classes(store.sync()) == {"unchanged": 2}
        assert classes(store.sync([tmp_path / "new/pictures"])) == {"unchanged": 2}
        assert os.fsdecode(Repository(tmp_path / "new/.vstore").file_finder(None)(b"pictures/a.png") or b"") == str(
            tmp_path / "new/pictures/a.png"
        )


def test_so_is_one_that_holds_its_store(tmp_path: Path) -> None:
    world = World(tmp_path / "unused")
    old = tmp_path / "old"
    put(old, {"a.png": 1, "meta/notes.txt": b""})
    Store.init(old / "meta/.vstore", recipe=world.fake.recipe)
    with Store(old / "meta/.vstore", load_embedder=world.load) as store:
        store.sync([old])
    old.rename(tmp_path / "new")
    with Store(tmp_path / "new/meta/.vstore", load_embedder=world.load) as store:
        assert classes(store.sync()) == {"unchanged": 1}
        assert classes(store.sync([tmp_path / "new"])) == {"unchanged": 1}


def test_a_root_apart_from_its_store_keeps_its_own_place(tmp_path: Path) -> None:
    world = World(tmp_path / "store")
    put(tmp_path / "data/photos", {"a.png": 1})
    world.sync(tmp_path / "data/photos")
    world.store.close()
    (tmp_path / "store").rename(tmp_path / "moved")
    with Store(tmp_path / "moved/.vstore", load_embedder=world.load) as store:
        assert classes(store.sync()) == {"unchanged": 1}


# Absorbing


@pytest.fixture
def absorbed(settled: World, reads: Reads) -> Iterator[World]:
    """`pictures/2024` and `pictures/deep/x`, synced first; then `pictures`."""
    settled.put({"2024/a.png": 1, "2024/b/c.png": 2, "deep/x/d.png": 3})
    settled.sync(settled.pictures / "2024", settled.pictures / "deep/x")
    assert settled.paths() == ["2024/a.png", "2024/b/c.png", "x/d.png"]
    reads.clear()
    yield settled


def test_a_root_around_others_takes_them_in_and_reads_nothing(absorbed: World, reads: Reads) -> None:
    report = absorbed.sync()
    assert (classes(report), report.snapshot, report.embedded, reads.opened) == ({"unchanged": 3}, "v2", 0, [])
    assert absorbed.paths() == ["pictures/2024/a.png", "pictures/2024/b/c.png", "pictures/deep/x/d.png"]
    assert list(places(absorbed)) == ["pictures"]
    assert absorbed.repo.state.absorbed == {"2024": "pictures/2024", "x": "pictures/deep/x"}
    assert (report.paths, report.images) == (3, 3)


def test_older_snapshots_keep_their_labels_and_are_compared_under_those_of_today(absorbed: World) -> None:
    absorbed.sync()
    assert absorbed.paths("v1") == ["2024/a.png", "2024/b/c.png", "x/d.png"]
    absorbed.put({"new.png": 4})
    assert classes(absorbed.sync()) == {"unchanged": 3, "new": 1}
    diff = absorbed.store.snapshot_diff("v1", "v3")
    assert (diff.added, diff.renamed, diff.removed) == ((b"pictures/new.png",), (), ())


def test_after_a_rollback_across_it_the_next_sync_reads_nothing(absorbed: World, reads: Reads) -> None:
    absorbed.sync()
    absorbed.store.rollback("v1")
    report = absorbed.sync()
    assert (classes(report), report.snapshot, reads.opened) == ({"unchanged": 3}, "v3", [])
    assert absorbed.repo.snapshot("v3").id == absorbed.repo.snapshot("v2").id


def test_a_part_that_was_a_root_of_its_own_is_synced_as_a_part(absorbed: World) -> None:
    absorbed.sync()
    absorbed.put({"2024/new.png": 5})
    assert classes(absorbed.sync(absorbed.pictures / "2024")) == {"unchanged": 2, "new": 1}
    assert absorbed.paths()[2] == "pictures/2024/new.png"


def test_the_label_of_an_absorbed_root_is_not_given_again(absorbed: World) -> None:
    absorbed.sync()
    other = absorbed.top / "elsewhere/2024"
    put(other, {"z.png": 9})
    with pytest.raises(LabelTaken, match="the label 2024 belongs to a folder inside another one"):
        absorbed.sync(other)
    assert classes(absorbed.sync(other, as_label="older")) == {"new": 1}


def test_a_root_cannot_take_in_one_of_its_own_label(settled: World) -> None:
    settled.put({"pictures/a.png": 1, "b.png": 2})
    settled.sync(settled.pictures / "pictures")
    with pytest.raises(LabelTaken, match="add --as NAME"):
        settled.sync()
    report = settled.sync(as_label="all")
    assert (classes(report), settled.paths()) == ({"unchanged": 1, "new": 1}, ["all/b.png", "all/pictures/a.png"])


def test_a_root_that_took_in_others_can_be_taken_in_itself(absorbed: World, reads: Reads) -> None:
    absorbed.sync()
    report = absorbed.sync(absorbed.top, as_label="everything")
    assert (classes(report), reads.opened) == ({"unchanged": 3}, [])
    assert absorbed.paths()[0] == "everything/pictures/2024/a.png"
    absorbed.store.rollback("v1")
    assert (classes(absorbed.all()), reads.opened) == ({"unchanged": 3}, [])


def test_a_folder_and_one_in_it_that_are_both_new_are_one_root(settled: World) -> None:
    settled.put({"2024/a.png": 1, "b.png": 2})
    for paths in ([settled.pictures / "2024", settled.pictures], [settled.pictures, settled.pictures / "2024"]):
        settled.sync(*paths)
        assert settled.paths() == ["pictures/2024/a.png", "pictures/b.png"]
        assert (list(places(settled)), settled.repo.state.absorbed) == (["pictures"], {})


def test_the_excludes_of_what_is_taken_in_go_on_to_hold_there_and_only_there(settled: World, reads: Reads) -> None:
    names = ("raw/a.png", "b/raw/c.png", "tmp.png", "b/tmp.png", "top/d.png", "b/top/e.png", "keep.png", "b/f.png")
    settled.put({f"in[1]/{name}": number for number, name in enumerate(names)})
    settled.put({f"out/{name}": 100 + number for number, name in enumerate(names)})
    inner = settled.pictures / "in[1]"
    kept = settled.sync(inner, exclude=["raw/", "/top", "tmp.png", "!/b/tmp.png"], include=["*.dat"])
    assert kept.new == 4
    reads.clear()
    report = settled.sync()
    assert classes(report) == {"unchanged": 4, "new": 8}
    assert not [path for path in reads.opened if "in[1]" in path]
    assert settled.repo.state.roots["pictures"].options["exclude"] == [
        r"/in\[1\]/**/raw/",
        r"/in\[1\]/top",
        r"/in\[1\]/**/tmp.png",
        r"!/in\[1\]/b/tmp.png",
    ]


def test_a_move_into_another_root_is_no_root_any_more(settled: World) -> None:
    put(settled.top / "one", {"a.png": 1})
    put(settled.top / "two", {"b.png": 2})
    settled.sync(settled.top / "one", settled.top / "two")
    (settled.top / "two").rename(settled.top / "one/two")
    assert classes(settled.sync(settled.top / "one")) == {"unchanged": 1, "copied": 1}
    with pytest.raises(UsageError, match="sync it without --as"):
        settled.sync(settled.top / "one/two", as_label="two")
    assert classes(settled.all(allow_mass_delete=True)) == {"unchanged": 2, "removed": 1}


# What a path means in a search


def within(world: World, snapshot: str, path: bytes) -> tuple[bytes, ...]:
    repo = world.repo
    return prefixes_of(repo, repo.snapshot(snapshot), world.tree(snapshot), path)


def test_a_path_is_found_under_all_the_labels_it_had(absorbed: World) -> None:
    absorbed.sync()
    here = os.fsencode(absorbed.pictures)
    assert within(absorbed, "v2", here + b"/2024") == (b"2024", b"pictures/2024")
    assert within(absorbed, "v1", here + b"/2024/b") == (b"2024/b", b"pictures/2024/b")
    assert within(absorbed, "v1", b"pictures") == (b"2024", b"pictures", b"x")
    assert within(absorbed, "v1", b"2024/b") == (b"2024/b", b"pictures/2024/b")
    assert within(absorbed, "v2", os.fsencode(absorbed.top)) == (b"2024", b"pictures", b"x")


def test_a_path_under_no_root_is_an_error(absorbed: World) -> None:
    with pytest.raises(UsageError, match="is not in any synced folder"):
        within(absorbed, "current", b"/nowhere/at/all")
