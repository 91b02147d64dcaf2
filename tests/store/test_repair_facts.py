"""Repair of facts: what is left of damaged runs stays, and nothing else suffers."""

from __future__ import annotations

import pytest
from support.builder import HASH, Builder, aliases, key
from support.facts import PREPARED, made
from support.forge import Forge
from support.lost import lose

from vstore.check.run import check
from vstore.format import fact_pages, fact_runs, facts
from vstore.format.fact_pages import encode_facts
from vstore.format.fact_runs import Run
from vstore.format.facts import Fact
from vstore.format.run_entry import RunRef
from vstore.repair.report import RepairReport
from vstore.repair.run import repair
from vstore.repository.facts import facts_of, runs_of
from vstore.repository.repository import Repository
from vstore.sync.merge import merge_small


@pytest.fixture
def store(builder: Builder) -> Builder:
    """A store of ten pictures, with three runs: of three leaves, of one, of one."""
    builder.add_root("r", builder.repo.layout.folder.parent)
    builder.add_pictures(aliases(*range(10)))
    builder.add_facts(made(1, range(2500)))
    builder.add_facts(made(2, range(2, 7), reader=2))
    builder.add_facts(made(3, range(3000, 3005)))
    return builder


def opened(store: Builder) -> Repository:
    return Repository(store.repo.layout.folder)


def repaired(store: Builder, *, dry_run: bool = False) -> RepairReport:
    """Repair a store, and see that it is sound then, and that nothing was lost but facts."""
    folder = store.repo.layout.folder
    report = repair(folder, None, embed=False, dry_run=dry_run)
    assert (report.degraded, report.left, report.embedded) == ((), (), 0)
    if not dry_run:
        assert check(Repository(folder), read_data=True).problems == ()
        assert not repair(folder, None, embed=False).changed
    return report


def every(store: Builder) -> dict[bytes, Fact]:
    return facts_of(opened(store), [fact.key for run in runs_of(opened(store)) for fact in run])


def said(report: RepairReport) -> list[str]:
    return [line for line in report.done if "facts" in line]


def leaves(repo: Repository, ref: RunRef) -> list[bytes]:
    root = Run(repo.hash, repo.packs.get, ref)
    page = root.page(root.top)
    assert isinstance(page, fact_runs.Inner)
    return [child.digest for child in page.children]


def test_sound_facts_are_left_alone(store: Builder) -> None:
    assert not repaired(store).changed


def test_of_a_run_that_lost_a_leaf_the_others_stay(store: Builder) -> None:
    repo = store.repo
    before, whole = repo.state.facts, [list(run) for run in runs_of(repo)]
    lost = leaves(repo, before[0])[1]
    repo.close()
    lose(repo, lost)
    dry = repaired(store, dry_run=True)
    assert opened(store).state.facts == before
    report = repaired(store)
    line = "facts: 1476 of 2500 are intact in a damaged run; the rest is read again from the pictures"
    assert said(report) == said(dry) == [line]
    now = opened(store)
    assert [list(run) for run in runs_of(now)] == [[*whole[0][:1024], *whole[0][2048:]], *whole[1:]]
    assert now.state.facts[1:] == before[1:]
    assert list(now.state.document["facts"]) == ["0", "1", "2"]


def test_a_run_without_any_page_left_goes(store: Builder) -> None:
    repo = store.repo
    before = repo.state.facts
    repo.close()
    lose(repo, before[1].root)
    line = "facts: 0 of 5 are intact in a damaged run; the rest is read again from the pictures"
    assert said(repaired(store)) == [line]
    assert opened(store).state.facts == [before[0], before[2]]


def test_leaves_below_a_lost_page_are_found_again(store: Builder) -> None:
    repo = store.repo
    before, known = repo.state.facts, every(store)
    repo.close()
    lose(repo, before[0].root)
    report = repaired(store)
    assert said(report)[1:] == ["recovered 2,495 facts from pages that no record lists"], "five stand in the next run"
    assert every(store).keys() == known.keys()
    pixels = [f for f in known.values() if f.reader == 2]
    assert {k: f for k, f in every(store).items() if f.reader == 1} == {k: f for k, f in known.items() if f.reader == 1}
    assert len(pixels) == 5


