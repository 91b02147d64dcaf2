from __future__ import annotations

import io
import os
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from support.folders import World, drawn

from vstore.embed.builtin import BuiltinEmbedder
from vstore.errors import Damage, SnapshotNotFound, UsageError
from vstore.search.dupes import DupesReport, dupes
from vstore.store import Store


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def groups(report: DupesReport) -> list[list[str]]:
    return [[os.fsdecode(path).removeprefix("pictures/") for path in group.paths] for group in report.groups]


def synced(world: World, files: Mapping[str, int | bytes]) -> None:
    world.put(files)
    world.sync()


def size(seed: int) -> int:
    return len(drawn(seed))


# Identical bytes


def test_groups_are_exactly_the_paths_with_equal_bytes(world: World) -> None:
    files = {"a": 1, "b/c": 1, "d": 2, "e": 3, "f": 1, "g/h": 2}
    synced(world, {f"{name}.png": seed for name, seed in files.items()})
    report = world.store.dupes()
    assert sorted(groups(report)) == [["a.png", "b/c.png", "f.png"], ["d.png", "g/h.png"]]
    assert {group.key.hex() for group in report.groups} == {world.key(1), world.key(2)}
    assert report.wasted == 2 * size(1) + size(2)
    assert (report.snapshot, report.verified, report.near) == ("v1", False, None)
    assert all(not group.troubles and not group.pictures for group in report.groups)


def test_the_most_wasteful_come_first(world: World) -> None:
    large = drawn(3) + bytes(100_000)  # behind its end a PNG may hold anything
    synced(world, {"a1.png": 1, "a2.png": 1, "b1.png": large, "b2.png": large, "c1.png": 2, "c2.png": 2, "c3.png": 2})
    report = world.store.dupes()
    assert groups(report) == [["b1.png", "b2.png"], ["c1.png", "c2.png", "c3.png"], ["a1.png", "a2.png"]]
    assert [group.wasted for group in report.groups] == [len(large), 2 * size(2), size(1)]


def test_where_nothing_stands_twice_nothing_is_found(world: World) -> None:
    synced(world, {"a.png": 1, "b.png": 2})
    report = world.store.dupes()
    assert (report.groups, report.wasted) == ((), 0)


def test_an_earlier_snapshot_is_searched_with_its_own_paths(world: World) -> None:
    synced(world, {"a.png": 1, "b.png": 1})
    os.unlink(world.pictures / "b.png")
    world.sync()
    assert groups(world.store.dupes()) == []
    (group,) = world.store.dupes(at="v1").groups
    assert group.paths == (b"pictures/a.png", b"pictures/b.png")
    assert group.troubles == {b"pictures/b.png": "No such file or directory"}
    assert group.wasted == 0
    with pytest.raises(SnapshotNotFound):
        world.store.dupes(at="v9")


def test_below_a_folder_only_its_own_pictures_count(world: World) -> None:
    synced(world, {"a/1.png": 1, "a/2.png": 1, "a/3.png": 2, "b/4.png": 1, "b/5.png": 2})
    assert groups(world.store.dupes(under=world.pictures / "a")) == [["a/1.png", "a/2.png"]]
    assert groups(world.store.dupes(under="pictures/b")) == []
    with pytest.raises(UsageError):
        world.store.dupes(under=world.top / "elsewhere")


def test_two_names_of_one_file_waste_nothing(world: World) -> None:
    synced(world, {"a.png": 1})
    os.link(world.pictures / "a.png", world.pictures / "hard.png")
    (world.pictures / "soft.png").symlink_to("a.png")
    world.sync()
    report = world.store.dupes()
    assert groups(report) == [["a.png", "hard.png", "soft.png"]]
    assert report.wasted == 0


def test_missing_files_are_reported_and_waste_nothing(world: World) -> None:
    synced(world, {"a.png": 1, "b.png": 1, "c.png": 1, "d.png": 2, "e.png": 2})
    for name in ("a", "d", "e"):
        os.unlink(world.pictures / f"{name}.png")
    report = world.store.dupes()
    by_key = {group.key.hex(): group for group in report.groups}
    first, second = by_key[world.key(1)], by_key[world.key(2)]
    assert first.troubles == {b"pictures/a.png": "No such file or directory"}
    assert (first.size, first.wasted) == (size(1), size(1))
    assert (second.size, second.wasted, len(second.troubles)) == (None, 0, 2)
    assert report.wasted == size(1)


