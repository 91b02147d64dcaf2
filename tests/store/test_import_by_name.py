"""Pictures of a list that share only their names with its paths: never taken silently, and looked at first."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.folders import digests
from support.format_1 import begin
from support.old_indexes import OldIndex, reasons, states

from vstore.errors import MigrationNeeded
from vstore.store import Store
from vstore.testing import FakeEmbedder


@pytest.fixture
def old(tmp_path: Path) -> OldIndex:
    """A list of twelve pictures, of which the last was deleted; a picture of its name lies elsewhere."""
    old = OldIndex(tmp_path)
    (old.pictures / "p11.png").unlink()
    old.put({"phone/p11.png": 40})
    return old


def opened(old: OldIndex, fake: FakeEmbedder) -> Store:
    return Store(old.folder, load_embedder=lambda recipe: fake)


def test_a_stranger_of_the_name_gets_no_vector(old: OldIndex) -> None:
    report = old.new()
    assert (states(report), report.near, report.left, report.moved) == ({"matched": 11, "missing": 1}, 1, 1, 11)
    assert reasons(report, "missing") == ["only a file elsewhere has its name"]
    assert old.key(40) not in old.stored()
    assert any("camera names repeat" in note and "--by-name" in note for note in report.notes)
    assert any("the list moved as a whole (o00_images/ became the top)" in note for note in report.notes)


def test_nor_does_it_when_the_import_is_resumed(old: OldIndex) -> None:
    first = old.new()
    before = digests(old.folder)
    with old.store as store:
        report = store.import_index(resume=first.import_id)
        assert (states(report), report.near, report.left) == ({"missing": 1}, 1, 1)
        assert digests(old.folder) == before
        old.put({"p11.png": 11})
        report = store.import_index(resume=first.import_id)
    assert (states(report), report.left, old.aliases()["pictures/p11.png"]) == ({"matched": 1}, 0, old.key(11))


def test_what_moved_is_kept_with_the_rows_that_wait_in_every_way(old: OldIndex) -> None:
    first = old.new()
    kept = old.repo.state.imports[first.import_id]
    assert kept.moved == ((b"o00_images", b""),)
    assert type(kept).from_json(kept.id, kept.to_json()) == kept


def test_by_name_is_said_counted_and_claimed(old: OldIndex) -> None:
    report = old.new(by_name=True)
    assert (states(report), report.by_name, report.near, report.status) == ({"matched": 12}, 1, 0, "claimed")
    assert report.to_json()["by_name"] == 1
    assert any(note.startswith("1 row matched by name alone") for note in report.notes)
    (space,) = old.repo.state.spaces.values()
    assert space.by_name == (old.key(40),)
    assert old.stored()[old.key(40)].tobytes() == old.rows[11].astype("f2").tobytes()


def test_what_has_a_vector_of_its_own_is_no_near_miss_of_a_row_that_waits(old: OldIndex) -> None:
    fake = FakeEmbedder()
    old.embed(fake)
    first = old.new(recipe=fake.recipe)
    with opened(old, fake) as store:
        store.sync([old.pictures])  # the stranger is embedded
        report = store.import_index(resume=first.import_id, by_name=True)
    assert (states(report), report.near, report.by_name, report.left) == ({"missing": 1}, 0, 0, 1)


def test_a_verified_space_is_claimed_again_by_what_is_resumed_by_name(old: OldIndex) -> None:
    fake = FakeEmbedder()
    old.embed(fake)
    first = old.new(recipe=fake.recipe)
    with opened(old, fake) as store:
        store.check(reembed=4)
        report = store.import_index(resume=first.import_id, by_name=True)
    assert (report.status, report.by_name) == ("claimed", 1)
    assert [space.by_name for space in old.repo.state.spaces.values()] == [(old.key(40),)]


@pytest.mark.parametrize("count", [1, 4])
def test_a_sample_begins_with_them_and_a_stranger_verifies_nothing(old: OldIndex, count: int) -> None:
    fake = FakeEmbedder()
    old.embed(fake)
    old.new(recipe=fake.recipe, by_name=True)
    with opened(old, fake) as store:
        sample = store.check(reembed=count).reembed
    assert sample is not None
    assert (sample.fits, sample.status, sample.by_name) == (False, "claimed", 1)
    assert sample.strangers == (1 if count > 1 else 0), "of one picture nobody can tell whether the model is at fault"
    assert [path for path, _ in sample.off] == [b"pictures/phone/p11.png"]


def test_one_stranger_is_too_many_in_a_sample_that_may_lack_one(tmp_path: Path) -> None:
    fake = FakeEmbedder()
    old = OldIndex(tmp_path, count=40)
    (old.pictures / "p39.png").unlink()
    old.put({"phone/p39.png": 80})
    old.embed(fake)
    old.new(recipe=fake.recipe, by_name=True)
    with opened(old, fake) as store:
        sample = store.check(reembed=32).reembed
        assert sample is not None
        assert (sample.trials[0].fitting, sample.needed, sample.strangers) == (31, 31, 1)
        assert (sample.fits, sample.status) == (False, "claimed")


def test_those_that_are_right_are_verified_and_stay_the_first(tmp_path: Path) -> None:
    fake = FakeEmbedder()
    old = OldIndex(tmp_path)
    (old.pictures / "p11.png").unlink()
    old.put({"new/p11.png": 11})
    old.embed(fake)
    old.new(by_name=True)
    with opened(old, fake) as store:
        sample = store.check(reembed=4, recipe=fake.recipe, adopt="as-declared").reembed
        assert sample is not None
        assert (sample.fits, sample.by_name, sample.strangers) == (True, 1, 0)
    assert {space.by_name for space in old.repo.state.spaces.values()} == {(old.key(11),)}


def test_a_space_remembers_some_of_very_many(tmp_path: Path) -> None:
    from vstore.format.entries import NAMED

    old = OldIndex(tmp_path, count=150)
    old.put({f"{n}/{name}": n for n, name in enumerate(old.names)})
    for name in old.names:
        (old.pictures / name).unlink()
    report = old.new(by_name=True)
    assert report.by_name == 150
    (space,) = old.repo.state.spaces.values()
    assert len(space.by_name) == NAMED


def test_a_store_of_format_1_cannot_remember_them(old: OldIndex) -> None:
    begin(old.folder)
    with old.store as store:
        with pytest.raises(MigrationNeeded, match="by name alone need store format 2"):
            store.import_index(**old.triple(), by_name=True)
        first = store.import_index(**old.triple())
        assert states(first) == {"matched": 11, "missing": 1}
        assert old.repo.state.imports[first.import_id].moved == ()
        assert states(store.import_index(resume=first.import_id)) == {"missing": 1}


def test_without_any_clear_way_the_refusal_names_the_option(tmp_path: Path) -> None:
    from vstore.importing.report import ImportRefused

    old = OldIndex(tmp_path)
    old.put({f"{n}/{name}": n for n, name in enumerate(old.names)})
    for name in old.names:
        (old.pictures / name).unlink()
    with pytest.raises(ImportRefused, match="--by-name"):
        old.new()
