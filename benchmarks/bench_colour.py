"""What do colour profiles change: in the pixels of a photograph, in its vector, and in the time of reading it?

    python benchmarks/bench_colour.py [--pictures DIR] [--side 512]

Photographs in sRGB are converted into other colours by arithmetic from the published primaries, with 8 bits, and read
back with the profile of these colours ignored and honoured. Printed for each: the difference from the original in mean
ΔE (CIE 1976) and PSNR; the least and the mean cosine of the built-in descriptor's vectors. Then milliseconds of one
thread for each picture: of a profile that is sRGB, of others, and of the first picture with a profile.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from measure import TOP, machine
from PIL import Image, ImageCms

from vstore.embed.builtin import BuiltinEmbedder
from vstore.pictures import icc
from vstore.pictures.profiles import _Transforms, to_srgb

SPACES: dict[str, tuple[icc.Primaries, float | None]] = {
    "Display P3": (icc.DISPLAY_P3, None),
    "Adobe RGB": (icc.ADOBE_RGB, 563 / 256),
    "ProPhoto RGB": (icc.PROPHOTO, 1.8),
    "BT.2020": (icc.BT2020, None),
    "linear sRGB": (icc.BT709, 1.0),
}
REPEATS = 30


def to_light(coded: Any, gamma: float | None) -> Any:
    return coded**gamma if gamma else np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)


def to_code(light: Any, gamma: float | None) -> Any:
    light = np.clip(light, 0, 1)
    if gamma:
        return light ** (1 / gamma)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def to_xyz(primaries: icc.Primaries) -> Any:
    return np.array(icc.colorants(primaries)).T


def converted(picture: Image.Image, primaries: icc.Primaries, gamma: float | None) -> Image.Image:
    """Convert a picture from sRGB."""
    matrix = np.linalg.solve(to_xyz(primaries), to_xyz(icc.BT709))
    light = to_light(np.asarray(picture) / 255, None) @ matrix.T
    return Image.fromarray(np.rint(255 * to_code(light, gamma)).astype(np.uint8))


def lab(picture: Image.Image) -> Any:
    xyz = to_light(np.asarray(picture) / 255, None) @ to_xyz(icc.BT709).T / np.array([0.9642, 1.0, 0.8249])
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / 3 / (6 / 29) ** 2 + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def difference(one: Image.Image, two: Image.Image) -> tuple[float, float]:
    """Compute mean ΔE, and PSNR in decibels."""
    error = np.mean((np.asarray(one).astype(float) - np.asarray(two)) ** 2)
    return float(np.linalg.norm(lab(one) - lab(two), axis=-1).mean()), float(10 * np.log10(255**2 / max(error, 1e-9)))


def compare(pictures: list[Image.Image]) -> None:
    embedder = BuiltinEmbedder()
    originals = embedder.embed_images(pictures)
    for name, (primaries, gamma) in SPACES.items():
        others = [converted(picture, primaries, gamma) for picture in pictures]
        profile = icc.rgb_profile(primaries, gamma)
        for policy, read in (("ignored ", others), ("honoured", [to_srgb(other, profile) for other in others])):
            deltas, decibels = zip(*map(difference, pictures, read), strict=True)
            cosines = (originals * embedder.embed_images(read)).sum(axis=1)
            print(
                f"{name:12} {policy}: ΔE {np.mean(deltas):5.2f}, PSNR {np.mean(decibels):4.1f} dB (least "
                f"{min(decibels):4.1f}), cosine {cosines.mean():.4f} (least {cosines.min():.4f})"
            )


def milliseconds(act: Callable[[], object]) -> float:
    taken = []
    for _ in range(REPEATS):
        began = time.thread_time()
        act()
        taken.append(time.thread_time() - began)
    return 1000 * float(np.median(taken))


def time_them(picture: Image.Image) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    p3, grey = icc.rgb_profile(icc.DISPLAY_P3), icc.grey_profile(1.8)
    cases = {"no profile": (picture, None), "sRGB": (picture, srgb), "Display P3": (picture, p3)}
    cases["grey, gamma 1.8"] = (picture.convert("L"), grey)
    for side in (224, 512):
        for name, (one, profile) in cases.items():
            taken = milliseconds(partial(to_srgb, one.resize((side, side)), profile))
            print(f"{side} px, {name}: {taken:.2f} ms")
    for name, profile in (("sRGB", srgb), ("Display P3", p3)):
        taken = milliseconds(partial(first_transform, profile))
        print(f"first picture with {name}: {taken:.1f} ms")


def first_transform(profile: bytes) -> None:
    _Transforms().of(profile, "RGB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, default=TOP / "examples" / "pictures")
    parser.add_argument("--side", type=int, default=512)
    args = parser.parse_args()
    pictures = []
    for path in sorted(args.pictures.rglob("*.*")):
        with Image.open(path) as opened:
            opened.thumbnail((args.side, args.side))
            pictures.append(opened.convert("RGB"))
    print(machine(), f"{len(pictures)} pictures of {args.side} px", sep="\n")
    compare(pictures)
    time_them(pictures[0])


if __name__ == "__main__":
    main()
