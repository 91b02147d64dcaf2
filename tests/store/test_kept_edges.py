"""The pairs that were found are kept, extended by what is new, and change no answer, whatever lies in their place."""

from __future__ import annotations

import errno
from collections.abc import Callable
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.builder import Builder, key, unit_vectors
from support.failing_disks import Watched, disk
from support.folders import World, repaired
from support.index_parts import by_hand, parts_of
from support.near_stores import crowded, different, found, near, store, stored
from support.plain_pairs import plain_pairs

from vstore.disk.index_parts import IndexPart
from vstore.errors import UsageError
from vstore.repository.repository import Repository
from vstore.search import comparison as comparison_module
from vstore.search.comparison import Comparison
from vstore.search.pair_scores import millionths

__all__ = ["disk"]


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The rows that are compared with all before them: the first of each block, and its end."""
    seen: list[tuple[int, int]] = []
    take = Comparison.take

    def noting(self: Comparison, end: int) -> None:
        seen.append((self.count, end))
        take(self, end)

    monkeypatch.setattr(Comparison, "take", noting)
    return seen


def parameters(builder: Builder) -> list[dict[str, Any]]:
    """What the parts of a store say of themselves, those with most pictures first."""
    heads = []
    for path in parts_of(builder.repo.layout):
        with IndexPart(path) as part:
            part.verify()
            assert part.head.kind == "edges" and part.head.covers == ()
            heads.append(part.head.parameters)
    return sorted(heads, key=lambda one: (-one["pictures"], one["least"]))


def some(builder: Builder, *numbers: int) -> set[bytes]:
    return {key(number) for number in numbers}


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 40),
    block=st.integers(1, 9),
    few=st.sampled_from([1, 2, 8]),
    checked=st.sampled_from([1, 2, 64]),
    least=st.lists(st.sampled_from([0.5, 0.7, 0.95, 0.9997]), min_size=3, max_size=5),
    cut=st.sampled_from([0, 0.05]),
)
def test_whatever_was_compared_before_the_pairs_are_those_of_every_pair(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    count: int,
    block: int,
    few: int,
    checked: int,
    least: list[float],
    cut: float,
) -> None:
    random = np.random.default_rng(seed)
    builder = store(tmp_path_factory.mktemp("kept"), crowded(count, 6, seed), [count])
    rows = stored(builder)
    every = list(combinations(rows, 2))
    pairs = [pair for pair in every if random.random() < cut]
    apart, decided = different(*pairs), {one for pair in pairs for one in pair}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison_module, "BLOCK", block)
        patch.setattr(comparison_module, "_FEW", few)
        patch.setattr(comparison_module, "_CHECKED", checked)
        for score in least:
            asked = {one: row for one, row in rows.items() if random.random() < random.choice([0.3, 0.9])}
            whole = near(builder, set(asked), score, apart=apart, decided=decided)
            assert found(whole) == plain_pairs(asked, millionths(score), apart)


def test_only_new_pictures_are_compared(tmp_path: Path, compared: list[tuple[int, int]]) -> None:
    builder = store(tmp_path, crowded(30, 8, 1), [20, 10])
    first = {key(n) for n in range(20)}
    near(builder, first, 0.8)
    assert compared == [(0, 20)]
    near(builder, first, 0.8)
    near(builder, some(builder, 3, 7), 0.9)
    assert compared == [(0, 20)]
    rows = stored(builder)
    assert found(near(builder, set(rows), 0.8)) == plain_pairs(rows, 800_000)
    assert compared == [(0, 20), (20, 30)]
    assert [(one["pictures"], one["least"]) for one in parameters(builder)] == [(30, 800_000)]


def test_merged_segments_keep_what_was_compared(tmp_path: Path, compared: list[tuple[int, int]]) -> None:
    builder = store(tmp_path, crowded(30, 8, 1), [10, 20])
    rows = stored(builder)
    near(builder, set(rows), 0.8)
    order = sorted(rows)
    builder.list_segments([])
    builder.add_segment(order, np.stack([rows[one] for one in order]))
    assert found(near(builder, set(rows), 0.8)) == plain_pairs(rows, 800_000)
    assert compared == [(0, 30)]


@pytest.mark.parametrize("changed", [[0], [5, 6, 7], list(range(12))])
def test_a_row_that_changed_is_compared_again(
    tmp_path: Path, compared: list[tuple[int, int]], changed: list[int]
) -> None:
    before = crowded(12, 8, 1)
    before[:8] = before[0]  # one clump
    builder = store(tmp_path, before, [12])
    near(builder, set(stored(builder)), 0.8)
    after = before.copy()
    after[changed] = crowded(len(changed), 8, 2)
    builder.list_segments([])
    builder.add_segment([key(n) for n in range(12)], after)
    rows = stored(builder)
    assert found(near(builder, set(rows), 0.8)) == plain_pairs(rows, 800_000)
    assert compared == [(0, 12), (12 - len(changed), 12)]
    assert [one["pictures"] for one in parameters(builder)] == [12]
    alone = {one: rows[one] for one in some(builder, 1, 6, 7, 9)}
    assert found(near(builder, set(alone), 0.8)) == plain_pairs(alone, 800_000)


def test_a_picture_that_is_gone_is_forgotten_with_the_next_new_one(tmp_path: Path) -> None:
    vectors = crowded(12, 8, 1)
    vectors[:8] = vectors[0]
    builder = store(tmp_path, vectors, [11])
    near(builder, set(stored(builder)), 0.8)
    builder.list_segments([])
    builder.add_segment([key(n) for n in range(1, 12)], vectors[1:])
    rows = stored(builder)
    assert found(near(builder, set(rows), 0.8)) == plain_pairs(rows, 800_000)
    assert [one["pictures"] for one in parameters(builder)] == [11]


def test_a_part_with_pictures_that_are_gone_gives_way_to_the_one_that_goes_on_from_it(
    tmp_path: Path, compared: list[tuple[int, int]]
) -> None:
    vectors = crowded(30, 8, 1)
    builder = store(tmp_path, vectors[:25], [15, 10])
    near(builder, {key(n) for n in range(25)}, 0.8)
    builder.list_segments(builder.repo.state.segments(builder.space)[1:])
    builder.add_segment([key(n) for n in range(25, 30)], vectors[25:])
    rows = stored(builder)
    for _ in range(2):
        assert found(near(builder, set(rows), 0.8)) == plain_pairs(rows, 800_000)
    assert compared == [(0, 25), (10, 15)]
    assert [one["pictures"] for one in parameters(builder)] == [15]


def test_of_several_parts_the_one_that_knows_most_of_the_pictures_is_read(
    tmp_path: Path, compared: list[tuple[int, int]]
) -> None:
    """A larger one stayed, as another user's file in a folder from which only its owner removes it."""
    vectors = crowded(30, 8, 1)
    builder = store(tmp_path, vectors[:25], [15, 10])
    near(builder, {key(n) for n in range(25)}, 0.8)
    (path,) = parts_of(builder.repo.layout)
    larger = path.read_bytes()
    builder.list_segments(builder.repo.state.segments(builder.space)[1:])
    builder.add_segment([key(n) for n in range(25, 30)], vectors[25:])
    rows = stored(builder)
    near(builder, set(rows), 0.8)
    path.write_bytes(larger)
    assert found(near(builder, set(rows), 0.8)) == plain_pairs(rows, 800_000)
    assert compared == [(0, 25), (10, 15)]


