"""Syncs where a store has more than one embedding space: which one a run is in, and what it may publish."""

from __future__ import annotations

import errno
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.folders import FakeOs, World, classes, during, plain, put, trust_young_stats

from vstore.errors import CommitRace, ModelError, UsageError, VstoreError
from vstore.repository.add_space import add_space
from vstore.repository.create import create_store
from vstore.testing import FakeEmbedder


class Worlds(World):
    """A world whose store has the spaces `fake-1`, in which it begins, and `fake-2`."""

    def __init__(self, top: Path) -> None:
        super().__init__(top)
        self.second = FakeEmbedder("fake-2", dim=12)
        add_space(self.repo, self.second.recipe, "fake-2")

    def load(self, recipe: Mapping[str, Any]) -> FakeEmbedder:
        self.loaded += 1
        return self.fake if recipe["name"] == "fake-1" else self.second

    def rows(self, name: str) -> int:
        repo = self.repo
        return sum(ref.rows for ref in repo.state.segments(repo.space(name).id))


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worlds:
    trust_young_stats(monkeypatch)
    return Worlds(tmp_path)


def test_the_first_sync_is_in_the_space_that_the_store_was_made_with(two: Worlds) -> None:
    two.put({"a.png": 1})
    report = two.sync()
    assert (report.space_name, report.space) == ("fake-1", two.repo.state.start_space)
    assert (two.fake.embedded, two.second.embedded) == (1, 0)


def test_the_name_of_a_space_is_quoted_for_the_shell(tmp_path: Path) -> None:
    world = World(tmp_path)
    add_space(world.repo, FakeEmbedder("fake-2", dim=12).recipe, "a&b")
    with pytest.raises(UsageError, match="vstore sync PATH --space 'a&b'"):
        world.store.model_use("a&b")
    world.put({"a.png": 1})
    world.sync()
    with pytest.raises(ModelError, match="vstore sync --space 'a&b'; v1 stays current"):
        world.store.model_use("a&b")


def test_a_sync_goes_on_in_the_space_of_the_current_snapshot(two: Worlds) -> None:
    two.put({"a.png": 1})
    two.sync()
    two.sync(space="fake-2")
    two.put({"b.png": 2})
    assert two.sync().space_name == "fake-2"
    two.store.rollback("v1")
    assert two.sync().space_name == "fake-1"


def test_a_sync_in_another_space_embeds_all_and_makes_its_snapshot_current(two: Worlds) -> None:
    two.put({"a.png": 1, "x/b.png": 2, "copy.png": 1})
    two.sync()
    report = two.sync(space="fake-2")
    assert (report.snapshot, report.parent, report.space_name, report.embedded) == ("v2", "v1", "fake-2", 2)
    assert (report.paths, report.images, classes(report)) == (3, 2, {"unchanged": 3})
    assert (two.rows("fake-1"), two.rows("fake-2")) == (2, 2)
    assert two.aliases("v1") == two.aliases("v2")
    assert two.repo.snapshot("v1").id != two.repo.snapshot("v2").id
    assert two.sync(space="fake-2").snapshot is None
    assert two.all().snapshot is None


def test_it_takes_in_what_changed_on_disk_too(two: Worlds) -> None:
    two.put({"a.png": 1, "b.png": 2})
    two.sync()
    two.put({"a.png": 3, "new.png": 4})
    (two.pictures / "b.png").unlink()
    report = two.sync(space="fake-2")
    assert (classes(report), report.embedded) == ({"changed": 1, "new": 1, "removed": 1}, 2)


def test_a_space_may_be_named_by_its_id(two: Worlds) -> None:
    two.put({"a.png": 1})
    two.sync()
    assert two.sync(space=two.repo.space("fake-2").id[:10]).space_name == "fake-2"


def test_a_space_that_is_not_there_is_an_error_that_names_those_that_are(two: Worlds) -> None:
    two.put({"a.png": 1})
    with pytest.raises(UsageError, match="the spaces here are: fake-1, fake-2"):
        two.sync(space="fake-3")


def test_without_a_start_space_there_is_none_to_sync_in(tmp_path: Path) -> None:
    from vstore.store import Store

    put(tmp_path / "pictures", {"a.png": 1})
    create_store(tmp_path / ".vstore").close()
    with Store(tmp_path / ".vstore") as store, pytest.raises(ModelError) as caught:
        store.sync([tmp_path / "pictures"])
    assert caught.value.exit_code == 13


