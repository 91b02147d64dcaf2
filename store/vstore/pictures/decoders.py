"""Pillow's decoders of the formats that vstore reads."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vstore.packages import HEIC
from vstore.pictures.extras import versions
from vstore.pictures.failures import PictureFailure
from vstore.pictures.formats import MAX_PIXELS, READING
from vstore.pictures.jpeg_2000 import open_jpeg_2000
from vstore.pictures.jxl import is_jxl, open_jxl
from vstore.pictures.png import open_png
from vstore.pictures.raw import open_raw
from vstore.pictures.raw_kinds import is_raw
from vstore.pictures.tiff import open_tiff
from vstore.turns import Turn

if TYPE_CHECKING:
    from PIL.Image import Image

    from vstore.pictures.preparation import Preparation

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "DIB", "AVIF", "JPEG2000")
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs"})


def open_picture(data: bytes) -> Image:
    """Open a picture with the decoder that its first bytes ask for.

    `Image.open` would judge the size by a global of the whole process.
    Raises: PictureFailure if no decoder accepts it; any error of the decoder that does.
    """
    registry = decoders()
    if is_raw(data):
        return open_raw(data)
    if is_jxl(data):
        return open_jxl(data)
    if data[4:8] == b"ftyp" and is_heif(data):
        if "HEIF" not in registry:
            raise PictureFailure("needs_extra", f"{HEIC.why}: {HEIC.pip}")
        order: tuple[str, ...] = ("HEIF",)
    else:
        order = FORMATS
    error: Exception | None = None
    for name in order:
        factory, accept = registry[name]
        # Some look at the first four bytes without asking whether there are four.
        accepted = accept(data[:16].ljust(16, b"\0")) if accept else True
        if not accepted or isinstance(accepted, str):
            continue
        try:
            return _OPENERS.get(name, _open)(factory, data)
        except Exception as err:
            error = err
    if error is not None:
        raise error
    raise PictureFailure("not_an_image", "not a supported image format")


def _open(factory: Any, data: bytes) -> Image:
    opened: Image = factory(io.BytesIO(data), "")
    return opened


_OPENERS: dict[str, Callable[[Any, bytes], Image]] = {
    "PNG": open_png,
    "TIFF": open_tiff,
    "JPEG2000": open_jpeg_2000,
}


def is_heif(data: bytes) -> bool:
    """Tell whether a file of boxes is a HEIC, by its brands."""
    size = min(int.from_bytes(data[:4], "big"), 256)
    brands = {data[at : at + 4] for at in (8, *range(16, max(16, size), 4))}
    return bool(brands & _HEIF_BRANDS) or (b"mif1" in brands and not brands & {b"avif", b"avis"})


_registry: dict[str, Any] = {}
_registering = Turn()


def decoders() -> dict[str, Any]:
    """Return Pillow's (factory, accept) of each format that vstore reads, registered once."""
    with _registering:
        if not _registry:
            from PIL import (
                AvifImagePlugin,  # noqa: F401
                BmpImagePlugin,  # noqa: F401
                GifImagePlugin,  # noqa: F401
                Image,
                Jpeg2KImagePlugin,  # noqa: F401
                JpegImagePlugin,  # noqa: F401
                MpoImagePlugin,  # noqa: F401
                PngImagePlugin,  # noqa: F401
                TiffImagePlugin,  # noqa: F401
                WebPImagePlugin,  # noqa: F401
            )

            _quiet_libtiff()
            for name in ("PIL", "tifffile"):  # what they log of broken files would go to the terminal
                logging.getLogger(name).addHandler(logging.NullHandler())
            found = {name: Image.OPEN[name] for name in FORMATS if name in Image.OPEN}
            try:
                from pillow_heif import register_heif_opener

                register_heif_opener()
                found["HEIF"] = Image.OPEN["HEIF"]
            except Exception:  # missing or broken: the failures of its pictures say what to install
                pass
            _registry.update(found)
        return _registry


def quiet() -> None:
    """Keep Pillow's warnings about broken metadata off the terminal: what matters comes as an error.

    Called for each picture, as a program that embeds vstore may set other filters meanwhile. `catch_warnings` would
    change the filters of all threads.
    """
    if not any(f[0] == "ignore" and f[3] is not None and f[3].pattern == "PIL\\." for f in warnings.filters):
        warnings.filterwarnings("ignore", module=r"PIL\.")


def _quiet_libtiff() -> None:
    """Keep libtiff's errors about broken files off the terminal: Pillow silences only its warnings."""
    import ctypes

    from PIL import _imaging

    with contextlib.suppress(OSError, AttributeError):  # a libtiff that is linked in otherwise goes on writing
        ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)


def allow(pixels: int) -> None:
    """Raise Pillow's own limit of pixels, which is that of the whole process, where ours is higher."""
    if pixels > MAX_PIXELS:
        from PIL import Image

        if Image.MAX_IMAGE_PIXELS is not None:
            Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, -(-pixels // 2))


_fingerprints: dict[Preparation, str] = {}


def decoder_fingerprint(preparation: Preparation) -> str:
    """Name all that decides whether bytes decode: our reading and limits, Pillow, its codecs and plug-ins.

    Known failures are tried again when it changes.
    Returns: 16 hex digits.
    """
    if preparation not in _fingerprints:
        import importlib.metadata

        from PIL import __version__, features

        ours = f"reading {READING}", f"pixels {preparation.max_pixels}"
        parts = [*ours, f"pillow {__version__}"]
        for codec in ("libjpeg_turbo", "jpg", "zlib", "zlib_ng", "webp", "avif", "libtiff", "jpg_2000", "littlecms2"):
            try:
                parts.append(f"{codec} {features.version(codec)}")
            except ValueError:
                parts.append(f"{codec} unknown")
        # A broken plug-in counts as missing: its pictures are tried again once it works.
        heif = importlib.metadata.version("pillow-heif") if "HEIF" in decoders() else "none"
        parts += [f"heif {heif}", *versions()]
        from vstore.format.hashing import checksum

        _fingerprints[preparation] = checksum("\n".join(parts).encode()).hex()
    return _fingerprints[preparation]
