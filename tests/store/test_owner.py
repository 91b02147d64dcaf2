"""Whose store it is, decided by the owners of its folder and of what decides in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.folders import World, stats_of

from vstore.disk import owner
from vstore.disk.inside import layout_of
from vstore.disk.owner import Foreign, User, foreign
from vstore.errors import ForeignStore, UsageError
from vstore.format.layout import Layout
from vstore.repository.add_space import add_space
from vstore.repository.ownership import caches_for
from vstore.store import Store
from vstore.testing import FakeEmbedder

ME = os.geteuid()
OTHER = 54_001
as_root = pytest.mark.skipif(ME != 0, reason="only root can give files to others")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = layout_of(tmp_path / "top" / "store")
    for folder in made.folders():
        folder.mkdir(parents=True)
    return made


@pytest.fixture
def stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is that of another user, who is not root."""
    monkeypatch.setattr(owner.os, "geteuid", lambda: OTHER)


def user(tmp_path: Path, **words: object) -> User:
    return User.of(config=tmp_path / "config", cache=tmp_path / "cache", **words)  # type: ignore[arg-type]


def test_a_store_of_ones_own_is_nobody_elses(layout: Layout, tmp_path: Path) -> None:
    assert foreign(layout, user(tmp_path)) is None


def test_a_store_of_somebody_else_is_foreign_until_it_is_trusted(
    layout: Layout, tmp_path: Path, stranger: None
) -> None:
    found = foreign(layout, user(tmp_path))
    assert found == Foreign(layout.folder, ME, inner=None, whose=ME, writable=True)
    assert foreign(layout, user(tmp_path, trust=True)) is None
    # Who is not root did not come by sudo, whatever the environment says.
    assert foreign(layout, user(tmp_path, sudo_uid=ME)) == found


