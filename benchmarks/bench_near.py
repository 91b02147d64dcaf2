"""Near-duplicate pairs of a space: all of them, those of a few new pictures, and those of turned pictures.

    python benchmarks/bench_near.py [--rows 100000] [--dim 768] [--new 100] [--runs 3] [--only whole|delta|turned]

All pairs stand beside one product of all rows with all rows, in blocks of float32 whose results are thrown away; those
of new pictures beside a `search_many` of as many through a view that is opened for it. A third of the pictures have two
copies among them.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from measure import Cost, both_times, in_turn, machine, ratio, spread, workplace

from vstore import Store
from vstore.disk.segment_writer import rounded, write_segment
from vstore.embed.builtin import DEFAULT_RECIPE
from vstore.format.recipes import Recipe, space_id
from vstore.format.tree import Tree
from vstore.progress import Stages
from vstore.repository.add_space import add_space
from vstore.repository.create import create_store
from vstore.repository.repository import Repository
from vstore.repository.snapshots import new_snapshot
from vstore.search.pairs import near_pairs

LEAST = 0.85
SEGMENT = 20_000  # rows
BLOCK = 2048


def build(folder: Path, rows: int, recipe: Recipe) -> list[bytes]:
    """Write a store of random vectors, of nine the first three alike. Returns: its keys, as the rows lie."""
    dim = int(recipe["dim"])
    random = np.random.default_rng(0)
    repo = create_store(folder)
    add_space(repo, recipe, "bench")
    space = space_id(recipe)
    keys = [repo.hash.digest(row.to_bytes(8, "little")) for row in range(rows)]
    refs = []
    for begin in range(0, rows, SEGMENT):
        count = min(SEGMENT, rows - begin)
        block = random.standard_normal((count, dim)).astype(np.float32)
        for copy in (1, 2):
            first, later = block[0::9], block[copy::9]
            later[:] = first[: len(later)] + 0.4 * later
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        half = rounded(block, "float16")
        some = keys[begin : begin + count]
        refs.append(write_segment(repo.layout.segments, space, some, [half], dtype="float16", time=0, lock="ingest"))
    with repo.committing("seal"):
        repo.publish("seal", {"segments": repo.state.segments_changed(space, refs)})
    with repo.committing("sync"):
        paths = {b"pictures/%07d.jpg" % row: key for row, key in enumerate(keys)}
        tree = Tree.empty(repo.hash, repo.packs.get).edited(paths)
        snapshot, changes, blobs = new_snapshot(repo, space, tree, rows, None, "")
        repo.publish("sync", changes, blobs=blobs, about=snapshot.name)
    repo.close()
    return keys


def product(folder: Path) -> Callable[[], None]:
    """Multiply all rows with all rows, in blocks."""
    with_rows = Repository(folder)
    (space,) = with_rows.state.spaces
    parts = [with_rows.segment(ref).rows() for ref in with_rows.state.segments(space)]
    every = np.concatenate([np.asarray(part, np.float32) for part in parts])

    def run() -> None:
        for at in range(0, len(every), BLOCK):
            for begin in range(0, len(every), BLOCK):
                every[at : at + BLOCK] @ every[begin : begin + BLOCK].T

    return run


def pairs(folder: Path, keys: list[bytes]) -> Callable[[], object]:
    """Find the pairs of pictures in a process that has the store open, without what earlier ones found."""
    repo = Repository(folder)
    (space,) = repo.state.spaces

    def run() -> None:
        shutil.rmtree(repo.layout.indexes, ignore_errors=True)
        found = near_pairs(repo, space, keys, LEAST, stages=Stages())
        assert len(found.one) > len(keys) // 9

    return run


def whole(rows: int, recipe: Recipe, runs: int, title: str, target: str = "") -> None:
    """All pairs beside a product of all rows with all rows."""
    with workplace() as top:
        keys = build(top / ".vstore", rows, recipe)
        ours, theirs = pairs(top / ".vstore", keys), product(top / ".vstore")
        found = in_turn({"pairs": lambda: both_times(ours), "product": lambda: both_times(theirs)}, runs)
    print(f"{title} of {rows:,} x {recipe['dim']}, {runs} runs")
    told(found, "product", "s", 1, target)


def delta(rows: int, recipe: Recipe, new: int, runs: int) -> None:
    """The pairs of a few new pictures beside as many searches."""
    with workplace() as top:
        folder = top / ".vstore"
        keys = build(folder, rows, recipe)
        old = sorted(keys)[new:]
        repo = Repository(folder)
        (space,) = repo.state.spaces
        near_pairs(repo, space, old, LEAST, stages=Stages())
        kept = shutil.copytree(repo.layout.indexes, top / "kept")
        vectors = np.concatenate([repo.segment(ref).rows() for ref in repo.state.segments(space)])[:new]

        def ours() -> Cost:
            shutil.rmtree(repo.layout.indexes)
            shutil.copytree(kept, repo.layout.indexes)
            fresh = Repository(folder)
            return both_times(lambda: near_pairs(fresh, space, keys, LEAST, stages=Stages()))

        def theirs() -> None:
            with Store(folder) as store, store.view() as view:
                view.search_many(vectors.astype(np.float32), 10)

        found = in_turn({"pairs": ours, "search_many": lambda: both_times(theirs)}, runs)
    print(f"{new} new pictures beside {rows - new:,} x {recipe['dim']}, {runs} runs; stores and views are opened")
    told(found, "search_many", "ms", 1000, "target 2")


def told(found: Mapping[str, list[Cost]], other: str, unit: str, scale: float, target: str) -> None:
    """Print how many times as long as the other side the pairs take, by the clock and by the time of the processors."""
    for name, field in (("wall", 0), ("CPU", 1)):
        sides = {side: [float(cost[field]) for cost in costs] for side, costs in found.items()}
        print(f"  {name}: pairs / {other} {ratio(sides['pairs'], sides[other])}   {target}")
        print("    " + "; ".join(f"{side} {spread(values, unit, scale)}" for side, values in sides.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--new", type=int, default=100)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", choices=["whole", "delta", "turned"])
    args = parser.parse_args()
    recipe: Recipe = {"family": "bench", "name": "bench", "dim": args.dim}
    print(f"{machine()}, numpy {np.__version__}")
    if args.only in (None, "whole"):
        whole(args.rows, recipe, args.runs, "all pairs", "target 2.5")
    if args.only in (None, "delta"):
        delta(args.rows, recipe, args.new, args.runs)
    if args.only in (None, "turned"):
        whole(args.rows, dict(DEFAULT_RECIPE), args.runs, "all pairs in all eight turns")


if __name__ == "__main__":
    main()
