"""An opened store: what it is made of, how snapshots are named, reading while others write, and the commit."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.builder import Builder, unit_vectors
from support.failing_disks import Acting, Watched, disk
from support.folders import World

from vstore.disk import durable
from vstore.disk.lock import Lock
from vstore.disk.reserve import RESERVE
from vstore.disk.segments import Segment
from vstore.errors import (
    AmbiguousSnapshot,
    Damage,
    DiskTrouble,
    FormatTooNew,
    Locked,
    NoStore,
    SnapshotNotFound,
    UsageError,
    VstoreError,
)
from vstore.format import small_files
from vstore.format.canonical import canonical
from vstore.format.hashing import HASHES, checksum, store_hash
from vstore.format.layout import DTYPES, FORMAT_VERSION, Layout
from vstore.intake.keeper import recover
from vstore.repository.create import create_store
from vstore.repository.repository import Repository
from vstore.search.query import Operand
from vstore.store import Store
from vstore.sync.merge import merge_small

__all__ = ["disk"]
SOURCE = str(Path(durable.__file__).parents[2])
HASH = store_hash("xxh3_128")


def key(number: int) -> bytes:
    return HASH.digest(b"%d" % number)


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    return Builder(tmp_path / ".vstore")


def aliases(*numbers: int) -> dict[bytes, Any]:
    vectors = unit_vectors(100)
    return {b"r/%d.png" % i: (key(i), vectors[i]) for i in numbers}


# Making a store


@pytest.mark.parametrize("hash", HASHES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_store_is_made_of_what_format_says(tmp_path: Path, hash: str, dtype: str) -> None:
    folder = tmp_path / ".vstore"
    repo = create_store(folder, hash, dtype)
    assert sorted(os.listdir(folder)) == sorted([p.name for p in repo.layout.folders()] + ["FORMAT", "reserve"])
    assert (folder / "reserve").read_bytes() == bytes(RESERVE)
    text = (folder / "FORMAT").read_bytes()
    form = json.loads(text)
    assert (form["format"], form["hash"], form["dtype"], form["store"]) == (FORMAT_VERSION, hash, dtype, repo.store_id)
    assert text.endswith(b"}\n") and text.count(b"\n") == 1
    again = Repository(folder)
    assert (again.store_id, again.hash.name, again.dtype) == (repo.store_id, hash, dtype)
    assert again.state.document == {}


def test_the_name_format_comes_last_and_everything_is_flushed(tmp_path: Path, disk: Watched) -> None:
    create_store(tmp_path / ".vstore")
    links = [at for at, call in enumerate(disk.calls) if call == ("link", "FORMAT")]
    after = disk.calls[links[0] + 1 :]
    assert len(links) == 1
    assert not [call for call, _ in after if call in ("mkdir", "rename", "link", "write")]
    assert ("fsync", ".vstore") in after
    assert ("fsync", tmp_path.name) in disk.calls


def test_half_a_store_is_no_store_and_is_made_whole_by_the_next_attempt(tmp_path: Path, disk: Watched) -> None:
    folder = tmp_path / ".vstore"
    (tmp_path / "count").mkdir()
    Store.init(tmp_path / "count" / ".vstore")
    calls = sorted({(call, path) for call, path in disk.calls if call != "read"})
    for call, path in calls:
        shutil.rmtree(folder, ignore_errors=True)
        disk.heal()
        disk.fail(call, errno.EIO, path)
        with contextlib.suppress(VstoreError):
            Store.init(folder)
        disk.heal()
        if not (folder / "FORMAT").exists():
            with pytest.raises(NoStore):
                Repository(folder)
        if not (folder / "FORMAT").exists() or not Repository(folder).tip.highest:
            Store.init(folder)
        assert Repository(folder).state.start_space is not None
        leftovers = [p for p in folder.rglob("*") if p.name.startswith(durable.TEMPORARY)]
        assert not leftovers or call == "unlink"


def test_making_a_store_that_was_killed_before_its_first_record_is_gone_on_with(tmp_path: Path) -> None:
    folder = tmp_path / ".vstore"
    store_id = create_store(folder, "sha256", "float32").store_id
    with pytest.raises(UsageError, match=r"a store was begun at .* with --hash sha256 --store-dtype float32"):
        Store.init(folder)
    report = Store.init(folder, hash="sha256", store_dtype="float32")
    assert report.id == store_id
    with pytest.raises(UsageError, match=r"a store already exists at"):
        Store.init(folder, hash="sha256", store_dtype="float32")
    with Store(folder) as store:
        assert [row.op for row in store.log()] == ["init"]


def test_a_store_is_never_made_over_another_one_whatever_its_state(builder: Builder) -> None:
    builder.add_pictures(aliases(1))
    folder = builder.repo.layout.folder
    form = json.loads((folder / "FORMAT").read_bytes())
    for text in (b"garbage", json.dumps({**form, "format": 99}).encode()):
        (folder / "FORMAT").write_bytes(text)
        with pytest.raises(UsageError, match=r"a store already exists at"):
            create_store(folder)
        assert (folder / "FORMAT").read_bytes() == text
    shutil.rmtree(folder / "refs")
    with pytest.raises(UsageError, match=r"a store already exists at"):
        create_store(folder)


def test_only_one_process_at_a_time_makes_a_store(tmp_path: Path) -> None:
    layout = Layout(tmp_path / ".vstore")
    layout.locks.mkdir(parents=True)
    with Lock(layout.locks, "ingest") as lock:
        lock.acquire(0, "init")
        with pytest.raises(Locked):
            create_store(layout.folder)
    assert not layout.format.exists()
    create_store(layout.folder)


@pytest.mark.parametrize(("hash", "dtype"), [("md5", "float16"), ("xxh3_128", "int8")])
def test_a_hash_or_dtype_that_is_not_known_makes_nothing(tmp_path: Path, hash: str, dtype: str) -> None:
    with pytest.raises(UsageError, match="unknown"):
        create_store(tmp_path / ".vstore", hash, dtype)
    assert not (tmp_path / ".vstore").exists()


# FORMAT


def test_where_there_is_no_store_the_error_says_how_to_make_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for folder in (tmp_path, tmp_path / "gone", tmp_path / "file"):
        with pytest.raises(NoStore, match="vstore init") as caught:
            Repository(folder)
        assert caught.value.exit_code == 10


def test_a_store_of_a_later_format_is_refused_by_its_version(tmp_path: Path) -> None:
    create_store(tmp_path / ".vstore")
    path = tmp_path / ".vstore" / "FORMAT"
    later = {"format": FORMAT_VERSION + 1, "whatever": True}
    path.write_bytes(canonical({**later, "check": checksum(canonical(later)).hex()}))
    with pytest.raises(FormatTooNew, match=f"has format {FORMAT_VERSION + 1}; this vstore reads up to") as caught:
        Repository(tmp_path / ".vstore")
    assert caught.value.exit_code == 12


def test_a_format_that_is_not_what_was_written_is_damage(tmp_path: Path) -> None:
    create_store(tmp_path / ".vstore")
    path = tmp_path / ".vstore" / "FORMAT"
    whole = path.read_bytes()
    for at in range(len(whole)):
        data = bytearray(whole)
        data[at] ^= 1
        path.write_bytes(data)
        with pytest.raises(Damage, match="FORMAT"):
            Repository(tmp_path / ".vstore")
    for cut in range(len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(Damage, match="FORMAT cannot be read"):
            Repository(tmp_path / ".vstore")
    for text in (b"[]", b"null", b"7", b"\xff", b"{}"):
        path.write_bytes(text)
        with pytest.raises(Damage):
            Repository(tmp_path / ".vstore")


# What a copy leaves out


def test_a_copy_without_its_empty_folders_and_deletable_ones_is_a_whole_store(world: World) -> None:
    world.put({"a.png": 1})
    world.sync()
    copy = world.top / "copy" / ".vstore"
    shutil.copytree(world.folder, copy)
    for name in ("journal", "quarantine", "cache", "catalogue", "locks"):
        shutil.rmtree(copy / name)
    (copy / "reserve").unlink()
    with Store(copy, load_embedder=lambda recipe: world.fake) as store:
        assert len(store.search([Operand(1.0, os.fsencode(world.pictures / "a.png"))]).hits) == 1
        assert store.check(read_data=True).ok
        world.put({"b.png": 2})
        report = store.sync([world.pictures], as_label="pictures")
        assert (report.embedded, report.paths) == (1, 2)
        store.undo()
        assert store.check(read_data=True).ok


# Names of snapshots


@pytest.fixture
def versions(builder: Builder) -> Repository:
    """v1 to v4, of which v3 has the content of v1; current went v1 v2 v3 v4 v2."""
    for numbers in ((1,), (1, 2), (1,), (3,)):
        builder.add_pictures(aliases(*numbers))
    repo = builder.repo
    with repo.committing("tag"):
        repo.publish("tag", {"tags": {"good": "v2"}})
    with repo.committing("rollback"):
        repo.publish("rollback", {"current": "v2"})
    return Repository(repo.layout.folder)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("v1", "v1"),
        ("V4", "v4"),
        ("v0004", "v4"),
        ("current", "v2"),
        ("latest", "v4"),
        ("good", "v2"),
        ("v4~1", "v3"),
        ("v4~0", "v4"),
        ("latest~3", "v1"),
        ("v4~1~2", "v1"),
        ("good~1", "v1"),
        ("@{0}", "v2"),
        ("@{1}", "v4"),
        ("@{2}", "v3"),
        ("@{4}", "v1"),
        ("@{1}~1", "v3"),
    ],
)
def test_a_snapshot_has_many_names(versions: Repository, name: str, found: str) -> None:
    assert versions.snapshot(name).name == found


@pytest.mark.parametrize(
    "name",
    ["", "v5", "v0", "v", "x", "Good", "v1~1", "v4~9", "~1", "v4~", "@{5}", "@{x}", "@", "abc", "v1\n", "٧", "v٣"],
)
def test_what_names_no_snapshot_is_an_error_that_says_how_many_there_are(versions: Repository, name: str) -> None:
    with pytest.raises(SnapshotNotFound, match=r"\(this store has 4\); list them with: vstore snapshot list"):
        versions.snapshot(name)


def test_a_snapshot_is_found_by_the_first_digits_of_its_id(versions: Repository) -> None:
    listed = {s.name: s for s in versions.state.snapshots()}
    assert listed["v1"].id == listed["v3"].id, "equal states have equal ids"
    assert versions.snapshot(listed["v2"].id[:8]).name == "v2"
    assert versions.snapshot(listed["v2"].id.upper()).name == "v2"
    assert versions.snapshot(listed["v1"].id[:8]).name == "v3", "the newest of equal ones"
    with pytest.raises(SnapshotNotFound):
        versions.snapshot(listed["v2"].id[:3])


def test_digits_that_fit_several_ids_are_ambiguous_and_all_are_named(builder: Builder) -> None:
    repo = builder.repo
    snapshot = builder.add_pictures(aliases(1))
    with repo.committing("sync"):
        listed = {f"v{n}": snapshot._replace(name=f"v{n}", id=f"abcd{n}{'0' * 27}").to_json() for n in (7, 8)}
        repo.publish("sync", {"snapshots": listed})
    with pytest.raises(AmbiguousSnapshot, match=r"v8 \(abcd80000000\), v7 \(abcd70000000\)"):
        repo.snapshot("abcd")
    assert repo.snapshot("abcd7").name == "v7"


def test_a_forgotten_snapshot_has_no_name_any_more(versions: Repository) -> None:
    with versions.committing("forget"):
        versions.publish("forget", {"snapshots": {"v3": {"kept": False}}})
    for name in ("v3", "v4~1", "@{2}"):
        with pytest.raises(SnapshotNotFound):
            versions.snapshot(name)
    assert versions.snapshot("latest").name == "v4"


def test_in_an_empty_store_the_error_says_how_to_make_the_first_snapshot(builder: Builder) -> None:
    for name in ("current", "latest", "v1", "@{0}"):
        with pytest.raises(SnapshotNotFound, match="no snapshot yet; make one with: vstore sync FOLDER"):
            builder.repo.snapshot(name)


def test_the_number_of_an_undone_snapshot_is_not_given_again(world: World) -> None:
    world.put({"a.png": 1})
    world.sync()
    world.put({"b.png": 2})
    world.sync()
    world.store.undo()
    world.store.undo()
    report = world.sync()
    assert report.snapshot == "v3"
    world.store.undo()
    world.put({"c.png": 3})
    assert world.sync().snapshot == "v4"
    assert [row.snapshot for row in world.store.snapshot_list()] == ["v4", "v3", "v2", "v1"]


# Labels that a wider root took in


def test_a_tree_is_shown_under_the_labels_of_today(builder: Builder) -> None:
    before = {b"2024/a.png": key(1), b"2024/sub/b.png": key(2), b"2024x/c.png": key(3), b"other/2024/d.png": key(4)}
    builder.add_segment([key(i) for i in range(1, 5)], unit_vectors(4))
    snapshot = builder.add_snapshot(before)
    builder.absorb("2024", "pictures/2024")
    builder.absorb("pictures", "home/pictures")
    repo = builder.repo
    assert dict(repo.tree(snapshot)) == before, "what a snapshot names never changes"
    assert dict(repo.mapped_tree(snapshot)) == {
        b"home/pictures/2024/a.png": key(1),
        b"home/pictures/2024/sub/b.png": key(2),
        b"2024x/c.png": key(3),
        b"other/2024/d.png": key(4),
    }
    assert dict(repo.mapped_tree(snapshot, {})) == before
    assert dict(repo.mapped_tree(None)) == {}
    assert repo.today(b"2024/a.png") == b"home/pictures/2024/a.png"


def test_the_file_of_a_stored_path_is_found_through_the_roots_of_today(builder: Builder, tmp_path: Path) -> None:
    builder.add_root("home", tmp_path / "home")
    builder.absorb("2024", "home/2024")
    repo = builder.repo
    assert repo.file_of(b"2024/a.png") == os.fsencode(tmp_path / "home" / "2024" / "a.png")
    assert repo.file_of(b"gone/a.png") is None


# Reading while others write


def test_what_was_collected_under_a_reader_is_looked_for_anew(builder: Builder) -> None:
    builder.add_pictures(aliases(1, 2))
    reader = Repository(builder.repo.layout.folder)
    old = reader.state.segments(builder.space)
    builder.list_segments([])
    builder.add_segment([key(1), key(2)], unit_vectors(100)[1:3])
    (reader.layout.segments / old[0].name).unlink()
    seen: list[str] = []

    def read() -> int:
        refs = reader.state.segments(builder.space)
        seen.append(refs[0].name)
        return len(reader.segment(refs[0]).key_list())

    assert reader.reading(read) == 2
    assert seen == [old[0].name, builder.repo.state.segments(builder.space)[0].name]


def test_an_object_that_is_gone_although_nobody_wrote_is_damage(builder: Builder) -> None:
    builder.add_pictures(aliases(1))
    reader = Repository(builder.repo.layout.folder)
    ref = reader.state.segments(builder.space)[0]
    (reader.layout.segments / ref.name).unlink()
    with pytest.raises(Damage, match=rf"{ref.name} is missing") as caught:
        reader.reading(lambda: reader.segment(ref))
    assert caught.value.exit_code == 4


def test_a_file_of_the_user_that_is_not_there_is_no_damage(builder: Builder, tmp_path: Path) -> None:
    for name in (tmp_path / "gone", os.fsencode(tmp_path / "gone"), f"{builder.repo.layout.folder}-gone"):
        with pytest.raises(FileNotFoundError):
            builder.repo.reading(lambda name=name: os.stat(name))  # type: ignore[misc]


def test_a_long_lived_store_keeps_open_only_what_the_log_lists(builder: Builder, monkeypatch: Any) -> None:
    monkeypatch.setattr(small_files, "TOO_MANY", 4)
    repo = builder.repo
    before = len(os.listdir("/dev/fd"))
    for number in range(40):
        snapshot = builder.add_pictures(aliases(*range(number + 1)))
        merge_small(repo, builder.space, "test")
        assert len(list(repo.tree(snapshot))) == number + 1
        for ref in repo.state.segments(builder.space):
            repo.segment(ref)
    assert len(os.listdir("/dev/fd")) <= before + 6
    assert len(repo._segments) <= 6
    repo.close()
    assert len(os.listdir("/dev/fd")) == before


# The commit


def test_whoever_commits_sees_what_others_published_before(builder: Builder) -> None:
    one, other = builder.repo, Repository(builder.repo.layout.folder)
    with one.committing("tag"):
        one.publish("tag", {"tags": {"a": "v1"}})
    with other.committing("tag"):
        assert other.state.tags == {"a": "v1"}
        other.publish("tag", {"tags": {"b": "v1"}})
    one.reload()
    assert one.state.tags == {"a": "v1", "b": "v1"}


def test_whoever_commits_removes_what_a_killed_commit_left_half_written(builder: Builder) -> None:
    layout = builder.repo.layout
    theirs = [layout.refs / ".tmp-commit-1", layout.packs / ".tmp-commit-2", layout.cache / ".tmp-cache-3"]
    others = [layout.packs / ".tmp-ingest-4", layout.segments / ".tmp-ingest-5"]
    for path in (*theirs, *others):
        path.write_bytes(b"half")
    with builder.repo.committing("tag"):
        assert not any(path.exists() for path in theirs)
        assert all(path.exists() for path in others)


def test_whoever_ingests_removes_what_a_killed_run_left_half_written(world: World) -> None:
    layout = world.repo.layout
    world.put({"b.png": 2})
    world.sync()
    left = [folder / ".tmp-ingest-1" for folder in (layout.folder, layout.packs, layout.segments)]
    left.append(layout.catalogue / ".tmp-cache-1")
    for path in left:
        path.write_bytes(b"half")
    made = layout.folder / ".tmp-ingest-2"
    made.mkdir()
    (made / "data.mdb").write_bytes(b"half a catalogue")
    world.put({"a.png": 1})
    world.sync()
    assert not any(path.exists() for path in (*left, made))
    assert world.store.check().notes == ()


def test_an_error_within_a_commit_frees_the_lock_and_publishes_nothing(builder: Builder) -> None:
    number = builder.repo.tip.number
    with pytest.raises(RuntimeError), builder.repo.committing("tag"):
        raise RuntimeError
    with builder.repo.committing("tag"):
        assert builder.repo.tip.number == number


@pytest.mark.parametrize("call", ["open", "write", "fsync", "link", "rename"])
def test_a_commit_that_fails_leaves_the_store_as_it_was_and_the_next_one_succeeds(
    world: World, disk: Watched, call: str
) -> None:
    world.put({"a.png": 1})
    world.sync()
    before = world.aliases()
    world.put({"b.png": 2})
    disk.calls.clear()
    for on in (".tmp-commit", ".json", ".pack"):
        disk.heal()
        disk.fail(call, errno.EIO, on)
        try:
            report = world.sync()
        except DiskTrouble:
            assert world.aliases() == before
            assert world.store.snapshot_list()[0].snapshot == "v1"
        else:
            assert report.snapshot == "v2"
            break
    disk.heal()
    world.sync()
    assert world.paths() == ["pictures/a.png", "pictures/b.png"]
    assert world.fake.embedded == 2
    assert world.store.check(read_data=True).ok


def test_a_commit_whose_folder_could_not_be_flushed_is_there_and_the_next_run_agrees(
    world: World, disk: Watched
) -> None:
    world.put({"a.png": 1})
    world.sync()
    world.put({"b.png": 2})
    disk.fail("fsync", errno.EIO, "refs")
    with pytest.raises(DiskTrouble, match="is published, but a power cut may undo it"):
        world.sync()
    disk.heal()
    report = world.sync()
    assert (report.snapshot, report.current, report.embedded) == (None, "v2", 0)
    assert len(world.keys()) == 2 and not list(world.repo.layout.journal.iterdir())


COMMIT = """
import sys
from pathlib import Path
from vstore.repository.repository import Repository
repo = Repository(Path(sys.argv[1]))
for number in range(int(sys.argv[3])):
    with repo.committing("tag"):
        repo.publish("tag", {"tags": {f"{sys.argv[2]}-{number}": "v1"}})
