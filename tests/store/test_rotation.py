"""The rotation of vectors: it keeps cosines, and it is the same everywhere."""

from __future__ import annotations

import numpy as np
import pytest

from vstore.approximate.rotation import rotated


def unit(rows: int, dim: int) -> np.ndarray:
    made = np.random.default_rng(dim).standard_normal((rows, dim)).astype(np.float32)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


@pytest.mark.parametrize("dim", [1, 3, 16, 100, 768])
def test_norms_and_cosines_stay_and_the_rows_do_too(dim: int) -> None:
    rows = unit(300, dim)
    before = rows.copy()
    turned = rotated(rows)
    np.testing.assert_array_equal(rows, before)
    np.testing.assert_allclose(turned @ turned.T, rows @ rows.T, atol=1e-5)


@pytest.mark.parametrize("dim", [16, 768])
def test_a_row_is_turned_alike_alone_and_among_others(dim: int) -> None:
    rows = unit(300, dim)
    every = rotated(rows)
    for at in (0, 127, 128, 299):
        np.testing.assert_array_equal(rotated(rows[at : at + 1]), every[at : at + 1])
    assert rotated(rows[:0]).shape == (0, dim)


def test_the_rotation_is_the_same_for_ever() -> None:
    """Codes that were written with another one would be of no use."""
    row = np.zeros((1, 6), np.float32)
    row[0, 2] = 1
    assert rotated(row).tolist() == [[0.5, 0.5, 0.5, 0, 0.5, 0]]
