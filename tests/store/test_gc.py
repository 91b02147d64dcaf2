"""Collecting garbage: what goes, what stays, and in which order."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
from support.builder import Builder, unit_vectors
from support.folders import World, digests, newest_pack
from support.old_indexes import OldIndex

from vstore.disk import durable
from vstore.disk.journal import JournalWriter
from vstore.disk.segment_writer import rounded, write_segment
from vstore.errors import Damage, Locked, SnapshotNotFound, UsageError
from vstore.format.entries import listed_segments
from vstore.format.recipes import space_id
from vstore.gc import plan as gc_plan
from vstore.repository.add_space import add_space
from vstore.repository.repository import Repository
from vstore.repository.snapshots import new_snapshot
from vstore.search.operand import Operand
from vstore.store import Store
from vstore.testing import FakeEmbedder

DAY = 86400


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Three snapshots: of twelve pictures, of two of them, of those and a new one."""
    world = World(tmp_path)
    world.put({f"{n:02d}.png": n for n in range(12)})
    world.sync()
    for number in range(2, 12):
        (world.pictures / f"{number:02d}.png").unlink()
    world.sync()
    world.put({"new.png": 50})
    world.sync()
    return world


def older(monkeypatch: pytest.MonkeyPatch, days: float) -> None:
    """Let the clock of gc run ahead, so that all vectors are that old."""
    real = time.time
    monkeypatch.setattr(gc_plan.time, "time", lambda: real() + days * DAY)


def test_vectors_younger_than_fourteen_days_stay_although_no_snapshot_names_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.store.snapshot_forget(["v1", "v2"])
    report = world.store.gc()
    assert (report.vectors, report.unnamed, report.snapshots) == (0, 10, 2)
    assert len(world.keys()) == 13
    older(monkeypatch, 13.9)
    assert world.store.gc().vectors == 0
    older(monkeypatch, 14.1)
    report = world.store.gc()
    # The segment, and perhaps the pack of the last gc: about half of it are facts of pictures in use.
    assert (report.vectors, report.unnamed) == (10, 0)
    assert report.rewritten in (1, 2)
    assert sorted(world.keys()) == sorted(world.key(n) for n in (0, 1, 50))
    assert world.store.check(read_data=True).ok


def test_drop_unnamed_frees_young_vectors_too(world: World) -> None:
    world.store.snapshot_forget(["v1", "v2"])
    assert world.store.gc(drop_unnamed=True).vectors == 10
    assert len(world.keys()) == 3


def test_a_segment_of_another_dtype_is_damage_and_nothing_is_written(tmp_path: Path) -> None:
    builder = Builder(tmp_path / ".vstore")
    repo, keys, vectors = builder.repo, [bytes([n]) * 16 for n in range(4)], unit_vectors(4)
    ref = write_segment(
        repo.layout.segments, builder.space, keys, [rounded(vectors, "float32")], dtype="float32", time=1, lock="ingest"
    )
    builder.list_segments([ref])
    builder.add_snapshot({b"r/a.png": keys[0]})
    before = sorted(os.listdir(repo.layout.segments))
    with Store(tmp_path / ".vstore") as store, pytest.raises(Damage, match=r"float32 rows .* where float16"):
        store.gc(drop_unnamed=True)
    assert sorted(os.listdir(repo.layout.segments)) == before


def test_a_rewritten_segment_keeps_its_time_and_its_place(world: World) -> None:
    space = world.repo.snapshot("current").space
    before = [world.repo.segment(ref).footer for ref in world.repo.state.segments(space)]
    world.store.snapshot_forget(["v1", "v2"])
    world.store.gc(drop_unnamed=True)
    after = [world.repo.segment(ref).footer for ref in world.repo.state.segments(space)]
    assert [f.time for f in after] == [f.time for f in before]
    assert [f.rows for f in after] == [2, 1]


