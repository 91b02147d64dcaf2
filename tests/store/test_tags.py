"""Tags of snapshots."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.numbered import NumberedStore

from vstore.errors import SnapshotNotFound, UsageError
from vstore.versions.log import log
from vstore.versions.tags import snapshot_tag
from vstore.versions.tags import snapshot_untag as untag


@pytest.fixture
def world(tmp_path: Path) -> NumberedStore:
    return NumberedStore(tmp_path)


def test_a_tag_may_be_set_again_where_it_is_and_nowhere_else(world: NumberedStore) -> None:
    world.snapshots(2)
    assert snapshot_tag(world.repo, "latest", "best").to_json() == {"tag": "best", "snapshot": "v2"}
    records = len(log(world.repo))
    assert snapshot_tag(world.repo, "v2", "best").snapshot == "v2"
    assert len(log(world.repo)) == records
    with pytest.raises(UsageError, match="untag best"):
        snapshot_tag(world.repo, "v1", "best")
    assert untag(world.repo, "best").to_json() == {"tag": "best", "snapshot": None}
    assert snapshot_tag(world.repo, "v1", "best").snapshot == "v1"


def test_a_tag_that_means_something_to_a_shell_is_quoted(world: NumberedStore) -> None:
    world.snapshots(2)
    snapshot_tag(world.repo, "v1", "a&b")
    with pytest.raises(UsageError, match="vstore snapshot untag 'a&b'"):
        snapshot_tag(world.repo, "v2", "a&b")


def test_a_tag_that_is_not_there_cannot_be_taken_away(world: NumberedStore) -> None:
    world.snapshots(1)
    with pytest.raises(UsageError, match="the tags of this store: none"):
        untag(world.repo, "best")
    snapshot_tag(world.repo, "v1", "good")
    with pytest.raises(UsageError, match="there is no tag 'best'; the tags of this store: good"):
        untag(world.repo, "best")
    with pytest.raises(UsageError, match=r"there is no tag 'god'; did you mean good\? the tags of this store: good"):
        untag(world.repo, "god")


@pytest.mark.parametrize(
    "name",
    ["v1", "V12", "current", "latest", "LATEST", "a~1", "@{1}", "", "a/b", "-x", "a b", "2026-11-20", "a^"],
)
def test_a_tag_never_takes_the_name_of_something_else(world: NumberedStore, name: str) -> None:
    world.snapshots(1)
    with pytest.raises(UsageError):
        snapshot_tag(world.repo, "v1", name)


def test_a_tag_may_look_like_an_id_but_not_begin_one(world: NumberedStore) -> None:
    world.snapshots(2)
    id = world.repo.snapshot("v2").id
    with pytest.raises(UsageError, match=f"'{id[:5]}' already means v2: the id begins so"):
        snapshot_tag(world.repo, "v1", id[:5])
    other = "cafe" if not any(world.repo.snapshot(name).id.startswith("cafe") for name in ("v1", "v2")) else "face"
    for name in (other, "2024"):
        assert snapshot_tag(world.repo, "v1", name).snapshot == "v1"
        assert world.repo.snapshot(name).name == "v1"
    assert snapshot_tag(world.repo, "v1", other).snapshot == "v1"  # again


def test_only_an_existing_snapshot_can_be_tagged(world: NumberedStore) -> None:
    world.snapshots(1)
    with pytest.raises(SnapshotNotFound):
        snapshot_tag(world.repo, "v2", "tag")
