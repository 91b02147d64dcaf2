"""Pictures that look alike: scenes with large shapes, saved in several ways."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, PngImagePlugin


def scene(seed: int, size: tuple[int, int] = (210, 150)) -> Image.Image:
    """Draw a picture with large shapes, as photographs have them."""
    coarse = np.random.default_rng(seed).integers(0, 255, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def jpeg(picture: Image.Image, quality: int = 95, taken: str = "", camera: str = "X100V", part: str = "") -> bytes:
    """Save a picture. taken: its date in EXIF, as cameras write it. part: of the second."""
    exif = Image.Exif()
    if taken:
        exif[0x0110] = camera
        exif.get_ifd(0x8769)[0x9003] = taken
        if part:
            exif.get_ifd(0x8769)[0x9291] = part
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality, exif=exif)
    return out.getvalue()


def png(picture: Image.Image, text: str = "") -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", text)
    out = io.BytesIO()
    picture.save(out, "PNG", pnginfo=info)
    return out.getvalue()