def test_verify_reads_the_files_and_finds_changes(world: World) -> None:
    synced(world, {f"{n}.png": 1 for n in range(5)} | {"x.png": 2, "y.png": 2})
    assert world.store.dupes(verify=True).groups == world.store.dupes().groups
    data = bytearray(drawn(1))
    data[-10] ^= 1
    (world.pictures / "0.png").write_bytes(data)  # of the same size
    (world.pictures / "3.png").write_bytes(drawn(9))
    (world.pictures / "x.png").write_bytes(b"")
    (world.pictures / "y.png").unlink()
    assert all(not group.troubles for group in world.store.dupes().groups if len(group.paths) == 5)
    report = world.store.dupes(verify=True)
    assert report.verified
    five, two = sorted(report.groups, key=lambda group: -len(group.paths))
    assert five.troubles == {b"pictures/0.png": "it has changed since", b"pictures/3.png": "it differs"}
    assert (five.size, five.wasted) == (size(1), 2 * size(1))
    assert two.troubles[b"pictures/x.png"] == "it has changed since"
    assert (two.size, two.wasted) == (None, 0)
    assert report.wasted == five.wasted  # what is wrong with one group takes nothing from another


def test_files_of_an_unknown_folder_are_reported(world: World) -> None:
    synced(world, {"a.png": 1, "b.png": 1})
    repo = world.repo
    with repo.committing("roots"):
        repo.publish("roots", {"roots": {"pictures": None}})
    (group,) = dupes(world.repo).groups
    assert set(group.troubles.values()) == {"its folder is no longer known"}


def test_json_has_the_fields_that_are_promised(world: World) -> None:
    synced(world, {"a.png": 1, "\udcff.png": 1})
    os.unlink(world.pictures / "a.png")
    os.utime(world.pictures / "\udcff.png", (1_000_000_000, 1_000_000_000))
    assert world.store.dupes().to_json() == {
        "snapshot": "v1",
        "verified": False,
        "near": None,
        "groups": [
            {
                "key": world.key(1),
                "size": size(1),
                "wasted": 0,
                "copies": 1,
                "tier": "bytes",
                "verdict": {"pairs": 0, "same": 0, "keep": 0, "over": [], "kept": [], "whole": False},
                "best": [],
                "paths": [
                    {"path": "pictures/a.png", "trouble": "No such file or directory"},
                    {
                        "path": "pictures/�.png",
                        "path_b64": "cGljdHVyZXMv/y5wbmc=",
                        "size": size(1),
                        "modified": "2001-09-09T01:46:40Z",
                    },
                ],
                "files": [f"{world.pictures}/a.png", f"{world.pictures}/�.png"],
                "files_b64": [None, b64encode(os.fsencode(world.pictures) + b"/\xff.png").decode()],
            }
        ],
        "wasted": 0,
        "flat": None,
        "loose": False,
        "bursts": False,
        "one_in": None,
        "decided": 0,
    }


# Pictures that look alike


