"""An embedder for tests, of vstore and of programs built on it: it costs nothing and counts its calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vstore.pictures.preparation import preparation_1

if TYPE_CHECKING:
    from PIL.Image import Image

    from vstore.embed.embedder import Floats
    from vstore.format.recipes import Recipe


class FakeEmbedder:
    """An embedder that makes a vector from a digest of the pixels. Equal pictures get equal vectors.

    calls:    the number of batches embedded.
    embedded: the number of pictures embedded.
    """

    def __init__(self, name: str = "fake-1", dim: int = 8) -> None:
        self.recipe: Recipe = {"family": "fake", "name": name, "dim": dim, "prepare": preparation_1(512)}
        self.dim = dim
        self.calls = 0
        self.embedded = 0

    def embed_images(self, pictures: Sequence[Image]) -> Floats:
        import numpy as np

        self.calls += 1
        self.embedded += len(pictures)
        rows = np.zeros((len(pictures), self.dim), dtype=np.float32)
        for row, picture in zip(rows, pictures, strict=True):
            row[:] = self.of(picture)
        return rows

    def of(self, picture: Image) -> Floats:
        """Compute the vector of one prepared picture: float32 (dim,), L2 norm 1."""
        import hashlib

        import numpy as np

        what = f"{self.recipe['name']} {picture.size}".encode() + picture.tobytes()
        seed = int.from_bytes(hashlib.sha256(what).digest()[:8], "little")
        row = np.random.default_rng(seed).standard_normal(self.dim).astype(np.float32)
        unit: Floats = row / np.linalg.norm(row)
        return unit
