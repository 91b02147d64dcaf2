"""What does a commit of 1,000 new pictures cost beyond embedding, its part of the index included, at two sizes?

    python benchmarks/bench_index_commit.py [--sizes 100000 1000000] [--dim 768] [--new 1000] [--runs 12] [--at FOLDER]

The stores are those of `large_store.py`, with an index each, as `bench_index.py` keeps them in FOLDER/ROWS with --at;
the new pictures go into copies of them, whose files that are written once are links. Each commit is of a folder of its
own beside the others. The embedder is fake: its vectors are of the store's kind. Seconds are those from the end of the
last embedding to the end of the sync; bytes are those of the files that are new in the store, without its caches.
The index takes new rows in once they have 2 MiB: after every second commit of 1,000 x 768. Targets: 1 s; bytes at the
larger size 1.2 times those at the smaller one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import time
from pathlib import Path
from typing import Any, NamedTuple

from bench_index import place, ready
from large_store import LargeStore
from measure import in_turn, machine, make_pictures, ratio, spread, workplace

from vstore import Store

PARTS = ("refs", "packs", "segments", "indexes")


class Commit(NamedTuple):
    """What a commit took beyond embedding: seconds, seconds of CPU, and bytes of new files by part of the store."""

    seconds: float
    cpu: float
    written: dict[str, int]


class CloudEmbedder:
    """An embedder whose vectors are the next rows of a store's kind."""

    def __init__(self, store: LargeStore, begin: int) -> None:
        self.recipe, self.dim = store.recipe, store.dim
        self.ended = self.used = 0.0
        self._cloud, self._next = store.cloud, begin

    def embed_images(self, pictures: Any) -> Any:
        rows = self._cloud.rows(self._next, self._next + len(pictures))
        self._next += len(pictures)
        self.ended, self.used = time.perf_counter(), time.process_time()
        return rows


class Copy:
    """A copy of a store that pictures are added to."""

    def __init__(self, store: LargeStore, top: Path, new: int) -> None:
        self._store, self._top, self._new = store, top, new
        self._added = 0
        self.folder = top / ".vstore"

        def copied(source: str, target: str) -> None:
            part = Path(source).relative_to(store.folder).parts[0]
            (os.link if part in PARTS else shutil.copy2)(source, target)

        shutil.copytree(store.folder, self.folder, copy_function=copied)
        shutil.copytree(store.query.parent, top / "pictures")

    def add(self) -> Commit:
        """Take in new pictures."""
        first = 10**7 + self._added * self._new  # numbers of pictures: 7 digits and more
        folder = self._top / f"new-{self._added}"
        make_pictures(folder, self._new, self._new, first)
        embedder = CloudEmbedder(self._store, 2 * self._store.rows + self._added * self._new)
        self._added += 1
        before = self._files()
        with Store(self.folder, load_embedder=lambda recipe: embedder) as opened:
            report = opened.sync([folder])
            ended, used = time.perf_counter(), time.process_time()
        assert report.embedded == report.new == self._new and report.snapshot, report
        written = dict.fromkeys(PARTS, 0)
        for name, size in self._files().items():
            if name not in before:
                written[name.split("/")[0]] += size
        return Commit(ended - embedder.ended, used - embedder.used, written)

    def _files(self) -> dict[str, int]:
        found = {}
        for part in PARTS:
            for path in (self.folder / part).rglob("*"):
                if path.is_file():
                    found[str(path.relative_to(self.folder))] = path.stat().st_size
        return found


def told(size: int, commits: list[Commit]) -> None:
    totals = [sum(commit.written.values()) for commit in commits]
    parts = {part: statistics.mean(commit.written[part] for commit in commits) for part in PARTS}
    print(
        f"  at {size:,}: {spread([commit.seconds for commit in commits])} beyond embedding, "
        f"CPU {spread([commit.cpu for commit in commits])}, mean {_mean(commits):.3g} ms   target 1 s"
    )
    print(f"    new files {spread(totals, 'MB', 1e-6)}; means: " + ", ".join(f"{n} {v:,.0f}" for n, v in parts.items()))


def _mean(commits: list[Commit]) -> float:
    return 1000 * statistics.mean(commit.cpu for commit in commits)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs=2, default=[100_000, 1_000_000])
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--new", type=int, default=1_000)
    parser.add_argument("--runs", type=int, default=12)
    parser.add_argument("--at", type=Path, metavar="FOLDER")
    args = parser.parse_args()
    small, large = args.sizes
    print(f"{machine()}; {args.new:,} new pictures, {args.dim} float16 numbers each, {args.runs} runs")
    with place(args.at) as kept, workplace(kept) as top:
        copies = {}
        for size in args.sizes:
            store = ready(kept / str(size), size, args.dim)
            copies[str(size)] = Copy(store, top / str(size), args.new)
        found = in_turn({name: copy.add for name, copy in copies.items()}, args.runs)
    for name, commits in found.items():
        told(int(name), commits)
    means = [statistics.mean(sum(commit.written.values()) for commit in found[str(size)]) for size in args.sizes]
    print(f"  mean bytes at {large:,} / at {small:,}: {means[1] / means[0]:.2f}x   target 1.2")
    seconds = {name: [commit.seconds for commit in commits] for name, commits in found.items()}
    print(f"  seconds at {large:,} / at {small:,}: {ratio(seconds[str(large)], seconds[str(small)])}")
    print(f"load {os.getloadavg()[0]:.1f} after")


if __name__ == "__main__":
    main()
