"""A hundred pictures whose prepared pixels never change, by the recipe of old spaces and by that of newer ones.

Photographs of the repository; lossless ones made here; and `data/golden-pictures`, written once by Pillow 13.0, of
every format that the base install reads, with JPEG of sizes that are decoded at a half, a quarter and an eighth.
Pillow brings its own decoders of JPEG, WebP and AVIF; the lanes hold the digests with the lowest that pyproject.toml
allows, 13.0.0, and with the newest (11.3, 12.0 and 12.3 give the same: libjpeg-turbo 3.1 to 3.2, libavif 1.3 to 1.4).
One that differs with a newer Pillow is another preparation: another policy, never another digest.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image
from support.picture_files import packed, png_file, segment, tiff_file

EXAMPLES = Path(__file__).parents[2] / "examples" / "pictures"
FILES = Path(__file__).parents[1] / "store" / "data" / "golden-pictures"
WIDTH, HEIGHT = 700, 500


def pictures() -> dict[str, bytes]:
    """Make the pictures, by name, from the files of the repository and from specifications alone."""
    found = {}
    photographs = [path for path in sorted(EXAMPLES.rglob("*")) if path.suffix in (".jpg", ".png", ".webp")]
    for path in photographs:
        found[str(path.relative_to(EXAMPLES))] = path.read_bytes()
    first = photographs[0].read_bytes()
    for orientation in range(2, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        found[f"turned {orientation}"] = first[:2] + segment(0xE1, exif.tobytes()) + first[2:]
    for path in sorted(FILES.iterdir()):
        found[f"file {path.name}"] = path.read_bytes()
    return {**found, **_pngs(), **_tiffs()}


def _values(channels: int, top: int) -> np.ndarray:
    down, across = np.mgrid[0:HEIGHT, 0:WIDTH]
    bands = [across * 3 + down * 5, across * down // 7, (across // 9 + down // 7) * 29, across + down]
    return np.dstack(bands[:channels]) % (top + 1)


def _pngs() -> dict[str, bytes]:
    found = {}
    for kind, channels, depths in ((0, 1, (1, 2, 4, 8, 16)), (2, 3, (8, 16)), (4, 2, (8, 16)), (6, 4, (8, 16))):
        for depth in depths:
            found[f"png {kind} {depth}"] = png_file(_values(channels, 2**depth - 1), depth, kind)
    table = bytes(range(256)) * 3
    for depth in (1, 4, 8):
        chunks = [(b"PLTE", table[: 3 << depth]), (b"tRNS", bytes(range(1 << depth)))]
        found[f"png 3 {depth}"] = png_file(_values(1, 2**depth - 1), depth, 3, chunks=chunks)
    return found


def _tiffs() -> dict[str, bytes]:
    found = {}
    for photometric in (0, 1):
        for bits in (1, 4, 8, 16):
            strips = [packed(_values(1, 2**bits - 1), bits, "<")]
            found[f"tiff {photometric} {bits}"] = tiff_file((WIDTH, HEIGHT), [bits], strips, photometric)
    for photometric, channels in ((2, 3), (2, 4), (5, 4)):
        values = _values(channels, 255)
        for planes in (1, 2):
            strips = [packed(values, 8)] if planes == 1 else [packed(values[..., n], 8) for n in range(channels)]
            more = {284: (3, [planes]), **({338: (3, [2])} if (photometric, channels) == (2, 4) else {})}
            name = f"tiff {photometric} {channels} {planes}"
            found[name] = tiff_file((WIDTH, HEIGHT), [8] * channels, strips, photometric, more=more)
    return found


def prepared() -> dict[str, list[str]]:
    """Digests of the prepared pixels of each picture, with their sizes, at 512 and at 224 pixels."""
    from vstore.pictures.decoding import prepare
    from vstore.pictures.preparation import Preparation

    found = {}
    for name, data in pictures().items():
        found[name] = [_named(prepare(data, Preparation(max_side=side))[0]) for side in (512, 224)]
    return found


def prepared_newly() -> dict[str, list[str]]:
    """The same by preparation 2: for a model of 224 pixels, for the same with `--decode fast`, and for 512 pixels."""
    from vstore.embed.model_words import Words
    from vstore.embed.prepared import prepared_for
    from vstore.pictures.decoding import prepare
    from vstore.pictures.preparation import preparation_of

    clip = {"processor": {"class": "CLIPImageProcessorPil", "size": {"shortest_edge": 224}, "resample": 3}}
    recipes = prepared_for(clip, Words()), prepared_for(clip, Words(decode="fast")), prepared_for({}, Words())
    ways = [preparation_of({"prepare": recipe}) for recipe in recipes]
    return {name: [_named(prepare(data, way)[0]) for way in ways] for name, data in pictures().items()}


def prepared_otherwise() -> dict[str, str]:
    """Digests of what imports declare: not turned, blue first, saved as JPEG and read again."""
    from vstore.pictures.decoding import prepare
    from vstore.pictures.preparation import Preparation

    data = pictures()["turned 6"]
    ways = {"ignored": Preparation(upright=False), "BGR": Preparation(bgr=True), "JPEG": Preparation(jpeg=95)}
    return {name: _named(prepare(data, way)[0]) for name, way in ways.items()}


def _named(picture: Image.Image) -> str:
    return f"{picture.width}x{picture.height} {sha256(picture.tobytes()).hexdigest()[:24]}"
