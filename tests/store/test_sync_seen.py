"""What a sync takes for removed, and what for merely not seen; and what it need not look at again."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import pytest
from support.folders import FakeOs, Reads, World, classes, stats_of, without_privileges

# Removed versus not seen


def test_what_lies_below_a_folder_that_cannot_be_listed_is_carried_over_and_reported(
    settled: World, faulty: FakeOs
) -> None:
    settled.put({"a.png": 1, "deep/b.png": 2, "deep/er/c.png": 3})
    settled.sync()
    faulty.errors["deep"] = errno.EIO
    (settled.pictures / "a.png").rename(settled.pictures / "z.png")
    report = settled.sync()
    assert classes(report) == {"renamed": 1, "carried": 2, "failed": 1}
    [failure] = report.failed
    assert (failure.path, failure.kind, failure.known) == (b"pictures/deep", "io", False)
    assert settled.paths() == ["pictures/deep/b.png", "pictures/deep/er/c.png", "pictures/z.png"]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.ESTALE, errno.ENOMEM])
def test_a_changed_file_that_cannot_be_opened_keeps_its_alias_and_is_reported(
    settled: World, faulty: FakeOs, code: int
) -> None:
    settled.put({"a.png": 1, "b.png": 2})
    settled.sync()
    settled.put({"a.png": 3})
    faulty.errors["a.png"] = code
    report = settled.sync()
    assert (classes(report), report.snapshot) == ({"unchanged": 1, "carried": 1, "failed": 1}, None)
    [failure] = report.failed
    assert (failure.kind, failure.known) == ("permission" if code == errno.EACCES else "io", False)
    assert settled.aliases()["pictures/a.png"] == settled.key(1)
    faulty.errors.clear()
    assert classes(settled.sync()) == {"unchanged": 1, "changed": 1}


def test_a_file_that_cannot_be_stat_ed_keeps_its_alias_until_it_is_gone_for_sure(
    settled: World, faulty: FakeOs
) -> None:
    settled.put({"a.png": 1, "b.png": 2})
    settled.sync()
    faulty.unstatable["a.png"] = errno.EIO
    assert classes(settled.sync()) == {"unchanged": 1, "carried": 1, "failed": 1}
    assert settled.sync().snapshot is None
    faulty.unstatable.clear()
    (settled.pictures / "a.png").unlink()
    assert classes(settled.sync()) == {"unchanged": 1, "removed": 1}
    assert settled.paths() == ["pictures/b.png"]


def test_a_folder_whose_type_the_disk_does_not_tell_keeps_its_aliases_until_it_is_gone_for_sure(
    settled: World, faulty: FakeOs
) -> None:
    settled.put({"a/1.png": 1, "b.png": 2})
    settled.sync()
    faulty.unstatable["a"] = errno.EIO
    assert classes(settled.sync()) == {"unchanged": 1, "carried": 1, "failed": 1}
    faulty.unstatable.clear()
    shutil.rmtree(settled.pictures / "a")
    assert classes(settled.sync()) == {"unchanged": 1, "removed": 1}


def test_a_file_that_reads_but_does_not_decode_loses_its_alias(settled: World) -> None:
    settled.put({"a.png": 1, "b.png": 2})
    settled.sync()
    settled.put({"a.png": b"garbage"})
    report = settled.sync()
    assert (classes(report), report.paths, report.images) == ({"unchanged": 1, "failed": 1}, 1, 1)
    assert settled.paths() == ["pictures/b.png"]


def test_a_file_that_goes_away_between_scan_and_read_is_removed(
    settled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled.put({"a.png": 1, "b.png": 2, "c.png": 3})
    settled.sync()
    settled.put({"a.png": 4, "b.png": 5})
    reads = Reads(monkeypatch)
    reads.at_opening["a.png", 1] = lambda: (settled.pictures / "a.png").unlink()
    report = settled.sync()
    assert classes(report) == {"unchanged": 1, "changed": 1, "removed": 1}
    assert settled.paths() == ["pictures/b.png", "pictures/c.png"]


def test_a_folder_without_permission_is_carried_over(tmp_path: Path) -> None:
    printed = without_privileges(
        """
