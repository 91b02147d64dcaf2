"""Photos; some are turned by EXIF alone."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def photo(seed: int, orientation: int, shape: tuple[int, int] = (96, 64)) -> bytes:
    """Draw a JPEG of soft shapes; some are turned by EXIF alone."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 255, (8, 12, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize(shape, Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=92, exif=exif)
    return out.getvalue()
