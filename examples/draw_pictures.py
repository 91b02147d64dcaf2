"""Draws the sample pictures of this repository: small scenes that look like something, the same ones every time.

    python examples/draw_pictures.py [FOLDER]

They are drawn at twice their size and scaled down, so that edges are smooth; every scene has a number, from which its
colours and shapes follow. Needs Pillow and numpy, and nothing of vstore.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT = 480, 360
SCALE = 2
W, H = WIDTH * SCALE, HEIGHT * SCALE

Colour = tuple[int, int, int]
Random = np.random.Generator
Scene = Callable[[Random], Image.Image]


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """The colour that lies a share of the way from one to the other."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def gradient(*stops: Colour) -> Image.Image:
    """A canvas whose colours run from top to bottom."""
    at = np.linspace(0, len(stops) - 1, H)
    columns = [np.interp(at, range(len(stops)), [stop[i] for stop in stops]) for i in range(3)]
    strip = np.stack(columns, axis=1).astype(np.uint8)[:, None, :]
    return Image.fromarray(np.broadcast_to(strip, (H, W, 3)).copy())


def glow(canvas: Image.Image, x: float, y: float, radius: float, colour: Colour, strength: float = 0.8) -> None:
    """Light round a point, added to what is there."""
    down, across = np.mgrid[0:H, 0:W]
    fall = np.exp(-((across - x) ** 2 + (down - y) ** 2) / (2 * radius**2))[:, :, None] * strength
    pixels = np.asarray(canvas).astype(np.float64)
    pixels += (np.array(colour) - pixels) * fall
    canvas.paste(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)))


def ridge(random: Random, base: float, height: float, roughness: float) -> list[tuple[float, float]]:
    """The line of hills: midpoint displacement from the left edge to the right."""
    heights = [0.0, 0.0]
    swing = height
    while len(heights) < 200:
        between = [(a + b) / 2 + random.uniform(-swing, swing) for a, b in pairwise(heights)]
        joined = [heights[0]]
        for middle, right in zip(between, heights[1:], strict=True):
            joined += [middle, right]
        heights, swing = joined, swing * roughness
    step = W / (len(heights) - 1)
    return [(i * step, base - value) for i, value in enumerate(heights)]


def hills(canvas: Image.Image, line: list[tuple[float, float]], colour: Colour) -> None:
    ImageDraw.Draw(canvas).polygon([*line, (W, H), (0, H)], fill=colour)


def circle(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, fill: Colour) -> None:
    draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=fill)


def pick(random: Random, colours: list[Colour]) -> Colour:
    return colours[int(random.integers(len(colours)))]


# Scenes


def sunset(random: Random) -> Image.Image:
    low = pick(random, [(255, 170, 80), (255, 140, 100), (250, 190, 110)])
    canvas = gradient(pick(random, [(50, 40, 110), (30, 60, 120), (90, 40, 100)]), (200, 90, 110), low)
    horizon = H * random.uniform(0.55, 0.68)
    x = W * random.uniform(0.25, 0.75)
    glow(canvas, x, horizon - 30, 150, (255, 225, 150))
    draw = ImageDraw.Draw(canvas)
    circle(draw, x, horizon - random.uniform(10, 70), random.uniform(40, 60), (255, 240, 190))
    sea = gradient(mixed(low, (20, 40, 80), 0.35), (15, 30, 65)).crop((0, 0, W, H - int(horizon)))
    canvas.paste(sea.resize((W, H - int(horizon))), (0, int(horizon)))
    for _ in range(90):
        y = random.uniform(horizon + 4, H)
        spread = 30 + (y - horizon) * 0.5
        at = x + random.normal(0, spread * 0.6)
        draw.line([at - spread / 3, y, at + spread / 3, y], fill=mixed(low, (255, 240, 200), 0.5), width=4)
    if random.random() < 0.6:
        at = W * random.uniform(0.1, 0.9)
        draw.polygon([(at, horizon + 20), (at + 90, horizon + 20), (at + 70, horizon + 40), (at + 15, horizon + 40)],
                     fill=(40, 25, 35))  # fmt: skip
        draw.polygon([(at + 40, horizon - 70), (at + 40, horizon + 14), (at + 90, horizon + 14)], fill=(235, 225, 215))
    return canvas


