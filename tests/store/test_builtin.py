"""The built-in embedder: finds a picture again after what happens to pictures, and always says the same."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps
from support.embedder_suite import check_embedder, check_loads_again, pictures

from vstore.embed.builtin import DEFAULT_RECIPE, RECIPES, BuiltinEmbedder
from vstore.embed.load import load_embedder
from vstore.errors import ModelError
from vstore.format.recipes import space_id

Picture = Image.Image


def drawn(seed: int, size: tuple[int, int] = (320, 240)) -> Picture:
    """A horizon, clouds and a few things on it; the members of a four share the horizon and the light."""
    family, own = np.random.default_rng(seed // 4), np.random.default_rng(1000 + seed)
    sky, ground = family.integers(0, 256, (2, 3))
    horizon = family.uniform(0.3, 0.8) * size[1]
    pixels = np.where(np.arange(size[1])[:, None, None] < horizon, sky, ground) * np.ones((1, size[0], 1))
    for cells, strength in ((4, 30), (9, 20), (30, 12)):
        grid = Image.fromarray(own.standard_normal((cells, cells)).astype(np.float32))
        pixels += strength * np.asarray(grid.resize(size, Image.Resampling.BICUBIC))[:, :, None]
    picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for _ in range(8):
        x, y, r = own.uniform(0, size[0]), own.uniform(0, size[1]), own.uniform(8, 45)
        fill = tuple(int(value) for value in own.integers(0, 256, 3))
        shape = draw.ellipse if own.random() < 0.5 else draw.rectangle
        shape((x - r, y - r * own.uniform(0.4, 1), x + r, y + r * 0.7), fill=fill)
    return picture


def encoded(picture: Picture) -> Picture:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=30)
    return Image.open(buffer).convert("RGB")


def boxed(picture: Picture) -> Picture:
    out = picture.copy()
    ImageDraw.Draw(out).rectangle((90, 60, 90 + 55, 60 + 41), fill=(255, 255, 255))
    return out


def captioned(picture: Picture) -> Picture:
    out = picture.copy()
    ImageDraw.Draw(out).text((160, 120), "© EXAMPLE", (240, 240, 240), anchor="mm", font_size=30)
    return out


CHANGES: dict[str, Callable[[Picture], Picture]] = {
    "encoded again": encoded,
    "half size": lambda p: p.resize((160, 120)),
    "quarter size": lambda p: p.resize((80, 60)),
    "brighter": lambda p: ImageEnhance.Brightness(p).enhance(1.3),
    "darker": lambda p: ImageEnhance.Brightness(p).enhance(0.7),
    "more contrast": lambda p: ImageEnhance.Contrast(p).enhance(1.4),
    "less contrast": lambda p: ImageEnhance.Contrast(p).enhance(0.6),
    "grey": lambda p: p.convert("L").convert("RGB"),
    "blurred": lambda p: p.filter(ImageFilter.GaussianBlur(2)),
    "cropped 5 %": lambda p: p.crop((16, 12, 320, 240)),
    "cropped 10 %": lambda p: p.crop((0, 0, 288, 216)),
    "cropped 10 % on each side": lambda p: p.crop((32, 24, 288, 216)),
    "turned 3 degrees": lambda p: p.rotate(3, Image.Resampling.BICUBIC),
    "a white box on it": boxed,
    "a black border round it": lambda p: ImageOps.expand(p, (16, 12), 0),
    "a white border round it": lambda p: ImageOps.expand(p, (16, 12), (255, 255, 255)),
    "a caption on it": captioned,
}


@pytest.fixture(scope="module")
def stored() -> tuple[list[Picture], np.ndarray]:
    originals = [drawn(seed) for seed in range(60)]
    return originals, BuiltinEmbedder().embed_images(originals)


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_picture_is_nearest_to_its_original(change: str, stored: tuple[list[Picture], np.ndarray]) -> None:
    originals, vectors = stored
    scores = BuiltinEmbedder().embed_images([CHANGES[change](original) for original in originals]) @ vectors.T
    right = np.diagonal(scores).copy()
    np.fill_diagonal(scores, -1)
    lost = [number for number in range(len(originals)) if right[number] <= scores[number].max()]
    assert len(lost) <= 1, f"{change}: {lost}"
    assert np.median(right) > 0.6


def test_unrelated_pictures_are_far_apart(stored: tuple[list[Picture], np.ndarray]) -> None:
    _, vectors = stored
    scores = vectors[::4] @ vectors[::4].T
    assert np.median(scores[np.triu_indices(len(scores), 1)]) < 0.4


def test_keeps_to_what_every_embedder_keeps_to() -> None:
    check_embedder(BuiltinEmbedder())
    check_loads_again(BuiltinEmbedder())


def test_vectors_are_equal_to_the_bit_in_any_batch_order_and_thread() -> None:
    some = pictures()
    rows = BuiltinEmbedder().embed_images(some)
    with ThreadPoolExecutor(4) as pool:
        single = list(pool.map(lambda one: BuiltinEmbedder().embed_images([one])[0], some * 3))
    assert np.array_equal(np.stack(single), np.concatenate([rows] * 3))
    assert np.array_equal(BuiltinEmbedder().embed_images(some[::-1]), rows[::-1])


def test_the_published_version_says_what_it_always_said() -> None:
    down, across = np.mgrid[:150, :200]
    bands = [(across * 3 + down) % 256, (across * down // 40) % 256, (down * 5 - across) % 200]
    picture = Image.fromarray(np.stack(bands, axis=2).astype(np.uint8))
    vector = BuiltinEmbedder().embed_images([picture])[0]
    found = vector[[0, 1, 31, 100, 200, 247, 248, 260, 300, 301, 331, 332]]
    golden = np.array(
        [
            0.16637,
            0.18694,
            0.42625,
            -0.02747,
            -0.00727,
            0.01723,
            -0.13173,
            0.04245,
            -0.03437,
            -0.05278,
            -0.01542,
            0.08942,
        ]
    )
    assert np.abs(found - golden).max() < 1e-4


def test_plain_pictures_have_vectors_and_differ() -> None:
    colours = ((0, 0, 0), (255, 255, 255), (128, 128, 128), (255, 0, 0), (0, 0, 255))
    rows = BuiltinEmbedder().embed_images([Image.new("RGB", (30, 20), colour) for colour in colours])
    scores = rows @ rows.T
    assert np.allclose(np.diagonal(scores), 1, atol=1e-6)
    assert scores[~np.eye(len(colours), dtype=bool)].max() < 0.9
    assert scores[0, 1] < 0.1, "black and white"


def test_noise_on_a_plain_wall_is_no_structure() -> None:
    noise = np.random.default_rng(1).normal(128, 1.5, (300, 300, 3)).clip(0, 255).astype(np.uint8)
    wall, noisy, other = BuiltinEmbedder().embed_images(
        [Image.new("RGB", (300, 300), (128, 128, 128)), Image.fromarray(noise), drawn(1)]
    )
    assert wall @ noisy > 0.7
    assert wall @ other < 0.3


@pytest.mark.parametrize("size", [(1, 1), (512, 3), (3, 512), (512, 1), (1, 512), (9, 9), (512, 512)])
def test_any_shape_has_a_vector(size: tuple[int, int]) -> None:
    for picture in (Image.new("RGB", size), drawn(3).resize(size)):
        row = BuiltinEmbedder().embed_images([picture])[0]
        assert abs(np.linalg.norm(row) - 1) < 1e-6


def test_a_grey_mode_picture_is_taken_as_rgb() -> None:
    grey = drawn(5).convert("L")
    rows = BuiltinEmbedder().embed_images([grey, grey.convert("RGB")])
    assert np.array_equal(rows[0], rows[1])


def test_the_picture_given_is_left_as_it_was() -> None:
    picture = ImageOps.expand(drawn(6), 12, 0)
    before = picture.tobytes()
    BuiltinEmbedder().embed_images([picture])
    assert picture.tobytes() == before


def test_the_recipe_names_its_space_for_good() -> None:
    assert space_id(RECIPES[1]) == "63aae34f054a6ab579f76214d3f8dadc4f651d5d4b914ff13953bc50b95e0159"
    plain = {word: value for word, value in DEFAULT_RECIPE.items() if word != "prepare"}
    assert plain == {"family": "builtin", "name": "builtin-2", "version": 2, "dim": 333}
    assert space_id(BuiltinEmbedder().recipe) == space_id(DEFAULT_RECIPE)
    assert space_id(load_embedder(DEFAULT_RECIPE).recipe) == space_id(DEFAULT_RECIPE)


@pytest.mark.parametrize(
    "other", [{"name": "builtin-3"}, {"version": 1}, {"dim": 512}, {"family": "clip"}, {"whitened": True}]
)
def test_an_unknown_recipe_is_refused(other: dict[str, object]) -> None:
    with pytest.raises(ModelError, match="builtin-1 and builtin-2"):
        BuiltinEmbedder({**DEFAULT_RECIPE, **other})


def test_another_preparation_is_another_space_of_the_same_embedder() -> None:
    other = BuiltinEmbedder({**DEFAULT_RECIPE, "prepare": {"size": 256}})
    assert space_id(other.recipe) != space_id(DEFAULT_RECIPE)


def test_changing_the_recipe_given_changes_no_embedder() -> None:
    recipe = dict(DEFAULT_RECIPE)
    embedder = BuiltinEmbedder(recipe)
    recipe["name"] = "mine"
    assert embedder.recipe["name"] == "builtin-2"


def test_importing_and_making_one_loads_neither_numpy_nor_pillow() -> None:
    code = (
        "import sys; from vstore.embed.builtin import BuiltinEmbedder, DEFAULT_RECIPE; BuiltinEmbedder();"
        "print(sorted({'numpy', 'PIL', 'torch', 'faiss'} & set(sys.modules)))"
    )
    paths = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    ran = subprocess.run([sys.executable, "-c", code], env=paths, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
