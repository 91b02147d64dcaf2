"""Reads the kinds of TIFF that Pillow does not know, with tifffile: deep colours, floats, more channels.

The samples of a picture have one scale, that of deep greys. The first page counts, as with Pillow.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore.packages import TIFF
from vstore.pictures.depths import scale_of
from vstore.pictures.extras import is_there, load, needs
from vstore.pictures.failures import PictureFailure

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image

    from vstore.pictures.deferred import Deferred

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION = 256, 257, 258, 259, 262, 274
_SAMPLES, _PLANES, _INK_SET, _EXTRA, _FORMAT, _PROFILE = 277, 284, 332, 338, 339, 34675
_CMYK, _FLOATS = 1, 3
_WHITE_IS_ZERO, _GREY, _RGB, _INKS, _LAB = 0, 1, 2, 5, 8
# Packed bytes, whose length is known before: a picture in a TIFF may be any size, whatever the TIFF says.
_COMPRESSIONS = frozenset({1, 5, 8, 32773, 32946, 34925, 50000})  # none, LZW, deflate, PackBits, LZMA, Zstandard
_COLOURS = {_WHITE_IS_ZERO: 1, _GREY: 1, _RGB: 3, _INKS: 4, _LAB: 3}
_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_DEPTHS = {1: (8, 10, 12, 14, 16, 32, 64), 2: (8, 16, 32, 64), _FLOATS: (16, 32, 64)}
_MULTIPLIED, _OPACITY = 1, 2
_PACKED = 12  # bytes of samples that count as one pixel
_BAND = 256  # lines


class _Kind(NamedTuple):
    """The samples of a TIFF.

    bits:        of one sample.
    form:        1 unsigned, 2 signed, 3 floats.
    photometric: as the tag says it.
    samples:     in a pixel.
    opacity:     the channel that holds it, and whether the colours are multiplied by it; None if none does.
    """

    bits: int
    form: int
    photometric: int
    samples: int
    opacity: tuple[int, bool] | None

    @property
    def colours(self) -> int:
        return _COLOURS[self.photometric]


def open_deep(tags: Any, data: bytes, what: str) -> Deferred | None:
    """Open a TIFF that Pillow does not know. None if this does not either.

    tags: of its first page, as Pillow read them.
    what: its kind, in words.
    Raises: PictureFailure, if the package is missing.
    """
    kind = _kind(tags)
    if kind is None:
        return None
    if not is_there(TIFF):
        raise needs(TIFF, f"{TIFF.why} ({what})")
    from vstore.pictures.deferred import Deferred

    width, height = tags.get(_WIDTH, 0), tags.get(_HEIGHT, 0)
    worth = width * height * kind.samples * -(-kind.bits // 8) // _PACKED
    turned = tags.get(_ORIENTATION, 1)
    found = Deferred("TIFF", (width, height), lambda: _decoded(data, kind), orientation=turned, worth=worth)
    if profile := tags.get(_PROFILE):
        found.info["icc_profile"] = profile
    return found


def _kind(tags: Any) -> _Kind | None:
    bits, forms = set(tags.get(_BITS, (1,))), set(tags.get(_FORMAT, (1,)))
    photometric, samples = tags.get(_PHOTOMETRIC), tags.get(_SAMPLES, 1)
    if len(bits) != 1 or len(forms) != 1 or tags.get(_COMPRESSION, 1) not in _COMPRESSIONS:
        return None
    depth, form = bits.pop(), forms.pop()
    if photometric not in _COLOURS or depth not in _DEPTHS.get(form, ()) or samples < _COLOURS[photometric]:
        return None
    if photometric == _LAB and (depth, form) != (8, 1):
        return None
    if photometric == _INKS and tags.get(_INK_SET, _CMYK) != _CMYK:
        return None
    opacity = None
    for place, meaning in enumerate(tags.get(_EXTRA, ()), _COLOURS[photometric]):
        if meaning in (_MULTIPLIED, _OPACITY) and place < samples and photometric != _LAB:
            opacity = (place, meaning == _MULTIPLIED)
            break
    return _Kind(depth, form, photometric, samples, opacity)


def _decoded(data: bytes, kind: _Kind) -> Image:
    samples = _samples(data, kind)
    colours = _scaled(samples, list(range(kind.colours)), kind)
    if kind.photometric == _WHITE_IS_ZERO:
        colours = 255 - colours
    picture = _picture(colours, kind)
    if kind.opacity is None:
        return picture
    from PIL.Image import fromarray, merge

    place, multiplied = kind.opacity
    opacity = fromarray(_scaled(samples, [place], kind, whole=True)[..., 0])
    if kind.photometric == _INKS:
        picture = picture.convert("RGB")
    bands = [*picture.split(), opacity]
    return merge({2: "La" if multiplied else "LA", 4: "RGBa" if multiplied else "RGBA"}[len(bands)], bands)


def _picture(colours: npt.NDArray[np.uint8], kind: _Kind) -> Image:
    from PIL.Image import frombytes

    size = (colours.shape[1], colours.shape[0])
    if kind.photometric == _LAB:
        return frombytes("LAB", size, colours.tobytes(), "raw", "LAB")
    return frombytes(_MODES[kind.colours], size, colours.tobytes())


def _samples(data: bytes, kind: _Kind) -> npt.NDArray[Any]:
    """Decode the samples of the first page: (planes, height, width, samples in a plane).

    Raises: PictureFailure, if some are missing: tifffile would make them up.
    """
    tifffile = load(TIFF)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        if (page.bitspersample, page.sampleformat, page.samplesperpixel) != (kind.bits, kind.form, kind.samples):
            raise PictureFailure("not_an_image", "the tags of this TIFF contradict one another")
        places = list(zip(page.dataoffsets, page.databytecounts, strict=True))
        if len(places) < math.prod(page.chunked) or page.imagedepth != 1:
            raise PictureFailure("not_an_image", "parts of this TIFF are missing")
        if any(size < 1 or at < 1 or at + size > len(data) for at, size in places):
            raise PictureFailure("truncated", "the file is cut short (parts of the TIFF lie behind its end)")
        found: npt.NDArray[Any] = page.asarray(squeeze=False, maxworkers=1)[:, 0]
    return found


def _scaled(samples: npt.NDArray[Any], channels: list[int], kind: _Kind, *, whole: bool = False) -> Any:
    """Scale some channels to 8 bits: uint8 (height, width, channels).

    whole: by the range of their type, as opacity is.
    """
    import numpy as np

    floats = kind.form == _FLOATS
    if whole and not floats:
        scale = 255 / (2 ** (kind.bits - (kind.form == 2)) - 1)
    else:
        top = max(float(band.max()) for _, band in _bands(samples, channels))
        scale = scale_of(kind.bits, top, floats=floats)
    found = np.empty((*samples.shape[1:3], len(channels)), np.uint8)
    for at, band in _bands(samples, channels):
        found[at : at + len(band)] = np.clip(np.rint(band * scale), 0, 255)
    return found


def _bands(samples: npt.NDArray[Any], channels: list[int]) -> Iterator[tuple[int, npt.NDArray[np.float64]]]:
    """Yield the first line and the finite values of each few lines: (lines, width, channels)."""
    import numpy as np

    for at in range(0, samples.shape[1], _BAND):
        lines = samples[:, at : at + _BAND]
        one = lines[channels, ..., 0].transpose(1, 2, 0) if samples.shape[0] > 1 else lines[0][..., channels]
        with np.errstate(invalid="ignore"):  # some not-a-numbers warn when they are cast
            wide = one.astype(np.float64)
        yield at, np.nan_to_num(wide, nan=0.0, posinf=0.0, neginf=0.0)
