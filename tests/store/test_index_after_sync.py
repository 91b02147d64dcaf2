"""A sync lets the approximate index have its new vectors, once they are worth it."""

from __future__ import annotations

import threading

import pytest
from support.folders import World

from vstore.approximate import build
from vstore.approximate.opened import Approximate, open_approximate
from vstore.disk import durable
from vstore.progress import Stages
from vstore.repository.repository import Repository


@pytest.fixture
def indexed(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A store of 40 pictures with an index; no new vector is too few for it."""
    monkeypatch.setattr(build, "TAIL", 0)
    world.put({f"{n}.png": n for n in range(40)})
    world.sync()
    repo = Repository(world.store.folder)
    (space,) = repo.state.spaces
    assert build.build(repo, space, build.Wanted(exact=0), stages=Stages()).generation
    repo.close()
    return world


def opened(world: World) -> Approximate:
    repo = Repository(world.store.folder)
    (space,) = repo.state.spaces
    found = open_approximate(repo, space, repo.state.segments(space))
    repo.close()
    assert found is not None
    return found


def test_new_pictures_are_covered_once_they_are_synced(indexed: World) -> None:
    assert opened(indexed).covered == [True]
    indexed.put({"new.png": 100})
    indexed.sync()
    assert opened(indexed).covered == [True, True]


def test_few_new_vectors_are_left_to_exact_search(indexed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "TAIL", 1 << 10)
    indexed.put({"new.png": 100})
    indexed.sync()
    assert opened(indexed).covered == [True, False]


def test_a_sync_without_news_writes_no_part(indexed: World) -> None:
    before = sorted((indexed.store.folder / "indexes").rglob("*.part"))
    assert indexed.sync().snapshot is None
    assert sorted((indexed.store.folder / "indexes").rglob("*.part")) == before


def test_a_store_without_an_index_gets_none(world: World) -> None:
    world.put({"0.png": 0})
    world.sync()
    assert not list(world.store.folder.rglob("*.part"))


def test_an_index_that_cannot_be_written_costs_no_sync(indexed: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "write_unflushed", lambda *args, **words: False)
    indexed.put({"new.png": 100})
    assert indexed.sync().embedded == 1
    assert opened(indexed).covered == [True, False]


def test_one_that_is_asked_to_stop_leaves_the_rest_for_the_next(indexed: World) -> None:
    indexed.put({"new.png": 100})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(build, "TAIL", 1 << 10)
        indexed.sync()
    stop = threading.Event()
    stop.set()
    repo = Repository(indexed.store.folder)
    (space,) = repo.state.spaces
    assert build.keep_up(repo, space, stop=stop) is None
    assert build.keep_up(repo, space) is not None
    repo.close()
    assert opened(indexed).covered == [True, True]
