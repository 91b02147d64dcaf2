"""The pace of a watch: quiet first, but not for ever, and slower and slower while syncs fail."""

from __future__ import annotations

import pytest

from vstore.watch.pace import CHANGED_PAUSE, LONGEST_PAUSE, REST, Pace

NOW = float("-inf")


@pytest.fixture
def pace() -> Pace:
    """Two seconds of quiet, ten at most; after the first sync, which ended at 100."""
    pace = Pace(2, 10, 3600)
    assert pace.due() == NOW
    pace.begin()
    pace.end(100, failed=False)
    return pace


def test_without_changes_the_next_sync_is_the_rescan(pace: Pace) -> None:
    assert pace.due() == 3700 and not pace.is_pending


def test_a_sync_waits_for_quiet(pace: Pace) -> None:
    pace.change(200)
    assert pace.due() == 202 and pace.is_pending
    pace.change(201.5)
    assert pace.due() == 203.5


def test_changes_that_never_end_are_synced_all_the_same(pace: Pace) -> None:
    for second in range(200, 230):
        pace.change(second)
    assert pace.due() == 210


def test_changes_before_the_sync_are_done_with_it_and_those_meanwhile_wait(pace: Pace) -> None:
    pace.change(200)
    pace.begin()
    pace.end(205, failed=False)
    assert pace.due() == 205 + 3600
    pace.begin()
    pace.change(206)
    pace.end(207, failed=False)
    assert pace.due() == 208


def test_folders_that_take_long_to_walk_get_a_rest_of_that_measure(pace: Pace) -> None:
    pace.begin()
    pace.end(200, failed=False, walk=0.1)  # 30,000 files
    pace.change(200.5)
    assert pace.due() == 202.5
    pace.end(200, failed=False, walk=1.5)
    assert pace.due() == 200 + REST * 1.5
    pace.end(200, failed=False, walk=1000)
    assert pace.due() == 200 + 10  # but no more than the longest wait for quiet
    assert Pace(2, 10, 3600).due() == NOW


def fail(pace: Pace, times: int, at: float) -> None:
    for _ in range(times):
        pace.begin()
        pace.end(at, failed=True)


def test_failures_are_tried_again_ever_more_slowly(pace: Pace) -> None:
    pauses = []
    for _ in range(12):
        fail(pace, 1, 1000)
        pauses.append(pace.due() - 1000)
    assert pauses[:4] == [5, 10, 20, 40]
    assert pauses == sorted(pauses) and pauses[-1] == LONGEST_PAUSE


def test_a_change_after_a_failure_is_tried_sooner_yet_not_at_once(pace: Pace) -> None:
    fail(pace, 1, 1000)
    pace.change(1000.5)
    assert pace.due() == 1005
    fail(pace, 9, 1000)
    pace.change(1000.5)
    assert pace.due() == 1000 + CHANGED_PAUSE
    fail(pace, 1, 1000)
    pace.change(1500)
    assert pace.due() == 1502


def test_a_failure_a_million_times_over_is_no_overflow(pace: Pace) -> None:
    fail(pace, 5000, 1000)
    assert pace.due() == 1000 + LONGEST_PAUSE


def test_what_is_no_change_of_pictures_asks_at_once_and_success_forgets_failures(pace: Pace) -> None:
    fail(pace, 9, 1000)
    pace.ask()
    assert pace.due() == NOW and pace.is_failing
    pace.begin()
    pace.end(1100, failed=False)
    assert pace.due() == 1100 + 3600 and not pace.is_failing
