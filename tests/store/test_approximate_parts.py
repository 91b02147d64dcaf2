"""Parts of an approximate index that are forged, damaged or of others: they cost speed, no answer, and no process."""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import Callable
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.builder import Builder, key, unit_vectors
from support.index_parts import by_hand

from vstore import Store
from vstore.approximate import lists as lists_module
from vstore.approximate.about import CENTROIDS, LISTS, RECALL, AboutCentroids, AboutLists, AboutRecall
from vstore.approximate.build import Wanted, build
from vstore.approximate.opened import Approximate, open_approximate
from vstore.disk.index_parts import IndexPart, part_files
from vstore.progress import Stages

DIM, COUNTS = 24, (300, 203)
ROWS = unit_vectors(sum(COUNTS), DIM, seed=7)
QUERIES = [key(number) for number in range(0, sum(COUNTS), 60)]


@pytest.fixture
def builder(tmp_path: Path) -> Builder:
    """A store of two segments, and an index of both."""
    builder = Builder(tmp_path / ".vstore", recipe={"family": "fake", "name": "fake-1", "dim": DIM})
    first = 0
    for count in COUNTS:
        builder.add_segment([key(n) for n in range(first, first + count)], ROWS[first : first + count])
        first += count
    builder.add_snapshot({b"p/%d.jpg" % number: key(number) for number in range(first)})
    assert build(builder.repo, builder.space, Wanted(exact=0), stages=Stages()).encoded == first
    return builder


def part_of(builder: Builder, kind: str) -> Path:
    (path,) = (
        path for path in part_files(builder.repo.layout.indexes / builder.space) if head_of(path)["kind"] == kind
    )
    return path


