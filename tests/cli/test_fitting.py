"""Tables that fit a terminal."""

from __future__ import annotations

import pytest
from support.lines import Line
from support.terminal import in_terminal, plain

from vstore_cli.terminal.cells import cells
from vstore_cli.terminal.fitting import columns

ROWS = [
    ["name", "place", "n", "about"],
    ["a", "/home/anna/pictures/of/a/very/long/way/2024", "1", "the first words of a message that goes on"],
    ["写真", "/b", "1,234", ""],
]


def test_without_a_width_nothing_is_cut() -> None:
    lines = list(columns(ROWS, (2,)))
    assert lines[1] == f"{'a':4}  {ROWS[1][1]}  {'1':>5}  {ROWS[1][3]}"
    assert lines[2] == f"写真  {'/b':43}  1,234"


@pytest.mark.parametrize("width", range(24, 120))
def test_every_line_fits(width: int) -> None:
    lines = list(columns(ROWS, (2,), width=width, drop=(3, 2)))
    assert max(map(cells, lines)) <= width
    assert [line.split()[0] for line in lines] == ["name", "a", "写真"]


def test_long_texts_are_cut_in_their_middle_first_and_numbers_never() -> None:
    first = next(line for line in columns(ROWS, (2,), width=60, drop=(3, 2)) if line.startswith("a"))
    assert first.count("…") == 2 and "/2024" in first and first.split()[0] == "a"
    assert any("1,234" in line for line in columns(ROWS, (2,), width=60, drop=(3, 2)))


def test_what_is_whole_is_not_cut() -> None:
    for width in (50, 60, 80):
        assert all(
            row[1] in line
            for row, line in zip(ROWS, columns(ROWS, (2,), width=width, drop=(3, 2), whole=(1,)), strict=True)
        )


def test_the_least_important_goes_once_cutting_is_not_enough() -> None:
    assert "about" in next(iter(columns(ROWS, (2,), width=40, drop=(3, 2))))
    assert next(iter(columns(ROWS, (2,), width=34, drop=(3, 2)))).split() == ["name", "place", "n"]
    assert next(iter(columns(ROWS, (2,), width=20, drop=(3, 2)))).split() == ["name", "place"]


@pytest.mark.parametrize("width", [100, 60, 40])
@pytest.mark.parametrize("words", [["snapshot", "list"], ["log"], ["root", "list"], ["model", "list"]], ids=" ".join)
def test_lists_fit_the_terminal(words: list[str], width: int, pictures: Line) -> None:
    pictures.put({"pictures/n.png": 9})
    pictures("sync", "-m", "a long message, of which a narrow terminal shows the beginning and the end", "-q")
    code, got = in_terminal(words, pictures.home, columns=width, PAGER="cat")
    assert code == 0
    assert max(map(cells, plain(got))) <= width
    assert "Traceback" not in got


def test_colours_take_no_room() -> None:
    painted = list(columns(ROWS, (2,), width=60, drop=(3, 2), paint=lambda row, at, text: f"\x1b[1m{text}\x1b[0m"))
    assert plain("\r\n".join(painted)) == list(columns(ROWS, (2,), width=60, drop=(3, 2)))


def test_a_pipe_gets_whole_lines(pictures: Line) -> None:
    message = "a long message, of which a narrow terminal shows the beginning and the end"
    pictures.put({"pictures/n.png": 9})
    pictures("sync", "-m", message, "-q")
    assert message in pictures("snapshot", "list").out