def test_a_part_alone_cannot_be_brought_into_another_space(two: Worlds) -> None:
    two.put({"a.png": 1, "b.png": 2, "x/c.png": 3})
    two.sync()
    with pytest.raises(VstoreError, match="2 pictures have no vector in the space 'fake-2' yet: ") as caught:
        two.sync(two.pictures / "x", space="fake-2")
    assert caught.value.exit_code == 1
    assert f"{two.pictures}/a.png, {two.pictures}/b.png" in str(caught.value)
    assert (two.repo.state.current, two.rows("fake-2")) == ("v1", 1), "what was embedded is sealed"
    report = two.all(space="fake-2")
    assert (report.snapshot, report.embedded, two.second.embedded) == ("v2", 2, 3)


def test_a_space_with_missing_vectors_is_not_made_current(two: Worlds) -> None:
    two.put({"a.png": 1, "x/b.png": 2})
    two.sync()
    with pytest.raises(ModelError, match=f"2 of the 2 pictures have no vector in the space .*: {two.pictures}/a"):
        two.store.model_use("fake-2")
    with pytest.raises(VstoreError, match="1 picture has no vector"):
        two.sync(two.pictures / "x", space="fake-2")
    with pytest.raises(ModelError, match=f"1 of the 2 pictures has no vector in the space .*: {two.pictures}/a"):
        two.store.model_use("fake-2")


def test_what_is_carried_over_has_no_vector_in_another_space(two: Worlds, faulty: FakeOs) -> None:
    two.put({"a.png": 1, "x/b.png": 2})
    two.sync()
    faulty.errors["x"] = errno.EACCES
    with pytest.raises(VstoreError, match=f"1 picture has no vector .*: {two.pictures}/x/b.png"):
        two.sync(space="fake-2")
    faulty.errors.clear()
    assert two.sync(space="fake-2").embedded == 1


