"""A snapshot to be: its manifest, and the changes to make it current."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vstore.clock import now
from vstore.format.canonical import Json
from vstore.format.entries import Snapshot
from vstore.format.manifest import Manifest
from vstore.format.tree import Tree
from vstore.paths import as_text
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.format.table import Table


def new_snapshot(
    repo: Repository,
    space: str,
    tree: Tree,
    images: int,
    parent: Snapshot | None,
    message: str,
    *,
    partial: bool = False,
    fields: Table | None = None,
) -> tuple[Snapshot, dict[str, Json], dict[bytes, bytes]]:
    """Make the next snapshot, over the aliases of a tree. The caller is inside `committing`.

    images:  distinct keys of the tree; a caller that edited another tree need not count them all.
    fields:  its fields; None for those of its parent.
    Returns: the snapshot; the changes to make it current; the blobs to put into a pack first.
    """
    name = f"v{repo.state.next_v}"
    manifest = Manifest(
        name=name,
        space=space,
        tree=tree.root,
        paths=len(tree),
        images=images,
        time=now(),
        message=as_text(message, "the message"),
        parent=parent.name if parent else None,
        partial=partial,
        fields=_fields_root(parent) if fields is None else fields.root or b"",
        store=repo.store_id if repo.format > 1 else "",
    )
    data = manifest.to_bytes()
    snapshot = Snapshot.of(manifest, repo.hash.digest(data), manifest.content_id(repo.hash))
    changes: dict[str, Json] = {
        "snapshots": {name: snapshot.to_json()},
        "current": name,
        "next_v": repo.state.next_v + 1,
    }
    pages = {} if fields is None else fields.fresh
    return snapshot, changes, {**tree.fresh, **pages, snapshot.manifest: data}


def _fields_root(parent: Snapshot | None) -> bytes:
    return parent.fields if parent else b""


def images_of(tree: Tree) -> int:
    """Count the distinct keys of a tree."""
    return len(set(tree.every_key()))
