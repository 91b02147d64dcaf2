"""Times as the store writes them: ISO 8601, UTC; and microseconds where an order is needed."""

from __future__ import annotations

import time

TIME = "%Y-%m-%dT%H:%M:%SZ"


def now() -> str:
    """Tell the present moment, to the second: `2026-11-23T20:02:39Z`."""
    return written(seconds())


def seconds() -> int:
    """Tell the present moment in seconds since 1970, UTC."""
    return int(time.time())


def microseconds() -> int:
    """Tell the present moment in microseconds since 1970, UTC."""
    return time.time_ns() // 1000


def written(moment: int) -> str:
    """Write a moment as the store does. moment: seconds since 1970, UTC, before the year 10000."""
    return time.strftime(TIME, time.gmtime(moment))
