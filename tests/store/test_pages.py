"""The alias tree: what it holds, how it is cut, what an edit touches, and what is no page."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vstore.errors import Damage
from vstore.format import cutting, pages
from vstore.format.cutting import TARGET, is_boundary
from vstore.format.differences import differences, merged_by_path
from vstore.format.hashing import HASHES, Hash, store_hash
from vstore.format.pages import (
    ALIAS,
    FACTS,
    LONGEST_KEY,
    MAXIMUM,
    TABLE,
    Child,
    decode_inner,
    decode_leaf,
    encode_inner,
    encode_leaf,
    leaf_keys,
    level_of,
    may_hold,
)
from vstore.format.tree import Tree, keys_at

HASH = store_hash("xxh3_128")
BYTES = st.binary(min_size=1, max_size=4).map(lambda name: name.translate(None, b"/\0")).filter(bool)
SOME = st.sampled_from([b"a", b"b", b"0", b"!", b"\xff", b"x" * 300])
NAMES = BYTES.filter(lambda name: name not in (b".", b"..")) | SOME
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(b"/".join)
KEYS = st.binary(min_size=16, max_size=16)
TABLE_KEYS = PATHS.map(lambda path: path[:LONGEST_KEY])
LETTERS = "abcdefghij"
ALIKE = st.builds(
    lambda folder, shared, rest: f"{folder}{LETTERS[:shared]}{rest}".encode(),
    st.sampled_from(["", "abc/", "abd/", "xy/abc/"]),
    st.integers(0, 6),
    st.text(LETTERS, min_size=1, max_size=3),
)  # paths that begin alike
ALIASES = st.dictionaries(PATHS, KEYS, max_size=30)


class Pages:
    """A store of pages, which counts what is read."""

    def __init__(self) -> None:
        self.stored: dict[bytes, bytes] = {}
        self.read: list[bytes] = []

    def fetch(self, digest: bytes) -> bytes:
        self.read.append(digest)
        return self.stored[digest]

    def empty(self) -> Tree:
        return Tree.empty(HASH, self.fetch)

    def save(self, tree: Tree) -> Tree:
        """Store what is fresh in a tree, and open it again, so that nothing of it is in memory."""
        for digest, page in tree.fresh.items():
            assert HASH.digest(page) == digest
            self.stored[digest] = page
        return Tree(HASH, self.fetch, tree.root)


def built(aliases: Mapping[bytes, bytes]) -> Tree:
    return Pages().empty().edited(aliases)


def reachable(tree: Tree) -> dict[bytes, bytes]:
    return {digest: tree.page(digest) for digest, _ in tree.pages()}


@pytest.fixture(params=[4, 128])
def small_pages(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Pages of a few entries, so that a few aliases make a tree of several levels; or pages as they are."""
    target: int = request.param
    if target < 128:
        monkeypatch.setattr(cutting, "TARGET", target)
        monkeypatch.setattr(cutting, "MAXIMUM", 3 * target)
        monkeypatch.setattr(pages, "MAXIMUM", 3 * target)
    return target


# Pages


@pytest.mark.parametrize("name", HASHES)
@given(aliases=ALIASES)
def test_a_leaf_is_read_back_as_it_was_written(name: str, aliases: dict[bytes, bytes]) -> None:
    size = store_hash(name).size
    run = sorted((path, (key * 2)[:size]) for path, key in aliases.items())
    data = encode_leaf(run)
    assert level_of(data) == 0
    assert decode_leaf(data, size) == run
    assert leaf_keys(data, size) == b"".join(key for _, key in run)


