"""The cache of text vectors: a text that was searched for before needs no model."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from vstore.disk.cache import read_cache, write_cache

if TYPE_CHECKING:
    from vstore.embed.embedder import Floats


def cached_text(cache: Path, space: str, text: str, dim: int) -> Floats | None:
    """Read the vector of a text in a space: float32 (dim,), or None if it is unknown or damaged."""
    import numpy as np

    content = read_cache(cache, _name(space, text))
    if content is None or len(content) != 4 * dim:
        return None
    return np.frombuffer(content, "<f4").astype(np.float32)


def cache_text(cache: Path, space: str, text: str, vector: Floats) -> None:
    """Remember the vector of a text; in a read-only store nothing is written."""
    write_cache(cache, _name(space, text), vector.astype("<f4").tobytes())


def _name(space: str, text: str) -> str:
    return "text-" + hashlib.sha256(f"{space} {text}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
