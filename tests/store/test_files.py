"""The files of stored paths, as reports tell them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from support.folders import World, put

from vstore.format.relabelling import Labels
from vstore.repository.acquaintance import KnownFolders
from vstore.repository.files import Files, files_of, finder_to_look
from vstore.store import Store


def test_a_stored_path_is_found_in_its_folder_and_in_the_one_that_took_that_in(tmp_path: Path) -> None:
    files = Files({b"all": b"/a/all"}, {"pictures": "all/pictures"})
    assert files.file_of(b"all/x.png") == b"/a/all/x.png"
    assert files.file_of(b"pictures/sub/x.png") == b"/a/all/pictures/sub/x.png"
    assert files.file_of(b"all") == b"/a/all"
    assert files.file_of(b"other/x.png") is None


def test_files_are_looked_for_only_in_folders_that_may_be_looked_at(tmp_path: Path) -> None:
    (tmp_path / "x.png").touch()
    place = os.fsencode(tmp_path)
    named, unnamed = Files({b"a": place}), Files({b"a": place}, unnamed=(b"a",))
    assert named.is_there(b"a/x.png") and not named.is_there(b"a/y.png") and not named.is_there(b"b/x.png")
    assert unnamed.is_there(b"a/y.png")  # which nobody looked for


def test_files_are_named_for_programs_whatever_their_bytes() -> None:
    files = Files({b"a": b"/\xff"})
    assert files.named(b"a/x") == {"path": "a/x", "file": "/\ufffd/x", "file_b64": "L/8veA=="}
    assert files.named(b"b/x") == {"path": "b/x", "file": None}


def test_what_may_be_looked_at_is_what_known_folders_say(tmp_path: Path) -> None:
    put(tmp_path, {"gift/in/a.png": 1, "gift/out/b.png": 2, "far/c.png": 3, "gift/README": b""})
    store = tmp_path / "gift/.vstore"
    Store.sync_new(store, [tmp_path / "gift/in", tmp_path / "gift/out", tmp_path / "far"])
    shutil.copytree(tmp_path / "gift", tmp_path / "unpacked")
    shutil.rmtree(tmp_path / "unpacked/out")
    (tmp_path / "unpacked/out").symlink_to(tmp_path / "far")
    (tmp_path / "unpacked/in/link").symlink_to(tmp_path / "far")
    with Store(tmp_path / "unpacked/.vstore", config=tmp_path / "other") as gift:
        paths = (b"in/a.png", b"in/link/c.png", b"out/b.png", b"out", b"far/c.png", b"no/x.png")
        quick = gift._use(lambda repo: list(map(finder_to_look(repo, None), paths)))
        assert quick == gift._use(lambda repo: list(map(KnownFolders(repo).file_finder(None), paths)))
        assert [file is not None for file in quick] == [True, False, False, False, False, False]


def test_reports_name_the_files_of_failures(world: World) -> None:
    world.put({"a.png": 1, "broken.png": b"no picture", "scan.psd": b""})
    report = world.store.sync([world.pictures], dry_run=True)  # before the log knows the folder
    assert [one["file"] for one in report.to_json()["passed"]] == [f"{world.pictures}/scan.psd"]
    assert world.sync().to_json()["failed"][0]["file"] == f"{world.pictures}/broken.png"


def test_the_folders_of_strangers_are_not_looked_at(tmp_path: Path) -> None:
    put(tmp_path, {"mine/a.png": 1, "gift/README": b""})
    store = tmp_path / "gift/.vstore"
    Store.sync_new(store, [tmp_path / "mine"])
    shutil.copytree(tmp_path / "gift", tmp_path / "unpacked")
    with Store(store, config=tmp_path / "config") as mine:
        assert mine._use(lambda repo: files_of(repo, Labels())).unnamed == ()
    with Store(tmp_path / "unpacked/.vstore", config=tmp_path / "other") as gift:
        files = gift._use(lambda repo: files_of(repo, Labels()))
    assert (files.file_of(b"mine/a.png"), files.unnamed) == (os.fsencode(tmp_path / "mine/a.png"), (b"mine",))
