"""The head of a HEIC or an AVIF: the size and the turning of its main picture, and its items of EXIF and XMP."""

from __future__ import annotations

import struct
from typing import NamedTuple

from vstore.pictures.metadata.boxes import box, boxes
from vstore.pictures.metadata.head import MOST_EXIF, MOST_XMP, Head
from vstore.pictures.readable import Readable

_MOST_ABOUT = 1 << 22  # bytes of the box `meta`
_MOST_ITEMS = 10_000
# Orientations of EXIF by quarters against the clock, and of mirrored ones by the axis, then the quarters.
_TURNED = (1, 8, 3, 6)
_MIRRORED = ((4, 5, 2, 7), (2, 7, 4, 5))


class _Item(NamedTuple):
    """A place of an item. within: it lies in the box `idat`."""

    at: int
    size: int
    within: bool


def read_heif(data: Readable, head: Head) -> None:
    """Fill in the head."""
    about = box(data, b"meta")
    if about is None or about.stop - about.at > _MOST_ABOUT:
        return
    meta = data[about.at + 4 : about.stop]
    parts = {one.name: meta[one.at : one.stop] for one in reversed(list(boxes(meta)))}
    _read_properties(parts, head)
    head.orientation = head.orientation or 1  # that of EXIF says what was
    places = _places(parts.get(b"iloc", b""))
    inside = parts.get(b"idat", b"")
    for number, kind, content in _items(parts.get(b"iinf", b"")):
        place = places.get(number)
        if place is None:
            continue
        source: Readable = inside if place.within else data
        if kind == b"Exif" and place.size <= MOST_EXIF and not len(head.exif):
            body = source[place.at : place.at + place.size]
            head.exif = body[4 + int.from_bytes(body[:4], "big") :]
        elif kind == b"mime" and content == b"application/rdf+xml" and place.size <= MOST_XMP:
            head.xmp = head.xmp or source[place.at : place.at + place.size]


def _read_properties(parts: dict[bytes, bytes], head: Head) -> None:
    """Read the properties of the main item."""
    main, listed = parts.get(b"pitm", b""), parts.get(b"iprp", b"")
    number = int.from_bytes(main[4:6] if main[:1] == b"\0" else main[4:8], "big")
    common, links = box(listed, b"ipco"), box(listed, b"ipma")
    if common is None or links is None:
        return
    every = list(boxes(listed, common.at, common.stop))
    quarters, axis, part = 0, None, None
    for index in _links(listed[links.at : links.stop], number):
        if not 0 < index <= len(every):
            continue
        one = every[index - 1]
        body = listed[one.at : one.stop]
        if one.name == b"ispe":
            head.width, head.height = struct.unpack(">II", body[4:12])
        elif one.name == b"clap":  # the part that is shown
            across, of_across, down, of_down = struct.unpack(">IIII", body[:16])
            part = across // max(of_across, 1), down // max(of_down, 1)
        elif one.name == b"irot":
            quarters = body[0] & 3
        elif one.name == b"imir":
            axis = body[0] & 1
    if part is not None:
        head.width, head.height = part
    head.orientation = _TURNED[quarters] if axis is None else _MIRRORED[axis][quarters]


def _links(body: bytes, wanted: int) -> list[int]:
    """Find the numbers of the properties of an item."""
    version, flags = body[0], body[3]
    (count,) = struct.unpack(">I", body[4:8])
    at = 8
    width, each = (2 if version < 1 else 4), (2 if flags & 1 else 1)
    for _ in range(min(count, _MOST_ITEMS)):
        number = int.from_bytes(body[at : at + width], "big")
        at += width
        many = body[at]
        at += 1
        if number == wanted:
            links = [int.from_bytes(body[i : i + each], "big") for i in range(at, at + many * each, each)]
            return [link & (0x7FFF if each == 2 else 0x7F) for link in links]
        at += many * each
    return []


def _items(body: bytes) -> list[tuple[int, bytes, bytes]]:
    """List the items: number, type, and of files of other kinds the type of their content."""
    found = []
    begin = 6 if body[:1] == b"\0" else 8
    for one in boxes(body, begin):
        entry = body[one.at : one.stop]
        if one.name != b"infe" or entry[:1] not in (b"\2", b"\3"):
            continue
        at = 6 if entry[0] == 2 else 8
        content = entry[at + 6 :].split(b"\0")[1:2]
        found.append((int.from_bytes(entry[4:at], "big"), entry[at + 2 : at + 6], b"".join(content)))
    return found


def _places(body: bytes) -> dict[int, _Item]:
    """Find the items that lie in one piece."""
    found: dict[int, _Item] = {}
    if len(body) < 8:
        return found
    version = body[0]
    wide, long = body[4] >> 4, body[4] & 15
    base_wide, index_wide = body[5] >> 4, body[5] & 15 if version else 0
    at = 6

    def take(size: int) -> int:
        nonlocal at
        value = int.from_bytes(body[at : at + size], "big")
        at += size
        return value

    for _ in range(min(take(2 if version < 2 else 4), _MOST_ITEMS)):
        number = take(2 if version < 2 else 4)
        way = take(2) & 15 if version else 0
        elsewhere = take(2)
        base = take(base_wide)
        many = take(2)
        if at + many * (index_wide + wide + long) > len(body):
            break
        if many == 1:
            take(index_wide)
            begin = base + take(wide)
            size = take(long)
            if way in (0, 1) and not elsewhere:
                found[number] = _Item(begin, size, way == 1)
        else:
            at += many * (index_wide + wide + long)
    return found