def head_of(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    head: dict[str, Any] = json.loads(data[12 : 12 + struct.unpack_from("<I", data, 8)[0]])
    return head


def payload_of(path: Path) -> bytes:
    with IndexPart(path) as part:
        return b"".join(part.blocks())


def forge(path: Path, change: Callable[[dict[str, Any]], Any], payload: bytes | None = None) -> None:
    """Write a part anew with checksums that fit. change: of its head."""
    data = payload_of(path) if payload is None else payload
    head = {**head_of(path), "size": len(data)}
    change(head)
    path.write_bytes(by_hand(head, data))


def parameter(name: str, value: object) -> Callable[[dict[str, Any]], None]:
    return lambda head: head["parameters"].update({name: value})


def unchanged(head: dict[str, Any]) -> None:
    """Leave a head as it is."""


def answers(builder: Builder, *, exact: bool = False) -> list[tuple[list[bytes], list[float]]]:
    with Store(builder.repo.layout.folder) as store, store.view() as view:
        found = [view.search(one, k=20, exact=exact) for one in QUERIES]
    return [([hit.key for hit in one.hits], [hit.score for hit in one.hits]) for one in found]


def is_approximate(builder: Builder) -> bool:
    with Store(builder.repo.layout.folder) as store:
        return store.search(QUERIES[0]).approximate


def test_the_whole_index_is_used(builder: Builder) -> None:
    assert is_approximate(builder)


LIES: list[tuple[str, str, Callable[[dict[str, Any]], Any]]] = [
    ("no segment", LISTS, lambda head: head.update(covers=[])),
    ("a segment twice", LISTS, lambda head: head.update(covers=[head["covers"][0]] * 2)),
    ("segments in another order, of other sizes", LISTS, lambda head: head["covers"].pop()),
    ("more rows", LISTS, parameter("rows", sum(COUNTS) + 1)),
    ("fewer rows", LISTS, parameter("rows", sum(COUNTS) - 1)),
    ("rows that overflow", LISTS, parameter("rows", (1 << 40) - 1)),
    ("rows below none", LISTS, parameter("rows", -1)),
    ("rows that are true", LISTS, parameter("rows", True)),
    ("longer codes", LISTS, parameter("code", 12)),
    ("no codes", LISTS, parameter("code", 0)),
    ("fewer lists", LISTS, parameter("lists", 1)),
    ("many lists", LISTS, parameter("lists", 1 << 16)),
    ("another faiss", LISTS, parameter("sample", "00" * 3)),
    ("another sample", LISTS, parameter("sample", None)),
    ("another generation", LISTS, parameter("generation", "0" * 32)),
    ("another version", LISTS, parameter("version", 2)),
    ("one parameter more", LISTS, parameter("more", 1)),
    ("centroids of another size", CENTROIDS, parameter("dim", DIM + 1)),
    ("no lists", CENTROIDS, parameter("lists", 0)),
    ("too many lists", CENTROIDS, parameter("lists", 1 << 20)),
    ("another version of centroids", CENTROIDS, parameter("version", 2)),
]


@pytest.mark.parametrize(("kind", "change"), [pytest.param(*one[1:], id=one[0]) for one in LIES])
def test_a_head_that_lies_is_not_believed(builder: Builder, kind: str, change: Callable[[dict[str, Any]], Any]) -> None:
    exact = answers(builder, exact=True)
    forge(part_of(builder, kind), change)
    assert answers(builder) == exact
    assert not is_approximate(builder)


def test_lists_of_no_segment_beside_the_others_are_passed_over(builder: Builder) -> None:
    found, path = answers(builder), part_of(builder, LISTS)
    head = head_of(path)
    empty = bytes(4 * head["parameters"]["lists"])
    parameters = {**head["parameters"], "rows": 0}
    forged = {**head, "covers": [], "size": len(empty), "parameters": parameters}
    path.with_name("0" * 32 + ".part").write_bytes(by_hand(forged, empty))
    assert answers(builder) == found
    assert is_approximate(builder)


def sizes(*values: int) -> bytes:
    return np.array(values, "<u4").tobytes()


def payload_with_sizes(builder: Builder, change: Callable[[list[int]], list[int]]) -> bytes:
    path = part_of(builder, LISTS)
    lists, data = head_of(path)["parameters"]["lists"], payload_of(path)
    old = np.frombuffer(data, "<u4", lists).tolist()
    return sizes(*change(old)) + data[4 * lists :]


@pytest.mark.parametrize(
    "change",
    [
        lambda old: [old[0] + 1, *old[1:]],
        lambda old: [0xFFFFFFFF, *old[1:]],
        lambda old: [0xFFFFFFFF] * len(old),
        lambda old: [0] * len(old),
    ],
)
def test_lists_beyond_the_file_are_refused(builder: Builder, change: Callable[[list[int]], list[int]]) -> None:
    exact = answers(builder, exact=True)
    forge(part_of(builder, LISTS), unchanged, payload_with_sizes(builder, change))
    assert answers(builder) == exact
    assert not is_approximate(builder)


@pytest.mark.parametrize("cut", [1, 8, 16, 1000])
def test_a_payload_that_is_cut_is_refused(builder: Builder, cut: int) -> None:
    exact = answers(builder, exact=True)
    forge(part_of(builder, LISTS), unchanged, payload_of(part_of(builder, LISTS))[:-cut])
    assert answers(builder) == exact
    assert not is_approximate(builder)


def with_numbers(builder: Builder, number: int | None) -> bytes:
    """Replace the numbers of all rows by one, or all codes by bytes that mean nothing."""
    path = part_of(builder, LISTS)
    about = AboutLists.of(head_of(path)["parameters"])
    assert about is not None
    data = bytearray(payload_of(path))
    at = 4 * about.lists
    for count in np.frombuffer(bytes(data), "<u4", about.lists).tolist():
        if number is None:
            data[at : at + count * about.code] = b"\xff" * (count * about.code)
        at += count * about.code
        if number is not None:
            data[at : at + 8 * count] = struct.pack("<q", number) * count
        at += 8 * count
    return bytes(data)


@pytest.mark.parametrize("number", [-1, -(1 << 63), 1 << 62, (1 << 63) - 1, sum(COUNTS) + 5, 300, 303, 511])
def test_numbers_that_no_row_has_are_never_followed(builder: Builder, number: int) -> None:
    exact = answers(builder, exact=True)
    forge(part_of(builder, LISTS), unchanged, with_numbers(builder, number))
    assert answers(builder) == exact  # too few are found: all are compared


def test_the_number_of_one_row_for_all_costs_no_answer(builder: Builder) -> None:
    exact = answers(builder, exact=True)
    forge(part_of(builder, LISTS), unchanged, with_numbers(builder, 3))
    assert answers(builder) == exact


def test_codes_that_mean_nothing_change_no_score(builder: Builder) -> None:
    """Codes are any bytes, NaN among their numbers: rows may be missed, none is scored by them."""
    forge(part_of(builder, LISTS), unchanged, with_numbers(builder, None))
    for keys, scores in answers(builder):
        assert len(keys) == len(set(keys)) and scores == sorted(scores, reverse=True)
        for one, score in zip(keys, scores, strict=True):
            assert one in {key(number) for number in range(sum(COUNTS))} and -1 <= score <= 1.0001


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, 1e30])
def test_centroids_that_are_none_are_refused(builder: Builder, value: float) -> None:
    exact = answers(builder, exact=True)
    path = part_of(builder, CENTROIDS)
    data = np.frombuffer(payload_of(path), "<f4").copy()
    data[5 * DIM : 6 * DIM] = value
    forge(path, unchanged, data.tobytes())
    assert answers(builder) == exact
    assert not is_approximate(builder)


