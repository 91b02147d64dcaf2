"""Two spaces compared: the nearest pictures of each picture, over the pictures that both have."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from support.builder import RECIPE, Builder, key, unit_vectors
from support.folders import World

from vstore.disk.segments import Segment
from vstore.errors import AmbiguousSnapshot, Damage, Interrupted, SnapshotNotFound, UsageError
from vstore.format.recipes import space_id
from vstore.repository.add_space import add_space
from vstore.search import model_diff
from vstore.search.agreement import average_overlap
from vstore.search.model_diff_report import ModelDiffReport
from vstore.store import Store
from vstore.testing import FakeEmbedder

TWO = {**RECIPE, "name": "fake-2", "dim": 12}


class Spaces:
    """A store with the spaces `fake-1` and `fake-2`, made of vectors alone."""

    def __init__(self, top: Path, **options: str) -> None:
        self.folder = top / ".vstore"
        self.builder = Builder(self.folder, **options)
        self.builder.add_root("r", top)
        add_space(self.builder.repo, TWO, "fake-2")
        self.ids = {"fake-1": self.builder.space, "fake-2": space_id(TWO)}

    def segment(self, space: str, vectors: Mapping[int, Any]) -> None:
        """Write vectors of numbered pictures into a segment of a space."""
        self.builder.space = self.ids[space]
        rows = np.stack(list(vectors.values()))
        self.builder.add_segment([key(number) for number in vectors], rows)

    def snapshot(self, space: str, numbers: Sequence[int]) -> str:
        self.builder.space = self.ids[space]
        return self.builder.add_snapshot({path(number): key(number) for number in numbers}).name

    def fill(self, space: str, numbers: Sequence[int], seed: int) -> str:
        """Give numbered pictures random vectors in a space, and make a snapshot of them."""
        rows = unit_vectors(len(numbers), 8 if space == "fake-1" else 12, seed)
        self.segment(space, dict(zip(numbers, rows, strict=True)))
        return self.snapshot(space, numbers)

    def diff(self, a: str = "fake-1", b: str = "fake-2", **options: Any) -> ModelDiffReport:
        with Store(self.folder) as store:
            return store.model_diff(a, b, **options)


def path(number: int) -> bytes:
    return b"r/%d.png" % number


@pytest.fixture
def two(tmp_path: Path) -> Spaces:
    """Thirty pictures with vectors in both."""
    spaces = Spaces(tmp_path)
    spaces.fill("fake-1", range(30), 1)
    spaces.fill("fake-2", range(30), 2)
    return spaces


# The figures


class Plain(NamedTuple):
    """The comparison of two spaces in the plainest way: all scores, sorted.

    near:    for each picture, the keys of all others, the nearest one first, in either space.
    scores:  float64 (n, n), in either space.
    numbers: the keys of the pictures, rising.
    """

    near: tuple[list[list[bytes]], list[list[bytes]]]
    keys: list[bytes]

    @classmethod
    def of(cls, vectors: Sequence[Mapping[int, Any]], dtype: str) -> Plain:
        numbers = sorted(vectors[0].keys() & vectors[1].keys(), key=key)
        keys = [key(number) for number in numbers]
        near = []
        for space in vectors:
            rows = np.stack([space[number] for number in numbers]).astype(dtype).astype(np.float64)
            queries = rows / np.linalg.norm(rows, axis=1, keepdims=True)
            scores = queries @ rows.T
            for line in scores:  # what two ways of adding may order otherwise proves nothing
                gaps = np.diff(np.sort(line))
                assume(not ((gaps > 1e-12) & (gaps < 1e-5)).any())
            near.append(
                [
                    [
                        keys[other]
                        for other in sorted(range(len(keys)), key=lambda other: (-round(line[other], 9), keys[other]))
                        if other != own
                    ]
                    for own, line in enumerate(scores)
                ]
            )
        return cls((near[0], near[1]), keys)

    def overlap(self, own: int, k: int) -> float:
        return len({*self.near[0][own][:k]} & {*self.near[1][own][:k]}) / k

    def order(self, own: int, k: int, depth: int) -> tuple[float, float, bytes]:
        return (
            self.overlap(own, k),
            average_overlap(self.near[0][own][:depth], self.near[1][own][:depth]),
            self.keys[own],
        )


def drawn(random: Any, dim: int, seed: int) -> dict[int, Any]:
    """Draw vectors of some of 40 pictures, a few of them equal."""
    numbers = [number for number in range(40) if random.random() < 0.8]
    rows = unit_vectors(max(2, len(numbers)), dim, seed)
    rows = rows[random.integers(0, len(rows), len(rows))] if random.random() < 0.4 else rows
    return dict(zip(numbers, rows, strict=False))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much])
@given(
    st.integers(0, 10**6),
    st.sampled_from([1, 5, 29, 1000]),
    st.sampled_from([0, 3, 50]),
    st.sampled_from([2, 256]),
    st.sampled_from([12, 100]),
    st.sampled_from(["float16", "float32"]),
)
def test_the_figures_are_those_of_plain_counting(
    tmp_path_factory: pytest.TempPathFactory,
    seed: int,
    sample: int,
    changed: int,
    at_once: int,
    depth: int,
    dtype: str,
) -> None:
    random = np.random.default_rng(seed)
    vectors = [drawn(random, 8, seed), drawn(random, 12, seed + 1)]
    plain = Plain.of(vectors, dtype)
    assume(len(plain.keys) > 2)
    spaces = Spaces(tmp_path_factory.mktemp("two"), dtype=dtype)
    for name, rows in zip(spaces.ids, vectors, strict=True):
        cut = int(random.integers(1, len(rows)))
        parts = [*rows.items()][:cut], [*rows.items()][cut:]
        for part in parts:
            if part:
                spaces.segment(name, dict(part))
        spaces.snapshot(name, list(rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_diff, "_AT_ONCE", at_once)
        patch.setattr(model_diff, "_DEPTH", depth)
        report = spaces.diff(sample=sample, changed=changed)
    count = len(plain.keys)
    k, asked, deep = min(10, count - 1), min(sample, count), min(depth, count - 1)
    shares = [plain.overlap(own, k) for own in range(asked)]
    assert (report.pictures, report.sample, report.k) == (count, asked, k)
    assert report.overlap == pytest.approx(sum(shares) / asked)
    assert report.low <= report.overlap <= report.high
    assert (report.low == report.high) == (asked == count)
    assert report.chance == k / (count - 1)
    assert (report.a.pictures, report.b.pictures) == (len(vectors[0]), len(vectors[1]))
    differing = [own for own in range(asked) if shares[own] < 1]
    order = sorted(differing, key=lambda own: plain.order(own, k, deep))[:changed]
    assert [one.key for one in report.changed] == [plain.keys[own] for own in order]
    for own, one in zip(order, report.changed, strict=True):
        assert one.overlap == plain.overlap(own, k)
        for found, mine, other in ((one.a, 0, 1), (one.b, 1, 0)):
            assert [near.key for near in found] == plain.near[mine][own][:k]
            places = [plain.near[other][own].index(near.key) + 1 for near in found]
            assert [near.place for near in found] == [place if place <= deep else None for place in places]


def test_scores_and_order_are_those_of_a_search(two: Spaces) -> None:
    report = two.diff(changed=30)
    with Store(two.folder) as store:
        for side, at in (("a", "v1"), ("b", "v2")):
            with store.view(at) as view:
                for one in report.changed:
                    hits = [hit for hit in view.search(one.key, k=11).hits if hit.key != one.key][:10]
                    near = getattr(one, side)
                    assert [(near.key, near.path) for near in near] == [(hit.key, hit.paths[0]) for hit in hits]
                    assert [near.score for near in near] == pytest.approx([hit.score for hit in hits], abs=1e-6)


def test_equal_vectors_agree_whole(tmp_path: Path) -> None:
    spaces = Spaces(tmp_path)
    rows = unit_vectors(30, 8)
    spaces.segment("fake-1", dict(enumerate(rows)))
    spaces.segment("fake-2", {n: np.append(row, np.zeros(4, np.float32)) for n, row in enumerate(rows)})
    for name in spaces.ids:
        spaces.snapshot(name, range(30))
    report = spaces.diff()
    assert (report.overlap, report.low, report.high) == (1, 1, 1)
    assert (report.chance, report.changed) == (10 / 29, ())


def test_a_sample_is_of_the_same_pictures_when_others_come(two: Spaces) -> None:
    first = {one.key for one in two.diff(sample=7, changed=7).changed}  # random vectors: none stays as it is
    assert first == set(sorted(map(key, range(30)))[:7])
    late = max(range(30, 60), key=key)
    for name in two.ids:
        two.segment(name, {late: unit_vectors(1, 8 if name == "fake-1" else 12, 9)[0]})
        two.snapshot(name, [*range(30), late])
    report = two.diff(sample=7, changed=7)
    assert (report.pictures, {one.key for one in report.changed}) == (31, first)


# What is compared


def test_snapshots_and_spaces_are_named_alike(two: Spaces) -> None:
    by_space = two.diff()
    for a, b in (("v1", "v2"), ("v1", "current"), ("fake-1", "v2"), (two.ids["fake-1"][:8], "latest")):
        assert two.diff(a, b) == by_space
    assert (by_space.a.space_name, by_space.a.snapshot) == ("fake-1", "v1")
    assert (by_space.b.space, by_space.b.snapshot) == (two.ids["fake-2"], "v2")
    turned = two.diff("fake-2", "fake-1")
    assert (turned.a, turned.b, turned.overlap) == (by_space.b, by_space.a, by_space.overlap)


def test_a_space_stands_for_its_current_snapshot_or_else_its_newest(two: Spaces) -> None:
    two.snapshot("fake-1", range(20))
    two.snapshot("fake-2", range(25))
    assert (two.diff().a.snapshot, two.diff().b.snapshot, two.diff().pictures) == ("v3", "v4", 20)
    with Store(two.folder) as store:
        store.rollback("v1")
    assert (two.diff().a.snapshot, two.diff().b.snapshot, two.diff().pictures) == ("v1", "v4", 25)


def test_a_space_without_a_snapshot_has_the_pictures_it_was_given_so_far(tmp_path: Path) -> None:
    spaces = Spaces(tmp_path)
    spaces.fill("fake-1", range(30), 1)
    spaces.segment("fake-2", dict(enumerate(unit_vectors(50, 12)[18:], 18)))
    report = spaces.diff()
    assert (report.a.snapshot, report.b.snapshot) == ("v1", None)
    assert (report.a.pictures, report.b.pictures, report.pictures) == (30, 12, 12)
    assert {one.path for one in report.changed} <= {path(number) for number in range(18, 30)}
    turned = spaces.diff("fake-2", "fake-1")
    assert (turned.pictures, turned.overlap) == (12, report.overlap)
    assert [(one.path, one.a, one.b) for one in turned.changed] == [(one.path, one.b, one.a) for one in report.changed]


def test_two_snapshots_of_one_space_are_refused(two: Spaces) -> None:
    two.snapshot("fake-1", range(20))
    for a, b in (("fake-1", "fake-1"), ("v1", "v3"), ("fake-1", "current")):
        with pytest.raises(UsageError, match=f"^{a} and {b} are both of the space 'fake-1'; .*vstore snapshot diff"):
            two.diff(a, b)


def test_a_tag_that_is_called_as_a_space_is_refused_unless_it_means_the_same(two: Spaces) -> None:
    with Store(two.folder) as store:
        store.snapshot_tag("v1", "fake-1")
        assert store.model_diff("fake-1", "fake-2").a.snapshot == "v1"
        store.snapshot_untag("fake-1")
        store.snapshot_tag("v2", "fake-1")
        with pytest.raises(AmbiguousSnapshot, match="fake-1 is the space of v1, and a name of v2; write the number"):
            store.model_diff("fake-1", "fake-2")
        assert store.model_diff("v1", "v2").pictures == 30


def test_what_means_nothing_names_what_there_is(two: Spaces) -> None:
    for wrong, near in (("fake1", "fake-1"), ("v9", "v2"), ("curent", "current")):
        with pytest.raises(SnapshotNotFound, match=f"no space and no snapshot '{wrong}'") as caught:
            two.diff("fake-2", wrong)
        assert caught.value.instead == (wrong, near)
        assert caught.value.next_step == (
            f"did you mean {near}? the spaces here are: fake-1, fake-2; list snapshots with: vstore snapshot list"
        )
    with pytest.raises(UsageError, match="no name of a"):
        two.diff("fake-2", 2)  # type: ignore[arg-type]


def test_too_few_pictures_in_both_are_refused(tmp_path: Path) -> None:
    spaces = Spaces(tmp_path)
    spaces.fill("fake-1", range(5), 1)
    with pytest.raises(UsageError, match=r"0 pictures in both .* vstore sync --space fake-2"):
        spaces.diff()
    spaces.fill("fake-2", range(4, 9), 2)
    with pytest.raises(UsageError, match="1 picture in both 'fake-1' and 'fake-2', and neighbours need two"):
        spaces.diff()


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "x", None])
def test_counts_that_are_none_are_refused(two: Spaces, wrong: Any) -> None:
    with pytest.raises(UsageError, match=r"--sample is .* no count of pictures; give 1 or more"):
        two.diff(sample=wrong)
    if wrong != 0:
        with pytest.raises(UsageError, match=r"--changed is .* no count of pictures; give 0 or more"):
            two.diff(changed=wrong)


def test_nothing_is_said_of_a_store_without_a_snapshot(tmp_path: Path) -> None:
    with pytest.raises(SnapshotNotFound, match="snapshot"):
        Spaces(tmp_path).diff()


# How it runs


class Heard:
    """A listener that keeps what it hears."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int | None]] = []
        self.advanced: list[int] = []

    def stage(self, name: str, total: int | None) -> None:
        self.stages.append((name, total))

    def advance(self, n: int = 1) -> None:
        self.advanced.append(n)

    def note(self, text: str) -> None:
        raise AssertionError(text)

    def close(self) -> None:
        pass


