"""Names in another form of Unicode match everywhere, and in another letter case where the disk says so."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from support.folders import World, classes, put

from vstore.pictures import spelling
from vstore.pictures.spelling import ListedNames, composed, folds_case, on_disk
from vstore.repository import places

NFC, NFD = (unicodedata.normalize(form, "Été à Zürich") for form in ("NFC", "NFD"))


class FoldingOs:
    """The os module on a disk that finds names in any letter case. It lists them as they were made."""

    def lstat(self, path: bytes) -> os.stat_result:
        folder, name = os.path.split(path)
        real = {one.lower(): one for one in os.listdir(folder)}
        return os.lstat(os.path.join(folder, real.get(name.lower(), name)))

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


def test_names_are_composed(tmp_path: Path) -> None:
    assert composed(NFD) == composed(NFC) == NFC != NFD
    assert composed("\udcff" + NFD) == "\udcff" + NFC
    assert composed("plain") == "plain"


@pytest.mark.parametrize(("typed", "on_disk"), [(NFC, NFD), (NFD, NFC), (NFC, NFC)])
@pytest.mark.parametrize("how", ["exclude", "file"])
def test_a_pattern_matches_a_name_in_another_form(world: World, typed: str, on_disk: str, how: str) -> None:
    world.put({f"{on_disk}/a.png": 1, "b.png": 2, f"c/{on_disk}.png": 3})
    lines = [f"{typed}/", f"/c/{typed}.png"]
    if how == "file":
        world.put({".vstoreignore": "\n".join(lines).encode()})
    report = world.sync(exclude=lines if how == "exclude" else [])
    assert (classes(report), report.notes) == ({"new": 1}, ())


def test_a_disk_that_folds_case_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = os.fsencode(tmp_path)
    assert not folds_case(place) and not folds_case(place + b"/none")
    put(tmp_path, {"12": b"", "Name.png": b""})
    assert not folds_case(place)
    monkeypatch.setattr(spelling, "os", FoldingOs())
    assert folds_case(place)


def test_two_names_of_one_file_are_no_folding(tmp_path: Path) -> None:
    put(tmp_path, {"Name": b""})
    os.link(tmp_path / "Name", tmp_path / "nAME")
    assert not folds_case(os.fsencode(tmp_path))


@pytest.mark.parametrize("folds", [True, False])
@pytest.mark.parametrize("how", ["exclude", "file", "include"])
def test_on_such_a_disk_patterns_match_in_any_letter_case(
    world: World, monkeypatch: pytest.MonkeyPatch, how: str, folds: bool
) -> None:
    monkeypatch.setattr(spelling, "folds_case", lambda place: folds)
    world.put({"Animals/a.png": 1, "b.png": 2, "c.IMG": 3})
    if how == "file":
        world.put({".vstoreignore": b"ANIMALS/\n"})
    given: dict[str, list[str]] = {"exclude": {"exclude": ["ANIMALS/"]}, "include": {"include": ["*.img"]}}.get(how, {})
    report = world.sync(**given)
    expected = {"include": 3 if folds else 2}.get(how, 1 if folds else 2)
    assert report.new == expected
    assert bool(report.notes) == (not folds)


@pytest.mark.parametrize(("typed", "there"), [(NFC, NFD), (NFD, NFC)])
def test_a_part_named_in_another_form_is_found(world: World, typed: str, there: str) -> None:
    world.put({f"{there}/a.png": 1, f"{there}/{there}/b.png": 2, "c.png": 3})
    world.sync()
    world.put({f"{there}/a.png": 4, f"{there}/{there}/b.png": 5, "c.png": 6})
    assert classes(world.sync(world.pictures / typed / typed)) == {"changed": 1}
    assert classes(world.sync(world.pictures / typed / "a.png")) == {"changed": 1}
    (world.pictures / there / "a.png").unlink()
    assert classes(world.sync(world.pictures / typed)) == {"unchanged": 1, "removed": 1}
    assert on_disk(os.fsencode(world.pictures), b"none/at/all") is None


class Folding(FoldingOs):
    """Such a disk, for whoever looks at files too."""

    def stat(self, path: Any, **options: Any) -> os.stat_result:
        return self.lstat(path) if isinstance(path, bytes) and not options else os.stat(path, **options)

    def lstat(self, path: bytes) -> os.stat_result:
        real = b"/"
        for name in path.split(b"/"):
            listed = {one.lower(): one for one in os.listdir(real)} if os.path.isdir(real) else {}
            real = os.path.join(real, name if name in listed.values() else listed.get(name.lower(), name))
        return os.lstat(real)


@pytest.fixture
def folding(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (spelling, places):
        monkeypatch.setattr(module, "os", Folding())


def test_names_are_spelled_as_such_a_disk_lists_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, {"Top.png": b"", "D/Été/Img.png": b""})
    place = os.fsencode(tmp_path)
    assert ListedNames(place).spelled(b"d/IMG.png") == b"d/IMG.png"
    monkeypatch.setattr(spelling, "os", Folding())
    names = ListedNames(place)
    assert names.spelled("d/éTÉ/IMG.png".encode()) == "D/Été/Img.png".encode()
    assert (names.spelled(b"TOP.png"), names.spelled(b"d/none/x")) == (b"Top.png", b"D/none/x")


@pytest.mark.parametrize("typed", ["D", "d", "D/Img.png", "d/IMG.PNG"])
def test_a_part_is_stored_as_such_a_disk_lists_it(world: World, folding: None, typed: str) -> None:
    world.put({"D/Img.png": 1, "Top.png": 2})
    world.sync()
    world.put({"D/Img.png": 3})
    report = world.sync(world.pictures / typed)
    assert (classes(report), world.paths()) == ({"changed": 1}, ["pictures/D/Img.png", "pictures/Top.png"])


@pytest.mark.parametrize("typed", ["D", "d", "D/Img.png", "d/Img.png"])
def test_a_folder_renamed_in_its_letter_case_is_renamed_when_a_part_is_named(
    world: World, folding: None, typed: str
) -> None:
    world.put({"d/Img.png": 1, "Top.png": 2})
    world.sync()
    (world.pictures / "d").rename(world.pictures / "D")
    report = world.sync(world.pictures / typed)
    assert (classes(report), world.paths()) == ({"renamed": 1}, ["pictures/D/Img.png", "pictures/Top.png"])


def test_two_folders_that_differ_in_case_stay_two_elsewhere(world: World) -> None:
    world.put({"d/a.png": 1, "D/b.png": 2})
    world.sync()
    world.put({"d/c.png": 3})
    assert classes(world.sync(world.pictures / "d")) == {"unchanged": 1, "new": 1}
    assert len(world.paths()) == 3
