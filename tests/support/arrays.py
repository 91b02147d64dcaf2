"""Arrays that a test reads from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt


def read_npz(path: Path | str) -> dict[str, npt.NDArray[np.generic]]:
    """All arrays of a .npz file, which is closed again: else whatever test runs when it is collected gets a warning."""
    with np.load(path) as arrays:
        return dict(arrays)
