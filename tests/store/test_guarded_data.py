"""Comparisons that guard the data: without any of them one of these tests fails (`tests/faults/test_mutations.py`)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.builder import Builder, key, unit_vectors
from support.folders import World, classes, digests
from support.guarded import many

from vstore.disk.catalogue import Catalogue
from vstore.disk.oplog import Oplog
from vstore.disk.pack_writer import _write
from vstore.disk.packs import Pack, Stored
from vstore.errors import Damage
from vstore.format.entries import Snapshot
from vstore.format.hashing import HASHES
from vstore.format.layout import Layout
from vstore.gc.plan import _plan_packs, _plan_segments
from vstore.gc.used import Used
from vstore.intake.stored_keys import Vectors, align
from vstore.intake.survey import Survey
from vstore.intake.targets import Scope, Target
from vstore.pictures.scan_options import ScanOptions
from vstore.repository.repository import Repository
from vstore.sync.decision import Base, _nameable
from vstore.sync.memory import Memory
from vstore.versions.policy import Policy, kept_by

HASH = HASHES["xxh3_128"]
AGES = {
    "v1": "2026-01-01T10:59:59Z",
    "v2": "2026-01-01T11:00:00Z",
    "v3": "2026-01-01T11:00:01Z",
    "v4": "2026-01-01T12:00:00Z",
}


def spoil(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


# gc


def test_gc_gives_no_new_checksum_to_a_rotten_vector(world: World) -> None:
    world.put({f"{n:02d}.png": n for n in range(12)})
    world.sync()
    for number in range(2, 12):
        (world.pictures / f"{number:02d}.png").unlink()
    world.sync()
    repo = world.repo
    (ref,) = repo.state.segments(next(iter(repo.state.spaces)))
    spoil(repo.layout.segments / ref.name, repo.segment(ref).footer.header + 1)  # in the first row
    world.store.snapshot_forget(["v1"])
    before = digests(world.folder)
    with pytest.raises(Damage, match=ref.name):
        world.another().gc(drop_unnamed=True)
    assert digests(world.folder) == before


@pytest.fixture
def four(tmp_path: Path) -> tuple[Repository, Any]:
    """A store with a segment of four vectors, of the time 1,700,000,000."""
    builder = Builder(tmp_path / ".vstore")
    return builder.repo, builder.add_segment([key(n) for n in range(4)], unit_vectors(4))


@pytest.mark.parametrize(("used", "is_rewritten"), [(4, False), (3, False), (2, False), (1, True), (0, True)])
def test_gc_rewrites_a_segment_of_which_less_than_half_is_used(
    four: tuple[Repository, Any], used: int, is_rewritten: bool
) -> None:
    repo, ref = four
    keys = {key(n) for n in range(used)}
    (plan,), _ = _plan_segments(repo, [ref], used=keys, since=float("inf"), rewrite=True)
    assert (plan.replaced, len(plan.live)) == (is_rewritten, used)


@pytest.mark.parametrize(("since", "live"), [(1_700_000_001.0, 1), (1_700_000_000.0, 1), (1_699_999_999.0, 4)])
def test_a_vector_is_young_if_it_is_newer_than_the_limit(four: tuple[Repository, Any], since: float, live: int) -> None:
    repo, ref = four
    (plan,), _ = _plan_segments(repo, [ref], used={key(1)}, since=since, rewrite=True)
    assert len(plan.live) == live


def test_gc_stops_where_no_segment_holds_a_used_vector(four: tuple[Repository, Any]) -> None:
    repo, ref = four
    with pytest.raises(Damage, match="without a vector"):
        _plan_segments(repo, [ref], used={key(1), key(99)}, since=0.0, rewrite=True)


@pytest.mark.parametrize(("used", "is_freed"), [(4, False), (2, False), (1, True)])
def test_gc_merges_a_pack_of_which_less_than_half_is_used(tmp_path: Path, used: int, is_freed: bool) -> None:
    repo = Builder(tmp_path / ".vstore").repo
    blobs = {HASH.digest(bytes([n]) * 9): bytes([n]) * 9 for n in range(4)}  # of equal sizes
    with repo.committing("seal"):
        packs = repo.write_blobs(blobs)
        repo.append("seal", {"packs": packs})
    taken = {one for pack in repo.packs.opened() for one in pack.digests()} - blobs.keys() | set(sorted(blobs)[:used])
    plan = _plan_packs(repo, Used({}, taken, set()), {}, rewrite=True)
    assert (next(iter(packs)) in {ref.name for ref in plan.freed}) == is_freed


# Blobs, records, locations


def test_a_blob_that_is_another_one_than_its_digest_says_is_damage(tmp_path: Path) -> None:
    wrong = HASH.digest(b"that")
    ref = _write(tmp_path, HASH, {wrong: lambda: Stored(zlib.compress(b"this"), 4)}, "commit")
    pack = Pack(tmp_path, ref, HASH)
    pack.verify()  # every checksum is right
    with pytest.raises(Damage, match="does not match its digest"):
        pack.get(wrong)
    with pytest.raises(Damage, match="does not match its digest"):
        list(pack.stored())


def test_a_record_that_follows_another_one_than_that_before_it_is_not_sound(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    (tmp_path / "refs").mkdir()
    (tmp_path / "cache").mkdir()
    log = Oplog(layout, HASH)
    tip = log.load()
    for number in range(1, 4):
        changes = {"tags": {"t": "v1"}, "next_v": number, "base": "x" * 3000 if number == 1 else "x"}
        tip = log.append(tip, "tag", changes, AGES["v1"], format=2)
    newest = log.read(3)
    assert newest.whole is None
    layout.record(3).write_bytes(newest._replace(before=HASH.digest(b"another").hex()).to_bytes(HASH))
    found = Oplog(layout, HASH).load()
    assert (found.number, found.state.next_v) == (2, 2)
    assert found.complaint is not None and "record 3 does not follow record 2" in found.complaint


def test_a_location_of_the_catalogue_is_a_hint(tmp_path: Path) -> None:
    builder = Builder(tmp_path / ".vstore")
    builder.add_segment([key(n) for n in range(6000)], unit_vectors(6000))
    repo, space = builder.repo, builder.space
    catalogue = Catalogue.open(repo.layout.catalogue, repo.store_id, write=True)
    assert catalogue is not None
    with catalogue:
        with catalogue.batch() as batch:
            align(repo, catalogue, batch, space)
            batch.put_locations(space, [(key(9999), 0, 5), (key(1), 0, 1)])
        vectors = Vectors(repo, space, catalogue)
        assert vectors.rows({key(9999)}) == {}
        assert [row for _, row in vectors.rows({key(1)}).values()] == [1]
        assert vectors.stored(key(1))
        assert not vectors.stored(key(9999))


# forget


def test_within_a_span_is_what_is_younger_than_it() -> None:
    listed = [Snapshot(name, "", b"", "", 0, 0, time) for name, time in AGES.items()][::-1]
    assert set(kept_by(Policy(within="1h"), listed, {})) == {"v4", "v3"}


# sync


class Learnt(NamedTuple):
    """An ingest that learnt nothing."""

    has_news: bool = False
    embedded: int = 0

    def put(self, batch: Any) -> None:
        pass


@pytest.fixture
def agreeing(settled: World) -> Iterator[tuple[Memory, Survey, Repository]]:
    """The memory of a store whose catalogue and snapshot agree, and a survey without a file."""
    settled.put({"a.png": 1})
    settled.sync()
    repo = settled.repo
    catalogue = Catalogue.open(repo.layout.catalogue, repo.store_id, write=True)
    assert catalogue is not None
    root = repo.state.roots["pictures"]
    with catalogue:
        memory = Memory(repo, catalogue, next(iter(repo.state.spaces)))
        yield memory, Survey([Target(root, repo.place(root), ScanOptions())]), repo


def test_only_a_whole_snapshot_of_the_space_agrees_with_the_catalogue(
    agreeing: tuple[Memory, Survey, Repository],
) -> None:
    memory, _, repo = agreeing
    parent = repo.state.current_snapshot
    assert parent is not None
    tree = repo.tree(parent)
    assert memory.agrees(b"pictures", parent, tree)
    assert not memory.agrees(b"pictures", parent._replace(degraded=True), tree)
    assert not memory.agrees(b"pictures", parent._replace(space="other"), tree)
    assert not memory.agrees(b"other", parent, tree)


@pytest.mark.parametrize(
    ("complete", "doubted", "agrees"), [(True, False, True), (False, False, False), (True, True, False)]
)
def test_after_a_run_that_missed_something_the_catalogue_agrees_with_nothing(
    agreeing: tuple[Memory, Survey, Repository], complete: bool, doubted: bool, agrees: bool
) -> None:
    memory, survey, repo = agreeing
    parent = repo.state.current_snapshot
    tree = repo.tree(parent)
    survey.doubts.update({b"pictures"} if doubted else ())
    memory.remember(survey, Learnt(), tree, tree, complete=complete)  # type: ignore[arg-type]
    assert memory.agrees(b"pictures", parent, tree) == agrees


class Holding(NamedTuple):
    """An ingest of a run that began with some stored keys."""

    keys: frozenset[bytes]

    @property
    def vectors(self) -> Holding:
        return self

    def stored(self, one: bytes) -> bool:
        return one in self.keys


def test_the_keys_of_changes_are_counted_unless_nothing_before_can_name_them(four: tuple[Repository, Any]) -> None:
    repo, _ = four
    parent = Snapshot("v1", "", b"", "space", 0, 0, "")
    tree = repo.tree(None)
    ingest: Any = Holding(frozenset({key(1)}))
    changes = [(b"p/a", key(1), key(2)), (b"p/b", None, key(3))]
    every = {key(1), key(2), key(3)}

    def counted(parent: Snapshot | None, written: Snapshot | None = None) -> set[bytes]:
        return _nameable(Base(parent, tree, Scope([], {}, {}), written), changes, ingest, "space")

    assert counted(parent) == {key(1)}
    assert counted(None) == every
    assert counted(parent, parent) == every  # an earlier commit of this run may name new ones
    assert counted(parent._replace(space="other")) == every
    assert counted(parent._replace(degraded=True)) == every  # it may name one without a vector


def test_renamed_pictures_are_read_once_and_keep_their_keys(settled: World, reads: Any) -> None:
    settled.put(many(40))
    settled.sync()
    before = settled.aliases()
    reads.clear()
    for number in range(5):  # each takes the name, and all but the inode, of another that is gone
        (settled.pictures / f"{number:05d}.bmp").rename(settled.pictures / f"{number + 100:05d}.bmp")
    report = settled.sync()
    assert (classes(report), report.embedded) == ({"unchanged": 35, "renamed": 5}, 0)
    assert (len(reads.opened), len(set(reads.opened)), reads.decoded) == (5, 5, 0)
    after = settled.aliases()
    for number in range(5):
        assert after[f"pictures/{number + 100:05d}.bmp"] == before[f"pictures/{number:05d}.bmp"]
