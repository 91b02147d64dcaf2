"""The snapshots of a damaged store, cut to the pictures and fields left."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from vstore.counts import counted
from vstore.errors import Damage
from vstore.format.entries import Snapshot
from vstore.format.pages import decode_inner, decode_leaf, level_of
from vstore.format.tree import Tree
from vstore.format.unfolded import most_bytes
from vstore.repair.blobs import Blobs
from vstore.repair.fields import Fields
from vstore.repair.findings import Findings
from vstore.repair.manifests import Manifests
from vstore.repair.report import Loss
from vstore.repair.stored_keys import StoredKeys
from vstore.repository.repository import Repository

_PATHS = 10  # paths that a loss names


class _Size(NamedTuple):
    """The number of some paths, and their bytes."""

    paths: int
    bytes: int


class Snapshots:
    """All snapshots of a damaged store.

    named: the keys of their pictures, by space, as far as their pages can be read.
    """

    def __init__(self, repo: Repository, found: Findings, blobs: Blobs, manifests: Manifests) -> None:
        self._repo = repo
        self._found = found
        self._blobs = blobs
        self._manifests = manifests
        self._fields = Fields(repo.hash, blobs)
        self._broken: set[str] = set()
        self.named: dict[str, set[bytes]] = {}

    def walk(self) -> None:
        """Read every page of every snapshot. One without an alias page, or with paths too long, is broken."""
        walked: dict[str, dict[bytes, _Size | None]] = {}
        for snapshot in list(self._found.listing.kept()):
            keys = self.named.setdefault(snapshot.space, set())
            root = self._manifests.root_of(snapshot)
            size = None if root is None else self._walk(root, keys, walked.setdefault(snapshot.space, {}))
            if size is None or size.bytes > most_bytes(size.paths):
                self._broken.add(snapshot.name)
            self._fields.are_whole(snapshot.fields)

    def _walk(self, digest: bytes, keys: set[bytes], walked: dict[bytes, _Size | None]) -> _Size | None:
        """Collect the keys below a page. Returns: the size of its paths; None if a page could not be read."""
        if digest not in walked:
            try:
                page = self._blobs.fetch(digest)
                if level_of(page):
                    children = decode_inner(page, self._repo.hash.size)
                    found = [self._walk(child.digest, keys, walked) for child in children]  # all, not up to the first
                    sizes = [size for size in found if size is not None]
                    whole = len(sizes) == len(found)
                    walked[digest] = _Size(sum(s.paths for s in sizes), sum(s.bytes for s in sizes)) if whole else None
                else:
                    aliases = decode_leaf(page, self._repo.hash.size)
                    keys.update(key for _, key in aliases)
                    walked[digest] = _Size(len(aliases), sum(len(path) for path, _ in aliases))
            except Damage:
                walked[digest] = None
        return walked[digest]

    def degrade(self, stored_keys: Mapping[str, StoredKeys]) -> None:
        """Remove pictures without a vector and lost fields from the snapshots, and mark these degraded.

        stored_keys: the keys with a vector, by space.
        """
        lost_keys = {space: keys - stored_keys.get(space, StoredKeys()) for space, keys in self.named.items()}
        for snapshot in list(self._found.listing.kept()):
            stored = stored_keys.get(snapshot.space, StoredKeys())
            has_fields = self._fields.are_whole(snapshot.fields)
            if snapshot.name not in self._broken and not lost_keys.get(snapshot.space) and has_fields:
                continue
            aliases = dict(self._manifests.aliases(snapshot))
            kept = {path: key for path, key in aliases.items() if key in stored}
            if snapshot.name not in self._broken and len(kept) == len(aliases) and has_fields:
                continue
            self._cut(snapshot, kept)
            lost = sorted(path for path in aliases if path not in kept)
            loss = Loss(snapshot.name, max(snapshot.paths - len(kept), len(lost)), tuple(lost[:_PATHS]))
            self._found.degraded.append(loss)
            what = [counted(loss.lost, "path")] if loss.lost or has_fields else []
            what += [] if has_fields else [self._fields.left(snapshot.fields).words]
            self._found.did(f"{snapshot.name} lost {' and '.join(what)}, and is marked degraded")

    def _cut(self, snapshot: Snapshot, kept: Mapping[bytes, bytes]) -> None:
        """Put a snapshot in the place of a damaged one: of these aliases, and of the fields left."""
        hash = self._repo.hash
        tree = Tree.empty(hash, self._blobs.fetch).edited(kept)
        whole = self._fields.are_whole(snapshot.fields)
        manifest = snapshot.manifest_over(tree.root, self._manifests.made_by(snapshot))._replace(
            paths=len(kept),
            images=len(set(kept.values())),
            fields=snapshot.fields if whole else self._fields.left(snapshot.fields).root,
        )
        data = manifest.to_bytes()
        self._blobs.add({**tree.fresh, hash.digest(data): data})
        self._found.put_snapshot(
            snapshot._replace(
                id=manifest.content_id(hash),
                manifest=hash.digest(data),
                paths=manifest.paths,
                images=manifest.images,
                fields=manifest.fields,
                degraded=True,
            )
        )

    def choose_current(self) -> None:
        """Remove tags, the hold and the current snapshot where they mean none; choose a new current one."""
        kept = [snapshot.name for snapshot in list(self._found.listing.kept())]
        current = self._found.state.current
        if (current is not None or self._found.gap) and current not in kept and kept:
            self._found.document["current"] = kept[0]
            self._found.did(f"{kept[0]} is now current")
        elif current is not None and not kept:
            del self._found.document["current"]
        self._found.document["tags"] = {tag: name for tag, name in self._found.state.tags.items() if name in kept}
        if self._found.state.hold is not None and self._found.state.hold not in kept:
            del self._found.document["hold"]
