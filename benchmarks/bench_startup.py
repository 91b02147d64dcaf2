"""What the quick commands cost as whole processes, against a Python that imports click and does nothing.

    python benchmarks/bench_startup.py

Targets: `snapshot list` and `rollback` at most 1.6 times `python -c "import click"`, the same at 100 and at 100,000
images; they import neither numpy nor faiss nor torch nor a progress library.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from bench_commit import store_of
from measure import VSTORE, imported, in_turn, machine, make_pictures, process, ratio, spread, workplace

HEAVY = ("numpy", "faiss", "torch", "tqdm", "rich", "PIL", "lmdb")
RUNS = 15
SIZES = (100, 100_000)


def main() -> None:
    print(machine())
    with workplace() as top:
        stores = {images: made(top, images) for images in SIZES}
        turns = {images: itertools.cycle(["v1", "v2"]) for images in SIZES}
        sides = {"import click": lambda: process([sys.executable, "-c", "import click"])}
        for images, store in stores.items():
            start = [*VSTORE, "--store", str(store)]
            sides[f"snapshot list, {images:,}"] = lambda start=start: process([*start, "snapshot", "list"])
            sides[f"rollback, {images:,}"] = lambda start=start, turn=turns[images]: process(
                [*start, "rollback", next(turn)]
            )
        found = in_turn(sides, RUNS)
        for name, values in found.items():
            print(f"  {name:24} {spread(values)}")
        for name, values in found.items():
            if name != "import click":
                print(f"{name + ' images':32} / import click: {ratio(values, found['import click'])}   target 1.6")
        few, many = (f"{images:,}" for images in SIZES)
        for name in ("snapshot list", "rollback"):
            grown = ratio(found[f"{name}, {many}"], found[f"{name}, {few}"])
            print(f"{name} at {many} / at {few}: {grown}   target 1")
        for words in (["snapshot", "list"], ["rollback", "v1"]):
            names = imported([*VSTORE, "--store", str(stores[SIZES[-1]]), *words], HEAVY)
            print(f"{' '.join(words)} imports of {', '.join(HEAVY)}: {', '.join(names) or 'none'}   target: none")


def made(top: Path, images: int) -> Path:
    """A store of two snapshots."""
    pictures, store = top / f"pictures-{images}", top / f"store-{images}"
    make_pictures(pictures, images, 100)
    with store_of(store, 8) as opened:
        opened.sync([pictures])
        make_pictures(pictures, 1, 1, 5_000_000)
        opened.sync()
    return store


if __name__ == "__main__":
    main()
