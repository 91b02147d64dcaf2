"""The format of a store after a repair: what it was, also where FORMAT is lost or a migration was interrupted."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.folders import World, all_aliases, digests, newest_pack, repaired
from support.format_1 import begin, later_parts

from vstore.disk.lock import Lock
from vstore.format import listing
from vstore.format.layout import NEWEST, Layout
from vstore.repair.form import find_format
from vstore.repository.form import read_form
from vstore.repository.newest import is_between, is_newest
from vstore.store import Store


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A store of format 1 with three snapshots, a tag and a hold; two snapshots are more than a state of 2 holds."""
    monkeypatch.setattr(listing, "PENDING", 2)
    begin(tmp_path / ".vstore")
    world = World(tmp_path)
    for number in range(3):
        world.put({f"{number}/{n}.png": 10 * number + n for n in range(4)})
        world.sync(message=f"number {number}")
    world.store.snapshot_tag("v1", "first")
    world.store.rollback("v2", hold=True)
    return world


def told(world: World) -> Any:
    """Say what a store tells of its snapshots."""
    state = world.repo.state
    with world.another() as store:
        rows = [row.to_json() for row in store.snapshot_list()]
    return rows, all_aliases(world), state.tags, state.hold, state.next_v, world.keys()


def whole(world: World) -> None:
    assert Store.repair(world.folder, dry_run=True).done == ()
    report = world.another().check(read_data=True)
    assert report.ok, report.problems


def lose(path: Path) -> None:
    path.unlink()


def spoil(path: Path) -> None:
    path.write_bytes(b"nonsense" + path.read_bytes()[8:])


def records(folder: Path) -> list[Path]:
    return sorted(Layout(folder).refs.iterdir())


def interrupted(folder: Path) -> None:
    """Leave a store as a migration that is killed before its record."""
    Layout(folder).format.write_bytes(read_form(folder)._replace(format=2).to_bytes())


def copied(folder: Path) -> None:
    """Copy FORMAT before a migration, and the log after it."""
    form = Layout(folder).format.read_bytes()
    with Store(folder) as store:
        store.migrate()
    Layout(folder).format.write_bytes(form)


# A store of format 1


@pytest.mark.parametrize("harm", [lose, spoil])
@pytest.mark.parametrize("parts", ["FORMAT", "record", "pack", "FORMAT record", "FORMAT pack", "FORMAT record pack"])
def test_a_store_of_format_1_stays_one(world: World, harm: Callable[[Path], None], parts: str) -> None:
    expected = told(world)
    layout = Layout(world.folder)
    pack = layout.packs / newest_pack(world.repo).name
    for part in parts.split():
        harm({"FORMAT": layout.format, "record": records(world.folder)[3], "pack": pack}[part])
    report = repaired(world)
    assert read_form(world.folder).format == 1
    assert later_parts(world.folder) == []
    if "pack" in parts and harm is lose:
        assert [loss.snapshot for loss in report.degraded] == ["v3"]
    else:
        assert told(world) == expected
    with world.another() as store:
        store.rollback(release=True)
        world.put({"new.png": 99})
        assert store.sync().snapshot == "v4"
    assert later_parts(world.folder) == []
    whole(world)


def test_a_store_of_format_1_without_any_record_stays_one(world: World) -> None:
    aliases = all_aliases(world)
    for path in [*records(world.folder), Layout(world.folder).format]:
        path.unlink()
    repaired(world)
    assert later_parts(world.folder) == []
    assert all_aliases(world) == aliases
    whole(world)


# A migration that was interrupted


@pytest.mark.parametrize("harm", [lose, spoil])
def test_an_interrupted_migration_is_repaired_as_format_2(world: World, harm: Callable[[Path], None]) -> None:
    expected = told(world)
    interrupted(world.folder)
    harm(records(world.folder)[4])
    assert repaired(world).changed
    repo = world.repo
    assert is_newest(repo)
    assert repo.state.root("snapshots") is not None
    assert [repo.log.read(number).format for number in repo.log.numbers()[-2:]] == [2, 2]
    assert told(world) == expected
    assert world.store.migrate().steps == ()
    whole(world)


@pytest.mark.parametrize("leave", [interrupted, copied])
def test_a_sound_store_whose_migration_was_interrupted_is_left_as_it_is(
    world: World, leave: Callable[[Path], None]
) -> None:
    leave(world.folder)
    before = digests(world.folder)
    report = repaired(world)
    assert (report.done, report.changed, report.quarantined) == ((), False, ())
    assert digests(world.folder) == before
    assert is_between(world.repo)


def test_without_its_format_an_interrupted_migration_never_was(world: World) -> None:
    expected = told(world)
    interrupted(world.folder)
    Layout(world.folder).format.unlink()
    repaired(world)
    assert read_form(world.folder).format == 1
    assert later_parts(world.folder) == []
    assert world.store.migrate().steps
    assert told(world) == expected
    whole(world)


