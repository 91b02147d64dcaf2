"""What only format 2 holds, put into a store as the commands of later releases will put it."""

from __future__ import annotations

from hashlib import sha256

from vstore.format.entries import Snapshot
from vstore.format.manifest import Manifest
from vstore.format.records import Origin
from vstore.repository.repository import Repository

OTHER = "0123456789abcdef" * 2  # the id of a store that things were fetched from


def identify(repo: Repository) -> None:
    """Give every space an identity."""
    identities = {space: {"identity": sha256(space.encode()).hexdigest()} for space in repo.state.spaces}
    with repo.committing("verify"):
        repo.publish("verify", {"spaces": identities})


def fetch(repo: Repository, name: str, *, parent: str | None = None) -> Snapshot:
    """Take in a snapshot of another store, over the aliases of the current one. name: `NAME/vN`."""
    with repo.committing("sync"):
        current = repo.snapshot("current")
        manifest = repo.manifest(current)
        made = Manifest(
            name=name.rpartition("/")[2],
            space=manifest.space,
            tree=manifest.tree,
            paths=manifest.paths,
            images=manifest.images,
            time="2026-01-02T03:04:05Z",
            message="made elsewhere",
            parent=parent and parent.rpartition("/")[2],
            partial=False,
            fields=manifest.fields,
            store=OTHER,
        )
        data = made.to_bytes()
        digest = repo.hash.digest(data)
        snapshot = Snapshot.of(made, digest, made.content_id(repo.hash))._replace(name=name, parent=parent)
        origin = Origin(OTHER, snapshot.number + 1, repo.hash.digest(name.encode()).hex())
        changes = {"snapshots": {name: snapshot.to_json()}}
        repo.publish("sync", changes, blobs={digest: data}, origin=origin, about=name)
    return snapshot
