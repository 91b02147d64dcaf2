"""The names of a store, as completion asks for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.folders import World
from support.numbered import NumberedStore

from vstore.versions.names import MOST, snapshots_like


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> NumberedStore:
    """A store with 640 snapshots, of which v63, and v130 to v139, are forgotten."""
    store = NumberedStore(tmp_path_factory.mktemp("many"))
    for number in range(1, 641):
        store.sync({"a.png": number % 10})
    repo = store.builder.repo
    with repo.committing("forget"):
        gone = ["v63", *(f"v{number}" for number in range(130, 140))]
        repo.publish("forget", {"snapshots": {name: {"kept": False} for name in gone}})
    return store


def names(store: NumberedStore, begin: str) -> list[str]:
    return [snapshot.name for snapshot in snapshots_like(store.repo.listing, begin)]


def test_all_snapshots_stand_in_the_tree_but_the_newest(many: NumberedStore) -> None:
    """Else nothing here would be told of stores with many."""
    state = many.repo.state
    assert state.root("snapshots") is not None and len(state.window) < 300


def test_without_a_beginning_the_newest_are_listed(many: NumberedStore) -> None:
    assert names(many, "") == [f"v{number}" for number in range(640, 640 - MOST, -1)]


@pytest.mark.parametrize("begin", ["v", *(f"v{number}" for number in (1, 6, 13, 12, 63, 64, 100, 640, 641, 7, 99))])
def test_what_is_listed_stands_for_all_that_begin_so(many: NumberedStore, begin: str) -> None:
    every = [s.name for s in many.repo.listing.kept() if s.name.startswith(begin)]
    found = names(many, begin)
    assert set(found) <= set(every) and len(set(found)) == len(found)
    assert found == sorted(found, key=lambda name: -int(name[1:]))
    if len(every) <= MOST:
        assert found == every
    else:
        assert found[:MOST] == every[:MOST]
        assert len({name[: len(begin) + 1] for name in found}) > 1, "a shell would go on to their common digit"


@pytest.mark.parametrize("begin", ["x", "v0", "v01", "V1", "1", "v1x", "v" + "9" * 40, "vv"])
def test_what_begins_no_number_lists_none(many: NumberedStore, begin: str) -> None:
    assert names(many, begin) == []


def test_few_pages_are_read_for_a_few(many: NumberedStore) -> None:
    listing = many.repo.listing
    snapshots_like(listing, "v250")
    assert len(listing.tree._decoded) <= 2


def test_tags_spaces_and_folders_are_listed(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.put({"a.png": 1})
    world.sync(message="first")
    world.store.snapshot_tag("v1", "good")
    found = world.store.names()
    assert (found.current, found.tags, found.spaces) == ("v1", {"good": "v1"}, {"fake-1": "verified"})
    assert found.folders == {"pictures": str(world.pictures)}
    assert [(row.snapshot, row.message, row.images) for row in found.snapshots] == [("v1", "first", 1)]
    assert world.store.names("v2").snapshots == world.store.names(None).snapshots == []
