"""The entries left of a damaged table: those of the pages that can be read. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from vstore.errors import Damage
from vstore.format.hashing import Hash
from vstore.format.page_tree import Fetch
from vstore.format.pages import TABLE, Child, decode_inner, level_of
from vstore.format.table import Table
from vstore.format.table_pages import decode_table_leaf


class Lost(NamedTuple):
    """A page that cannot be read.

    first: the first key that it may have held.
    after: the first key behind it; None at the end of the table.
    count: its entries; -1 if no page tells.
    """

    first: bytes
    after: bytes | None
    count: int  # type: ignore[assignment]  # not the method of tuples


class Left(NamedTuple):
    """The rest of a damaged table.

    entries: value by key.
    lost:    the pages that cannot be read.
    """

    entries: dict[bytes, bytes]
    lost: list[Lost]

    def is_lost(self, key: bytes) -> bool:
        """Tell whether a lost page may have held a key."""
        return any(first <= key and (after is None or key < after) for first, after, _ in self.lost)

    @property
    def gone(self) -> int | None:
        """The number of entries on lost pages; None if no page tells."""
        counts = [lost.count for lost in self.lost]
        return None if -1 in counts else sum(counts)


def left_of(root: bytes, fetch: Fetch, digest_size: int) -> Left:
    """Read the pages left of a table. fetch: reads a page; raises Damage if it is lost."""
    left = Left({}, [])
    seen: set[bytes] = set()  # no page stands twice in a sound table, and few would unfold to very many
    stack: list[tuple[Child, bytes | None]] = [(Child(b"", root, -1), None)]
    while stack:
        child, after = stack.pop()
        if child.digest in seen:
            continue
        seen.add(child.digest)
        try:
            page = fetch(child.digest)
            if level_of(page, TABLE):
                below = decode_inner(page, digest_size, TABLE)
                stops = [*(one.first for one in below[1:]), after]
                stack += list(zip(below, stops, strict=True))[::-1]
            else:
                left.entries.update(decode_table_leaf(page))
        except Damage:
            left.lost.append(Lost(child.first, after, child.count))
    return left


def table_of(hash: Hash, entries: Mapping[bytes, bytes]) -> Table:
    """Make the table of these entries; all its pages are fresh."""
    return Table(hash, _no_page, None).edited(dict(entries))


def _no_page(digest: bytes) -> bytes:
    raise Damage(f"the page {digest.hex()} is read of a table that has none")
