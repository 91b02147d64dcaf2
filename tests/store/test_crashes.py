"""A sync that seals, commits and merges, of which one call to the disk goes wrong, or is the last: nothing is lost.

Which calls are tried is a sample that VSTORE_EVERY=1 makes whole.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from support.failing_disks import EVERY, Failing, Killed, Watched
from support.folders import World

from vstore.disk import durable
from vstore.errors import VstoreError
from vstore.format import small_files
from vstore.intake import keeper


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Three versions, and two pictures that are in none yet."""
    monkeypatch.setattr(small_files, "TOO_MANY", 2)
    monkeypatch.setattr(keeper, "SEAL_BYTES", 1)
    world = World(tmp_path)
    for number in range(3):
        world.put({f"{number}.png": number})
        world.sync()
    world.store.close()
    shutil.copytree(world.folder, tmp_path / "before")
    world.put({"8.png": 8, "sub/9.png": 9})
    return world


def restored(world: World) -> None:
    """The store as it was before, but for its catalogue, which in a copy is taken for another's and made again."""
    shutil.rmtree(world.folder)
    shutil.copytree(world.top / "before", world.folder)
    world.fake.embedded = 0


def sync_on(disk: Watched, world: World, monkeypatch: pytest.MonkeyPatch) -> str | None:
    """Sync, and say how it ended."""
    with monkeypatch.context() as patch:
        patch.setattr(durable, "disk", disk)
        try:
            with world.another() as store:
                return store.sync([world.pictures]).snapshot
        except (VstoreError, Killed) as err:
            return type(err).__name__


WAYS = ["fails", "disk full", "reports an error and yet succeeds", "killed before", "killed after"]


@pytest.mark.parametrize("how", WAYS)
def test_whatever_call_of_a_sync_goes_wrong_nothing_is_lost_and_the_next_run_is_whole(
    world: World, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    before = {name: world.aliases(name) for name in ("v1", "v2", "v3")}
    restored(world)
    whole = Watched()
    assert sync_on(whole, world, monkeypatch) == "v4"
    published = {os.path.splitext(name)[1] for name in (*whole.named("rename"), *whole.named("link"))}
    assert {".faiss", ".pack", ".json"} <= published
    calls = len(whole.calls)
    for at in range(WAYS.index(how) % EVERY, calls, EVERY):
        restored(world)
        disk = Failing(at, how)
        ended = sync_on(disk, world, monkeypatch)
        said = f"call {at} of {calls}, {disk.calls[-1]}, {how}: {ended}"
        with world.another() as store:
            assert store.complaint is None, said
            assert store.check(read_data=True).ok, said
            for name, paths in before.items():
                assert world.aliases(name) == paths, said
            report = store.sync([world.pictures])
            assert [row.snapshot for row in store.snapshot_list()] == ["v4", "v3", "v2", "v1"], said
            assert report.paths == 5 and len(set(world.keys())) == len(world.keys()) == 5, said
            assert world.fake.embedded <= 4, said
            assert store.check(read_data=True).ok, said
        left = [path for path in world.folder.rglob("*") if path.name.startswith(durable.TEMPORARY)]
        assert left == [] and not list((world.folder / "journal").iterdir()), said
