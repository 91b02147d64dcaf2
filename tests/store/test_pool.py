"""A store that a program keeps open: threads, forks, a folder that goes or is replaced, `close`, removed locks."""

from __future__ import annotations

import asyncio
import collections
import gc
import os
import pickle
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.folders import World, drawn, stats_of

import vstore
from vstore.errors import Locked, LockLost, StoreClosed, StoreGone
from vstore.search.query import Operand
from vstore.store import Store


def query(store: Store) -> list[Operand]:
    """Ask for a picture that lies beside the store."""
    return [Operand(1.0, image=os.fsencode(store.folder.parent / "pictures" / "a.jpg"))]


READS: dict[str, Callable[[Store], object]] = {
    "snapshot_list": lambda store: store.snapshot_list(),
    "snapshot_show": lambda store: store.snapshot_show(),
    "log": lambda store: store.log(),
    "search": lambda store: store.search(query(store), k=2),
    "view": lambda store: store.view().search(query(store), k=2),
    "search_many": lambda store: store.view().search_many([query(store)] * 2, k=2),
    "vectors": lambda store: store.vectors().keys,
    "embed": lambda store: store.embed(store.folder.parent / "pictures" / "a.jpg").rows.tolist(),
    "batches": lambda store: [batch.keys for batch in store.batches(size=2)],
    "index": lambda store: store.index().index.ntotal,
    "stats": lambda store: store.stats(),
    "check": lambda store: store.check(),
    "diff": lambda store: store.snapshot_diff("v1"),
    "dupes": lambda store: store.dupes(),
    "status": lambda store: store.status(),
    "model_list": lambda store: store.model_list(),
    "ls": lambda store: list(store.ls(recursive=True).entries),
    "find": lambda store: list(store.find_pictures("*.jpg").entries),
    "show": lambda store: store.show("pictures/a.jpg"),
}
WRITES: dict[str, Callable[[Store], object]] = {
    "sync": lambda store: store.sync(),
    "tag": lambda store: store.snapshot_tag("v1", "x"),
    "rollback": lambda store: store.rollback("v1", hold=True),
    "undo": lambda store: store.undo(),
    "forget": lambda store: store.snapshot_forget(keep_last=1),
    "gc": lambda store: store.gc(),
    "migrate": lambda store: store.migrate(),
}
ALL = {**READS, **WRITES}
VIEWED: list[dict[str, str]] = [{}, {"under": "pictures/b.jpg"}, {"under": "pictures"}]  # narrowings of a view


@pytest.fixture
def world(settled: World) -> World:
    settled.put({"a.jpg": 1, "b.jpg": 2, "c.jpg": 3})
    settled.sync()
    settled.put({"d.jpg": 4})
    settled.sync()
    return settled


def errors_beside(work: Callable[[int], object], *acts: Callable[[], object]) -> collections.Counter[str]:
    """Do a piece of work five times, and the acts in threads all the while. Returns: what was raised."""
    raised: collections.Counter[str] = collections.Counter()
    stop, done = threading.Event(), collections.Counter[Callable[[], object]]()

    def attempt(act: Callable[[], object]) -> None:
        try:
            act()
        except Exception as err:
            raised[f"{type(err).__name__}: {err}"] += 1

    def run(act: Callable[[], object]) -> None:
        while not stop.is_set():
            attempt(act)
            done[act] += 1

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for number in range(5):
        attempt(lambda number=number: work(number))  # type: ignore[misc]
    stop.set()
    for thread in threads:
        thread.join()
    assert all(done[act] > 3 for act in acts)
    return raised


