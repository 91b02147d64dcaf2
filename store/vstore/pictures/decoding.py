"""Decodes pictures: bytes in, a prepared RGB picture out, or one line that says why not. Opens no file."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from vstore.pictures.colours import rgb
from vstore.pictures.declared import profile_of
from vstore.pictures.decoders import allow, open_picture, quiet
from vstore.pictures.failures import PictureFailure, bomb, failure_of
from vstore.pictures.ground import over_ground
from vstore.pictures.layers import layers
from vstore.pictures.pixels_only.copies import copies_of
from vstore.pictures.preparation import Preparation
from vstore.pictures.profiles import to_srgb
from vstore.pictures.resize import shrunk
from vstore.pictures.shown_frame import shown_frame
from vstore.turns import Turn

if TYPE_CHECKING:
    from PIL.Image import Image

    from vstore.pictures.cut.reading import Left

_ORIENTATION = 0x0112  # tag of EXIF
_LARGE = 1 << 25  # pixels from which on a picture is decoded alone: it takes 5 to 12 bytes for each
MISSING = (128, 128, 128)  # stands for the lines that miss in a cut picture
_alone = Turn()


class Facts(NamedTuple):
    """The format and size of a picture.

    format: Pillow's name of it.
    width:  pixels as shown: turned by its EXIF orientation.
    height: the same.
    cut:    of a picture whose file is cut: the lines that are there, and how many it has, before it is turned.
    """

    format: str
    width: int
    height: int
    cut: tuple[int, int] | None = None


def prepare(data: bytes, preparation: Preparation) -> tuple[Image, Facts]:
    """Decode a picture, scale it down to max_side and turn it upright, in RGB.

    One that cannot be decoded is tried again without what makes no pixels: a damaged profile costs the profile alone.
    One that is cut then is prepared as far as it goes, if enough of its lines are there.
    Raises: PictureFailure, and no other error whatever the bytes are.
    """
    if not data:
        raise PictureFailure("not_an_image", "the file is empty")
    quiet()
    allow(preparation.max_pixels)
    try:
        return _tried(data, preparation)
    except PictureFailure as failure:
        if failure.kind not in ("truncated", "not_an_image"):
            raise
        first = failure
    _let_go(first)
    try:
        found = _prepared_from(copies_of(data), preparation)
        if found is None and preparation.least:
            found = _from_cut(data, preparation)
            if found is None and first.kind == "truncated":
                raise PictureFailure(
                    first.kind, f"{first.reason}; --accept-truncated cannot tell which lines are there"
                )
        if found is None:
            raise first
        return found
    finally:
        del first  # its traceback leads here: the two, and the bytes with them, would stay until garbage is collected


def _tried(data: bytes, preparation: Preparation) -> tuple[Image, Facts]:
    try:
        return _prepare(data, preparation)
    except PictureFailure:
        raise
    except MemoryError as err:
        # Not remembered: with more memory it may decode.
        raise PictureFailure("io", "there was not enough memory to decode it") from err
    except Exception as err:
        # Decoders raise whatever their parsers stumble over: struct.error, SyntaxError, KeyError, OverflowError …
        raise failure_of(err, data) from err


def _let_go(error: BaseException | None) -> None:
    """Free what the decoder's errors hold by their tracebacks: all that was decoded before the first of them."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def _prepared_from(copies: Iterator[bytes], preparation: Preparation) -> tuple[Image, Facts] | None:
    """Decode copies of a picture. None where one fails, or they differ: made-up pixels are worse than none.

    Raises: PictureFailure, if there is not enough memory.
    """
    found = None
    for copy in copies:
        try:
            prepared = _tried(copy, preparation)
        except PictureFailure as failure:
            if failure.kind == "io":
                raise
            return None
        if found is not None and found[0].tobytes() != prepared[0].tobytes():
            return None
        found = prepared
    return found


def _from_cut(data: bytes, preparation: Preparation) -> tuple[Image, Facts] | None:
    """Decode what is left of a cut picture; grey stands for the lines that miss. None where they cannot be told.

    Raises: PictureFailure, also if too few lines are there.
    """
    from vstore.pictures.cut.reading import read_left  # few pictures are cut

    with _alone:  # it is decoded at its full size, several times
        try:
            left = read_left(data, preparation.max_pixels)
            return None if left is None else _completed(data, left, preparation)
        except MemoryError as err:
            raise PictureFailure("io", "there was not enough memory to decode it") from err
        finally:
            _give_back()


