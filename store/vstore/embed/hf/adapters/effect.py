"""The proof that an adapter changes vectors."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vstore.embed.embedder import Floats

NO_EFFECT = 0.9999  # least cosine between vectors with an adapter and without it that counts as no change


class Effect(Enum):
    """The vectors that an adapter changes."""

    NONE = "none"
    TEXTS = "those of texts alone"
    PICTURES = "those of pictures"
    BROKEN = "all, into numbers that are not finite"


def effect_of(on: Floats, off: Floats, pictures: int) -> Effect:
    """Tell what an adapter changes.

    on, off:  rows of norm 1 with it and without it: of pictures, then of texts.
    pictures: the number of the former.
    """
    import numpy as np

    cosines = np.sum(on.astype(np.float64) * off, axis=1)
    if not np.isfinite(on).all():
        return Effect.BROKEN
    if cosines[:pictures].min(initial=1) <= NO_EFFECT:
        return Effect.PICTURES
    return Effect.TEXTS if cosines.min() <= NO_EFFECT else Effect.NONE
