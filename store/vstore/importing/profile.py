"""One pass over all rows of a source: their norms, the unusable ones, and equal ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vstore.importing.source import Source, blocks

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vstore.importing.source import Array

UNIT = 1e-3  # largest distance from 1 of a norm that counts as 1


class Profile(NamedTuple):
    """The findings of one pass over all rows.

    norms:  float64 (rows,).
    broken: rows without a vector, or with NaN or infinity.
    zero:   rows of norm 0.
    same:   row -> the first row with the same bytes; the unusable rows are left out.
    unit:   all usable rows have norm 1, within `UNIT`.
    """

    norms: npt.NDArray[np.float64]
    broken: tuple[int, ...]
    zero: tuple[int, ...]
    same: dict[int, int]
    unit: bool

    @property
    def unfit(self) -> frozenset[int]:
        """The rows that are no vectors: broken or zero."""
        return frozenset((*self.broken, *self.zero))


def profile(source: Source) -> Profile:
    """Read all rows once, and note their norms and the rows that are equal."""
    import numpy as np
    import xxhash

    norms = np.empty(source.rows, np.float64)
    first: dict[bytes, int] = {}
    same: dict[int, int] = {}
    for at, block in blocks(source):
        norms[at : at + len(block)] = _norms(block)
        for number, row in enumerate(np.ascontiguousarray(block), at):
            before = first.setdefault(xxhash.xxh3_128_digest(row.data), number)
            if before != number:
                same[number] = before
    finite = np.isfinite(norms)
    broken, zero = np.flatnonzero(~finite), np.flatnonzero(norms == 0)
    good = finite & (norms > 0)
    unit = bool(good.any()) and bool((np.abs(norms[good] - 1) <= UNIT).all())
    unfit = {*broken.tolist(), *zero.tolist()}
    same = {row: before for row, before in same.items() if row not in unfit}
    return Profile(norms=norms, broken=tuple(broken.tolist()), zero=tuple(zero.tolist()), same=same, unit=unit)


def as_finished(seen: Profile) -> Profile:
    """Say that rows of unit norm are as a store keeps them: to take 1 for their norms keeps their bits."""
    import numpy as np

    return seen._replace(norms=np.where(np.abs(seen.norms - 1) <= UNIT, 1.0, seen.norms))


def are_halves(source: Source) -> bool:
    """Tell whether all numbers of a source are half floats, whatever they are stored as."""
    import numpy as np

    if source.dtype == "float16":
        return True
    with np.errstate(over="ignore", invalid="ignore"):
        return all(bool((block.astype(np.float16) == block).all()) for _, block in blocks(source))


def _norms(block: Array) -> npt.NDArray[np.float64]:
    import numpy as np

    exact = block.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        norms: npt.NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->i", exact, exact))
    return norms
