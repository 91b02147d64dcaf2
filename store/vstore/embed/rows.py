"""The rows that an embedder gives: of the right shape, finite, with a direction; one rule for all that stores them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vstore.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vstore.embed.embedder import Floats


def unit_rows(rows: npt.NDArray[Any], count: int, dim: int) -> Floats:
    """Scale each row to norm 1, and mark one that has no direction.

    rows:    numbers (count, dim), a row a picture.
    Returns: float32 (count, dim), rows of L2 norm 1; NaN all along where a row is zero or not finite.
    Raises:  ModelError if the rows have another shape.
    """
    import numpy as np

    if rows.shape != (count, dim):
        raise ModelError(
            f"the model gave vectors of shape {tuple(rows.shape)} for a batch of {count}; its space has {dim} numbers",
            "use the model that the space was made with",
        )
    exact = rows.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        norms = np.linalg.norm(exact, axis=1, keepdims=True)
        unit: Floats = np.where(np.isfinite(norms) & (norms > 0), exact / norms, np.nan).astype(np.float32)
    return unit


def usable(unit: Floats) -> npt.NDArray[np.bool_]:
    """Tell which of the rows that `unit_rows` gave are vectors. Returns: bool (count,)."""
    import numpy as np

    return np.asarray(np.isfinite(unit).all(axis=1), np.bool_)
