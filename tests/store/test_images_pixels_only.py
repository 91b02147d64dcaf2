"""What makes no pixels costs no picture: damaged or large metadata, and an end that misses."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image
from store.test_images import ORIENTATION, failure, fit, run, saved, scene
from support.picture_files import chunk, png_file, segment

from vstore.pictures.failures import PictureFailure
from vstore.pictures.formats import EXTENSIONS
from vstore.pictures.pixels_only.copies import copies_of


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    return exif


def same(data: bytes, *sound: bytes) -> None:
    """The same pixels and facts as those of one of the sound pictures."""
    found, facts = fit(data)
    assert any(facts == known and np.array_equal(found, wanted) for wanted, known in map(fit, sound))


# PNG

PNG = saved(scene(90, 60), "PNG")
LARGE = b"workflow\0\0" + zlib.compress(b'{"n":' + b"abc" * 600_000)
HEAD = 33  # signature and IHDR

ANCILLARY = {
    "a large compressed text": chunk(b"zTXt", LARGE),
    "a large compressed international text": chunk(b"iTXt", b"prompt\0\1\0\0\0" + LARGE[10:]),
    "a large profile": chunk(b"iCCP", LARGE),
    "a profile that is cut": chunk(b"iCCP", b"sRGB\0"),
    "a profile packed by no known method": chunk(b"iCCP", b"sRGB\0\7abc"),
    "a text packed by no known method": chunk(b"zTXt", b"a\0\7abc"),
    "a name of a text in no known letters": chunk(b"tEXt", b"a\0b", damage=1),
    "a short gamma": chunk(b"gAMA", b"\0\1"),
    "a short white point": chunk(b"cHRM", bytes(9)),
    "no intent": chunk(b"sRGB", b""),
    "a short resolution": chunk(b"pHYs", bytes(4)),
    "a short animation": chunk(b"acTL", bytes(3)),
    "a short frame": chunk(b"fcTL", bytes(5)),
    "a frame out of order": chunk(b"fcTL", struct.pack(">5I", 7, 9, 9, 0, 0) + bytes(6)),
    **{
        f"a wrong checksum of {name.decode()}": chunk(name, body, damage=0x1234)
        for name, body in {
            b"tEXt": b"Comment\0hello",
            b"zTXt": b"a\0\0" + zlib.compress(b"b"),
            b"iTXt": b"a\0\0\0\0\0b",
            b"iCCP": b"a\0\0" + zlib.compress(b"b"),
            b"gAMA": struct.pack(">I", 45455),
            b"cHRM": bytes(32),
            b"sRGB": b"\0",
            b"pHYs": bytes(9),
            b"tIME": bytes(7),
            b"bKGD": bytes(6),
            b"sBIT": bytes(3),
            b"eXIf": turned().tobytes()[6:],
            b"prVt": b"a program's own",
        }.items()
    },
}


@pytest.mark.parametrize("name", ANCILLARY)
def test_a_png_is_read_whatever_its_ancillary_chunks_hold(name: str) -> None:
    extra = ANCILLARY[name]
    same(PNG[:HEAD] + extra + PNG[HEAD:], PNG)


@pytest.mark.parametrize("name", [name for name in ANCILLARY if "eXIf" not in name])  # which turns the picture there
def test_a_png_is_read_whatever_stands_behind_its_pixels(name: str) -> None:
    same(PNG[:-12] + ANCILLARY[name] + PNG[-12:], PNG)


def test_a_png_that_is_cut_behind_its_pixels_is_read() -> None:
    data = PNG[:-12] + chunk(b"tEXt", b"Comment\0" + bytes(range(1, 256)) * 9)
    for size in range(len(PNG) - 12, len(data)):
        same(data[:size], PNG)


def test_a_png_that_is_cut_within_its_pixels_is_not_read() -> None:
    end = PNG.index(b"IEND") - 4
    for size in range(HEAD, end - 20):
        assert failure(PNG[:size]).kind in ("truncated", "not_an_image")


@pytest.mark.parametrize("name", ["IHDR", "PLTE", "IDAT", "tRNS"])
def test_what_makes_pixels_stays_a_failure_when_it_is_damaged(name: str) -> None:
    """Beside a text with a wrong checksum, which alone would cost nothing."""
    palette = saved(scene(90, 60).quantize(20), "PNG", transparency=bytes(range(20)))
    at = palette.index(name.encode())
    size = int.from_bytes(palette[at - 4 : at], "big")
    damaged = bytearray(palette)
    damaged[at + 4 + size] ^= 1
    extra = chunk(b"tEXt", b"Comment\0hello", damage=1)
    same(palette[:HEAD] + extra + palette[HEAD:], palette)
    failure(bytes(damaged[:HEAD]) + extra + bytes(damaged[HEAD:]))


def test_the_palette_and_the_transparency_are_kept() -> None:
    extra = chunk(b"tEXt", b"Comment\0hello", damage=1)
    for picture, options in (
        (scene(90, 60).quantize(20), {"transparency": bytes(range(0, 200, 10))}),
        (scene(90, 60), {"transparency": (110, 15, 15)}),
        (scene(90, 60).convert("L"), {"transparency": 35}),
    ):
        sound = saved(picture, "PNG", **options)
        assert b"tRNS" in sound
        same(sound[:HEAD] + extra + sound[HEAD:], sound)


def test_a_png_stays_as_it_was_turned() -> None:
    hexadecimal = b"\nexif\n%8d\n%s\n" % (len(turned().tobytes()), turned().tobytes().hex().encode())
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    extra = chunk(b"tEXt", b"Comment\0hello", damage=1)
    for meta in (
        chunk(b"eXIf", turned().tobytes()[6:]),
        chunk(b"tEXt", b"Raw profile type exif\0" + hexadecimal),
        chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(hexadecimal)),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp)),
    ):
        sound = PNG[:HEAD] + meta + PNG[HEAD:]
        assert fit(sound)[1][1:3] == (60, 90)
        same(PNG[:HEAD] + extra + meta + PNG[HEAD:], sound)


def test_an_orientation_that_cannot_be_read_is_none() -> None:
    for meta in (
        chunk(b"eXIf", turned().tobytes()[6:], damage=1),
        chunk(b"eXIf", b"MM\0*\xff\xff\xff\xff"),
        chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n8\nzz\n") + b"x"),
        chunk(b"zTXt", b"Raw profile type exif\0\0abc"),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b'tiff:Orientation="6"' + bytes(2 << 20))),
    ):
        same(PNG[:HEAD] + chunk(b"gAMA", b"") + meta + PNG[HEAD:], PNG)


def test_an_animated_png_shows_its_still_picture() -> None:
    data = saved(scene(90, 60), "PNG", save_all=True, append_images=[scene(90, 60).rotate(90)])
    at = data.index(b"fcTL")
    damaged = bytearray(data)
    damaged[at + 30] ^= 1  # its checksum
    same(bytes(damaged), PNG)


def test_a_text_that_would_fill_the_memory_is_not_unpacked() -> None:
    """100 texts of 64 MB each, in 600 kB."""
    code = """
