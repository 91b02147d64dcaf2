"""Metadata of pictures: what headers say, and that nothing a header says does harm."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
import zlib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from support.exif_blocks import (
    GPS,
    Entry,
    block,
    byte,
    chunk,
    jpeg,
    packet,
    rationals,
    saved,
    short,
    text,
)

from vstore.format import facts
from vstore.format.fact_pages import FactPage, encode_facts
from vstore.format.facts import Column, Fact, Value
from vstore.pictures.metadata.reading import metadata_of
from vstore.pictures.readable import FileBytes

ORIGINAL, DIGITIZED, PART, ZONE, LENS, MAKE, MODEL, RATING = (
    0x9003, 0x9004, 0x9291, 0x9011, 0xA434, 271, 272, 0x4746,
)  # fmt: skip
ALL = block(
    {274: short(6), MAKE: text("Canon"), MODEL: text("Canon EOS 5D"), RATING: short(3)},
    {ORIGINAL: text("2024:06:01 12:30:15"), PART: text("25"), ZONE: text("+05:30"), LENS: text("EF 50mm")},
    {
        1: text("S"), 2: rationals((12, 1), (30, 1), (0, 1)), 3: text("E"), 4: rationals((100, 1), (15, 1), (36, 1)),
        5: byte(1), 6: rationals((255, 10)),
    },
)  # fmt: skip
SAID = {
    facts.ORIENTATION: 6, facts.CAMERA: "Canon EOS 5D", facts.RATING: 3, facts.ZONE: 330, facts.LENS: "EF 50mm",
    facts.LATITUDE: -12.5, facts.LONGITUDE: 100.26, facts.ALTITUDE: -25.5,
    facts.TAKEN: 1_717_245_015_250_000,
}  # fmt: skip


def read(data: bytes) -> dict[Column, Value]:
    """Read facts, which a page of facts takes as they are."""
    found = metadata_of(data)
    fact = Fact(b"k" * 16, facts.NEWEST_READER, found)
    assert FactPage(encode_facts([fact], 16), 16).facts() == [fact]
    return found


def taken(main: dict[int, Entry] | None = None, exif: dict[int, Entry] | None = None, **xmp: str) -> str | None:
    value = read(jpeg(block(main or {}, exif), packet(**xmp) if xmp else b"")).get(facts.TAKEN)
    return None if value is None else str(datetime(1970, 1, 1) + timedelta(microseconds=int(value)))


def animated(kind: str, **words: Any) -> bytes:
    out = io.BytesIO()
    first, *rest = [Image.new("RGB", (20, 10), (shade, 0, 0)) for shade in (0, 90, 180)]
    first.save(out, kind, save_all=True, append_images=rest, **words)
    return out.getvalue()


EVERY = {
    "JPEG": jpeg(ALL),
    "PNG": saved("PNG", exif=ALL),
    "WEBP": saved("WEBP", exif=ALL),
    "AVIF": saved("AVIF", exif=ALL),
    "GIF": saved("GIF"),
    "BMP": saved("BMP"),
    "TIFF": saved("TIFF", exif=ALL),
    "JPEG2000": saved("JPEG2000"),
    "DIB": saved("DIB"),
}
MORE = [
    animated("GIF"), animated("PNG"), animated("WEBP"), saved("WEBP", lossless=True), saved("TIFF", big_tiff=True),
    saved("JPEG2000", no_jp2=True), jpeg(ALL, packet(xmp__Rating="4")), saved("PNG")[:8] + chunk(b"eXIf", ALL) * 3,
]  # fmt: skip


@pytest.mark.parametrize("kind", EVERY)
def test_every_kind_says_its_size_and_its_format(kind: str) -> None:
    found = read(EVERY[kind])
    assert (found[facts.FORMAT], found[facts.WIDTH], found[facts.HEIGHT]) == (kind, 20, 10)
    assert found[facts.BYTES] == len(EVERY[kind]) and facts.FRAMES not in found


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_exif_is_read_wherever_it_stands(kind: str) -> None:
    found = read(EVERY[kind])
    wanted = {**SAID, facts.ORIENTATION: found[facts.ORIENTATION]} if kind == "AVIF" else SAID
    for column, value in wanted.items():
        assert found[column] == (pytest.approx(value) if isinstance(value, float) else value), column


def test_a_tiff_is_its_own_exif() -> None:
    found = read(EVERY["TIFF"])
    assert (found[facts.CAMERA], found[facts.ORIENTATION], found[facts.RATING]) == ("Canon EOS 5D", 6, 3)
    assert found[facts.TAKEN] == SAID[facts.TAKEN] and found[facts.LATITUDE] == SAID[facts.LATITUDE]


def test_heic_is_turned_by_its_boxes() -> None:
    heif = pytest.importorskip("pillow_heif")
    out = io.BytesIO()
    made = heif.from_pillow(Image.new("RGB", (64, 48)))
    made.save(out, exif=ALL)
    found = read(out.getvalue())
    assert (found[facts.FORMAT], found[facts.TAKEN], found[facts.CAMERA]) == ("HEIF", SAID[facts.TAKEN], "Canon EOS 5D")
    shown = facts.shown_size(found)
    assert (shown[facts.WIDTH], shown[facts.HEIGHT]) == heif.open_heif(out.getvalue()).size


@pytest.mark.parametrize("orientation", range(1, 9))
def test_avif_is_turned_as_pillow_turns_it(orientation: int) -> None:
    found = read(saved("AVIF", exif=block({274: short(orientation)})))
    assert (found[facts.ORIENTATION], found[facts.WIDTH], found[facts.HEIGHT]) == (orientation, 20, 10)


@pytest.mark.parametrize("data", MORE[:3])
def test_an_animation_says_how_many_pictures_it_has(data: bytes) -> None:
    assert read(data)[facts.FRAMES] == 3


def test_jpeg_xl_says_its_size_and_holds_boxes() -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    import numpy as np

    bare = imagecodecs.jpegxl_encode(np.zeros((10, 20, 3), np.uint8))
    found = read(bare)
    assert (found[facts.FORMAT], found[facts.WIDTH], found[facts.HEIGHT]) == ("JXL", 20, 10)
    stream = bare if bare[:2] == b"\xff\x0a" else bare[bare.index(b"\xff\x0a") :]
    box = [(b"Exif", bytes(4) + ALL), (b"xml ", packet(xmp__Rating="5")), (b"jxlc", stream)]
    held = b"\0\0\0\x0cJXL \r\n\x87\n" + b"".join(struct.pack(">I", len(body) + 8) + name + body for name, body in box)
    found = read(held)
    assert (found[facts.WIDTH], found[facts.RATING], found[facts.TAKEN]) == (20, 5, SAID[facts.TAKEN])
    assert found[facts.ORIENTATION] == 1  # its own: EXIF does not count


def test_raw_says_the_size_of_its_sensor() -> None:
    tiff = block({256: short(8), 257: short(6), 254: (4, 1, b"\0\0\0\1"), MODEL: text("D90"), 262: short(32803)})
    found = read(tiff)
    assert (found[facts.FORMAT], found[facts.WIDTH], found[facts.HEIGHT], found[facts.CAMERA]) == ("RAW", 8, 6, "D90")
    fuji = b"FUJIFILMCCD-RAW ".ljust(84, b"0") + struct.pack(">I", 100) + bytes(12) + jpeg(ALL)
    found = read(fuji)
    assert (found[facts.FORMAT], found[facts.CAMERA]) == ("RAW", "Canon EOS 5D") and facts.WIDTH not in found


# Time


def test_the_time_it_was_taken_comes_from_exif_then_xmp_then_when_it_was_digitized() -> None:
    said = {"exif__DateTimeOriginal": "2002-02-02T02:02:02", "photoshop__DateCreated": "2003-03-03"}
    one, other = {ORIGINAL: text("2001:01:01 01:01:01")}, {DIGITIZED: text("2004:04:04 04:04:04")}
    assert taken(exif={**one, **other}, **said) == "2001-01-01 01:01:01"
    assert taken(exif=other, **said) == "2002-02-02 02:02:02"
    assert taken(exif=other, photoshop__DateCreated="2003-03-03") == "2003-03-03 00:00:00"
    assert taken(exif=other) == "2004-04-04 04:04:04"
    assert taken({306: text("2005:05:05 05:05:05")}) is None  # when the file was changed


@pytest.mark.parametrize(
    "written",
    ["0000:00:00 00:00:00", "    :  :     :  :  ", "2024:13:01 00:00:00", "2024:02:30 00:00:00", "soon", ""],
)
def test_what_is_no_time_is_no_fact(written: str) -> None:
    assert taken(exif={ORIGINAL: text(written)}) is None


def test_a_time_without_a_zone_has_none_and_is_as_written() -> None:
    found = read(jpeg(block({}, {ORIGINAL: text("1969:12:31 23:59:59")})))
    assert found[facts.TAKEN] == -1_000_000 and facts.ZONE not in found
    for zone, minutes in {"Z": 0, "-03:30": -210, "+99:00": None, "CET": None, "+01:75": None}.items():
        exif = {ORIGINAL: text("2024:01:01 00:00:00"), ZONE: text(zone)}
        assert read(jpeg(block({}, exif))).get(facts.ZONE) == minutes
    found = read(jpeg(xmp=packet(exif__DateTimeOriginal="1970-01-01T00:00:01.5+02:00")))
    assert (found[facts.TAKEN], found[facts.ZONE]) == (1_500_000, 120)


# Camera, place, rating


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [
        ("Canon", "Canon EOS 5D", "Canon EOS 5D"),
        ("NIKON CORPORATION", "NIKON D90", "NIKON D90"),
        ("EASTMAN KODAK COMPANY", "KODAK CX7530", "KODAK CX7530"),
        ("SONY", "ILCE-7 ", "SONY ILCE-7"),
        ("", "D90", "D90"),
        ("Leica\0Camera", "", "Leica"),
        (b"Caf\xe9".decode("latin-1"), "\n1", "Café 1"),
        ("  ", "", None),
    ],
)
def test_make_and_model_are_one_camera(make: str, model: str, camera: str | None) -> None:
    found = read(jpeg(block({MAKE: text(make), MODEL: text(model)})))
    assert found.get(facts.CAMERA) == camera


def test_a_text_in_latin_1_is_read() -> None:
    assert read(jpeg(block({MODEL: text(b"Caf\xe9")})))[facts.CAMERA] == "Café"


@pytest.mark.parametrize(
    "gps",
    [
        {2: rationals((12, 1)), 4: rationals((10, 1)), 3: text("E")},  # no side
        {1: text("N"), 2: rationals((91, 1)), 3: text("E"), 4: rationals((10, 1))},
        {1: text("N"), 2: rationals((12, 0)), 3: text("E"), 4: rationals((10, 1))},
        {1: text("N"), 2: rationals((0, 0), (0, 0), (0, 0)), 3: text("E"), 4: rationals((0, 0))},
        {1: text("N"), 2: rationals((12, 1))},
        {1: text("E"), 2: rationals((12, 1)), 3: text("N"), 4: rationals((10, 1))},
        {1: text("N"), 2: short(12), 3: text("E"), 4: text("10")},
    ],
)
def test_half_a_place_is_none(gps: dict[int, Entry]) -> None:
    found = read(jpeg(block({}, None, gps)))
    assert facts.LATITUDE not in found and facts.LONGITUDE not in found


def test_xmp_fills_in_what_exif_lacks() -> None:
    xmp = packet(
        tiff__Make="Fuji & Co".replace("&", "&amp;"), tiff__Model="X1", aux__Lens="a lens", xmp__Rating="-1",
        tiff__Orientation="8", exif__GPSLatitude="52,30.5N", exif__GPSLongitude="13,24,36W", exif__GPSAltitude="99/2",
    )  # fmt: skip
    found = read(jpeg(xmp=xmp))
    assert (found[facts.CAMERA], found[facts.LENS], found[facts.RATING]) == ("Fuji & Co X1", "a lens", -1)
    assert (found[facts.ORIENTATION], found[facts.ALTITUDE]) == (8, 49.5)
    assert (found[facts.LATITUDE], found[facts.LONGITUDE]) == (pytest.approx(52.508333333), pytest.approx(-13.41))
    held = packet().replace(b'about="" />', b'about=""><xmp:Rating>4</xmp:Rating></rdf:Description>')
    assert read(jpeg(ALL, held))[facts.RATING] == 4


def test_what_stands_behind_the_pixels_of_a_png_counts() -> None:
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet(xmp__Rating="2").decode(), zip=True)
    out = io.BytesIO()
    Image.new("RGB", (20, 10)).save(out, "PNG", pnginfo=info)
    data = out.getvalue()
    end = chunk(b"IEND", b"")
    found = read(data.removesuffix(end) + chunk(b"eXIf", ALL) + end)
    assert (found[facts.RATING], found[facts.CAMERA]) == (2, "Canon EOS 5D")
    broken = bytearray(data.removesuffix(end) + chunk(b"eXIf", ALL) + end)
    broken[-20] ^= 1
    assert facts.CAMERA not in read(bytes(broken))


# Hostile


class Huge:
    """Bytes of any length, of which few are there; counts what is read."""

    def __init__(self, begin: bytes, size: int, filling: bytes = b"\0") -> None:
        self._begin, self._size, self._filling = begin, size, filling
        self.read = self.calls = 0

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice, /) -> bytes:
        start, stop, _ = part.indices(self._size)
        found = self._begin[start:stop]
        found += self._filling * (max(0, stop - start) - len(found))
        self.read += len(found)
        self.calls += 1
        return found


_SELF = struct.pack(">2sHIHHHIIHHIII", b"MM", 42, 8, 2, 0x8769, 4, 1, 8, 0x8825, 4, 1, 8, 8)
_MANY = struct.pack(">2sHIH", b"MM", 42, 8, 65535)
HOSTILE = {
    "a directory that is its own": Huge(_SELF, 10**8),
    "65,535 entries": Huge(_MANY, 10**8, b"\1"),
    "a text of 4 GB": Huge(block({MODEL: (2, (1 << 32) - 1, b"\0\0\0\x08"), 700: (1, 10**8, b"\0\0\0\0")}), 10**9),
    "numbers without end": Huge(block({274: (3, 1 << 31, b"\0\0\0\0")}, None, {2: (5, 1 << 29, b"\0\0\0\0")}), 10**9),
    "a BigTIFF of 2^60 entries": Huge(struct.pack("<2sHHHQQ", b"II", 43, 8, 0, 16, 1 << 60), 10**9),
    "a PNG with 100 MB of XMP": Huge(
        saved("PNG")[:33] + struct.pack(">I", 10**8) + b"iTXtXML:com.adobe.xmp\0\0\0\0\0", 10**8 + 99, b"<"
    ),
    "a PNG of empty chunks": Huge(saved("PNG")[:33], 10**8, b"\0"),
    "a WebP of empty chunks": Huge(b"RIFF\0\0\0\0WEBP", 10**8),
    "a JPEG of filling": Huge(b"\xff\xd8\xff", 10**8, b"\xff"),
    "a JPEG of zeros": Huge(b"\xff\xd8\xff\xe0\0\2", 10**8),
    "a GIF of one-byte blocks": Huge(saved("GIF")[:13] + b"!\xff\1", 10**8, b"\1"),
    "a HEIC whose boxes have 8 bytes": Huge(b"\0\0\0\x18ftypheic" + bytes(12), 10**8, b"\0\0\0\x08free"[:1]),
    "a HEIC with 90 MB about it": Huge(
        b"\0\0\0\x18ftypheic" + bytes(12) + struct.pack(">I", 9 * 10**7) + b"meta", 10**8
    ),
    "a JPEG XL without a picture": Huge(b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0\0\0\x08free" * 9000, 10**8),
    "a Fujifilm that points behind itself": Huge(b"FUJIFILMCCD-RAW ".ljust(84, b"0") + b"\xff\xff\xff\xff", 10**8),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_header_costs_few_steps_and_little_memory(name: str) -> None:
    data = HOSTILE[name]
    tracemalloc.start()
    try:
        found = metadata_of(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found[facts.BYTES] == len(data)
    assert data.calls < 250_000 and peak < 8 << 20, (data.calls, data.read, peak)
    assert not found.keys() & {facts.TAKEN, facts.CAMERA, facts.LENS, facts.LATITUDE, facts.RATING}


def test_entities_are_not_expanded() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    found = read(jpeg(xmp=bomb + packet(aux__Lens="&b;&b;", tiff__Model="&amp;lt;")))
    assert (found[facts.LENS], found[facts.CAMERA]) == ("&b;&b;", "&lt;")


def test_a_packet_that_names_a_property_a_million_times_is_read_once_through() -> None:
    xmp = b'xmp:Rating="' * 80_000 + packet(xmp__Rating="3")
    out = saved("PNG")
    data = out[:33] + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp) + out[33:]
    assert facts.RATING not in read(data)


def test_a_compressed_text_that_grows_without_end_is_left_out() -> None:
    packed = zlib.compress(packet(xmp__Rating="3") + b" " * (1 << 26))
    data = saved("PNG")
    xmp = chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + packed)
    profile = chunk(b"zTXt", b"Raw profile type exif\0\0" + packed)
    found = read(data[:33] + xmp + profile + data[33:])
    assert facts.RATING not in found and found[facts.WIDTH] == 20


@pytest.mark.parametrize("kind", range(20))
def test_values_of_any_type_are_facts_or_none(kind: int) -> None:
    for count in (0, 1, 2, 3, 1000):
        value = b"\xff" * min(count * 8, 64)
        entry = (kind, count, value)
        main = dict.fromkeys((271, 272, 274, 700, RATING), entry)
        read(jpeg(block(main, dict.fromkeys((ORIGINAL, PART, ZONE, LENS), entry), dict.fromkeys(range(1, 7), entry))))


SEEDS = [*EVERY.values(), *MORE, jpeg(ALL, packet(exif__GPSLatitude="1,2N", xmp__Rating="1")), block({GPS: short(1)})]


@given(data=st.data())
@settings(max_examples=600, deadline=None)
def test_no_bytes_are_an_error(data: st.DataObject) -> None:
    found = bytearray(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, min(len(found) - 1, 400)))
        found[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4) | st.just(b"\xff\xff\xff\xff"))
        found = found or bytearray(b"\0")
    read(bytes(found[: data.draw(st.integers(0, len(found)))]))


@given(begin=st.sampled_from([seed[:12] for seed in SEEDS]), rest=st.binary(max_size=200))
def test_no_bytes_behind_a_magic_are_an_error(begin: bytes, rest: bytes) -> None:
    read(begin + rest)


# Files


@pytest.mark.parametrize("data", [*EVERY.values(), *MORE])
def test_a_file_says_what_its_bytes_say(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "picture"
    path.write_bytes(data)
    fd = os.open(path, os.O_RDONLY)
    try:
        assert metadata_of(FileBytes(fd)) == metadata_of(data)
    finally:
        os.close(fd)


@given(size=st.integers(0, 300_000), parts=st.lists(st.tuples(st.integers(0, 310_000), st.integers(0, 70_000))))
@settings(max_examples=50)
def test_parts_of_a_file_are_those_of_its_bytes(
    tmp_path_factory: pytest.TempPathFactory, size: int, parts: list[tuple[int, int]]
) -> None:
    path = tmp_path_factory.mktemp("parts") / "file"
    data = bytes(number % 251 for number in range(1000)) * (size // 1000 + 1)
    path.write_bytes(data[:size])
    fd = os.open(path, os.O_RDONLY)
    try:
        found = FileBytes(fd)
        assert len(found) == size
        for at, length in parts:
            assert found[at : at + length] == data[:size][at : at + length]
    finally:
        os.close(fd)


def test_the_header_of_a_large_file_is_read_and_not_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    path.write_bytes(jpeg(ALL, packet(xmp__Rating="4")) + bytes(10_000_000))
    fd = os.open(path, os.O_RDONLY)
    try:
        found = FileBytes(fd)
        assert metadata_of(found)[facts.RATING] == 4
        assert found.read <= 1 << 17
    finally:
        os.close(fd)
