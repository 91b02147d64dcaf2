"""Which row of an old index belongs to which entry of its list. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vstore.errors import UsageError
from vstore.importing.metadata import Listing

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ids = npt.NDArray[np.int64]

ORDER = "order"  # the word for: the n-th entry belongs to the n-th row, whatever numbers it bears


def positions(listing: Listing, rows: int, ids: Ids | None, rows_by: str | None) -> tuple[list[int], tuple[str, ...]]:
    """Say which row each entry of a list belongs to, and how that was told.

    rows:    vectors there are. ids: the numbers that they bear, where they bear any.
    rows_by: a field whose numbers count, or `order`.
    Raises:  UsageError where counts differ, or the order and the numbers say different things.
    """
    count = len(listing.entries)
    if count != rows:
        raise UsageError(
            f"there are {rows:,} vectors and {count:,} pictures in the list",
            "give the files of one and the same run; nothing was changed",
        )
    known = _Rows(rows, ids)
    if rows_by is not None and rows_by != ORDER and rows_by not in listing.numbers:
        had = ", ".join(listing.numbers) or "none"
        raise UsageError(f"the list has no numbers in {rows_by!r}", f"it has: {had}; or say --rows-by {ORDER}")
    if rows_by is not None and rows_by != ORDER:
        return known.of(listing.numbers[rows_by], rows_by), (f"rows are told by {rows_by!r}",)
    if listing.explicit and rows_by != ORDER:
        ((name, numbers),) = listing.numbers.items()
        return known.of(numbers, name), (f"rows are told by {name}",)
    if rows_by is None:
        for name, numbers in listing.numbers.items():
            if ids is not None and not known.ordered and set(numbers) == known.ids:
                return known.of(numbers, name), (f"rows are told by {name!r}, as the index numbers them",)
            if numbers != list(range(rows)) and sorted(numbers) == list(range(rows)):
                raise UsageError(
                    f"the list numbers its entries by {name!r} otherwise than they stand",
                    f"say which is meant: --rows-by {name}, or --rows-by {ORDER}",
                )
    if ids is not None and not known.ordered and known.ids != set(range(rows)):
        raise UsageError(
            f"the index numbers its rows itself (from {min(known.ids)} to {max(known.ids)}), and the list does not say "
            "which picture has which number",
            "give a list with these numbers: an object from number to path, or objects with an id",
        )
    return known.of(list(range(rows)), ORDER), ()


class _Rows:
    def __init__(self, rows: int, ids: Ids | None) -> None:
        listed = ids.tolist() if ids is not None else None
        self.ordered = listed is None or listed == list(range(rows))
        self.ids = set(listed) if listed is not None else set(range(rows))
        self._places = {number: row for row, number in enumerate(listed)} if listed is not None else None
        self._rows = rows
        if len(self.ids) != rows:
            raise UsageError("several rows of the index bear one number", "it does not say which picture is which")

    def of(self, numbers: Sequence[int], name: str) -> list[int]:
        if len(set(numbers)) != len(numbers) or set(numbers) != self.ids:
            odd = next((n for n in numbers if n not in self.ids), None)
            why = f"{odd} is no row" if odd is not None else "a number stands twice"
            raise UsageError(
                f"the numbers in {name} are not those of the {self._rows:,} rows: {why}",
                f"give the list of these vectors, or, if its entries stand in their order, say --rows-by {ORDER}",
            )
        return list(numbers) if self._places is None else [self._places[number] for number in numbers]
