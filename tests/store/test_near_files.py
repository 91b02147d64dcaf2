"""Paths near one that does not exist, as its writer wrote it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.folders import put

from vstore.near_files import as_written, did_you_mean, near_files, near_paths


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    put(tmp_path, {"camera/2024/a.png": 1, "camera/2025/b.png": 2, "Town/c.png": 3, ".hidden/d.png": 4, "é.png": 5})
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "near"),
    [
        ("cmera", ["camera"]),
        ("cmera/", ["camera"]),
        ("./cmera", ["./camera"]),
        ("town", ["Town"]),
        ("camera/2042", ["camera/2025", "camera/2024"]),
        ("camera/2024/b.png", ["camera/2024/a.png"]),
        ("cmera/2024/a.png", ["camera/2024/a.png"]),
        ("cmera/zebra", ["camera"]),
        ("Town/../cmera", ["Town/../camera"]),
        ("e\u0301.png", ["é.png"]),
        (".hiden", [".hidden"]),
        ("hidden", []),
        ("zebra", []),
        ("zebra/a.png", []),
        ("", []),
        ("/", []),
        ("x" * 100_000, []),
    ],
)
def test_names_on_disk_are_proposed_as_the_path_is_written(tree: Path, typed: str, near: list[str]) -> None:
    assert [os.fsdecode(path) for path in near_files(os.fsencode(typed))] == near


def test_absolute_paths_stay_absolute(tree: Path) -> None:
    assert near_files(os.fsencode(tree / "cmera")) == [os.fsencode(tree / "camera")]


def test_three_paths_are_proposed_at_most() -> None:
    names = [b"camera%d" % n for n in range(9)]
    assert len(near_paths(lambda done: () if done else names, [b"camera"])) == 3


def test_a_folder_that_may_not_be_listed_proposes_nothing(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "scandir", lambda path: (_ for _ in ()).throw(PermissionError()))
    assert near_files(b"cmera") == []


@pytest.mark.parametrize(
    ("near", "path", "given", "written"),
    [
        (b"town", b"twn", b"camera/twn", b"camera/town"),
        (b"town", b"twn", b"camera/twn/", b"camera/town"),
        (b"animals/cats", b"animal/cats", b"./pictures/animal/cats", b"./pictures/animals/cats"),
        (b"sub/1.jpg", b"sub/1.jpgg", b"./1.jpgg", b"./1.jpg"),
        (b"sub/1.jpg", b"sub/1.jpgg", b"link/1.jpgg", b"link/1.jpg"),
        (b"sub/1.jpg", b"sup/1.jpgg", b"1.jpgg", None),  # the wrong name is not one of the given
        (b"pictures/town", b"pictures/twn", b"pictures/twn", b"pictures/town"),
        (b"town", b"twn", b"/a/twn", b"/a/town"),
    ],
)
def test_a_near_path_is_written_as_the_user_wrote_the_other(
    near: bytes, path: bytes, given: bytes, written: bytes | None
) -> None:
    assert as_written(near, path, given) == written


def test_names_of_one_length_may_differ_more() -> None:
    names = [b"sub", b"garden town"]
    assert near_paths(lambda done: () if done else names, [b"sbu"]) == [b"sub"]
    assert near_paths(lambda done: () if done else names, [b"town"]) == []


def test_what_is_meant_is_said_once() -> None:
    assert did_you_mean([b"a", b"b", b"a"], "look") == "did you mean a or b?"
    assert did_you_mean([], "look") == "look"
