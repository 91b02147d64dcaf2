"""When rows were last read, as `cache/` remembers it, and how much of them is due."""

from __future__ import annotations

import random
from array import array
from pathlib import Path
from typing import Any

import pytest

from vstore import clock
from vstore.disk.believed import believe
from vstore.disk.cache import read_cache_object, write_cache
from vstore.disk.read_times import note_read
from vstore.disk.row_sums import write_row_sums
from vstore.disk.turn import DAY, Stretch, keep_stretches, stretches
from vstore.format.canonical import canonical
from vstore.format.entries import FileRef
from vstore.sync.read_again import CYCLE, due

NOW = 2_000_000_000
ONE = FileRef("1" * 32 + ".faiss", 1000 * 100, "11" * 8, 100)
TWO = FileRef("2" * 32 + ".faiss", 1000 * 50, "22" * 8, 50)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(clock, "seconds", lambda: NOW)
    cache = tmp_path / "cache"
    cache.mkdir()
    for ref in (ONE, TWO):
        write_row_sums(cache, ref, array("Q", [0] * ref.rows))
        believe(cache, {ref.name: [1, 2, 3, 4]})
    return cache


def found(cache: Path, *refs: FileRef, now: int = NOW) -> list[tuple[str, int, int, int]]:
    return [(one.ref.name[0], one.first, one.end, one.at) for one in stretches(cache, refs or (ONE, TWO), now)]


def test_a_segment_that_was_never_noted_was_read_when_it_was_read_whole(cache: Path) -> None:
    assert found(cache) == [("1", 0, 100, 0), ("2", 0, 50, 0)]
    note_read(cache, [ONE.name])
    assert found(cache, ONE, TWO, ONE) == [("1", 0, 100, NOW), ("2", 0, 50, 0)]


def test_only_believed_and_noted_segments_that_are_listed_have_a_turn(cache: Path, tmp_path: Path) -> None:
    assert found(cache, TWO) == [("2", 0, 50, 0)]
    (cache / "checked").unlink()
    assert found(cache) == []
    keep_stretches(cache, [Stretch(ONE, 0, 100, 7)])
    assert found(cache) == [("1", 0, 100, 7)]
    assert found(tmp_path / "none") == []


def test_what_is_kept_comes_back_and_a_later_full_reading_counts_for_all_rows(cache: Path) -> None:
    parts = [Stretch(ONE, 0, 30, 5), Stretch(ONE, 30, 31, 0), Stretch(ONE, 31, 100, 9 * DAY), Stretch(TWO, 0, 50, NOW)]
    assert keep_stretches(cache, parts)
    assert [tuple(one) for one in stretches(cache, (ONE, TWO), NOW)] == [tuple(one) for one in parts]
    assert found(cache, TWO, now=NOW - 1) == [("2", 0, 50, 0)], "it was read in the future: the clock was wrong"
    note_read(cache, [ONE.name])
    assert {at for _, _, _, at in found(cache)} == {NOW}


def test_neighbours_of_one_day_become_one_with_the_older_time(cache: Path) -> None:
    times = [NOW, NOW - 60, NOW - DAY + 1, NOW - DAY - 90, NOW - DAY - 90, 0, 0, NOW, 0, NOW]
    keep_stretches(cache, [Stretch(ONE, 10 * at, 10 * at + 10, time) for at, time in enumerate(times)])
    assert found(cache, ONE) == [
        ("1", 0, 30, NOW - DAY + 1),
        ("1", 30, 50, NOW - DAY - 90),
        ("1", 50, 70, 0),
        ("1", 70, 80, NOW),
        ("1", 80, 90, 0),
        ("1", 90, 100, NOW),
    ]


@pytest.mark.parametrize(
    "value",
    [None, 3, [], [[99, 5]], [[100, -5]], [[0, 5], [100, 5]], [[100]], [["100", 5]], [[True, 5], [99, 5]], [[101, 5]]],
)
def test_a_note_that_fits_no_segment_says_nothing(cache: Path, value: Any) -> None:
    write_cache(cache, "turn", canonical({ONE.name: value}))
    assert found(cache, ONE) == [("1", 0, 100, 0)]


def test_a_damaged_file_of_turns_is_not_there(cache: Path) -> None:
    keep_stretches(cache, [Stretch(ONE, 0, 100, 7)])
    data = bytearray((cache / "turn").read_bytes())
    data[-3] ^= 1
    (cache / "turn").write_bytes(data)
    assert read_cache_object(cache, "turn") == {}
    assert found(cache, ONE) == [("1", 0, 100, 0)]


# How much is due


def test_nothing_is_due_of_what_was_just_read_and_all_of_what_was_never() -> None:
    assert due([], NOW) == 0
    assert due([Stretch(ONE, 0, 100, NOW)], NOW) == 0
    assert due([Stretch(ONE, 0, 100, 0)], NOW) == ONE.size
    assert due([Stretch(ONE, 0, 100, NOW - 2 * CYCLE)], NOW) == ONE.size
    assert due([Stretch(ONE, 0, 10, 0), Stretch(ONE, 10, 100, NOW)], NOW) == ONE.size / 10


@pytest.mark.parametrize("days", [1, 3, 10, 29])
def test_what_was_read_at_once_is_due_at_an_even_rate(days: int) -> None:
    found = due([Stretch(ONE, 0, 100, NOW - days * DAY), Stretch(TWO, 0, 50, NOW - days * DAY)], NOW)
    assert found == pytest.approx((ONE.size + TWO.size) * days / 30)


@pytest.mark.parametrize("seed", range(8))
def test_whoever_reads_what_is_due_reads_each_row_in_time_and_no_more_than_an_even_share(seed: int) -> None:
    chance = random.Random(seed)
    now = NOW
    at = [NOW] * 100  # when each row was read
    for _ in range(300):
        now += (passed := chance.choice([60, 3600, DAY // 2, DAY, 3 * DAY]))
        order = sorted(range(100), key=lambda row: at[row])
        amount = due([Stretch(ONE, row, row + 1, at[row]) for row in range(100)], now)
        assert amount <= ONE.size * passed / CYCLE * 1.01 + 1000 + ONE.size * (now == NOW + passed)
        for row in order[: -int(-amount // 1000)]:
            at[row] = now
        assert now - min(at) <= CYCLE
