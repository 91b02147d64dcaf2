"""Pictures of one colour: noted with their facts, no look-alikes of anything, marked among hits."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.edited import Declared, edited
from support.folders import World, plain

from vstore.embed.builtin import BuiltinEmbedder
from vstore.format import facts
from vstore.format.facts import Fact
from vstore.intake.new_facts import NewFacts
from vstore.repository.facts import added
from vstore.repository.pixel_facts import flat_among
from vstore.repository.repository import Repository
from vstore.search.query import Operand
from vstore.search.search import SearchReport
from vstore.store import Store

COLOURS = {
    "black": (0, 0, 0),
    "night": (3, 3, 3),
    "white": (255, 255, 255),
    "red": (200, 10, 10),
    "sky": (90, 140, 230),
}


def noisy(seed: int) -> bytes:
    """Draw a JPEG of one colour, as a covered lens takes it."""
    noise = np.random.default_rng(seed).normal(20, 2, (120, 160, 3)).clip(0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "JPEG", quality=90)
    return out.getvalue()


def scene(seed: int) -> bytes:
    coarse = np.random.default_rng(seed).integers(0, 255, (5, 7, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(coarse).resize((210, 150), Image.Resampling.BICUBIC).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Flat pictures, one of them twice, and others, one of them twice."""
    world = World(tmp_path, BuiltinEmbedder())  # type: ignore[arg-type]
    world.put({f"{name}.png": plain(colour) for name, colour in COLOURS.items()})
    world.put({"covered.jpg": noisy(1), "black again.png": plain((0, 0, 0))})
    world.put({"one.png": scene(1), "one again.png": scene(1), "two.png": scene(2)})
    world.sync()
    return world


def flat_paths(world: World) -> set[str]:
    repo = world.repo
    aliases = world.aliases()
    found = flat_among(repo, repo.recipe(str(repo.state.current_space)), set(map(bytes.fromhex, aliases.values())))
    return {path.removeprefix("pictures/") for path, key in aliases.items() if bytes.fromhex(key) in found}


def search(world: World, picture: Path, k: int = 10) -> SearchReport:
    return world.store.search([Operand(1.0, os.fsencode(picture))], k=k)


FLAT = {*(f"{name}.png" for name in COLOURS), "covered.jpg", "black again.png"}


def test_a_sync_notes_which_are_of_one_colour(world: World) -> None:
    assert flat_paths(world) == FLAT


def test_they_are_copies_of_nothing_but_their_own_bytes(world: World) -> None:
    report = world.store.dupes(near=0.5)
    found = [sorted(os.fsdecode(path).removeprefix("pictures/") for path in group.paths) for group in report.groups]
    assert sorted(found) == [["black again.png", "black.png"], ["one again.png", "one.png"]]
    assert report.flat == 6 and report.to_json()["flat"] == 6
    assert all(picture.score == 1 for group in report.groups for picture in group.pictures)
    assert world.store.dupes().flat is None
    assert [len(group.paths) for group in world.store.dupes().groups] == [2, 2]


def test_without_the_fact_they_are_compared_as_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path, BuiltinEmbedder())  # type: ignore[arg-type]
    world.put({"black.png": plain((0, 0, 0)), "night.png": plain((3, 3, 3)), "one.png": scene(1)})
    with monkeypatch.context() as patch:
        patch.setattr(NewFacts, "unlisted", lambda self, having: [])
        world.sync()
    report = world.store.dupes(near="auto")
    assert report.flat == 0 and [len(group.paths) for group in report.groups] == [2]

    assert world.store.facts(fill=True, pixels=True).filled == 3

    report = world.store.dupes(near="auto")
    assert report.flat == 2 and not report.groups


def test_hits_are_marked(world: World) -> None:
    report = search(world, world.pictures / "one.png", k=20)
    marked = {os.fsdecode(path).removeprefix("pictures/") for hit in report.hits if hit.flat for path in hit.paths}
    assert marked == FLAT and len(report.hits) == 8
    assert [hit.to_json().get("flat") for hit in report.hits] == [True if hit.flat else None for hit in report.hits]
    assert not report.flat_query


def test_a_query_of_one_colour_is_said(world: World, tmp_path: Path) -> None:
    other = tmp_path / "other.png"
    other.write_bytes(plain((1, 2, 3)))  # which no snapshot has
    assert search(world, other).flat_query
    assert search(world, world.pictures / "black.png").flat_query
    other.write_bytes(scene(9))
    assert not search(world, other).flat_query


def test_facts_of_another_preparation_and_newer_ones_leave_it_as_it_is(world: World) -> None:
    repo = world.repo
    prepare = repo.recipe(str(repo.state.current_space))["prepare"]
    one, black = (bytes.fromhex(world.key(what)) for what in (scene(1), plain((0, 0, 0))))
    with repo.committing("test"):
        newer = [Fact(black, 7, {facts.WIDTH: 30}), Fact(one, 7, {facts.flat({**prepare, "policy": 99}): 1})]
        changes, blobs = added(repo, newer)
        repo.publish("seal", changes, blobs=blobs)
    assert flat_paths(world) == FLAT


def test_damaged_facts_cost_no_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from vstore.errors import Damage
    from vstore.repository import pixel_facts

    def rotten(*given: object) -> None:
        raise Damage("a page is damaged", "run: vstore check")

    monkeypatch.setattr(pixel_facts, "facts_of", rotten)
    report = search(world, world.pictures / "one.png", k=20)
    assert len(report.hits) == 8 and not any(hit.flat for hit in report.hits)


def test_an_edit_of_a_flat_picture_is_flat(tmp_path: Path) -> None:
    world = Declared(tmp_path)
    world.put({"a.png": plain((7, 7, 7)), "b.png": 1})
    world.sync()
    world.put({"a.png": plain((7, 7, 7)) + b"words behind its end", "b.png": edited(1)})
    assert world.sync().same_pixels == 2
    assert flat_paths(world) == {"a.png"}


def test_stores_of_format_1_know_of_none(tmp_path: Path) -> None:
    world = World(tmp_path)
    repo = Repository(world.folder)
    assert flat_among(repo, world.fake.recipe, [bytes(16)]) == set()
    old = Store(Path(__file__).parent / "data" / "format-1" / "store")
    report = old.dupes(near=0.5)
    assert report.flat == 0