def test_a_picture_may_stand_before_the_first_one_of_its_crowd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compared: list[tuple[int, int]]
) -> None:
    """A clump of twelve is gone, and a picture that reached it stands before the three that joined the clump later."""
    monkeypatch.setattr(comparison_module, "BLOCK", 4)
    one, other, *more = unit_vectors(6, 16, 5)
    vectors = np.array([one] * 12 + [one + 0.3 * other] + [one] * 3 + more, np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    builder = store(tmp_path, vectors[:16], [12, 1, 3])
    near(builder, {key(n) for n in range(13)}, 0.9)
    near(builder, {key(n) for n in range(16)}, 0.9)
    builder.list_segments(builder.repo.state.segments(builder.space)[1:])
    builder.add_segment([key(n) for n in range(16, 20)], vectors[16:])
    rows = stored(builder)
    near(builder, set(rows), 0.9)
    (path,) = parts_of(builder.repo.layout)
    _, columns = columns_of(path)
    assert (columns["crowds"] > columns["rows"]).any()
    compared.clear()
    assert found(near(builder, set(rows), 0.9)) == plain_pairs(rows, 900_000)
    assert compared == []


def test_nearly_equal_pictures_cost_few_pairs(tmp_path: Path) -> None:
    """300 of one screen, each with another clock, and 300 of another one that looks like it."""
    rng = np.random.default_rng(1)
    one, other = unit_vectors(2, 64)
    other = one + 0.3 * other
    vectors = np.repeat([one, other / np.linalg.norm(other)], 300, axis=0)
    vectors += 0.001 * rng.standard_normal(vectors.shape).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    builder = store(tmp_path, vectors[rng.permutation(600)], [600])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison_module, "BLOCK", 50)
        pairs = near(builder, set(stored(builder)), 0.9)
    assert len(set(pairs.node.tolist())) == 2 and len(pairs.one) == 1
    (kept,) = parameters(builder)
    assert kept["pairs"] + kept["crowds"] < 600 * 50  # of 90,000 pairs across, and 90,000 within


