"""Packs: what one commit adds besides vectors — new alias pages, its manifest, space recipes — in one file.

    offset        size  meaning
    0             8     magic `vpack001`
    8             …     the blobs, one after another, each compressed with zlib
    table         …     entries sorted by digest: digest, offset (u64), stored length (u32), length (u32)
    end - 40      8     offset of the table (u64)
    end - 32      4     entries (u32)
    end - 28      4     bytes of a digest (u32)
    end - 24      8     checksum of the table
    end - 16      8     checksum of the footer's 24 bytes before it
    end - 8       8     magic `vpackend`
All numbers are little-endian. A blob is known by the digest of its uncompressed bytes, which is checked on reading.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from vstore import durable
from vstore.errors import Damage
from vstore.hashing import Hash, checksum
from vstore.records import FileRef

_MAGIC = b"vpack001"
_END = b"vpackend"
_FOOTER = struct.Struct("<QII8s8s8s")
_PLACE = struct.Struct("<QII")
SMALL = 1 << 20  # packs under this are merged when there are more than TOO_MANY of them
TOO_MANY = 256
_LARGEST_BLOB = 1 << 30


def write_pack(folder: Path, hash: Hash, blobs: Mapping[bytes, bytes], lock: str) -> FileRef:
    """Write one pack, durably. blobs: digest -> uncompressed bytes."""
    entry = hash.size + _PLACE.size
    table = bytearray()
    parts = [_MAGIC]
    offset = len(_MAGIC)
    for digest in sorted(blobs):
        packed = zlib.compress(blobs[digest], 6)
        table += digest + _PLACE.pack(offset, len(packed), len(blobs[digest]))
        parts.append(packed)
        offset += len(packed)
    head = struct.pack("<QII8s", offset, len(table) // entry, hash.size, checksum(table))
    check = checksum(head)
    parts += [bytes(table), head + check + _END]
    name = f"{durable.nonce()}.pack"
    durable.write_durably(folder / name, parts, lock)
    return FileRef(name, sum(map(len, parts)), check.hex())


class Pack:
    """One pack, opened: its table is checked at once, each blob when it is read."""

    def __init__(self, folder: Path, ref: FileRef, hash: Hash) -> None:
        self.ref = ref
        self._hash = hash
        self._path = folder / ref.name
        self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._read_table()
        except BaseException:
            self.close()
            raise

    def _read_table(self) -> None:
        size = os.fstat(self._fd).st_size
        if size != self.ref.size:
            raise self._damage(f"it has {size} bytes instead of {self.ref.size}")
        footer = os.pread(self._fd, _FOOTER.size, size - _FOOTER.size)
        if len(footer) != _FOOTER.size:
            raise self._damage("its footer is cut off")
        offset, count, width, table_check, check, end = _FOOTER.unpack(footer)
        if end != _END or checksum(footer[:24]) != check or check.hex() != self.ref.check or width != self._hash.size:
            raise self._damage("its footer is not what was written")
        self._entry = width + _PLACE.size
        self.table = os.pread(self._fd, count * self._entry, offset)
        self.count = count
        if checksum(self.table) != table_check:
            raise self._damage("its table is not what was written")

    def digests(self) -> Iterator[bytes]:
        for i in range(self.count):
            yield self.table[i * self._entry : i * self._entry + self._hash.size]

    def sizes(self) -> Iterator[tuple[bytes, int]]:
        """Digest and stored length of every blob."""
        for i, digest in enumerate(self.digests()):
            yield digest, _PLACE.unpack_from(self.table, i * self._entry + self._hash.size)[1]

    def get(self, digest: bytes) -> bytes | None:
        """The bytes of a blob, checked, or None if it is not in this pack. Raises: Damage."""
        low, high = 0, self.count
        while low < high:
            middle = (low + high) // 2
            if self.table[middle * self._entry : middle * self._entry + self._hash.size] < digest:
                low = middle + 1
            else:
                high = middle
        at = low * self._entry
        if low == self.count or self.table[at : at + self._hash.size] != digest:
            return None
        offset, stored, length = _PLACE.unpack_from(self.table, at + self._hash.size)
        if length > _LARGEST_BLOB:
            raise self._damage(f"blob {digest.hex()} claims {length} bytes")
        try:
            unpacker = zlib.decompressobj()
            blob = unpacker.decompress(os.pread(self._fd, stored, offset), length)
            whole = len(blob) == length and unpacker.decompress(b"", 1) == b"" and unpacker.eof
        except zlib.error:
            whole, blob = False, b""
        if not whole or self._hash.digest(blob) != digest:
            raise self._damage(f"blob {digest.hex()} is not what was written")
        return blob

    def _damage(self, what: str) -> Damage:
        return Damage(f"packs/{self.ref.name} is damaged: {what}", "run: vstore check")

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Packs:
    """The packs that a state lists, opened when something is looked for: a digest says what, never where."""

    def __init__(self, folder: Path, refs: list[FileRef], hash: Hash) -> None:
        self._folder = folder
        self._refs = refs
        self._hash = hash
        self._open: list[Pack] | None = None
        self._kept: dict[str, Pack] = {}

    def opened(self) -> list[Pack]:
        """All packs, newest first. Raises: Damage, FileNotFoundError (collected, or lost)."""
        if self._open is None:
            packs = []
            for ref in reversed(self._refs):
                if ref.name not in self._kept:
                    self._kept[ref.name] = Pack(self._folder, ref, self._hash)
                packs.append(self._kept[ref.name])
            self._open = packs
        return self._open

    def listing(self, refs: list[FileRef]) -> None:
        """Take another list of packs; those that are open stay open."""
        self._refs, self._open = refs, None

    def get(self, digest: bytes) -> bytes:
        """The bytes of a blob. Raises: Damage if no pack has it."""
        for pack in self.opened():
            blob = pack.get(digest)
            if blob is not None:
                return blob
        raise Damage(f"no pack holds the blob {digest.hex()}", "run: vstore check")

    def close(self) -> None:
        for pack in self._kept.values():
            pack.close()
        self._kept, self._open = {}, None


def small(refs: list[FileRef]) -> list[FileRef]:
    """The packs that a merge would take: the small ones, once there are too many of them; else none."""
    found = [ref for ref in refs if ref.size < SMALL]
    return found if len(found) > TOO_MANY else []
