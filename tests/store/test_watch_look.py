"""A look at watched folders: which they are, and which names in them matter."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from support.folders import World

from vstore.repository.repository import Repository
from vstore.watch.events import Seen
from vstore.watch.look import Place, places_of


def look(world: World, *paths: Path) -> Place:
    places = places_of(Repository(world.folder), [os.fsencode(path) for path in paths], [])
    assert len(places) == 1
    return places[0]


def names(place: Place, world: World) -> set[str]:
    return {os.path.relpath(os.fsdecode(folder), world.pictures) for folder in place.folders}


@pytest.fixture
def rich(world: World) -> World:
    world.put({"a.png": 1, "in/b.png": 2, "in/deep/c.png": 3, "out/d.png": 4, ".hidden/e.png": 5})
    world.put({".vstoreignore": b"*.jpg\n/out/\n"})
    world.sync(exclude=["*.webp"], include=["*.blob"])
    return world


def test_folders_that_no_sync_enters_are_not_watched(rich: World) -> None:
    assert names(look(rich), rich) == {".", "in", "in/deep"}


def test_a_part_is_watched_alone(rich: World) -> None:
    assert names(look(rich, rich.pictures / "in"), rich) == {"in", "in/deep"}


def test_the_store_is_not_watched(world: World) -> None:
    world.put({"a.png": 1})
    world.sync(world.top)
    assert os.fsencode(world.folder) not in look(world).folders


@pytest.mark.parametrize("name", ["new.png", "in/new.PNG", "in/new.blob", ".vstoreignore", "in/.vstoreignore"])
def test_a_picture_or_an_ignore_file_matters(rich: World, name: str) -> None:
    path = os.fsencode(rich.pictures / name)
    for is_new, is_gone in [(True, False), (False, False), (False, True)]:
        assert look(rich).matters(Seen(path, is_new, is_gone))


@pytest.mark.parametrize(
    "name", ["new.txt", "new", ".new.png", "new.jpg", "in/new.jpg", "new.webp", "out/new.png", "new.png.part"]
)
def test_what_a_sync_does_not_take_in_does_not_matter(rich: World, name: str) -> None:
    path = os.fsencode(rich.pictures / name)
    for is_new, is_gone in [(True, False), (False, False), (False, True)]:
        assert not look(rich).matters(Seen(path, is_new, is_gone))


def test_a_new_folder_matters_unless_it_is_hidden_or_excluded(rich: World) -> None:
    place = look(rich)
    for name, matters in [("new", True), ("in/new", True), (".new", False), ("in/deep/out", True)]:
        (rich.pictures / name).mkdir()
        assert place.matters(Seen(os.fsencode(rich.pictures / name), True, False)) == matters
    (rich.pictures / "out/more").mkdir()
    assert not place.matters(Seen(os.fsencode(rich.pictures / "out/more"), True, False))


def test_a_folder_that_went_matters_and_one_whose_mode_changed_does_not(rich: World) -> None:
    place = look(rich)
    folder = os.fsencode(rich.pictures / "in")
    assert place.matters(Seen(folder, False, True)) and place.matters(Seen(folder, True, False))
    assert not place.matters(Seen(folder, False, False))


def test_what_lies_elsewhere_does_not_matter(rich: World) -> None:
    assert not look(rich).matters(Seen(os.fsencode(rich.top / "pictures2/a.png"), True, False))


def test_the_digest_changes_with_the_pictures_and_with_nothing_else(rich: World) -> None:
    before = look(rich).digest
    rich.put({"new.txt": b"x", "out/x.png": 7, ".hidden/y.png": 8})
    assert look(rich).digest == before
    rich.put({"in/deep/c.png": 9})
    after = look(rich).digest
    assert after != before
    os.rename(rich.pictures / "in/deep", rich.pictures / "in/deeper")
    assert look(rich).digest not in (before, after)


def test_folders_with_names_that_are_not_utf_8_are_known(rich: World) -> None:
    assert not look(rich).untold
    (rich.pictures / "in" / os.fsdecode(b"\xff.png")).write_bytes(b"x")
    assert look(rich).untold == {os.fsencode(rich.pictures / "in")}
    odd = rich.pictures / "in/deep" / os.fsdecode(b"\xfe")
    odd.mkdir()
    assert look(rich).untold == {os.fsencode(path) for path in (rich.pictures / "in", rich.pictures / "in/deep", odd)}


def test_a_missing_folder_is_left_out(rich: World) -> None:
    rich.pictures.rename(rich.top / "away")
    repo = Repository(rich.folder)
    assert places_of(repo, [], []) == []
    assert places_of(repo, [os.fsencode(rich.pictures / "in")], []) == []


def test_a_walk_ends_when_somebody_asks_to_stop(rich: World) -> None:
    stop = threading.Event()
    repo = Repository(rich.folder)
    assert len(places_of(repo, [], [], stop)[0].folders) == 3
    stop.set()
    assert places_of(repo, [], [], stop) == []