def test_a_sync_in_a_space_that_was_asked_for_is_never_partial(two: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vstore.intake.lazy_model.BATCH", 1)
    two.put({f"{number}.png": number for number in range(5)})
    two.sync()
    stop = threading.Event()
    during(two.second, stop.set, 2)
    report = two.sync(space="fake-2", stop=stop, commit_every=-1.0)
    assert (report.snapshot, report.interrupted, report.embedded, classes(report)) == (None, True, 2, {})
    assert (two.repo.state.current, two.rows("fake-2")) == ("v1", 2)
    report = two.sync(space="fake-2", commit_every=-1.0)
    assert (report.snapshot, report.partial, report.embedded) == ("v2", False, 3)


def test_nor_is_it_where_there_is_no_snapshot_yet_or_one_of_that_space(
    two: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vstore.intake.lazy_model.BATCH", 1)
    two.put({f"{number}.png": number for number in range(3)})
    report = two.sync(space="fake-2", commit_every=-1.0)
    assert (report.snapshot, report.partial) == ("v1", False)
    two.put({f"new{number}.png": 10 + number for number in range(3)})
    assert two.sync(space="fake-2", commit_every=-1.0).snapshot == "v2"


def test_pictures_that_fail_in_a_space_are_absent_there_and_stand_in_failed(two: Worlds) -> None:
    red = plain((255, 0, 0))
    plain_embed = two.second.embed_images

    def embed_images(pictures: Any) -> Any:
        rows = plain_embed(pictures)
        rows[[picture.getpixel((0, 0)) == (255, 0, 0) for picture in pictures]] = np.nan
        return rows

    two.second.embed_images = embed_images  # type: ignore[method-assign]
    two.put({"a.png": 1, "red.png": red, "x/red too.png": red, "bad.png": b"garbage"})
    put(two.top / "other", {"red.png": red, "b.png": 2})
    two.sync(two.pictures, two.top / "other")
    report = two.all(space="fake-2")
    failed = [(f.path, f.kind, f.known) for f in report.failed]
    assert failed == [
        (b"other/red.png", "model", False),
        (b"pictures/bad.png", "not_an_image", True),
        (b"pictures/red.png", "model", False),
        (b"pictures/x/red too.png", "model", False),
    ]
    assert (two.paths(), report.paths, report.images) == (["other/b.png", "pictures/a.png"], 2, 2)
    # Rolled back, and with only one of the roots: the failures of the other one are known, so it need not be scanned.
    two.store.rollback("v1")
    report = two.sync(space="fake-2")
    assert (report.paths, report.images, report.snapshot) == (2, 2, "v3")
    assert [(f.path, f.kind, f.known) for f in report.failed] == [
        (b"other/red.png", "model", True),
        (b"pictures/bad.png", "not_an_image", True),
        (b"pictures/red.png", "model", True),
        (b"pictures/x/red too.png", "model", True),
    ]
    assert two.repo.snapshot("v3").id == two.repo.snapshot("v2").id
    two.store.rollback("v1")
    assert two.all().failed == tuple(f for f in report.failed if f.kind != "model"), "they have vectors in fake-1"


def test_a_change_of_space_during_a_sync_ends_it_and_keeps_its_vectors(two: Worlds) -> None:
    two.put({"a.png": 1})
    two.sync()
    two.sync(space="fake-2")
    two.store.rollback("v1")
    two.put({"b.png": 2})
    with two.another() as other:
        during(two.fake, lambda: other.rollback("v2") and None, two.fake.calls + 1)
        with pytest.raises(CommitRace, match="run vstore sync again") as caught:
            two.sync()
    assert caught.value.exit_code == 1
    assert (two.repo.state.current, two.rows("fake-1")) == ("v2", 2)
    assert [row.op for row in two.store.log()][:2] == ["seal", "rollback"]
    report = two.sync()
    assert (report.snapshot, report.space_name, report.embedded) == ("v3", "fake-2", 1)
    two.store.rollback("v1")
    report = two.sync()
    assert (report.space_name, report.embedded, classes(report)) == ("fake-1", 0, {"unchanged": 1, "known": 1})


def test_a_sync_in_a_space_that_was_asked_for_goes_on_through_a_change_of_space(two: Worlds) -> None:
    two.put({"a.png": 1})
    two.sync()
    two.sync(space="fake-2")
    two.put({"b.png": 2})
    with two.another() as other:
        during(two.second, lambda: other.rollback("v1") and None, two.second.calls + 1)
        report = two.sync(space="fake-2")
    assert (report.snapshot, report.parent, report.space_name) == ("v3", "v1", "fake-2")
    assert two.paths() == ["pictures/a.png", "pictures/b.png"]


def test_what_a_killed_run_left_is_sealed_into_its_own_space(two: Worlds) -> None:
    two.put({"a.png": 1})
    two.sync()

    def kill() -> None:
        raise KeyboardInterrupt

    two.put({f"{number}.png": 10 + number for number in range(20)})
    during(two.second, kill, 2)
    with pytest.raises(KeyboardInterrupt):
        two.sync(space="fake-2")
    report = two.sync()
    assert (report.space_name, report.recovered, report.embedded) == ("fake-1", 16, 20)
    assert (two.rows("fake-1"), two.rows("fake-2")) == (21, 16)
    assert two.sync(space="fake-2").embedded == 5


def test_status_in_another_space_says_what_is_to_be_embedded_there(two: Worlds) -> None:
    two.put({"a.png": 1, "b.png": 2})
    two.sync()
    look = two.status(space="fake-2")
    assert (look.to_embed, look.space_name, classes(look)) == (2, "fake-2", {"unchanged": 2})


def test_what_was_hidden_while_the_space_changed_is_embedded_once_it_is_seen_again(two: Worlds) -> None:
    # More than a thousand files in a folder, so that some stand in a part of its own, which then is there no more.
    two.put({f"{number:04d}.png": 1 for number in range(900)})
    two.put({f"hidden{number}.png": 10 + number for number in range(300)})
    two.sync()
    two.sync(exclude=["hidden*"])
    two.sync(space="fake-2")
    report = two.sync(no_exclude=["hidden*"])
    assert (report.unchanged, report.new, report.embedded) == (900, 300, 300)
    assert (report.paths, report.images) == (1200, 301)


def test_a_space_that_was_dropped_and_added_again_is_embedded_again(two: Worlds) -> None:
    two.put({"a.png": 1, "x/b.png": 2})
    two.sync()
    two.sync(space="fake-2")
    two.sync()
    two.store.rollback("v1")
    two.store.snapshot_forget(["v2"])
    two.store.model_drop("fake-2")
    add_space(two.repo, two.second.recipe, "fake-2")
    report = two.sync(space="fake-2")
    assert (report.space_name, report.embedded, report.paths) == ("fake-2", 2, 2)
    assert two.rows("fake-2") == 2
