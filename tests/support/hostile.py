"""Pictures made to break their reader: mutations of every format that vstore reads, and built ones."""

from __future__ import annotations

import contextlib
import io
import random
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image, PngImagePlugin


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def good() -> dict[str, bytes]:
    """Make one sound picture of each kind, by file name."""
    pixels = np.random.default_rng(1).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    rgb = Image.fromarray(pixels).resize((96, 72))
    deep = Image.fromarray((np.arange(48 * 64, dtype=np.uint16) * 21).reshape(48, 64))
    clear = rgb.convert("RGBA")
    clear.putalpha(128)
    frames = [Image.fromarray(np.roll(pixels, n, 0)) for n in range(4)]
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "a description"
    animated = {"save_all": True, "append_images": frames[1:]}
    found = {
        "plain.jpg": saved(rgb, "JPEG"),
        "progressive.jpg": saved(rgb, "JPEG", progressive=True, exif=exif),
        "cmyk.jpg": saved(rgb.convert("CMYK"), "JPEG"),
        "grey.jpeg": saved(rgb.convert("L"), "JPEG"),
        "plain.png": saved(rgb, "PNG"),
        "deep.png": saved(deep, "PNG"),
        "palette.png": saved(rgb.quantize(16), "PNG", transparency=3),
        "clear.png": saved(clear, "PNG"),
        "animated.apng": saved(frames[0], "PNG", **animated),
        "lossy.webp": saved(rgb, "WEBP"),
        "lossless.webp": saved(clear, "WEBP", lossless=True),
        "animated.webp": saved(frames[0], "WEBP", **animated),
        "plain.gif": saved(rgb, "GIF"),
        "animated.gif": saved(frames[0], "GIF", **animated),
        "lzw.tif": saved(rgb, "TIFF", compression="tiff_lzw"),
        "deflate.tiff": saved(deep, "TIFF", compression="tiff_adobe_deflate"),
        "pages.tif": saved(frames[0], "TIFF", **animated),
        "plain.bmp": saved(rgb, "BMP"),
        "plain.dib": saved(rgb, "DIB"),
        "plain.avif": saved(rgb, "AVIF"),
    }
    found["plain.jp2"] = saved(rgb, "JPEG2000")
    return {**found, **_of_extras(rgb)}


def _of_extras(rgb: Image.Image) -> dict[str, bytes]:
    """Make those that need an optional package, where it is installed."""
    found = {}
    with contextlib.suppress(ImportError):
        from pillow_heif import register_heif_opener

        register_heif_opener()
        found["plain.heic"] = saved(rgb, "HEIF")
    with contextlib.suppress(ImportError):
        import imagecodecs
        import tifffile
        from support.raw_files import by_tifffile, light, mosaic

        pixels = np.asarray(rgb)
        found["plain.jxl"] = imagecodecs.jpegxl_encode(pixels, lossless=True)
        found["boxed.jxl"] = imagecodecs.jpegxl_encode(pixels, usecontainer=True)
        found["animated.jxl"] = imagecodecs.jpegxl_encode(np.stack([pixels, 255 - pixels]))
        found["of-a-jpeg.jxl"] = imagecodecs.jpegxl_encode_jpeg(saved(rgb, "JPEG"))
        cells = mosaic(light(72, 96))
        found["developed.dng"] = by_tifffile(cells, lossless=True)
        found["preview.dng"] = by_tifffile(cells, preview=pixels)
        for name, options in (("floats", {"compression": "lzw"}), ("tiles", {"compression": "zlib", "tile": (16, 16)})):
            out = io.BytesIO()
            tifffile.imwrite(out, (pixels / 255).astype("f4"), photometric="rgb", metadata=None, **options)
            found[f"{name}.tif"] = out.getvalue()
    return found


