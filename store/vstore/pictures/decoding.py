"""Pictures: bytes in, a prepared RGB picture out, or one line that says why not. Knows Pillow, opens no file."""

from __future__ import annotations

import contextlib
import io
import re
import threading
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore.errors import ModelError
from vstore.pictures.formats import IGNORED, MAX_PIXELS, MAX_SIDE, POLICY, prepare_recipe

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "DIB", "AVIF")
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs"})
_ORIENTATION, _BITS, _PHOTOMETRIC = 0x0112, 0x0102, 0x0106  # tags of EXIF and TIFF
_BAND = 256  # lines
_LARGE = 1 << 25  # pixels from which on a picture is decoded alone: it takes 5 to 12 bytes for each
_LONGEST = 200  # characters of what a decoder says
_CUT = (
    "truncat",
    "end of file",
    "premature",
    "unexpected end",
    "not enough data",
    "broken data stream",
    "no more images",
)


class Facts(NamedTuple):
    """What a picture is. width and height in pixels, as shown: turned by its EXIF orientation."""

    format: str
    width: int
    height: int


class PictureFailure(Exception):
    """Why a picture has no vector: a kind for programs and a line for people. One bad picture stops no run.

    kind: permission io truncated not_an_image too_large bomb needs_extra model
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(f"{kind}: {reason}")
        self.kind = kind
        self.reason = reason


class Preparation(NamedTuple):
    """How pictures are prepared. All but max_pixels is part of a space.

    max_side:   pixels. max_pixels: beyond it a picture is not decoded.
    upright:    turned as EXIF says. bgr: blue first, as OpenCV has it. jpeg: saved with this quality and read again.
    """

    max_side: int = MAX_SIDE
    max_pixels: int = MAX_PIXELS
    upright: bool = True
    bgr: bool = False
    jpeg: int | None = None


def preparation_of(recipe: Mapping[str, Any], max_pixels: int = MAX_PIXELS) -> Preparation:
    """How a space's pictures are prepared.

    Raises: ModelError for a way that this version does not know; pictures prepared otherwise would be mixed in.
    """
    said = {**prepare_recipe(), **recipe.get("prepare", {})}
    usual = prepare_recipe(said["max_side"])
    through = said.pop("through", None)
    found = Preparation(
        said["max_side"],
        max_pixels,
        said["orientation"] != IGNORED,
        said["mode"] == "BGR",
        None if through is None else through["quality"],
    )
    known = {**usual, "orientation": (usual["orientation"], IGNORED), "mode": ("RGB", "BGR")}
    for name, value in said.items():
        allowed = known.get(name)
        if value != allowed and not (isinstance(allowed, tuple) and value in allowed):
            raise ModelError(
                f"this vstore does not know how to prepare pictures with {name} {value!r}", "upgrade vstore"
            )
    return found


def prepare(data: bytes, preparation: Preparation) -> tuple[Image, Facts]:
    """Decode a picture and fit it within max_side, turned upright, RGB; never enlarged.

    Raises: PictureFailure, and nothing else whatever the bytes are.
    """
    if not data:
        raise PictureFailure("not_an_image", "the file is empty")
    _quiet()
    _allow(preparation.max_pixels)
    try:
        return _prepare(data, preparation)
    except PictureFailure:
        raise
    except MemoryError as err:
        # Not remembered: with more memory it may go well.
        raise PictureFailure("io", "there was not enough memory to decode it") from err
    except Exception as err:
        # Decoders raise whatever their parsers stumble over: struct.error, SyntaxError, KeyError, OverflowError …
        raise _failure(err, data) from err


def _prepare(data: bytes, preparation: Preparation) -> tuple[Image, Facts]:
    picture = _open(data)
    width, height = picture.size
    if width < 1 or height < 1:
        raise PictureFailure("not_an_image", f"it claims to be {width} × {height} pixels")
    if width * height > preparation.max_pixels:
        raise _bomb(f"{width} × {height}", width * height)
    in_parts = picture.format in ("JPEG", "MPO") and not picture.info.get("progressive")
    if width * height < _LARGE or in_parts:
        return _decode(picture, preparation)
    with _alone:  # however many threads decode, the memory that they need is that of one large picture
        try:
            return _decode(picture, preparation)
        finally:
            picture.close()
            _give_back()


def _decode(picture: ImageFile, preparation: Preparation) -> tuple[Image, Facts]:
    width, height = picture.size
    box = (preparation.max_side, preparation.max_side)
    kind = "JPEG" if picture.format == "MPO" else picture.format or ""
    if kind == "JPEG":
        _thumbnail(picture, box)  # decodes at a fraction of the size where that is enough
        picture.load()  # one that is small enough as it is was not decoded yet
        prepared = _rgb(picture)
    else:
        picture.load()
        width, height = picture.size
        prepared = _rgb(picture)
        _thumbnail(prepared, box)
    orientation = _orientation(picture)
    if orientation >= 5:
        width, height = height, width
    return _finished(prepared, orientation, preparation), Facts(kind, width, height)


_alone = threading.Lock()


def _give_back() -> None:
    """Let the allocator give back what a large picture took: glibc keeps it for the next one of the same thread."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):  # other systems do so by themselves, or not at all
        ctypes.CDLL(None).malloc_trim(0)


