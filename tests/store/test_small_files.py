"""The packs and segments that a merge takes."""

from __future__ import annotations

import pytest

from vstore.format import small_files as module
from vstore.format.entries import FileRef
from vstore.format.small_files import small_neighbours, small_packs


def refs(*sizes: int) -> list[FileRef]:
    return [FileRef(f"{i}.faiss", size, "", 1) for i, size in enumerate(sizes)]


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than three of a level are too many; levels end at 10, 100 and 1,000 bytes."""
    monkeypatch.setattr(module, "TOO_MANY", 3)
    monkeypatch.setattr(module, "TOO_MANY_PARTED", 6)
    monkeypatch.setattr(module, "PACK_LEVELS", (10, 100, 1000))
    monkeypatch.setattr(module, "SEGMENT_LEVELS", (10, 100, 1000))


def test_segments_are_merged_only_once_there_are_too_many_of_a_level(three: None) -> None:
    assert small_neighbours(refs(1, 9, 1)) == []
    assert small_neighbours(refs(1, 1, 10, 1)) == [], "a larger one parts them, and is one of its level"
    listed = refs(10, 1, 1, 1, 1, 1000, 1, 1)
    assert small_neighbours(listed) == [listed[1:5]], "only neighbours, and none of a higher level"


def test_segments_of_a_level_take_smaller_neighbours_with_them(three: None) -> None:
    listed = refs(1000, 10, 99, 1, 10, 10, 1, 1)
    assert small_neighbours(listed) == [listed[1:]]
    assert small_neighbours(listed[:5]) == []


def test_small_segments_in_short_runs_are_merged_once_there_are_too_many_in_all(three: None) -> None:
    listed = refs(1, 1, 1000, 1, 1000, 1, 1, 1)
    assert small_neighbours(listed) == []
    more = [*listed, *refs(1000, 1)]
    assert small_neighbours(more) == [listed[0:2], listed[5:8]], "no run of one"


def test_no_merge_makes_a_segment_that_is_very_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOO_MANY", 3)
    half = module.SEGMENT_LEVELS[-1] // 2
    listed = refs(*[half] * 40)
    runs = small_neighbours(listed)
    assert [ref for run in runs for ref in run] == listed
    assert all(sum(ref.size for ref in run) <= 16 * half for run in runs)


def test_packs_are_merged_only_once_there_are_too_many_of_a_level(three: None) -> None:
    assert small_packs(refs(1, 10, 1, 10, 9, 1000, 10)) == []
    listed = refs(9, 1000, 5, 10, 7, 1)
    assert small_packs(listed) == [listed[5], listed[2], listed[4], listed[0]]
    assert small_packs(refs(*[1000] * 9)) == [], "these are not small"


def test_of_two_levels_with_too_many_packs_the_lower_one_is_merged_first(three: None) -> None:
    assert small_packs(refs(10, 10, 10, 10, 1, 1, 1, 1)) == refs(10, 10, 10, 10, 1, 1, 1, 1)[4:]


def test_large_packs_are_merged_too_but_not_while_others_wait() -> None:
    large = refs(*[1200 << 10] * 1100)
    merged = small_packs(large)
    assert len(merged) > 100 and sum(ref.size for ref in merged) <= module.PACK_LEVELS[-1]
    assert sum(ref.size for ref in small_packs(large, module.QUICK)) <= module.QUICK
    assert len(small_packs(refs(*[20 << 20] * 33))) > 1
    assert small_packs(refs(*[20 << 20] * 33), module.QUICK) == []


def test_no_merge_makes_a_pack_that_is_very_large(three: None) -> None:
    listed = refs(500, 600, 700, 800)
    assert small_packs(listed) == listed[:2]
    assert small_packs(refs(100, 300, 400, 400)) == refs(100, 300, 400)


def test_the_number_of_packs_and_the_bytes_written_grow_with_the_logarithm_of_the_commits(three: None) -> None:
    packs: list[FileRef] = []
    most = written = 0
    for number in range(1, 257):
        packs.append(FileRef(str(number), 3, ""))
        while merged := small_packs(packs):
            size = sum(ref.size for ref in merged)
            packs = [*(ref for ref in packs if ref not in merged), FileRef(f"m{number}-{written}", size, "")]
            written += size
        most = max(most, len(packs))
    assert most <= 3 * len(module.PACK_LEVELS)
    assert written <= 4 * 3 * 256, "each byte about once a level"
