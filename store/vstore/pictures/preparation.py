"""The preparation of pictures for an embedder, as the recipe of a space describes it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from vstore.errors import ModelError
from vstore.pictures.formats import IGNORED, MAX_PIXELS, MAX_SIDE, prepare_recipe


class Preparation(NamedTuple):
    """The preparation of pictures. All but max_pixels and least is part of a space.

    max_side:   pixels of the longer side; larger pictures are scaled down.
    max_pixels: larger pictures are not decoded.
    upright:    pictures are turned as EXIF says.
    bgr:        blue comes first, as in OpenCV.
    jpeg:       pictures are saved with this JPEG quality and read again.
    least:      percent of its lines that a picture must have if its file is cut; 0: such a picture is not decoded.
    """

    max_side: int = MAX_SIDE
    max_pixels: int = MAX_PIXELS
    upright: bool = True
    bgr: bool = False
    jpeg: int | None = None
    least: int = 0


def preparation_of(recipe: Mapping[str, Any], max_pixels: int = MAX_PIXELS) -> Preparation:
    """Read from its recipe how the pictures of a space are prepared.

    Raises: ModelError for a preparation that this vstore does not know: any other would give other vectors.
    """
    given = {**prepare_recipe(), **recipe.get("prepare", {})}
    usual = prepare_recipe(given["max_side"])
    through = given.pop("through", None)
    found = Preparation(
        max_side=given["max_side"],
        max_pixels=max_pixels,
        upright=given["orientation"] != IGNORED,
        bgr=given["mode"] == "BGR",
        jpeg=None if through is None else through["quality"],
    )
    known = {**usual, "orientation": (usual["orientation"], IGNORED), "mode": ("RGB", "BGR")}
    for name, value in given.items():
        allowed = known.get(name)
        if value != allowed and not (isinstance(allowed, tuple) and value in allowed):
            raise ModelError(
                f"this vstore does not know how to prepare pictures with {name} {value!r}", "upgrade vstore"
            )
    return found