def _finished(picture: Image, orientation: int, preparation: Preparation) -> Image:
    if preparation.upright:
        picture = _turned(picture, orientation)
    if preparation.jpeg is not None:
        from PIL.Image import open as open_picture

        saved = io.BytesIO()
        picture.save(saved, "JPEG", quality=preparation.jpeg)
        picture = open_picture(saved).convert("RGB")
    if preparation.bgr:
        from PIL.Image import merge

        picture = merge("RGB", picture.split()[::-1])
    return picture


def _thumbnail(picture: Image, box: tuple[int, int]) -> None:
    from PIL.Image import Resampling

    picture.thumbnail(box, Resampling.LANCZOS, reducing_gap=2.0)


def _open(data: bytes) -> ImageFile:
    """Find the decoder by the first bytes. `Image.open` would judge the size by a global of the whole process.

    Raises: PictureFailure if no decoder takes it, or what the decoder that takes it stumbles over.
    """
    registry = _decoders()
    if data[4:8] == b"ftyp" and _is_heif(data):
        if "HEIF" not in registry:
            raise PictureFailure("needs_extra", "HEIC pictures need one more package: pip install 'vstore-index[heic]'")
        order: tuple[str, ...] = ("HEIF",)
    else:
        order = _FORMATS
    error: Exception | None = None
    for name in order:
        factory, accept = registry[name]
        # Some look at their first four bytes without asking whether there are so many.
        accepted = accept(data[:16].ljust(16, b"\0")) if accept else True
        if not accepted or isinstance(accepted, str):
            continue
        try:
            opened: ImageFile = factory(io.BytesIO(data), "")
            return opened
        except Exception as err:
            error = err
    if error is not None:
        raise error
    raise PictureFailure("not_an_image", "its first bytes are those of no picture that vstore reads")


def _is_heif(data: bytes) -> bool:
    size = min(int.from_bytes(data[:4], "big"), 256)
    brands = {data[at : at + 4] for at in (8, *range(16, max(16, size), 4))}
    return bool(brands & _HEIF_BRANDS) or (b"mif1" in brands and not brands & {b"avif", b"avis"})


_registry: dict[str, Any] = {}
_registering = threading.Lock()


def _decoders() -> dict[str, Any]:
    """The decoders of the formats that vstore reads, registered once."""
    with _registering:
        if not _registry:
            from PIL import (
                AvifImagePlugin,  # noqa: F401
                BmpImagePlugin,  # noqa: F401
                GifImagePlugin,  # noqa: F401
                Image,
                JpegImagePlugin,  # noqa: F401
                MpoImagePlugin,  # noqa: F401
                PngImagePlugin,  # noqa: F401
                TiffImagePlugin,  # noqa: F401
                WebPImagePlugin,  # noqa: F401
            )

            _quiet_libtiff()
            found = {name: Image.OPEN[name] for name in _FORMATS if name in Image.OPEN}
            try:
                from pillow_heif import register_heif_opener

                register_heif_opener()
                found["HEIF"] = Image.OPEN["HEIF"]
            except Exception:  # missing, or broken in any way: its pictures say what to install
                pass
            _registry.update(found)
        return _registry


def _orientation(picture: Image) -> int:
    """The EXIF orientation, 1 to 8. Asked for once the picture is loaded: Pillow turns TIFF itself."""
    try:
        value = picture.getexif().get(_ORIENTATION, 1)
    except Exception:
        return 1  # broken EXIF is no reason to lose a picture
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _turned(picture: Image, orientation: int) -> Image:
    """Another picture, upright; one that was opened would keep the bytes of its whole file in memory."""
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return picture.transpose(turns[orientation]) if orientation in turns else picture.copy()


def _rgb(picture: Image) -> Image:
    """RGB as a person would see it: transparency over white, deep greys scaled, not clipped."""
    if picture.mode == "RGB" and "transparency" not in picture.info:
        return picture
    if picture.mode.startswith(("I", "F")):
        return _from_deep(picture).convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        from PIL.Image import new

        clear = picture.convert("RGBA")
        white = new("RGB", clear.size, (255, 255, 255))
        white.paste(clear, mask=clear)
        return white
    if picture.mode == "LAB":
        return _from_lab(picture)
    return picture.convert("RGB")


