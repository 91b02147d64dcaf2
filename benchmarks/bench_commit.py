"""What a commit of 100 new pictures costs beside embedding, in a store of 1,000 and one of 100,000 pictures.

    python benchmarks/bench_commit.py [--dim 768]

The embedder is fake: 768 numbers from a digest of the pixels. Targets: in one new folder, bytes written within a factor
of 2 between the two sizes; scattered over all folders, at most 5 KB of metadata per changed path at either; the same
number of fsyncs (counted by `strace -f`, LMDB's included); time beyond embedding under 150 ms at both.
"""

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import environment, machine, make_pictures

NEW = 100


def store_of(folder: Path, dim: int):  # type: ignore[no-untyped-def]
    from vstore.store import Store
    from vstore.testing import FakeEmbedder

    fake = FakeEmbedder(dim=dim)
    if not (folder / "FORMAT").exists():
        Store.init(folder, recipe=fake.recipe)
    return Store(folder, load_embedder=lambda recipe: fake)


def beyond_embedding(store: Path, pictures: Path, dim: int) -> float:
    """Sync, and give the seconds from the end of the last embedding to the end of the run."""
    from vstore.progress import Silent

    class Clock(Silent):
        began = 0.0

        def stage(self, name: str, total: int | None) -> None:
            if name == "commit":
                self.began = time.perf_counter()

    clock = Clock()
    with store_of(store, dim) as opened:
        report = opened.sync([pictures], progress=clock)
        done = time.perf_counter()
    assert report.new == NEW and report.snapshot, report
    return done - clock.began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 100_000])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--once", nargs=2, metavar=("STORE", "PICTURES"), help="(used by the benchmark itself)")
    args = parser.parse_args()
    if args.once:
        beyond_embedding(Path(args.once[0]), Path(args.once[1]), args.dim)
        return
    print(machine())
    print(
        f"{NEW} new pictures, {args.dim} float16 numbers each ({NEW * (args.dim * 2 + 16):,} bytes of vectors and keys)"
    )
    found: dict[tuple[str, int], tuple[float, int, int]] = {}
    for size in args.sizes:
        top = Path(tempfile.mkdtemp(prefix="vstore-bench-"))
        try:
            measure(top, size, args.dim, args.runs, found)
        finally:
            shutil.rmtree(top)
    small, large = args.sizes[0], args.sizes[-1]
    grown = found["one new folder", large][1] / found["one new folder", small][1]
    print(f"one new folder: bytes written at {large:,} / at {small:,}: {grown:.2f}x   target 2")
    for size in args.sizes:
        print(
            f"scattered at {size:,}: {found['scattered', size][1] / NEW:,.0f} bytes of metadata per path   target 5,000"
        )
    counts = {value[2] for value in found.values()}
    print(f"fsyncs: {sorted(counts)}   target: one number")


def measure(top: Path, size: int, dim: int, runs: int, found: dict[tuple[str, int], tuple[float, int, int]]) -> None:
    store, pictures = top / "store", top / "pictures"
    make_pictures(pictures, size, 100)
    time.sleep(2.2)
    with store_of(store, dim) as opened:
        opened.sync([pictures])
        opened.sync()
    first = 1_000_000
    for case in ("one new folder", "scattered"):
        taken, written, flushed = [], [], []
        for turn in range(runs + 1):
            first += NEW
            if case == "scattered":
                folders = sorted(path for path in pictures.iterdir() if int(path.name) < 10_000)
                source = top / "fresh"
                make_pictures(source, NEW, NEW, first)
                for i, file in enumerate(sorted(source.rglob("*.jpg"))):
                    file.rename(folders[i * len(folders) // NEW] / file.name)
                shutil.rmtree(source)
            else:
                make_pictures(pictures, NEW, NEW, first)
            time.sleep(2.2)
            before = sizes(store)
            if turn == runs:
                flushed = [counted(store, pictures, dim)]
            else:
                taken.append(beyond_embedding(store, pictures, dim))
            after = sizes(store)
            vectors = NEW * (dim * 2 + 16)
            grown = sum(n - before.get(name, 0) for name, n in after.items())
            written.append(grown - vectors)
        found[case, size] = (statistics.median(taken), int(statistics.median(written)), flushed[0])
        print(
            f"  {size:>7,} pictures, {case:15} {statistics.median(taken) * 1000:.0f} ms beyond embedding "
            f"({min(taken) * 1000:.0f} to {max(taken) * 1000:.0f}; target 150), "
            f"{int(statistics.median(written)):,} bytes beside vectors, {flushed[0]} fsyncs"
        )


def sizes(store: Path) -> dict[str, int]:
    """The bytes of every file that is written for good."""
    found = {}
    for name in ("refs", "packs", "segments"):
        for path in (store / name).iterdir():
            found[str(path)] = path.stat().st_size
    return found


def counted(store: Path, pictures: Path, dim: int) -> int:
    if not shutil.which("strace"):
        return -1
    log = store.parent / "strace.log"
    words = [sys.executable, __file__, "--dim", str(dim), "--once", str(store), str(pictures)]
    trace = ["strace", "-f", "-o", str(log), "-e", "trace=fsync,fdatasync,msync,sync_file_range"]
    subprocess.run([*trace, *words], check=True, env=environment())
    return len(re.findall(r"\b(?:fsync|fdatasync|msync)\(", log.read_text()))


if __name__ == "__main__":
    main()
