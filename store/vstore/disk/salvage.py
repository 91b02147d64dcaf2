"""Reads the sound parts of damaged packs and segments. Changes nothing."""

from __future__ import annotations

import errno
import zlib
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from vstore.disk import durable
from vstore.disk.file import File
from vstore.disk.footer import BLOCK, FOOTER_SIZE, Footer
from vstore.disk.packs import Pack
from vstore.disk.segments import Segment
from vstore.errors import Damage, VstoreError
from vstore.format.entries import FileRef
from vstore.format.hashing import Hash, checksum
from vstore.format.layout import DTYPES

if TYPE_CHECKING:
    from vstore.disk.segments import Rows

T = TypeVar("T")

_FIRST_BLOB = 8
_LARGEST_BLOB = 1 << 30
# What these say is about who asks, and not about the file.
_NOT_ITS_FAULT = {errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE, errno.ENOMEM}


def insisted(read: Callable[[], T]) -> T:
    """Read twice where the first attempt fails: a disk that hesitated is no reason to give anything up."""
    try:
        return read()
    except (Damage, OSError):
        return read()


def refuse_unreadable(err: Exception, path: Path) -> None:
    """Refuse an error of the system that is no damage: sound data would be given up for it. Raises: VstoreError."""
    if isinstance(err, OSError) and err.errno in _NOT_ITS_FAULT:
        raise VstoreError(
            f"{path} cannot be read: {err.strerror}; this is not damage, and nothing was changed",
            "run it as a user who may read the whole store",
        ) from err


def pack_ref(path: Path) -> FileRef:
    """Describe a pack as the log would list it; `Pack` tells whether it is sound. Raises: OSError, Damage."""
    tail = _tail(path, 16)
    return FileRef(path.name, path.stat().st_size, tail[:8].hex())


def segment_ref(path: Path) -> FileRef:
    """Describe a segment as the log would list it. Raises: ValueError if its footer is not sound; OSError, Damage."""
    tail = _tail(path, FOOTER_SIZE)
    return FileRef(path.name, path.stat().st_size, tail[-16:-8].hex(), Footer.from_bytes(tail).rows)


def _tail(path: Path, size: int) -> bytes:
    with File(path) as file:
        return file.pread(size, max(0, file.size - size))


def sound_blobs(folder: Path, ref: FileRef, hash: Hash) -> tuple[bool, Iterator[tuple[bytes, bytes]]]:
    """Read a pack that may be damaged.

    Returns: whether every byte is what was written; digest and bytes of each sound blob, one after another.
    Raises:  VstoreError where the user may not read it.
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
    """Read the blobs of a pack without its table: they follow one another, and zlib knows where each ends."""
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


class Remains(NamedTuple):
    """The sound rows of a damaged segment.

    path:    the segment.
    header:  the bytes before the rows.
    total:   the rows that there were.
    dim:     the numbers of a row.
    dtype:   their type.
    numbers: the numbers of the sound rows.
    keys:    their keys.
    time:    when it was written, seconds since 1970; 0 if that is lost.
    """

    path: Path
    header: int
    total: int
    dim: int
    dtype: str
    numbers: list[int]
    keys: list[bytes]
    time: int

    def blocks(self) -> Iterator[Rows]:
        """Read the sound rows, in blocks: float16 or float32 (m, dim)."""
        import numpy as np

        dtype = np.dtype(self.dtype).newbyteorder("<")
        with File(self.path) as file:
            rows = np.frombuffer(file.map(), dtype, self.total * self.dim, self.header).reshape(self.total, self.dim)
        for at in range(0, len(self.numbers), BLOCK):
            yield rows[self.numbers[at : at + BLOCK]]


def sound_segment(path: Path) -> Segment | None:
    """Open a segment, listed or not, if its footer and its keys are sound; else None. Raises: VstoreError."""
    try:
        return insisted(lambda: Segment(path.parent, segment_ref(path)))
    except (Damage, OSError, ValueError) as err:
        refuse_unreadable(err, path)
        return None


def whole_segment(folder: Path, ref: FileRef) -> Segment | None:
    """Open a segment if every byte is what was written; else None. Raises: VstoreError."""

    def read() -> Segment:
        segment = Segment(folder, ref)
        segment.verify()
        return segment

    try:
        return insisted(read)
    except (Damage, OSError) as err:
        refuse_unreadable(err, folder / ref.name)
        return None


def remains(folder: Path, ref: FileRef, dim: int, dtype: str, key_size: int, known: Collection[bytes]) -> Remains:
    """Find the rows of a damaged segment that are provably what was written, with provable keys.

    A block of rows is proved by its checksum. A key is proved by the checksum of all keys or, where that fails, by
    a snapshot that lists it.
    known: the keys that snapshots list. Raises: VstoreError where the user may not read it.
    """
    path = folder / ref.name
    width, blocks = dim * DTYPES[dtype], -(-ref.rows // BLOCK)
    sums_at = ref.size - FOOTER_SIZE - 8 * blocks
    keys_at = sums_at - ref.rows * key_size
    header = keys_at - ref.rows * width
    nothing = Remains(path, header=0, total=0, dim=dim, dtype=dtype, numbers=[], keys=[], time=0)
    try:
        with insisted(partial(File, path)) as file:

            def read(size: int, offset: int) -> bytes:
                return insisted(partial(file.pread, size, offset))

            if file.size < ref.size or header < 0:
                return nothing  # what was cut off are the keys
            keys = read(ref.rows * key_size, keys_at)
            sums = read(8 * blocks, sums_at)
            try:
                footer = Footer.from_bytes(read(FOOTER_SIZE, ref.size - FOOTER_SIZE))
            except ValueError:
                footer = None
            proved = footer is not None and checksum(keys) == footer.keys_sum
            numbers, found = [], []
            for block, first in enumerate(range(0, ref.rows, BLOCK)):
                end = min(first + BLOCK, ref.rows)
                try:
                    rows = read((end - first) * width, header + first * width)
                except Damage:
                    continue
                if checksum(rows) != sums[8 * block : 8 * block + 8]:
                    continue
                for number in range(first, end):
                    key = keys[number * key_size : (number + 1) * key_size]
                    if proved or key in known:
                        numbers.append(number)
                        found.append(key)
    except (Damage, OSError) as err:
        refuse_unreadable(err, path)
        return nothing
    return nothing._replace(
        header=header, total=ref.rows, numbers=numbers, keys=found, time=footer.time if footer else 0
    )
