"""Checks snapshots: manifest, counts, id and pages, and that every picture has a vector."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

from vstore.check.fields import CheckedFields
from vstore.check.findings import Findings
from vstore.check.objects import PATHS, Objects
from vstore.errors import VstoreError
from vstore.format.entries import Snapshot
from vstore.format.hashing import Hash
from vstore.format.manifest import Manifest
from vstore.format.pages import decode_leaf, level_of
from vstore.format.state import State
from vstore.format.tree import Tree
from vstore.format.unfolded import Unfolded
from vstore.repository.repository import Repository


def check_snapshots(
    repo: Repository, state: State, snapshots: Iterable[Snapshot], *, objects: Objects, findings: Findings
) -> None:
    """Check every snapshot of a state."""
    hash = repo.hash
    cut_right: set[tuple[str, bytes]] = set()  # trees whose cuts were checked: many snapshots share one
    fields = CheckedFields(hash, objects.blob, read_whole=objects.read_whole)

    def one(snapshot: Snapshot) -> None:
        manifest, tree = objects.tree(snapshot)
        _check_manifest(repo, state, snapshot, manifest)
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
        fields.check(manifest.fields)

    for snapshot in snapshots:
        findings.attempt(f"snapshot {snapshot.name}", partial(one, snapshot))


def _check_manifest(repo: Repository, state: State, snapshot: Snapshot, manifest: Manifest) -> None:
    if (manifest.name, manifest.space) != (f"v{snapshot.number}", snapshot.space):
        raise VstoreError(f"its manifest is that of {manifest.name}")
    if snapshot.is_own and manifest.store not in ("", repo.store_id):
        raise VstoreError("its manifest is that of another store")
    if manifest.content_id(repo.hash) != snapshot.id:
        raise VstoreError("its id does not match its content")
    if (manifest.paths, manifest.images) != (snapshot.paths, snapshot.images):
        raise VstoreError("its manifest and the log disagree about its counts")
    if manifest.fields != snapshot.fields:
        raise VstoreError("its manifest and the log disagree about its fields")
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
    unfolded = Unfolded()
    for leaf in tree.leaves:
        page = tree.page(leaf.digest)
        if level_of(page) != 0:
            raise VstoreError("it has an inner page where a leaf should be")
        aliases = decode_leaf(page, hash.size)
        if len(aliases) != leaf.count or (aliases and aliases[0][0] != leaf.first):
            raise VstoreError("a page does not match the page above it")
        complaint = unfolded.count(leaf.digest, [path for path, _ in aliases])
        if complaint is not None:
            raise VstoreError(f"its tree unfolds to too much: {complaint}")
        for path, key in aliases:
            if path <= last:
                raise VstoreError("its paths are out of order")
            last = path
            pictures.add(key)
            if key not in stored and len(missing) < PATHS:
                missing.append(path)
        paths += len(aliases)
    return _Pages(paths, len(pictures), tuple(missing))
