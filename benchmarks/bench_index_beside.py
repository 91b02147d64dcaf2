"""The approximate index beside LanceDB, hnswlib and usearch: recall, time of a query, bytes, and building.

    python benchmarks/bench_index_beside.py --venv PYTHON [--rows 300000] [--dim 768] [--at FOLDER] [--queries 200]
                                            [--runs 7] [--only NAME ...]

PYTHON has numpy and those of lancedb, hnswlib and usearch that are to be compared. All sides hold the same rows, and
are asked the same vectors, one at a time, in turn, each in a process that stays; each with the least effort that finds
0.97 of the ten nearest. vstore also keeps paths and keys, and answers with paths. Bytes are those of all files, rows
included: float16 in vstore and usearch, float32 in the others. With --at, what was built stays.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from bench_index import WANTED, K, build_index, each, keys_of, place, queries_of, recall, size_of
from large_store import LargeStore
from measure import RUNS, in_turn, machine, ratio, spread

from vstore import Operand, Store
from vstore.packages import faiss_module

SIDES = ("hnswlib", "usearch", "lancedb")


class Other(NamedTuple):
    """Another library in its process, and what it said."""

    process: subprocess.Popen[str]
    about: dict[str, Any]

    def ask(self, what: str = "ask") -> list[float]:
        """Let it ask all queries, commit, or ask an old version. Returns: seconds of each; none if it cannot."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        return [value / 1000 for value in json.loads(self.process.stdout.readline())]


def lay_out(store: LargeStore, folder: Path, count: int) -> Any:
    """Write the rows of the store, the queries and their exact answers. Returns: the answers, as rows."""
    queries = queries_of(store, count)
    np.save(folder / "queries.npy", queries)
    kept = folder / "rows.f32"
    if not kept.exists() or kept.stat().st_size != 4 * store.rows * store.dim:
        with kept.open("wb") as file:
            for block in store.cloud.blocks(0, store.rows):
                file.write(block.astype(np.float16).astype(np.float32).tobytes())
    rows = np.memmap(kept, np.float32, "r").reshape(-1, store.dim)
    best, places = np.full((count, K), -2, np.float32), np.zeros((count, K), np.int64)
    for begin in range(0, len(rows), 16_384):
        scores = queries @ rows[begin : begin + 16_384].T
        both = np.concatenate([best, scores], axis=1)
        numbers = np.concatenate([places, np.tile(np.arange(begin, begin + scores.shape[1]), (count, 1))], axis=1)
        order = np.argpartition(-both, K - 1, axis=1)[:, :K]
        best, places = np.take_along_axis(both, order, 1), np.take_along_axis(numbers, order, 1)
    np.save(folder / "truth.npy", places)
    return places


def start(python: Path, name: str, folder: Path, dim: int) -> Other | None:
    """Start another library, and wait until it has built; None where it is not installed."""
    found = subprocess.run([python, "-c", f"import {name}"], capture_output=True)
    if found.returncode:
        print(f"  {name}: not installed")
        return None
    words = [str(python), str(Path(__file__).with_name("index_sides.py")), name, str(folder), str(dim), str(WANTED)]
    child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    line = child.stdout.readline()
    if not line:
        print(f"  {name}: ended with {child.wait()}")
        return None
    return Other(child, json.loads(line))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=Path, required=True, metavar="PYTHON")
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--at", type=Path, metavar="FOLDER")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--only", nargs="*", choices=SIDES, default=SIDES)
    args = parser.parse_args()
    print(f"{machine()}, faiss {faiss_module().__version__}; {args.rows:,} x {args.dim}, {args.runs} runs")
    with place(args.at) as top:
        beside(top, args)
    print(f"load {os.getloadavg()[0]:.1f} after")


def beside(top: Path, args: argparse.Namespace) -> None:
    store = LargeStore(top, args.rows, args.dim, snapshots=1)
    store.build()
    truth = lay_out(store, top, args.queries)
    if not any((store.folder / "indexes").rglob("*.part")):
        build_index(store.folder)
    started = {name: start(args.venv.absolute(), name, top, args.dim) for name in args.only}
    others = {name: other for name, other in started.items() if other is not None}
    queries = queries_of(store, args.queries)
    with Store(store.folder) as opened, opened.view() as view:
        keys = {store_key: row for row, store_key in enumerate(_keys(store))}
        answers = keys_of([view.search(Operand(1.0, vector=query), k=K) for query in queries])
        reached = recall(
            [[str(keys[key]).encode() for key in one] for one in answers],
            [[str(row).encode() for row in one] for one in truth.tolist()],
        )
        sides = {
            "vstore": lambda: [cost.wall for cost in each(view, queries)],
            **{name: other.ask for name, other in others.items()},
        }
        found = in_turn(sides, args.runs)
    more = {name: {what: other.ask(what) for what in ("commit", "old")} for name, other in others.items()}
    for other in others.values():
        other.process.communicate()
    medians = {name: [statistics.median(one) for one in spent] for name, spent in found.items()}
    print(f"  vstore: recall {reached:.4f}, {spread(medians['vstore'])} a query, {size_of(store.folder) / 1e6:,.0f} MB")
    for name, other in others.items():
        about = other.about
        print(
            f"  {name} {about['version']} ({about['setting']}): recall {about['recall']:.4f}, "
            f"{spread(medians[name])} a query, {about['bytes'] / 1e6:,.0f} MB, built in {about['seconds']:.0f} s "
            f"({about['cpu']:.0f} s of CPU); {name} / vstore {ratio(medians[name], medians['vstore'])}"
        )
        if more[name]["commit"]:
            print(
                f"    1,000 rows added and the index brought up to them: {spread(more[name]['commit'])}; "
                f"at the version before the index {spread(more[name]['old'])} a query"
            )


def _keys(store: LargeStore) -> list[bytes]:
    from vstore.repository.repository import Repository

    repo = Repository(store.folder)
    keys = [store.key(repo, row) for row in range(store.rows)]
    repo.close()
    return keys


if __name__ == "__main__":
    main()
