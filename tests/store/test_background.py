"""The background of a snapshot, and the score from which its pictures look alike by default."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.builder import RECIPE, Builder, Floats, key, unit_vectors

from vstore.embed.builtin import RECIPES
from vstore.errors import UsageError
from vstore.repository.repository import Repository
from vstore.search.background import SAMPLE, Background, NearDefault, background_of
from vstore.search.calibration import PLAIN, TURNED
from vstore.search.dupes import dupes
from vstore.search.open_snapshot import OpenSnapshot
from vstore.search.turned import turned

MODEL = {**RECIPE, "dim": 64}


def pictures(rows: Floats, first: int = 0) -> dict[bytes, tuple[bytes, Floats]]:
    return {b"r/%d.png" % number: (key(number), row) for number, row in enumerate(rows, first)}


def built(folder: Path, rows: Floats) -> Builder:
    folder.mkdir(exist_ok=True)
    builder = Builder(folder / ".vstore", recipe=MODEL)
    builder.add_pictures(pictures(rows))
    return builder


def default(repo: Repository) -> NearDefault:
    report = dupes(Repository(repo.layout.folder), near="auto")
    assert report.near is not None and report.one_in is not None
    return NearDefault(report.near, report.one_in)


def test_every_space_has_a_default_that_unrelated_pairs_hardly_reach(tmp_path: Path) -> None:
    rows = unit_vectors(300, 64)
    found = default(built(tmp_path, rows).repo)
    others = unit_vectors(3000, 64, seed=7)
    reaching = np.mean((others @ others.T)[np.triu_indices(3000, 1)] >= found.score)
    assert 0.5 <= found.score < 0.8 and reaching <= 1 / 100_000
    assert 100_000 <= found.one_in < 400_000
    narrow = rows + 2 * unit_vectors(1, 64, seed=9)  # as models do whose rows all point the same way
    narrow /= np.linalg.norm(narrow, axis=1, keepdims=True)
    above = default(built(tmp_path / "narrow", narrow).repo)
    assert above.score > 0.85


def test_the_default_is_that_of_the_set_of_pictures_however_they_came(tmp_path: Path) -> None:
    rows = unit_vectors(120, 64)
    at_once = built(tmp_path / "one", rows)
    (tmp_path / "two").mkdir()
    by_and_by = Builder(tmp_path / "two" / ".vstore", recipe=MODEL)
    order = np.random.default_rng(1).permutation(120)
    given = list(pictures(rows).items())
    known: dict[bytes, tuple[bytes, Floats]] = {}
    for some in np.array_split(order, 5):
        known.update(given[at] for at in some)
        by_and_by.add_pictures(known)
    assert default(by_and_by.repo) == default(at_once.repo)
    assert dupes(by_and_by.repo, near="auto").near == dupes(by_and_by.repo, near="auto", under="r/1.png").near


def test_a_score_that_is_given_is_told_how_rare_it_is(tmp_path: Path) -> None:
    repo = built(tmp_path, unit_vectors(200, 64)).repo
    low, high = dupes(repo, near=0.3), dupes(repo, near=0.5)
    assert low.near == 0.3 and low.one_in is not None and high.one_in is not None
    assert 20 < low.one_in < 400 < high.one_in
    assert high.to_json()["one_in"] == high.one_in
    assert dupes(repo, near=0.999).one_in == dupes(repo, near=1).one_in == 1_000_000_000
    assert dupes(repo).one_in is None


def test_a_model_space_with_few_pictures_has_no_default(tmp_path: Path) -> None:
    repo = built(tmp_path, np.repeat(unit_vectors(30, 64), 3, axis=0)).repo
    with pytest.raises(
        UsageError, match=r"v1 has too few different pictures .*fewer than 50; give a score: --near 0\.95"
    ):
        dupes(repo, near="auto")
    assert dupes(repo, near=0.9).one_in is None


def test_the_built_in_space_needs_no_pictures_of_its_own(tmp_path: Path) -> None:
    builder = Builder(tmp_path / ".vstore", recipe=RECIPES[2])
    builder.add_pictures(pictures(unit_vectors(3, 333)))
    assert default(builder.repo) == NearDefault(0.81, 120_000)
    few = OpenSnapshot(builder.repo, "current").background(builder.repo)
    assert (few.pairs, few.turned_pairs) == (PLAIN, TURNED)


def test_turned_copies_are_left_out_in_the_built_in_space() -> None:
    rows = unit_vectors(80, 333)
    turns = np.concatenate([turned(rows, turn) for turn in range(8)])
    found, clean = Background(turns, 640, turns=True), Background(rows, 80, turns=True)
    assert found.turned_pairs is not None and clean.turned_pairs is not None
    assert found.turned_pairs.pictures == clean.turned_pairs.pictures == 80
    assert found.near == clean.near


def test_more_pictures_have_a_higher_default() -> None:
    rows = unit_vectors(200, 64)
    scores = []
    for count in (200, 1000, 10_000, 1_000_000):
        near = Background(rows, count, turns=False).near
        assert near is not None
        assert max(100_000, 100 * count) <= near.one_in
        scores.append(near.score)
    assert scores[0] == scores[1] < scores[2] < scores[3] < 1


def test_a_sample_is_read_and_pictures_of_one_colour_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = unit_vectors(150, 64)
    builder = built(tmp_path, rows)
    opened = OpenSnapshot(builder.repo, "current")
    numbers = sorted(range(150), key=key)
    flat = {key(number) for number in numbers[:20]}
    monkeypatch.setattr(opened, "flats", lambda repo, keys: flat.intersection(keys))
    monkeypatch.setattr("vstore.repository.pixel_facts.flat_among", lambda repo, recipe, keys: flat.intersection(keys))
    monkeypatch.setattr("vstore.search.background.SAMPLE", 100)
    expected = Background(rows[numbers[20:120]].astype(np.float16).astype(np.float32), 150, turns=False)
    assert SAMPLE == 1024
    of_dupes = background_of(builder.repo, builder.space, builder.repo.tree(opened.snapshot))
    for found in (opened.background(builder.repo), of_dupes):
        assert found.near == expected.near and found.pairs == expected.pairs