@pytest.mark.parametrize("harm", [lose, spoil])
@pytest.mark.parametrize("without_format", [False, True])
def test_a_damaged_record_of_the_migration_costs_nothing(
    world: World, harm: Callable[[Path], None], without_format: bool
) -> None:
    expected = told(world)
    world.store.migrate()
    harm(records(world.folder)[-1])
    if without_format:
        Layout(world.folder).format.unlink()
    repaired(world)
    assert told(world) == expected
    # Lost, it leaves a store that was never migrated; spoilt, it is of no format that could be read.
    assert read_form(world.folder).format == (1 if without_format else 2)
    with world.another() as store:
        store.migrate()
    assert is_newest(world.repo)
    assert told(world) == expected
    whole(world)


def test_a_copy_that_was_made_while_it_was_migrated_is_repaired_as_format_2(world: World) -> None:
    expected = told(world)
    copied(world.folder)
    spoil(records(world.folder)[2])
    assert repaired(world).changed
    assert world.repo.tip.format == 2
    assert told(world) == expected
    assert [step.split(":")[0] for step in world.another().migrate().steps] == ["FORMAT"]
    whole(world)


def test_manifests_tell_the_format_and_the_store_where_all_else_that_does_is_lost(world: World) -> None:
    store = world.repo.store_id
    world.store.migrate()
    migrated = records(world.folder)
    world.store.rollback(release=True)
    world.put({"new.png": 99})
    world.all(message="of format 2")
    aliases = all_aliases(world)
    for path in records(world.folder)[len(migrated) - 1 :]:
        spoil(path)
    Layout(world.folder).format.unlink()
    repaired(world)
    repo = world.repo
    assert (read_form(world.folder).format, repo.format, repo.tip.format) == (2, 2, 2)
    assert all_aliases(world) == aliases
    assert repo.manifest(repo.snapshot("v4")).store == repo.store_id == store
    whole(world)


def test_the_store_is_found_though_most_manifests_are_older_than_the_migration(world: World) -> None:
    store = world.repo.store_id
    world.store.rollback(release=True)
    world.store.migrate()
    world.put({"new.png": 99})
    world.all()
    Layout(world.folder).format.unlink()
    assert repaired(world).done == ("FORMAT was rebuilt from other files",)
    assert world.repo.store_id == store
    assert is_newest(world.repo)


def test_a_store_that_was_opened_before_takes_the_id_that_a_repair_gave_it(world: World) -> None:
    """No manifest of format 1 names the store: with FORMAT, its id is lost."""
    store = world.store
    before = store._repo.store_id
    Layout(world.folder).format.unlink()
    repaired(world)
    store.migrate()
    store.rollback(release=True)
    world.put({"new.png": 99})
    world.all()
    repo = world.repo
    assert repo.manifest(repo.snapshot("v4")).store == repo.store_id != before


def test_a_repair_that_waited_looks_at_the_format_again(world: World) -> None:
    """A store that is migrated, or whose FORMAT is written again, while a repair waits for its locks."""
    layout = Layout(world.folder)
    spoil(records(world.folder)[2])
    form = layout.format.read_bytes()
    spoil(layout.format)
    with Lock(layout.locks, "ingest") as lock:
        lock.acquire(0.0, "migrate")
        waiting = threading.Thread(target=lambda: repaired(world, wait=True))
        waiting.start()
        time.sleep(0.3)
        layout.format.write_bytes(form)
        interrupted(world.folder)
        before = layout.format.read_bytes()
    waiting.join()
    assert layout.format.read_bytes() == before
    assert is_newest(world.repo)


# The rule


@pytest.mark.parametrize(
    ("format", "record", "manifests", "found"),
    [
        (1, 1, [""], 1),
        (2, 1, [""], 2),  # interrupted
        (1, 2, ["a"], 2),  # copied while it was migrated
        (1, 1, ["", "a"], 2),
        (None, 1, [""], 1),
        (None, 2, [""], 2),
        (None, 1, ["", "a"], 2),
        (None, None, [""], 1),
        (None, None, ["", "a"], 2),
        (None, None, [], NEWEST),
        (1, None, [], 1),
    ],
)
def test_the_newest_of_what_tells_it_counts(
    format: int | None, record: int | None, manifests: list[str], found: int
) -> None:
    from vstore.disk.oplog import Tip
    from vstore.format.manifest import Manifest
    from vstore.format.state import State

    tip = Tip(State({}), number=0 if record is None else 7, format=record or 0)
    some = [
        Manifest("v1", "s", b"t", 0, 0, time="", message="", parent=None, partial=False, store=one) for one in manifests
    ]
    assert find_format(format or NEWEST, tip, some, is_sound=format is not None) == found
