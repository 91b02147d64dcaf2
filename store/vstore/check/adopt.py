"""Adopts a matching recipe: a new space takes over the same segments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from vstore.check.trials import DECLARED, Trial
from vstore.errors import UsageError
from vstore.format.canonical import canonical
from vstore.format.entries import Snapshot, Space, listed_segments
from vstore.format.recipes import space_id
from vstore.format.state import State
from vstore.quoting import quoted
from vstore.repository.repository import Repository
from vstore.repository.snapshots import new_snapshot


class Adopted(NamedTuple):
    """A space with the segments of another.

    space:    its name.
    snapshot: the new current snapshot.
    """

    space: str
    snapshot: str


def adopt(repo: Repository, snapshot: Snapshot, space: Space, best: Trial, *, place: Mapping[str, Any]) -> Adopted:
    """Make a space of the best recipe over the same segments, and a snapshot over the same aliases.

    place:  the words by which its model is found.
    Raises: UsageError if the space already exists, or another snapshot became current.
    """
    recipe = canonical(best.recipe)
    identity = space_id(best.recipe)
    with repo.committing("check"):
        state = repo.state
        known = state.spaces.get(identity)
        if known is not None:
            raise UsageError(
                f"a space of this recipe already exists: {known.name!r}",
                f"make it current with: vstore model use {quoted(known.name)}",
            )
        if state.current != snapshot.name:
            raise UsageError(f"{state.current} became current meanwhile", "run the command again")
        name = _free_name(state, space, best)
        digest = repo.hash.digest(recipe)
        entry = Space(
            id=identity,
            name=name,
            status="verified",
            recipe=digest,
            dim=space.dim,
            place=place,
            by_name=space.by_name,
        )
        made, changes, blobs = new_snapshot(
            repo=repo,
            space=identity,
            tree=repo.mapped_tree(snapshot),
            images=snapshot.images,
            parent=snapshot,
            message=f"{space.name}: {best.about}",
        )
        changes["spaces"] = {identity: entry.to_json()}
        changes["segments"] = {identity: listed_segments(state.segments(space.id))}
        repo.publish("model use", changes, blobs={**blobs, digest: recipe}, about=f"{name}: {best.name}")
        # That these files are this space's too stands in no footer, only in the log: so it stands in two records.
        repo.publish("verify", {}, about=name, whole=True)
    return Adopted(name, made.name)


def _free_name(state: State, space: Space, best: Trial) -> str:
    taken = {other.name for other in state.spaces.values()}
    derived = space.name if best.name == DECLARED else f"{space.name}-{best.name}"
    usual = str(best.recipe.get("name", derived)) if best.name == DECLARED else derived
    return next(n for n in (usual, *(f"{usual}-{i}" for i in range(2, 10_000))) if n not in taken)
