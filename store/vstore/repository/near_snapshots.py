"""Names of snapshots near one that means none: what its writer may have meant. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vstore.closeness import nearest
from vstore.format.listing import Listing

_WORDS = {
    "last": "latest", "newest": "latest", "tip": "latest", "head": "current", "now": "current",
    "-": "@{1}", "prev": "@{1}", "previous": "@{1}",
}  # fmt: skip
_STEPS = r"(.+?)((?:~[0-9]*|\^[0-9]*)*)"
_DAY = r"([0-9]{4})(?:([-/. ])([0-9]{1,2})\2([0-9]{1,2})|([0-9]{2})([0-9]{2}))"
_DAY_LAST = r"([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{4})"
_LONGEST = 250  # letters; a tag has 100 at most, as has the name of another store
_MOMENTS = ("now", "today", "yesterday", "last week", "last month", "last year")
_MOMENT = r"today|yesterday|last.(week|month|year)|([0-9]+|an?|one).(second|minute|hour|day|week|month|year)s?.ago"


def near_snapshots(listing: Listing, wanted: str) -> Iterator[str]:
    """Yield names like one that means no snapshot, the likeliest first; some of them may mean none, too."""
    found = re.fullmatch(_STEPS, wanted.strip(), re.DOTALL)
    if found is None or len(wanted) > _LONGEST:
        return
    base, steps = found[1], re.sub(r"\^([0-9]*)", lambda up: "^" if up[1] in ("", "1") else f"~{up[1]}", found[2])
    for near in (base, *_near(listing, base)):
        if near + steps != wanted:
            yield near + steps


def _near(listing: Listing, base: str) -> Iterator[str]:
    low = base.lower()
    if low in _WORDS:
        yield _WORDS[low]
    if number := re.fullmatch(r"(?:v|snapshot|#)?[ .#-]?([0-9]{1,18})", low):
        yield f"v{int(number[1])}"
    if past := re.fullmatch(r"(?:head|current)?@ ?[{(\[]? ?([^{}()\[\]]+?) ?[})\]]?", low):
        yield f"@{{{past[1]}}}"
        yield past[1]  # a date before the log began
        if like := nearest(past[1], _MOMENTS):
            yield f"@{{{like}}}"
    if re.fullmatch(_MOMENT, low):
        yield f"@{{{low}}}"
    if day := re.fullmatch(_DAY, base):
        yield f"{day[1]}-{int(day[3] or day[5]):02}-{int(day[4] or day[6]):02}"
    if turned := re.fullmatch(_DAY_LAST, base):
        yield from _turned(int(turned[1]), int(turned[3]), turned[4], with_dots=turned[2] == ".")
    _, slash, own = base.rpartition("/")
    if slash:
        yield own
    if re.fullmatch(r"[0-9a-f]{2,3}", low):
        yield from (snapshot.name for snapshot in listing.kept() if snapshot.id.startswith(low))
    if re.fullmatch(r"v[0-9]+", low):  # a number is near to no other, but may be too high
        newest = next((int(snapshot.name[1:]) for snapshot in listing.kept() if snapshot.is_own), 0)
        if int(low[1:]) > newest:
            yield f"v{newest}"
        return
    names = ["current", "latest", *listing.state.tags, *(s.name for s in listing.kept() if not s.is_own)]
    near = nearest(base, names)
    if near is not None:
        yield near


def _turned(first: int, second: int, year: str, *, with_dots: bool) -> Iterator[str]:
    """Yield the date of a day that ends in its year, if only one can be meant: with dots the day comes first."""
    if with_dots or first > 12 or first == second:
        first, second = second, first
    elif second <= 12:
        return
    yield f"{year}-{first:02}-{second:02}"
