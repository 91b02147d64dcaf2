"""FORMAT.md on the approximate index: what is computed from its words alone is what the code writes."""

from __future__ import annotations

from hashlib import shake_256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.builder import RECIPE, Builder, key
from support.format_page import table
from support.inverted import built, clustered, parameters_of, parts, payload_of
from support.tables import word

from vstore.disk.index_parts import IndexPart
from vstore.repository.repository import Repository

DIM = 11
SIZES = [245, 130]
WIDTHS = {"u32": 4, "i64": 8, "f32": 4, "a digest": 16}


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    """A store of two segments with rows of 11 numbers, and an index."""
    builder = Builder(tmp_path_factory.mktemp("words") / ".vstore", recipe={**RECIPE, "dim": DIM}, dtype="float32")
    vectors, first = clustered(sum(SIZES), dim=DIM), 0
    for size in SIZES:
        builder.add_segment([key(number) for number in range(first, first + size)], vectors[first : first + size])
        first += size
    builder.add_snapshot({b"r/%d.png" % number: key(number) for number in range(first)})
    assert built(builder).generation
    return builder


def rotated(rows: Any) -> Any:
    """Rotate rows as the page says, by matrices."""
    width = max(power for power in (1, 2, 4, 8, 16) if power <= DIM)
    transform = np.ones((1, 1))
    while len(transform) < width:
        transform = np.kron([[1, 1], [1, -1]], transform)
    turned = rows.astype(np.float64)
    for number in (0, 1):
        data = shake_256(b"vstore rotation %d %d" % (DIM, number)).digest(-(-DIM // 8))
        turned = turned * [1 if data[at // 8] & 0x80 >> at % 8 else -1 for at in range(DIM)]
        which = slice(0, width) if number == 0 else slice(DIM - width, DIM)
        turned[:, which] = turned[:, which] @ transform / np.sqrt(width)
    return turned


def coded(row: Any, centroid: Any) -> tuple[bytes, list[float]]:
    """Code a rotated row as the page says: its bits, and its two numbers."""
    off = row - centroid
    bits = bytearray(-(-DIM // 8))
    for at in np.flatnonzero(off > 0).tolist():
        bits[at // 8] |= 1 << at % 8
    square = float((off**2).sum())
    return bytes(bits), [square - float((row**2).sum()), square * DIM**0.5 / float(np.abs(off).sum())]


def one(builder: Builder, kind: str) -> tuple[dict[str, Any], bytes]:
    (path,) = parts(builder, kind)
    return parameters_of(path), payload_of(path)


def columns(title: str, payload: bytes, **names: int) -> dict[str, bytes]:
    """Cut a payload as a table says."""
    found, at = {}, 0
    for row in table(title):
        size = 1
        for factor in row["size"].replace("(code + i64)", "entry").split(" × "):
            size *= {**names, **WIDTHS}[factor]
        found[row["column"]] = payload[at : at + size]
        at += size
    assert at == len(payload)
    return found


@pytest.mark.parametrize(
    ("title", "kind"), [("centroids", "centroids"), ("lists", "inverted-lists"), ("recall", "recall")]
)
def test_parameters_are_those_of_the_table(builder: Builder, title: str, kind: str) -> None:
    about, _ = one(builder, kind)
    types = {"number": int, "string": str, "array": list}
    assert {word(row["field"]): types[row["type"]] for row in table(title)} == {
        name: type(value) for name, value in about.items()
    }
    assert about["version"] == 1


def segments_of(builder: Builder) -> list[Any]:
    repo = Repository(builder.repo.layout.folder)
    return [repo.segment(ref) for ref in repo.state.segments(builder.space)]


def test_lists_hold_the_codes_that_the_words_give(builder: Builder) -> None:
    trained, centroids = one(builder, "centroids")
    about, payload = one(builder, "inverted-lists")
    assert (trained["dim"], trained["rows"], trained["generation"]) == (DIM, sum(SIZES), about["generation"])
    centres = np.frombuffer(centroids, "<f4").reshape(trained["lists"], DIM).astype(np.float64)
    assert np.allclose(np.linalg.norm(centres, axis=1), 1, atol=0.01)
    code = about["code"]
    assert code == -(-DIM // 8) + 8
    found = columns("lists payload", payload, L=about["lists"], R=about["rows"], entry=code + 8)
    with IndexPart(parts(builder, "inverted-lists")[0]) as part:
        names = [name for name, _ in part.head.covers]
    by_name = {segment.ref.name: segment for segment in segments_of(builder)}
    rows, keys, first = {}, {}, 0
    for name in names:
        segment = by_name[name]
        for at, (row, of) in enumerate(zip(segment.rows(), segment.key_list(), strict=True)):
            rows[first + at], keys[first + at] = row, of
        first = -(-(first + len(segment.key_list())) // 8) * 8
    lists, place, number = found["lists"], 0, 0
    seen, compared = [], 0
    for which, size in enumerate(np.frombuffer(found["sizes"], "<u4").tolist()):
        codes = [lists[place + at * code : place + (at + 1) * code] for at in range(size)]
        place += size * code
        numbers = np.frombuffer(lists, "<i8", size, place).tolist()
        place += size * 8
        for given, at in zip(codes, numbers, strict=True):
            turned = rotated(rows[at][None] / np.linalg.norm(rows[at]))[0]
            assert centres[which] @ turned >= (centres @ turned).max() - 1e-6
            bits, amounts = coded(turned, centres[which])
            if np.abs(turned - centres[which]).min() > 1e-5:  # else the sign is that of an error of rounding
                assert given[:-8] == bits
                assert np.allclose(np.frombuffer(given[-8:], "<f4"), amounts, rtol=1e-4, atol=1e-5)
                compared += 1
            assert found["keys"][16 * number : 16 * number + 16] == keys[at]
            number += 1
        seen += numbers
    assert sorted(seen) == sorted(rows)
    assert compared > 200
    known = np.zeros((1, DIM))
    known[0, :: max(1, DIM // 7)] = 1
    bits, _ = coded(rotated(known / np.linalg.norm(known))[0], centres[0])
    assert about["sample"] == bits.hex()


def test_recall_holds_the_exact_answers_of_its_queries(builder: Builder) -> None:
    about, payload = one(builder, "recall")
    q, a = about["queries"], about["answers"]
    found = columns("recall payload", payload, Q=q, A=a, D=DIM)
    segments = segments_of(builder)
    assert sorted(about["segments"]) == sorted(segment.ref.name for segment in segments)
    keys = [one for segment in segments for one in segment.key_list()]
    rows = np.concatenate([segment.rows() for segment in segments]).astype(np.float64)
    for at in range(q):
        place = keys.index(found["keys"][16 * at : 16 * at + 16])
        vector = np.frombuffer(found["vectors"], "<f4", DIM, 4 * DIM * at)
        assert np.allclose(vector, rows[place] / np.linalg.norm(rows[place]), atol=1e-6)
        products = rows @ vector
        products[place] = -np.inf
        best = np.argsort(-products)[:a]
        scores = np.frombuffer(found["scores"], "<f4", a, 4 * a * at)
        assert np.allclose(scores, products[best], atol=1e-5)
        answers = [found["answers"][16 * (a * at + n) : 16 * (a * at + n + 1)] for n in range(a)]
        assert np.allclose([products[keys.index(one)] for one in answers], scores, atol=1e-5)
    assert 0 < about["reached"] <= 1_000_000
    assert (about["wanted"], about["exact"]) == (970_000, 0)


def test_parts_of_centroids_and_recall_cover_no_segments(builder: Builder) -> None:
    for kind, count in (("centroids", 0), ("recall", 0), ("inverted-lists", 2)):
        with IndexPart(Path(parts(builder, kind)[0])) as part:
            assert len(part.head.covers) == count
