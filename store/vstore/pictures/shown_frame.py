"""Chooses the frame of an animation by which it is known: the first with something on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vstore.pictures.flatness import FLAT, SIDE, spread
from vstore.pictures.gif_frames import frames_within
from vstore.pictures.ground import over_ground
from vstore.pictures.layers import layers

if TYPE_CHECKING:
    from PIL.Image import Image

ANIMATED = ("GIF", "PNG", "WEBP", "AVIF")  # pages of a TIFF and pictures of an MPO are no frames: the first is taken
FRAMES = 100  # at most: a fade of 4 seconds at 25 frames a second
PIXELS = 1 << 26  # of all frames looked at: 100 of 800 x 800
_SOMETHING = 64  # levels of spread from which on the first frame is kept
_CLEAR = 128  # those with which a later frame is taken at once: half of what a fade from black or white comes to


def shown_frame(picture: Image, data: bytes) -> Image:
    """Load the frame by which a picture that was opened from data is known.

    That is the first frame if it has a spread of 64 levels. Else it is the first of up to 100 frames, and of 67 million
    pixels in all, that has 128. Where none has, the first gives way to the next with more than twice its spread, that
    one to the next with more than twice the spread of it, and so on. Each frame is what a viewer shows then, over the
    ground that suits it. One that cannot be read counts as the end, and so does one that does not fit.

    Returns: the picture itself for a first frame that is kept at once, else a copy of a frame, with its `info`.
    Raises:  any error of the decoder for the first frame.
    """
    picture.load()
    if picture.format not in ANIMATED or (picture.format != "GIF" and getattr(picture, "n_frames", 1) == 1):
        return picture
    first = _spread(picture)
    if first >= _SOMETHING:
        return picture
    count = min(FRAMES, PIXELS // (picture.width * picture.height))
    if picture.format == "GIF":
        count = frames_within(data, count)
    if count < 2:
        return picture
    chosen, most = picture.copy(), first
    for frame in _later(picture, count):
        seen = _spread(frame)
        if seen >= _CLEAR:
            return frame
        if seen > max(FLAT, 2 * most):
            chosen, most = frame, seen
    return chosen


def _later(picture: Image, count: int) -> Iterator[Image]:
    """Yield copies of the frames after the first one, which is loaded."""
    size = picture.size
    for number in range(1, count):
        try:
            picture.seek(number)
            picture.load()
        except MemoryError:
            raise
        except Exception:
            return  # as a viewer does: what follows is cut, or there is nothing more
        if picture.size != size:
            return
        yield picture.copy()


def _spread(frame: Image) -> int:
    plain = layers(frame)
    return spread(over_ground(plain.reduce(max(1, -(-max(plain.size) // SIDE)))))
