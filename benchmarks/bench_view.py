"""Searches through a view beside the bare scan of the same rows, and many queries beside plain numpy, in one process.

    python benchmarks/bench_view.py [--rows 29104 --dim 3584] [--runs 7] [--only warm|overhead|many]

The bare scan is faiss on the mapped segments and nothing else: with one thread, with all threads of OpenMP, and with
the segments spread over threads; the fastest of the three counts. numpy maps the same rows, makes blocks of float32,
multiplies, and finds the best of each block with argpartition (two sizes of blocks; the faster one counts).
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from bench_search import build
from measure import RUNS, in_turn, machine, ratio, spread, workplace

from vstore import Operand, Store, View
from vstore.packages import faiss_module
from vstore.search.index import Index

OVERHEAD = (30_000, 1_000_000)  # pictures, of 64 dimensions: there the scan hides little
MANY = (1_000, 100_000, 768)  # queries, pictures, dimensions
K = 10


class Bare:
    """The segments of a view, as faiss alone has them."""

    def __init__(self, view: View) -> None:
        faiss = faiss_module()
        self._segments = view._now.rows._segments
        self._indexes = [faiss.read_index(str(one.path), faiss.IO_FLAG_MMAP_IFC) for one in self._segments]
        self._pool = ThreadPoolExecutor(os.cpu_count())

    def scan(self, query: Any, threads: int) -> None:
        """Scan one segment after another."""
        faiss_module().omp_set_num_threads(threads)
        for index in self._indexes:
            index.search(query, K)

    def spread(self, query: Any) -> None:
        """Scan the segments in threads that are kept."""

        def one(index: Any) -> None:
            faiss_module().omp_set_num_threads(1)
            index.search(query, K)

        list(self._pool.map(one, self._indexes))

    def sides(self, query: Any) -> dict[str, Callable[[], None]]:
        cores = os.cpu_count() or 1
        return {
            "faiss, 1 thread": lambda: self.scan(query, 1),
            f"faiss, {cores} threads": lambda: self.scan(query, cores),
            "faiss, segments in threads": lambda: self.spread(query),
        }

    def many(self, queries: Any, block: int) -> Any:
        """Find the nearest rows of many queries with numpy. Returns: int64 (n, K), in no order."""
        values, places, first = [], [], 0
        for segment in self._segments:
            rows = segment.rows()
            for begin in range(0, len(rows), block):
                scores = queries @ rows[begin : begin + block].astype(np.float32).T
                some = min(K, scores.shape[1])
                best = np.argpartition(-scores, some - 1, axis=1)[:, :some]
                values.append(np.take_along_axis(scores, best, axis=1))
                places.append(best + first + begin)
            first += len(rows)
        every, rows_of = np.concatenate(values, axis=1), np.concatenate(places, axis=1)
        return np.take_along_axis(rows_of, np.argpartition(-every, K - 1, axis=1)[:, :K], axis=1)


def seconds(work: Callable[[], object]) -> Callable[[], float]:
    def run() -> float:
        begin = time.perf_counter()
        work()
        return time.perf_counter() - begin

    return run


def fastest(found: Mapping[str, list[float]], but: str) -> str:
    return min((name for name in found if name != but), key=lambda name: median(found[name]))


def warm(folder: Path, runs: int, target: str) -> None:
    """One query through a view beside the bare scan."""
    query = np.load(folder / "query.npy")[None]
    with Store(folder / ".vstore") as store, store.view() as view:
        bare = Bare(view)
        operand = Operand(1.0, image=bytes(folder / "pictures" / "query.jpg"))
        found = in_turn(
            {
                "view.search": seconds(lambda: view.search(operand, k=K)),
                "store.search": seconds(lambda: store.search(operand, k=K)),
                **{name: seconds(work) for name, work in bare.sides(query).items()},
            },
            runs,
        )
        own = cpu_overhead(view, operand)
    opened = found.pop("store.search")
    best = fastest(found, "view.search")
    difference = median(found["view.search"]) - median(found[best])
    print(f"  view.search / {best}: {ratio(found['view.search'], found[best])}   target {target}")
    print(f"  difference of medians {difference * 1000:.2f} ms; CPU time of its own thread beside the scan: {own}")
    print("  " + "; ".join(f"{name} {spread(values)}" for name, values in {**found, "store.search": opened}.items()))


def cpu_overhead(view: View, operand: Operand, times: int = 50) -> str:
    """CPU time of the thread that asks, less what it scans itself."""
    scan, scanned, asking = Index._search, [0.0], threading.get_ident()

    def noting(*args: Any) -> Any:
        begin = time.thread_time()
        found = scan(*args)
        if threading.get_ident() == asking:
            scanned[0] += time.thread_time() - begin
        return found

    found = []
    Index._search = noting  # type: ignore[method-assign]
    try:
        for _ in range(times):
            begin, scanned[0] = time.thread_time(), 0.0
            view.search(operand, k=K)
            found.append(time.thread_time() - begin - scanned[0])
    finally:
        Index._search = scan  # type: ignore[method-assign]
    return spread(found)


def many(folder: Path, runs: int) -> None:
    """Many queries through a view beside numpy."""
    count, rows, dim = MANY
    random = np.random.default_rng(1)
    plain = np.load(folder / "plain.npy", mmap_mode="r")
    queries = plain[random.integers(0, rows, count)] + 0.03 * random.standard_normal((count, dim)).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    with Store(folder / ".vstore") as store, store.view() as view:
        bare = Bare(view)
        keys = [[hit.key for hit in report.hits] for report in view.search_many(queries, K)]
        index = view._now.rows
        for ours, theirs in zip(keys, bare.many(queries, 4096).tolist(), strict=True):
            assert len({*ours} & {index.key(row) for row in theirs}) >= K - 1  # it orders equals as it likes
        found = in_turn(
            {
                "search_many": seconds(lambda: view.search_many(queries, K)),
                **{f"numpy, blocks of {size}": seconds(lambda s=size: bare.many(queries, s)) for size in (4096, 16384)},  # type: ignore[misc]
                "a loop over search": seconds(lambda: [view.search(Operand(1.0, vector=row)) for row in queries[:50]]),
            },
            runs,
        )
    loop = [value * count / 50 for value in found.pop("a loop over search")]
    best = fastest(found, "search_many")
    print(f"{count:,} queries at {rows:,} x {dim}, k = {K}")
    print(f"  speed of search_many / {best}: {ratio(found[best], found['search_many'])}   target 0.8")
    print("  " + "; ".join(f"{name} {spread(values)}" for name, values in found.items()))
    print(f"  a loop over search (from 50 of them) / search_many: {ratio(loop, found['search_many'])}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=29_104)
    parser.add_argument("--dim", type=int, default=3584)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--only", choices=["warm", "overhead", "many"])
    args = parser.parse_args()
    print(f"{machine()}, numpy {np.__version__}, faiss {faiss_module().__version__}")
    parts: list[tuple[str, int, int, str]] = [("warm", args.rows, args.dim, "1.15")]
    parts += [("overhead", rows, 64, "1 ms of difference") for rows in OVERHEAD]
    for part, rows, dim, target in parts:
        if args.only in (None, part):
            with workplace() as folder:
                build(folder, rows, dim)
                print(f"a query at {rows:,} x {dim}, k = {K}, {args.runs} runs")
                warm(folder, args.runs, target)
    if args.only in (None, "many"):
        with workplace() as folder:
            build(folder, *MANY[1:])
            many(folder, args.runs)


if __name__ == "__main__":
    main()
