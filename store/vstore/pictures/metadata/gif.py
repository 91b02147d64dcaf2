"""The head of a GIF, and the number of its pictures, which nothing but its blocks tells."""

from __future__ import annotations

from vstore.pictures.metadata.head import Head
from vstore.pictures.readable import Readable

_EXTENSION, _PICTURE = 0x21, 0x2C
_PIECE = 1 << 16
_MOST_BLOCKS = 1 << 20


def read_gif(data: Readable, head: Head) -> None:
    """Fill in the head."""
    about = data[:13]
    head.width, head.height = int.from_bytes(about[6:8], "little"), int.from_bytes(about[8:10], "little")
    blocks = _Blocks(data, 13 + _colours(about[10]))
    frames = 0
    while (kind := blocks.take(1)) and kind[0] in (_EXTENSION, _PICTURE):
        if kind[0] == _EXTENSION:
            blocks.take(1)
        else:
            frames += 1
            place = blocks.take(9)
            if len(place) < 9:
                break
            blocks.skip(_colours(place[8]) + 1)
        if not blocks.pass_over():
            return
    head.frames = frames


def _colours(flags: int) -> int:
    """Tell the bytes of a table of colours."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


class _Blocks:
    """The blocks of a GIF, read a piece of the file at a time."""

    def __init__(self, data: Readable, at: int) -> None:
        self._data = data
        self._at = at
        self._begin = 0
        self._piece = b""
        self._left = _MOST_BLOCKS

    def take(self, count: int) -> bytes:
        found = self._data[self._at : self._at + count]
        self._at += count
        return found

    def skip(self, count: int) -> None:
        self._at += count

    def pass_over(self) -> bool:
        """Pass over the blocks up to an empty one, or the end. Returns: False if they are too many."""
        at, begin, piece = self._at, self._begin, self._piece
        while self._left:
            self._left -= 1
            if not begin <= at < begin + len(piece):
                begin, piece = at, self._data[at : at + _PIECE]
                if not piece:
                    break
            size = piece[at - begin]
            at += 1 + size
            if not size:
                break
        self._at, self._begin, self._piece = at, begin, piece
        return self._left > 0
