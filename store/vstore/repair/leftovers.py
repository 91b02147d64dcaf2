"""Keeps the rows set aside by imports, as far as their names and vectors exist."""

from __future__ import annotations

from vstore.disk.packs import LARGEST_BLOB
from vstore.format.canonical import Json, canonical, parsed
from vstore.format.rest_entry import Import
from vstore.repair.blobs import Blobs
from vstore.repair.findings import Findings
from vstore.repository.leftovers import BLOCK
from vstore.repository.repository import Repository


def keep_leftovers(repo: Repository, found: Findings, blobs: Blobs) -> None:
    """Fetch the names and vectors of all rows set aside by imports."""
    if found.gap and blobs.leftovers - {one.names for one in found.state.imports.values()}:
        found.did(
            "rows that imports set aside may be lost with their records: the old indexes still have them, if they exist"
        )
    for one in found.state.imports.values():
        if all(map(blobs.has, (one.names, *one.vectors))):
            for digest in (one.names, *one.vectors):
                blobs.fetch(digest)
        else:
            _cut(repo, found, blobs, one)


def _cut(repo: Repository, found: Findings, blobs: Blobs, one: Import) -> None:
    """Remove the rows of an import without a name or a vector.

    gc, and every sync that adds a picture, would refuse to start for them.
    """
    names: list[Json] = parsed(blobs.read(one.names), LARGEST_BLOB) if blobs.has(one.names) else []
    left: list[Json] = []
    rows = bytearray()
    for at, digest in enumerate(one.vectors):
        part = names[at * BLOCK : (at + 1) * BLOCK]
        if part and blobs.has(digest):
            left += part
            rows += blobs.read(digest)
    imports = {**found.document["imports"]}
    del imports[one.id]
    if left:
        size = BLOCK * (len(rows) // len(left))
        parts = [canonical(left), *(bytes(rows[at : at + size]) for at in range(0, len(rows), size))]
        digests = [repo.hash.digest(part) for part in parts]
        blobs.fresh |= dict(zip(digests, parts, strict=True))
        cut = one._replace(rows=len(left), names=digests[0], vectors=tuple(digests[1:]))
        imports[one.id] = cut.to_json()
    found.document["imports"] = imports
    found.did(
        f"{one.rows - len(left)} of the {one.rows} rows that the import {one.id} set aside are lost: the old index "
        "still has them, if it exists"
    )
