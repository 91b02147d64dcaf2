"""Tells the RAW files of cameras by their bytes: many are TIFF, whose first picture is a thumbnail. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from vstore.pictures.readable import Readable

_NAMES = "3fr arw cr2 cr3 crw dcr dng erf fff iiq k25 kdc mef mos mrw nef nrw orf pef raf rw2 rwl sr2 srf srw x3f"
EXTENSIONS = frozenset(f".{name}" for name in _NAMES.split())
_HEADS = (
    b"FUJIFILMCCD-RAW",
    b"FOVb",  # Sigma
    b"\0MRM",  # Minolta
    b"IIRO",  # Olympus
    b"IIRS",
    b"MMOR",
    b"IIU\0",  # Panasonic, Leica
    b"II\x1a\0\0\0HEAPCCDR",  # Canon, before CR2
)
_TIFF = {b"II*\0": "<", b"MM\0*": ">"}
_WITHIN = (b"CR", b"IIII", b"MMMM")  # behind the head of TIFF: Canon, Phase One
_PHOTOMETRIC, _COMPRESSION, _BELOW, _DNG = 262, 259, 330, 50706
_WIDTH, _HEIGHT = 256, 257
_PLACES = ((273, 279), (324, 325))  # of strips and of tiles: offsets, sizes
_READ = frozenset({_WIDTH, _HEIGHT, _PHOTOMETRIC, _COMPRESSION, _BELOW, *_PLACES[0], *_PLACES[1]})
_MOSAIC, _LINEAR = 32803, 34892  # photometric
_OF_CAMERAS = frozenset({32767, 32769, 32770, 34713})  # compressions of Sony, Samsung, Nikon
_MOST = 16  # directories that are looked at
_ENTRIES = 1000
_VALUES = 1 << 20  # of an entry; no picture has more strips
_SHORT, _LONG, _SUB = 3, 4, 13
_SIZE = {_SHORT: 2, _LONG: 4, _SUB: 4}

_Tags = dict[int, tuple[int, ...]]


def is_raw(data: Readable) -> bool:
    """Tell whether these are the bytes of a RAW file."""
    if data[:16].startswith(_HEADS) or data[4:12] == b"ftypcrx ":
        return True
    if bytes(data[:4]) not in _TIFF:
        return False
    if data[8:12].startswith(_WITHIN):
        return True
    return any(_DNG in tags or _is_sensor(tags) for tags in _directories(data))


def sensor_size(data: Readable) -> tuple[int, int]:
    """Read the size of what the sensor saw: the largest of a TIFF, where its directories tell; 0 and 0 elsewhere."""
    if bytes(data[:4]) not in _TIFF:
        return 0, 0
    sizes = [
        (tags[_WIDTH][0], tags[_HEIGHT][0])
        for tags in _directories(data)
        if _is_sensor(tags) and tags.get(_WIDTH) and tags.get(_HEIGHT)
    ]
    return max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))


def is_cut(data: bytes) -> bool:
    """Tell whether what the sensor saw lies behind the end of the file, as far as its directories say it."""
    if data[:4] not in _TIFF:
        return False
    return any(
        at + size > len(data)
        for tags in _directories(data)
        if _is_sensor(tags)
        for offsets, sizes in _PLACES
        for at, size in zip(tags.get(offsets, ()), tags.get(sizes, ()), strict=False)
    )


def _is_sensor(tags: _Tags) -> bool:
    return tags.get(_PHOTOMETRIC, (0,))[0] in (_MOSAIC, _LINEAR) or tags.get(_COMPRESSION, (0,))[0] in _OF_CAMERAS


def _directories(data: Readable) -> Iterator[_Tags]:
    """Read the first directories of a TIFF, and those below them."""
    order = _TIFF[bytes(data[:4])]
    places = [_long(data, order, 4)] if len(data) >= 8 else []
    seen: set[int] = set()
    while places and len(seen) < _MOST:
        at = places.pop(0)
        if at in seen or at < 8 or at + 2 > len(data):
            continue
        seen.add(at)
        count = min(struct.unpack(order + "H", data[at : at + 2])[0], _ENTRIES)
        end = at + 2 + 12 * count
        if end > len(data):
            continue
        tags = {}
        entries = data[at + 2 : end]
        for entry, (tag, kind, number) in enumerate(struct.iter_unpack(order + "HHI4x", entries)):
            if tag in _READ:
                tags[tag] = _values(data, order, at + 10 + 12 * entry, kind, number)
            elif tag == _DNG:
                tags[tag] = ()
        yield {tag: values for tag, values in tags.items() if values or tag == _DNG}
        places += tags.get(_BELOW, ())[:_MOST]
        if end + 4 <= len(data):
            places.append(_long(data, order, end))


def _long(data: Readable, order: str, at: int) -> int:
    found: int = struct.unpack(order + "I", data[at : at + 4])[0]
    return found


def _values(data: Readable, order: str, at: int, kind: int, number: int) -> tuple[int, ...]:
    size = _SIZE.get(kind, 0) * number
    if size > 4:
        at = _long(data, order, at)
    if not size or number > _VALUES or at + size > len(data):
        return ()
    return struct.unpack(f"{order}{number}{'H' if kind == _SHORT else 'I'}", data[at : at + size])
