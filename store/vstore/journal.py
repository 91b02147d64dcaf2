"""The journal: finished vectors that no segment holds yet. It only grows; what a crash tears off its end is not read.

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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vstore import durable
from vstore.hashing import checksum
from vstore.segments import DTYPES

if TYPE_CHECKING:
    from vstore.segments import Rows

_MAGIC = b"vjourn01"
_HEAD = struct.Struct("<8sHHI32s16s")
_CODES = {"float16": 1, "float32": 2}
FLUSH_EVERY = 5.0  # seconds of work that a power cut may cost


class JournalWriter:
    """Appends finished rows of one space, and flushes them at least every five seconds."""

    def __init__(self, folder: Path, space: str, key_size: int, dim: int, dtype: str) -> None:
        name = durable.nonce()
        self._nonce = bytes.fromhex(name)
        self._file = durable.Appender(folder / f"{space}-{name}")
        self.path = self._file.path
        head = _HEAD.pack(_MAGIC, _CODES[dtype], key_size, dim, bytes.fromhex(space), self._nonce)
        self._file.append(head + checksum(head))
        self._file.sync_name()
        self._frames = 0
        self._flushed = time.monotonic()

    def append(self, keys: Sequence[bytes], rows: Rows) -> None:
        """Add rows, one per key, in the store's dtype."""
        out = bytearray()
        for key, row in zip(keys, rows, strict=True):
            body = key + row.tobytes()
            out += body + checksum(self._nonce, struct.pack("<Q", self._frames), body)
            self._frames += 1
        self._file.append(out)
        if time.monotonic() - self._flushed >= FLUSH_EVERY:
            self.flush()

    def flush(self) -> None:
        self._file.sync()
        self._flushed = time.monotonic()

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True, slots=True)
class Journal:
    """A journal read back: the frames that are whole."""

    space: str
    dtype: str
    dim: int
    frames: tuple[tuple[bytes, bytes], ...]  # key, row


def journals(folder: Path) -> list[Path]:
    """The journals that lie in a folder, by name."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith(durable.TEMPORARY))


def read_journal(path: Path) -> Journal | None:
    """Read the sound frames of a journal; None if not even its head is sound. Every frame is proved by itself."""
    data = durable.read(path)
    if len(data) < _HEAD.size + 8 or checksum(data[: _HEAD.size]) != data[_HEAD.size : _HEAD.size + 8]:
        return None
    magic, code, key_size, dim, space, nonce = _HEAD.unpack(data[: _HEAD.size])
    dtypes = {code: name for name, code in _CODES.items()}
    if magic != _MAGIC or code not in dtypes:
        return None
    width = key_size + dim * DTYPES[dtypes[code]]

    def frames() -> Iterator[tuple[bytes, bytes]]:
        for number, at in enumerate(range(_HEAD.size + 8, len(data) - width - 7, width + 8)):
            body = data[at : at + width]
            if checksum(nonce, struct.pack("<Q", number), body) == data[at + width : at + width + 8]:
                yield body[:key_size], body[key_size:]

    return Journal(space.hex(), dtypes[code], dim, tuple(frames()))