def mountains(random: Random) -> Image.Image:
    canvas = gradient((90, 150, 215), (190, 215, 235), (235, 240, 240))
    tint = pick(random, [(70, 90, 130), (90, 80, 110), (60, 100, 110)])
    for layer in range(4):
        share = layer / 3
        line = ridge(random, H * (0.42 + 0.14 * layer), 190 * (1 - share * 0.6), 0.54)
        hills(canvas, line, mixed(mixed(tint, (220, 228, 236), 0.5), mixed(tint, (15, 35, 25), 0.7), share))
        if layer == 0:
            top = [(x, y + max(0.0, (H * 0.42 - y)) * 0.25) for x, y in line]
            ImageDraw.Draw(canvas).polygon([*line, *reversed(top)], fill=(248, 250, 252))
    return canvas


def forest(random: Random) -> Image.Image:
    canvas = gradient((200, 220, 215), (150, 185, 170), (70, 110, 80))
    draw = ImageDraw.Draw(canvas)
    dark = pick(random, [(20, 60, 40), (35, 70, 30), (25, 50, 55)])
    for layer in range(4):
        base = H * (0.55 + 0.15 * layer)
        colour = mixed((140, 175, 160), dark, (layer + 1) / 4)
        for _ in range(26 - 5 * layer):
            x, tall = random.uniform(-40, W + 40), random.uniform(120, 190) * (0.7 + 0.35 * layer)
            for part in range(4):
                wide = tall * (0.12 + 0.075 * part)
                y = base - tall * (1 - 0.22 * part)
                draw.polygon([(x, y), (x - wide, y + tall * 0.36), (x + wide, y + tall * 0.36)], fill=colour)
            draw.rectangle([x - 5, base - tall * 0.1, x + 5, base + 10], fill=(70, 50, 40))
        draw.rectangle([0, base, W, H], fill=colour)
    return canvas


def desert(random: Random) -> Image.Image:
    canvas = gradient((110, 175, 225), (215, 225, 215))
    draw = ImageDraw.Draw(canvas)
    circle(draw, W * random.uniform(0.15, 0.85), H * 0.18, 44, (255, 248, 220))
    for layer in range(3):
        phase, waves = random.uniform(0, 6), random.uniform(1.0, 2.2)
        line = [(x, H * (0.52 + 0.15 * layer) + 46 * np.sin(x / W * 6.28 * waves + phase)) for x in range(0, W + 1, 8)]
        hills(canvas, line, mixed((238, 200, 140), (190, 120, 70), layer / 2.5))
    for _ in range(4):
        x, y, tall = random.uniform(40, W - 40), H * random.uniform(0.72, 0.92), random.uniform(90, 150)
        green = (60, 110, 70)
        draw.rounded_rectangle([x - 14, y - tall, x + 14, y], 14, fill=green)
        draw.rounded_rectangle([x - 50, y - tall * 0.75, x - 30, y - tall * 0.4], 10, fill=green)
        draw.rounded_rectangle([x - 50, y - tall * 0.5, x, y - tall * 0.38], 8, fill=green)
        draw.rounded_rectangle([x + 30, y - tall * 0.85, x + 50, y - tall * 0.55], 10, fill=green)
        draw.rounded_rectangle([x, y - tall * 0.65, x + 50, y - tall * 0.53], 8, fill=green)
    return canvas