def test_one_store_answers_in_threads_while_another_syncs_tags_and_collects(world: World) -> None:
    store, view = world.store, world.store.view()
    expected = [view.search(query(store), k=3, **words).hits for words in VIEWED]
    many = view.search_many([query(store)] * 5)

    def search() -> None:
        (first, *_) = store.search(query(store), k=2).hits
        assert first.score == 1.0 and first.paths == (b"pictures/a.jpg",)

    def ask() -> None:
        assert [view.search(query(store), k=3, **words).hits for words in VIEWED] == expected
        assert view.search_many([query(store)] * 5) == many
        with store.view() as other:
            (first, *_) = other.search(query(store), k=2).hits
            assert first.score == 1.0 and first.key in other

    def look() -> None:
        assert store.snapshot_list()[0].current
        store.stats()
        assert store.log(3)

    def change(number: int) -> None:
        path = world.pictures / "x.jpg"
        if path.exists():
            path.unlink()
        else:
            path.write_bytes(drawn(100 + number))
        store.sync()
        store.snapshot_tag("current", f"t{number}")
        store.snapshot_forget(keep_last=2)
        store.gc(drop_unnamed=True)

    assert not errors_beside(change, search, search, look, look, ask, ask, ask, ask)
    assert store.check(read_data=True).ok


def test_of_two_threads_that_sync_the_second_is_told_which_holds_the_store(world: World) -> None:
    world.put({"e.jpg": 5})
    inside, go_on = threading.Event(), threading.Event()
    real = world.fake.embed_images

    def slow(pictures: object) -> object:
        inside.set()
        assert go_on.wait(60)
        return real(pictures)

    world.fake.embed_images = slow
    thread = threading.Thread(target=world.sync)
    thread.start()
    try:
        assert inside.wait(60)
        with pytest.raises(Locked, match="another thread of this process"):
            world.sync()
        assert world.store.search(query(world.store)).hits, "searches go on"
        assert world.store.snapshot_tag("v1", "meanwhile")
    finally:
        go_on.set()
        thread.join()
    assert len(world.store.snapshot_list()) == 3


def test_no_two_calls_have_one_repository_and_those_given_back_are_used_again(world: World) -> None:
    pool = world.store._pool
    with pool.one() as one, pool.one() as other:
        assert one is not other
        assert one.state == other.state
    with pool.one() as again, pool.one() as last:
        assert {id(again), id(last)} == {id(one), id(other)}


def test_an_asyncio_program_asks_in_threads(world: World) -> None:
    async def ask() -> list[object]:
        searches = [asyncio.to_thread(READS["search"], world.store) for _ in range(8)]
        return list(await asyncio.gather(*searches, asyncio.to_thread(WRITES["tag"], world.store)))

    *reports, _ = asyncio.run(ask())
    assert len(set(map(repr, reports))) == 1


# Gone, and replaced


@pytest.mark.parametrize("name", ALL)
def test_a_store_that_is_gone_says_so_and_nothing_is_made_in_its_place(world: World, name: str) -> None:
    away = world.top / "away"
    world.folder.rename(away)
    with pytest.raises(StoreGone, match="is gone"):
        ALL[name](world.store)
    assert not world.folder.exists()
    away.rename(world.folder)
    ALL[name](world.store)


@pytest.mark.parametrize("name", ALL)
def test_a_store_that_took_the_place_of_another_is_neither_read_nor_written(world: World, name: str) -> None:
    world.folder.rename(world.top / "away")
    Store.init(world.folder, recipe=world.fake.recipe)
    locks = {path: path.stat() for path in (world.folder / "locks").iterdir()}
    before = stats_of(world.folder)
    with pytest.raises(StoreGone, match="another store"):
        ALL[name](world.store)
    assert stats_of(world.folder) == before
    assert {path: path.stat() for path in (world.folder / "locks").iterdir()} == locks, "no lock was taken either"


def test_a_store_that_goes_during_a_sync_is_gone_and_not_broken(world: World) -> None:
    world.put({"e.jpg": 5})
    real, away = world.fake.embed_images, world.top / "away"

    def unmounting(pictures: object) -> object:
        world.folder.rename(away)
        return real(pictures)

    world.fake.embed_images = unmounting
    with pytest.raises(StoreGone):
        world.sync()
    assert not world.folder.exists()
    away.rename(world.folder)
    world.fake.embed_images = real
    assert world.sync().images == 5


