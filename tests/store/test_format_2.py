"""FORMAT.md on what only format 2 has: bytes written from its words alone are those that the code writes."""

from __future__ import annotations

import json
import random
import re
import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import cast

import pytest
import xxhash
from hypothesis import given, settings
from support import facts as made_up
from support.builder import Builder, aliases, unit_vectors
from support.format_page import TEXT, table
from support.index_parts import put_part
from support.tables import fits, word, words

from vstore.errors import UsageError
from vstore.format import fact_columns, fact_levels, fact_pages, facts, fields, listing, pages
from vstore.format.canonical import canonical
from vstore.format.decisions import MOST, VERBS, Decision, decode_decision, encode_decision
from vstore.format.fact_pages import encode_facts
from vstore.format.fact_runs import new_run
from vstore.format.facts import Fact, Value
from vstore.format.fields import FieldValue, decode_field, encode_field, field_key
from vstore.format.hashing import checksum, store_hash
from vstore.format.history import History, Line
from vstore.format.listing import snapshot_key, snapshot_name
from vstore.format.pages import MAXIMUM, Child, encode_inner, level_of
from vstore.format.table import Table
from vstore.format.table_pages import FULL, LONGEST, encode_table_leaf

HASH = store_hash("xxh3_128")


def leb(number: int) -> bytes:
    """7 bits a byte, low bits first, the high bit says that more follow."""
    low, rest = number & 127, number >> 7
    return bytes([low | 128]) + leb(rest) if rest else bytes([low])


def keys_of_a_page(keys: Sequence[bytes]) -> bytes:
    """Bytes shared with the one before, length of the rest, the rest."""
    out, before = b"", b""
    for key in keys:
        shared = max(size for size in range(len(key) + 1) if before[:size] == key[:size])
        out += leb(shared) + leb(len(key) - shared) + key[shared:]
        before = key
    return out


