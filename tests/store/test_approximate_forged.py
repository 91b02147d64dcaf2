"""Parts of an approximate index that are damaged, or that someone made: they cost speed, and give no wrong answer."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.builder import Builder
from support.inverted import (
    Asked,
    again,
    built,
    clustered,
    copied,
    forged,
    grow,
    parameters_of,
    parts,
    payload_of,
    store,
)

from vstore.approximate.about import CENTROIDS, LISTS, RECALL
from vstore.approximate.summary import index_status

QUERIES = clustered(6, seed=5)
SIZES = [300, 101]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    builder = store(tmp_path_factory.mktemp("indexed"), SIZES)
    assert built(builder).generation
    return builder


@pytest.fixture
def indexed(made: Builder, tmp_path: Path) -> Builder:
    """A store of two segments with an index: one part of each kind, which a test may change."""
    builder = copied(made, tmp_path)
    assert Asked(builder, QUERIES).is_approximate
    return builder


def require_true(builder: Builder, k: int = 10) -> Asked:
    asked = Asked(builder, QUERIES, k)
    assert asked.is_true()
    return asked


def require_built(builder: Builder) -> None:
    """Build: whatever was there, afterwards an index answers."""
    index_status(again(builder), builder.space)
    assert built(builder).generation
    assert require_true(builder).is_approximate
    assert require_true(builder).recall > 0.9


@pytest.mark.parametrize("kind", [CENTROIDS, LISTS, RECALL])
def test_a_part_that_is_cut_is_passed_over_and_made_again(indexed: Builder, kind: str) -> None:
    (path,) = parts(indexed, kind)
    whole = path.read_bytes()
    for size in (0, 5, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        asked = require_true(indexed)
        assert asked.is_exact  # without what was measured, so few rows are all compared
    require_built(indexed)


@pytest.mark.parametrize("kind", [CENTROIDS, LISTS, RECALL])
@pytest.mark.parametrize("where", [0.3, 0.6, 0.99])
def test_a_part_whose_payload_is_damaged_is_made_again(indexed: Builder, kind: str, where: float) -> None:
    (path,) = parts(indexed, kind)
    with path.open("r+b") as file:
        begin = path.stat().st_size - len(payload_of(path)) - 100
        file.seek(begin + int(len(payload_of(path)) * where))
        byte = os.pread(file.fileno(), 1, file.tell())
        file.write(bytes([byte[0] ^ 1]))
    require_true(indexed)
    require_built(indexed)


@pytest.mark.parametrize("kind", [CENTROIDS, LISTS, RECALL])
def test_a_part_that_is_a_link_or_a_folder_is_no_part(indexed: Builder, kind: str) -> None:
    (path,) = parts(indexed, kind)
    aside = path.rename(indexed.repo.layout.folder.parent / "moved")
    path.symlink_to(aside)
    require_true(indexed)
    path.unlink()
    path.mkdir()
    require_true(indexed)
    require_built(indexed)
    aside.unlink()


def test_parts_of_another_space_are_passed_over(indexed: Builder) -> None:
    for path in [path for kind in (CENTROIDS, LISTS, RECALL) for path in parts(indexed, kind)]:
        forged(path, space="ab" * 32)
    assert require_true(indexed).is_exact
    require_built(indexed)


FORGED: list[tuple[str, dict[str, Any]]] = [
    (kind, change)
    for kind, changes in {
        CENTROIDS: [
            {"generation": "0" * 32},
            {"generation": "A" * 32},
            {"generation": [1]},
            {"dim": 31},
            {"dim": 0},
            {"lists": 1 << 40},
            {"lists": 0},
            {"lists": 1.5},
            {"rows": -1},
            {"rows": None},
        ],
        LISTS: [
            {"generation": "0" * 32},
            {"generation": {"a": 1}},
            {"lists": 63},
            {"lists": 1 << 17},
            {"rows": 400},
            {"rows": 1 << 45},
            {"rows": True},
            {"code": 11},
            {"code": 1 << 20},
            {"sample": "00"},
            {"sample": 7},
        ],
        RECALL: [
            {"generation": "0" * 32},
            {"wanted": 1_000_001},
            {"reached": -1},
            {"probes": 0},
            {"probes": 1 << 30},
            {"depth": 0},
            {"depth": 1 << 30},
            {"queries": 1 << 40},
            {"queries": 0},
            {"answers": 1 << 40},
            {"segments": "abc"},
            {"segments": [1]},
            {"exact": -1},
        ],
    }.items()
    for change in [*changes, {"version": 2}, {"version": True}, {"version": "1"}, {"more": 1}]
]


@pytest.mark.parametrize(("kind", "change"), FORGED, ids=[f"{kind}-{change}" for kind, change in FORGED])
def test_a_part_that_says_what_none_of_ours_does_is_passed_over(
    indexed: Builder, kind: str, change: dict[str, Any]
) -> None:
    (path,) = parts(indexed, kind)
    forged(path, change)
    assert require_true(indexed).is_exact
    index_status(again(indexed), indexed.space)
    if kind == RECALL:  # a build reads what it goes on from
        require_built(indexed)


@pytest.mark.parametrize("kind", [CENTROIDS, LISTS, RECALL])
@pytest.mark.parametrize("size", [0, 3, -1, 1])
def test_a_part_of_another_size_than_its_parameters_say_is_passed_over(indexed: Builder, kind: str, size: int) -> None:
    (path,) = parts(indexed, kind)
    payload = payload_of(path)
    forged(path, payload=payload[:size] if size in (0, 3) else payload[:-1] if size < 0 else payload + b"\0")
    require_true(indexed)
    require_built(indexed)


Harm = Callable[[dict[str, Any], bytes], bytes]


def _numbers(value: int) -> Harm:
    """Say of all rows that they have this number."""

    def harm(about: dict[str, Any], payload: bytes) -> bytes:
        data, at = bytearray(payload), 4 * about["lists"]
        for size in np.frombuffer(payload, "<u4", about["lists"]).tolist():
            at += size * about["code"]
            data[at : at + 8 * size] = np.full(size, value, "<i8").tobytes()
            at += 8 * size
        return bytes(data)

    return harm


def _sizes(change: Callable[[Any], Any]) -> Harm:
    def harm(about: dict[str, Any], payload: bytes) -> bytes:
        sizes = change(np.frombuffer(payload, "<u4", about["lists"]).copy())
        return sizes.astype("<u4").tobytes() + payload[4 * about["lists"] :]

    return harm


def _all_in_one(sizes: Any) -> Any:
    found = np.zeros_like(sizes)
    found[len(sizes) // 2] = sizes.sum()
    return found


def _wrapped(sizes: Any) -> Any:
    found = np.zeros_like(sizes)
    found[:2] = (1 << 32) - 1, sizes.sum() + 1
    return found


def _codes(byte: int) -> Harm:
    def harm(about: dict[str, Any], payload: bytes) -> bytes:
        return payload[: 4 * about["lists"]] + bytes([byte]) * (len(payload) - 4 * about["lists"])

    return harm


def _no_number(about: dict[str, Any], payload: bytes) -> bytes:
    """Let the two numbers at the end of each code be none."""
    data, at = bytearray(payload), 4 * about["lists"]
    for size in np.frombuffer(payload, "<u4", about["lists"]).tolist():
        for _ in range(size):
            at += about["code"]
            data[at - 8 : at] = np.full(2, np.nan, "<f4").tobytes()
        at += 8 * size
    return bytes(data)


HARMS: dict[str, Harm] = {
    "every number 0": _numbers(0),
    "every number below 0": _numbers(-1),
    "every number the least": _numbers(-(1 << 63)),
    "every number the greatest": _numbers((1 << 63) - 1),
    "every number after the last": _numbers(408),
    "every number a gap between segments": _numbers(302),
    "all in one list": _sizes(_all_in_one),
    "lists that wrap around": _sizes(_wrapped),
    "no rows in the lists": _sizes(np.zeros_like),
    "rows in other lists": _sizes(lambda sizes: sizes[::-1]),
    "bytes 0": _codes(0),
    "bytes 255": _codes(255),
    "codes that are no numbers": _no_number,
}


@pytest.mark.parametrize("name", HARMS)
def test_lists_that_hold_what_none_of_ours_do_give_true_answers(indexed: Builder, name: str) -> None:
    (path,) = parts(indexed, LISTS)
    forged(path, payload=HARMS[name](parameters_of(path), payload_of(path)))
    for k in (10, 390):
        require_true(indexed, k)
    grow(indexed, [50], clustered(50, seed=7))  # what a merge makes of them
    assert built(indexed).generation
    require_true(indexed)


def test_lists_that_cover_a_segment_twice_give_true_answers(indexed: Builder) -> None:
    (path,) = parts(indexed, LISTS)
    about, refs = parameters_of(path), indexed.repo.state.segments(indexed.space)
    one = [refs[0].name, refs[0].check]
    extra = 2 * refs[0].rows - about["rows"]
    payload = payload_of(path)
    sizes = np.frombuffer(payload, "<u4", about["lists"]).copy()
    sizes[-1] += extra
    more = bytes(extra * (about["code"] + 8 + 16))
    forged(path, {"rows": 2 * refs[0].rows}, sizes.tobytes() + payload[4 * len(sizes) :] + more, covers=[one, one])
    require_true(indexed)
    require_built(indexed)


def test_centroids_that_are_no_unit_vectors_are_passed_over(indexed: Builder) -> None:
    (path,) = parts(indexed, CENTROIDS)
    payload = np.frombuffer(payload_of(path), "<f4").reshape(-1, 32)
    for value in (np.nan, np.inf, 0, 1e30):
        bad = payload.copy()
        bad[3] = value
        forged(path, payload=bad.tobytes())
        assert require_true(indexed).is_exact
    require_built(indexed)


@pytest.mark.parametrize("column", ["vectors", "scores", "keys"])
def test_held_out_rows_that_make_no_sense_are_drawn_again(indexed: Builder, column: str) -> None:
    (path,) = parts(indexed, RECALL)
    about, payload = parameters_of(path), payload_of(path)
    q, data = about["queries"], bytearray(payload)
    if column == "vectors":
        data[16 * q : 16 * q + 4] = np.float32(np.nan).tobytes()
    elif column == "scores":
        data[-4:] = np.float32(np.nan).tobytes()
    else:
        data[-20 * q * about["answers"] : -4 * q * about["answers"]] = bytes(16 * q * about["answers"])
    forged(path, payload=bytes(data))
    require_true(indexed)
    require_built(indexed)
