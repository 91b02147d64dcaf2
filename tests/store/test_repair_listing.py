"""Repair and check of the list of snapshots: its pages are lost, and what other files tell brings them back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support import kinds
from support.builder import Builder, aliases
from support.folders import Unflushed
from support.lost import lose, pages_of

from vstore.check.report import CheckReport
from vstore.check.run import check
from vstore.disk import durable
from vstore.format import cutting, listing
from vstore.format.canonical import canonical
from vstore.format.entries import Snapshot
from vstore.format.layout import record_number
from vstore.format.listing import Listing, snapshot_key, snapshot_name
from vstore.format.table import Table
from vstore.gc.run import gc
from vstore.repair.report import RepairReport
from vstore.repair.run import repair
from vstore.repository.repository import Repository
from vstore.versions.forget import snapshot_forget
from vstore.versions.moves import rollback
from vstore.versions.tags import snapshot_tag

COUNT = 30


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few snapshots fill a tree of several levels."""
    monkeypatch.setattr(durable, "disk", Unflushed())
    monkeypatch.setattr(listing, "WINDOW", 3)
    monkeypatch.setattr(listing, "PENDING", 4)
    monkeypatch.setattr(cutting, "TARGET", 3)


@pytest.fixture
def repo(builder: Builder) -> Repository:
    """30 snapshots, of which v2 and v20 are forgotten and v4 is tagged, and three that were fetched."""
    for number in range(COUNT):
        builder.add_pictures(aliases(number % 7, 10 + number % 5))
    repo = builder.repo
    for number in (5, 6, 7):
        kinds.fetch(repo, f"origin/v{number}", parent=f"origin/v{number - 1}" if number > 5 else None)
    snapshot_forget(repo, ["v2", "v20"])
    snapshot_tag(repo, "v4", "good")
    return repo


def entries(repo: Repository) -> dict[str, Snapshot]:
    return {snapshot.name: snapshot for snapshot in Repository(repo.layout.folder).listing.every()}


def checked(repo: Repository) -> CheckReport:
    return check(Repository(repo.layout.folder, damaged=True), read_data=True)


def repaired(repo: Repository) -> RepairReport:
    return repair(repo.layout.folder, None, embed=False)


def is_sound(repo: Repository) -> None:
    report = checked(repo)
    assert report.ok, report.problems
    again = repaired(repo)
    assert (again.changed, again.left, again.degraded) == (False, (), ())


def test_a_sound_list_is_left_as_it_is(repo: Repository) -> None:
    tree = pages_of(repo, repo.state.root("snapshots"))
    assert max(tree.values()) >= 2
    assert repo.state.listed > 20
    is_sound(repo)


def levels() -> list[object]:
    return [0, 1, 2, "root", "all"]


@pytest.mark.parametrize("which", levels())
def test_snapshots_on_lost_pages_come_back_from_their_manifests(repo: Repository, which: object) -> None:
    before = entries(repo)
    tree = pages_of(repo, repo.state.root("snapshots"))
    root = repo.state.root("snapshots")
    lost = {"root": [root], "all": list(tree)}.get(str(which)) or [d for d, level in tree.items() if level == which][
        1:2
    ]
    lose(repo, *[digest for digest in lost if digest is not None])
    report = checked(repo)
    assert any(p.file == "the list of snapshots" and "missing or damaged" in p.what for p in report.problems)
    done = repaired(repo)
    assert any("recovered from their manifests" in line for line in done.done)
    after = entries(repo)
    gone = before.keys() - after.keys()
    assert all("/" in name for name in gone)
    assert bool(gone) == any("fetched from the store" in line for line in done.left)
    for name, snapshot in after.items():
        # That a snapshot was forgotten stands nowhere else.
        assert snapshot in (before[name], before[name]._replace(kept=True))
    assert (done.degraded, Repository(repo.layout.folder).state.next_v) == ((), COUNT + 1)
    is_sound(repo)


