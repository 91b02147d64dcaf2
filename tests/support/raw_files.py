"""RAW files of no camera: DNG, written by tifffile tag by tag, with their right pixels.

The cells of the sensor see a slope in each colour. The camera's colours are those of sRGB, made linear, so that what
is right needs no colour science: each four cells are one pixel, black is taken off, white is 1, then comes the curve of
sRGB.
"""

from __future__ import annotations

import io
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import tifffile

Pixels = npt.NDArray[Any]
BLACK, WHITE = 500, 15500
# From XYZ to linear sRGB (IEC 61966-2-1), as the ten-thousandths of a matrix.
_MATRIX = (32406, -15372, -4986, -9689, 18758, 415, 557, -2040, 10570)
_RGGB = bytes([0, 1, 1, 2])


def light(height: int, width: int) -> Pixels:
    """The light that falls on the sensor, 0 to 1: (height, width, 3)."""
    down, across = np.mgrid[0:height, 0:width]
    return np.dstack([across / width, down / height, (across + down) / (height + width)])


def mosaic(seen: Pixels) -> Pixels:
    """What the cells hold: red, green in the first line; green, blue in the second."""
    cells = np.empty(seen.shape[:2])
    for line in (0, 1):
        for row in (0, 1):
            cells[line::2, row::2] = seen[line::2, row::2, line + row]
    return np.rint(cells * (WHITE - BLACK) + BLACK).astype(np.uint16)


def developed(cells: Pixels, balance: tuple[float, float, float] = (1, 1, 1)) -> Pixels:
    """The right pixels of half the size, 0 to 255, by these formulas alone."""
    white = cells.max() if cells.max() - BLACK > 0.75 * (WHITE - BLACK) else WHITE  # by LibRaw's adjust_maximum_thr
    values = (cells.astype(float) - BLACK) / (white - BLACK)
    green = (values[0::2, 1::2] + values[1::2, 0::2]) / 2
    linear = np.dstack([values[0::2, 0::2], green, values[1::2, 1::2]]) * balance
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, linear * 12.92)


def by_tifffile(
    cells: Pixels,
    *,
    orientation: int = 1,
    preview: Pixels | None = None,
    neutral: tuple[float, float, float] = (1, 1, 1),
    lossless: bool = False,
) -> bytes:
    """Write a DNG as cameras do: a thumbnail first, below it what the sensor saw, and a JPEG.

    neutral:  what a grey thing looks like to the sensor, as shares of one.
    lossless: what the sensor saw is a lossless JPEG, as in most DNG.
    """
    matrix = [part for number in _MATRIX for part in (number, 10000)]
    about = [
        (50706, 1, 4, bytes([1, 4, 0, 0]), True),  # version of DNG
        (50708, 2, 0, "a camera of tests", True),
        (271, 2, 0, "Tests", True),
        (272, 2, 0, "Camera", True),
        (274, 3, 1, orientation, True),
        (50721, 10, 9, matrix, True),  # ColorMatrix1
        (50728, 5, 3, [part for share in neutral for part in (round(share * 1000), 1000)], True),  # AsShotNeutral
        (50778, 3, 1, 21, True),  # D65
    ]
    sensor = [
        (33421, 3, 2, (2, 2), True),
        (33422, 1, 4, _RGGB, True),
        (50710, 1, 3, bytes([0, 1, 2]), True),
        (50711, 3, 1, 1, True),
        (50714, 3, 1, BLACK, True),
        (50717, 4, 1, WHITE, True),
    ]
    thumbnail = np.full((16, 24, 3), 99, np.uint8)
    out = io.BytesIO()
    below = 1 if preview is None else 2
    options: dict[str, Any]
    plain: dict[str, Any] = {"metadata": None, "software": False}
    with tifffile.TiffWriter(out) as writer:
        writer.write(thumbnail, photometric="rgb", subfiletype=1, subifds=below, extratags=about, **plain)
        if lossless:
            options = {"compression": 7, "shape": cells.shape, "dtype": cells.dtype, "rowsperstrip": len(cells)}
            # Two columns are two components, as the specification has it.
            stored: Any = iter([imagecodecs.ljpeg_encode(cells)])
        else:
            options, stored = {}, cells
        writer.write(stored, photometric="cfa", subfiletype=0, extratags=sensor, **options, **plain)
        if preview is not None:
            coded = imagecodecs.jpeg8_encode(preview, level=95)
            options = {"compression": 7, "shape": preview.shape, "dtype": preview.dtype, "rowsperstrip": len(preview)}
            writer.write(iter([coded]), photometric="ycbcr", subfiletype=1, **options, **plain)
    return out.getvalue()
