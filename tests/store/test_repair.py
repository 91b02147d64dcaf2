"""Repair: lost data is recovered from elsewhere, or reported as lost; nothing is made worse."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, ItemsView, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL.Image import Image
from store.test_catalogue import raw
from support.failing_disks import Hesitating
from support.folders import World, all_aliases, digests, packs_by_age, repaired, stats_of, trust_young_stats
from support.old_indexes import OldIndex

from vstore.disk import durable
from vstore.disk.environment import put_seal
from vstore.disk.journal import JournalWriter
from vstore.disk.oplog import Oplog
from vstore.disk.packs import Pack
from vstore.disk.segment_writer import rounded
from vstore.errors import Damage, FormatTooNew, ModelError, NoStore, NothingToUndo, SystemLimit, VstoreError
from vstore.format.canonical import canonical
from vstore.format.entries import FileRef, listed_segments
from vstore.format.layout import NEWEST
from vstore.format.recipes import space_id
from vstore.format.records import Record
from vstore.repair import log
from vstore.repository import leftovers
from vstore.repository.add_space import add_space
from vstore.repository.repository import Repository
from vstore.repository.snapshots import new_snapshot
from vstore.search.query import Operand
from vstore.store import Store
from vstore.testing import FakeEmbedder


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Three snapshots, a tag, and a rollback back and forth."""
    world = World(tmp_path)
    world.put({f"{n:02d}.png": n for n in range(10)})
    world.sync(message="first")
    world.put({f"more/{n}.png": n for n in range(20, 25)})
    world.sync(message="second")
    (world.pictures / "00.png").unlink()
    world.sync(message="third")
    world.store.snapshot_tag("v1", "good")
    world.store.rollback("v2")
    world.store.rollback("v3")
    return world


def is_sound(world: World) -> None:
    """Everything proves whole, finds its own vector, and a second repair finds nothing to do."""
    with world.another() as store:
        report = store.check(read_data=True)
        assert report.ok, report.problems
        if store._repo.state.current:
            for file in sorted(world.pictures.rglob("*.png"))[:3]:
                hits = store.search([Operand(1.0, image=os.fsencode(file))], k=1).hits
                assert not hits or os.fsencode(file) in hits[0].files or hits[0].score < 0.999
    records = world.repo.log.numbers()
    again = repaired(world)
    assert not again.changed
    assert (again.degraded, again.quarantined, again.left) == ((), (), ())
    assert world.repo.log.numbers() == records


def segment(world: World, at: int = 0) -> Path:
    repo = world.repo
    return world.folder / "segments" / repo.state.segments(repo.snapshot("current").space)[at].name


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)


def test_a_sound_store_is_left_as_it_is(world: World) -> None:
    """No record, and none of what was remembered: when which file was read last, whether a space's model was proved."""
    assert world.another().check(read_data=True).ok
    before = stats_of(world.folder)
    assert "cache/verified" in before
    for dry_run in (True, False):
        report = repaired(world, dry_run=dry_run)
        assert not report.changed
        assert report.done == ()
        assert stats_of(world.folder) == before
    world.store.undo()
    is_sound(world)


@pytest.mark.parametrize("lost", ["catalogue", "reserve"])
def test_rebuilt_files_are_named(world: World, lost: str) -> None:
    path = world.folder / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert [line.split()[0].rstrip("/") for line in repaired(world, dry_run=True).done] == [lost]
    assert not path.exists()
    report = repaired(world)
    assert [line.split()[0].rstrip("/") for line in report.done] == [lost]
    assert not report.changed
    assert path.exists()
    assert repaired(world).done == ()


def test_a_catalogue_with_one_value_that_rotted_is_rebuilt(world: World) -> None:
    catalogue = world.folder / "catalogue"
    raw(catalogue, lambda t: [t.put(k, bytes([v[0] ^ 1]) + v[1:]) for k, v in list(t.cursor())[3:4]])
    put_seal(catalogue)  # as if it had rotted before the file was sealed
    assert any("catalogue" in line for line in repaired(world).done)
    assert repaired(world).done == ()


