"""One suite for all embedders, real or fake."""

from __future__ import annotations

import numpy as np
from PIL import Image

from vstore.embed.embedder import Embedder
from vstore.embed.load import load_embedder
from vstore.format.canonical import canonical

PLAIN = ((0, 0, 0), (255, 255, 255), (128, 128, 128), (200, 30, 30))


def pictures() -> list[Image.Image]:
    """Make sixteen prepared pictures of many shapes: drawn at random, plain, one pixel, one line."""
    random = np.random.default_rng(7)
    out = [Image.new("RGB", (40, 30), colour) for colour in PLAIN]
    out += [Image.new("RGB", (1, 1), (9, 90, 200)), Image.new("RGB", (512, 1), (9, 90, 20))]
    for width, height in ((512, 384), (384, 512), (64, 64), (300, 40), (3, 200), (2, 2), (17, 5), (224, 224), (100, 9)):
        coarse = Image.fromarray(random.integers(0, 256, (5, 6, 3), dtype=np.uint8))
        out.append(coarse.resize((width, height), Image.Resampling.BICUBIC))
    out.append(Image.fromarray(random.integers(0, 256, (90, 120, 3), dtype=np.uint8)))
    return out


def check_embedder(embedder: Embedder, tolerance: float = 1e-5, some: list[Image.Image] | None = None) -> None:
    """Assert what the store relies on.

    tolerance: the largest difference allowed between two equal values. some: pictures, where a model takes not all.
    """
    some = pictures() if some is None else some
    rows = embedder.embed_images(some)

    assert rows.dtype == np.float32
    assert rows.shape == (len(some), embedder.dim)
    assert np.isfinite(rows).all()
    assert np.abs(np.linalg.norm(rows, axis=1) - 1).max() < max(tolerance, 1e-5)
    assert embedder.recipe["dim"] == embedder.dim
    assert canonical(embedder.recipe)

    assert embedder.embed_images([]).shape == (0, embedder.dim)
    assert embedder.embed_images([]).dtype == np.float32

    assert close(embedder.embed_images(some), rows, tolerance), "the same pictures, other vectors"
    assert close(embedder.embed_images(some[::-1])[::-1], rows, tolerance), "the order of pictures plays a part"
    one_by_one = np.concatenate([embedder.embed_images([picture]) for picture in some])
    assert close(one_by_one, rows, tolerance), "the size of the batch plays a part"
    in_threes = np.concatenate([embedder.embed_images(some[i : i + 3]) for i in range(0, len(some), 3)])
    assert close(in_threes, rows, tolerance), "the size of the batch plays a part"


def check_loads_again(embedder: Embedder, tolerance: float = 1e-5) -> None:
    """Assert that the recipe alone brings the same embedder back."""
    some = pictures()
    again = load_embedder(embedder.recipe)
    assert canonical(again.recipe) == canonical(embedder.recipe)
    assert close(again.embed_images(some), embedder.embed_images(some), tolerance)


def close(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    return bool(np.abs(a - b).max() <= tolerance)
