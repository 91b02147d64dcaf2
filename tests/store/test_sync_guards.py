"""What stops a sync before anything is written, and what does not."""

from __future__ import annotations

import functools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.folders import Reads, World, classes, put
from support.guarded import many, refused, unlink

from vstore.errors import Refused, UsageError
from vstore.intake.ingest import Ingest
from vstore.repository.decisions import Choice, decide
from vstore.sync.guards import LOSS_COUNT, LOSS_PERCENT

# Losing much


def test_more_than_thirty_percent_and_more_than_twenty_are_an_accident() -> None:
    assert (LOSS_PERCENT, LOSS_COUNT) == (30, 20)


def test_the_label_of_a_missing_folder_is_quoted_for_the_shell(tmp_path: Path) -> None:
    world = World(tmp_path, folder="my pictures")
    world.put({"a.png": 1})
    world.sync()
    shutil.rmtree(world.pictures)
    with pytest.raises(Refused, match="vstore sync NEW_PLACE --as 'my pictures';"):
        world.sync()


@pytest.mark.parametrize("stay", [False, True])
def test_a_lost_folder_counts_unless_its_pictures_were_not_to_stay(settled: World, stay: bool) -> None:
    settled.put({f"good/{n}.png": n for n in range(30)} | {f"old/{n}.png": 100 + n for n in range(30)})
    settled.sync()
    keys = {
        folder: [bytes.fromhex(settled.key(first + n)) for n in range(30)]
        for folder, first in (("good", 0), ("old", 100))
    }
    decide(settled.repo, [Choice("keep", pair, pair[:1]) for pair in zip(keys["good"], keys["old"], strict=True)])
    if stay:
        decide(settled.repo, [Choice("keep", keys["old"], keys["old"])])
    shutil.rmtree(settled.pictures / "old")
    if stay:
        with pytest.raises(Refused, match="would remove 30 of the 60 pictures"):
            settled.sync()
    else:
        assert settled.sync().removed == 30


@pytest.mark.parametrize("is_gone", [False, True])
def test_what_stays_in_another_folder_must_be_there(tmp_path: Path, is_gone: bool) -> None:
    """A sync of one folder alone once took pictures of another for kept that had gone from there."""
    world, other = World(tmp_path), tmp_path / "other"
    put(other, {f"{n}.png": n for n in range(30)})
    world.put({f"old/{n}.png": 100 + n for n in range(30)} | {f"{n}.png": 200 + n for n in range(10)})
    world.store.sync([other, world.pictures])
    pairs = [(bytes.fromhex(world.key(n)), bytes.fromhex(world.key(100 + n))) for n in range(30)]
    decide(world.repo, [Choice("keep", pair, pair[:1]) for pair in pairs])
    shutil.rmtree(world.pictures / "old")
    if is_gone:
        shutil.rmtree(other)
        with pytest.raises(Refused, match="would remove 30 of the 40 pictures"):
            world.sync()
    else:
        assert world.sync().removed == 30


def test_three_pictures_of_which_one_is_deleted_are_no_accident(settled: World) -> None:
    settled.put(many(3))
    settled.sync()
    unlink(settled, 1)
    assert classes(settled.sync()) == {"unchanged": 2, "removed": 1}


@pytest.mark.parametrize(
    ("total", "lost", "stops"),
    [
        (100, 30, False),  # 30 % is not more than 30 %
        (100, 31, True),
        (70, 21, False),  # 30 % of 70, to the digit
        (69, 21, True),
        (40, 20, False),  # 20 is not more than 20
        (40, 21, True),
        (21, 20, False),
    ],
)
def test_the_guard_lets_pass_up_to_twenty_or_up_to_thirty_percent(
    settled: World, total: int, lost: int, stops: bool
) -> None:
    settled.put(many(total))
    settled.sync()
    unlink(settled, lost)
    if stops:
        text = refused(settled)
        assert f"{lost} of the {total} pictures in 'pictures'" in text
        assert "--allow-mass-delete" in text
        named = [f"pictures/{number:05d}.bmp" for number in range(11)]
        assert all(path in text for path in named[:10])
        assert named[10] not in text
        assert classes(settled.status(allow_mass_delete=True)) == {"unchanged": total - lost, "removed": lost}
    report = settled.sync(allow_mass_delete=stops)
    assert classes(report) == {"unchanged": total - lost, "removed": lost}


def test_pictures_that_keep_another_path_are_not_lost(settled: World) -> None:
    settled.put(many(30))
    settled.put({f"copies/{name}": data for name, data in many(30).items()})
    settled.sync()
    unlink(settled, 30)
    assert classes(settled.sync()) == {"unchanged": 30, "removed": 30}


