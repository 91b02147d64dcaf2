"""Turned and mirrored pictures: rows of the picture, moved about; all turns are compared at once."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from vstore.embed.builtin import RECIPES, BuiltinEmbedder, colour, describe, edges, light
from vstore.pictures.preparation import preparation_of
from vstore.search.turned import TURNS, best_of_turns, has_turns, parted, turned

_PILLOW = Image.Transpose
# By number of TURNS: transposed or not, then mirrored left-right, then top-bottom.
_DONE = (
    None,
    _PILLOW.FLIP_LEFT_RIGHT,
    _PILLOW.FLIP_TOP_BOTTOM,
    _PILLOW.ROTATE_180,
    _PILLOW.TRANSPOSE,
    _PILLOW.ROTATE_270,
    _PILLOW.ROTATE_90,
    _PILLOW.TRANSVERSE,
)


def drawn(seed: int, size: tuple[int, int] = (64, 64)) -> Image.Image:
    """Draw soft colours with sharp noise over them, unlike under each turn."""
    random = np.random.default_rng(seed)
    soft = Image.fromarray(random.integers(0, 256, (5, 5, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)
    noise = random.integers(-40, 40, (size[1], size[0], 3))
    return Image.fromarray(np.clip(np.asarray(soft).astype(int) + noise, 0, 255).astype(np.uint8))


def moved(array: np.ndarray, turn: int) -> np.ndarray:
    """Turn a map (down, across, …) as TURNS says."""
    array = array.swapaxes(0, 1) if turn & 4 else array
    array = array[:, ::-1] if turn & 1 else array
    return np.ascontiguousarray(array[::-1] if turn & 2 else array)


def unit_rows(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, 333))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("turn", range(8))
def test_the_parts_of_a_row_are_moved_as_the_maps_that_they_describe(turn: int) -> None:
    grey, chroma = (
        np.random.default_rng(seed).uniform(0, 255, shape) for seed, shape in ((1, (64, 64)), (2, (64, 64, 2)))
    )
    grey, chroma = np.rint(grey), np.rint(chroma) - 128  # as pixels are, which makes the sums of edges exact
    ends = [0.07, 0.1]
    row = np.concatenate([edges(grey), light(grey), colour(chroma), ends])
    other = moved(grey, turn)
    expected = np.concatenate([edges(other), light(other), colour(moved(chroma, turn)), ends])
    assert np.abs(turned(row[None], turn)[0] - expected).max() < 1e-12


@pytest.mark.parametrize("turn", range(8))
@pytest.mark.parametrize("size", [(64, 64), (320, 240), (333, 517)])
def test_the_row_of_a_turned_picture_is_the_row_of_the_picture_turned(turn: int, size: tuple[int, int]) -> None:
    picture = drawn(3, size)
    done = picture if _DONE[turn] is None else picture.transpose(_DONE[turn])
    row, of_turned = describe(picture), describe(done)
    assert turned(row[None], turn)[0] @ of_turned > 0.9995  # resizing rounds pixels
    others = [t for t in range(8) if t != turn]
    assert max(turned(row[None], other)[0] @ of_turned for other in others) < 0.9


def test_the_turns_are_a_group() -> None:
    row = unit_rows(1)
    found = {turned(turned(row, one), other).tobytes() for one in range(8) for other in range(8)}
    assert found == {turned(row, turn).tobytes() for turn in range(8)}
    assert len(found) == len(TURNS) == 8


def test_one_product_by_parity_gives_the_best_of_all_turns() -> None:
    some, others = unit_rows(40, 1), unit_rows(70, 2)
    others[:8] = np.concatenate([turned(some[turn : turn + 1], turn) for turn in range(8)])
    expected = np.max([some @ turned(others, turn).T for turn in range(8)], axis=0)
    found = best_of_turns(parted(some.astype(np.float32)), parted(others.astype(np.float32)))
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < 1e-6
    assert np.abs(np.diagonal(found)[:8] - 1).max() < 1e-6


def turn_scores(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Compare pairs of pictures, the second of each in each turn, by their rows as they are."""
    return np.stack([(some * turned(others, turn)).sum(axis=1) for turn in range(len(TURNS))], axis=1)


def test_exact_scores_say_which_turn_it_is_and_do_not_depend_on_their_batch() -> None:
    some, others = unit_rows(20, 3), unit_rows(20, 4)
    others[:8] = np.concatenate([turned(some[turn : turn + 1], turn) for turn in range(8)])
    scores = turn_scores(some, others)
    inverse = [0, 1, 2, 3, 4, 6, 5, 7]  # a quarter turn is undone by the other one
    assert scores[:8].argmax(axis=1).tolist() == inverse
    alone = np.concatenate([turn_scores(some[at : at + 1], others[at : at + 1]) for at in range(20)])
    assert scores.tobytes() == alone.tobytes()


def test_both_built_in_spaces_have_turns_and_others_have_not() -> None:
    assert all(has_turns(recipe) for recipe in RECIPES.values())
    assert has_turns({**RECIPES[2], "prepare": {**RECIPES[2]["prepare"], "max_side": 256}})
    assert not has_turns({**RECIPES[2], "version": 3})
    assert not has_turns({"family": "clip", "version": 1, "dim": 333})


def test_a_photograph_is_found_turned_after_it_was_prepared() -> None:
    """Preparation resizes, and so rounds, before the row is computed."""
    from vstore.pictures.in_memory import prepare_picture

    picture = drawn(9, (1200, 700))
    embedder = BuiltinEmbedder()
    ready = [picture if done is None else picture.transpose(done) for done in _DONE]
    rows = embedder.embed_images([prepare_picture(one, preparation_of(embedder.recipe)) for one in ready])
    scores = best_of_turns(parted(rows[:1]), parted(rows))
    assert scores.min() > 0.999
