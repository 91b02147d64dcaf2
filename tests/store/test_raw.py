"""RAW files of cameras. The matrix of decoders has their right pixels."""

from __future__ import annotations

import io
import struct
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import rawpy
from PIL import Image
from store.test_images import close, failure, fit, mutated, run, saved, scene
from support import more_kinds
from support.raw_files import by_tifffile, developed, light, mosaic

from vstore.pictures.decoding import Facts, prepare
from vstore.pictures.failures import PictureFailure
from vstore.pictures.preparation import Preparation
from vstore.pictures.raw_kinds import EXTENSIONS, is_raw

CELLS = mosaic(light(300, 400))


def test_every_extension_is_told_to_libraw_or_known() -> None:
    assert len(EXTENSIONS) == 26
    assert all(name.startswith(".") and name == name.lower() for name in EXTENSIONS)


@pytest.mark.parametrize(
    ("head", "raw"),
    [
        (b"FUJIFILMCCD-RAW 0201", True),
        (b"FOVb\0\0\2\0", True),
        (b"\0MRM\0\0", True),
        (b"IIRO\x08\0\0\0", True),
        (b"IIRS\x08\0\0\0", True),
        (b"MMOR\0\0\0\x08", True),
        (b"IIU\0\x18\0\0\0", True),
        (b"II\x1a\0\0\0HEAPCCDR\2\0", True),
        (b"\0\0\0\x18ftypcrx \0\0\0\1", True),
        (b"II*\0\x10\0\0\0CR\2\0", True),
        (b"II*\0\x10\0\0\0IIII", True),
        (b"II*\0\x08\0\0\0\0\0\0\0\0\0", False),
        (b"MM\0*\0\0\0\x08\0\0\0\0\0\0", False),
        (b"II*\0", False),
        (b"", False),
        (b"\xff\xd8\xff\xe0", False),
        (b"\0\0\0\x18ftypheic", False),
    ],
)
def test_raw_is_known_by_its_first_bytes(head: bytes, raw: bool) -> None:
    assert is_raw(head) is raw


def directory(order: str, *entries: tuple[int, int, int], more: int = 0) -> bytes:
    body = b"".join(
        struct.pack(order + "HHI", tag, kind, 1) + value(order, kind, number) for tag, kind, number in entries
    )
    return struct.pack(order + "H", len(entries)) + body + struct.pack(order + "I", more)


def value(order: str, kind: int, number: int) -> bytes:
    return struct.pack(order + ("H2x" if kind == 3 else "I"), number)


def of_camera(order: str, *entries: tuple[int, int, int]) -> bytes:
    head = struct.pack(order + "2sHI", b"II" if order == "<" else b"MM", 42, 8)
    first = directory(order, (254, 4, 1), (330, 4, 8 + 2 + 2 * 12 + 4))
    return head + first + directory(order, *entries)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("tag", "kind", "number", "raw"),
    [
        (262, 3, 32803, True),  # a mosaic
        (262, 3, 34892, True),  # of every colour
        (259, 3, 34713, True),  # Nikon
        (259, 3, 32767, True),  # Sony
        (50706, 4, 260, True),  # a version of DNG
        (262, 3, 2, False),
        (259, 3, 1, False),
    ],
)
def test_a_tiff_is_raw_where_it_holds_what_a_sensor_saw(
    order: str, tag: int, kind: int, number: int, raw: bool
) -> None:
    assert is_raw(of_camera(order, (tag, kind, number))) is raw


def test_a_directory_below_itself_ends() -> None:
    assert not is_raw(struct.pack("<2sHI", b"II", 42, 8) + directory("<", (330, 4, 8), more=8))


def test_other_tiffs_are_none() -> None:
    for options in ({}, {"compression": "tiff_lzw"}, {"save_all": True, "append_images": [scene(90, 60)] * 40}):
        assert not is_raw(saved(scene(90, 60), "TIFF", **options))


# Previews


def test_a_dng_is_not_its_thumbnail() -> None:
    """Pillow sees 16 × 24 grey pixels, which come first."""
    data = by_tifffile(CELLS)
    assert Image.open(io.BytesIO(data)).size == (24, 16)
    found, facts = fit(data)
    close(found, np.rint(developed(CELLS)), 1, 2)
    assert facts == Facts("RAW", 400, 300)


