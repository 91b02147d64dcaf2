"""JPEG files of the kinds that a preparation is measured on: photographs, thin lines, text, noise, gradients."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import cycle, product
from pathlib import Path

import numpy as np
from bench_ingest import draw
from PIL import Image, ImageDraw, ImageFont

SIZES = (2.0, 3.0, 4.0)  # megapixels
# Quality and subsampling: 4:2:0, 4:4:4, 4:2:2.
_SAVED = ((85, 2), (95, 0), (90, 2), (85, 0), (92, 1), (95, 2))


def photographs(folder: Path) -> Iterator[bytes]:
    """Yield the JPEG files of a folder that have a megapixel, as they are and scaled to each of the sizes."""
    saved = cycle(_SAVED)
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in (".jpg", ".jpeg"):
            continue
        with Image.open(path) as opened:
            if opened.width * opened.height < 1e6:
                continue
            try:
                picture = opened.convert("RGB")
            except OSError:
                continue  # it is cut
        yield path.read_bytes()
        for size in SIZES:
            share = (size * 1e6 / (picture.width * picture.height)) ** 0.5
            if share < 1:
                scaled = picture.resize((round(picture.width * share), round(picture.height * share)), _LANCZOS)
                yield _jpeg(scaled, *next(saved))


def camera_like(folder: Path, count: int) -> Iterator[bytes]:
    """Draw files where there are no photographs."""
    for size in SIZES:
        draw(folder / f"{size:g}", count, size)
        yield from (path.read_bytes() for path in sorted((folder / f"{size:g}").iterdir()))


def drawn() -> dict[str, list[bytes]]:
    """Draw a few files of each other kind and of each size."""
    kinds = {"thin lines": _lines, "text": _texts, "noise": _noises, "gradients": _gradients}
    saved = cycle(_SAVED[:3])
    found: dict[str, list[bytes]] = {kind: [] for kind in kinds}
    for size, (kind, make) in product(SIZES, kinds.items()):
        height = int((size * 1e6 / 1.5) ** 0.5)
        found[kind] += [_jpeg(one, *next(saved)) for one in make(height * 3 // 2, height)]
    return found


_LANCZOS = Image.Resampling.LANCZOS


def _jpeg(picture: Image.Image, quality: int, subsampling: int) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality, subsampling=subsampling)
    return out.getvalue()


def _lines(width: int, height: int) -> Iterator[Image.Image]:
    chance = np.random.default_rng(1)
    for thick, ground in product((1, 2, 3), ("white", "black")):
        picture = Image.new("RGB", (width, height), ground)
        pen = ImageDraw.Draw(picture)
        for _ in range(150):
            ends = [int(value) for value in chance.integers(0, (width, height, width, height))]
            colour = tuple(int(value) for value in chance.integers(0, 255, 3))
            pen.line(ends, fill=colour if thick == 2 else "grey" if ground == "black" else "black", width=thick)
        yield picture
    for step in (8, 17, 40):
        picture = Image.new("RGB", (width, height), "white")
        pen = ImageDraw.Draw(picture)
        for x in range(0, width, step):
            pen.line((x, 0, x, height), fill="black")
        for y in range(0, height, step):
            pen.line((0, y, width, y), fill="black")
        yield picture


def _texts(width: int, height: int) -> Iterator[Image.Image]:
    chance = np.random.default_rng(2)
    for points, (ink, ground) in product((14, 24, 48), (("black", "white"), ("white", "navy"))):
        picture = Image.new("RGB", (width, height), ground)
        pen, font = ImageDraw.Draw(picture), ImageFont.load_default(points)
        for y in range(0, height, int(points * 1.3)):
            letters = "".join(chr(int(one)) for one in chance.integers(97, 123, 2 * width // points))
            line = " ".join(letters[at : at + 7] for at in range(0, len(letters), 7))
            pen.text((10, y), line, fill=ink, font=font)
        yield picture


def _noises(width: int, height: int) -> Iterator[Image.Image]:
    chance = np.random.default_rng(3)
    for deviation, bands in product((20, 50), (1, 3)):
        values = np.clip(128 + chance.normal(0, deviation, (height, width, bands)), 0, 255)
        yield Image.fromarray(np.broadcast_to(values, (height, width, 3)).astype(np.uint8))


def _gradients(width: int, height: int) -> Iterator[Image.Image]:
    down, across = np.mgrid[0:height, 0:width] / np.array([height, width])[:, None, None]
    for slope in (across, down, np.hypot(across - 0.5, down - 0.5)):
        yield Image.fromarray((np.dstack([slope, 1 - slope, abs(2 * slope - 1)]) * 255).astype(np.uint8))
