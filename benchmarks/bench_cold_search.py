"""What does a search by words cost that finds nothing loaded, and how much of that do torch and transformers take?

    python benchmarks/bench_cold_search.py [--base COMMIT] [--runs 15]

Whole processes, in turn: `vstore search WORDS` with a tiny random CLIP and 20 pictures, by this checkout and by an
older commit (by default the one that `benchmarks/base` names), each on a store of its own; a Python that imports torch
and transformers, which loads little of itself; and one that imports the class of the model too, which is the least that
a search with the model in its own process can cost. Both collect no garbage and end at once, as `vstore search` does.
Beside them a search that finds `vstore model serve` on its store; the CPU time of that process for it counts (in steps
of 10 ms).
The words are other ones each time: vectors of texts are kept. With a model so small the loading of libraries is nearly
all there is. Target: the lower end of the 95 % interval of the median ratio of now and base is at most 1.05, by wall,
CPU and memory.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import against
from measure import TOP, VSTORE, environment, in_turn, machine, make_pictures, workplace

PICTURES = 20
NOW, BASE, SERVED = "now", "base", "beside vstore model serve"
FLOORS = {
    "import torch, transformers": "import torch, transformers",
    "import the model's class": "import torch; from transformers import CLIPModel",
}
ALONE = "import gc, os; gc.disable(); {}; os._exit(0)"


class Spent(NamedTuple):
    """What a process took.

    wall, cpu: seconds.
    peak:      the most memory that was resident, in MiB; not less than that of this process, some 30.
    """

    wall: float
    cpu: float
    peak: float


Side = Callable[[], Spent]


def spent(words: Sequence[str], sources: Path = TOP) -> tuple[Spent, str]:
    """Run a command; Python finds the sources in a folder. Returns: what it took, and its stdout."""
    wall, usage, out = against.observe(words, sources)
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10  # bytes there, KiB elsewhere
    return Spent(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit), out


def store_of(top: Path, model: Path, sources: Path = TOP) -> list[str]:
    """Make a store with the vstore of some sources. Returns: the beginning of commands on it."""
    pictures = top / "pictures"
    make_pictures(pictures, PICTURES, PICTURES, size=(40, 30))
    on_store = [*VSTORE, "--store", str(top / "store")]
    against.process([*on_store, "init", "--model", str(model)], sources)
    against.process([*on_store, "sync", str(pictures)], sources)
    return on_store


def searching(on_store: Sequence[str], sources: Path = TOP) -> Side:
    """Make the side of searches by words that the store has not seen."""
    numbers = itertools.count()

    def search() -> Spent:
        cost, out = spent([*on_store, "search", f"picture {next(numbers)}", "--json"], sources)
        assert len(json.loads(out)["hits"]) == 10, out
        return cost

    return search


def served(on_store: Sequence[str], until: contextlib.ExitStack) -> Side:
    """Make the side of searches beside a process that keeps the model. Its CPU time counts, its memory does not."""
    import psutil

    words = [*on_store, "model", "serve"]
    server = until.enter_context(
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment())
    )
    until.callback(server.terminate)
    assert server.stdout is not None
    said = server.stdout.readline()
    if not said.startswith("Searches in the space"):
        sys.exit(f"{' '.join(words)} said: {said}")
    search, process = searching(on_store), psutil.Process(server.pid)

    def both() -> Spent:
        before = process.cpu_times()
        cost = search()
        after = process.cpu_times()
        return cost._replace(cpu=cost.cpu + after.user + after.system - before.user - before.system)

    return both


def importing(code: str) -> Side:
    """Make the side of a Python that runs some code and ends."""
    return lambda: spent([sys.executable, "-c", ALONE.format(code)])[0]


def sides_of(top: Path, old: Path, until: contextlib.ExitStack) -> dict[str, Side]:
    """Make the sides. until: ends what they started."""
    against.make(f"from vstore.embed.hf.tiny import save_tiny; save_tiny(Path({str(top)!r}))", TOP)
    model = top / "model"
    for side in ("now", "base", "served"):
        (top / side).mkdir()
    return {
        NOW: searching(store_of(top / "now", model)),
        BASE: searching(store_of(top / "base", model, old), old),
        SERVED: served(store_of(top / "served", model), until),
        **{name: importing(code) for name, code in FLOORS.items()},
    }


def report(found: Mapping[str, Sequence[Spent]]) -> bool:
    """Print each side, and now by each of the others, run by run. Returns: whether the target is met."""
    for name, costs in found.items():
        wall, cpu, peak = (statistics.median(getattr(cost, measure) for cost in costs) for measure in Spent._fields)
        print(f"  {name:26} {wall:.2f} s, {cpu:.2f} s of CPU, {peak:.0f} MiB")
    good = True
    for name, costs in found.items():
        if name == NOW:
            continue
        for measure in Spent._fields:
            pairs = zip(found[NOW], costs, strict=True)
            low, middle, high = against.interval([getattr(a, measure) / getattr(b, measure) for a, b in pairs])
            target = f"   target: lower end at most {against.MOST}" if name == BASE else ""
            print(f"now / {name}, {measure}: {middle:.3f}x (95 %: {low:.3f} to {high:.3f}){target}")
            good &= name != BASE or low <= against.MOST
    return good


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default=against.base_commit(), metavar="COMMIT")
    parser.add_argument("--runs", type=int, default=against.PAIRS)
    args = parser.parse_args()
    print(f"{machine()}; base {args.base[:7]}; {args.runs} runs")
    with workplace() as top, against.checkout(args.base) as old, contextlib.ExitStack() as until:
        found = in_turn(sides_of(top, old, until), args.runs)
    good = report(found)
    print(f"load {os.getloadavg()[0]:.1f} after")
    sys.exit(not good)


if __name__ == "__main__":
    main()
