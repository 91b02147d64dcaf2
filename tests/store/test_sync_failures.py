"""Pictures that get no vector: what is remembered of them, and what is tried again."""

from __future__ import annotations

import io
import os
import shutil
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest
from PIL import Image
from support.folders import FakeOs, Reads, World, classes, drawn, plain, put

from vstore.errors import ModelError
from vstore.pictures import decoders
from vstore.search.query import Operand
from vstore.store import Store
from vstore.testing import FakeEmbedder


def bomb(width: int, height: int) -> bytes:
    """A PNG that claims to be large."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    packed = [struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def known(report: Any) -> dict[str, tuple[str, bool]]:
    """Map the failures: path below the root -> kind, and whether an earlier run knew."""
    return {os.fsdecode(f.path).partition("/")[2]: (f.kind, f.known) for f in report.failed}


# What is remembered


def test_a_failure_is_reported_by_kind_and_known_to_the_next_sync(settled: World, reads: Reads) -> None:
    settled.put(
        {
            "good.png": 1,
            "empty.png": b"",
            "words.png": b"these are words",
            "cut.png": drawn(2)[:200],
            "bomb.png": bomb(60_000, 60_000),
        }
    )
    report = settled.sync()
    kinds = {"empty.png": "not_an_image", "words.png": "not_an_image", "cut.png": "truncated", "bomb.png": "bomb"}
    assert known(report) == {name: (kind, False) for name, kind in kinds.items()}
    assert (classes(report), report.paths) == ({"new": 1, "failed": 4}, 1)
    reasons = {f.path: f.reason for f in report.failed}
    reads.clear()
    report = settled.sync()
    assert known(report) == {name: (kind, True) for name, kind in kinds.items()}
    assert (reads.opened, reads.decoded, report.snapshot) == ([], 0, None)
    assert {f.path: f.reason for f in report.failed} == reasons


def test_it_is_remembered_by_content_and_not_by_name(settled: World, reads: Reads) -> None:
    settled.put({"good.png": 1, "bad.png": b"garbage"})
    settled.sync()
    (settled.pictures / "bad.png").rename(settled.pictures / "worse.png")
    settled.put({"copy.png": b"garbage"})
    reads.clear()
    assert known(settled.sync()) == {"worse.png": ("not_an_image", True), "copy.png": ("not_an_image", True)}
    assert (len(reads.opened), reads.decoded) == (2, 0)


def test_equal_bytes_are_decoded_once_and_reported_under_each_name(settled: World, reads: Reads) -> None:
    settled.put({f"{number}.png": b"garbage" for number in range(40)})
    settled.put({"good.png": 1})
    report = settled.sync()
    assert (len(report.failed), reads.decoded) == (40, 2)


def test_it_is_tried_again_when_its_bytes_change(settled: World) -> None:
    settled.put({"a.png": b"garbage", "b.png": 2})
    settled.sync()
    settled.put({"a.png": b"other garbage"})
    assert known(settled.sync()) == {"a.png": ("not_an_image", False)}
    settled.put({"a.png": 1})
    assert classes(settled.sync()) == {"unchanged": 1, "new": 1}


@pytest.mark.parametrize("what", ["pillow", "codec", "plug-in", "policy"])
def test_it_is_tried_again_when_the_decoder_changes(
    settled: World, reads: Reads, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    settled.put({"a.png": b"garbage", "b.png": 2})
    settled.sync()
    monkeypatch.setattr(decoders, "_fingerprints", {})
    if what == "pillow":
        monkeypatch.setattr(PIL, "__version__", "99.0")
    elif what == "codec":
        monkeypatch.setattr("PIL.features.version", lambda name: "99.0")
    elif what == "plug-in":
        monkeypatch.setattr("importlib.metadata.version", lambda name: "99.0")
    else:
        monkeypatch.setattr(decoders, "READING", 99)
    reads.clear()
    assert known(settled.sync()) == {"a.png": ("not_an_image", False)}
    assert reads.decoded == 1
    assert known(settled.sync()) == {"a.png": ("not_an_image", True)}


def test_it_is_tried_again_when_the_limits_change(settled: World) -> None:
    settled.put({"a.png": plain((1, 2, 3)), "b.png": 2})  # 600 pixels each
    assert known(settled.sync(max_pixels=599)) == {"a.png": ("bomb", False), "b.png": ("bomb", False)}
    assert known(settled.sync(max_pixels=599)) == {"a.png": ("bomb", True), "b.png": ("bomb", True)}
    report = settled.sync(max_pixels=600)
    assert (classes(report), report.embedded) == ({"new": 2}, 2)
    assert settled.sync(max_pixels=599).failed == (), "a picture with a vector is not decoded again"


def test_where_the_catalogue_is_lost_it_is_met_again(settled: World) -> None:
    settled.put({"a.png": b"garbage", "b.png": 2})
    settled.sync()
    settled.store.close()
    shutil.rmtree(settled.folder / "catalogue")
    settled.store = settled.another()
    assert known(settled.sync()) == {"a.png": ("not_an_image", False)}


def test_a_failure_of_a_part_that_is_not_synced_is_not_reported(settled: World) -> None:
    settled.put({"x/a.png": b"garbage", "y/b.png": 2})
    settled.sync()
    assert settled.sync(settled.pictures / "y").failed == ()


def test_a_new_folder_all_of_whose_pictures_fail_is_known_from_then_on(settled: World) -> None:
    settled.put({"a.png": b"garbage"})
    report = settled.sync()
    assert (classes(report), report.snapshot, report.paths) == ({"failed": 1}, None, 0)
    assert list(settled.repo.state.roots) == ["pictures"]
    assert list(settled.repo.listing.kept()) == []
    settled.put({"a.png": 1})
    assert classes(settled.all()) == {"new": 1}


def test_status_foresees_the_failures_that_are_known(settled: World) -> None:
    settled.put({"a.png": b"garbage", "b.png": 2})
    settled.sync()
    settled.put({"copy.png": b"garbage", "new.png": 3})
    report = settled.status()
    assert known(report) == {"a.png": ("not_an_image", True), "copy.png": ("not_an_image", True)}
    assert (classes(report), report.to_embed, report.paths) == ({"unchanged": 1, "new": 1, "failed": 2}, 1, 2)


# What is not


def test_want_of_memory_while_decoding_is_never_remembered(settled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    settled.put({"a.png": 1, "b.png": 2})
    settled.sync()
    settled.put({"a.png": 3})
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", _no_memory)
    for _ in range(2):
        report = settled.sync()
        assert classes(report) == {"unchanged": 1, "carried": 1, "failed": 1}
        assert known(report) == {"a.png": ("io", False)}
        assert settled.aliases()["pictures/a.png"] == settled.key(1)
    monkeypatch.undo()
    assert classes(settled.sync()) == {"unchanged": 1, "changed": 1}


def _no_memory(*_: Any) -> None:
    raise MemoryError


def test_nor_is_want_of_memory_while_reading(settled: World, faulty: FakeOs) -> None:
    settled.put({"a.png": 1})
    faulty.between = _no_memory
    assert known(settled.sync()) == {"a.png": ("io", False)}
    assert known(settled.sync()) == {"a.png": ("io", False)}
    faulty.between = lambda: None
    assert classes(settled.sync()) == {"new": 1}


def test_of_equal_pictures_another_is_tried_where_one_met_want_of_memory(
    settled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled.put({f"{number}.png": 1 for number in range(3)})
    monkeypatch.setattr("PIL.Image.Image.thumbnail", _failing_once(Image.Image.thumbnail))
    report = settled.sync()
    assert (len(report.failed), report.paths, report.embedded) == (1, 2, 1)
    assert classes(settled.sync()) == {"unchanged": 2, "copied": 1}


def _failing_once(plain_method: Any) -> Any:
    errors = iter([MemoryError()])

    def method(*args: Any, **options: Any) -> Any:
        for error in errors:
            raise error
        return plain_method(*args, **options)

    return method


# What the model does


class Odd(FakeEmbedder):
    """Has no usable vector for some colours. rows: what it gives instead."""

    def __init__(self, rows: dict[tuple[int, int, int], Any]) -> None:
        super().__init__()
        self.rows = rows

    def embed_images(self, pictures: Sequence[Image.Image]) -> Any:
        rows = super().embed_images(pictures)
        for row, picture in zip(rows, pictures, strict=True):
            row[:] = self.rows.get(picture.getpixel((0, 0)), row)  # type: ignore[arg-type]
        return rows


ODD = {(1, 0, 0): np.nan, (2, 0, 0): 0.0, (3, 0, 0): np.inf, (4, 0, 0): [np.nan] + [1.0] * 7}


def test_a_row_of_nan_or_without_length_is_a_failure_of_that_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, Odd(ODD))
    world.put({f"bad{number}.png": plain((number, 0, 0)) for number in range(1, 5)})
    world.put({"good.png": 9, "fine.png": 8})
    report = world.sync()
    assert (classes(report), report.embedded) == ({"new": 2, "failed": 4}, 2)
    assert known(report) == {f"bad{number}.png": ("model", False) for number in range(1, 5)}
    assert sorted(world.keys()) == sorted([world.key(8), world.key(9)])
    calls = world.fake.calls
    report = world.sync()
    assert known(report) == {f"bad{number}.png": ("model", True) for number in range(1, 5)}
    assert (world.fake.calls, report.snapshot) == (calls, None)


def test_a_row_that_is_not_of_length_one_is_made_so(tmp_path: Path) -> None:
    world = World(tmp_path, Odd({(1, 0, 0): [3.0, 4.0] + [0.0] * 6, (2, 0, 0): [1e-30] * 8, (3, 0, 0): [1e30] * 8}))
    world.put({f"{number}.png": plain((number, 0, 0)) for number in range(1, 4)})
    assert world.sync().failed == ()
    repo = world.repo
    [space] = repo.state.spaces
    [ref] = repo.state.segments(space)
    norms = np.linalg.norm(repo.segment(ref).rows().astype(np.float32), axis=1)
    assert np.allclose(norms, 1, atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 8), (16, 7), (16,), (0, 8), (17, 8)])
def test_rows_of_another_shape_stop_the_run_and_lose_nothing_that_was_finished(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    fake = FakeEmbedder()
    world = World(tmp_path, fake)
    world.put({f"{number:02d}.png": number for number in range(40)})
    plain_embed = fake.embed_images
    fake.embed_images = lambda pictures: (  # type: ignore[method-assign]
        plain_embed(pictures) if fake.calls < 1 else np.zeros(shape, np.float32)
    )
    with pytest.raises(ModelError) as caught:
        world.sync()
    assert caught.value.exit_code == 13
    fake.embed_images = plain_embed  # type: ignore[method-assign]
    report = world.sync()
    assert (report.recovered, report.embedded, report.paths) == (16, 24, 40)


def test_a_model_of_another_dimension_is_refused_before_it_embeds(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.put({"a.png": 1})
    other = FakeEmbedder(dim=9)
    with Store(world.folder, load_embedder=lambda recipe: other) as store, pytest.raises(ModelError, match="9 numbers"):
        store.sync([world.pictures])
    assert other.calls == 0


def test_a_black_picture_has_a_vector(tmp_path: Path) -> None:
    put(tmp_path / "pictures", {"black.png": plain((0, 0, 0)), "white.png": plain((255, 255, 255)), "some.png": 1})
    out = io.BytesIO()
    Image.new("L", (1, 1)).save(out, "PNG")
    put(tmp_path / "pictures", {"dot.png": out.getvalue()})
    Store.init(tmp_path / ".vstore")
    with Store(tmp_path / ".vstore") as store:
        report = store.sync([tmp_path / "pictures"])
        assert (report.failed, report.embedded) == ((), 4)
        for name in ("black.png", "white.png", "some.png", "dot.png"):
            hit = store.search([Operand(1.0, os.fsencode(tmp_path / "pictures" / name))], k=1).hits[0]
            assert (hit.score, hit.paths) == (1.0, (f"pictures/{name}".encode(),))


def lose_vectors(world: World) -> None:
    """As a repair would leave a store whose segments were damaged beyond help."""
    repo = world.repo
    [space] = repo.state.spaces
    with repo.committing("repair"):
        snapshots = {snapshot.name: {"degraded": True} for snapshot in list(repo.listing.kept())}
        repo.publish("repair", {"segments": {space: None}, "snapshots": snapshots})


def test_pictures_whose_vectors_were_lost_are_embedded_again(settled: World) -> None:
    settled.put({"a.png": 1, "x/b.png": 2})
    settled.sync()
    settled.sync()
    lose_vectors(settled)
    report = settled.sync()
    assert (report.embedded, classes(report)) == (2, {"unchanged": 2})
    assert sorted(settled.keys()) == sorted([settled.key(1), settled.key(2)])
    assert settled.sync().embedded == 0


def test_one_that_has_no_vector_any_more_and_cannot_get_one_loses_its_alias(tmp_path: Path) -> None:
    fake = Odd({})
    world = World(tmp_path, fake)
    world.put({"a.png": plain((1, 0, 0)), "b.png": 2})
    world.sync()
    lose_vectors(world)
    fake.rows = ODD
    report = world.sync()
    assert (known(report), classes(report)) == ({"a.png": ("model", False)}, {"unchanged": 1, "failed": 1})
    assert world.paths() == ["pictures/b.png"]
