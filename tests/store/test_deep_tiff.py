"""Kinds of TIFF that Pillow does not know, read with tifffile. The matrix of decoders has each kind with its values."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pillow_jxl
import pytest
import tifffile
from PIL import Image
from store.test_images import close, failure, fit, mutated, run, saved, scene

from vstore.pictures.decoding import Facts, prepare
from vstore.pictures.failures import PictureFailure
from vstore.pictures.preparation import Preparation

Pixels = npt.NDArray[Any]


def written(samples: Pixels, photometric: str = "rgb", **options: Any) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, samples, photometric=photometric, metadata=None, **options)
    return out.getvalue()


def pixels_of(samples: Pixels, **options: Any) -> list[list[int]]:
    """The prepared pixels of one line of samples."""
    found: list[list[int]] = fit(written(samples[None], **options))[0][0].tolist()
    return found


@pytest.mark.parametrize(
    ("samples", "wanted"),
    [
        ([[0, 0.5, 1.0], [1.0, 0.2, 0]], [[0, 128, 255], [255, 51, 0]]),
        ([[0, 10, 20], [200, 100.4, 0]], [[0, 10, 20], [200, 100, 0]]),  # as they are, up to 255
        ([[0, 100, 510], [255, 0, 1]], [[0, 50, 255], [128, 0, 0]]),  # by the largest of all colours, not of each
        ([[np.nan, 0.5, 1], [np.inf, -np.inf, -3]], [[0, 128, 255], [0, 0, 0]]),
        ([[np.nan] * 3, [np.inf] * 3], [[0] * 3] * 2),
    ],
)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_floats_of_a_picture_have_one_scale(samples: list[list[float]], wanted: list[list[int]], dtype: str) -> None:
    assert pixels_of(np.array(samples, dtype)) == wanted


@pytest.mark.parametrize(
    ("dtype", "samples", "wanted"),
    [
        ("u4", [[0, 257, 65535], [514, 0, 2570]], [[0, 1, 255], [2, 0, 10]]),  # 16 bits in 32
        ("u4", [[0, 2**32 - 1, 2**31], [0, 0, 1]], [[0, 255, 128], [0, 0, 0]]),
        ("i4", [[-5, 65535, 257], [0, 0, -(2**31)]], [[0, 255, 1], [0, 0, 0]]),
        ("i2", [[-1, 32767, 257], [0, 0, 0]], [[0, 127, 1], [0, 0, 0]]),
        ("i1", [[-1, 127, 5], [0, 0, 0]], [[0, 127, 5], [0, 0, 0]]),
    ],
)
def test_integers_of_a_picture_have_one_scale(dtype: str, samples: list[list[int]], wanted: list[list[int]]) -> None:
    assert pixels_of(np.array(samples, dtype)) == wanted


def test_greys_and_colours_have_the_scale_that_pillow_s_greys_have() -> None:
    for dtype, top in (("f4", 1.0), ("f4", 77.0), ("f4", 3000.0), ("u4", 60_000), ("u4", 4_000_000_000)):
        values = (np.arange(48 * 40).reshape(40, 48) / (48 * 40 - 1) * top).astype(dtype)
        grey, _ = fit(written(values, "minisblack"))
        colour, _ = fit(written(np.dstack([values] * 3)))
        assert np.array_equal(grey, colour), (dtype, top)


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
def test_opacity_is_laid_over_white_by_its_own_range(kind: str) -> None:
    share = np.array([0, 0.5, 1])[:, None]
    colour = np.array([[80.0, 40, 0], [80, 40, 0], [200, 40, 0]])
    stored = colour * share if kind == "assocalpha" else colour
    floats = np.hstack([stored, share]).astype("f4")
    wanted = colour * share + 255 * (1 - share)
    close(np.array(pixels_of(floats, extrasamples=[kind])), np.rint(wanted), 1, 2)
    ints = np.hstack([np.rint(stored * 257), np.rint(share * (2**32 - 1))]).astype("u4")
    if kind == "unassalpha":  # multiplied by another range than its own, a colour has no meaning
        close(np.array(pixels_of(ints, extrasamples=[kind])), np.rint(wanted), 1, 2)


def test_another_channel_is_no_opacity() -> None:
    samples = np.array([[0, 0.5, 1, 0], [1, 0.2, 0, 0.5]], "f4")
    assert pixels_of(samples, extrasamples=["unspecified"]) == [[0, 128, 255], [255, 51, 0]]


def test_inks_with_opacity_are_laid_over_white() -> None:
    samples = np.array([[[0, 65535, 0, 0, 65535], [0, 65535, 0, 0, 0]]] * 2, "u2")
    found = fit(written(samples, "separated", planarconfig="contig", extrasamples=["unassalpha"]))[0][0].tolist()
    assert found == [[255, 0, 255], [255, 255, 255]]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_stands_upright(orientation: int) -> None:
    """Turned as Pillow turns the same picture with 8 bits."""
    pixels = np.asarray(scene(90, 60))
    exif = Image.Exif()
    exif[0x0112] = orientation
    wanted, facts = fit(saved(Image.fromarray(pixels), "TIFF", exif=exif))
    found, its_facts = fit(written((pixels / 255).astype("f4"), extratags=[(274, 3, 1, orientation, True)]))
    assert np.array_equal(found, wanted)
    assert facts == its_facts == Facts("TIFF", *((60, 90) if orientation >= 5 else (90, 60)))


def test_a_large_one_is_made_smaller_as_others_are() -> None:
    pixels = np.asarray(scene(900, 600))
    close(fit(written((pixels / 255).astype("f4")))[0], fit(written(pixels))[0], 0.1, 1)


def test_a_profile_is_honoured_by_preparations_that_honour_them() -> None:
    *_, linear, _ = pillow_jxl.Decoder()(imagecodecs.jpegxl_encode(np.zeros((8, 8, 3), np.uint16), lossless=True))
    values = np.asarray(scene(90, 60)) / 255
    data = written(values.astype("f4"), iccprofile=linear)
    coded = 255 * np.where(values > 0.0031308, 1.055 * values ** (1 / 2.4) - 0.055, values * 12.92)
    close(fit(data)[0], np.rint(values * 255), 0.01)
    close(fit(data, policy=2, colours=True)[0], np.rint(coded), 0.6, 3)


def test_what_neither_library_reads_right_is_refused() -> None:
    lab = np.zeros((8, 8, 3), "u2")
    assert "3 × 16 bit unsigned Lab" in failure(written(lab, "cielab")).reason
    assert failure(written(np.ones((8, 8), "c8"), "minisblack")).kind == "not_an_image"
    inks = written(np.zeros((8, 8, 4), "u2"), "separated", planarconfig="separate", extratags=[(332, 3, 1, 2, True)])
    assert fit(inks)  # Pillow's
    deep = written(np.zeros((8, 8, 4), "f4"), "separated", extratags=[(332, 3, 1, 2, True)])
    assert failure(deep).kind == "not_an_image"


# Limits


def test_more_samples_than_memory_are_a_bomb() -> None:
    """Nine times as many bytes as a picture of 8 bits needs count nine times."""
    data = written(np.zeros((100, 100, 9), "f8"), extrasamples=["unspecified"] * 6, compression="zlib")
    assert fit(data, max_pixels=60_000)
    found = failure(data, max_pixels=59_999)
    assert (found.kind, "--max-pixels 60000" in found.reason) == ("bomb", True)


def test_what_is_missing_is_not_made_up() -> None:
    """tifffile would fill parts that are not there with black."""
    samples = np.full((64, 64, 3), 0.5, "f4")
    for options in ({}, {"rowsperstrip": 8}, {"compression": "lzw", "rowsperstrip": 8}, {"tile": (32, 32)}):
        data = written(samples, **options)
        assert fit(data)[0].min() == 128
        assert failure(data[:-7]).kind == "truncated", options
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        tag = file.pages[0].tags[324]
        offset, count = tag.valueoffset, tag.count
    assert count == 4
    sparse = data[: offset + 4] + bytes(4) + data[offset + 8 :]
    assert failure(sparse).kind == "truncated"


def test_a_strip_that_ends_early_is_a_failure() -> None:
    for compression in (None, "lzw", "zlib", "packbits", "zstd"):
        whole = written(np.full((64, 64, 3), 0.5, "f4"), rowsperstrip=64, compression=compression)
        taller = whole
        for tag in (257, 278):  # height, rows of a strip
            entry = struct.pack("<HHI", tag, 4, 1)
            assert taller.count(entry) == 1
            at = taller.index(entry) + len(entry)
            taller = taller[:at] + struct.pack("<I", 72) + taller[at + 4 :]
            found = failure(taller)
            assert found.kind in ("truncated", "not_an_image"), found


@pytest.mark.parametrize(
    ("dtype", "options"),
    [
        ("f4", {}),
        ("u4", {"compression": "zlib", "predictor": True}),
        ("f2", {"compression": "lzw"}),
        ("u4", {"compression": "zstd", "tile": (16, 16)}),
        ("f4", {"compression": "zlib", "predictor": 3}),
    ],
)
def test_whatever_the_bytes_are_there_is_a_picture_or_a_reason(
    dtype: str, options: dict[str, Any], capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    values = np.asarray(scene(60, 40)) / 255
    data = written((values * (1 if dtype[0] == "f" else 2**32 - 1)).astype(dtype), **options)
    warnings.resetwarnings()
    outcomes = set()
    for seed in range(150):
        try:
            found, _ = prepare(mutated(data, seed), Preparation(max_pixels=1 << 20))
            outcomes.add(found.mode)
        except PictureFailure as failed:
            assert failed.kind in ("truncated", "not_an_image", "bomb"), failed
            assert "\n" not in failed.reason
            outcomes.add(failed.kind)
    assert {"RGB", "not_an_image", "truncated"} <= outcomes
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


def test_many_threads_read_alike() -> None:
    values = np.asarray(scene(300, 200)) / 255
    files = [
        written((values * share).astype("f4"), **options)
        for share in (1, 0.7, 3)
        for options in ({}, {"compression": "lzw"}, {"tile": (64, 64), "compression": "zlib"})
    ]
    alone = [fit(data)[0].tobytes() for data in files]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda data: fit(data)[0].tobytes(), files * 3)) == alone * 3


# Without the packages


@pytest.mark.parametrize("missing", ["tifffile", "imagecodecs"])
def test_without_the_extra_it_says_what_to_install(missing: str) -> None:
    data = written(np.zeros((8, 8, 3), "f4"))
    code = f"""
import sys
sys.modules[{missing!r}] = None  # as if it were not installed
from vstore.pictures.decoding import prepare
from vstore.pictures.failures import PictureFailure
from vstore.pictures.preparation import Preparation
try:
    prepare(bytes.fromhex({data.hex()!r}), Preparation())
except PictureFailure as failure:
    print(failure.kind, failure.reason, sep="|")
"""
    assert run(code).splitlines() == [
        "needs_extra|TIFF of this kind needs two more packages (3 × 32 bit floating-point RGB): "
        "pip install 'vstore-index[tiff]'"
    ]


def test_a_broken_package_is_a_missing_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(tifffile, "TiffFile")
    found = failure(written(np.zeros((8, 8, 3), "f4")))
    assert (found.kind, "pip install 'vstore-index[tiff]'" in found.reason) == ("needs_extra", True)


def test_a_tiff_that_pillow_reads_loads_no_other_library() -> None:
    code = f"""
import sys
from vstore.pictures.decoding import prepare
from vstore.pictures.preparation import Preparation
prepare(bytes.fromhex({saved(scene(8, 8), "TIFF").hex()!r}), Preparation())
print(sorted({{"tifffile", "imagecodecs", "rawpy"}} & set(sys.modules)))
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"