def test_a_lower_score_compares_all_and_serves_higher_ones(tmp_path: Path, compared: list[tuple[int, int]]) -> None:
    builder = store(tmp_path, crowded(12, 8, 1), [12])
    rows = stored(builder)
    for least, times in [(0.9, 1), (0.95, 1), (0.5, 2), (0.7, 2), (0.9, 2)]:
        assert found(near(builder, set(rows), least)) == plain_pairs(rows, millionths(least))
        assert len(compared) == times
    assert [one["least"] for one in parameters(builder)] == [500_000]


def test_a_lower_score_among_few_keeps_what_was_compared_among_many(
    tmp_path: Path, compared: list[tuple[int, int]]
) -> None:
    builder = store(tmp_path, crowded(12, 8, 1), [12])
    rows = stored(builder)
    near(builder, set(rows), 0.9)
    near(builder, some(builder, 1, 2, 3), 0.5)
    assert [(one["pictures"], one["least"]) for one in parameters(builder)] == [(12, 900_000), (3, 500_000)]
    near(builder, set(rows), 0.9)
    near(builder, some(builder, 1, 3), 0.6)
    assert len(compared) == 2


def test_few_parts_are_kept(tmp_path: Path) -> None:
    builder = store(tmp_path, crowded(20, 8, 1), [20])
    for count in range(20, 2, -2):
        near(builder, {key(n) for n in range(count)}, count / 25)
    assert len(parameters(builder)) == 4


def test_what_was_compared_before_a_stop_is_not_compared_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compared: list[tuple[int, int]]
) -> None:
    monkeypatch.setattr(comparison_module, "BLOCK", 4)
    builder = store(tmp_path, crowded(12, 8, 1), [12])
    rows = stored(builder)
    take = Comparison.take

    def stopped(self: Comparison, end: int) -> None:
        if end > 8:
            raise KeyboardInterrupt
        take(self, end)

    with monkeypatch.context() as patch:
        patch.setattr(Comparison, "take", stopped)
        with pytest.raises(KeyboardInterrupt):
            near(builder, set(rows), 0.8)
    compared.clear()
    assert found(near(builder, set(rows), 0.8)) == plain_pairs(rows, 800_000)
    assert compared == [(8, 12)]


def test_too_many_pairs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison_module, "BLOCK", 5)
    monkeypatch.setattr(comparison_module, "MOST_PAIRS", 30)
    builder = store(tmp_path, crowded(20, 8, 1), [20])
    near(builder, set(stored(builder)), 0.9995)
    with pytest.raises(UsageError, match=r"more than 30 pairs of pictures have a score of 0\.01 or more"):
        near(builder, set(stored(builder)), 0.01)


def test_a_lower_score_that_was_asked_before_refuses_no_higher_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compared: list[tuple[int, int]]
) -> None:
    monkeypatch.setattr(comparison_module, "BLOCK", 5)
    monkeypatch.setattr(comparison_module, "MOST_PAIRS", 30)
    builder = store(tmp_path, crowded(20, 8, 1), [20])
    rows = stored(builder)
    first = {key(n): rows[key(n)] for n in range(10)}
    near(builder, set(first), 0.01)
    with pytest.raises(UsageError, match=r"more than 30 pairs of pictures have a score of 0\.02 or more"):
        near(builder, set(rows), 0.02)
    compared.clear()
    assert found(near(builder, set(rows), 0.99)) == plain_pairs(rows, 990_000)
    assert [ends for ends in compared if ends[0] < 10] == []
    compared.clear()
    assert found(near(builder, set(rows), 0.99)) == plain_pairs(rows, 990_000)
    assert found(near(builder, set(first), 0.01)) == plain_pairs(first, 10_000)
    assert compared == []


