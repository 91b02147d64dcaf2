"""More kinds for the matrix of decoders: JPEG XL, JPEG 2000, HEIC, arithmetic JPEG and RAW, by writers of their own."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from PIL import Image
from support import raw_files
from support.picture_matrix import File, Pixels, colours, grey, over_white, thrice

_MADE = Path(__file__).parent / "made"


def smooth() -> Pixels:
    """Colours without edges: uint8 (32, 48, 3)."""
    return np.rint(np.dstack([colours()[..., 0], colours()[..., 1], grey()]) * 255).astype(np.uint8)


def _samples() -> dict[str, tuple[Pixels, Pixels]]:
    """Stored samples and right pixels of each layout."""
    right = smooth()
    clear = right[..., 1]
    one = right[..., 2].copy()
    return {
        "grey": (one, thrice(one)),
        "grey and opacity": (np.dstack([one, clear]), over_white(thrice(one), clear)),
        "RGB": (right, right),
        "RGBA": (np.dstack([right, clear]), over_white(right, clear)),
    }


def jxls() -> Iterator[File]:
    """JPEG XL, written by imagecodecs."""
    depths: dict[str, tuple[Any, dict[str, Any]]] = {
        "8 bit": (lambda one: one, {}),
        "12 bit": (lambda one: np.rint(one / 255 * 4095).astype("u2"), {"bitspersample": 12}),
        "16 bit": (lambda one: one.astype("u2") * 257, {}),
        "16 bit floating-point": (lambda one: (one / 255).astype("f2"), {}),
        "32 bit floating-point": (lambda one: (one / 255).astype("f4"), {}),
    }
    for depth, (made, options) in depths.items():
        for name, (samples, right) in _samples().items():
            for container in (False, True):
                for lossless in (False, True):
                    told = {"lossless": True} if lossless else {"lossless": False, "distance": 0.3}
                    data = imagecodecs.jpegxl_encode(made(samples), usecontainer=container, **told, **options)
                    how = f"{'container' if container else 'as short as can be'}{', lossless' if lossless else ''}"
                    yield File(f"JPEG XL {depth} {name}", how, data, right, 1.2 if lossless else 2)
    yield from _other_jxls()


def _other_jxls() -> Iterator[File]:
    right = smooth()
    frames = np.stack([right, right[::-1], 255 - right])
    yield File("JPEG XL animation", "8 bit", imagecodecs.jpegxl_encode(frames, lossless=True), right)
    deep = np.rint(frames / 255 * 4095).astype("u2")
    data = imagecodecs.jpegxl_encode(deep, lossless=True, bitspersample=12)
    yield File("JPEG XL animation", "12 bit", data, right)
    for orientation in range(1, 9):
        data = _jpeg(right, orientation)
        turned = np.asarray(_upright(right, orientation))
        yield File("JPEG XL of a JPEG", f"orientation {orientation}", imagecodecs.jpegxl_encode_jpeg(data), turned, 1.2)
        # Without the JPEG that it was: its own orientation turns it.
        bare = _without_jpeg(imagecodecs.jpegxl_encode_jpeg(data))
        yield File("JPEG XL with an orientation of its own", f"orientation {orientation}", bare, turned, 1.2)


def _jpeg(pixels: Pixels, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=98, subsampling=0, exif=exif)
    return out.getvalue()


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Turn pixels as EXIF means it, by its definition: where the first line and the first column are."""
    turned = np.swapaxes(pixels, 0, 1) if orientation >= 5 else pixels
    bottom, right = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return turned[:: -1 if bottom else 1, :: -1 if right else 1]


def _without_jpeg(data: bytes) -> bytes:
    """Rename the box that makes the JPEG again."""
    assert data.count(b"jbrd") == 1
    return data.replace(b"jbrd", b"free")


