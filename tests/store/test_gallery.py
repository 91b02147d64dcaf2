"""Pages of pictures in one file: what stands in them, what they load (nothing), and how large they get."""

from __future__ import annotations

import os
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.folders import World
from support.gallery_page import HOSTILE, Page, harmless

from vstore import Hit, SearchReport, UsageError
from vstore.gallery import write as module
from vstore.gallery.thumbnails import Missing, Wanted
from vstore.repository.acquaintance import PictureSource


@pytest.fixture
def filled(world: World) -> World:
    world.put({f"{number}.png": number for number in range(4)})
    world.sync()
    return world


def search(world: World, number: int = 1, **options: Any) -> SearchReport:
    return world.store.search(bytes.fromhex(world.key(number)), **options)


def test_a_page_holds_the_pictures_their_scores_and_names(filled: World) -> None:
    out = filled.top / "hits.html"
    report = search(filled).to_html(out, title="like <1>")
    assert (report.snapshot, report.out) == ("v1", str(out))
    assert (report.pictures, report.shown, report.missing) == (4, 4, 0)
    assert report.bytes == out.stat().st_size
    page = Page(out)
    harmless(page)
    assert page.all("img")[0]["alt"] == "1.png"
    assert len(page.all("img")) == 4
    assert page.all("a")[0]["href"] == f"file://{filled.pictures}/1.png"
    for words in ("like <1>", "4 pictures of v1", "1.000", "pictures/"):
        assert words in page.words


def test_hostile_names_are_text(filled: World) -> None:
    filled.put({HOSTILE: 9})
    filled.sync()
    out = filled.top / "hits.html"
    search(filled, 9).to_html(out, title=HOSTILE)
    page = Page(out)
    harmless(page)
    assert "<script" not in page.text
    assert '"><script>alert(1)<img src=x onerror=alert(2)> \ufffd\ufffd[31m \ufffdgpj.png' in page.words
    assert page.all("a")[0]["href"] == "file://" + "".join(
        chr(byte) if re.match(rb"[\w/.~-]", bytes([byte])) else f"%{byte:02X}"
        for byte in os.fsencode(filled.pictures / HOSTILE)
    )


def test_a_picture_that_is_gone_has_its_place_and_its_name(filled: World) -> None:
    (filled.pictures / "1.png").unlink()
    filled.put({"2.png": 3})
    out = filled.top / "hits.html"
    assert search(filled).to_html(out).missing == 2
    page = Page(out)
    assert len(page.all("img")) == len(page.all("a")) == 2
    for words in ("no longer there", "another picture now", "1.png", "2.png"):
        assert words in page.words


def test_the_file_that_is_there_is_the_one_that_is_named(filled: World) -> None:
    filled.put({"0 first.png": 1})
    filled.sync()
    (filled.pictures / "0 first.png").unlink()
    out = filled.top / "hits.html"
    assert search(filled, k=1).to_html(out).missing == 0
    page = Page(out)
    assert (page.all("a")[0]["href"], page.all("img")[0]["alt"]) == (f"file://{filled.pictures}/1.png", "1.png")
    assert "and 1 other path" in page.words


def test_a_page_without_links_tells_of_no_folder(filled: World) -> None:
    search(filled).to_html(filled.top / "hits.html", links=False)
    page = Page(filled.top / "hits.html")
    assert (len(page.all("img")), page.all("a")) == (4, [])
    assert str(filled.top) not in (filled.top / "hits.html").read_text()


def test_folders_that_nobody_named_are_neither_opened_nor_told(tmp_path: Path) -> None:
    hit = Hit(b"k" * 16, 0.5, (b"a/1.png",), (b"/elsewhere/1.png",), unnamed=(b"/elsewhere/1.png",))
    SearchReport("v1", (hit,)).to_html(tmp_path / "hits.html")
    text = (tmp_path / "hits.html").read_text()
    assert "elsewhere" not in text
    assert "in a folder that is not known here" in text
    assert "no longer there" not in text


def test_what_is_said_of_a_search_stands_above(filled: World, tmp_path: Path) -> None:
    SearchReport("v1", (), True, ("a <b> is taken as the picture",)).to_html(tmp_path / "none.html")
    page = Page(tmp_path / "none.html")
    for words in ("a <b> is taken as the picture", "of one colour", "No picture of v1 matches."):
        assert words in page.words
    assert "most similar" not in page.words


