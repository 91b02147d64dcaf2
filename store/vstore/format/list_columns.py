"""The columns of a list that vstore does not read itself: what it says of its pictures besides. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from vstore.format.canonical import Json

COLUMN_BYTES = 1 << 30  # of the values of a column, which are in memory together
TOO_LARGE = "values that are too large"


class LeftColumn(NamedTuple):
    """Values of a column that do not become fields.

    name:   of the column.
    why:    what they are, for people.
    values: how many they are.
    first:  the number of the first of them in the list.
    """

    name: str
    why: str
    values: int
    first: int = 0

    def to_json(self) -> dict[str, Json]:
        return self._asdict()


class KeptField(NamedTuple):
    """A column that became a field.

    name:     of the column, and of the field.
    pictures: how many have a value.
    waiting:  rows without a picture that have one, which is set aside with them.
    """

    name: str
    pictures: int
    waiting: int = 0

    def to_json(self) -> dict[str, Json]:
        return self._asdict()


class Columns(NamedTuple):
    """The columns of a list.

    said: the values of each entry by column, of every entry or of none.
    used: the columns that vstore reads itself.
    left: the columns that were not read.
    own:  they are fields that a store wrote: all count, however many they are.
    """

    said: Sequence[Mapping[str, Any]] = ()
    used: frozenset[str] = frozenset()
    left: tuple[LeftColumn, ...] = ()
    own: bool = False

    @property
    def names(self) -> list[str]:
        """The columns that may become fields, in the order in which they are met."""
        found = dict.fromkeys(name for said in self.said for name in said)
        return [name for name in found if name not in self.used]


def joined(parts: Sequence[Columns]) -> Columns:
    """Put the columns of several lists one after another."""
    left: list[LeftColumn] = []
    before = 0
    for part in parts:
        left += [one._replace(first=one.first + before) for one in part.left]
        before += len(part.said)
    return Columns(
        said=[said for part in parts for said in part.said],
        used=frozenset().union(*(part.used for part in parts)),
        left=summed(left),
        own=any(part.own for part in parts),
    )


def summed(left: Iterable[LeftColumn]) -> tuple[LeftColumn, ...]:
    """Add up what is left of a column for one reason; the first of them stays."""
    found: dict[tuple[str, str], LeftColumn] = {}
    for one in left:
        had = found.get(one[:2])
        found[one[:2]] = one if had is None else had._replace(values=had.values + one.values)
    return tuple(found.values())


def is_numbering(numbers: Sequence[Any]) -> bool:
    """Tell whether the values of a column count the entries, from 0 or from 1."""
    if not numbers or any(type(number) is not int for number in numbers):
        return False
    first = min(numbers)
    return first in (0, 1) and sorted(numbers) == list(range(first, first + len(numbers)))