import resource, zlib
from store.test_images import fit, saved, scene
from support.picture_files import chunk as made
sound = saved(scene(90, 60), "PNG")
fit(sound)
bomb = zlib.compress(bytes(64 << 20), 9)
texts = [made(b"zTXt", b"Raw profile type exif\\0\\0" + bomb)]
texts += [made(b"iTXt", b"XML:com.adobe.xmp\\0\\1\\0\\0\\0" + bomb)]
with open("/proc/self/statm") as file:
    has = int(file.read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (has + (48 << 20), has + (48 << 20)))
assert fit(sound[:33] + b"".join(texts * 5) + sound[33:])[1][1:3] == (90, 60)
"""
    run(code)


def test_the_second_try_needs_no_memory_beside_the_first() -> None:
    """A picture that fails after all of its 80 MB were decoded."""
    code = """
import resource
from store.test_images import fit, saved
from support.picture_files import chunk
from PIL import Image
sound = saved(Image.new("RGB", (5000, 4000)), "PNG")
fit(saved(Image.new("RGB", (9, 9)), "PNG"))
with open("/proc/self/statm") as file:
    has = int(file.read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (has + (130 << 20), has + (130 << 20)))
for damage in (chunk(b"gAMA", b""), chunk(b"iCCP", b"sRGB\\0"), chunk(b"tEXt", b"long\\0" + b"text" * 99)[:-50]):
    assert fit(sound[:-12] + damage)[1][1:3] == (5000, 4000)
