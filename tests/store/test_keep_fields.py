"""Fields are kept whole: gc keeps their pages, check reads each, and repair takes out what is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import kinds
from support.builder import Builder, aliases, key
from support.folders import Unflushed
from support.lost import lose, pages_of

from vstore.check.report import CheckReport
from vstore.check.run import check
from vstore.disk import durable
from vstore.format import cutting
from vstore.format.fields import encode_field, field_key
from vstore.format.pages import TABLE, Child, encode_inner
from vstore.format.table import Table
from vstore.format.table_left import table_of
from vstore.format.table_pages import encode_table_leaf
from vstore.gc.run import gc
from vstore.repair.report import RepairReport
from vstore.repair.run import repair
from vstore.repository.fields import every_field, set_fields
from vstore.repository.repository import Repository
from vstore.versions.forget import snapshot_forget
from vstore.versions.moves import rollback, undo

COUNT = 60


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few fields fill a tree of several levels."""
    monkeypatch.setattr(durable, "disk", Unflushed())
    monkeypatch.setattr(cutting, "TARGET", 4)


@pytest.fixture
def repo(builder: Builder) -> Repository:
    """v1 without fields; v2 with many; v3 with one changed; v4 with other pictures and the fields of v3."""
    builder.add_pictures(aliases(*range(COUNT)))
    repo = builder.repo
    set_fields(repo, {(key(n), name): n for n in range(COUNT) for name in ("stars", "year")})
    set_fields(repo, {(key(1), "stars"): "many"})
    builder.add_pictures(aliases(*range(COUNT - 10)))
    repo.reload()
    return repo


def again(repo: Repository) -> Repository:
    return Repository(repo.layout.folder, damaged=True)


def checked(repo: Repository, *, read_data: bool = False) -> CheckReport:
    return check(again(repo), read_data=read_data)


def repaired(repo: Repository) -> RepairReport:
    return repair(repo.layout.folder, None, embed=False)


def told(repo: Repository, name: str) -> dict[tuple[bytes, str], object]:
    return {(field.key, field.name): field.value for field in every_field(repo, repo.snapshot(name))}


def all_told(repo: Repository) -> dict[str, dict[tuple[bytes, str], object]]:
    repo = again(repo)
    return {snapshot.name: told(repo, snapshot.name) for snapshot in repo.listing.kept()}


def is_sound(repo: Repository) -> None:
    report = checked(repo, read_data=True)
    assert report.ok, report.problems
    assert not repaired(repo).changed


def test_gc_keeps_every_page_of_the_fields_of_kept_snapshots(repo: Repository) -> None:
    before = all_told(repo)
    assert len(before["v2"]) == len(before["v4"]) == 2 * COUNT
    only_v2 = pages_of(repo, repo.snapshot("v2").fields).keys() - pages_of(repo, repo.snapshot("v3").fields).keys()
    assert only_v2
    snapshot_forget(repo, ["v1", "v2"])
    gc(repo, drop_unnamed=True)
    assert all_told(repo) == {name: before[name] for name in ("v3", "v4")}
    held = {digest for pack in again(repo).packs.opened() for digest in pack.digests()}
    assert pages_of(repo, repo.snapshot("v4").fields).keys() <= held
    is_sound(repo)


def test_fields_that_were_undone_go_with_their_snapshot(repo: Repository) -> None:
    before = told(repo, "current")
    set_fields(repo, {(key(2), "stars"): None})
    undo(repo)
    assert told(again(repo), "current") == before
    gc(repo)
    assert told(again(repo), "current") == before
    is_sound(repo)


def put_fields(repo: Repository, entries: dict[bytes, bytes]) -> None:
    """Give the current snapshot fields, without a look at them."""
    put_table(repo, table_of(repo.hash, entries))


def put_table(repo: Repository, table: Table) -> None:
    with repo.committing("test"):
        snapshot = repo.snapshot("current")
        assert table.root is not None
        manifest = repo.manifest(snapshot)._replace(fields=table.root)
        data = manifest.to_bytes()
        digest = repo.hash.digest(data)
        changed = snapshot._replace(fields=table.root, manifest=digest, id=manifest.content_id(repo.hash))
        entry = {"snapshots": {snapshot.name: changed.to_json()}}
        repo.publish("test", entry, blobs={**table.fresh, digest: data})


FINE = {field_key(key(n), "stars"): encode_field(n) for n in range(20)}
WRONG = [
    {key(3)[:5]: encode_field(1)},  # half a key
    {key(3): encode_field(1)},  # no name
    {key(3) + b"\xff": encode_field(1)},
    {key(3) + b"a\n": encode_field(1)},
    {field_key(key(3), "bad"): b""},
    {field_key(key(3), "bad"): b"x1"},
    {field_key(key(3), "bad"): b"b\x02"},
]


@pytest.mark.parametrize("wrong", WRONG, ids=range(len(WRONG)))
def test_check_finds_a_field_that_is_none_and_repair_takes_it_out(repo: Repository, wrong: dict[bytes, bytes]) -> None:
    put_fields(repo, {**FINE, **wrong})
    (problem,) = checked(repo).problems
    assert problem.file == "snapshot v4"
    done = repaired(repo)
    assert [(loss.snapshot, loss.lost) for loss in done.degraded] == [("v4", 0)]
    assert "v4 lost 1 field, and is marked degraded" in done.done
    assert told(again(repo), "v4") == {(key(n), "stars"): n for n in range(20)}
    is_sound(repo)


