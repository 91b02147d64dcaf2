"""Runs of facts: sorted rows in pages, found by the digest of their root, and never changed. Pure.

A run is cut by number alone: 1,024 facts a leaf, 512 children an inner page, the last of a level what is left.
"""

from __future__ import annotations

import bisect
import itertools
import operator
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import TypeVar

from vstore.errors import Damage
from vstore.format.fact_pages import ROWS, FactPage, encode_facts
from vstore.format.facts import Column, Fact, chosen
from vstore.format.hashing import Hash
from vstore.format.page_tree import Fetch
from vstore.format.pages import FACTS, MAXIMUM, Child, decode_inner, encode_inner, level_of
from vstore.format.run_entry import RunRef
from vstore.quick_tuple import NamedTuple

T = TypeVar("T")


class NewRun(NamedTuple):
    """A run that is not stored yet.

    ref:   the run, as the log will list it.
    pages: its pages, by digest.
    """

    ref: RunRef
    pages: dict[bytes, bytes]


def new_run(hash: Hash, facts: Iterable[Fact]) -> NewRun | None:
    """Write facts as a run; None if there are none.

    facts: in rising order of their keys.
    Raises: ValueError for a value that is none of its column, and for columns that are too many or of one name.
    """
    pages: dict[bytes, bytes] = {}

    def put(page: bytes, first: bytes, count: int) -> Child:
        digest = hash.digest(page)
        pages[digest] = page
        return Child(first, digest, count)

    children: list[Child] = []
    types: dict[str, str] = {}
    last = b""
    for rows in _batches(facts, ROWS):
        if children and rows[0].key <= last:
            raise ValueError("these facts are out of order")
        last = rows[-1].key
        if any(types.setdefault(*column) != column.type for fact in rows for column in fact.values):
            raise ValueError("a column of these facts has two types")
        children.append(put(encode_facts(rows, hash.size), rows[0].key, len(rows)))
    level = 0
    while len(children) > 1:
        level += 1
        children = [
            put(encode_inner(below, level, FACTS), below[0].first, sum(child.count for child in below))
            for below in _batches(children, MAXIMUM)
        ]
    return NewRun(RunRef(children[0].digest, children[0].count), pages) if children else None


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while batch := list(itertools.islice(rest, size)):
        yield batch


class Inner(NamedTuple):
    """An inner page: how far it stands above the leaves, and the pages below it."""

    level: int
    children: list[Child]


class Run:
    """A run that is read through `fetch`, a page when it is needed.

    top: its root, as a page above would name it.
    """

    def __init__(self, hash: Hash, fetch: Fetch, ref: RunRef) -> None:
        self.top = Child(b"", ref.root, ref.rows)
        self._hash = hash
        self._fetch = fetch

    def page(self, child: Child, level: int | None = None) -> FactPage | Inner:
        """Read a page. Raises: Damage if it is not what the page above says.

        level: how far it stands above the leaves; None for the root.
        """
        data = self._fetch(child.digest)
        height = level_of(data, FACTS)
        page: FactPage | Inner
        if height:
            children = decode_inner(data, self._hash.size, FACTS)
            page, first, count = Inner(height, children), children[0].first, sum(below.count for below in children)
        else:
            page = FactPage(data, self._hash.size)
            first, count = page.key(0), page.rows
        if level not in (None, height) or count != child.count or child.first not in (b"", first):
            raise Damage("a page of facts does not match what names it", "run: vstore check")
        return page

    def walk(self) -> Iterator[FactPage | Inner]:
        """Read every page: each before those below it, and the leaves in order. Raises: Damage."""
        for page in self._steps():
            if isinstance(page, Damage):
                raise page
            yield page

    def walk_left(self) -> Iterator[FactPage | Inner]:
        """Read every page as `walk` does, and pass over those that are lost or wrong."""
        return (page for page in self._steps() if not isinstance(page, Damage))

    def _steps(self) -> Iterator[FactPage | Inner | Damage]:
        types: dict[str, str] = {}
        last = b""
        stack: list[tuple[Child, int | None]] = [(self.top, None)]
        while stack:
            try:
                page = self.page(*stack.pop())
                if isinstance(page, FactPage):
                    _check_leaf(page, last, types)
            except Damage as err:
                yield err
                continue
            if isinstance(page, Inner):
                stack += [(below, page.level - 1) for below in reversed(page.children)]
            else:
                last = page.key(page.rows - 1)
            yield page

    def leaves(self) -> Iterator[FactPage]:
        """Read every leaf, in order. Raises: Damage."""
        return (page for page in self.walk() if isinstance(page, FactPage))

    def digests(self) -> Iterator[bytes]:
        """Yield the digest of every page. No leaf but a root is read. Raises: Damage."""
        stack: list[tuple[Child, int | None]] = [(self.top, None)]
        while stack:
            child, level = stack.pop()
            yield child.digest
            page = self.page(child, level) if level != 0 else None
            if isinstance(page, Inner):
                stack += [(below, page.level - 1) for below in page.children]

    def __iter__(self) -> Iterator[Fact]:
        for leaf in self.leaves():
            yield from leaf.facts()

    def find(self, keys: Sequence[bytes], columns: Container[Column] | None = None) -> Iterator[Fact]:
        """Yield the facts of the keys that stand in the run. Only pages on their paths are read. Raises: Damage.

        keys:    in rising order.
        columns: the columns to read; None means all.
        """
        return self._find(self.page(self.top), keys, columns)

    def _find(self, page: FactPage | Inner, keys: Sequence[bytes], columns: Container[Column] | None) -> Iterator[Fact]:
        if isinstance(page, FactPage):
            yield from page.facts(page.rows_of(keys), columns)
            return
        firsts = [child.first for child in page.children]
        at = bisect.bisect_left(keys, firsts[0])
        while at < len(keys):
            below = bisect.bisect_right(firsts, keys[at])
            stop = bisect.bisect_left(keys, firsts[below], at) if below < len(firsts) else len(keys)
            yield from self._find(self.page(page.children[below - 1], page.level - 1), keys[at:stop], columns)
            at = stop


def _check_leaf(leaf: FactPage, last: bytes, types: dict[str, str]) -> None:
    """Check a leaf against those before it: their last key, and the types of their columns by name. Raises: Damage."""
    if leaf.key(0) <= last:
        raise Damage("the pages of a run of facts are out of order", "run: vstore check")
    if any(types.setdefault(*column) != column.type for column in leaf.columns):
        raise Damage("a column of a run of facts has two types", "run: vstore check")


def merged(runs: Sequence[Iterable[Fact]]) -> Iterator[Fact]:
    """Yield the facts of several runs as one run, given in the order of their places."""
    import heapq  # what looks for a few facts merges none

    by_key = operator.attrgetter("key")
    for _, same in itertools.groupby(heapq.merge(*runs, key=by_key), by_key):  # of equal keys in the order of the runs
        yield chosen(list(same))