def test_a_store_that_is_gone_belongs_to_nobody(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        foreign(layout_of(tmp_path / "nothing"), user(tmp_path))


@as_root
@pytest.mark.parametrize("name", ["refs", "segments", "packs", "journal", "locks"])
def test_what_decides_in_a_store_counts_too(layout: Layout, tmp_path: Path, name: str) -> None:
    os.chown(layout.folder / name, OTHER, OTHER)
    found = foreign(layout, user(tmp_path))
    assert found is not None
    assert (found.owner, found.inner, found.whose) == (0, name, OTHER)
    assert foreign(layout, user(tmp_path, sudo_uid=OTHER)) is None


@as_root
@pytest.mark.parametrize("name", ["cache", "quarantine"])
def test_what_can_be_made_again_does_not_count(layout: Layout, tmp_path: Path, name: str) -> None:
    os.chown(layout.folder / name, OTHER, OTHER)
    assert foreign(layout, user(tmp_path)) is None


@as_root
def test_a_folder_of_roots_in_a_store_of_ones_own_is_fine(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.chown(layout.folder, OTHER, OTHER)
    monkeypatch.setattr(owner.os, "geteuid", lambda: OTHER)
    assert foreign(layout, user(tmp_path)) is None


@pytest.mark.parametrize("name", ["refs", "locks"])
def test_a_folder_that_a_copy_left_out_is_passed_over(layout: Layout, tmp_path: Path, name: str) -> None:
    (layout.folder / name).rmdir()
    assert foreign(layout, user(tmp_path)) is None


@pytest.mark.parametrize(
    ("kind", "asked"),
    [("vfat", False), ("exfat", False), ("fuseblk", False), ("ntfs3", False), ("ext4", True), ("fuse.sshfs", True)],
)
def test_a_filesystem_without_owners_asks_nothing(
    layout: Layout, tmp_path: Path, stranger: None, monkeypatch: pytest.MonkeyPatch, kind: str, asked: bool
) -> None:
    device = os.stat(layout.folder).st_dev
    lines = [
        "22 1 7:999 / / rw - vfat /dev/a rw",
        f"23 1 {os.major(device)}:{os.minor(device)} / /somewhere rw,relatime shared:1 - {kind} /dev/sdb1 rw",
    ]
    (tmp_path / "mounts").write_text("\n".join(lines))
    monkeypatch.setattr(owner, "MOUNTS", str(tmp_path / "mounts"))
    assert (foreign(layout, user(tmp_path)) is not None) == asked


def test_a_system_that_lists_no_mounts_has_owners(
    layout: Layout, tmp_path: Path, stranger: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "MOUNTS", str(tmp_path / "nothing"))
    assert foreign(layout, user(tmp_path)) is not None


def test_a_system_without_users_asks_nothing(
    layout: Layout, tmp_path: Path, stranger: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(owner.os, "geteuid")
    assert foreign(layout, user(tmp_path)) is None


# An open store


def test_a_store_is_refused_to_who_writes_and_read_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    world.put({"a.png": 1, "b.png": 2})
    world.sync()
    add_space(world.repo, FakeEmbedder(dim=4).recipe, "spare")
    lock = world.folder / "catalogue" / "lock.mdb"
    lock.unlink()
    before = stats_of(world.folder)
    monkeypatch.setattr(owner.os, "geteuid", lambda: OTHER)
    with Store(world.folder, load_embedder=world.load, cache=tmp_path / "cache") as store:
        for write in (
            lambda: store.snapshot_tag("v1", "mine"),
            lambda: store.sync([]),
            lambda: store.undo(),
            lambda: store.gc(),
            lambda: store.facts(fill=True, pixels=True),
            lambda: store.model_drop("spare"),
            lambda: Store.repair(world.folder),
        ):
            with pytest.raises(ForeignStore, match="nothing was written into it") as caught:
                write()
            assert caught.value.exit_code == 5
        assert len(store.snapshot_list()) == 1
        assert store.model_drop("spare", dry_run=True).dry_run
        assert not store.status().changed
        assert not lock.exists(), "LMDB opened it for reading alone"
    assert stats_of(world.folder) == before
    with Store(world.folder, load_embedder=world.load, trust=True) as store:
        store.snapshot_tag("v1", "mine")


def test_repair_makes_no_folder_in_a_store_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    (world.folder / "quarantine").rmdir()
    monkeypatch.setattr(owner.os, "geteuid", lambda: OTHER)
    with pytest.raises(ForeignStore):
        Store.repair(world.folder)
    assert not (world.folder / "quarantine").exists()


def test_no_store_is_made_in_a_folder_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "theirs").mkdir()
    monkeypatch.setattr(owner.os, "geteuid", lambda: OTHER)
    with pytest.raises(ForeignStore):
        Store.init(tmp_path / "theirs")
    assert list((tmp_path / "theirs").iterdir()) == []
    Store.init(tmp_path / "theirs", trust=True)


def test_who_is_trusted_while_a_store_is_open_may_write_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    world.put({"a.png": 1})
    world.sync()
    monkeypatch.setattr(owner.os, "geteuid", lambda: OTHER)
    with Store(world.folder, config=tmp_path / "config", cache=tmp_path / "cache") as store:
        with pytest.raises(ForeignStore):
            store.snapshot_tag("v1", "mine")
        assert Store.trust(world.folder, config=tmp_path / "config").changed
        store.snapshot_tag("v1", "mine")
        assert Store.trust(world.folder, config=tmp_path / "config", remove=True).changed
        with pytest.raises(ForeignStore):
            store.snapshot_untag("mine")


def test_a_store_goes_along_to_another_process_with_its_user(tmp_path: Path) -> None:
    import pickle

    world = World(tmp_path)
    with Store(world.folder, config=tmp_path / "config", cache=tmp_path / "cache", trust=True, sudo_uid=5) as store:
        copy = pickle.loads(pickle.dumps(store))
    assert copy._repo.user == User(tmp_path / "config", tmp_path / "cache", True, 5)
    copy.close()


def test_an_empty_path_is_no_folder_of_the_user(tmp_path: Path) -> None:
    world = World(tmp_path)
    for name in ("config", "cache"):
        with pytest.raises(UsageError):
            Store(world.folder, **{name: ""})  # type: ignore[arg-type]


# Caches


@pytest.fixture
def mine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store's folder belongs to another user, all else to this one."""
    look = owner.inside.look_at_any

    def given(path: Path) -> os.stat_result:
        found = look(path)
        fields = list(found)
        fields[4] = OTHER
        return os.stat_result(fields) if path.name == "store" else found

    monkeypatch.setattr(owner.inside, "look_at_any", given)


def test_the_caches_of_a_store_of_somebody_else_are_the_users_own(layout: Layout, tmp_path: Path, mine: None) -> None:
    asker = user(tmp_path)
    folder = caches_for(layout, "0" * 32, asker)
    assert folder is not None
    assert folder.parent == tmp_path / "cache" / "vstore" / "stores"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert caches_for(layout, "0" * 32, asker) == folder
    assert caches_for(layout, "0" * 32, asker._replace(trust=True)) is None


def test_no_store_gets_the_caches_of_another(layout: Layout, tmp_path: Path, mine: None) -> None:
    """Who has a store can copy its id."""
    copy = layout_of(tmp_path / "copies" / "store")
    copy.folder.mkdir(parents=True)
    asker = user(tmp_path)
    ids = ["0" * 32, "1" * 32]
    assert len({caches_for(place, store, asker) for place in (layout, copy) for store in ids}) == 4
