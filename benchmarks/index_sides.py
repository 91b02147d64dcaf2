"""One approximate index of another library, in a process of its own, for `bench_index_beside.py`.

    PYTHON benchmarks/index_sides.py NAME FOLDER DIM WANTED

FOLDER holds `rows.f32`, `queries.npy` and `truth.npy`; the index is kept in FOLDER/NAME for the next run. NAME:
hnswlib, usearch, lancedb. It is searched with more and more effort until a query finds a share
WANTED of its ten nearest rows. A line of JSON says what was reached and what it took to build; then each line of the
input is answered by a line of milliseconds: `ask` asks all queries once, one at a time; `commit` adds 1,000 rows, lets
LanceDB bring its index up to them, and takes them back; `old` asks ten queries at its version before the index. It
needs numpy and the library alone.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

K = 10
EFFORT = (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
LISTS = 512
PROBES = ((8, 10), (16, 10), (16, 30), (32, 30), (32, 50), (64, 50), (64, 100), (128, 100))  # lists, and rows refined


class Side(NamedTuple):
    """A library: its version, how it builds into a folder, and how it asks with rising effort."""

    version: str
    build: Callable[[Any, Path], None]
    settings: Callable[[Path], Iterator[tuple[str, Callable[[Any], Any]]]]
    commit: Callable[[Path, Any], None] | None = None
    at_old: Callable[[Path], Any] | None = None


def hnswlib_side(dim: int) -> Side:
    import hnswlib

    def build(rows: Any, folder: Path) -> None:
        index = hnswlib.Index(space="ip", dim=dim)
        index.init_index(max_elements=len(rows), M=16, ef_construction=200)
        index.add_items(rows)
        index.save_index(str(folder / "index"))

    def settings(folder: Path) -> Iterator[tuple[str, Callable[[Any], Any]]]:
        index = hnswlib.Index(space="ip", dim=dim)
        index.load_index(str(folder / "index"))
        for effort in EFFORT:
            index.set_ef(effort)
            yield (
                f"M 16, ef_construction 200, ef {effort}",
                lambda query: index.knn_query(query, K, num_threads=1)[0][0],
            )

    return Side(getattr(hnswlib, "__version__", "0.8"), build, settings)


def usearch_side(dim: int) -> Side:
    import usearch
    from usearch.index import Index

    def made() -> Any:
        return Index(ndim=dim, metric="ip", dtype="f16")

    def build(rows: Any, folder: Path) -> None:
        index = made()
        for begin in range(0, len(rows), 20_000):
            some = rows[begin : begin + 20_000]
            index.add(np.arange(begin, begin + len(some)), some)
        index.save(str(folder / "index"))

    def settings(folder: Path) -> Iterator[tuple[str, Callable[[Any], Any]]]:
        index = made()
        index.load(str(folder / "index"))
        for effort in EFFORT:
            index.expansion_search = effort
            yield f"f16, connectivity 16, expansion {effort}", lambda query: index.search(query, K, threads=1).keys

    return Side(usearch.__version__, build, settings)


def lancedb_side(dim: int) -> Side:
    import lancedb
    import pyarrow as pa

    schema = pa.schema([("row", pa.int64()), ("vector", pa.list_(pa.float32(), dim))])

    def batch(rows: Any, begin: int) -> Any:
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.asarray(rows).reshape(-1)), dim)
        return pa.record_batch([pa.array(np.arange(begin, begin + len(rows))), vectors], schema=schema)

    def build(rows: Any, folder: Path) -> None:
        batches = (batch(rows[begin : begin + 20_000], begin) for begin in range(0, len(rows), 20_000))
        table = lancedb.connect(folder).create_table("rows", batches, schema=schema, mode="overwrite")
        table.create_index(
            index_type="IVF_PQ",
            metric="dot",
            num_partitions=LISTS,
            num_sub_vectors=dim // 8,
            vector_column_name="vector",
        )

    def settings(folder: Path) -> Iterator[tuple[str, Callable[[Any], Any]]]:
        table = lancedb.connect(folder).open_table("rows")
        for probes, refined in PROBES:
            yield f"IVF_PQ, {LISTS} lists, nprobes {probes}, refine {refined}", asking(table, probes, refined)

    def asking(table: Any, probes: int, refined: int) -> Callable[[Any], Any]:
        def ask(query: Any) -> Any:
            search = table.search(query).distance_type("dot").select(["row", "_distance"]).limit(K)
            return search.nprobes(probes).refine_factor(refined).to_arrow()["row"].to_numpy()

        return ask

    def commit(folder: Path, rows: Any) -> None:
        table = lancedb.connect(folder).open_table("rows")
        table.add(pa.Table.from_batches([batch(rows, table.count_rows())]))
        table.optimize()

    def at_old(folder: Path) -> Callable[[Any], Any]:
        table = lancedb.connect(folder).open_table("rows")
        table.checkout(1)
        return asking(table, *PROBES[0])

    return Side(lancedb.__version__, build, settings, commit, at_old)


def taken_back(folder: Path) -> None:
    """Bring a table of LanceDB back to the version with its index, the second one."""
    import lancedb

    table = lancedb.connect(folder).open_table("rows")
    table.checkout(2)
    table.restore()


def side_of(name: str, dim: int) -> Side:
    if name == "hnswlib":
        return hnswlib_side(dim)
    return usearch_side(dim) if name == "usearch" else lancedb_side(dim)


def built(side: Side, folder: Path, rows: Any) -> dict[str, float]:
    """Build the index, or take that of an earlier run. Returns: what it took then."""
    note = folder / "built.json"
    if not note.exists():
        folder.mkdir(exist_ok=True)
        began, used = time.monotonic(), time.process_time()
        side.build(rows, folder)
        took = {"seconds": time.monotonic() - began, "cpu": time.process_time() - used}
        note.write_text(json.dumps(took))
    found: dict[str, float] = json.loads(note.read_text())
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path != note)
    return {**found, "bytes": float(size)}


def recall(answers: Any, truth: Any) -> float:
    return float(
        np.mean([len({*map(int, one)} & {*map(int, other)}) / K for one, other in zip(answers, truth, strict=True)])
    )


def least_effort(side: Side, folder: Path, queries: Any, truth: Any, wanted: float) -> tuple[str, Any, float]:
    """Find the first setting that reaches a recall, or the last one."""
    for setting, ask in side.settings(folder):
        reached = recall([ask(query) for query in queries], truth)
        if reached >= wanted:
            return setting, ask, reached
    return setting, ask, reached


def answer(line: str, side: Side, folder: Path, ask: Callable[[Any], Any], queries: Any) -> list[float]:
    """Do what a line of the input says. Returns: milliseconds."""
    if line == "commit":
        if side.commit is None:
            return []
        rows = np.random.default_rng().permutation(np.resize(queries, (1000, queries.shape[1])))
        spent = [_milliseconds(lambda: side.commit and side.commit(folder, rows))]
        taken_back(folder)
        return spent
    if line == "old":
        old = side.at_old(folder) if side.at_old is not None else None
        return [] if old is None else [_milliseconds(lambda query=query: old(query)) for query in queries[:10]]
    return [_milliseconds(lambda query=query: ask(query)) for query in queries]


def _milliseconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


def main() -> None:
    name, place, dim, wanted = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    rows = np.memmap(place / "rows.f32", np.float32, "r").reshape(-1, dim)
    queries, truth = np.load(place / "queries.npy"), np.load(place / "truth.npy")
    side = side_of(name, dim)
    took = built(side, place / name, rows)
    setting, ask, reached = least_effort(side, place / name, queries, truth, wanted)
    print(json.dumps({"version": side.version, "setting": setting, "recall": reached, **took}), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(line.strip(), side, place / name, ask, queries)), flush=True)
    os._exit(0)  # some of these libraries take seconds to end


if __name__ == "__main__":
    main()
