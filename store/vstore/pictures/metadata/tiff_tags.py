"""Directories of TIFF, as TIFF and EXIF have them: entries are found by their tags and read one by one."""

from __future__ import annotations

import struct
from collections.abc import Container
from functools import lru_cache
from typing import NamedTuple

from vstore.pictures.readable import Readable

# The head: order of bytes, and whether offsets have eight. Olympus and Panasonic write numbers of their own.
HEADS = {
    b"II*\0": ("<", False),
    b"MM\0*": (">", False),
    b"II+\0": ("<", True),
    b"MM\0+": (">", True),
    b"IIRO": ("<", False),
    b"IIRS": ("<", False),
    b"MMOR": (">", False),
    b"IIU\0": ("<", False),
}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_FLOATS = {11: "f", 12: "d"}
_FRACTIONS = {5: "II", 10: "ii"}
_TEXT, _ANY = 2, 7
_MOST_ENTRIES = 1000
_MOST_NUMBERS = 16
_LONGEST = 4096  # bytes of a text


class Entry(NamedTuple):
    """An entry of a directory.

    kind:   type of its values.
    number: of them.
    at:     where they begin.
    """

    kind: int
    number: int
    at: int


Directory = dict[int, Entry]


class Tiff:
    """A TIFF, read an entry at a time. What it claims and does not have is none."""

    def __init__(self, data: Readable, begin: int = 0) -> None:
        """begin: the byte that offsets are counted from. Raises: ValueError if no TIFF begins there."""
        head = HEADS.get(bytes(data[begin : begin + 4]))
        if head is None:
            raise ValueError("it is no TIFF")
        self._data = data
        self._begin = begin
        self._order, self._big = head
        at = 8 if self._big else 4
        self.first = self._number(at, "Q" if self._big else "I")

    def _number(self, at: int, code: str) -> int:
        size = struct.calcsize("<" + code)
        found: int = struct.unpack(self._order + code, self._bytes(at, size))[0]
        return found

    def _bytes(self, at: int, size: int) -> bytes:
        begin = self._begin + at
        return self._data[begin : begin + size]

    def directory(self, at: int, wanted: Container[int]) -> Directory:
        """Read a directory; an empty one where none is. Of an entry that comes twice the first counts.

        wanted: tags; entries of others are left out.
        """
        if at < 8 or self._begin + at >= len(self._data):
            return {}
        head, code, each = (8, "HHQ8s", 20) if self._big else (2, "HHI4s", 12)
        try:
            count = self._number(at, "Q" if self._big else "H")
        except struct.error:
            return {}
        if count > _MOST_ENTRIES:
            return {}
        body = self._bytes(at + head, count * each)
        room = 8 if self._big else 4
        found: Directory = {}
        place = at + head + each - room
        for tag, kind, number, value in struct.iter_unpack(self._order + code, body[: len(body) // each * each]):
            if tag in wanted and tag not in found and (size := _SIZES.get(kind, 0) * number):
                begin = place if size <= room else int.from_bytes(value, "little" if self._order == "<" else "big")
                found[tag] = Entry(kind, number, begin)
            place += each
        return found

    def numbers(self, entry: Entry | None) -> tuple[float, ...]:
        """Read numbers; () where there are none, too many, or one that is none."""
        if entry is None or not 0 < entry.number <= _MOST_NUMBERS:
            return ()
        kind, count, at = entry
        code = _INTEGERS.get(kind) or _FLOATS.get(kind) or _FRACTIONS.get(kind)
        data = self._bytes(at, _SIZES.get(kind, 0) * count)
        if code is None or len(data) != _SIZES[kind] * count:
            return ()
        found = struct.unpack(self._order + code * count, data)
        if kind not in _FRACTIONS:
            return found
        pairs = list(zip(found[::2], found[1::2], strict=True))
        if any(below == 0 and above for above, below in pairs) or pairs[0][1] == 0:
            return ()
        return tuple(above / below if below else 0.0 for above, below in pairs)

    def integer(self, entry: Entry | None) -> int | None:
        """Read the first of whole numbers; None where there is none."""
        if entry is None or entry.kind not in _INTEGERS:
            return None
        found = self.numbers(entry)
        return int(found[0]) if found else None

    def text(self, entry: Entry | None) -> str:
        """Read a text up to its first zero, without spaces around it; "" where there is none."""
        if entry is None or entry.kind not in (_TEXT, 1, _ANY) or entry.number > _LONGEST:
            return ""
        return clean(bytes(self._bytes(entry.at, entry.number)).partition(b"\0")[0])

    def bytes_of(self, entry: Entry | None, most: int) -> bytes:
        """Read bytes; none where there are more than `most`."""
        if entry is None or _SIZES.get(entry.kind) != 1 or entry.number > most:
            return b""
        return self._bytes(entry.at, entry.number)


@lru_cache(256)
def clean(text: bytes) -> str:
    """Read a text of a camera: UTF-8, or else Latin-1, on one line and without spaces around it."""
    try:
        found = text.decode("utf-8")
    except UnicodeDecodeError:
        found = text.decode("latin-1")
    return " ".join("".join(one if one.isprintable() else " " for one in found).split())
