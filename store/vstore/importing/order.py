"""The order of an old index: the row that belongs to each entry of its list. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vstore.counts import counted
from vstore.errors import UsageError
from vstore.importing.listing import Listing

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ids = npt.NDArray[np.int64]

ORDER = "order"  # the n-th entry belongs to the n-th row, whatever numbers it has


def positions(listing: Listing, rows: int, ids: Ids | None, rows_by: str | None) -> tuple[list[int], tuple[str, ...]]:
    """Find the row of each entry of a list.

    rows:    number of vectors.
    ids:     the index's own number of each vector, or None.
    rows_by: the field whose numbers count, or "order".
    Returns: the row of each entry, and remarks for the report on how it was found.
    Raises:  UsageError where counts differ, or the order and the numbers contradict each other.
    """
    count = len(listing.entries)
    if count != rows:
        raise UsageError(
            f"the index has {counted(rows, 'vector')}, and the list {counted(count, 'picture')}",
            "give the files of one run; nothing was changed",
        )
    known = _Rows(rows, ids)
    if rows_by is not None and rows_by != ORDER and rows_by not in listing.numbers:
        had = ", ".join(listing.numbers) or "none"
        raise UsageError(
            f"the list has no numbers in {rows_by!r}", f"it has numbers in: {had}; or add --rows-by {ORDER}"
        )
    if rows_by is not None and rows_by != ORDER:
        return known.of(listing.numbers[rows_by], rows_by), (f"rows are numbered by {rows_by!r}",)
    if listing.explicit and rows_by != ORDER:
        ((name, numbers),) = listing.numbers.items()
        return known.of(numbers, name), (f"rows are numbered by {name}",)
    if rows_by is None:
        for name, numbers in listing.numbers.items():
            if ids is not None and not known.ordered and set(numbers) == known.ids:
                return known.of(numbers, name), (f"rows are numbered by {name!r}, as in the index",)
            if numbers != list(range(rows)) and sorted(numbers) == list(range(rows)):
                raise UsageError(
                    f"the numbers in {name!r} contradict the order of the list",
                    f"choose one: --rows-by {name}, or --rows-by {ORDER}",
                )
    if ids is not None and not known.ordered and known.ids != set(range(rows)):
        raise UsageError(
            f"the index numbers its rows itself (from {min(known.ids)} to {max(known.ids)}), and the list has other "
            "numbers, or none",
            "give a list with these numbers: an object from number to path, or objects with an id",
        )
    return known.of(list(range(rows)), ORDER), ()


class _Rows:
    """The rows of an index, by their numbers."""

    def __init__(self, rows: int, ids: Ids | None) -> None:
        listed = ids.tolist() if ids is not None else None
        self.ordered = listed is None or listed == list(range(rows))
        self.ids = set(listed) if listed is not None else set(range(rows))
        self._places = {number: row for row, number in enumerate(listed)} if listed is not None else None
        self._rows = rows
        if len(self.ids) != rows:
            raise UsageError("several rows of the index have the same number", "their pictures cannot be told apart")

    def of(self, numbers: Sequence[int], name: str) -> list[int]:
        """Find the row of each number. name: the field that holds them. Raises: UsageError."""
        if len(set(numbers)) != len(numbers) or set(numbers) != self.ids:
            odd = next((n for n in numbers if n not in self.ids), None)
            why = f"{odd} is not a row" if odd is not None else "a number occurs twice"
            raise UsageError(
                f"the numbers in {name} are not those of the {self._rows:,} rows: {why}",
                f"give the list of these vectors; if its entries are in their order, add --rows-by {ORDER}",
            )
        return list(numbers) if self._places is None else [self._places[number] for number in numbers]
