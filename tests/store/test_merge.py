"""Merges of small packs and segments."""

from __future__ import annotations

import errno
import os
from typing import Any

import numpy as np
import pytest
from support.builder import HASH, Builder, aliases, key, unit_vectors
from support.facts import made
from support.failing_disks import Acting, Watched, disk
from support.folders import World

from vstore.disk import durable
from vstore.disk.segments import Segment
from vstore.errors import (
    Damage,
    DiskTrouble,
)
from vstore.format import facts, small_files
from vstore.format.fact_levels import to_merge
from vstore.format.facts import Column, Fact
from vstore.intake.keeper import recover
from vstore.repository.facts import facts_of, runs_of
from vstore.repository.repository import Repository
from vstore.search.query import Operand
from vstore.store import Store
from vstore.sync.merge import merge_small

__all__ = ["disk"]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """More than four small packs, or segments, are too many."""
    monkeypatch.setattr(small_files, "TOO_MANY", 4)
    monkeypatch.setattr(small_files, "TOO_MANY_PARTED", 4)
    return 4


def rows_of(world: World) -> dict[bytes, Any]:
    repo = world.repo
    found: dict[bytes, Any] = {}
    for ref in repo.state.segments(repo.snapshot("current").space):
        segment = repo.segment(ref)
        segment.verify()
        assert not found.keys() & set(segment.key_list()), "no key is stored twice"
        found |= {k: bytes(row.tobytes()) for k, row in zip(segment.key_list(), segment.rows(), strict=True)}
    return found


def test_many_commits_leave_few_packs_and_segments_and_every_version_as_it_was(world: World, few: int) -> None:
    expected: dict[str, dict[str, str]] = {}
    rows: dict[bytes, Any] = {}
    for number in range(1, 25):
        world.put({f"{number % 3}/{number}.png": number})
        if number % 5 == 0:
            (world.pictures / f"{(number - 1) % 3}/{number - 1}.png").unlink()
        report = world.sync()
        assert report.snapshot == f"v{number}"
        expected[report.snapshot] = world.aliases()
        now = rows_of(world)
        assert {k: v for k, v in now.items() if k in rows} == rows, "no vector ever changes"
        rows = now
        state = world.repo.state
        assert len(state.packs) <= few + 1
        assert len(state.segments(world.repo.snapshot("current").space)) <= few + 1
    assert len(rows) == 24 == world.fake.embedded
    for name, paths in expected.items():
        assert world.aliases(name) == paths
    assert [r.op for r in world.repo.records()].count("merge") >= 5
    with world.another() as store:
        assert store.check(read_data=True).ok
        for name, paths in expected.items():
            picture = next(iter(paths))
            hits = store.search([Operand(1.0, os.fsencode(world.top / picture))], at=name, k=100).hits
            assert {os.fsdecode(path) for hit in hits for path in hit.paths} == set(paths)
            assert hits[0].key.hex() == paths[picture] and hits[0].score == 1.0


def test_of_a_key_that_stands_twice_a_merge_keeps_the_row_that_wins(builder: Builder, few: int) -> None:
    vectors = unit_vectors(100)
    for number in range(6):
        builder.add_segment([key(number + 1), key(0), key(number + 2)], vectors[number * 3 : number * 3 + 3])
    repo = builder.repo
    winners: dict[bytes, Any] = {}
    for ref in repo.state.segments(builder.space):
        segment = repo.segment(ref)
        for k, row in zip(segment.key_list(), segment.rows(), strict=True):
            winners.setdefault(k, np.array(row))
    merge_small(repo, builder.space, "test")
    (merged,) = repo.state.segments(builder.space)
    segment = Segment(repo.layout.segments, merged)
    segment.verify()
    assert segment.key_list() == list(winners)
    assert all(np.array_equal(row, winners[k]) for k, row in zip(segment.key_list(), segment.rows(), strict=True))


