"""Pictures that need an optional package: without it they are not opened, said once, and keep what they had."""

from __future__ import annotations

import io
import sys

import pytest
from PIL import Image
from support.folders import World, classes
from support.raw_files import by_tifffile, light, mosaic

from vstore.errors import UsageError
from vstore.packages import HEIC, JXL, RAW, TIFF
from vstore.pictures import extras
from vstore.pictures.formats import _JPEG, EXTENSIONS, OPTIONAL

DNG = by_tifffile(mosaic(light(64, 96)))
WHY = "RAW pictures need one more package: pip install 'vstore-index[raw]'"


def without_raw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rawpy", None)


def test_a_package_is_there_with_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(map(extras.is_there, (RAW, JXL, TIFF, HEIC)))
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    assert [extras.is_there(package) for package in (RAW, JXL, TIFF)] == [True, False, False]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, "rawpy", raising=False)
    assert not extras.is_there(RAW)


def test_what_lacks_its_package_is_known_by_its_extension(monkeypatch: pytest.MonkeyPatch) -> None:
    assert extras.lacking(EXTENSIONS) == {}
    without_raw(monkeypatch)
    found = extras.lacking(EXTENSIONS)
    assert set(found.values()) == {RAW} and ".cr3" in found and ".jxl" not in found
    assert found.keys() == {name for name, package in OPTIONAL.items() if package == RAW}
    assert extras.lacking(frozenset({".jpg", ".nef"})) == {".nef": RAW}


def test_the_versions_are_part_of_what_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [name.split()[0] for name in extras.versions()] == ["tifffile", "imagecodecs", "rawpy", "pillow-jxl-plugin"]
    assert not any(name.endswith(" none") for name in extras.versions())


def test_raw_is_taken_in_with_the_package_and_said_once_without(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put({"a.png": 1, "b.dng": DNG, "x/c.CR2": b"", "x/d.nef": b"x"})
    without_raw(monkeypatch)
    report = world.sync()
    assert classes(report) == {"new": 1} and not report.failed and report.ignored == 0
    (passed,) = report.passed
    assert passed == ("extra", "raw", 3, b"pictures/b.dng", WHY, None)
    assert world.store.status(()).passed == report.passed
    monkeypatch.undo()
    report = world.sync()
    assert (report.new, report.passed) == (1, ())
    assert sorted(failure.path for failure in report.failed) == [b"pictures/x/c.CR2", b"pictures/x/d.nef"]


def test_without_the_package_a_raw_keeps_its_picture(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put({"a.png": 1, "b.dng": DNG})
    assert classes(world.sync()) == {"new": 2}
    before = world.aliases()
    without_raw(monkeypatch)
    for _ in range(2):
        report = world.sync()
        assert report.removed == 0 and not report.failed
        assert world.aliases() == before
    (world.pictures / "b.dng").unlink()
    assert world.sync().removed == 1


def test_a_raw_that_leads_to_git_annex_is_kept_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put({"a.png": 1, "b.dng": DNG})
    world.sync()
    before = world.aliases()
    without_raw(monkeypatch)
    (world.pictures / "b.dng").unlink()
    (world.pictures / ".b.dng.icloud").write_bytes(b"bplist00")
    assert world.sync().removed == 0
    (world.pictures / ".b.dng.icloud").unlink()
    (world.pictures / "b.dng").symlink_to("../.git/annex/objects/Xk/9z/SHA256E-s1--ab.dng")
    assert world.sync().removed == 0
    assert world.aliases() == before


def test_an_excluded_raw_is_not_spoken_of(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put({"a.png": 1, "b.dng": DNG})
    without_raw(monkeypatch)
    assert world.sync(exclude=["*.dng"]).passed == ()


def test_a_raw_that_is_included_by_name_fails_by_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put({"a.png": 1, "b.dng": DNG})
    without_raw(monkeypatch)
    report = world.sync(include=["*.dng"])
    assert [(failure.path, failure.kind, failure.reason) for failure in report.failed] == [
        (b"pictures/b.dng", "needs_extra", WHY)
    ]


def test_a_new_folder_of_raw_alone_says_what_to_install(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put({"b.dng": DNG})
    without_raw(monkeypatch)
    with pytest.raises(UsageError, match="only 1 picture of kinds that need an optional package") as caught:
        world.sync()
    assert caught.value.next_step == WHY


def test_raw_and_the_jpeg_beside_it_are_two_pictures(world: World) -> None:
    out = io.BytesIO()
    Image.new("RGB", (96, 64), (200, 10, 10)).save(out, "JPEG")
    world.put({"a.dng": DNG, "a.jpg": out.getvalue()})
    assert classes(world.sync()) == {"new": 2}


def test_a_file_is_what_its_bytes_say_whatever_its_name(world: World) -> None:
    out = io.BytesIO()
    Image.new("RGB", (96, 64), (200, 10, 10)).save(out, "PNG")
    world.put({"a.jpg": out.getvalue(), "b.tif": DNG, "c.nef": out.getvalue() + b"more"})
    report = world.sync()
    assert classes(report) == {"new": 3} and not report.failed


def test_the_names_of_jpeg_are_read(world: World) -> None:
    names = _JPEG.split()
    assert len(names) == 13
    for number, name in enumerate([*names, ".JPG_LARGE"]):
        out = io.BytesIO()
        Image.new("RGB", (96, 64), (20 * number, 10, 10)).save(out, "JPEG")
        world.put({f"a{number}{name}": out.getvalue()})
    assert classes(world.sync()) == {"new": 14}
