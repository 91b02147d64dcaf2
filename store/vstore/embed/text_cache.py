"""The cache of text vectors: a text that was searched for before needs no model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from vstore.disk.cache import read_cache, write_cache

if TYPE_CHECKING:
    from vstore.embed.embedder import Floats
    from vstore.format.recipes import Recipe


def text_name(space: str, recipe: Recipe, text: str) -> str:
    """Name the vector of a text in a space: another tokenizer makes other vectors."""
    side = recipe.get("text")
    tokenizer = side.get("tokenizer", []) if isinstance(side, Mapping) else []  # a plug-in writes what it likes
    named = " ".join([space, *tokenizer, text])
    return "text-" + hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def cached_text(cache: Path, name: str, dim: int) -> Floats | None:
    """Read the vector of a text by its name: float32 (dim,), or None if it is unknown or damaged."""
    import numpy as np

    content = read_cache(cache, name, 4 * dim)
    if content is None or len(content) != 4 * dim:
        return None
    return np.frombuffer(content, "<f4").astype(np.float32)


def cache_text(cache: Path, name: str, vector: Floats) -> None:
    """Remember the vector of a text, of a proved model; in a read-only store nothing is written."""
    write_cache(cache, name, vector.astype("<f4").tobytes())