def test_the_catalogue_is_rebuilt_from_the_objects(world: World) -> None:
    data = world.folder / "catalogue" / "data.mdb"
    data.write_bytes(os.urandom(data.stat().st_size))
    repaired(world)
    embedded = world.fake.embedded
    assert world.sync().snapshot is None
    assert world.fake.embedded == embedded
    is_sound(world)


def test_a_torn_newest_record_is_set_aside_and_the_one_before_counts(world: World) -> None:
    newest = world.repo.log.numbers()[-1]
    world.repo.layout.record(newest).write_bytes(b"")
    before = all_aliases(world)
    with pytest.raises(Damage, match="repair"):
        world.another().rollback("v1")
    report = repaired(world)
    assert report.quarantined == (f"refs/{newest:012d}.json",)
    assert world.repo.state.current == "v2"  # what the torn record said is lost: it was a rollback
    assert world.repo.log.numbers()[-2:] == [newest + 1, newest + 2]
    assert all_aliases(world) == before
    assert world.repo.state.tags == {"good": "v1"}
    with pytest.raises(NothingToUndo):
        world.another().undo()
    is_sound(world)


def test_the_snapshot_of_a_torn_commit_is_found_again_by_its_manifest(world: World) -> None:
    world.put({"last.png": 70})
    assert world.sync().snapshot == "v4"
    expected = all_aliases(world)
    flip(world.repo.layout.record(world.repo.log.numbers()[-1]), 40)
    repaired(world)
    assert all_aliases(world) == expected
    assert world.repo.state.current == "v4"
    assert world.repo.state.next_v == 5
    is_sound(world)
    assert world.sync().embedded == 0


@pytest.mark.parametrize("which", range(7))
def test_any_one_record_can_be_lost(world: World, which: int) -> None:
    """The log is folded over the gap; of snapshots and vectors nothing is lost."""
    expected = all_aliases(world)
    numbers = world.repo.log.numbers()
    world.repo.layout.record(numbers[which]).write_bytes(b"rot")
    repaired(world)
    assert all_aliases(world) == expected
    is_sound(world)
    embedded = world.fake.embedded
    if world.repo.state.roots:
        world.sync()
        assert world.fake.embedded == embedded


def test_a_record_that_is_gone_is_folded_over(world: World) -> None:
    expected = all_aliases(world)
    world.repo.layout.record(world.repo.log.numbers()[3]).unlink()
    repaired(world)
    assert all_aliases(world) == expected
    is_sound(world)


def test_without_any_record_the_store_is_rebuilt_from_its_objects(world: World) -> None:
    expected = all_aliases(world)
    vectors = sorted(world.keys())
    for path in (world.folder / "refs").iterdir():
        path.write_bytes(b"rot")
    with pytest.raises(Damage):
        Store(world.folder)
    report = repaired(world)
    assert all_aliases(world) == expected
    assert sorted(world.keys()) == vectors
    assert any("FOLDER" in line for line in report.left), "where the folders lie is lost, and said so"
    assert world.repo.state.current == "v3"
    embedded = world.fake.embedded
    assert world.sync().snapshot is None
    assert world.fake.embedded == embedded
    is_sound(world)


@pytest.mark.parametrize("at", [3, 60, -1, -30, -100])
def test_lost_rows_are_computed_again_from_the_pictures(world: World, at: int) -> None:
    path = segment(world)
    size = path.stat().st_size
    flip(path, at % size)
    expected = all_aliases(world)
    repaired(world)
    assert all_aliases(world) == expected
    assert not [s for s in list(world.repo.listing.kept()) if s.degraded and s.name != "v1"]
    is_sound(world)


def test_a_segment_that_is_gone_is_computed_again_where_its_pictures_are(world: World) -> None:
    world.put({"00.png": 0})  # it was deleted, but v1 and v2 name it: put it back for a while
    embedded = world.fake.embedded
    expected = all_aliases(world)
    segment(world).unlink()
    report = repaired(world)
    assert report.embedded == 10
    assert world.fake.embedded == embedded + 10
    assert all_aliases(world) == expected
    assert report.degraded == ()
    is_sound(world)


