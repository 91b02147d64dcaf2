"""The walk through tables that share pages."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vstore.errors import Damage
from vstore.format.hashing import store_hash
from vstore.format.pages import TABLE, Child, Entry, encode_inner
from vstore.format.table_left import table_of
from vstore.format.table_pages import encode_table_leaf
from vstore.format.table_walk import TableWalk

HASH = store_hash("xxh3_128")


class Pages:
    """Pages by digest, which counts how often each is read."""

    def __init__(self) -> None:
        self.pages: dict[bytes, bytes] = {}
        self.reads: list[bytes] = []

    def put(self, page: bytes) -> bytes:
        self.pages[HASH.digest(page)] = page
        return HASH.digest(page)

    def fetch(self, digest: bytes) -> bytes:
        self.reads.append(digest)
        if digest not in self.pages:
            raise Damage("lost")
        return self.pages[digest]

    def leaf(self, *keys: bytes) -> Child:
        return Child(keys[0], self.put(encode_table_leaf([(key, b"v") for key in keys])), len(keys))

    def walk(self, root: bytes, entry: Callable[[Entry], object] = bool) -> None:
        TableWalk(HASH.size, self.fetch, entry).walk(root)

    def over(self, *children: Child, level: int = 1) -> bytes:
        return self.put(encode_inner(list(children), level, TABLE))


def test_every_page_is_read_once_however_many_tables_share_it() -> None:
    pages = Pages()
    first = table_of(HASH, {b"%05d" % n: b"v" for n in range(5000)})
    second = first.edited({b"03000": b"other"})
    assert first.root is not None and second.root is not None
    pages.pages = {**first.fresh, **second.fresh}
    seen: list[Entry] = []
    walk = TableWalk(HASH.size, pages.fetch, seen.append)
    for root in (first.root, second.root, first.root):
        walk.walk(root)
    leaves = len(set(pages.reads))
    assert leaves == len(pages.pages)
    assert len(pages.reads) <= leaves + 5  # each root is looked at for its level
    assert len(seen) < 5600
    assert {key for key, _ in seen} == {b"%05d" % n for n in range(5000)}


def test_the_empty_leaf_is_a_sound_root() -> None:
    pages = Pages()
    pages.walk(pages.put(encode_table_leaf([])))


def test_a_wrong_entry_is_damage() -> None:
    def refuse(entry: Entry) -> None:
        if entry[0] == b"b":
            raise Damage("it is wrong")

    pages = Pages()
    with pytest.raises(Damage, match="it is wrong"):
        pages.walk(pages.over(pages.leaf(b"a"), pages.leaf(b"b", b"c")), refuse)


def test_pages_that_do_not_fit_one_another_are_damage() -> None:
    pages = Pages()
    a, b = pages.leaf(b"a", b"b"), pages.leaf(b"c")
    pages.walk(pages.over(a, b))
    empty = Child(b"d", pages.put(encode_table_leaf([])), 0)
    wrong = {
        "another first key": pages.over(a, b._replace(first=b"bb")),
        "another count": pages.over(a, b._replace(count=2)),
        "an empty leaf": pages.over(a, b, empty),
        "keys that fall": pages.over(pages.leaf(b"a", b"d"), b),
        "another level": pages.over(Child(b"a", pages.over(a), 2), b, level=1),
        "another level above": pages.over(a, level=3),
        "lost": pages.over(a, b._replace(digest=bytes(16))),
    }
    for what, root in wrong.items():
        with pytest.raises(Damage):
            pages.walk(root)
            pytest.fail(what)
    above = pages.over(Child(b"a", pages.over(a, b), 2), level=2)
    with pytest.raises(Damage, match="the page above"):
        pages.walk(above)


def test_what_was_damage_once_is_damage_again() -> None:
    pages = Pages()
    root = pages.over(pages.leaf(b"a"), Child(b"b", bytes(16), 1))
    walk = TableWalk(HASH.size, pages.fetch, bool)
    for _ in range(2):
        with pytest.raises(Damage, match="lost"):
            walk.walk(root)
