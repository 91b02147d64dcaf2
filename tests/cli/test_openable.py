"""Paths as they are opened from where one stands: the store elsewhere, two folders, one of them outside."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.folders import drawn, put
from support.lines import Line, Ran
from support.old_indexes import OldIndex

CUT = drawn(40)[: -len(drawn(40)) // 4]


@pytest.fixture
def far(line: Line, monkeypatch: pytest.MonkeyPatch) -> Line:
    """A store elsewhere of home/pictures, and of a folder `others` whose label is another; one stands in pictures."""
    line.put({"pictures/a.png": 1, "pictures/sub/c.png": 3, "pictures/broken.png": b"no picture"})
    outside = line.home.parent / "outside" / "others"
    put(outside, {"a.png": 1, "d.png": 4, "bad.png": b"none either", "scan.psd": b"", "#recycle/x.png": 5})
    monkeypatch.setenv("VSTORE_DIR", str(line.home.parent / "store"))
    line("sync", "pictures", "-q", code=3)
    line("sync", outside, "--as", "mine", "-q", code=3)
    monkeypatch.chdir(line.home / "pictures")
    return line


OUT = "../../outside/others"


def opened(ran: Ran) -> None:
    """Hold that no path is printed by its label."""
    for text in (ran.out, ran.err):
        assert "mine/" not in text and "pictures/" not in text, text


def test_a_sync_names_files_as_they_are_opened_from_here(far: Line) -> None:
    put(far.home.parent / "outside/others", {"new.png": 6, "cut.png": CUT, "copy.png": 3})
    (far.home / "pictures/a.png").rename(far.home / "pictures/z.png")
    for words, code in ((["status"], 0), (["sync", "-n"], 0), (["sync", "--accept-truncated", "1%"], 3)):
        ran = far(*words, "--retry-failed", code=code) if code else far(*words)
        opened(ran)
        assert f"new: {OUT}/new.png" in ran.out or f"new: {OUT}/cut.png" in ran.out
        assert "renamed: a.png -> z.png" in ran.out
        assert f"copied: {OUT}/copy.png" in ran.out
        assert f"(such as {OUT}/scan.psd)" in ran.out
        assert f"Left out: {OUT}/#recycle" in ran.out
    assert f"Took 1 cut picture: {OUT}/cut.png" in ran.out
    assert f"  {OUT}/bad.png: " in ran.err and "  broken.png: " in ran.err
    opened(shown := far("facts"))
    assert f"{OUT}/cut.png (" in shown.out
    failed = far("status", "--json").json["failed"]
    assert [one["file"] for one in failed] == [
        str(far.home.parent / "outside/others/bad.png"),
        str(far.home / "pictures/broken.png"),
    ]


def test_duplicates_are_named_as_they_are_opened_from_here(far: Line) -> None:
    for words in (["dupes"], ["dupes", "--near"], ["dupes", "--verify"]):
        ran = far(*words)
        opened(ran)
        assert f"  {OUT}/a.png" in ran.out and "  a.png" in ran.out
    (group,) = far("dupes", "--json").json["groups"]
    assert all(os.path.isfile(file) for file in group["files"])
    assert [path["path"] for path in group["paths"]] == ["mine/a.png", "pictures/a.png"]


def test_a_difference_names_files_as_they_are_opened_from_here_or_were(far: Line) -> None:
    (far.home / "pictures/a.png").rename(far.home / "pictures/z.png")
    (far.home / "pictures/sub/c.png").unlink()
    far("sync", "-q")
    ran = far("snapshot", "diff", "v1")
    opened(ran)
    assert ran.lines[:-1] == [f"+ {OUT}/d.png", "- sub/c.png", "C z.png", f"R a.png -> {OUT}/a.png"]
    ran = far("snapshot", "diff", "v1", "--stat")
    opened(ran)
    assert [word for text in ran.lines[:-1] for word in text.split() if "/" in word] == [f"{OUT}/", "./", "sub/"]


def test_a_picture_is_named_as_it_is_opened_from_here(far: Line) -> None:
    (far.home / "pictures/sub/c.png").unlink()
    for there, word in ((f"{OUT}/d.png", "mine/d.png"), ("sub/c.png", "pictures/sub/c.png"), ("broken.png",) * 2):
        ran = far("show", word, "--no-neighbours")
        opened(ran)
        assert ran.lines[0].split() == ["picture", there]
        file = far("show", word, "--no-neighbours", "--json").json["file"]
        assert file == os.path.abspath(there)


def test_damage_names_the_files_that_it_affects(far: Line) -> None:
    for path in (far.home.parent / "store" / "segments").iterdir():
        data = bytearray(path.read_bytes())
        data[90] ^= 1
        path.write_bytes(data)
    ran = far("check", "--read-data", code=4)
    opened(ran)
    assert "affects a.png" in ran.err or f"affects {OUT}/a.png" in ran.err
    problems = far("check", "--read-data", "--json", code=4).json["problems"]
    files = [file for problem in problems for file in problem["files"]]
    assert files and all(os.path.isfile(file) for file in files)
    ran = far("repair", "--no-embed", code=4)
    opened(ran)
    assert "LOST" in ran.err


def test_what_an_import_leaves_out_is_named_as_it_is_opened_from_here(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = OldIndex(line.home)
    old.put({"a/p06.png": 41, "b/p06.png": 42, "phone/p07.png": 43})
    (old.pictures / "p06.png").unlink()
    (old.pictures / "p07.png").unlink()
    words = ["import", "--faiss", old.faiss, "--metadata", old.json, "--root", old.pictures, "-n"]
    ran = line(*words)
    assert "2 files match it: pictures/a/p06.png, pictures/b/p06.png" in ran.out
    assert "(pictures/phone/p07.png?)" in ran.out
    document = line(*words, "--json").json
    assert all(
        (Path(document["root_place"]) / file).is_file()
        for row in document["unmatched"]
        for file in row.get("files", [])
    )
    monkeypatch.chdir(old.pictures / "a")
    assert "2 files match it: p06.png, ../b/p06.png" in line(*words).out
