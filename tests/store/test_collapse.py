"""Searches that show near-duplicates once: `collapse`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.builder import RECIPE, Builder, Floats, key, unit_vectors

from vstore.embed.builtin import RECIPES
from vstore.errors import UsageError
from vstore.repository.decisions import Choice, decide
from vstore.repository.repository import Repository
from vstore.search.collapse import collapsed
from vstore.search.hit import Hit
from vstore.search.open_snapshot import OpenSnapshot
from vstore.search.report import SearchReport
from vstore.search.search import search
from vstore.search.turned import turned
from vstore.store import Store

DIM = 64
MODEL: dict[str, Any] = {**RECIPE, "dim": DIM}


def built(folder: Path, rows: Floats, recipe: Any = MODEL) -> Repository:
    builder = Builder(folder / ".vstore", recipe=recipe)
    builder.add_pictures({b"r/%d.png" % number: (key(number), row) for number, row in enumerate(rows)})
    return builder.repo


def changed(rows: Floats, by: float, seed: int) -> Floats:
    other = rows + by * unit_vectors(len(rows), rows.shape[1], seed=seed)
    return np.asarray(other / np.linalg.norm(other, axis=1, keepdims=True), np.float32)


def asked(repo: Repository, wanted: Any, **options: Any) -> SearchReport:
    def refuse(recipe: Any) -> Any:
        raise AssertionError("the model is not needed")

    return search(Repository(repo.layout.folder), wanted, load_embedder=refuse, **options)


def every(report: SearchReport) -> list[bytes]:
    return [hit.key for one in report for hit in (one, *one.collapsed)]


def pictures() -> Floats:
    """Draw 100 pictures and from none to 4 copies of each, some of them far off."""
    rows = unit_vectors(100, DIM)
    copies = [changed(rows[: 25 * n], by, seed=n) for n, by in ((4, 0.2), (3, 0.4), (2, 0.6), (1, 0.8))]
    return np.concatenate([rows, *copies])


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return built(tmp_path, pictures())


@pytest.mark.parametrize("k", [1, 3, 10, 60, 1000])
@pytest.mark.parametrize("number", [0, 30, 60, 99])
def test_hits_are_those_of_a_plain_pass_over_all_of_them(repo: Repository, number: int, k: int) -> None:
    report = asked(repo, key(number), k=k, collapse=True)
    assert report.alike is not None
    rows = pictures().astype(np.float16).astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    at = {key(n): n for n in range(len(rows))}
    expected: list[tuple[bytes, list[bytes]]] = []
    for hit in asked(repo, key(number), k=10**6):
        best = next((one for one in expected if rows[at[one[0]]] @ rows[at[hit.key]] >= report.alike), None)
        if best is not None:
            best[1].append(hit.key)
        elif len(expected) == k:
            break
        else:
            expected.append((hit.key, []))
    assert [(one.key, [hit.key for hit in one.collapsed]) for one in report] == expected


def test_nothing_is_lost_and_nothing_comes_twice(repo: Repository) -> None:
    whole, report = asked(repo, key(5), k=10**6), asked(repo, key(5), k=10**6, collapse=True)
    assert sorted(every(report)) == sorted(hit.key for hit in whole)
    assert {hit.key: hit.score for hit in whole} == {
        hit.key: hit.score for one in report for hit in (one, *one.collapsed)
    }
    assert 90 < len(report) < len(whole)


def test_the_score_is_the_default_of_dupes(repo: Repository) -> None:
    with Store(repo.layout.folder) as store:
        report = store.search(key(0), collapse=True)
        assert report.alike == store.dupes(near="auto").near
        with store.view() as view:
            assert view.search(key(0), collapse=True) == report
    assert asked(repo, key(0)).alike is None and not any(hit.collapsed for hit in asked(repo, key(0)))


def test_hundreds_of_copies_leave_room_for_others(tmp_path: Path) -> None:
    rows = np.concatenate([unit_vectors(80, DIM), np.repeat(unit_vectors(1, DIM, seed=3), 400, axis=0)])
    report = asked(built(tmp_path, rows), key(90), k=5, collapse=True)
    assert [len(hit.collapsed) for hit in report] == [399, 0, 0, 0, 0]
    assert report[0].key == key(90)


def test_turned_and_mirrored_copies_are_folded_in_the_built_in_space(tmp_path: Path) -> None:
    rows = unit_vectors(70, 333)
    turns = [turned(rows[:1], turn) for turn in range(1, 8)]
    report = asked(built(tmp_path, np.concatenate([rows, *turns]), RECIPES[2]), key(0), k=10**6, collapse=True)
    assert {hit.key for hit in report[0].collapsed} == {key(number) for number in range(70, 77)}
    assert len(report) == 70


def test_pictures_of_one_colour_are_near_duplicates_of_nothing(repo: Repository) -> None:
    index = OpenSnapshot(repo, "current").rows
    hits = [(hit.key, hit.score) for hit in asked(repo, key(0), k=10**6)]
    plain = {key(0), *[name for name, _ in hits[1:4]]}

    def of(flats: set[bytes]) -> list[tuple[bytes, int]]:
        folds = collapsed(
            index, lambda k: hits[:k], 8, 0.7, turns=False, flats=lambda keys: flats, are_apart=lambda *_: False
        )
        return [(fold.hit[0], len(fold.others)) for fold in folds]

    assert of(set())[0] == (key(0), 4)
    assert of(plain)[:4] == [(name, 0) for name, _ in hits[:4]]


def test_pictures_that_are_decided_to_be_different_stand_apart(repo: Repository) -> None:
    before = asked(repo, key(0), k=1000, collapse=True)
    folded = [hit.key for hit in before[0].collapsed]
    assert len(folded) >= 3
    decide(repo, [Choice("different", [key(0), folded[1]])])
    after = asked(repo, key(0), k=1000, collapse=True)
    assert after[1].key == folded[1]
    assert [hit.key for hit in after[0].collapsed] == [folded[0], *folded[2:]]
    assert sorted(every(after)) == sorted(every(before))


def test_other_options_come_first(repo: Repository) -> None:
    report = asked(repo, key(0), k=100, collapse=True, min_score=0.5)
    assert all(hit.score >= 0.5 for one in report for hit in (one, *one.collapsed))
    below = asked(repo, key(0), k=100, collapse=True, under="r/100.png")
    assert every(below) == [key(100)]
    rare = asked(repo, key(0), k=100, collapse=True, min_p=1e-4)
    assert all(hit.chance is not None and hit.chance <= 1e-4 for one in rare for hit in (one, *one.collapsed))


def test_json_lists_what_was_folded(repo: Repository) -> None:
    report = asked(repo, key(0), k=3, collapse=True)
    value = report.to_json()
    assert value["alike"] == report.alike
    assert value["hits"][0]["collapsed"] == [hit.to_json() for hit in report[0].collapsed]
    assert isinstance(report[0].collapsed[0], Hit)
    assert all("collapsed" not in hit for hit in asked(repo, key(0)).to_json()["hits"])


def test_few_pictures_of_a_model_space_cannot_be_collapsed(tmp_path: Path) -> None:
    few = built(tmp_path, unit_vectors(20, DIM))
    with pytest.raises(UsageError, match=r"v1 has too few different pictures .*; leave out --collapse"):
        asked(few, key(0), collapse=True)


def test_what_another_process_decided_counts_in_a_view(repo: Repository) -> None:
    with Store(repo.layout.folder) as store, store.view() as view:
        folded = next(one for one in view.search(key(0), k=1000, collapse=True).hits if one.collapsed)
        decide(repo, [Choice("different", [folded.key, folded.collapsed[0].key])])
        assert view.search(key(0), k=1000, collapse=True) == asked(repo, key(0), k=1000, collapse=True)
