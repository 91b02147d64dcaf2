"""A store of very many vectors and 100 snapshots, without a picture file. A killed run goes on where it was.

    python benchmarks/large_store.py FOLDER [--rows 1000000] [--dim 768] [--snapshots 100]

FOLDER/.vstore holds segments of 64 MiB as a first sync seals them, with half of the rows. Each later snapshot adds as
many as the others, in folders of 100 pictures, and removes a few; its segments are merged as a sync merges them.
FOLDER/pictures/query.jpg is a picture that the store knows: its vector is that of the row in the middle of the first
snapshot. The vectors are those of `embedding_like.py`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from embedding_like import BLOCK, Cloud
from measure import machine

from vstore.disk import durable
from vstore.disk.segment_writer import rounded
from vstore.format.entries import Root, Snapshot
from vstore.format.recipes import Recipe, space_id
from vstore.format.tree import Tree
from vstore.repository.add_space import add_space
from vstore.repository.create import create_store
from vstore.repository.repository import Repository
from vstore.repository.snapshots import new_snapshot
from vstore.sync.merge import merge_small

SEAL = 64 << 20  # bytes at which a sync seals a segment
FOLDER = 100  # pictures
REMOVED = 20_000  # of as many rows each snapshot but the first removes one
QUERY = b"a picture that is never decoded: its vector is known"


class Unflushed(durable.Disk):
    """A disk that does not flush."""

    def fsync(self, fd: int) -> None:
        pass


@contextmanager
def unflushed() -> Iterator[None]:
    """Flush nothing: what a power cut takes is built again."""
    disk, durable.disk = durable.disk, Unflushed()
    try:
        yield
    finally:
        durable.disk = disk


class LargeStore:
    """A store in the making.

    rows: how many it is to hold.
    """

    def __init__(self, top: Path, rows: int, dim: int, snapshots: int = 100) -> None:
        self.folder, self.query = top / ".vstore", top / "pictures" / "query.jpg"
        self.rows, self.dim, self.snapshots = rows, dim, snapshots
        self.recipe: Recipe = {"family": "bench", "name": "bench", "dim": dim}
        self.space = space_id(self.recipe)
        self.cloud = Cloud(dim)
        self.query.parent.mkdir(parents=True, exist_ok=True)
        if not self.query.exists():
            self.query.write_bytes(QUERY)

    def end(self, number: int) -> int:
        """Say how many rows the store holds at snapshot `number`, from 1 on."""
        if self.snapshots == 1:
            return self.rows
        first = self.rows // 2
        return first + (self.rows - first) * (number - 1) // (self.snapshots - 1)

    def key(self, repo: Repository, row: int) -> bytes:
        return repo.hash.digest(QUERY if row == self.end(1) // 2 else row.to_bytes(8, "little"))

    def path(self, row: int) -> bytes:
        return b"pictures/query.jpg" if row == self.end(1) // 2 else b"pictures/%06d/%08d.jpg" % (row // FOLDER, row)

    def build(self) -> None:
        """Write what is not there yet."""
        began = time.monotonic()
        with unflushed():
            if not (self.folder / "FORMAT").exists():
                create_store(self.folder).close()
            repo = Repository(self.folder)
            if self.space not in repo.state.spaces:
                add_space(repo, self.recipe, "bench")
            for number in range(repo.state.next_v, self.snapshots + 1):
                self._seal(repo, self.end(number))
                self._commit(repo, number)
                merge_small(repo, self.space, "sync")
                if number in (1, self.snapshots) or number % 10 == 0:
                    print(f"v{number}: {self.end(number):,} rows, {time.monotonic() - began:.0f} s", flush=True)
            repo.close()

    def _seal(self, repo: Repository, end: int) -> None:
        """Write segments up to row `end`, each listed once it is written."""
        step = max(1, SEAL // (2 * self.dim) // BLOCK) * BLOCK
        done = sum(ref.rows for ref in repo.state.segments(self.space))
        while done < end:
            upto = min(end, done + step - done % BLOCK)
            keys = [self.key(repo, row) for row in range(done, upto)]
            blocks = (rounded(block, repo.dtype) for block in self.cloud.blocks(done, upto))
            ref = repo.write_segment(self.space, keys, blocks)
            with repo.committing("seal"):
                listed = [*repo.state.segments(self.space), ref]
                repo.publish("seal", {"segments": repo.state.segments_changed(self.space, listed)})
            done = upto

    def _commit(self, repo: Repository, number: int) -> None:
        parent: Snapshot | None = repo.state.current_snapshot
        begin = self.end(number - 1) if parent else 0
        edits: dict[bytes, bytes | None] = {
            self.path(row): self.key(repo, row) for row in range(begin, self.end(number))
        }
        tree = repo.tree(parent) if parent else Tree.empty(repo.hash, repo.packs.get)
        if parent:
            edits |= {self.path(row): None for row in self.removed(number)}
        tree = tree.edited(edits)
        with repo.committing("sync"):
            snapshot, changes, blobs = new_snapshot(repo, self.space, tree, len(tree), parent, "")
            if not parent:
                changes["roots"] = {"pictures": Root("pictures", b"pictures", True).to_json()}
            repo.publish("sync", {**changes}, blobs=blobs, about=snapshot.name)

    def removed(self, number: int) -> range:
        """Say which rows snapshot `number` removes: of the first one, each a few times."""
        first = self.end(1)
        each = max(1, self.rows // REMOVED)
        step = max(1, first // (2 * each * self.snapshots))
        begin = (number - 2) * each * step
        return range(begin, begin + each * step, step)

    def some_rows(self, count: int, seed: int = 1) -> Any:
        """Choose rows of the store, as queries. Returns: float32 (count, dim)."""
        chosen = np.random.default_rng(seed).choice(self.end(1), count, replace=False)
        return np.concatenate([self.cloud.rows(int(row), int(row) + 1) for row in chosen])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=768)
    parser.add_argument("--snapshots", type=int, default=100)
    args = parser.parse_args()
    print(machine())
    LargeStore(args.folder, args.rows, args.dim, args.snapshots).build()


if __name__ == "__main__":
    main()
