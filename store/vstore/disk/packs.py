"""Packs: the blobs of one commit — new alias pages, its manifest, space recipes — in one file.

    offset        size  meaning
    0             8     magic `vpack001`
    8             …     the blobs, one after another, each compressed with zlib
    table         …     entries sorted by digest: digest, offset (u64), stored length (u32), length (u32)
    end - 48      8     offset of the table (u64)
    end - 40      4     entries (u32)
    end - 36      4     bytes of a digest (u32)
    end - 32      8     checksum of all before the table
    end - 24      8     checksum of the table
    end - 16      8     checksum of the footer's 32 bytes before it
    end - 8       8     magic `vpackend`
All numbers are little-endian. A blob is known by the digest of its uncompressed bytes, which is checked on reading.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Container, Iterator
from pathlib import Path

from vstore.disk.inside import look
from vstore.disk.open_files import open_files
from vstore.errors import Damage
from vstore.format.entries import FileRef
from vstore.format.hashing import Hash, checksum
from vstore.quick_tuple import NamedTuple

MAGIC = b"vpack001"
END = b"vpackend"
HEAD = struct.Struct("<QII8s8s")  # of the footer: what its own checksum is of
FOOTER_SIZE = HEAD.size + 16
PLACE = struct.Struct("<QII")
LARGEST_BLOB = 1 << 30  # bytes
LARGEST_PAGE = 1 << 25  # bytes of a page of a tree at most, and of all else but what an import left over
HOLES_FROM = 1 << 24  # bytes of a pack from which on it is looked for holes: packed bytes are no long runs of zeros
_LEAST = 8  # stored bytes of nothing
_BEST = 1_032  # times as long as its stored bytes a blob is at most: deflate gives 258 bytes for two bits
_READ = 1 << 20


class Stored(NamedTuple):
    """A blob as it lies in a pack.

    packed: its compressed bytes.
    length: how many bytes it has uncompressed.
    """

    packed: bytes
    length: int


class Pack:
    """A pack. Its table is checked at once, each blob when it is read; its file is open for some time after a read."""

    def __init__(self, folder: Path, ref: FileRef, hash: Hash) -> None:
        """Raises: Damage, naming the file; FileNotFoundError (collected, or lost)."""
        self.ref = ref
        self._hash = hash
        self._path = folder / ref.name
        self._in_order = False
        self._owner = object()  # of its open file: the table of these must not keep the pack itself
        try:
            self._read_table()
        except BaseException:
            self.close()
            raise

    def _pread(self, size: int, offset: int) -> bytes:
        with open_files.of(self._owner, self._path) as file:
            return file.pread(size, offset)

    def _read_table(self) -> None:
        with open_files.of(self._owner, self._path) as file:
            size = file.size
        if size != self.ref.size:
            raise self._damage(f"it has {size} bytes instead of {self.ref.size}")
        footer = self._pread(FOOTER_SIZE, size - FOOTER_SIZE) if size >= FOOTER_SIZE else b""
        head, check, end = footer[: HEAD.size], footer[HEAD.size : -8], footer[-8:]
        if end != END or checksum(head) != check or check.hex() != self.ref.check:
            raise self._damage("its footer does not match its checksum")
        self._body, self.count, width, self._body_sum, table_sum = HEAD.unpack(head)
        self._entry = width + PLACE.size
        if width != self._hash.size or self._body + self.count * self._entry + FOOTER_SIZE != size:
            raise self._damage("its footer belongs to another store")
        with open_files.of(self._owner, self._path) as file:
            hole = file.first_hole(0, size) if size > HOLES_FROM else None
        if hole:
            raise self._damage(f"the disk holds none of its bytes {hole[0]:,} to {hole[1] - 1:,}")
        self.table = self._pread(self.count * self._entry, self._body)
        if checksum(self.table) != table_sum:
            raise self._damage("its table does not match its checksum")

    def verify(self) -> None:
        """Check every byte: a blob proves what it holds, but not each bit that holds it. Raises: Damage."""
        import xxhash

        hasher = xxhash.xxh3_64()
        at = 0
        while at < self._body and (part := self._pread(min(_READ, self._body - at), at)):
            hasher.update(part)
            at += len(part)
        if hasher.intdigest().to_bytes(8, "little") != self._body_sum:
            raise self._damage("the data before its table does not match its checksum")

    def require_order(self) -> None:
        """Make sure that no blob stands twice, and no two share a byte: together they fit in the pack.

        Raises: Damage.
        """
        before, stored = b"", 0
        for i in range(0 if self._in_order else self.count):
            digest = self._digest(i)
            stored += PLACE.unpack_from(self.table, i * self._entry + self._hash.size)[1]
            if digest <= before or stored > self._body - len(MAGIC):
                raise self._damage("its table is out of order, or names bytes twice")
            before = digest
        self._in_order = True

    def digests(self) -> Iterator[bytes]:
        """Yield the digest of every blob. Raises: Damage."""
        self.require_order()
        for i in range(self.count):
            yield self._digest(i)

    def sizes(self) -> Iterator[tuple[bytes, int]]:
        """Yield digest and stored length of every blob."""
        for i, digest in enumerate(self.digests()):
            yield digest, PLACE.unpack_from(self.table, i * self._entry + self._hash.size)[1]

    def get(self, digest: bytes, longest: int = LARGEST_BLOB) -> bytes | None:
        """Read a blob and check it. longest: bytes. Returns: None if it is not in this pack. Raises: Damage."""
        low, high = 0, self.count
        while low < high:
            middle = (low + high) // 2
            if self._digest(middle) < digest:
                low = middle + 1
            else:
                high = middle
        if low == self.count or self._digest(low) != digest:
            return None
        stored = self._stored(low)
        if stored.length > longest:
            raise self._damage(f"blob {digest.hex()} has {stored.length:,} bytes, where {longest:,} are the most")
        return self._blob(digest, stored)

    def stored(self) -> Iterator[tuple[bytes, Stored]]:
        """Yield digest and stored bytes of every blob, each after a check. Raises: Damage."""
        for at, digest in enumerate(self.digests()):
            yield digest, self.checked(at)

    def checked(self, at: int) -> Stored:
        """Give a blob by its place in the table, as it is stored, after a check. Raises: Damage."""
        stored = self._stored(at)
        self._prove(self._digest(at), stored)
        return stored

    def _digest(self, at: int) -> bytes:
        return self.table[at * self._entry : at * self._entry + self._hash.size]

    def _stored(self, at: int) -> Stored:
        offset, size, length = PLACE.unpack_from(self.table, at * self._entry + self._hash.size)
        if length > min(LARGEST_BLOB, _BEST * size) or size < _LEAST:
            raise self._damage(f"blob {self._digest(at).hex()} claims {length:,} bytes in {size:,}")
        if offset < len(MAGIC) or offset + size > self._body:
            raise self._damage(f"blob {self._digest(at).hex()} lies outside the blobs")
        return Stored(self._pread(size, offset), length)

    def _blob(self, digest: bytes, stored: Stored) -> bytes:
        try:
            unpacker = zlib.decompressobj()
            blob = unpacker.decompress(stored.packed, stored.length + 1)  # one that is longer shows
            whole = unpacker.eof and not unpacker.unused_data and len(blob) == stored.length
        except zlib.error:
            whole, blob = False, b""
        if not whole or self._hash.digest(blob) != digest:
            raise self._damage(f"blob {digest.hex()} does not match its digest")
        return blob

    def _prove(self, digest: bytes, stored: Stored) -> None:
        """Check a blob without holding more than a part of it. Raises: Damage."""
        unpacker, hasher, length = zlib.decompressobj(), self._hash.new(), 0
        part, rest = b"", stored.packed
        try:
            while not unpacker.eof and length <= stored.length and (rest or part):
                part = unpacker.decompress(rest, _READ)
                rest = unpacker.unconsumed_tail
                hasher.update(part)
                length += len(part)
            whole = unpacker.eof and not unpacker.unused_data and length == stored.length
        except zlib.error:
            whole = False
        if not whole or hasher.digest() != digest:
            raise self._damage(f"blob {digest.hex()} does not match its digest")

    def _damage(self, what: str) -> Damage:
        return Damage(f"packs/{self.ref.name} is damaged: {what}", "run: vstore check")

    def close(self) -> None:
        """Close its file. It opens again when it is read."""
        open_files.close(self._owner)

    def __del__(self) -> None:
        if hasattr(self, "_owner"):  # whoever forgets to close a store leaves no file open
            self.close()


class Packs:
    """The packs of a state, opened one by one as a blob is looked for."""

    def __init__(self, folder: Path, refs: list[FileRef], hash: Hash) -> None:
        self._folder = folder
        self._hash = hash
        self._open: list[Pack] = []  # in the order in which they are asked
        self.listing(refs)

    def listing(self, refs: list[FileRef]) -> None:
        """Take another list of packs. Open ones stay open."""
        self._refs = refs
        listed = {ref.name for ref in refs}
        for pack in self._open:
            if pack.ref.name not in listed:
                pack.close()
        self._open = [pack for pack in self._open if pack.ref.name in listed]
        self._left: list[FileRef] | None = None  # what is not open, the next one last

    def opened(self, names: Container[str] | None = None) -> list[Pack]:
        """Open the packs of these names, or all of them.

        Returns: them, in any order. Raises: Damage, FileNotFoundError (collected, or lost).
        """
        return [pack for pack in self._each() if names is None or pack.ref.name in names]

    def get(self, digest: bytes, longest: int = LARGEST_PAGE) -> bytes:
        """Read a blob and check it; a pack that cannot be read hides nothing that another one holds.

        longest: bytes of the blob at most.
        Raises: Damage if no pack has it; FileNotFoundError (collected, or lost).
        """
        bad: list[Damage | OSError] = []
        for at, pack in enumerate(self._each(bad)):
            try:
                blob = pack.get(digest, longest)
            except (Damage, OSError) as err:
                bad.append(err)
                continue
            if blob is not None:
                # Most pages of a tree lie in one pack, and a digest is found wherever it lies: next time begin here.
                self._open.insert(0, self._open.pop(at))
                return blob
        if bad:
            raise next((err for err in bad if isinstance(err, FileNotFoundError)), bad[0])
        raise Damage(f"no pack holds the blob {digest.hex()}", "run: vstore check")

    def _each(self, bad: list[Damage | OSError] | None = None) -> Iterator[Pack]:
        """Yield each pack. bad: takes the errors of those that cannot be opened; None lets them out."""
        yield from list(self._open)
        if self._left is None:
            opened = {pack.ref.name for pack in self._open}
            self._left = _in_turn(self._folder, [ref for ref in self._refs if ref.name not in opened])[::-1]
        left = list(self._left)
        while left:
            ref = left.pop()
            try:
                pack = Pack(self._folder, ref, self._hash)
            except (Damage, OSError) as err:
                if bad is None:
                    raise
                bad.append(err)
                continue
            self._left.remove(ref)
            self._open.append(pack)
            yield pack

    def close(self) -> None:
        for pack in self._open:
            pack.close()
        self._open = []
        self.listing(self._refs)


def _in_turn(folder: Path, refs: list[FileRef]) -> list[FileRef]:
    """Sort packs by how likely they are asked: the newest, the oldest, and so on from both ends.

    Most is asked of the newest, and recipes and old pages lie in the oldest. A copy may have lost these times: then
    more packs are opened.
    """

    def written(ref: FileRef) -> int:
        try:
            return look(folder / ref.name).st_mtime_ns
        except OSError:
            return 0

    rising = sorted(refs, key=written)
    ends = [ref for both in zip(reversed(rising), rising, strict=True) for ref in both]
    return ends[: len(refs)]