def scene(seed: int) -> Image.Image:
    """A picture with large shapes, as photographs have them."""
    coarse = np.random.default_rng(seed).integers(0, 255, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((210, 150), Image.Resampling.BICUBIC)


def jpeg(picture: Image.Image, quality: int = 95) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return out.getvalue()


@pytest.fixture
def album(tmp_path: Path) -> World:
    """Pictures with the built-in embedder: three versions of one, two of another, one copied, two alone."""
    world = World(tmp_path, BuiltinEmbedder())  # type: ignore[arg-type]
    one, two = scene(1), scene(2)
    synced(
        world,
        {
            "one.jpg": jpeg(one),
            "one small.jpg": jpeg(one.resize((105, 75))),
            "sub/one bright.jpg": jpeg(ImageEnhance.Brightness(one).enhance(1.2)),
            "two.jpg": jpeg(two),
            "two again.jpg": jpeg(two, 40),
            "three.jpg": jpeg(scene(3)),
            "three copied.jpg": jpeg(scene(3)),
            "four.jpg": jpeg(scene(4)),
            "five.jpg": jpeg(scene(5)),
        },
    )
    return world


def test_pictures_that_look_alike_are_found_with_the_threshold_of_the_built_in_embedder(album: World) -> None:
    report = album.store.dupes(near="auto")
    assert (report.near, report.one_in) == (0.81, 120_000)
    assert sorted(map(sorted, groups(report))) == [
        ["one small.jpg", "one.jpg", "sub/one bright.jpg"],
        ["three copied.jpg", "three.jpg"],
        ["two again.jpg", "two.jpg"],
    ]
    by_first = {min(group.paths): group for group in report.groups}
    three = by_first[b"pictures/three copied.jpg"]
    assert [(picture.score, len(picture.paths)) for picture in three.pictures] == [(1.0, 2)]
    assert (three.tier, three.least, three.copies) == ("bytes", None, 1)
    one = by_first[b"pictures/one small.jpg"]
    assert one.key == one.pictures[0].key and one.pictures[0].score == 1
    scores = [picture.score for picture in one.pictures]
    assert scores == sorted(scores, reverse=True) and 0.81 <= one.least <= scores[-1]
    assert (one.tier, one.burst, one.copies) == ("near", False, 2)
    sizes = [(album.pictures / os.fsdecode(path).removeprefix("pictures/")).stat().st_size for path in one.paths]
    assert one.wasted == sum(sizes) - max(sizes)
    assert one.size == sizes[0]
    assert report.wasted == sum(group.wasted for group in report.groups)


def test_the_threshold_can_be_set(album: World) -> None:
    assert groups(album.store.dupes(near=1.0)) == [["three copied.jpg", "three.jpg"]]
    assert len(groups(album.store.dupes(near=0.01))) <= 2


def test_alike_below_a_folder_and_in_an_older_snapshot(album: World) -> None:
    assert groups(album.store.dupes(near="auto", under=album.pictures / "sub")) == []
    os.unlink(album.pictures / "two.jpg")
    album.sync()
    assert ["two again.jpg", "two.jpg"] not in groups(album.store.dupes(near="auto"))
    (group,) = [g for g in album.store.dupes(near="auto", at="v1").groups if b"pictures/two.jpg" in g.paths]
    assert group.troubles == {b"pictures/two.jpg": "No such file or directory"}


def test_json_of_pictures_that_look_alike_names_each(album: World) -> None:
    report = album.store.dupes(near=0.9).to_json()
    assert report["near"] == 0.9
    (group,) = [g for g in report["groups"] if "pictures/two again.jpg" in [one["path"] for one in g["paths"]]]
    first, other = group["pictures"]
    assert [*first] == [*other] == ["key", "score", "tier", "burst", "part", "paths", "files"]
    assert first["key"] == group["key"] < other["key"]  # of two the one with the lesser key stands for them
    assert (first["score"], first["tier"]) == (1, "bytes")
    assert (other["score"], other["tier"]) == (group["least"], "near") and 0.9 <= group["least"] < 1
    assert first["files"] == [f"{album.top}/{group['paths'][0]['path']}"]
    assert sorted(path["path"] for path in group["paths"]) == ["pictures/two again.jpg", "pictures/two.jpg"]


def test_of_another_model_a_threshold_must_be_given(world: World) -> None:
    synced(world, {"a.png": 1, "b.png": 1, "c.png": 2})
    with pytest.raises(UsageError, match=r"too few different pictures .*--near 0\.95"):
        world.store.dupes(near="auto")
    assert groups(world.store.dupes(near=0.999)) == [["a.png", "b.png"]]


@pytest.mark.parametrize("near", [0.0, -0.5, 1.01, float("nan")])
def test_an_invalid_likeness_is_refused(world: World, near: float) -> None:
    synced(world, {"a.png": 1})
    with pytest.raises(UsageError, match="not a valid --near"):
        world.store.dupes(near=near)


def test_alike_and_byte_for_byte_do_not_go_together(world: World) -> None:
    synced(world, {"a.png": 1})
    with pytest.raises(UsageError, match="--verify"):
        world.store.dupes(near=0.9, verify=True)


def test_an_empty_snapshot_has_no_pictures_alike(world: World) -> None:
    synced(world, {"a.png": 1})
    os.unlink(world.pictures / "a.png")
    world.sync(allow_mass_delete=True)
    assert world.store.dupes(near=0.9).groups == ()


def test_a_damaged_segment_stops_the_comparison_and_not_the_search_for_equal_bytes(album: World) -> None:
    repo = album.repo
    (ref,) = repo.state.segments(repo.snapshot("current").space)
    path = repo.layout.segments / ref.name
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)
    with Store(album.folder) as store:
        with pytest.raises(Damage, match=ref.name):
            store.dupes(near="auto")
        assert groups(store.dupes()) == [["three copied.jpg", "three.jpg"]]


def test_dupes_writes_nothing_but_the_pairs_that_look_alike(album: World) -> None:
    indexes = album.repo.layout.indexes

    def written() -> dict[str, Any]:
        kept = [path for path in album.folder.rglob("*") if path.name != "ingest" and "indexes" not in path.parts]
        return {str(path): path.stat().st_mtime_ns for path in kept if path != indexes.parent}

    before = written()
    album.store.dupes()
    album.store.dupes(verify=True)
    assert not indexes.exists()
    album.store.dupes(near="auto")
    assert [path.suffix for path in indexes.rglob("*") if path.is_file()] == [".part"]
    assert written() == before


def test_each_file_that_is_there_is_told_with_its_size_and_time(album: World) -> None:
    os.unlink(album.pictures / "one small.jpg")
    (album.pictures / "link.jpg").symlink_to("one.jpg")
    os.utime(album.pictures / "two.jpg", ns=(5, 5))
    groups = {min(group.paths): group for group in album.store.dupes(near="auto").groups}
    one = groups[b"pictures/one small.jpg"]
    assert set(one.files) == {b"pictures/one.jpg", b"pictures/sub/one bright.jpg"}
    two = groups[b"pictures/two again.jpg"].files[b"pictures/two.jpg"]
    assert two == ((album.pictures / "two.jpg").stat().st_size, 5, False)
    assert two.to_json() == {"size": two.size, "modified": "1970-01-01T00:00:00Z"}
