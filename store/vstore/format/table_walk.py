"""A walk through tables that share pages: each page is read once, and held against FORMAT.md. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from vstore.errors import Damage
from vstore.format.page_tree import Fetch
from vstore.format.pages import TABLE, Entry, decode_inner, level_of
from vstore.format.table_pages import decode_table_leaf


class Span(NamedTuple):
    """The range of keys under a page.

    first: the first key.
    last:  the last key.
    count: the number of entries.
    """

    first: bytes
    last: bytes
    count: int  # type: ignore[assignment]  # not the method of tuples


class TableWalk:
    """A walk through any number of tables, all with the same kind of entries."""

    def __init__(self, digest_size: int, fetch: Fetch, entry: Callable[[Entry], object]) -> None:
        """entry: looks at an entry; raises Damage if it is not a valid one."""
        self._size = digest_size
        self._fetch = fetch
        self._entry = entry
        self._spans: dict[tuple[bytes, int], Span] = {}

    def walk(self, root: bytes) -> None:
        """Read all pages of a table that were not read yet. Raises: Damage."""
        self._span(root, level_of(self._fetch(root), TABLE))

    def _span(self, digest: bytes, level: int) -> Span:
        found = self._spans.get((digest, level))
        if found is None:
            page = self._fetch(digest)
            if level_of(page, TABLE) != level:
                raise Damage("a table has pages of another level", "run: vstore check")
            found = self._inner(page, level) if level else self._leaf(page)
            self._spans[digest, level] = found
        return found

    def _leaf(self, page: bytes) -> Span:
        entries = decode_table_leaf(page)
        for entry in entries:
            self._entry(entry)
        return Span(entries[0][0], entries[-1][0], len(entries)) if entries else Span(b"", b"", 0)

    def _inner(self, page: bytes, level: int) -> Span:
        children = decode_inner(page, self._size, TABLE)
        last: bytes | None = None
        for child in children:
            span = self._span(child.digest, level - 1)
            if not span.count or (span.first, span.count) != (child.first, child.count):
                raise Damage("a page of a table does not match the page above it", "run: vstore check")
            if last is not None and span.first <= last:
                raise Damage("the keys of a table are out of order", "run: vstore check")
            last = span.last
        return Span(children[0].first, last or b"", sum(child.count for child in children))
