"""What is finished is kept: journals, seals, and what the next run makes of what a killed one left."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.failing_disks import Watched, disk  # noqa: F401
from support.folders import World, classes, during

from vstore.errors import DiskTrouble
from vstore.intake import keeper
from vstore.testing import FakeEmbedder


class Killed(BaseException):
    """As if the process had ended here, but for the locks."""


def killed(world: World, batch: int) -> None:
    """A sync that ends in the middle of a batch, as a kill would end it: what is in the journal is all that is left."""
    during(world.fake, _kill, batch)
    with pytest.raises(Killed):
        world.sync()


def _kill() -> None:
    raise Killed


def operations(world: World) -> list[str]:
    return [row.op for row in reversed(world.store.log())]


def journals(world: World) -> list[Path]:
    return sorted((world.folder / "journal").iterdir())


# The journal


def test_what_was_finished_before_a_kill_is_not_embedded_again(world: World) -> None:
    world.put({f"{number:02d}.png": number for number in range(50)})
    killed(world, batch=3)
    assert len(journals(world)) == 1
    assert (world.store.snapshot_list(), world.keys()) == ([], [])
    report = world.sync()
    assert (report.recovered, report.embedded, report.paths, report.known) == (32, 18, 50, 32)
    assert sorted(world.keys()) == sorted(world.key(number) for number in range(50))
    assert (journals(world), operations(world)) == ([], ["init", "seal", "sync"])


def test_several_kills_lose_nothing(world: World) -> None:
    world.put({f"{number:02d}.png": number for number in range(60)})
    for _ in range(3):
        killed(world, batch=world.fake.calls + 2)
    report = world.sync()
    assert report.paths == 60
    # Three times a batch was finished, and the next one lost.
    assert world.fake.embedded == 60 + 16 + 16 + 12
    assert sorted(world.keys()) == sorted(world.key(number) for number in range(60))


def test_a_frame_that_was_torn_off_is_passed_over(world: World) -> None:
    world.put({f"{number:02d}.png": number for number in range(40)})
    killed(world, batch=3)
    [journal] = journals(world)
    os.truncate(journal, journal.stat().st_size - 5)
    report = world.sync()
    assert (report.recovered, report.embedded, report.paths) == (31, 9, 40)


def test_a_journal_that_never_held_a_frame_is_removed(world: World) -> None:
    world.put({"a.png": 1})
    (world.folder / "journal" / ("0" * 64 + "-" + "0" * 32)).write_bytes(b"vjourn")
    assert (world.sync().recovered, journals(world)) == (0, [])


def test_a_journal_of_a_space_that_the_log_does_not_know_is_left_alone(world: World, tmp_path: Path) -> None:
    other = World(tmp_path / "other", FakeEmbedder("fake-2"))
    for one in (world, other):
        one.put({f"{number:02d}.png": number for number in range(20)})
    killed(other, batch=2)
    [journal] = journals(other)
    moved = world.folder / "journal" / journal.name
    journal.rename(moved)
    assert (world.sync().recovered, journals(world)) == (0, [moved])


def test_what_the_list_holds_already_is_not_sealed_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # Killed between the record and the removal of the journal.
    world.put({"a.png": 1, "b.png": 2})
    monkeypatch.setattr(keeper.Keeper, "listed", lambda self: None)
    world.sync()
    assert len(journals(world)) == 1
    monkeypatch.undo()
    report = world.sync()
    assert (report.recovered, report.snapshot, journals(world), len(world.keys())) == (0, None, [], 2)


# Seals


def test_a_journal_is_sealed_once_it_is_large(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "SEAL_BYTES", 20 * 8 * 2)  # 20 rows
    world.put({f"{number:02d}.png": number for number in range(80)})
    report = world.sync()
    assert operations(world) == ["init", "seal", "seal", "sync"]
    assert [row.about for row in world.store.log()][1:3] == ["32 vectors", "32 vectors"]
    assert (report.embedded, report.paths, len(world.keys())) == (80, 80, 80)


def test_or_old(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "SEAL_SECONDS", -1.0)
    world.put({f"{number:02d}.png": number for number in range(40)})
    world.sync()
    assert operations(world) == ["init", "seal", "seal", "seal", "sync"]
    assert world.sync().snapshot is None


def test_the_limits_of_a_journal_are_sixty_four_mebibytes_and_ten_minutes() -> None:
    assert (keeper.SEAL_BYTES, keeper.SEAL_SECONDS) == (64 << 20, 600)


def test_a_seal_changes_no_snapshot_and_is_no_operation_to_undo(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.put({"a.png": 1})
    world.sync()
    monkeypatch.setattr(keeper, "SEAL_SECONDS", -1.0)
    world.put({f"{number:02d}.png": number for number in range(100, 140)})
    seen: list[tuple[str | None, int]] = []
    during(world.fake, lambda: seen.append((world.repo.state.current, len(world.keys()))), batch=3)
    world.sync()
    assert seen == [("v1", 17)]
    world.store.undo()
    assert world.repo.state.current == "v1"


def test_what_was_sealed_before_a_kill_is_there(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper, "SEAL_SECONDS", -1.0)
    world.put({f"{number:02d}.png": number for number in range(50)})
    killed(world, batch=3)
    assert (len(world.keys()), journals(world)) == (32, [])
    monkeypatch.undo()
    report = world.sync()
    assert (report.recovered, report.embedded, report.known, report.new) == (0, 18, 32, 18)


@pytest.mark.parametrize("call", ["link", "fsync", "write", "rename"])
def test_a_seal_that_fails_loses_nothing(
    world: World,
    disk: Watched,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    call: str,
) -> None:
    monkeypatch.setattr(keeper, "SEAL_SECONDS", -1.0)
    world.put({f"{number:02d}.png": number for number in range(50)})
    during(
        world.fake,
        lambda: disk.fail(call, errno.ENOSPC, on=".tmp-" if call in ("fsync", "write") else "") and None,
        batch=2,
    )
    with pytest.raises(DiskTrouble, match="free some space"):
        world.sync()
    disk.heal()
    monkeypatch.undo()
    with world.another() as store:
        report = store.sync([world.pictures])
    assert report.paths == 50
    assert report.recovered + report.known >= 16
    assert sorted(world.keys()) == sorted(world.key(number) for number in range(50))


def test_every_batch_is_in_the_journal_before_the_next_one_is_embedded(world: World) -> None:
    world.put({f"{number:02d}.png": number for number in range(40)})
    sizes: list[int] = []
    plain = world.fake.embed_images

    def embed_images(pictures: object) -> object:
        sizes.append(sum(path.stat().st_size for path in journals(world)))
        return plain(pictures)  # type: ignore[arg-type]

    world.fake.embed_images = embed_images  # type: ignore[method-assign,assignment]
    world.sync()
    frame = 16 + 8 * 2 + 8
    assert sizes == [0, 72 + 16 * frame, 72 + 32 * frame]


def test_a_journal_is_flushed_at_least_every_five_seconds_and_before_it_is_sealed(
    world: World,
    disk: Watched,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from vstore.disk import journal

    assert journal.FLUSH_EVERY == 5
    world.put({f"{number:02d}.png": number for number in range(40)})

    def flushes() -> int:
        return sum("-" in name and len(name) == 97 for name in disk.named("fsync"))

    world.sync()
    assert flushes() == 1
    monkeypatch.setattr(journal, "FLUSH_EVERY", 0.0)
    world.put({f"{number:02d}.png": number for number in range(100, 140)})
    disk.calls.clear()
    world.sync()
    assert flushes() == 4


def test_no_flush_is_made_per_picture(world: World, disk: Watched) -> None:  # noqa: F811
    world.put({f"first {number}.png": number for number in range(64)})  # so many facts that no later ones are merged
    world.sync()
    counts = []
    for first, count in ((1000, 150), (10_000, 5)):
        world.put({f"{first + number:05d}.png": first + number for number in range(count)})
        disk.calls.clear()
        assert world.sync().embedded == count
        counts.append(len(disk.named("fsync")))
    assert counts[0] == counts[1] <= 10


# The model


def test_the_model_is_loaded_once_and_only_when_something_must_be_embedded(settled: World) -> None:
    settled.put({f"{number:02d}.png": number for number in range(40)})
    settled.sync()
    assert settled.loaded == 1
    (settled.pictures / "00.png").rename(settled.pictures / "z.png")
    (settled.pictures / "01.png").unlink()
    settled.put({"copy.png": 2, "bad.png": b"garbage"})
    settled.sync()
    settled.status()
    assert settled.loaded == 1


def test_pictures_are_embedded_in_batches(world: World) -> None:
    world.put({f"{number:02d}.png": number for number in range(40)})
    world.sync()
    assert (world.fake.calls, world.fake.embedded) == (3, 40)


def test_each_key_gets_the_vector_of_its_own_picture(world: World) -> None:
    import numpy as np

    from vstore.pictures.decoding import prepare
    from vstore.pictures.preparation import Preparation

    world.put({f"{number:03d}.png": number % 70 for number in range(100)})
    world.put({f"bad{number}.png": b"garbage %d" % number for number in range(20)})
    world.sync()
    repo = world.repo
    [space] = repo.state.spaces
    rows = {}
    for ref in repo.state.segments(space):
        segment = repo.segment(ref)
        rows |= dict(zip(segment.key_list(), segment.rows(), strict=True))
    assert len(rows) == 70
    for path, key in world.tree():
        data = (world.pictures / os.fsdecode(path).partition("/")[2]).read_bytes()
        assert repo.hash.digest(data) == key
        own = world.fake.of(prepare(data, Preparation())[0])
        assert np.allclose(rows[key].astype(np.float32), own, atol=1e-3)


def test_a_file_of_a_killed_sync_that_has_no_name_yet_is_removed(world: World) -> None:
    world.put({"a.png": 1})
    left = world.folder / "segments" / (".tmp-ingest-" + "0" * 32)
    others = world.folder / "segments" / (".tmp-commit-" + "0" * 32)
    for path in (left, others):
        path.write_bytes(b"half")
    world.sync()
    assert not left.exists()
    assert classes(world.sync()) == {"unchanged": 1}


# Embedders that have batches under way


class Piped(FakeEmbedder):
    """Begins up to three batches of two before it is asked for the vectors of the first."""

    batch_size = 2
    in_flight = 3

    def __init__(self) -> None:
        super().__init__()
        self.started = 0
        self.act: Callable[[int], None] = lambda number: None

    def prepare(self, picture: Image.Image) -> Image.Image:
        return picture

    def is_full(self, inputs: Sequence[Image.Image]) -> bool:
        return len(inputs) >= 2

    def start(self, inputs: Sequence[Image.Image]) -> Callable[[], Any]:
        self.started += 1
        self.act(self.started)
        return lambda: self.embed_images(inputs)

    def first_of(self, started: Sequence[Callable[[], Any]]) -> int:
        return 0

    def close(self) -> None:
        pass


@pytest.mark.parametrize("seal_seconds", [-1.0, 600.0])
def test_batches_that_are_under_way_when_the_current_snapshot_moves_are_embedded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seal_seconds: float
) -> None:
    monkeypatch.setattr(keeper, "SEAL_SECONDS", seal_seconds)
    fake = Piped()
    world = World(tmp_path, fake)
    for number in range(2):
        world.put({f"first{number}.png": 100 + number})
        world.sync()
    world.put({f"{number:02d}.png": number for number in range(20)})
    with world.another() as other:
        fake.act = lambda number: other.rollback("v1") and None if number == 6 else None
        report = world.sync(commit_every=-1.0)
    assert (report.paths, report.embedded, fake.embedded) == (22, 20, 22)
    keys = world.keys()
    assert len(keys) == len(set(keys)) == 22
    assert world.store.check(read_data=True).ok


def test_batches_that_are_under_way_when_a_run_is_stopped_are_kept(tmp_path: Path) -> None:
    fake = Piped()
    world = World(tmp_path, fake)
    world.put({f"{number:02d}.png": number for number in range(20)})
    stop = threading.Event()
    fake.act = lambda number: stop.set() if number == 3 else None
    report = world.sync(stop=stop)
    assert report.interrupted
    assert report.embedded == report.paths == len(world.keys()) >= 6
    assert world.sync().embedded == 20 - report.embedded
