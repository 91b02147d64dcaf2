"""Reads the facts of a picture out of its head, by its first bytes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from vstore.format import facts
from vstore.format.facts import Column, Value
from vstore.pictures.decoders import is_heif
from vstore.pictures.jxl import is_jxl
from vstore.pictures.metadata.bmp import SIZES, read_bmp, read_dib
from vstore.pictures.metadata.exif import values_of
from vstore.pictures.metadata.gif import read_gif
from vstore.pictures.metadata.head import Head
from vstore.pictures.metadata.heif import read_heif
from vstore.pictures.metadata.jpeg import read_jpeg
from vstore.pictures.metadata.jpeg_2000 import read_jpeg_2000
from vstore.pictures.metadata.jpeg_xl import read_jpeg_xl
from vstore.pictures.metadata.png import read_png
from vstore.pictures.metadata.tiff import read_raw, read_tiff
from vstore.pictures.metadata.tiff_tags import HEADS
from vstore.pictures.metadata.webp import read_webp
from vstore.pictures.raw_kinds import is_raw
from vstore.pictures.readable import Readable

_Reader = Callable[[Readable, Head], None]


def metadata_of(data: Readable) -> dict[Column, Value]:
    """Read the facts of a picture, as reader `facts.NEWEST_READER`. Headers alone are read, and nothing is decoded.

    Returns: what is known, by column: at least its bytes. What a header claims and no fact can be is left out.
    """
    found: dict[Column, Value] = {facts.BYTES: len(data)}
    kind = _kind_of(data)
    if kind is None:
        return found
    head = Head(kind[0])
    with contextlib.suppress(Exception):  # whatever a header says: what was found before counts
        kind[1](data, head)
    found[facts.FORMAT] = head.format
    sizes = {facts.WIDTH: head.width, facts.HEIGHT: head.height}
    if all(0 < size < 1 << 32 for size in sizes.values()):
        found |= sizes
    if 1 < head.frames < 1 << 32:
        found[facts.FRAMES] = head.frames
    with contextlib.suppress(Exception):
        found |= values_of(head)
    return found


def _kind_of(data: Readable) -> tuple[str, _Reader] | None:
    """Find the format of a picture by its first bytes, as `decoders.open_picture` does."""
    begin = bytes(data[:32])
    if is_raw(data):
        return "RAW", read_raw
    if is_jxl(begin):
        return "JXL", read_jpeg_xl
    if begin[4:8] == b"ftyp":
        return ("HEIF" if is_heif(bytes(data[:256])) else "AVIF"), read_heif
    if begin[:4] == b"RIFF" and begin[8:12] == b"WEBP":
        return "WEBP", read_webp
    for magic, kind in _MAGICS.items():
        if begin.startswith(magic):
            return kind
    return ("DIB", read_dib) if int.from_bytes(begin[:4], "little") in SIZES else None


_MAGICS: dict[bytes, tuple[str, _Reader]] = {
    b"\xff\xd8\xff": ("JPEG", read_jpeg),
    b"\x89PNG\r\n\x1a\n": ("PNG", read_png),
    b"GIF8": ("GIF", read_gif),
    b"BM": ("BMP", read_bmp),
    b"\0\0\0\x0cjP  \r\n\x87\n": ("JPEG2000", read_jpeg_2000),
    b"\xff\x4f\xff\x51": ("JPEG2000", read_jpeg_2000),
    **dict.fromkeys(list(HEADS)[:4], ("TIFF", read_tiff)),
}