def skyline(random: Random) -> Image.Image:
    canvas = gradient((12, 14, 40), (40, 35, 80), (110, 70, 100))
    draw = ImageDraw.Draw(canvas)
    for _ in range(60):
        circle(draw, random.uniform(0, W), random.uniform(0, H * 0.5), random.uniform(0.8, 2.2), (230, 230, 255))
    circle(draw, W * random.uniform(0.1, 0.9), H * 0.16, 34, (245, 240, 215))
    for layer in range(2):
        x = -30.0
        while x < W:
            wide, tall = random.uniform(60, 120), random.uniform(0.25, 0.62) * H * (1 - 0.25 * layer)
            colour = mixed((50, 45, 80), (16, 16, 30), layer + random.uniform(-0.1, 0))
            draw.rectangle([x, H - tall, x + wide, H], fill=colour)
            if layer:
                for wx in np.arange(x + 10, x + wide - 14, 20):
                    for wy in np.arange(H - tall + 14, H - 20, 28):
                        if random.random() < 0.55:
                            lit = pick(random, [(255, 220, 130), (255, 200, 100), (200, 220, 255)])
                            draw.rectangle([wx, wy, wx + 10, wy + 15], fill=lit)
            x += wide + random.uniform(2, 16)
    return canvas


def street(random: Random) -> Image.Image:
    canvas = gradient((150, 195, 230), (225, 235, 240))
    draw = ImageDraw.Draw(canvas)
    x = 0.0
    while x < W:
        wide, tall = random.uniform(120, 180), random.uniform(0.45, 0.62) * H
        wall = pick(random, [(200, 90, 80), (230, 190, 120), (110, 150, 160), (180, 160, 190), (150, 170, 110)])
        top = H * 0.8 - tall
        draw.rectangle([x, top, x + wide, H * 0.8], fill=wall)
        draw.polygon([(x - 8, top), (x + wide + 8, top), (x + wide / 2, top - 70)], fill=mixed(wall, (50, 30, 30), 0.6))
        for wx in (x + wide * 0.2, x + wide * 0.6):
            for wy in np.arange(top + 30, H * 0.8 - 120, 90):
                draw.rectangle([wx, wy, wx + wide * 0.2, wy + 52], fill=(235, 240, 245), outline=(90, 70, 60), width=3)
        draw.rectangle([x + wide * 0.38, H * 0.8 - 90, x + wide * 0.62, H * 0.8], fill=mixed(wall, (40, 25, 20), 0.7))
        x += wide
    draw.rectangle([0, H * 0.8, W, H], fill=(120, 120, 125))
    for at in range(0, W, 120):
        draw.rectangle([at, H * 0.9, at + 60, H * 0.915], fill=(235, 235, 225))
    at, paint = W * random.uniform(0.15, 0.6), pick(random, [(190, 30, 35), (30, 70, 160), (240, 190, 40)])
    draw.rounded_rectangle([at, H * 0.8, at + 220, H * 0.89], 22, fill=paint)
    draw.polygon([(at + 40, H * 0.8), (at + 75, H * 0.74), (at + 150, H * 0.74), (at + 185, H * 0.8)], fill=paint)
    draw.polygon([(at + 60, H * 0.8), (at + 82, H * 0.753), (at + 143, H * 0.753), (at + 165, H * 0.8)],
                 fill=(200, 225, 240))  # fmt: skip
    for wheel in (at + 50, at + 170):
        circle(draw, wheel, H * 0.89, 24, (30, 30, 32))
        circle(draw, wheel, H * 0.89, 10, (190, 190, 195))
    return canvas


