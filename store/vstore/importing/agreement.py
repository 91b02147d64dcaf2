"""Agreement of vectors: of two rows, and of two files that should hold the same rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vstore.importing.source import Source

if TYPE_CHECKING:
    from vstore.importing.source import Array

AGREE = 0.999  # least cosine of two vectors that count as the same
SAMPLE = 256  # rows that are compared of two files


def disagreement(one: Source, other: Source) -> str | None:
    """Compare two sources of the same rows on a sample, raw or normalised.

    Returns: the difference as a message, or None if they agree.
    """
    import numpy as np

    sample = np.unique(np.linspace(0, one.rows - 1, min(SAMPLE, one.rows)).astype(np.int64))
    apart = [row for row in sample.tolist() if not _alike(one.block(row, row + 1)[0], other.block(row, row + 1)[0])]
    if not apart:
        return None
    moved = _moved(one, other, apart[0])
    hint = f"; row {apart[0]} of the first is row {moved} of the second" if moved is not None else ""
    return f"{len(apart)} of {len(sample)} compared rows differ, the first is row {apart[0]}{hint}"


def _alike(a: Array, b: Array) -> bool:
    return cosine(a, b) >= AGREE or a.tobytes() == b.tobytes()


def cosine(a: Array, b: Array) -> float:
    """Compute the cosine of two vectors in float64; 0 if one of them has no direction."""
    import numpy as np

    x, y = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(invalid="ignore"):
        below = np.sqrt(x @ x) * np.sqrt(y @ y)
        return float(x @ y / below) if np.isfinite(below) and below > 0 else 0.0


def _moved(one: Source, other: Source, row: int) -> int | None:
    """Look for a row of one source near its place in the other: people drop a first row, or add one."""
    wanted = one.block(row, row + 1)[0]
    for at in range(max(0, row - 16), min(other.rows, row + 17)):
        if _alike(wanted, other.block(at, at + 1)[0]):
            return at
    return None
