"""Hashes: the store's own, which names pictures, pages and records, and the checksum that guards small things."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import xxhash

from vstore.errors import UsageError
from vstore.quick_tuple import NamedTuple

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Hash(NamedTuple):
    """A content hash.

    name:   its name in FORMAT.
    size:   the bytes of a digest.
    digest: hashes bytes at once.
    new:    makes a hasher for bytes that come in pieces.
    """

    name: str
    size: int
    digest: Callable[[Buffer], bytes]
    new: Callable[[], Any]


def _new_sha256() -> Any:
    import hashlib  # 3 ms, for the stores that want it

    return hashlib.sha256()


def _sha256(data: Buffer) -> bytes:
    hasher = _new_sha256()
    hasher.update(data)
    digest: bytes = hasher.digest()
    return digest


HASHES = {
    "xxh3_128": Hash("xxh3_128", 16, xxhash.xxh3_128_digest, xxhash.xxh3_128),
    "sha256": Hash("sha256", 32, _sha256, _new_sha256),
}

KEY_SIZES = frozenset(known.size for known in HASHES.values())  # bytes


def store_hash(name: str) -> Hash:
    """Find a hash by the name that FORMAT holds.

    Raises: UsageError for a name that this version does not know.
    """
    if name not in HASHES:
        raise UsageError(f"unknown hash {name!r}", f"choose one of: {', '.join(HASHES)}")
    return HASHES[name]


def as_key(given: object) -> bytes:
    """Take the key of a picture that a caller gave. Raises: UsageError if it is none."""
    if not isinstance(given, bytes) or len(given) not in KEY_SIZES:
        raise UsageError(f"{given!r:.100} is no key", "give its bytes, as hit.key is: bytes.fromhex(…) of its digits")
    return given


def checksum(*parts: Buffer) -> bytes:
    """Compute eight bytes, little-endian xxh3_64 of the parts in a row: it finds rot, and resists nobody."""
    hasher = xxhash.xxh3_64()
    for part in parts:
        hasher.update(part)
    return hasher.intdigest().to_bytes(8, "little")