@pytest.mark.parametrize("kind", [ALIAS, TABLE, FACTS])
@given(
    st.dictionaries(TABLE_KEYS, st.tuples(KEYS, st.integers(0, 1 << 50)), min_size=1, max_size=30), st.integers(1, 9)
)
def test_an_inner_page_is_read_back_as_it_was_written(
    kind: bytes, entries: dict[bytes, tuple[bytes, int]], level: int
) -> None:
    children = [Child(first, *entry) for first, entry in sorted(entries.items())]
    data = encode_inner(children, level, kind)
    assert data[:3] == b"v" + kind + b"%d" % level
    assert level_of(data, kind) == level
    assert decode_inner(data, 16, kind) == children
    for other in {ALIAS, TABLE, FACTS} - {kind}:
        with pytest.raises(Damage):
            level_of(data, other)
        with pytest.raises(Damage):
            decode_inner(data, 16, other)


def test_a_leaf_is_laid_out_as_format_says() -> None:
    run = [(b"a/1.png", b"K" * 16), (b"a/2.png", b"L" * 16), (b"a/2.png\xff" + b"x" * 200, b"M" * 16)]
    expected = b"vp0\x03" + b"\x00\x07a/1.png" + b"\x02\x052.png" + b"\x07\xc9\x01\xff" + b"x" * 200
    assert encode_leaf(run) == expected + b"K" * 16 + b"L" * 16 + b"M" * 16
    inner = encode_inner([Child(b"a/1.png", b"K" * 16, 3), Child(b"b", b"L" * 16, 300)], 2)
    assert inner == b"vp2\x02" + b"\x00\x07a/1.png" + b"\x00\x01b" + b"K" * 16 + b"\x03" + b"L" * 16 + b"\xac\x02"


GARBAGE = st.one_of(
    st.binary(max_size=80),
    st.builds(lambda level, rest: b"vp%d" % level + rest, st.integers(0, 9), st.binary(max_size=80)),
    st.builds(
        lambda aliases, at, byte: (
            encode_leaf(sorted(aliases.items()))[:at] + bytes([byte]) + encode_leaf(sorted(aliases.items()))[at + 1 :]
        ),
        ALIASES,
        st.integers(0, 200),
        st.integers(0, 255),
    ),
)


@given(GARBAGE)
def test_garbage_is_damage_or_a_page_and_never_anything_else(data: bytes) -> None:
    for read in (
        lambda: decode_leaf(data, 16),
        lambda: decode_inner(data, 16),
        lambda: leaf_keys(data, 16),
        lambda: level_of(data),
        lambda: list(Tree(HASH, {b"root": data}.__getitem__, b"root")) if data[:3] == b"vp0" else None,
    ):
        with contextlib.suppress(Damage):
            read()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"v",
        b"vp",
        b"vp:",
        b"vp0",
        b"vp0\x01",
        b"vp0\x00 more",
        b"vp0\x01\x00\x05ab",
        b"vp0\x01\x01\x01a" + b"k" * 16,
        b"vp0\x01\x00\x01a" + b"k" * 15,
        b"vp0" + b"\xff" * 12,
        b"vp0\x81\x04" + b"\0\1a" * 513 + b"k" * 16 * 513,
    ],
)
def test_what_is_no_leaf_is_damage(data: bytes) -> None:
    with pytest.raises(Damage):
        decode_leaf(data, 16)


@pytest.mark.parametrize("data", [b"", b"vp", b"vp1\x00", b"vp0", b"vp0\x01\x00\x00" + b"k" * 15, b"vp0\x81\x04"])
def test_a_key_column_is_not_taken_from_what_is_no_leaf(data: bytes) -> None:
    with pytest.raises(Damage):
        leaf_keys(data, 16)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"vp",
        b"vp1",
        b"vp1\x01\x00\x01a" + b"k" * 16,
        b"vp1\x01\x00\x01a" + b"k" * 15 + b"\x01",
        b"vp0\x00",
        b"vp1\x00",
        encode_inner([Child(b"a", b"k" * 16, 1)] * 2, 1),
        encode_inner([Child(b"b", b"k" * 16, 1), Child(b"a", b"k" * 16, 1)], 1),
        encode_inner([Child(b"%03d" % i, b"k" * 16, 1) for i in range(513)], 1),
    ],
)
def test_what_is_no_inner_page_is_damage(data: bytes) -> None:
    with pytest.raises(Damage):
        decode_inner(data, 16)


