"""How near a sync with a real model on the CPU comes to what reading and the model cost by themselves.

    python benchmarks/bench_model_ingest.py [--models tiny b32] [--pictures 48] [--runs 7] [--rclip PYTHON]
    python benchmarks/bench_model_ingest.py --base [COMMIT] [--models tiny b32] [--pictures 48]

The models have random weights: how fast a model is does not depend on them. In turn, in one process per model:
  reading   read, hash, decode as the space's recipe says and the processor's part, in as many threads as a sync has;
            nothing is embedded
  model     the model alone, on inputs that are ready, in batches as a sync makes them
  sync      `vstore sync` of an empty store: everything, with the vectors kept and a snapshot written
  plain     the loop that one writes first: PIL, transformers' processor, model, one picture after the other in one
            thread (the model's own products of matrices use all cores in it too)
  fast      reading and sync of a space with `--decode fast`
  rclip     its own indexing, and its own reading alone, with a random model of the same shape, in a Python that has it:
            python3.12 -m venv DIR && DIR/bin/pip install torch==2.13.0 rclip onnx onnxscript; then --rclip
            DIR/bin/python. Targets: reading at 1.0 of its CPU time or less; sync at 1.1 of its rate with the tiny
            model, at 1.0 with a ViT-B/32
Target: sync at 0.90 or more of 1 / (1 / model + 1 / reading), by wall time. The same by CPU time, which tells how much
work is done that neither needs: on a busy machine that ratio is the steadier one. Loading the model is counted in none.

With --base: the same sync, by a process with this checkout and one with an older commit (by default the one that
`benchmarks/base` names), 15 pairs by wall and CPU time; the lower end of the 95 % interval of the median ratio is at
most 1.05.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import against
from measure import RUNS, TOP, in_turn, machine, ratio, workplace
from model_sides import Cost, Side, Sides, cpus, draw_pictures, rclip, show, syncing, walls
from random_models import B32, TINY, save_clip

SHAPES = {"tiny": TINY, "b32": B32}


def compare(top: Path, pictures: Path, name: str, runs: int, python: str | None) -> None:
    save_clip(top / name, SHAPES[name], "cpu")
    sides = Sides(top / f"{name}-stores", pictures, top / name, None, "cpu", "fp32")
    each: dict[str, Side] = {
        "reading": sides.reading,
        "model": sides.model,
        "sync": sides.sync,
        "plain": sides.plain,
    }
    other = None if python is None else rclip(python, top / f"{name}-rclip", pictures, SHAPES[name])
    if other is not None:
        fast = Sides(top / f"{name}-fast", pictures, top / name, None, "cpu", "fp32", {"decode": "fast"})
        each |= {"fast reading": fast.reading, "fast sync": fast.sync}
        each |= {"rclip reading": other.reading, "rclip": other}
    try:
        found = in_turn(each, runs)
    finally:
        if other is not None:
            other.close()
    picture_side = sides.embedder.family.picture_side(sides.embedder.model)
    print(f"{name}, {sum(value.numel() for value in picture_side.parameters()) / 1e6:.1f} M parameters")
    show(found, len(sides.pictures))
    both = [Cost(a.wall + b.wall, a.cpu + b.cpu) for a, b in zip(found["reading"], found["model"], strict=True)]
    share = ratio(walls(both), walls(found["sync"]))
    print(f"  rate of sync / (1 / (1/model + 1/reading)): {share}   target 0.90")
    print(f"  the same by CPU time: {ratio(cpus(both), cpus(found['sync']))}")
    print(f"  plain loop / sync: {ratio(walls(found['plain']), walls(found['sync']))} slower")
    if other is not None:
        print(f"  {other.ready}; its index / sync by wall and CPU time, and reading / its reading by CPU time:")
        for ours in ("", "fast "):
            rate, work = (ratio(by(found["rclip"]), by(found[f"{ours}sync"])) for by in (walls, cpus))
            read = ratio(cpus(found[f"{ours}reading"]), cpus(found["rclip reading"]))
            print(f"    {ours or 'usual '}{rate}, {work}, reading {read}")


def against_base(top: Path, pictures: Path, names: Sequence[str], commit: str) -> bool:
    """Compare with an older commit, each on a store of its own. Returns: whether the target is met."""
    good = True
    with against.checkout(commit) as old:
        for name in names:
            save_clip(top / name, SHAPES[name], "cpu")
            sides = [
                syncing(sources, top / f"{name}-{side}", pictures, top / name)
                for side, sources in (("now", TOP), ("base", old))
            ]
            try:
                found = against.in_pairs({f"sync, {name}": (sides[0], sides[1])})
            finally:
                for side in sides:
                    side.close()
            good &= against.report(f"now / {commit[:7]}", found)
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--pictures", type=int, default=48)
    parser.add_argument("--megapixels", type=float, nargs="+", default=[2.0, 3.0, 4.0])
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--rclip", metavar="PYTHON", help="a Python that has rclip, torch, onnx and onnxscript")
    parser.add_argument("--base", nargs="?", const=against.base_commit(), metavar="COMMIT")
    args = parser.parse_args()
    began = time.perf_counter()
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    print(f"{machine()}, torch {torch.__version__} with {torch.get_num_threads()} threads")
    with workplace() as top:
        pictures = top / "pictures"
        draw_pictures(pictures, args.pictures, args.megapixels)
        sizes = ", ".join(f"{size:g}" for size in args.megapixels)
        if args.base:
            print(f"{args.pictures} JPEG of {sizes} MP")
            sys.exit(not against_base(top, pictures, args.models, args.base))
        print(f"{args.pictures} JPEG of {sizes} MP, {args.runs} runs")
        for name in args.models:
            sys.stdout.flush()
            compare(top, pictures, name, args.runs, args.rclip)
    print(f"all in {time.perf_counter() - began:.0f} s, load {os.getloadavg()[0]:.1f} after")


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `vstore sync` does before torch, which is loaded here
    main()
