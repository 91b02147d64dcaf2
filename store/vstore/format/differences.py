"""The differences between two alias trees, found without reading the pages that they share. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from vstore.format.pages import Alias
from vstore.format.tree import Tree

if TYPE_CHECKING:
    from vstore.format.delta import Change


def differences(before: Tree, after: Tree) -> Iterator[Change]:
    """Walk two trees and yield (path, old key, new key) where they differ, in path order. Equal pages are not read."""
    if before.root == after.root:
        return
    shared = {leaf.digest for leaf in before.leaves} & {leaf.digest for leaf in after.leaves}

    def run(tree: Tree) -> Iterator[Alias]:
        # A page in both trees holds the same paths in both: nothing in it differs.
        for leaf in tree.leaves:
            if leaf.digest not in shared:
                yield from tree.aliases(leaf)

    yield from merged_by_path(run(before), run(after))


def merged_by_path(before: Iterable[Alias], after: Iterable[Alias]) -> Iterator[Change]:
    """Merge two runs sorted by path and yield their differences: (path, old key or None, new key or None)."""
    olds, news = iter(before), iter(after)
    old, new = next(olds, None), next(news, None)
    while old is not None or new is not None:
        if new is None or (old is not None and old[0] < new[0]):
            assert old is not None
            yield old[0], old[1], None
            old = next(olds, None)
        elif old is None or new[0] < old[0]:
            yield new[0], None, new[1]
            new = next(news, None)
        else:
            if old[1] != new[1]:
                yield old[0], old[1], new[1]
            old, new = next(olds, None), next(news, None)
