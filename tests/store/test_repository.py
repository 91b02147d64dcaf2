"""An opened store: what it is made of, reading while others write, and the commit."""

from __future__ import annotations

import errno
import gc
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.builder import Builder, aliases, key, unit_vectors
from support.failing_disks import Watched, disk
from support.folders import World

from vstore.disk import durable
from vstore.errors import (
    Damage,
    DiskTrouble,
)
from vstore.format import small_files
from vstore.format.state import State
from vstore.repository.repository import Repository
from vstore.search.query import Operand
from vstore.store import Store
from vstore.sync.merge import merge_small

__all__ = ["disk"]
SOURCE = str(Path(durable.__file__).parents[2])

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
    assert dict(repo.mapped_tree(snapshot, State({}))) == before
    assert dict(repo.mapped_tree(None)) == {}
    assert repo.today(b"2024/a.png") == b"home/pictures/2024/a.png"


def test_the_file_of_a_stored_path_is_found_through_the_roots_of_today(builder: Builder, tmp_path: Path) -> None:
    builder.add_root("home", tmp_path / "home")
    builder.absorb("2024", "home/2024")
    repo = builder.repo
    file_of = repo.file_finder(None)
    assert file_of(b"2024/a.png") == os.fsencode(tmp_path / "home" / "2024" / "a.png")
    assert file_of(b"gone/a.png") is None


# Reading while others write


def test_what_was_collected_under_a_reader_is_looked_for_again(builder: Builder) -> None:
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
    gc.collect()  # what earlier tests left open is closed at some time, else while this one counts
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
from vstore.repository import repository
repository.COMMIT_WAIT = 300.0  # a busy machine may take ten seconds for the commits of two others
repo = repository.Repository(Path(sys.argv[1]))
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
