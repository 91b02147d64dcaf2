"""A watch: real folders, real events, and faults where a machine is out of reach."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.folders import World, classes, digests, drawn, put
from support.forge import Forge
from support.format_1 import begin
from support.strangers import not_looked_at
from support.watching import QUICK, Watching, until

from vstore.disk import owner
from vstore.errors import (
    Damage,
    DiskTrouble,
    ForeignStore,
    Locked,
    ModelError,
    StoreGone,
    SystemLimit,
    Untrusted,
    UsageError,
)
from vstore.repository.add_space import add_space
from vstore.repository.repository import Repository
from vstore.store import Store
from vstore.sync.report import SyncReport
from vstore.testing import FakeEmbedder
from vstore.watch import events as events_module
from vstore.watch import filesystems, pace, run
from vstore.watch import folders as folders_module
from vstore.watch.events import EventsLost, NoEvents, Seen
from vstore.watch.look import Place, places_of
from vstore.watch.options import WatchOptions
from vstore.watch.run import watch

MANY = 40  # pictures, so that a guard minds


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the slow parts be quick: what they do stays the same."""
    monkeypatch.setattr(run, "TICK", 0.1)
    monkeypatch.setattr(pace, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(events_module, "_STEP", 20)
    monkeypatch.setattr(events_module, "_LONGEST", 100)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a watch wait for ever after a failure, unless something else than pictures changes."""
    monkeypatch.setattr(pace, "FIRST_PAUSE", 1000.0)
    monkeypatch.setattr(pace, "CHANGED_PAUSE", 1000.0)


@pytest.fixture
def synced(settled: World) -> World:
    settled.put({f"{number}.png": number for number in range(3)})
    settled.sync()
    return settled


def fresh_id(world: World, *paths: Path) -> str | None:
    """Sync the same folders into another store. Returns: the content id."""
    other = world.top / "fresh"
    with Store.sync_new(other, paths or [world.pictures], recipe=world.fake.recipe, load_embedder=world.load) and Store(
        other
    ) as store:
        return store.status().id


@pytest.mark.parametrize("poll", [False, True])
def test_a_new_picture_is_embedded_a_moment_later(synced: World, poll: bool) -> None:
    with Watching.of(synced, poll=poll) as watching:
        assert watching.syncs[0].report is not None and watching.syncs[0].report.snapshot is None
        synced.put({"new.png": 9})
        watching.until(lambda: "pictures/new.png" in synced.paths())
        assert synced.fake.embedded == 4


@pytest.mark.parametrize("poll", [False, True])
def test_what_is_renamed_changed_and_removed_is_followed(synced: World, poll: bool) -> None:
    with Watching.of(synced, poll=poll) as watching:
        os.rename(synced.pictures / "0.png", synced.pictures / "renamed.png")
        watching.until(lambda: "pictures/renamed.png" in synced.paths())
        synced.put({"1.png": 11})
        watching.until(lambda: synced.aliases()["pictures/1.png"] == synced.key(11))
        os.remove(synced.pictures / "2.png")
        watching.until(lambda: "pictures/2.png" not in synced.paths())
        assert synced.fake.embedded == 4
    assert synced.store.status().id == fresh_id(synced)


@pytest.mark.parametrize("poll", [False, True])
def test_folders_made_moved_and_filled_while_it_runs_are_watched(synced: World, poll: bool) -> None:
    with Watching.of(synced, poll=poll) as watching:
        synced.put({"a/b/c/d.png": 5})
        watching.until(lambda: "pictures/a/b/c/d.png" in synced.paths())
        synced.put({"a/b/c/e.png": 6})
        watching.until(lambda: "pictures/a/b/c/e.png" in synced.paths())
        os.rename(synced.pictures / "a", synced.pictures / "z")
        watching.until(lambda: "pictures/z/b/c/e.png" in synced.paths())
        synced.put({"z/b/c/f.png": 7})
        watching.until(lambda: "pictures/z/b/c/f.png" in synced.paths())
        shutil.rmtree(synced.pictures / "z")
        watching.until(lambda: len(synced.paths()) == 3)


@pytest.mark.parametrize("deleted", [False, True])
def test_a_folder_that_goes_and_comes_back_at_once_is_watched_again(synced: World, deleted: bool) -> None:
    synced.put({"a/b/c.png": 5})
    synced.all()
    with Watching.of(synced, settle=0.5) as watching:
        if deleted:
            shutil.rmtree(synced.pictures / "a")
        else:
            (synced.pictures / "a").rename(synced.pictures / "z")
            (synced.pictures / "z").rename(synced.pictures / "a")
        synced.put({"a/b/c.png": 6})
        watching.until(lambda: synced.aliases()["pictures/a/b/c.png"] == synced.key(6))
        watching.until(lambda: quiet_for(watching))
        synced.put({"a/b/d.png": 7})
        watching.until(lambda: "pictures/a/b/d.png" in synced.paths())


def test_only_the_named_part_is_watched(synced: World) -> None:
    synced.put({"in/a.png": 5, "out/a.png": 6})
    synced.all()
    with Watching.of(synced, synced.pictures / "in") as watching:
        synced.put({"out/b.png": 8, "in/b.png": 7})
        watching.until(lambda: "pictures/in/b.png" in synced.paths())
        assert "pictures/out/b.png" not in synced.paths()


def test_a_new_folder_is_taken_in_by_its_path(synced: World) -> None:
    other = synced.top / "other"
    other.mkdir()
    (other / "x.png").write_bytes(drawn(50))
    with Watching.of(synced, other, synced.pictures) as watching:
        assert "other/x.png" in synced.paths()
        (other / "y.png").write_bytes(drawn(51))
        watching.until(lambda: "other/y.png" in synced.paths())


def quiet_for(watching: Watching, seconds: float = 1.0) -> bool:
    """Tell whether nothing happens for a while."""
    before = len(watching.steps)
    time.sleep(seconds)
    return len(watching.steps) == before


def test_what_does_not_matter_and_its_own_work_wake_nobody(settled: World) -> None:
    settled.put({"a.png": 1, "b.png": 2})
    (settled.top / ".vstoreignore").write_text("/skipped/\n")
    (settled.top / "skipped").mkdir()
    settled.sync(settled.top)  # the store lies in the watched folder
    with Watching.of(settled, settled.top) as watching:
        settled.put({"new.png": 3})
        watching.until(lambda: len(settled.paths()) == 3)
        watching.until(lambda: quiet_for(watching))
        syncs = len(watching.syncs)
        settled.put({"notes.txt": b"x", ".hidden.png": 8, "half.png.part": 9})
        (settled.top / "skipped/x.png").write_bytes(drawn(30))
        (settled.pictures / "a.png").read_bytes()
        settled.another().snapshot_tag("v1", "first")
        settled.another().gc()
        assert quiet_for(watching) and len(watching.syncs) == syncs


def test_it_costs_hardly_any_time_while_nothing_happens(synced: World) -> None:
    with Watching.of(synced) as watching:
        assert quiet_for(watching, 0.5)
        before = time.process_time()
        assert quiet_for(watching, 2.0)
        assert time.process_time() - before < 0.5  # a busy loop takes 2


def test_a_picture_that_is_written_slowly_is_taken_once_it_is_whole(synced: World) -> None:
    data = drawn(7)
    with Watching.of(synced) as watching, open(synced.pictures / "slow.png", "wb", buffering=0) as file:
        file.write(data[: len(data) // 2])
        watching.until(lambda: any(step.report and step.report.failed for step in watching.syncs))
        assert "pictures/slow.png" not in synced.paths()
        file.write(data[len(data) // 2 :])
        watching.until(lambda: synced.aliases().get("pictures/slow.png") == synced.key(7))


def test_a_copy_that_never_ends_is_synced_all_the_same(synced: World) -> None:
    with Watching.of(synced, settle=5.0, settle_at_most=0.3) as watching:
        ended = threading.Event()

        def copy() -> None:
            for number in range(100, 100_000):
                if ended.wait(0.05):
                    return
                synced.put({f"{number}.png": number})

        copying = threading.Thread(target=copy)
        copying.start()
        try:
            watching.until(lambda: len(watching.syncs) >= 3)
        finally:
            ended.set()
            copying.join()


def test_the_model_stays_loaded_between_syncs(synced: World) -> None:
    from vstore.embed.model_words import Settings
    from vstore.watch.kept_model import KeptModel

    recipe, settings = synced.fake.recipe, Settings()
    model = KeptModel(synced.repo, synced.load, lambda: pytest.fail("no consent is asked for"))
    before = synced.loaded
    first = model.load_on_all(recipe, settings)
    assert model.load_on_all(recipe, settings) is first and synced.loaded == before + 1
    with model.serving(recipe, first):
        model.unload_unused(1000)
    assert model.load_on_all(recipe, settings) is first
    model.unload_unused(-1)
    model.load_on_all(recipe, settings)
    assert synced.loaded == before + 2
    other = FakeEmbedder("fake-2")
    assert model.load_on_all(other.recipe, settings) is not None and synced.loaded == before + 3


def test_a_kept_model_is_served_to_searches_until_it_is_unloaded(
    synced: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vstore.embed.model_words import Settings
    from vstore.repository.embedders import Embedders
    from vstore.watch.kept_model import KeptModel

    happened: list[str] = []

    @contextlib.contextmanager
    def serving(self: Embedders, recipe: Any, embedder: Any) -> Iterator[None]:
        happened.append("served")
        yield
        happened.append("ended")

    monkeypatch.setattr(Embedders, "serving", serving)
    model = KeptModel(synced.repo, synced.load, lambda: pytest.fail("no consent is asked for"))
    for _ in range(2):
        embedder = model.load_on_all(synced.fake.recipe, Settings())
        with model.serving(synced.fake.recipe, embedder):
            assert happened == ["served"]
    model.unload()
    assert happened == ["served", "ended"]


def test_each_sync_with_news_uses_the_same_model(synced: World) -> None:
    before = synced.loaded
    with Watching.of(synced) as watching:
        for number in range(20, 23):
            synced.put({f"{number}.png": number})
            watching.until(lambda number=number: f"pictures/{number}.png" in synced.paths())
    assert synced.loaded == before + 1


# Guards


@pytest.fixture
def two(settled: World) -> World:
    """A store of two folders, `pictures` and `other`, with many pictures each."""
    settled.put({f"{number}.png": number for number in range(MANY)})
    settled.sync()
    other = settled.top / "other"
    other.mkdir()
    for number in range(MANY):
        (other / f"{number}.png").write_bytes(drawn(1000 + number))
    settled.sync(other)
    return settled


def test_a_missing_folder_is_told_once_and_the_others_go_on(two: World) -> None:
    with Watching.of(two) as watching:
        (two.top / "other").rename(two.top / "away")
        watching.until(lambda: watching.errors)
        two.put({"new.png": 900})
        watching.until(lambda: "pictures/new.png" in two.paths())
        assert len(two.paths()) == 2 * MANY + 1
        time.sleep(0.5)
        assert len(watching.errors) == 1
        error = watching.errors[0].error
        assert error is not None and error.message == f"{two.top}/other is missing, and 'other' has {MANY} paths"
        assert "run once: vstore sync --allow-mass-delete" in error.next_step
        (two.top / "away/more.png").write_bytes(drawn(901))
        (two.top / "away").rename(two.top / "other")
        watching.until(lambda: "other/more.png" in two.paths())
        (two.top / "other/again.png").write_bytes(drawn(902))  # its events come again
        watching.until(lambda: "other/again.png" in two.paths())


def test_an_emptied_folder_is_refused_once_until_it_is_full_again(two: World) -> None:
    with Watching.of(two) as watching:
        (two.top / "away").mkdir()
        for path in (two.top / "other").iterdir():
            path.rename(two.top / "away" / path.name)
        watching.until(lambda: watching.errors)
        assert len(two.paths()) == 2 * MANY
        for path in (two.top / "away").iterdir():
            path.rename(two.top / "other" / path.name)
        watching.until(lambda: watching.steps[-1].kind == "sync")
        assert len(two.paths()) == 2 * MANY


def test_a_mass_delete_is_refused_and_a_sync_of_the_user_decides(two: World, patient: None) -> None:
    with Watching.of(two) as watching:
        for number in range(MANY - 5):
            (two.pictures / f"{number}.png").unlink()
        watching.until(lambda: watching.errors)
        told = [step.error.message for step in watching.errors if step.error is not None]
        assert all(
            re.fullmatch(rf"This sync would remove \d+ of the {MANY} pictures in 'pictures'", one) for one in told
        )
        assert len(two.paths()) == 2 * MANY
        syncs = len(watching.syncs)
        two.another().sync(allow_mass_delete=True, wait=True)
        watching.until(lambda: len(watching.syncs) > syncs and watching.errors[-1:] != watching.steps[-1:])
        assert len(two.paths()) == MANY + 5


def test_a_loss_that_goes_on_is_told_once(two: World) -> None:
    from vstore.watch.syncing import Syncer

    def sync(paths: object, leave_out: frozenset[str]) -> SyncReport:
        return two.store.sync()

    syncer = Syncer(two.repo, [], sync)
    told = []
    for lost in range(25, 35):
        for number in range(lost):
            (two.pictures / f"{number}.png").unlink(missing_ok=True)
        told += [step.error.message for step in syncer.run() if step.error is not None]
    assert told == [f"This sync would remove 25 of the {MANY} pictures in 'pictures'"]


def test_a_disk_that_stays_full_is_told_once(synced: World) -> None:
    from vstore.watch.syncing import Syncer

    def sync(paths: object, leave_out: frozenset[str]) -> SyncReport:
        raise DiskTrouble(f"cannot write packs/{os.urandom(16).hex()}.pack: No space left on device", "free some space")

    syncer = Syncer(synced.repo, [], sync)
    assert [len(list(syncer.run())) for _ in range(3)] == [1, 0, 0]


def test_pictures_that_move_between_two_folders_are_no_loss(two: World) -> None:
    with Watching.of(two, settle=0.5) as watching:
        for number in range(MANY - 5):
            (two.pictures / f"{number}.png").rename(two.top / f"other/moved-{number}.png")
        watching.until(lambda: sum("moved" in path for path in two.paths()) == MANY - 5)
        assert not watching.errors and two.fake.embedded == 2 * MANY


def test_pictures_that_move_are_no_loss_while_a_third_folder_is_missing(two: World) -> None:
    third = two.top / "third"
    third.mkdir()
    (third / "x.png").write_bytes(drawn(3000))
    two.sync(third)
    third.rename(two.top / "away")
    with Watching.of(two, settle=0.5) as watching:
        for number in range(MANY - 5):  # there and back
            (two.pictures / f"{number}.png").rename(two.top / f"other/moved-{number}.png")
            (two.top / f"other/{number}.png").rename(two.pictures / f"moved-{number}.png")
        watching.until(lambda: sum("moved" in path for path in two.paths()) == 2 * (MANY - 5))
        assert len(watching.errors) == 1 and two.fake.embedded == 2 * MANY + 1


@pytest.mark.parametrize("names", [("pictures", "other"), ("other", "pictures")])
def test_pictures_that_move_are_no_loss_while_two_more_are_missing(two: World, names: tuple[str, str]) -> None:
    for name in ("third", "fourth"):
        (two.top / name).mkdir()
        (two.top / name / "x.png").write_bytes(drawn(3000 + len(name)))
        two.sync(two.top / name)
        (two.top / name).rename(two.top / f"{name}-away")
    source, target = (two.top / name for name in names)
    with Watching.of(two, settle=0.5) as watching:
        watching.until(lambda: len(watching.errors) == 2)
        for number in range(MANY - 5):
            (source / f"{number}.png").rename(target / f"{number}.moved.png")
        watching.until(lambda: sum(".moved" in path for path in two.paths()) == MANY - 5)
        watching.until(lambda: len(two.paths()) == 2 * MANY + 2)
        told = {step.error.message.split(" is ")[0][-5:] for step in watching.errors if step.error}
        assert told == {"third", "ourth"}


def test_a_hold_is_told_once_and_its_release_goes_on_at_once(synced: World, patient: None) -> None:
    synced.put({"new.png": 9})
    synced.all()
    with Watching.of(synced) as watching:
        synced.another().rollback("v1", hold=True)
        synced.put({"more.png": 10})
        watching.until(lambda: watching.errors)
        synced.put({"even-more.png": 11})
        time.sleep(0.5)
        assert [type(step.error).__name__ for step in watching.errors] == ["Refused"]
        assert synced.store.status().current == "v1"
        synced.another().rollback(release=True)
        watching.until(lambda: "pictures/even-more.png" in synced.paths())


def test_a_model_that_does_not_load_is_told_once_and_tried_again(synced: World, monkeypatch: Any) -> None:
    tries: list[float] = []

    def broken(recipe: Any) -> FakeEmbedder:
        tries.append(time.monotonic())
        raise ModelError("the model is gone", "bring it back")

    store = Store(synced.folder, load_embedder=lambda recipe: load(recipe))
    load: Callable[[Any], FakeEmbedder] = broken
    synced.put({"new.png": 9})
    with Watching(lambda stop: store.watch(stop=stop, **QUICK)) as watching:
        watching.until(lambda: len(tries) >= 3)
        assert len(watching.errors) == 1
        # Ever more slowly: at least the pause, which doubles, lies between two tries, however slow the machine is.
        assert tries[1] - tries[0] > 0.09
        assert tries[2] - tries[1] > 0.19
        load = synced.load
        watching.until(lambda: "pictures/new.png" in synced.paths())


def test_a_mistake_of_the_caller_ends_it_at_once(synced: World) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        next(synced.store.watch([synced.top / "nowhere"]))
    with pytest.raises(UsageError, match="mount it, and name the folder"):
        next(synced.store.watch(["smb://server/pictures"]))
    with pytest.raises(UsageError, match="--settle"):
        next(synced.store.watch(settle=0))
    empty = Store.init(synced.top / "empty", recipe=synced.fake.recipe)
    assert empty
    with Store(synced.top / "empty") as store, pytest.raises(UsageError, match="no folder yet"):
        list(store.watch())


# Other commands meanwhile


def test_a_second_watch_is_refused(synced: World) -> None:
    with Watching.of(synced) as watching:
        with pytest.raises(Locked, match=r"another watch of this store is running: .*watch"):
            next(synced.another().watch())
        watching.end()
    with Watching.of(synced) as again:
        assert again.syncs


def test_it_waits_for_another_sync(synced: World) -> None:
    with Watching.of(synced) as watching:
        with Repository(synced.folder).lock("ingest") as lock:
            lock.acquire(1.0, "sync")
            synced.put({"new.png": 9})
            assert quiet_for(watching, 2.0)
        watching.until(lambda: "pictures/new.png" in synced.paths())
        assert not watching.errors


def test_it_can_be_ended_while_it_waits(synced: World) -> None:
    with Watching.of(synced) as watching, Repository(synced.folder).lock("ingest") as lock:
        lock.acquire(1.0, "sync")
        synced.put({"new.png": 9})
        time.sleep(0.5)
        watching.end()


def test_a_folder_that_another_command_adds_is_watched(synced: World) -> None:
    with Watching.of(synced) as watching:
        other = synced.top / "other"
        other.mkdir()
        (other / "x.png").write_bytes(drawn(50))
        synced.another().sync([other], wait=True)
        watching.until(lambda: any("other" in note for note in watching.notes))
        (other / "y.png").write_bytes(drawn(51))
        watching.until(lambda: "other/y.png" in synced.paths())


def test_gc_repair_and_snapshots_of_others_do_not_end_it(synced: World) -> None:
    with Watching.of(synced) as watching:
        synced.put({"a.png": 30})
        watching.until(lambda: "pictures/a.png" in synced.paths())
        synced.another().gc(wait=True)
        Store.repair(synced.folder, wait=True, load_embedder=synced.load)
        synced.another().snapshot_forget(["v1"])
        synced.put({"b.png": 31})
        watching.until(lambda: "pictures/b.png" in synced.paths())
        assert not watching.errors


def test_an_exclude_that_another_command_sets_holds_at_once(synced: World) -> None:
    with Watching.of(synced) as watching:
        syncs = len(watching.syncs)
        synced.another().sync([synced.pictures], exclude=["*.jpeg"], wait=True)
        watching.until_synced(syncs + 1)
        watching.until(lambda: quiet_for(watching, 0.5))
        syncs = len(watching.syncs)
        synced.put({"new.jpeg": 9})
        assert quiet_for(watching) and len(watching.syncs) == syncs


def test_another_space_is_filled_once_it_is_current(synced: World) -> None:
    other = FakeEmbedder("fake-2")
    models = {fake.recipe["name"]: fake for fake in (synced.fake, other)}
    add_space(synced.repo, other.recipe, "second")
    with (
        Store(synced.folder, load_embedder=lambda recipe: models[recipe["name"]]) as store,
        Watching(lambda stop: store.watch(stop=stop, **QUICK)) as watching,
    ):
        synced.put({"first.png": 8})
        watching.until(lambda: "pictures/first.png" in synced.paths())
        with Store(synced.folder, load_embedder=lambda recipe: models[recipe["name"]]) as beside:
            beside.sync(space="second", wait=True)
        synced.put({"new.png": 9})
        watching.until(lambda: "pictures/new.png" in synced.paths())
        assert (synced.fake.embedded, other.embedded) == (4, 5)


def test_a_migration_meanwhile_is_gone_along_with(tmp_path: Path) -> None:
    begin(tmp_path / ".vstore")
    world = World(tmp_path)
    world.put({"a.png": 1})
    world.sync()
    with Watching.of(world) as watching:
        world.another().migrate(wait=True)
        world.put({"b.png": 2})
        watching.until(lambda: "pictures/b.png" in world.paths())
        assert not watching.errors and world.repo.format == 2


def test_a_store_that_goes_ends_it(synced: World) -> None:
    with Watching.of(synced) as watching:
        synced.folder.rename(synced.top / "gone")
        until(lambda: watching.error)
        assert isinstance(watching.error, StoreGone)


def test_a_folder_that_only_the_store_names_is_not_looked_at_and_the_others_go_on(tmp_path: Path) -> None:
    world = World(tmp_path / "gift")
    world.put({"a.png": 1})
    world.sync()
    private = tmp_path / "private"
    put(private, {"b.png": 70})
    root = {"place": str(private), "relative": False, "options": {}}
    Forge(world.folder).record("sync", {"roots": {"private": root}})
    store = Store(world.folder, load_embedder=world.load, config=tmp_path / "config")
    with not_looked_at(private), Watching(lambda stop: store.watch(stop=stop, **QUICK)) as watching:
        world.put({"c.png": 2})
        watching.until(lambda: "pictures/c.png" in world.paths())
        assert [type(step.error) for step in watching.errors] == [Untrusted]
        assert "private" in str(watching.errors[0].error)


def test_a_store_of_somebody_else_is_not_watched(synced: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner.os, "geteuid", lambda: 54_001)
    before = digests(synced.folder, without=())
    with pytest.raises(ForeignStore):
        next(synced.another().watch())
    assert digests(synced.folder, without=()) == before


def test_names_that_are_not_utf_8_are_found_by_looking_and_the_rest_by_events(synced: World) -> None:
    synced.put({"in/a.png": 40})
    synced.all()
    odd = os.fsdecode(b"pictures/\xff.png")
    with Watching.of(synced) as watching:
        (synced.top / odd).write_bytes(drawn(80))
        watching.until(lambda: odd in synced.paths())
        watching.until(lambda: any("folders in it with names that are not UTF-8" in note for note in watching.notes))
        (synced.top / odd).write_bytes(drawn(81))
        watching.until(lambda: synced.aliases()[odd] == synced.key(81))
    with Watching.of(synced, every=1000.0) as watching:
        synced.put({"in/b.png": 41})
        watching.until(lambda: "pictures/in/b.png" in synced.paths())


def test_a_network_disk_is_looked_at_without_being_asked(
    synced: World, events: FakeEvents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "mountinfo"
    real = os.path.realpath(synced.pictures)
    table.write_text(f"22 1 8:1 / / rw - ext4 /dev/root rw\n40 22 0:35 / {real} rw - nfs4 server:/ rw\n")
    monkeypatch.setattr(filesystems, "MOUNTS", str(table))
    with faked(synced, events) as watching:
        assert "looking at it every 0.05 s (nfs4 does not tell of all changes)" in watching.notes[0]
        synced.put({"new.png": 9})
        watching.until(lambda: "pictures/new.png" in synced.paths())
        assert events.made == []
        table.write_text("22 1 8:1 / / rw - ext4 /dev/root rw\n")  # it is unmounted: another disk now
        watching.until(lambda: events.made)


# Faults of events


class FakeEvents:
    """A source that is told what to tell."""

    def __init__(self) -> None:
        self.made: list[frozenset[bytes]] = []
        self.closed = 0
        self.refuses: Exception | None = None
        self.told: list[list[Seen] | Exception] = []

    def __call__(self, folders: Collection[bytes]) -> FakeEvents:
        self.made.append(frozenset(folders))
        if self.refuses is not None:
            raise self.refuses
        return self

    def wait(self, seconds: float, stop: threading.Event) -> list[Seen]:
        stop.wait(min(seconds, 0.02))
        told = self.told.pop(0) if self.told else []
        if isinstance(told, Exception):
            raise told
        return told

    def close(self) -> None:
        self.closed += 1


class NoModel:
    """A model that notes what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.unloaded = 0

    def unload(self) -> None:
        self.unloaded += 1

    def unload_unused(self, after: float) -> None:
        self.asked.append(after)


MODEL = NoModel()


@pytest.fixture
def events() -> FakeEvents:
    return FakeEvents()


def faked(world: World, events: Any, sync: Any = None, **options: Any) -> Watching:
    """Watch a world by a fake source."""
    repo = world.repo

    def plain(paths: Any, leave_out: frozenset[str]) -> SyncReport:
        return world.another().sync(wait=True)

    def start(stop: threading.Event) -> Iterator[Any]:
        chosen = WatchOptions(**{**QUICK, **options})
        return watch(repo, [], chosen, sync=sync or plain, model=MODEL, stop=stop, source=events)

    return Watching(start)


def test_a_burst_may_hide_more_so_everything_is_read(synced: World, events: FakeEvents) -> None:
    with faked(synced, events) as watching:
        synced.put({"deep/new.png": 9})  # told by nobody: the queue ran over
        lost = [Seen(b"/elsewhere/%d" % number, True, False) for number in range(folders_module.MANY)]
        events.told.append(lost[:-1])
        assert quiet_for(watching, 0.3)
        events.told.append(lost)
        watching.until(lambda: "pictures/deep/new.png" in synced.paths())
        assert os.fsencode(synced.pictures / "deep") in events.made[-1]


def test_lost_events_are_read_and_watched_anew(synced: World, events: FakeEvents) -> None:
    with faked(synced, events) as watching:
        made = len(events.made)
        synced.put({"new.png": 9})
        events.told.append(EventsLost("a name"))
        watching.until(lambda: "pictures/new.png" in synced.paths())
        watching.until(lambda: len(events.made) > made)


def test_events_that_are_lost_again_and_again_are_given_up(synced: World, events: FakeEvents) -> None:
    with faked(synced, events) as watching:
        for _ in range(folders_module._LOSSES):
            before = len(watching.syncs)
            events.told.append(EventsLost("a name"))
            watching.until(lambda before=before: len(watching.syncs) > before)
        watching.until(lambda: "again and again" in watching.notes[-1])
        synced.put({"new.png": 9})
        watching.until(lambda: "pictures/new.png" in synced.paths())  # by looking


def test_a_limit_of_the_system_means_looking_instead(synced: World, events: FakeEvents) -> None:
    events.refuses = NoEvents("too few watches", "raise them")
    with faked(synced, events) as watching:
        assert [note for note in watching.notes if "looked at every 0.05 s instead; raise them" in note]
        synced.put({"new.png": 9})
        watching.until(lambda: "pictures/new.png" in synced.paths())
        assert len(events.made) == 1


def test_a_folder_that_goes_while_it_is_to_be_watched_is_left_out(synced: World, events: FakeEvents) -> None:
    events.refuses = FileNotFoundError("gone")
    with faked(synced, events) as watching:
        events.refuses = None
        assert watching.syncs and not watching.errors


def test_a_folder_that_comes_between_the_look_and_the_watch_is_watched_too(synced: World, events: FakeEvents) -> None:
    late = [synced.pictures / "late", synced.pictures / "late/later"]

    def make(folders: Collection[bytes]) -> FakeEvents:
        if late:
            late.pop(0).mkdir()
        return events(folders)

    with faked(synced, make) as watching:
        assert os.fsencode(synced.pictures / "late/later") in events.made[-1]
        assert watching.syncs and events.closed == len(events.made) - 1


def test_a_folder_that_goes_and_comes_back_is_noticed_without_an_event(
    synced: World, events: FakeEvents, patient: None
) -> None:
    with faked(synced, events) as watching:
        synced.pictures.rename(synced.top / "away")
        watching.until(lambda: watching.errors)
        syncs = len(watching.syncs)
        (synced.top / "away").rename(synced.pictures)
        watching.until_synced(syncs + 1)


def test_an_unused_model_gives_its_memory_back(synced: World, events: FakeEvents) -> None:
    with faked(synced, events, unload_after=7.0) as watching:
        watching.until(lambda: 7.0 in MODEL.asked)
    MODEL.asked.clear()


def test_now_and_then_everything_is_read_and_watched_anew_whatever_was_told(synced: World, events: FakeEvents) -> None:
    with faked(synced, events, rescan=0.2) as watching:
        synced.put({"new.png": 9})
        watching.until(lambda: "pictures/new.png" in synced.paths())
        assert events.made[0] == events.made[1]


def test_a_machine_that_slept_is_looked_at_anew(
    synced: World, events: FakeEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faked(synced, events) as watching:
        synced.put({"new.png": 9})
        assert quiet_for(watching, 0.3)
        clock = time.time
        monkeypatch.setattr(run.time, "time", lambda: clock() + 3600)
        watching.until(lambda: "pictures/new.png" in synced.paths())


def test_a_failing_disk_backs_off(synced: World, events: FakeEvents) -> None:
    tries: list[float] = []

    def sync(paths: Any, leave_out: frozenset[str]) -> SyncReport:
        tries.append(time.monotonic())
        raise OSError(errno.EIO, os.strerror(errno.EIO), "/mnt/disk")

    with faked(synced, events, sync) as watching:
        watching.until(lambda: len(tries) >= 4)
        assert [type(step.error) for step in watching.errors] == [DiskTrouble]
        assert "/mnt/disk: Input/output error" in str(watching.errors[0].error)
        # At least the pause, which doubles, lies between two tries, however slow the machine is.
        gaps = [after - before for before, after in itertools.pairwise(tries)]
        assert all(gap > 0.09 * 2**number for number, gap in enumerate(gaps[:3])), gaps


def test_a_flood_of_reading_is_followed_by_another_look(
    synced: World, events: FakeEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "FLOOD", 1)
    synced.put({"new.png": 9})
    with faked(synced, events) as watching:
        reports = [watching.until_synced(2 - number).report for number in (1, 0)]
        assert [report and classes(report).get("new", 0) for report in reports] == [1, 0]
        assert quiet_for(watching, 0.5)


def test_a_limit_that_a_look_meets_ends_nothing(
    synced: World, events: FakeEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = [SystemLimit("too many open files")] * 3

    def limited(*given: Any) -> list[Place]:
        if limits:
            raise limits.pop()
        return places_of(*given)

    with faked(synced, events) as watching:
        monkeypatch.setattr(folders_module, "places_of", limited)
        for number in range(4):
            synced.put({f"new{number}.png": 60 + number})
            events.told.append([Seen(os.fsencode(synced.pictures / f"new{number}.png"), True, False)])
            watching.until(lambda number=number: f"pictures/new{number}.png" in synced.paths())
        assert not limits


def test_a_limit_that_a_poll_meets_puts_no_sync_off(synced: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def limited(*given: Any) -> Place:
        raise SystemLimit("too many open files")

    with Watching.of(synced, poll=True, settle=0.3, settle_at_most=1000.0) as watching:
        before = len(watching.syncs)
        monkeypatch.setattr(folders_module, "Place", limited)
        watching.until(lambda: len(watching.syncs) > before)


@pytest.mark.parametrize("lost", ["packs", "refs"])
def test_damage_is_told_once_and_a_repair_goes_on(synced: World, patient: None, lost: str) -> None:
    with Watching.of(synced) as watching:
        (synced.top / "away").mkdir()
        for file in (synced.folder / lost).iterdir():
            file.rename(synced.top / "away" / file.name)
        synced.put({"new.png": 9})
        watching.until(lambda: watching.errors)
        time.sleep(0.5)
        assert [type(step.error) for step in watching.errors] == [Damage]
        for file in (synced.top / "away").iterdir():
            file.rename(synced.folder / lost / file.name)
        synced.another().snapshot_tag("v1", "repaired")
        watching.until(lambda: "pictures/new.png" in synced.paths())


def test_a_model_that_fails_is_loaded_again(synced: World, events: FakeEvents) -> None:
    def sync(paths: Any, leave_out: frozenset[str]) -> SyncReport:
        raise ModelError("it gives no usable vector", "try again")

    before = MODEL.unloaded
    with faked(synced, events, sync) as watching:
        watching.until(lambda: watching.errors)
        watching.until(lambda: MODEL.unloaded > before + 1)  # told once, and yet tried afresh each time


def test_its_end_gives_everything_back(synced: World, events: FakeEvents) -> None:
    with faked(synced, events) as watching:
        watching.end()
    assert events.closed == len(events.made)
