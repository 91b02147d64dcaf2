"""Reads JPEG XL with libjxl, through pillow-jxl-plugin: it would decode before the size can be judged."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore.packages import IMAGECODECS, JXL
from vstore.pictures.extras import is_there, load, needs
from vstore.pictures.failures import PictureFailure
from vstore.pictures.readable import Readable

if TYPE_CHECKING:
    import numpy.typing as npt
    from PIL.Image import Image

    from vstore.pictures.deferred import Deferred

CODESTREAM, _CONTAINER = b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_SIDES = ((9, 1), (13, 1), (18, 1), (30, 1))
_MOST_BOXES = 4096
_LONGEST = 32  # bytes of what is read here


def is_jxl(data: bytes) -> bool:
    return data.startswith((CODESTREAM, _CONTAINER))


class _Head(NamedTuple):
    """The beginning of a JPEG XL.

    size:        width and height, before it is turned.
    animated:    it has more than one picture.
    bits:        of an integer sample.
    orientation: how it is turned, as a number of EXIF.
    """

    size: tuple[int, int]
    animated: bool
    bits: int
    orientation: int = 1


def open_jxl(data: bytes) -> Deferred:
    """Open a JPEG XL: its size is read. Its own orientation turns it, not that of EXIF.

    Raises: PictureFailure, if a package is missing, or no size is found.
    """
    if not is_there(JXL):
        raise needs(JXL)
    found = _codestream(data)
    if found is None:
        raise PictureFailure("not_an_image", "this JPEG XL has no picture")
    from vstore.pictures.deferred import Deferred

    head = _head(_Bits(found))
    return Deferred("JXL", head.size, lambda: _first(data, head) if head.animated else _only(data, head))


def _only(data: bytes, head: _Head) -> Image:
    """Decode a picture that is alone in its file."""
    jpeg, about, pixels, profile, *_ = load(JXL).Decoder(num_threads=0)(data)
    if jpeg:  # it was made out of this one
        from PIL.ImageOps import exif_transpose
        from PIL.JpegImagePlugin import JpegImageFile

        return exif_transpose(JpegImageFile(io.BytesIO(pixels)))
    from PIL.Image import frombytes

    size = (about.width, about.height)
    if about.mode.startswith("F"):
        import numpy as np

        found = _of_samples(np.frombuffer(pixels, np.float32).reshape(size[::-1]), head)
    elif about.mode == "LA":
        found = _first(data, head)  # the plug-in gives other bytes of deep ones
    else:
        found = frombytes(about.mode, size, pixels)
    if profile:
        found.info["icc_profile"] = profile
    return found


def _first(data: bytes, head: _Head) -> Image:
    """Decode the first picture of an animation: the plug-in would give the last."""
    return _of_samples(load(IMAGECODECS).jpegxl_decode(data, index=0, numthreads=1), head)


def _of_samples(samples: npt.NDArray[Any], head: _Head) -> Image:
    """Make a picture of 8 bits out of deep samples. Floats are 0 to 1; what lies above was made by losses."""
    import numpy as np
    from PIL.Image import fromarray

    top = 1.0 if samples.dtype.kind == "f" else (1 << head.bits) - 1
    return fromarray(np.clip(np.rint(np.nan_to_num(samples * (255.0 / top))), 0, 255).astype(np.uint8))


def head_of(data: Readable) -> _Head | None:
    """Read the beginning of a picture; None if there is none. Raises: PictureFailure for a kind that is not read."""
    found = _codestream(data)
    return None if found is None else _head(_Bits(found))


def _codestream(data: Readable) -> bytes | None:
    """Return what follows the mark of the picture, as far as it is read; None if there is none."""
    if data[:2] == CODESTREAM:
        return data[2:_LONGEST]
    at = 0
    for _ in range(_MOST_BOXES):
        if at + 8 > len(data):
            return None
        size, name, head = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        if name in (b"jxlc", b"jxlp"):
            begin = at + head + (4 if name == b"jxlp" else 0)  # parts are numbered
            found = data[begin : begin + _LONGEST]
            return found[2:] if found.startswith(CODESTREAM) else None
        if size < head:
            return None
        at += size
    return None


def _head(bits: _Bits) -> _Head:
    """Read the size, and what follows up to the depth of samples (ISO 18181-1, SizeHeader and ImageMetadata)."""
    size = _size(bits)
    if bits.take(1):  # all is as usual
        return _Head(size, False, 8)
    animated, orientation = False, 1
    if bits.take(1):
        orientation = bits.take(3) + 1
        if bits.take(1):
            _size(bits)  # in which it is meant to be shown
        if bits.take(1):
            raise PictureFailure("not_an_image", "this JPEG XL has a preview inside, which is not read")
        animated = bool(bits.take(1))
        if animated:
            bits.one_of((0, 100), (0, 1000), (10, 1), (30, 1))  # ticks of a second
            bits.one_of((0, 1), (0, 1001), (8, 1), (10, 1))
            bits.one_of((0, 0), (3, 0), (16, 0), (32, 0))  # loops
            bits.take(1)
    is_float = bits.take(1)
    return _Head(size, animated, 0 if is_float else bits.one_of((0, 8), (0, 10), (0, 12), (6, 1)), orientation)


def _size(bits: _Bits) -> tuple[int, int]:
    small = bits.take(1)
    height = bits.side(small)
    ratio = bits.take(3)
    if ratio == 0:
        return bits.side(small), height
    across, down = _RATIOS[ratio - 1]
    return height * across // down, height


class _Bits:
    """Numbers of bits, the lowest first."""

    def __init__(self, data: bytes) -> None:
        self._left = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        """Take the next number, of some bits."""
        found = self._left & ((1 << count) - 1)
        self._left >>= count
        return found

    def one_of(self, *kinds: tuple[int, int]) -> int:
        """Take a number whose first two bits choose its kind: its bits, and what is added."""
        count, more = kinds[self.take(2)]
        return self.take(count) + more

    def side(self, small: int) -> int:
        """Take a width or a height. small: it is counted in eights."""
        return (self.take(5) + 1) * 8 if small else self.one_of(*_SIDES)