def test_pictures_that_cannot_be_computed_again_leave_their_snapshots_which_are_marked(world: World) -> None:
    segment(world).unlink()
    report = repaired(world)
    assert [(loss.snapshot, loss.lost, loss.paths) for loss in report.degraded] == [
        ("v2", 1, (b"pictures/00.png",)),
        ("v1", 1, (b"pictures/00.png",)),
    ]
    assert {s.name: s.degraded for s in list(world.repo.listing.kept())} == {"v3": False, "v2": True, "v1": True}
    assert "pictures/00.png" not in world.aliases("v1")
    assert len(world.aliases("v1")) == 9
    is_sound(world)


def test_no_embed_lets_the_pictures_go_and_the_next_sync_brings_them_back(world: World) -> None:
    segment(world).unlink()
    report = repaired(world, no_embed=True)
    assert report.embedded == 0
    assert len(report.degraded) == 3
    assert len(world.aliases("v3")) == 5
    is_sound(world)
    assert world.sync().embedded == 9
    assert len(world.aliases("current")) == 14
    is_sound(world)


def test_pictures_that_a_repair_removed_come_back_though_no_file_has_changed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stat cache knows every file; only the snapshot is less than it was."""
    trust_young_stats(monkeypatch)
    world.sync()
    assert world.sync().snapshot is None
    segment(world).unlink()
    repaired(world, no_embed=True)
    assert world.repo.snapshot("current").degraded
    assert world.sync().embedded == 9
    assert len(world.aliases("current")) == 14
    is_sound(world)


def test_where_the_model_is_missing_nothing_is_taken_from_a_snapshot(world: World) -> None:
    expected = all_aliases(world)
    segment(world).unlink()

    def load(recipe: Mapping[str, Any]) -> Any:
        raise ModelError("the model is not here", "download it")

    report = Store.repair(world.folder, load_embedder=load)
    assert len(report.left) == 1
    assert "download it" in report.left[0]
    assert report.degraded == ()
    assert all_aliases(world) == expected
    assert repaired(world).embedded == 9


@pytest.mark.parametrize("harm", [lambda rows: rows[:, :4], lambda rows: rows[:-1]], ids=["narrow", "too few"])
def test_vectors_of_another_shape_are_neither_stored_nor_counted(world: World, harm: Callable[[Any], Any]) -> None:
    expected = all_aliases(world)
    segment(world).unlink()

    class Odd(FakeEmbedder):
        def embed_images(self, pictures: Sequence[Image]) -> Any:
            return harm(super().embed_images(pictures))

    report = Store.repair(world.folder, load_embedder=lambda recipe: Odd())
    assert report.embedded == 0
    assert "the model g" in report.left[0] and "use the model that the space was made with" in report.left[0]
    assert not any("computed" in line for line in report.done)
    assert all_aliases(world) == expected, "nothing is taken from a snapshot that may yet be made whole"
    assert repaired(world).embedded == 9
    is_sound(world)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_a_vector_without_a_direction_is_neither_stored_nor_counted(world: World, bad: float) -> None:
    before = world.aliases("v3")
    segment(world).unlink()

    odd: list[bytes] = []  # the first picture that it gets

    class Odd(FakeEmbedder):
        def embed_images(self, pictures: Sequence[Image]) -> Any:
            rows = super().embed_images(pictures)
            odd.append(pictures[0].tobytes())
            for row, picture in zip(rows, pictures, strict=True):
                row[:] = bad if picture.tobytes() == odd[0] else row
            return rows

    report = Store.repair(world.folder, load_embedder=lambda recipe: Odd())
    space = world.repo.snapshot("current").space
    rows = [row for ref in world.repo.state.segments(space) for row in world.repo.segment(ref).rows()]
    assert report.embedded == 8  # of ten pictures one is gone, and one had no vector
    assert len(world.aliases("v3")) == len(before) - 1
    assert np.isfinite(np.stack(rows)).all()
    is_sound(world)


def test_rows_of_a_damaged_footer_are_kept_without_the_pictures(world: World) -> None:
    shutil.rmtree(world.pictures)
    expected = all_aliases(world)
    flip(segment(world), segment(world).stat().st_size - 50)
    report = repaired(world)
    assert report.degraded == ()
    assert report.embedded == 0
    assert all_aliases(world) == expected
    with world.another() as store:
        assert store.check(read_data=True).ok


def test_a_damaged_key_costs_its_own_row_alone(world: World) -> None:
    path = segment(world)
    key = bytes.fromhex(world.key(4))
    data = path.read_bytes()
    flip(path, data.rindex(key) + 3)
    report = repaired(world)
    assert report.embedded == 1
    assert report.degraded == ()
    is_sound(world)


def test_a_lost_row_is_found_in_a_segment_that_no_record_names(world: World) -> None:
    spare = world.folder / "segments" / ("a" * 32 + ".faiss")
    shutil.copy(segment(world), spare)
    expected = all_aliases(world)
    segment(world).unlink()
    report = repaired(world)
    assert report.embedded == 0
    assert all_aliases(world) == expected
    is_sound(world)


def test_a_lost_row_is_found_in_a_journal(world: World) -> None:
    repo = world.repo
    seg = repo.segment(repo.state.segments(repo.snapshot("current").space)[0])
    writer = JournalWriter(world.folder / "journal", seg.footer.space.hex(), key_size=16, dim=8, dtype="float16")
    writer.append(seg.key_list(), rounded(seg.rows(), "float16"))
    writer.flush()
    writer.close()
    segment(world).unlink()
    report = repaired(world)
    assert (report.embedded, report.degraded) == (0, ())
    assert world.sync().embedded == 0
    assert not list((world.folder / "journal").iterdir())
    is_sound(world)


def packs_of(world: World) -> list[Path]:
    return [world.folder / "packs" / ref.name for ref in packs_by_age(world.repo)]


@pytest.mark.parametrize("where", ["footer", "table"])
def test_a_pack_without_its_table_is_read_blob_by_blob(world: World, where: str) -> None:
    expected = all_aliases(world)
    for path in packs_of(world):
        flip(path, path.stat().st_size - (20 if where == "footer" else 60))
    report = repaired(world)
    assert report.degraded == ()
    assert all_aliases(world) == expected
    is_sound(world)


def test_a_lost_manifest_is_rebuilt_bit_by_bit(world: World) -> None:
    repo = world.repo
    snapshot = repo.snapshot("v2")
    for path in packs_of(world):
        found = next(pack for pack in repo.packs.opened() if pack.ref.name == path.name)
        if found.get(snapshot.manifest) is not None:
            table = found.table
            at = table.index(snapshot.manifest)
            offset = int.from_bytes(table[at + 16 : at + 24], "little")
            flip(path, offset + 6)
    report = repaired(world)
    assert report.degraded == ()
    assert world.repo.snapshot("v2") == snapshot
    is_sound(world)


def test_a_snapshot_whose_pages_are_lost_is_marked_and_the_others_stay(world: World) -> None:
    expected = {name: aliases for name, aliases in all_aliases(world).items() if name != "v2"}
    packs_of(world)[2].unlink()  # what the commit of v2 wrote: its one page, its manifest
    report = repaired(world)
    assert [loss.snapshot for loss in report.degraded] == ["v2"]
    assert {name: aliases for name, aliases in all_aliases(world).items() if name != "v2"} == expected
    assert world.repo.snapshot("v2").degraded
    assert [row.degraded for row in world.another().snapshot_list()] == [False, True, False]
    is_sound(world)
    world.put({"new.png": 81})
    assert world.sync().snapshot == "v4"


def test_a_current_snapshot_that_lost_its_pages_is_made_whole_by_the_next_sync(world: World) -> None:
    packs_of(world)[3].unlink()
    assert [loss.snapshot for loss in repaired(world).degraded] == ["v3"]
    report = world.sync()
    assert report.embedded == 0
    assert report.paths == 14
    is_sound(world)


def test_the_format_is_read_off_the_other_files(world: World) -> None:
    expected = all_aliases(world)
    for act in (lambda path: path.write_bytes(b"{"), lambda path: path.unlink()):
        act(world.folder / "FORMAT")
        report = repaired(world)
        assert "FORMAT" in report.done[0]
        assert all_aliases(world) == expected
        assert world.sync().embedded == 0
    is_sound(world)


def test_a_store_of_a_later_format_is_not_repaired_though_its_format_rotted(world: World) -> None:
    """Its records say what it is, too."""
    repo = world.repo
    path = repo.layout.record(repo.log.numbers()[-1])
    line = canonical({**json.loads(path.read_bytes().split(b"\n")[0]), "vstore": NEWEST + 1}) + b"\n"
    path.write_bytes(line + repo.hash.digest(line).hex().encode() + b"\n")
    flip(world.folder / "FORMAT", 12)
    before = digests(world.folder)
    with pytest.raises(FormatTooNew):
        repaired(world)
    assert digests(world.folder) == before


def test_a_repair_without_a_store_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(NoStore):
        Store.repair(tmp_path / "nowhere")
    assert not list(tmp_path.iterdir())


def test_a_dry_run_writes_nothing_and_reports_the_losses(world: World) -> None:
    flip(packs_of(world)[1], 20)
    segment(world).unlink()
    before = digests(world.folder)
    embedded = world.fake.embedded
    dry = repaired(world, dry_run=True)
    assert digests(world.folder) == before
    assert world.fake.embedded == embedded
    real = repaired(world)
    assert real.embedded == dry.embedded
    assert {loss.snapshot: loss.lost for loss in dry.degraded} == {loss.snapshot: loss.lost for loss in real.degraded}


def test_damaged_files_stay_in_quarantine(world: World) -> None:
    path = segment(world)
    flip(path, 200)
    damaged = path.read_bytes()
    repaired(world)
    assert (world.folder / "quarantine" / path.name).read_bytes() == damaged
    assert not path.exists()


def test_a_repair_that_is_cut_short_makes_nothing_worse(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put({"00.png": 0})
    expected = all_aliases(world)
    segment(world).unlink()

    def fail(*args: Any, **options: Any) -> None:
        raise Damage("cut short")

    with monkeypatch.context() as patched:
        patched.setattr(Oplog, "append", fail)
        with pytest.raises(Damage):
            repaired(world)
    embedded = world.fake.embedded
    repaired(world)
    assert world.fake.embedded == embedded, "what the first repair computed lies in its journal, or in a segment"
    assert all_aliases(world) == expected
    is_sound(world)


def test_gc_after_a_repair_frees_the_older_records(world: World) -> None:
    world.repo.layout.record(world.repo.log.numbers()[-1]).write_bytes(b"")
    repaired(world)
    expected = all_aliases(world)
    world.another().gc()
    assert len(world.repo.log.numbers()) == 2
    assert all_aliases(world) == expected
    is_sound(world)


def test_old_records_that_survive_a_gc_in_part_do_no_harm(world: World) -> None:
    """A power cut may bring some unlinked records back: they are no longer part of the log."""
    kept = {path.name: path.read_bytes() for path in (world.folder / "refs").iterdir()}
    before = world.store.log()
    world.store.gc()
    for name in sorted(kept)[1::2]:
        (world.folder / "refs" / name).write_bytes(kept[name])
    with world.another() as store:
        assert store.check(read_data=True).ok
        assert [row.op for row in store.log()[: -len(before)]] == ["gc"]
        assert store.log()[1:] == before, "none is listed twice"
        with pytest.raises(NothingToUndo):
            store.undo()
        store.rollback("v1")
        assert store.undo().current == "v3"
        store.gc()
    assert len(Repository(world.folder).log.numbers()) == 2


def test_the_first_record_may_be_gone(world: World) -> None:
    for path in sorted((world.folder / "refs").iterdir())[:1]:
        path.unlink()
    expected = all_aliases(world)
    repaired(world)
    assert all_aliases(world) == expected
    is_sound(world)


def test_a_damaged_segment_that_two_spaces_list_is_repaired_for_both(world: World) -> None:
    world.put({"00.png": 0})
    repo = world.repo
    space = repo.snapshot("current").space
    recipe = {**repo.recipe(space), "name": "twin"}
    add_space(repo, recipe, "twin")
    twin = space_id(recipe)
    with repo.committing("check"):  # as where an import turns out to be of another model than it said
        _, changes, blobs = new_snapshot(repo, twin, repo.tree(repo.snapshot("v3")), 14, None, "")
        changes["segments"] = {twin: listed_segments(repo.state.segments(space))}
        changes["packs"] = repo.write_blobs(blobs)
        repo.publish("model use", changes)
    expected = all_aliases(world)
    flip(segment(world), 100)
    report = repaired(world)
    assert len(report.quarantined) == 1
    assert all_aliases(world) == expected
    with world.another() as store:
        found = store.check(read_data=True)
        assert found.ok, found.problems
    assert not repaired(world).changed


@pytest.mark.parametrize("number", [errno.EACCES, errno.EMFILE])
@pytest.mark.parametrize("folder", ["segments", "packs", "refs"])
def test_a_file_without_read_permission_is_not_a_damaged_file(
    world: World, monkeypatch: pytest.MonkeyPatch, folder: str, number: int
) -> None:
    """What another user wrote, or one file too many that is open: repair would give up what is whole."""
    import builtins
    import io

    path = max((world.folder / folder).iterdir())
    before = digests(world.folder)

    def refuses(real: Any) -> Any:
        def opened(file: Any, *args: Any, **options: Any) -> Any:
            if not isinstance(file, int) and os.path.basename(file) == path.name:
                raise OSError(number, os.strerror(number), str(path))
            return real(file, *args, **options)

        return opened

    with monkeypatch.context() as patched:
        for module, name in ((os, "open"), (io, "open"), (builtins, "open")):
            patched.setattr(module, name, refuses(getattr(module, name)))
        with pytest.raises(VstoreError, match=r"cannot (be )?read") as caught:
            repaired(world)
    assert isinstance(caught.value, SystemLimit) == (number == errno.EMFILE)
    assert digests(world.folder) == before
    is_sound(world)


def test_a_disk_that_hesitates_once_costs_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bus that was reset, a cable: what is read a second time is there, and was never lost."""
    with monkeypatch.context() as patched:
        counting = Hesitating()
        patched.setattr(durable, "disk", counting)
        assert not repaired(world, dry_run=True).changed
    before, expected = digests(world.folder), all_aliases(world)
    for at in range(counting.reads):
        with monkeypatch.context() as patched:
            patched.setattr(durable, "disk", Hesitating(at))
            report = repaired(world)
        assert (report.done, report.degraded, report.left) == ((), (), ()), at
    assert digests(world.folder) == before
    assert all_aliases(world) == expected


