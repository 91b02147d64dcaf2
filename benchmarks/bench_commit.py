"""What a commit of 100 new pictures costs beside embedding, in a store of 1,000 and one of 100,000 pictures.

    python benchmarks/bench_commit.py [--dim 768] [--sizes 1000 100000] [--runs 7] [--base [COMMIT]]

The embedder is fake: 768 numbers from a digest of the pixels. Targets: in one new folder, bytes written within a factor
of 2 between the two sizes; scattered over all folders, at most 5 KB of metadata per changed path at either; the same
number of fsyncs (counted by `strace -f`, LMDB's included); time beyond embedding, from the end of the last batch to the
end of the sync, under 150 ms at both.

Bytes are those that stay (packs and records beside the vectors) and, by strace, all that are written: journal and
catalogue too. With --base: the same commits against those of an older commit (by default the one that `benchmarks/base`
names), 15 pairs by wall and CPU time of the whole process and by time beyond embedding; the lower end of the 95 %
interval of the median ratio is at most 1.05.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import against
from measure import FLUSHES, TOP, WRITES, calls, in_turn, machine, make_pictures, output, spread, workplace

if TYPE_CHECKING:
    from vstore.store import Store

NEW = 100
CASES = ("one new folder", "scattered")


class Cost(NamedTuple):
    """What the commits of one case cost: seconds each; median of bytes that stay beside vectors; bytes written, by
    part of the store, and fsyncs of one that strace looked at."""

    seconds: list[float]
    metadata: int
    written: Counter[str]
    fsyncs: int


def store_of(folder: Path, dim: int, embedder: Any = None) -> Store:
    """Open a store with a fake embedder; make it where there is none."""
    from vstore.store import Store
    from vstore.testing import FakeEmbedder

    fake = embedder or FakeEmbedder(dim=dim)
    if not (folder / "FORMAT").exists():
        Store.init(folder, recipe=fake.recipe)
    return Store(folder, load_embedder=lambda recipe: fake)


def beyond_embedding(store: Path, pictures: Path, dim: int) -> float:
    """Sync, and give the seconds from the end of the last embedding to the end of the run."""
    from vstore.testing import FakeEmbedder

    class Timed(FakeEmbedder):
        ended = 0.0

        def embed_images(self, pictures: Any) -> Any:
            rows = super().embed_images(pictures)
            self.ended = time.perf_counter()
            return rows

    embedder = Timed(dim=dim)
    with store_of(store, dim, embedder) as opened:
        report = opened.sync([pictures])
        done = time.perf_counter()
    assert report.embedded == report.new == NEW and report.snapshot, report
    return done - embedder.ended


class Sync(NamedTuple):
    """A sync of new pictures. cost: of the process. beyond: seconds from its last embedding on."""

    cost: against.Cost
    beyond: float


class Case:
    """A store, and where its next hundred pictures go."""

    def __init__(self, top: Path, size: int, dim: int, sources: Path = TOP) -> None:
        """Make the store from the sources in a folder."""
        self.store, self.pictures = top / f"store-{size}", top / f"pictures-{size}"
        self._dim = dim
        self._sources = sources
        self._next = 1_000_000
        make_pictures(self.pictures, size, 100)
        self._folders = sorted(self.pictures.iterdir())
        time.sleep(2.2)  # so that the second sync finds every stat settled
        against.make(
            f"from bench_commit import store_of\n"
            f"with store_of(Path({str(self.store)!r}), {dim}) as opened:\n"
            f"    opened.sync([{str(self.pictures)!r}])\n"
            f"    opened.sync()",
            sources,
        )

    def add(self, case: str) -> None:
        self._next += NEW
        make_pictures(self.pictures, NEW, NEW, self._next)
        if case == "scattered":
            fresh = self.pictures / f"{self._next // NEW:05d}"
            for i, file in enumerate(sorted(fresh.iterdir())):
                file.rename(self._folders[i * len(self._folders) // NEW] / file.name)
            fresh.rmdir()
        time.sleep(2.2)

    def kept(self) -> int:
        """The bytes of what is written for good."""
        return sum(f.stat().st_size for name in ("refs", "packs", "segments") for f in (self.store / name).iterdir())

    def once(self) -> list[str]:
        script = self._sources / "benchmarks" / "bench_commit.py"
        return [sys.executable, str(script), "--dim", str(self._dim), "--once", str(self.store), str(self.pictures)]

    def sync(self) -> Sync:
        """Take in what `add` added."""
        cost, printed = against.run(self.once(), self._sources)
        return Sync(cost, float(printed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 100_000])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--once", nargs=2, metavar=("STORE", "PICTURES"), help="(used by the benchmark itself)")
    parser.add_argument("--base", nargs="?", const=against.base_commit(), metavar="COMMIT")
    args = parser.parse_args()
    if args.once:
        print(beyond_embedding(Path(args.once[0]), Path(args.once[1]), args.dim))
        return
    if args.base:
        print(machine())
        sys.exit(not against_base(args.sizes, args.dim, args.base))
    vectors = NEW * (args.dim * 2 + 16)
    print(machine())
    print(f"{NEW} new pictures, {args.dim} float16 numbers each ({vectors:,} bytes of vectors and keys)")
    with workplace() as top:
        stores = {size: Case(top, size, args.dim) for size in args.sizes}
        found = {case: measure(stores, case, args.runs, vectors) for case in CASES}
    small, large = args.sizes[0], args.sizes[-1]
    for case, costs in found.items():
        for size, cost in costs.items():
            parts = ", ".join(f"{name} {count:,}" for name, count in cost.written.most_common())
            print(f"{case}, {size:,} pictures: {spread(cost.seconds)} beyond embedding   target 150")
            print(f"    {cost.metadata:,} bytes stay beside the vectors; {cost.fsyncs} fsyncs; written: {parts}")
    one, scattered = found["one new folder"], found["scattered"]
    grown = (one[large].metadata + vectors) / (one[small].metadata + vectors)
    written = one[large].written.total() / max(1, one[small].written.total())
    print(f"one new folder, bytes that stay at {large:,} / at {small:,}: {grown:.2f}x   target 2")
    print(f"one new folder, all bytes written at {large:,} / at {small:,}: {written:.2f}x   target 2")
    for size in args.sizes:
        print(f"scattered at {size:,}: {scattered[size].metadata / NEW:,.0f} bytes per changed path   target 5,000")
    counts = {cost.fsyncs for costs in found.values() for cost in costs.values()}
    print(f"fsyncs: {sorted(counts)}   target: one number")


def against_base(sizes: list[int], dim: int, commit: str) -> bool:
    """Compare with an older commit, each on stores of its own. Returns: whether the target is met."""
    good = True
    with workplace() as top, against.checkout(commit) as old:
        for size in sizes:
            sides = Case(top / "now", size, dim), Case(top / "base", size, dim, old)
            for case in CASES:
                name = f"{case}, {size:,} pictures"
                found = against.in_pairs({name: added(case, *sides)})[name]
                good &= against.report(f"now / {commit[:7]}", {name: [(now.cost, base.cost) for now, base in found]})
                now, base = (spread([pair[side].beyond for pair in found]) for side in (0, 1))
                print(f"    beyond embedding: {now}; {commit[:7]}: {base}")
    return good


def added(case: str, now: Case, base: Case) -> against.Sides[Sync]:
    """Give two sides that each add pictures and sync them."""

    def side(store: Case) -> Sync:
        store.add(case)
        return store.sync()

    return (lambda: side(now)), (lambda: side(base))


def measure(stores: dict[int, Case], case: str, runs: int, vectors: int) -> dict[int, Cost]:
    stay: dict[int, list[int]] = {size: [] for size in stores}

    def side(size: int) -> float:
        store = stores[size]
        store.add(case)
        before = store.kept()
        taken = float(output(store.once()))
        stay[size].append(store.kept() - before - vectors)
        return taken

    seconds = in_turn({str(size): lambda size=size: side(size) for size in stores}, runs)  # type: ignore[misc]
    costs = {}
    for size, store in stores.items():
        store.add(case)
        made = calls(store.once()) or []
        written: Counter[str] = Counter()
        for call in made:
            if call.name in WRITES and f"{store.store}/" in call.text and call.name != "ftruncate":
                written[call.text.partition(f"{store.store}/")[2].partition("/")[0]] += call.result
        flushed = sum(call.name in FLUSHES for call in made)
        costs[size] = Cost(seconds[str(size)], int(statistics.median(stay[size])), written, flushed)
    return costs


if __name__ == "__main__":
    main()
