"""A path that exists nowhere is an error that names the nearest, whatever takes it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from support.folders import put
from support.lines import Line
from support.old_indexes import OldIndex


@pytest.fixture
def known(line: Line) -> Line:
    """A store of `camera`, and of a folder outside that is called otherwise there."""
    line.put({"camera/town/a.png": 1, "camera/2024/b.png": 2})
    put(line.home.parent, {"outside/others/c.png": 3})
    line("sync", "camera", "-q")
    line("sync", line.home.parent / "outside/others", "--as", "mine", "-q")
    return line


OUT = "../outside"
SYNCS = [["sync"], ["sync", "-n"], ["status"]]
UNDER = [
    ["dupes", "--under"],
    ["search", "./camera/town/a.png", "--under"],
    ["export", "out", "./camera/town/a.png", "--format", "links", "--under"],
]


@pytest.mark.parametrize("words", SYNCS, ids=" ".join)
@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("camera/twn", "camera/town"),
        ("camera/twn/", "camera/town"),
        ("./camera//twn", "./camera//town"),
        ("camera/town/a.pgn", "camera/town/a.png"),
        ("cmera", "camera"),
        ("Camera", "camera"),
        ("cmera/town", "camera/town"),
        (f"{OUT}/others/d.png", f"{OUT}/others/c.png"),
        (f"{OUT}/othrs", f"{OUT}/others"),
        ("mine", "{out}/others"),  # a stored path
        ("mine/c.png", "{out}/others/c.png"),
        ("mime", "{out}/others"),
    ],
)
def test_a_sync_refuses_what_is_nowhere(known: Line, words: list[str], typed: str, near: str) -> None:
    wanted = near.format(top=known.home, out=known.home.parent / "outside")
    error = known(*words, typed, "--json", code=2).error
    assert (error["code"], error["next"]) == ("usage", f"did you mean {wanted}?")
    assert known.current() == "v2"


@pytest.mark.parametrize("words", UNDER, ids=lambda words: words[0])
@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("camera/twn", "camera/town"),
        ("camera/twn/", "camera/town"),
        ("cmera", "camera"),
        ("cmera/twn", "camera/town"),
        ("CAMERA", "camera"),
        ("mime", "mine"),
        ("mine/d.png", "mine/c.png"),
        (f"{OUT}/othrs", f"{OUT}/others"),
    ],
)
def test_under_refuses_what_is_nowhere(known: Line, words: list[str], typed: str, near: str) -> None:
    error = known(*words, typed, "--json", code=2).error
    assert (error["code"], error["next"]) == ("usage", f"did you mean {near}?")
    assert not Path("out").exists()


def test_what_is_meant_is_written_from_where_one_stands(known: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("camera/town")
    Path("link").symlink_to("../2024")
    for typed, near in (("./a.pgn", "./a.png"), ("../2042", "../2024"), ("link/b.pgn", "link/b.png")):
        for words in (["sync"], ["dupes", "--under"]):
            assert known(*words, typed, "--json", code=2).error["next"] == f"did you mean {near}?"


def test_under_outside_every_folder_names_them_and_the_store_that_has_it(known: Line) -> None:
    put(known.home.parent, {"second/pictures/a.png": 9})
    second = known.home.parent / "second"
    known("sync", second / "pictures", "--store", second / ".vstore", "-q")
    step = known("dupes", "--under", "../second/pictures", "--json", code=2).error["next"]
    assert f"the folders are camera ({known.home}/camera), mine ({known.home.parent}/outside/others)" in step
    assert step.endswith(f"; its own store is {second}/.vstore")
    known("init", "--store", "new")
    step = known("dupes", "--under", "camera", "--store", "new", "--json", code=1)


def test_paths_that_lead_to_what_is_there_are_taken(known: Line) -> None:
    Path("link").symlink_to("camera/town")
    for path in ("camera/town/", "camera//town", "./camera/../camera/town", "link", "link/", "camera/town/a.png"):
        known("status", path)
        known("dupes", "--under", path)
    for path in ("mine", "mine/", "mine/c.png"):
        known("dupes", "--under", path)


@pytest.mark.parametrize(
    ("words", "near", "code"),
    [
        (["sync", "--exclude-from", "liste.txt"], "list.txt", 2),
        (["sync", "--files-from", "liste.txt"], "list.txt", 2),
        (["import", "--faiss", "lst.txt", "--metadata", "list.txt", "--root", "camera"], "list.txt", 2),
        (["import", "--embeddings", "list.txt", "--metadata", "lst.txt", "--root", "camera"], "list.txt", 2),
        (["import", "--clip-retrieval", "cmera", "--root", "camera"], "camera", 2),
        (["import", "--rclip", "lst.txt", "--root", "camera"], "list.txt", 2),
        (["import", "--embeddings", "list.txt", "--metadata", "list.txt", "--root", "cmera"], "camera", 2),
        (["log", "--store", ".vstor"], "{home}/.vstore", 10),
        (["sync", "--store", ".vstor"], "{home}/.vstore", 10),
        (["log", "--store", "../hom"], "{home}", 10),
        (["trust", "../hom"], "{home}", 10),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_files_that_are_not_there_are_refused_with_their_neighbours(
    known: Line, words: list[str], near: str, code: int
) -> None:
    Path("list.txt").write_text("x\n")
    assert known(*words, "--json", code=code).error["next"] == f"did you mean {near.format(home=known.home)}?"


def test_a_query_picture_that_is_not_there_is_refused_with_its_neighbour(known: Line) -> None:
    for words, near in ((["./camera/twn/a.png"], "./camera/town/a.png"), (["--image", "cmera/town/a.png"], "camera/")):
        assert near in known("search", *words, "--json", code=2).error["next"]


def test_a_folder_to_write_into_is_made_or_was_mistyped(known: Line) -> None:
    assert known("export", "cmera/out", "--json", code=2).error["next"] == "did you mean camera? if not, make it first"
    assert known("export", "zebra/out", "--json", code=2).error["next"] == "make it first"
    for words in (["init"], ["sync", "camera"], ["status", "camera"]):
        step = known(*words, "--store", "cmera/store", "--json", code=2).error["next"]
        assert step == f"did you mean {known.home}/camera? if not, make it first: mkdir -p {known.home}/cmera"


def test_a_first_sync_names_what_is_near(line: Line) -> None:
    line.put({"camera/a.png": 1})
    for words in SYNCS:
        assert line(*words, "cmera", "--json", code=2).error["next"] == "did you mean camera?"
    assert not line.store.exists()


def test_the_list_of_an_own_export_is_not_its_description(line: Line) -> None:
    old = OldIndex(line.home)
    line("import", "--faiss", old.faiss, "--metadata", old.json, "--root", old.pictures, "-q")
    line("export", "out")
    words = ["import", "--faiss", "out/index.faiss", "--root", old.pictures, "--store", "new"]
    error = line(*words, "--metadata", "out/vstore.json", "--json", code=2).error
    assert "out/vstore.json is no list of pictures: it belongs to an export of vstore" in error["message"]
    assert error["next"].endswith(" import --faiss out/index.faiss --metadata out/metadata.json")
    assert line(*words, "--metadata", "out/metadata.json", "--json").json["matched"] == 12
    assert json.loads(Path("out/vstore.json").read_text())["vstore_export"] == 1
    assert os.path.isdir("new")