@pytest.mark.parametrize("blob", ["names", "vectors", "half of the vectors"])
def test_rows_that_an_import_left_over_and_that_are_lost_are_named_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blob: str
) -> None:
    if blob == "half of the vectors":
        monkeypatch.setattr(leftovers, "BLOCK", 1)
        monkeypatch.setattr("vstore.importing.finishing.BLOCK", 1)
        monkeypatch.setattr("vstore.repair.leftovers.BLOCK", 1)
    old, fake = OldIndex(tmp_path), FakeEmbedder()
    for name in ("p04.png", "p05.png"):
        (old.pictures / name).unlink()
    made = old.new(recipe=fake.recipe)
    repo = old.repo
    assert made.import_id is not None
    kept = repo.state.imports[made.import_id]
    lost = kept.names if blob == "names" else kept.vectors[-1]
    for ref in repo.state.packs:
        if lost in set(Pack(repo.layout.packs, ref, repo.hash).digests()):
            (repo.layout.packs / ref.name).unlink()
    report = Store.repair(old.folder, load_embedder=lambda recipe: fake)
    assert any("set aside are lost" in line for line in report.done)
    assert not Store.repair(old.folder, load_embedder=lambda recipe: fake).changed
    left = old.repo.state.imports
    if blob == "half of the vectors":
        found = left[made.import_id]
        assert [row.path for row in leftovers.left_rows(old.repo, found)] == [b"../o00_images/p04.png"]
        rows = leftovers.LeftVectors(old.repo, found).block(0, 1)
        assert rows.tobytes() == old.rows[4:5].astype(np.float16).tobytes()
    else:
        assert left == {}
    with Store(old.folder, load_embedder=lambda recipe: fake) as store:
        assert store.check(read_data=True).ok
        store.gc()
        old.put({"new.png": 100})
        assert store.sync([old.pictures]).embedded == 1


