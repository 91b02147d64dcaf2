"""Rows of an embedder: scaled where they are vectors, marked where they are not, refused in another shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from PIL.Image import Image

from vstore.embed.rows import require_width, unit_rows, usable
from vstore.errors import ModelError, UsageError
from vstore.repository.proof import embed_probes
from vstore.testing import FakeEmbedder


def test_rows_have_norm_1_whatever_their_length() -> None:
    rows = np.array([[3, 4], [1e-30, 0], [3e38, 3e38]], np.float32)
    unit = unit_rows(rows, 3, 2)
    assert unit.dtype == np.float32
    assert np.allclose(np.linalg.norm(unit, axis=1), 1)
    assert usable(unit).all()


@pytest.mark.parametrize("bad", [0, np.nan, np.inf, -np.inf])
def test_a_row_without_a_direction_is_marked_and_the_others_are_kept(bad: float) -> None:
    unit = unit_rows(np.array([[bad, 0], [0, 2]], np.float32), 2, 2)
    assert usable(unit).tolist() == [False, True]
    assert np.isnan(unit[0]).all()
    assert unit[1].tolist() == [0, 1]


@pytest.mark.parametrize("shape", [(2, 3), (2, 5)])
def test_rows_of_another_width_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(
        ModelError, match=rf"vectors of {shape[1]} numbers, its space has vectors of 4 numbers"
    ) as caught:
        unit_rows(np.ones(shape, np.float32), 2, 4)
    assert caught.value.next_step == "use the model that the space was made with"


@pytest.mark.parametrize("shape", [(1, 4), (3, 4), (8,), (2, 4, 1), ()])
def test_rows_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match="of the shape") as caught:
        unit_rows(np.ones(shape, np.float32), 2, 4)
    assert caught.value.next_step == "use the model that the space was made with"


def test_no_row_at_all_is_no_fault() -> None:
    assert unit_rows(np.empty((0, 4), np.float32), 0, 4).shape == (0, 4)


def test_the_same_width_is_accepted() -> None:
    require_width(24, 24)


def test_another_width_names_both() -> None:
    with pytest.raises(ModelError, match="gives vectors of 16 numbers, its space has vectors of 24 numbers") as caught:
        require_width(16, 24)
    assert caught.value.next_step == "use the model that the space was made with"


def test_an_index_is_named_in_place_of_a_space() -> None:
    with pytest.raises(UsageError, match=r"index\.faiss has vectors of 24 numbers") as caught:
        require_width(16, 24, "index.faiss", step="name another", error=UsageError)
    assert caught.value.next_step == "name another"


@pytest.mark.parametrize("harm", [lambda rows: rows[:, :4], lambda rows: rows[0]], ids=["narrow", "flat"])
def test_a_probe_of_another_width_makes_no_space(harm: Callable[[Any], Any]) -> None:
    class Odd(FakeEmbedder):
        def embed_images(self, pictures: Sequence[Image]) -> Any:
            return harm(super().embed_images(pictures))

    with pytest.raises(ModelError, match="the model g"):
        embed_probes(Odd(), ["tiny"])
    assert embed_probes(FakeEmbedder(), ["tiny"])["tiny"].shape == (8,)


@pytest.mark.parametrize("dtype", ["c8", "c16", "O", "S4", "U4", "m8[s]"])
def test_values_that_are_no_real_numbers_are_refused(dtype: str) -> None:
    """Complex numbers would lose a part without a word, and look like vectors."""
    with pytest.raises(ModelError, match="where real numbers belong"):
        unit_rows(np.ones((2, 4)).astype(dtype), 2, 4)
