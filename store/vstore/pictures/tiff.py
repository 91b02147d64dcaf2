"""Opens TIFF: has libtiff read what Pillow would read wrong by itself, tifffile what neither reads right."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from vstore.pictures.deep_tiff import open_deep
from vstore.pictures.failures import PictureFailure

if TYPE_CHECKING:
    from PIL.TiffImagePlugin import TiffImageFile

    from vstore.pictures.deferred import Deferred

_BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _SAMPLES, _PLANES = 258, 259, 262, 266, 277, 284
_EXTRA, _FORMAT, _SUBSAMPLING = 338, 339, 530
_NONE, _LZW, _TURNED, _SEPARATE, _SIGNED, _YCBCR, _MULTIPLIED = 1, 5, 2, 2, 2, 6, 1
_UNKNOWN = ("unknown pixel mode", "string index out of range", "unknown data organization", "Invalid value for samples")
# libtiff hands over the byte order of the machine, which Pillow knows of some kinds alone.
_NATIVE = {"F;32BF": "F;32NF", "I;32BS": "I;32NS", "I;16BS": "I;16NS"}
_KINDS = {1: "unsigned", 2: "signed", 3: "floating-point"}
_COLOURS = {0: "grey", 1: "grey", 2: "RGB", 3: "palette", 5: "CMYK", 6: "YCbCr", 8: "Lab"}


def open_tiff(factory: Any, data: bytes) -> TiffImageFile | Deferred:
    """Open a TIFF with Pillow's factory, or with tifffile.

    Raises: PictureFailure for a kind that is not read, or needs an extra; any error of the decoder.
    """
    try:
        picture: TiffImageFile = factory(io.BytesIO(data), "")
    except SyntaxError as err:
        if str(err).startswith(_UNKNOWN):
            return _otherwise(_tags(data), data, err)
        if isinstance(err.__cause__, KeyError) and str(err) == str(_tags(data).get(_COMPRESSION)):
            reason = f"this TIFF is compressed in a way that is not read ({err}); save it without compression"
            raise PictureFailure("not_an_image", reason) from err
        raise
    tags = picture.tag_v2
    signed = picture.mode == "L" and tags.get(_FORMAT, (1,))[0] == _SIGNED
    more = picture.mode == "RGBA" and len(tags.get(_BITS, ())) > len("RGBA")
    if signed or (tags.get(_PLANES) == _SEPARATE and (more or picture.mode in ("LA", "La", "PA", "LAB"))):
        return _otherwise(tags, data)
    if tags.get(_COMPRESSION, _NONE) == _NONE and not _is_plain(picture):
        # libtiff takes the compression from the file; Pillow hands it over where this tag says that there is one.
        tags[_COMPRESSION] = _LZW
        picture._setup()
    if picture.use_load_libtiff:
        arguments: Any = picture.tile[0].args
        native = _NATIVE.get(arguments[0], arguments[0])
        picture.tile = [picture.tile[0]._replace(args=(native, *arguments[1:]))]
    return picture


def _is_plain(picture: TiffImageFile) -> bool:
    """Tell whether Pillow reads uncompressed data right: it knows separate planes of bytes, and whole colour."""
    tags = picture.tag_v2
    photometric, turned = tags.get(_PHOTOMETRIC), tags.get(_FILL_ORDER, 1) == _TURNED
    if photometric == _YCBCR and tags.get(_SUBSAMPLING, (2, 2)) != (1, 1):
        return False
    if tags.get(_PLANES) != _SEPARATE:
        return not (turned and picture.mode == "L" and photometric == 0)
    if turned or set(tags.get(_BITS, (1,))) != {8} or _MULTIPLIED in tags.get(_EXTRA, ()):
        return False
    return picture.mode in ("RGB", "RGBA", "CMYK") or (picture.mode == "L" and photometric == 1)


def _tags(data: bytes) -> Any:
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    file = io.BytesIO(data)
    tags = ImageFileDirectory_v2(file.read(16 if data[2:3] == b"+" or data[3:4] == b"+" else 8))
    file.seek(tags.next)
    tags.load(file)
    return tags


def _otherwise(tags: Any, data: bytes, err: Exception | None = None) -> Deferred:
    """Open with tifffile what Pillow does not read. Raises: PictureFailure, if neither does."""
    what = _described(tags)
    found = open_deep(tags, data, what)
    if found is None:
        reason = f"this kind of TIFF is not read ({what}); save it as RGB with 8 bits"
        raise PictureFailure("not_an_image", reason) from err
    return found


def _described(tags: Any) -> str:
    bits = tags.get(_BITS, (1,))
    kind = _KINDS.get(tags.get(_FORMAT, (1,))[0], "")
    colour = _COLOURS.get(tags.get(_PHOTOMETRIC, 0), f"photometric {tags.get(_PHOTOMETRIC)}")
    depth = "/".join(str(n) for n in sorted(set(bits)))
    planes = "in separate planes" if tags.get(_PLANES) == _SEPARATE else ""
    return " ".join(f"{tags.get(_SAMPLES, len(bits))} × {depth} bit {kind} {colour} {planes}".split())
