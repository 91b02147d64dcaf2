"""Names in another form of Unicode match everywhere, and in another letter case where the disk says so."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from support.folders import World, classes, put

from vstore.pictures import spelling
from vstore.pictures.spelling import composed, folds_case, on_disk

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
