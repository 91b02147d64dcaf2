"""The packs and segments that a merge takes."""

from __future__ import annotations

import pytest

from vstore.format import small_files as module
from vstore.format.entries import FileRef
from vstore.format.small_files import small_neighbours, small_packs


def refs(*sizes: int) -> list[FileRef]:
    return [FileRef(f"{i}.faiss", size, "", 1) for i, size in enumerate(sizes)]


def test_small_segments_are_merged_only_once_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOO_MANY", 3)
    large = module.SMALL_SEGMENT
    assert small_neighbours(refs(1, 1, 1)) == []
    assert small_neighbours(refs(1, large, 1, 1)) == []
    listed = refs(1, 1, large, 1, large, 1, 1, 1)
    assert small_neighbours(listed) == [listed[0:2], listed[5:8]], "only neighbours, and no run of one"


def test_no_merge_makes_a_segment_that_is_very_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOO_MANY", 3)
    half = module.SMALL_SEGMENT // 2
    listed = refs(*[half] * 40)
    runs = small_neighbours(listed)
    assert [ref for run in runs for ref in run] == listed
    assert all(sum(ref.size for ref in run) <= 8 * module.SMALL_SEGMENT for run in runs)


def test_small_packs_are_merged_only_once_there_are_too_many() -> None:
    few = [FileRef(str(i), module.SMALL_PACK - 1, "") for i in range(module.TOO_MANY)]
    large = FileRef("large", module.SMALL_PACK, "")
    assert small_packs([*few, large]) == []
    one_more = FileRef("one more", 1, "")
    assert small_packs([few[0], large, *few[1:], one_more]) == [*few, one_more]
