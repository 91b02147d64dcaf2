"""The names of snapshots."""

from __future__ import annotations

import pytest
from support.builder import Builder, aliases
from support.failing_disks import disk
from support.folders import World

from vstore.errors import (
    AmbiguousSnapshot,
    SnapshotNotFound,
)
from vstore.repository.repository import Repository

__all__ = ["disk"]


@pytest.fixture
def versions(builder: Builder) -> Repository:
    """v1 to v4, of which v3 has the content of v1; current went v1 v2 v3 v4 v2."""
    for numbers in ((1,), (1, 2), (1,), (3,)):
        builder.add_pictures(aliases(*numbers))
    repo = builder.repo
    with repo.committing("tag"):
        repo.publish("tag", {"tags": {"good": "v2"}})
    with repo.committing("rollback"):
        repo.publish("rollback", {"current": "v2"})
    return Repository(repo.layout.folder)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("v1", "v1"),
        ("V4", "v4"),
        ("v0004", "v4"),
        ("current", "v2"),
        ("latest", "v4"),
        ("good", "v2"),
        ("v4~1", "v3"),
        ("v4~0", "v4"),
        ("latest~3", "v1"),
        ("v4~1~2", "v1"),
        ("good~1", "v1"),
        ("@{0}", "v2"),
        ("@{1}", "v4"),
        ("@{2}", "v3"),
        ("@{4}", "v1"),
        ("@{1}~1", "v3"),
    ],
)
def test_a_snapshot_has_many_names(versions: Repository, name: str, found: str) -> None:
    assert versions.snapshot(name).name == found


@pytest.mark.parametrize(
    "name",
    ["", "v5", "v0", "v", "x", "Good", "v1~1", "v4~9", "~1", "v4~", "@{5}", "@{x}", "@", "abc", "v1\n", "٧", "v٣"],
)
def test_what_names_no_snapshot_is_an_error_that_says_how_many_there_are(versions: Repository, name: str) -> None:
    with pytest.raises(SnapshotNotFound, match=r"\(this store has 4\); list them with: vstore snapshot list"):
        versions.snapshot(name)


def test_a_snapshot_is_found_by_the_first_digits_of_its_id(versions: Repository) -> None:
    listed = {s.name: s for s in versions.listing.kept()}
    assert listed["v1"].id == listed["v3"].id, "equal states have equal ids"
    assert versions.snapshot(listed["v2"].id[:8]).name == "v2"
    assert versions.snapshot(listed["v2"].id.upper()).name == "v2"
    assert versions.snapshot(listed["v1"].id[:8]).name == "v3", "the newest of equal ones"
    with pytest.raises(SnapshotNotFound):
        versions.snapshot(listed["v2"].id[:3])


def test_digits_that_fit_several_ids_are_ambiguous_and_all_are_named(builder: Builder) -> None:
    repo = builder.repo
    snapshot = builder.add_pictures(aliases(1))
    with repo.committing("sync"):
        listed = {f"v{n}": snapshot._replace(name=f"v{n}", id=f"abcd{n}{'0' * 27}").to_json() for n in (7, 8)}
        repo.publish("sync", {"snapshots": listed})
    with pytest.raises(AmbiguousSnapshot, match=r"v8 \(abcd80000000\), v7 \(abcd70000000\)"):
        repo.snapshot("abcd")
    assert repo.snapshot("abcd7").name == "v7"


def test_a_forgotten_snapshot_has_no_name_any_more(versions: Repository) -> None:
    with versions.committing("forget"):
        versions.publish("forget", {"snapshots": {"v3": {"kept": False}}})
    for name in ("v3", "v4~1", "@{2}"):
        with pytest.raises(SnapshotNotFound):
            versions.snapshot(name)
    assert versions.snapshot("latest").name == "v4"


def test_in_an_empty_store_the_error_says_how_to_make_the_first_snapshot(builder: Builder) -> None:
    for name in ("current", "latest", "v1", "@{0}"):
        with pytest.raises(SnapshotNotFound, match="no snapshot yet; make one with: vstore sync FOLDER"):
            builder.repo.snapshot(name)


def test_the_number_of_an_undone_snapshot_is_not_given_again(world: World) -> None:
    world.put({"a.png": 1})
    world.sync()
    world.put({"b.png": 2})
    world.sync()
    world.store.undo()
    world.store.undo()
    report = world.sync()
    assert report.snapshot == "v3"
    world.store.undo()
    world.put({"c.png": 3})
    assert world.sync().snapshot == "v4"
    assert [row.snapshot for row in world.store.snapshot_list()] == ["v4", "v3", "v2", "v1"]
