"""Searches that leave out what is there by chance: `min_p`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.builder import RECIPE, Builder, Floats, key, unit_vectors

from vstore.embed.builtin import RECIPES
from vstore.errors import UsageError
from vstore.repository.repository import Repository
from vstore.search.open_snapshot import OpenSnapshot
from vstore.search.operand import Operand
from vstore.search.report import SearchReport
from vstore.search.search import search
from vstore.store import Store
from vstore.testing import FakeEmbedder

DIM = 64
MODEL: dict[str, Any] = {**RECIPE, "dim": DIM, "text": {"tokenizer": []}}
COUNT = 300


class TextEmbedder(FakeEmbedder):
    """A fake with a text side: a text is the number of the axis that it means."""

    def embed_texts(self, texts: Sequence[str]) -> Floats:
        return np.eye(self.dim, dtype=np.float32)[[int(text) for text in texts]]


def near(row: Floats, by: float, seed: int) -> Floats:
    other = row + by * unit_vectors(1, len(row), seed=seed)[0]
    return np.asarray(other / np.linalg.norm(other), np.float32)


def built(folder: Path, rows: Floats, recipe: Any = MODEL) -> Repository:
    builder = Builder(folder / ".vstore", recipe=recipe)
    builder.add_pictures({b"r/%d.png" % number: (key(number), row) for number, row in enumerate(rows)})
    return builder.repo


@pytest.fixture
def rows() -> Floats:
    """Draw unrelated pictures, 1 to 3 of them related to 0, and 10 to 19 about axis 5."""
    rows = unit_vectors(COUNT, DIM)
    for number, by in ((1, 0.5), (2, 1.0), (3, 1.2)):
        rows[number] = near(rows[0], by, 50 + number)
    for number in range(10, 20):
        rows[number, 5] += 1.2
        rows[number] /= np.linalg.norm(rows[number])
    return rows


@pytest.fixture
def repo(tmp_path: Path, rows: Floats) -> Repository:
    return built(tmp_path, rows)


def asked(repo: Repository, *operands: Operand, **options: Any) -> SearchReport:
    fresh = Repository(repo.layout.folder)
    return search(fresh, list(operands), load_embedder=lambda recipe: TextEmbedder(dim=DIM), **options)


def numbers(report: SearchReport) -> set[int]:
    of = {key(number): number for number in range(COUNT)}
    return {of[hit.key] for hit in report}


def test_a_picture_finds_what_unrelated_pairs_do_not_score_as_high_as(repo: Repository) -> None:
    report = asked(repo, Operand(1.0, key=key(0)), k=COUNT, min_p=0.0005)
    assert numbers(report) == {0, 1, 2, 3}
    background = OpenSnapshot(repo, "current").background(repo).pairs
    assert background is not None and report.least == background.score(0.0005)
    assert [hit.chance for hit in report] == [background.chance(hit.score) for hit in report]
    every = asked(repo, Operand(1.0, key=key(0)), k=COUNT)
    assert (every.least, every[0].chance, len(every)) == (None, None, COUNT)
    assert [hit.key for hit in report] == [hit.key for hit in every if hit.score >= report.least]


def test_a_larger_share_lets_more_in(repo: Repository) -> None:
    found = [asked(repo, Operand(1.0, key=key(0)), k=COUNT, min_p=share) for share in (1e-9, 1e-4, 0.01, 0.2, 0.9)]
    counts = [len(report) for report in found]
    assert counts == sorted(counts) and counts[0] < 4 < counts[-1]
    assert 0.1 * COUNT < counts[3] < 0.3 * COUNT and 0.8 * COUNT < counts[4] <= COUNT


def test_a_text_is_held_against_what_it_is_not_about(repo: Repository) -> None:
    about = asked(repo, Operand(1.0, text="5"), k=COUNT, min_p=0.0005)
    assert numbers(about) == set(range(10, 20))
    assert all(hit.chance is not None and hit.chance < 0.0005 for hit in about)


def test_where_nothing_is_relevant_nothing_is_found(repo: Repository) -> None:
    nothing = asked(repo, Operand(1.0, text="40"), k=COUNT, min_p=0.0001)
    assert nothing.hits == () and nothing.least is not None
    assert nothing.to_json()["least"] == round(nothing.least, 6)
    assert len(asked(repo, Operand(1.0, text="40"))) == 10


@pytest.mark.parametrize(
    "operands",
    [
        [Operand(1.0, key=key(10)), Operand(1.0, key=key(11))],
        [Operand(-1.0, key=key(0))],
        [Operand(1.0, vector=np.eye(DIM)[5])],
        [Operand(1.0, text="5"), Operand(-0.5, key=key(200))],
    ],
)
def test_other_queries_than_one_picture_have_backgrounds_of_their_own(
    repo: Repository, rows: Floats, operands: list[Operand]
) -> None:
    report = asked(repo, *operands, k=COUNT, min_p=0.01)
    one = asked(repo, Operand(1.0, key=key(0)), min_p=0.01)
    assert report.least is not None and report.least != one.least
    assert all(hit.chance is not None and hit.chance <= 0.01 for hit in report)
    rest = [hit for hit in asked(repo, *operands, k=COUNT) if hit.score < report.least]
    assert len(rest) + len(report) == COUNT


def test_the_higher_of_both_scores_holds(repo: Repository) -> None:
    one = Operand(1.0, key=key(0))
    assert numbers(asked(repo, one, min_p=0.0005, min_score=0.99)) == {0}
    assert numbers(asked(repo, one, min_p=0.0005, min_score=-1)) == {0, 1, 2, 3}


def test_a_part_of_a_snapshot_has_the_background_of_all(repo: Repository) -> None:
    one = Operand(1.0, key=key(0))
    part = asked(repo, one, k=COUNT, min_p=0.01, under="r/2.png")
    assert numbers(part) == {2} and part.least == asked(repo, one, min_p=0.01).least
    assert asked(repo, one, min_p=1e-6, under="r/200.png").hits == ()


def test_a_view_answers_as_the_store_does(repo: Repository) -> None:
    with Store(repo.layout.folder) as store, store.view() as view:
        for _ in range(2):
            assert view.search(key(0), min_p=0.001) == store.search(key(0), min_p=0.001)
        with pytest.raises(UsageError, match="min-p"):
            view.search(key(0), min_p=0)


@pytest.mark.parametrize("share", [0, 1, -0.1, float("nan"), "much", [], 10**400])
def test_only_shares_between_0_and_1_are_taken(repo: Repository, share: Any) -> None:
    with pytest.raises(UsageError, match=r"is not a valid --min-p; give a share above 0, below 1: 0\.001"):
        asked(repo, Operand(1.0, key=key(0)), min_p=share)


def test_few_pictures_tell_nothing_of_a_model_space_and_photographs_tell_it_of_the_built_in_one(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "built-in").mkdir()
    few = built(tmp_path / "model", unit_vectors(20, DIM))
    with pytest.raises(UsageError, match=r"v1 has too few different pictures .*fewer than 50; leave out --min-p"):
        asked(few, Operand(1.0, key=key(0)), min_p=0.001)
    with pytest.raises(UsageError, match="fewer than 50"):
        asked(few, Operand(1.0, text="5"), min_p=0.001)
    own = built(tmp_path / "built-in", unit_vectors(20, 333), RECIPES[2])
    assert numbers(asked(own, Operand(1.0, key=key(0)), min_p=0.001)) == {0}