# Parts that cannot be used


def written(builder: Builder, rows: dict[bytes, Any], least: float = 0.8) -> Path:
    near(builder, set(rows), least)
    (path,) = parts_of(builder.repo.layout)
    return path


def forged(path: Path, parameters: dict[str, Any] | None = None, payload: bytes | None = None, **head: Any) -> None:
    """Change a part, with right checksums."""
    with IndexPart(path) as part:
        about, data = part.head, b"".join(part.blocks())
    data = data if payload is None else payload
    document = {**about._asdict(), "parameters": {**about.parameters, **(parameters or {})}, "size": len(data), **head}
    path.write_bytes(by_hand(document, data))


def columns_of(path: Path) -> tuple[dict[str, int], dict[str, Any]]:
    """Cut the payload of a part into columns, as FORMAT.md says."""
    with IndexPart(path) as part:
        about, data = part.head.parameters, b"".join(part.blocks())
    n, e, c = about["pictures"], about["pairs"], about["crowds"]
    sizes = [16 * n, 8 * n, 4 * n, *3 * [4 * e], *2 * [4 * c]]
    ends = np.cumsum([0, *sizes])
    parts = [data[begin:end] for begin, end in pairwise(ends.tolist())]
    names = ["keys", "sums", "clumps", "one", "other", "scores", "crowds", "rows"]
    return about, {
        name: part if name == "keys" else np.frombuffer(part, "<u8" if name == "sums" else "<u4").copy()
        for name, part in zip(names, parts, strict=True)
    }


@pytest.fixture
def clumped(tmp_path: Path) -> Builder:
    """Two large clumps that reach one another, and others."""
    vectors = crowded(40, 8, 1)
    vectors[:12] = vectors[0]
    vectors[12:24] = vectors[0] + 0.3 * unit_vectors(1, seed=9)[0]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison_module, "BLOCK", 12)
        builder = store(tmp_path, vectors, [40])
        written(builder, stored(builder))
    return builder


def test_no_byte_of_a_damaged_part_changes_an_answer(clumped: Builder) -> None:
    rows = stored(clumped)
    expected = plain_pairs(rows, 800_000)
    (path,) = parts_of(clumped.repo.layout)
    whole = path.read_bytes()
    for at in [*range(0, len(whole), 29), len(whole) - 1]:
        for path in parts_of(clumped.repo.layout):
            path.unlink()
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        assert found(near(clumped, set(rows), 0.8)) == expected
    for size in (0, 5, 100, len(whole) - 1):
        path.write_bytes(whole[:size])
        assert found(near(clumped, set(rows), 0.8)) == expected


def test_a_part_that_is_a_link_or_a_folder_changes_no_answer(clumped: Builder) -> None:
    rows = stored(clumped)
    (path,) = parts_of(clumped.repo.layout)
    aside = path.rename(clumped.repo.layout.folder.parent / "aside")
    path.symlink_to(aside)
    assert found(near(clumped, set(rows), 0.8)) == plain_pairs(rows, 800_000)
    for one in parts_of(clumped.repo.layout):
        one.unlink()
    path.unlink()
    path.mkdir()
    assert found(near(clumped, set(rows), 0.8)) == plain_pairs(rows, 800_000)


@pytest.mark.parametrize(
    "parameters",
    [
        {"version": 2},
        {"version": True},
        {"turns": 8},
        {"turns": 3},
        {"least": -1},
        {"least": 850_000.0},
        {"pictures": 39},
        {"pictures": 1 << 40},
        {"pairs": "7"},
        {"pairs": 60_000_000},
        {"more": 1},
    ],
)
def test_a_part_that_says_what_none_of_ours_does_is_passed_over(
    clumped: Builder, compared: list[tuple[int, int]], parameters: dict[str, Any]
) -> None:
    (path,) = parts_of(clumped.repo.layout)
    forged(path, parameters)
    rows = stored(clumped)
    assert found(near(clumped, set(rows), 0.8)) == plain_pairs(rows, 800_000)
    assert compared == [(0, 40)]


