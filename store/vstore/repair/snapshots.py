"""The snapshots of a damaged store: found again where the log lost them, and cut to what is left."""

from __future__ import annotations

import json
from collections.abc import Mapping

from vstore.disk.salvage import sound_segment
from vstore.errors import Damage
from vstore.format.entries import Snapshot, Space
from vstore.format.manifest import Manifest
from vstore.format.pages import Tree, decode_inner, decode_leaf, level_of
from vstore.repair.blobs import Blobs
from vstore.repair.findings import SEGMENT, Findings, files
from vstore.repair.report import Loss
from vstore.repository.repository import Repository

_PATHS = 10  # paths that a loss names


class Snapshots:
    """named: by space, the keys that kept snapshots name, as far as their pages can be read."""

    def __init__(self, repo: Repository, found: Findings, blobs: Blobs) -> None:
        self._repo = repo
        self._found = found
        self._blobs = blobs
        self._broken: set[str] = set()
        self.named: dict[str, set[bytes]] = {}

    def walk(self) -> None:
        """Read every page of every kept snapshot; those of which one is lost are broken."""
        walked: dict[str, dict[bytes, bool]] = {}
        for snapshot in self._found.state.snapshots():
            keys = self.named.setdefault(snapshot.space, set())
            root = self._blobs.root_of(snapshot)
            if root is None:
                self._broken.add(snapshot.name)
                continue

            if not self._walk(root, keys, walked.setdefault(snapshot.space, {})):
                self._broken.add(snapshot.name)

    def _walk(self, digest: bytes, keys: set[bytes], walked: dict[bytes, bool]) -> bool:
        """Take the keys below a page. Returns: whether all of it could be read."""
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

    def adopt_over_gap(self) -> None:
        """Snapshots, spaces and segments that only the lost records named, from manifests, recipes and footers."""
        known = self._found.document.get("snapshots", {})
        newest: dict[str, tuple[bytes, Manifest]] = {}
        for digest, manifest in self._blobs.manifests.items():
            number = int(manifest.name[1:])
            if manifest.name in known or number < self._found.next_before_gap:
                continue
            if manifest.name not in newest or manifest.time >= newest[manifest.name][1].time:
                newest[manifest.name] = digest, manifest
        self._adopt_spaces({manifest.space for _, manifest in newest.values() if not manifest.images})
        for name, (digest, manifest) in sorted(newest.items(), key=lambda pair: int(pair[0][1:])):
            self._found.document["next_v"] = max(self._found.state.next_v, int(name[1:]) + 1)
            if manifest.space not in self._found.state.spaces:
                self._leave(name)
                continue
            self._found.put_snapshot(Snapshot.of(manifest, digest, manifest.content_id(self._repo.hash)))
            if self._found.tail_is_lost or not self._repo.tip.number:
                self._found.document["current"] = name
            self._found.did(f"{name} found again by its manifest")
        for snapshot in self._found.state.snapshots():
            if snapshot.space not in self._found.state.spaces:
                kept = self._found.document["snapshots"]
                self._found.document["snapshots"] = {n: value for n, value in kept.items() if n != snapshot.name}
                self._leave(snapshot.name)
        numbers = range(self._found.next_before_gap, self._found.state.next_v)
        gone = [f"v{number}" for number in numbers if f"v{number}" not in {*known, *newest}]
        if gone:
            some = ", ".join(gone[:_PATHS]) + (" …" if len(gone) > _PATHS else "")
            self._found.left.append(f"{some}: neither a record nor a manifest is left that would tell what was in it")
        if not self._found.document.get("roots") and self._found.document.get("snapshots"):
            self._found.left.append(
                "where the folders of pictures lie is lost: name them once more with vstore sync FOLDER"
            )

    def _leave(self, name: str) -> None:
        # Its vectors are lost, or they were written for another space: which one, only a lost record said.
        self._found.left.append(
            f"{name} is not taken up: the log says nothing of its space, and no segment was written for it. If it was "
            "adopted from another space (vstore check --adopt), that one has its vectors and its versions still: adopt "
            "it again"
        )

    def _adopt_spaces(self, empty: set[str]) -> None:
        """Spaces that the log does not know: those that vectors were written for or are listed for, and `empty` ones,
        which need none."""
        hash, dtype = self._repo.hash, self._repo.dtype
        dims: dict[str, int] = {}
        of_file: dict[str, int] = {}
        for path in files(self._repo.layout.segments, SEGMENT):
            segment = sound_segment(path)
            if segment is not None and (segment.footer.dtype, segment.footer.key_size) == (dtype, hash.size):
                dims[segment.footer.space.hex()] = of_file[path.name] = segment.footer.dim
        for space, refs in self._found.state.segment_lists().items():
            for ref in refs:
                if ref.name in of_file:
                    dims.setdefault(space, of_file[ref.name])
        for space in sorted((empty | dims.keys()) - self._found.state.spaces.keys()):
            recipe = self._blobs.recipe_of(space)
            value = {"dim": dims.get(space)} if recipe is None else json.loads(recipe)
            if value["dim"] is None:
                continue
            names = {other.name for other in self._found.state.spaces.values()}
            name = str(value.get("name", ""))
            if not name or name in names:
                name = f"found-{space[:12]}"
            # Whether somebody proved that this recipe gives these vectors stood in the log.
            status = "verified" if value.get("family") == "builtin" else "claimed"
            digest = b"" if recipe is None else hash.digest(recipe)
            if recipe is not None:
                self._blobs.fresh[digest] = recipe
            self._found.put_space(Space(space, name, status, digest, value["dim"]))
            self._found.document.setdefault("start_space", space)
            by = "its vectors, without its recipe" if recipe is None else "its recipe"
            self._found.did(f"the space {name} found again by {by}")

    def degrade(self, stored_keys: Mapping[str, set[bytes]]) -> None:
        """Let snapshots name only what is there, and say that they hold less than they did."""
        hash = self._repo.hash
        for snapshot in self._found.state.snapshots():
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
            manifest = snapshot.manifest_over(tree.root)._replace(paths=len(kept), images=images)
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
            self._found.did(f"{snapshot.name} has {loss.lost} paths less than it had, and is marked degraded")

    def choose_current(self) -> None:
        """Let `current`, tags and the hold name snapshots that there are."""
        kept = [snapshot.name for snapshot in self._found.state.snapshots()]
        current = self._found.state.current
        if (current is not None or self._found.gap) and current not in kept and kept:
            self._found.document["current"] = kept[0]
            self._found.did(f"{kept[0]} is current now")
        elif current is not None and not kept:
            del self._found.document["current"]
        self._found.document["tags"] = {tag: name for tag, name in self._found.state.tags.items() if name in kept}
        if self._found.state.hold is not None and self._found.state.hold not in kept:
            del self._found.document["hold"]