def tulips(random: Random) -> Image.Image:
    canvas = gradient((185, 220, 245), (215, 235, 210), (80, 140, 70))
    draw = ImageDraw.Draw(canvas)
    colours: list[Colour] = [(215, 40, 60), (245, 190, 50), (235, 120, 160), (150, 60, 150), (250, 245, 235)]
    main = pick(random, colours)
    for row in range(5):
        for _ in range(12 - row):
            size = 16 + 11 * row
            x, y = random.uniform(0, W), H * (0.46 + 0.11 * row) + random.uniform(-14, 14)
            draw.line([x, y, x + random.uniform(-8, 8), H], fill=(60, 120, 55), width=3 + row)
            draw.polygon([(x, y + size * 3.4), (x + size * 1.3, y + size), (x + size * 0.3, y + size * 3.4)],
                         fill=(70, 135, 65))  # fmt: skip
            paint = main if random.random() < 0.75 else pick(random, colours)
            draw.pieslice([x - size, y - size, x + size, y + size * 1.4], 0, 180, fill=paint)
            for k in (-1, 0, 1):
                draw.polygon([(x + k * size * 0.62, y - size * 1.2), (x + (k - 0.55) * size * 0.75, y + size * 0.3),
                              (x + (k + 0.55) * size * 0.75, y + size * 0.3)],
                             fill=mixed(paint, (255, 255, 255), 0.12 * (k + 1)))  # fmt: skip
    return canvas


def sunflower(random: Random) -> Image.Image:
    canvas = gradient((70, 140, 215), (170, 210, 240))
    draw = ImageDraw.Draw(canvas)
    x, y, size = W * random.uniform(0.35, 0.65), H * random.uniform(0.38, 0.5), random.uniform(95, 140)
    draw.line([x, y, x + 20, H], fill=(70, 130, 60), width=22)
    draw.ellipse([x + 20, H * 0.75, x + 190, H * 0.88], fill=(80, 145, 65))
    draw.ellipse([x - 170, H * 0.82, x + 10, H * 0.95], fill=(70, 130, 60))
    for ring, colour in ((1.75, (225, 150, 20)), (1.55, (250, 195, 40))):
        for petal in range(22):
            turn = petal * 2 * np.pi / 22 + ring
            tip = (x + np.cos(turn) * size * ring, y + np.sin(turn) * size * ring)
            side = [(x + np.cos(turn + d) * size, y + np.sin(turn + d) * size) for d in (-0.16, 0.16)]
            draw.polygon([side[0], tip, side[1]], fill=colour)
    circle(draw, x, y, size, (95, 55, 25))
    for seed in range(260):
        turn, far = seed * 2.39996, size * 0.95 * np.sqrt(seed / 260)
        circle(draw, x + np.cos(turn) * far, y + np.sin(turn) * far, 4, (60, 32, 14))
    return canvas


def fruit(random: Random) -> Image.Image:
    cloth = pick(random, [(120, 40, 45), (50, 70, 90), (225, 215, 195)])
    canvas = gradient(mixed(cloth, (240, 230, 210), 0.7), mixed(cloth, (200, 185, 160), 0.5))
    draw = ImageDraw.Draw(canvas)
    draw.rectangle([0, H * 0.66, W, H], fill=cloth)
    kinds: list[Colour] = [(200, 35, 40), (240, 140, 30), (120, 175, 60), (245, 210, 70), (110, 40, 90)]
    for _ in range(int(random.integers(7, 11))):
        x, y, size = random.uniform(W * 0.28, W * 0.72), H * random.uniform(0.42, 0.58), random.uniform(46, 66)
        paint = pick(random, kinds)
        circle(draw, x, y, size, mixed(paint, (30, 15, 10), 0.25))
        circle(draw, x - 4, y - 4, size - 6, paint)
        circle(draw, x - size * 0.35, y - size * 0.4, size * 0.2, mixed(paint, (255, 255, 255), 0.65))
        draw.line([x, y - size, x + 8, y - size - 18], fill=(80, 55, 30), width=6)
    bowl = pick(random, [(70, 110, 160), (230, 225, 215), (150, 90, 60)])
    draw.pieslice([W * 0.18, H * 0.24, W * 0.82, H * 0.98], 0, 180, fill=bowl)
    draw.rectangle([W * 0.4, H * 0.95, W * 0.6, H * 0.99], fill=mixed(bowl, (0, 0, 0), 0.3))
    draw.arc([W * 0.18, H * 0.24, W * 0.82, H * 0.98], 20, 160, fill=mixed(bowl, (255, 255, 255), 0.4), width=8)
    return canvas


