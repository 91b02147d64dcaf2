"""Collecting facts: those of pictures that no kept snapshot has."""

from __future__ import annotations

import pytest
from support.builder import Builder, aliases, key
from support.facts import made
from support.lost import lose

from vstore.errors import Damage
from vstore.gc.plan import PackPlan, Plan, plan_of
from vstore.repository.facts import facts_of, runs_of
from vstore.repository.repository import Repository
from vstore.store import Store

RUNS = (range(31), range(5, 25), range(2000, 2003), range(8, 16))  # of which 10, 5, 0 and 2 are in use


@pytest.fixture
def used(builder: Builder) -> Builder:
    """A store of ten pictures, with facts of these and of others."""
    builder.add_pictures(aliases(*range(10)))
    for number, keys in enumerate(RUNS):
        builder.add_facts(made(number, keys))
    return builder


def collected(builder: Builder) -> Repository:
    return Repository(builder.repo.layout.folder)


def test_a_run_whose_facts_are_mostly_unused_is_rewritten_and_another_stays(used: Builder) -> None:
    before = [list(run) for run in runs_of(used.repo)]
    half = made(9, range(5, 15))
    used.add_facts(half)
    with Store(used.repo.layout.folder) as store:
        report = store.gc(drop_unnamed=True)
        assert (report.facts, report.changed) == (21 + 15 + 3 + 6, True)
        assert store.check(read_data=True).ok
    named = {key(number) for number in range(10)}
    kept = [[fact for fact in run if fact.key in named] for run in before]
    repo = collected(used)
    assert [list(run) for run in runs_of(repo)] == [kept[0], kept[1], kept[3], half], "exactly half is not most"
    places = repo.state.document["facts"]
    assert list(map(int, places)) == sorted(map(int, places))


def test_what_is_found_of_pictures_in_use_is_the_same_after_gc(used: Builder) -> None:
    named = [key(number) for number in range(10)]
    before = facts_of(used.repo, named)
    assert len(before) == 10
    with Store(used.repo.layout.folder) as store:
        store.gc()
    repo = collected(used)
    assert facts_of(repo, named) == before
    assert facts_of(repo, [key(2000), key(30)]) == {}


def test_pages_of_facts_are_in_use_and_those_of_rewritten_runs_are_not(used: Builder) -> None:
    old = {digest for run in runs_of(used.repo) for digest in run.digests()}
    with Store(used.repo.layout.folder) as store:
        store.gc()
    repo = collected(used)
    new = {digest for run in runs_of(repo) for digest in run.digests()}
    stored = {digest for pack in repo.packs.opened() for digest in pack.digests()}
    assert new <= stored and not old & stored, "all of them were rewritten"


def test_facts_that_are_mostly_in_use_stay_where_they_are(builder: Builder) -> None:
    builder.add_pictures(aliases(*range(10)))
    builder.add_facts(made(1, range(12)))
    *_, pack = builder.repo.state.packs
    before = builder.repo.state.facts
    with Store(builder.repo.layout.folder) as store:
        assert store.gc().facts == 0
    repo = collected(builder)
    assert repo.state.facts == before and pack in repo.state.packs
    assert len(facts_of(repo, map(key, range(12)))) == 12


def test_facts_of_the_pictures_of_a_forgotten_snapshot_go(builder: Builder) -> None:
    builder.add_pictures(aliases(*range(10)))
    builder.add_facts(made(1, range(10)))
    builder.add_pictures(aliases(0, 1))
    with Store(builder.repo.layout.folder) as store:
        assert store.gc().facts == 0, "the older snapshot has them"
        store.snapshot_forget(["v1"])
        assert store.gc(dry_run=True).facts == 8
        assert len(facts_of(collected(builder), map(key, range(10)))) == 10
        assert store.gc().facts == 8
        again = store.gc()
        assert (again.facts, again.changed) == (0, False)
    assert facts_of(collected(builder), map(key, range(10))).keys() == {key(0), key(1)}


def test_on_a_full_disk_only_runs_without_any_fact_in_use_go(used: Builder) -> None:
    plan = plan_of(used.repo, rewrite=False)
    assert (plan.facts, plan.blobs) == (3, {})
    assert plan.changes == {"facts": {"2": None}}


def test_gc_refuses_where_a_page_of_facts_is_lost(used: Builder) -> None:
    repo = used.repo
    root = repo.state.facts[1].root
    repo.close()
    lose(repo, root)
    before = sorted(path.name for path in repo.layout.folder.rglob("*") if path.parent.name in ("refs", "packs"))
    with Store(repo.layout.folder) as store, pytest.raises(Damage, match=root.hex()):
        store.gc()
    after = sorted(path.name for path in repo.layout.folder.rglob("*") if path.parent.name in ("refs", "packs"))
    assert after == before


def test_facts_to_delete_are_something_to_write() -> None:
    nothing = Plan([], {}, PackPlan([], [], 0), unnamed=0, facts=0, changes={}, blobs={}, keys={})
    assert not nothing.changes_something
    assert nothing._replace(facts=1).changes_something, "a gc on a full disk may have left them"
