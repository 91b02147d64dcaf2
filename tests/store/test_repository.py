"""An opened store: what it is made of, how snapshots are named, reading while others write, and the commit."""

from __future__ import annotations

from pathlib import Path

import pytest
from store.folders import World

from vstore.store import Store


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


# Roots


def test_an_option_of_a_root_that_was_taken_back_is_gone_from_the_log(world: World) -> None:
    world.put({"a.png": 1, "b.png": 2, "x/c.png": 3})
    world.sync(exclude=["x/", "b.png"], include=["*.dat"], follow_symlinks=True)
    assert world.sync(no_exclude=["x/"], follow_symlinks=False).paths == 2
    assert world.all().paths == 2
    assert world.sync(no_exclude=["b.png"]).paths == 3
    options = world.repo.state.roots["pictures"].options
    assert (options["exclude"], options["include"], options["follow_symlinks"]) == ([], ["*.dat"], False)
    with Store(world.folder, load_embedder=lambda recipe: world.fake) as another:
        assert another.sync(()).paths == 3
