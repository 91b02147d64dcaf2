"""How high unrelated pictures score: whatever copies are among them, and far beyond what a sample shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from vstore.search.calibration import FEWEST, PLAIN, TURNED, Calibration, of_pairs, of_query

Floats = npt.NDArray[np.float32]


def unrelated(count: int, dim: int = 64, seed: int = 0) -> Floats:
    rows = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def copied(rows: Floats, copies: int, seed: int = 1) -> Floats:
    """Put copies beside each row, a little changed, in any order."""
    random = np.random.default_rng(seed)
    many = np.repeat(rows, copies, axis=0)
    many = many + random.standard_normal(many.shape) * 0.02
    many = (many / np.linalg.norm(many, axis=1, keepdims=True)).astype(np.float32)
    return many[random.permutation(len(many))]


def calibrated(rows: Floats) -> Calibration:
    found = of_pairs(rows @ rows.T)
    assert found is not None
    return found


@pytest.mark.parametrize("dim", [16, 64, 256])
def test_a_share_is_that_of_other_unrelated_pairs(dim: int) -> None:
    found = calibrated(unrelated(1000, dim))
    others = unrelated(2000, dim, seed=5)
    scores = (others @ others.T)[np.triu_indices(2000, 1)]
    for share in (0.9, 0.5, 0.2, 0.1, 0.05):
        assert np.mean(scores >= found.score(share)) == pytest.approx(share, rel=0.15)
    # Tails of random rows fall faster than exponential ones: the share that is told is not too small.
    for share in (1e-2, 1e-3, 1e-4, 1e-5):
        assert np.mean(scores >= found.score(share)) <= share


@pytest.mark.parametrize("copies", [2, 5, 12])
def test_copies_do_not_change_what_unrelated_pairs_score(copies: int) -> None:
    rows = unrelated(160)
    clean, found = calibrated(rows), calibrated(copied(rows, copies))
    assert abs(found.pictures - clean.pictures) <= 2
    for share in (0.5, 0.1, 0.01, 1e-4, 1e-6):
        assert found.score(share) == pytest.approx(clean.score(share), abs=0.02)


def test_without_leaving_copies_out_the_tail_would_be_theirs() -> None:
    """The test above would prove nothing with fewer copies than the tail has pairs."""
    rows = copied(unrelated(160), 12)
    scores = (rows @ rows.T)[np.triu_indices(len(rows), 1)]
    assert np.quantile(scores, 0.999) > 0.9 > calibrated(rows).score(0.001)


def test_equal_pictures_are_one() -> None:
    rows = np.concatenate([unrelated(60), np.repeat(unrelated(1, seed=9), 500, axis=0)])
    found = calibrated(rows)
    assert found.pictures == 61


def test_share_and_score_are_inverse_and_fall_together() -> None:
    for found in (PLAIN, TURNED, calibrated(unrelated(100)), of_query(unrelated(200)[:, 0])):
        assert found is not None
        shares = [0.999, 0.9, 0.5, 0.3, 0.1, 0.05, 1e-2, 1e-4, 1e-6, 1e-9]
        scores = [found.score(share) for share in shares]
        assert scores == sorted(scores)
        assert [found.chance(score) for score in scores] == pytest.approx(shares, rel=1e-6)
        assert found.chance(-1) == 1
        assert 0 <= found.chance(1) < 1e-9


def test_too_few_different_pictures_say_nothing() -> None:
    rows = unrelated(FEWEST - 1)
    assert of_pairs(rows @ rows.T) is None
    many = copied(rows, 20)
    assert of_pairs(many @ many.T) is None
    assert of_query(rows[:, 0]) is None
    assert of_pairs(np.empty((0, 0), np.float32)) is None


def test_a_query_is_compared_with_what_it_is_not_about() -> None:
    """As many as one picture in twenty may be what a text means: the rest is its background."""
    random = np.random.default_rng(3)
    rest = random.normal(0.2, 0.025, 970)
    background = of_query(rest.astype(np.float32))
    found = of_query(np.concatenate([rest, random.normal(0.36, 0.02, 30)]).astype(np.float32))
    assert background is not None and found is not None
    assert found.score(0.001) == pytest.approx(background.score(0.001), abs=0.02)
    assert found.chance(0.36) < 1e-3 < found.chance(0.25)


@pytest.mark.parametrize("score", [0.0, 1.0, -1.0])
def test_scores_that_are_all_equal_are_no_tail(score: float) -> None:
    found: Any = of_query(np.full(100, score, np.float32))
    assert found.chance(score - 0.01 if score > -1 else -1) == 1
    assert 0 <= found.chance(min(1, score + 0.5)) <= 0.25
    assert -1 <= found.score(0.001) <= 1
