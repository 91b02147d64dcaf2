"""What the names in a long folder told: it is asked for as long as the folder stays as it was, and no longer."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.builder import Builder, aliases

from vstore.disk import inside, long_folders
from vstore.disk.long_folders import look, note, recall
from vstore.format.layout import Layout
from vstore.repository.repository import Repository
from vstore.store import Store

Lists = list[str]
TICK = 0.02  # seconds: more than the clock of a filesystem stands still


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of four names."""
    folder = tmp_path / "refs"
    folder.mkdir()
    for name in "acb0":
        (folder / name).touch()
    return folder


@pytest.fixture
def short_and_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three names are many, and a folder is settled at once."""
    monkeypatch.setattr(long_folders, "LONG", 3)
    monkeypatch.setattr(long_folders, "_SETTLED", -10.0)


@pytest.fixture
def lists(monkeypatch: pytest.MonkeyPatch) -> Lists:
    """The names of the folders that were listed."""
    listed: Lists = []
    real = inside.names

    def names(path: Path) -> list[str]:
        listed.append(path.name)
        return real(path)

    monkeypatch.setattr(inside, "names", names)
    return listed


def noted(cache: Path, folder: Path) -> str | None:
    note(cache, folder, look(folder), os.listdir(folder))
    return recall(cache, folder)


def test_the_greatest_name_is_known_while_nothing_changes(short_and_new: None, cache: Path, folder: Path) -> None:
    assert recall(cache, folder) is None
    assert noted(cache, folder) == "c"
    (folder / "c").write_bytes(b"the content is no matter")
    assert recall(cache, folder) == "c"


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "d").touch(),
        lambda folder: (folder / "a").unlink(),
        lambda folder: (folder / "c").rename(folder / "d"),
        lambda folder: os.utime(folder, ns=(0, look(folder).stat[2])),  # as a copy gives times back
    ],
    ids=["more", "less", "renamed", "times given back"],
)
def test_whatever_happens_to_a_folder_it_is_listed_again(
    short_and_new: None, cache: Path, folder: Path, change: Callable[[Path], None]
) -> None:
    seen, names = look(folder), os.listdir(folder)
    time.sleep(TICK)
    change(folder)
    note(cache, folder, seen, names)
    assert recall(cache, folder) is None, "it changed while it was listed"
    assert noted(cache, folder) is not None
    time.sleep(TICK)
    (folder / "x").touch()
    assert recall(cache, folder) is None


def test_a_copy_of_a_folder_is_listed(short_and_new: None, cache: Path, folder: Path, tmp_path: Path) -> None:
    assert noted(cache, folder) == "c"
    folder.rename(tmp_path / "old")
    folder.mkdir()
    os.utime(folder, ns=(0, look(tmp_path / "old").stat[2]))
    assert recall(cache, folder) is None


def test_nothing_is_noted_of_a_folder_that_just_changed_is_short_or_has_unfinished_files(
    monkeypatch: pytest.MonkeyPatch, cache: Path, folder: Path
) -> None:
    assert noted(cache, folder) is None
    monkeypatch.setattr(long_folders, "LONG", 3)
    assert noted(cache, folder) is None, "a change within a tick of its clock would not show"
    monkeypatch.setattr(long_folders, "_SETTLED", -10.0)
    (folder / ".tmp-commit-1").touch()
    assert noted(cache, folder) is None
    (folder / ".tmp-commit-1").unlink()
    assert noted(cache, folder) == "c"


@pytest.mark.parametrize("content", [b"", b"garbage", b"[]", b"7", b"{}"])
def test_a_note_that_is_damaged_is_not_used(short_and_new: None, cache: Path, folder: Path, content: bytes) -> None:
    from vstore.disk.cache import write_cache

    noted(cache, folder)
    (cache / "names-refs").write_bytes(content)
    assert recall(cache, folder) is None
    write_cache(cache, "names-refs", content)
    assert recall(cache, folder) is None


def test_the_first_name_that_a_folder_lacks_is_found(folder: Path, tmp_path: Path) -> None:
    assert long_folders.first_absent(folder, "abc") is None
    assert long_folders.first_absent(folder, "axcy") == "x"
    assert long_folders.first_absent(tmp_path / "missing", "ab") == "a"
    assert long_folders.first_absent(folder / "a", "ab") == "a", "a file is no folder"
    assert long_folders.first_absent(tmp_path / "missing", "") is None


# The log


@pytest.fixture
def layout(builder: Builder, short_and_new: None) -> Layout:
    """A store of some records, whose folders were looked at."""
    for number in range(4):
        builder.add_pictures(aliases(*range(number + 1)))
    Repository(builder.repo.layout.folder)
    return builder.repo.layout


def test_a_store_is_opened_without_a_list_of_its_records(layout: Layout, lists: Lists) -> None:
    repo = Repository(layout.folder)
    assert lists == []
    assert repo.tip.number == len(os.listdir(layout.refs)) == repo.tip.highest


def test_a_record_that_came_after_is_found(layout: Layout, builder: Builder) -> None:
    builder.add_pictures(aliases(*range(9)))
    assert Repository(layout.folder).tip == builder.repo.tip


def test_a_record_that_came_after_is_found_even_if_the_folder_keeps_its_times(
    layout: Layout, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = look(layout.refs)
    monkeypatch.setattr(long_folders, "look", lambda folder: same)
    builder.add_pictures(aliases(*range(9)))
    assert Repository(layout.folder).tip == builder.repo.tip


def test_records_that_a_gc_elsewhere_took_are_not_waited_for_even_if_the_folder_keeps_its_times(
    layout: Layout, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    same, known = look(layout.refs), builder.repo.tip.number
    noted = (layout.cache / "names-refs").read_bytes()
    builder.add_pictures(aliases(*range(9)))
    with Store(layout.folder) as store:
        store.gc()
    (layout.cache / "names-refs").write_bytes(noted)  # each machine that shares a folder may have its own
    monkeypatch.setattr(long_folders, "look", lambda folder: same)
    assert min(builder.repo.log.numbers()) > known + 1
    assert Repository(layout.folder).tip.highest == max(builder.repo.log.numbers())


def test_a_lost_record_is_not_waited_for_even_if_the_folder_keeps_its_times(
    layout: Layout, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    same, newest = look(layout.refs), builder.repo.tip.number
    monkeypatch.setattr(long_folders, "look", lambda folder: same)
    layout.record(newest).unlink()
    assert Repository(layout.folder).tip.number == newest - 1


def test_the_newest_record_is_missed_although_it_was_known(layout: Layout, builder: Builder) -> None:
    newest = builder.repo.tip.number
    layout.record(newest).unlink()
    assert Repository(layout.folder).tip.number == newest - 1
    layout.record(newest - 1).write_bytes(b"rot")
    assert Repository(layout.folder).tip.complaint is not None


def test_what_a_killed_run_left_is_swept_although_the_folder_was_clean(layout: Layout, builder: Builder) -> None:
    repo = Repository(layout.folder)
    repo.sweep()
    time.sleep(TICK)
    for folder in (layout.packs, layout.segments):
        (folder / ".tmp-ingest-1").touch()
    (layout.packs / ".tmp-commit-2").touch()
    (layout.refs / ".tmp-commit-3").touch()
    repo.sweep()
    with repo.committing("test"):
        pass
    assert not list(layout.folder.rglob(".tmp-*"))


def test_folders_that_were_clean_are_not_listed_to_be_swept(layout: Layout, lists: Lists) -> None:
    repo = Repository(layout.folder)
    for _ in range(2):
        lists.clear()
        repo.sweep()
        with repo.committing("test"):
            pass
    assert not {"refs", "packs", "segments"} & set(lists)
