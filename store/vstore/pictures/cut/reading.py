"""Reads what is left of a cut picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vstore.pictures.cut.part import Part
from vstore.pictures.cut.parts import parts_of
from vstore.pictures.decoders import open_picture
from vstore.pictures.failures import bomb

if TYPE_CHECKING:
    from PIL.Image import Image


class Left(NamedTuple):
    """The remaining part of a cut picture.

    picture:     as it was decoded; only the lines from `first` to `stop` are its own.
    height:      lines of the whole picture.
    first:       the first line that is there.
    stop:        the line after the last one.
    orientation: of EXIF, 1 to 8, where the picture does not have it; else None.
    """

    picture: Image
    height: int
    first: int
    stop: int
    orientation: int | None

    @property
    def lines(self) -> int:
        """The number of lines that are there."""
        return max(0, self.stop - self.first)


def read_left(data: bytes, limit: int) -> Left | None:
    """Decode what is left of a cut picture. None where its lines cannot be told.

    limit:  pixels that a picture may have.
    Raises: PictureFailure if it has more; MemoryError.
    """
    for part in parts_of(data, limit):
        left = _compared(part, limit) if part.compared else _alone(part, limit)
        if left is not None:
            return left
    return None


def _alone(part: Part, limit: int) -> Left | None:
    picture = _open(next(iter(part.copies)), part.height, limit)
    return None if picture is None else Left(picture, part.height, part.first, part.stop, part.orientation)


def _compared(part: Part, limit: int) -> Left | None:
    """Find the lines in which the copies agree. Not all of them may decode: two must."""
    import numpy as np

    found: Image | None = None
    others = 0
    stop = part.stop
    for copy in part.copies:
        picture = _open(copy, part.height, limit)
        if picture is None or (found is not None and (picture.mode, picture.size) != (found.mode, found.size)):
            continue
        if found is None:
            found = picture
            lines = np.asarray(picture).reshape(picture.height, -1)
            continue
        others += 1
        differs = (lines != np.asarray(picture).reshape(picture.height, -1)).any(1)
        if differs.any():
            stop = min(stop, int(differs.argmax()))
    if found is None or not others:
        return None
    if stop < part.stop:
        stop = min(stop, part.settled(stop))
    return Left(found, part.height, part.first, stop, part.orientation)


def _open(data: bytes, height: int, limit: int) -> Image | None:
    """Decode a copy; None if that fails. Raises: PictureFailure if it has more pixels than allowed; MemoryError."""
    try:
        picture = open_picture(data)
        pixels = picture.width * height
        if pixels <= limit:
            picture.load()
            return picture
    except MemoryError:
        raise
    except Exception:
        return None  # decoders raise whatever their parsers stumble over
    raise bomb(f"{picture.width} × {height}", pixels)
