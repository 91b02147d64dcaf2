"""Folders are listed, taken out and renamed; and what labels of old snapshots mean after that."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from support.folders import Reads, World, classes, put

from vstore import LabelTaken, Locked, MigrationNeeded, Refused, UsageError
from vstore.format.retired import Retired
from vstore.search.query import Operand
from vstore.store import Store

FORMAT_1 = Path(__file__).parent / "data" / "format-1" / "store"


@pytest.fixture
def two(settled: World) -> World:
    """Two folders, `pictures` and `other`, and v1 of both."""
    settled.put({"a.png": 1, "x/b.png": 2, "x/c.png": 3})
    put(settled.top / "other", {"d.png": 4, "e.png": 1})
    settled.sync(settled.pictures, settled.top / "other")
    return settled


def another(world: World, name: str = "elsewhere") -> Path:
    """A folder that is called `pictures` too, with other pictures under the same names."""
    put(world.top / name / "pictures", {"a.png": 11, "x/b.png": 12, "new.png": 13})
    return world.top / name / "pictures"


def files(world: World, at: str) -> dict[str, str | None]:
    """The file of each path of a snapshot, as a search shows it."""
    found = world.store.search([Operand(1.0, os.fsencode(world.top / "query.png"))], k=1000, at=at)
    pairs = ((p, f) for hit in found.hits for p, f in zip(hit.paths, hit.files, strict=True))
    return {os.fsdecode(path): None if file is None else os.fsdecode(file) for path, file in pairs}


@pytest.fixture(autouse=True)
def query(settled: World) -> None:
    put(settled.top, {"query.png": 1})


def wrong(world: World) -> list[tuple[str, str, str]]:
    """The paths of all snapshots that lead to a file with other bytes."""
    hash = world.repo.hash
    found = []
    for row in world.store.snapshot_list():
        aliases = world.aliases(row.snapshot)
        for path, file in files(world, row.snapshot).items():
            there = file is not None and os.path.exists(file)
            if file is not None and there and hash.digest(Path(file).read_bytes()).hex() != aliases[path]:
                found.append((row.snapshot, path, file))
    return found


# Listing


def test_the_list_says_what_is_known_of_each_folder(two: World) -> None:
    two.sync(two.pictures, exclude=["*.tmp"])
    (two.top / "other").rename(two.top / "gone")
    pictures, other = two.store.root_list()[::-1]
    assert (pictures.label, pictures.place, pictures.there) == ("pictures", bytes(two.pictures), True)
    assert (pictures.paths, pictures.images, pictures.named) == (3, 3, True)
    assert pictures.options == {"exclude": ["*.tmp"]}
    assert (other.label, other.there, other.paths, other.images, other.options) == ("other", False, 2, 2, {})


def test_a_store_without_folders_has_an_empty_list(settled: World) -> None:
    assert settled.store.root_list() == []


def test_the_list_names_labels_of_before(two: World) -> None:
    two.store.root_rename("other", "more")
    two.sync(two.top)
    (row,) = two.store.root_list()
    assert (row.label, sorted(row.earlier), row.paths) == (two.top.name, ["more", "other", "pictures"], 6)


# Taking out


def test_taking_a_folder_out_is_a_snapshot_without_its_pictures(two: World) -> None:
    rows = two.keys()
    report = two.store.root_remove("pictures", message="sold")
    assert (report.label, report.place, report.snapshot, report.current, report.before) == (
        "pictures", bytes(two.pictures), "v2", "v2", "v1",
    )  # fmt: skip
    assert (report.paths, report.images, report.left, report.dry_run) == (3, 2, 2, False)
    assert two.paths() == ["other/d.png", "other/e.png"]
    assert list(two.repo.state.roots) == ["other"]
    assert two.keys() == rows, "vectors stay"
    assert (two.pictures / "a.png").exists()
    assert two.store.snapshot_list()[0].message == "sold"
    assert classes(two.all()) == {"unchanged": 2}
    assert two.store.check(read_data=True).ok


@pytest.mark.parametrize("words", [lambda w: w.pictures, lambda w: str(w.pictures) + "/", lambda w: b"pictures"])
def test_a_folder_is_named_by_label_or_place(words: Callable[[World], object], two: World) -> None:
    assert two.store.root_remove(words(two)).label == "pictures"  # type: ignore[arg-type]


def test_a_dry_run_writes_nothing(two: World) -> None:
    number = two.repo.tip.number
    report = two.store.root_remove("pictures", dry_run=True)
    assert (report.snapshot, report.paths, report.current, report.dry_run) == (None, 3, "v1", True)
    assert two.store.root_rename("pictures", "p", dry_run=True).paths == 3
    assert two.repo.tip.number == number


def test_it_is_undone_and_done_again(two: World) -> None:
    two.sync(two.pictures, exclude=["*.tmp"])
    before = two.repo.state
    two.store.root_remove("pictures")
    assert two.store.undo().current == "v1"
    after = two.repo.state
    assert after.roots == before.roots and after.roots["pictures"].options["exclude"] == ["*.tmp"]
    assert after.retired == {}
    assert None not in files(two, "v1").values()
    assert classes(two.all()) == {"unchanged": 5}
    assert two.store.redo().current == "v2"
    assert list(two.repo.state.roots) == ["other"]
    assert [file for path, file in files(two, "v1").items() if path.startswith("pictures/")] == [None] * 3
    assert two.store.undo().current == "v1"
    assert two.repo.state.roots == before.roots


def test_an_undo_does_not_need_its_place(two: World) -> None:
    two.store.root_remove("pictures")
    two.pictures.rename(two.top / "away")
    two.store.undo()
    (two.top / "away").rename(two.pictures)
    assert classes(two.all()) == {"unchanged": 5}


def test_a_rollback_to_pictures_of_a_removed_folder_says_how_to_take_them_out(two: World) -> None:
    two.store.root_remove("other")
    report = two.store.rollback("v1")
    assert report.notes == (
        "no folder has the label other any more: syncs leave its pictures as they are; to take them out: "
        "vstore root remove other",
    )
    assert two.store.rollback("v1").notes == (), "nothing was changed"
    put(two.top / "elsewhere/other", {"z.png": 9})
    two.sync(two.top / "elsewhere/other")
    two.store.rollback("v2")
    (note,) = two.store.rollback("v1").notes
    assert note.endswith("vstore root remove 'other (before v3)'")
    two.store.root_remove("other (before v3)")
    assert two.paths() == ["pictures/a.png", "pictures/x/b.png", "pictures/x/c.png"]


def test_a_path_that_no_file_can_have_is_refused(two: World) -> None:
    for act in (two.store.root_remove, two.store.show, two.store.ls):
        with pytest.raises(UsageError, match="a path has a NUL character"):
            act("pictures\0/a.png")


def test_the_last_folder_can_go(settled: World) -> None:
    settled.put({"a.png": 1})
    settled.sync()
    assert settled.store.root_remove("pictures").left == 0
    assert (settled.paths(), settled.repo.state.roots) == ([], {})
    with pytest.raises(UsageError, match="no folder yet"):
        settled.all()
    assert settled.store.check(read_data=True).ok
    assert settled.store.undo().current == "v1"


def test_a_folder_without_pictures_goes_without_a_snapshot(two: World) -> None:
    shutil.rmtree(two.top / "other")
    two.all(allow_mass_delete=True)
    report = two.store.root_remove("other")
    assert (report.snapshot, report.paths, report.current) == (None, 0, "v2")
    assert list(two.repo.state.roots) == ["pictures"]
    two.store.undo()
    assert sorted(two.repo.state.roots) == ["other", "pictures"]
    assert two.repo.state.current == "v2"


def test_a_folder_of_another_space_keeps_that_space(two: World) -> None:
    space = two.repo.state.current_snapshot
    two.store.root_remove("other")
    now = two.repo.state.current_snapshot
    assert space is not None and now is not None and now.space == space.space


def test_while_syncing_is_held_nothing_goes(two: World) -> None:
    two.store.rollback("v1", hold=True)
    with pytest.raises(Refused, match="held"):
        two.store.root_remove("pictures")
    with pytest.raises(Refused, match="held"):
        two.store.root_rename("pictures", "p")


def test_beside_a_running_sync_it_waits_or_refuses(two: World) -> None:
    """A sync that runs would bring the folder back."""
    with two.repo.lock("ingest") as lock:
        lock.acquire(0.0, "sync")
        for act in (lambda: two.store.root_remove("pictures"), lambda: two.store.root_rename("pictures", "p")):
            with pytest.raises(Locked):
                act()
    assert two.store.root_remove("pictures", wait=True).snapshot == "v2"


def test_a_store_of_format_1_is_left_as_it_is(tmp_path: Path) -> None:
    shutil.copytree(FORMAT_1, tmp_path / "old" / ".vstore")
    with Store(tmp_path / "old" / ".vstore") as store:
        assert [row.label for row in store.root_list()] == ["pictures"]
        with pytest.raises(MigrationNeeded, match="vstore migrate"):
            store.root_remove("pictures")
        with pytest.raises(MigrationNeeded, match="vstore migrate"):
            store.root_rename("pictures", "p")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("picture", "no folder 'picture'; did you mean pictures? list them with: vstore root list"),
        ("zzz", "no folder 'zzz'; list them with: vstore root list"),
        ("pictures/x", "is a part of the folder 'pictures', and no folder of its own; leave it out with"),
    ],
)
def test_what_is_no_folder_is_refused(words: str, said: str, two: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(two.top)
    with pytest.raises(UsageError) as caught:
        two.store.root_remove(words)
    assert said in str(caught.value)


def test_a_misspelt_label_is_no_part_of_the_folder_one_stands_in(two: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(two.pictures)
    with pytest.raises(UsageError, match=r"no folder 'picture'; did you mean pictures\?"):
        two.store.root_remove("picture")


def test_a_word_that_means_two_folders_is_refused(two: World, monkeypatch: pytest.MonkeyPatch) -> None:
    put(two.top / "sub/pictures", {"z.png": 9})
    two.sync(two.top / "sub/pictures", as_label="third")
    monkeypatch.chdir(two.top / "sub")
    with pytest.raises(UsageError, match=r"means two folders.*third or \./pictures"):
        two.store.root_remove("pictures")
    assert two.store.root_remove("./pictures").label == "third"


def test_a_folder_that_another_took_in_is_named_as_a_part(two: World) -> None:
    two.sync(two.top)
    with pytest.raises(UsageError, match=r"is a part of the folder .* now.* --exclude /pictures/"):
        two.store.root_remove("pictures")
    label = two.top.name
    assert two.store.root_remove(label).paths == 6
    assert (two.repo.state.roots, two.repo.state.absorbed) == ({}, {}), "the labels that it took in are free too"
    two.store.undo()
    assert sorted(two.repo.state.absorbed) == ["other", "pictures"]
    assert None not in files(two, "v1").values()


# The label is free again


def test_another_folder_takes_the_label_and_old_paths_do_not_lead_there(two: World) -> None:
    two.store.root_remove("pictures")
    place = another(two)
    assert classes(two.sync(place)) == {"new": 3}
    assert two.repo.state.roots["pictures"].place == os.fsencode(place.relative_to(two.top))
    old = files(two, "v1")
    assert [old[path] for path in ("pictures/a.png", "pictures/x/b.png", "pictures/x/c.png")] == [None] * 3
    assert old["other/d.png"] == str(two.top / "other/d.png")
    assert files(two, "current")["pictures/a.png"] == str(place / "a.png")
    assert wrong(two) == []


def test_a_search_below_the_new_folder_does_not_answer_with_the_old_one(two: World) -> None:
    two.store.root_remove("pictures")
    place = another(two)
    two.sync(place)
    query = [Operand(1.0, os.fsencode(two.top / "query.png"))]
    assert {p for hit in two.store.search(query, at="v1", under="pictures/x").hits for p in hit.paths} == {
        b"pictures/x/b.png", b"pictures/x/c.png",
    }  # fmt: skip
    for path in (place, place / "x", place / "new.png"):
        assert two.store.search(query, at="v1", under=path).hits == ()


def test_no_group_of_duplicates_of_an_old_snapshot_opens_the_new_folder(two: World) -> None:
    two.store.root_remove("pictures")
    two.sync(another(two))
    (group,) = two.store.dupes(at="v1").groups
    assert group.troubles == {b"pictures/a.png": "its folder is no longer known"}


def test_an_export_of_an_old_snapshot_names_no_file_of_the_new_folder(two: World, tmp_path: Path) -> None:
    two.store.root_remove("pictures")
    place = another(two)
    two.sync(place)
    two.store.export(tmp_path / "out", at="v1")
    assert str(place) not in (tmp_path / "out/metadata.json").read_text()
    assert str(place) not in (tmp_path / "out/vstore.json").read_text()


def test_a_sync_over_an_old_snapshot_keeps_the_folders_apart(two: World) -> None:
    """The paths of the old folder stay in what is current, under a label that no folder has."""
    two.store.root_remove("pictures")
    place = another(two)
    two.sync(place)
    two.store.rollback("v1")
    report = two.sync(two.top / "other")
    assert report.snapshot is not None or classes(report) == {"unchanged": 2}
    report = two.all()
    assert (report.removed, report.known) == (0, 3)
    gone = [path for path in two.paths() if path.startswith("pictures (before v3)/")]
    assert gone == ["pictures (before v3)/a.png", "pictures (before v3)/x/b.png", "pictures (before v3)/x/c.png"]
    assert wrong(two) == []
    rows = {row.label: row for row in two.store.root_list()}
    assert rows["pictures (before v3)"].place is None
    assert rows["pictures (before v3)"].paths == 3
    assert two.store.root_remove("pictures (before v3)").paths == 3
    assert sorted(two.aliases()) == [
        "other/d.png", "other/e.png", "pictures/a.png", "pictures/new.png", "pictures/x/b.png",
    ]  # fmt: skip


@pytest.mark.parametrize("act", ["fields", "rename", "remove other"])
def test_whatever_is_made_over_an_old_snapshot_keeps_them_apart(act: str, two: World) -> None:
    from vstore.repository.fields import set_fields

    two.store.root_remove("pictures")
    two.sync(another(two))
    two.store.rollback("v1")
    if act == "fields":
        set_fields(two.store._repo, {(bytes.fromhex(two.key(4)), "note"): "x"})
    elif act == "rename":
        two.store.root_rename("other", "more")
    else:
        two.store.root_remove("other")
    assert len([path for path in two.paths() if path.startswith("pictures (before v3)/")]) == 3
    assert wrong(two) == []


def test_an_undone_snapshot_of_another_folder_is_kept_apart_too(two: World) -> None:
    """v3 is of the other folder; it stays listed after its undo, when the label is that of the first folder again."""
    two.store.root_remove("pictures")
    two.sync(another(two))
    two.store.undo()
    two.store.undo()
    assert two.repo.state.roots["pictures"].place == b"pictures"
    assert [file for path, file in files(two, "v3").items() if path.startswith("pictures/")] == [None] * 3
    assert None not in files(two, "v1").values()
    assert wrong(two) == []
    two.store.redo()
    two.store.redo()
    assert None not in files(two, "v3").values()
    assert wrong(two) == []


def test_the_same_folder_comes_back_to_its_old_snapshots(two: World, reads: Reads) -> None:
    two.store.root_remove("pictures")
    embedded = two.fake.embedded
    reads.clear()
    report = two.sync()
    assert (report.known, report.copied, report.embedded) == (2, 1, 0)
    assert two.fake.embedded == embedded
    assert None not in files(two, "v1").values()
    assert two.repo.state.retired == {}


def test_a_folder_with_a_used_label_is_hashed_as_if_nothing_was_known(two: World, reads: Reads) -> None:
    """What the stat cache knows of the label is of another folder: the same name, size and times prove nothing."""
    two.sync(two.pictures, ignore_inode=True, ignore_ctime=True)
    place = two.top / "elsewhere" / "pictures"
    shutil.copytree(two.pictures, place)
    data = bytearray((place / "a.png").read_bytes())
    data[-1] ^= 1
    seen = (two.pictures / "a.png").stat()
    (place / "a.png").write_bytes(data)
    os.utime(place / "a.png", ns=(seen.st_atime_ns, seen.st_mtime_ns))
    two.store.root_remove("pictures")
    two.sync(place, ignore_inode=True, ignore_ctime=True)
    assert two.aliases()["pictures/a.png"] == two.repo.hash.digest(bytes(data)).hex()


def test_the_losses_of_the_folder_before_are_not_those_of_the_new_one(settled: World) -> None:
    settled.put({f"{n}.png": n for n in range(30)})
    settled.sync()
    settled.store.root_remove("pictures")
    place = another(settled)
    assert classes(settled.sync(place)) == {"known": 3}
    assert classes(settled.all()) == {"unchanged": 3}


def test_rows_that_wait_for_a_removed_folder_do_not_wait_for_the_next_one(two: World) -> None:
    from vstore.format.rest_entry import Import

    repo = two.store._repo
    waiting = Import("i9", repo.state.start_space or "", "pictures", 1, b"\0" * 16, (b"\1" * 16,), 1, "t")
    with repo.committing("test"):
        repo.publish("roots", {"imports": {"i9": waiting.to_json()}})
    two.store.root_remove("pictures")
    assert two.repo.state.imports["i9"].root == "pictures (before v2)"
    two.store.undo()
    assert two.repo.state.imports["i9"].root == "pictures"
    two.store.root_rename("pictures", "p")
    assert two.repo.state.imports["i9"].root == "p"


# Renaming


def test_a_rename_is_a_snapshot_with_the_paths_under_the_new_label(two: World, reads: Reads) -> None:
    embedded = two.fake.embedded
    report = two.store.root_rename("pictures", "photos")
    assert (report.old, report.label, report.place, report.snapshot, report.paths) == (
        "pictures", "photos", bytes(two.pictures), "v2", 3,
    )  # fmt: skip
    assert {path: key for path, key in two.aliases("v1").items() if "other" not in path} == {
        path.replace("photos/", "pictures/"): key for path, key in two.aliases().items() if "other" not in path
    }
    assert None not in files(two, "v1").values()
    assert None not in files(two, "v2").values()
    reads.clear()
    assert classes(two.all()) == {"unchanged": 5}
    assert classes(two.sync()) == {"unchanged": 3}
    assert (reads.opened, two.fake.embedded) == ([], embedded)
    assert wrong(two) == []
    assert two.store.check(read_data=True).ok


def test_a_rename_is_undone_and_done_again_wherever_the_disk_is(two: World) -> None:
    before = two.repo.state
    two.store.root_rename("pictures", "photos")
    two.pictures.rename(two.top / "away")
    assert two.store.undo().current == "v1"
    after = two.repo.state
    assert (after.roots, after.absorbed) == (before.roots, before.absorbed)
    assert two.store.redo().current == "v2"
    (two.top / "away").rename(two.pictures)
    assert sorted(two.repo.state.roots) == ["other", "photos"]
    assert classes(two.all()) == {"unchanged": 5}
    assert None not in files(two, "v1").values()


def test_there_and_back_again(two: World) -> None:
    for label in ("a", "b", "pictures", "a"):
        two.store.root_rename(two.pictures, label)
        for row in two.store.snapshot_list():
            assert None not in files(two, row.snapshot).values()
    assert wrong(two) == []
    assert classes(two.all()) == {"unchanged": 5}


def test_a_folder_that_took_another_in_keeps_it(two: World) -> None:
    two.sync(two.top)
    two.store.root_rename(two.top.name, "all")
    assert two.repo.state.absorbed == {
        "other": "all/other", "pictures": "all/pictures", two.top.name: "all",
    }  # fmt: skip
    assert None not in files(two, "v1").values()
    assert wrong(two) == []


def test_a_label_that_means_something_is_refused(two: World) -> None:
    for label, said in (
        ("other", "belongs to"),
        ("pictures", "called 'pictures' already"),
        ("a/b", "cannot be a label"),
    ):
        with pytest.raises(UsageError, match=said):
            two.store.root_rename("pictures", label)
    two.store.root_rename("other", "more")
    with pytest.raises(LabelTaken, match="older snapshots have other for more"):
        two.store.root_rename("pictures", "other")


def test_a_label_of_before_is_not_given_to_a_new_folder(two: World) -> None:
    two.store.root_rename("pictures", "photos")
    with pytest.raises(LabelTaken, match="the label pictures belongs to the folder 'photos' in older snapshots"):
        two.sync(another(two))
    with pytest.raises(UsageError, match="is called 'photos' now"):
        two.store.root_remove("pictures")


def test_a_renamed_folder_that_is_removed_frees_both_labels(two: World) -> None:
    two.store.root_rename("pictures", "photos")
    two.store.root_remove("photos")
    two.sync(another(two))
    assert [file for path, file in files(two, "v1").items() if path.startswith("pictures/")] == [None] * 3
    assert wrong(two) == []


def test_a_rename_takes_no_label_of_pictures_without_a_folder(two: World) -> None:
    two.store.root_remove("pictures")
    two.store.rollback("v1")
    with pytest.raises(LabelTaken, match="of a folder that is no longer known"):
        two.store.root_rename("other", "pictures")
    two.store.root_remove("pictures")
    assert two.store.root_rename("other", "pictures").paths == 2
    assert wrong(two) == []
    assert files(two, "v1")["pictures/a.png"] is None


def test_a_renamed_folder_outside_stays_named_by_its_user(tmp_path: Path) -> None:
    world = World(tmp_path / "store")
    put(tmp_path / "far" / "photos", {"a.png": 1})
    world.sync(tmp_path / "far/photos")
    world.store.root_rename("photos", "p")
    shutil.rmtree(world.folder / "catalogue")
    assert classes(world.all()) == {"unchanged": 1}


# The folders that labels had


def test_a_label_without_a_folder_goes_on_to_mean_the_last_one(two: World) -> None:
    """What is made over an old snapshot keeps its paths: the folder may come back."""
    two.store.root_remove("pictures")
    two.store.rollback("v1")
    put(two.top / "other", {"f.png": 5})
    two.sync(two.top / "other")
    assert len([path for path in two.paths() if path.startswith("pictures/")]) == 3
    assert two.repo.state.retired == {"pictures": [Retired(b"pictures", True)]}
    assert classes(two.sync()) == {"unchanged": 3}
    assert two.repo.state.retired == {}


def test_such_paths_are_kept_apart_once_another_folder_comes(two: World) -> None:
    two.store.root_remove("pictures")
    two.store.rollback("v1")
    two.sync(another(two))
    assert len([path for path in two.paths() if path.startswith("pictures (before v3)/")]) == 3
    assert wrong(two) == []


def test_ranges_are_what_no_other_folder_had(two: World) -> None:
    two.store.root_remove("pictures")
    two.sync(another(two, "b"))
    two.store.root_remove("pictures")
    two.sync(another(two, "c"))
    assert two.repo.state.retired == {
        "pictures": [Retired(b"pictures", True, 1, 3), Retired(b"b/pictures", True, 3, 5)]
    }
    assert wrong(two) == []


def test_a_label_of_255_bytes_has_room(two: World) -> None:
    assert len(os.fsencode(Retired(b"", False, 1, 12).label("é" * 127 + "x"))) <= 255


def test_a_plan_says_that_a_sync_writes_a_snapshot_for_the_labels_alone(settled: World) -> None:
    settled.put({"1.png": 1})
    settled.sync()
    settled.store.root_rename("pictures", "photos")
    assert settled.status().notes == ()
    settled.store.rollback("v1")
    (note,) = settled.status().notes
    assert note == "v1 has older labels of folders: a sync writes a snapshot with those of today."
    assert settled.all().snapshot == "v3"
    assert settled.status().notes == () and settled.all().snapshot is None
