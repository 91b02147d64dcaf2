"""Prepared pixels among the facts of a store: whose have a digest, who shares one, and who is of one colour."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from vstore.format.facts import flat, pixels
from vstore.format.recipes import Recipe
from vstore.repository.facts import facts_of, runs_of
from vstore.repository.repository import Repository

_PREFIX = 8  # bytes of a digest by which candidates are found: all digests in memory would be too many


def digests(repo: Repository, recipe: Recipe) -> Iterator[tuple[bytes, bytes]]:
    """Yield the key and the digest of each fact of pixels prepared as a recipe says. A key may come twice.

    Raises: Damage, FileNotFoundError.
    """
    preparation = recipe.get("prepare")
    if preparation is None:
        return
    column = pixels(preparation)
    for run in runs_of(repo):
        for leaf in run.leaves():
            if column in leaf.columns:
                for fact in leaf.facts(None, {column}):
                    value = fact.values.get(column)
                    if isinstance(value, bytes):
                        yield fact.key, value


def same_pixels(repo: Repository, recipe: Recipe) -> set[bytes]:
    """Find the pictures with the same prepared pixels as another: the vector of one may be a copy of the other's.

    Raises: Damage, FileNotFoundError.
    """
    heads = b"".join(digest[:_PREFIX] for _, digest in digests(repo, recipe))
    if not heads:
        return set()
    import numpy as np

    values, counts = np.unique(np.frombuffer(heads, dtype="<u8"), return_counts=True)
    shared = frozenset(value.tobytes() for value in values[counts > 1])
    sharing: dict[bytes, set[bytes]] = {}
    for key, digest in digests(repo, recipe) if shared else ():
        if digest[:_PREFIX] in shared:
            sharing.setdefault(digest, set()).add(key)
    return set().union(*(keys for keys in sharing.values() if len(keys) > 1))


def lacking(repo: Repository, recipe: Recipe, keys: Collection[bytes]) -> set[bytes]:
    """Find the pictures without a digest of pixels prepared as a recipe says. Raises: Damage, FileNotFoundError."""
    return set(keys).difference(key for key, _ in digests(repo, recipe))


def every_flat(repo: Repository, recipe: Recipe) -> set[bytes]:
    """Find all pictures that are known to be of one colour, as a recipe prepares them.

    Raises: Damage, FileNotFoundError.
    """
    preparation = recipe.get("prepare")
    if preparation is None:
        return set()
    column = flat(preparation)
    found: set[bytes] = set()
    for run in runs_of(repo):
        for leaf in run.leaves():
            if column in leaf.columns and any(values := leaf.column(column)):
                found.update(leaf.key(row) for row, value in enumerate(values) if value)
    return flat_among(repo, recipe, found)  # a later run may know better


def flat_among(repo: Repository, recipe: Recipe, keys: Collection[bytes]) -> set[bytes]:
    """Find the pictures that are known to be of one colour, as a recipe prepares them.

    Raises: Damage, FileNotFoundError.
    """
    preparation = recipe.get("prepare")
    if preparation is None or not repo.state.facts:
        return set()
    column = flat(preparation)
    return {key for key, fact in facts_of(repo, keys, {column}).items() if fact.values.get(column)}
