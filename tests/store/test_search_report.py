"""The result of a search in a program and in a notebook."""

from __future__ import annotations

import base64
import copy
import io
import os
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.folders import World, drawn, put

from vstore import Hit, SearchReport, Store
from vstore.repository.acquaintance import PictureSource
from vstore.testing import FakeEmbedder

ODD = os.fsdecode(b'caf\xe9 <i>&".png')


@pytest.fixture
def filled(world: World) -> World:
    put(world.pictures, {f"{number}.png": number for number in range(4)})
    world.sync()
    return world


def found(world: World, number: int = 1, **options: Any) -> SearchReport:
    return world.store.search(bytes.fromhex(world.key(number)), **options)


def thumbnails(report: SearchReport) -> list[Image.Image]:
    urls = re.findall(r'<img src="data:image/jpeg;base64,([^"]*)"', report._repr_html_())
    return [Image.open(io.BytesIO(base64.b64decode(url))) for url in urls]


def test_a_report_is_the_sequence_of_its_hits(filled: World) -> None:
    report = found(filled)
    assert len(report) == len(report.hits) == 4
    assert [*report] == [*report.hits]
    assert (report[0], report[-1], report[1:3]) == (report.hits[0], report.hits[3], report.hits[1:3])
    assert report.hits[2] in report
    assert report.index(report.hits[2]) == 2
    assert not SearchReport("v1", ())
    with pytest.raises(IndexError):
        report[4]


def test_a_report_compares_by_its_fields_and_stays_as_it_is(filled: World) -> None:
    report = found(filled)
    assert report == found(filled)
    assert hash(report) == hash(found(filled))
    assert report != found(filled, k=3)
    assert report != report.hits
    with pytest.raises(AttributeError, match="a report does not change"):
        report.snapshot = "v2"
    with pytest.raises((AttributeError, TypeError)):
        del report.snapshot
    for again in (pickle.loads(pickle.dumps(report)), copy.copy(report), copy.deepcopy(report)):
        assert again == report


def test_a_hit_has_a_path_that_can_be_opened_as_text(filled: World) -> None:
    hit = found(filled)[0]
    assert hit.path == hit.file == str(filled.pictures / "1.png")
    assert str(hit) == f"1.000  {filled.pictures / '1.png'}"
    assert str(found(filled)).splitlines()[0] == str(hit)
    assert len(str(found(filled)).splitlines()) == 4


@pytest.mark.parametrize(
    ("hit", "path", "file", "shown"),
    [
        (Hit(b"k", 0.5, (b"a/b",), (None,)), "a/b", None, "0.500  a/b"),
        (Hit(b"k", 0.5, (b"a/b", b"c/d"), (None, b"/c/d")), "/c/d", "/c/d", "0.500  /c/d"),
        (Hit(b"k", 0.5, (b"a/b",), (b"/a/b",), unnamed=(b"/a/b",)), "a/b", None, "0.500  a/b"),
        (Hit(b"k", 0.5, (b"a/\xe9",), (b"/a/\xe9",)), "/a/\udce9", "/a/\udce9", "0.500  /a/\\xe9"),
        (Hit(b"k", 0.5, (b"a\n\x1b[2J",), (None,)), "a\n\x1b[2J", None, r"0.500  a\n\x1b[2J"),
    ],
)
def test_a_hit_without_a_known_folder_has_its_stored_path(hit: Hit, path: str, file: str | None, shown: str) -> None:
    assert (hit.path, hit.file, str(hit)) == (path, file, shown)


def test_a_notebook_gets_a_thumbnail_of_each_hit(filled: World) -> None:
    big = io.BytesIO()
    Image.new("RGB", (640, 480), (200, 30, 30)).save(big, "PNG")
    filled.put({"big.png": big.getvalue()})
    filled.sync()
    report = found(filled)
    pictures = thumbnails(report)
    assert len(pictures) == len(report) == 5
    assert max(max(picture.size) for picture in pictures) == 256
    assert len(report._repr_html_()) < 20_000
    with filled.store.view() as view:
        assert view.search(report[0].key)._repr_html_() == report._repr_html_()


def test_a_thumbnail_outlives_its_store(filled: World) -> None:
    report = found(filled)
    filled.store.close()
    assert len(thumbnails(report)) == 4