def test_a_part_of_no_pictures_is_passed_over(tmp_path: Path, compared: list[tuple[int, int]]) -> None:
    builder = store(tmp_path, crowded(12, 8, 1), [12])
    rows = stored(builder)
    path = written(builder, rows)
    forged(path, {"pictures": 0, "pairs": 0, "crowds": 0}, b"")
    assert found(near(builder, set(rows), 0.8)) == plain_pairs(rows, 800_000)
    assert compared == [(0, 12), (0, 12)]


def test_a_part_of_another_kind_or_over_segments_is_passed_over(
    clumped: Builder, compared: list[tuple[int, int]]
) -> None:
    (path,) = parts_of(clumped.repo.layout)
    rows, whole = stored(clumped), path.read_bytes()
    (ref,) = clumped.repo.state.segments(clumped.space)
    for times, head in enumerate([{"kind": "graph"}, {"covers": [[ref.name, ref.check]]}], 1):
        for one in parts_of(clumped.repo.layout):
            one.unlink()
        path.write_bytes(whole)
        forged(path, **head)
        assert found(near(clumped, set(rows), 0.8)) == plain_pairs(rows, 800_000)
        assert len(compared) == times


Harm = Callable[[dict[str, Any]], object]


def _set(name: str, at: int, value: int) -> Harm:
    def harm(columns: dict[str, Any]) -> None:
        columns[name][at] = value

    return harm


def _twice(columns: dict[str, Any]) -> None:
    for name in ("one", "other", "scores"):
        columns[name][1] = columns[name][0]


def _same_key(columns: dict[str, Any]) -> None:
    columns["keys"] = columns["keys"][:16] + columns["keys"][:16] + columns["keys"][32:]


@pytest.mark.parametrize(
    "harm",
    [
        _set("clumps", 5, 39),
        _set("clumps", 5, 4_000_000_000),
        _set("clumps", 30, 5),
        _set("clumps", 0, 1),
        _set("one", 0, 40),
        _set("other", 0, 40),
        _set("other", 0, 4_294_967_295),
        _set("other", 0, 0),
        _set("scores", 0, 799_999),
        _set("scores", 0, 1_000_001),
        _set("scores", 0, 4_294_967_295),
        _set("crowds", 0, 1),
        _set("crowds", 0, 40),
        _set("crowds", 0, 4_294_967_295),
        _set("rows", 0, 40),
        _set("rows", 0, 3),
        _twice,
        _same_key,
    ],
)
def test_a_part_whose_numbers_break_a_rule_is_passed_over(
    clumped: Builder, compared: list[tuple[int, int]], harm: Harm
) -> None:
    (path,) = parts_of(clumped.repo.layout)
    _, columns = columns_of(path)
    assert len(columns["crowds"]) and len(columns["one"]) > 1
    harm(columns)
    forged(path, payload=b"".join(one if isinstance(one, bytes) else one.tobytes() for one in columns.values()))
    rows = stored(clumped)
    assert found(near(clumped, set(rows), 0.8)) == plain_pairs(rows, 800_000)
    assert compared == [(0, 40)]


def _other_clump(columns: dict[str, Any]) -> None:
    """Let a picture that is unlike be one of a clump."""
    first = int(columns["clumps"][0])
    listed = {*columns["one"].tolist(), *columns["other"].tolist(), *columns["rows"].tolist()}
    lone = [at for at, clump in enumerate(columns["clumps"].tolist()) if clump == at and at > first]
    columns["clumps"][next(at for at in lone if at not in listed)] = first


def _other_pair(columns: dict[str, Any]) -> None:
    """Let two unlike pictures be a pair, in the place of another one."""
    columns["one"][0], columns["other"][0] = 0, 39


