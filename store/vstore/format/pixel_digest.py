"""The digest of prepared pixels: equal ones give equal vectors, whatever bytes they were decoded from. Pure."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from vstore.format.canonical import Document, canonical
from vstore.format.hashing import Hash

if TYPE_CHECKING:
    from typing_extensions import Buffer

_SIZE = struct.Struct("<II")


def pixel_digest(hash: Hash, preparation: Document, size: tuple[int, int], pixels: Buffer) -> bytes:
    """Digest prepared pixels.

    preparation: the object `prepare` of a recipe.
    size:        width and height.
    pixels:      three bytes each, row by row.
    """
    hasher = hash.new()
    hasher.update(canonical(preparation) + b"\nRGB" + _SIZE.pack(*size))
    hasher.update(pixels)
    digest: bytes = hasher.digest()
    return digest
