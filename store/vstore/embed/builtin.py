"""The built-in embedder: a picture's colour layout, edges and coarse frequencies, by numpy and Pillow alone.

It finds look-alikes and near-duplicates with no download, no model and no GPU; it does not know what a picture shows.
FORMAT.md describes `builtin-1` and `builtin-2` exactly: the same numbers, of pictures prepared by policy 1 and 2. A
published version never changes: another value is another version.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from vstore.errors import ModelError
from vstore.pictures.preparation import NEWEST, preparation_1, preparation_2

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image

    from vstore.embed.embedder import Floats
    from vstore.format.recipes import Recipe

    Doubles = npt.NDArray[np.float64]

# Every number here is part of the version `builtin-1`. They were chosen with benchmarks/bench_builtin_quality.py.
SIDE = 64  # a picture is described at 64 × 64, whatever its shape
GRID = 16  # and its maps are pooled to 16 × 16 before the cosine transform
BORDER_SHARE = 0.1  # at most this share of a side counts as border
BORDER_RANGE = 16  # grey levels within one line of a border
EDGE_WAVES, LIGHT_WAVES, COLOUR_WAVES = 6, 8, 4  # frequencies kept, in half waves across the picture
EDGE_MEAN = 0.5  # weight of the edges' lowest coefficients: how much of which direction, wherever it is
EDGE_FLOOR = 4.0  # grey levels over two pixels: a gradient below is mostly noise
EDGE_SOFTNESS = 0.75  # in mean gradients: above it, stronger edges hardly count for more
LIGHT_SOFTNESS = 1.5  # in standard deviations: beyond it, darker and lighter hardly count for more
COLOUR_SOFTNESS = 30.0  # in levels of Cb and Cr
COLOUR_DECAY = 0.3  # of the weights of finer colour, per half wave
LIGHT_WEIGHT, COLOUR_WEIGHT, BRIGHTNESS_WEIGHT, CONSTANT = 0.5, 1.0, 0.1, 0.1  # beside 1 for the edges
FLOOR = 0.7  # norm of a block of coefficients: photographs have 2 to 6, noise on a plain wall 0.2
RIM = 0.5  # what lies at the rim counts half: crops, turns and borders change it first

RECIPES: dict[int, Recipe] = {
    policy: {"family": "builtin", "name": f"builtin-{policy}", "version": policy, "dim": 333, "prepare": prepare}
    for policy, prepare in ((1, preparation_1()), (2, preparation_2()))
}
DEFAULT_RECIPE = RECIPES[NEWEST]


class BuiltinEmbedder:
    """An embedder that describes each picture by itself: neither batch nor order changes a single bit."""

    def __init__(self, recipe: Recipe | None = None) -> None:
        """Take the newest recipe, or the given one.

        Raises: ModelError if this version of vstore cannot compute the vectors of that recipe.
        """
        self.recipe: Recipe = dict(DEFAULT_RECIPE if recipe is None else recipe)
        if not is_builtin(self.recipe):
            names = " and ".join(str(one["name"]) for one in RECIPES.values())
            raise ModelError(
                f"this version of vstore has no built-in embedder {self.recipe.get('name')!r} with that recipe",
                f"it has {names}; install the version of vstore that made the space",
            )
        self.dim: int = DEFAULT_RECIPE["dim"]

    def embed_images(self, pictures: Sequence[Image]) -> Floats:
        """Embed prepared pictures: RGB, upright, at most 512 px a side, of any shape from 1 × 1 on.

        Returns: float32 (n, 333), rows of L2 norm 1; the inner product of two rows is their likeness.
        """
        import numpy as np

        rows = np.empty((len(pictures), self.dim), dtype=np.float32)
        for row, picture in zip(rows, pictures, strict=True):
            row[:] = describe(picture)
        return rows


def describe(picture: Image) -> Doubles:
    """Describe one picture by its edges, its light, its colours, its brightness and a constant.

    Returns: float64 (333,), L2 norm 1. The constant keeps the norm above 0, and a plain picture has a vector too.
    """
    import numpy as np
    from PIL import Image as Pillow

    picture = picture if picture.mode == "RGB" else picture.convert("RGB")
    picture = without_border(picture)
    small = picture.resize((SIDE, SIDE), Pillow.Resampling.BILINEAR).convert("YCbCr")
    planes = np.asarray(small).astype(np.float64)
    grey = planes[:, :, 0]
    vector = np.concatenate(
        [
            edges(grey),
            LIGHT_WEIGHT * light(grey),
            COLOUR_WEIGHT * colour(planes[:, :, 1:] - 128),
            [BRIGHTNESS_WEIGHT * (2 * grey.mean() / 255 - 1), CONSTANT],
        ]
    )
    unit: Doubles = vector / math.sqrt(np.sum(vector * vector))
    return unit


def without_border(picture: Image) -> Image:
    """Cut off flat lines at the four sides, at most a tenth of a side each: frames, letterboxes, paper margins.

    At most a tenth: the end of a flat sky is chance, and the loss must not exceed that of a small crop.
    """
    import numpy as np

    grey = np.asarray(picture.convert("L"))
    height, width = grey.shape
    tall, wide = int(height * BORDER_SHARE), int(width * BORDER_SHARE)
    top = bottom = left = right = 0
    # Twice: a margin within a frame is flat only after the frame is gone.
    for _ in range(2):
        before, after = _flat_lines(grey[top : height - bottom, left : width - right], 1)
        top, bottom = min(top + before, tall), min(bottom + after, tall)
        before, after = _flat_lines(grey[top : height - bottom, left : width - right], 0)
        left, right = min(left + before, wide), min(right + after, wide)
    if not (top or bottom or left or right):
        return picture
    return picture.crop((left, top, width - right, height - bottom))


def edges(grey: Doubles) -> Doubles:
    """Describe the edges by place and direction: eight directions, with soft bins and soft magnitudes.

    grey:    float64 (64, 64), 0 to 255.
    Returns: float64 (248,), L2 norm at most 1.
    Source:  oriented gradients of Dalal & Triggs 2005 (HOG), pooled over the picture by smooth waves, as the
             spatial envelope of Oliva & Torralba 2001 (GIST) is by cells.
    """
    import numpy as np

    across, down = np.zeros_like(grey), np.zeros_like(grey)
    across[1:-1, 1:-1] = grey[1:-1, 2:] - grey[1:-1, :-2]
    down[1:-1, 1:-1] = grey[2:, 1:-1] - grey[:-2, 1:-1]
    square = across * across + down * down
    magnitude = np.sqrt(square)
    # |cos|³ of the angle between gradient and direction, times a magnitude that levels off: a white box, a caption
    # or a lamp must not outweigh the rest. Gradients are whole numbers, so 1 is the least square but 0.
    soft = np.sqrt(square + (EDGE_SOFTNESS * magnitude.mean()) ** 2 + EDGE_FLOOR**2)
    along = np.maximum(_directions()[:, :1, None] * across + _directions()[:, 1:, None] * down, 0)
    maps = _pooled(along * along * along / (np.maximum(square, 1) * soft))
    waves = _waves(maps - maps.mean(), EDGE_WAVES)
    waves[:, 0] *= EDGE_MEAN
    return _bounded(waves.ravel())


def light(grey: Doubles) -> Doubles:
    """Describe dark and light places, relative to the picture's own mean and contrast.

    grey:    float64 (64, 64), 0 to 255.
    Returns: float64 (53,), L2 norm at most 1.
    Source:  low frequencies of the cosine transform, as in pHash, but by value and not by sign.
    """
    import numpy as np

    level = grey - grey.mean()
    level = level / (LIGHT_SOFTNESS * math.sqrt(np.mean(level * level) + 4))
    level = _pooled((level / np.sqrt(1 + level * level))[None])
    return _bounded(_waves(level - level.mean(), LIGHT_WAVES).ravel()[1:])


def colour(chroma: Doubles) -> Doubles:
    """Describe the colours by place, coarsely; zeros for a grey picture.

    chroma:  float64 (64, 64, 2), Cb and Cr about 0.
    Returns: float64 (30,), L2 norm at most 1.
    Source:  the colour layout descriptor of MPEG-7 (ISO/IEC 15938-3).
    """
    import numpy as np

    maps = _pooled(chroma.transpose(2, 0, 1))
    maps = maps / np.sqrt(COLOUR_SOFTNESS**2 + np.sum(maps * maps, axis=0))
    decay = np.array([math.exp(-COLOUR_DECAY * math.hypot(u, v)) for u, v in waves_kept(COLOUR_WAVES)])
    waves: Doubles = (_waves(maps, COLOUR_WAVES) * decay / GRID).ravel()
    return waves


@cache
def waves_kept(waves: int) -> list[tuple[int, int]]:
    """List the frequencies (down, across) within a quarter of a circle, row by row."""
    reach = (waves - 0.3) ** 2
    return [(u, v) for u in range(waves) for v in range(waves) if u * u + v * v < reach]


def is_builtin(recipe: Recipe) -> bool:
    """Tell whether a recipe is of vectors as this module computes them, however pictures are prepared."""
    return _identity(recipe) in map(_identity, RECIPES.values())


def _identity(recipe: Recipe) -> dict[str, Any]:
    """Take the part of a recipe that the descriptor depends on: all but the preparation of pictures."""
    return {word: value for word, value in recipe.items() if word != "prepare"}


def _flat_lines(grey: npt.NDArray[np.uint8], axis: int) -> tuple[int, int]:
    """Count the lines of a single grey level at the beginning and at the end; none where all lines are such."""
    flat = grey.max(axis) - grey.min(axis) <= BORDER_RANGE
    if flat.all():
        return 0, 0
    return int(flat.argmin()), int(flat[::-1].argmin())


def _pooled(maps: Doubles) -> Doubles:
    """Average squares of 4 × 4: float64 (n, 64, 64) to (n, 16, 16). In a fixed order, so that every machine agrees."""
    import numpy as np

    step = SIDE // GRID
    rows = np.sum(maps.reshape(-1, GRID, step, SIDE), axis=2)
    pooled: Doubles = np.sum(rows.reshape(-1, GRID, GRID, step), axis=3) / step**2
    return pooled


def _waves(maps: Doubles, waves: int) -> Doubles:
    """Compute the low frequencies of tapered maps by the 2-D cosine transform: (n, 16, 16) to (n, kept)."""
    import numpy as np

    basis = _basis(waves)
    tall = np.sum(basis[:, :, None] * maps[:, None], axis=2)
    both = np.sum(basis.T[:, :, None] * tall.transpose(0, 2, 1)[:, :, None], axis=1)
    kept: Doubles = both[:, [v for _, v in waves_kept(waves)], [u for u, _ in waves_kept(waves)]]
    return kept


def _bounded(values: Doubles) -> Doubles:
    """Bring the norm n to n² / (n² + FLOOR²): near 1 for any structure, near 0 for the noise on a plain wall."""
    import numpy as np

    square = np.sum(values * values)
    bounded: Doubles = values * (math.sqrt(square) / (square + FLOOR**2))
    return bounded


@cache
def _basis(waves: int) -> Doubles:
    """Compute the orthonormal DCT-II over 16 cells, times a taper that falls towards the rim: float64 (waves, 16)."""
    import numpy as np

    rows = np.empty((waves, GRID))
    for u in range(waves):
        for x in range(GRID):
            taper = 1 - RIM * abs((2 * x + 1) / GRID - 1) ** 4
            scale = math.sqrt((2 if u else 1) / GRID)
            rows[u, x] = taper * scale * math.cos(math.pi * u * (2 * x + 1) / (2 * GRID))
    rows.setflags(write=False)
    return rows


@cache
def _directions() -> Doubles:
    """Compute eight unit vectors, 45 degrees apart: float64 (8, 2), across and down."""
    import numpy as np

    half = math.sqrt(0.5)
    out = np.array(
        [(1, 0), (half, half), (0, 1), (-half, half), (-1, 0), (-half, -half), (0, -1), (half, -half)], np.float64
    )
    out.setflags(write=False)
    return out
