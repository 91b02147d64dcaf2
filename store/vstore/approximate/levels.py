"""Levels of parts: which small ones become one, so that each row is rewritten a few times only. Pure."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH = 4  # parts of a level that become one of the next
SMALLEST = 4096  # rows up to which a part is of the lowest level


def level_of(rows: int) -> int:
    """Find the level of a part: each has parts of 4 times the rows of the one below."""
    level = 0
    while rows > SMALLEST * WIDTH**level:
        level += 1
    return level


def merge_of(rows: Sequence[int], most: int) -> list[int] | None:
    """Choose the parts that become one.

    rows:    of each part.
    most:    rows at most that the new part may have.
    Returns: their places, of the lowest level that has WIDTH of them; None if nothing is to be merged.
    """
    of_level: dict[int, list[int]] = {}
    for place, count in enumerate(rows):
        of_level.setdefault(level_of(count), []).append(place)
    for level in sorted(of_level):
        places = of_level[level]
        if len(places) >= WIDTH and sum(rows[place] for place in places) <= most:
            return places
    return None
