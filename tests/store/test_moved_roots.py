"""A new folder that holds the pictures of a known one whose place is gone is named: it may have moved."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from support.folders import World

from vstore.format.pages import Alias
from vstore.format.tree import Tree


def settle(world: World) -> None:
    world.put({f"{n}.png": n for n in range(6)})
    world.sync()


def test_a_folder_that_moved_is_said_before_it_is_taken_in(world: World) -> None:
    settle(world)
    new = world.pictures.with_name("at home")
    world.pictures.rename(new)
    (note,) = world.sync(new, dry_run=True).notes
    assert note == (
        f"{world.pictures} is missing, and 6 of the 6 pictures of 'pictures' lie in {new}: if the folder moved, run: "
        f"vstore sync '{new}' --as pictures"
    )
    report = world.sync(new, as_label="pictures")
    assert (report.snapshot, report.notes) == (None, ())


def test_one_that_was_taken_in_is_said_with_the_way_back(world: World) -> None:
    settle(world)
    new = world.pictures.with_name("new")
    world.pictures.rename(new)
    (new / "0.png").unlink()
    (note,) = world.sync(new).notes
    assert f"5 of the 6 pictures of 'pictures' lie in {new}: if the folder moved, its old paths leave" in note
    assert note.endswith(f": vstore sync {world.pictures} --allow-mass-delete")
    world.sync(world.pictures, allow_mass_delete=True)
    assert {path.partition("/")[0] for path in world.aliases()} == {"new"}
    assert world.sync(new).notes == ()


def test_a_copy_of_a_folder_that_is_there_is_none(world: World) -> None:
    settle(world)
    new = world.pictures.with_name("new")
    world.put({f"../new/{n}.png": n for n in range(6)})
    assert world.sync(new, dry_run=True).notes == ()
    assert world.sync(new).notes == ()


def test_less_than_half_of_its_pictures_do_not_make_a_move(world: World) -> None:
    settle(world)
    new = world.pictures.with_name("new")
    world.put({f"../new/{n}.png": n for n in (0, 1, 40, 41, 42, 43)})
    world.pictures.rename(world.pictures.with_name("unplugged"))
    assert world.sync(new, dry_run=True).notes == ()
    assert os.listdir(new)


def test_a_known_folder_is_no_new_place(world: World) -> None:
    settle(world)
    new = world.pictures.with_name("new")
    world.put({f"../new/{n}.png": n for n in range(6)})
    world.sync(new)
    world.pictures.rename(world.pictures.with_name("unplugged"))
    assert world.sync(new).notes == ()


def test_few_new_pictures_are_not_compared_with_all_of_a_folder_that_is_gone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    settle(world)
    new = world.pictures.with_name("new")
    world.put({"../new/1.png": 1})
    world.pictures.rename(world.pictures.with_name("unplugged"))
    under, read = Tree.under, []

    def counted(tree: Tree, prefix: bytes) -> Iterator[Alias]:
        for alias in under(tree, prefix):
            read.append(alias)
            yield alias

    monkeypatch.setattr(Tree, "under", counted)
    assert world.sync(new, dry_run=True).notes == ()
    assert len(read) == 3  # of six: one new picture is no half of three