def _completed(data: bytes, left: Left, preparation: Preparation) -> tuple[Image, Facts]:
    from PIL.Image import new

    picture, lines = left.picture, left.lines
    if 100 * lines < preparation.least * left.height:
        raise PictureFailure(
            "truncated",
            f"the file is cut short: {lines:,} of {left.height:,} lines are there, and --accept-truncated asks for "
            f"{preparation.least}%",
        )
    width = picture.width
    there = (0, left.first, width, left.stop)
    if preparation.policy == 1:
        part = rgb(picture).crop(there)
    else:
        profile = _profile_of_cut(data, picture) if preparation.colours else None
        part = over_ground(to_srgb(layers(picture).crop(there), profile))
    whole = new("RGB", (width, left.height), MISSING)
    whole.paste(part, (0, left.first))
    orientation = left.orientation or orientation_of(picture)
    shown = (left.height, width) if orientation >= 5 else (width, left.height)
    facts = Facts(picture.format or "", *shown, cut=(lines, left.height))
    return _finished(shrunk(whole, preparation), orientation, preparation), facts


def _profile_of_cut(data: bytes, picture: Image) -> bytes | None:
    """Find the profile of a cut picture: in the file itself, as a copy may be without its metadata."""
    try:
        return profile_of(open_picture(data), data)
    except Exception:
        return profile_of(picture, data)  # as far as it was decoded


def _prepare(data: bytes, preparation: Preparation) -> tuple[Image, Facts]:
    picture = open_picture(data)
    width, height = picture.size
    if width < 1 or height < 1:
        raise PictureFailure("not_an_image", f"its header says {width} × {height} pixels")
    worth = max(width * height, getattr(picture, "worth", 0))  # what deep samples need counts, too
    if worth > preparation.max_pixels:
        raise bomb(f"{width} × {height}", worth)
    by_preview = _by_preview(picture, preparation)
    if by_preview is not None:
        return by_preview
    in_parts = picture.format in ("JPEG", "MPO") and not picture.info.get("progressive")
    if worth < _LARGE or in_parts:
        return _decode(data, picture, preparation)
    with _alone:  # the memory of one large picture is enough, however many threads decode
        try:
            return _decode(data, picture, preparation)
        finally:
            picture.close()
            _give_back()


def _by_preview(picture: Image, preparation: Preparation) -> tuple[Image, Facts] | None:
    """Prepare the preview of a RAW picture, whose own size is told. None if it has none that can be decoded."""
    preview = getattr(picture, "preview", None)
    if preview is None or picture.format is None:
        return None
    try:
        prepared, _ = _tried(preview, preparation)
    except PictureFailure as failure:
        if failure.kind == "io":
            raise
        return None
    width, height = picture.size[::-1] if orientation_of(picture) >= 5 else picture.size
    return prepared, Facts(picture.format, width, height)


def _decode(data: bytes, picture: Image, preparation: Preparation) -> tuple[Image, Facts]:
    kind = "JPEG" if picture.format == "MPO" else picture.format or ""
    profile = profile_of(picture, data) if preparation.colours else None
    if kind == "JPEG":
        width, height = picture.size
        prepared = shrunk(picture, preparation)  # decodes at a fraction of the size where that is enough
        prepared.load()  # one that is small enough as it is was not decoded yet
        prepared = rgb(prepared) if preparation.policy == 1 else over_ground(to_srgb(prepared, profile))
    elif preparation.policy == 1:
        picture.load()
        width, height = getattr(picture, "whole", None) or picture.size
        prepared = shrunk(rgb(picture), preparation)
    else:
        frame = shown_frame(picture, data)
        width, height = getattr(picture, "whole", None) or frame.size
        prepared = over_ground(to_srgb(shrunk(layers(frame), preparation), profile))
    orientation = orientation_of(picture)
    if orientation >= 5:
        width, height = height, width
    return _finished(prepared, orientation, preparation), Facts(kind, width, height)


def _give_back() -> None:
    """Return the memory of a large picture to the system: glibc keeps it for the next one of the same thread."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):  # other systems do it by themselves, or not at all
        ctypes.CDLL(None).malloc_trim(0)


def _finished(picture: Image, orientation: int, preparation: Preparation) -> Image:
    if preparation.upright:
        picture = _turned(picture, orientation)
    if preparation.jpeg is not None:
        from PIL.Image import open as read_again

        saved = io.BytesIO()
        picture.save(saved, "JPEG", quality=preparation.jpeg)
        picture = read_again(saved).convert("RGB")
    if preparation.bgr:
        from PIL.Image import merge

        picture = merge("RGB", picture.split()[::-1])
    return picture


def orientation_of(picture: Image) -> int:
    """Read the EXIF orientation, 1 to 8, of a loaded picture: Pillow turns TIFF when it loads it."""
    try:
        value = picture.getexif().get(_ORIENTATION, 1)
    except Exception:
        return 1  # broken EXIF is no reason to lose a picture
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _turned(picture: Image, orientation: int) -> Image:
    """Return an upright copy; an opened picture would keep the bytes of its whole file in memory."""
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
