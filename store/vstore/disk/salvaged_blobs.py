"""The sound blobs of possibly damaged packs. Changes nothing."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from vstore.disk import durable
from vstore.disk.packs import Pack
from vstore.disk.salvage import insisted, refuse_unreadable
from vstore.errors import Damage
from vstore.format.entries import FileRef
from vstore.format.hashing import Hash

_FIRST_BLOB = 8
_LARGEST_BLOB = 1 << 30


def sound_blobs(folder: Path, ref: FileRef, hash: Hash) -> tuple[bool, Iterator[tuple[bytes, bytes]]]:
    """Read a possibly damaged pack.

    Returns: whether every byte is intact; digest and bytes of each sound blob, one after another.
    Raises:  VstoreError if the user may not read it.
    """
    try:
        pack = insisted(partial(Pack, folder, ref, hash))
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
        data = insisted(partial(durable.read, path))
    except OSError as err:
        refuse_unreadable(err, path)
        return
    at = _FIRST_BLOB
    while at < len(data):
        unpacker = zlib.decompressobj()
        try:
            blob = unpacker.decompress(data[at:], _LARGEST_BLOB)
        except zlib.error:
            blob = b""
        if unpacker.eof:
            yield hash.digest(blob), blob
            at = len(data) - len(unpacker.unused_data)
        else:
            at = _next_stream(data, at + 1)


def _next_stream(data: bytes, at: int) -> int:
    """Find the next possible zlib stream: level 6 and a window of 32 KiB are written as 78 9c."""
    found = data.find(b"\x78\x9c", at)
    return found if found >= 0 else len(data)
