"""The norms of stored rows: whoever makes a segment or a journal makes its checksums, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

NORM_OFF = 0.01  # from 1 at most, of a stored row: half floats and imports take off less than 0.002


def of_norm_1(rows: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Tell which stored rows are vectors: finite, and of norm 1 as far as rounding allows. Returns: bool (count,)."""
    import numpy as np

    with np.errstate(invalid="ignore", over="ignore"):
        norms = np.linalg.norm(rows.astype(np.float32), axis=1)
        return np.asarray(np.abs(norms - 1) <= NORM_OFF, np.bool_)
