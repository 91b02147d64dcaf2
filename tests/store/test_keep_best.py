"""The best file of copies: the rules, their order, and what was decided."""

from __future__ import annotations

import io
import os
import random
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.folders import World
from support.look_alikes import jpeg, png, scene

from vstore.embed.builtin import BuiltinEmbedder
from vstore.errors import UsageError
from vstore.search.decided import Verdict
from vstore.search.dupes import DupesReport
from vstore.search.group_files import Found
from vstore.search.keep_best import RULES, Best, KeepBest

BIG, SMALL = (420, 300), (210, 150)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.chdir(tmp_path)
    return World(tmp_path, BuiltinEmbedder())  # type: ignore[arg-type]


def synced(world: World, files: dict[str, bytes]) -> None:
    """Sync files, each a second older than the one before it."""
    world.put(files)
    for age, name in enumerate(files):
        os.utime(world.pictures / name, (10**9 - age, 10**9 - age))
    world.sync()


def best(report: DupesReport) -> Best:
    ((one,),) = (group.best for group in report.groups)
    return one


def chosen(world: World, *by: str, **words: Any) -> tuple[str, tuple[str, ...]]:
    """The name of the best file of the one group, and the rules that chose it."""
    found = best(world.store.dupes(near=0.8, keep_by=by or None, **words))
    return found.path.decode().removeprefix("pictures/"), found.rules


def bmp(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "BMP")
    return out.getvalue()


def test_each_rule_finds_its_best_file(world: World) -> None:
    files = {
        "pixels.jpg": jpeg(scene(1, BIG), 30),
        "format.png": png(scene(1, SMALL)),
        "metadata.jpg": jpeg(scene(1, SMALL), 50, taken="2024:05:01 12:00:00"),
        "bytes.bmp": bmp(scene(1, (200, 143))),
        "oldest.jpg": jpeg(scene(1, SMALL), 60),
    }
    synced(world, files)
    for rule in ("pixels", "format", "metadata", "bytes", "oldest"):
        name, rules = chosen(world, rule)
        assert (Path(name).stem, rules) == (rule, (rule,))
    assert chosen(world) == ("pixels.jpg", ("pixels",))
    assert chosen(world, "metadata", "oldest") == ("metadata.jpg", ("metadata",))
    assert chosen(world, "metadata,oldest") == ("metadata.jpg", ("metadata",))


def test_later_rules_choose_among_equals(world: World) -> None:
    synced(
        world,
        {
            "a.jpg": jpeg(scene(1, SMALL), 80),
            "b.jpg": jpeg(scene(1, BIG), 80, taken="2024:05:01 12:00:00"),
            "c.jpg": jpeg(scene(1, BIG), 90),
            "d.jpg": jpeg(scene(1, BIG), 95),
        },
    )
    assert chosen(world) == ("b.jpg", ("pixels", "metadata"))
    assert chosen(world, "pixels", "bytes") == ("d.jpg", ("pixels", "bytes"))
    assert chosen(world, "format", "oldest") == ("d.jpg", ("oldest",))
    assert chosen(world, "pixels") == ("b.jpg", ("pixels", "path"))
    found = best(world.store.dupes(near=0.8))
    assert found.why == "more pixels, more metadata"
    assert [path.decode() for path in found.others] == ["pictures/d.jpg", "pictures/c.jpg", "pictures/a.jpg"]


def test_a_photograph_that_was_saved_again_as_png_is_no_better(world: World) -> None:
    taken = jpeg(scene(1, BIG), 80, taken="2024:05:01 12:00:00")
    synced(world, {"camera.jpg": taken, "again.png": png(Image.open(io.BytesIO(taken)))})
    assert chosen(world) == ("camera.jpg", ("metadata",))


def test_a_preferred_folder_comes_before_all_rules(world: World) -> None:
    synced(
        world,
        {
            "big.jpg": jpeg(scene(1, BIG)),
            "one/a.jpg": jpeg(scene(1, SMALL), 80),
            "two/a.jpg": jpeg(scene(1, SMALL), 90),
        },
    )
    assert chosen(world, prefer=["pictures/one"]) == ("one/a.jpg", ("preferred",))
    assert chosen(world, prefer=[world.pictures / "two", "pictures/one"]) == ("two/a.jpg", ("preferred",))
    assert chosen(world, prefer="pictures/big.jpg") == ("big.jpg", ("preferred",))
    assert chosen(world, prefer=["pictures"]) == ("big.jpg", ("pixels",))
    found = best(world.store.dupes(near=0.8, prefer=["pictures/one", "pictures/two"]))
    assert [path.decode() for path in found.others] == ["pictures/two/a.jpg", "pictures/big.jpg"]
    with pytest.raises(UsageError, match="pictures/none is neither on disk nor in this snapshot"):
        world.store.dupes(prefer=["pictures/none"])