def test_a_flipped_bit_costs_no_answer_wherever_it_is(builder: Builder) -> None:
    """Each class of offsets: magic, head, its checksum, sizes, codes, keys, checksums, the end."""
    exact = answers(builder, exact=True)
    for kind in (LISTS, CENTROIDS, RECALL):
        path = part_of(builder, kind)
        data = path.read_bytes()
        head = 12 + struct.unpack_from("<I", data, 8)[0]
        places = {0, 8, 11, 12, 40, head, head + 7, head + 8, head + 50, len(data) // 2, len(data) - 20, len(data) - 1}
        for at in sorted(places):
            path.write_bytes(data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :])
            found = answers(builder)
            assert found == exact or kind == RECALL, (kind, at)
        path.write_bytes(data)


@pytest.mark.parametrize("kind", [LISTS, CENTROIDS, RECALL])
def test_a_part_cut_anywhere_costs_no_answer(builder: Builder, kind: str) -> None:
    exact = answers(builder, exact=True)
    path = part_of(builder, kind)
    data = path.read_bytes()
    for length in (0, 5, 12, 100, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        assert answers(builder) == exact or kind == RECALL


def test_a_part_of_another_space_is_not_used(builder: Builder) -> None:
    exact = answers(builder, exact=True)
    forge(part_of(builder, LISTS), lambda head: head.update(space="0" * 64))
    assert answers(builder) == exact
    assert not is_approximate(builder)


def test_lists_damaged_while_they_are_open_are_left_out(builder: Builder) -> None:
    exact = answers(builder, exact=True)
    path = part_of(builder, LISTS)
    with Store(builder.repo.layout.folder) as store, store.view() as view:
        assert view.search(QUERIES[0]).approximate
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    assert answers(builder) == exact


@pytest.mark.parametrize(
    "change", [{"queries": 0}, {"probes": 0}, {"depth": 0}, {"reached": 1_000_001}, {"answers": -1}]
)
def test_measures_that_make_no_sense_are_none(builder: Builder, change: dict[str, int]) -> None:
    parameters = head_of(part_of(builder, RECALL))["parameters"]
    assert AboutRecall.of(parameters) is not None
    assert AboutRecall.of({**parameters, **change}) is None


def test_parameters_of_other_types_are_refused(builder: Builder) -> None:
    for kind, about in ((CENTROIDS, AboutCentroids), (LISTS, AboutLists), (RECALL, AboutRecall)):
        parameters = head_of(part_of(builder, kind))["parameters"]
        assert about.of(parameters) is not None
        for name in parameters:
            for value in (None, {}, 1.5, True, -1, 1 << 60):
                assert about.of({**parameters, name: value}) is None, (kind, name, value)
            assert about.of({other: value for other, value in parameters.items() if other != name}) is None


def test_threads_that_come_at_once_open_lists_once(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a thread searches would go with its map when another thread opened the lists again."""
    refs = builder.repo.state.segments(builder.space)
    index = open_approximate(builder.repo, builder.space, refs)
    assert isinstance(index, Approximate)
    opened, late = [], threading.Barrier(4)
    old = lists_module.Lists._open

    def slow(self: lists_module.Lists, coder: Any) -> None:
        opened.append(1)
        threading.Event().wait(0.2)
        old(self, coder)

    monkeypatch.setattr(lists_module.Lists, "_open", slow)
    every = index.bitmaps_of([b"\xff" * (-(-ref.rows // 8)) for ref in refs])

    def ask() -> None:
        late.wait()
        index.candidates(ROWS[:3], every, 4, 10)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened == [1]


def test_candidates_of_all_lists_are_all_rows(builder: Builder) -> None:
    refs = builder.repo.state.segments(builder.space)
    index = open_approximate(builder.repo, builder.space, refs)
    assert index is not None
    ends = list(accumulate(COUNTS, initial=0))
    for seed, share in enumerate((0.9, 0.5, 0.1, 0.01)):
        marks = np.random.default_rng(seed).random(ends[-1]) < share
        bitmaps = [np.packbits(marks[a:b], bitorder="little").tobytes() for a, b in pairwise(ends)]
        found = index.candidates(ROWS[:2], index.bitmaps_of(bitmaps), 1, int(marks.sum()))
        for one in found:
            assert sorted(one.tolist()) == np.flatnonzero(marks).tolist()