def test_a_merged_segment_takes_the_place_of_the_first_that_it_replaces(
    builder: Builder, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(7):
        builder.add_segment(
            [key(100 * number + i) for i in range(50 if number == 3 else 1)], unit_vectors(50 if number == 3 else 1)
        )
    repo = builder.repo
    before = repo.state.segments(builder.space)
    monkeypatch.setattr(small_files, "SEGMENT_LEVELS", (before[3].size,))
    merge_small(repo, builder.space, "test")
    after = repo.state.segments(builder.space)
    assert len(after) == 3 and after[1] == before[3]
    assert [repo.segment(ref).key_list()[0] for ref in after] == [key(0), key(300), key(400)]


def test_others_may_commit_while_a_merge_writes(builder: Builder, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        builder.add_pictures(aliases(*range(number + 1)))
    layout = builder.repo.layout
    other = Repository(layout.folder)
    done: list[str] = []

    def tag() -> None:
        other.reload()
        with other.lock("commit") as lock:
            lock.acquire(0, "tag")
        with other.committing("tag"):
            packs_now = other.write_blobs({HASH.digest(b"x"): b"x"})
            other.publish("tag", {"tags": {f"t{len(done)}": "v1"}, "packs": packs_now})
        done.append("tagged")

    for folder in (layout.segments, layout.packs):
        for number in range(6 + 6 * len(done), 12 + 6 * len(done)):
            builder.add_pictures(aliases(*range(number + 1)))
        with monkeypatch.context() as patch:
            begins = f"{folder}/.tmp-ingest"
            patch.setattr(durable, "disk", Acting("open", lambda path, begins=begins: path.startswith(begins), tag))  # type: ignore[misc]
            merge_small(builder.repo, builder.space, "test")
    assert done == ["tagged", "tagged"]
    repo = Repository(layout.folder)
    assert repo.state.tags == {"t0": "v1", "t1": "v1"}
    assert repo.packs.get(HASH.digest(b"x")) == b"x"
    assert [r.op for r in repo.records()].count("merge") == 2
    for snapshot in list(repo.listing.kept()):
        assert len(list(repo.tree(snapshot))) == snapshot.paths


def test_a_merge_that_meets_damage_publishes_nothing(builder: Builder, few: int) -> None:
    for number in range(6):
        builder.add_pictures(aliases(*range(number + 1)))
    repo = builder.repo
    ref = repo.state.segments(builder.space)[2]
    path = repo.layout.segments / ref.name
    data = bytearray(path.read_bytes())
    data[85] ^= 1
    path.write_bytes(data)
    before = repo.tip.number
    with pytest.raises(Damage, match=ref.name):
        merge_small(repo, builder.space, "test")
    assert Repository(repo.layout.folder).tip.number == before
    assert not [p for p in repo.layout.folder.rglob("*") if p.name.startswith(durable.TEMPORARY)]


@pytest.mark.parametrize(("call", "on"), [("rename", ".faiss"), ("rename", ".pack"), ("link", ".json")])
def test_a_merge_that_fails_at_any_step_changes_nothing_that_a_reader_sees(
    builder: Builder, few: int, disk: Watched, call: str, on: str
) -> None:
    for number in range(6):
        builder.add_pictures(aliases(*range(number + 1)))
    repo = builder.repo
    disk.fail(call, errno.EIO, on)
    with pytest.raises(DiskTrouble):
        merge_small(repo, builder.space, "test")
    disk.heal()
    for _ in range(2):
        with Store(repo.layout.folder) as store:
            assert store.check(read_data=True).ok
        merge_small(repo, builder.space, "test")
    assert len(repo.state.segments(builder.space)) == 1


def test_many_seals_are_merged_too(builder: Builder, few: int) -> None:
    for number in range(7):
        builder.add_segment([key(number)], unit_vectors(7)[number : number + 1])
    merge_small(builder.repo, builder.space, "sync")
    assert len(builder.repo.state.segments(builder.space)) == 1
    assert recover(builder.repo, "sync") == 0


# Runs of facts


def test_runs_of_facts_are_merged_by_their_levels(builder: Builder) -> None:
    every: dict[bytes, Fact] = {}
    for number in range(40):
        some = made(number, range(3 * number, 3 * number + 4), reader=1 + number % 2)
        every |= {f.key: facts.chosen([every[f.key], f]) if f.key in every else f for f in some}
        builder.add_facts(some)
        merge_small(builder.repo, builder.space, "test")
        sizes = [ref.rows for ref in builder.repo.state.facts]
        assert to_merge(sizes) == []
    assert len(sizes) <= 8 and sum(sizes) < 40 * 4, "a key that stood twice stands once where its runs were merged"
    assert facts_of(builder.repo, every) == every
    assert sum("runs of facts" in r.about for r in builder.repo.records()) == 5


def test_a_merged_run_takes_the_place_of_the_first_that_it_replaces(builder: Builder) -> None:
    builder.add_facts(made(1, range(600)))
    for number in range(8):
        builder.add_facts([Fact(key(number), 1, {facts.WIDTH: number})])
    repo = builder.repo
    large = repo.state.facts[0]
    before = facts_of(repo, map(key, range(9)))
    assert set(repo.state.document["facts"]) == set(map(str, range(9)))
    merge_small(repo, builder.space, "test")
    assert repo.state.facts[0] == large and repo.state.facts[1].rows == 8
    assert set(repo.state.document["facts"]) == {"0", "1"}
    assert facts_of(repo, map(key, range(9))) == before
    *_, last = repo.records()
    assert (last.op, last.about) == ("merge", "0 packs, 0 segments, 8 runs of facts")
    assert last.changes["facts"] == {"1": repo.state.facts[1].to_json(), **dict.fromkeys(map(str, range(2, 9)))}
    number = repo.tip.number
    merge_small(repo, builder.space, "test")
    assert repo.tip.number == number, "there is nothing left to merge"


def test_several_runs_of_facts_come_of_one_merge(builder: Builder) -> None:
    sizes = [64] * 8 + [1] * 8
    every = made(1, range(sum(sizes)))
    for at, size in enumerate(sizes):
        builder.add_facts(every[sum(sizes[:at]) :][:size])
    merge_small(builder.repo, builder.space, "test")
    assert [list(run) for run in runs_of(builder.repo)] == [every[:512], every[512:]]


@pytest.mark.parametrize("columns", [1, 10], ids=["two types", "too many"])
def test_runs_whose_columns_fit_no_page_together_stay_apart(builder: Builder, columns: int) -> None:
    for number in range(8):
        new = (Column(f"new-{name}", "12"[number % 2]) for name in range(columns))
        if columns > 1:
            new = (Column(f"new-{number}-{name}", "1") for name in range(columns))
        builder.add_facts([Fact(key(number), 1, dict.fromkeys(new, number))])
    repo = builder.repo
    before, number = repo.state.facts, repo.tip.number
    merge_small(repo, builder.space, "test")
    assert (repo.state.facts, repo.tip.number) == (before, number)
    assert len(facts_of(repo, map(key, range(8)))) == 8


def test_packs_and_segments_and_facts_are_merged_at_once(builder: Builder, few: int) -> None:
    for number in range(8):
        builder.add_facts(made(1, [number]))
        builder.add_pictures(aliases(*range(number + 1)))
    repo = builder.repo
    before = facts_of(repo, map(key, range(8)))
    merge_small(repo, builder.space, "test")
    assert (len(repo.state.packs), len(repo.state.segments(builder.space)), len(repo.state.facts)) == (2, 1, 1)
    assert len(before) == 8 and facts_of(repo, before) == before
    with Store(repo.layout.folder) as store:
        assert store.check(read_data=True).ok


def test_a_sync_merges_runs_of_facts(world: World) -> None:
    for number in range(8):  # each sync adds the digest of one picture
        assert [ref.rows for ref in world.repo.state.facts] == [1] * number
        world.put({f"{number}.png": number})
        world.sync()
    assert [ref.rows for ref in world.repo.state.facts] == [8]


def test_a_merge_that_meets_a_lost_page_of_facts_publishes_nothing(builder: Builder) -> None:
    for number in range(8):
        builder.add_facts(made(1, [number]))
    repo = builder.repo
    *_, pack = repo.state.packs
    path = repo.layout.packs / pack.name
    path.write_bytes(path.read_bytes()[:8] + b"????" + path.read_bytes()[12:])
    repo.close()
    before = repo.tip.number
    with pytest.raises(Damage, match=pack.name):
        merge_small(repo, builder.space, "test")
    assert Repository(repo.layout.folder).tip.number == before


def test_others_may_commit_while_runs_of_facts_are_merged(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(8):
        builder.add_facts(made(1, [number]))
    layout = builder.repo.layout
    other = Repository(layout.folder)

    def tag() -> None:
        with other.committing("tag"):
            other.publish("tag", {"tags": {"t": "v1"}}, blobs={HASH.digest(b"x"): b"x"})

    begins = f"{layout.packs}/.tmp-ingest"
    monkeypatch.setattr(durable, "disk", Acting("open", lambda path: path.startswith(begins), tag))
    merge_small(builder.repo, builder.space, "test")
    repo = Repository(layout.folder)
    assert (repo.state.tags, len(repo.state.facts)) == ({"t": "v1"}, 1)
    assert repo.packs.get(HASH.digest(b"x")) == b"x" and len(facts_of(repo, map(key, range(8)))) == 8


@pytest.mark.parametrize(("call", "on"), [("rename", ".pack"), ("link", ".json")])
def test_a_merge_of_facts_that_fails_at_any_step_changes_nothing_that_a_reader_sees(
    builder: Builder, disk: Watched, call: str, on: str
) -> None:
    for number in range(8):
        builder.add_facts(made(1, [number]))
    repo = builder.repo
    before = facts_of(repo, map(key, range(8)))
    disk.fail(call, errno.EIO, on)
    with pytest.raises(DiskTrouble):
        merge_small(repo, builder.space, "test")
    disk.heal()
    assert len(Repository(repo.layout.folder).state.facts) == 8
    for _ in range(2):
        with Store(repo.layout.folder) as store:
            assert store.check(read_data=True).ok
        merge_small(repo, builder.space, "test")
        assert facts_of(Repository(repo.layout.folder), before) == before
    assert len(repo.state.facts) == 1