@pytest.mark.parametrize("harm", [_set("scores", 0, 999_000), _set("scores", 0, 800_000), _other_clump, _other_pair])
@pytest.mark.parametrize("new", [0, 1])
def test_what_a_part_says_of_pictures_that_are_not_so_is_not_believed(
    clumped: Builder, compared: list[tuple[int, int]], harm: Harm, new: int
) -> None:
    (path,) = parts_of(clumped.repo.layout)
    _, columns = columns_of(path)
    harm(columns)
    forged(path, payload=b"".join(one if isinstance(one, bytes) else one.tobytes() for one in columns.values()))
    if new:
        clumped.add_segment([key(77)], unit_vectors(1, seed=5))
    rows = stored(clumped)
    assert found(near(clumped, set(rows), 0.8)) == plain_pairs(rows, 800_000)
    assert compared == [(0, 40 + new)]
    assert len(parts_of(clumped.repo.layout) - {path}) == 1 and not path.exists()


def test_a_part_of_other_pictures_is_of_no_use_and_no_harm(tmp_path: Path) -> None:
    """The same space in another store, with other rows of the same keys."""
    one = store(tmp_path / "one", crowded(20, 8, 1), [20])
    other = store(tmp_path / "other", crowded(20, 8, 2), [20])
    path = written(one, stored(one))
    place = other.repo.layout.indexes / other.space / path.name
    place.parent.mkdir(parents=True)
    place.write_bytes(path.read_bytes())
    rows = stored(other)
    assert found(near(other, set(rows), 0.8)) == plain_pairs(rows, 800_000)
    assert found(near(other, set(rows), 0.8)) == plain_pairs(rows, 800_000)


# The store


def test_nothing_is_written_while_another_process_changes_the_store(clumped: Builder) -> None:
    for path in parts_of(clumped.repo.layout):
        path.unlink()
    rows = stored(clumped)
    other = Repository(clumped.repo.layout.folder)
    with other.lock("ingest") as lock:
        lock.acquire(0, "sync")
        assert found(near(clumped, set(rows), 0.8)) == plain_pairs(rows, 800_000)
        assert parts_of(clumped.repo.layout) == set()
    near(clumped, set(rows), 0.8)
    assert len(parts_of(clumped.repo.layout)) == 1


@pytest.mark.parametrize("error", [errno.EROFS, errno.EACCES, errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("call", ["mkdir", "open", "write", "rename", "unlink"])
def test_a_disk_that_takes_nothing_changes_no_answer(tmp_path: Path, disk: Watched, call: str, error: int) -> None:
    builder = store(tmp_path, crowded(12, 8, 1), [8, 4])
    near(builder, {key(n) for n in range(8)}, 0.8)
    rows = stored(builder)
    disk.fail(call, error)
    assert found(near(builder, set(rows), 0.8)) == plain_pairs(rows, 800_000)


def test_a_store_of_format_1_is_compared_each_time(tmp_path: Path, compared: list[tuple[int, int]]) -> None:
    builder = store(tmp_path, crowded(12, 8, 1), [12])
    builder.repo.format = 1
    rows = stored(builder)
    for _ in range(2):
        assert found(near(builder, set(rows), 0.8)) == plain_pairs(rows, 800_000)
    assert (len(compared), parts_of(builder.repo.layout)) == (2, set())


def test_gc_check_and_repair_leave_sound_edges_alone(world: World, compared: list[tuple[int, int]]) -> None:
    world.put({f"{number}.png": number for number in range(20)})
    world.sync()
    world.store.dupes(near=0.9)
    (path,) = parts_of(world.repo.layout)
    for number in range(15):
        (world.pictures / f"{number}.png").unlink()
    world.sync()
    world.store.snapshot_forget(["v1"])
    assert world.store.gc(drop_unnamed=True).rewritten
    assert world.store.check(read_data=True).notes == ()
    assert repaired(world).done == ()
    assert parts_of(world.repo.layout) == {path}
    compared.clear()
    groups = world.store.dupes(near=0.9).groups
    assert compared == []
    path.unlink()
    assert world.store.dupes(near=0.9).groups == groups
    assert compared == [(0, 5)]


def test_damaged_edges_are_noted_by_check_and_deleted_by_repair(world: World) -> None:
    world.put({f"{number}.png": number for number in range(5)})
    world.sync()
    groups = world.store.dupes(near=0.9).groups
    (path,) = parts_of(world.repo.layout)
    path.write_bytes(path.read_bytes()[:-1])
    (note,) = world.store.check(read_data=True).notes
    assert "damaged" in note and "repair deletes it" in note
    assert world.store.dupes(near=0.9).groups == groups
    repaired(world)
    assert not path.exists()
