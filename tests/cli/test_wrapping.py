"""Long lines on a narrow terminal."""

from __future__ import annotations

import pytest
from support.folders import put
from support.lines import Line
from support.terminal import in_terminal, plain

from vstore_cli.terminal.cells import cells
from vstore_cli.terminal.wrapping import beside, wrapped

PROSE = "Note: the disk was slow, and 1,234 pictures could not be read; their vectors of before are carried over."


@pytest.mark.parametrize("width", range(24, 110))
def test_prose_fits_and_loses_nothing(width: int) -> None:
    got = wrapped(PROSE, width)
    assert max(map(cells, got.split("\n"))) <= width
    assert " ".join(got.split()) == PROSE
    assert all(line.startswith("  ") for line in got.split("\n")[1:])


def test_wide_characters_count_as_two_cells() -> None:
    assert wrapped("写真 写真 写真 写真 写真", 14) == "写真 写真 写真\n  写真 写真"


def test_lines_go_on_further_in_or_where_they_are_told() -> None:
    assert wrapped("  34  new: pictures/a.png and more of it", 30) == "  34  new: pictures/a.png and\n    more of it"
    assert wrapped("  34  new: pictures/a.png and more", 30, hang=6) == "  34  new: pictures/a.png and\n      more"
    assert wrapped("a long line, further in than there is room", 20, hang=16).split("\n")[1] == "    in than there is"


@pytest.mark.parametrize(
    "whole",
    [
        "vstore --store /a/b sync pictures --dry-run",
        "pip install vstore[models]",
        "'a name with blanks.jpg'",
        '"a prompt with blanks"',
        "/a/path/that/is/much/wider/than/the/terminal.jpg",
        "0.963  cat.jpg",
    ],
)
def test_what_is_copied_is_never_broken(whole: str) -> None:
    for text in (f"Run: {whole}; then look", f"if all is well ({whole}), do", f"use {whole}"):
        for width in range(18, 60):
            assert whole in wrapped(text, width)


def test_words_that_tell_what_a_command_does_are_no_part_of_it() -> None:
    assert wrapped("make one with: vstore sync FOLDER (vstore status FOLDER shows what it would do)", 40) == (
        "make one with: vstore sync FOLDER\n  (vstore status FOLDER shows what it\n  would do)"
    )


def test_prose_about_vstore_is_no_command() -> None:
    text = "pictures of a kind that vstore does not read and of which nothing is known"
    assert max(map(cells, wrapped(text, 30).split("\n"))) <= 30
    assert wrapped("vstore ls --failed lists them, vstore sync --retry-failed tries them again.", 38) == (
        "vstore ls --failed lists them,\n  vstore sync --retry-failed tries\n  them again."
    )


def test_a_path_with_blanks_is_whole_if_it_is_named() -> None:
    path = "pictures/a long day/at the sea.jpg"
    text = f"the file {path} is cut"
    assert path not in wrapped(text, 30)
    assert wrapped(text, 30, unbroken=[path]) == f"the file\n  {path}\n  is cut"


def test_a_text_stands_beside_its_label_or_below() -> None:
    assert beside("key    ", "short", 20) == ("    ", "short")
    assert beside("key    ", "some words that go on", 26) == ("    ", "some words that go\n       on")
    assert beside("a long label    ", "some words that go on", 26) == ("\n    ", "some words that go on")
    assert beside("key    ", "f8bf232ff3eb8b3c3de05b8b3aa161a5", 37) == ("\n    ", "f8bf232ff3eb8b3c3de05b8b3aa161a5")
    assert beside("       ", "f8bf232ff3eb8b3c3de05b8b3aa161a5", 37) == ("    ", "f8bf232ff3eb8b3c3de05b8b3aa161a5")


@pytest.mark.parametrize("width", [100, 60, 40])
@pytest.mark.parametrize(
    "words",
    [
        ["search", "pictures/a.png", "-q"],
        ["show", "pictures/a.png", "-q"],
        ["snapshot", "show"],
        ["status", "-q"],
        ["stats"],
        ["check", "-q"],
        ["facts"],
        ["dupes", "-q"],
        ["trust", "."],
        ["find", "nothing-is-called-so*"],
        ["snapshot", "show", "v9"],
        ["log", "too-much"],
        ["sync", "no-such-folder"],
        ["model", "add", "x", "--model", "y"],
        ["config", "list", "sync", "--origin"],
    ],
    ids=" ".join,
)
def test_a_terminal_breaks_no_word(words: list[str], width: int, pictures: Line) -> None:
    put(pictures.home, {"pictures/bad.png": b"no picture at all"})
    pictures("sync", "-m", "a long message, of which a narrow terminal shows the beginning and the end", "-q", code=3)
    _, got = in_terminal(words, pictures.home, columns=width, PAGER="cat")
    for line in plain(got):
        assert cells(line) <= width or len(line.split()) == 1 or "vstore " in line, line


@pytest.mark.parametrize("words", [["show", "pictures/a.png"], ["config", "list"], ["snapshot", "show"]], ids=" ".join)
def test_nothing_but_blanks_is_changed(words: list[str], pictures: Line) -> None:
    _, got = in_terminal([*words], pictures.home, columns=40, PAGER="cat")
    assert " ".join(" ".join(plain(got)).split()) == " ".join(pictures(*words).out.split())


def test_an_error_about_a_path_with_blanks_can_be_copied(pictures: Line) -> None:
    name = "a folder of many words/and a name"
    _, got = in_terminal(["sync", name], pictures.home, columns=40)
    assert any(name in line for line in plain(got))
