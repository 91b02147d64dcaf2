"""The renewal of a space's probes: those of a later version of vstore are added once the older ones are proved."""

from __future__ import annotations

from vstore.embed.embedder import Embedder
from vstore.embed.probes import Probes
from vstore.format.entries import Space
from vstore.repository.proof import prove_all
from vstore.repository.repository import Repository


def renew(repo: Repository, space: Space, embedder: Embedder, kept: Probes) -> None:
    """Add the probes of this version that a space lacks. Called only by a run that writes the store.

    kept:   the probes of the space, all of which are proved first: their vectors stay as they are.
    Raises: ModelError if one of them is off; Locked, Damage, DiskTrouble, ReadOnly.
    """
    later = prove_all(space, embedder, kept)
    if later is None:
        return
    probes = kept.with_later(later).to_bytes()
    digest = repo.hash.digest(probes)
    with repo.committing("model add"):
        now = repo.state.spaces.get(space.id)
        if now is None or now.probes != space.probes:
            return  # another program changed the space meanwhile
        changes = {"spaces": {space.id: {"probes": digest.hex()}}}
        repo.publish("model add", changes, blobs={digest: probes}, about=f"{space.name}: probes added")
