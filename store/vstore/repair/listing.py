"""The list of snapshots of a damaged store: from its tree, and from manifests where pages of the tree are lost."""

from __future__ import annotations

from collections.abc import Mapping

from vstore.counts import counted
from vstore.format.canonical import Json
from vstore.format.entries import Snapshot
from vstore.format.listing_left import ListingLeft, listing_left
from vstore.format.state import merge_patch
from vstore.repair.blobs import Blobs
from vstore.repair.findings import Findings
from vstore.repair.manifests import Manifests
from vstore.repository.repository import Repository


def list_all(repo: Repository, found: Findings, blobs: Blobs, manifests: Manifests) -> None:
    """Put all snapshots into the state to publish, for as long as the repair lasts.

    A snapshot on a lost page of the tree is taken from the state, or from its manifest if all its pages are there.
    """
    left = listing_left(found.state, repo.hash, blobs.fetch)
    entries: dict[str, Json] = dict(left.entries)
    if left.left.lost:
        # gc leaves manifests of freed snapshots in packs that are mostly in use, but hardly ever all their pages.
        recovered = {
            name: Snapshot.of(manifest, digest, manifest.content_id(repo.hash)).to_json()
            for name, (digest, manifest) in manifests.newest(left.is_lost).items()
            if name not in entries and manifest.space in found.state.spaces and manifests.has_tree(manifest.tree)
        }
        entries |= recovered
        found.did(
            f"the list of snapshots was damaged; recovered from their manifests: {counted(len(recovered), 'snapshot')}"
        )
        _say_lost(found, left, entries)
    elif left.faults:
        found.did(f"the list of snapshots was written again: {'; '.join(left.faults)}")
    entries |= {name: merge_patch(entries[name], change) for name, change in found.fragments.items() if name in entries}
    # What is published goes into a tree again, which is the same one if nothing changed.
    trees = {name: root for name, root in found.document.get("trees", {}).items() if name != "snapshots"}
    found.document = {name: value for name, value in found.document.items() if name not in ("listed", "trees")}
    found.document |= {"snapshots": entries} | ({"trees": trees} if trees else {})
    if left.left.lost or found.gap:
        # Their manifests do not tell under which name of their store they were listed.
        for store in manifests.unlisted_fetched():
            found.left.append(f"snapshots fetched from the store {store} are no longer listed: fetch them again")


def _say_lost(found: Findings, left: ListingLeft, entries: Mapping[str, Json]) -> None:
    """Say how many snapshots of lost pages are in no manifest either, or that no page tells."""
    if left.left.gone is None:
        found.done.append("no page tells whether the list held other snapshots, too")
        return
    lost = left.left.gone - sum(map(left.is_lost, entries))
    if lost > 0:
        found.left.append(f"{counted(lost, 'snapshot')} of the list of snapshots could not be recovered")