def _from_deep(picture: Image) -> Image:
    """8-bit grey from 12 or 16 bits (by their range), wider integers (by the largest) or floats (0 to 1, or by it)."""
    import numpy as np
    from PIL.Image import fromarray

    tags = getattr(picture, "tag_v2", {})
    values = np.asarray(picture)
    grey = np.empty(values.shape, np.uint8)
    # In bands: a picture may have 178 million pixels, which are 1.4 GB as float64.
    bands = [slice(at, at + _BAND) for at in range(0, len(values), _BAND)]
    top = max(float(_finite(values[band]).max()) for band in bands)
    if picture.mode == "F":
        scale = 255.0 if top <= 1.0 else 1.0 if top <= 255.0 else 255.0 / top
    elif tags.get(_BITS) == (12,):
        scale = 255 / 4095
    elif top <= 65535.0:
        scale = 1 / 257
    else:
        scale = 255.0 / top
    for band in bands:
        grey[band] = np.clip(np.rint(_finite(values[band]) * scale), 0, 255)
    if picture.mode == "I;16" and tags.get(_PHOTOMETRIC) == 0:  # white is zero, which Pillow heeds up to 8 bits only
        np.subtract(255, grey, out=grey)
    return fromarray(grey)


def _finite(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    import numpy as np

    return np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)


def _from_lab(picture: Image) -> Image:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(picture, lab, srgb, outputMode="RGB")
    assert converted is not None
    return converted


def _failure(err: Exception, data: bytes) -> PictureFailure:
    from PIL.Image import DecompressionBombError

    text = " ".join(str(err).split())[:_LONGEST] or type(err).__name__
    if isinstance(err, DecompressionBombError):
        claimed = re.search(r"\((\d+) pixels\)", text)
        return _bomb(claimed[1], int(claimed[1])) if claimed else PictureFailure("bomb", text)
    if isinstance(err, EOFError) or any(word in text.lower() for word in _CUT) or _is_cut(data):
        return PictureFailure("truncated", f"the file is cut short ({text})")
    return PictureFailure("not_an_image", f"it cannot be decoded ({text})")


def _bomb(claimed: str, pixels: int) -> PictureFailure:
    return PictureFailure("bomb", f"it claims {claimed} pixels; if you trust it, add --max-pixels {pixels}")


def _is_cut(data: bytes) -> bool:
    """Whether a picture says of itself that it is longer: not every decoder tells why it gives up."""
    if data[:4] == b"RIFF":
        return 8 + int.from_bytes(data[4:8], "little") > len(data)
    if data[:4] in (b"II*\0", b"MM\0*"):
        return int.from_bytes(data[4:8], "little" if data[:1] == b"I" else "big") >= len(data)
    if data[4:8] != b"ftyp":
        return False
    at = 0
    while at + 16 <= len(data):  # boxes: size, name
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < 8:
            return False  # 0: up to the end
        at += size
    return at != len(data)


def _quiet() -> None:
    """Keep Pillow's remarks on broken metadata from the terminal: what matters of them comes as an error.

    Looked at for each picture, as whoever embeds vstore may set other filters meanwhile; `catch_warnings` would not do,
    as it changes the filters of all threads.
    """
    if not any(f[0] == "ignore" and f[3] is not None and f[3].pattern == "PIL\\." for f in warnings.filters):
        warnings.filterwarnings("ignore", module=r"PIL\.")


def _quiet_libtiff() -> None:
    """Keep libtiff from writing to the terminal what it has to say of broken files: Pillow quiets only its warnings."""
    import ctypes

    from PIL import _imaging

    with contextlib.suppress(OSError, AttributeError):  # where it is linked in otherwise, it writes as it does
        ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)


def _allow(pixels: int) -> None:
    """Pillow judges some formats by a limit of its own, that of the whole process: it is raised where ours was."""
    if pixels > MAX_PIXELS:
        from PIL import Image

        if Image.MAX_IMAGE_PIXELS is not None:
            Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, -(-pixels // 2))


_fingerprints: dict[Preparation, str] = {}


def decoder_fingerprint(preparation: Preparation) -> str:
    """What decides whether bytes decode: our policy and limits, Pillow, its codecs, its plug-ins. 16 hex digits.

    A known failure is tried again when this changes.
    """
    if preparation not in _fingerprints:
        import importlib.metadata

        from PIL import __version__, features

        parts = [f"policy {POLICY}", f"pixels {preparation.max_pixels}", f"pillow {__version__}"]
        for codec in ("libjpeg_turbo", "jpg", "zlib", "zlib_ng", "webp", "avif", "libtiff", "jpg_2000", "littlecms2"):
            try:
                parts.append(f"{codec} {features.version(codec)}")
            except ValueError:
                parts.append(f"{codec} unknown")
        # One that is installed and broken is none: its pictures are tried again once it works.
        heif = importlib.metadata.version("pillow-heif") if "HEIF" in _decoders() else "none"
        parts.append(f"heif {heif}")
        from vstore.format.hashing import checksum

        _fingerprints[preparation] = checksum("\n".join(parts).encode()).hex()
    return _fingerprints[preparation]