def test_a_file_that_holds_another_picture_now_is_not_shown(filled: World) -> None:
    report = found(filled, k=1)
    (filled.pictures / "1.png").write_bytes(drawn(2))
    assert thumbnails(report) == []
    assert "no picture" in report._repr_html_()
    (filled.pictures / "1.png").write_bytes(drawn(1))
    assert len(thumbnails(report)) == 1


def test_another_file_of_the_same_picture_is_shown_instead(filled: World) -> None:
    filled.put({"again.png": 1})
    filled.sync()
    report = found(filled, k=1)
    assert len(report[0].paths) == 2
    Path(report[0].path).unlink()
    assert len(thumbnails(report)) == 1


@pytest.mark.parametrize("trouble", ["gone", "folder", "pipe", "loop"])
def test_what_cannot_be_read_is_a_grey_box(filled: World, trouble: str) -> None:
    report = found(filled, k=2)
    path = filled.pictures / "1.png"
    path.unlink()
    if trouble == "folder":
        path.mkdir()
    elif trouble == "pipe":
        os.mkfifo(path)
    elif trouble == "loop":
        path.symlink_to(path)
    assert report._repr_html_().count("no picture") == 1
    assert len(thumbnails(report)) == 1


def shown_from(file: Path, key: bytes) -> str:
    from vstore.search import html

    return html.shown([Hit(key, 0.5, (b"a",), (None,))], (), PictureSource(lambda path: os.open(file, os.O_RDONLY)))


def test_a_picture_that_does_not_decode_is_a_grey_box(filled: World) -> None:
    file = filled.top / "broken.png"
    file.write_bytes(drawn(1)[:20] + bytes(200))
    assert "no picture" in shown_from(file, filled.repo.hash.digest(file.read_bytes()))


def test_a_larger_picture_than_the_limit_is_not_decoded(filled: World) -> None:
    huge = io.BytesIO()
    Image.new("1", (20_000, 10_000)).save(huge, "PNG")
    file = filled.top / "huge.png"
    file.write_bytes(huge.getvalue())
    assert "no picture" in shown_from(file, filled.repo.hash.digest(huge.getvalue()))


def test_a_report_of_another_process_shows_names_alone(filled: World) -> None:
    page = pickle.loads(pickle.dumps(found(filled)))._repr_html_()
    assert page.count("no picture") == page.count("<figure") == 4


def test_names_are_escaped_and_readable_whatever_they_are(filled: World) -> None:
    filled.put({ODD: 9})
    filled.sync()
    page = found(filled, 9, k=1)._repr_html_()
    assert "caf\ufffd &lt;i&gt;&amp;&quot;.png</figcaption>" in page
    assert "<i>" not in page
    page.encode("utf-8")
    assert "<script" not in SearchReport("v1", (Hit(b"k", 1.0, (b"<script>",), (None,)),))._repr_html_()


def test_no_more_than_fifty_are_shown() -> None:
    hits = tuple(Hit(b"k", 1.0, (b"%d" % number,), (None,)) for number in range(70))
    page = SearchReport("v1", hits)._repr_html_()
    assert page.count("<figure") == 50
    assert "… 20 more" in page
    assert SearchReport("v1", ())._repr_html_() == "<p>No picture of v1 matches.</p>"


def test_a_store_of_sha256_is_shown_too(tmp_path: Path) -> None:
    fake = FakeEmbedder()
    put(tmp_path / "pictures", {"1.png": 1})
    Store.init(tmp_path / ".vstore", recipe=fake.recipe, hash="sha256")
    with Store(tmp_path / ".vstore", load_embedder=lambda recipe: fake) as store:
        store.sync([tmp_path / "pictures"])
        assert len(thumbnails(store.search(tmp_path / "pictures/1.png"))) == 1


def test_notes_stand_above_the_pictures() -> None:
    page = SearchReport("v1", (), True, ("a <b> is taken as the picture",))._repr_html_()
    assert page.startswith("<p>a &lt;b&gt; is taken as the picture</p><p>the query picture is of one colour")
    assert SearchReport("v1", (), notes=("half \ud800",))._repr_html_().startswith("<p>half \ufffd</p>")
