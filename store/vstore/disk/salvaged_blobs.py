"""The sound blobs of possibly damaged packs. Changes nothing."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from vstore.disk.file import File
from vstore.disk.packs import LARGEST_BLOB, Pack
from vstore.disk.salvage import insisted, refuse_unreadable
from vstore.errors import Damage
from vstore.format.entries import FileRef
from vstore.format.hashing import Hash

_FIRST_BLOB = 8
_START = b"\x78\x9c"  # of a zlib stream of level 6 and a window of 32 KiB
_READ = 1 << 20
_SOME = 1 << 14
_TRIES = 64  # bytes that are looked at for one of the file: a stream that does not end may begin anywhere in another


def sound_blobs(folder: Path, ref: FileRef, hash: Hash) -> tuple[bool, Iterator[tuple[bytes, bytes]]]:
    """Read a possibly damaged pack.

    Returns: whether every byte is intact; digest and bytes of each sound blob, one after another.
    Raises:  VstoreError if the user may not read it.
    """
    try:
        pack = insisted(partial(Pack, folder, ref, hash))
        pack.require_order()
    except (Damage, OSError) as err:
        refuse_unreadable(err, folder / ref.name)
        return False, _unlisted_blobs(folder / ref.name, hash)
    try:
        for digest in pack.digests():
            if insisted(partial(pack.get, digest)) is None:
                raise Damage("its table is not in order")
        insisted(pack.verify)
    except (Damage, OSError):
        return False, _blobs_left(pack)
    return True, _blobs_left(pack)


def _blobs_left(pack: Pack) -> Iterator[tuple[bytes, bytes]]:
    try:
        for digest in pack.digests():
            try:
                blob = insisted(partial(pack.get, digest))
            except (Damage, OSError):
                continue
            if blob is not None:
                yield digest, blob
    finally:
        pack.close()


def _unlisted_blobs(path: Path, hash: Hash) -> Iterator[tuple[bytes, bytes]]:
    """Read the blobs of a pack without its table: they follow one another, and zlib knows the end of each."""
    try:
        with insisted(partial(File, path)) as file:
            yield from ((hash.digest(blob), blob) for blob in _streams(file))
    except (Damage, OSError) as err:
        refuse_unreadable(err, path)


def _streams(file: File) -> Iterator[bytes]:
    """Yield what the zlib streams of a file give. Raises: Damage, OSError."""
    part = _Part(file)
    at, left = _FIRST_BLOB, file.size * _TRIES + LARGEST_BLOB
    while at < file.size and left > 0:
        blob, end, is_whole = _stream(part, at)
        left -= end - at + len(blob)
        if is_whole:
            yield blob
            at = end
        else:
            at = part.find(_START, at + 1)


def _stream(part: _Part, at: int) -> tuple[bytes, int, bool]:
    """Unpack the stream that begins at an offset. Returns: its bytes; where it ends; whether it is whole."""
    unpacker, blob = zlib.decompressobj(), bytearray()
    try:
        while not unpacker.eof and len(blob) < LARGEST_BLOB and (some := part.of(at)):
            blob += unpacker.decompress(some)
            at += len(some)
    except zlib.error:
        return bytes(blob), at, False
    return bytes(blob), at - len(unpacker.unused_data), unpacker.eof


class _Part:
    """A part of a file, in memory."""

    def __init__(self, file: File) -> None:
        self._file = file
        self._first, self._data = 0, b""

    def of(self, at: int) -> bytes:
        """Read some bytes from an offset; none at the end of the file. Raises: Damage, OSError."""
        if not self._first <= at < self._first + len(self._data):
            self._first, self._data = at, insisted(partial(self._file.pread, _READ, at))
        return self._data[at - self._first : at - self._first + _SOME]

    def find(self, what: bytes, at: int) -> int:
        """Find some bytes from an offset on. Returns: where they begin, or the end of the file."""
        while self.of(at := self._file.data_from(at)):
            found = self._data.find(what, at - self._first)
            if found >= 0:
                return self._first + found
            at = max(at + 1, self._first + len(self._data) - len(what) + 1)
        return self._file.size