def test_a_vector_that_is_kept_is_not_embedded_again_and_one_that_went_is(world: World) -> None:
    world.store.snapshot_forget(["v1", "v2"])
    world.store.gc()
    world.put({"05.png": 5})
    assert world.sync().embedded == 0
    (world.pictures / "05.png").unlink()
    world.sync()
    world.store.snapshot_forget(keep_last=1)
    world.store.gc(drop_unnamed=True)
    world.put({"05.png": 5})
    assert world.sync().embedded == 1
    assert world.store.check(read_data=True).ok


def test_a_segment_that_is_mostly_alive_is_left_alone(world: World) -> None:
    world.put({f"{n:02d}.png": n for n in range(8)})
    world.sync()
    world.store.snapshot_forget(keep_last=1)
    before = sorted(os.listdir(world.folder / "segments"))
    report = world.store.gc(drop_unnamed=True)
    assert (report.segments, report.unnamed) == (0, 4)
    assert sorted(os.listdir(world.folder / "segments")) == before


def test_every_snapshot_is_unchanged_by_gc(world: World) -> None:
    before = {name: world.aliases(name) for name in ("v1", "v3")}
    world.store.snapshot_forget(["v2"])
    world.store.gc(drop_unnamed=True)
    assert {name: world.aliases(name) for name in ("v1", "v3")} == before
    assert world.store.check(read_data=True).ok
    with pytest.raises(SnapshotNotFound):
        world.repo.snapshot("v2")


def test_the_number_of_a_collected_snapshot_is_never_used_again(world: World) -> None:
    world.store.snapshot_forget(["v1", "v2"])
    world.store.rollback("v3")
    world.store.gc()
    world.put({"x.png": 77})
    assert world.sync().snapshot == "v4"


def test_two_records_carry_the_whole_state_and_the_older_ones_go(world: World) -> None:
    last = world.repo.log.numbers()[-1]
    report = world.store.gc()
    assert report.records == last
    assert world.repo.log.numbers() == [last + 1, last + 2]
    state = world.repo.state.document
    world.repo.layout.record(last + 2).write_bytes(b"rot")
    fallen = Repository(world.folder)
    assert fallen.tip.number == last + 1
    assert fallen.state.document == state


def test_gc_again_changes_nothing(world: World) -> None:
    world.store.snapshot_forget(["v1"])
    assert world.store.gc().changed
    before = digests(world.folder)
    report = world.store.gc()
    assert not report.changed
    assert report.bytes == 0
    assert digests(world.folder) == before


def test_a_dry_run_reports_the_same_as_a_run_and_writes_nothing(world: World) -> None:
    world.store.snapshot_forget(["v1", "v2"])
    (world.folder / "packs" / ("0" * 32 + ".pack")).write_bytes(b"x" * 100)
    before = digests(world.folder)
    dry = world.store.gc(dry_run=True, drop_unnamed=True)
    assert digests(world.folder) == before
    assert world.store.gc(drop_unnamed=True) == dry._replace(dry_run=False)


def test_files_of_killed_runs_are_removed(world: World) -> None:
    left = [
        "segments/" + "a" * 32 + ".faiss", "packs/" + "b" * 32 + ".pack", "segments/.tmp-ingest-" + "c" * 32,
        "packs/.tmp-commit-" + "d" * 32, "refs/.tmp-commit-" + "e" * 32, "cache/.tmp-cache-" + "f" * 32,
    ]  # fmt: skip
    for name in left:
        (world.folder / name).write_bytes(b"left over")
    (world.folder / (".tmp-ingest-" + "0" * 32)).mkdir()
    (world.folder / (".tmp-ingest-" + "0" * 32) / "data.mdb").write_bytes(b"")
    world.store.gc()
    assert not [name for name in left if (world.folder / name).exists()]
    assert not [path for path in world.folder.rglob("*") if path.name.startswith(".tmp-")]


def test_journals_are_left_to_the_next_sync(world: World) -> None:
    (world.folder / "journal" / "x").write_bytes(b"anything")
    world.store.gc(drop_unnamed=True)
    assert (world.folder / "journal" / "x").exists()