def test_check_finds_fields_that_are_cut_otherwise(repo: Repository) -> None:
    """Whoever reads finds them; their root is not that of equal fields."""
    entries = sorted(FINE.items())
    fresh, children = {}, []
    for part in (entries[:7], entries[7:]):
        page = encode_table_leaf(part)
        fresh[repo.hash.digest(page)] = page
        children.append(Child(part[0][0], repo.hash.digest(page), len(part)))
    page = encode_inner(children, 1, TABLE)
    root = repo.hash.digest(page)
    put_table(repo, Table(repo.hash, repo.packs.get, root, {**fresh, root: page}))
    assert checked(repo).ok
    (problem,) = checked(repo, read_data=True).problems
    assert problem.what == "the pages of its fields are not cut as FORMAT.md says"


def test_check_compares_the_log_with_the_manifest(repo: Repository) -> None:
    with repo.committing("test"):
        repo.publish("test", {"snapshots": {"v4": {"fields": None}}})
    assert [(p.file, p.what) for p in checked(repo).problems] == [
        ("snapshot v4", "its manifest and the log disagree about its fields")
    ]


@pytest.mark.parametrize("level", [0, 1, "root"])
def test_a_lost_page_takes_its_fields_out_of_the_snapshots_that_have_it(repo: Repository, level: object) -> None:
    before, ids = all_told(repo), {s.name: s.id for s in repo.listing.kept()}
    root = repo.snapshot("v4").fields
    shared = pages_of(repo, root).keys() & pages_of(repo, repo.snapshot("v2").fields).keys()
    tree = pages_of(repo, root)
    lost = root if level == "root" else next(digest for digest in tree if digest in shared and tree[digest] == level)
    lose(repo, lost)
    with_it = {"v3", "v4"} if level == "root" else {"v2", "v3", "v4"}
    assert {problem.file for problem in checked(repo).problems} == {f"snapshot {name}" for name in with_it}
    done = repaired(repo)
    assert {loss.snapshot: loss.lost for loss in done.degraded} == dict.fromkeys(with_it, 0)
    after = all_told(repo)
    for name in before:
        snapshot = again(repo).snapshot(name)
        assert snapshot.degraded is (name in with_it)
        assert (snapshot.id == ids[name]) is (name not in with_it)
        assert after[name].items() <= before[name].items()
        gone = len(before[name]) - len(after[name])
        assert bool(gone) is (name in with_it)
        if name in with_it:
            number = "fields" if level == "root" else f"{gone} field{'s' * (gone != 1)}"
            assert f"{name} lost {number}, and is marked degraded" in done.done
    assert all(again(repo).snapshot(name).paths == COUNT for name in ("v2", "v3"))
    is_sound(repo)


def test_without_any_field_left_a_snapshot_has_none(repo: Repository) -> None:
    lose(repo, *pages_of(repo, repo.snapshot("v4").fields), *pages_of(repo, repo.snapshot("v2").fields))
    repaired(repo)
    snapshots = {s.name: s for s in again(repo).listing.kept()}
    assert {snapshot.fields for snapshot in snapshots.values()} == {b""}
    assert snapshots["v2"].id == snapshots["v1"].id, "equal states have equal ids"
    assert [name for name, snapshot in snapshots.items() if snapshot.degraded] == ["v4", "v3", "v2"]
    is_sound(repo)


def test_paths_and_fields_may_be_lost_together(repo: Repository) -> None:
    tree = repo.tree(repo.snapshot("v4"))
    lose(repo, tree.leaves[0].digest, repo.snapshot("v4").fields)
    done = repaired(repo)
    (line,) = [line for line in done.done if line.startswith("v4 lost")]
    paths = tree.leaves[0].count
    assert line == f"v4 lost {paths} path{'s' * (paths != 1)} and fields, and is marked degraded"
    assert again(repo).snapshot("v4").paths == COUNT - 10 - paths
    is_sound(repo)


def test_a_lost_manifest_is_rebuilt_with_its_fields(repo: Repository) -> None:
    before = again(repo).snapshot("v3")
    lose(repo, before.manifest)
    done = repaired(repo)
    assert "the manifest of v3 was rebuilt from the log" in done.done
    assert again(repo).snapshot("v3") == before
    is_sound(repo)


def test_lost_fields_of_a_fetched_snapshot_leave_it_in_its_store(repo: Repository) -> None:
    kinds.fetch(repo, "origin/v7")
    snapshot = repo.snapshot("origin/v7")
    assert snapshot.fields
    lose(repo, snapshot.fields)
    repaired(repo)
    after = again(repo)
    found = after.snapshot("origin/v7")
    assert (found.degraded, found.parent, after.manifest(found).store) == (True, None, kinds.OTHER)
    is_sound(repo)


def test_pages_that_only_an_unlisted_pack_holds_are_listed_again(repo: Repository) -> None:
    before = all_told(repo)
    held = [pack.ref for pack in repo.packs.opened() if repo.snapshot("v2").fields in set(pack.digests())]
    assert len(held) == 1
    with repo.committing("test"):
        repo.append("test", {"packs": {held[0].name: None}})
    assert not checked(repo).ok
    assert repaired(repo).degraded == ()
    assert all_told(repo) == before
    is_sound(repo)


def test_fields_of_a_snapshot_that_only_its_manifest_tells_come_back(repo: Repository) -> None:
    before = told(repo, "v4")
    for path in repo.layout.refs.iterdir():
        path.write_bytes(b"rot")
    repaired(repo)
    assert told(Repository(Path(repo.layout.folder)), "v4") == before
    is_sound(repo)


def test_a_rollback_hands_no_fields_on(repo: Repository) -> None:
    rollback(repo, "v1")
    assert told(again(repo), "current") == {}