def test_pictures_that_moved_to_another_root_are_not_lost_if_that_is_synced_too(settled: World) -> None:
    settled.put(many(40))
    other = settled.top / "other"
    put(other, {"1.png": 1})
    settled.sync(settled.pictures, other)
    for number in range(30):
        os.rename(settled.pictures / f"{number:05d}.bmp", other / f"{number:05d}.bmp")
    assert "30 of the 40" in refused(settled, settled.pictures)
    assert classes(settled.sync(settled.pictures, other)) == {"unchanged": 11, "renamed": 30}


def test_pictures_that_are_written_over_are_changed_and_not_lost(settled: World) -> None:
    settled.put(many(40))
    settled.sync()
    settled.put(many(40, first=1000))
    report = settled.sync()
    assert (classes(report), report.embedded) == ({"changed": 40}, 40)


def test_what_is_written_over_does_not_hide_what_is_gone(settled: World) -> None:
    settled.put(many(80))
    settled.sync()
    settled.put(many(40, first=1000))
    unlink(settled, 25, first=50)
    assert "25 of the 80" in refused(settled)


def test_pictures_that_were_spoilt_are_lost_whatever_else_was_written_over(settled: World) -> None:
    settled.put(many(80))
    settled.sync()
    settled.put(many(40, first=1000))
    settled.put(dict.fromkeys(list(many(80))[50:75], b"encrypted, pay up"))
    said = "25 of the 80 pictures in 'pictures' cannot be read as pictures any more"
    with pytest.raises(Refused, match=f"{said}, and this sync would remove them: {settled.pictures}/00050"):
        settled.sync()
    assert [row.snapshot for row in settled.store.snapshot_list()] == ["v1"]
    settled.put(dict.fromkeys(list(many(80))[55:75], b"encrypted, pay up"))
    settled.put({name: data for name, data in many(80).items() if "00050" <= name < "00055"})
    report = settled.sync()  # 20 are no accident, and finished vectors were kept
    assert (classes(report), report.embedded) == ({"unchanged": 20, "changed": 40, "failed": 20}, 0)


def test_pictures_that_were_spoilt_are_lost(settled: World) -> None:
    settled.put(many(40))
    settled.sync()
    settled.put({name: b"encrypted, pay up " + data for name, data in many(40).items()})
    assert "40 of the 40" in refused(settled)


def test_each_root_is_judged_by_itself(settled: World) -> None:
    settled.put(many(40))
    other = settled.top / "other"
    put(other, many(1000, first=1000))
    settled.sync(settled.pictures, other)
    unlink(settled, 40)
    settled.put({"left.png": 1})
    assert "40 of the 40 pictures in 'pictures'" in refused(settled)


def test_a_part_that_is_gone_is_judged_by_its_root(settled: World) -> None:
    settled.put({f"x/{name}": data for name, data in many(25).items()})
    settled.put(many(25, first=100))
    settled.sync()
    shutil.rmtree(settled.pictures / "x")
    assert "25 of the 50" in refused(settled, settled.pictures / "x")
    assert classes(settled.sync(settled.pictures / "x", allow_mass_delete=True)) == {"removed": 25}


def test_what_a_new_exclude_hides_does_not_count(settled: World) -> None:
    settled.put({f"x/{name}": data for name, data in many(40).items()})
    settled.put({"y/1.png": 1})
    settled.sync()
    assert classes(settled.sync(exclude=["x/"])) == {"unchanged": 1, "removed": 40}


def test_what_a_new_exclude_hides_does_not_count_though_it_is_gone(settled: World) -> None:
    settled.put({f"x/{name}": data for name, data in many(40).items()})
    settled.put({"y/1.png": 1})
    settled.sync()
    shutil.rmtree(settled.pictures / "x")
    assert classes(settled.sync(exclude=["x/"])) == {"unchanged": 1, "removed": 40}


def test_what_a_new_ignore_file_hides_does_not_count_whatever_other_part_is_synced_with_it(settled: World) -> None:
    settled.put({f"x/{name}": data for name, data in many(40).items()})
    settled.put({"y/1.png": 1})
    settled.sync()
    settled.put({"x/.vstoreignore": b"*.bmp\n"})
    report = settled.sync(settled.pictures / "x", settled.pictures / "y")
    assert classes(report) == {"unchanged": 1, "removed": 40}


def test_a_root_all_of_whose_pictures_a_new_exclude_hides_is_no_empty_one(settled: World) -> None:
    settled.put(many(40))
    settled.sync()
    assert classes(settled.sync(exclude=["*.bmp"])) == {"removed": 40}


