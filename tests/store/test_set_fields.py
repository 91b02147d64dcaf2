"""Fields of a store: set by making a snapshot, handed on, undone, and kept by gc."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.builder import Builder, aliases, key
from support.folders import World

from vstore.errors import Damage, MigrationNeeded, Refused, UsageError
from vstore.format.canonical import canonical
from vstore.format.fields import FieldValue
from vstore.gc.run import gc
from vstore.repository.fields import Field, every_field, fields_of, picture_fields, set_fields
from vstore.repository.repository import Repository
from vstore.versions.moves import redo, rollback, undo

OLD = Path(__file__).parent / "data" / "format-1" / "store"
A, B = key(1), key(2)
STARS: dict[tuple[bytes, str], FieldValue | None] = {
    (A, "stars"): 5,
    (A, "note"): "sea",
    (B, "seen"): datetime(2026, 1, 2, tzinfo=UTC),
}


@pytest.fixture
def repo(builder: Builder) -> Repository:
    builder.add_pictures(aliases(1, 2, 3))
    return builder.repo


def current(repo: Repository) -> dict[tuple[bytes, str], FieldValue]:
    return {(field.key, field.name): field.value for field in every_field(repo, repo.state.current_snapshot)}


def test_a_snapshot_without_fields_has_none(repo: Repository) -> None:
    snapshot = repo.snapshot("current")
    assert fields_of(repo, None).root is fields_of(repo, snapshot).root is None
    assert list(every_field(repo, None)) == list(every_field(repo, snapshot)) == []
    assert picture_fields(repo, fields_of(repo, snapshot), A) == {}


def test_fields_are_read_back_from_another_handle(repo: Repository) -> None:
    made = set_fields(repo, STARS, "mine")
    again = Repository(repo.layout.folder)
    snapshot = again.snapshot("current")
    assert made == snapshot
    assert (snapshot.name, snapshot.parent, snapshot.message) == ("v2", "v1", "mine")
    note, stars = Field(A, "note", "sea"), Field(A, "stars", 5)
    seen = Field(B, "seen", datetime(2026, 1, 2, tzinfo=UTC))
    assert list(every_field(again, snapshot)) == sorted([note, stars, seen], key=lambda field: (field.key, field.name))
    table = fields_of(again, snapshot)
    assert picture_fields(again, table, A) == {"note": "sea", "stars": 5}
    assert picture_fields(again, table, key(3)) == {}
    newest = list(again.records())[-1]
    assert (newest.op, newest.about) == ("fields", "v2: 3 fields")


def test_a_snapshot_with_fields_has_the_pictures_of_its_parent_and_an_id_of_its_own(repo: Repository) -> None:
    parent = repo.snapshot("current")
    made = set_fields(repo, STARS)
    assert made is not None
    before, after = repo.manifest(parent), repo.manifest(made)
    assert (after.tree, after.space, after.paths, after.images) == (before.tree, before.space, 3, 3)
    root = fields_of(repo, made).root
    assert root is not None and after.fields == root
    content = [1, repo.hash.name, after.space, after.tree.hex(), root.hex()]
    assert made.id == repo.hash.digest(canonical(content)).hex() != parent.id


def test_fields_are_changed_and_removed_and_equal_fields_have_equal_ids(repo: Repository) -> None:
    first, plain = set_fields(repo, STARS), repo.snapshot("v1")
    assert set_fields(repo, {(A, "stars"): 3, (B, "seen"): None}) is not None
    assert current(repo) == {(A, "stars"): 3, (A, "note"): "sea"}
    back = set_fields(repo, STARS)
    assert first is not None and back is not None and back.id == first.id
    none = set_fields(repo, dict.fromkeys(STARS))
    assert none is not None and (none.id, none.fields) == (plain.id, b"")
    assert b"fields" not in repo.packs.get(none.manifest)


def test_what_changes_nothing_makes_no_snapshot(repo: Repository) -> None:
    assert set_fields(repo, {}) is None
    assert set_fields(repo, {(A, "stars"): None}) is None
    set_fields(repo, STARS)
    number = repo.tip.number
    assert set_fields(repo, STARS) is None
    assert repo.tip.number == number


def test_undo_takes_fields_back_and_redo_brings_them_again(repo: Repository) -> None:
    set_fields(repo, {(A, "stars"): 1})
    set_fields(repo, {(A, "stars"): 2})
    undo(repo)
    assert current(repo) == {(A, "stars"): 1}
    undo(repo)
    assert current(repo) == {}
    redo(repo)
    redo(repo)
    assert current(repo) == {(A, "stars"): 2}


def test_a_sync_hands_fields_on(world: World) -> None:
    world.put({"a.png": 1})
    world.sync()
    picture = bytes.fromhex(world.key(1))
    set_fields(world.repo, {(picture, "stars"): 5})
    world.put({"b.png": 2})
    world.sync()
    assert current(world.repo) == {(picture, "stars"): 5}
    (world.pictures / "a.png").unlink()
    world.sync()
    assert current(world.repo) == {(picture, "stars"): 5}, "a picture that comes back has its fields"


def test_gc_keeps_fields_of_kept_snapshots(repo: Repository) -> None:
    set_fields(repo, {(key(n), "note"): f"picture {n}" for n in range(1000)})
    set_fields(repo, {(A, "stars"): 5})
    expected = current(repo)
    gc(repo)
    assert current(Repository(repo.layout.folder)) == expected
    assert len(expected) == 1001


def test_a_partial_snapshot_stays_partial(repo: Repository) -> None:
    with repo.committing("sync"):
        repo.publish("sync", {"snapshots": {"v1": {"partial": True}}})
    made = set_fields(repo, STARS)
    assert made is not None and made.partial and repo.manifest(made).partial


@pytest.mark.parametrize(
    "edits", [{(A[:15], "stars"): 5}, {(A, ""): 5}, {(A, "stars"): 2**63}, {(A, "stars"): float("nan")}]
)
def test_what_is_no_field_is_refused_and_nothing_written(
    repo: Repository, edits: dict[tuple[bytes, str], FieldValue | None]
) -> None:
    number = repo.tip.number
    with pytest.raises(UsageError):
        set_fields(repo, {**STARS, **edits})
    assert Repository(repo.layout.folder).tip.number == number


def test_fields_are_refused_without_a_snapshot_and_while_syncing_is_held(builder: Builder) -> None:
    with pytest.raises(UsageError, match="no snapshot yet"):
        set_fields(builder.repo, STARS)
    builder.add_pictures(aliases(1))
    rollback(builder.repo, "v1", hold=True)
    with pytest.raises(Refused):
        set_fields(builder.repo, STARS)


def test_a_value_that_is_none_is_damage(repo: Repository) -> None:
    with repo.committing("fields"):
        table = fields_of(repo, None).edited({A + b"stars": b"?"})
        assert table.root is not None
        repo.publish("fields", {"snapshots": {"v1": {"fields": table.root.hex()}}}, blobs=table.fresh)
    with pytest.raises(Damage):
        current(repo)


def test_a_store_of_format_1_says_what_to_run(tmp_path: Path) -> None:
    shutil.copytree(OLD, tmp_path / "store")
    old = Repository(tmp_path / "store")
    with pytest.raises(MigrationNeeded, match=r"fields of pictures need store format 2.*run: vstore migrate"):
        set_fields(old, {(A, "stars"): 5})
