"""Do quick commands cost more with 10,000 snapshots than with 10?

    python benchmarks/bench_snapshots.py [--snapshots 10 10000] [--pictures 200] [--pairs 15]

Two stores of the same pictures: each snapshot but the first renames one of them, or holds an edited one, which has a
new vector. Nothing is collected. Whole processes, in turn, by wall and CPU time: opening the store in Python, `status`,
a search by a known picture, and a sync without news. Target: the lower end of the 95 % interval of the median ratio is
at most 1.05. Right after a commit all of them cost more, as they list the folder of records (printed, without target).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

import against
import numpy as np
from bench_commit import store_of
from measure import VSTORE, machine, make_pictures, workplace

from vstore.disk import durable
from vstore.disk.long_folders import LONG
from vstore.disk.segment_writer import rounded
from vstore.repository.repository import Repository
from vstore.repository.snapshots import new_snapshot
from vstore.sync.merge import merge_small

DIM = 64
OPEN = "import sys, vstore; vstore.Store(sys.argv[1]).close()"
SETTLED = 11  # seconds after a commit from which on no list of a long folder is needed


class Unflushed(durable.Disk):
    """A disk that does not flush: a store of thousands of commits is made in minutes."""

    def fsync(self, fd: int) -> None:
        pass


class Store:
    """A store of many snapshots, with its pictures."""

    def __init__(self, top: Path, pictures: int, snapshots: int) -> None:
        self.folder, self.pictures = top / "store", top / "pictures"
        make_pictures(self.pictures, pictures, 20)
        disk, durable.disk = durable.disk, Unflushed()
        with store_of(self.folder, DIM) as opened:
            opened.sync([self.pictures])
        self._commit(snapshots - 1)
        time.sleep(2.2)  # so that the last sync finds every stat settled
        with store_of(self.folder, DIM) as opened:
            assert opened.sync().snapshot is None
        durable.disk = disk

    def _commit(self, count: int) -> None:
        """Write snapshots as syncs would: of a renamed picture and of an edited one in turn."""
        repo = Repository(self.folder)
        current = repo.state.current_snapshot
        assert current is not None
        random = np.random.default_rng(0)
        paths = [path for path, _ in repo.tree(current)]
        for number in range(count):
            at = number * 7 % len(paths)
            old, file = paths[at], self._file(paths[at])
            more: dict[str, object] = {}
            if number % 2:
                paths[at] = b"%b/%d-%d.jpg" % (os.path.dirname(old), at, number)
                file = file.rename(self._file(paths[at]))
                key = repo.hash.digest(file.read_bytes())
            else:
                file.write_bytes(file.read_bytes()[:-10] + b"%010d" % (10**9 + number))
                key = repo.hash.digest(file.read_bytes())
                row = random.standard_normal((1, DIM))
                ref = repo.write_segment(current.space, [key], [rounded(row / np.linalg.norm(row), repo.dtype)])
                listed = [*repo.state.segments(current.space), ref]
                more["segments"] = repo.state.segments_changed(current.space, listed)
            tree = repo.tree(current).edited({old: None, paths[at]: key})
            with repo.committing("sync"):
                current, changes, blobs = new_snapshot(repo, current.space, tree, len(paths), current, "")
                repo.publish("sync", {**changes, **more}, blobs=blobs, about=current.name)
            merge_small(repo, current.space, "sync")
        repo.close()

    def _file(self, path: bytes) -> Path:
        return self.pictures.parent / os.fsdecode(path)

    def counts(self) -> str:
        """Say how many files there are, and how large the state is."""
        repo = Repository(self.folder)
        files = {name: len(os.listdir(self.folder / name)) for name in ("refs", "packs", "segments")}
        listed = len(repo.state.packs), len(repo.state.all_segments())
        repo.close()
        return (
            f"{files['refs']:,} records, {files['packs']:,} packs ({listed[0]:,} listed), "
            f"{files['segments']:,} segments ({listed[1]:,} listed)"
        )

    def commands(self) -> dict[str, list[str]]:
        """List the commands to compare."""
        start = [*VSTORE, "--store", str(self.folder)]
        picture = min(self.pictures.rglob("*.jpg"))
        return {
            "opening": [sys.executable, "-c", OPEN, str(self.folder)],
            "status": [*start, "status"],
            "search": [*start, "search", "--image", str(picture)],
            "sync without news": [*start, "sync", "-q"],
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--snapshots", type=int, nargs=2, default=[10, 10_000])
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=against.PAIRS)
    args = parser.parse_args()
    few, many = args.snapshots
    with workplace() as top:
        stores = {count: Store(top / str(count), args.pictures, count) for count in (many, few)}
        print(machine())
        for count, store in stores.items():
            print(f"{count:,} snapshots of {args.pictures:,} pictures: {store.counts()}")
        sys.exit(not compare(stores[many], stores[few], f"{many:,} / {few:,} snapshots", args.pairs))


def compare(many: Store, few: Store, ratio: str, pairs: int) -> bool:
    """Compare the commands on two stores. Returns: whether the target is met."""

    def sides(name: str) -> against.Sides[against.Cost]:
        over, under = many.commands()[name], few.commands()[name]
        return (lambda: against.process(over)), (lambda: against.process(under))

    fresh = against.process(many.commands()["opening"]).wall
    print(f"opening right after a commit: {fresh * 1000:.3g} ms")
    if len(os.listdir(many.folder / "refs")) >= LONG:
        time.sleep(SETTLED)
    return against.report(ratio, against.in_pairs({name: sides(name) for name in few.commands()}, pairs))


if __name__ == "__main__":
    main()
