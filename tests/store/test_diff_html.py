"""The differences of two snapshots as a page: each picture as it was and is, as far as it can still be shown."""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
from support.folders import World
from support.gallery_page import HOSTILE, Page, harmless

from vstore import DiffReport
from vstore.gallery import write as module


@pytest.fixture
def history(settled: World) -> World:
    """v1, and v2 with something of each kind; two pictures have changed places, one was written over."""
    settled.put(
        {"over.png": 1, "left.png": 2, "right.png": 3, "old.png": 4, "gone.png": 5, "twice.png": 6, "same.png": 7}
    )
    settled.sync()
    settled.put({"over.png": 8, "left.png": 3, "right.png": 2, "copy.png": 6, "new.png": 9})
    (settled.pictures / "old.png").rename(settled.pictures / "renamed.png")
    (settled.pictures / "gone.png").unlink()
    settled.sync()
    return settled


class PageFile(Page):
    """A page, and what stands in it: the titles of its parts, the names, marks and bytes of its pictures."""

    def __init__(self, file: Path) -> None:
        super().__init__(file)
        self.titles = re.findall("<h2>(.*?)</h2>", self.text)
        self.names = re.findall('class="name" title="[^"]*">(.*?)<', self.text)
        self.marks = re.findall('class="mark">(.*?)<', self.text)
        self.pictures = [one["src"] for one in self.all("img")]


def page_of(world: World, a: str = "v1", b: str = "v2", **options: Any) -> PageFile:
    out = world.top / "difference.html"
    world.store.snapshot_diff(a, b, **options).to_html(out)
    page = PageFile(out)
    out.unlink()
    return page


def test_a_page_shows_what_differs_kind_by_kind(history: World) -> None:
    out = history.top / "difference.html"
    made = history.store.snapshot_diff("v1", "v2").to_html(out)
    assert (made.snapshot, made.out, made.bytes) == ("v2", str(out), out.stat().st_size)
    assert (made.pictures, made.shown, made.missing) == (10, 10, 2)
    page = PageFile(out)
    harmless(page)
    assert page.titles == ["Changed: 3", "Renamed: 1", "Copied: 1", "Added: 1", "Removed: 1"]
    assert "v1 → v2" in page.words
    assert "1 added, 1 removed, 3 changed, 1 copied, 1 renamed" in page.words
    assert "same.png" not in page.words
    assert "was pictures/old.png" in page.words
    assert "other path" not in page.words


def test_what_changed_stands_there_as_it_was_and_as_it_is(history: World) -> None:
    page = page_of(history, only=["changed"])
    assert page.titles == ["Changed: 3"]
    assert page.text.count('<ul class="pairs">') == 1
    names = ["left.png", "left.png", "over.png", "over.png", "right.png", "right.png"]
    assert page.names == names
    assert page.marks == ["in v1", "in v2"] * 3
    left_before, left_after, over, right_before, right_after = page.pictures
    assert (left_before, left_after) == (right_after, right_before)
    assert over not in (left_before, left_after)
    assert page.text.count("another picture now") == 1  # over.png as it was: nowhere


def test_links_lead_to_the_file_in_which_a_picture_is_found(history: World) -> None:
    page = page_of(history, only=["changed"])
    files = [os.path.basename(link["href"] or "") for link in page.all("a")]
    assert files == ["right.png", "left.png", "over.png", "left.png", "right.png"]


def test_the_other_way_round_it_names_what_was(history: World) -> None:
    page = page_of(history, "v2", "v1", only=["renamed", "removed"])
    assert page.names == ["old.png", "copy.png", "new.png"] or page.names == ["old.png", "new.png", "copy.png"]
    assert "was pictures/renamed.png" in page.words
    assert len(page.pictures) == 3  # all of them are still there, under the names of v2


def test_snapshots_that_are_equal_differ_in_no_picture(history: World) -> None:
    page = page_of(history, "v2", "v2")
    harmless(page)
    assert "no picture differs" in page.words
    assert page.titles == page.names == []


def test_fields_that_differ_are_counted_above(history: World) -> None:
    history.store.fields_set({"rating": 4}, ["pictures/same.png"])
    page = page_of(history, "v2", "v3")
    assert "field rating: 1 picture added" in page.words
    assert "picture changed" not in page.words


def test_hostile_names_are_text(history: World) -> None:
    history.put({HOSTILE: 20})
    (history.pictures / "left.png").rename(history.pictures / (HOSTILE + "2.png"))
    history.sync()
    page = page_of(history, "v2", "v3")
    harmless(page)
    assert "<script" not in page.text
    back = page_of(history, "v3", "v2")
    assert "<script" not in back.text and "was pictures/&quot;&gt;&lt;script&gt;" in back.text


def test_of_very_many_pictures_those_of_rare_kinds_come_first(history: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 4)
    monkeypatch.setattr("vstore.versions.diff_html.MOST", 4)
    page = page_of(history)
    assert page.titles == ["Renamed: 1", "Copied: 1", "Added: 1", "Removed: 1"]
    assert "The first 4 of 10 pictures are shown." in page.words


def test_no_pair_is_cut_in_two(history: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 7)
    monkeypatch.setattr("vstore.versions.diff_html.MOST", 7)
    page = page_of(history)
    assert page.titles == ["Renamed: 1", "Copied: 1", "Added: 1", "Removed: 1", "Changed: 3"]
    assert page.marks == ["in v1", "in v2"]
    assert "The first 6 of 10 pictures are shown." in page.words


def test_a_report_in_another_process_shows_names_alone(history: World, tmp_path: Path) -> None:
    report = pickle.loads(pickle.dumps(history.store.snapshot_diff("v1", "v2")))
    assert report == history.store.snapshot_diff("v1", "v2")
    made = report.to_html(tmp_path / "page.html")
    assert made.missing == made.shown == 10
    assert not PageFile(tmp_path / "page.html").pictures


def test_a_report_that_was_put_together_by_hand_can_be_written(tmp_path: Path) -> None:
    report = DiffReport("v1", "v2", False, (b"a/x.png",), (), (), (b"a/y.png",), ())
    assert report.to_json()["changed"][0]["key"] is None  # type: ignore[index,call-overload]
    assert report.to_html(tmp_path / "page.html").missing == 3
    assert "different model spaces" in PageFile(tmp_path / "page.html").words
