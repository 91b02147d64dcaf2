"""`dupes --near`: groups without chains, whatever the order; tiers, bursts, loose groups, decisions."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from support.builder import Builder, Floats, key, unit_vectors
from support.folders import World, drawn
from support.look_alikes import jpeg, png, scene
from support.plain_pairs import plain_score

from vstore.embed.builtin import BuiltinEmbedder
from vstore.errors import UsageError
from vstore.repository.decisions import Choice, decide
from vstore.repository.repository import Repository
from vstore.search.dupes import DupesReport, dupes
from vstore.search.groups import Group
from vstore.search.pair_scores import millionths
from vstore.search.pairs import scores_of


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, BuiltinEmbedder())  # type: ignore[arg-type]


def synced(world: World, files: dict[str, bytes], **options: Any) -> DupesReport:
    world.put(files)
    world.sync()
    return world.store.dupes(**{"near": "auto", **options})


def names(group: Group) -> list[str]:
    return [os.fsdecode(path).removeprefix("pictures/") for path in group.paths]


def morph(one: Image.Image, other: Image.Image, count: int = 13) -> dict[str, bytes]:
    """Fade one picture into another: neighbours are alike, and the ends have nothing in common."""
    return {f"{n:02}.png": png(Image.blend(one, other, n / (count - 1))) for n in range(count)}


# No chains


def scores(world: World, report: DupesReport) -> Iterator[int]:
    repo = world.repo
    space = repo.snapshot("current").space
    for group in report.groups:
        yield from scores_of(repo, space, [*combinations([picture.key for picture in group.pictures], 2)])


def test_pictures_that_fade_into_another_are_parted(world: World) -> None:
    report = synced(world, morph(scene(1), scene(2)), near=0.85)
    assert len(report.groups) > 1
    assert min(scores(world, report)) >= 850_000
    assert min(group.least for group in report.groups if group.least) * 1e6 == pytest.approx(min(scores(world, report)))


def test_a_loose_group_goes_as_far_as_its_representative_reaches(world: World) -> None:
    report = synced(world, morph(scene(1), scene(2)), near=0.85, loose=True)
    assert report.loose and report.to_json()["loose"] is True
    assert min(scores(world, report)) < 850_000
    for group in report.groups:
        assert group.pictures[0].key == group.key
        assert group.least == min(picture.score for picture in group.pictures) >= 0.85
    assert len(report.groups) < len(world.store.dupes(near=0.85).groups)


# The set of pictures alone


def families(count: int, seed: int) -> Floats:
    """Draw rows round a few centres, some of them equal."""
    rng = np.random.default_rng(seed)
    rows = unit_vectors(6, 8, seed)[rng.integers(0, 6, count)] + rng.normal(0, 0.12, (count, 8)).astype(np.float32)
    rows[::7] = rows[0]
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def found(repo: Repository, **options: Any) -> list[Any]:
    report = dupes(repo, near=0.9, **options)
    return sorted(
        [group.key, group.least, *sorted((one.key, one.score, one.tier) for one in group.pictures)]
        for group in report.groups
    )


@pytest.mark.parametrize("loose", [False, True])
def test_the_groups_are_the_same_in_a_hundred_orders(tmp_path: Path, loose: bool) -> None:
    rng = np.random.default_rng(5)
    count = 60
    rows, places = families(count, seed=3), rng.permutation(count)
    builder = Builder(tmp_path / ".vstore")
    for part in np.array_split(places, 12):
        builder.add_segment([key(n) for n in part.tolist()], rows[part])
    builder.add_snapshot({b"r/%d.png" % n: key(n) for n in range(count)})
    first = found(builder.repo, loose=loose)
    assert len(first) > 3
    refs = [*builder.repo.state.segments(builder.space)]
    for _ in range(100):
        builder.list_segments([refs[n] for n in rng.permutation(12)])
        assert found(builder.repo, loose=loose) == first


def test_other_names_and_other_histories_make_the_same_groups(tmp_path: Path) -> None:
    rows = families(40, seed=8)
    reports = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        (tmp_path / str(seed)).mkdir()
        builder = Builder(tmp_path / str(seed) / ".vstore")
        order = rng.permutation(40)
        at = 0
        while at < 40:
            some = order[at : at + int(rng.integers(1, 12))]
            at += len(some)
            builder.add_segment([key(n) for n in some.tolist()], rows[some])
            builder.add_snapshot({b"r/%d" % rng.integers(10**9): key(n) for n in order[:at].tolist()})
            if len(some) % 2:
                dupes(builder.repo, near=0.9)
        reports.append(found(builder.repo))
    assert all(report == reports[0] for report in reports[1:])


def test_a_snapshot_has_the_groups_of_its_own_pictures(world: World) -> None:
    frames = morph(scene(1), scene(2))
    whole = synced(world, frames, near=0.85)
    half = dict([*frames.items()][::2])
    for name in frames.keys() - half.keys():
        (world.pictures / name).unlink()
    world.sync(allow_mass_delete=True)
    (world.top / "alone").mkdir()
    alone = World(world.top / "alone", BuiltinEmbedder())  # type: ignore[arg-type]
    expected = synced(alone, half, near=0.85)
    assert [*map(names, world.store.dupes(near=0.85).groups)] == [*map(names, expected.groups)]
    assert sorted(map(names, world.store.dupes(near=0.85, at="v1").groups)) == sorted(map(names, whole.groups))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), near=st.sampled_from([0.3, 0.8, 0.97, 0.9997, 1.0]), loose=st.booleans())
def test_whatever_was_decided_all_of_a_group_reach_the_score(
    tmp_path_factory: pytest.TempPathFactory, seed: int, near: float, loose: bool
) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 25))
    rows = families(count, seed) + (rng.normal(0, 0.01, (count, 8)) * (rng.random((count, 1)) < 0.3)).astype(np.float32)
    builder = Builder(tmp_path_factory.mktemp("alike") / ".vstore")
    builder.add_segment([key(n) for n in range(count)], rows / np.linalg.norm(rows, axis=1, keepdims=True))
    builder.add_snapshot({b"r/%d.png" % n: key(n) for n in range(count)})
    newest: dict[tuple[bytes, bytes], str] = {}
    for _ in range(6):
        keys = [key(int(n)) for n in rng.choice(count, min(count, int(rng.integers(1, 5))), replace=False)]
        verb = str(rng.choice(["different", "same"]))
        if len(keys) > 1:
            decide(builder.repo, [Choice(verb, keys)])
            newest |= dict.fromkeys(combinations(sorted(keys), 2), verb)
    (segment,) = [builder.repo.segment(ref) for ref in builder.repo.state.segments(builder.space)]
    stored = dict(zip(segment.key_list(), np.asarray(segment.rows()), strict=True))

    groups = dupes(builder.repo, near=near, loose=loose, all=True).groups

    grouped = [picture.key for group in groups for picture in group.pictures]
    assert len(grouped) == len(set(grouped))
    for group in groups:
        first, *others = [picture.key for picture in group.pictures]
        pairs = [*combinations(sorted([first, *others]), 2)]
        assert others and not any(newest.get(pair) == "different" for pair in pairs)
        for one, other in [(first, other) for other in others] if loose else pairs:
            assert plain_score(stored[one], stored[other]) >= millionths(near)


# Tiers


def test_a_group_tells_same_bytes_same_pixels_and_look_alikes_apart(world: World) -> None:
    one = scene(1)
    report = synced(
        world,
        {
            "a.png": png(one),
            "b.png": png(one),
            "c.png": png(one, "with a title"),
            "d.jpg": jpeg(one, 60),
            "e.jpg": jpeg(one.resize((105, 75)), 60),
        },
    )
    (group,) = report.groups
    assert group.tier == "near" and group.copies == 4 and not group.burst
    paths = [picture.paths for picture in group.pictures]
    tiers = [picture.tier for picture in group.pictures]
    at = paths.index((b"pictures/a.png", b"pictures/b.png"))
    assert paths[at + 1] == (b"pictures/c.png",) and tiers[at + 1] == "pixels"
    assert [*tiers[:at], *tiers[at + 2 :]].count("near") == (2 if at == 0 else 1)


def test_a_group_of_the_same_pixels_is_one(world: World) -> None:
    one = scene(1)
    report = synced(
        world, {"a.png": png(one), "b.png": png(one, "two"), "c.png": png(one, "three"), "d.png": png(scene(2))}
    )
    (group,) = report.groups
    assert (group.tier, group.least, group.copies) == ("pixels", 1, 2)
    assert [picture.tier for picture in group.pictures] == ["bytes", "pixels", "pixels"]
    assert [picture.paths for picture in group.pictures[1:]] == sorted(picture.paths for picture in group.pictures[1:])


# Bursts


def burst(camera: str = "X100V", part: Callable[[int], str] = lambda n: "") -> dict[str, bytes]:
    """Take three pictures one after the other, in which something moves."""
    frames = {}
    for n in range(3):
        picture = scene(1, (420, 300))
        picture.paste((20, 30, 200), (40 + 60 * n, 80, 90 + 60 * n, 140))
        frames[f"{n}.jpg"] = jpeg(picture, taken=f"2024:05:01 12:00:0{2 * n}", camera=camera, part=part(n))
    return frames


def test_a_burst_is_marked_and_its_pictures_are_no_copies(world: World) -> None:
    frames = burst()
    report = synced(world, {**frames, "again.jpg": frames["1.jpg"]}, near=0.7)
    (group,) = report.groups
    assert group.burst and group.to_json()["burst"] is True
    assert [(picture.burst, picture.part) for picture in group.pictures] == [(True, 0), (True, 1), (True, 2)]
    assert group.copies == 1  # the same bytes are
    assert report.wasted == group.wasted == len(frames["1.jpg"])

    counted = world.store.dupes(near=0.7, bursts=True)
    (group,) = counted.groups
    sizes = [*map(len, frames.values()), len(frames["1.jpg"])]
    assert group.burst and group.copies == 3 and counted.bursts
    assert [(picture.burst, picture.part) for picture in group.pictures] == [(True, 0)] * 3
    assert group.wasted == sum(sizes) - max(sizes)


def test_a_copy_belongs_to_what_it_is_most_like_of_a_burst(world: World) -> None:
    frames = burst()
    with Image.open(io.BytesIO(frames["2.jpg"])) as picture:
        small = jpeg(picture.resize((210, 150)))
    (group,) = synced(world, {**frames, "small.jpg": small}, near=0.7).groups
    assert group.copies == 1 and group.wasted == len(small)
    part = {picture.paths[0]: (picture.part, picture.burst) for picture in group.pictures}
    assert part[b"pictures/small.jpg"] == (part[b"pictures/2.jpg"][0], False)
    at = names(group).index("2.jpg")
    assert names(group)[at : at + 2] == ["2.jpg", "small.jpg"] or names(group)[:2] == ["small.jpg", "2.jpg"]


def test_other_dates_in_the_same_picture_make_no_burst(world: World) -> None:
    picture = scene(1, (420, 300))
    files = {f"{n}.jpg": jpeg(picture, 90, f"2024:05:01 12:00:0{n}") for n in range(3)}
    (group,) = synced(world, files).groups
    assert (group.tier, group.burst, group.copies) == ("pixels", False, 2)


def test_pictures_of_two_cameras_are_no_burst(world: World) -> None:
    one, two = burst(), burst("iPhone 15")
    report = synced(world, {"0.jpg": one["0.jpg"], "1.jpg": two["1.jpg"]}, near=0.7)
    (group,) = report.groups
    assert not group.burst and group.copies == 1


def test_a_copy_that_kept_its_date_is_no_burst(world: World) -> None:
    picture = scene(1, (420, 300))
    when = "2024:05:01 12:00:00"
    (group,) = synced(world, {"a.jpg": jpeg(picture, 95, when), "b.jpg": jpeg(picture, 80, when)}).groups
    assert not group.burst and group.copies == 1


# Decisions


def decided(world: World, verb: str, *files: bytes, kept: tuple[bytes, ...] = ()) -> None:
    keys = [bytes.fromhex(world.key(file)) for file in files]
    decide(world.repo, [Choice(verb, keys, kept)])


@pytest.mark.parametrize("loose", [False, True])
def test_pictures_that_were_decided_to_be_different_share_no_group(world: World, loose: bool) -> None:
    one = scene(1)
    files = {
        "a.jpg": jpeg(one),
        "b.jpg": jpeg(one, 90),
        "c.jpg": jpeg(one, 85),
        "d.png": png(one),
        "e.png": png(one, "e"),
    }
    (group,) = synced(world, files, loose=loose).groups
    assert len(group.paths) == 5
    decided(world, "different", files["d.png"], files["e.png"])
    decided(world, "different", files["a.jpg"], files["b.jpg"])
    for group in world.store.dupes(near="auto", loose=loose).groups:
        assert not {"a.jpg", "b.jpg"} <= set(names(group)) and not {"d.png", "e.png"} <= set(names(group))
    decided(world, "same", *files.values())  # the newest holds
    (group,) = world.store.dupes(near="auto", loose=loose, all=True).groups
    assert len(group.paths) == 5


def test_pictures_that_were_decided_to_be_the_same_make_no_group_below_the_threshold(world: World) -> None:
    files = {"a.png": png(scene(1)), "b.png": png(scene(2))}
    assert synced(world, files).groups == ()
    decided(world, "same", *files.values())
    assert world.store.dupes(near="auto").groups == ()


# Words


@pytest.mark.parametrize("words", [{"loose": True}, {"bursts": True}], ids=str)
def test_words_about_look_alikes_need_them(world: World, words: dict[str, bool]) -> None:
    world.put({"a.png": drawn(1)})
    world.sync()
    with pytest.raises(UsageError, match=f"--{next(iter(words))}.*add --near"):
        world.store.dupes(**words)
