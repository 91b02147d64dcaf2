"""Files that belong to a picture by their names."""

from __future__ import annotations

import pytest

from vstore.plans.companions import Names, is_raw, is_sidecar

NAMES = Names(
    [b"a.jpg", b"A.CR2", b"a.xmp", b"a.jpg.xmp", b"a.mov", b"a.psd", b"b.jpg", b"B.XMP", b"ab.xmp", b"c", b"c.aae"]
)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (b"a.jpg", [b"a.jpg.xmp", b"a.xmp"]),
        (b"A.CR2", [b"a.xmp"]),
        (b"b.jpg", [b"B.XMP"]),
        (b"c", [b"c.aae"]),
        (b"d.jpg", []),
    ],
)
def test_sidecars_of_a_picture(name: bytes, found: list[bytes]) -> None:
    assert NAMES.sidecars_of(name) == found


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (b"a.xmp", [b"A.CR2", b"a.jpg", b"a.mov", b"a.psd"]),
        (b"a.jpg.xmp", [b"A.CR2", b"a.jpg", b"a.mov", b"a.psd"]),
        (b"B.XMP", [b"b.jpg"]),
        (b"ab.xmp", []),
        (b"c.aae", [b"c"]),
    ],
)
def test_files_that_a_sidecar_may_be_about(name: bytes, found: list[bytes]) -> None:
    assert NAMES.owners_of(name) == found


def test_pictures_that_share_a_stem() -> None:
    assert NAMES.pictures_like(b"A.CR2") == [b"a.jpg", b"a.psd"]
    assert NAMES.pictures_like(b"a.jpg") == [b"A.CR2", b"a.psd"]
    assert NAMES.pictures_like(b"b.jpg") == NAMES.pictures_like(b"\xff.jpg") == []


def test_kinds_of_files() -> None:
    assert is_sidecar(b"x.XMP") and not is_sidecar(b"xmp") and not is_sidecar(b"x.jpg")
    assert is_raw(b"x.NEF") and not is_raw(b"x.tif")
