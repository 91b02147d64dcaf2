"""The times of pictures, as they are listed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1)


def taken_at(value: object) -> str | None:
    """Write the time at which a picture was taken, as its camera wrote it. value: microseconds since 1970."""
    if not isinstance(value, int):
        return None
    try:
        return (_EPOCH + timedelta(microseconds=value)).isoformat(timespec="seconds")
    except OverflowError:
        return None


def modified_at(nanoseconds: int) -> str | None:
    """Write the time at which a file was changed last. nanoseconds: since 1970, UTC."""
    try:
        moment = datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC)
    except (OverflowError, OSError, ValueError):
        return None
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
