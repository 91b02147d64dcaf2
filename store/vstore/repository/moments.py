"""Moments as people write them: `2026-11-20`, `2026-11-20 14:30`, `yesterday`, `3 hours ago`. Pure but for the zone."""

from __future__ import annotations

import re
import time
from bisect import bisect_left
from datetime import datetime, timedelta

# Compiled when one is read: every command would pay for it.
_ISO = (
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ](?P<minute>[0-9]{2}:[0-9]{2})(?P<second>:[0-9]{2}(?:\.[0-9]{1,9})?)?"
    r" ?(?P<zone>[Zz]|[+-][0-9]{2}:?[0-9]{2})?)?"
)
_ZONE = r"Z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9]"
_AGO = r"(?P<many>[0-9]{1,5}|an?|one) (?P<unit>second|minute|hour|day|week|month|year)s? ago"
_LAST = r"last (?P<unit>week|month|year)"
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
_LONG = {"month": 1, "year": 12}
_LATEST = 253_402_300_799  # the end of the year 9999, UTC


def is_date(text: str) -> bool:
    """Tell whether a text has the form of a date, with or without a time; there may be no such day."""
    return re.fullmatch(_ISO, text) is not None


def date(text: str) -> int:
    """Read a date. What it leaves out is the latest: a day ends at 23:59:59, a minute with its last second.

    Without a zone it is local time.

    Returns: seconds since 1970, UTC. Raises: ValueError if it is no date.
    """
    found = re.fullmatch(_ISO, text)
    if found is None:
        raise ValueError(f"{text!r} is no date")
    zone = (found["zone"] or "").upper()
    of_day = f"{found['minute']}{(found['second'] or ':59')[:3]}" if found["minute"] else "23:59:59"
    if zone and re.fullmatch(_ZONE, zone) is None:
        raise ValueError(f"no place is {zone} from UTC")
    return _seconds(datetime.fromisoformat(f"{found['day']}T{of_day}{zone}"))


def moment(text: str, now: int) -> int:
    """Read a date, `now`, `today`, `yesterday`, `N hours ago` or `last week`; dots and hyphens may stand for blanks.

    `yesterday` is its end.

    now:     seconds since 1970, UTC.
    Returns: the same. Raises: ValueError if it is none of these.
    """
    if is_date(text):
        return date(text)
    words = " ".join(re.split(r"[ .\-_]+", text.strip().lower()))
    if words in ("now", "today"):
        return now
    here = datetime.fromtimestamp(now)
    if words == "yesterday":
        return _seconds((here - timedelta(days=1)).replace(hour=23, minute=59, second=59))
    found = re.fullmatch(_AGO, words) or re.fullmatch(_LAST, words)
    if found is None:
        raise ValueError(f"{text!r} is no moment")
    many = found.groupdict().get("many") or "1"
    count = int(many) if many.isdigit() else 1
    unit = found["unit"]
    if unit in _SECONDS:
        return max(now - count * _SECONDS[unit], 0)
    return _months_before(here, count * _LONG[unit])


def _months_before(here: datetime, months: int) -> int:
    """Go back by months: from the 31st to the last day of a month that has none."""
    year, month = divmod(here.year * 12 + here.month - 1 - months, 12)
    for day in range(here.day, here.day - 4, -1):
        try:
            return _seconds(here.replace(year=year, month=month + 1, day=day))
        except ValueError:
            continue
    return 0  # before the year 1


def _seconds(when: datetime) -> int:
    """Count the seconds since 1970, from 0 to the end of 9999.

    Of a clock turned back, the second time is meant; of one put forward, the last moment before.
    """
    try:
        first, second = (int(when.replace(fold=fold).timestamp()) for fold in (0, 1))
    except (OverflowError, OSError, ValueError):
        return 0 if when.year < 1970 else _LATEST
    if second < first:  # no clock ever showed it
        before = time.localtime(second).tm_gmtoff
        second = bisect_left(range(first), 1, second, key=lambda at: time.localtime(at).tm_gmtoff != before) - 1
    return min(max(second, 0), _LATEST)