def test_any_page_may_be_lost(builder: Builder, repo: Repository, tmp_path: Path) -> None:
    before = entries(repo)
    folder, whole = repo.layout.folder, tmp_path / "whole"
    shutil.copytree(folder, whole)
    for digest in pages_of(repo, repo.state.root("snapshots")):
        shutil.rmtree(folder)
        shutil.copytree(whole, folder)
        again = Repository(folder)
        lose(again, digest)
        repaired(again)
        after = entries(again)
        assert {name for name in before if "/" not in name} <= after.keys()
        assert {name: one.id for name, one in after.items()}.items() <= {n: s.id for n, s in before.items()}.items()
        assert checked(again).ok


def test_snapshots_that_nothing_tells_of_any_more_are_said_to_be_lost(repo: Repository) -> None:
    before = entries(repo)
    shown = repo.state.window.keys()
    tree = Table(repo.hash, repo.packs.get, repo.state.root("snapshots"))
    leaf = next(leaf for leaf in tree.leaves if any(snapshot_name(k) not in shown for k, _ in tree.entries(leaf)))
    names = [name for key, _ in tree.entries(leaf) if (name := snapshot_name(key)) not in shown]
    lose(repo, leaf.digest, *(before[name].manifest for name in names[:1]))
    report = repaired(repo)
    assert before.keys() - entries(repo).keys() == {names[0]}
    assert report.left == ("1 snapshot of the list of snapshots could not be recovered",)
    is_sound(repo)


def test_of_a_list_without_a_root_no_page_tells_what_it_held(repo: Repository) -> None:
    root = repo.state.root("snapshots")
    assert root is not None
    lose(repo, root)
    assert "no page tells whether the list held other snapshots, too" in repaired(repo).done


def test_what_gc_freed_does_not_come_back(repo: Repository) -> None:
    rollback(repo, "v4")
    gc(repo, drop_unnamed=True)
    assert not {"v2", "v20"} & entries(repo).keys()
    before = entries(repo)
    root = repo.state.root("snapshots")
    assert root is not None
    lose(repo, root)
    repaired(repo)
    after = entries(repo)
    assert {name for name in before if "/" not in name} <= after.keys()
    assert set(after) - set(before) <= {"v2", "v20"}
    is_sound(repo)


def test_a_manifest_of_a_space_that_was_dropped_brings_nothing_back(repo: Repository) -> None:
    gc(repo)
    manifest = repo.manifest(repo.snapshot("v1"))._replace(name="v2", space="ab" * 32).to_bytes()
    with repo.committing("test"):
        repo.publish("test", {}, blobs={repo.hash.digest(manifest): manifest})
    before = {name: one for name, one in entries(repo).items() if one.is_own}
    lose(repo, *pages_of(repo, repo.state.root("snapshots")))
    repaired(repo)
    after = {name: one for name, one in entries(repo).items() if one.is_own}
    assert after.items() >= before.items()
    assert set(after) - set(before) <= {"v20"}, "gc freed it, and a pack in use may still hold all of it"
    is_sound(repo)


def test_blobs_that_look_like_others_stop_no_repair(repo: Repository) -> None:
    """As bytes of any kind may lie in a pack: numbers of vectors, or what a later release puts there."""
    manifest = repo.manifest(repo.snapshot("v1"))
    odd = [
        b"[[", b"[[]]", b"[[1]]", b"[[1,2,3,4]]", b"[[5b5b" + bytes(16), b"vp", b"vt0\xff", b"vf0", b"{", b'{"tree"',
        b'{"tree": "00"}', *(manifest._replace(name=name).to_bytes() for name in ("", "x", "v", "v0", "vv1", "v1/2")),
    ]  # fmt: skip
    with repo.committing("test"):
        repo.publish("test", {}, blobs={repo.hash.digest(blob): blob for blob in odd})
    before = entries(repo)
    is_sound(repo)
    for path in repo.layout.refs.iterdir():
        path.write_bytes(b"rot")
    repaired(repo)
    assert {name for name in before if "/" not in name} == entries(repo).keys()
    is_sound(repo)


def test_the_line_of_the_current_snapshot_is_known_without_the_tree(repo: Repository) -> None:
    before = entries(repo)
    lose(repo, *pages_of(repo, repo.state.root("snapshots")))
    again = Repository(repo.layout.folder)
    for name in ("current", "current~1", "current~2", "good"):
        assert again.snapshot(name) == before[again.snapshot(name).name]


