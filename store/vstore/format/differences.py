"""The differences between two trees, found without reading the pages that they share. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from vstore.format.page_tree import PageTree
from vstore.format.pages import Entry

if TYPE_CHECKING:
    from vstore.format.delta import Change


def differences(before: PageTree, after: PageTree) -> Iterator[Change]:
    """Walk two trees of one kind and yield (key, old value, new value) where they differ, in the order of the keys.

    Equal leaves are not read. In an alias tree the path is the key, and the key of a picture its value.
    """
    if before.top == after.top:
        return
    shared = {leaf.digest for leaf in before.leaves} & {leaf.digest for leaf in after.leaves}

    def run(tree: PageTree) -> Iterator[Entry]:
        # A page in both trees holds the same entries in both: nothing in it differs.
        for leaf in tree.leaves:
            if leaf.digest not in shared:
                yield from tree.entries(leaf)

    yield from merged_by_path(run(before), run(after))


def merged_by_path(before: Iterable[Entry], after: Iterable[Entry]) -> Iterator[Change]:
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
