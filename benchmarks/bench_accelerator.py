"""How much of an accelerator a sync with a real model uses, and how long the founding case's new pictures take on it.

    python benchmarks/bench_accelerator.py --model l14            a CLIP with the picture side of ViT-L/14
    python benchmarks/bench_accelerator.py --model qwen2-vl-7b    a Qwen2-VL of 7B with a LoRA adapter
    ... --device cpu --shape small --pictures 12 --runs 1         the same code with toy models, to see that it runs
    python benchmarks/bench_accelerator.py --search [--rows 10000000] [--store DIR]   exact search of vectors
    ... --device cpu --rows 20000 --dim 32 --runs 1                the same code on a few of them

Weights are random, made on the device and written one shard of 2 GiB at a time. The 7B model takes 17 GB of disk and,
as vstore merges adapters in fp32 before it takes a model to the device, 31 GB of the machine's own memory.
In turn: the model alone on inputs that are ready, and `vstore sync` of an empty store, whole, of pictures of 512 px (a
little more, so that they are resized too; --megapixels 3 for camera files, where decoding may be the limit). Printed:
  pictures per second from end to end, and their share of the model-only rate;
  their share of the chip's matrix rate: the operations that a picture takes, counted from the model's shapes as two for
  each multiplication of a matrix product, attention unmasked (random_models.py), over what one large product in
  the compute dtype reaches here in the same run;
  how long 2,086 new pictures take, which took 15 to 20 minutes in the case that vstore was made for, without and with
  the loading of the model.
Of --search: one query and each of 64, of all vectors, half of them and one in a hundred, on the device beside faiss on
the CPU; whether the answers are the same, bit for bit (else it exits with 1); how fast the device reads the vectors.
The store is that of large_store.py; --store names a folder for it, which stays and is built once: 15 GB for 10,000,000.
Where there is no such device it says so and exits with 1.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from measure import in_turn, machine, ratio, workplace
from model_sides import Side, Sides, draw_pictures, show, walls
from random_models import L14, QWEN_7B, QWEN_TINY, TINY, QwenVL, Vit, save_clip, save_qwen

FOUNDING = 2_086  # new pictures of the run that vstore was founded on; they took 15 to 20 minutes
SHAPES: dict[str, dict[str, Vit | QwenVL]] = {
    "full": {"l14": L14, "qwen2-vl-7b": QWEN_7B},
    "small": {"l14": TINY, "qwen2-vl-7b": QWEN_TINY},
}


def waiting_for(device: str) -> Callable[[], None]:
    """Return a function to wait until a device is idle."""
    import torch

    return torch.accelerator.synchronize if device != "cpu" else lambda: None


def matrix_rate(device: str, compute: str) -> float:
    """Operations per second of products of large square matrices in the dtype that the model computes in."""
    import torch

    side, times = (1024, 3) if device == "cpu" else (8192, 50)
    wait = waiting_for(device)
    dtype = torch.bfloat16 if compute == "bf16" else torch.float32
    one, other = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    found = []
    for _ in range(4):  # the first warms up
        wait()
        began = time.perf_counter()
        for _ in range(times):
            torch.mm(one, other)
        wait()
        found.append(times * 2 * side**3 / (time.perf_counter() - began))
    return max(found[1:])


def operations(shape: Vit | QwenVL, inputs: list[dict[str, object]]) -> float:
    """Operations of a picture: where its size counts, the mean of those that are held."""
    if isinstance(shape, Vit):
        return float(shape.operations())
    return statistics.fmean(shape.operations(len(one["pixels"]), len(one["ids"])) for one in inputs)  # type: ignore[arg-type]


def measure(top: Path, name: str, shape: Vit | QwenVL, pictures: Path, device: str, compute: str, runs: int) -> None:
    adapter = None
    began = time.perf_counter()
    if isinstance(shape, Vit):
        save_clip(top / name, shape, device)
    else:
        adapter = save_qwen(top / name, shape, device)
    made = time.perf_counter() - began
    sides = Sides(top / "stores", pictures, top / name, adapter, device, compute)
    parameters = sum(value.numel() for value in sides.embedder.model.parameters()) / 1e6
    work, peak = operations(shape, sides.inputs), matrix_rate(device, compute)
    print(f"{name}: {parameters:,.4g} million parameters in {compute}, {'no' if adapter is None else 'a LoRA'} adapter")
    print(f"  made and written in {made:.0f} s, loaded in {sides.loading:.1f} s; {work / 1e9:.4g} GFLOP a picture")
    each: dict[str, Side] = {"reading": sides.reading, "model": sides.model, "sync": sides.sync}
    found = in_turn(each, runs)
    count = len(sides.pictures)
    show(found, count)
    rates = [count / cost.wall for cost in found["sync"]]
    rate = statistics.median(rates)
    print(f"{name}: {rate:.1f} pictures/s ({min(rates):.1f} to {max(rates):.1f}) from end to end,")
    print(f"  {ratio(walls(found['model']), walls(found['sync']))} of the model-only rate,")
    print(f"  {rate * work / peak:.2f} of the {peak / 1e12:.3g} TFLOP/s that a large {compute} product reaches here")
    print(
        f"  {FOUNDING:,} new pictures: {clock(FOUNDING / rate)}, with loading {clock(FOUNDING / rate + sides.loading)}"
        " (were: 15 to 20 min)"
    )


def clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", choices=list(SHAPES["full"]))
    what.add_argument("--search", action="store_true", help="exact search of vectors, instead of a model")
    parser.add_argument("--rows", type=int, default=1_000_000, help="of --search")
    parser.add_argument("--dim", type=int, default=768, help="of --search")
    parser.add_argument("--store", type=Path, help="of --search: a folder for the store")
    parser.add_argument("--shape", default="full", choices=list(SHAPES))
    parser.add_argument("--device", default="cuda", choices=["cuda", "mps", "cpu"], help="cpu: with --shape small")
    parser.add_argument("--compute", default="bf16", choices=["bf16", "fp32"])
    parser.add_argument("--pictures", type=int, default=FOUNDING)
    parser.add_argument("--megapixels", type=float, nargs="+", default=[0.176])  # 513 × 342
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    if args.model and args.device == "cpu" and args.shape == "full":
        sys.exit("models of this size are for an accelerator; with --device cpu add --shape small")
    import torch

    if args.device != "cpu":
        there = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        if there is None or there.type != args.device:
            sys.exit(f"there is no {args.device} here, so nothing was measured")
    chip = torch.cuda.get_device_name() if args.device == "cuda" else platform.machine()
    print(f"{machine()}, torch {torch.__version__} on {args.device} ({chip})")
    if args.search:
        from device_search import measure_search

        with nullcontext(args.store) if args.store else workplace() as top:
            wait = waiting_for(args.device)
            is_same = measure_search(top, args.rows, args.dim, args.device, args.runs, torch=torch, wait=wait)
        if not is_same:
            sys.exit("the device did not give the answers of the CPU")
        return
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    with workplace() as top:
        draw_pictures(top / "pictures", args.pictures, args.megapixels)
        sizes = ", ".join(f"{size:g}" for size in args.megapixels)
        print(f"{args.pictures} JPEG of {sizes} MP, {args.runs} runs")
        sys.stdout.flush()
        shape = SHAPES[args.shape][args.model]
        measure(top, args.model, shape, top / "pictures", args.device, args.compute, args.runs)


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as `vstore sync` does before torch, which is loaded here
    main()
