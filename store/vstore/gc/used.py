"""Finds what the snapshots of a state use: the keys of their pictures, and every blob that they need."""

from __future__ import annotations

from typing import NamedTuple

from vstore.format.hashing import Hash
from vstore.format.history import History
from vstore.format.listing import Listing
from vstore.format.manifest import Manifest
from vstore.format.page_tree import Fetch
from vstore.format.pages import TABLE, decode_inner, leaf_keys, level_of


class Used(NamedTuple):
    """The data in use.

    keys:  the keys of the pictures of snapshots, by space.
    blobs: the digests of all blobs that must exist.
    spare: the digests of blobs that may be lost: the history.
    """

    keys: dict[str, set[bytes]]
    blobs: set[bytes]
    spare: set[bytes]


def used_by(listing: Listing, fetch: Fetch, hash: Hash) -> Used:
    """Find what a state uses. fetch: reads a blob. Raises: Damage, FileNotFoundError."""
    key_size = hash.size
    keys: dict[str, set[bytes]] = {}
    blobs = listing.state.blobs()
    walked: dict[str, set[bytes]] = {}
    for snapshot in listing.kept():
        blobs.add(snapshot.manifest)
        manifest = Manifest.from_bytes(fetch(snapshot.manifest))
        named, seen = keys.setdefault(snapshot.space, set()), walked.setdefault(snapshot.space, set())
        _walk_aliases(manifest.tree, fetch, named=named, seen=seen, key_size=key_size)
        if manifest.fields:
            _walk_table(manifest.fields, fetch, blobs, key_size)
    for tree in ("snapshots", "decisions"):
        root = listing.state.root(tree)
        if root is not None:
            _walk_table(root, fetch, blobs, key_size)
    history = History(hash, fetch, listing.state.root("history"))
    return Used(keys, blobs.union(*walked.values()), history.blobs())


def _walk_table(root: bytes, fetch: Fetch, seen: set[bytes], size: int) -> None:
    """Add the digests of all pages of a table to those seen. A page seen is not read again. size: of a digest."""
    stack = [root]
    while stack:
        digest = stack.pop()
        if digest in seen:
            continue
        seen.add(digest)
        page = fetch(digest)
        if level_of(page, TABLE):
            stack += [child.digest for child in decode_inner(page, size, TABLE)]


def _walk_aliases(root: bytes, fetch: Fetch, *, named: set[bytes], seen: set[bytes], key_size: int) -> None:
    stack = [root]
    while stack:
        digest = stack.pop()
        if digest in seen:
            continue  # another snapshot has this page, and all that is below it
        seen.add(digest)
        page = fetch(digest)
        if level_of(page):
            stack += [child.digest for child in decode_inner(page, key_size)]
        else:
            column = leaf_keys(page, key_size)
            named.update(column[at : at + key_size] for at in range(0, len(column), key_size))
