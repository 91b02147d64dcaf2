"""Moments as pictures write them: a time without regard to a zone, and the zone where it is written."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import NamedTuple

_EXIF = re.compile(r"(\d{4})[:/-](\d\d)[:/-](\d\d)[ T](\d\d):(\d\d):(\d\d)", re.ASCII)
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,12}))?)? ?(Z|[+-]\d\d:\d\d)?)?", re.ASCII
)
_ZONE = re.compile(r"([+-])(\d\d):(\d\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_WIDEST = 15 * 60  # minutes


class Moment(NamedTuple):
    """A moment.

    taken: microseconds since 1970 of the time as it is written.
    zone:  minutes east of UTC; None if it is not known.
    """

    taken: int
    zone: int | None = None


def moment_of_exif(text: str, part: str, zone: str) -> Moment | None:
    """Read a moment of EXIF. part: digits of the second behind the point; zone: hours and minutes."""
    found = _EXIF.match(text)
    return None if found is None else _moment(found.groups(), part, zone)


def moment_of_xmp(text: str) -> Moment | None:
    """Read a moment of XMP: a date, with a time or without."""
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    *when, part, zone = found.groups("0")
    return _moment(when, part, zone)


def _moment(when: tuple[str, ...] | list[str], part: str, zone: str) -> Moment | None:
    try:
        at = datetime(*map(int, when))  # type: ignore[arg-type]
    except ValueError:
        return None
    digits = part.strip()
    more = int(digits[:6].ljust(6, "0")) if digits.isdigit() and digits.isascii() else 0
    return Moment((at - _EPOCH) // _MICROSECOND + more, _zone(zone.strip()))


def _zone(text: str) -> int | None:
    if text == "Z":
        return 0
    found = _ZONE.fullmatch(text)
    if found is None:
        return None
    minutes = int(found[2]) * 60 + int(found[3])
    if minutes > _WIDEST or int(found[3]) > 59:
        return None
    return -minutes if found[1] == "-" else minutes