def test_a_complete_file_is_better_than_one_that_is_cut(world: World) -> None:
    whole = jpeg(scene(1, BIG), 70)
    synced(world, {"whole.jpg": jpeg(scene(1, SMALL), 95), "cut.jpg": whole[: len(whole) * 9 // 10]})
    world.sync(accept_truncated=10)
    assert chosen(world) == ("whole.jpg", ("complete",))
    assert chosen(world, "pixels") == ("cut.jpg", ("pixels",))


def test_a_picture_that_moves_is_better_than_one_of_its_frames(world: World) -> None:
    frames = [scene(1, SMALL), scene(2, SMALL)]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    synced(world, {"moves.gif": out.getvalue(), "still.png": png(scene(1, BIG))})
    assert chosen(world) == ("moves.gif", ("complete",))


def test_what_is_said_of_a_picture_is_metadata(world: World) -> None:
    synced(world, {"a.jpg": jpeg(scene(1), 70), "b.jpg": jpeg(scene(1), 90)})
    assert chosen(world) == ("b.jpg", ("bytes",))
    world.store.fields_set({"label": "sea"}, ["pictures/a.jpg"])
    assert chosen(world) == ("a.jpg", ("metadata",))


def test_a_rule_decides_nothing_where_something_is_not_known(world: World) -> None:
    """A picture without facts is not worse than others: it may be the better one."""
    snapshot = synced_snapshot(world)
    best_file = KeepBest(world.repo, snapshot)
    paths = [b"pictures/a.jpg", b"pictures/b.jpg"]
    keys = [bytes.fromhex(world.aliases()[path.decode()]) for path in paths]
    files = [*zip(paths, keys, strict=True), (b"pictures/c.jpg", b"c" * 16)]
    found = {path: Found((1, at), 100 + at, 50) for at, (path, _) in enumerate(files)}
    best_file.learn([key for _, key in files])
    one = best_file.of(0, files, found, Verdict())
    assert one is not None and (one.path, one.rules) == (b"pictures/c.jpg", ("bytes",))
    two = best_file.of(0, files[:2], found, Verdict())
    assert two is not None and (two.path, two.rules) == (b"pictures/a.jpg", ("pixels",))


def synced_snapshot(world: World) -> Any:
    synced(world, {"a.jpg": jpeg(scene(1, BIG)), "b.jpg": jpeg(scene(1, SMALL))})
    return world.repo.snapshot("current")


def test_the_best_file_does_not_depend_on_an_order(world: World) -> None:
    snapshot = synced_snapshot(world)
    best_file = KeepBest(world.repo, snapshot)
    keys = [bytes.fromhex(world.aliases()[f"pictures/{name}.jpg"]) for name in "ab"]
    chance = random.Random(1)
    for _ in range(50):
        files = [(b"%d" % at, chance.choice(keys)) for at in range(6)]
        found = {path: Found((1, at), chance.randint(1, 2), chance.randint(1, 2)) for at, (path, _) in enumerate(files)}
        del found[b"3"]
        best_file.learn(keys)
        results = set()
        for _ in range(5):
            chance.shuffle(files)
            one = best_file.of(0, files, found, Verdict())
            assert one is not None and sorted([one.path, *one.others]) == sorted(path for path, _ in files)
            assert one.others[-1] == b"3", "what is not there comes last"
            results.add((one.path, one.rules, one.others))
        assert len(results) == 1


def test_files_with_the_same_bytes_go_by_age_and_path(world: World) -> None:
    content = jpeg(scene(1))
    synced(world, {"a.jpg": content, "b.jpg": content, "c.jpg": content})
    found = best(world.store.dupes())
    assert (found.path, found.rules, found.why) == (b"pictures/c.jpg", ("oldest",), "older file")
    assert best(world.store.dupes(keep_by=["pixels", "bytes"])).rules == ("path",)
    assert best(world.store.dupes(prefer=["pictures/b.jpg"])).path == b"pictures/b.jpg"
    os.unlink(world.pictures / "c.jpg")
    found = best(world.store.dupes())
    assert (found.path, found.others) == (b"pictures/b.jpg", (b"pictures/a.jpg", b"pictures/c.jpg"))
    os.unlink(world.pictures / "b.jpg")
    (group,) = world.store.dupes().groups
    assert group.best == (), "there is nothing to choose"


# Decisions


def test_what_was_decided_comes_first(world: World) -> None:
    files = {"a.jpg": jpeg(scene(1, BIG)), "b.jpg": jpeg(scene(1, SMALL), 80), "c.jpg": jpeg(scene(1, SMALL), 90)}
    synced(world, files)
    world.store.decide("keep", ["pictures/b.jpg"], over=["pictures/a.jpg"])
    assert chosen(world) == ("b.jpg", ("decided",)), "nothing was said of c.jpg"
    found = best(world.store.dupes(near=0.8))
    assert found.others == (b"pictures/c.jpg", b"pictures/a.jpg")
    assert found.why == "as you decided"
    world.store.decide("keep", ["pictures/c.jpg"])
    assert chosen(world) == ("c.jpg", ("decided", "bytes"))
    world.store.decide("keep", ["pictures/b.jpg"], over=["pictures/c.jpg", "pictures/a.jpg"])
    assert chosen(world, prefer=["pictures/a.jpg"], all=True) == ("b.jpg", ("decided",))


def test_where_each_is_to_go_for_another_the_rules_choose(world: World) -> None:
    files = {"a.jpg": jpeg(scene(1), 70), "b.jpg": jpeg(scene(1), 80), "c.jpg": jpeg(scene(1), 90)}
    synced(world, files)
    for one, other in ("ab", "bc", "ca"):
        world.store.decide("keep", [f"pictures/{one}.jpg"], over=[f"pictures/{other}.jpg"])
    assert chosen(world, all=True) == ("c.jpg", ("bytes",))


# Bursts


def test_each_part_of_a_group_has_its_best_file(world: World) -> None:
    shots = {f"{n}.jpg": jpeg(scene(1), 80 + n, taken=f"2024:05:01 12:00:0{n}") for n in range(2)}
    synced(world, {**shots, "1-small.jpg": jpeg(scene(1).resize((105, 75)), 81)})
    (group,) = world.store.dupes(near=0.8).groups
    (one,) = group.best
    assert one.part == next(picture.part for picture in group.pictures if picture.paths == (one.path,))
    assert one.path != b"pictures/1-small.jpg" and one.others == (b"pictures/1-small.jpg",)
    ((whole,),) = (group.best for group in world.store.dupes(near=0.8, bursts=True).groups)
    assert (whole.part, len(whole.others)) == (0, 2)


# Words, tables


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("size", "'size' is no rule for the best file; it goes by: complete, pixels"),
        ("pixel", "did you mean pixels?"),
        ("pixels,pixels", "the rule pixels is given twice"),
        ("pixels,", "'' is no rule"),
        ("", "'' is no rule"),
        (["oldest", "bytes,oldest"], "the rule oldest is given twice"),
    ],
)
def test_wrong_rules_are_refused(world: World, by: Any, message: str) -> None:
    synced(world, {"a.jpg": jpeg(scene(1))})
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        world.store.dupes(keep_by=by)


def test_the_usual_rules_are_what_the_help_says(world: World) -> None:
    assert ",".join(RULES) == "complete,pixels,metadata,format,bytes,oldest"
    synced(world, {"a.jpg": jpeg(scene(1, BIG)), "b.jpg": jpeg(scene(1, SMALL), 95)})
    assert chosen(world) == chosen(world, *RULES)


def test_the_json_form_names_the_file(world: World) -> None:
    synced(world, {"a.jpg": jpeg(scene(1, BIG)), "b.jpg": jpeg(scene(1, SMALL))})
    (group,) = world.store.dupes(near=0.8).to_json()["groups"]  # type: ignore[union-attr]
    assert group["best"] == [  # type: ignore[index,call-overload]
        {
            "part": 0,
            "path": "pictures/a.jpg",
            "file": str(world.pictures / "a.jpg"),
            "key": world.aliases()["pictures/a.jpg"],
            "rules": ["pixels"],
            "why": "more pixels",
            "others": [{"path": "pictures/b.jpg"}],
        }
    ]
