"""Rows in the form that a store keeps: normalised, unless they are half floats of unit norm, and rounded once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from vstore.importing.profile import UNIT, Profile
from vstore.importing.source import Source, blocks
from vstore.repository.leftovers import BLOCK

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vstore.disk.segments import Rows


def finished(block: npt.NDArray[Any], norms: npt.NDArray[np.float64], dtype: str) -> Rows:
    """Bring rows into the store's form.

    Half floats of unit norm keep their bits; all others are normalised in float64 and rounded once.

    block:   (n, dim), any float.
    norms:   float64 (n,), finite and above 0.
    Returns: (n, dim) of `dtype`, little-endian.
    """
    import numpy as np

    kept = np.dtype(dtype).newbyteorder("<")
    rows: Rows = np.empty(block.shape, kept)
    as_they_are = (np.abs(norms - 1) <= UNIT) if block.dtype == np.float16 else np.zeros(len(block), bool)
    rows[as_they_are] = block[as_they_are].astype(kept)
    others = ~as_they_are
    rows[others] = (block[others].astype(np.float64) / norms[others, None]).astype(kept)
    return rows


def selected(source: Source, seen: Profile, wanted: Sequence[int], dtype: str) -> Iterator[Rows]:
    """Yield the wanted rows in rising order, finished, in blocks of 1,024 and a last one; memory holds one block."""
    import numpy as np

    rows: npt.NDArray[np.int64] = np.array(wanted, np.int64)
    open_rows: list[Any] = []
    held = 0
    for at, block in blocks(source):
        low, high = np.searchsorted(rows, (at, at + len(block)))
        if low == high:
            continue
        chosen = rows[low:high]
        done = finished(block[chosen - at], seen.norms[chosen], dtype)
        while len(done):
            part = done[: BLOCK - held]
            open_rows.append(part)
            held += len(part)
            done = done[len(part) :]
            if held == BLOCK:
                yield _joined(open_rows)
                open_rows, held = [], 0
    if open_rows:
        yield _joined(open_rows)


def _joined(parts: list[Any]) -> Rows:
    import numpy as np

    joined: Rows = np.concatenate(parts)
    return joined
