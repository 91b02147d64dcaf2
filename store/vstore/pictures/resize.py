"""Scales pictures down as a preparation says. Opens no file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vstore.pictures.preparation import Preparation

if TYPE_CHECKING:
    from PIL.Image import Image


def shrunk(picture: Image, preparation: Preparation) -> Image:
    """Scale a picture down; one that is small enough stays as it is. A JPEG that is not loaded yet is decoded smaller.

    Returns: the picture itself, changed in place if its longer side alone decides, else perhaps another one.
    """
    from PIL.Image import Resampling

    resample = Resampling[preparation.resample.upper()]
    if preparation.short_side is None:
        picture.thumbnail((preparation.max_side, preparation.max_side), resample, reducing_gap=preparation.gap)
        return picture
    size = preparation.size(*picture.size)
    if size == picture.size:
        return picture
    wanted = int(size[0] * preparation.gap), int(size[1] * preparation.gap)
    drafted = picture.draft(None, wanted)
    box = None if drafted is None else drafted[1]
    return picture.resize(size, resample, box=box, reducing_gap=preparation.gap)
