"""Hashes: the store's own, that names pictures, pages and records, and the checksum that guards small things."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import xxhash

from vstore.errors import UsageError

if TYPE_CHECKING:
    from typing_extensions import Buffer


@dataclass(frozen=True, slots=True)
class Hash:
    """A content hash: `digest(data)` at once, `new()` for what comes in pieces.

    size: bytes of a digest.
    """

    name: str
    size: int
    digest: Callable[[Buffer], bytes]
    new: Callable[[], Any]


def _sha256(data: Buffer) -> bytes:
    return hashlib.sha256(data).digest()


HASHES = {
    "xxh3_128": Hash("xxh3_128", 16, xxhash.xxh3_128_digest, xxhash.xxh3_128),
    "sha256": Hash("sha256", 32, _sha256, hashlib.sha256),
}


def store_hash(name: str) -> Hash:
    """Find a hash by the name that FORMAT holds.

    Raises: UsageError for a name that this version does not know.
    """
    if name not in HASHES:
        raise UsageError(f"unknown hash {name!r}", f"choose one of: {', '.join(HASHES)}")
    return HASHES[name]


def checksum(*parts: Buffer) -> bytes:
    """Eight bytes, little-endian xxh3_64 of the parts one after another: finds rot, resists nobody."""
    hasher = xxhash.xxh3_64()
    for part in parts:
        hasher.update(part)
    return hasher.intdigest().to_bytes(8, "little")
