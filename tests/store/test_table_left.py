"""The entries left of a damaged table."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vstore.errors import Damage
from vstore.format.hashing import store_hash
from vstore.format.pages import TABLE, Child, encode_inner
from vstore.format.table import Table
from vstore.format.table_left import left_of, table_of
from vstore.format.table_pages import decode_table_leaf, encode_table_leaf

HASH = store_hash("xxh3_128")
ENTRIES = {b"%06d" % n: b"%d" % n for n in range(0, 90_000, 3)}
WHOLE = table_of(HASH, ENTRIES)
PAGES = dict(WHOLE.pages())  # digest -> level


def fetch_without(lost: set[bytes]):  # type: ignore[no-untyped-def]
    def fetch(digest: bytes) -> bytes:
        if digest in lost or digest not in WHOLE.fresh:
            raise Damage("lost")
        return WHOLE.fresh[digest]

    return fetch


def test_a_table_of_entries_is_the_one_that_edits_make() -> None:
    table = Table(HASH, dict.__getitem__, None).edited({b"a": b"1"}).edited({b"b": b"2", b"a": b"3"})
    assert table_of(HASH, {b"b": b"2", b"a": b"3"}).root == table.root
    assert table_of(HASH, {}).root is None
    assert max(PAGES.values()) == 2


def test_of_a_sound_table_all_is_left() -> None:
    assert WHOLE.root is not None
    left = left_of(WHOLE.root, fetch_without(set()), HASH.size)
    assert (left.entries, left.lost, left.gone) == (ENTRIES, [], 0)
    assert not left.is_lost(b"000003")


@settings(deadline=None, max_examples=40)
@given(st.sets(st.sampled_from([digest for digest, level in PAGES.items() if level < 2]), min_size=1, max_size=5))
def test_what_is_not_left_stood_on_a_lost_page(lost: set[bytes]) -> None:
    assert WHOLE.root is not None
    left = left_of(WHOLE.root, fetch_without(lost), HASH.size)
    assert left.entries.items() <= ENTRIES.items()
    gone = ENTRIES.keys() - left.entries.keys()
    assert gone and left.gone == len(gone)
    assert all(map(left.is_lost, gone))
    assert not any(map(left.is_lost, left.entries))


def test_without_its_root_nothing_is_left_and_nobody_knows_how_much_it_was() -> None:
    assert WHOLE.root is not None
    left = left_of(WHOLE.root, fetch_without({WHOLE.root}), HASH.size)
    assert (left.entries, left.gone) == ({}, None)
    assert left.is_lost(b"") and left.is_lost(b"\xff" * 20)


def test_a_page_that_is_no_page_is_lost() -> None:
    assert WHOLE.root is not None
    leaf = next(digest for digest, level in PAGES.items() if level == 0)
    left = left_of(WHOLE.root, lambda digest: b"vt0\x01" if digest == leaf else WHOLE.fresh[digest], HASH.size)
    assert left.gone == len(decode_table_leaf(WHOLE.fresh[leaf]))


def test_pages_that_stand_in_a_tree_again_and_again_are_read_once() -> None:
    """Ten of them would unfold to 512 to the power of nine leaves."""
    leaf = encode_table_leaf([(b"k", b"v")])
    pages = {HASH.digest(leaf): leaf}
    below = HASH.digest(leaf)
    for level in range(1, 10):
        page = encode_inner([Child(b"%03d" % n, below, 1) for n in range(512)], level, TABLE)
        below = HASH.digest(page)
        pages[below] = page
    reads: list[bytes] = []

    def fetch(digest: bytes) -> bytes:
        reads.append(digest)
        return pages[digest]

    assert left_of(below, fetch, HASH.size).entries == {b"k": b"v"}
    assert len(reads) == 10


def test_the_pages_of_a_new_table_are_all_its_own() -> None:
    with pytest.raises(Damage, match="has none"):
        table_of(HASH, {}).page(b"x" * 16)
