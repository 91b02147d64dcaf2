"""The preparation of pictures for an embedder, as the recipe of a space describes it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vstore.errors import ModelError
from vstore.pictures.formats import MAX_PIXELS
from vstore.quick_tuple import NamedTuple

MAX_SIDE = 512  # pixels of the longer side of a prepared picture
IGNORED = "ignored"  # the orientation or the colours in a recipe whose pictures were made without
SRGB = "sRGB"
NEWEST = 2  # raised whenever the same bytes would be prepared otherwise: a new recipe, for new spaces
FILTERS = ("bilinear", "bicubic", "lanczos")
_LONGEST = 16  # sides: with a short side that is asked for, the longer one has that many times its length at most
_LARGEST = 1 << 31  # of any number
_UPRIGHT = "exif, after the resize"


class Preparation(NamedTuple):
    """The preparation of pictures. All but max_pixels and least is part of a space.

    policy:     its number: what is done with profiles, transparency and animations.
    max_side:   pixels of the longer side; larger pictures are scaled down.
    short_side: pixels of the shorter side to which they are scaled; None if max_side alone decides.
    resample:   the filter, a name of Pillow in lower case.
    draft:      a JPEG is decoded at the smallest size that is so many times larger than the result; None leaves that to
                Pillow's `thumbnail`.
    gap:        what is scaled down by averages first stays so many times larger than the result; None: nothing is.
    max_pixels: larger pictures are not decoded.
    upright:    pictures are turned as EXIF says.
    bgr:        blue comes first, as in OpenCV.
    jpeg:       pictures are saved with this JPEG quality and read again.
    colours:    profiles are honoured.
    least:      percent of its lines that a picture must have if its file is cut; 0: such a picture is not decoded.
    """

    policy: int = 1
    max_side: int = MAX_SIDE
    short_side: int | None = None
    resample: str = "lanczos"
    draft: float | None = None
    gap: float | None = 2.0
    max_pixels: int = MAX_PIXELS
    upright: bool = True
    bgr: bool = False
    jpeg: int | None = None
    colours: bool = False
    least: int = 0

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Work out the size of a prepared picture. Nothing is enlarged."""
        short, long = sorted((width, height))
        sides = short, long
        if self.short_side is not None and short > self.short_side:
            # Rounded down, as transformers does it: its own resize has nothing left to do.
            sides = self.short_side, self.short_side * long // short
        if sides[1] > self.max_side:
            sides = max(1, round(self.max_side * short / long)), self.max_side
        return sides if width <= height else (sides[1], sides[0])


def preparation_1(max_side: int = MAX_SIDE) -> dict[str, Any]:
    """Return `prepare` of a recipe for policy 1. FORMAT.md has the meaning of each field."""
    return {
        "policy": 1,
        "max_side": max_side,
        "resample": "lanczos",
        "reducing_gap": 2.0,
        "orientation": _UPRIGHT,
        "mode": "RGB",
        "alpha": "over white",
        "deep": "16 bit by 1/257",
        "frame": 0,
    }


def preparation_2(
    max_side: int | None = None,
    short_side: int | None = None,
    *,
    resample: str = "lanczos",
    draft: float | None = None,
    gap: float | None = 2.0,
    colours: bool = True,
) -> dict[str, Any]:
    """Return `prepare` of a recipe for policy 2. FORMAT.md has the meaning of each field.

    max_side: None leaves it to the shorter side, or else is 512.
    """
    if max_side is None:
        max_side = MAX_SIDE if short_side is None else _LONGEST * short_side
    return {
        "policy": 2,
        "max_side": max_side,
        **({} if short_side is None else {"short_side": short_side}),
        "resample": resample,
        **({} if draft is None else {"draft": draft}),
        **({} if gap is None else {"reducing_gap": gap}),
        "orientation": _UPRIGHT,
        "mode": "RGB",
        "colour": SRGB if colours else IGNORED,
        "alpha": "over a ground that contrasts",
        "deep": "16 bit by 1/257",
        "frame": "the first that shows something",
    }


def preparation_of(recipe: Mapping[str, Any], max_pixels: int = MAX_PIXELS) -> Preparation:
    """Read from its recipe how the pictures of a space are prepared.

    Raises: ModelError for a preparation that this vstore does not know: any other would give other vectors.
    """
    given = recipe.get("prepare", {})
    if not isinstance(given, Mapping):
        raise _unknown("prepare", given)
    given = dict(given)
    usual = preparation_2() if given.get("policy") == 2 else preparation_1()
    gap = given.get("reducing_gap")
    given = {**usual, **given}
    through = given.pop("through", None)
    short_side, draft = given.pop("short_side", None), given.pop("draft", None)
    known: dict[str, tuple[Any, ...]] = {name: (value,) for name, value in usual.items()}
    known |= {"orientation": (_UPRIGHT, IGNORED), "mode": ("RGB", "BGR")}
    if given["policy"] == 2:
        known |= {"resample": FILTERS, "colour": (SRGB, IGNORED), "reducing_gap": (given["reducing_gap"],)}
    else:
        gap = given["reducing_gap"]
    for name, value in given.items():
        if name != "max_side" and value not in known.get(name, ()):
            raise _unknown(name, value)
    for name, value in (("max_side", given["max_side"]), ("short_side", short_side)):
        if value is not None and (type(value) is not int or not 0 < value <= _LARGEST):
            raise _unknown(name, value)
    for name, value in (("draft", draft), ("reducing_gap", gap)):
        if value is not None and (type(value) not in (int, float) or not 1 <= value <= _LARGEST):
            raise _unknown(name, value)
    if through is not None and not _is_jpeg(through):
        raise _unknown("through", through)
    if given["policy"] == 1 and (short_side, draft) != (None, None):
        raise ModelError("this vstore does not know how to prepare pictures with a short side", "upgrade vstore")
    return Preparation(
        policy=given["policy"],
        max_side=given["max_side"],
        short_side=short_side,
        resample=given["resample"],
        draft=draft,
        gap=gap,
        max_pixels=max_pixels,
        upright=given["orientation"] != IGNORED,
        bgr=given["mode"] == "BGR",
        jpeg=None if through is None else through["quality"],
        colours=given.get("colour") == SRGB,
    )


def _unknown(name: str, value: object) -> ModelError:
    return ModelError(
        f"this vstore does not know how to prepare pictures with {name} {repr(value)[:100]}", "upgrade vstore"
    )


def _is_jpeg(through: object) -> bool:
    if not isinstance(through, Mapping) or set(through) != {"format", "quality"} or through["format"] != "JPEG":
        return False
    return type(through["quality"]) is int and 1 <= through["quality"] <= 100
