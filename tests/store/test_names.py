"""The names of a snapshot: number, id, tags, current, latest, parents."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.numbered import NumberedStore

from vstore.errors import AmbiguousSnapshot, SnapshotNotFound
from vstore.versions.moves import rollback, undo
from vstore.versions.show import snapshot_list
from vstore.versions.tags import snapshot_tag


@pytest.fixture
def world(tmp_path: Path) -> NumberedStore:
    return NumberedStore(tmp_path)


def test_a_snapshot_is_called_by_its_number(world: NumberedStore) -> None:
    world.snapshots(12)
    for name, wanted in (("v1", "v1"), ("v12", "v12"), ("V3", "v3"), ("v003", "v3")):
        assert world.named(name) == wanted


def test_a_snapshot_is_called_by_the_first_digits_of_its_id(world: NumberedStore) -> None:
    world.snapshots(5)
    for row in snapshot_list(world.repo):
        assert world.named(row.id) == row.snapshot
        assert world.named(row.id[:8].upper()) == row.snapshot
    with pytest.raises(SnapshotNotFound):
        world.named(row.id[:3])
    with pytest.raises(SnapshotNotFound):
        world.named(row.id + "0")


def test_equal_states_share_an_id_and_the_newest_of_them_is_meant(world: NumberedStore) -> None:
    for files in ({"a": 1}, {"b": 2}, {"a": 1}):
        world.sync(files)
    rows = snapshot_list(world.repo)
    assert rows[0].id == rows[2].id != rows[1].id
    assert world.named(rows[0].id) == "v3"


def test_an_id_that_means_several_snapshots_names_them(world: NumberedStore) -> None:
    world.snapshots(3)
    listed = world.repo.state.document["snapshots"]
    world.publish(
        "repair", {"snapshots": {name: {**listed[name], "id": f"abcd{name[1:] * 28}"} for name in ("v1", "v2")}}
    )
    with pytest.raises(AmbiguousSnapshot) as caught:
        world.named("ABCD")
    assert "v2 (abcd22222222), v1 (abcd11111111)" in str(caught.value)
    assert isinstance(caught.value, LookupError)
    assert world.named("abcd1") == "v1"


def test_a_snapshot_is_called_by_its_tags(world: NumberedStore) -> None:
    world.snapshots(3)
    snapshot_tag(world.repo, "v2", "before-cleanup")
    snapshot_tag(world.repo, "v2", "älter")
    assert world.named("before-cleanup") == world.named("älter") == "v2"
    assert world.named("before-cleanup~1") == "v1"
    assert snapshot_list(world.repo)[1].tags == ("before-cleanup", "älter")


def test_current_and_latest_part_after_a_rollback(world: NumberedStore) -> None:
    world.snapshots(3)
    rollback(world.repo, "v1")
    assert (world.named("current"), world.named("latest")) == ("v1", "v3")
    assert [row.snapshot for row in snapshot_list(world.repo) if row.current] == ["v1"]


def test_parents_are_counted_up_from_any_name(world: NumberedStore) -> None:
    world.snapshots(4)
    rollback(world.repo, "v2")
    world.sync({"other": 50})  # v5, whose parent is v2
    for name, wanted in (
        ("v5~0", "v5"), ("v5~1", "v2"), ("v5~2", "v1"), ("current~1", "v2"), ("latest~1", "v2"), ("v4~2", "v2"),
        ("v4~1~1", "v2"), ("@{1}~1", "v1"),
    ):  # fmt: skip
        assert world.named(name) == wanted
    for name in ("v5~3", "v1~1", "v9~1", "v5~99999999999999999999"):
        with pytest.raises(SnapshotNotFound, match="snapshot list"):
            world.named(name)


def test_earlier_values_of_current_are_counted_back(world: NumberedStore) -> None:
    world.snapshots(3)
    rollback(world.repo, "v1")
    snapshot_tag(world.repo, "v1", "tag")  # sets no current, and does not count
    rollback(world.repo, "v2")
    undo(world.repo)
    undo(world.repo)  # the tag: sets no current
    # v1 v2 v3 v1 v2 v1
    assert [world.named(f"@{{{back}}}") for back in range(6)] == ["v1", "v2", "v1", "v3", "v2", "v1"]
    with pytest.raises(SnapshotNotFound, match=r"no @\{6\}: `current` has had 6 values as far as the log tells"):
        world.named("@{6}")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "v9",
        "v0",
        "v",
        "vx",
        "v1x",
        "abcd",
        "nothing",
        "~1",
        "v1~",
        "v1~x",
        "@{}",
        "@{x}",
        "@{-1}",
        "p/a",
        "v-1",
    ],
)
def test_an_unknown_name_is_not_found(world: NumberedStore, name: str) -> None:
    world.snapshots(2)
    with pytest.raises(SnapshotNotFound) as caught:
        world.named(name)
    assert f"no snapshot {name!r} (this store has 2)" in str(caught.value)
    assert isinstance(caught.value, LookupError)


def test_a_store_without_snapshots_says_how_to_make_one(world: NumberedStore) -> None:
    assert snapshot_list(world.repo) == []
    for name in ("current", "latest", "v1", "@{0}", "abcdef"):
        with pytest.raises(SnapshotNotFound, match="vstore sync"):
            world.named(name)


def test_a_snapshot_that_was_forgotten_is_not_found_under_any_name(world: NumberedStore) -> None:
    world.snapshots(3)
    id = world.repo.snapshot("v2").id
    world.publish("forget", {"snapshots": {"v2": {"kept": False}}})
    for name in ("v2", id, "v3~1", "@{1}"):
        with pytest.raises(SnapshotNotFound, match="this store has 2"):
            world.named(name)
    assert [row.snapshot for row in snapshot_list(world.repo)] == ["v3", "v1"]
