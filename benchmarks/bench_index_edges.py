"""What do near-duplicates cost through the approximate index, beside the neighbours of all rows by `search_many`?

    python benchmarks/bench_index_edges.py [--rows 100000] [--dim 768] [--near 0.95] [--at FOLDER] [--exact]

In one process after the other, on copies of one store: all pairs of its newest snapshot that reach a score, as
`vstore dupes --near` finds them; `View.search_many` with the row of each picture as query; and then a delta: the pairs
of all but 1,000 pictures are kept, and those are compared. --exact also compares all pairs without the index. The long
form is --rows 1000000: some 20 minutes. Targets: the pairs take at most 2.0 times the neighbours; a delta 5 s.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

import against
from against import Cost
from bench_index import place, ready
from measure import machine

DELTA = 1000
PAIRS = """
import sys
from vstore.progress import Stages
from vstore.repository.repository import Repository
from vstore.search.key_paths import key_paths
from vstore.search.pairs import near_pairs

folder, near, left, exact = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "exact"
repo = Repository(folder)
snapshot = repo.state.current_snapshot
keys = list(key_paths(repo, snapshot, repo.tree(snapshot)))
found = near_pairs(repo, snapshot.space, keys[: len(keys) - left], near, stages=Stages(), exact=exact)
print(len(found.one), found.is_exact)
"""
NEIGHBOURS = """
import sys
from vstore import Store

with Store(sys.argv[1]) as store, store.view() as view:
    keys = list(view)
    for at in range(0, len(keys), 4096):
        view.search_many([[key] for key in keys[at : at + 4096]])
"""


def cost(code: str, *words: object) -> Cost:
    """Run a script on a store; print what it prints."""
    found, said = against.run([sys.executable, "-c", code, *map(str, words)], Path(__file__).resolve().parent.parent)
    if said.strip():
        count, is_exact = said.split()
        print(f"    {int(count):,} pairs, {'all compared' if is_exact == 'True' else 'chosen by the index'}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--near", type=float, default=0.95)
    parser.add_argument("--at", type=Path, metavar="FOLDER")
    parser.add_argument("--exact", action="store_true")
    args = parser.parse_args()
    print(f"{machine()}; {args.rows:,} x {args.dim}, score {args.near:g}")
    with place(args.at) as top, tempfile.TemporaryDirectory(dir=top) as work:
        store = ready(top, args.rows, args.dim)

        def copy() -> Path:
            folder = Path(tempfile.mkdtemp(dir=work)) / ".vstore"
            shutil.copytree(store.folder, folder, copy_function=os.link)
            return folder

        pairs = cost(PAIRS, copy(), args.near, 0, "")
        neighbours = cost(NEIGHBOURS, copy())
        print(
            f"  all pairs / neighbours of all: wall {pairs.wall / neighbours.wall:.2f}x, CPU "
            f"{pairs.cpu / neighbours.cpu:.2f}x: {pairs.wall:.0f} s beside {neighbours.wall:.0f} s   target 2.0"
        )
        grown = copy()
        cost(PAIRS, grown, args.near, DELTA, "")
        delta = cost(PAIRS, grown, args.near, 0, "")
        again = cost(PAIRS, grown, args.near, 0, "")
        print(
            f"  a delta of {DELTA:,}: {delta.wall:.1f} s (CPU {delta.cpu:.1f} s); without news {again.wall:.1f} s   "
            "target 5 s"
        )
        if args.exact:
            exact = cost(PAIRS, copy(), args.near, 0, "exact")
            print(f"  all pairs exactly: {exact.wall:.0f} s, CPU {exact.cpu:.0f} s")
    print(f"load {os.getloadavg()[0]:.1f} after")


if __name__ == "__main__":
    main()
