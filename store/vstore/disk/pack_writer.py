"""Writes packs: of new blobs, or of the blobs of several packs. See `packs` for what lies where in one."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from vstore.disk import durable
from vstore.disk.packs import END, FOOTER_SIZE, HEAD, MAGIC, PLACE, Pack, Stored
from vstore.format.entries import FileRef
from vstore.format.hashing import Hash, checksum


def write_pack(folder: Path, hash: Hash, blobs: Mapping[bytes, bytes], lock: str) -> FileRef:
    """Write one pack, durably.

    blobs: uncompressed bytes by digest. lock: the lock held. Raises: DiskTrouble, ReadOnly.
    """
    return _write(folder, hash, _sources(blobs), lock)


def packed_size(hash: Hash, blobs: Mapping[bytes, bytes]) -> int:
    """Count the bytes of a pack of these blobs."""
    return sum(map(len, _Parts(hash, _sources(blobs))))


def merge_packs(folder: Path, hash: Hash, packs: Iterable[Pack], lock: str) -> FileRef:
    """Write the blobs of several packs as one, durably. Each is checked, and copied as it is stored, one at a time.

    lock: the lock held. Raises: Damage, DiskTrouble, ReadOnly, FileNotFoundError.
    """
    holders: dict[bytes, tuple[Pack, int]] = {}
    for pack in packs:
        holders |= {digest: (pack, at) for at, digest in enumerate(pack.digests())}
    sources = {digest: partial(pack.checked, at) for digest, (pack, at) in holders.items()}
    return _write(folder, hash, sources, lock)


def _sources(blobs: Mapping[bytes, bytes]) -> dict[bytes, Callable[[], Stored]]:
    return {digest: partial(_compressed, blob) for digest, blob in blobs.items()}


def _compressed(blob: bytes) -> Stored:
    return Stored(zlib.compress(blob, 6), len(blob))


def _write(folder: Path, hash: Hash, sources: Mapping[bytes, Callable[[], Stored]], lock: str) -> FileRef:
    name, parts = f"{durable.nonce()}.pack", _Parts(hash, sources)
    durable.write_durably(folder / name, parts, lock)
    return FileRef(name, parts.size, parts.check.hex())


class _Parts:
    """The parts of a pack, one after another: one blob at a time is in memory.

    size:  the bytes of the pack, once they are all given.
    check: the checksum of its footer, then.
    """

    def __init__(self, hash: Hash, sources: Mapping[bytes, Callable[[], Stored]]) -> None:
        """sources: give the blobs as they are stored, by digest."""
        self.size = 0
        self.check = b""
        self._hash = hash
        self._sources = sources

    def __iter__(self) -> Iterator[bytes]:
        import xxhash  # most commands write nothing

        entry = self._hash.size + PLACE.size
        table = bytearray()
        offset, sum_of = len(MAGIC), xxhash.xxh3_64(MAGIC)
        yield MAGIC
        for digest in sorted(self._sources):
            packed, length = self._sources[digest]()
            table += digest + PLACE.pack(offset, len(packed), length)
            sum_of.update(packed)
            offset += len(packed)
            yield packed
        body_sum = sum_of.intdigest().to_bytes(8, "little")
        head = HEAD.pack(offset, len(table) // entry, self._hash.size, body_sum, checksum(table))
        self.check = checksum(head)
        self.size = offset + len(table) + FOOTER_SIZE
        yield bytes(table)
        yield head + self.check + END
