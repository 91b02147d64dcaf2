"""The snapshots of a damaged store: found again where the log lost them, and cut to what is left."""

from __future__ import annotations

import json
from collections.abc import Mapping

from vstore.errors import Damage
from vstore.pages import Tree, decode_inner, decode_leaf, level_of
from vstore.records import Manifest, Snapshot, Space
from vstore.repair.blobs import Blobs
from vstore.repair.findings import SEGMENT, Findings, files
from vstore.repair.report import Loss
from vstore.repository import Repository
from vstore.salvage import sound_segment

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
        self._adopt_spaces({manifest.space for _, manifest in newest.values()})
        for name, (digest, manifest) in sorted(newest.items(), key=lambda pair: int(pair[0][1:])):
            if manifest.space not in self._found.state.spaces:
                self._found.left.append(f"{name} is of a space whose recipe is lost: it stays in its pack")
                continue
            snapshot = Snapshot(
                name,
                manifest.content_id(self._repo.hash),
                digest,
                manifest.space,
                manifest.paths,
                manifest.images,
                manifest.time,
                manifest.message,
                manifest.parent,
                manifest.partial,
            )
            self._found.document["snapshots"] = {**self._found.document.get("snapshots", {}), name: snapshot.to_json()}
            self._found.document["next_v"] = max(self._found.state.next_v, int(name[1:]) + 1)
            if self._found.tail_is_lost or not self._repo.tip.number:
                self._found.document["current"] = name
            self._found.did(f"{name} found again by its manifest")
        known = self._found.document.get("snapshots", {})
        numbers = range(self._found.next_before_gap, self._found.state.next_v)
        gone = [f"v{number}" for number in numbers if f"v{number}" not in known]
        if gone:
            some = ", ".join(gone[:_PATHS]) + (" …" if len(gone) > _PATHS else "")
            self._found.left.append(f"{some}: neither a record nor a manifest is left that would tell what was in it")
        if not self._found.document.get("roots") and self._found.document.get("snapshots"):
            self._found.left.append(
                "where the folders of pictures lie is lost: name them once more with vstore sync FOLDER"
            )

    def _adopt_spaces(self, wanted: set[str]) -> None:
        for path in files(self._repo.layout.segments, SEGMENT):
            segment = sound_segment(path)
            if segment is not None:
                wanted = wanted | {segment.footer.space.hex()}
        for space in sorted(wanted - self._found.state.spaces.keys()):
            recipe = self._blobs.recipe_of(space)
            if recipe is None:
                continue
            digest = self._repo.hash.digest(recipe)
            self._blobs.fresh[digest] = recipe
            value = json.loads(recipe)
            # Whether it was ever proved stood in the log alone.
            entry = Space(space, str(value.get("name", space[:12])), "claimed", digest, value["dim"])
            self._found.document["spaces"] = {**self._found.document.get("spaces", {}), space: entry.to_json()}
            self._found.document.setdefault("start_space", space)
            self._found.did(f"the space {entry.name} found again by its recipe")

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
            root = tree.root
            manifest = Manifest(
                snapshot.name, snapshot.space, root, len(kept), images, snapshot.time, snapshot.message,
                snapshot.parent, snapshot.partial,
            )  # fmt: skip
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