def test_a_snapshot_without_record_and_manifest_is_reported_as_lost(world: World) -> None:
    repo = world.repo
    pack = next(ref for ref in repo.state.packs if repo.snapshot("v2").manifest in set(packed(repo, ref)))
    number = next(r.number for r in repo.records() if "v2" in r.changes.get("snapshots", {}))
    later = [r.number for r in repo.records() if r.whole is not None and r.number > number]
    (repo.layout.packs / pack.name).unlink()
    for record in (number, *later):
        flip(repo.layout.record(record), 40)
    report = repaired(world)
    assert "v2" not in all_aliases(world)
    assert any(line.startswith("v2: neither") for line in report.left), report


def packed(repo: Repository, ref: FileRef) -> list[bytes]:
    pack = Pack(repo.layout.packs, ref, repo.hash)
    try:
        return list(pack.digests())
    finally:
        pack.close()


def test_pictures_on_a_disk_that_is_not_mounted_are_taken_from_no_snapshot(world: World) -> None:
    expected = all_aliases(world)
    segment(world).unlink()
    away = world.pictures.rename(world.top / "away")
    assert repaired(world, dry_run=True).degraded == ()
    report = repaired(world)
    assert report.degraded == ()
    assert all_aliases(world) == expected
    assert any("mount it" in line for line in report.left)
    with world.another() as store:
        assert not store.check().ok
        with pytest.raises(Damage):
            store.gc()
    away.rename(world.pictures)
    world.put({"00.png": 0})
    report = repaired(world)
    assert (report.embedded, report.degraded, report.left) == (10, (), ())
    assert all_aliases(world) == expected
    is_sound(world)


