"""The manifests of a damaged store: which are there, whose they are, and how a lost one is written again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from vstore.errors import Damage
from vstore.format.entries import Snapshot
from vstore.format.manifest import Manifest, content_id
from vstore.format.pages import Alias, decode_inner, decode_leaf, level_of
from vstore.format.unfolded import Unfolded
from vstore.repair.blobs import Blobs
from vstore.repair.findings import Findings
from vstore.repository.repository import Repository


class Manifests:
    """The manifests among the blobs of a damaged store."""

    def __init__(self, repo: Repository, found: Findings, blobs: Blobs) -> None:
        self._repo = repo
        self._found = found
        self._blobs = blobs
        self._whole: dict[bytes, bool] = {}
        self._ids: tuple[tuple[str, bytes], dict[str, bytes]] = ("", b""), {}
        self._fetched: dict[str, list[str]] = {}

    def root_of(self, snapshot: Snapshot) -> bytes | None:
        """Find the root of a snapshot's alias tree; None if it is lost. A lost manifest is rebuilt."""
        try:
            return Manifest.from_bytes(self._blobs.fetch(snapshot.manifest)).tree
        except Damage:
            pass
        root = self._root_by_id(snapshot)
        if root is None:
            return None
        spelt = [snapshot.manifest_over(root, store).to_bytes() for store in self._makers(snapshot)]
        digest = self._repo.hash.digest
        data = next((data for data in spelt if digest(data) == snapshot.manifest), spelt[0])
        self._blobs.fresh[digest(data)] = data
        self._found.put_snapshot(snapshot._replace(manifest=digest(data)))
        self._found.did(f"the manifest of {snapshot.name} was rebuilt from the log")
        return root

    def _root_by_id(self, snapshot: Snapshot) -> bytes | None:
        """Find the page that gives a snapshot its content id: the id is a digest of the root."""
        kind = snapshot.space, snapshot.fields
        if self._ids[0] != kind:
            hash, pages = self._repo.hash, self._blobs.pages
            self._ids = kind, {content_id(hash, snapshot.space, page, snapshot.fields): page for page in pages}
        return self._ids[1].get(snapshot.id)

    def aliases(self, snapshot: Snapshot) -> Iterator[Alias]:
        """Read the aliases of a snapshot from the pages left, in path order, as far as their paths may unfold."""
        root = self.root_of(snapshot)
        stack = [] if root is None else [root]
        unfolded = Unfolded()
        seen: set[bytes] = set()  # no page stands twice in a sound tree, and few would unfold to very many
        while stack:
            digest = stack.pop()
            if digest in seen:
                continue
            seen.add(digest)
            try:
                page = self._blobs.fetch(digest)
                if level_of(page):
                    stack += [child.digest for child in decode_inner(page, self._repo.hash.size)][::-1]
                else:
                    aliases = decode_leaf(page, self._repo.hash.size)
                    if unfolded.count(digest, [path for path, _ in aliases]) is not None:
                        return
                    yield from aliases
            except Damage:
                continue

    def newest(self, is_wanted: Callable[[str], bool]) -> dict[str, tuple[bytes, Manifest]]:
        """Find the manifests of this store's snapshots, by name. Of two of one snapshot the later counts.

        is_wanted: tells whether a name is looked for.
        Returns:   digest and manifest, by name.
        """
        found: dict[str, tuple[bytes, Manifest]] = {}
        for digest, manifest in self._blobs.manifests.items():
            name = manifest.name
            if not self._is_own(manifest) or not is_wanted(name):
                continue
            if name not in found or manifest.time >= found[name][1].time:
                found[name] = digest, manifest
        return found

    def has_tree(self, root: bytes) -> bool:
        """Tell whether all pages of an alias tree are anywhere."""
        if root not in self._whole:
            try:
                page = self._blobs.read(root)
                below = decode_inner(page, self._repo.hash.size) if level_of(page) else []
                self._whole[root] = all(self.has_tree(child.digest) for child in below)
            except Damage:
                self._whole[root] = False
        return self._whole[root]

    def made_by(self, snapshot: Snapshot) -> str:
        """Give the store to name in a new manifest of a snapshot."""
        manifest = self._blobs.manifests.get(snapshot.manifest)
        if manifest is not None and not snapshot.is_own:
            return manifest.store
        return self._makers(snapshot)[0]

    def unlisted_fetched(self) -> list[str]:
        """Name the other stores of which a whole snapshot is here that is not listed, by their ids."""
        listed = set()
        for snapshot in self._found.listing.every():
            manifest = self._blobs.manifests.get(snapshot.manifest)
            if manifest is not None:
                listed.add((manifest.store, manifest.name))
        others = [one for one in self._blobs.manifests.values() if not self._is_own(one)]
        return sorted({m.store for m in others if (m.store, m.name) not in listed and self.has_tree(m.tree)})

    def find_store(self) -> None:
        """Find the id of the store in the manifests of its snapshots, where FORMAT is lost."""
        manifests = self._blobs.manifests
        own = [bytes.fromhex(entry["manifest"]) for name, entry in self._found.state.window.items() if "/" not in name]
        stores = [manifests[digest].store for digest in own if digest in manifests and manifests[digest].store]
        if not stores:
            # No record tells which are its own. Most are, and none has the number of one that is older than migration.
            old = {manifest.name for manifest in manifests.values() if not manifest.store}
            others = {manifest.store for manifest in manifests.values() if manifest.name in old}
            stores = [manifest.store for manifest in manifests.values() if manifest.store not in others]
        self._repo.store_id = max(stores, key=stores.count, default="") or self._repo.store_id

    def _is_own(self, manifest: Manifest) -> bool:
        """Tell whether this store made a manifest. In format 1 none says whose it is."""
        return manifest.store in ("", self._repo.store_id)

    def _makers(self, snapshot: Snapshot) -> list[str]:
        """List the stores that a lost manifest of a snapshot may have named, the likeliest first."""
        if self._repo.format == 1:
            return [""]
        if snapshot.is_own:
            return [self._repo.store_id, ""]  # it may be older than the migration
        name = snapshot.name.rpartition("/")[0]
        if name not in self._fetched:
            same = [s for s in self._found.listing.every() if s.name.startswith(f"{name}/")]
            known = [self._blobs.manifests[s.manifest] for s in same if s.manifest in self._blobs.manifests]
            self._fetched[name] = [*dict.fromkeys(m.store for m in known if m.store), "?"]
        return self._fetched[name]
