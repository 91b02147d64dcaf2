from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.builder import RECIPE, Builder, unit_vectors
from support.failing_disks import Watched, disk
from support.folders import World, digests, drawn, during, newest_pack, packs_by_age

from vstore.check.report import CheckReport
from vstore.check.run import check
from vstore.disk.footer import BLOCK
from vstore.disk.journal import JournalWriter
from vstore.errors import Damage
from vstore.format.entries import Snapshot
from vstore.format.manifest import Manifest
from vstore.format.pages import encode_leaf
from vstore.format.recipes import space_id
from vstore.format.tree import Tree
from vstore.repository.add_space import add_space
from vstore.repository.repository import Repository
from vstore.store import Store
from vstore.testing import FakeEmbedder

__all__ = ["disk"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Two syncs: two segments, three packs, three records."""
    world = World(tmp_path)
    world.put({"a/1.png": 1, "a/2.png": 2, "3.png": 3})
    world.sync()
    world.put({"4.png": 4, "5.png": 5})
    world.sync()
    return world


def looked(world: World | Builder, *, read_data: bool = True) -> CheckReport:
    folder = world.folder if isinstance(world, World) else world.repo.layout.folder
    return check(Repository(folder), read_data=read_data)


def sound(report: CheckReport) -> bool:
    assert report.problems == ()
    return report.ok


def segments(world: World) -> list[Path]:
    repo = world.repo
    (space,) = repo.state.spaces
    return [repo.layout.segments / ref.name for ref in repo.state.segments(space)]


def spoil(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


# Stores that are whole


def test_a_sound_store_is_found_sound_and_nothing_in_it_is_touched(world: World) -> None:
    before = digests(world.folder, without=("cache", "locks"))
    for read_data in (False, True):
        report = looked(world, read_data=read_data)
        assert sound(report)
        assert (report.records, report.snapshots, report.segments, report.packs) == (3, 2, 2, 3)
        assert report.notes == ()
    assert report.verified == report.files == 5
    assert report.bytes_read >= sum(path.stat().st_size for path in segments(world))
    assert digests(world.folder, without=("cache", "locks")) == before


def test_a_store_without_snapshots_is_sound(tmp_path: Path) -> None:
    Store.init(tmp_path / ".vstore")
    with Store(tmp_path / ".vstore") as store:
        assert store.check(read_data=True).ok


@pytest.mark.parametrize("options", [{"hash": "sha256"}, {"dtype": "float32"}])
def test_every_kind_of_store_is_sound(tmp_path: Path, options: dict[str, str]) -> None:
    builder = Builder(tmp_path / ".vstore", **options)
    keys = [builder.repo.hash.digest(bytes([n])) for n in range(20)]
    builder.add_pictures({b"p/%d" % n: (key, unit_vectors(1, seed=n)[0]) for n, key in enumerate(keys)})
    builder.add_snapshot({})
    assert sound(looked(builder))


def test_many_snapshots_of_many_pages_are_sound(tmp_path: Path) -> None:
    builder = Builder(tmp_path / ".vstore")
    keys = [builder.repo.hash.digest(b"%d" % n) for n in range(2000)]
    builder.add_segment(keys, unit_vectors(2000))
    for number in range(8):
        builder.add_snapshot({b"p/%05d" % n: keys[n] for n in range(number * 10, 2000 - number)})
    report = looked(builder)
    assert sound(report)
    assert report.snapshots == 8


def test_segments_that_were_merged_put_in_another_order_or_overlap_are_sound(tmp_path: Path) -> None:
    builder = Builder(tmp_path / ".vstore")
    keys = [builder.repo.hash.digest(b"%d" % n) for n in range(30)]
    builder.add_segment(keys[:20], unit_vectors(20))
    builder.add_segment(keys[10:], unit_vectors(20, seed=1))  # ten keys stand twice: the first row wins
    builder.add_snapshot({b"p/%d" % n: key for n, key in enumerate(keys)})
    builder.list_segments(builder.repo.state.segments(builder.space)[::-1])
    assert sound(looked(builder))


def test_a_key_at_the_end_of_one_block_of_rows_and_the_start_of_the_next(tmp_path: Path) -> None:
    builder = Builder(tmp_path / ".vstore")
    keys = [builder.repo.hash.digest(b"%d" % n) for n in range(BLOCK + 1)]
    builder.add_segment(keys, unit_vectors(BLOCK + 1))
    builder.add_snapshot({b"p/%05d" % n: key for n, key in enumerate(keys)})
    assert sound(looked(builder))


def test_roots_that_were_taken_in_by_a_wider_one_are_sound(world: World) -> None:
    world.sync(world.pictures.parent)
    assert sound(looked(world))


def test_snapshots_that_were_rolled_back_undone_and_tagged_are_sound(world: World) -> None:
    world.store.rollback("v1", hold=True)
    world.store.snapshot_tag("v2", "tag")
    world.store.undo()
    world.store.rollback(release=True)
    assert sound(looked(world))


def test_files_of_a_killed_run_are_noted_and_are_no_damage(world: World) -> None:
    class Killed(BaseException):
        pass

    def kill() -> None:
        raise Killed

    world.put({f"more {n}.png": 100 + n for n in range(40)})
    during(world.fake, kill, batch=world.fake.calls + 2)
    with pytest.raises(Killed):
        world.sync()
    for folder in ("refs", "packs", "segments", "journal"):
        (world.folder / folder / (".tmp-ingest-" + "0" * 32)).write_bytes(b"half")
    for name in ("packs/" + "1" * 32 + ".pack", "segments/" + "1" * 32 + ".faiss"):
        (world.folder / name).write_bytes(b"an unused file")
    report = looked(world)
    assert sound(report)
    assert set(report.notes) == {
        "vectors in journals: 16 (the next sync stores them)",
        "unused files in packs/: 1 (gc deletes them)",
        "unused files in segments/: 1 (gc deletes them)",
        *(f"unfinished files in {folder}/: 1" for folder in ("refs", "packs", "segments", "journal")),
    }


def test_a_journal_with_a_damaged_head_is_no_damage(world: World) -> None:
    (world.folder / "journal" / ("ab" * 32 + "-" + "0" * 32)).write_bytes(b"vjourn01 and then nothing")
    assert sound(looked(world))


def test_a_journal_that_cannot_be_read_is_a_problem_among_others(world: World, disk: Watched) -> None:
    writer = JournalWriter(
        world.folder / "journal", world.repo.snapshot("current").space, key_size=16, dim=8, dtype="float16"
    )
    writer.append([bytes(16)], np.ones((1, 8), np.float16))
    writer.close()
    pack = newest_pack(world.repo).name
    disk.fail("pread", errno.EIO, on=writer.path.name).fail("look", errno.EIO, on=pack)
    with world.another() as store:
        report = store.check()
    files = {problem.file for problem in report.problems}
    assert {f"journal/{writer.path.name}", f"packs/{pack}"} <= files


@pytest.mark.parametrize("name", ["catalogue", "cache", "locks", "quarantine", "journal"])
def test_a_folder_that_can_be_made_again_may_be_missing(world: World, name: str) -> None:
    path = world.folder / name
    if path.is_dir():
        for file in path.iterdir():
            file.unlink()
        path.rmdir()
    assert sound(looked(world))


# Damage to files


def only(report: CheckReport, file: str) -> Any:
    """The one problem of a file."""
    found = [problem for problem in report.problems if problem.file == file]
    assert len(found) == 1, report.problems
    return found[0]


def test_damaged_rows_are_reported_with_their_pictures(world: World) -> None:
    path = segments(world)[0]
    spoil(path, 90)
    assert looked(world, read_data=False).ok  # rows are read on request
    report = looked(world)
    (problem,) = report.problems
    assert problem.file == f"segments/{path.name}"
    assert problem.rows == (0, 2)
    assert problem.what == "rows 0 to 2 do not match their checksums"
    assert sorted(problem.paths) == [b"pictures/3.png", b"pictures/a/1.png", b"pictures/a/2.png"]
    assert problem.next == "run: vstore repair"
    assert problem.to_json()["rows"] == [0, 2]


def test_each_damaged_block_of_rows_is_reported_by_itself(tmp_path: Path) -> None:
    builder = Builder(tmp_path / ".vstore")
    count = 2 * BLOCK + 100
    keys = [builder.repo.hash.digest(b"%d" % n) for n in range(count)]
    ref = builder.add_segment(keys, unit_vectors(count))
    builder.add_snapshot({b"p/%05d" % n: keys[n] for n in (0, 5, BLOCK, 2 * BLOCK + 99)})
    path = builder.repo.layout.segments / ref.name
    spoil(path, 81)
    spoil(path, 81 + (2 * BLOCK + 50) * 16)
    report = looked(builder)
    assert [(p.rows, p.paths) for p in report.problems] == [
        ((0, BLOCK - 1), (b"p/00000", b"p/00005")),
        ((2 * BLOCK, count - 1), (b"p/08291",)),
    ]


@pytest.mark.parametrize(
    ("at", "what"),
    [
        (3, "its header does not match its checksum"),
        (-129, "its checksums do not match their own checksum"),
        (-137, "its keys do not match their checksum"),
        (-1, "its footer does not match its checksum"),
        (-100, "its footer does not match its checksum"),
    ],
)
def test_damage_round_the_rows_is_reported_with_its_part(world: World, at: int, what: str) -> None:
    path = segments(world)[1]
    spoil(path, at)
    problem = only(looked(world), f"segments/{path.name}")
    assert what in problem.what
    assert problem.next == "run: vstore repair"
    if "footer" in what or "keys" in what:
        missing = only(looked(world, read_data=False), "snapshot v2")
        assert missing.what == "some of its pictures have no vector"
        assert missing.paths == (b"pictures/4.png", b"pictures/5.png")


@pytest.mark.parametrize("which", [0, 1])
def test_a_segment_that_is_gone_or_cut_is_reported_with_its_pictures(world: World, which: int) -> None:
    path = segments(world)[which]
    os.truncate(path, path.stat().st_size - 1)
    cut = looked(world, read_data=False)
    path.unlink()
    gone = looked(world, read_data=False)
    assert "bytes instead of" in only(cut, f"segments/{path.name}").what
    assert only(gone, f"segments/{path.name}").what == "it is missing"
    for report in (cut, gone):
        touched = {problem.file: problem.paths for problem in report.problems if problem.file.startswith("snapshot")}
        assert list(touched) == (["snapshot v2", "snapshot v1"], ["snapshot v2"])[which]
        assert b"pictures/3.png" in touched["snapshot v2"] or which


def test_a_segment_with_the_bytes_of_another_is_reported(world: World) -> None:
    one, other = segments(world)
    data = one.read_bytes()
    one.write_bytes(other.read_bytes().ljust(len(data), b"\0")[: len(data)])
    assert not looked(world, read_data=False).ok
    one.write_bytes(data)
    assert sound(looked(world))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.99])
def test_a_damaged_pack_is_reported_with_the_snapshots_that_it_touches(world: World, share: float) -> None:
    ref = newest_pack(world.repo)
    path = world.folder / "packs" / ref.name
    spoil(path, int(path.stat().st_size * share))
    report = looked(world)
    assert any(problem.file == f"packs/{ref.name}" for problem in report.problems)
    assert not any(problem.file == "snapshot v1" for problem in report.problems)
    assert all(problem.next.startswith("run: vstore repair") for problem in report.problems)


def test_a_pack_that_is_gone_is_reported(world: World) -> None:
    ref = packs_by_age(world.repo)[1]
    (world.folder / "packs" / ref.name).unlink()
    report = looked(world)
    assert only(report, f"packs/{ref.name}").what == "it is missing"


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("harm", ["flip", "cut", "gone"])
def test_a_damaged_record_is_reported_and_hides_nothing_else(world: World, number: int, harm: str) -> None:
    path = world.repo.layout.record(number)
    repo = Repository(world.folder)  # opened before: a store whose log is damaged may not open
    if harm == "flip":
        spoil(path, path.stat().st_size // 2)
    elif harm == "cut":
        os.truncate(path, path.stat().st_size // 2)
    else:
        path.unlink()
    report = check(repo, read_data=True)
    if (number, harm) == (3, "gone"):
        assert [problem.file for problem in report.problems] == []  # nobody can tell it from one never written
        return
    assert any(problem.file.startswith("refs") for problem in report.problems)
    if harm != "gone":
        assert only(report, f"refs/{number:012d}.json").next == "run: vstore repair"


def test_the_first_damage_does_not_hide_the_next(world: World) -> None:
    for path in segments(world):
        spoil(path, 90)
    pack = newest_pack(world.repo)
    path = world.folder / "packs" / pack.name
    spoil(path, 12)
    files = {problem.file for problem in looked(world).problems}
    assert {f"segments/{path.name}" for path in segments(world)} | {f"packs/{pack.name}"} <= files


# What every checksum agrees with, and is wrong all the same


@pytest.fixture
def built(tmp_path: Path) -> Builder:
    builder = Builder(tmp_path / ".vstore")
    hash = builder.repo.hash
    builder.add_pictures({b"p/%d" % n: (hash.digest(b"%d" % n), unit_vectors(1, seed=n)[0]) for n in range(5)})
    return builder


def publish(builder: Builder, changes: dict[str, Any]) -> None:
    with builder.repo.committing("sync"):
        builder.repo.publish("sync", changes)


def forge(builder: Builder, page: bytes, paths: int, images: int, **fields: Any) -> None:
    """Publish a snapshot v2 whose tree is one page, whatever it holds."""
    repo = builder.repo
    root = repo.hash.digest(page)
    manifest = Manifest("v2", builder.space, root, paths, images, "2026-01-01T00:00:00Z", "", None, False)
    manifest = manifest._replace(**{k: v for k, v in fields.items() if k in manifest._fields})
    data = manifest.to_bytes()
    digest = repo.hash.digest(data)
    id = fields.get("id", manifest.content_id(repo.hash))
    listed = fields.get("listed", paths)
    snapshot = Snapshot("v2", id, digest, builder.space, listed, images, manifest.time)
    with repo.committing("sync"):
        blobs = {root: page, digest: data}
        repo.publish(
            "sync", {"packs": repo.write_blobs(blobs), "snapshots": {"v2": snapshot.to_json()}, "current": "v2"}
        )


def leaf(builder: Builder, *numbers: int, order: Callable[[Any], Any] = sorted) -> bytes:
    return encode_leaf(order([(b"p/%d" % n, builder.repo.hash.digest(b"%d" % n)) for n in numbers]))


def test_a_forged_snapshot_that_is_right_is_sound(built: Builder) -> None:
    forge(built, leaf(built, 1, 2), 2, 2)
    assert sound(looked(built))


WRONG: dict[str, tuple[Callable[[Builder], None], str]] = {
    "no vector": (lambda b: forge(b, leaf(b, 1, 9), 2, 2), "some of its pictures have no vector"),
    "count of paths": (lambda b: forge(b, leaf(b, 1, 2), 3, 2), "it has 2 paths and 2 pictures"),
    "count of pictures": (lambda b: forge(b, leaf(b, 1, 2), 2, 1), "it has 2 paths and 2 pictures"),
    "count in the log": (
        lambda b: forge(b, leaf(b, 1), 1, 1, listed=2),
        "its manifest and the log disagree about its counts",
    ),
    "id": (lambda b: forge(b, leaf(b, 1), 1, 1, id="ab" * 16), "its id does not match its content"),
    "name": (lambda b: forge(b, leaf(b, 1), 1, 1, name="v9"), "its manifest is that of v9"),
    "space": (lambda b: forge(b, leaf(b, 1), 1, 1, space="ee" * 32), "its manifest is that of"),
    "order": (lambda b: forge(b, leaf(b, 1, 2, order=lambda x: x[::-1]), 2, 2), "its paths are out of order"),
    "twice": (lambda b: forge(b, leaf(b, 1, 1, order=list), 2, 1), "its paths are out of order"),
    "no page": (lambda b: forge(b, b"vp0 and then what?", 1, 1), "cannot be read"),
    "other bytes": (lambda b: forge(b, b"not a page", 1, 1), "does not begin as FORMAT.md says"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_snapshot_with_right_checksums_is_reported(built: Builder, name: str) -> None:
    make, what = WRONG[name]
    make(built)
    for read_data in (False, True):
        assert what in only(looked(built, read_data=read_data), "snapshot v2").what


def test_pages_that_are_cut_in_another_way_are_reported(tmp_path: Path) -> None:
    """Two stores with the same pictures would differ in their ids."""
    builder = Builder(tmp_path / ".vstore")
    hash = builder.repo.hash
    keys = [hash.digest(b"%d" % n) for n in range(500)]
    builder.add_segment(keys, unit_vectors(500))
    builder.add_snapshot({b"p/%d" % n: keys[n] for n in range(5)})
    aliases = sorted((b"p/%04d" % n, key) for n, key in enumerate(keys))
    assert len(Tree.empty(hash, builder.repo.packs.get).edited(dict(aliases)).leaves) > 1
    forge(builder, encode_leaf(aliases), 500, 500)
    assert looked(builder, read_data=False).ok
    assert only(looked(builder), "snapshot v2").what == "its pages are not cut as FORMAT.md says"


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"current": "v7"}, "current is v7"),
        ({"hold": "v7"}, "the hold is v7"),
        ({"tags": {"best": "v7"}}, "the tag best is v7"),
        ({"tags": {"best": "v1"}, "snapshots": {"v1": {"kept": False}}, "current": None}, "the tag best is v1"),
    ],
)
def test_names_without_a_snapshot_are_reported(built: Builder, changes: dict[str, Any], what: str) -> None:
    publish(built, changes)
    assert what in only(looked(built, read_data=False), "refs").what


def test_segments_of_a_space_that_is_not_known_are_reported(built: Builder) -> None:
    listed = built.repo.state.document["segments"][built.space]
    publish(built, {"segments": {"ee" * 32: listed}})
    assert "unknown space" in only(looked(built), "refs").what


def test_a_recipe_of_another_space_is_reported(built: Builder) -> None:
    repo = built.repo
    other = {**RECIPE, "name": "another"}
    add_space(built.repo, other, "another")
    recipe = repo.state.document["spaces"][space_id(other)]["recipe"]
    publish(built, {"spaces": {built.space: {**repo.state.document["spaces"][built.space], "recipe": recipe}}})
    assert "another space" in only(looked(built), "space fake-1").what


def test_rows_that_do_not_fit_their_space_are_reported(built: Builder) -> None:
    built.dim = 16
    ref = built.add_segment([built.repo.hash.digest(b"x")], np.ones((1, 16), np.float32) / 4)
    assert "do not fit its space" in only(looked(built), f"segments/{ref.name}").what


def test_a_log_of_two_stores_is_reported(world: World, tmp_path: Path) -> None:
    """A record of another store, sound in itself, in the place of one of this store."""
    other = World(tmp_path / "other", FakeEmbedder())
    other.put({"x.png": 9})
    other.sync()
    repo = Repository(world.folder)
    world.repo.layout.record(2).write_bytes(other.repo.layout.record(2).read_bytes())
    report = check(repo)
    assert only(report, "refs/000000000002.json").what == "it does not follow record 1"


def test_json_names_paths_that_are_not_utf8(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.put({b"\xff.png": 1})  # type: ignore[dict-item]
    world.sync()
    spoil(segments(world)[0], 90)
    (problem,) = looked(world).to_json()["problems"]
    assert problem["paths"] == [{"path": "pictures/�.png", "path_b64": "cGljdHVyZXMv/y5wbmc="}]
    assert looked(world).to_json()["ok"] is False


def test_a_damaged_store_gives_no_answer_from_damaged_bytes(world: World) -> None:
    """What check finds, search refuses: the same bytes are proved by both."""
    path = segments(world)[0]
    from vstore.search.query import Operand

    (world.top / "query.png").write_bytes(drawn(1))
    query = [Operand(1.0, os.fsencode(world.top / "query.png"))]
    for at in range(0, path.stat().st_size, 37):
        spoil(path, at)
        with pytest.raises(Damage, match=path.name):
            world.another().search(query)
        spoil(path, at)
    assert world.another().search(query).hits[0].score == 1.0
