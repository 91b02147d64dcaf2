"""TIFF whose last strips miss: the lines of the strips that are there, as a picture that is less high."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from vstore.pictures.cut.part import Part
from vstore.pictures.pixels_only.tiff import HEADS, PIXELS

_WIDTH, _HEIGHT, _COMPRESSION, _PHOTOMETRIC, _ORIENTATION = 256, 257, 259, 262, 274
_STRIPS, _ROWS, _STRIP_BYTES, _PLANES = 273, 278, 279, 284
_TILE_WIDTH, _TILE_LENGTH, _TILES, _TILE_BYTES = 322, 323, 324, 325
_PROFILE = 34675
_NONE, _SEPARATE, _YCBCR = 1, 2, 6
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_CODES = {1: "B", 3: "H", 4: "I", 16: "Q"}


class _Tag(NamedTuple):
    """A tag. kind: its type; count: of values; value: their bytes."""

    kind: int
    count: int  # type: ignore[assignment]  # not the method of tuples
    value: bytes


class _Format(NamedTuple):
    """The format of a file. order: of bytes, for struct; big: BigTIFF."""

    order: str
    big: bool

    @property
    def place(self) -> str:
        return self.order + ("Q" if self.big else "I")


def parts_of(data: bytes, limit: int) -> Iterator[Part]:
    """Write a directory of the strips or tiles that are there. One that is cut itself makes no copy."""
    if data[:4] not in HEADS:
        return
    form = _Format("<" if data[:1] == b"I" else ">", data[2:4] in (b"+\0", b"\0+"))
    try:
        tags = _tags(data, form)
        part = _part(data, form, tags)
    except (struct.error, KeyError, ValueError, IndexError, ZeroDivisionError):
        return
    if part is not None:
        yield part


def _part(data: bytes, form: _Format, tags: Mapping[int, _Tag]) -> Part | None:
    def numbers(tag: int) -> tuple[int, ...]:
        found = tags[tag]
        return struct.unpack(f"{form.order}{found.count}{_CODES[found.kind]}", found.value)

    def number(tag: int, missing: int) -> int:
        return numbers(tag)[0] if tag in tags else missing

    tiled = _TILES in tags
    width, height = numbers(_WIDTH)[0], numbers(_HEIGHT)[0]
    begins, sizes = (numbers(_TILES), numbers(_TILE_BYTES)) if tiled else (numbers(_STRIPS), numbers(_STRIP_BYTES))
    rows = numbers(_TILE_LENGTH)[0] if tiled else min(height, number(_ROWS, height))
    across = -(-width // numbers(_TILE_WIDTH)[0]) if tiled else 1
    bands = -(-height // rows)
    planes = len(begins) // (bands * across)
    if planes * bands * across != len(begins) or len(begins) != len(sizes):
        return None

    def of_band(band: int) -> Iterator[int]:
        for plane in range(planes):
            yield from range((plane * bands + band) * across, (plane * bands + band + 1) * across)

    there = 0
    while there < bands and all(begins[at] and begins[at] + sizes[at] <= len(data) for at in of_band(there)):
        there += 1
    if there == bands:
        return None
    stop = there * rows
    chosen = [at for plane in range(planes) for at in range(plane * bands * across, (plane * bands + there) * across)]
    lengths = [sizes[at] for at in chosen]
    plain = number(_COMPRESSION, _NONE) == _NONE and number(_PHOTOMETRIC, 1) != _YCBCR
    if plain and not tiled and number(_PLANES, 1) != _SEPARATE:
        line, rest = divmod(sizes[there], min(rows, height - stop))
        more = max(0, len(data) - begins[there]) // line if not rest and begins[there] else 0
        if more:
            chosen, lengths, stop = [*chosen, there], [*lengths, more * line], stop + more
    if not stop:
        return None
    changed = {
        _HEIGHT: _wide(form, [stop]),
        (_TILES if tiled else _STRIPS): _wide(form, [begins[at] for at in chosen]),
        (_TILE_BYTES if tiled else _STRIP_BYTES): _wide(form, lengths),
    }
    kept = {tag: value for tag, value in tags.items() if (tag in PIXELS or tag == _PROFILE) and tag != _ORIENTATION}
    turned = number(_ORIENTATION, 1)
    copy = _with_directory(data, form, {**kept, **changed})
    return Part((copy,), height, 0, stop, orientation=turned if 1 <= turned <= 8 else 1)


def _wide(form: _Format, values: Sequence[int]) -> _Tag:
    kind = 16 if form.big else 4
    return _Tag(kind, len(values), struct.pack(f"{form.order}{len(values)}{_CODES[kind]}", *values))


def _tags(data: bytes, form: _Format) -> dict[int, _Tag]:
    """Read the tags of the first picture, but those that are cut. Raises: struct.error, KeyError."""
    (first,) = struct.unpack_from(form.place, data, 8 if form.big else 4)
    (count,) = struct.unpack_from(form.order + ("Q" if form.big else "H"), data, first)
    inline, each = (8, 20) if form.big else (4, 12)
    begin = first + (8 if form.big else 2)
    if begin + each * count > len(data):
        raise KeyError(first)
    found = {}
    for at in range(begin, begin + each * count, each):
        tag, kind, amount = struct.unpack_from(form.order + "HH" + form.place[1], data, at)
        size = _SIZES.get(kind, 0) * amount
        where = at + each - inline
        if size > inline:
            (where,) = struct.unpack_from(form.place, data, where)
        value = data[where : where + size]
        if size and len(value) == size:
            found[tag] = _Tag(kind, amount, value)
    return found


def _with_directory(data: bytes, form: _Format, tags: Mapping[int, _Tag]) -> bytes:
    """Write a directory behind the data, and its place at their begin."""
    inline = 8 if form.big else 4
    body = bytearray(data)
    entries = []
    for tag, (kind, count, value) in sorted(tags.items()):
        if len(value) > inline:
            body += bytes(-len(body) % 8)
            place = struct.pack(form.place, len(body))
            body += value
        else:
            place = value.ljust(inline, b"\0")
        entries.append(struct.pack(form.order + "HH" + form.place[1], tag, kind, count) + place)
    body += bytes(-len(body) % 8)
    struct.pack_into(form.place, body, 8 if form.big else 4, len(body))
    body += struct.pack(form.order + ("Q" if form.big else "H"), len(entries))
    return bytes(body + b"".join(entries) + struct.pack(form.place, 0))