@pytest.mark.parametrize("side", [200, 400, 1024])
def test_a_preview_that_is_large_enough_is_taken(side: int) -> None:
    """Of half the size, as the development would be, or of 1,024 pixels."""
    cells = mosaic(light(300, 400)) if side < 1024 else mosaic(light(1600, 2400))
    preview = np.asarray(scene(side, side * 3 // 4))
    for given, taken in ((preview, True), (preview[:, : side - 2], side > 200 and side != 1024)):
        found, facts = fit(by_tifffile(cells, preview=np.ascontiguousarray(given)), max_side=2000)
        assert facts == Facts("RAW", cells.shape[1], cells.shape[0])
        if taken:
            close(found, given, 2)
        else:
            close(found, np.rint(developed(cells)), 1, 2)


def test_a_preview_that_is_broken_or_too_large_is_developed(monkeypatch: pytest.MonkeyPatch) -> None:
    preview = np.asarray(scene(400, 300))
    data = by_tifffile(CELLS, preview=preview)
    at = data.index(b"\xff\xda", data.index(b"\xff\xd8\xff"))
    broken = data[: at - 200] + bytes(500) + data[at + 300 :]
    close(fit(broken)[0], np.rint(developed(CELLS)), 1, 2)
    assert failure(data, max_pixels=300 * 400 - 1).kind == "bomb"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_preview_and_development_are_turned_alike(orientation: int) -> None:
    preview = np.rint(developed(CELLS)).astype(np.uint8)
    with_preview, facts = fit(by_tifffile(CELLS, preview=preview, orientation=orientation))
    without, same = fit(by_tifffile(CELLS, orientation=orientation))
    close(with_preview, without, 3)
    assert facts == same == Facts("RAW", *((300, 400) if orientation >= 5 else (400, 300)))


def test_a_preview_that_tells_its_own_orientation_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    own = saved(scene(400, 300), "JPEG", exif=exif)
    thumbnail = rawpy.Thumbnail(rawpy.ThumbFormat.JPEG, own)
    real = rawpy.imread

    class Opened:
        def __init__(self, file: io.BytesIO) -> None:
            self._raw = real(file)
            self.sizes = self._raw.sizes

        def __enter__(self) -> Opened:
            return self

        def __exit__(self, *_: object) -> None:
            self._raw.close()

        def extract_thumb(self) -> object:
            return thumbnail

    monkeypatch.setattr(rawpy, "imread", Opened)
    found, _ = fit(by_tifffile(CELLS, orientation=6))
    close(found, scene(400, 300).rotate(180), 3)


def test_orientation_is_left_out_where_a_recipe_says_so() -> None:
    data = by_tifffile(CELLS, orientation=6)
    close(fit(data, upright=False)[0], np.rint(developed(CELLS)), 1, 2)


# What is damaged


@pytest.mark.parametrize("least", [0, 50])
def test_what_is_cut_is_a_failure_and_never_a_thumbnail(least: int) -> None:
    tiled = (Path(more_kinds.__file__).parent / "made" / "pidng-1.dng").read_bytes()
    for data in (by_tifffile(CELLS), by_tifffile(CELLS, lossless=True), tiled):
        for share in (0.3, 0.7, 0.99):
            assert failure(data[: int(len(data) * share)], least=least).kind == "truncated"


def test_a_raw_that_libraw_does_not_know_says_so() -> None:
    assert "LibRaw" in failure(b"FUJIFILMCCD-RAW " + bytes(400)).reason


def test_whatever_the_bytes_are_there_is_a_picture_or_a_reason(
    capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    outcomes = set()
    warnings.resetwarnings()
    for data in (
        by_tifffile(CELLS[:60, :80], preview=np.asarray(scene(60, 40))),
        by_tifffile(CELLS[:60, :80], lossless=True),
    ):
        for seed in range(150):
            try:
                found, _ = prepare(mutated(data, seed), Preparation(max_pixels=1 << 20))
                outcomes.add(found.mode)
            except PictureFailure as failed:
                assert failed.kind in ("truncated", "not_an_image", "bomb", "io", "needs_extra"), failed
                assert "\n" not in failed.reason
                outcomes.add(failed.kind)
    assert {"RGB", "not_an_image"} <= outcomes
    assert not recwarn.list
    assert capfd.readouterr().out == ""  # LibRaw itself says on stderr where data ends early


def test_many_threads_read_alike() -> None:
    files = [by_tifffile(CELLS, orientation=n, lossless=n > 4) for n in range(1, 9)]
    files += [by_tifffile(CELLS, orientation=n, preview=np.asarray(scene(300, 200))) for n in range(1, 9)]
    alone = [fit(data)[0].tobytes() for data in files]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda data: fit(data)[0].tobytes(), files * 3)) == alone * 3


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "a.dng").write_bytes(by_tifffile(CELLS))
    code = f"""
import sys
sys.modules["rawpy"] = None  # as if it were not installed
from vstore.pictures.decoding import prepare
from vstore.pictures.failures import PictureFailure
from vstore.pictures.preparation import Preparation
try:
    prepare(open({str(tmp_path / "a.dng")!r}, "rb").read(), Preparation())
except PictureFailure as failure:
    print(failure.kind, failure.reason, sep="|")
"""
    assert run(code) == "needs_extra|RAW pictures need one more package: pip install 'vstore-index[raw]'\n"
