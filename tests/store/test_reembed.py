"""Re-embedding a sample: a space that fits is verified; otherwise the recipe that fits is found."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.folders import digests
from support.old_indexes import OldIndex, unit
from support.reembed_photos import photo

from vstore.embed.variations import Variation, preparations
from vstore.errors import ModelError, UsageError
from vstore.format.recipes import Recipe, space_id
from vstore.pictures.decoding import prepare
from vstore.pictures.preparation import preparation_1, preparation_of
from vstore.store import Store

COUNT = 64
MIX = np.random.default_rng(1).standard_normal((48, 8 * 8 * 3 + 3 + 2))


class SoftEmbedder:
    """A model whose vectors follow the pixels smoothly, so that a recipe that is almost right scores almost 1.

    Its family has two things that are easily forgotten: an adapter and a prompt.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.dim = int(recipe["dim"])

    @staticmethod
    def of(adapter: bool = True, prompt: str = "look", **changes: Any) -> dict[str, Any]:
        return {
            "family": "soft",
            "name": "soft-1",
            "dim": 48,
            "adapter": adapter,
            "prompt": prompt,
            "prepare": {**preparation_1(512), **changes},
        }

    def embed_images(self, pictures: Sequence[Image.Image]) -> Any:
        rows = np.zeros((len(pictures), self.dim), np.float32)
        for row, picture in zip(rows, pictures, strict=True):
            small = np.asarray(picture.resize((8, 8), Image.Resampling.BOX), np.float32).reshape(-1) - 128
            fine = np.asarray(picture, np.float32)
            texture = np.abs(np.diff(fine, 4, axis=0)).mean(axis=(0, 1))  # what a JPEG, or another size, changes
            seen = np.concatenate([small, np.log(texture + 0.01) * 300, [picture.width, picture.height]])
            row[:] = MIX @ seen
            if self.recipe["adapter"]:
                row[:] = np.roll(row, 5) + row * 0.3
            if self.recipe["prompt"] == "look":
                row[0] += np.abs(row).sum() / 10
        return unit(rows)

    def variations(self) -> Sequence[Variation]:
        return (
            Variation("no-adapter", "the adapter was not applied", {**self.recipe, "adapter": False}),
            Variation("prompt-none", "there was no prompt", {**self.recipe, "prompt": ""}),
            Variation("broken", "a model that cannot be loaded", {**self.recipe, "family": "gone"}),
        )


def load(recipe: Recipe) -> Any:
    if recipe["family"] != "soft":
        raise ModelError("there is no such family")
    return SoftEmbedder(recipe)


class Case:
    """64 photos, and an old index whose vectors a certain recipe gave."""

    def __init__(self, top: Path) -> None:
        self.old = OldIndex(top, count=COUNT, dim=48)
        self.photos = [photo(i, 6 if i % 2 else 1) for i in range(COUNT)]
        self.old.put(dict(zip(self.old.names, self.photos, strict=True)))

    def made_with(self, recipe: Mapping[str, Any], spoil: Callable[[Any], None] = lambda rows: None) -> None:
        pictures = [prepare(data, preparation_of(recipe))[0] for data in self.photos]
        rows = SoftEmbedder(recipe).embed_images(pictures)
        spoil(rows)
        self.old.write(rows=rows)

    def imported(self, declared: Mapping[str, Any] | None) -> Store:
        self.old.new(recipe=declared)
        return Store(self.old.folder, load_embedder=load)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def status(store: Store) -> list[str]:
    return [space.status for space in store._repo.state.spaces.values()]


def test_a_sample_that_fits_makes_a_claimed_space_verified(case: Case) -> None:
    case.made_with(SoftEmbedder.of())
    with case.imported(SoftEmbedder.of()) as store:
        assert status(store) == ["claimed"]
        report = store.check(reembed=32).reembed
        assert report is not None
        assert (report.asked, report.needed, report.fits, report.status) == (32, 31, True, "verified")
        assert [trial.name for trial in report.trials] == ["as-declared"]
        assert (report.next, report.off) == ("", ())
    with Store(case.old.folder) as again:
        assert status(again) == ["verified"]


def test_the_status_is_no_part_of_the_recipe(case: Case) -> None:
    case.made_with(SoftEmbedder.of())
    with case.imported(SoftEmbedder.of()) as store:
        before = store.snapshot_list()[0].id
        store.check(reembed=32)
        assert store.snapshot_list()[0].id == before
        assert next(iter(store._repo.state.spaces)) == space_id(SoftEmbedder.of())


