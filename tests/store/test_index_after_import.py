"""An import lets the approximate index have its vectors, once they are worth it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.folders import World
from support.old_indexes import OldIndex

from vstore.approximate import build
from vstore.approximate.opened import open_approximate


@pytest.mark.parametrize(("tail", "covered"), [(0, [True, True]), (1 << 20, [True, False])])
def test_imported_vectors_are_covered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tail: int, covered: list[bool]
) -> None:
    world = World(tmp_path / "w")
    world.put({f"own-{number}.png": 50 + number for number in range(5)})
    world.sync()
    world.store.index_build(exact_below=0)
    monkeypatch.setattr(build, "TAIL", tail)
    old = OldIndex(tmp_path / "old")
    report = world.store.import_index(**{**old.triple(), "as_label": "theirs", "recipe": world.fake.recipe})
    assert report.added == 12
    repo = world.repo
    found = open_approximate(repo, report.space, repo.state.segments(report.space))
    assert found is not None and found.covered == covered
