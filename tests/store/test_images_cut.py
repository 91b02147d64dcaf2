"""Cut pictures: the lines that are there are those of the whole picture, to the bit; no line too many is taken."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile

from vstore.pictures import icc
from vstore.pictures.cut.parts import parts_of
from vstore.pictures.cut.reading import read_left
from vstore.pictures.decoding import Facts, prepare
from vstore.pictures.failures import PictureFailure
from vstore.pictures.formats import MAX_PIXELS
from vstore.pictures.isolation import IsolatedDecoder
from vstore.pictures.preparation import Preparation, preparation_2, preparation_of

WIDTH, HEIGHT = 157, 203
GREY = (128, 128, 128)


def photograph(width: int = WIDTH, height: int = HEIGHT, seed: int = 1) -> Image.Image:
    """A picture with smooth and with noisy parts."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    smooth = np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], -1)
    noise = rng.integers(0, 80, (height, width, 3)) * (x > width // 2)[..., None]
    return Image.fromarray(np.clip(smooth + noise, 0, 255).astype(np.uint8))


def saved(picture: Image.Image, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, format, **options)
    return out.getvalue()


def interlaced(picture: Image.Image) -> bytes:
    """A PNG in seven passes, which Pillow does not write."""
    pixels = np.asarray(picture)
    rows = b""
    for x, y, across, down in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
                               (0, 1, 1, 2)):  # fmt: skip
        part = pixels[y::down, x::across]
        rows += b"".join(b"\0" + row.tobytes() for row in part) if part.size else b""
    head = struct.pack(">IIBBBBB", picture.width, picture.height, 8, 2, 0, 0, 1)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def tiff(picture: Image.Image, rows: int = 16, *, order: str = "<", separate: bool = False, turned: int = 1) -> bytes:
    """A TIFF of packed strips with its directory before them."""
    pixels = np.asarray(picture)
    planes = [pixels[..., at] for at in range(3)] if separate else [pixels]
    strips = [zlib.compress(plane[y : y + rows].tobytes()) for plane in planes for y in range(0, picture.height, rows)]
    count = len(strips)
    arrays = 8 + 2 + 11 * 12 + 4
    data = arrays + 8 * count + 8
    begins = [data + sum(map(len, strips[:at])) for at in range(count)]
    tags = [
        (256, 4, 1, picture.width), (257, 4, 1, picture.height), (258, 3, 3, arrays + 8 * count), (259, 3, 1, 8),
        (262, 3, 1, 2), (273, 4, count, arrays), (274, 3, 1, turned), (277, 3, 1, 3), (278, 4, 1, rows),
        (279, 4, count, arrays + 4 * count), (284, 3, 1, 2 if separate else 1),
    ]  # fmt: skip
    entries = b"".join(
        struct.pack(order + "HHI", tag, kind, amount)
        + (struct.pack(order + "HH", value, 0) if kind == 3 and amount == 1 else struct.pack(order + "I", value))
        for tag, kind, amount, value in tags
    )
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    directory = struct.pack(order + "H", len(tags)) + entries + bytes(4)
    numbers = struct.pack(f"{order}{count}I{count}I", *begins, *map(len, strips))
    return head + directory + numbers + struct.pack(order + "HHHH", 8, 8, 8, 0) + b"".join(strips)


KINDS: dict[str, Callable[[Image.Image], bytes]] = {
    "jpeg": lambda picture: saved(picture, "JPEG", quality=85),
    "jpeg 4:4:4": lambda picture: saved(picture, "JPEG", quality=95, subsampling=0),
    "jpeg 4:2:2": lambda picture: saved(picture, "JPEG", quality=60, subsampling=1),
    "jpeg grey": lambda picture: saved(picture.convert("L"), "JPEG"),
    "jpeg inks": lambda picture: saved(picture.convert("CMYK"), "JPEG"),
    "jpeg restarts": lambda picture: saved(picture, "JPEG", restart_marker_rows=2),
    "png": lambda picture: saved(picture, "PNG"),
    "png palette": lambda picture: saved(picture.convert("P"), "PNG"),
    "png bits": lambda picture: saved(picture.convert("1"), "PNG"),
    "png opacity": lambda picture: saved(picture.convert("LA"), "PNG"),
    "png interlaced": interlaced,
    "webp": lambda picture: saved(picture, "WEBP", quality=80),
    "gif": lambda picture: saved(picture, "GIF", interlace=0),
    "gif interlaced": lambda picture: saved(picture, "GIF"),
    "gif bits": lambda picture: saved(picture.convert("1"), "GIF", interlace=0),
    "bmp": lambda picture: saved(picture, "BMP"),
    "tiff plain": lambda picture: saved(picture, "TIFF"),
    "tiff strips": tiff,
    "tiff big end": lambda picture: tiff(picture, order=">"),
}


