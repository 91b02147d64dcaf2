"""The store that a command finds."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.lines import Line, environment
from support.quick_doctor import quick

from vstore_cli import locate

__all__ = ["quick"]


def snapshots(line: Line, *words: str | Path) -> list[str]:
    return [row["snapshot"] for row in line("snapshot", "list", "--json", *words).json]


def elsewhere(line: Line, monkeypatch: pytest.MonkeyPatch, name: str = "elsewhere") -> Path:
    folder = line.home.parent / name
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_the_nearest_store_upwards_is_used(pictures: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pictures.home / "pictures" / "sub")
    assert snapshots(pictures) == ["v1"]
    pictures("--store", pictures.home / "pictures" / ".vstore", "init")
    assert snapshots(pictures) == []


def unreadable(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody look into a folder, not even root."""
    plain = os.lstat

    def lstat(path: str | Path) -> os.stat_result:
        if folder in Path(path).parents:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return plain(path)

    monkeypatch.setattr(os, "lstat", lstat)


def test_a_store_that_may_not_be_entered_is_no_missing_one(pictures: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    sub = pictures.home / "pictures" / "sub"
    pictures("--store", sub / ".vstore", "init")
    monkeypatch.chdir(sub)
    unreadable(sub / ".vstore", monkeypatch)
    for words in (["log"], ["sync", "."], ["trust"], ["trust", "."], ["search", "x"]):
        found = pictures(*words, "--json", code=1).error
        assert (found["code"], found["message"]) == ("disk", f"cannot look into {sub}/.vstore: Permission denied")
        assert "permissions" in found["next"]


def test_folders_above_that_may_not_be_entered_are_passed_over(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    unreadable(line.home, monkeypatch)
    assert line("log", "--json", code=10).error["code"] == "no_store"


def test_a_store_is_found_from_the_path_where_there_is_none_upwards(
    pictures: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = elsewhere(pictures, monkeypatch)
    there = pictures.home / "pictures"
    assert pictures("sync", there, "--json").json["current"] == "v1"
    assert pictures("status", there / "sub", "--json").json["current"] == "v1"
    assert pictures("search", there / "a.png", "-k", "1", "-l").out == "../home/pictures/a.png\n"
    assert pictures("search", "./../home/pictures/a.png", "-k", "1", "-l").out == "../home/pictures/a.png\n"
    assert pictures("dupes", "--under", there, "--json").json["groups"] == []
    assert list(folder.iterdir()) == []
    pictures("log", code=10)


@pytest.mark.parametrize(
    "words",
    [
        ["--store", "{}", "snapshot", "list", "--json"],
        ["snapshot", "--store", "{}", "list", "--json"],
        ["snapshot", "list", "--store", "{}", "--json"],
        ["snapshot", "list", "--json", "--store={}"],
        ["--store={}", "snapshot", "list", "--json"],
    ],
)
def test_store_may_stand_anywhere(words: list[str], pictures: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere(pictures, monkeypatch)
    for folder in (pictures.store, pictures.home):
        ran = pictures(*(word.format(folder) for word in words))
        assert [row["snapshot"] for row in ran.json] == ["v1"]


def test_after_two_dashes_store_is_a_word_like_any_other(pictures: Line) -> None:
    pictures.put({"--store/x.png": 7})
    assert pictures("sync", "--json", "--", "--store").json["new"] == 1


def test_the_environment_names_a_store_and_the_option_wins(pictures: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = elsewhere(pictures, monkeypatch)
    monkeypatch.setenv("VSTORE_DIR", str(pictures.store))
    assert snapshots(pictures) == ["v1"]
    pictures("--store", folder / "other", "init")
    assert snapshots(pictures, "--store", folder / "other") == []
    monkeypatch.setenv("VSTORE_DIR", str(folder / "other"))
    monkeypatch.chdir(pictures.home)
    assert snapshots(pictures) == []
    monkeypatch.setenv("VSTORE_DIR", "")
    assert snapshots(pictures) == ["v1"]


@pytest.mark.parametrize("words", [["--store"], ["log", "--store"], ["--store", "", "log"], ["--store=", "log"]])
def test_store_needs_a_folder(words: list[str], pictures: Line) -> None:
    assert "--store needs a folder" in pictures(*words, code=2).err


@pytest.mark.parametrize(
    "words",
    [
        ["sync"],
        ["sync", "-n"],
        ["status"],
        ["search", "./pictures/a.png"],
        ["dupes"],
        ["snapshot", "list"],
        ["snapshot", "show"],
        ["snapshot", "diff", "v1"],
        ["snapshot", "tag", "v1", "x"],
        ["snapshot", "untag", "x"],
        ["snapshot", "export", "v1", "x"],
        ["rollback", "v1"],
        ["undo"],
        ["redo"],
        ["log"],
        ["check"],
        ["stats"],
        ["snapshot", "forget", "v1"],
        ["gc"],
        ["migrate"],
        ["facts"],
        ["fields", "list"],
        ["fields", "set", "label=cat", "a.png"],
        ["fields", "unset", "label", "a.png"],
        ["fields", "import", "x.csv"],
        ["fields", "export", "x.csv"],
        ["fields", "carry", "v1"],
        ["fields", "prune"],
    ],
    ids=" ".join,
)
def test_without_a_store_a_command_says_how_to_make_one(words: list[str], line: Line) -> None:
    line.put({"pictures/a.png": 1})
    ran = line(*words, code=10)
    assert ran.out == ""
    assert ran.err.startswith("Error: there is no store here, nor in any folder above\n  make one")
    error = line(*words, "--store", "nowhere", "--json", code=10).error
    assert error["code"] == "no_store"
    assert "nowhere" in error["message"]
    assert [path.name for path in line.home.iterdir()] == ["pictures"]


def test_a_first_sync_is_planned_before_there_is_a_store(line: Line) -> None:
    line.put({"pictures/a.png": 1, "pictures/b.png": 2, "pictures/same.png": 1, "pictures/scan.psd": b""})
    before = sorted(line.home.rglob("*"))
    size = sum((line.home / "pictures" / name).stat().st_size for name in ("a.png", "b.png"))
    would = f"There is no store yet. A first sync would make .vstore, and embed 2 pictures ({size / 1024:.1f} KiB)."
    for words, how in (
        (["status"], "Make it with: vstore sync pictures"),
        (["sync", "-n"], "Make it by running this without --dry-run."),
        (["sync", "-n", "--model", "no/such", "--offline"], "Make it by running this without --dry-run."),
    ):
        ran = line(*words, "pictures")
        assert ran.err == ""
        assert ran.lines[:2] == ["  2  new: pictures/a.png, …", "  1  copied: pictures/same.png"]
        assert "pictures of kinds that vstore does not read" in ran.out or "1 psd" in ran.out
        assert ran.lines[-1] == f"{would} {how}"
    document = line("status", "pictures", "--json").json
    assert (document["store"], document["store_exists"], document["created_store"]) == (str(line.store), False, False)
    assert (document["paths"], document["images"], document["to_embed"], document["embed_bytes"]) == (3, 2, 2, size)
    assert (document["snapshot"], document["current"], document["space_name"]) == (None, None, "builtin-2")
    named = line("sync", "-n", "pictures", "--model", "no/such", "--json").json
    assert (named["space"], named["space_name"]) == (None, None)  # nobody loaded it
    assert (
        line("status", "pictures", "--store", "w")
        .lines[-1]
        .endswith(f"make w, and embed 2 pictures ({size / 1024:.1f} KiB). Make it with: vstore --store w sync pictures")
    )
    assert sorted(line.home.rglob("*")) == before
    made = line("sync", "pictures", "--json").json
    assert made.keys() == document.keys()
    assert (made["store_exists"], made["paths"], made["new"]) == (True, 3, document["new"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["picture"], "picture does not exist"),
        (["empty"], "empty holds no pictures"),
        (["pictures", "--store", "empty/file"], "empty/file is not a folder"),
        (["pictures", "--store", "empty"], "empty is not a store, and holds 'file'"),
    ],
)
def test_what_would_fail_in_a_first_sync_fails_in_its_plan(line: Line, words: list[str], said: str) -> None:
    line.put({"pictures/a.png": 1, "empty/file": b""})
    for command in (["status"], ["sync", "-n"], ["sync"]):
        assert said in line(*command, *words, code=2).err
    assert "--prompt without a model" in line("sync", "-n", "pictures", "--prompt", "x", code=2).err
    assert not line.store.exists()


def test_init_makes_a_store_here(line: Line) -> None:
    made = line("init", "--json").json
    assert made["store"] == str(line.store)
    assert (made["hash"], made["dtype"], made["space_name"]) == ("xxh3_128", "float16", "builtin-2")
    assert line("init", code=2).err.startswith(f"Error: a store already exists at {line.store}")
    assert line("init", "--hash", "sha256", "--store", "other", "--store-dtype", "float32").out == (
        f"Made the store {line.home}/other (sha256, float32, space builtin-2)\n"
    )


def test_init_is_refused_where_the_pictures_are_in_a_store_already(
    pictures: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    for inside in ("pictures", "pictures/sub"):
        monkeypatch.chdir(pictures.home / inside)
        err = pictures("init", code=2).err
        assert f"the pictures here are already in the store {pictures.store}, as 'pictures'" in err
        assert "--store DIR" in err
        assert not Path(".vstore").exists()
    pictures("init", "--store", "second")
    beside = pictures.home / "beside"
    beside.mkdir()
    monkeypatch.chdir(beside)
    pictures("init")


def test_a_store_is_never_strewn_among_other_files(line: Line) -> None:
    line.put({"pictures/a.png": 1, "letters/mine.txt": b"words"})
    for words in (["init"], ["sync", "pictures"]):
        err = line(*words, "--store", "letters", code=2).err
        assert "letters is not a store, and holds 'mine.txt'" in err
        assert "letters/mine.txt is not a folder" in line(*words, "--store", "letters/mine.txt", code=2).err
        assert "there is no folder" in line(*words, "--store", "not/there", code=2).err
    assert [path.name for path in (line.home / "letters").iterdir()] == ["mine.txt"]
    (line.home / "empty").mkdir()
    assert line("sync", "pictures", "--store", "empty", "--json").json["created_store"]


def test_a_store_that_lost_its_format_is_not_made_over(pictures: Line) -> None:
    (pictures.store / "FORMAT").unlink()
    err = pictures("sync", "pictures", "--store", pictures.store, code=4).err
    assert "FORMAT is missing, although the store has records" in err
    pictures("init", code=4)


def test_a_store_may_be_called_otherwise_and_moved(pictures: Line) -> None:
    shutil.move(pictures.store, pictures.home / "index")
    assert snapshots(pictures, "--store", "index") == ["v1"]
    assert pictures("sync", "--store", "index", "--json").json["unchanged"] == 3


# Which store


CHANGING = [
    ["sync"],
    ["snapshot", "tag", "v1", "x"],
    ["snapshot", "untag", "x"],
    ["model", "use", "builtin-2"],
    ["facts", "--fill", "--pixels"],
    ["check", "--reembed", "1"],
    ["rollback", "v1"],
    ["undo"],
    ["redo"],
    ["snapshot", "forget", "--keep-last", "1"],
    ["gc"],
    ["repair"],
    ["migrate"],
]
LOOKING = [
    ["status"],
    ["search", "./a.png"],
    ["snapshot", "list"],
    ["log"],
    ["stats"],
    ["check"],
    ["dupes"],
    ["model", "list"],
    ["facts"],
    ["export", "out"],
]


def test_a_command_that_changes_another_store_than_the_one_here_says_which(
    pictures: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = f"Store: {pictures.store}\n"
    for words in CHANGING:
        assert "Store: " not in pictures(*words).err
    assert "Store: " not in pictures("gc", "--store", pictures.home / "pictures" / ".." / ".vstore").err
    monkeypatch.chdir(pictures.home / "pictures")
    for words in CHANGING:
        assert pictures(*words).err.startswith(said), words
    for words in CHANGING:
        assert "Store: " not in pictures(*words, "--json").err
    for words in LOOKING:
        assert "Store: " not in pictures(*words).err, words
    assert "Store: " not in pictures("sync", "-q").err
    for words in (["sync"], ["gc"], ["snapshot", "forget", "--keep-last", "9"], ["root", "remove", "pictures"]):
        ran = pictures(*words, "--dry-run")
        assert "Store: " not in ran.err, "it changes nothing"
        assert pictures(*words, "--dry-run", "--json").json["store"] == str(pictures.store)
    folder = elsewhere(pictures, monkeypatch)
    assert pictures("sync", pictures.home / "pictures").err.startswith(said)
    assert pictures("gc", "--store", "../home").err.startswith(said)
    assert "Store: " not in pictures("sync", pictures.home / "pictures", "--store", folder / "new").err  # which is made


def test_every_document_that_is_an_object_names_the_store(
    pictures: Line, monkeypatch: pytest.MonkeyPatch, quick: dict[str, Any]
) -> None:
    monkeypatch.chdir(pictures.home / "pictures")
    for words in [*CHANGING, *LOOKING]:
        document = pictures(*words, "--json").json if words[0] != "export" else pictures("export", "o2", "--json").json
        assert isinstance(document, list) or document["store"] == str(pictures.store), words
    folder = elsewhere(pictures, monkeypatch)
    assert pictures("init", "--json").json["store"] == str(folder / ".vstore")
    assert pictures("doctor", "--store", "../home", "--json").json["store"] == str(pictures.store)


# Network filesystems


@pytest.mark.parametrize("kind", ["nfs4", "nfs", "cifs", "smb3", "9p", "ceph", "fuse.sshfs"])
def test_a_store_on_a_network_filesystem_is_refused(
    kind: str, pictures: Line, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        f"36 21 0:31 / {pictures.home} rw,relatime shared:9 master:1 - {kind} server:/export rw\n"
    )
    monkeypatch.setattr(locate, "MOUNTS", str(mounts))
    log = pictures("log", "--json").json
    for words in (
        ["sync"],
        ["rollback", "v1"],
        ["undo"],
        ["redo"],
        ["snapshot", "tag", "v1", "x"],
        ["gc"],
        ["repair"],
        ["init"],
    ):
        store = ["--store", "new"] if words == ["init"] else []
        err = pictures(*words, *store, code=2).err
        assert f"network filesystem ({kind})" in err
        assert "only the store must be local" in err
    assert not (pictures.home / "new").exists()
    assert pictures("log", "--json").json == log, "reading goes on"
    pictures("status")


def test_a_network_filesystem_is_taken_by_who_insists(pictures: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vstore_cli.locate._filesystem", lambda folder: "nfs4")
    for words in (["sync"], ["gc"], ["repair"], ["snapshot", "forget", "--keep-last", "1"]):
        assert "VSTORE_NETWORK=1" in pictures(*words, code=2).err
    monkeypatch.setenv("VSTORE_NETWORK", "1")
    for words in (["sync"], ["gc"], ["repair"], ["snapshot", "forget", "--keep-last", "1"]):
        pictures(*words)


def test_pictures_may_lie_on_a_network_filesystem(
    pictures: Line, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        f"36 21 0:31 / {pictures.home}/pictures rw,relatime - nfs4 server:/export rw\n"
        f"37 21 0:32 / {pictures.home}/with\\040blank rw,relatime - nfs4 server:/export rw\n"
    )
    monkeypatch.setattr(locate, "MOUNTS", str(mounts))
    pictures("sync")
    pictures("init", "--store", "with", code=0)
    (pictures.home / "with blank").mkdir()
    pictures("init", "--store", "with blank/store", code=2)
    monkeypatch.setattr(locate, "MOUNTS", str(tmp_path / "none"))
    pictures("init", "--store", "with blank/store")


def test_the_working_folder_may_be_gone(line: Line) -> None:
    gone = line.home / "gone"
    script = "import os; os.rmdir(os.getcwd()); from vstore_cli.main import main; main()"
    for words in (["log"], ["sync", "x"]):
        gone.mkdir()
        done = subprocess.run(
            [sys.executable, "-c", script, *words], cwd=gone, env=environment(), capture_output=True, text=True
        )
        assert done.returncode in (1, 2, 10)
        assert done.stderr.startswith("Error: ")
        assert "Traceback" not in done.stderr


def test_a_command_that_only_looks_writes_nothing(pictures: Line) -> None:
    before = {path: path.stat().st_mtime_ns for path in pictures.store.rglob("*") if path.name != "lock.mdb"}
    for words in (["log"], ["snapshot", "list"], ["snapshot", "show"], ["stats"], ["check"], ["status"]):
        pictures(*words)
    assert {path: path.stat().st_mtime_ns for path in pictures.store.rglob("*") if path.name != "lock.mdb"} == before