"""


def test_commits_of_several_processes_are_one_chain(builder: Builder) -> None:
    builder.add_pictures(aliases(1))
    folder, start = str(builder.repo.layout.folder), builder.repo.tip.number
    env = {**os.environ, "PYTHONPATH": SOURCE}
    running = [subprocess.Popen([sys.executable, "-c", COMMIT, folder, f"t{i}", "15"], env=env) for i in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    repo = Repository(builder.repo.layout.folder)
    assert repo.tip.number == repo.tip.highest == start + 45
    assert len(repo.state.tags) == 45
    assert repo.log.numbers() == list(range(1, start + 46))


# Merges


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """More than four small packs, or segments, are too many."""
    monkeypatch.setattr(small_files, "TOO_MANY", 4)
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
    monkeypatch.setattr(small_files, "SMALL_SEGMENT", before[3].size)
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
            packs_now = other.add_pack({HASH.digest(b"x"): b"x"})
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
    for snapshot in repo.state.snapshots():
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


# Roots


def test_an_option_of_a_root_that_was_taken_back_is_gone_from_the_log(world: World) -> None:
    world.put({"a.png": 1, "b.png": 2, "x/c.png": 3})
    world.sync(exclude=["x/", "b.png"], include=["*.dat"], follow_symlinks=True)
    assert world.sync(no_exclude=["x/"], follow_symlinks=False).paths == 2
    assert world.all().paths == 2
    assert world.sync(no_exclude=["b.png"]).paths == 3
    options = world.repo.state.roots["pictures"].options
    assert (options["exclude"], options["include"], options["follow_symlinks"]) == ([], ["*.dat"], False)
    with Store(world.folder, load_embedder=lambda recipe: world.fake) as another:
        assert another.sync(()).paths == 3
