"""How the probes `web` and `poster` were drawn; `python -m support.probe_jpegs FOLDER` draws them again.

Another libjpeg may write other bytes. The files that come with vstore stay as they are: stores hold their vectors.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Plane = npt.NDArray[np.float64]


def web() -> bytes:
    """Draw 640 x 496: stripes of two pixels, in colours that leave RGB.

    They are cut off there. Repeated colours lose more than interpolated ones: areas get another mean.
    """
    width, height, columns, rows = 640, 496, 5, 4
    light, blue, red = (np.full((height, width), 128.0) for _ in range(3))
    for row, column, area in _areas(width, height, columns, rows):
        number = row * columns + column
        light[area] = (50, 205, 128, 70, 185)[(2 * row + column) % 5]
        stripes = _across(width, height, lambda at: np.where(at // 2 % 2, 110, -110), turned=(row + column) % 2 == 0)
        blue[area] += stripes[area] * (1, -1, 0, 1)[number % 4]
        red[area] += stripes[area] * (1, 0, 1, -1)[number % 4]
    return _jpeg([light, blue, red], [[16] * 64, [24] * 64])


def poster() -> bytes:
    """Draw 3200 x 1200: large enough that a half of it is decoded for a model that sees 512 pixels of the longer side.

    A quarter of its areas has stripes that only a whole decoding shows. They are louder than black and white, which cut
    them off: the mean is another one without. Half has lines of 8 pixels: what is left of them after scaling depends on
    the averages before.
    """
    width, height, columns, rows = 3200, 1200, 5, 4
    light, blue, red = (np.full((height, width), 128.0) for _ in range(3))
    table = np.full((8, 8), 64)
    table[0, 0] = 255  # few bits for black and white
    table[0, 5:] = table[5:, 0] = 85
    for row, column, area in _areas(width, height, columns, rows):
        number, kind = row * columns + column, (row + column) % 4
        is_turned = number % 2 == 0
        if kind % 2:
            lines = _across(width, height, lambda at: at // 8 % 2 * 255, turned=is_turned)
            light[area] = lines[area] if column > columns // 2 else 255 - lines[area]
            continue
        blue[area] += 32 * (-2, 0, 2, 1, -1)[(row + 2 * column) % 5]
        red[area] += 32 * (1, -1, -2, 2, 0)[(2 * row + column) % 5]
        if kind == 2:
            light[area] += 32 * (-2, 2, 0)[number % 3]
            continue
        light[area] += 64 if column > columns // 2 else -64
        light[area] += 45 * _across(width, height, _wave((5, 6, 7)[number % 3]), turned=is_turned)[area]
    louder = table.copy()
    louder[0, 5:] = louder[5:, 0] = 255
    return _louder(_jpeg([light, blue, red], [table.ravel().tolist(), [255] * 64]), louder.ravel().tolist())


def _areas(width: int, height: int, columns: int, rows: int) -> Any:
    """Yield row, column and mask of areas whose sides are those of whole blocks of a 4:2:0 picture."""
    down, across = np.arange(height) // 16 * rows // (height // 16), np.arange(width) // 16 * columns // (width // 16)
    for row in range(rows):
        for column in range(columns):
            yield row, column, (down[:, None] == row) & (across[None, :] == column)


def _across(width: int, height: int, value: Callable[[Any], Any], *, turned: bool) -> Plane:
    """Draw stripes of the value at each column, or at each row if they are turned."""
    one = value(np.arange(height if turned else width)).astype(np.float64)
    return np.broadcast_to(one[:, None] if turned else one[None, :], (height, width))


def _wave(frequency: int) -> Callable[[Any], Any]:
    """Return the wave that a JPEG keeps as one number of a block."""
    return lambda at: np.cos((2 * (at % 8) + 1) * frequency * np.pi / 16)


def _jpeg(planes: list[Plane], tables: list[list[int]]) -> bytes:
    """Write light and colours as a baseline JPEG, 4:2:0. tables: numbers row by row."""
    out = io.BytesIO()
    picture = Image.fromarray(np.dstack(planes).round().clip(0, 255).astype(np.uint8), "YCbCr")
    picture.save(out, "JPEG", qtables=tables, subsampling=2, optimize=True)
    return out.getvalue()


def _louder(data: bytes, table: list[int]) -> bytes:
    """Put another table for the light into a JPEG: its waves become louder than pixels can be."""
    at = data.index(b"\xff\xdb\x00\x43" + b"\x00") + 5
    in_file = sorted(range(64), key=_zigzag)
    return data[:at] + bytes(table[place] for place in in_file) + data[at + 64 :]


def _zigzag(place: int) -> tuple[int, int]:
    """Return the order of a place of a block in a file: by diagonals, up and down in turn."""
    row, column = divmod(place, 8)
    return row + column, row if (row + column) % 2 else column


if __name__ == "__main__":
    for name, draw in (("web", web), ("poster", poster)):
        (Path(sys.argv[1]) / f"{name}.jpg").write_bytes(draw())
