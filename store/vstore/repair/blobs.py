"""The blobs of a damaged store, from any place; those outside every sound pack are gathered for a new one."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from vstore.disk.packs import LARGEST_BLOB
from vstore.disk.salvage import insisted, pack_ref, refuse_unreadable
from vstore.disk.salvaged_blobs import sound_blobs
from vstore.embed.builtin import RECIPES
from vstore.errors import Damage
from vstore.format.canonical import canonical, parsed
from vstore.format.entries import FileRef, listed_packs
from vstore.format.manifest import Manifest
from vstore.format.recipes import space_id
from vstore.progress import Stages
from vstore.repair.findings import PACK, Findings, files
from vstore.repository.repository import Repository


class Blobs:
    """All blobs of a damaged store.

    listed:    digests in sound packs of the log.
    fresh:     blobs for a new pack, by digest.
    pages:     digests of all alias pages.
    manifests: all manifests found, by digest.
    leftovers: digests of the names of rows set aside by imports.
    facts:     digests of all leaves of facts.
    tables:    digests of all leaves of tables.
    """

    def __init__(self, repo: Repository, found: Findings, stages: Stages) -> None:
        self._repo = repo
        self._found = found
        self._stages = stages
        self._elsewhere: dict[bytes, Path] = {}
        self._salvaged: dict[bytes, bytes] = {}
        self.pages: list[bytes] = []
        self.listed: set[bytes] = set()
        self.fresh: dict[bytes, bytes] = {}
        self.manifests: dict[bytes, Manifest] = {}
        self.leftovers: set[bytes] = set()
        self.facts: set[bytes] = set()
        self.tables: set[bytes] = set()

    def read_packs(self) -> None:
        """Read every blob of every pack, listed or not."""
        layout, listed = self._repo.layout, self._found.state.packs
        every = [*listed, *self._found.state.all_segments()]
        self._stages.begin("reading the store", len(every), size=sum(ref.size for ref in every))
        sound = [ref for ref in listed if self._read_listed(ref)]
        names = {ref.name for ref in listed}
        for path in files(layout.packs, PACK):
            if path.name not in names:
                self._read_unlisted(path)
        self._found.document["packs"] = listed_packs(sound)
        self._repo.packs.listing(sound)

    def _read_listed(self, ref: FileRef) -> bool:
        """Read a pack of the log. Returns: whether it is sound."""
        folder = self._repo.layout.packs
        self._stages.take(os.fsencode(folder / ref.name))
        whole, blobs = sound_blobs(folder, ref, self._repo.hash)
        for digest, blob in blobs:
            self._note_blob(digest, blob)
            if whole:
                self.listed.add(digest)
            else:
                self._salvaged[digest] = blob
        if not whole:
            self._found.did(f"packs/{ref.name} is damaged or missing: its intact parts were saved")
            self._found.put_aside(folder / ref.name)
        self._stages.put_down()
        self._stages.advance(1, ref.size, failed=not whole)
        return whole

    def _read_unlisted(self, path: Path) -> None:
        try:
            ref = insisted(partial(pack_ref, path))
            _, blobs = sound_blobs(path.parent, ref, self._repo.hash)
        except (Damage, OSError) as err:
            refuse_unreadable(err, path)
            return
        for digest, blob in blobs:
            if digest not in self.listed:
                self._elsewhere.setdefault(digest, path)
                self._note_blob(digest, blob)

    def _note_blob(self, digest: bytes, blob: bytes) -> None:
        if blob[:2] == b"vp":
            self.pages.append(digest)
        elif blob[:3] == b"vf0":
            self.facts.add(digest)
        elif blob[:3] == b"vt0":
            self.tables.add(digest)
        elif blob[:2] == b"[[" and _is_of_import(blob):
            self.leftovers.add(digest)
        elif blob[:1] == b"{" and b'"tree"' in blob:
            manifest = _manifest_of(blob)
            if manifest is not None:
                self.manifests[digest] = manifest

    def fetch(self, digest: bytes) -> bytes:
        """Read a needed blob; if no sound pack of the log has it, it goes into a new one.

        Raises: Damage if it is lost.
        """
        blob = self.read(digest)
        if digest not in self.listed:
            self.fresh[digest] = blob
        return blob

    @property
    def unlisted(self) -> dict[bytes, bytes]:
        """The blobs for a new pack that no sound pack of the log has."""
        return {digest: blob for digest, blob in self.fresh.items() if digest not in self.listed}

    def add(self, made: Mapping[bytes, bytes]) -> None:
        """Add blobs to the new pack. made: by digest."""
        self.fresh |= made

    def read(self, digest: bytes) -> bytes:
        """Read a blob, wherever it lies. Raises: Damage if it is lost."""
        if digest in self.listed:
            return insisted(partial(self._repo.packs.get, digest, LARGEST_BLOB))
        blob = self.fresh.get(digest) or self._salvaged.get(digest)
        if blob is None and digest in self._elsewhere:
            path = self._elsewhere[digest]
            _, blobs = sound_blobs(path.parent, insisted(partial(pack_ref, path)), self._repo.hash)
            blob = next((found for name, found in blobs if name == digest), None)
        if blob is None:
            raise Damage(f"the blob {digest.hex()} is lost")
        return blob

    def recipe_of(self, space: str) -> bytes | None:
        """Find the recipe of a space: in a pack, or the one built into this version."""
        for digest in [*self.listed, *self._salvaged, *self._elsewhere]:
            if digest in self.manifests:
                continue
            blob = self.read(digest)
            if blob[:1] == b"{" and hashlib.sha256(blob).hexdigest() == space:
                return blob
        return next((canonical(one) for one in RECIPES.values() if space_id(one) == space), None)

    def has(self, digest: bytes) -> bool:
        """Tell whether a blob is anywhere."""
        return any(digest in where for where in (self.listed, self.fresh, self._salvaged, self._elsewhere))


def _manifest_of(blob: bytes) -> Manifest | None:
    """Read a blob that may be a manifest."""
    try:
        manifest = Manifest.from_bytes(blob)
    except Damage:
        return None
    return manifest if re.fullmatch(r"v[1-9][0-9]{0,17}", str(manifest.name)) else None


def _is_of_import(blob: bytes) -> bool:
    """Tell whether a list is one of rows that an import set aside. Those of history have other lengths."""
    try:
        return len(parsed(blob, LARGEST_BLOB)[0]) == 4
    except (ValueError, LookupError, TypeError):
        return False
