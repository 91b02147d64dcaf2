"""`vstore dupes --html`."""

from __future__ import annotations

import re

import pytest
from support.lines import Line


@pytest.fixture
def pictures(line: Line) -> Line:
    line.put({"pictures/a.png": 1, "pictures/b/a.png": 1, "pictures/c.png": 2})
    line("sync", "pictures", "-q")
    return line


def test_groups_are_written_to_a_page(pictures: Line) -> None:
    ran = pictures("dupes", "--html", "twice.html")
    assert re.fullmatch(r"Wrote 2 pictures of v1 to twice\.html \(\d+\.\d KiB\)\n", ran.out)
    page = (pictures.home / "twice.html").read_text()
    assert page.count("<img") == 2
    assert "<h1>Duplicates</h1>" in page
    (pictures.home / "pictures/a.png").unlink()
    document = pictures("dupes", "--html", "again.html", "--under", "pictures", "--json").json
    size = (pictures.home / "again.html").stat().st_size
    assert document == {
        "store": document["store"], "snapshot": "v1", "out": "again.html",
        "pictures": 2, "shown": 2, "missing": 1, "bytes": size,
    }  # fmt: skip
    assert pictures("dupes", "--html", "verified.html", "--verify", "-q").out.endswith("1 of them cannot be shown\n")


def test_where_there_are_none_the_page_says_so(pictures: Line) -> None:
    assert pictures("dupes", "--html", "none.html", "--under", "pictures/b").out.startswith("Wrote 0 pictures of v1 to")
    assert "v1 holds no such duplicates" in (pictures.home / "none.html").read_text()


@pytest.mark.parametrize("option", [["--plan", "plan.json"], ["--apply", "plan.json"], ["--restore", "."], ["--wait"]])
def test_a_page_goes_with_the_options_of_a_list_alone(pictures: Line, option: list[str]) -> None:
    ran = pictures("dupes", "--html", "twice.html", *option, code=2)
    assert "does not go with --html" in ran.err
    assert not (pictures.home / "twice.html").exists()


def test_a_page_replaces_no_file_and_nothing_is_looked_for_then(pictures: Line) -> None:
    (pictures.home / "mine.html").write_text("mine")
    ran = pictures("dupes", "--html", "mine.html", "--at", "v9", code=2)
    assert "mine.html already exists\n  name another one, or remove it" in ran.err
    assert (pictures.home / "mine.html").read_text() == "mine"
    assert "there is no folder none to write into" in pictures("dupes", "--html", "none/a.html", code=2).err