@given(paths=st.sets(PATHS | ALIKE, min_size=1, max_size=6), data=st.data())
def test_no_leaf_is_passed_over_that_has_the_bytes_looked_for(paths: set[bytes], data: st.DataObject) -> None:
    leaf = encode_leaf([(path, bytes(16)) for path in sorted(paths)])
    path = data.draw(st.sampled_from(sorted(paths)))
    start = data.draw(st.integers(0, len(path) - 1))
    assert may_hold(leaf, path[start : data.draw(st.integers(start + 1, len(path)))])


def test_a_leaf_is_passed_over_if_its_names_begin_otherwise() -> None:
    paths = [b"r/%02d/img_%05d.jpg" % (at // 50, at) for at in range(120)]
    leaf = encode_leaf([(path, b"img_99.png......") for path in paths])
    assert [may_hold(leaf, one) for one in (b"img_99", b".png", b"4/img")] == [False] * 3
    assert [may_hold(leaf, one) for one in (b"img_00119", b".jpg", b"2/img")] == [True] * 3
    assert may_hold(encode_leaf([(path, bytes(16)) for path in (b"ac", b"ae")]), b"ae"), "it begins in what both share"
    with pytest.raises(Damage):
        may_hold(leaf[:30], b"img_99")


def test_a_page_cannot_claim_more_memory_than_its_entries_take() -> None:
    # Each path shares all of the one before: 3 bytes an entry, and paths that grow without end.
    entries = b"".join(b"\xff\xff\x03\x01a" for _ in range(1000))
    with pytest.raises(Damage):
        decode_leaf(b"vp0\xe8\x07" + entries, 16)


def test_an_inner_page_cannot_claim_more_entries_than_there_can_be() -> None:
    halves = [Child(b"a", b"k" * 16, 2**62 - 1), Child(b"b", b"k" * 16, 2**62)]
    assert decode_inner(encode_inner(halves, 1), 16) == halves
    with pytest.raises(Damage):
        decode_inner(encode_inner([halves[1], halves[1]._replace(first=b"c")], 1), 16)


# The tree against a dict


@given(aliases=ALIASES)
def test_a_tree_holds_what_was_put_in(aliases: dict[bytes, bytes]) -> None:
    tree = built(aliases)
    assert list(tree) == sorted(aliases.items())
    assert len(tree) == len(aliases)
    assert b"".join(tree.key_columns()) == b"".join(key for _, key in sorted(aliases.items()))
    assert list(tree.every_key()) == [key for _, key in sorted(aliases.items())]
    for path, key in aliases.items():
        assert tree.get(path) == key
        assert tree.get(path + b"!") == aliases.get(path + b"!")


@given(aliases=ALIASES, start=PATHS | st.just(b""), stop=PATHS | st.none())
def test_a_range_of_a_tree_is_that_of_the_sorted_paths(
    aliases: dict[bytes, bytes], start: bytes, stop: bytes | None
) -> None:
    found = list(built(aliases).range(start, stop))
    assert found == [a for a in sorted(aliases.items()) if a[0] >= start and (stop is None or a[0] < stop)]


@given(aliases=ALIASES, folder=PATHS | st.just(b"a"))
def test_a_folder_holds_what_lies_below_it_and_its_own_files(aliases: dict[bytes, bytes], folder: bytes) -> None:
    tree = built(aliases)
    below = [(path, key) for path, key in sorted(aliases.items()) if path.startswith(folder + b"/")]
    assert list(tree.under(folder)) == below
    assert list(tree.under(b"")) == list(tree)
    own = [(path, key) for path, key in below if b"/" not in path[len(folder) + 1 :]]
    assert list(tree.directly_in(folder)) == own
    within = {path: key for path, key in aliases.items() if b"/" in path}
    assert keys_at(tree, [path + more for more in (b"", b"!") for path in within]) == within
    names = {path[len(folder) + 1 :].partition(b"/")[0] for path, _ in below if b"/" in path[len(folder) + 1 :]}
    assert list(tree.folders_in(folder)) == sorted(names, key=lambda name: name + b"/")


EDITS = st.dictionaries(PATHS, KEYS | st.none(), max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories=st.lists(EDITS, max_size=6), saves=st.lists(st.booleans(), min_size=6, max_size=6))
def test_equal_sets_give_equal_trees_whatever_their_history(
    small_pages: int, histories: list[dict[bytes, bytes | None]], saves: list[bool]
) -> None:
    store = Pages()
    tree = store.empty()
    expected: dict[bytes, bytes] = {}
    for edits, save in zip(histories, saves, strict=False):
        tree = tree.edited(edits)
        for path, key in edits.items():
            if key is None:
                expected.pop(path, None)
            else:
                expected[path] = key
        if save:
            tree = store.save(tree)
    fresh = built(expected)
    assert tree.root == fresh.root
    assert list(tree) == sorted(expected.items())
    assert reachable(tree) == reachable(fresh)
    assert set(tree.fresh) <= set(reachable(tree)) or not expected
    whole = store.save(tree)
    assert list(whole) == sorted(expected.items()), "what is stored and what is fresh are the whole tree"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(seed=st.integers(0, 1 << 30), shape=st.sampled_from(["few", "runs", "all"]))
def test_long_runs_without_a_boundary_are_cut_alike_whatever_their_history(
    small_pages: int, seed: int, shape: str
) -> None:
    chance = random.Random(seed)
    # Paths at which no page would begin by itself: then only the maximum cuts, and every edit moves all cuts after it.
    plain = [p for i in range(400) if not is_boundary(p := b"r/%06d" % i, 0)]
    store = Pages()
    expected = {path: HASH.digest(path) for path in plain if chance.random() < 0.8}
    tree = store.save(store.empty().edited(expected))
    for _ in range(3):
        if shape == "few":
            touched = chance.sample(plain, 3)
        elif shape == "runs":
            at = chance.randrange(len(plain))
            touched = plain[at : at + chance.randrange(1, 40)]
        else:
            touched = plain
        edits = {path: None if chance.random() < 0.5 else HASH.digest(path + b"2") for path in touched}
        tree = store.save(tree.edited(edits))
        expected = {p: k for p, k in {**expected, **edits}.items() if k is not None}  # type: ignore[misc]
        assert reachable(tree) == reachable(built(expected))


def test_paths_that_begin_a_page_at_every_level_make_nine_levels_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "TARGET", 1)  # as if every path had been chosen so
    for count in (2, 513, 600):
        tree = built({b"%05d" % i: HASH.digest(b"%d" % i) for i in range(count)})
        assert max(level for _, level in tree.pages()) == (7 if count > 512 else 6)
        assert len(list(tree)) == count


def test_removing_everything_gives_the_empty_tree() -> None:
    aliases = {b"a/%04d" % i: HASH.digest(b"%d" % i) for i in range(2000)}
    store = Pages()
    tree = store.save(store.empty().edited(aliases)).edited(dict.fromkeys(aliases))
    assert tree.root == store.empty().root
    assert list(tree) == [] and len(tree) == 0
    assert list(store.save(tree)) == []


def test_no_edit_is_no_other_tree() -> None:
    tree = built({b"a": b"k" * 16})
    assert tree.edited({}) is tree
    assert tree.edited({b"a": b"k" * 16, b"gone": None}).root == tree.root
    store = Pages()
    stored = store.save(tree)
    assert not stored.edited({b"a": b"k" * 16, b"gone": None}).fresh, "a page is not written twice"


# What an edit costs


@pytest.fixture(scope="module")
def large() -> tuple[Pages, Tree, dict[bytes, bytes]]:
    store = Pages()
    aliases = {b"r/%03d/%05d.jpg" % (i % 200, i): HASH.digest(b"%d" % i) for i in range(40_000)}
    return store, store.save(store.empty().edited(aliases)), aliases


def test_pages_hold_about_as_many_entries_as_format_says(large: tuple[Pages, Tree, dict[bytes, bytes]]) -> None:
    _, tree, aliases = large
    sizes = [leaf.count for leaf in tree.leaves]
    assert sum(sizes) == len(aliases)
    assert max(sizes) <= MAXIMUM
    assert TARGET / 2 < len(aliases) / len(sizes) < TARGET * 1.5
    levels = [level for _, level in tree.pages()]
    assert max(levels) == 2 and levels.count(2) == 1


def test_every_page_begins_where_the_hash_of_its_path_says_or_after_the_most_that_a_page_holds(
    large: tuple[Pages, Tree, dict[bytes, bytes]],
) -> None:
    _, tree, _ = large
    before = MAXIMUM
    for leaf in tree.leaves:
        assert is_boundary(leaf.first, 0) or before == MAXIMUM
        paths = [path for path, _ in tree.aliases(leaf)]
        assert not any(is_boundary(path, 0) for path in paths[1:])
        before = leaf.count


@pytest.mark.parametrize("edits", [1, 10, 100])
def test_an_edit_writes_and_reads_only_the_pages_round_it(
    large: tuple[Pages, Tree, dict[bytes, bytes]], edits: int
) -> None:
    store, tree, aliases = large
    tree = Tree(HASH, store.fetch, tree.root)
    tree.leaves  # what lies above the leaves is read once
    store.read.clear()
    chosen = random.Random(edits).sample(sorted(aliases), edits)
    edited = tree.edited(dict.fromkeys(chosen, b"x" * 16))
    leaves = [page for page in edited.fresh.values() if level_of(page) == 0]
    assert len(leaves) <= edits
    assert len(edited.fresh) - len(leaves) <= min(edits, 5) + 1
    assert len(store.read) <= 2 * edits
    added = tree.edited({path + b"!": b"x" * 16 for path in chosen})
    assert len([page for page in added.fresh.values() if level_of(page) == 0]) <= 2 * edits


def test_only_pages_are_read_that_may_have_paths_with_a_prefix(large: tuple[Pages, Tree, dict[bytes, bytes]]) -> None:
    store, tree, aliases = large
    store.read.clear()
    found = [path for leaf in tree.leaves_below(b"r/150/") for path in tree.paths(leaf)]
    assert {path for path in aliases if path.startswith(b"r/150/")} <= set(found)
    assert len(store.read) <= 12


def test_a_new_folder_writes_its_own_pages_and_a_few_round_it(
    large: tuple[Pages, Tree, dict[bytes, bytes]],
) -> None:
    _, tree, _ = large
    added = tree.edited({b"r/new/%05d.jpg" % i: HASH.digest(b"n%d" % i) for i in range(1000)})
    leaves = [page for page in added.fresh.values() if level_of(page) == 0]
    assert len(leaves) <= 1000 / TARGET * 2 + 2


def test_what_is_equal_in_two_trees_is_not_read(large: tuple[Pages, Tree, dict[bytes, bytes]]) -> None:
    store, tree, aliases = large
    path = sorted(aliases)[20_000]
    other = store.save(tree.edited({path: b"x" * 16}))
    before, after = Tree(HASH, store.fetch, tree.root), Tree(HASH, store.fetch, other.root)
    before.leaves, after.leaves
    store.read.clear()
    assert list(differences(before, after)) == [(path, aliases[path], b"x" * 16)]
    assert len(store.read) == 2
    store.read.clear()
    assert list(differences(before, Tree(HASH, store.fetch, tree.root))) == []
    assert store.read == []


# Differences


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=ALIASES, edits=EDITS)
def test_differences_are_those_of_two_dicts(
    small_pages: int, before: dict[bytes, bytes], edits: dict[bytes, bytes | None]
) -> None:
    old = built(before)
    new = old.edited(edits)
    after = dict(new)
    expected = [
        (path, before.get(path), after.get(path))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    ]
    assert list(differences(old, new)) == expected
    assert list(merged_by_path(sorted(before.items()), sorted(after.items()))) == expected
    assert list(differences(new, old)) == [(path, b, a) for path, a, b in expected]