def test_no_model_is_loaded_and_nothing_is_embedded(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.put({f"{number}.png": number for number in range(20)})
    world.sync()
    second = FakeEmbedder("fake-2", dim=12)
    add_space(world.repo, second.recipe, "fake-2")
    with Store(world.folder, load_embedder=lambda recipe: second) as store:
        store.sync(space="fake-2")
    before = world.fake.embedded, world.loaded
    report = world.store.model_diff("fake-1", "fake-2")
    assert (report.pictures, report.where.file_of(report.changed[0].path) is not None) == (20, True)
    assert (world.fake.embedded, world.loaded) == before


def test_progress_counts_the_pictures(two: Spaces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_diff, "_AT_ONCE", 8)
    heard = Heard()
    two.diff(sample=20, progress=heard)
    assert heard.stages == [("comparing", 20)]
    assert heard.advanced == [8, 8, 4]


def test_it_stops_between_pictures(two: Spaces, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_diff, "_AT_ONCE", 8)
    stop = threading.Event()

    class Stopping(Heard):
        def advance(self, n: int = 1) -> None:
            super().advance(n)
            stop.set()

    heard = Stopping()
    with pytest.raises(Interrupted, match="nothing was changed"):
        two.diff(stop=stop, progress=heard)
    assert heard.advanced == [8]


def test_damaged_vectors_are_named(two: Spaces) -> None:
    repo = two.builder.repo
    (ref,) = repo.state.segments(two.ids["fake-2"])
    place = Segment(repo.layout.segments, ref).path
    place.chmod(0o644)
    content = bytearray(place.read_bytes())
    content[300] ^= 1
    place.write_bytes(content)
    with pytest.raises(Damage, match=ref.name):
        two.diff()


@pytest.mark.parametrize("sample", [1, 30])
def test_rows_that_are_no_vectors_are_in_no_figure(tmp_path: Path, sample: int) -> None:
    spaces = Spaces(tmp_path)
    spaces.fill("fake-1", range(30), 1)
    rows = unit_vectors(30, 12)
    first = min(range(30), key=key)
    for number in range(30):
        if number != first:
            rows[number] = np.nan
    spaces.segment("fake-2", dict(enumerate(rows)))
    spaces.snapshot("fake-2", range(30))
    with pytest.raises(Damage, match="no vectors of norm 1"):
        spaces.diff(sample=sample)


def test_the_document_says_what_the_report_says(two: Spaces) -> None:
    report = two.diff(changed=2)
    document = json.loads(json.dumps(report.to_json()))
    assert "where" not in document
    assert document["a"] == {"space": two.ids["fake-1"], "space_name": "fake-1", "snapshot": "v1", "pictures": 30}
    first = document["changed"][0]
    assert (first["key"], first["overlap"]) == (report.changed[0].key.hex(), report.changed[0].overlap)
    assert first["a"][0].keys() == {"key", "path", "file", "score", "place"}
