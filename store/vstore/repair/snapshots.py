"""The snapshots of a damaged store, cut to the pictures left."""

from __future__ import annotations

from collections.abc import Mapping

from vstore.errors import Damage
from vstore.format.pages import decode_inner, decode_leaf, level_of
from vstore.format.tree import Tree
from vstore.repair.blobs import Blobs
from vstore.repair.findings import Findings
from vstore.repair.report import Loss
from vstore.repository.repository import Repository

_PATHS = 10  # paths that a loss names


class Snapshots:
    """All snapshots of a damaged store.

    named: the keys of their pictures, by space, as far as their pages can be read.
    """

    def __init__(self, repo: Repository, found: Findings, blobs: Blobs) -> None:
        self._repo = repo
        self._found = found
        self._blobs = blobs
        self._broken: set[str] = set()
        self.named: dict[str, set[bytes]] = {}

    def walk(self) -> None:
        """Read every page of every snapshot. A snapshot without one of its pages is broken."""
        walked: dict[str, dict[bytes, bool]] = {}
        for snapshot in list(self._found.listing.kept()):
            keys = self.named.setdefault(snapshot.space, set())
            root = self._blobs.root_of(snapshot)
            if root is None:
                self._broken.add(snapshot.name)
                continue

            if not self._walk(root, keys, walked.setdefault(snapshot.space, {})):
                self._broken.add(snapshot.name)

    def _walk(self, digest: bytes, keys: set[bytes], walked: dict[bytes, bool]) -> bool:
        """Collect the keys below a page. Returns: whether all pages could be read."""
        if digest not in walked:
            try:
                page = self._blobs.fetch(digest)
                if level_of(page):
                    children = decode_inner(page, self._repo.hash.size)
                    found = [self._walk(child.digest, keys, walked) for child in children]  # all, not up to the first
                    walked[digest] = all(found)
                else:
                    keys.update(key for _, key in decode_leaf(page, self._repo.hash.size))
                    walked[digest] = True
            except Damage:
                walked[digest] = False
        return walked[digest]

    def degrade(self, stored_keys: Mapping[str, set[bytes]]) -> None:
        """Remove the pictures without a vector from the snapshots, and mark these degraded.

        stored_keys: the keys with a vector, by space.
        """
        hash = self._repo.hash
        for snapshot in list(self._found.listing.kept()):
            stored = stored_keys.get(snapshot.space, set())
            lost_keys = self.named.get(snapshot.space, set()) - stored
            if snapshot.name not in self._broken and not lost_keys:
                continue
            aliases = dict(self._blobs.aliases(snapshot))
            kept = {path: key for path, key in aliases.items() if key in stored}
            if snapshot.name not in self._broken and len(kept) == len(aliases):
                continue
            tree = Tree.empty(hash, self._blobs.fetch).edited(kept)
            images = len(set(kept.values()))
            manifest = snapshot.manifest_over(tree.root, self._blobs.maker(snapshot))._replace(
                paths=len(kept), images=images
            )
            data = manifest.to_bytes()
            self._blobs.fresh |= {
                digest: page for digest, page in tree.fresh.items() if digest not in self._blobs.listed
            }
            self._blobs.fresh[hash.digest(data)] = data
            self._found.put_snapshot(
                snapshot._replace(
                    id=manifest.content_id(hash),
                    manifest=hash.digest(data),
                    paths=len(kept),
                    images=images,
                    degraded=True,
                )
            )
            gone = sorted(path for path in aliases if path not in kept)
            loss = Loss(snapshot.name, max(snapshot.paths - len(kept), len(gone)), tuple(gone[:_PATHS]))
            self._found.degraded.append(loss)
            self._found.did(f"{snapshot.name} lost {loss.lost} path{'s' * (loss.lost != 1)}, and is marked degraded")

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
