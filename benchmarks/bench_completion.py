"""What a TAB costs, as a whole process, against a Python that imports click and does nothing.

    python benchmarks/bench_completion.py [--snapshots 10 5000]

Targets: each at most 100 ms, and 1.6 times `python -c "import click"`, at 10 and at 5,000 snapshots; no numpy, faiss,
torch or PIL.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys

from bench_snapshots import Store
from measure import VSTORE, both_times, imported, in_turn, machine, process, ratio, spread, workplace

HEAVY = ("numpy", "faiss", "torch", "tqdm", "rich", "PIL", "lmdb")
RUNS = 15
LINES = (
    "vstore s",
    "vstore snapshot s",
    "vstore rollback ",
    "vstore rollback v",
    "vstore search --at v12",
    "vstore ls ",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--snapshots", type=int, nargs="+", default=[10, 5_000])
    args = parser.parse_args()
    print(machine())
    with workplace() as top:
        stores = {count: Store(top / str(count), 20, count) for count in args.snapshots}
        sides = {"import click": lambda: both_times(lambda: process([sys.executable, "-c", "import click"]))}
        for count, store in stores.items():
            for line in LINES:
                words = tab(store, line)
                sides[f"{line!r}, {count:,} snapshots"] = lambda words=words: both_times(lambda: process(words))
        found = in_turn(sides, RUNS)
        walls = {name: [both.wall for both in values] for name, values in found.items()}
        cpus = {name: [both.cpu for both in values] for name, values in found.items()}
        for name in sides:
            print(f"  {name:45} {spread(walls[name])}, CPU {spread(cpus[name])}")
        for name in sides:
            if name != "import click":
                shown = [ratio(times[name], times["import click"]) for times in (walls, cpus)]
                print(f"{name:45} / import click: {shown[0]}, CPU {shown[1]}   target 1.6")
        _, *told = tab(stores[args.snapshots[-1]], "vstore rollback ")
        os.environ.update(one.split("=", 1) for one in told[:3])
        names = imported(told[3:], HEAVY)
        print(f"imports of {', '.join(HEAVY)}: {', '.join(names) or 'none'}   target: none")


def tab(store: Store, line: str) -> list[str]:
    """Give the command that a shell runs at TAB. line: what is typed; the store is named in it."""
    program, _, rest = line.partition(" ")
    typed = f"{program} --store {shlex.quote(str(store.folder))} {rest}"
    return [
        "env",
        "_VSTORE_COMPLETE=bash_complete",
        f"COMP_LINE={typed}",
        f"COMP_WORD={rest.rpartition(' ')[2]}",
        *VSTORE,
    ]


if __name__ == "__main__":
    main()
