"""What only format 2 holds, put into a store as the commands of later releases will put it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from hashlib import sha256

from support.index_parts import put_part

from vstore.format.entries import Snapshot
from vstore.format.facts import BYTES, Fact, pixels
from vstore.format.fields import FieldValue
from vstore.format.records import Origin
from vstore.pictures.preparation import preparation_1
from vstore.repository.decisions import Choice, decide
from vstore.repository.facts import added
from vstore.repository.fields import set_fields
from vstore.repository.repository import Repository

OTHER = "0123456789abcdef" * 2  # the id of a store that things were fetched from
PIXELS = pixels(preparation_1())
VALUES: Sequence[FieldValue] = ("née", -3, 0.5, True, datetime(2026, 1, 2, 3, 4, 5, 6, UTC), ("a", "", "b"))


def fill(repo: Repository) -> None:
    """Put something of every kind into a store with a snapshot, about the pictures of the current one."""
    current = repo.snapshot("current")
    keys = sorted(set(repo.tree(current).every_key()))
    set_fields(repo, {(key, f"field {number}"): VALUES[number % len(VALUES)] for number, key in enumerate(keys)})
    decide(repo, [Choice("different", keys[:2]), Choice("same", keys), Choice("keep", keys, keys[1:])])
    for reader in (1, 2):
        add_facts(repo, [Fact(key, reader, {BYTES: 1000 * reader + at, PIXELS: key}) for at, key in enumerate(keys)])
    identify(repo)
    fetch(repo, "origin/v7")
    put_part(repo, current.space, repo.state.segments(current.space))


def identify(repo: Repository) -> None:
    """Give every space an identity."""
    identities = {space: {"identity": sha256(space.encode()).hexdigest()} for space in repo.state.spaces}
    with repo.committing("verify"):
        repo.publish("verify", {"spaces": identities})


def add_facts(repo: Repository, facts: Iterable[Fact]) -> None:
    """Add facts, as a sync that read their pictures would."""
    with repo.lock("ingest") as lock:
        lock.acquire(0.0, "facts")
        with repo.committing("seal"):
            changes, blobs = added(repo, facts)
            repo.publish("seal", changes, blobs=blobs)


def fetch(repo: Repository, name: str, *, parent: str | None = None) -> Snapshot:
    """Take in a snapshot of another store, over the aliases of the current one. name: `NAME/vN`."""
    with repo.committing("sync"):
        manifest = repo.manifest(repo.snapshot("current"))
        made = manifest._replace(
            name=name.rpartition("/")[2],
            time="2026-01-02T03:04:05Z",
            message="made elsewhere",
            parent=parent and parent.rpartition("/")[2],
            store=OTHER,
        )
        data = made.to_bytes()
        digest = repo.hash.digest(data)
        snapshot = Snapshot.of(made, digest, made.content_id(repo.hash))._replace(name=name, parent=parent)
        origin = Origin(OTHER, snapshot.number + 1, repo.hash.digest(name.encode()).hex())
        changes = {"snapshots": {name: snapshot.to_json()}}
        repo.publish("sync", changes, blobs={digest: data}, origin=origin, about=name)
    return snapshot
