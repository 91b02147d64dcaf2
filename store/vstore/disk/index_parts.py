"""Parts of indexes in `indexes/<space_id>/`: derived files, each proved by its own checksums.

    offset      size        meaning
    0           8           magic `vindex01`
    8           4           bytes of the head (u32), at most 1 MiB
    12          H           the head, canonical JSON
    12 + H      8           checksum of the head
    20 + H      P           the payload
    …           8 × blocks  checksum of each MiB of the payload
    end - 16    8           checksum of these checksums
    end - 8     8           magic `vindexed`
A part changes no answer, and may be deleted at any time. No record names it.
"""

from __future__ import annotations

import re
import stat
import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import xxhash

from vstore.disk import durable, inside
from vstore.disk.file import File
from vstore.disk.index_head import IndexHead
from vstore.errors import Damage, DiskTrouble, ReadOnly
from vstore.format.entries import FileRef
from vstore.format.hashing import checksum
from vstore.format.layout import Layout

if TYPE_CHECKING:
    from typing_extensions import Buffer

BLOCK = 1 << 20  # bytes of payload per checksum
LONGEST_HEAD = 1 << 20  # bytes
_MAGIC = b"vindex01"
_END = b"vindexed"
_START = struct.Struct("<8sI")
_SUM = 8
_SPACE = re.compile(r"[0-9a-f]{64}")
_PART = re.compile(r"[0-9a-f]{32}\.part")


def part_folders(layout: Layout) -> list[Path]:
    """List the folders of spaces in `indexes/`, sorted. Links, files and other names mean nothing there."""
    return [path for path in _named(layout.indexes, _SPACE) if _is(path, stat.S_IFDIR)]


def part_files(folder: Path) -> list[Path]:
    """List the parts in the folder of a space, sorted. Links, folders and other names mean nothing there."""
    return [path for path in _named(folder, _PART) if _is(path, stat.S_IFREG)]


def unfinished_parts(folder: Path) -> list[Path]:
    """List the parts in the folder of a space that are being written, or were when their writer died."""
    return [path for path in _named(folder, re.compile(re.escape(durable.TEMPORARY) + ".*")) if _is(path, stat.S_IFREG)]


def fitting_parts(layout: Layout, space: str, refs: Sequence[FileRef]) -> Iterator[IndexPart]:
    """Open the parts of a space, one after another, whose segments all stand in its list.

    A part that is bad, may not be read or is deleted meanwhile is passed over: it was never needed.
    """
    for path in part_files(layout.indexes / space) if layout.indexes / space in part_folders(layout) else ():
        try:
            part = IndexPart(path)
        except (Damage, OSError):
            continue
        if part.head.fits(refs):
            yield part
        else:
            part.close()


def write_part(layout: Layout, head: IndexHead, payload: Iterable[Buffer]) -> Path | None:
    """Write a part. The caller holds `ingest`.

    payload: `head.size` bytes, in pieces of any length.
    Returns: its path; None if nothing was written, as the store is read-only, the disk full, or the head too long.
    """
    start, folder = head.to_bytes(), layout.indexes / head.space
    if len(start) > LONGEST_HEAD:
        return None
    try:
        for path in (layout.indexes, folder):
            durable.make_folder(path)
    except (Damage, DiskTrouble, ReadOnly):  # Damage: it is a link, or a file
        return None
    if folder not in part_folders(layout):
        return None  # one of them is a link or a file: nobody would look there
    parts = chain([_START.pack(_MAGIC, len(start)), start, checksum(start)], _summed(payload, head.size))
    path = folder / f"{durable.nonce()}.part"
    return path if durable.write_unflushed(path, parts, "ingest") else None