def test_a_check_goes_on_behind_a_lost_page(repo: Repository) -> None:
    tree = Table(repo.hash, repo.packs.get, repo.state.root("snapshots"))
    first = tree.leaves[1]
    names = {snapshot_name(key) for key, _ in tree.entries(first)}
    whole = checked(repo)
    assert whole.ok
    shown = repo.state.window.keys()
    lose(repo, first.digest)
    report = checked(repo)
    kept = {name for name in names if entries_kept(repo, name) and name not in shown}
    assert report.snapshots == whole.snapshots - len(kept)
    assert [p.file for p in report.problems if "packs/" not in p.file] == ["the list of snapshots"]


def entries_kept(repo: Repository, name: str) -> bool:
    return name not in ("v2", "v20")


def put_tree(repo: Repository, changes: dict[str, Snapshot | None], also: dict[str, object] | None = None) -> None:
    """Change entries of the tree alone, as no command does."""
    tree = repo.listing.tree.edited(
        {snapshot_key(name): None if one is None else canonical(one.to_json()) for name, one in changes.items()}
    )
    with repo.committing("test"):
        packs = repo.write_blobs(tree.fresh)
        root = tree.root and tree.root.hex()
        repo.append("test", {"packs": packs, "trees": {"snapshots": root}, **(also or {})})


def test_where_the_state_and_the_tree_disagree_the_state_is_taken(repo: Repository) -> None:
    before = entries(repo)
    put_tree(repo, {"v4": before["v4"]._replace(message="another")})
    assert "disagree about v4" in checked(repo).problems[0].what
    assert any("disagree about v4" in line for line in repaired(repo).done)
    assert entries(repo) == before
    is_sound(repo)


def test_a_snapshot_that_only_the_state_has_is_put_into_the_tree(repo: Repository) -> None:
    before = entries(repo)
    put_tree(repo, {"v4": None})
    assert not checked(repo).ok
    repaired(repo)
    assert entries(repo) == before
    is_sound(repo)


@pytest.mark.parametrize("by", [-8, 1, 10])
def test_a_wrong_number_of_listed_snapshots_is_put_right(repo: Repository, by: int) -> None:
    before = entries(repo)
    with repo.committing("test"):
        repo.append("test", {"listed": repo.state.listed + by})
    assert "the list of snapshots" in [problem.file for problem in checked(repo).problems]
    assert any("was written again" in line for line in repaired(repo).done)
    assert entries(repo) == before
    is_sound(repo)


def test_pages_that_only_an_unlisted_pack_holds_are_listed_again(repo: Repository) -> None:
    before = entries(repo)
    holds = next(pack.ref for pack in repo.packs.opened() if repo.state.root("snapshots") in set(pack.digests()))
    repo.packs.close()
    with repo.committing("test"):
        repo.append("test", {"packs": {holds.name: None}})
    assert not checked(repo).ok
    repaired(repo)
    assert entries(repo) == before
    is_sound(repo)


def test_fetched_snapshots_keep_their_manifests_bit_for_bit(repo: Repository) -> None:
    before = entries(repo)
    lose(repo, before["origin/v6"].manifest, before["v8"].manifest)
    done = repaired(repo)
    assert sorted(line for line in done.done if "manifest" in line) == [
        "the manifest of origin/v6 was rebuilt from the log",
        "the manifest of v8 was rebuilt from the log",
    ]
    assert entries(repo) == before
    is_sound(repo)


def test_the_last_manifest_of_another_store_is_rebuilt_without_its_id(repo: Repository) -> None:
    before = entries(repo)
    names = ["origin/v5", "origin/v6", "origin/v7"]
    lose(repo, *[before[name].manifest for name in names])
    repaired(repo)
    after = entries(repo)
    assert {after[name].id for name in names} == {before[name].id for name in names}
    assert {Repository(repo.layout.folder).manifest(after[name]).store for name in names} == {"?"}
    is_sound(repo)


