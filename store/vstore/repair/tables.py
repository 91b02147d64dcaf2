"""The entries of a damaged table: those of the pages left, and the ranges of keys of the lost pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from vstore.errors import Damage
from vstore.format.pages import TABLE, decode_inner, level_of
from vstore.format.table_pages import decode_table_leaf


class Left(NamedTuple):
    """What is left of a table.

    entries: value by key.
    lost:    the first key of each lost page, and the first key after it; None at the end.
    """

    entries: dict[bytes, bytes]
    lost: list[tuple[bytes, bytes | None]]

    def is_lost(self, key: bytes) -> bool:
        """Tell whether a lost page may have held a key."""
        return any(first <= key and (after is None or key < after) for first, after in self.lost)


def left_of(root: bytes, fetch: Callable[[bytes], bytes], digest_size: int) -> Left:
    """Read the pages left of a table. fetch: reads a page; raises Damage if it is lost."""
    left = Left({}, [])
    stack: list[tuple[bytes, bytes, bytes | None]] = [(root, b"", None)]
    while stack:
        digest, first, after = stack.pop()
        try:
            page = fetch(digest)
            if level_of(page, TABLE):
                children = decode_inner(page, digest_size, TABLE)
                stops = [*(child.first for child in children[1:]), after]
                stack += [(child.digest, child.first, stop) for child, stop in zip(children, stops, strict=True)][::-1]
            else:
                left.entries.update(decode_table_leaf(page))
        except Damage:
            left.lost.append((first, after))
    return left
