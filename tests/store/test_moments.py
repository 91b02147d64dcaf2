"""Moments as people write them."""

from __future__ import annotations

import calendar
import contextlib
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vstore.repository.moments import date, is_date, moment

NOW = calendar.timegm((2026, 11, 23, 20, 2, 39))


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The zone of this machine: an hour before UTC in winter, two in summer."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def utc(text: str) -> int:
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%S"))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-11-20", "2026-11-20T22:59:59"),
        ("2026-07-20", "2026-07-20T21:59:59"),
        ("2026-11-20 14:30", "2026-11-20T13:30:59"),
        ("2026-11-20T14:30", "2026-11-20T13:30:59"),
        ("2026-11-20 14:30:07", "2026-11-20T13:30:07"),
        ("2026-11-20T14:30:07Z", "2026-11-20T14:30:07"),
        ("2026-11-20t14:30:07.123456z", "2026-11-20T14:30:07"),
        ("2026-11-20T14:30Z", "2026-11-20T14:30:59"),
        ("2026-11-20T14:30:07+05:30", "2026-11-20T09:00:07"),
        ("2026-11-20 14:30:07 -0800", "2026-11-20T22:30:07"),
        ("2026-10-25 02:30:00", "2026-10-25T01:30:00"),  # is twice, as the clock goes back: the second
        ("2026-03-29 02:30", "2026-03-29T00:59:59"),  # is never, as the clock goes forward: what was by then
        ("2026-03-29 03:00", "2026-03-29T01:00:59"),
        ("2024-02-29", "2024-02-29T22:59:59"),
    ],
)
def test_a_date_is_local_and_what_it_leaves_out_is_the_latest(text: str, meant: str) -> None:
    assert is_date(text)
    assert date(text) == moment(text, NOW) == utc(meant)


@pytest.mark.parametrize(
    "text", ["2026-02-30", "2026-13-01", "2026-00-01", "2026-11-20 25:00", "2026-11-20 10:61", "0000-01-01"]
)
def test_what_has_the_form_of_a_date_need_not_be_one(text: str) -> None:
    assert is_date(text)
    with pytest.raises(ValueError, match=r"."):
        date(text)


@pytest.mark.parametrize(
    "text",
    ["", "2026", "2026-11", "20261120", "2026-W47-5", "2026-11-20x", "2026-11-20\n", "٢٠٢٦-11-20", "2026-11-20Z", "v1"],
)
def test_other_texts_are_no_dates(text: str) -> None:
    assert not is_date(text)
    for read in (date, lambda words: moment(words, NOW)):
        with pytest.raises(ValueError, match=r"is no (date|moment)"):
            read(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("now", "2026-11-23T20:02:39"),
        ("today", "2026-11-23T20:02:39"),
        ("yesterday", "2026-11-22T22:59:59"),
        ("3 hours ago", "2026-11-23T17:02:39"),
        ("3.hours.ago", "2026-11-23T17:02:39"),
        ("an hour ago", "2026-11-23T19:02:39"),
        ("1 minute ago", "2026-11-23T20:01:39"),
        ("90 seconds ago", "2026-11-23T20:01:09"),
        ("2 days ago", "2026-11-21T20:02:39"),
        ("2-Days-Ago", "2026-11-21T20:02:39"),
        ("last week", "2026-11-16T20:02:39"),
        ("a week ago", "2026-11-16T20:02:39"),
        ("last month", "2026-10-23T19:02:39"),
        ("14 months ago", "2025-09-23T19:02:39"),
        ("last year", "2025-11-23T20:02:39"),
        ("99999 years ago", "1970-01-01T00:00:00"),
    ],
)
def test_moments_before_now(text: str, meant: str) -> None:
    assert moment(text, NOW) == utc(meant)


def test_a_month_before_the_31st_ends_with_its_last_day() -> None:
    assert moment("last month", utc("2026-03-31T12:00:00")) == utc("2026-02-28T13:00:00")


@pytest.mark.parametrize(
    "text", ["ago", "3 ago", "3 fortnights ago", "tomorrow", "last", "-1 days ago", "123456 days ago"]
)
def test_other_words_are_no_moments(text: str) -> None:
    with pytest.raises(ValueError, match="is no moment"):
        moment(text, NOW)


@given(st.integers(0, 253_402_300_799))
def test_every_time_that_a_store_writes_is_read_as_itself(seconds: int) -> None:
    written = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    assert date(written) == seconds


@given(st.text(max_size=30) | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?Z?)?"))
def test_no_text_gives_more_than_a_refusal(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert 0 <= moment(text, NOW) <= 253_402_300_799


@pytest.mark.parametrize("zone", ["+99:99", "-24:00", "+0060"])
def test_a_zone_that_is_nowhere_says_so(zone: str) -> None:
    with pytest.raises(ValueError, match=r"^no place is .* from UTC$"):
        date(f"2026-11-20T14:30{zone}")