def test_the_store_keeps_its_id_where_format_is_lost(repo: Repository) -> None:
    before, store = entries(repo), repo.store_id
    repo.layout.format.unlink()
    root = repo.state.root("snapshots")
    assert root is not None
    lose(repo, root)
    repaired(repo)
    again = Repository(repo.layout.folder)
    assert (again.store_id, again.format) == (store, 2)
    assert {name for name in before if "/" not in name} <= entries(again).keys()
    is_sound(again)


def test_a_manifest_from_before_the_migration_is_rebuilt_bit_for_bit(repo: Repository) -> None:
    snapshot = repo.snapshot("v8")
    old = repo.manifest(snapshot)._replace(store="").to_bytes()
    digest = repo.hash.digest(old)
    with repo.committing("test"):
        repo.publish("test", {"snapshots": {"v8": {"manifest": digest.hex()}}}, blobs={digest: old})
    lose(repo, digest, snapshot.manifest)
    repaired(repo)
    assert Repository(repo.layout.folder).snapshot("v8").manifest == digest
    is_sound(repo)


def test_records_are_lost_round_a_change_of_the_list(builder: Builder) -> None:
    """Whatever record is missing, every snapshot of which any other record or a manifest tells is listed after."""
    for number in range(12):
        builder.add_pictures(aliases(number % 7, 10 + number % 5))
    repo = builder.repo
    kinds.fetch(repo, "origin/v5")
    rollback(repo, "v3")
    snapshot_forget(repo, ["v12", "v2"])
    before = entries(repo)
    for path in sorted(repo.layout.refs.iterdir()):
        data = path.read_bytes()
        number = record_number(path.name)
        assert number is not None
        path.write_bytes(b"rot")
        whole = repo.layout.folder.with_name("whole")
        shutil.copytree(repo.layout.folder, whole)
        done = repaired(repo)
        after = entries(repo)
        assert {name: one.id for name, one in after.items() if "/" not in name} == {
            name: one.id for name, one in before.items() if "/" not in name
        }, path.name
        assert "origin/v5" in after or any("fetched from the store" in line for line in done.left), path.name
        report = checked(repo)
        assert report.ok, (path.name, report.problems)
        shutil.rmtree(repo.layout.folder)
        whole.rename(repo.layout.folder)
        path.write_bytes(data)


def test_a_change_of_a_snapshot_whose_own_record_is_lost_is_kept(builder: Builder) -> None:
    """The record that made v15 is gone; a later one says that it is forgotten."""
    for number in range(9):
        builder.add_pictures(aliases(number))
    repo = builder.repo
    number = 9
    while not repo.log.read(repo.tip.number).whole:
        builder.add_pictures(aliases(number))
        number += 1
    made = builder.add_pictures(aliases(number))
    lost = repo.tip.number
    rollback(repo, "v8")
    snapshot_forget(repo, [made.name])
    assert not any(repo.log.read(later).whole for later in range(lost, repo.tip.number + 1))
    repo.layout.record(lost).unlink()
    repaired(repo)
    assert entries(repo)[made.name] == made._replace(kept=False)
    is_sound(repo)


def test_a_repair_of_a_sound_store_changes_nothing_however_many_snapshots(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what it does grows as they do: the test would take minutes if each copied the list."""
    monkeypatch.undo()
    monkeypatch.setattr(durable, "disk", Unflushed())
    first = builder.add_pictures(aliases(1))
    repo = builder.repo
    manifests = {}
    many = {}
    for number in range(2, 10_001):
        manifest = repo.manifest(first)._replace(name=f"v{number}", parent=f"v{number - 1}")
        data = manifest.to_bytes()
        digest = repo.hash.digest(data)
        manifests[digest] = data
        many[f"v{number}"] = Snapshot.of(manifest, digest, first.id).to_json()
    with repo.committing("test"):
        changes = {"snapshots": many, "current": "v10000", "next_v": 10_001}
        repo.publish("test", changes, blobs=manifests)
    assert len(repo.state.window) == 100
    before = {path.name for path in repo.layout.refs.iterdir()}
    report = repaired(repo)
    assert not report.changed
    assert [line for line in report.done if "catalogue" not in line] == []
    assert {path.name for path in repo.layout.refs.iterdir()} == before
    assert Listing(repo.state, repo.hash, repo.packs.get).find("v5000") is not None
