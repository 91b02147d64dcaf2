"""JPEG XL. The matrix of decoders has its kinds, with their right pixels."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import imagecodecs
import numpy as np
import pytest
from store.test_images import close, failure, fit, mutated, run, saved, scene

from vstore.pictures import jxl
from vstore.pictures.decoding import Facts, prepare
from vstore.pictures.failures import PictureFailure
from vstore.pictures.preparation import Preparation


def written(width: int, height: int, **options: Any) -> bytes:
    data: bytes = imagecodecs.jpegxl_encode(np.zeros((height, width), np.uint8), lossless=True, **options)
    return data


@pytest.mark.parametrize(
    "size",
    [(1, 1), (8, 8), (256, 256), (264, 8), (300, 200), (1000, 3), (5000, 4), (70_000, 3), (3, 300_000), (640, 480),
     (1920, 1080), (600, 500), (500, 400), (800, 400), (360, 300)],
)  # fmt: skip
@pytest.mark.parametrize("container", [False, True])
def test_the_size_is_read_without_decoding(size: tuple[int, int], container: bool) -> None:
    data = written(*size, usecontainer=container)
    head = jxl._codestream(data)
    assert head is not None
    assert jxl._head(jxl._Bits(head)).size == size
    assert failure(data, max_pixels=size[0] * size[1] - 1).kind == "bomb" if size != (1, 1) else True


def test_a_bomb_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    import pillow_jxl

    def decoder(**_: object) -> None:
        raise AssertionError("decoded")

    data = written(3000, 3000)
    monkeypatch.setattr(pillow_jxl, "Decoder", decoder)
    assert len(data) < 2000
    assert failure(data, max_pixels=3000 * 3000 - 1).kind == "bomb"


@pytest.mark.parametrize("bits", [8, 9, 10, 12, 16])
@pytest.mark.parametrize("frames", [1, 3])
def test_the_head_tells_animations_and_depth(bits: int, frames: int) -> None:
    shape = (20, 30, 3) if frames == 1 else (frames, 20, 30, 3)
    pixels = np.zeros(shape, np.uint8 if bits == 8 else np.uint16)
    head = jxl._codestream(imagecodecs.jpegxl_encode(pixels, lossless=True, bitspersample=bits))
    assert head is not None
    found = jxl._head(jxl._Bits(head))
    assert (found.size, found.animated, found.bits) == ((30, 20), frames > 1, bits)


def test_it_is_scaled_down_as_others_are() -> None:
    pixels = np.asarray(scene(900, 600))
    found, facts = fit(imagecodecs.jpegxl_encode(pixels, lossless=True))
    close(found, fit(saved(scene(900, 600), "PNG"))[0], 0.01)
    assert facts == Facts("JXL", 900, 600)


def test_a_profile_is_honoured_by_preparations_that_honour_them() -> None:
    """imagecodecs declares deep samples linear."""
    pixels = np.asarray(scene(90, 60))
    data = imagecodecs.jpegxl_encode(pixels.astype(np.uint16) * 257, lossless=True)
    linear = pixels / 255
    coded = 255 * np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, linear * 12.92)
    close(fit(data)[0], pixels, 0.01)
    close(fit(data, policy=2, colours=True)[0], np.rint(coded), 0.6, 3)


def test_a_container_without_a_picture_is_a_failure() -> None:
    data = written(30, 20, usecontainer=True)
    assert "no picture" in failure(data[:32]).reason
    assert failure(data.replace(b"jxlc", b"free").replace(b"jxlp", b"free")).kind == "not_an_image"
    assert failure(b"\xff\x0a").kind in ("not_an_image", "truncated")


def test_what_is_cut_is_a_failure() -> None:
    for container in (False, True):
        data = imagecodecs.jpegxl_encode(np.asarray(scene(300, 200)), lossless=True, usecontainer=container)
        for share in (0.2, 0.5, 0.9, 0.99):
            assert failure(data[: int(len(data) * share)]).kind in ("truncated", "not_an_image"), (container, share)


@pytest.mark.parametrize("kind", ["short", "container", "animated", "of a JPEG"])
def test_whatever_the_bytes_are_there_is_a_picture_or_a_reason(
    kind: str, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    pixels = np.asarray(scene(60, 40))
    if kind == "of a JPEG":
        data = imagecodecs.jpegxl_encode_jpeg(saved(scene(60, 40), "JPEG"))
    else:
        stored = np.stack([pixels, 255 - pixels]) if kind == "animated" else pixels
        data = imagecodecs.jpegxl_encode(stored, lossless=True, usecontainer=kind == "container")
    warnings.resetwarnings()
    outcomes = set()
    for seed in range(120):
        try:
            found, _ = prepare(mutated(data, seed), Preparation(max_pixels=1 << 20))
            outcomes.add(found.mode)
        except PictureFailure as failed:
            assert failed.kind in ("truncated", "not_an_image", "bomb", "io"), failed
            assert "\n" not in failed.reason
            outcomes.add(failed.kind)
    assert "not_an_image" in outcomes
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


def test_many_threads_read_alike() -> None:
    pixels = np.asarray(scene(300, 200))
    files = [imagecodecs.jpegxl_encode(np.roll(pixels, n * 9, 0), lossless=n % 2 == 0) for n in range(6)]
    files += [imagecodecs.jpegxl_encode(np.stack([pixels, 255 - pixels]), lossless=True)]
    alone = [fit(data)[0].tobytes() for data in files]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda data: fit(data)[0].tobytes(), files * 3)) == alone * 3


@pytest.mark.parametrize("missing", ["pillow_jxl", "imagecodecs"])
def test_without_the_extra_it_says_what_to_install(missing: str) -> None:
    code = f"""
import sys
sys.modules[{missing!r}] = None  # as if it were not installed
from vstore.pictures.decoding import prepare
from vstore.pictures.failures import PictureFailure
from vstore.pictures.preparation import Preparation
try:
    prepare(bytes.fromhex({written(30, 20).hex()!r}), Preparation())
except PictureFailure as failure:
    print(failure.kind, failure.reason, sep="|")
"""
    assert run(code) == "needs_extra|JPEG XL pictures need two more packages: pip install 'vstore-index[jxl]'\n"