def cup(random: Random) -> Image.Image:
    table = pick(random, [(150, 105, 70), (95, 65, 50), (200, 170, 130)])
    canvas = gradient((225, 215, 200), (200, 190, 175))
    draw = ImageDraw.Draw(canvas)
    draw.rectangle([0, H * 0.7, W, H], fill=table)
    for y in range(int(H * 0.72), H, 34):
        draw.line([0, y, W, y + 8], fill=mixed(table, (0, 0, 0), 0.15), width=4)
    x, paint = W * random.uniform(0.38, 0.58), pick(random, [(200, 60, 60), (60, 110, 130), (240, 235, 225)])
    draw.ellipse([x - 190, H * 0.76, x + 190, H * 0.88], fill=(235, 232, 225))
    draw.arc([x + 80, H * 0.46, x + 190, H * 0.7], 250, 110, fill=paint, width=26)
    draw.polygon([(x - 130, H * 0.4), (x + 130, H * 0.4), (x + 95, H * 0.82), (x - 95, H * 0.82)], fill=paint)
    draw.ellipse([x - 130, H * 0.36, x + 130, H * 0.44], fill=mixed(paint, (255, 255, 255), 0.3))
    draw.ellipse([x - 112, H * 0.372, x + 112, H * 0.43], fill=(75, 45, 30))
    steam = Image.new("L", (W, H), 0)
    lines = ImageDraw.Draw(steam)
    for k in (-50, 0, 50):
        points = [(x + k + 16 * np.sin(y / 34 + k), y) for y in range(int(H * 0.1), int(H * 0.36), 6)]
        lines.line(points, fill=150, width=16)
    canvas.paste((255, 255, 255), mask=steam.filter(ImageFilter.GaussianBlur(9)))
    return canvas


def cat(random: Random) -> Image.Image:
    back = pick(random, [(130, 165, 160), (205, 175, 150), (165, 150, 190)])
    canvas = gradient(mixed(back, (255, 255, 255), 0.4), back)
    draw = ImageDraw.Draw(canvas)
    fur = pick(random, [(60, 58, 62), (205, 130, 60), (185, 180, 175)])
    x, y, size = W * random.uniform(0.42, 0.58), H * random.uniform(0.44, 0.52), random.uniform(130, 160)
    draw.ellipse([x - size * 1.25, y + size * 0.4, x + size * 1.25, y + size * 3], fill=mixed(fur, (0, 0, 0), 0.12))
    for side in (-1, 1):
        ear = [
            (x + side * size * 0.95, y - size * 0.2),
            (x + side * size * 0.85, y - size * 1.35),
            (x, y - size * 0.75),
        ]
        draw.polygon(ear, fill=fur)
        inner = [(a + (x + side * size * 0.62 - a) * 0.4, b + (y - size * 0.7 - b) * 0.4) for a, b in ear]
        draw.polygon(inner, fill=(225, 160, 160))
    draw.ellipse([x - size * 1.05, y - size * 0.9, x + size * 1.05, y + size * 0.9], fill=fur)
    for stripe in (-0.35, 0, 0.35):
        draw.line([x + size * stripe, y - size * 0.85, x + size * stripe * 0.8, y - size * 0.45],
                  fill=mixed(fur, (0, 0, 0), 0.4), width=14)  # fmt: skip
    iris = pick(random, [(170, 200, 60), (240, 190, 60), (110, 190, 210)])
    for side in (-1, 1):
        eye = x + side * size * 0.42
        draw.ellipse([eye - 32, y - 42, eye + 32, y + 22], fill=iris)
        draw.ellipse([eye - 9, y - 40, eye + 9, y + 20], fill=(15, 15, 15))
        circle(draw, eye + 6, y - 24, 6, (255, 255, 255))
        for lift in (-14, 4, 22):
            draw.line([x + side * 40, y + size * 0.4, x + side * size * 1.25, y + size * 0.36 + lift],
                      fill=mixed(fur, (255, 255, 255), 0.7), width=3)  # fmt: skip
    draw.polygon([(x - 18, y + size * 0.24), (x + 18, y + size * 0.24), (x, y + size * 0.38)], fill=(215, 120, 125))
    draw.arc([x - 44, y + size * 0.3, x, y + size * 0.58], 0, 130, fill=(50, 35, 35), width=5)
    draw.arc([x, y + size * 0.3, x + 44, y + size * 0.58], 50, 180, fill=(50, 35, 35), width=5)
    return canvas


