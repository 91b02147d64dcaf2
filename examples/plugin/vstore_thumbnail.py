"""An embedder of one's own, in forty lines: a picture's thumbnail is its vector. Equal thumbnails, cosine 1.

vstore finds it by the entry point in pyproject.toml, and asks it for two things: `describe` says what decides a vector,
`load` makes the embedder. After `pip install ./examples/plugin`:

    vstore init --model thumbnail:8
    vstore sync pictures/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

MAX_SIDE = 512
sees_pixels_alone = True  # no file, no path, no clock: pictures whose metadata was edited keep their vectors


def describe(words: Any) -> dict[str, Any]:
    """The recipe: plain JSON of all that decides a vector, and nothing else. Its sha256 is the identity of the space,
    so another side is another space. words.model is what --model said; words.max_side, prompt and so on likewise."""
    side = int(words.model.partition(":")[2] or 8)
    # `text: None` says that there is no text side, so that a search for words is refused before anything is loaded.
    # `prepare` is what vstore itself does before: it fits pictures into max_side, upright, in RGB.
    return {
        "family": "thumbnail",
        "version": 1,
        "side": side,
        "dim": 3 * side * side + 1,
        "text": None,
        "prepare": {"max_side": words.max_side or MAX_SIDE},
    }


def load(recipe: dict[str, Any], words: Any, settings: Any) -> Thumbnail:
    """The embedder. settings.device and settings.batch_size say how it should run, where that means anything."""
    return Thumbnail(recipe)


class Thumbnail:
    """recipe and dim as described; an `embed_texts` beside `embed_images` would be a text side."""

    def __init__(self, recipe: dict[str, Any]) -> None:
        self.recipe = recipe
        self.dim: int = recipe["dim"]
        # Versions that might matter: vstore names them when a probe picture's vector drifts.
        self.environment = {"numpy": np.__version__}

    def embed_images(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        """float32 (n, dim), rows of L2 norm 1, the same whatever the batch; NaN for what cannot be embedded."""
        rows = np.empty((len(pictures), self.dim), np.float32)
        side = self.recipe["side"]
        for row, picture in zip(rows, pictures, strict=True):
            pixels = np.asarray(picture.resize((side, side), Image.Resampling.BOX), np.float64) / 255 - 0.5
            vector = np.append(pixels.ravel(), 0.1)  # the constant keeps a grey picture from having no direction
            row[:] = vector / np.linalg.norm(vector)
        return rows
