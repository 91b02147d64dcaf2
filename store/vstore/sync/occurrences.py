"""Counts how many aliases name a key: a picture is new if none did, and lost if none does any more. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable

from vstore.format.delta import Change
from vstore.format.tree import Tree


def occurrences(tree: Tree, keys: Collection[bytes], size: int) -> Counter[bytes]:
    """Count the aliases of each of these keys in a tree. Reads the key column of every leaf, and no path.

    size: bytes of a key.
    """
    found: Counter[bytes] = Counter()
    if keys:
        wanted = frozenset(keys)
        for column in tree.key_columns():
            named = [column[at : at + size] for at in range(0, len(column), size)]
            if not wanted.isdisjoint(named):
                found.update(key for key in named if key in wanted)
    return found


def touched(changes: Iterable[Change]) -> set[bytes]:
    """List the keys of changes, before or after."""
    return {key for _, old, new in changes for key in (old, new) if key is not None}


def after(before: Counter[bytes], changes: Iterable[Change]) -> Counter[bytes]:
    """Count the occurrences after the changes."""
    counts = Counter(before)
    for _, old, new in changes:
        if old is not None:
            counts[old] -= 1
        if new is not None:
            counts[new] += 1
    return counts


def images_gained(before: Counter[bytes], changes: Iterable[Change]) -> int:
    """Count by how many the pictures of a tree grow, or shrink.

    before: the occurrences in the tree of all keys of the changes.
    """
    counts = after(before, changes)
    return sum((counts[key] > 0) - (before[key] > 0) for key in counts)