# Trees that are damaged


def test_a_tree_whose_pages_are_not_what_their_parents_say_is_damage() -> None:
    leaf = encode_leaf([(b"a", b"k" * 16)])
    inner = encode_inner([Child(b"a", b"leaf" * 4, 1), Child(b"b", b"leaf" * 4, 1)], 2)
    with pytest.raises(Damage, match="another level"):
        Tree(HASH, {b"root": inner, b"leaf" * 4: leaf}.__getitem__, b"root").leaves


@pytest.mark.parametrize(
    "child", [Child(b"b", b"leaf" * 4, 1), Child(b"a", b"leaf" * 4, 2), Child(b"", b"none" * 4, 0)]
)
def test_a_leaf_that_is_not_what_its_parent_says_is_damage(child: Child) -> None:
    pages = {b"leaf" * 4: encode_leaf([(b"a", b"k" * 16)]), b"none" * 4: encode_leaf([])}
    pages[b"root"] = encode_inner([child], 1)
    for read in (list, lambda tree: tree.get(child.first), lambda tree: tree.edited({child.first: b"l" * 16})):
        with pytest.raises(Damage):
            read(Tree(HASH, pages.__getitem__, b"root"))
    pages[b"root"] = encode_inner([Child(b"a", b"leaf" * 4, 1)], 1)
    assert list(Tree(HASH, pages.__getitem__, b"root")) == [(b"a", b"k" * 16)]


