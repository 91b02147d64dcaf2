"""Decisions are kept whole: gc keeps those in force, check reads each, and repair keeps what is left."""

from __future__ import annotations

import pytest
from support.builder import Builder, aliases, key
from support.folders import Unflushed
from support.lost import lose, pages_of
from support.same_decisions import same_decisions

from vstore.check.report import CheckReport
from vstore.check.run import check
from vstore.disk import durable
from vstore.format import cutting
from vstore.format.decisions import Decision
from vstore.format.pages import TABLE, Child, encode_inner
from vstore.format.table import Table
from vstore.format.table_left import table_of
from vstore.format.table_pages import encode_table_leaf
from vstore.gc.run import gc
from vstore.repair.report import RepairReport
from vstore.repair.run import repair
from vstore.repository.decisions import Choice, decide, decisions_of, newest_decisions
from vstore.repository.repository import Repository
from vstore.versions.moves import undo
from vstore.versions.tags import snapshot_tag

COUNT = 60


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few decisions fill a tree of several levels."""
    monkeypatch.setattr(durable, "disk", Unflushed())
    monkeypatch.setattr(cutting, "TARGET", 4)
    same_decisions(monkeypatch)


@pytest.fixture
def repo(builder: Builder) -> Repository:
    builder.add_pictures(aliases(1, 2, 3))
    repo = builder.repo
    decide(repo, [Choice("different", [key(n), key(n + 1)]) for n in range(COUNT)])
    decide(repo, [Choice("keep", [key(1), key(2)], [key(2)])])
    return repo


def again(repo: Repository) -> Repository:
    return Repository(repo.layout.folder, damaged=True)


def in_force(repo: Repository) -> list[Decision]:
    return list(newest_decisions(again(repo)))


def checked(repo: Repository, *, read_data: bool = False) -> CheckReport:
    return check(again(repo), read_data=read_data)


def repaired(repo: Repository) -> RepairReport:
    return repair(repo.layout.folder, None, embed=False)


def is_sound(repo: Repository) -> None:
    report = checked(repo, read_data=True)
    assert report.ok, report.problems
    assert not repaired(repo).changed


def test_gc_keeps_the_decisions_in_force_and_no_other_pages(repo: Repository) -> None:
    before = in_force(repo)
    decide(repo, [Choice("same", [key(7), key(8)])])
    undone = pages_of(repo, repo.state.root("decisions"))
    undo(repo)
    assert in_force(repo) == before
    gc(repo)
    assert in_force(repo) == before
    is_sound(repo)
    decide(again(repo), [Choice("same", [key(n), key(n + 5)]) for n in range(3 * COUNT)])
    gc(again(repo))
    held = {digest for pack in again(repo).packs.opened() for digest in pack.digests()}
    root = again(repo).state.root("decisions")
    assert pages_of(again(repo), root).keys() <= held
    assert len(in_force(repo)) == len(before) + 3 * COUNT
    assert undone.keys()
    is_sound(repo)


@pytest.mark.parametrize("which", [0, 1, "root", "all"])
def test_repair_keeps_the_decisions_of_the_pages_that_are_left(repo: Repository, which: object) -> None:
    before = in_force(repo)
    root = repo.state.root("decisions")
    tree = pages_of(repo, root)
    lost = {"root": [root], "all": list(tree)}.get(str(which)) or [d for d, level in tree.items() if level == which][:1]
    gc(repo)
    lose(repo, *[digest for digest in lost if digest is not None])
    (problem,) = checked(repo).problems
    assert problem.file == "decisions"
    done = repaired(repo)
    after = in_force(repo)
    assert after == [decision for decision in before if decision in after]
    if which == 0:
        assert f"decisions on damaged pages are lost ({len(before) - len(after)}); {len(after)} are left" in done.done
        assert 0 < len(after) < len(before)
    elif which == "all":
        assert f"decisions may be lost with damaged pages; {len(after)} are left" in done.done
        assert len(after) < 5, "those of a page that gc has not taken away yet"
    else:
        assert any(line.startswith("recovered") for line in done.done)
        assert not any("lost with" in line or "are lost" in line for line in done.done)
        assert after == before
    assert (done.degraded, done.left) == ((), ())
    is_sound(repo)
    assert len(decide(again(repo), [Choice("same", [key(1), key(2)])])) == 1
    is_sound(repo)


def tear(repo: Repository, number: int) -> None:
    path = repo.layout.record(number)
    path.write_bytes(path.read_bytes()[:40])


@pytest.mark.parametrize("also", [False, True])
def test_decisions_that_only_a_lost_record_named_are_found_again(repo: Repository, also: bool) -> None:
    decide(repo, [Choice("same", [key(n), key(n + 5)]) for n in range(9)])
    lost, before = repo.tip.number, in_force(repo)
    if also:
        snapshot_tag(repo, "v1", "good")
    tear(repo, lost)
    done = repaired(repo)
    assert "recovered 9 decisions from pages that no record lists" in done.done
    assert in_force(repo) == before
    is_sound(repo)


def test_what_was_undone_does_not_come_back_with_a_lost_record(repo: Repository) -> None:
    before = in_force(repo)
    decide(repo, [Choice("same", [key(n), key(n + 5)]) for n in range(9)])
    undo(repo)
    snapshot_tag(repo, "v1", "good")
    tear(repo, repo.tip.number)
    repaired(repo)
    assert in_force(repo) == before


def test_a_lost_record_before_one_that_names_the_decisions_changes_none(repo: Repository) -> None:
    before = in_force(repo)
    decide(repo, [Choice("same", [key(1), key(6)])])
    undone = repo.tip.number
    undo(repo)
    tear(repo, undone)
    repaired(repo)
    assert in_force(repo) == before


def test_decisions_on_a_lost_page_come_from_the_table_before(repo: Repository) -> None:
    """Also those that stand on no page that is left but those of tables that records name."""
    before, earlier = in_force(repo), pages_of(repo, repo.state.root("decisions")).keys()
    decide(repo, [Choice("same", [key(1), key(6)])])
    lose(repo, *(pages_of(repo, repo.state.root("decisions")).keys() - earlier))
    repaired(repo)
    assert in_force(repo) == before
    is_sound(repo)


def put(repo: Repository, table: Table) -> None:
    with repo.committing("test"):
        root = table.root and table.root.hex()
        repo.publish("test", {"trees": {"decisions": root}}, blobs=table.fresh)


def test_check_finds_an_entry_that_is_no_decision_and_repair_takes_it_out(repo: Repository) -> None:
    before = in_force(repo)
    good = dict(decisions_of(repo).items())
    for entry in ({b"short": b"\x01"}, {bytes(24): b"\x09"}, {bytes(24): b"\x01\x02" + key(1) + key(1)}):
        put(repo, table_of(repo.hash, {**good, **entry}))
        (problem,) = checked(repo).problems
        assert problem.file == "decisions"
        assert f"decisions on damaged pages are lost (1); {len(before)} are left" in repaired(repo).done
        repo.reload()
        assert in_force(repo) == before
        is_sound(repo)


def test_another_cut_of_the_pages_is_found_and_put_right(repo: Repository) -> None:
    before, root = in_force(repo), repo.state.root("decisions")
    entries = sorted(decisions_of(repo).items())
    fresh, children = {}, []
    for part in (entries[:7], entries[7:]):
        page = encode_table_leaf(part)
        fresh[repo.hash.digest(page)] = page
        children.append(Child(part[0][0], repo.hash.digest(page), len(part)))
    page = encode_inner(children, 1, TABLE)
    other = repo.hash.digest(page)
    put(repo, Table(repo.hash, repo.packs.get, other, {**fresh, other: page}))
    assert [problem.what for problem in checked(repo).problems] == ["their pages are not cut as FORMAT.md says"]
    repaired(repo)
    assert (in_force(repo), again(repo).state.root("decisions")) == (before, root)
    is_sound(repo)


def test_pages_that_only_an_unlisted_pack_holds_are_listed_again(repo: Repository) -> None:
    before = in_force(repo)
    root = repo.state.root("decisions")
    (held,) = [pack.ref for pack in repo.packs.opened() if root in set(pack.digests())]
    with repo.committing("test"):
        repo.append("test", {"packs": {held.name: None}})
    assert not checked(repo).ok
    repaired(repo)
    assert in_force(repo) == before
    is_sound(repo)


def test_gc_refuses_where_a_page_is_lost(repo: Repository) -> None:
    from vstore.errors import Damage

    lose(repo, list(pages_of(repo, repo.state.root("decisions")))[-1])
    with pytest.raises(Damage):
        gc(again(repo))