"""
    run(code)


# JPEG

JPEG = saved(scene(90, 60), "JPEG", quality=90)
JFIF = JPEG[2:20]
SEGMENTS = {
    "JFIF": (0xE0, b"JFIF\0\1\2\0\0\1\0\1\0\0"),
    "EXIF": (0xE1, turned().tobytes()),
    "XMP": (0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>"),
    "ICC": (0xE2, b"ICC_PROFILE\0\1\1" + bytes(40)),
    "FlashPix": (0xE2, b"FPXR\0" + bytes(9)),
    "MPF": (0xE2, b"MPF\0MM\0*\0\0\0\x08\0\3" + bytes(60)),
    "Photoshop": (0xED, b"Photoshop 3.0\0" + b"8BIM\3\xed\0\0\0\0\0\x10" + bytes(16)),
    "Adobe": (0xEE, b"Adobe\0\x64\0\0\0\0\1"),
    "a comment": (0xFE, b"hello"),
    "another program's": (0xE9, b"abc\0abc"),
}


@pytest.mark.parametrize("name", SEGMENTS)
def test_a_jpeg_is_read_wherever_a_segment_of_metadata_ends(name: str) -> None:
    marker, body = SEGMENTS[name]
    whole = JPEG[:2] + segment(marker, body) + JPEG[2:]  # one of EXIF turns the picture, as far as it can be read
    for size in range(len(body) + 1):
        same(JPEG[:2] + segment(marker, body[:size]) + JPEG[2:], JPEG, whole)


def test_segments_that_are_short_do_cost_something_without_a_second_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the tests here would show nothing."""
    monkeypatch.setattr("vstore.pictures.decoding.copies_of", lambda data: iter(()))
    for name, size in (("ICC", 12), ("Adobe", 5), ("JFIF", 6), ("Photoshop", 20)):
        marker, body = SEGMENTS[name]
        failure(JPEG[:2] + segment(marker, body[:size]) + JPEG[2:])


def test_a_jpeg_stays_as_it_was_turned() -> None:
    broken = segment(0xE2, b"ICC_PROFILE\0")
    xmp = b'http://ns.adobe.com/xap/1.0/\0<rdf:Description tiff:Orientation="8"/>'
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        sound = saved(scene(90, 60), "JPEG", exif=exif)
        same(sound[:2] + broken + sound[2:], sound)
    sound = JPEG[:2] + segment(0xE1, xmp) + JPEG[2:]
    assert fit(sound)[1][1:3] == (60, 90)
    same(sound[:2] + broken + sound[2:], sound)
    cut = JPEG[:2] + broken + segment(0xE1, turned().tobytes()[:14]) + JPEG[2:]
    same(cut, JPEG)


def test_the_colours_that_adobe_tells_are_kept() -> None:
    """RGB without a change of colours, and inks."""
    broken = segment(0xE2, b"ICC_PROFILE\0")
    ink = Image.fromarray(np.dstack([255 - np.asarray(scene(90, 60)), np.zeros((60, 90), np.uint8)]), "CMYK")
    for sound in (saved(scene(90, 60), "JPEG", keep_rgb=True), saved(ink, "JPEG")):
        assert b"Adobe" in sound
        same(sound[:2] + broken + sound[2:], sound)


def test_inks_whose_colours_cannot_be_told_are_not_guessed() -> None:
    sound = saved(Image.new("CMYK", (90, 60), (255, 0, 0, 0)), "JPEG")
    at = sound.index(b"\xff\xee")
    assert failure(sound[:at] + segment(0xEE, b"Adobe\0") + sound[at + 16 :]).kind == "not_an_image"


def test_a_damaged_stereo_picture_shows_its_first_view() -> None:
    data = saved(scene(90, 60), "MPO", quality=90, save_all=True, append_images=[scene(90, 60).rotate(180)])
    broken = segment(0xE2, b"ICC_PROFILE\0")
    same(data[:2] + broken + data[2:], data)


# JPEG without an end


def photograph(seed: int, width: int = 70, height: int = 50) -> Image.Image:
    rough = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(rough) if seed % 2 else Image.fromarray(rough[:6, :8]).resize((width, height))


