"""An approximate index outlives what is done with the segments it covers: gc, merges, imports, repair."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.builder import Builder, key, unit_vectors

from vstore import Store
from vstore.approximate import build as build_module
from vstore.approximate.build import Wanted, build, keep_up
from vstore.approximate.coder import Coder
from vstore.approximate.lists import Lists
from vstore.approximate.opened import Approximate, open_approximate
from vstore.disk.index_parts import part_files
from vstore.errors import Damage
from vstore.format import small_files
from vstore.gc.run import gc
from vstore.progress import Stages
from vstore.repair.run import repair
from vstore.sync.merge import merge_small

DIM, EACH = 24, 120
RECIPE = {"family": "fake", "name": "fake-1", "dim": DIM}
ROWS = unit_vectors(8 * EACH, DIM, seed=3)


@pytest.fixture
def builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Builder:
    """A store of four segments and an index of them; no new row is too few for it."""
    monkeypatch.setattr(build_module, "TAIL", 0)
    builder = Builder(tmp_path / ".vstore", recipe=RECIPE)
    for number in range(4):
        add(builder, number)
    name(builder, range(4 * EACH))
    assert build(builder.repo, builder.space, Wanted(exact=0), stages=Stages()).encoded == 4 * EACH
    return builder


def add(builder: Builder, number: int) -> None:
    first = number * EACH
    builder.add_segment([key(n) for n in range(first, first + EACH)], ROWS[first : first + EACH])


def name(builder: Builder, numbers: range) -> None:
    builder.add_snapshot({b"p/%d.jpg" % number: key(number) for number in numbers})


def opened(builder: Builder) -> Approximate | None:
    builder.repo.reload()
    return open_approximate(builder.repo, builder.space, builder.repo.state.segments(builder.space))


def covered(builder: Builder) -> list[bool]:
    index = opened(builder)
    return [] if index is None else index.covered


def codes(builder: Builder) -> dict[bytes, bytes]:
    """Give the code of each row, with the number of its list."""
    index = opened(builder)
    assert index is not None
    found = {}
    for part in index.parts:
        part.prove()
        keys, at = bytes(part.keys()), 0
        for number in range(part.about.lists):
            for code in part.entries(number)[0]:
                found[keys[16 * at : 16 * at + 16]] = bytes([number]) + code.tobytes()
                at += 1
    return found


def refuse_to_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("a row that has a code is coded again")

    monkeypatch.setattr(Coder, "assign", refuse)


def forget_rows(builder: Builder) -> None:
    """Leave most of the first segment unused, so that gc writes it again."""
    name(builder, range(EACH - 10, 4 * EACH))
    with Store(builder.repo.layout.folder) as store:
        store.snapshot_forget(["v1"])
    builder.repo.reload()


def test_a_gc_that_writes_a_segment_again_keeps_the_codes(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    before = codes(builder)
    forget_rows(builder)
    refuse_to_code(monkeypatch)
    assert gc(builder.repo, drop_unnamed=True).segments == 1
    assert covered(builder) == [True] * 4
    after = codes(builder)
    assert set(after) == {key(number) for number in range(EACH - 10, 4 * EACH)}
    assert all(before[one] == code for one, code in after.items())
    folder = builder.repo.layout.indexes / builder.space
    assert len(part_files(folder)) == 3  # centroids, lists and recall: nothing stale is left


def test_a_gc_counts_the_lists_that_it_replaced(builder: Builder) -> None:
    forget_rows(builder)
    with Store(builder.repo.layout.folder) as store:
        would = store.gc(drop_unnamed=True, dry_run=True)
        assert would.unlisted == store.gc(drop_unnamed=True).unlisted


def test_a_gc_of_a_store_with_an_index_finds_the_nearest_as_before(builder: Builder) -> None:
    forget_rows(builder)
    gc(builder.repo, drop_unnamed=True)
    with Store(builder.repo.layout.folder) as store, store.view() as view:
        for number in range(EACH, 4 * EACH, 50):
            near, exact = view.search(key(number), k=10), view.search(key(number), k=10, exact=True)
            assert near.approximate and not exact.approximate
            scores = {hit.key: hit.score for hit in exact.hits}
            assert all(scores.get(hit.key, hit.score) == hit.score for hit in near.hits)


def test_a_gc_costs_no_answer_if_the_index_cannot_be_written(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_rows(builder)
    monkeypatch.setattr("vstore.approximate.covering.write_index_part", lambda *args, **words: None)
    assert gc(builder.repo, drop_unnamed=True).segments == 1
    assert opened(builder) is None
    with Store(builder.repo.layout.folder) as store:
        assert not store.search(key(EACH)).approximate


def test_segments_that_are_merged_keep_their_codes(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    before = codes(builder)
    refuse_to_code(monkeypatch)
    monkeypatch.setattr(small_files, "TOO_MANY", 2)
    merge_small(builder.repo, builder.space, "test")
    assert len(builder.repo.state.segments(builder.space)) == 1
    assert opened(builder) is None  # till the end of the sync
    built = keep_up(builder.repo, builder.space)
    assert built is not None and built.encoded == 0
    assert codes(builder) == before


def test_lists_of_large_segments_cover_no_small_ones(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A merge of small segments would make the lists of all others stale."""
    refs = builder.repo.state.segments(builder.space)
    monkeypatch.setattr("vstore.approximate.covering.SEGMENT_LEVELS", (0, refs[0].size))
    build(builder.repo, builder.space, Wanted(), stages=Stages(), again=True)
    small = range(4 * EACH, 4 * EACH + 5)
    for number in small:
        builder.add_segment([key(number)], ROWS[number : number + 1])
        assert keep_up(builder.repo, builder.space) is not None
    index = opened(builder)
    assert index is not None and all(index.covered)
    large = {ref.name for ref in refs}
    assert {frozenset(one.name in large for one in part.covers) for part in index.parts} == {
        frozenset([True]),
        frozenset([False]),
    }


def test_a_repair_that_loses_a_segment_keeps_the_other_codes(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    before = codes(builder)
    lost = builder.repo.state.segments(builder.space)[1]
    (builder.repo.layout.segments / lost.name).unlink()
    refuse_to_code(monkeypatch)
    report = repair(builder.repo.layout.folder, None, embed=False)
    assert report.changed
    assert covered(builder) == [True] * 3
    assert codes(builder) == {one: code for one, code in before.items() if one in codes(builder)}


def test_damaged_stale_lists_are_coded_again(builder: Builder) -> None:
    before = codes(builder)
    folder = builder.repo.layout.indexes / builder.space
    forget_rows(builder)
    for path in part_files(folder):
        data = bytearray(path.read_bytes())
        if b'"kind":"inverted-lists"' in data:
            data[len(data) // 2] ^= 1
            path.write_bytes(bytes(data))
    gc(builder.repo, drop_unnamed=True)
    assert covered(builder) == [True] * 4
    assert codes(builder) == {one: code for one, code in before.items() if one in codes(builder)}


def test_lists_that_turn_out_damaged_end_no_upkeep(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Lists, coder: Coder) -> None:
        raise Damage("it rots", "look at the disk")

    monkeypatch.setattr(Lists, "_open", refuse)
    add(builder, 4)
    built = keep_up(builder.repo, builder.space)
    assert built is not None and built.encoded == EACH
