"""Files with nearly the name of a row without a picture are named, and never taken for its picture."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.old_indexes import OldIndex, states

from vstore.importing.near_names import EXTENSION, LETTER, Near, near_names
from vstore.importing.report import ImportRefused
from vstore.importing.spelling import loose


@pytest.fixture
def old(tmp_path: Path) -> OldIndex:
    return OldIndex(tmp_path)


def near(listed: str, *files: str) -> Near | None:
    names = tuple(loose(listed.encode()).split(b"/"))
    return near_names({7: names}, [file.encode() for file in files]).get(7)


@pytest.mark.parametrize(
    ("listed", "file", "how"),
    [
        ("a/IMG_0001.jpg", "a/IMG_0001.jpeg", EXTENSION),
        ("a/IMG_0001.JPG", "b/img_0001.png", EXTENSION),
        ("a/IMG_0001", "a/IMG_0001.jpg", EXTENSION),
        ("a/v1.2.jpg", "a/v1.2.webp", EXTENSION),
        ("a/sunset.jpg", "a/sunsets.jpg", LETTER),
        ("a/sunset.jpg", "a/sunst.png", LETTER),
        ("a/sunset.jpg", "a/Sunsat.jpg", LETTER),
        ("a/img-12.jpg", "a/img_12.jpg", LETTER),
        ("a/größe.jpg", "a/grösse.jpg", EXTENSION),
        ("a/café1.jpg", "a/cafe1.jpg", LETTER),
        ("a/cafe\u0301.jpg", "a/café.png", EXTENSION),
        ("a/\u732b\u732b\u732b\u732b\u732b.jpg", "a/\u732b\u732b\u732b\u732b\u72ac.jpg", LETTER),
    ],
)
def test_a_name_is_near(listed: str, file: str, how: str) -> None:
    assert near(listed, "x/other.jpg", file) == Near(how, (file.encode(),))


@pytest.mark.parametrize(
    ("listed", "file"),
    [
        ("a/IMG_0001.jpg", "a/IMG_0002.jpg"),
        ("a/IMG_0001.jpg", "a/IMG_00011.jpg"),
        ("a/img1x2.jpg", "a/img1x3.jpg"),
        ("a/sunset.jpg", "a/sunrise.jpg"),
        ("a/abcdef.jpg", "a/bcdefg.jpg"),
        ("a/abcdef.jpg", "a/badcef.jpg"),
        ("a/cat.jpg", "a/bat.jpg"),
    ],
)
def test_a_name_is_not_near(listed: str, file: str) -> None:
    assert near(listed, file) is None


def test_another_extension_counts_more_and_the_own_folder_comes_first() -> None:
    files = ("a/sunset.png", "b/sunsets.jpg", "b/sunset.png", "b/sunset.webp")
    assert near("old/b/sunset.jpg", *files) == Near(EXTENSION, (b"b/sunset.png", b"b/sunset.webp", b"a/sunset.png"))


def test_names_that_are_no_utf_8_are_compared() -> None:
    assert near_names({1: (b"\xff1_sun.jpg",)}, [b"\xff1_son.jpg"]) == {1: Near(LETTER, (b"\xff1_son.jpg",))}


def test_near_names_are_reported_and_not_taken(old: OldIndex) -> None:
    old.put({"p00.webp.png": 50, "p01.gif": 51, "landscapes.png": 52, "p05_.png": 53})
    for name in ("p01.png", "p02.png", "p05.png"):
        (old.pictures / name).unlink()
    old.write([*old.paths[:3], "../o00_images/landscape.png", *old.paths[4:]])
    report = old.new()
    assert states(report) == {"matched": 8, "missing": 4}
    told = {row.row: (row.why, row.reason, row.files) for row in report.of("missing")}
    assert told == {
        1: ("near_name", "a file has its name with another extension", (b"p01.gif",)),
        2: ("no_file", "no file under --root has this name", ()),
        3: ("near_name", "a file has its name of which one letter differs", (b"landscapes.png",)),
        5: ("no_file", "no file under --root has this name", ()),
    }
    assert [(wait.why, wait.rows) for wait in report.waiting()] == [("near_name", 2), ("no_file", 2)]
    assert report.left == 4


def test_a_file_of_another_row_is_no_near_miss(old: OldIndex) -> None:
    old.put({"p01.gif": 1})
    (old.pictures / "p01.png").unlink()
    old.write(["../o00_images/p01.gif", *old.paths[1:]])
    assert [(row.row, row.why) for row in old.new().of("missing")] == [(1, "no_file")]


def test_a_list_whose_pictures_were_all_converted_is_refused_with_the_step(old: OldIndex) -> None:
    for name in old.names:
        (old.pictures / name).rename(old.pictures / name.replace(".png", ".gif"))
    with pytest.raises(ImportRefused, match="with another extension") as caught:
        old.new()
    assert (
        caught.value.next_step
        == "files have nearly these names: if they are the pictures, write their names into the list"
    )


def test_an_export_knows_a_file_that_got_another_extension_by_its_bytes(old: OldIndex) -> None:
    old.new()
    with old.store as store:
        store.snapshot_export("current", old.top / "out.parquet", format="parquet")
    (old.pictures / "p01.png").rename(old.pictures / "p01.gif")
    from vstore.store import Store

    report = Store.import_new(old.top / "again", embeddings=old.top / "out.parquet", root=old.pictures)
    assert states(report) == {"matched": 12}
