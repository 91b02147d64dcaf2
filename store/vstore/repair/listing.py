"""The list of snapshots of a damaged store: from its tree, and from manifests where pages of the tree are lost."""

from __future__ import annotations

from vstore.format.entries import Snapshot
from vstore.format.listing import entry_of, snapshot_key, snapshot_name
from vstore.format.manifest import Manifest
from vstore.repair.blobs import Blobs
from vstore.repair.findings import Findings
from vstore.repair.tables import Left, left_of
from vstore.repository.repository import Repository


def list_all(repo: Repository, found: Findings, blobs: Blobs) -> None:
    """Put all snapshots into the state to publish, for as long as the repair lasts.

    A snapshot on a lost page of the tree is taken from the state, or from its manifest if all its pages are there.
    """
    root = found.state.root("snapshots")
    if root is None:
        return
    left = left_of(root, blobs.fetch, repo.hash.size)
    entries = {snapshot_name(key): entry_of(value) for key, value in left.entries.items()}
    entries |= found.state.window
    if left.lost:
        recovered = _from_manifests(repo, blobs, left, set(entries))
        entries |= {snapshot.name: snapshot.to_json() for snapshot in recovered}
        found.did(f"the list of snapshots was damaged: {len(recovered)} snapshots were recovered from their manifests")
    # What is published goes into a tree again, which is the same one if nothing changed.
    found.document = {name: value for name, value in found.document.items() if name != "listed"}
    found.document["trees"] = {name: value for name, value in found.document["trees"].items() if name != "snapshots"}
    found.document["snapshots"] = entries


def _from_manifests(repo: Repository, blobs: Blobs, left: Left, known: set[str]) -> list[Snapshot]:
    """Find snapshots of this store that the lost pages may have listed. Of two manifests of one the later counts."""
    newest: dict[str, tuple[bytes, Manifest]] = {}
    for digest, manifest in blobs.manifests.items():
        name = manifest.name
        if name in known or not blobs.is_own(manifest) or not left.is_lost(snapshot_key(name)):
            continue
        if name not in newest or manifest.time >= newest[name][1].time:
            newest[name] = digest, manifest
    # gc leaves manifests of freed snapshots in packs that are mostly in use, but hardly ever all their pages.
    return [
        Snapshot.of(manifest, digest, manifest.content_id(repo.hash))
        for digest, manifest in newest.values()
        if blobs.has_tree(manifest.tree)
    ]
