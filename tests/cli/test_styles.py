"""Colours: on a terminal that has them, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.lines import Line
from support.terminal import in_terminal

ESCAPE = "\x1b["
DIFF = ["snapshot", "diff", "v1", "v2"]


@pytest.fixture
def history(pictures: Line) -> Line:
    pictures.put({"pictures/new.png": 9})
    pictures("sync", "-q")
    return pictures


def test_a_diff_is_coloured_with_a_pager_and_without(history: Line) -> None:
    for env in ({"PAGER": "cat"}, {}, {"PAGER": "sed p"}):
        code, got = in_terminal(DIFF, history.home, **env)
        assert code == 0
        assert f"{ESCAPE}32m+ pictures/new.png{ESCAPE}0m" in got


@pytest.mark.parametrize(
    "env",
    [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"LESS": "FX"}],
    ids=lambda env: next(iter(env)),
)
def test_where_colours_are_not_wanted_there_are_none(env: dict[str, str], history: Line) -> None:
    _, got = in_terminal(DIFF, history.home, **env)
    assert "+ pictures/new.png" in got and f"{ESCAPE}32m" not in got


def test_a_pipe_and_a_program_get_none(history: Line) -> None:
    assert ESCAPE not in history(*DIFF).out
    assert f"{ESCAPE}32m" not in in_terminal([*DIFF, "--json"], history.home)[1]


def test_an_error_is_coloured_on_a_terminal(tmp_path: Path) -> None:
    code, got = in_terminal(["log"], tmp_path)
    assert code == 10
    assert got.startswith(f"{ESCAPE}31m{ESCAPE}1mError:{ESCAPE}0m there is no store")
    assert ESCAPE not in in_terminal(["log"], tmp_path, NO_COLOR="1")[1]


def test_lists_have_headings_and_marks(history: Line) -> None:
    _, got = in_terminal(["snapshot", "list"], history.home, PAGER="cat")
    assert f"{ESCAPE}1msnapshot{ESCAPE}0m" in got
    assert f"{ESCAPE}32m{ESCAPE}1m*{ESCAPE}0m  {ESCAPE}33mv2{ESCAPE}0m" in got
    assert ESCAPE not in history("snapshot", "list").out
    assert ESCAPE not in in_terminal(["snapshot", "list"], history.home, PAGER="cat", NO_COLOR="1")[1]


def test_the_columns_of_a_stat_have_the_colours_of_their_kinds(history: Line) -> None:
    _, got = in_terminal([*DIFF, "--stat"], history.home, PAGER="cat")
    assert f"{ESCAPE}32m+ 1{ESCAPE}0m  pictures/" in got


def test_scores_and_notes_are_coloured(history: Line) -> None:
    _, got = in_terminal(["search", "pictures/a.png", "-k", "1", "-q"], history.home)
    assert f"{ESCAPE}1mNote:{ESCAPE}0m pictures/a.png" in got
    assert f"{ESCAPE}36m1.000{ESCAPE}0m  pictures/a.png" in got
    ran = history("search", "pictures/a.png", "-k", "1", "-q")
    assert ESCAPE not in ran.out + ran.err


def test_a_warning_is_coloured(history: Line) -> None:
    env = {"PAGER": "/nowhere/pager"}
    _, got = in_terminal(["log"], history.home, **env)
    assert f"{ESCAPE}33m{ESCAPE}1mWarning:{ESCAPE}0m the pager" in got
