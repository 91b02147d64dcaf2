"""Scales pictures down as a preparation says. Opens no file."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from vstore.pictures.preparation import Preparation

if TYPE_CHECKING:
    from PIL.Image import Image


def shrunk(picture: Image, preparation: Preparation) -> Image:
    """Scale a picture down; one that is small enough stays as it is. A JPEG that is not loaded yet is decoded smaller.

    Returns: the picture itself, changed in place where Pillow's `thumbnail` does it, else perhaps another one.
    """
    from PIL.Image import Resampling

    resample = Resampling[preparation.resample.upper()]
    if preparation.draft is None:
        picture.thumbnail((preparation.max_side, preparation.max_side), resample, reducing_gap=preparation.gap)
        return picture
    size = preparation.size(*picture.size)
    if size == picture.size:
        return picture
    least = math.ceil(size[0] * preparation.draft), math.ceil(size[1] * preparation.draft)
    drafted = picture.draft(None, least)
    box = None if drafted is None else drafted[1]
    return picture.resize(size, resample, box=box, reducing_gap=preparation.gap)
