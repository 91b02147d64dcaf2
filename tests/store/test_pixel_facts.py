"""The digests of prepared pixels in the facts of a store: who shares one, who has none, and who is sampled first."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image
from support.builder import Builder, key
from support.edited import Declared, edited
from support.facts import PREPARED
from support.folders import drawn, trust_young_stats

from vstore.format import facts
from vstore.format.facts import Fact, pixels
from vstore.format.pixel_digest import pixel_digest
from vstore.repository.facts import added
from vstore.repository.pixel_facts import lacking, same_pixels
from vstore.repository.sampling import sample_pictures

RECIPE = {"prepare": {"policy": 1}}


def fact(number: int, digest: bytes, column: facts.Column = PREPARED) -> Fact:
    return Fact(key(number), 0, {column: digest * 16})


def test_pictures_that_share_a_digest_are_found_across_runs(builder: Builder) -> None:
    builder.add_facts(sorted([fact(1, b"a"), fact(2, b"b"), fact(3, b"a")], key=lambda one: one.key))
    builder.add_facts([fact(4, b"b")])
    builder.add_facts([fact(5, b"c")])
    builder.add_facts([fact(5, b"c")._replace(reader=1)])  # a picture shares nothing with itself
    assert same_pixels(builder.repo, RECIPE) == {key(1), key(2), key(3), key(4)}


def test_only_digests_of_the_preparation_count(builder: Builder) -> None:
    other = pixels({"policy": 2})
    builder.add_facts([fact(1, b"a")])
    builder.add_facts([fact(2, b"a", other)])
    builder.add_facts([Fact(key(3), 0, {facts.WIDTH: 4})])
    assert same_pixels(builder.repo, RECIPE) == set()
    assert lacking(builder.repo, RECIPE, [key(1), key(2), key(3), key(4)]) == {key(2), key(3), key(4)}
    assert same_pixels(builder.repo, {}) == set() and lacking(builder.repo, {}, [key(1)]) == {key(1)}


def test_digests_that_begin_alike_are_not_the_same(builder: Builder) -> None:
    one, two = (Fact(key(n), 0, {PREPARED: b"a" * 8 + bytes([n]) * 8}) for n in (1, 2))
    builder.add_facts([one])
    builder.add_facts([two])
    assert same_pixels(builder.repo, RECIPE) == set()


def test_a_store_without_facts_shares_none(builder: Builder) -> None:
    assert same_pixels(builder.repo, RECIPE) == set()


def test_a_sample_begins_with_what_may_be_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trust_young_stats(monkeypatch)
    world = Declared(tmp_path)
    world.put({f"{number}.png": number for number in range(30)})
    world.sync()
    for number in (3, 17):
        world.put({f"{number}.png": edited(number)})
    world.sync()
    first = {bytes.fromhex(world.key(edited(number))) for number in (3, 17)}
    repo = world.repo
    found, _ = sample_pictures(repo, repo.snapshot("current"), 2, second=same_pixels(repo, world.fake.recipe))
    assert {picture.key for picture in found} == first
    doubted = [bytes.fromhex(world.key(5))]
    found, _ = sample_pictures(repo, repo.snapshot("current"), 3, doubted, same_pixels(repo, world.fake.recipe))
    assert [picture.key for picture in found][:1] == doubted and {picture.key for picture in found[1:]} == first
    report = world.store.check(reembed=2).reembed
    assert report is not None and report.fits


def test_a_copied_vector_that_is_wrong_is_found_by_the_smallest_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust_young_stats(monkeypatch)
    world = Declared(tmp_path)
    world.put({f"{number}.png": number for number in range(40)})
    world.sync()
    repo, preparation = world.repo, world.fake.recipe["prepare"]
    with Image.open(io.BytesIO(drawn(99))) as picture:
        digest = pixel_digest(repo.hash, preparation, picture.size, picture.tobytes())
    with repo.committing("test"):  # somebody wrote that picture 7 has the pixels of picture 99
        lie = Fact(bytes.fromhex(world.key(7)), 1, {pixels(preparation): digest})
        changes, blobs = added(repo, [lie])
        repo.publish("seal", changes, blobs=blobs)
    world.put({"7.png": 99})
    assert world.sync().same_pixels == 1
    report = world.store.check(reembed=1).reembed
    assert report is not None and not report.fits
