"""Adds a space to the log, or brings back a lost recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vstore.errors import Damage, UsageError
from vstore.format.canonical import canonical
from vstore.format.entries import Space
from vstore.format.recipes import space_id
from vstore.repository.repository import Repository


def add_space(
    repo: Repository,
    recipe: Mapping[str, Any],
    name: str,
    *,
    status: str = "verified",
    place: Mapping[str, Any] | None = None,
    probes: bytes = b"",
    identity: str = "",
) -> None:
    """Add a space with its recipe. The first space is the one in which the first sync starts.

    status:   of a new space; a known one keeps its own.
    place:    the place of its model today; replaces the place of a known space.
    probes:   the vectors of its probes.
    identity: of its model; a known space keeps its own where none is given.
    Raises:   UsageError if another space has the name; Locked; Damage, DiskTrouble, ReadOnly.
    """
    data = canonical(recipe)
    space, digest = space_id(recipe), repo.hash.digest(data)
    with repo.committing("init"):
        old = repo.state.spaces.get(space)
        if any(other.name == name and other.id != space for other in repo.state.spaces.values()):
            raise UsageError(f"another space has the name {name!r}", "choose another name")
        blobs = {digest: data, **({repo.hash.digest(probes): probes} if probes else {})}
        proofs = repo.hash.digest(probes) if probes else b""
        # Where its model lies proves nothing of the vectors that a space has.
        entry = Space(
            id=space,
            name=name,
            status=old.status if old else status,
            recipe=digest,
            dim=recipe["dim"],
            place=place or {},
            probes=proofs,
            identity=(identity or (old.identity if old else "")) if repo.format >= 2 else "",
        )
        if old is not None and (not place or old == entry):
            _bring_back(repo, old, entry, blobs)
            return
        changes: dict[str, Any] = {"spaces": {space: entry.to_json()}}
        if old is not None:
            # A merge patch would keep the words that the new place does not have.
            gone = {word: None for word in old.place if word not in entry.place}
            changes["spaces"][space]["place"] = {**entry.place, **gone}
        if repo.state.start_space is None:
            changes["start_space"] = space
        repo.publish("init" if repo.tip.number == 0 else "model add", changes, blobs=blobs, about=name)


def _bring_back(repo: Repository, old: Space, again: Space, blobs: Mapping[bytes, bytes]) -> None:
    """Write the lost blobs of a known space, and list its recipe again if repair took it away."""
    lost = {digest: blob for digest, blob in blobs.items() if not _has_blob(repo, digest)}
    if lost:
        listed = {} if old.recipe else {"spaces": {old.id: {"recipe": again.recipe.hex()}}}
        repo.publish("model add", listed, blobs=lost, about=again.name)


def _has_blob(repo: Repository, digest: bytes) -> bool:
    try:
        repo.packs.get(digest)
    except Damage:
        return False
    return True
