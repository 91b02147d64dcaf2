"""Tables: what they hold, how they are cut, what a look and an edit cost, and what is no page of one."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterable, Mapping

import pytest
import xxhash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vstore.errors import Damage, UsageError
from vstore.format import cutting, pages
from vstore.format.cutting import is_boundary
from vstore.format.differences import differences
from vstore.format.hashing import HASHES, Hash, store_hash
from vstore.format.pages import TABLE, Child, Entry, encode_inner, encode_leaf, level_of
from vstore.format.table import Table
from vstore.format.table_pages import FULL, LONGEST, decode_table_leaf, encode_table_leaf

HASH = store_hash("xxh3_128")
KEYS = st.binary(max_size=5) | st.sampled_from([b"", b"a", b"b", b"\xff", b"x" * 300])
SIZES = st.integers(0, 40) | st.sampled_from([127, 128, 1000, 20_000, 32_768, 65_535, 65_536, 65_537, 200_000])
VALUES = st.builds(lambda size, byte: bytes([byte]) * size, SIZES, st.integers(0, 255))
ENTRIES = st.dictionaries(KEYS, VALUES, max_size=20)
EDITS = st.dictionaries(KEYS, VALUES | st.none(), max_size=15)


class Pages:
    """A store of pages, which counts what is read."""

    def __init__(self) -> None:
        self.stored: dict[bytes, bytes] = {}
        self.read: list[bytes] = []

    def fetch(self, digest: bytes) -> bytes:
        self.read.append(digest)
        return self.stored[digest]

    def empty(self) -> Table:
        return Table(HASH, self.fetch, None)

    def save(self, table: Table) -> Table:
        """Store what is fresh in a table, and open it again, so that nothing of it is in memory."""
        for digest, page in table.fresh.items():
            assert HASH.digest(page) == digest
            self.stored[digest] = page
        return Table(HASH, self.fetch, table.root)


def built(entries: Mapping[bytes, bytes]) -> Table:
    return Pages().empty().edited(entries)


def reachable(table: Table) -> dict[bytes, bytes]:
    return {digest: table.page(digest) for digest, _ in table.pages()}


def after(entries: Mapping[bytes, bytes], edits: Mapping[bytes, bytes | None]) -> dict[bytes, bytes]:
    return {key: value for key, value in {**entries, **edits}.items() if value is not None}


def expected_leaves(entries: Mapping[bytes, bytes], target: int, limit: int) -> list[list[Entry]]:
    """Cut entries as FORMAT.md says, one after another."""
    leaves: list[list[Entry]] = []
    size = 0
    for key, value in sorted(entries.items()):
        full = not leaves or len(leaves[-1]) == 4 * target or size + len(value) > limit
        if full or xxhash.xxh3_64_intdigest(key) % target == 0:
            leaves.append([])
            size = 0
        leaves[-1].append((key, value))
        size += len(value)
    return leaves


@pytest.fixture(params=[4, 128])
def small_pages(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Pages of a few entries, so that a few make a table of several levels; or pages as they are."""
    target: int = request.param
    if target < 128:
        monkeypatch.setattr(cutting, "TARGET", target)
        monkeypatch.setattr(cutting, "MAXIMUM", 4 * target)
        monkeypatch.setattr(pages, "MAXIMUM", 4 * target)
        monkeypatch.setattr(Table, "limit", 50)
    return target


def limit_of(target: int) -> int:
    return FULL if target == 128 else 50


# Leaves


@given(ENTRIES)
def test_a_leaf_is_read_back_as_it_was_written(entries: dict[bytes, bytes]) -> None:
    run = sorted(entries.items())
    data = encode_table_leaf(run)
    assert level_of(data, TABLE) == 0
    assert decode_table_leaf(data) == run