@pytest.mark.parametrize("folder", ["segments", "packs"])
def test_gc_refuses_to_start_when_something_needed_is_missing(world: World, folder: str) -> None:
    world.store.snapshot_forget(["v1", "v2"])
    listed = {"segments": world.repo.state.segments(world.repo.snapshot("v3").space), "packs": world.repo.state.packs}
    (world.folder / folder / listed[folder][0].name).unlink()
    before = digests(world.folder)
    with pytest.raises(Damage):
        world.store.gc(drop_unnamed=True)
    assert digests(world.folder) == before


def test_the_journal_of_a_space_that_was_dropped_goes_like_a_vector_that_nothing_names(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where `model drop` was killed after its record: no sync could ever seal it."""
    writer = JournalWriter(world.folder / "journal", "ab" * 32, key_size=16, dim=8, dtype="float16")
    writer.append([bytes(16)], np.ones((1, 8), np.float16))
    writer.close()
    (journal,) = (world.folder / "journal").iterdir()
    world.sync()
    world.store.gc()
    assert journal.exists(), "young"
    notes = world.store.check().notes
    assert "vectors in journals of unknown spaces: 1 (gc deletes them)" in notes
    older(monkeypatch, 14.1)
    dry = world.store.gc(dry_run=True)
    assert (dry.unlisted, journal.exists()) == (1, True)
    assert dry.bytes >= journal.stat().st_size
    assert world.store.gc() == dry._replace(dry_run=False)
    assert not journal.exists()


def test_drop_unnamed_frees_the_journal_of_a_space_that_was_dropped_though_it_is_young(world: World) -> None:
    writer = JournalWriter(world.folder / "journal", "ab" * 32, key_size=16, dim=8, dtype="float16")
    writer.close()
    assert world.store.gc(drop_unnamed=True).unlisted == 1
    assert list((world.folder / "journal").iterdir()) == []


def test_gc_refuses_to_start_when_a_page_of_a_kept_snapshot_is_damaged(world: World) -> None:
    pack = world.folder / "packs" / newest_pack(world.repo).name
    data = bytearray(pack.read_bytes())
    data[10] ^= 1
    pack.write_bytes(data)
    before = digests(world.folder)
    with pytest.raises(Damage):
        world.another().gc()
    assert digests(world.folder) == before


def test_gc_takes_both_locks(world: World) -> None:
    for name in ("ingest",):
        with world.repo.lock(name) as lock:
            lock.acquire(0)
            with pytest.raises(Locked):
                world.store.gc()
            assert world.store.gc(dry_run=True)
    world.store.gc()


def test_a_reader_that_has_its_files_open_reads_on(world: World) -> None:
    from vstore.search.query import Operand

    picture = os.fsencode(world.pictures / "00.png")
    reader = world.another()
    before = reader.search([Operand(1.0, image=picture)], at="v1")
    repo = reader._repo
    segments = [repo.segment(ref) for ref in repo.state.segments(repo.snapshot("v1").space)]
    rows = [segment.rows() for segment in segments]
    copies = [r.copy() for r in rows]
    world.store.snapshot_forget(["v1", "v2"])
    world.store.gc(drop_unnamed=True)
    assert all((r == c).all() for r, c in zip(rows, copies, strict=True))
    with pytest.raises(SnapshotNotFound):
        reader.search([Operand(1.0, image=picture)], at="v1")
    after = reader.search([Operand(1.0, image=picture)])
    assert after.hits[0].key == before.hits[0].key


def test_a_reader_whose_files_were_collected_starts_again(world: World) -> None:
    reader = world.another()
    reader._repo.reload()
    expected = world.aliases("v3")
    world.store.snapshot_forget(["v1", "v2"])
    world.store.gc(drop_unnamed=True)
    repo = reader._repo
    found = repo.reading(lambda: dict(repo.tree(repo.snapshot("v3"))))
    assert {os.fsdecode(path): key.hex() for path, key in found.items()} == expected
    assert reader.check(read_data=True).ok


def test_a_key_that_stands_twice_keeps_the_row_that_wins(world: World) -> None:
    repo = world.repo
    space = repo.snapshot("current").space
    first = repo.segment(repo.state.segments(space)[0])
    wins = {key: row.copy() for key, row in zip(first.key_list(), first.rows(), strict=True)}
    other = first.rows()[::-1].copy()
    ref = repo.write_segment(space, first.key_list(), [other])
    with repo.committing("seal"):
        listed = [*repo.state.segments(space), ref]
        repo.publish("seal", {"segments": repo.state.segments_changed(space, listed)})
    report = world.store.gc()
    assert report.vectors == 12
    kept = {}
    for ref in world.repo.state.segments(space):
        segment = world.repo.segment(ref)
        kept |= dict(zip(segment.key_list(), segment.rows(), strict=True))
    assert all((kept[key] == row).all() for key, row in wins.items())


class FullDisk(durable.Disk):
    """A disk with no room: a write goes through only once enough was freed."""

    def __init__(self, folder: Path, room: int) -> None:
        self.folder = folder
        self.limit = self.used() + room
        self.steps: list[str] = []

    def used(self) -> int:
        return sum(p.stat().st_size for p in self.folder.rglob("*") if p.is_file() and "catalogue" not in p.parts)

    def write(self, fd, data):  # type: ignore[no-untyped-def]
        if self.used() + len(data) > self.limit:
            self.steps.append("full")
            raise OSError(28, "No space left on device")
        return super().write(fd, data)

    def unlink(self, path: str) -> None:
        self.steps.append(os.path.relpath(path, self.folder).split("/")[0])
        super().unlink(path)


def test_on_a_full_disk_the_cache_goes_first_then_the_reserve_and_then_it_writes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.store.snapshot_forget(["v1", "v2"])
    expected = world.aliases("v3")
    (world.folder / "cache" / "thumb").write_bytes(b"small")
    disk = FullDisk(world.folder, 0)
    monkeypatch.setattr(durable, "disk", disk)
    report = world.store.gc(drop_unnamed=True)
    assert report.snapshots == 2
    steps = [step for at, step in enumerate(disk.steps) if step != disk.steps[at - 1]]
    assert steps[:1] == ["full"]
    assert "cache" in steps
    assert steps.index("cache") < steps.index("reserve") < steps.index("refs")
    assert (world.aliases("v3")) == expected
    monkeypatch.undo()
    assert world.store.check(read_data=True).ok
    world.store.gc()
    assert (world.folder / "reserve").stat().st_size == 1 << 20


def test_where_emptying_the_cache_is_enough_the_reserve_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (world.folder / "cache" / "thumb").write_bytes(bytes(1 << 20))
    monkeypatch.setattr(durable, "disk", FullDisk(world.folder, 0))
    world.store.gc()
    assert (world.folder / "reserve").stat().st_size == 1 << 20
    assert not (world.folder / "cache" / "thumb").exists()


@pytest.mark.parametrize("years", [-1, 1])
def test_a_clock_that_is_a_year_wrong_deletes_no_used_vector(
    world: World, monkeypatch: pytest.MonkeyPatch, years: int
) -> None:
    before = {name: world.aliases(name) for name in ("v1", "v2", "v3")}
    older(monkeypatch, 365 * years)
    report = world.store.gc()
    assert report.vectors == 0
    assert {name: world.aliases(name) for name in ("v1", "v2", "v3")} == before
    world.put({"later.png": 60})
    assert world.sync().snapshot == "v4"
    assert world.store.check(read_data=True).ok


def test_a_gc_of_an_empty_store_is_harmless(tmp_path: Path) -> None:
    Store.init(tmp_path / "store")
    with Store(tmp_path / "store") as store:
        store.gc()
        assert store.check(read_data=True).ok
        store.gc(drop_unnamed=True)
        assert store.check(read_data=True).ok


def test_recipes_probes_and_leftovers_stay(world: World) -> None:
    """Blobs of spaces and imports hang on no snapshot."""
    repo = world.repo
    blobs = {repo.hash.digest(data): data for data in (b"names", b"vectors 1", b"vectors 2", b"probes")}
    names, first, second, probes = (digest.hex() for digest in blobs)
    space = repo.snapshot("current").space
    with repo.committing("import"):
        rest = {"root": "pictures", "rows": 2, "written": 1, "time": "2026-11-23T20:02:39Z"}
        left = {"i1": {**rest, "names": names, "vectors": [first, second], "space": space}}
        packs = repo.write_blobs({**blobs, repo.hash.digest(b"waste"): os.urandom(4000)})
        repo.publish("import", {"imports": left, "packs": packs, "spaces": {space: {"probes": probes}}})
    world.store.snapshot_forget(keep_last=1)
    world.store.gc(drop_unnamed=True)
    assert all(world.repo.packs.get(digest) == data for digest, data in blobs.items())


def test_rows_that_an_import_left_over_go_with_their_space(tmp_path: Path) -> None:
    old, fake = OldIndex(tmp_path), FakeEmbedder()
    (old.pictures / "p04.png").unlink()
    made = old.new()
    with Store(old.folder, load_embedder=lambda recipe: fake) as store:
        add_space(store._repo, fake.recipe, "fake")
        assert store.sync(space="fake").snapshot == "v2"
        store.snapshot_forget(["v1"])
        assert store.model_drop(made.space_name).rows == 12
        found = store.check(read_data=True)
        assert found.ok, found.problems
        store.gc()
        with pytest.raises(UsageError, match="set rows aside"):
            store.import_index(resume=made.import_id)
    assert old.repo.state.imports == {}


def test_a_segment_that_another_space_lists_too_is_not_said_to_be_freed(world: World) -> None:
    """As after an import that turned out to be of another model: both spaces list the same files."""
    repo = world.repo
    snapshot = repo.snapshot("current")
    recipe = {**repo.recipe(snapshot.space), "name": "twin"}
    add_space(repo, recipe, "twin")
    twin = space_id(recipe)
    with repo.committing("check"):
        made, changes, blobs = new_snapshot(repo, twin, repo.tree(repo.snapshot("v1")), 12, None, "")
        changes["segments"] = {twin: listed_segments(repo.state.segments(snapshot.space))}
        changes["packs"] = repo.write_blobs(blobs)
        repo.publish("model use", changes)
    with world.another() as store:
        store.snapshot_forget([row.snapshot for row in store.snapshot_list() if row.snapshot != made.name])
        before = sizes(world)
        report = store.gc(drop_unnamed=True)
        after = sizes(world)
        assert store.check(read_data=True).ok
    assert report.segments == 1  # that of the picture that only the newest snapshot had
    gone = sum(before[name] for name in before.keys() - after.keys())
    written = sum(after[name] for name in after.keys() - before.keys() if not name.startswith("refs/"))
    assert report.bytes == gone - written
    assert len(world.aliases(made.name)) == 12


def sizes(world: World) -> dict[str, int]:
    """Every file of the log, the segments and the packs."""
    found = (path for name in ("refs", "segments", "packs") for path in (world.folder / name).iterdir())
    return {str(path.relative_to(world.folder)): path.stat().st_size for path in found}


def test_the_paths_of_snapshots_that_are_gone_leave_the_cache(world: World) -> None:
    for at in ("v1", "v3"):
        world.store.search([Operand(1.0, key=bytes.fromhex(world.keys()[0]))], at=at)
    names = {at: f"paths-{world.tree(at).root.hex()}" for at in ("v1", "v3")}
    kept = {path.name for path in (world.folder / "cache").iterdir()}
    assert kept >= set(names.values())
    world.store.gc()
    assert {path.name for path in (world.folder / "cache").iterdir()} >= set(names.values())
    world.store.snapshot_forget(["v1", "v2"])
    world.store.gc(dry_run=True)
    assert (world.folder / "cache" / names["v1"]).exists()
    world.store.gc()
    left = {path.name for path in (world.folder / "cache").iterdir() if path.name.startswith("paths-")}
    assert left == {names["v3"]}
