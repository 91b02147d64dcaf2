"""Checks snapshots: manifest, counts, id and pages, and that every picture has a vector."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from vstore.check.findings import Findings
from vstore.check.objects import PATHS, Objects
from vstore.errors import VstoreError
from vstore.format.entries import Snapshot
from vstore.format.hashing import Hash
from vstore.format.listing import Listing
from vstore.format.manifest import Manifest
from vstore.format.pages import decode_leaf, level_of
from vstore.format.state import State
from vstore.format.tree import Tree


def check_snapshots(hash: Hash, listing: Listing, objects: Objects, findings: Findings) -> int:
    """Check every snapshot of a listing. Returns: how many there are."""
    state = listing.state
    cut_right: set[tuple[str, bytes]] = set()  # trees whose cuts were checked: many snapshots share one

    def one(snapshot: Snapshot) -> None:
        manifest, tree = objects.tree(snapshot)
        _check_manifest(hash, state, snapshot, manifest)
        found = _check_pages(hash, tree, objects.keys.get(snapshot.space, set()))
        if (found.paths, found.pictures) != (snapshot.paths, snapshot.images):
            counted = f"it has {found.paths} paths and {found.pictures} pictures"
            raise VstoreError(f"{counted}, but its manifest says otherwise")
        if found.missing:
            findings.wrong(f"snapshot {snapshot.name}", "some of its pictures have no vector", paths=found.missing)
        if objects.read_whole and (snapshot.space, tree.root) not in cut_right:
            cut_right.add((snapshot.space, tree.root))
            if Tree.empty(hash, objects.blob).edited(dict(iter(tree))).root != tree.root:
                raise VstoreError("its pages are not cut as FORMAT.md says")

    snapshots: list[Snapshot] = []
    findings.attempt("the list of snapshots", lambda: snapshots.extend(listing.kept()))
    for snapshot in snapshots:
        findings.attempt(f"snapshot {snapshot.name}", partial(one, snapshot))
    return len(snapshots)


def _check_manifest(hash: Hash, state: State, snapshot: Snapshot, manifest: Manifest) -> None:
    if (manifest.name, manifest.space) != (f"v{snapshot.number}", snapshot.space):
        raise VstoreError(f"its manifest is that of {manifest.name}")
    if manifest.content_id(hash) != snapshot.id:
        raise VstoreError("its id does not match its content")
    if (manifest.paths, manifest.images) != (snapshot.paths, snapshot.images):
        raise VstoreError("its manifest and the log disagree about its counts")
    if snapshot.space not in state.spaces:
        raise VstoreError(f"its space {snapshot.space} is not in the log")


class _Pages(NamedTuple):
    """The content of a snapshot's pages. missing: some paths whose picture has no vector."""

    paths: int
    pictures: int
    missing: tuple[bytes, ...]


def _check_pages(hash: Hash, tree: Tree, stored: set[bytes]) -> _Pages:
    paths = 0
    pictures: set[bytes] = set()
    missing: list[bytes] = []
    last = b""
    for leaf in tree.leaves:
        page = tree.page(leaf.digest)
        if level_of(page) != 0:
            raise VstoreError("it has an inner page where a leaf should be")
        aliases = decode_leaf(page, hash.size)
        if len(aliases) != leaf.count or (aliases and aliases[0][0] != leaf.first):
            raise VstoreError("a page does not match the page above it")
        for path, key in aliases:
            if path <= last:
                raise VstoreError("its paths are out of order")
            last = path
            pictures.add(key)
            if key not in stored and len(missing) < PATHS:
                missing.append(path)
        paths += len(aliases)
    return _Pages(paths, len(pictures), tuple(missing))
