"""The spread of the colours of a picture, and whether it is flat. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

FLAT = 8  # levels between the least and the largest of a channel, up to which a picture is of one colour
SIDE = 64  # pixels of the longer side of the copy that is judged: neither noise nor a single point is something


def spread(picture: Image) -> int:
    """Measure what there is to see in a picture in RGB or L: 0 to 255.

    It is scaled down by a whole number to at most 64 pixels. What counts is the channel with the largest distance
    between its least and its largest value.
    """
    small = picture.reduce(max(1, -(-max(picture.size) // SIDE)))
    extremes = [small.getchannel(band).getextrema() for band in small.getbands()]
    return int(max(high - low for low, high in extremes))  # type: ignore[operator]


def is_flat(picture: Image) -> bool:
    """Tell whether a prepared picture is of one colour, within a tolerance of FLAT levels."""
    return spread(picture) <= FLAT
