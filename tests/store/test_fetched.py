"""Fetched snapshots: called `NAME/vN`, and used as this store's own are, by every command that takes a snapshot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support import kinds
from support.folders import World, repaired

from vstore.errors import SnapshotNotFound, UsageError
from vstore.format import listing
from vstore.format.records import Origin
from vstore.search.query import Operand


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """v1 and v2 of two and three pictures; origin/v6 and v7, of the pictures of v1; øst/v7 of those of v2."""
    monkeypatch.setattr(listing, "WINDOW", 2)
    monkeypatch.setattr(listing, "PENDING", 1)
    world = World(tmp_path)
    world.put({"1.png": 1, "2.png": 2})
    world.sync(message="first")
    kinds.fetch(world.repo, "origin/v6")
    kinds.fetch(world.repo, "origin/v7", parent="origin/v6")
    world.put({"3.png": 3})
    world.sync(message="second")
    kinds.fetch(world.repo, "øst/v7")
    return world


NAMES = ["v2", "v1", "øst/v7", "origin/v7", "origin/v6"]


def names(world: World) -> list[str]:
    return [row.snapshot for row in world.another().snapshot_list()]


def test_they_are_listed_behind_those_of_this_store_and_take_no_number(world: World) -> None:
    assert names(world) == NAMES
    assert world.repo.state.next_v == 3
    world.put({"4.png": 4})
    assert world.sync().snapshot == "v3"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("origin/v7", "origin/v7"),
        ("origin/v7~1", "origin/v6"),
        ("origin/v7~0", "origin/v7"),
        ("øst/v7", "øst/v7"),
        ("latest", "v2"),
        ("v1", "v1"),
    ],
)
def test_they_are_found_by_their_names(world: World, name: str, found: str) -> None:
    assert world.repo.snapshot(name).name == found


@pytest.mark.parametrize(
    "name",
    ["origin", "origin/", "origin/v5", "origin/7", "origin/v07", "/v7", "o/rigin/v7", "origin/v7/", "origin/v6~1",
     "øst/v7~1", "other/v7", "v7", "origin/latest", "origin/v7\n", "origin/v" + "7" * 30, "v" + "9" * 6000],
)  # fmt: skip
def test_what_names_none_of_them_is_an_error(world: World, name: str) -> None:
    with pytest.raises(SnapshotNotFound):
        world.repo.snapshot(name)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("orgin/v7", "origin/v7"), ("origin/v7/", "origin/v7"), ("ost/v7", "øst/v7"), ("other/v2", "v2")],
)
def test_a_near_miss_names_one_of_them(world: World, name: str, meant: str) -> None:
    with pytest.raises(SnapshotNotFound, match=rf"did you mean {meant}\? "):
        world.repo.snapshot(name)


def test_a_date_means_a_snapshot_of_this_store(world: World) -> None:
    assert world.repo.snapshot("2099-01-01").name == "v2"


def test_one_of_them_becomes_current_and_the_next_sync_builds_on_it(world: World) -> None:
    store = world.store
    assert store.rollback("origin/v7").current == "origin/v7"
    assert world.repo.snapshot("current~1").name == "origin/v6"
    assert world.repo.snapshot("@{1}").name == "v2"
    assert set(world.repo.state.window) == {"origin/v7", "origin/v6"}
    assert len(world.aliases()) == 2
    report = world.sync()
    assert (report.snapshot, report.parent, report.embedded) == ("v3", "origin/v7", 0)
    assert world.repo.snapshot("v3~2").name == "origin/v6"
    assert world.repo.manifest(world.repo.snapshot("v3")).parent == "origin/v7"
    assert store.undo().current == "origin/v7"
    assert store.undo().current == "v2"
    assert store.redo().current == "origin/v7"
    assert store.check(read_data=True).ok


def test_they_are_shown_compared_searched_and_exported(world: World, tmp_path: Path) -> None:
    store = world.store
    detail = store.snapshot_show("origin/v7")
    assert (detail.row.snapshot, detail.row.parent, detail.row.paths) == ("origin/v7", "origin/v6", 2)
    assert store.snapshot_diff("origin/v7", "v2").added == (b"pictures/3.png",)
    query = [Operand(1.0, image=os.fsencode(world.pictures / "3.png"))]
    assert len(store.search(query, at="øst/v7").hits) == 3
    found = store.search(query, at="origin/v7")
    assert (found.snapshot, len(found.hits)) == ("origin/v7", 2)
    report = store.snapshot_export("origin/v7", tmp_path / "out.jsonl", format="jsonl")
    assert (report.snapshot, report.images) == ("origin/v7", 2)


def test_a_tag_keeps_one_and_it_can_hold_syncing(world: World) -> None:
    store = world.store
    store.snapshot_tag("origin/v7", "theirs")
    assert world.repo.snapshot("theirs~1").name == "origin/v6"
    with pytest.raises(UsageError, match="cannot be forgotten"):
        store.snapshot_forget(["theirs"])
    store.rollback("øst/v7", hold=True)
    assert world.repo.state.hold == "øst/v7"
    assert set(world.repo.state.window) == {"origin/v7", "øst/v7"}
    assert store.check(read_data=True).ok


def test_rules_forget_none_of_them(world: World) -> None:
    assert world.store.snapshot_forget(keep_daily=2, dry_run=True).forgotten == (), "they take the place of no own one"
    report = world.store.snapshot_forget(keep_last=1)
    assert report.forgotten == ("v1",)
    assert {kept.snapshot: kept.reasons for kept in report.kept if "/" in kept.snapshot} == dict.fromkeys(
        ["øst/v7", "origin/v7", "origin/v6"], ("fetched from another store",)
    )


def test_they_are_forgotten_by_name_and_freed_by_gc(world: World) -> None:
    store = world.store
    store.snapshot_forget(["origin/v6", "v1"])
    assert names(world) == ["v2", "øst/v7", "origin/v7"]
    with pytest.raises(SnapshotNotFound):
        world.repo.snapshot("origin/v7~1")
    store.undo()
    assert names(world) == NAMES
    store.redo()
    assert store.gc().snapshots == 2
    assert names(world) == ["v2", "øst/v7", "origin/v7"]
    assert store.check(read_data=True).ok
    store.snapshot_forget(["origin/v7"])
    store.gc(drop_unnamed=True)
    assert names(world) == ["v2", "øst/v7"]
    assert len(world.aliases("øst/v7")) == 3
    assert store.check(read_data=True).ok
    assert not repaired(world).changed


def test_a_space_that_one_of_them_needs_is_not_dropped(world: World) -> None:
    world.store.snapshot_forget(["v1"])
    assert set(world.store.model_list()[0].snapshots) == {"v2", "øst/v7", "origin/v7", "origin/v6"}


def test_pictures_that_are_lost_leave_them_too(world: World) -> None:
    repo = world.repo
    (world.folder / "segments" / repo.state.segments(repo.snapshot("v2").space)[0].name).unlink()
    done = repaired(world, no_embed=True)
    assert {loss.snapshot: loss.lost for loss in done.degraded} == {
        "v2": 2, "v1": 2, "øst/v7": 2, "origin/v7": 2, "origin/v6": 2,
    }  # fmt: skip
    assert world.store.check(read_data=True).ok
    repo = world.repo
    assert {repo.manifest(repo.snapshot(name)).store for name in NAMES if "/" in name} == {kinds.OTHER}
    assert {repo.manifest(repo.snapshot(name)).store for name in ("v1", "v2")} == {repo.store_id}
    assert repo.manifest(repo.snapshot("origin/v7")).parent == "v6"
    assert repo.snapshot("origin/v7").parent == "origin/v6"


def test_where_all_records_are_lost_the_fetched_ones_are_not_taken_for_own_ones(world: World) -> None:
    for path in (world.folder / "refs").iterdir():
        path.write_bytes(b"rot")
    done = repaired(world)
    assert names(world) == ["v2", "v1"]
    assert any(f"fetched from the store {kinds.OTHER}" in line for line in done.left)
    assert world.store.check(read_data=True).ok


def test_a_check_finds_a_snapshot_with_the_manifest_of_another_store(world: World) -> None:
    repo = world.repo
    with repo.committing("test"):
        manifest = repo.manifest(repo.snapshot("v2"))._replace(store=kinds.OTHER).to_bytes()
        digest = repo.hash.digest(manifest)
        repo.publish("test", {"snapshots": {"v2": {"manifest": digest.hex()}}}, blobs={digest: manifest})
    assert [(p.file, p.what) for p in world.another().check().problems] == [
        ("snapshot v2", "its manifest is that of another store")
    ]


def test_where_a_record_came_from_is_read_back_and_the_log_passes_over_it(world: World) -> None:
    repo = world.repo
    record = repo.log.read(repo.tip.number)
    assert record.origin == Origin(kinds.OTHER, 8, repo.hash.digest("øst/v7".encode()).hex())
    assert b'"from":["' in (world.folder / "refs" / f"{record.number:012d}.json").read_bytes()
    assert repo.log.read(2).origin is None
    row = world.store.log()[0]
    assert (row.op, row.about) == ("sync", "øst/v7")
    assert list(row.to_json()) == ["number", "op", "time", "about", "current", "undone"]