def test_a_store_gone_is_no_store_to_a_caller_that_knows_no_better(world: World) -> None:
    shutil.rmtree(world.folder)
    with pytest.raises(vstore.NoStore) as caught:
        world.store.snapshot_list()
    assert (caught.value.code, caught.value.exit_code) == ("store_gone", 10)


# Closed


def test_a_closed_store_says_so_and_is_closed_twice_without_harm(world: World) -> None:
    gc.collect()  # closes what earlier tests left open
    before = len(os.listdir("/dev/fd"))
    store = world.another()
    READS["search"](store)
    store.close()
    store.close()
    assert len(os.listdir("/dev/fd")) == before
    for name, act in ALL.items():
        with pytest.raises(StoreClosed, match="was closed"):
            act(store)
        assert name
    assert store.folder == world.folder


def test_an_error_inside_with_closes_the_store_and_comes_through(world: World) -> None:
    with pytest.raises(ZeroDivisionError), world.another() as store:
        store.snapshot_list()
        raise ZeroDivisionError
    with pytest.raises(StoreClosed):
        store.snapshot_list()


def test_a_call_under_way_ends_as_it_would_when_another_thread_closes_the_store(world: World) -> None:
    world.put({"e.jpg": 5})
    store, real = world.another(), world.fake.embed_images

    def closing(pictures: object) -> object:
        store.close()
        return real(pictures)

    world.fake.embed_images = closing
    assert store.sync().images == 5
    with pytest.raises(StoreClosed):
        store.sync()


# Other processes


def in_child(act: Callable[[], object]) -> str:
    """Fork, and do it in the child. Returns: the name of what was raised, or nothing."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        said = b""
        try:
            act()
        except BaseException as err:
            said = f"{type(err).__name__}: {err}".encode()
        os.write(writing, said)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    assert os.waitpid(pid, 0)[1] == 0
    return said.decode()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("name", ["snapshot_list", "search", "tag", "sync", "gc"])
def test_a_store_works_after_a_fork(world: World, name: str) -> None:
    READS["search"](world.store)
    assert in_child(lambda: ALL[name](world.store)) == ""
    assert world.store.check(read_data=True).ok
    ALL["search"](world.store)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_has_no_lock_of_its_parent_and_takes_none_away(world: World) -> None:
    lock = world.repo.lock("ingest")
    lock.acquire()
    said = in_child(lambda: (lock.release(), world.sync()))
    assert said.startswith("Locked")
    with pytest.raises(Locked):
        world.sync()
    pid = os.fork()
    if not pid:
        time.sleep(60)
        os._exit(0)
    try:
        lock.release()
        world.sync()
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_that_was_forked_while_others_were_asking_can_ask(world: World) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with world.store._pool._lock:
            inside.set()
            go_on.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(60)
    try:
        assert in_child(lambda: READS["search"](world.store)) == ""
    finally:
        go_on.set()
        thread.join()


def test_a_store_is_opened_again_where_a_process_pool_takes_it(tmp_path: Path) -> None:
    Store.init(tmp_path / ".vstore")
    with Store(tmp_path / ".vstore") as store:
        pickled = pickle.dumps(store)
        with pickle.loads(pickled) as other:
            assert other.folder == store.folder and other.snapshot_list() == []
    shutil.rmtree(tmp_path / ".vstore")
    Store.init(tmp_path / ".vstore")
    with pytest.raises(StoreGone):
        pickle.loads(pickled)


# Locks


def test_nothing_is_published_once_the_lock_of_a_sync_was_removed(world: World) -> None:
    world.put({"e.jpg": 5})
    real = world.fake.embed_images

    def removing(pictures: object) -> object:
        shutil.rmtree(world.folder / "locks")
        with world.repo.lock("ingest") as other:
            other.acquire()
        return real(pictures)

    world.fake.embed_images = removing
    before = world.store.log()
    with pytest.raises(LockLost) as caught:
        world.sync()
    assert caught.value.exit_code == 11
    assert world.store.log() == before
    world.fake.embed_images = real
    assert world.sync().images == 5
