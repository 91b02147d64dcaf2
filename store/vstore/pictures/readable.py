"""Bytes that are read a part at a time: in memory, or in an open file."""

from __future__ import annotations

import os
from typing import Protocol

_BEGIN = 1 << 16  # bytes of a file that are read first: the head of nearly every picture
_PIECE = 1 << 12


class Readable(Protocol):
    """Bytes, of which parts are asked for; what lies behind the end is missing in a part."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> bytes: ...


class FileBytes:
    """The bytes of an open file, which stays that of the caller. Parts that lie near each other are read once.

    read: the number of bytes read.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._size = os.fstat(fd).st_size
        self._pieces = [(0, os.pread(fd, _BEGIN, 0)), (0, b"")]  # the first, and the last that was read
        self.read = len(self._pieces[0][1])

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice, /) -> bytes:
        begin = min(part.start or 0, self._size)
        stop = self._size if part.stop is None else min(part.stop, self._size)
        if begin < 0 or stop < 0 or part.step is not None:
            raise ValueError("only parts of the file from a byte on are read")
        if stop <= begin:
            return b""
        for at, piece in self._pieces:
            if at <= begin and stop <= at + len(piece):
                return piece[begin - at : stop - at]
        size = stop - begin
        found = os.pread(self._fd, max(size, _PIECE), begin)
        self.read += len(found)
        if size <= _PIECE:
            self._pieces[1] = begin, found
        return found[:size]