def test_one_picture_of_32_may_be_off_and_is_named(case: Case) -> None:
    recipe = SoftEmbedder.of()
    case.made_with(recipe)
    with case.imported(recipe) as store:
        inside = store.check(reembed=32).reembed
    assert inside is not None
    sampled = _sampled(case, 32)

    def spoil(count: int) -> Callable[[Any], None]:
        def work(rows: Any) -> None:
            rows[sampled[:count]] = -rows[sampled[:count]]

        return work

    for count, fits in ((1, True), (2, False)):
        other = Case(case.old.top / str(count))
        other.made_with(recipe, spoil(count))
        with other.imported(recipe) as store:
            report = store.check(reembed=32).reembed
        assert report is not None
        assert (report.fits, len(report.off)) == (fits, count)
        assert {os.fsdecode(path) for path, _ in report.off} == {
            f"pictures/{other.old.names[i]}" for i in sampled[:count]
        }


def _sampled(case: Case, count: int) -> list[int]:
    """Number the pictures of a sample of this snapshot; equal aliases have equal samples."""
    from vstore.repository.sampling import sample_pictures

    repo = case.old.repo
    snapshot = repo.snapshot("current")
    found, _ = sample_pictures(repo, snapshot, count)
    return [case.old.names.index(os.path.basename(os.fsdecode(picture.path))) for picture in found]


@pytest.mark.parametrize(
    ("made_with", "best"),
    [
        ({"orientation": "ignored"}, "exif-ignored"),
        ({"mode": "BGR"}, "bgr"),
        ({"max_side": 64}, None),
        ({"through": {"format": "JPEG", "quality": 75}}, "jpeg-75"),
        ({"adapter": False}, "no-adapter"),
        ({"prompt": ""}, "prompt-none"),
    ],
)
def test_a_sample_that_does_not_fit_finds_the_likely_cause(
    case: Case, made_with: dict[str, Any], best: str | None
) -> None:
    case.made_with(SoftEmbedder.of(**made_with))
    with case.imported(SoftEmbedder.of()) as store:
        report = store.check(reembed=32).reembed
        assert report is not None
        assert report.trials[0].fitting < 31
        assert (report.fits, report.status) == (best is not None, "claimed")
        if best is not None:
            assert (report.best, report.next) == (best, f"vstore check --reembed 32 --adopt {best}")
            assert report.mixed == ()
        assert [trial.error for trial in report.trials if trial.name == "broken"] == ["there is no such family"]


def test_another_size_is_found(tmp_path: Path) -> None:
    case = Case(tmp_path)
    case.photos = [_large(data) for data in case.photos]
    case.old.put(dict(zip(case.old.names, case.photos, strict=True)))
    case.made_with(SoftEmbedder.of(max_side=224))
    with case.imported(SoftEmbedder.of()) as store:
        report = store.check(reembed=8).reembed
    assert report is not None
    assert (report.best, report.fits) == ("size-224", True)


def _large(data: bytes) -> bytes:
    picture = Image.open(io.BytesIO(data)).resize((600, 400))
    out = io.BytesIO()
    picture.save(out, "JPEG")
    return out.getvalue()


def test_a_cause_that_fits_can_be_adopted(case: Case) -> None:
    case.made_with(SoftEmbedder.of(orientation="ignored"))
    with case.imported(SoftEmbedder.of()) as store:
        before = store.snapshot_list()[0]
        report = store.check(reembed=32, adopt="exif-ignored").reembed
        assert report is not None
        assert (report.adopted, report.adopted_snapshot, report.next) == ("soft-1-exif-ignored", "v2", "")
        after = store.snapshot_list()[0]
        assert (after.snapshot, after.current, after.space_name) == ("v2", True, "soft-1-exif-ignored")
        assert (after.paths, after.images) == (before.paths, before.images)
        assert after.message == "soft-1: pictures were not turned by their EXIF orientation"
        state = store._repo.state
        assert state.segments(after.space) == state.segments(before.space)
        assert state.spaces[after.space].status == "verified"
        assert state.spaces[before.space].status == "claimed"
        checked = store.check(read_data=True, reembed=32)
        assert checked.reembed is not None and checked.reembed.fits
        # Both spaces list the one segment, which is read once.
        assert (checked.segments, checked.verified) == (1, checked.files)
        assert store.check(read_data_subset="100%").verified == checked.files


def test_vectors_that_were_made_in_two_ways_are_reported_and_not_adopted(case: Case) -> None:
    recipe, other = SoftEmbedder.of(), SoftEmbedder.of(mode="BGR")

    def half(rows: Any) -> None:
        pictures = [prepare(data, preparation_of(other))[0] for data in case.photos]
        rows[::2] = SoftEmbedder(other).embed_images(pictures)[::2]

    case.made_with(recipe, half)
    with case.imported(recipe) as store:
        report = store.check(reembed=32).reembed
        assert report is not None
        assert (report.fits, report.mixed, report.next, report.status) == (False, ("as-declared", "bgr"), "", "claimed")
        with pytest.raises(ModelError, match="bgr matches only"):
            store.check(reembed=32, adopt="bgr")