def lines_of(picture: Image.Image) -> np.ndarray[Any, Any]:
    return np.asarray(picture).reshape(picture.height, -1)


@pytest.mark.parametrize("kind", KINDS)
def test_each_line_that_counts_is_that_of_the_whole_picture(kind: str) -> None:
    data = KINDS[kind](photograph())
    whole = Image.open(io.BytesIO(data))
    whole.load()
    found = []
    for percent in (20, 45, 70, 90, 98):
        left = read_left(data[: len(data) * percent // 100], MAX_PIXELS)
        assert left is not None and left.height == HEIGHT
        there = slice(left.first, max(left.first, left.stop))
        assert left.picture.mode == whole.mode
        assert np.array_equal(lines_of(left.picture)[there], lines_of(whole)[there]), percent
        found.append(left.lines)
    assert found == sorted(found) and found[-1] < HEIGHT
    # Of the kinds that are counted in blocks, or come in passes, less is there than of the data.
    assert found[-2] > 0.6 * HEIGHT and (found[0] > 0 or kind.endswith("interlaced"))


@pytest.mark.parametrize("at", range(0, 64, 3))
def test_no_line_too_many_counts_wherever_a_jpeg_or_webp_is_cut(at: int) -> None:
    for data in (KINDS["jpeg"](photograph()), KINDS["webp"](photograph())):
        cut = data[: len(data) // 2 + 37 * at]
        left, whole = read_left(cut, MAX_PIXELS), lines_of(Image.open(io.BytesIO(data)))
        assert left is not None and left.lines > 0
        assert np.array_equal(lines_of(left.picture)[: left.stop], whole[: left.stop])


def test_a_progressive_jpeg_has_lines_in_its_last_scan_alone() -> None:
    data = saved(photograph(), "JPEG", progressive=True, quality=90)
    last = data.rindex(b"\xff\xda")
    assert read_left(data[:last], MAX_PIXELS) is None
    left = read_left(data[: (last + len(data)) // 2], MAX_PIXELS)
    assert left is not None and 0 < left.stop < HEIGHT
    whole = lines_of(Image.open(io.BytesIO(data)))
    assert np.array_equal(lines_of(left.picture)[: left.stop], whole[: left.stop])


def test_planes_of_a_tiff_must_all_be_there() -> None:
    data = tiff(photograph(), separate=True)
    assert read_left(data[: len(data) // 2], MAX_PIXELS) is None
    left = read_left(data[: len(data) * 9 // 10], MAX_PIXELS)
    assert left is not None and left.lines and left.lines % 16 == 0
    assert np.array_equal(lines_of(left.picture)[: left.stop], lines_of(photograph())[: left.stop])


@pytest.mark.parametrize("format", ["AVIF", "TIFF"])
def test_what_cannot_be_told_is_not_taken(format: str) -> None:
    options = {"compression": "tiff_lzw"} if format == "TIFF" else {}  # with its directory at the end
    data = saved(photograph(), format, **options)
    for percent in (30, 60, 99):
        assert read_left(data[: len(data) * percent // 100], MAX_PIXELS) is None
        with pytest.raises(PictureFailure, match="truncated"):
            prepare(data[: len(data) * percent // 100], Preparation(least=1))


def test_lossless_webp_is_right_where_it_is_taken() -> None:
    taken = 0
    for seed in range(4):
        data = saved(photograph(seed=seed), "WEBP", lossless=True)
        whole = lines_of(Image.open(io.BytesIO(data)))
        for percent in (40, 70, 95):
            left = read_left(data[: len(data) * percent // 100], MAX_PIXELS)
            if left is not None:
                taken += 1
                assert np.array_equal(lines_of(left.picture)[: left.stop], whole[: left.stop])
    assert taken


def test_the_first_frame_of_an_animation_is_enough() -> None:
    frames = [photograph(seed=seed) for seed in range(3)]
    data = saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], quality=70)
    left = read_left(data[: len(data) * 8 // 10], MAX_PIXELS)
    assert left is not None and left.lines == HEIGHT
    assert np.array_equal(lines_of(left.picture), lines_of(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_a_file_that_was_made_in_its_full_size_is_cut_where_its_zeros_begin(kind: str) -> None:
    data = KINDS[kind](photograph())
    cut = data[: len(data) // 2]
    left, filled = read_left(cut, MAX_PIXELS), read_left(cut + bytes(len(data) - len(cut)), MAX_PIXELS)
    if kind == "webp":
        assert filled is None, "its zeros may be pixels"
    else:
        assert left is not None and filled is not None and abs(left.stop - filled.stop) <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_damage_is_not_a_cut(kind: str) -> None:
    data = KINDS[kind](photograph())
    assert read_left(data, MAX_PIXELS) is None, "nothing misses"
    for junk in (b"", b"\xff\xd8\xff", data[:8], data[:20], bytes(100), data[:30] + bytes(3)):
        assert read_left(junk, MAX_PIXELS) is None or kind == "bmp"


def test_a_png_with_a_damaged_chunk_of_pixels_is_not_cut() -> None:
    data = bytearray(saved(photograph(900, 900), "PNG"))
    at = data.index(b"IDAT")
    data[at + 100] ^= 1
    assert read_left(bytes(data[: len(data) * 9 // 10]), MAX_PIXELS) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_of_too_many_pixels_is_not_unpacked(kind: str) -> None:
    data = KINDS[kind](photograph())
    try:
        assert read_left(data[: len(data) * 9 // 10], WIDTH * HEIGHT - 1) is None
    except PictureFailure as failure:
        assert failure.kind == "bomb"


def test_a_webp_whose_head_asks_for_much_costs_no_more_than_its_pixels() -> None:
    data = bytearray(saved(photograph(), "WEBP", lossless=True))
    data[16:20] = struct.pack("<I", 1 << 30)
    (part,) = parts_of(bytes(data[:-100]), MAX_PIXELS)
    assert max(map(len, part.copies)) < len(data) + 5 * WIDTH * HEIGHT


# Prepared


def cut_jpeg(percent: int = 60, **options: Any) -> bytes:
    data = saved(photograph(), "JPEG", quality=95, subsampling=0, **options)
    return data[: len(data) * percent // 100]


def test_the_lines_that_miss_are_grey() -> None:
    data = saved(photograph(), "PNG")
    picture, facts = prepare(data[: len(data) // 2], Preparation(least=10))
    assert facts.cut is not None
    lines, of = facts.cut
    assert (facts.format, facts.width, facts.height, of) == ("PNG", WIDTH, HEIGHT, HEIGHT)
    assert np.array_equal(lines_of(picture)[:lines], lines_of(photograph())[:lines])
    assert (np.asarray(picture)[lines:] == GREY).all()


def test_a_bmp_lacks_its_top() -> None:
    data = saved(photograph(), "BMP")
    picture, facts = prepare(data[: len(data) * 3 // 4], Preparation(least=10))
    assert facts.cut is not None
    missing = HEIGHT - facts.cut[0]
    assert (np.asarray(picture)[:missing] == GREY).all()
    assert np.array_equal(lines_of(picture)[missing:], lines_of(photograph())[missing:])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_cut_picture_is_turned_after_it_was_filled(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright, facts = prepare(cut_jpeg(), Preparation(least=10))
    turned, about = prepare(cut_jpeg(exif=exif), Preparation(least=10))
    assert facts.cut is not None and about.cut is not None and facts.cut[1] == about.cut[1] == HEIGHT
    assert turned.size == (upright.size if orientation < 5 else upright.size[::-1]) == (about.width, about.height)
    corner = {1: (0, -1), 2: (0, -1), 3: (0, 0), 4: (0, 0), 5: (-1, 0), 6: (0, 0), 7: (0, 0), 8: (-1, 0)}[orientation]
    assert turned.getpixel((corner[0] % turned.width, corner[1] % turned.height)) == GREY


@pytest.mark.parametrize("turned", [1, 3, 6])
def test_a_cut_tiff_is_turned_once(turned: int) -> None:
    data = tiff(photograph(), turned=turned)
    picture, facts = prepare(data[: len(data) * 3 // 4], Preparation(least=10))
    assert facts.cut is not None and facts.cut[1] == HEIGHT
    assert picture.size == ((WIDTH, HEIGHT) if turned < 5 else (HEIGHT, WIDTH)) == (facts.width, facts.height)
    assert picture.getpixel({1: (0, HEIGHT - 1), 3: (0, 0), 6: (0, 0)}[turned]) == GREY


def test_a_large_one_is_scaled_like_any_other() -> None:
    data = saved(photograph(900, 1300), "PNG")
    picture, facts = prepare(data[: len(data) * 3 // 4], Preparation(least=10))
    assert max(picture.size) == 512 and facts.cut is not None and (facts.width, facts.height) == (900, 1300)


def test_fewer_lines_than_asked_for_are_a_failure_that_tells_them() -> None:
    _, facts = prepare(cut_jpeg(), Preparation(least=10))
    assert facts.cut is not None
    lines = facts.cut[0]
    percent = 100 * lines // HEIGHT
    prepare(cut_jpeg(), Preparation(least=percent))
    with pytest.raises(PictureFailure) as refused:
        prepare(cut_jpeg(), Preparation(least=percent + 1))
    assert refused.value.kind == "truncated"
    assert f"{lines} of {HEIGHT} lines are there, and --accept-truncated asks for {percent + 1}%" in str(refused.value)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff strips", "png opacity"])
def test_preparation_2_fills_the_same_lines(kind: str) -> None:
    data = KINDS[kind](photograph())
    cut = data[: len(data) * 3 // 4]
    second = preparation_of({"prepare": preparation_2()})._replace(least=10)
    picture, facts = prepare(cut, second)
    assert facts == prepare(cut, Preparation(least=10))[1] and facts.cut is not None
    lines = facts.cut[0]
    assert (np.asarray(picture)[lines:] == GREY).all()
    assert np.array_equal(lines_of(picture)[:lines], lines_of(prepare(data, second._replace(least=0))[0])[:lines])


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_cut_picture_keeps_its_profile(format: str) -> None:
    data = saved(photograph(), format, icc_profile=icc.rgb_profile(icc.ADOBE_RGB, 563 / 256))
    cut = data[: len(data) * 3 // 4]
    second = preparation_of({"prepare": preparation_2()})._replace(least=10)
    with_profile, facts = prepare(cut, second)
    without, _ = prepare(cut, second._replace(colours=False))
    assert facts.cut is not None
    lines = facts.cut[0]
    assert with_profile.tobytes() != without.tobytes()
    assert np.array_equal(lines_of(with_profile)[:lines], lines_of(prepare(data, second)[0])[:lines])


def test_without_the_option_all_is_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_cut(*_: Any) -> None:
        raise AssertionError("it looked for what is left")

    monkeypatch.setattr("vstore.pictures.cut.reading.read_left", no_cut)
    with pytest.raises(PictureFailure, match="truncated"):
        prepare(cut_jpeg(), Preparation())


def test_what_lacks_no_pixel_is_not_marked() -> None:
    data = saved(photograph(), "JPEG")[:-2]
    assert prepare(data, Preparation(least=1))[1] == prepare(data, Preparation())[1] == Facts("JPEG", WIDTH, HEIGHT)


def test_the_global_of_pillow_is_never_set(monkeypatch: pytest.MonkeyPatch) -> None:
    class Watched:
        def __bool__(self) -> bool:
            return False

    watched = Watched()
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", watched)
    prepare(cut_jpeg(), Preparation(least=1))
    assert ImageFile.LOAD_TRUNCATED_IMAGES is watched


def test_a_worker_process_prepares_the_same() -> None:
    with IsolatedDecoder() as isolated:
        there, facts = isolated.prepare(cut_jpeg(), Preparation(least=10))
        with pytest.raises(PictureFailure, match="truncated"):
            isolated.prepare(cut_jpeg(), Preparation())
    here, expected = prepare(cut_jpeg(), Preparation(least=10))
    assert facts == expected and there.tobytes() == here.tobytes()