def test_a_page_without_hits_says_why(tmp_path: Path) -> None:
    report = SearchReport("v1", (), least=0.68)
    assert report.to_html(tmp_path / "none.html").shown == 0
    said = "Nothing relevant found in v1: no picture scores 0.680 or more."
    assert said in Page(tmp_path / "none.html").words
    assert report._repr_html_() == f"<p>{said}</p>"


@pytest.mark.parametrize("trouble", ["file", "link", "no folder"])
def test_no_file_is_replaced(filled: World, trouble: str) -> None:
    out = filled.top / "hits.html"
    if trouble == "file":
        out.write_text("mine")
    elif trouble == "link":
        out.symlink_to("nowhere")
    else:
        out = filled.top / "none" / "hits.html"
    with pytest.raises(UsageError, match="already exists" if trouble != "no folder" else "there is no folder"):
        search(filled).to_html(out)
    assert trouble != "file" or out.read_text() == "mine"


def test_an_error_leaves_nothing(filled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(filled.top.iterdir())
    monkeypatch.setattr(module, "item", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        search(filled).to_html(filled.top / "hits.html")
    assert sorted(filled.top.iterdir()) == before


def test_an_error_ends_the_making_of_thumbnails(filled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = []

    def made(source: PictureSource, wanted: Iterator[Wanted]) -> Iterator[Missing]:
        try:
            for _ in wanted:
                yield Missing("gone")
        finally:
            ended.append(True)

    monkeypatch.setattr(module, "thumbnails", made)
    monkeypatch.setattr(module, "item", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError) as error:
        search(filled).to_html(filled.top / "hits.html")
    assert ended == [True]
    del error  # which holds the frames that hold the generator


def many(monkeypatch: pytest.MonkeyPatch, count: int) -> SearchReport:
    """A search with many hits, whose thumbnails have 20 KB each."""
    from vstore.disk.thumbs import Thumb
    from vstore.gallery.thumbnails import Shown

    def thumbnails(source: PictureSource, wanted: Iterator[Wanted]) -> Iterator[Shown | Missing]:
        for number, one in enumerate(wanted):
            yield Shown(Thumb((1, 1, 1, number), 1, 1, number.to_bytes(4, "little") * 5000), one.paths[0])

    monkeypatch.setattr(module, "thumbnails", thumbnails)
    hits = (Hit(number.to_bytes(16, "big"), 0.5, (b"a/%d.png" % number,), (None,)) for number in range(count))
    return SearchReport("v1", tuple(hits))


def test_ten_thousand_hits_stay_a_sensible_size_and_the_page_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = many(monkeypatch, 10_000)
    tracemalloc.start()
    made = report.to_html(tmp_path / "hits.html")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (made.pictures, made.shown) == (10_000, 1_000)
    assert made.bytes < 30 << 20
    assert peak < 8 << 20, "a page is written as it is made"
    text = (tmp_path / "hits.html").read_text()
    assert "The first 1,000 of 10,000 pictures are shown." in text
    assert text.count("<img") == 1_000
    assert "999.png" in text
    assert "1000.png" not in text


def test_progress_is_told(filled: World) -> None:
    told: list[Any] = []

    class Listener:
        def stage(self, name: str, total: int | None) -> None:
            told.append((name, total))

        def advance(self, n: int = 1) -> None:
            told.append(n)

        def note(self, text: str) -> None: ...

        def close(self) -> None: ...

    search(filled).to_html(filled.top / "hits.html", progress=Listener())
    assert told == [("making thumbnails", 4), 1, 1, 1, 1]


def test_near_duplicates_that_were_folded_under_a_hit_are_counted(tmp_path: Path) -> None:
    folded = tuple(Hit(bytes([number]) * 16, 0.4, (b"a/%d.png" % number,), (None,)) for number in range(2))
    hit = Hit(b"k" * 16, 0.5, (b"a/best.png",), (None,), flat=True, collapsed=folded)
    made = SearchReport("v1", (hit,)).to_html(tmp_path / "hits.html")
    assert (made.pictures, made.shown) == (1, 1)
    words = Page(tmp_path / "hits.html").words
    assert "one colour" in words
    assert "and 2 near-duplicates" in words