def test_after_an_adoption_new_pictures_are_embedded_by_the_adopted_recipe(case: Case) -> None:
    recipe = SoftEmbedder.of(orientation="ignored")
    case.made_with(recipe)
    new = photo(999, 6)
    with case.imported(SoftEmbedder.of()) as store:
        store.check(reembed=32, adopt="exif-ignored")
        case.old.put({"new.jpg": new})
        store.sync([case.old.pictures])
    expected = SoftEmbedder(recipe).embed_images([prepare(new, preparation_of(recipe))[0]])[0]
    assert np.abs(case.old.stored()[case.old.key(new)] - expected).max() < 1e-3


def test_an_adoption_can_be_undone(case: Case) -> None:
    case.made_with(SoftEmbedder.of(orientation="ignored"))
    with case.imported(SoftEmbedder.of()) as store:
        store.check(reembed=32, adopt="exif-ignored")
        assert store.undo().current == "v1"
        with pytest.raises(UsageError, match="already exists") as caught:
            store.check(reembed=32, adopt="exif-ignored")
        assert caught.value.next_step == "make it current with: vstore model use soft-1-exif-ignored"
        assert store.model_use("soft-1-exif-ignored").current == "v3"


def test_a_recipe_that_does_not_fit_is_not_adopted(case: Case) -> None:
    case.made_with(SoftEmbedder.of(orientation="ignored"))
    with case.imported(SoftEmbedder.of()) as store:
        before = digests(case.old.folder)
        with pytest.raises(ModelError, match="bgr matches only"):
            store.check(reembed=32, adopt="bgr")
        with pytest.raises(UsageError, match="no likely cause '"):
            store.check(reembed=32, adopt="nonsense")
        assert digests(case.old.folder) == before


def test_an_import_without_a_model_is_verified_by_declaring_one(case: Case) -> None:
    case.made_with(SoftEmbedder.of())
    with case.imported(None) as store:
        with pytest.raises(ModelError, match="without a model"):
            store.check(reembed=32)
        report = store.check(reembed=32, recipe=SoftEmbedder.of()).reembed
        assert report is not None
        assert (report.fits, report.next) == (True, "vstore check --reembed 32 --adopt as-declared")
        adopted = store.check(reembed=32, recipe=SoftEmbedder.of(), adopt="as-declared").reembed
        assert adopted is not None
        assert adopted.adopted == "soft-1"
        assert store.snapshot_list()[0].space == space_id(SoftEmbedder.of())


def test_a_model_of_another_dimension_is_refused(case: Case) -> None:
    case.made_with(SoftEmbedder.of())
    with case.imported(None) as store, pytest.raises(ModelError, match="7 numbers"):
        store.check(reembed=32, recipe={**SoftEmbedder.of(), "dim": 7})


def test_pictures_that_changed_or_are_gone_are_passed_over(case: Case) -> None:
    case.made_with(SoftEmbedder.of())
    with case.imported(SoftEmbedder.of()) as store:
        for name in case.old.names[:30]:
            (case.old.pictures / name).unlink()
        for name in case.old.names[30:50]:
            (case.old.pictures / name).write_bytes(photo(5000, 1))
        report = store.check(reembed=32).reembed
        assert report is not None
        assert (report.asked, report.needed, report.unread, report.fits) == (14, 14, 50, True)


def test_a_sample_needs_a_readable_picture(case: Case) -> None:
    case.made_with(SoftEmbedder.of())
    with case.imported(SoftEmbedder.of()) as store:
        for name in case.old.names:
            (case.old.pictures / name).unlink()
        with pytest.raises(UsageError, match="can be read"):
            store.check(reembed=32)


def test_a_model_is_tried_on_a_sample_only(case: Case) -> None:
    with case.imported(SoftEmbedder.of()) as store, pytest.raises(UsageError, match="--reembed"):
        store.check(adopt="bgr")


def test_every_variation_of_the_preparation_can_be_prepared() -> None:
    data = photo(1, 6)
    seen = {prepare(data, preparation_of(v.recipe))[0].tobytes() for v in preparations(SoftEmbedder.of())}
    assert len(seen) > 5


def test_a_recipe_that_prepares_pictures_in_an_unknown_way_is_refused() -> None:
    with pytest.raises(ModelError, match="resample"):
        preparation_of({"prepare": {**preparation_1(), "resample": "nearest"}})
