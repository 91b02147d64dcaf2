"""A part of a folder that never was is an error, not "nothing changed"; one that is gone is removed."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from support.folders import World, classes

from vstore.errors import Refused, UsageError
from vstore.search.query import Operand


@pytest.fixture
def known(world: World) -> World:
    world.put({"animals/cats/a.png": 1, "animals/dogs/b.png": 2, "town/c.png": 3, ".hidden/d.png": 4, "out/e.png": 5})
    world.sync(exclude=["out/"])
    return world


@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("animal", ["animals"]),
        ("Animals", ["animals"]),
        ("animals/cat", ["animals/cats"]),
        ("animal/cats", ["animals/cats"]),
        ("animal/birds", ["animals"]),
        ("towm/c.png", ["town/c.png"]),
        ("town/d.png", ["town/c.png"]),
        ("zebra", []),
        (".hiden", []),
    ],
)
def test_a_part_that_never_was_is_refused_with_the_names_near_it(known: World, typed: str, near: list[str]) -> None:
    hint = " or ".join(os.fspath(known.pictures / one) for one in near)
    for dry_run in (False, True):
        with pytest.raises(UsageError) as refused:
            known.store.sync([known.pictures / typed], dry_run=dry_run)
        said = str(refused.value)
        assert f"{known.pictures / typed} does not exist, and the current snapshot has nothing of it" in said
        assert said.endswith(f"did you mean {hint}?" if near else "check the name, or that its disk is mounted")


def test_a_stored_name_counts_too_where_the_disk_has_it_no_more(known: World) -> None:
    shutil.rmtree(known.pictures / "town")
    with pytest.raises(UsageError, match=f"did you mean {known.pictures}/town/c.png"):
        known.sync(known.pictures / "towm/c.png")


def test_a_part_that_was_known_and_is_gone_is_removed_once(known: World) -> None:
    shutil.rmtree(known.pictures / "town")
    assert classes(known.sync(known.pictures / "town")) == {"removed": 1}
    with pytest.raises(UsageError, match="does not exist"):
        known.sync(known.pictures / "town")


def test_the_guard_stands_before_a_known_part_that_is_gone(world: World) -> None:
    world.put({f"many/{n}.png": n for n in range(30)})
    world.sync()
    shutil.rmtree(world.pictures / "many")
    with pytest.raises(Refused, match="would remove 30"):
        world.sync(world.pictures / "many")


def test_a_list_of_a_program_may_name_what_came_and_went(known: World, tmp_path: Path) -> None:
    known.put({"town/new.png": 9})
    names = [known.pictures / "town", *(known.pictures / f"temporary-{n:02}" for n in range(12))]
    listed = tmp_path / "list"
    listed.write_text("".join(f"{name}\n" for name in names))
    report = known.store.sync(files_from=listed)
    assert report.new == 1
    assert report.notes[0] == f"{names[1]} does not exist, and the current snapshot has nothing of it."
    assert report.notes[10:] == ("2 more of the paths given do not exist, either.",)


@pytest.mark.parametrize(
    ("part", "note"),
    [
        (".hidden", "{0}/.hidden is not looked at: its name begins with a dot."),
        (".hidden/d.png", "{0}/.hidden is not looked at: its name begins with a dot."),
        ("out", "{0}/out is not looked at: an exclude hides it."),
        ("out/e.png", "{0}/out is not looked at: an exclude hides it."),
        ("town", None),
    ],
)
def test_a_hidden_part_is_said(known: World, part: str, note: str | None) -> None:
    assert known.sync(known.pictures / part).notes == (() if note is None else (note.format(known.pictures),))


def test_a_file_that_is_excluded_by_its_own_name_is_said(known: World) -> None:
    known.sync(exclude=["c.png"])
    assert known.sync(known.pictures / "town/c.png").notes == (
        f"{known.pictures}/town/c.png is not looked at: an exclude hides it.",
    )


# --under


@pytest.mark.parametrize("stored", [False, True])
def test_under_refuses_what_is_nowhere_with_the_names_near_it(known: World, stored: bool) -> None:
    top = "pictures" if stored else os.fspath(known.pictures)
    query = [Operand(1.0, os.fsencode(known.pictures / "town/c.png"))]
    with pytest.raises(UsageError, match=rf"neither on disk nor in this snapshot; did you mean {top}/animals/cats\?"):
        known.store.search(query, under=f"{top}/animal/cats")
    with pytest.raises(UsageError, match=r"name a part of a synced folder"):
        known.store.dupes(under=f"{top}/zebra")


def test_under_finds_nothing_below_a_folder_that_is_on_disk_alone(known: World) -> None:
    (known.pictures / "empty").mkdir()
    assert known.store.dupes(under=known.pictures / "empty").groups == ()
    assert known.store.dupes(under="pictures/empty").groups == ()