def test_a_leaf_is_laid_out_as_format_says() -> None:
    run = [(b"ab", b"one"), (b"ac", b""), (b"b", b"x" * 300)]
    data = b"vt0\x03" + b"\x00\x02ab" + b"\x01\x01c" + b"\x00\x01b" + b"\x03\x00\xac\x02" + b"one" + b"x" * 300
    assert encode_table_leaf(run) == data
    assert encode_inner([Child(b"ab", b"K" * 16, 3)], 1, TABLE) == b"vt1\x01" + b"\x00\x02ab" + b"K" * 16 + b"\x03"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"vt",
        b"vt0",
        b"vt:\x00",
        b"vt1\x00",
        b"vp0\x00",
        b"vf0\x00",
        b"vt0\x01",
        b"vt0\x00 more",
        b"vt0\x01\x00\x01a",
        b"vt0\x01\x00\x01a\x02v",
        b"vt0\x01\x00\x01a\x01vv",
        b"vt0\x01\x01\x01a\x00",
        b"vt0\x01\x00\x05a\x00",
        b"vt0\x02\x00\x01a\x00\x01a\x00\x00",
        b"vt0\x02\x00\x01b\x00\x01a\x00\x00",
        b"vt0\x02\x00\x01a\x01\x00\x00\x00",
        b"vt0" + b"\xff" * 12,
        b"vt0\x81\x04" + b"".join(b"\0\x03%03d" % i for i in range(513)) + b"\0" * 513,
        b"vt0\x01\x00\x01a\x81\x80\x40" + b"v" * (LONGEST + 1),
        encode_table_leaf([(b"k" * 1025, b"")]),
        encode_table_leaf([(b"k" * 1000, b""), (b"k" * 1000 + b"l" * 25, b"")]),
    ],
)
def test_what_is_no_leaf_is_damage(data: bytes) -> None:
    with pytest.raises(Damage):
        decode_table_leaf(data)
    with pytest.raises(Damage):
        list(Table(HASH, {b"root": data}.__getitem__, b"root").items())
    with pytest.raises(Damage):
        len(Table(HASH, {b"root": data}.__getitem__, b"root"))


def test_the_longest_keys_are_read_back() -> None:
    run = [(b"k" * 1024, b"1"), (b"l" * 1024, b"2")]
    assert decode_table_leaf(encode_table_leaf(run)) == run


def test_the_longest_value_is_read_back_and_a_longer_one_refused() -> None:
    run = [(b"a", b"v" * LONGEST)]
    assert decode_table_leaf(encode_table_leaf(run)) == run
    assert LONGEST == 1_048_576
    with pytest.raises(UsageError, match="1,048,577"):
        built({b"a": b"v" * (LONGEST + 1)})


@given(st.binary(max_size=80) | st.binary(max_size=80).map(lambda rest: b"vt0" + rest))
def test_garbage_is_damage_or_a_page_and_never_anything_else(data: bytes) -> None:
    for read in (
        lambda: decode_table_leaf(data),
        lambda: list(Table(HASH, {b"root": data}.__getitem__, b"root").items()) if data[:3] == b"vt0" else None,
    ):
        with contextlib.suppress(Damage):
            read()


# The table against a dict


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(entries=ENTRIES, start=KEYS, stop=KEYS | st.none())
def test_a_table_holds_what_was_put_in(
    small_pages: int, entries: dict[bytes, bytes], start: bytes, stop: bytes | None
) -> None:
    table = built(entries)
    run = sorted(entries.items())
    assert list(table.items()) == run
    assert list(table.newest()) == run[::-1]
    assert len(table) == len(entries)
    assert list(table.range(start, stop)) == [e for e in run if e[0] >= start and (stop is None or e[0] < stop)]
    for key in [*entries, start, start + b"\0"]:
        assert table.get(key) == entries.get(key)


def test_an_empty_table_has_no_root() -> None:
    table = Pages().empty()
    assert (table.root, dict(table.fresh), len(table)) == (None, {}, 0)
    assert list(table.items()) == list(table.newest()) == list(table.pages()) == table.leaves == []
    assert table.get(b"a") is None
    assert table.edited({}) is table
    assert table.edited({b"a": None}).root is None
    filled = built({b"a": b"1"})
    emptied = filled.edited({b"a": None})
    assert (emptied.root, dict(emptied.fresh)) == (None, {})


def test_a_leaf_without_entries_is_read_as_the_empty_table() -> None:
    page = encode_table_leaf([])
    table = Table(HASH, {b"root": page}.__getitem__, b"root")
    assert list(table.items()) == list(table.newest()) == []
    assert (len(table), table.get(b"a")) == (0, None)
    assert table.edited({b"a": b"1"}).root == built({b"a": b"1"}).root
    assert table.edited({b"a": None}).root is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(histories=st.lists(EDITS, max_size=6), saves=st.lists(st.booleans(), min_size=6, max_size=6))
def test_equal_sets_give_equal_tables_whatever_their_history(
    small_pages: int, histories: list[dict[bytes, bytes | None]], saves: list[bool]
) -> None:
    store = Pages()
    table = store.empty()
    expected: dict[bytes, bytes] = {}
    for edits, save in zip(histories, saves, strict=False):
        table = table.edited(edits)
        expected = after(expected, edits)
        if save:
            table = store.save(table)
    fresh = built(expected)
    assert table.root == fresh.root
    assert list(table.items()) == sorted(expected.items())
    assert reachable(table) == reachable(fresh)
    assert set(table.fresh) <= set(reachable(table))
    assert [table.entries(leaf) for leaf in table.leaves] == expected_leaves(
        expected, small_pages, limit_of(small_pages)
    )


