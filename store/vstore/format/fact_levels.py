"""The levels of runs of facts: which neighbours are merged into one. Pure.

Keys are random, so each commit adds a run of its own, and runs are merged as a counter carries: eight of a level into
one of the next. So a fact is written again once a level, and few runs stay.
"""

from __future__ import annotations

from collections.abc import Sequence

from vstore.quick_tuple import NamedTuple

FANOUT = 8  # runs of a level that become one


class Group(NamedTuple):
    """Neighbouring runs that become one.

    start: the first run, as its number in the list.
    stop:  the number after that of the last.
    rows:  their facts together.
    """

    start: int
    stop: int
    rows: int


def level(rows: int) -> int:
    """Tell the level of a run: how often its facts can be divided by eight."""
    return (rows.bit_length() - 1) // 3


def to_merge(rows: Sequence[int]) -> list[Group]:
    """Find the runs to merge.

    A run that stands before one of a higher level goes into it: else many small ones between large ones would stay for
    ever. Then no level is above the one before, and no level has eight.

    rows: the facts of each run, in the order of their places.
    """
    groups: list[Group] = []
    for at, count in enumerate(rows):
        groups.append(Group(at, at + 1, count))
        while carried := _carried(groups):
            first = groups[-carried]
            groups[-carried:] = [Group(first.start, at + 1, sum(group.rows for group in groups[-carried:]))]
    return [group for group in groups if group.stop - group.start > 1]


def _carried(groups: Sequence[Group]) -> int:
    """Tell how many of the last groups become one: 0 if they stay."""
    last = level(groups[-1].rows)
    levels = [level(group.rows) for group in groups[-FANOUT:]]
    if len(levels) > 1 and levels[-2] < last:
        return 2
    return FANOUT if levels == [last] * FANOUT else 0
