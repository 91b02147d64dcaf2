"""How fast new pictures are taken in with the built-in embedder, and in how much memory.

    python benchmarks/bench_ingest.py [--pictures 200] [--megapixels 3] [--memory 2000 20000]

Targets: at least 0.9 of the rate that two independent processes reach together in the same run (each reads, hashes,
decodes and embeds half of the pictures, with nothing kept), median of seven; anonymous memory flat between 2,000 and
20,000 pictures (of 640 × 480: small ones would be no load on the memory in which pictures are decoded).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from measure import VSTORE, environment, in_turn, machine, make_pictures, output, ratio, spread, timed, workplace

ALONE = """
import sys
from pathlib import Path
from vstore.embed.builtin import BuiltinEmbedder
from vstore.format.hashing import store_hash
from vstore.pictures.decoding import prepare
from vstore.pictures.preparation import Preparation
embedder, digest, preparation = BuiltinEmbedder(), store_hash("xxh3_128").digest, Preparation()
paths, batch, rows = sorted(Path(sys.argv[1]).rglob("*.jpg"))[int(sys.argv[2])::int(sys.argv[3])], [], 0
for path in paths:
    data = path.read_bytes()
    digest(data)
    batch.append(prepare(data, preparation)[0])
    if len(batch) == 16:
        rows += len(embedder.embed_images(batch))
        batch = []
rows += len(embedder.embed_images(batch))
assert rows == len(paths)
"""
MEMORY = """
import sys, threading, time
from vstore_cli.main import run
peak = 0
def look():
    global peak
    while True:
        for line in open("/proc/self/status"):
            if line.startswith("RssAnon"):
                peak = max(peak, int(line.split()[1]))
        time.sleep(0.01)
threading.Thread(target=look, daemon=True).start()
run(["--store", sys.argv[1], "sync", sys.argv[2], "-q"])
print(peak)
"""


def draw(folder: Path, count: int, megapixels: float) -> None:
    """Draw camera-like JPEG files: 1/f texture, gradients, noise."""
    import numpy as np
    from PIL import Image

    folder.mkdir(parents=True)
    height = int((megapixels * 1e6 / 1.5) ** 0.5)
    width = height * 3 // 2
    chance = np.random.default_rng(0)
    layers = [
        np.asarray(
            Image.fromarray(chance.integers(0, 255, (height // s + 1, width // s + 1, 3), dtype=np.uint8)).resize(
                (width, height)
            )
        )
        for s in (400, 100, 25, 6)
    ]
    texture = sum(w * layer.astype(np.float32) for w, layer in zip((0.5, 0.25, 0.15, 0.1), layers, strict=True))
    for number in range(count):
        shifted = np.roll(texture, (number * 37 % height, number * 101 % width), (0, 1))
        Image.fromarray(shifted.clip(0, 255).astype(np.uint8)).save(folder / f"{number:06d}.jpg", quality=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--megapixels", type=float, default=3.0)
    parser.add_argument("--memory", type=int, nargs="*", default=[2_000, 20_000])
    args = parser.parse_args()
    print(machine())
    with workplace() as top:
        if args.pictures:
            rates(top, args.pictures, args.megapixels)
        memory(top, args.memory)


def rates(top: Path, count: int, megapixels: float) -> None:
    pictures, store = top / "pictures", top / "store"
    draw(pictures, count, megapixels)

    def vstore() -> float:
        shutil.rmtree(store, ignore_errors=True)
        output([*VSTORE, "--store", str(store), "init"])
        words = [*VSTORE, "--store", str(store), "sync", str(pictures), "--json"]
        done: list[str] = []
        taken = timed(lambda: done.append(output(words)))
        assert json.loads(done[0])["embedded"] == count
        return taken

    def alone() -> float:
        def work() -> None:
            words = [sys.executable, "-c", ALONE, str(pictures)]
            parts = [subprocess.Popen([*words, str(i), "2"], env=environment()) for i in range(2)]
            assert not sum(part.wait() for part in parts)

        return timed(work)

    found = in_turn({"two independent processes": alone, "vstore sync": vstore})
    print(f"{count} JPEG of {megapixels} MP, whole processes")
    for name, values in found.items():
        print(f"  {name:26} {spread(values, 's', 1)}, {count / sorted(values)[len(values) // 2]:.1f} pictures/s")
    print(
        "rate of vstore / two processes: "
        f"{ratio(found['two independent processes'], found['vstore sync'])}   target 0.9"
    )


def memory(top: Path, sizes: list[int]) -> None:
    peaks = []
    for count in sizes:
        pictures, store = top / f"pictures-{count}", top / f"store-{count}"
        make_pictures(pictures, count, 500, size=(640, 480))
        output([*VSTORE, "--store", str(store), "init"])
        peaks.append(int(output([sys.executable, "-c", MEMORY, str(store), str(pictures)]).split()[-1]) / 1024)
        print(f"  {count:>6,} new pictures: {peaks[-1]:.1f} MiB of anonymous memory at most")
    if len(peaks) > 1:
        more = (peaks[-1] - peaks[0]) * (1 << 20) / (sizes[-1] - sizes[0])
        print(f"memory at {sizes[-1]:,} / at {sizes[0]:,}: {peaks[-1] / peaks[0]:.2f}x, {more:.0f} bytes a picture")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
