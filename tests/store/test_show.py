"""Listing snapshots and showing one."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.numbered import NumberedStore

from vstore.versions.show import snapshot_list, snapshot_show


@pytest.fixture
def world(tmp_path: Path) -> NumberedStore:
    return NumberedStore(tmp_path)


def test_snapshots_are_listed_newest_first_with_all_their_fields(world: NumberedStore) -> None:
    world.snapshots(11)
    rows = snapshot_list(world.repo)
    assert [row.snapshot for row in rows] == [f"v{n}" for n in range(11, 0, -1)]
    first, last = rows[-1], rows[0]
    assert (first.parent, last.parent) == (None, "v10")
    assert (first.message, last.message) == ("message 1", "message 11")
    assert (last.paths, last.images, last.current, last.partial) == (11, 11, True, False)
    assert last.space_name == "fake-1"
    assert last.to_json()["tags"] == []


def test_a_snapshot_is_shown_with_the_paths_below_each_label(world: NumberedStore) -> None:
    world.sync({"a/1": 1, "a/2": 1, "a-b/3": 2, "a.b/4": 3, "ab/5": 3, "é/6/7": 4, "a/b/8": 5})
    detail = snapshot_show(world.repo, "current")
    assert detail.roots == {"a": 3, "a-b": 1, "a.b": 1, "ab": 1, "é": 1}
    assert (detail.row.paths, detail.row.images) == (7, 5)
    assert detail.tree == world.repo.tree(world.repo.snapshot("v1")).root.hex()
    assert detail.to_json()["manifest"] == world.repo.snapshot("v1").manifest.hex()


def test_an_empty_snapshot_is_shown(world: NumberedStore) -> None:
    world.sync({})
    assert snapshot_show(world.repo, "v1").roots == {}