def jpeg_2000s() -> Iterator[File]:
    """JPEG 2000, written by imagecodecs."""
    for name, (samples, right) in _samples().items():
        for bits in (8, 12, 16):
            stored = samples if bits == 8 else np.rint(samples / 255 * (2**bits - 1)).astype("u2")
            for form in ("jp2", "j2k"):
                for mixed in (False, True):
                    data = imagecodecs.jpeg2k_encode(
                        stored, level=0, codecformat=form, mct=mixed, reversible=True, bitspersample=bits
                    )
                    how = f"{form}{', colours mixed' if mixed else ''}"
                    yield File(f"JPEG 2000 {bits} bit {name}", how, data, right, 0.6)
    signed = (smooth() // 2).astype("i1")
    yield File("JPEG 2000 8 bit signed RGB", "", imagecodecs.jpeg2k_encode(signed, level=0), smooth())
    lossy = imagecodecs.jpeg2k_encode(smooth(), level=50)
    yield File("JPEG 2000 lossy", "", lossy, smooth(), 2)


def _made(kind: str, name: str, right: Pixels, most: float) -> File:
    return File(kind, name, (_MADE / name).read_bytes(), right, most)


def heics() -> Iterator[File]:
    """HEIC, written by heif-enc (`support/made/README.md`)."""
    right = smooth()
    yield _made("HEIC 8 bit RGB, lossless", "lossless.heic", right, 1)
    for name in ("lossy.heic", "thumbnail.heic"):
        yield _made("HEIC 8 bit RGB", name, right, 3)
    yield _made("HEIC 10 bit RGB", "10-bit.heic", right, 3)
    yield _made("HEIC 12 bit RGB", "12-bit.heic", right, 3)
    yield _made("HEIC 8 bit RGBA", "opacity.heic", over_white(right, right[..., 1]), 3)
    yield _made("HEIC 8 bit grey", "grey.heic", thrice(right[..., 2]), 3)
    yield _made("HEIC of tiles", "tiles.heic", right.repeat(4, 0).repeat(4, 1), 3)
    for name, orientation in (("rotate-90", 6), ("rotate-180", 3), ("rotate-270", 8), ("flip-h", 2), ("flip-v", 4)):
        yield _made("HEIC with an orientation of its own", f"{name}.heic", _upright(right, orientation), 3)


def arithmetic_jpegs() -> Iterator[File]:
    """JPEG with arithmetic coding, written by cjpeg (`support/made/README.md`)."""
    right = smooth()
    for name in ("arithmetic", "arithmetic-progressive", "arithmetic-restart"):
        yield _made("JPEG arithmetic", f"{name}.jpg", right, 1.2)
    yield _made("JPEG arithmetic", "arithmetic-420.jpg", right, 3)
    yield _made("JPEG arithmetic", "arithmetic-grey.jpg", thrice(right[..., 2]), 1)


def raws() -> Iterator[File]:
    """RAW: DNG, written by tifffile and by pidng; what is right comes from the cells, by formulas."""
    cells = raw_files.mosaic(raw_files.light(64, 96))
    right = raw_files.developed(cells)
    for orientation in range(1, 9):
        turned = _upright(right, orientation)
        data = raw_files.by_tifffile(cells, orientation=orientation)
        yield File("RAW (DNG), developed", f"tifffile, orientation {orientation}", data, turned)
    small = raw_files.developed(raw_files.mosaic(raw_files.light(32, 48)))
    for orientation in (1, 6):
        yield _made("RAW (DNG), developed", f"pidng-{orientation}.dng", _upright(small, orientation), 0.6)
    data = raw_files.by_tifffile(cells, lossless=True)
    yield File("RAW (DNG), developed", "tifffile, lossless JPEG", data, right)
    balanced = raw_files.developed(cells, (2, 1, 1.25))
    data = raw_files.by_tifffile(cells, neutral=(0.5, 1, 0.8))
    yield File("RAW (DNG), developed", "tifffile, another white", data, balanced)
    seen = smooth()
    for orientation in range(1, 9):
        data = raw_files.by_tifffile(cells, orientation=orientation, preview=seen)
        yield File("RAW (DNG), preview", f"orientation {orientation}", data, _upright(seen, orientation), 1.2)
    data = raw_files.by_tifffile(cells, preview=seen[:20, :40])
    yield File("RAW (DNG), developed", "tifffile, the preview is too small", data, right)


FAMILIES = {
    "JPEG XL": jxls,
    "JPEG 2000": jpeg_2000s,
    "HEIC": heics,
    "arithmetic JPEG": arithmetic_jpegs,
    "RAW": raws,
}
# Decoders of another library.
OTHERS: dict[str, Any] = {
    "JPEG XL": imagecodecs.jpegxl_decode,
    "arithmetic JPEG": imagecodecs.jpeg8_decode,
}
