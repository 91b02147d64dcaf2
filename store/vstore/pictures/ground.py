"""Lays transparent pictures over a ground on which what they show can be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vstore.pictures.colours import rgb
from vstore.pictures.layers import layers

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image

WHITE, GREY, BLACK = (255, 255, 255), (128, 128, 128), (0, 0, 0)
_SIDE = 128  # pixels of the longer side of the copy that is judged: fewer lose thin lines, more soft shadows
_SEEN = 48  # levels between neighbours from which on an edge is as good as any
_WHITE_ENOUGH = 0.7  # share of the edges that are seen on the best ground
_BLACK_ENOUGH = 0.95


def over_ground(picture: Image) -> Image:
    """Lay a picture of any mode over the ground that `ground_of` chooses. One without transparency stays.

    Returns: RGB. Over white, it is what `colours.rgb` makes.
    """
    picture = layers(picture)
    if picture.mode not in ("RGBA", "LA"):
        return rgb(picture)
    from PIL.Image import new

    clear = picture.convert("RGBA")
    ground = new("RGB", clear.size, ground_of(clear))
    ground.paste(clear, mask=clear)
    return ground


def ground_of(picture: Image) -> tuple[int, int, int]:
    """Choose the ground of a picture with transparency: white, unless too few of its edges can be seen on it.

    On each ground the edges are counted, the inner ones and those between what is drawn and the ground. White is
    enough with 7 of 10 of those that the best ground shows; else black with 95 of 100; else mid grey. What is drawn in
    black stays on white, what is drawn in white comes onto black, and what is drawn in both onto grey.
    """
    import numpy as np

    multiplied = picture.convert("RGBa")
    small = np.asarray(multiplied.reduce(max(1, -(-max(picture.size) // _SIDE)))).astype(np.int32)
    edges = {ground: _edges(small, ground[0]) for ground in (WHITE, GREY, BLACK)}
    best = max(edges.values())
    if edges[WHITE] >= _WHITE_ENOUGH * best:
        return WHITE
    return BLACK if edges[BLACK] >= _BLACK_ENOUGH * best else GREY


def _edges(small: npt.NDArray[np.int32], ground: int) -> int:
    """Add up how much there is between each pixel and those around it, up to _SEEN each.

    small: colours multiplied by their opacity, then the opacity, (h, w, 4).
    """
    import numpy as np

    laid = (small[..., :3] + (255 - small[..., 3:]) * ground // 255).astype(np.uint8)
    least, most = laid, laid
    for axis in (0, 1):
        least, most = _beside(np.minimum, least, axis), _beside(np.maximum, most, axis)
    between = (most - least).max(axis=-1)
    return int(np.minimum(between, _SEEN).sum(dtype=np.int64))


def _beside(choose: np.ufunc, values: npt.NDArray[np.uint8], axis: int) -> npt.NDArray[np.uint8]:
    """Choose among each value and the two beside it."""
    import numpy as np

    chosen = values.copy()
    before, after = np.moveaxis(values, axis, 0), np.moveaxis(chosen, axis, 0)
    choose(after[1:], before[:-1], out=after[1:])
    choose(after[:-1], before[1:], out=after[:-1])
    return chosen
