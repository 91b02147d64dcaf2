"""Restores snapshots and spaces of lost records, from manifests, recipes and the footers of segments."""

from __future__ import annotations

import json

from vstore.disk.salvaged_rows import sound_segment
from vstore.format.entries import Snapshot, Space
from vstore.format.state import merge_patch
from vstore.repair.blobs import Blobs
from vstore.repair.findings import SEGMENT, Findings, files
from vstore.repair.manifests import Manifests
from vstore.repository.repository import Repository

_SHOWN = 10  # snapshots that a line names


def fill_gap(repo: Repository, found: Findings, blobs: Blobs, manifests: Manifests) -> None:
    """Restore what only the lost records listed: spaces first, then the snapshots in them."""
    known = set(found.document.get("snapshots", {}))
    newest = manifests.newest(lambda name: name not in known and int(name[1:]) >= found.next_before_gap)
    _restore_spaces(repo, found, blobs, {manifest.space for _, manifest in newest.values() if not manifest.images})
    for name, (digest, manifest) in sorted(newest.items(), key=lambda pair: int(pair[0][1:])):
        found.document["next_v"] = max(found.state.next_v, int(name[1:]) + 1)
        if manifest.space not in found.state.spaces:
            _leave_out(found, name)
            continue
        entry = Snapshot.of(manifest, digest, manifest.content_id(repo.hash)).to_json()
        found.put_snapshot(Snapshot.from_json(name, merge_patch(entry, found.fragments.get(name, {}))))
        if found.tail_is_lost or not repo.tip.number:
            found.document["current"] = name
        found.did(f"{name} was recovered from its manifest")
    for snapshot in list(found.listing.every()):
        if snapshot.space not in found.state.spaces:
            del found.document["snapshots"][snapshot.name]
            _leave_out(found, snapshot.name)
    numbers = range(found.next_before_gap, found.state.next_v)
    gone = [f"v{number}" for number in numbers if f"v{number}" not in {*known, *newest}]
    if gone:
        some = ", ".join(gone[:_SHOWN]) + (" …" if len(gone) > _SHOWN else "")
        found.left.append(f"{some}: neither a record nor a manifest is left; the content is lost")
    if not found.document.get("roots") and found.document.get("snapshots"):
        found.left.append("the places of the picture folders are lost: name them again with vstore sync FOLDER")


def _leave_out(found: Findings, name: str) -> None:
    # Its vectors are lost, or they were written for another space: which one, only a lost record said.
    found.left.append(
        f"{name} is not restored: its space is unknown to the log, and no segment was written for it. If the space was "
        "adopted from another one (vstore check --adopt), that one still has its vectors and its snapshots: adopt it "
        "again"
    )


def _restore_spaces(repo: Repository, found: Findings, blobs: Blobs, empty: set[str]) -> None:
    """Restore the spaces that segments were written for or are listed for, and `empty` ones, which need none."""
    dims = _dims_of_segments(repo, found)
    for space in sorted((empty | dims.keys()) - found.state.spaces.keys()):
        recipe = blobs.recipe_of(space)
        value = {"dim": dims.get(space)} if recipe is None else json.loads(recipe)
        if value["dim"] is None:
            continue
        names = {other.name for other in found.state.spaces.values()}
        name = str(value.get("name", ""))
        if not name or name in names:
            name = f"found-{space[:12]}"
        # Only the log said whether somebody proved that this recipe gives these vectors.
        status = "verified" if value.get("family") == "builtin" else "claimed"
        digest = b"" if recipe is None else repo.hash.digest(recipe)
        if recipe is not None:
            blobs.fresh[digest] = recipe
        found.put_space(Space(id=space, name=name, status=status, recipe=digest, dim=value["dim"]))
        found.document.setdefault("start_space", space)
        by = "its vectors, without its recipe" if recipe is None else "its recipe"
        found.did(f"the space {name} was recovered from {by}")


def _dims_of_segments(repo: Repository, found: Findings) -> dict[str, int]:
    """Find the spaces of sound segments, and how many numbers their vectors have."""
    dims: dict[str, int] = {}
    of_file: dict[str, int] = {}
    for path in files(repo.layout.segments, SEGMENT):
        segment = sound_segment(path)
        if segment is not None and (segment.footer.dtype, segment.footer.key_size) == (repo.dtype, repo.hash.size):
            dims[segment.footer.space.hex()] = of_file[path.name] = segment.footer.dim
    for space, refs in found.state.segment_lists().items():
        for ref in refs:
            if ref.name in of_file:
                dims.setdefault(space, of_file[ref.name])
    return dims