def cut(pictures: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Cut each picture off at every sixteenth."""
    for name, data in pictures.items():
        for part in range(16):
            yield f"cut-{part:02d}-{name}", data[: len(data) * part // 16]


def flipped(pictures: dict[str, bytes], times: int) -> Iterator[tuple[str, bytes]]:
    """Change a few bytes of each picture: in its head, and anywhere."""
    chance = random.Random(3)
    for name, data in pictures.items():
        for number in range(times):
            changed = bytearray(data)
            reach = min(len(data), 64) if number % 2 else len(data)
            for _ in range(1 + number):
                changed[chance.randrange(reach)] = chance.randrange(256)
            yield f"flipped-{number:02d}-{name}", bytes(changed)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, rows: bytes, *more: bytes, depth: int = 8, colour: int = 0) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def built() -> Iterator[tuple[str, bytes]]:
    """Build pictures that chance would not make."""
    small = zlib.compress(bytes(9 * 8))
    for width, height in ((0, 5), (5, 0), (2**31 - 1, 2**31 - 1), (2**31, 1), (1, 2**31 - 1), (100_000, 100_000)):
        yield f"size-{width}x{height}.png", png(width, height, small)
    sizes = ((0, 0), (65535, 65535), (65535, 1))
    for width, height in sizes:
        head = struct.pack("<6sHHBBB", b"GIF89a", width, height, 0x80, 0, 0) + bytes(6)
        frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x01\x00\x00;"
        yield f"size-{width}x{height}.gif", head + frame
    for width, height in ((2**31 - 1, 2**31 - 1), (-1, -1), (0, 0), (2**30, -(2**30))):
        info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
        yield f"size-{width}x{height}.bmp", b"BM" + struct.pack("<IHHI", 54 + 40, 0, 0, 54) + info + bytes(40)
    jpeg = saved(Image.new("RGB", (16, 16)), "JPEG")
    at = jpeg.index(b"\xff\xc0")
    for width, height in ((65535, 65535), (0, 0), (65500, 1)):
        yield f"size-{width}x{height}.jpg", jpeg[: at + 5] + struct.pack(">HH", height, width) + jpeg[at + 9 :]
    bomb = zlib.compress(bytes(30_000_000), 9)
    yield "bomb.png", png(50_000, 50_000, bomb, depth=1)
    yield "text-bomb.png", png(8, 8, small, chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(200_000_000), 9)))
    yield "profile-bomb.png", png(8, 8, small, chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(100_000_000), 9)))
    yield "many-texts.png", png(8, 8, small, *[chunk(b"tEXt", b"k%d\0" % n + bytes(50)) for n in range(20_000)])
    yield "huge-chunk.png", b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 0x7FFFFFFF) + b"IHDR"
    app = b"\xff\xe1" + struct.pack(">H", 65_535) + b"Exif\0\0" + bytes(65_527)
    yield "huge-exif.jpg", jpeg[:2] + app * 200 + jpeg[2:]
    nested = b"II*\0" + struct.pack("<IH", 8, 1) + struct.pack("<HHII", 0x8769, 4, 1, 8) + struct.pack("<I", 8)
    nested = b"\xff\xe1" + struct.pack(">H", 8 + len(nested)) + b"Exif\0\0" + nested
    yield "exif-in-itself.jpg", jpeg[:2] + nested + jpeg[2:]
    many = b"II*\0" + struct.pack("<IH", 8, 65_535) + bytes(12 * 65_535)
    yield "many-tags.tif", many
    yield "loop.tif", b"II*\0" + struct.pack("<IH", 8, 0) + struct.pack("<I", 8)
    yield "far.tif", b"II*\0" + struct.pack("<I", 0xFFFFFFF0)
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    head = struct.pack("<6sHHBBB", b"GIF89a", 1, 1, 0x80, 0, 0) + bytes(6)
    yield "a-hundred-thousand-frames.gif", head + frame * 100_000 + b";"
    control = chunk(b"acTL", struct.pack(">II", 100_000, 0))
    part = b"".join(chunk(b"fcTL", struct.pack(">IIIIIHHBB", n, 1, 1, 0, 0, 1, 1, 0, 0)) for n in range(100_000))
    yield "a-hundred-thousand-frames.apng", png(1, 1, zlib.compress(bytes(2)), control, part)
    plain = saved(Image.new("RGB", (40, 30), (9, 99, 200)), "PNG")
    yield "zip-behind.png", plain + b"PK\x03\x04" + bytes(3000)
    yield "script.gif", b"GIF89a/*" + bytes(20) + b"*/=1;alert(1)"
    yield "png-head-jpeg-body.png", plain[:16] + jpeg
    yield "jpeg-in-png.png", jpeg
    yield "page.jpg", b"<html><body>not a picture</body></html>"
    yield "document.png", b"%PDF-1.7\n" + bytes(500)
    yield "empty.jpg", b""
    yield "one-byte.webp", b"R"
    yield "zeros.tiff", bytes(10_000)
    yield "noise.jpg", b"\xff\xd8\xff" + random.Random(4).randbytes(50_000)
    riff = b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + b"WEBPVP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + b"\xff" * 6
    yield "largest-canvas.webp", riff
    box = struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"avif", 0, b"avif", b"mif1")
    yield "boxes-in-boxes.avif", box + b"".join(struct.pack(">I4s", 10**6, b"meta") for _ in range(5000))
    yield "boxes-in-boxes.heic", box.replace(b"avif", b"heic") + struct.pack(">I4s", 0, b"meta") * 5000
    text = PngImagePlugin.PngInfo()
    text.add_itxt("deep", "x" * 3_000_000, zip=True)
    yield "long-itxt.png", saved(Image.new("RGB", (8, 8)), "PNG", pnginfo=text)


def hostile(times: int) -> dict[str, bytes]:
    """Collect all of them, by file name."""
    pictures = good()
    return dict([*cut(pictures), *flipped(pictures, times), *built()])