def fish(random: Random) -> Image.Image:
    canvas = gradient((70, 170, 200), (20, 90, 150), (10, 45, 95))
    draw = ImageDraw.Draw(canvas)
    for _ in range(9):
        x, tall = random.uniform(0, W), random.uniform(90, 210)
        points = [(x + 14 * np.sin(k / 2.2), H - tall * k / 12) for k in range(13)]
        draw.line(points, fill=(35, 110, 80), width=12)
    for _ in range(int(random.integers(4, 7))):
        x, y, size = random.uniform(120, W - 120), random.uniform(90, H - 140), random.uniform(50, 95)
        way = 1 if random.random() < 0.5 else -1
        paint = pick(random, [(250, 140, 40), (250, 220, 70), (235, 80, 90), (230, 235, 245)])
        tail = [
            (x - way * size * 0.9, y),
            (x - way * size * 1.7, y - size * 0.6),
            (x - way * size * 1.7, y + size * 0.6),
        ]
        draw.polygon(tail, fill=mixed(paint, (90, 30, 20), 0.3))
        draw.ellipse([x - size, y - size * 0.6, x + size, y + size * 0.6], fill=paint)
        for band in (-0.2, 0.25):
            at = x + way * size * band
            draw.ellipse([at - 10, y - size * 0.52, at + 10, y + size * 0.52], fill=(250, 250, 245))
        circle(draw, x + way * size * 0.62, y - size * 0.14, 10, (255, 255, 255))
        circle(draw, x + way * size * 0.64, y - size * 0.14, 5, (10, 10, 10))
    for _ in range(30):
        x, y, size = random.uniform(0, W), random.uniform(0, H), random.uniform(3, 9)
        draw.ellipse([x - size, y - size, x + size, y + size], outline=(200, 230, 240), width=2)
    return canvas


SCENES: dict[str, tuple[Scene, int]] = {
    "landscapes/sunset": (sunset, 4),
    "landscapes/mountains": (mountains, 3),
    "landscapes/forest": (forest, 3),
    "landscapes/desert": (desert, 2),
    "town/skyline": (skyline, 3),
    "town/street": (street, 3),
    "garden/tulips": (tulips, 3),
    "garden/sunflower": (sunflower, 2),
    "table/fruit": (fruit, 3),
    "table/cup": (cup, 2),
    "animals/cat": (cat, 3),
    "animals/fish": (fish, 3),
}
# Pictures come in many formats; most are JPEG.
ENDINGS = {"table/cup-2": ".png", "animals/fish-3": ".webp"}


def main(folder: Path) -> None:
    for number, (name, (scene, count)) in enumerate(SCENES.items()):
        for which in range(1, count + 1):
            picture = scene(np.random.default_rng([number, which])).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
            stem = f"{name}-{which}"
            path = folder / (stem + ENDINGS.get(stem, ".jpg"))
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".png":
                picture.quantize(128).save(path, optimize=True)
            else:
                picture.save(path, quality=82)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "pictures")
