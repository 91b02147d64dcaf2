"""The differences of two snapshots: by folder, by kind, below a path."""

from __future__ import annotations

import os
import shutil
from typing import Any

import pytest
from support.folders import World

from vstore.errors import UsageError
from vstore.versions.diff_stat import FolderDiff, by_folder


@pytest.fixture
def history(settled: World) -> World:
    """v1, and v2 with something of each kind: two folders are new, one is gone."""
    settled.put({"a.png": 1, "old/x.png": 2, "old/deep/y.png": 3, "kept/b.png": 4, "kept/c.png": 5, "kept/d.png": 6})
    settled.sync()
    shutil.rmtree(settled.pictures / "old")
    settled.put({"new/1.png": 11, "new/sub/2.png": 12, "new/sub/3.png": 13, "kept/b.png": 14, "kept/copy.png": 5})
    (settled.pictures / "kept/d.png").rename(settled.pictures / "moved.png")
    settled.sync(allow_mass_delete=True)
    return settled


def stat(world: World, **options: Any) -> dict[str, tuple[bool, dict[str, int]]]:
    """Folder -> whether it is whole, and its counts that are not 0."""
    report = world.store.snapshot_diff("v1", "v2", stat=True, **options)
    assert report.stat is not None
    return {
        os.fsdecode(one.folder): (one.whole, {kind: n for kind, n in one._asdict().items() if n and kind in KINDS})
        for one in report.stat
    }


KINDS = ("added", "removed", "changed", "renamed", "copied")


def test_a_folder_that_is_new_or_gone_is_one_line_and_others_count_what_is_directly_in_them(history: World) -> None:
    assert stat(history) == {
        "pictures": (False, {"renamed": 1}),
        "pictures/kept": (False, {"changed": 1, "copied": 1}),
        "pictures/new": (True, {"added": 3}),
        "pictures/old": (True, {"removed": 2}),
    }


def test_the_other_way_round_what_was_new_is_gone(history: World) -> None:
    found = history.store.snapshot_diff("v2", "v1", stat=True).stat
    assert found is not None
    assert {one.folder: (one.whole, one.removed, one.added) for one in found if one.whole} == {
        b"pictures/new": (True, 3, 0),
        b"pictures/old": (True, 0, 2),
    }


def test_without_it_nothing_is_counted_by_folder(history: World) -> None:
    report = history.store.snapshot_diff("v1", "v2")
    assert report.stat is None and "stat" not in report.to_json()


def test_only_some_kinds(history: World) -> None:
    report = history.store.snapshot_diff("v1", "v2", only=["removed", "renamed"], stat=True)
    assert (report.added, report.changed, report.copied) == ((), (), ())
    assert report.removed == (b"pictures/old/deep/y.png", b"pictures/old/x.png")
    assert report.renamed == ((b"pictures/kept/d.png", b"pictures/moved.png"),)
    assert set(stat(history, only=["added"])) == {"pictures/new"}
    assert stat(history, only=["changed"]) == {"pictures/kept": (False, {"changed": 1})}


def test_a_kind_that_is_none_is_refused(history: World) -> None:
    with pytest.raises(UsageError, match="'add' is no kind of difference; the kinds are: added, removed, changed"):
        history.store.snapshot_diff("v1", "v2", only=["add"])


@pytest.mark.parametrize("under", ["pictures/kept", "on disk"])
def test_only_below_a_path_and_of_renames_either_one(under: str, history: World) -> None:
    path = history.pictures / "kept" if under == "on disk" else under
    report = history.store.snapshot_diff("v1", "v2", under=path)
    assert report.changed == (b"pictures/kept/b.png",)
    assert report.copied == (b"pictures/kept/copy.png",)
    assert report.renamed == ((b"pictures/kept/d.png", b"pictures/moved.png"),)
    assert (report.added, report.removed) == ((), ())


@pytest.mark.parametrize("under", ["pictures/old", "pictures/new"])
def test_a_path_of_one_snapshot_alone_will_do(under: str, history: World) -> None:
    report = history.store.snapshot_diff("v1", "v2", under=under)
    assert len(report.removed) + len(report.added) == (2 if under == "pictures/old" else 3)


def test_a_path_of_neither_is_refused(history: World) -> None:
    with pytest.raises(UsageError, match="neither on disk nor in this snapshot"):
        history.store.snapshot_diff("v1", "v2", under="pictures/kepd")


def test_folders_are_counted_in_the_order_of_their_paths() -> None:
    rows = by_folder([("added", b"p/b.c/x"), ("removed", b"p/b/x"), ("added", b"p/x")], lambda folder: False)
    assert [row.folder for row in rows] == [b"p", b"p/b.c", b"p/b"]
    assert sum(row.added for row in rows) == 2


def test_a_folder_whose_name_is_not_utf_8_is_written_whole() -> None:
    value = FolderDiff(b"p/\xff", True, 1, 0, 0, 0, 0).to_json()
    assert (value["folder"], value["folder_b64"], value["added"]) == ("p/\ufffd", "cC//", 1)
