"""How large a store becomes: 100 snapshots of 100 new pictures each, on a base of 100,000 pictures at 768 numbers.

    python benchmarks/bench_size.py

Targets: everything but catalogue/ and cache/ at most 1.05 times rows × (768 × 2 + 16) bytes; catalogue/ at most 400
bytes per path.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bench_commit import store_of
from measure import machine, make_pictures, workplace


def bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=int, default=100_000)
    parser.add_argument("--snapshots", type=int, default=100)
    parser.add_argument("--new", type=int, default=100)
    parser.add_argument("--dim", type=int, default=768)
    args = parser.parse_args()
    print(machine())
    with workplace() as top:
        pictures = top / "pictures"
        make_pictures(pictures, args.base, 100)
        with store_of(top / "store", args.dim) as store:
            store.sync([pictures])
            for turn in range(args.snapshots):
                make_pictures(pictures, args.new, args.new, 1_000_000 + turn * args.new)
                assert store.sync().new == args.new
            assert len(store.snapshot_list()) == args.snapshots + 1
        rows = args.base + args.snapshots * args.new
        least = rows * (args.dim * 2 + 16)
        parts = {
            path.name: bytes_in(path) if path.is_dir() else path.stat().st_size for path in (top / "store").iterdir()
        }
        kept = sum(size for name, size in parts.items() if name not in ("catalogue", "cache"))
        for name, size in sorted(parts.items(), key=lambda part: -part[1]):
            print(f"  {name:12} {size:>13,} bytes")
        print(
            f"{args.snapshots + 1} snapshots, {rows:,} rows: "
            f"{kept:,} / {least:,} bytes = {kept / least:.4f}x   target 1.05"
        )
        print(f"catalogue/: {parts['catalogue'] / rows:.0f} bytes per path   target 400")


if __name__ == "__main__":
    main()
