"""The rows of a stage: nothing is lost in 40 columns, and nothing is wider than the terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vstore_cli.progress.rows import clock, line, rate, rows
from vstore_cli.progress.view import View
from vstore_cli.terminal.cells import cells

FULL = View(
    stage="embedding",
    files=12345,
    files_total=29104,
    size=5 << 30,
    size_total=12 << 30,
    failed=3,
    seconds=2400,
    left=3725.4,
    share=0.424,
    file="pictures/2019/holiday at the sea/IMG_1234.jpg",
)
FACTS = ["12,345 of 29,104 files", "42%", "3 failed", "ETA 1:02:05", "40:00", "5.0 of 12.0 GiB", "5.1/s"]


def test_a_wide_terminal_shows_all_of_a_stage_in_one_row_and_the_file_in_another() -> None:
    assert rows(FULL, 120, 24) == [
        "embedding 12,345 of 29,104 files  42%  3 failed  ETA 1:02:05  40:00  5.0 of 12.0 GiB  5.1/s"
        "  [██████████░░░░░░░░░░░░░░░]",
        "pictures/2019/holiday at the sea/IMG_1234.jpg",
    ]


def test_nothing_is_lost_in_forty_columns() -> None:
    assert rows(FULL, 40, 24) == [
        "embedding 12,345 of 29,104 files  42%",
        "3 failed  ETA 1:02:05  40:00",
        "5.0 of 12.0 GiB  5.1/s",
        "pictures/2019…ay at the sea/IMG_1234.jpg",
    ]


@pytest.mark.parametrize("width", [30, 40, 60, 100])
def test_every_fact_is_shown_whole(width: int) -> None:
    shown = "\n".join(rows(FULL, width, 24))
    assert all(fact in shown for fact in FACTS)


def test_the_name_of_a_stage_and_its_counts_part_where_they_must() -> None:
    view = View(stage="embedding what was lost", unit="pictures", files=12345, files_total=29104)
    assert rows(view, 40, 24)[:2] == ["embedding what was lost", "12,345 of 29,104 pictures  0:00"]


def test_room_that_is_left_shows_a_bar() -> None:
    view = View(stage="reading", files=5, files_total=10, share=0.5)
    assert rows(view, 60, 24) == ["reading 5 of 10 files  50%  0:00  [████████████░░░░░░░░░░░░]"]
    assert rows(view, 60, 24, plain=True) == ["reading 5 of 10 files  50%  0:00  [############------------]"]
    assert rows(view, 44, 24) == ["reading 5 of 10 files  50%  0:00"]


def test_a_terminal_of_ascii_gets_ascii() -> None:
    assert rows(View(stage="reading", file="写真/é.jpg"), 60, 24, plain=True)[1] == "??/?.jpg"


def test_a_stage_of_unknown_length_has_a_clock_and_its_subject() -> None:
    assert rows(View(stage="loading the model", seconds=61, file="clip-b32"), 40, 24) == [
        "loading the model  1:01",
        "clip-b32",
    ]
    assert rows(View(stage="listing folders", files=31000, seconds=31), 40, 24) == [
        "listing folders 31,000 files  0:31",
        "1,000/s",
    ]


@pytest.mark.parametrize("height", [1, 2, 3, 24])
def test_a_low_terminal_is_not_filled(height: int) -> None:
    assert 1 <= len(rows(FULL, 40, height)) <= max(1, height - 1)


@given(
    st.builds(
        View,
        unit=st.sampled_from(["files", "pictures"]),
        about=st.just(""),
        path=st.none(),
        stage=st.sampled_from(["reading", "embedding what was lost"]),
        files=st.integers(0, 10**9),
        files_total=st.none() | st.integers(0, 10**9),
        size=st.integers(0, 10**15),
        size_total=st.none() | st.integers(0, 10**15),
        failed=st.integers(0, 10**6),
        seconds=st.floats(0, 10**6),
        left=st.none() | st.floats(0, 10**6),
        share=st.none() | st.floats(0, 1),
        file=st.text(st.sampled_from("abc/写真📷é…"), max_size=100),
    ),
    st.integers(1, 130),
    st.booleans(),
)
def test_no_row_is_wider_than_the_terminal(view: View, width: int, plain: bool) -> None:
    for row in rows(view, width, 24, plain=plain):
        assert cells(row) <= width
        assert row.isascii() or not plain


def test_clocks_and_rates_are_short() -> None:
    assert [clock(7.9), clock(754), clock(3723), clock(93600)] == ["0:07", "12:34", "1:02:03", "26:00:00"]
    assert [rate(0.021), rate(1.52), rate(99.9), rate(1234.5)] == ["0.02", "1.5", "99.9", "1,234"]


def test_a_log_has_all_in_one_line() -> None:
    assert line(FULL) == "embedding " + ", ".join(FACTS) + ": " + FULL.file