def test_pictures_whose_folder_is_gone_for_good_are_let_go_where_that_is_asked_for(world: World) -> None:
    segment(world).unlink()
    shutil.rmtree(world.pictures)
    repaired(world)
    assert [loss.snapshot for loss in repaired(world, no_embed=True).degraded] == ["v3", "v2", "v1"]
    is_sound(world)


def test_a_log_whose_oldest_records_are_missing_starts_again(world: World) -> None:
    log, layout = world.repo.log, world.repo.layout
    whole = next(number for number in log.numbers()[1:] if log.read(number).whole is not None)
    for number in range(1, whole):
        layout.record(number).unlink()
    expected = all_aliases(world)
    with world.another() as store:
        assert [problem.file for problem in store.check().problems] == [f"refs/{whole:012d}.json"]
    assert repaired(world).changed
    assert all_aliases(world) == expected
    with world.another() as store:
        assert store.check(read_data=True).ok
    assert not repaired(world).changed


def test_the_beginning_of_a_long_log_is_looked_for_once() -> None:
    class Counted(dict[int, Record]):
        looks = 0

        def items(self) -> ItemsView[int, Record]:
            self.looks += 1
            return super().items()

    sound = Counted()
    for number in range(1, 6):
        sound[number] = Record(number, "sync", "", "", str(number - 1) if number > 1 else "", {}, digest=str(number))
    assert not log._chain_is_broken(sound)
    assert sound.looks == 1
    del sound[3]
    assert log._chain_is_broken(sound)
