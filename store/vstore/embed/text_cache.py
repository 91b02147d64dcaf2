"""Vectors of texts that were searched for before, kept in the store's cache: a large model is not loaded for them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from vstore.disk import durable
from vstore.format.hashing import checksum

if TYPE_CHECKING:
    from vstore.embed.embedder import Floats


def cached_text(cache: Path, space: str, text: str, dim: int) -> Floats | None:
    """The vector of a text in a space: float32 (dim,), or None where it is not known or does not prove itself."""
    import numpy as np

    name = _name(space, text)
    try:
        data = durable.read(cache / name)
    except OSError:
        return None
    if data[:8] != checksum(name.encode(), data[8:]) or len(data) != 8 + 4 * dim:
        return None
    return np.frombuffer(data, "<f4", offset=8).astype(np.float32)


def cache_text(cache: Path, space: str, text: str, vector: Floats) -> None:
    """Keep the vector of a text; where the store is read-only it is computed again next time."""
    name = _name(space, text)
    body = vector.astype("<f4").tobytes()
    durable.write_cache(cache / name, checksum(name.encode(), body) + body)


def _name(space: str, text: str) -> str:
    return "text-" + hashlib.sha256(f"{space} {text}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