@pytest.mark.parametrize("shape", ["few", "runs", "gaps", "all"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(seed=st.integers(0, 1 << 30))
def test_long_runs_without_a_boundary_are_cut_alike_whatever_their_history(
    small_pages: int, shape: str, seed: int
) -> None:
    chance = random.Random(seed)
    # Keys at which no page would begin by itself: only the sizes cut, and every edit may move all cuts after it.
    plain = [key for i in range(400) if not is_boundary(key := b"r/%06d" % i, 0)]
    limit = limit_of(small_pages)
    sizes = [0, 1, limit // 300, limit // 100, limit // 9, limit // 2, limit - 1, limit, limit + 1]
    weights = [40, 40, 40, 40, 8, 2, 1, 1, 1]

    def value() -> bytes:
        return bytes([chance.randrange(256)]) * chance.choices(sizes, weights)[0]

    store = Pages()
    expected = {key: value() for key in plain if chance.random() < 0.8}
    table = store.save(store.empty().edited(expected))
    for _ in range(3):
        if shape == "few":
            touched = chance.sample(plain, 3)
        elif shape == "runs":
            at = chance.randrange(len(plain))
            touched = plain[at : at + chance.randrange(1, 40)]
        elif shape == "gaps":  # whole leaves go
            touched = [
                key for leaf in table.leaves[:: chance.randrange(2, 5)] for key, _ in table.entries(leaf)
            ] or plain
        else:
            touched = plain
        edits = {key: None if shape == "gaps" or chance.random() < 0.5 else value() for key in touched}
        before, table = reachable(table), table.edited(edits)
        expected = after(expected, edits)
        assert [table.entries(leaf) for leaf in table.leaves] == expected_leaves(expected, small_pages, limit)
        assert reachable(table) == reachable(built(expected))
        assert not table.fresh.keys() & before.keys(), "what is stored is not written again"
        table = store.save(table)


def test_a_leaf_ends_before_the_value_that_would_overfill_it() -> None:
    keys = [key for i in range(200) if not is_boundary(key := b"%03d" % i, 0)][:6]
    a, b, c, d, e, f = keys
    sizes = {a: FULL, b: 1, c: FULL - 1, d: 1, e: FULL + 1, f: 0}
    table = built({key: b"v" * size for key, size in sizes.items()})
    assert [[key for key, _ in table.entries(leaf)] for leaf in table.leaves] == [[a], [b, c], [d], [e], [f]]
    assert FULL == 65_536


# What a look and an edit cost


@pytest.fixture(scope="module")
def large() -> tuple[Pages, Table, dict[bytes, bytes]]:
    store = Pages()
    entries = {HASH.digest(b"%d" % i): b"value %d" % i for i in range(100_000)}
    return store, store.save(store.empty().edited(entries)), entries


def opened(store: Pages, table: Table) -> Table:
    store.read.clear()
    return Table(HASH, store.fetch, table.root)


def levels(read: Iterable[bytes], store: Pages) -> list[int]:
    return [level_of(store.stored[digest], TABLE) for digest in read]


def test_one_key_is_found_on_one_path_down(large: tuple[Pages, Table, dict[bytes, bytes]]) -> None:
    store, table, entries = large
    assert max(level for _, level in table.pages()) == 2
    for key in random.Random(1).sample(sorted(entries), 20):
        looked = opened(store, table)
        assert looked.get(key) == entries[key]
        assert sorted(levels(dict.fromkeys(store.read), store), reverse=True) == [2, 1, 0]
        store.read.clear()
        assert looked.get(key) == entries[key]
        assert 0 not in levels(store.read, store), "the leaf is remembered"


def test_a_range_and_the_newest_read_the_pages_where_they_lie(
    large: tuple[Pages, Table, dict[bytes, bytes]],
) -> None:
    store, table, entries = large
    run = sorted(entries.items())
    assert list(opened(store, table).range(run[50_000][0], run[50_010][0])) == run[50_000:50_010]
    assert len(set(store.read)) <= 6
    newest = opened(store, table).newest()
    assert [next(newest) for _ in range(10)] == run[::-1][:10]
    assert len(set(store.read)) <= 6
    assert len(opened(store, table)) == 100_000
    assert levels(dict.fromkeys(store.read), store) == [2]


@pytest.mark.parametrize("edits", [1, 10])
def test_an_edit_reads_and_writes_only_the_leaves_round_it(
    large: tuple[Pages, Table, dict[bytes, bytes]], edits: int
) -> None:
    store, table, entries = large
    looked = opened(store, table)
    edited = looked.edited(dict.fromkeys(random.Random(edits).sample(sorted(entries), edits), b"another"))
    assert levels(store.read, store).count(0) <= 2 * edits
    written = [level_of(page, TABLE) for page in edited.fresh.values()]
    assert written.count(0) <= edits
    assert len(written) - written.count(0) <= edits + 1


def test_an_edit_among_large_values_reads_the_leaves_next_to_it_alone() -> None:
    keys = [key for i in range(200) if not is_boundary(key := b"%03d" % i, 0)][:50]
    store = Pages()
    table = store.save(store.empty().edited(dict.fromkeys(keys, b"v" * 40_000)))
    assert len(table.leaves) == 50
    looked = opened(store, table)
    edited = looked.edited({keys[20]: b"w" * 40_000})
    assert levels(store.read, store).count(0) <= 4
    assert [level_of(page, TABLE) for page in edited.fresh.values()].count(0) == 1


def test_what_is_equal_in_two_tables_is_not_read(large: tuple[Pages, Table, dict[bytes, bytes]]) -> None:
    store, table, entries = large
    key = sorted(entries)[20_000]
    other = store.save(table.edited({key: b"another"}))
    before, now = opened(store, table), Table(HASH, store.fetch, other.root)
    assert list(differences(before, now)) == [(key, entries[key], b"another")]
    assert levels(store.read, store).count(0) == 2
    assert list(differences(now, Table(HASH, store.fetch, other.root))) == []


# Differences


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(before=ENTRIES, edits=EDITS)
def test_differences_are_those_of_two_dicts(
    small_pages: int, before: dict[bytes, bytes], edits: dict[bytes, bytes | None]
) -> None:
    old = built(before)
    new = after(before, edits)
    expected = [(key, before.get(key), new.get(key)) for key in sorted(before | new) if before.get(key) != new.get(key)]
    assert list(differences(old, old.edited(edits))) == expected
    assert list(differences(Pages().empty(), old)) == [(key, None, value) for key, value in sorted(before.items())]


# Tables that are damaged


def damaged(root: bytes, **below: bytes) -> Table:
    blobs = {b"root": root, **{name.encode() * 16: page for name, page in below.items()}}
    return Table(HASH, blobs.__getitem__, b"root")


LEAF = encode_table_leaf([(b"a", b"1"), (b"b", b"2")])


@pytest.mark.parametrize(
    ("root", "below"),
    [
        (encode_inner([Child(b"a", b"x" * 16, 2)], 2, TABLE), LEAF),  # a leaf where an inner page should be
        (encode_inner([Child(b"a", b"x" * 16, 2)], 1, TABLE), encode_inner([Child(b"a", b"y" * 16, 2)], 1, TABLE)),
        (encode_inner([Child(b"a", b"x" * 16, 2)], 1, TABLE), encode_leaf([(b"a", b"k" * 16), (b"b", b"k" * 16)])),
        (encode_inner([Child(b"a", b"x" * 16, 3)], 1, TABLE), LEAF),  # another number of entries
        (encode_inner([Child(b"", b"x" * 16, 2)], 1, TABLE), LEAF),  # another first key
        (encode_inner([Child(b"a", b"x" * 16, 0)], 1, TABLE), encode_table_leaf([])),
        (encode_inner([Child(b"a", b"x" * 16, 2)], 1), LEAF),  # an inner page of aliases
        (encode_inner([Child(b"", b"x" * 16, 2)], 2, TABLE), encode_inner([Child(b"a", b"y" * 16, 2)], 1, TABLE)),
        (encode_inner([Child(b"a", b"x" * 16, 3)], 2, TABLE), encode_inner([Child(b"a", b"y" * 16, 2)], 1, TABLE)),
        (b"vt1\x00", LEAF),
        (b"junk", LEAF),
    ],
)
def test_a_table_whose_pages_do_not_fit_together_is_damage(root: bytes, below: bytes) -> None:
    for read in (
        lambda table: table.get(b"a"),
        lambda table: list(table.items()),
        lambda table: list(table.newest()),
        lambda table: table.edited({b"a": b"3"}),
    ):
        with pytest.raises(Damage):
            read(damaged(root, x=below, y=LEAF))


@pytest.mark.parametrize("hash", HASHES.values(), ids=HASHES)
def test_the_hash_of_the_store_names_the_pages(hash: Hash) -> None:
    table = Table(hash, {}.__getitem__, None).edited({b"a": b"1"})
    assert table.root == hash.digest(encode_table_leaf([(b"a", b"1")]))
    many = Table(hash, {}.__getitem__, None).edited({b"%05d" % i: b"1" for i in range(2000)})
    assert len(list(many.items())) == len(many) == 2000