CODED: dict[str, dict[str, Any]] = {
    "baseline": {},
    "of its own tables": {"optimize": True},
    "4:4:4": {"subsampling": 0},
    "4:2:2": {"subsampling": 1},
    "progressive": {"progressive": True},
    "with restarts": {"restart_marker_blocks": 2},
    "with a restart in each row": {"restart_marker_rows": 1},
    "progressive with restarts": {"progressive": True, "restart_marker_rows": 1},
}


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("name", CODED)
def test_a_jpeg_that_lacks_only_its_end_is_read(name: str, mode: str) -> None:
    for picture in (photograph(1), photograph(2), scene(70, 50), scene(64, 48), Image.new("RGB", (70, 50), "white")):
        whole = saved(picture.convert(mode), "JPEG", quality=85, **CODED[name])
        assert whole.endswith(b"\xff\xd9")
        same(whole[:-2], whole)
        same(whole[:-1], whole)
        same(whole[:-2] + bytes(4096), whole)


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("name", CODED)
def test_a_jpeg_that_lacks_pixels_is_not_read(name: str, mode: str) -> None:
    """Wherever it ends: a cut of a few bytes may cost no pixel, and then none may differ."""
    for picture in (photograph(3), photograph(4), scene(70, 50)):
        whole = saved(picture.convert(mode), "JPEG", quality=85, **CODED[name])
        wanted = fit(whole)[0]
        scan = whole.index(b"\xff\xda")
        read = 0
        for size in [*range(scan + 20, len(whole) - 40, 29), *range(len(whole) - 40, len(whole))]:
            try:
                found, _ = fit(whole[:size])
            except PictureFailure as failed:
                assert failed.kind == "truncated"
                continue
            assert np.array_equal(found, wanted), len(whole) - size
            read += 1
        assert 2 <= read <= 5


def test_a_large_jpeg_that_lacks_its_end_is_read_at_a_fraction_of_its_size() -> None:
    whole = saved(photograph(2, 2100, 1400), "JPEG", quality=85)
    same(whole[:-2], whole)
    for missing in (3, 10, 100, 5000):
        cut = whole[:-missing]
        try:
            same(cut, whole)
            assert missing < 10
        except PictureFailure as failed:
            assert failed.kind == "truncated"


def test_a_progressive_jpeg_whose_last_scans_miss_is_not_read() -> None:
    whole = saved(photograph(1), "JPEG", quality=85, progressive=True)
    scans = [at for at in range(len(whole)) if whole[at : at + 2] == b"\xff\xda"]
    assert len(scans) > 5
    for at in scans[1:]:
        tables = whole.rindex(b"\xff\xc4", 0, at)
        for size in (at, tables):
            assert failure(whole[:size]).kind == "truncated"


def test_a_jpeg_that_lacks_its_end_and_has_a_broken_profile_is_read() -> None:
    same(JPEG[:2] + segment(0xE2, b"ICC_PROFILE\0") + JPEG[2:-2], JPEG)


# WebP, TIFF, GIF


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("alpha", [True, False])
def test_a_webp_that_is_cut_behind_its_pixels_is_read(lossless: bool, alpha: bool) -> None:
    picture = scene(90, 60)
    if alpha:
        picture.putalpha(120)
    sound = saved(picture, "WEBP", lossless=lossless)
    data = saved(picture, "WEBP", lossless=lossless, icc_profile=bytes(99), exif=turned(), xmp=b"<x/>" * 9)
    whole = saved(picture, "WEBP", lossless=lossless, exif=turned())
    begin, end = data.index(b"EXIF"), data.index(b"XMP ")
    same(data[: begin + 20], sound)
    for size in range(begin, end):
        same(data[:size], sound, whole)
    for size in range(end, len(data)):
        same(data[:size], whole)  # and is turned, as its EXIF is whole
    for size in range(40, begin - 2):
        assert failure(data[:size]).kind in ("truncated", "not_an_image")


