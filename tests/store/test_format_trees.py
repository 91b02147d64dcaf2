"""FORMAT.md on trees of pages: what is written from its words alone is what the code writes."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence

import pytest
import xxhash
from support.builder import Builder, aliases
from support.by_words import about, keys_of_a_page, leb, numbers_in
from support.format_page import TEXT, table
from support.tables import word, words

from vstore.format import listing, pages
from vstore.format.canonical import canonical
from vstore.format.hashing import store_hash
from vstore.format.listing import snapshot_key, snapshot_name
from vstore.format.pages import MAXIMUM, Child, encode_inner, level_of
from vstore.format.table import Table
from vstore.format.table_pages import FULL, LONGEST, encode_table_leaf

HASH = store_hash("xxh3_128")


# Trees of pages


def test_kinds_of_pages_are_those_of_the_table() -> None:
    letters = [word(row["letter"]) for row in table("kinds of pages")]
    assert [letter.encode() for letter in letters] == [pages.ALIAS, pages.TABLE, pages.FACTS]
    for letter in letters:
        for level in range(10):
            magic = f"v{letter}{level}".encode()
            assert pages.magic(letter.encode(), level) == magic
            assert level_of(magic, letter.encode()) == level


@pytest.mark.parametrize("kind", [pages.ALIAS, pages.TABLE, pages.FACTS])
def test_inner_pages_of_all_kinds_have_one_body(kind: bytes) -> None:
    children = [Child(b"%05d" % (i * i), HASH.digest(b"%d" % i), i * 1000) for i in range(200)]
    body = leb(200) + keys_of_a_page([child.first for child in children])
    body += b"".join(child.digest + leb(child.count) for child in children)
    assert encode_inner(children, 3, kind) == b"v" + kind + b"3" + body


def entries(count: int, longest: int, seed: int) -> dict[bytes, bytes]:
    """Draw the entries of a table; the values of a few are long."""
    draw = random.Random(seed)
    keys = {draw.randbytes(draw.choice([1, 5, 16, 200])) for _ in range(count)} | {b"", b"\0"}
    sizes = [0, 3, 127, 128, 300, longest]
    return {key: draw.randbytes(draw.choice(sizes if draw.random() < 0.1 else sizes[:3])) for key in sorted(keys)}


def test_a_leaf_of_a_table_is_written_as_format_says() -> None:
    found = sorted(entries(300, 5000, 1).items())
    parts = [row["part"] for row in table("table leaf")]
    written = {
        "magic": b"vt0",
        "n": leb(len(found)),
        "keys": keys_of_a_page([key for key, _ in found]),
        "lengths": b"".join(leb(len(value)) for _, value in found),
        "values": b"".join(value for _, value in found),
    }
    assert b"".join(written[part] for part in parts) == encode_table_leaf(found)
    assert words(about("magic", "table leaf")) == ["vt0"]
    assert numbers_in(about("n", "table leaf")) == [MAXIMUM]
    assert LONGEST in numbers_in(about("lengths", "table leaf"))


def leaves(found: Sequence[tuple[bytes, bytes]], full: int) -> list[list[tuple[bytes, bytes]]]:
    """Cut entries into leaves, by the words of section 19."""
    cut: list[list[tuple[bytes, bytes]]] = []
    for key, value in found:
        begins = not cut or len(cut[-1]) == 512 or (xxhash.xxh3_64_intdigest(key) >> 7 * 0) % 128 == 0
        if begins or sum(len(value) for _, value in cut[-1]) + len(value) > full:
            cut.append([])
        cut[-1].append((key, value))
    return cut


@pytest.mark.parametrize(("count", "longest"), [(0, 9), (3, 200_000), (700, 40_000), (3000, 70_000), (20_000, 300)])
def test_a_table_is_cut_where_format_says(count: int, longest: int) -> None:
    (full,) = {int(n.replace(",", "")) for n in re.findall(r"more than ([\d,]+) bytes together", TEXT)}
    assert full == FULL
    found = sorted(entries(count, longest, count).items())
    cut = [encode_table_leaf(leaf) for leaf in leaves(found, full)]
    made = Table(HASH, {}.__getitem__, None).edited(dict(found))
    assert [leaf.digest for leaf in made.leaves] == [HASH.digest(page) for page in cut]
    level = 1
    run = [Child(leaf[0][0], HASH.digest(page), len(leaf)) for leaf, page in zip(leaves(found, full), cut, strict=True)]
    while len(run) > 1:
        above: list[list[Child]] = []
        for child in run:
            if not above or len(above[-1]) == 512 or (xxhash.xxh3_64_intdigest(child.first) >> 7 * level) % 128 == 0:
                above.append([])
            above[-1].append(child)
        written = [encode_inner(children, level, pages.TABLE) for children in above]
        run = [
            Child(children[0].first, HASH.digest(page), sum(child.count for child in children))
            for children, page in zip(above, written, strict=True)
        ]
        level += 1
    assert made.root == run[0].digest


# The list of snapshots


def test_the_key_of_a_snapshot_is_at_the_offsets_of_its_table() -> None:
    assert [(row["offset"], row["size"]) for row in table("snapshot key")] == [("0", "n"), ("n", "1"), ("n + 1", "8")]
    for name, key in {
        "v1": b"\0" + (1).to_bytes(8, "big"),
        "v1000000": b"\0" + (1_000_000).to_bytes(8, "big"),
        "origin/v7": b"origin\0" + (7).to_bytes(8, "big"),
        "øst/v300": "øst".encode() + b"\0" + (300).to_bytes(8, "big"),
    }.items():
        assert (snapshot_key(name), snapshot_name(key)) == (key, name)


def test_the_window_is_as_wide_as_format_says(builder: Builder) -> None:
    part = TEXT[TEXT.index("## 20.") : TEXT.index("## 21.")]
    (pending,) = re.findall(r"leaves more than (\d+) own\s+snapshots", part)
    (line,) = re.findall(r"the first (\d+) of current's line", part)
    assert (int(pending), int(line)) == (listing.PENDING, listing.WINDOW)
    for number in range(listing.PENDING):
        builder.add_pictures(aliases(number % 5))
    state = builder.repo.state
    assert (state.listed, len(state.window), state.root("snapshots")) == (1, listing.PENDING, None)
    builder.add_pictures(aliases(1, 2))
    state = builder.repo.state
    assert (state.listed, state.listed, len(state.window)) == (state.next_v, listing.PENDING + 2, listing.WINDOW)
    table = Table(builder.repo.hash, builder.repo.packs.get, state.root("snapshots"))
    found = {snapshot_name(key): json.loads(value) for key, value in table.items()}
    assert list(found) == [f"v{number}" for number in range(1, state.next_v)]
    assert all(canonical(found[name]) == canonical(entry) for name, entry in state.window.items())
