"""Does the built-in embedder find a picture again after it was changed?

    python benchmarks/bench_builtin_quality.py [--pictures DIR [--parts]] [--distractors 2000] [--samples 240]

Target: recall@1 of at least 0.98 after every change but the mirror, among at least 2,000 distractors.

The benchmark makes its own ground truth: each sample picture is changed in one way and looked up among all samples,
unchanged, and the distractors. Found means that the right picture scores strictly higher than every other: a tie is a
miss. Beside it stands a plain 64-bit pHash (`imagehash`, Hamming distance) on the same pictures.

Samples are drawn here, or read from DIR; distractors are drawn, or with --parts cut out of the pictures of DIR. Drawn
pictures come in families of five with one composition, one palette and one light, so that the distractors resemble the
samples.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
import PIL
from measure import machine
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from vstore.embed.builtin import BuiltinEmbedder

Picture = Image.Image
Floats = np.ndarray[Any, np.dtype[np.float64]]
Random = np.random.Generator
Colour = tuple[int, int, int]

SIZES = ((480, 360), (360, 480), (512, 340), (400, 400), (512, 288), (300, 450))
FAMILY = 5
SEED = 20240501


# --- drawing -----------------------------------------------------------------------------------------------------


def noise(random: Random, size: tuple[int, int], roughness: float, octaves: int = 7) -> Floats:
    """A field whose spectrum falls as that of photographs does, about 1/f: float64 (h, w), mean 0, deviation 1."""
    width, height = size
    field = np.zeros((height, width))
    for octave in range(octaves):
        cells = 2 ** (octave + 1)
        grid = Image.fromarray(random.standard_normal((cells + 1, cells + 1)).astype(np.float32))
        field += roughness**octave * np.asarray(grid.resize(size, Image.Resampling.BICUBIC), np.float64)
    return np.asarray((field - field.mean()) / (field.std() + 1e-9))


def shade(field: Floats, palette: list[Colour]) -> Picture:
    """Colour a field by interpolating along a palette from its lowest to its highest value."""
    at = np.clip((field + 2) / 4, 0, 1) * (len(palette) - 1)
    stops = np.arange(len(palette))
    bands = [np.interp(at, stops, [colour[band] for colour in palette]) for band in range(3)]
    return Image.fromarray(np.stack(bands, axis=2).astype(np.uint8))


def colours(random: Random, n: int) -> list[Colour]:
    """A palette round one or two hues, dark to light, as one place in one light has."""
    hue, spread, saturation = random.uniform(0, 1), random.uniform(0.02, 0.3), random.uniform(0.1, 0.7)
    out = []
    for step in range(n):
        value = (step + random.uniform(0.3, 1.2)) / (n + 0.3)
        h, s, v = (hue + random.normal(0, spread)) % 1, saturation * random.uniform(0.4, 1.2), min(value, 1)
        pixel = Image.new("HSV", (1, 1), (int(h * 255), int(min(s, 1) * 255), int(v * 255))).convert("RGB")
        red, green, blue = np.asarray(pixel)[0, 0].tolist()
        out.append((red, green, blue))
    return out


def near(random: Random, value: float, by: float = 0.12) -> float:
    """A value moved a little: what makes two members of a family two pictures."""
    return float(value + random.normal(0, by))


def landscape(family: Random, own: Random, size: tuple[int, int]) -> Picture:
    palette = colours(family, 5)
    width, height = size
    sky = noise(own, size, 0.45) * 0.4 + np.linspace(1.5, -0.5, height)[:, None]
    picture = shade(sky, palette[2:])
    draw = ImageDraw.Draw(picture)
    sun = near(own, family.uniform(0.1, 0.9)) * width, near(own, family.uniform(0.1, 0.4), 0.06) * height
    radius = family.uniform(0.02, 0.08) * width
    draw.ellipse((sun[0] - radius, sun[1] - radius, sun[0] + radius, sun[1] + radius), fill=palette[-1])
    ground = shade(noise(own, size, 0.8), palette[:3])
    for horizon in np.sort(family.uniform(0.3, 0.85, family.integers(1, 4))):
        ridge = noise(own, (width, 1), family.uniform(0.4, 0.7))[0] * 0.07 + near(own, horizon, 0.04)
        mask = Image.new("L", size)
        outline = [(x, float(ridge[x] * height)) for x in range(0, width, 3)]
        ImageDraw.Draw(mask).polygon([*outline, (width, height), (0, height)], fill=255)
        light = ImageEnhance.Brightness(ground).enhance(own.uniform(0.6, 1.3))
        picture.paste(light, mask=mask)
    return picture


def street(family: Random, own: Random, size: tuple[int, int]) -> Picture:
    palette = colours(family, 6)
    width, height = size
    picture = shade(noise(own, size, 0.4) * 0.3 + 1, palette[3:])
    draw = ImageDraw.Draw(picture)
    x = -own.uniform(0, 0.1) * width
    floor, wide = family.uniform(0.75, 0.95) * height, family.uniform(0.1, 0.3)
    while x < width:
        right = x + max(near(own, wide, 0.05), 0.05) * width
        top = near(own, family.uniform(0.15, 0.5), 0.1) * height
        wall = palette[int(own.integers(0, 4))]
        draw.rectangle((x, min(top, floor - 30), right, floor), fill=wall)
        step, glass = int(own.integers(10, 30)), palette[int(own.integers(0, 6))]
        for y in range(int(top) + 8, int(floor) - 10, step):
            for left in range(int(x) + 6, int(right) - 8, step):
                draw.rectangle((left, y, left + step * 0.5, y + step * 0.6), fill=glass)
        x = right
    draw.rectangle((0, floor, width, height), fill=palette[0])
    return grain(own, picture, 14)


def still_life(family: Random, own: Random, size: tuple[int, int]) -> Picture:
    palette = colours(family, 6)
    width, height = size
    picture = shade(noise(own, size, 0.6) * 0.5 + np.linspace(-1, 1, height)[:, None], palette[1:4])
    for _ in range(int(family.integers(3, 12))):
        cx, cy = near(own, family.uniform(0, 1)) * width, near(own, family.uniform(0.2, 1)) * height
        rx, ry = (own.uniform(0.05, 0.2) * width for _ in range(2))
        box = (cx - rx, cy - ry, cx + rx, cy + ry)
        mask = Image.new("L", size)
        pen = ImageDraw.Draw(mask)
        if own.random() < 0.6:
            pen.ellipse(box, fill=255)
        else:
            turn = own.uniform(0, 360)
            pen.regular_polygon((cx, cy, max(rx, 4)), int(own.integers(3, 7)), rotation=turn, fill=255)
        slope = (np.arange(width)[None, :] - cx) / rx + (np.arange(height)[:, None] - cy) / ry
        light = shade(noise(own, size, 0.6, 5) * 0.4 - slope * 0.8, [palette[i] for i in own.integers(0, 6, 3)])
        picture.paste(light, mask=mask)
    return picture


def portrait(family: Random, own: Random, size: tuple[int, int]) -> Picture:
    palette = colours(family, 6)
    width, height = size
    picture = shade(noise(own, size, 0.5), palette[:4]).filter(ImageFilter.GaussianBlur(4))
    draw = ImageDraw.Draw(picture)
    x, y = near(own, 0.5, 0.08) * width, near(own, 0.4, 0.05) * height
    r = family.uniform(0.12, 0.25) * min(size)
    cloth, skin, hair = (palette[int(i)] for i in own.permutation(6)[:3])
    draw.ellipse((x - r * own.uniform(1.6, 2.4), y + r * 1.1, x + r * own.uniform(1.6, 2.4), y + r * 6), fill=cloth)
    draw.ellipse((x - r * 1.1, y - r * 1.5, x + r * 1.1, y + r * own.uniform(0.4, 1.5)), fill=hair)
    draw.ellipse((x - r * 0.85, y - r, x + r * 0.85, y + r * 1.25), fill=skin)
    for side in (-1, 1):
        draw.ellipse((x + side * r * 0.35 - 4, y - 3, x + side * r * 0.35 + 4, y + 3), fill=(20, 20, 20))
    draw.arc((x - r * 0.3, y + r * 0.4, x + r * 0.3, y + r * 0.8), 10, 170, fill=(90, 20, 20), width=3)
    return grain(own, picture, 18)


def texture(family: Random, own: Random, size: tuple[int, int]) -> Picture:
    palette = colours(family, 5)
    width, height = size
    angle, period = near(own, family.uniform(0, np.pi), 0.25), family.uniform(20, 120) * own.uniform(0.8, 1.25)
    down, across = np.mgrid[:height, :width]
    along = across * np.cos(angle) + down * np.sin(angle) + noise(own, size, 0.5, 5) * own.uniform(4, 40)
    return shade(1.5 * np.sin(along * 2 * np.pi / period) + noise(own, size, 0.7) * 0.5, palette)


def clouds(family: Random, own: Random, size: tuple[int, int]) -> Picture:
    return shade(noise(own, size, family.uniform(0.4, 0.9)) * family.uniform(0.5, 1.2), colours(family, 5))


def page(family: Random, own: Random, size: tuple[int, int]) -> Picture:
    width, height = size
    paper, *inks = colours(family, 4)[::-1]
    picture = shade(noise(own, size, 0.4) * 0.15 + 1, [inks[0], paper, paper])
    draw = ImageDraw.Draw(picture)
    margin, step = family.uniform(0.04, 0.12) * width, int(family.integers(9, 20))
    y = margin
    while y < height - margin:
        if own.random() < 0.12:
            tall = own.uniform(0.1, 0.25) * height
            left = own.uniform(margin, width * 0.6)
            picture.paste(shade(noise(own, (int(width * 0.35), int(tall)), 0.6), colours(own, 4)), (int(left), int(y)))
            y += tall + step
            continue
        x, end = margin, own.uniform(0.5, 1) * (width - margin)
        while x < end:
            word = own.uniform(10, 50)
            draw.rectangle((x, y, min(x + word, end), y + step * 0.45), fill=inks[0])
            x += word + 6
        y += step * (2.2 if own.random() < 0.15 else 1)
    return picture


def grain(random: Random, picture: Picture, strength: float) -> Picture:
    """Lay surface and sensor noise over flat colours."""
    pixels = np.asarray(picture, np.float64) + noise(random, picture.size, 0.85)[:, :, None] * strength
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


SCENES = (landscape, street, still_life, portrait, texture, clouds, page)


def drawn(number: int, seed: int) -> Picture:
    """Draw a picture; those with the same number // FAMILY are a family."""
    family = number // FAMILY
    scene, size = SCENES[family % len(SCENES)], SIZES[family // len(SCENES) % len(SIZES)]
    return scene(np.random.default_rng((seed, family)), np.random.default_rng((seed, family, number)), size)


# --- changes -----------------------------------------------------------------------------------------------------


def encoded(picture: Picture, quality: int) -> Picture:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def resized(picture: Picture, factor: float) -> Picture:
    width, height = picture.size
    return picture.resize((max(round(width * factor), 1), max(round(height * factor), 1)), Image.Resampling.LANCZOS)


def cropped(picture: Picture, left: float, top: float, right: float, bottom: float) -> Picture:
    """Cut shares of the width and height off the four sides."""
    width, height = picture.size
    box = round(width * left), round(height * top), round(width * (1 - right)), round(height * (1 - bottom))
    return picture.crop(box)


def boxed(picture: Picture, area: float) -> Picture:
    """Cover a share of the area with a white box, at a place that depends on the picture."""
    width, height = picture.size
    side = area**0.5
    place = np.random.default_rng(np.asarray(picture.resize((4, 4))).tobytes()[0]).uniform(0, 1 - side, 2)
    left, top = place[0] * width, place[1] * height
    out = picture.copy()
    ImageDraw.Draw(out).rectangle((left, top, left + side * width, top + side * height), fill=(255, 255, 255))
    return out


def watermarked(picture: Picture) -> Picture:
    """Write half-transparent text across the middle and into a corner."""
    width, height = picture.size
    layer = Image.new("RGBA", picture.size, (255, 255, 255, 0))
    draw = ImageDraw.Draw(layer)
    for x, y, size in ((0.5, 0.5, width / 9), (0.8, 0.95, width / 24)):
        draw.text((x * width, y * height), "© EXAMPLE", (255, 255, 255, 140), anchor="mm", font_size=max(size, 4))
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


def blurred(picture: Picture) -> Picture:
    return picture.filter(ImageFilter.GaussianBlur(max(picture.size) / 512 * 3))


CHANGES: dict[str, Callable[[Picture], Picture]] = {
    "JPEG quality 30": lambda p: encoded(p, 30),
    "half size": lambda p: resized(p, 1 / 2),
    "quarter size": lambda p: resized(p, 1 / 4),
    "30 % brighter": lambda p: ImageEnhance.Brightness(p).enhance(1.3),
    "30 % darker": lambda p: ImageEnhance.Brightness(p).enhance(0.7),
    "40 % more contrast": lambda p: ImageEnhance.Contrast(p).enhance(1.4),
    "40 % less contrast": lambda p: ImageEnhance.Contrast(p).enhance(0.6),
    "grey": lambda p: p.convert("L").convert("RGB"),
    "blur": blurred,
    "crop 5 %, off one corner": lambda p: cropped(p, 0.05, 0.05, 0, 0),
    "crop 5 %, each side": lambda p: cropped(p, 0.05, 0.05, 0.05, 0.05),
    "crop 10 %, off one corner": lambda p: cropped(p, 0, 0, 0.1, 0.1),
    "crop 10 %, each side": lambda p: cropped(p, 0.1, 0.1, 0.1, 0.1),
    "turned 3 degrees": lambda p: p.rotate(3, Image.Resampling.BICUBIC),
    "white box, 3 % of area": lambda p: boxed(p, 0.03),
    "black border 5 %": lambda p: ImageOps.expand(p, (round(p.width * 0.05), round(p.height * 0.05)), 0),
    "watermark": watermarked,
    "mirrored (not judged)": ImageOps.mirror,
}


# --- measuring ---------------------------------------------------------------------------------------------------


def prepared(picture: Picture) -> Picture:
    """Fit within 512 px, as vstore does before it embeds."""
    out = picture.copy()
    out.thumbnail((512, 512), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return out


def photographs(folder: Path) -> list[Picture]:
    """Read the pictures under a folder, turned upright and fitted within 1,024 px; what does not decode is passed over.

    Of pictures of one scene only the first is taken (correlation above 0.93 at 16 × 16 grey, and the same shape): which
    of two exposures a dark copy came from is not what is asked here. Plain pictures (deviation below 2 grey levels) are
    left out as well: with a box or a text on it, such a picture is another one.
    """
    taken: list[tuple[Picture, Floats]] = []
    plain = again = 0
    for path in sorted(folder.rglob("*")):
        try:
            with Image.open(path) as opened:
                picture = ImageOps.exif_transpose(opened).convert("RGB")
        except (OSError, SyntaxError, ValueError):
            continue
        picture.thumbnail((1024, 1024), Image.Resampling.LANCZOS)
        small = np.asarray(picture.convert("L").resize((16, 16)), np.float64).ravel()
        if small.std() < 2:
            plain += 1
            continue
        small = (small - small.mean()) / (small.std() + 1)
        if any(
            abs(picture.width / picture.height - other.width / other.height) < 0.05 and np.mean(small * seen) > 0.93
            for other, seen in taken
        ):
            again += 1
            continue
        taken.append((picture, small))
    print(f"{folder}: {len(taken)} pictures taken; left out: {again} second pictures of a scene, {plain} plain ones")
    return [picture for picture, _ in taken]


def bits(picture: Picture) -> np.ndarray[Any, np.dtype[np.float32]]:
    """pHash as 64 signs, so that the inner product orders as Hamming distance does, ties included."""
    return np.where(imagehash.phash(picture).hash.ravel(), 1, -1).astype(np.float32)


def parts_of(samples: list[Picture], count: int, seed: int) -> tuple[list[Picture], list[int]]:
    """Cut windows of 35 to 60 % of the sides out of pictures: the windows, and of which picture each is."""
    random = np.random.default_rng(seed)
    parts, of = [], []
    for number in range(count):
        picture = samples[number % len(samples)]
        share = random.uniform(0.35, 0.6)
        width, height = max(int(picture.width * share), 1), max(int(picture.height * share), 1)
        left, top = random.integers(picture.width - width + 1), random.integers(picture.height - height + 1)
        parts.append(picture.crop((int(left), int(top), int(left) + width, int(top) + height)))
        of.append(number % len(samples))
    return parts, of


def recall(queries: np.ndarray[Any, Any], stored: np.ndarray[Any, Any], of: list[int]) -> float:
    """The share of queries whose own row, the one of the same number, scores strictly higher than every other.

    of: of which query each further row is a part, or -1; a query is not compared with its own parts, which a strong
    crop of it is indeed more like.
    """
    scores = queries @ stored.T
    rows = np.arange(len(queries))
    right = scores[rows, rows].copy()
    scores[rows, rows] = -np.inf
    scores[:, len(queries) :][np.array(of)[None] == rows[:, None]] = -np.inf
    return float(np.mean(right > scores.max(axis=1)))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pictures", type=Path, help="take the samples from this folder instead of drawing them")
    parser.add_argument("--parts", action="store_true", help="cut the distractors out of the pictures of that folder")
    parser.add_argument("--distractors", type=int, default=2000)
    parser.add_argument("--samples", type=int, default=240, help="how many samples to draw, or to take at most")
    parser.add_argument("--seed", type=int, default=SEED)
    args = parser.parse_args()

    of = [-1] * args.distractors
    if args.pictures:
        samples = photographs(args.pictures)[: args.samples]
        if args.parts:
            others, of = parts_of(samples, args.distractors, args.seed)
        else:
            others = [drawn(i, args.seed) for i in range(args.distractors)]
    else:
        # One member of each family is a sample; the others of its family are among the distractors.
        samples = [drawn(i * FAMILY, args.seed) for i in range(args.samples)]
        rest = (i for i in range(args.samples * FAMILY + args.distractors) if i % FAMILY or i >= args.samples * FAMILY)
        others = [drawn(i, args.seed) for _, i in zip(range(args.distractors), rest, strict=False)]
    originals = [prepared(picture) for picture in samples + others]

    embedder = BuiltinEmbedder()
    embedder.embed_images(originals[:8])
    started = time.perf_counter()
    vectors = embedder.embed_images(originals)
    cost = (time.perf_counter() - started) / len(originals)
    hashes = np.stack([bits(picture) for picture in originals])

    kind = "photographs" if args.pictures else "drawn"
    taken = "cut out of them" if args.parts else "drawn"
    print(f"{len(samples)} queries ({kind}), {len(others)} distractors ({taken}); {vectors.shape[1]} dims")
    print(f"{machine()}, numpy {np.__version__}, Pillow {PIL.__version__}")
    print(f"cost of the embedder: {cost * 1000:.2f} ms a prepared picture, one thread\n")
    print(f"{'recall@1 after':28} {'vstore':>7} {'pHash':>7}")
    for name, change in CHANGES.items():
        changed = [prepared(change(picture)) for picture in samples]
        ours = recall(embedder.embed_images(changed), vectors, of)
        theirs = recall(np.stack([bits(picture) for picture in changed]), hashes, of)
        print(f"{name:28} {ours:7.3f} {theirs:7.3f}")


if __name__ == "__main__":
    main()