@pytest.mark.parametrize("name", [b"EXIF", b"XMP "])
@pytest.mark.parametrize("size", [0, 1, 1000, 2**31, 2**32 - 1])
def test_a_webp_is_read_whatever_the_lengths_of_its_metadata_say(name: bytes, size: int) -> None:
    sound = saved(scene(90, 60), "WEBP", lossless=True)
    data = bytearray(saved(scene(90, 60), "WEBP", lossless=True, exif=Image.Exif(), xmp=b"<x/>"))
    data += b"" if name in data else b"EXIF" + struct.pack("<I", 6) + b"Exif\0\0"
    at = data.index(name)
    data[at + 4 : at + 8] = struct.pack("<I", size)
    same(bytes(data), sound)


def test_an_animated_webp_that_is_cut_is_not_read() -> None:
    data = saved(scene(90, 60), "WEBP", save_all=True, append_images=[scene(90, 60).rotate(90)], lossless=True)
    assert failure(data[:-20]).kind == "truncated"


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
@pytest.mark.parametrize("big", [False, True])
def test_a_tiff_is_read_whatever_tags_of_metadata_claim(compression: str | None, big: bool) -> None:
    options = {"compression": compression, "big_tiff": big}
    sound = saved(scene(90, 60), "TIFF", **options)
    data = saved(scene(90, 60), "TIFF", **options, software="x" * 50, description="y" * 50, icc_profile=bytes(90))
    big = data[2] == 43  # libtiff writes a small one all the same
    count, each, head = ("<Q", 20, 8) if big else ("<H", 12, 2)
    (first,) = struct.unpack_from("<Q" if big else "<I", data, 8 if big else 4)
    for entry in range(struct.unpack_from(count, data, first)[0]):
        at = first + head + each * entry
        if struct.unpack_from("<H", data, at)[0] not in (270, 305, 34675):
            continue
        for claimed in (0, 1, 2**20, 2**31, 2**32 - 1):
            damaged = bytearray(data)
            struct.pack_into("<Q" if big else "<I", damaged, at + 4, claimed)
            same(bytes(damaged), sound)


@pytest.mark.parametrize("format", ["AVIF", "HEIF"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_an_avif_or_a_heic_is_read_whatever_its_exif_holds(format: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x010F] = "CAMERA-MAKER"
    exif[ORIENTATION] = orientation
    sound = saved(scene(90, 60), format, exif=exif)
    begin, end = sound.index(b"MM\0*"), sound.index(b"CAMERA-MAKER")
    for at in range(begin - 10, end):
        if b"mdat" not in sound[at - 4 : at + 4]:
            same(sound[:at] + b"\xff" + sound[at + 1 :], sound)
    same(sound[: begin - 10] + b"\xff" * (end - begin + 10) + sound[end:], sound)


def test_a_gif_is_read_whatever_its_extensions_hold() -> None:
    sound = saved(scene(90, 60).quantize(100), "GIF")
    at = sound.index(b"\x2c\0\0\0\0")
    for extension in (
        b"!\xfe\0",
        b"!\xfe\5hello\0",
        b"!\xff\0",
        b"!\xff\x0bNETSCAPE2.0\1\1\0",
        b"!\xff\3abc\0",
        b"!\x01\0",
    ):
        same(sound[:at] + extension + sound[at:], sound)


def test_what_holds_nothing_but_pixels_is_not_tried_again() -> None:
    for format in ("PNG", "TIFF", "BMP", "GIF", "WEBP"):
        assert not [copy for copy in copies_of(saved(scene(9, 9), format)) if len(copy) == 0]
    assert list(copies_of(PNG)) == []
    assert list(copies_of(saved(scene(9, 9), "WEBP"))) == []
    assert list(copies_of(saved(scene(9, 9), "GIF"))) == []
    assert ".png" in EXTENSIONS


def test_whatever_the_bytes_are_copies_are_made_without_an_error() -> None:
    rng = np.random.default_rng(5)
    for data in (
        PNG,
        JPEG,
        saved(scene(9, 9), "WEBP", exif=turned()),
        saved(scene(9, 9), "TIFF"),
        png_file(np.zeros((2, 2, 1), int), 1, 0),
    ):
        for _ in range(300):
            changed = bytearray(data)
            for at in rng.integers(4, len(data), 4):
                changed[at] = rng.integers(256)
            size = int(rng.integers(4, len(data)))
            for part in (bytes(changed), bytes(changed[:size]), data[:size]):
                list(copies_of(part))