def test_digests_of_pixels_are_found_again_although_newer_facts_without_them_are_left(store: Builder) -> None:
    repo = store.repo
    prepared = [fact.key for fact in made(1, range(7, 100)) if PREPARED in fact.values]
    store.add_facts([Fact(one, 9, {facts.WIDTH: 1}) for one in sorted(prepared)])
    before, known = repo.state.facts, every(store)
    assert all(known[one].values.keys() == {facts.WIDTH, PREPARED} for one in prepared)
    repo.close()
    lose(repo, before[0].root)
    assert said(repaired(store))[1:] == ["recovered 2,495 facts from pages that no record lists"]
    assert every(store) == known


def test_pages_that_lie_in_a_damaged_pack_are_saved(store: Builder) -> None:
    repo = store.repo
    before = repo.state.facts
    *_, pack = repo.state.packs
    repo.close()
    path = repo.layout.packs / pack.name
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    assert said(repaired(store)) == []
    now = opened(store)
    assert now.state.facts == before and len(facts_of(now, map(key, range(3000, 3005)))) == 5


def test_facts_of_a_run_that_only_a_lost_record_named_are_found_again(store: Builder) -> None:
    known = every(store)
    repo = store.repo
    number = repo.tip.number
    store.add_facts(made(4, range(4000, 4003)))
    for lost in (number, number + 1):
        path = repo.layout.record(lost)
        path.write_bytes(path.read_bytes()[:40])
    assert said(repaired(store)) == ["recovered 8 facts from pages that no record lists"]
    now = every(store)
    assert {k: f for k, f in now.items() if k in known} == known
    assert sorted((f for f in now.values() if f.key not in known), key=lambda f: f.key) == made(4, range(4000, 4003))


def test_a_lost_record_of_a_merge_brings_no_fact_twice(builder: Builder) -> None:
    builder.add_root("r", builder.repo.layout.folder.parent)
    for number in range(8):
        builder.add_facts(made(number, [number]))
    known, repo = every(builder), builder.repo
    before = repo.state.facts
    merge_small(repo, builder.space, "test")
    path = repo.layout.record(repo.tip.number)
    path.write_bytes(path.read_bytes()[:40])
    assert said(repaired(builder)) == []
    assert opened(builder).state.facts == before and every(builder) == known


def put(store: Builder, page: bytes, rows: int) -> None:
    """List a leaf as the last run."""
    with store.repo.committing("test"):
        ref = RunRef(HASH.digest(page), rows)
        store.repo.publish("seal", {"facts": {"9": ref.to_json()}}, blobs={ref.root: page})


def test_a_run_with_a_value_that_cannot_be_read_goes(store: Builder) -> None:
    page = encode_facts([Fact(key(5000), 1, {facts.CAMERA: "made up"})], 16).replace(b"made up", b"made \xffp")
    before = opened(store).state.facts
    put(store, page, 1)
    assert said(repaired(store))[0].startswith("facts: 0 of 1 are intact")
    assert opened(store).state.facts == before


def test_a_run_that_is_cut_otherwise_is_cut_again(store: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        for module in (fact_pages, fact_runs):
            patch.setattr(module, "ROWS", 4)
        store.add_facts(made(5, range(10)))
    known = every(store)
    assert said(repaired(store)) == ["facts: 10 of 10 are intact in a damaged run"]
    assert every(store) == known and len(opened(store).state.facts) == 4


def test_a_run_that_stands_twice_for_a_lost_record_stands_once_then(store: Builder) -> None:
    refs, folder = opened(store).state.facts, store.repo.layout.folder
    Forge(folder).record("seal", {"facts": {"1": None}})
    Forge(folder).record("seal", {"facts": {"7": refs[1].to_json()}})
    sorted((folder / "refs").iterdir())[-2].unlink()
    report = repair(folder, None, embed=False)
    assert report.changed
    assert opened(store).state.facts == [refs[0], refs[2], refs[1]]
    assert check(Repository(folder), read_data=True).problems == ()
