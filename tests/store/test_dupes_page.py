"""Groups of duplicates as a page: each file with its picture, the best one marked, whole groups alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.folders import World
from support.gallery_page import HOSTILE, Page, harmless

from vstore import DupesReport, UsageError
from vstore.gallery import write as module
from vstore.gallery.thumbnails import Missing, Wanted
from vstore.repository.acquaintance import PictureSource
from vstore.search.groups import Group, Picture
from vstore.search.keep_best import Best


@pytest.fixture
def filled(world: World) -> World:
    world.put({"one.png": 1, "sub/again.png": 1, "two.png": 2, "two more.png": 2, "three.png": 3})
    world.sync()
    os.utime(world.pictures / "one.png", (1_000_000_000, 1_000_000_000))
    return world


def near(at: int, *pictures: Picture, best: str = "") -> Group:
    paths = tuple(path for picture in pictures for path in picture.paths)
    marked = (Best(0, best.encode(), pictures[0].key, ("pixels",), "more pixels", ()),) if best else ()
    return Group(bytes([at]) * 16, 10, paths, {}, 2048, pictures, "near", 0.91, len(paths) - 1, best=marked)


def picture(
    key: int, *names: str, score: float = 1.0, tier: str = "near", burst: bool = False, part: int = 0
) -> Picture:
    return Picture(bytes([key]) * 16, score, tuple(name.encode() for name in names), tier, burst, part)


def written(report: DupesReport, folder: Path) -> Page:
    report.to_html(folder / "page.html")
    page = Page(folder / "page.html")
    harmless(page)
    return page


def best_names(page: Page) -> list[str]:
    """The names below the pictures that stand out."""
    return [part.partition('title="')[2].partition('"')[0] for part in page.text.split('<li class="best">')[1:]]


def test_a_page_shows_each_file_of_a_group_and_marks_the_best(filled: World) -> None:
    out = filled.top / "page.html"
    report = filled.store.dupes()
    made = report.to_html(out, title="twice <1>")
    assert (made.snapshot, made.out, made.pictures, made.shown, made.missing) == ("v1", str(out), 4, 4, 0)
    assert made.bytes == out.stat().st_size
    page = Page(out)
    harmless(page)
    assert [one["alt"] for one in page.all("img")] == [
        os.path.basename(os.fsdecode(path)) for group in report.groups for path in group.paths
    ]
    assert {one["href"] for one in page.all("a")} == {
        f"file://{filled.pictures}/{name}" for name in ("one.png", "sub/again.png", "two.png", "two%20more.png")
    }
    assert "one.png" in best_names(page) and "again.png" not in best_names(page)
    for words in (
        "twice <1>", "2 groups of v1, 2 copies", "1. 2 files with the same bytes", "2. 2 files", "best: older file",
        "2001-09-09", "30\u202f×\u202f20",
    ):  # fmt: skip
        assert words in page.words


def test_each_file_is_compared_with_its_key(filled: World) -> None:
    filled.put({"sub/again.png": 5})
    (filled.pictures / "two.png").unlink()
    report = filled.store.dupes()
    assert report.to_html(filled.top / "page.html").missing == 2
    words = Page(filled.top / "page.html").words
    assert "another picture now" in words
    assert words.count("no longer there") == 1
    assert "No such file" not in words


def test_a_report_writes_its_page_after_the_store_was_closed(filled: World) -> None:
    report = filled.store.dupes()
    filled.store.close()
    assert report.to_html(filled.top / "page.html").missing == 0


def test_hostile_names_are_text(filled: World) -> None:
    filled.put({HOSTILE: 1})
    filled.sync()
    page = written(filled.store.dupes(), filled.top)
    assert "<script" not in page.text
    assert '"><script>alert(1)<img src=x onerror=alert(2)> \ufffd' in page.words


def test_files_in_folders_that_nobody_named_are_neither_opened_nor_linked(tmp_path: Path) -> None:
    opened: list[bytes] = []
    from vstore.repository.files import Files

    where = Files({b"a": b"/elsewhere", b"b": b"/known"}, unnamed=(b"a",))
    group = Group(b"k" * 16, None, (b"a/1.png", b"b/1.png"), {b"a/1.png": "you have not named its folder here"}, 0)
    source = PictureSource(lambda path: opened.append(path))
    page = written(DupesReport("v1", False, None, (group,), 0, where=where, source=source), tmp_path)
    assert "elsewhere" not in page.text
    assert "you have not named its folder here" in page.words
    assert DupesReport("v1", False, None, (), 0, source=source) == DupesReport("v1", False, None, (), 0)


def test_look_alikes_tell_their_likeness_and_begin_a_line_for_each_shot_of_a_burst(tmp_path: Path) -> None:
    group = near(
        1,
        picture(1, "a/first.jpg", "a/copy.jpg", burst=True),
        picture(2, "a/titled.jpg", score=1.0, tier="pixels"),
        picture(3, "a/next.jpg", score=0.95, burst=True, part=1),
        best="a/copy.jpg",
    )
    report = DupesReport("v1", False, 0.9, (group,), 2048, 3, one_in=1000, decided=2, notes=("a <note>",))
    page = written(report, tmp_path)
    for words in (
        "1 group of v1, 3 copies, 2.0 KiB wasted", "score 0.9 or more: 1 in 1,000 pairs of unrelated pictures",
        "2 groups left out", "3 pictures of one colour", "a <note>",
        "1. 4 files that look alike (score 0.910 or more), 2 of a burst", "same bytes", "same pixels", "0.950",
        "best: more pixels", "of a burst",
    ):  # fmt: skip
        assert words in page.words
    assert best_names(page) == ["copy.jpg"]
    assert page.text.count('<li class="new">') == 1
    assert "next.jpg" in page.text.split('<li class="new">')[1]
    rarest = report._replace(one_in=1_000_000_000, loose=True)
    rarest.to_html(tmp_path / "rarest.html")
    words = Page(tmp_path / "rarest.html").words
    assert "fewer than 1 in 1,000,000,000 pairs" in words
    assert "4 files that look like the first" in words


def test_groups_whole_are_shown_of_a_page_with_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def thumbnails(source: PictureSource, wanted: Iterator[Wanted]) -> Iterator[Missing]:
        for _ in wanted:
            yield Missing("gone")

    monkeypatch.setattr(module, "thumbnails", thumbnails)
    monkeypatch.setattr(module, "MOST", 5)
    groups = [
        Group(bytes([at]) * 16, 1, (b"a/%d" % at, b"b/%d" % at, b"c/%d" % at), {}, 0, copies=2) for at in range(3)
    ]
    made = DupesReport("v1", False, None, tuple(groups), 0).to_html(tmp_path / "page.html")
    assert (made.pictures, made.shown) == (9, 3)
    page = Page(tmp_path / "page.html")
    assert "The first 3 of 9 pictures are shown." in page.words
    assert "2. 3 files" not in page.words
    many = Group(b"k" * 16, 1, tuple(b"a/%d" % at for at in range(9)), {}, 0, copies=8)
    made = DupesReport("v1", False, None, (many, *groups), 0).to_html(tmp_path / "many.html")
    assert (made.pictures, made.shown) == (18, 5)  # the first one is cut: a page without any would tell nothing


def test_where_nothing_stands_twice_the_page_says_so(world: World) -> None:
    world.put({"one.png": 1})
    world.sync()
    made = world.store.dupes().to_html(world.top / "page.html")
    assert (made.pictures, made.shown) == (0, 0)
    assert "v1 holds no such duplicates" in Page(world.top / "page.html").words


@pytest.mark.parametrize("trouble", ["file", "no folder"])
def test_no_file_is_replaced(filled: World, trouble: str) -> None:
    out = filled.top / ("page.html" if trouble == "file" else "none/page.html")
    if trouble == "file":
        out.write_text("mine")
    with pytest.raises(UsageError, match="already exists" if trouble == "file" else "there is no folder"):
        filled.store.dupes().to_html(out)
    assert trouble != "file" or out.read_text() == "mine"


def test_another_process_gets_names_alone(filled: World) -> None:
    import pickle

    report = pickle.loads(pickle.dumps(filled.store.dupes()))
    assert report.to_html(filled.top / "page.html").missing == 4
    assert "source" not in report.to_json()


def test_sizes_are_told_as_the_command_line_does() -> None:
    from vstore.gallery.page import byte_size
    from vstore_cli.output import size

    for amount in (0, 1, 1023, 1024, 1536, 1 << 20, 5 << 30, 3 << 40):
        assert byte_size(amount) == size(amount)