def numbers_in(text: str) -> list[int]:
    """The numbers of a text, as it writes them: 1,048,576."""
    return [int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", text)]


def about(part: str, name: str) -> str:
    """What a table of parts says of one of them."""
    (row,) = [row for row in table(name) if row["part"] == part]
    return row["what"]


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
    (line,) = re.findall(r"the newest (\d+) of current's line", part)
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


# Facts


def column_of(kind: str, values: Sequence[Value | None]) -> bytes:
    """The values of a column, by the words of its type."""
    layouts = {"1": "<B", "2": "<H", "4": "<I", "8": "<Q", "s": "<q", "d": "<d"}
    if kind == "k":
        return b"".join(bytes(16) if value is None else cast(bytes, value) for value in values)
    if kind == "t":
        texts = [cast(str, value or "").encode() for value in values]
        return b"".join(struct.pack("<I", len(text)) for text in texts) + b"".join(texts)
    return b"".join(struct.pack(layouts[kind], value or 0) for value in values)


def bits(given: Sequence[bool]) -> bytes:
    """Bit i mod 8 (lowest first) of byte i / 8."""
    out = bytearray(-(-len(given) // 8))
    for i, is_given in enumerate(given):
        out[i // 8] |= is_given << i % 8
    return bytes(out)


@settings(max_examples=50, deadline=None)
@given(made_up.rows(max_size=20))
def test_a_leaf_of_facts_is_written_as_format_says(rows: list[Fact]) -> None:
    columns = sorted({column for row in rows for column in row.values})
    heads = [("key", "k"), ("reader", "2"), *columns]
    bodies = column_of("k", [row.key for row in rows]) + column_of("2", [row.reader for row in rows])
    for column in columns:
        values = [row.values.get(column) for row in rows]
        bodies += bits([value is not None for value in values]) + column_of(column.type, values)
    written = {
        "magic": b"vf0",
        "n": leb(len(rows)),
        "columns": leb(len(heads)),
        "heads": b"".join(leb(len(name)) + name.encode() + kind.encode() for name, kind in heads),
        "bodies": bodies,
    }
    assert b"".join(written[row["part"]] for row in table("facts leaf")) == encode_facts(rows, 16)


def test_columns_of_facts_are_those_of_the_table() -> None:
    listed = {name: word(row["type"]) for row in table("columns") for name in words(row["column"])}
    code = {column.name: column.type for column in (facts.KEY, facts.READER, *facts.KNOWN)}
    assert listed == {**code, "pixels/<hex>": "k"}
    types = {word_ for row in table("column types") for word_ in words(row["type"])}
    assert types == fact_columns.TYPES
    prepare = {"policy": 7, "frame": 0}
    column = facts.pixels(prepare)
    assert column == ("pixels/" + sha256(b'{"frame":0,"policy":7}').hexdigest()[:16], "k")


def test_a_run_is_cut_by_number_alone() -> None:
    part = TEXT[TEXT.index("## 24.") : TEXT.index("## 25.")]
    (leaf,) = re.findall(r"Its leaves have ([\d,]+) rows", part)
    (inner,) = re.findall(r"inner pages have (\d+)\s+children", part)
    assert (int(leaf.replace(",", "")), int(inner)) == (fact_pages.ROWS, MAXIMUM)
    rows = made_up.made(1, range(3000))
    run = new_run(HASH, rows)
    assert run is not None
    cut = [rows[at : at + 1024] for at in range(0, 3000, 1024)]
    written = [encode_facts(some, 16) for some in cut]
    root = b"vf1" + leb(3) + keys_of_a_page([some[0].key for some in cut])
    root += b"".join(HASH.digest(page) + leb(len(some)) for page, some in zip(written, cut, strict=True))
    assert run.ref == (HASH.digest(root), 3000)
    assert run.pages == {HASH.digest(page): page for page in [root, *written]}


def test_runs_have_the_levels_that_format_says() -> None:
    for rows in [*range(1, 600), 4095, 4096, 32767, 32768]:
        left, level = rows // 8, 0
        while left:
            left, level = left // 8, level + 1
        assert fact_levels.level(rows) == level
    assert (fact_levels.level(7), fact_levels.level(8), fact_levels.level(63), fact_levels.FANOUT) == (0, 1, 1, 8)


# Indexes


@pytest.mark.parametrize("payload", [b"", b"payload", bytes(range(256)) * 9000])
def test_a_part_of_an_index_is_at_the_offsets_of_its_table(builder: Builder, payload: bytes) -> None:
    builder.add_segment([HASH.digest(b"1")], unit_vectors(1))
    path = put_part(builder.repo, builder.space, builder.repo.state.segments(builder.space), payload)
    assert path.relative_to(builder.repo.layout.folder).parts[:2] == ("indexes", builder.space)
    data = path.read_bytes()
    head_size = int.from_bytes(data[8:12], "little")
    head = json.loads(data[12 : 12 + head_size])
    assert data[12 : 12 + head_size] == canonical(head)
    listed = {word(row["field"]): row["type"] for row in table("part head")}
    assert head.keys() == listed.keys() and all(fits(head[name], kind) for name, kind in listed.items())
    (segment,) = builder.repo.state.segments(builder.space)
    assert (head["covers"], head["space"]) == ([[segment.name, segment.check]], builder.space)
    assert head["size"] == len(payload)
    blocks = [payload[at : at + 1_048_576] for at in range(0, len(payload), 1_048_576)]
    sums = b"".join(map(checksum, blocks))
    values = [b"vindex01", data[8:12], canonical(head), checksum(canonical(head)), payload, sums, checksum(sums)]
    values.append(b"vindexed")
    names = {"H": head_size, "size": len(payload), "end": len(data)}
    for row, value in zip(table("part"), values, strict=True):
        offset = int(row["offset"]) if row["offset"].isdigit() else eval(row["offset"], {}, names)
        assert data[offset : offset + len(value)] == value, row
    assert b"".join(values) == data


# Fields, decisions, history


def utf8_item(text: str) -> bytes:
    return leb(len(text.encode())) + text.encode()


FIELDS: list[tuple[FieldValue, bytes]] = [
    ("", b"t"),
    ("née 1999", b"t" + "née 1999".encode()),
    (-7, b"i" + struct.pack("<q", -7)),
    (2**63 - 1, b"i" + b"\xff" * 7 + b"\x7f"),
    (0.25, b"f" + struct.pack("<d", 0.25)),
    (-0.0, b"f" + bytes(8)),
    (False, b"b\0"),
    (True, b"b\1"),
    (datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC), b"d" + struct.pack("<q", 1_000_005)),
    (datetime(1969, 12, 31, 23, tzinfo=UTC), b"d" + struct.pack("<q", -3_600_000_000)),
    ((), b"l\0"),
    (("a", "", "ü" * 100), b"l\3" + utf8_item("a") + b"\0" + utf8_item("ü" * 100)),
]


@pytest.mark.parametrize(("value", "data"), FIELDS)
def test_the_value_of_a_field_is_written_as_format_says(value: FieldValue, data: bytes) -> None:
    assert encode_field(value) == data
    assert decode_field(data) == value


def test_fields_have_the_types_and_limits_of_the_table() -> None:
    rows = {word(row["type"]): row["content after the byte of the type"] for row in table("field values")}
    assert set(rows) == {data[:1].decode() for _, data in FIELDS}
    assert numbers_in(rows["t"])[-1] == numbers_in(rows["l"])[-1] == fields.TEXT_BYTES
    assert fields.ITEMS in numbers_in(rows["l"])
    part = TEXT[TEXT.index("## 21.") : TEXT.index("## 22.")]
    assert f"1 to {fields.NAME_BYTES} bytes of UTF-8" in " ".join(part.split())
    assert field_key(b"k" * 16, "née") == b"k" * 16 + "née".encode()


@pytest.mark.parametrize("verb", VERBS)
def test_a_decision_is_written_as_format_says(verb: str) -> None:
    keys = sorted(HASH.digest(b"%d" % i) for i in range(200))
    kept = keys[::3] if verb == "keep" else []
    key, value = encode_decision(Decision.of(verb, keys[::-1], kept, id=b"i" * 16, time=1_800_000_000_000_000))
    assert key == (1_800_000_000_000_000).to_bytes(8, "big") + b"i" * 16
    said = dict(re.findall(r"(\d) `(\w+)`", about("verb", "decision")))
    numbers = {name: int(number) for number, name in said.items()}
    assert numbers == VERBS
    written = {
        "verb": bytes([numbers[verb]]),
        "n": leb(len(keys)),
        "keys": b"".join(keys),
        "marks": bits([key in kept for key in keys]) if verb == "keep" else b"",
    }
    assert b"".join(written[row["part"]] for row in table("decision")) == value
    assert decode_decision((key, value), 16).kept == tuple(kept)


def test_a_decision_has_the_limits_of_the_table() -> None:
    assert numbers_in(about("n", "decision")) == [2, MOST, 1, MOST]
    few = [HASH.digest(b"1")]
    assert Decision.of("keep", few, few, id=bytes(16), time=0).fault() is None
    for verb, keys in (("same", few), ("keep", [])):
        with pytest.raises(UsageError):
            Decision.of(verb, keys, keys, id=bytes(16), time=0)


def test_history_is_written_as_format_says() -> None:
    lines = [
        Line(number, "sync", "2026-01-02T03:04:05Z", f"v{number}", f"v{number}", False) for number in range(1, 2500)
    ]
    lines[7] = Line(8, "undo", "2026-01-02T03:04:05Z", "", None, True)
    history = History(HASH, {}.__getitem__, None).appended(lines[:1700]).appended(lines)
    rows = table("line")
    assert [word(row["what"]) for row in rows] == list(Line._fields)
    assert [int(row["position"]) for row in rows] == list(range(len(Line._fields)))
    assert all(fits(value, row["type"]) for line in lines for value, row in zip(line, rows, strict=True))
    chunks = [canonical([list(line) for line in lines[at : at + 1000]]) for at in range(0, len(lines), 1000)]
    named = [[1, 1000, HASH.digest(chunks[0]).hex()], [1001, 2000, HASH.digest(chunks[1]).hex()]]
    root = canonical([*named, [2001, 2499, HASH.digest(chunks[2]).hex()]])
    assert history.root == HASH.digest(root)
    assert {*chunks, root} <= set(history.fresh.values())
