"""The rows that an embedder gives: as wide as those of their space, finite, with a direction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vstore.errors import ModelError, VstoreError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from vstore.embed.embedder import Floats

_STEP = "use the model that the space was made with"


def require_width(
    given: int, dim: int, holder: str = "its space", *, step: str = _STEP, error: type[VstoreError] = ModelError
) -> None:
    """Make sure that a model gives vectors of the right width.

    given:  numbers per vector of the model.
    dim:    numbers per vector of the holder.
    holder: the space or the index that the vectors belong to, for the message.
    step:   the next step, for the message.
    Raises: ModelError, or `error`, if they differ.
    """
    if given != dim:
        raise error(f"the model gives vectors of {given} numbers, {holder} has vectors of {dim} numbers", step)


def require_rows(rows: npt.NDArray[Any], count: int, dim: int) -> None:
    """Make sure that an embedder gave one vector of the right width for each picture. Raises: ModelError."""
    if rows.ndim == 2:
        require_width(rows.shape[1], dim)
    if rows.dtype.kind in "cOSUmM":  # the real part of a complex number would pass for it
        raise ModelError(f"the model gave values of the type {rows.dtype}, where real numbers belong", _STEP)
    if rows.shape != (count, dim):
        raise ModelError(f"the model gave numbers of the shape {tuple(rows.shape)} for {count} pictures", _STEP)


def unit_rows(rows: npt.NDArray[Any], count: int, dim: int) -> Floats:
    """Scale each row to norm 1, and mark the rows without a direction.

    rows:    numbers (count, dim), one row for each picture.
    Returns: float32 (count, dim), rows of L2 norm 1; a row that is zero or not finite becomes NaN.
    Raises:  ModelError if the rows have another shape.
    """
    import numpy as np

    require_rows(rows, count, dim)
    exact = rows.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        norms = np.linalg.norm(exact, axis=1, keepdims=True)
        unit: Floats = np.where(np.isfinite(norms) & (norms > 0), exact / norms, np.nan).astype(np.float32)
    return unit


def usable(unit: Floats) -> npt.NDArray[np.bool_]:
    """Tell which rows of `unit_rows` are vectors. Returns: bool (count,)."""
    import numpy as np

    return np.asarray(np.isfinite(unit).all(axis=1), np.bool_)
