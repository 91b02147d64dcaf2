"""The blobs of a damaged store: found wherever they lie, and gathered where no sound pack of the log has them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from vstore.disk.salvage import insisted, pack_ref, refuse_unreadable, sound_blobs
from vstore.embed.builtin import DEFAULT_RECIPE
from vstore.errors import Damage
from vstore.format.canonical import Json, canonical
from vstore.format.entries import Import, Snapshot, Space, listed_packs
from vstore.format.manifest import Manifest, content_id
from vstore.format.pages import Alias, decode_inner, decode_leaf, level_of
from vstore.format.recipes import space_id
from vstore.progress import Progress
from vstore.repair.findings import PACK, Findings, files
from vstore.repository.leftovers import BLOCK as LEFT_BLOCK
from vstore.repository.repository import Repository, how_to_give


class Blobs:
    """listed: digests in sound packs that the log lists. fresh: what has to go into a new pack. manifests: all that
    were met, by digest."""

    def __init__(self, repo: Repository, found: Findings, progress: Progress) -> None:
        self._repo = repo
        self._found = found
        self._progress = progress
        self._elsewhere: dict[bytes, Path] = {}
        self._salvaged: dict[bytes, bytes] = {}
        self._pages: list[bytes] = []
        self._leftovers: set[bytes] = set()  # the names of rows that imports left over
        self.listed: set[bytes] = set()
        self.fresh: dict[bytes, bytes] = {}
        self.manifests: dict[bytes, Manifest] = {}

    def read_packs(self) -> None:
        """Read every blob of every pack, listed or not."""
        layout, hash = self._repo.layout, self._repo.hash
        listed = self._found.state.packs
        self._progress.stage("read the store", len(listed) + len(self._found.state.all_segments()))
        keep = []
        for ref in listed:
            self._progress.advance()
            whole, blobs = sound_blobs(layout.packs, ref, hash)
            for digest, blob in blobs:
                self._note_blob(digest, blob)
                if whole:
                    self.listed.add(digest)
                else:
                    self._salvaged[digest] = blob
            if whole:
                keep.append(ref)
            else:
                self._found.did(f"packs/{ref.name} is damaged or missing: what is left of it is kept")
                self._found.put_aside(layout.packs / ref.name)
        names = {ref.name for ref in listed}
        for path in files(layout.packs, PACK):
            if path.name not in names:
                try:
                    ref = insisted(partial(pack_ref, path))
                    _, blobs = sound_blobs(layout.packs, ref, hash)
                except (Damage, OSError) as err:
                    refuse_unreadable(err, path)
                    continue
                for digest, blob in blobs:
                    if digest not in self.listed:
                        self._elsewhere.setdefault(digest, path)
                        self._note_blob(digest, blob)
        self._found.document["packs"] = listed_packs(keep)
        self._repo.packs.listing(keep)

    def _note_blob(self, digest: bytes, blob: bytes) -> None:
        if blob[:2] == b"vp":
            self._pages.append(digest)
        elif blob[:2] == b"[[":
            self._leftovers.add(digest)
        elif blob[:1] == b"{" and b'"tree"' in blob:
            try:
                self.manifests[digest] = Manifest.from_bytes(blob)
            except Damage:
                return

    def fetch(self, digest: bytes) -> bytes:
        """A blob that will be needed: where no sound pack of the log has it, it goes into a new one.

        Raises: Damage if it is nowhere.
        """
        blob = self.read(digest)
        if digest not in self.listed:
            self.fresh[digest] = blob
        return blob

    def read(self, digest: bytes) -> bytes:
        """A blob, wherever it lies. Raises: Damage."""
        if digest in self.listed:
            return insisted(partial(self._repo.packs.get, digest))
        blob = self.fresh.get(digest) or self._salvaged.get(digest)
        if blob is None and digest in self._elsewhere:
            path = self._elsewhere[digest]
            _, blobs = sound_blobs(path.parent, insisted(partial(pack_ref, path)), self._repo.hash)
            blob = next((found for name, found in blobs if name == digest), None)
        if blob is None:
            raise Damage(f"the blob {digest.hex()} is lost")
        return blob

    def recipe_of(self, space: str) -> bytes | None:
        """The recipe of a space: from a pack, or the one that this version has built in."""
        for digest in [*self.listed, *self._salvaged, *self._elsewhere]:
            if digest in self.manifests:
                continue
            blob = self.read(digest)
            if blob[:1] == b"{" and hashlib.sha256(blob).hexdigest() == space:
                return blob
        return canonical(DEFAULT_RECIPE) if space_id(DEFAULT_RECIPE) == space else None

    def root_of(self, snapshot: Snapshot) -> bytes | None:
        """The root of a snapshot's alias tree; its manifest is made anew where it is lost."""
        try:
            return Manifest.from_bytes(self.fetch(snapshot.manifest)).tree
        except Damage:
            pass
        # The content id is a digest of the root, so the page that gives it is the root.
        for digest in self._pages:
            if content_id(self._repo.hash, snapshot.space, digest) == snapshot.id:
                data = snapshot.manifest_over(digest).to_bytes()
                self.fresh[self._repo.hash.digest(data)] = data
                self._found.put_snapshot(snapshot._replace(manifest=self._repo.hash.digest(data)))
                self._found.did(f"the manifest of {snapshot.name} made anew from what the log says of it")
                return digest
        return None

    def aliases(self, snapshot: Snapshot) -> Iterator[Alias]:
        """The aliases of a snapshot in those of its pages that are left, in path order."""
        root = self.root_of(snapshot)
        stack = [] if root is None else [root]
        while stack:
            try:
                page = self.fetch(stack.pop())
                if level_of(page):
                    stack += [child.digest for child in decode_inner(page, self._repo.hash.size)][::-1]
                else:
                    yield from decode_leaf(page, self._repo.hash.size)
            except Damage:
                continue

    def keep(self) -> None:
        """Take along what the state itself names, or say that it is lost."""
        for space in self._found.state.spaces.values():
            if not self._keep_recipe(space):
                self._found.left.append(
                    f"the recipe of the space {space.name} is lost: its vectors are kept and can be searched, but "
                    f"nothing is embedded beside them until it is back; {how_to_give(space)}"
                )
            elif space.probes:
                try:
                    self.fetch(space.probes)
                except Damage:
                    self._found.left.append(
                        f"the probes of the space {space.name} are lost: nothing is embedded there, and gc does not "
                        f"start, until its model is added again: vstore model add {space.name} --model MODEL"
                    )
        if self._found.gap and self._leftovers - {found.names for found in self._found.state.imports.values()}:
            self._found.did(
                "rows that imports left over may be lost with the records that named them: the old indexes have them, "
                "if they are still there"
            )
        for found in self._found.state.imports.values():
            self._keep_import(found)

    def _keep_recipe(self, space: Space) -> bool:
        """Take along a recipe. Returns: whether there is one; where it is lost the log says so, and gc goes without."""
        if space.recipe and self._has(space.recipe):
            self.fetch(space.recipe)
            return True
        recipe = self.recipe_of(space.id)
        if recipe is not None:
            digest = self._repo.hash.digest(recipe)
            self.fresh[digest] = recipe
            self._found.put_space(space._replace(recipe=digest))
            self._found.did(f"the recipe of the space {space.name} found again")
        elif space.recipe:
            # Its probes came with it, and prove nothing without it.
            self._found.put_space(space._replace(recipe=b"", probes=b""))
            self._found.did(f"the space {space.name} marked as one whose recipe is lost")
        return recipe is not None

    def _keep_import(self, found: Import) -> None:
        """Take along the rows that an import left over. Those whose name or vector is lost are named no more: gc would
        refuse to start for them, and every sync that adds a picture."""
        if all(map(self._has, (found.names, *found.vectors))):
            for digest in (found.names, *found.vectors):
                self.fetch(digest)
            return
        names: list[Json] = json.loads(self.read(found.names)) if self._has(found.names) else []
        left: list[Json] = []
        rows = bytearray()
        for at, digest in enumerate(found.vectors):
            part = names[at * LEFT_BLOCK : (at + 1) * LEFT_BLOCK]
            if part and self._has(digest):
                left += part
                rows += self.read(digest)
        imports = {**self._found.document["imports"]}
        del imports[found.id]
        if left:
            size = LEFT_BLOCK * (len(rows) // len(left))
            blobs = [canonical(left), *(bytes(rows[at : at + size]) for at in range(0, len(rows), size))]
            digests = [self._repo.hash.digest(blob) for blob in blobs]
            self.fresh |= dict(zip(digests, blobs, strict=True))
            kept = found._replace(rows=len(left), names=digests[0], vectors=tuple(digests[1:]))
            imports[found.id] = kept.to_json()
        self._found.document["imports"] = imports
        self._found.did(
            f"{found.rows - len(left)} of the {found.rows} rows that the import {found.id} left over are lost: the old "
            "index has them, if it is still there"
        )

    def _has(self, digest: bytes) -> bool:
        return any(digest in where for where in (self.listed, self.fresh, self._salvaged, self._elsewhere))
