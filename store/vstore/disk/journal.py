"""The journal: finished vectors, not in a segment yet. It only grows; an end torn off by a crash is not read.

offset  size   meaning
0       8      magic `vjourn01`
8       2, 2   dtype code (1 float16, 2 float32), bytes of a key
12      4      dim
16      32     space
48      16     nonce
64      8      checksum of the 64 bytes before it
72      …      frames of one size: key, row, checksum of (nonce, number of the frame as u64, key, row)
"""

from __future__ import annotations

import struct
import time
from collections.abc import Container, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vstore.disk import durable
from vstore.disk.file import File
from vstore.disk.inside import look, names_if_any
from vstore.errors import Damage
from vstore.format.hashing import checksum
from vstore.format.layout import DTYPE_CODES, DTYPES

if TYPE_CHECKING:
    from vstore.disk.segments import Rows

_MAGIC = b"vjourn01"
_HEAD = struct.Struct("<8sHHI32s16s")
_BLOCK = 1024  # frames that are read at once
FLUSH_EVERY = 5.0  # seconds of work that a power cut may cost, beside what is being embedded just then


class JournalWriter:
    """A journal for finished rows of one space, flushed when the last flush is five seconds old."""

    def __init__(self, folder: Path, space: str, *, key_size: int, dim: int, dtype: str) -> None:
        name = durable.nonce()
        self._nonce = bytes.fromhex(name)
        self._file = durable.Appender(folder / f"{space}-{name}")
        self.path = self._file.path
        head = _HEAD.pack(_MAGIC, DTYPE_CODES[dtype], key_size, dim, bytes.fromhex(space), self._nonce)
        self._file.append(head + checksum(head))
        self._file.sync_name()
        self._frames = 0
        self._flushed = time.monotonic()

    def append(self, keys: Sequence[bytes], rows: Rows) -> None:
        """Add rows, one per key, in the store's dtype. Raises: DiskTrouble, ReadOnly."""
        out = bytearray()
        for key, row in zip(keys, rows, strict=True):
            body = key + row.tobytes()
            out += body + checksum(self._nonce, struct.pack("<Q", self._frames), body)
            self._frames += 1
        self._file.append(out)
        if time.monotonic() - self._flushed >= FLUSH_EVERY:
            self.flush()

    def flush(self) -> None:
        """Flush all rows. Raises: DiskTrouble, ReadOnly."""
        self._file.sync()
        self._flushed = time.monotonic()

    def close(self) -> None:
        self._file.close()


class Journal:
    """A journal read back: its sound frames, each proved by itself."""

    def __init__(self, path: Path) -> None:
        """Raises: ValueError if its head is not sound; Damage, FileNotFoundError."""
        self.path = path
        with File(path) as file:
            size, head = file.size, file.pread(_HEAD.size + 8, 0)
        if len(head) < _HEAD.size + 8 or checksum(head[: _HEAD.size]) != head[_HEAD.size :]:
            raise ValueError("its head does not match its checksum")
        magic, code, self.key_size, self.dim, space, self._nonce = _HEAD.unpack(head[: _HEAD.size])
        dtypes = {code: name for name, code in DTYPE_CODES.items()}
        if magic != _MAGIC or code not in dtypes:
            raise ValueError("its head names another format")
        self.space = space.hex()
        self.dtype = dtypes[code]
        self._width = self.key_size + self.dim * DTYPES[self.dtype]
        self._count = (size - len(head)) // (self._width + 8)

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """Yield number and key of each sound frame. Frames torn off, or left as zeros, by a crash are skipped."""
        size = self._width + 8
        with File(self.path) as file:
            for first in range(0, self._count, _BLOCK):
                some = file.pread(_BLOCK * size, _HEAD.size + 8 + first * size)
                for number in range(first, min(first + _BLOCK, self._count)):
                    frame = some[(number - first) * size : (number - first + 1) * size]
                    body = frame[: self._width]
                    if checksum(self._nonce, struct.pack("<Q", number), body) == frame[self._width :]:
                        yield number, body[: self.key_size]

    def rows(self, numbers: Sequence[int]) -> Iterator[Rows]:
        """Read the rows of some frames, in blocks of at most 1,024: float16 or float32 (m, dim)."""
        import numpy as np

        if not numbers:
            return
        dtype = np.dtype(self.dtype).newbyteorder("<")
        frame = np.dtype([("key", f"V{self.key_size}"), ("row", dtype, (self.dim,)), ("sum", "V8")])
        with File(self.path) as file:
            mapped = np.frombuffer(file.map(), frame, self._count, _HEAD.size + 8)
        for at in range(0, len(numbers), _BLOCK):
            yield mapped["row"][list(numbers[at : at + _BLOCK])]


def journals(folder: Path) -> list[Path]:
    """List the journals of a folder, by name."""
    return [folder / name for name in sorted(names_if_any(folder)) if not name.startswith(durable.TEMPORARY)]


def is_of_none(path: Path, spaces: Container[str]) -> bool:
    """Tell whether a journal, by its head, belongs to none of these spaces; False for one without a head."""
    try:
        return Journal(path).space not in spaces
    except (ValueError, Damage, FileNotFoundError):  # a sync has sealed it meanwhile
        return False


def is_beheaded(path: Path) -> bool:
    """Tell whether a journal without a sound head may hold frames: it is longer than a head."""
    return look(path).st_size > _HEAD.size + 8