def test_all_of_ten_thousand_pictures_renamed_are_read_once_and_neither_decoded_nor_embedded(
    settled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 10_000
    settled.pictures.rmdir()
    settled.pictures.mkdir()
    for name, data in many(count).items():
        (settled.pictures / name).write_bytes(data)  # type: ignore[arg-type]
    assert settled.sync().embedded == count
    for number in range(count):
        os.rename(settled.pictures / f"{number:05d}.bmp", settled.pictures / f"renamed {number:05d}.bmp")
    reads = Reads(monkeypatch)
    calls, loaded = settled.fake.calls, settled.loaded
    report = settled.sync()
    assert classes(report) == {"renamed": count}
    assert (report.embedded, settled.fake.calls - calls, settled.loaded - loaded, reads.decoded) == (0, 0, 0, 0)
    assert len(reads.opened) == len(set(reads.opened)) == count


# Reading before the decision


def test_where_the_listing_leaves_a_loss_possible_all_is_hashed_before_anything_is_embedded(
    settled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled.put(many(40))
    settled.sync()
    unlink(settled, 25)
    settled.put(many(60, first=1000, suffix="new.bmp"))
    reads = Reads(monkeypatch)
    assert "25 of the 40" in refused(settled)
    assert (len(reads.opened), reads.decoded, settled.fake.embedded) == (60, 0, 40)


def test_after_the_decision_only_what_is_to_be_embedded_is_read_again(
    settled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled.put(many(100))
    settled.sync()
    for number in range(35):
        os.rename(settled.pictures / f"{number:05d}.bmp", settled.pictures / f"renamed {number:05d}.bmp")
    settled.put(many(4, first=1000, suffix="new.bmp"))
    reads = Reads(monkeypatch)
    report = settled.sync()
    assert (classes(report), report.embedded) == ({"unchanged": 65, "renamed": 35, "new": 4}, 4)
    assert (len(reads.opened), len(set(reads.opened)), reads.decoded) == (43, 39, 4)


def test_where_the_listing_rules_a_loss_out_each_file_is_read_once(
    settled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled.put(many(40))
    settled.sync()
    unlink(settled, 20)
    settled.put(many(60, first=1000, suffix="new.bmp"))
    reads = Reads(monkeypatch)
    report = settled.sync()
    assert (report.new, report.removed) == (60, 20)
    assert (len(reads.opened), len(set(reads.opened)), reads.decoded) == (60, 60, 60)


def test_a_picture_that_was_exchanged_between_its_hash_and_its_embedding_is_embedded_as_it_is_then(
    settled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled.put(many(100))
    settled.sync()
    for number in range(35):
        os.rename(settled.pictures / f"{number:05d}.bmp", settled.pictures / f"renamed {number:05d}.bmp")
    settled.put({"new.png": 1, "twin.png": 1})
    reads = Reads(monkeypatch)
    asked: list[str] = []

    def exchange(name: str) -> None:
        if not asked:  # the first of two equal pictures is read a second time; by then it is another one
            settled.put({name: 2})
        asked.append(name)

    for name in ("new.png", "twin.png"):
        reads.at_opening[name, 2] = functools.partial(exchange, name)
    report = settled.sync()
    assert (report.new, report.embedded, report.failed, len(asked)) == (2, 2, (), 2)
    assert settled.aliases()[f"pictures/{asked[0]}"] == settled.key(2)
    assert settled.aliases()[f"pictures/{asked[1]}"] == settled.key(1)


def test_one_that_changes_each_time_it_is_read_is_reported_and_keeps_its_alias(
    settled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled.put({**many(100), "restless.png": 1})
    settled.sync()
    for number in range(35):
        os.rename(settled.pictures / f"{number:05d}.bmp", settled.pictures / f"renamed {number:05d}.bmp")
    settled.put({"restless.png": 2})
    monkeypatch.setattr("vstore.intake.ingest._ROUNDS", 0)
    report = settled.sync()
    assert classes(report) == {"unchanged": 65, "renamed": 35, "carried": 1, "failed": 1}
    assert settled.aliases()["pictures/restless.png"] == settled.key(1)
    monkeypatch.undo()
    assert classes(settled.sync())["changed"] == 1


# A root that is not there


def test_a_root_that_is_gone_stops_the_sync(settled: World) -> None:
    settled.put({"a.png": 1, "b.png": 2})
    settled.sync()
    settled.pictures.rename(settled.top / "unmounted")
    text = refused(settled)
    assert f"{settled.pictures} is missing" in text
    assert f"{settled.pictures}/a.png, {settled.pictures}/b.png" in text
    assert "--as pictures" in text
    (settled.top / "unmounted").rename(settled.pictures)
    assert settled.sync().snapshot is None


def test_a_root_that_lists_nothing_stops_the_sync(settled: World) -> None:
    settled.put({"a.png": 1, "b.png": 2})
    settled.sync()
    for name in ("a.png", "b.png"):
        (settled.pictures / name).unlink()
    settled.put({"lost+found/notes.txt": b""})
    assert "holds no pictures" in refused(settled)


def test_a_root_whose_place_a_file_took_stops_the_sync(settled: World) -> None:
    settled.put({"a.png": 1})
    settled.sync()
    shutil.rmtree(settled.pictures)
    settled.pictures.write_bytes(b"")
    assert "is missing" in refused(settled)


@pytest.mark.parametrize("how", ["gone", "empty"])
def test_such_a_loss_can_be_allowed_and_stops_nothing_afterwards(settled: World, how: str) -> None:
    settled.put({"a.png": 1, "b.png": 2})
    other = settled.top / "other"
    put(other, {"1.png": 3})
    settled.sync(settled.pictures, other)
    shutil.rmtree(settled.pictures)
    if how == "empty":
        settled.pictures.mkdir()
    report = settled.all(allow_mass_delete=True)
    assert (classes(report), report.paths) == ({"unchanged": 1, "removed": 2}, 1)
    assert classes(settled.all()) == {"unchanged": 1}
    assert settled.paths("v1") == ["other/1.png", "pictures/a.png", "pictures/b.png"]


def test_a_new_folder_that_holds_no_picture_is_refused_and_not_remembered(world: World) -> None:
    put(world.top / "docs", {"a.txt": b"", "b.txt": b""})
    with pytest.raises(UsageError, match=r"holds no pictures, only 2 other files \(2 txt\);"):
        world.sync(world.top / "docs")
    assert world.repo.state.roots == {}


def test_status_says_that_a_sync_would_be_refused(settled: World) -> None:
    settled.put(many(40))
    settled.sync()
    unlink(settled, 25)
    with pytest.raises(Refused, match="25 of the 40"):
        settled.status()


# What goes while a sync reads


def going(world: World, monkeypatch: pytest.MonkeyPatch, go: Callable[[], object]) -> None:
    """Let files go once the folders are listed, in the next sync alone, which has to read every file again."""
    for file in world.pictures.iterdir():
        os.utime(file, (1, 1))
    plain = Ingest.read_and_embed

    def read(*args: Any) -> None:
        monkeypatch.setattr(Ingest, "read_and_embed", plain)
        go()
        plain(*args)

    monkeypatch.setattr(Ingest, "read_and_embed", read)


@pytest.mark.parametrize("count", [3, 40])
@pytest.mark.parametrize("leaves_folder", [False, True])
def test_a_folder_that_goes_while_it_is_read_keeps_its_pictures(
    settled: World, monkeypatch: pytest.MonkeyPatch, count: int, leaves_folder: bool
) -> None:
    settled.put(many(count))
    settled.sync()
    away = settled.top / "away"

    def go() -> None:
        settled.pictures.rename(away)
        if leaves_folder:  # an empty mount point
            settled.pictures.mkdir()

    going(settled, monkeypatch, go)
    with pytest.raises(Refused, match="went while it was read") as caught:
        settled.sync()
    assert "vstore sync NEW_PLACE --as pictures" in caught.value.next_step
    shutil.rmtree(settled.pictures, ignore_errors=True)
    away.rename(settled.pictures)
    report = settled.sync()
    assert (classes(report), report.current) == ({"unchanged": count}, "v1")


def test_many_pictures_that_go_while_they_are_read_are_an_accident(
    settled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled.put(many(60))
    settled.sync()
    going(settled, monkeypatch, lambda: unlink(settled, 21))
    with pytest.raises(Refused, match="21 of the 60 pictures"):
        settled.sync()


def test_a_picture_that_goes_while_it_is_read_is_removed(settled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    settled.put(many(3))
    settled.sync()
    going(settled, monkeypatch, lambda: unlink(settled, 1))
    assert classes(settled.sync()) == {"unchanged": 2, "removed": 1}


def test_a_folder_that_goes_while_it_is_read_may_be_meant(settled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    settled.put(many(3))
    settled.sync()
    going(settled, monkeypatch, lambda: shutil.rmtree(settled.pictures))
    assert classes(settled.sync(allow_mass_delete=True)) == {"removed": 3}
