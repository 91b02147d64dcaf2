"""The kinds of TIFF, PNG, JPEG, WebP, AVIF and GIF: each as files of other writers, with its right pixels.

`support.more_kinds` has those of other formats.

`python -m support.picture_matrix` prints what is read and what is refused, as a table.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image
from support.picture_files import packed, png_file, tiff_file

Pixels = npt.NDArray[Any]
WIDTH, HEIGHT = 48, 32


class File(NamedTuple):
    """A picture of some kind.

    kind:  the kind, as the matrix names it.
    how:   what else differs among the files of this kind.
    data:  the file.
    right: its pixels as a person sees them, (height, width, 3), 0 to 255.
    most:  mean difference from them, in levels, that counts as right: more than rounding where the format itself loses.
    """

    kind: str
    how: str
    data: bytes
    right: Pixels
    most: float = 0.6


def colours() -> Pixels:
    """Slopes of three colours, from black to white: (height, width, 3), 0 to 1."""
    down, across = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.dstack([across / (WIDTH - 1), down / (HEIGHT - 1), (across + down) % 24 / 23])


def grey() -> Pixels:
    return colours()[..., 0] * 0.7 + colours()[..., 1] * 0.3


def thrice(one: Pixels) -> Pixels:
    return np.repeat(one[..., None], 3, axis=2)


def deep(values: Pixels, dtype: str) -> Pixels:
    """Values from 0 to 1 over the range of a type. Signed ones stay above zero."""
    if np.dtype(dtype).kind == "f":
        return values.astype(dtype)
    return np.rint(values * float(np.iinfo(dtype).max)).astype(dtype)


# TIFF, written by tifffile

_DTYPES = ("u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8")
_DEPTHS = {"u": "unsigned", "i": "signed", "f": "floating-point"}
_LAYOUTS: tuple[dict[str, Any], ...] = (
    *({"compression": one} for one in (None, "lzw", "zlib", "packbits", "zstd")),
    *({"compression": one, "predictor": True} for one in ("lzw", "zlib")),
    {"tile": (16, 16)},
    {"tile": (16, 16), "compression": "zlib", "predictor": True},
    {"rowsperstrip": 7},
    {"rowsperstrip": 7, "compression": "lzw"},
)
_PHOTOMETRIC = {"white is zero": "miniswhite", "grey": "minisblack", "CMYK": "separated"}


def tiffs() -> Iterator[File]:
    ones = np.ones((HEIGHT, WIDTH, 1))
    samples = {
        "grey": grey(),
        "white is zero": 1 - grey(),
        "RGB": colours(),
        "RGBA": np.dstack([colours(), ones]),
        "CMYK": np.dstack([1 - colours(), 0 * ones]),
    }
    for dtype in _DTYPES:
        for name, values in samples.items():
            pixels = deep(values, dtype)
            right = 255 * (thrice(grey()) if pixels.ndim == 2 else colours())
            if dtype in ("i1", "i2"):  # the range of their bits, whatever their sign
                half = np.iinfo(dtype).max / np.iinfo(f"u{dtype[1]}").max
                right = 255 - (255 - right) * half if name in ("white is zero", "CMYK") else right * half
            depth = f"{np.dtype(dtype).itemsize * 8} bit {_DEPTHS[dtype[0]]} {name}"
            for planes in ("contig", "separate") if pixels.ndim == 3 else ("",):
                kind = f"TIFF {depth}{', separate planes' if planes == 'separate' else ''}"
                for order in "<>":
                    yield from _layouts(kind, pixels, right, order=order, planes=planes, name=name)


def _layouts(kind: str, pixels: Pixels, right: Pixels, *, order: str, planes: str, name: str) -> Iterator[File]:
    options: dict[str, Any] = {"photometric": _PHOTOMETRIC.get(name, "rgb"), "metadata": None}
    if planes:
        options["planarconfig"] = planes
    if name == "RGBA":
        options["extrasamples"] = ["unassalpha"]
    stored = np.ascontiguousarray(np.moveaxis(pixels, 2, 0)) if planes == "separate" else pixels
    floats = [{"compression": "zlib", "predictor": 3}] if pixels.dtype.kind == "f" else []
    for layout in (*_LAYOUTS, *floats):
        for big in (False, True) if order == "<" and layout == _LAYOUTS[0] else (False,):
            out = io.BytesIO()
            with tifffile.TiffWriter(out, byteorder=order, bigtiff=big) as writer:
                writer.write(stored, **options, **layout)
            how = ", ".join(f"{key} {value}" for key, value in layout.items() if value is not None) or "plain"
            yield File(kind, f"{order}{' big' if big else ''} {how}", _checked(out.getvalue(), stored), right)


def compressed_tiffs() -> Iterator[File]:
    """The compressions of photographs, and others that are rare."""
    smooth = np.rint(np.dstack([colours()[..., 0], colours()[..., 1], grey()]) * 255).astype(np.uint8)
    kinds: dict[str, tuple[str, dict[str, Any]]] = {
        "JPEG of grey": ("jpeg", {}),
        "JPEG of YCbCr": ("jpeg", {"compressionargs": {"level": 98}}),
        "JPEG of RGB": ("jpeg", {"compressionargs": {"level": 98, "outcolorspace": "rgb"}}),
        "LERC": ("lerc", {}),
        "LZMA": ("lzma", {}),
        "JPEG 2000": ("jpeg2000", {}),
    }
    for name, (compression, options) in kinds.items():
        pixels = smooth[..., 2] if name == "JPEG of grey" else smooth
        right = thrice(pixels) if pixels.ndim == 2 else pixels
        photometric = "minisblack" if pixels.ndim == 2 else "rgb"
        for order in "<>":
            for tile in (None, (16, 16)):
                out = io.BytesIO()
                with tifffile.TiffWriter(out, byteorder=order) as writer:
                    writer.write(
                        pixels, photometric=photometric, metadata=None, tile=tile, compression=compression, **options
                    )
                yield File(f"TIFF with {name}", f"{order}{' tiles' if tile else ''}", out.getvalue(), right, 3)


def _checked(data: bytes, stored: Pixels) -> bytes:
    """Return a TIFF in which tifffile finds the samples that were stored."""
    assert np.array_equal(tifffile.imread(io.BytesIO(data)), stored)
    return data


# TIFF, written by its specification

_ALPHA: dict[str, tuple[int, tuple[int, ...], int]] = {  # channels of colour, extra samples, photometric
    "grey and opacity": (1, (2,), 1),
    "grey multiplied by opacity": (1, (1,), 1),
    "grey and another channel": (1, (0,), 1),
    "RGB multiplied by opacity": (3, (1,), 2),
    "RGB and another channel": (3, (0,), 2),
    "RGB and two other channels": (3, (0, 0), 2),
    "RGB, opacity and another channel": (3, (2, 0), 2),
    "CMYK and another channel": (4, (0,), 5),
}


def odd_tiffs() -> Iterator[File]:
    for order in "<>":
        yield from _single(order)
        for planes in (1, 2):
            yield from _channels(order, planes)
        yield from _chroma(order)
        yield from _lab(order)


def _single(order: str) -> Iterator[File]:
    """One sample: every depth, either meaning of zero, either order of bits; and palettes."""
    for planes in (1, 2):
        for bits in (1, 2, 4, 8, 12, 16, 32):
            top = 2**bits - 1
            values = np.rint(grey() * top).astype(np.int64)
            for photometric, meaning in ((0, "white is zero"), (1, "grey")):
                for turned in (False, True) if bits <= 8 else (False,):
                    stored = values if photometric else top - values
                    more = {284: (3, [planes]), 266: (3, [1 + turned])}
                    strips = [packed(stored, bits, order, turned)]
                    data = tiff_file((WIDTH, HEIGHT), [bits], strips, photometric, order=order, more=more)
                    how = f"{order}{' bits turned' if turned else ''}{' one plane' if planes == 2 else ''}"
                    yield File(
                        f"TIFF {bits} bit {meaning}, packed", how, _checked(data, stored), thrice(values / top * 255)
                    )
        for bits in (1, 2, 4, 8):
            table, places = _palette(2**bits)
            more = {284: (3, [planes]), 320: (3, [int(v) * 257 for v in table.T.ravel()])}
            data = tiff_file((WIDTH, HEIGHT), [bits], [packed(places, bits)], 3, order=order, more=more)
            yield File(f"TIFF {bits} bit palette", f"{order} {planes}", _checked(data, places), table[places])


def _palette(size: int) -> tuple[Pixels, Pixels]:
    """A table of colours, and the place of each pixel in it."""
    table = np.random.default_rng(size).integers(0, 256, (size, 3))
    return table, np.rint(grey() * (size - 1)).astype(np.int64)


def _channels(order: str, planes: int) -> Iterator[File]:
    for name, (count, extra, photometric) in _ALPHA.items():
        colour = {1: grey()[..., None], 3: colours(), 4: np.dstack([1 - colours(), 0 * grey()])}[count]
        full = np.full((HEIGHT, WIDTH, 1), 1.0 if extra[0] else 0.4)
        more_samples = np.repeat(full, len(extra), axis=2)
        for bits in (8, 16):
            stored = deep(np.dstack([colour, more_samples]), f"u{bits // 8}")
            for rows in (HEIGHT, 7):
                cut = [stored[at : at + rows] for at in range(0, HEIGHT, rows)]
                if planes == 2:
                    cut = [part[..., n] for n in range(stored.shape[2]) for part in cut]
                strips = [part.astype(f"{order}u{bits // 8}").tobytes() for part in cut]
                depths = [bits] * stored.shape[2]
                more = {284: (3, [planes]), 338: (3, extra), 278: (4, [rows])}
                data = tiff_file((WIDTH, HEIGHT), depths, strips, photometric, order=order, more=more)
                right = 255 * (thrice(grey()) if count == 1 else colours())
                apart = ", separate planes" if planes == 2 else ""
                apart_or_not = np.moveaxis(stored, 2, 0) if planes == 2 else stored
                yield File(f"TIFF {bits} bit {name}{apart}", f"{order} {rows}", _checked(data, apart_or_not), right)


def _chroma(order: str) -> Iterator[File]:
    """YCbCr: of full size, of half, and of half without the tag that says so."""
    smooth = np.dstack([colours()[..., 0], colours()[..., 1], grey()])
    right = np.rint(smooth * 255).astype(np.uint8)
    full = np.asarray(Image.fromarray(right).convert("YCbCr"))
    for planes in (1, 2):
        strips = [full.tobytes()] if planes == 1 else [full[..., n].tobytes() for n in range(3)]
        more: dict[int, tuple[int, list[int]]] = {284: (3, [planes]), 530: (3, [1, 1])}
        data = tiff_file((WIDTH, HEIGHT), [8] * 3, strips, 6, order=order, more=more)
        yield File(f"TIFF YCbCr{', separate planes' if planes == 2 else ''}", order, data, right, 1.5)
    light = full[..., 0].reshape(HEIGHT // 2, 2, WIDTH // 2, 2).transpose(0, 2, 1, 3).reshape(HEIGHT // 2, -1, 4)
    half = full[..., 1:].reshape(HEIGHT // 2, 2, WIDTH // 2, 2, 2).mean((1, 3)).astype(np.uint8)
    stored = np.dstack([light, half]).tobytes()
    for tags in ({530: (3, [2, 2])}, {}):
        data = tiff_file((WIDTH, HEIGHT), [8] * 3, [stored], 6, order=order, more=tags)
        yield File("TIFF YCbCr of half size", f"{order} {'told' if tags else 'not told'}", data, right, 3)
        followed = tiff_file((WIDTH, HEIGHT), [8] * 3, [stored + bytes(9999)], 6, order=order, more=tags)
        yield File(
            "TIFF YCbCr of half size", f"{order} {'told' if tags else 'not told'}, more behind", followed, right, 3
        )


def _lab(order: str) -> Iterator[File]:
    """Lab of greys, whose right values need no white point: lightness by its formula, no colour."""
    lightness = np.linspace(0, 255, WIDTH)[None, :].repeat(HEIGHT, axis=0).astype(np.uint8)
    stored = np.dstack([lightness, np.zeros((HEIGHT, WIDTH, 2), np.uint8)])
    star = lightness / 255 * 100
    linear = np.where(star > 8, ((star + 16) / 116) ** 3, star / 903.3)
    coded = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, linear * 12.92)
    for planes in (1, 2):
        strips = [stored.tobytes()] if planes == 1 else [stored[..., n].tobytes() for n in range(3)]
        data = tiff_file((WIDTH, HEIGHT), [8] * 3, strips, 8, order=order, more={284: (3, [planes])})
        yield File(f"TIFF Lab{', separate planes' if planes == 2 else ''}", order, data, thrice(coded * 255), 1)


# PNG, written by its specification

_KINDS = {0: ("grey", (1, 2, 4, 8, 16)), 2: ("RGB", (8, 16)), 4: ("grey and opacity", (8, 16)), 6: ("RGBA", (8, 16))}


def pngs() -> Iterator[File]:
    for interlaced in (False, True):
        how = "interlaced" if interlaced else "plain"
        for kind, (name, depths) in _KINDS.items():
            for depth in depths:
                for clear in (False, True) if kind in (0, 2) else (False,):
                    data, right = _png(kind, depth, interlaced=interlaced, clear=clear)
                    transparent = ", a transparent colour" if clear else ""
                    yield File(f"PNG {depth} bit {name}{transparent}", how, data, right)
        for depth in (1, 2, 4, 8):
            table, places = _palette(2**depth)
            for opacity in (np.full(2**depth, 255), np.arange(2**depth) * 255 // (2**depth - 1)):
                chunks = [(b"PLTE", table.astype(np.uint8).tobytes()), (b"tRNS", opacity.astype(np.uint8).tobytes())]
                data = png_file(places[..., None], depth, 3, interlaced=interlaced, chunks=chunks)
                right = over_white(table[places], opacity[places])
                yield File(f"PNG {depth} bit palette", f"{how}, opacity from {opacity[0]}", data, right)


def over_white(colour: Pixels, opacity: Pixels) -> Pixels:
    share = opacity[..., None] / 255
    return colour * share + 255 * (1 - share)


def _png(kind: int, depth: int, *, interlaced: bool, clear: bool) -> tuple[bytes, Pixels]:
    top = 2**depth - 1
    planes = {0: [grey()], 2: [colours()], 4: [grey(), colours()[..., 1]], 6: [colours(), grey()]}[kind]
    values = np.rint(np.dstack(planes) * top).astype(np.int64)
    shown = values / top * 255
    opacity = shown[..., -1] if kind in (4, 6) else np.full((HEIGHT, WIDTH), 255.0)
    chunks = []
    if clear:
        key = values[10, 20]
        chunks = [(b"tRNS", struct.pack(f">{len(key)}H", *key.tolist()))]
        opacity = np.where((values == key).all(2), 0.0, 255.0)
    colour = shown[..., :3] if kind in (2, 6) else thrice(shown[..., 0])
    return png_file(values, depth, kind, interlaced=interlaced, chunks=chunks), over_white(colour, opacity)


# JPEG, WebP and GIF, written by imagecodecs

_BYTES = np.rint(colours() * 255).astype(np.uint8)


def jpegs() -> Iterator[File]:
    smooth = np.dstack([colours()[..., 0], colours()[..., 1], grey()])
    right = np.rint(smooth * 255).astype(np.uint8)
    inks = np.dstack([255 - right, np.zeros((HEIGHT, WIDTH), np.uint8)])
    for ratio in ("444", "422", "420", "440", "411"):
        for optimized in (False, True):
            data = imagecodecs.jpeg8_encode(right, level=98, subsampling=ratio, optimize=optimized)
            yield File(
                "JPEG YCbCr", f"{ratio}{' optimized' if optimized else ''}", data, right, 1 if ratio == "444" else 3
            )
    yield File("JPEG grey", "", imagecodecs.jpeg8_encode(right[..., 2].copy(), level=98), thrice(right[..., 2]), 1)
    told = {"level": 98, "colorspace": "RGB", "outcolorspace": "RGB"}
    yield File("JPEG RGB, Adobe", "", imagecodecs.jpeg8_encode(right, **told), right, 1)
    for space in ("CMYK", "YCCK"):
        told = {"level": 98, "colorspace": "CMYK", "outcolorspace": space, "subsampling": "444"}
        yield File(f"JPEG {space}, Adobe", "", imagecodecs.jpeg8_encode(255 - inks, **told), right, 1)
    yield File("JPEG lossless", "", imagecodecs.jpeg8_encode(right, lossless=True), right)
    for bits in (12, 16):
        wide = right.astype(np.uint16) << (bits - 8)
        data = imagecodecs.jpeg8_encode(wide, bitspersample=bits, lossless=bits == 16)
        yield File(f"JPEG {bits} bit", "", data, right)


def webps() -> Iterator[File]:
    smooth = np.rint(np.dstack([colours()[..., 0], colours()[..., 1], grey()]) * 255).astype(np.uint8)
    clear = np.dstack([smooth, smooth[..., 1]])
    for lossless in (False, True):
        name = "WebP lossless" if lossless else "WebP lossy"
        level = {} if lossless else {"level": 90.0}
        yield File(
            name, "", imagecodecs.webp_encode(smooth, lossless=lossless, **level), smooth, 0.6 if lossless else 3
        )
        data = imagecodecs.webp_encode(clear, lossless=lossless, **level)
        yield File(f"{name} with opacity", "", data, over_white(smooth, smooth[..., 1]), 0.6 if lossless else 3)


def avifs() -> Iterator[File]:
    smooth = np.dstack([colours()[..., 0], colours()[..., 1], grey()])
    right = np.rint(smooth * 255).astype(np.uint8)
    for bits in (8, 10, 12):
        options = {"level": 95, "bitspersample": bits}
        kinds = {"RGB": right, "RGBA": np.dstack([right, right[..., 1]]), "grey": right[..., 0].copy()}
        for name, pixels in kinds.items():
            stored = pixels if bits == 8 else pixels.astype(np.uint16) << (bits - 8)
            shown_as = (
                thrice(pixels) if name == "grey" else over_white(right, pixels[..., -1]) if name == "RGBA" else right
            )
            for ratio in ("444", "422", "420") if name == "RGB" else (None,):
                form = None if ratio is None else getattr(imagecodecs.AVIF.PIXEL_FORMAT, f"YUV{ratio}")
                data = imagecodecs.avif_encode(stored, pixelformat=form, **options)
                yield File(f"AVIF {bits} bit {name}", ratio or "", data, shown_as, 3)


def gifs() -> Iterator[File]:
    yield File("GIF grey", "", imagecodecs.gif_encode(_BYTES[..., 1].copy()), thrice(_BYTES[..., 1]))


# Decoders of another library, for what has one meaning: of TIFF, `_checked` compares the samples.
OTHERS = {
    "PNG": imagecodecs.png_decode,
    "JPEG": imagecodecs.jpeg8_decode,
    "WebP": imagecodecs.webp_decode,
    "GIF": imagecodecs.gif_decode,
}


def shown(samples: Pixels) -> Pixels:
    """Show the samples of another decoder over white: (height, width, 3), 0 to 255."""
    values = samples / (np.iinfo(samples.dtype).max if samples.dtype.kind == "u" else 1) * 255
    colour = (
        values[..., :3]
        if values.ndim == 3 and values.shape[2] > 2
        else thrice(values.reshape(*values.shape[:2], -1)[..., 0])
    )
    return over_white(colour, values[..., -1]) if values.ndim == 3 and values.shape[2] in (2, 4) else colour


FAMILIES = {
    "TIFF": tiffs,
    "other TIFF": odd_tiffs,
    "compressed TIFF": compressed_tiffs,
    "PNG": pngs,
    "JPEG": jpegs,
    "WebP": webps,
    "AVIF": avifs,
    "GIF": gifs,
}


def outcome(file: File) -> str:
    """Decode a file: "right", "wrong by N levels", or the reason of its refusal."""
    from vstore.pictures.decoding import prepare
    from vstore.pictures.failures import PictureFailure
    from vstore.pictures.preparation import Preparation

    try:
        found = np.asarray(prepare(file.data, Preparation())[0]).astype(float)
    except PictureFailure as failure:
        return failure.reason
    if found.shape != file.right.shape:
        return f"wrong size {found.shape}"
    error = np.abs(found - file.right)
    if file.most <= 0.6 and error.max() > 2:  # where nothing is lost, no pixel may differ by more than rounding
        return f"wrong by {error.max():.0f} levels"
    return "right" if error.mean() <= file.most else f"wrong by {error.mean():.0f} levels"


def main() -> None:
    from support import more_kinds

    for family in (*FAMILIES.values(), *more_kinds.FAMILIES.values()):
        found: dict[str, dict[str, int]] = {}
        for file in family():
            kinds = found.setdefault(file.kind, {})
            kinds[outcome(file)] = kinds.get(outcome(file), 0) + 1
        for kind, outcomes in found.items():
            print(f"| {kind} | {'; '.join(f'{name} ({count})' for name, count in outcomes.items())} |")


if __name__ == "__main__":
    main()
