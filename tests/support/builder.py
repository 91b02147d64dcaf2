"""Stores for tests, made of vectors alone: without pictures and without a model."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vstore.disk.segment_writer import rounded, write_segment
from vstore.format.entries import FileRef, Root, Snapshot
from vstore.format.facts import Fact
from vstore.format.hashing import store_hash
from vstore.format.recipes import space_id
from vstore.format.tree import Tree
from vstore.repository.add_space import add_space
from vstore.repository.create import create_store
from vstore.repository.facts import added
from vstore.repository.snapshots import new_snapshot

RECIPE = {"family": "fake", "name": "fake-1", "dim": 8, "prepare": {"max_side": 512}}
Floats = npt.NDArray[np.float32]
Pictures = Mapping[bytes, tuple[bytes, Floats]]  # stored path -> (key, vector)


HASH = store_hash("xxh3_128")


def key(number: int) -> bytes:
    """Make the key of a picture that does not exist."""
    return HASH.digest(b"%d" % number)


def aliases(*numbers: int) -> Pictures:
    """Name pictures of these numbers, below 100, with their keys and vectors."""
    vectors = unit_vectors(100)
    return {b"r/%d.png" % i: (key(i), vectors[i]) for i in numbers}


def unit_vectors(count: int, dim: int = 8, seed: int = 0) -> Floats:
    """Draw random rows of L2 norm 1: float32 (count, dim)."""
    rows = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Builder:
    """A store that is written record by record.

    space: the id of its one space.
    """

    def __init__(self, folder: Path, *, recipe: Mapping[str, Any] = RECIPE, **options: str) -> None:
        """folder: the store itself, `…/.vstore`. options: `hash` and `dtype`, as create_store takes them."""
        self.repo = create_store(folder, **options)
        add_space(self.repo, recipe, str(recipe["name"]))
        self.space = space_id(recipe)
        self.dim: int = recipe["dim"]

    def add_root(self, label: str, place: Path) -> None:
        """Make a folder known to the log, as its first sync would."""
        root = Root(label, os.fsencode(place), False)
        self._publish("roots", {"roots": {label: root.to_json()}})

    def absorb(self, label: str, prefix: str) -> None:
        """Let a wider root absorb a root: the paths of LABEL/… begin with PREFIX/… from now on."""
        self._publish("roots", {"absorbed": {label: prefix}, "roots": {label: None}})

    def add_segment(self, keys: Sequence[bytes], vectors: npt.NDArray[Any]) -> FileRef:
        """Write a segment, and put it at the end of the list. Other segments may have the same keys."""
        repo = self.repo
        block = rounded(vectors, repo.dtype)
        folder = repo.layout.segments
        ref = write_segment(folder, self.space, keys, [block], dtype=repo.dtype, time=1_700_000_000, lock="ingest")
        self.list_segments([*repo.state.segments(self.space), ref])
        return ref

    def list_segments(self, refs: Sequence[FileRef]) -> None:
        """Publish another list of segments, as a seal, a merge or gc does."""
        self._publish("seal", {"segments": self.repo.state.segments_changed(self.space, refs)})

    def add_snapshot(self, aliases: Mapping[bytes, bytes], message: str = "") -> Snapshot:
        """Publish a snapshot of these aliases (path -> key), and make it current."""
        repo = self.repo
        with repo.committing("sync"):
            tree = Tree.empty(repo.hash, repo.packs.get).edited(aliases)
            images, parent = len(set(aliases.values())), repo.state.current_snapshot
            snapshot, changes, blobs = new_snapshot(repo, self.space, tree, images, parent, message)
            repo.publish("sync", changes, blobs=blobs, about=snapshot.name)
        return snapshot

    def add_facts(self, facts: Sequence[Fact]) -> None:
        """Publish facts of pictures, which need not exist."""
        with self.repo.committing("sync"):
            changes, blobs = added(self.repo, facts)
            self.repo.publish("seal", changes, blobs=blobs)

    def add_pictures(self, pictures: Pictures) -> Snapshot:
        """Publish a snapshot of these pictures; those whose key no segment has yet go into a new segment."""
        segments = [self.repo.segment(ref) for ref in self.repo.state.segments(self.space)]
        known = {key for segment in segments for key in segment.key_list()}
        new = {key: vector for key, vector in pictures.values() if key not in known}
        if new:
            self.add_segment(list(new), np.stack(list(new.values())))
        return self.add_snapshot({path: key for path, (key, _) in pictures.items()})

    def _publish(self, op: str, changes: dict[str, Any]) -> None:
        with self.repo.committing(op):
            self.repo.publish(op, changes)
