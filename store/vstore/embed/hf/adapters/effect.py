"""The proof that an adapter changes vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vstore.embed.embedder import Floats

NO_EFFECT = 0.9999  # least cosine between vectors with an adapter and without it that counts as no change


def has_effect(on: Floats, off: Floats) -> bool:
    """Tell whether an adapter changes vectors. on, off: rows of norm 1 with it and without it."""
    import numpy as np

    return bool(np.sum(on.astype(np.float64) * off, axis=1).min() <= NO_EFFECT)