world = World(Path(sys.argv[1]))
world.put({"a.png": 1, "shut/b.png": 2, "shut/deep/c.png": 3})
world.sync()
(world.pictures / "shut").chmod(0)
for paths in ([], [world.pictures / "shut"], [world.pictures / "shut/deep"], [world.pictures / "shut/b.png"]):
    report = world.store.sync(paths)
    print(len(world.paths()), report.snapshot, report.removed, [f.kind for f in report.failed])
(world.pictures / "shut").chmod(0o700)
print(classes(world.all()), len(world.paths()))
""",
        tmp_path,
    )
    assert printed.splitlines() == [
        "3 None 0 ['permission']",
        "3 None 0 ['permission']",
        "3 None 0 ['permission']",
        "3 None 0 ['permission']",
        "{'unchanged': 3} 3",
    ]


def test_a_file_without_permission_is_carried_over(tmp_path: Path) -> None:
    printed = without_privileges(
        """
world = World(Path(sys.argv[1]))
world.put({"a.png": 1, "b.png": 2})
world.sync()
world.put({"a.png": 3, "c.png": 4})
for name in ("a.png", "c.png"):
    (world.pictures / name).chmod(0)
report = world.sync()
print(classes(report), world.aliases()["pictures/a.png"] == world.key(1))
print([(f.path.decode(), f.kind, f.known) for f in report.failed])
report = world.sync()
print(classes(report), {f.known for f in report.failed})
""",
        tmp_path,
    )
    assert printed.splitlines() == [
        "{'unchanged': 1, 'carried': 1, 'failed': 2} True",
        "[('pictures/a.png', 'permission', False), ('pictures/c.png', 'permission', False)]",
        "{'unchanged': 1, 'carried': 1, 'failed': 2} {False}",
    ]


def test_a_root_that_cannot_be_looked_at_is_not_gone_even_where_much_may_be_deleted(tmp_path: Path) -> None:
    printed = without_privileges(
        """
from vstore.errors import Refused
top = Path(sys.argv[1])
world = World(top, folder="shut/pictures")
world.put({"a.png": 1})
world.sync()
(top / "shut").chmod(0)
try:
    world.all()
except Refused as refused:
    print(refused)
