"""A lone text where several are taken: one path, one glob, one name; never its letters."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.folders import World

from vstore import Store, UsageError
from vstore.paths import several


def test_a_lone_text_or_path_is_one() -> None:
    assert several("/a") == ("/a",)
    assert several(b"/a") == (b"/a",)
    assert several(Path("/a")) == (Path("/a"),)
    assert several(["/a", "/b"]) == ("/a", "/b")
    assert several(()) == ()


@pytest.fixture
def synced(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.put({"a.png": 1, "b.png": 2})
    world.sync()
    return world


def test_a_folder_is_synced_not_the_root_of_the_disk(synced: World) -> None:
    report = synced.store.sync(str(synced.pictures), dry_run=True)
    assert (report.unchanged, report.new) == (2, 0)
    assert synced.store.status(str(synced.pictures)).unchanged == 2
    assert synced.store.sync(synced.pictures, dry_run=True).unchanged == 2  # type: ignore[arg-type]


def test_a_glob_that_begins_with_a_star_hides_no_picture_that_it_does_not_match(synced: World) -> None:
    report = synced.store.sync(exclude="*.tmp")
    assert (report.unchanged, report.removed) == (2, 0)
    (root,) = Store(synced.store.folder)._repo.state.roots.values()
    assert root.options["exclude"] == ["*.tmp"]
    assert synced.store.sync(no_exclude="*.tmp").unchanged == 2


def test_a_snapshot_is_forgotten_by_its_name(synced: World) -> None:
    synced.put({"c.png": 3})
    synced.sync()
    assert synced.store.snapshot_forget("v1", dry_run=True).forgotten == ("v1",)
    with pytest.raises(UsageError, match=r"v2 cannot be forgotten \(current snapshot\); roll back"):
        synced.store.snapshot_forget("v2")


def test_a_folder_or_a_snapshot_is_listed_by_its_name(synced: World) -> None:
    for word in ("pictures", "v1", b"pictures", synced.pictures):
        assert len([*synced.store.ls(word, recursive=True).entries]) == 2  # type: ignore[arg-type]