def test_a_root_that_is_no_page_is_damage() -> None:
    for data in (b"", b"vp", b"vp:", b"junk"):
        with pytest.raises(Damage):
            Tree(HASH, {b"root": data}.__getitem__, b"root").leaves
        with pytest.raises(Damage):
            list(Tree(HASH, {b"root": data}.__getitem__, b"root").pages())


@pytest.mark.parametrize("hash", HASHES.values(), ids=HASHES)
def test_the_hash_of_the_store_names_the_pages(hash: Hash) -> None:
    tree = Tree.empty(hash, {}.__getitem__).edited({b"a": b"k" * hash.size})
    assert tree.root == hash.digest(encode_leaf([(b"a", b"k" * hash.size)]))


# Pages of strangers


@pytest.mark.parametrize(
    "paths",
    [
        [b""],
        [b"/etc"],
        [b"a/"],
        [b"a//b"],
        [b"a/../b"],
        [b".."],
        [b"../b"],
        [b"a/."],
        [b"a\0b"],
        [b"b", b"a"],
        [b"a", b"a"],
        [b"a", b"a/b", b"c/.."],
        [b"a" * 32_768],
    ],
)
def test_a_leaf_of_paths_that_no_folder_has_is_damage(paths: list[bytes]) -> None:
    with pytest.raises(Damage, match="an alias page cannot be read"):
        decode_leaf(encode_leaf([(path, b"k" * 16) for path in paths]), 16)


def test_a_leaf_may_hold_a_path_as_long_as_any() -> None:
    aliases = [(b"a" * 32_767, b"k" * 16), (b"a.." + b"b" * 9, b"k" * 16), (b"...", b"k" * 16)]
    assert decode_leaf(encode_leaf(sorted(aliases)), 16) == sorted(aliases)


def test_an_inner_page_of_long_paths_is_damage() -> None:
    with pytest.raises(Damage, match="a key has 32768 bytes"):
        decode_inner(encode_inner([Child(b"a" * 32_768, b"d" * 16, 1)], 1), 16)


def test_the_keys_of_a_leaf_are_as_many_as_the_page_above_says() -> None:
    """A page that stands twice below another would be counted twice."""
    leaf = encode_leaf([(b"a", b"k" * 16), (b"b", b"l" * 16)])
    top = encode_inner([Child(b"a", HASH.digest(leaf), 1)], 1)
    pages = {HASH.digest(page): page for page in (leaf, top)}
    with pytest.raises(Damage, match="does not match the page above"):
        list(Tree(HASH, pages.__getitem__, HASH.digest(top)).key_columns())