report = world.all(allow_mass_delete=True)
print(classes(report), report.snapshot, world.paths())
""",
        tmp_path,
    )
    first, second = printed.splitlines()
    assert "cannot be listed (Permission denied)" in first
    assert second == "{'carried': 1, 'failed': 1} None ['pictures/a.png']"


# Files and folders that take each other's places


def test_a_file_that_became_a_folder_is_removed_and_what_is_in_the_folder_is_new(settled: World) -> None:
    settled.put({"x.png": 1, "y.png": 2})
    settled.sync()
    (settled.pictures / "x.png").unlink()
    settled.put({"x.png/in.png": 3})
    assert classes(settled.sync()) == {"unchanged": 1, "new": 1, "removed": 1}
    assert settled.paths() == ["pictures/x.png/in.png", "pictures/y.png"]


def test_a_folder_that_became_a_file_is_removed(settled: World) -> None:
    settled.put({"x.png/in.png": 1, "y.png": 2})
    settled.sync()
    shutil.rmtree(settled.pictures / "x.png")
    settled.put({"x.png": 3})
    assert classes(settled.sync()) == {"unchanged": 1, "new": 1, "removed": 1}
    assert settled.paths() == ["pictures/x.png", "pictures/y.png"]


@pytest.mark.parametrize("became", ["folder", "file"])
def test_the_same_holds_where_that_part_alone_is_synced(settled: World, became: str) -> None:
    before, after = ("x.png", "x.png/in.png") if became == "folder" else ("x.png/in.png", "x.png")
    settled.put({before: 1, "y.png": 2})
    settled.sync()
    if became == "folder":
        (settled.pictures / "x.png").unlink()
    else:
        shutil.rmtree(settled.pictures / "x.png")
    settled.put({after: 3})
    report = settled.sync(settled.pictures / "x.png")
    assert classes(report) == {"new": 1, "removed": 1}
    assert settled.paths() == [f"pictures/{after}", "pictures/y.png"]


def test_a_folder_that_became_a_file_stays_one_through_a_partial_snapshot(
    settled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vstore.intake.lazy_model.BATCH", 1)
    settled.put({"x.png/in.png": 1, "y.png": 2})
    settled.sync()
    shutil.rmtree(settled.pictures / "x.png")
    settled.put({"x.png": 3, "z.png": 4})
    report = settled.sync(commit_every=-1.0)
    assert (classes(report), report.partial) == ({"unchanged": 1, "new": 2, "removed": 1}, False)
    assert settled.paths() == ["pictures/x.png", "pictures/y.png", "pictures/z.png"]


# What the catalogue remembers of folders that were away


def test_a_folder_that_was_moved_away_and_back_is_found_again(settled: World) -> None:
    settled.put({"a.png": 1, "x/b.png": 2, "x/deep/c.png": 3})
    settled.sync()
    (settled.pictures / "x").rename(settled.top / "limbo")
    assert classes(settled.sync()) == {"unchanged": 1, "removed": 2}
    (settled.top / "limbo").rename(settled.pictures / "x")
    report = settled.sync()
    assert (classes(report), report.embedded) == ({"unchanged": 1, "known": 2}, 0)
    assert settled.paths() == ["pictures/a.png", "pictures/x/b.png", "pictures/x/deep/c.png"]


def test_a_folder_that_comes_back_while_it_cannot_be_listed_is_found_once_it_can(
    settled: World, faulty: FakeOs
) -> None:
    settled.put({"a.png": 1, "x/b.png": 2})
    settled.sync()
    (settled.pictures / "x").rename(settled.top / "limbo")
    settled.sync()
    (settled.top / "limbo").rename(settled.pictures / "x")
    faulty.errors["x"] = errno.EACCES
    settled.sync()
    faulty.errors.clear()
    settled.sync()
    assert settled.paths() == ["pictures/a.png", "pictures/x/b.png"]


def test_a_folder_that_goes_away_while_it_is_scanned_is_found_when_it_is_back(
    settled: World, monkeypatch: pytest.MonkeyPatch, faulty: FakeOs
) -> None:
    settled.put({"a.png": 1, "x/b.png": 2})
    settled.sync()
    settled.store.rollback("v1", hold=True)
    settled.store.rollback(release=True)
    shutil.rmtree(settled.folder / "catalogue")
    faulty.errors["x"] = errno.ENOENT  # between the look at its parent and the look at it
    assert classes(settled.sync()) == {"unchanged": 1, "removed": 1}
    faulty.errors.clear()
    assert classes(settled.sync()) == {"unchanged": 1, "known": 1}


def test_a_new_part_that_was_synced_alone_and_is_gone_again_is_removed(settled: World) -> None:
    settled.put({"a.png": 1})
    settled.sync()
    settled.put({"new/b.png": 2})
    settled.sync(settled.pictures / "new")
    shutil.rmtree(settled.pictures / "new")
    assert classes(settled.sync()) == {"unchanged": 1, "removed": 1}


def test_a_part_whose_removal_was_synced_alone_is_found_when_it_is_back(settled: World) -> None:
    settled.put({"a.png": 1, "x/b.png": 2})
    settled.sync()
    (settled.pictures / "x").rename(settled.top / "limbo")
    assert classes(settled.sync(settled.pictures / "x")) == {"removed": 1}
    (settled.top / "limbo").rename(settled.pictures / "x")
    assert classes(settled.sync()) == {"unchanged": 1, "known": 1}


def test_a_file_that_was_synced_alone_is_looked_at_again_by_the_next_sync(settled: World) -> None:
    settled.put({"a.png": 1, "b.png": 2})
    settled.sync(ignore_ctime=True, ignore_inode=True)
    shutil.copy2(settled.pictures / "a.png", settled.top / "kept.png")
    settled.put({"a.png": 3})
    assert classes(settled.sync(settled.pictures / "a.png")) == {"changed": 1}
    shutil.copy2(settled.top / "kept.png", settled.pictures / "a.png")  # stat for stat what the catalogue remembers
    assert classes(settled.sync()) == {"unchanged": 1, "changed": 1}
    assert settled.aliases()["pictures/a.png"] == settled.key(1)


def test_after_a_rollback_the_next_sync_brings_back_what_is_on_disk_and_reads_nothing(
    settled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled.put({"a.png": 1, "x/b.png": 2})
    settled.sync()
    settled.put({"x/c.png": 3})
    (settled.pictures / "a.png").unlink()
    settled.sync()
    after = settled.aliases()
    settled.store.rollback("v1")
    reads = Reads(monkeypatch)
    report = settled.sync()
    assert (classes(report), report.snapshot, reads.opened) == (
        {"unchanged": 1, "known": 1, "removed": 1},
        "v3",
        [],
    )
    assert settled.aliases() == after
    assert settled.repo.snapshot("v3").id == settled.repo.snapshot("v2").id


def test_a_part_synced_after_a_rollback_leaves_the_rest_as_it_was_rolled_back(settled: World) -> None:
    settled.put({"a/1.png": 1, "b/1.png": 2})
    settled.sync()
    settled.put({"a/2.png": 3, "b/2.png": 4})
    settled.sync()
    settled.store.rollback("v1")
    assert classes(settled.sync(settled.pictures / "a")) == {"unchanged": 1, "known": 1}
    assert settled.paths() == ["pictures/a/1.png", "pictures/a/2.png", "pictures/b/1.png"]
    assert classes(settled.sync()) == {"unchanged": 3, "known": 1}


def test_a_rollback_that_is_rolled_back_needs_no_new_snapshot(settled: World) -> None:
    settled.put({"a.png": 1})
    settled.sync()
    settled.put({"b.png": 2})
    settled.sync()
    settled.store.rollback("v1")
    settled.store.rollback("v2")
    assert settled.sync().snapshot is None


# Options of a root


def test_an_exclude_takes_paths_out_and_its_end_brings_them_back(settled: World) -> None:
    settled.put({"a.png": 1, "x/b.png": 2, "x/deep/c.png": 3, "y/x/d.png": 4})
    settled.sync()
    assert classes(settled.sync(exclude=["x/"])) == {"unchanged": 1, "removed": 3}
    assert classes(settled.sync()) == {"unchanged": 1}, "it is kept with the root"
    report = settled.sync(no_exclude=["x/"])
    assert (classes(report), report.embedded) == ({"unchanged": 1, "known": 3}, 0)


def test_an_exclude_of_the_part_that_is_synced_takes_it_out(settled: World) -> None:
    settled.put({"a.png": 1, "x/b.png": 2, "x/c.png": 3})
    settled.sync()
    assert classes(settled.sync(settled.pictures / "x/b.png", exclude=["b.png"])) == {"removed": 1}
    assert classes(settled.sync(settled.pictures / "x", exclude=["x/"])) == {"removed": 1}
    assert settled.paths() == ["pictures/a.png"]


def test_an_ignore_file_takes_paths_out_and_its_end_brings_them_back(settled: World) -> None:
    settled.put({"a.png": 1, "x/b.png": 2, "x/c.png": 3, ".vstoreignore": b"b.png\n"})
    assert classes(settled.sync()) == {"new": 2}
    settled.put({"x/.vstoreignore": b"c.png\n"})
    assert classes(settled.sync()) == {"unchanged": 1, "removed": 1}
    for name in (".vstoreignore", "x/.vstoreignore"):
        (settled.pictures / name).unlink()
    assert classes(settled.sync()) == {"unchanged": 1, "known": 1, "new": 1}


def test_no_exclude_of_two_parts_of_one_root_is_taken_once(settled: World) -> None:
    settled.put({"a/1.png": 1, "b/1.png": 2, "a/no.png": 3, "b/no.png": 4})
    settled.sync(exclude=["no.png"])
    report = settled.sync(settled.pictures / "a", settled.pictures / "b", no_exclude=["no.png"])
    assert classes(report) == {"unchanged": 2, "new": 2}


# Nothing to do


def test_a_sync_that_changes_nothing_writes_nothing(settled: World) -> None:
    settled.put({"a.png": 1, "x/b.png": 2, "x/notes.txt": b""})
    settled.sync()
    before = stats_of(settled.folder)
    report = settled.sync()
    assert (classes(report), report.snapshot, report.ignored) == ({"unchanged": 2}, None, 1)
    assert stats_of(settled.folder) == before


def test_nor_does_one_that_meets_again_what_it_cannot_read(settled: World, faulty: FakeOs) -> None:
    settled.put({"a.png": 1, "bad.png": b"garbage", "x/b.png": 2, "shut/c.png": 3})
    faulty.errors["shut"] = errno.EACCES
    settled.sync()
    before = stats_of(settled.folder)
    assert classes(settled.sync()) == {"unchanged": 2, "failed": 2}
    assert stats_of(settled.folder) == before