class IndexPart:
    """An open part. Its head is checked at once, each block of its payload when it is read.

    payload: where the payload begins in the file.
    """

    def __init__(self, path: Path) -> None:
        """Raises: Damage, naming the file; FileNotFoundError if it was deleted; OSError if it may not be read."""
        self.path = path
        self._file = File(path)
        try:
            self.head, self.payload = self._read_head()
        except BaseException:
            self.close()
            raise

    def _read_head(self) -> tuple[IndexHead, int]:
        self._size = size = self._file.size
        start = self._file.pread(_START.size, 0)
        if len(start) < _START.size or not start.startswith(_MAGIC):
            raise self.damage("it does not begin as a part does")
        length = _START.unpack(start)[1]
        payload = _START.size + length + _SUM
        # Sizes are compared before anything of that size is read: a length that rotted must not cost its memory.
        if length > LONGEST_HEAD or payload > size:
            raise self.damage(f"it claims a head of {length} bytes")
        data = self._file.pread(length + _SUM, _START.size)
        if checksum(data[:length]) != data[length:]:
            raise self.damage("its head does not match its checksum")
        try:
            head = IndexHead.from_bytes(data[:length])
        except ValueError as err:
            raise self.damage(str(err)) from err
        if head.space != self.path.parent.name:
            raise self.damage("it belongs to another space")
        if payload + head.size + _SUM * _blocks(head.size) + _SUM + len(_END) != size:
            raise self.damage(f"it has {size} bytes, which do not fit its payload")
        return head, payload

    def blocks(self) -> Iterator[bytes]:
        """Yield the payload, a MiB at a time, each once it is checked. Raises: Damage."""
        sums = self.read_sums()
        for block in range(_blocks(self.head.size)):
            data = self._file.pread(min(BLOCK, self.head.size - block * BLOCK), self.payload + block * BLOCK)
            self.require_block(block, data, sums)
            yield data

    def verify(self) -> None:
        """Check every byte. Raises: Damage."""
        for _ in self.blocks():
            pass

    def map(self) -> memoryview:
        """Map the payload, unproved. The map outlives this object. Raises: Damage."""
        return memoryview(self._file.map())[self.payload : self.payload + self.head.size]

    def proved_map(self) -> memoryview:
        """Map the payload, every block of it checked. The map outlives this object. Raises: Damage."""
        whole, sums = self.map(), self.read_sums()
        for block in range(_blocks(self.head.size)):
            self.require_block(block, whole[block * BLOCK : (block + 1) * BLOCK], sums)
        return whole

    def reopened(self) -> File:
        """Open the file once more: it must be the same one. Raises: Damage, FileNotFoundError."""
        file = File(self.path)
        if file.size != self._size:
            file.close()
            raise self.damage("it was replaced")
        return file

    def require_block(self, block: int, data: Buffer, sums: bytes) -> None:
        """Hold a block of the payload against its checksum. sums: as `read_sums` gives them. Raises: Damage."""
        if checksum(data) != sums[block * _SUM : (block + 1) * _SUM]:
            raise self.damage(f"block {block} of its payload does not match its checksum")

    def read_sums(self) -> bytes:
        """Read the checksums of all blocks, 8 bytes each. Raises: Damage."""
        length = _SUM * _blocks(self.head.size)
        tail = self._file.pread(length + _SUM + len(_END), self.payload + self.head.size)
        sums = tail[:length]
        if tail[length:] != checksum(sums) + _END:
            raise self.damage("its checksums do not match their own checksum")
        return sums

    def damage(self, what: str) -> Damage:
        """Make the error for damage in this part."""
        file = f"indexes/{self.path.parent.name}/{self.path.name}"
        return Damage(f"{file} is damaged: {what}", "run: vstore repair, which deletes it")

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> IndexPart:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _blocks(size: int) -> int:
    return -(-size // BLOCK)


def _summed(payload: Iterable[Buffer], size: int) -> Iterator[Buffer]:
    """Pass a payload on, and then its checksums."""
    sums, hasher, done = bytearray(), xxhash.xxh3_64(), 0
    for piece in payload:
        view = memoryview(piece).cast("B")
        yield view
        while view:
            part = view[: BLOCK - done % BLOCK]
            hasher.update(part)
            done += len(part)
            view = view[len(part) :]
            if not done % BLOCK:
                sums += hasher.intdigest().to_bytes(_SUM, "little")
                hasher.reset()
    assert done == size, "the head says how long the payload is"
    if done % BLOCK:
        sums += hasher.intdigest().to_bytes(_SUM, "little")
    yield bytes(sums) + checksum(sums) + _END


def _named(folder: Path, pattern: re.Pattern[str]) -> list[Path]:
    try:
        return [folder / name for name in sorted(inside.names(folder)) if pattern.fullmatch(name)]
    except (OSError, Damage):  # it is missing, no folder, or may not be listed: all without harm
        return []


def _is(path: Path, kind: int) -> bool:
    try:
        return stat.S_IFMT(inside.look_at_any(path).st_mode) == kind
    except (OSError, Damage):
        return False
