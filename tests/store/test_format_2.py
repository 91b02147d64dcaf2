"""FORMAT.md on what only format 2 has: what is written from its words alone is what the code writes."""

from __future__ import annotations

import json
import re
import shutil
import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from support import facts as made_up
from support.builder import Builder, unit_vectors
from support.by_words import about, bits, keys_of_a_page, leb, numbers_in
from support.format_page import TEXT, table
from support.independent_reader import StoreReader
from support.index_parts import parts_of, put_part
from support.plain_pairs import plain_score
from support.tables import fits, word, words

from vstore.disk.index_parts import IndexPart
from vstore.errors import UsageError
from vstore.format import fact_columns, fact_levels, fact_pages, facts, fields
from vstore.format.canonical import canonical
from vstore.format.decisions import MOST, VERBS, Decision, decode_decision, encode_decision
from vstore.format.fact_pages import encode_facts
from vstore.format.fact_runs import new_run
from vstore.format.facts import Fact, Value
from vstore.format.fields import FieldValue, decode_field, encode_field, field_key
from vstore.format.hashing import checksum, store_hash
from vstore.format.history import History, Line
from vstore.format.pages import MAXIMUM
from vstore.progress import Stages
from vstore.search.pairs import near_pairs
from vstore.store import Store

DATA = Path(__file__).parent / "data"
HASH = store_hash("xxh3_128")


# What differs

LATER = {"`moved` of an import", "`retired` in the state"}  # came after the store of `tests/store/data` was written


def found_in(store: str) -> dict[str, set[Any]]:
    """What a store of `tests/store/data` holds of the things that differ, by the words of the table."""
    reader = StoreReader(DATA / store / "store")
    manifests = [reader.manifest(name) for name, entry in reader.snapshots.items() if entry.get("kept", True)]
    names = {name.rpartition("/")[0] for name in reader.snapshots}
    pages = {blob[1:2].decode() for blob in reader.blobs.values() if re.match(rb"v[a-z]\d", blob)}
    return {
        "`format` in `FORMAT`": {reader.form["format"]},
        "`vstore` in a record": {record["vstore"] for record in reader.records},
        "`snapshots` in the state": reader.snapshots.keys() - reader.state["snapshots"].keys(),
        "`listed`, `trees`, `facts` in the state": reader.state.keys() & {"listed", "trees", "facts"},
        "`retired` in the state": reader.state.keys() & {"retired"},
        "`fields` of a snapshot": {entry["fields"] for entry in reader.snapshots.values() if "fields" in entry},
        "`identity`, `by_name` of a space": {
            name for space in reader.state["spaces"].values() for name in ("identity", "by_name") if name in space
        },
        "`moved` of an import": {name for name, one in reader.state.get("imports", {}).items() if "moved" in one},
        "`fields`, `store` in a manifest": {name for one in manifests for name in ("fields", "store") if name in one},
        "`from` in a record": {str(record["from"]) for record in reader.records if "from" in record},
        "names of snapshots": names,
        "operations": {record["op"] for record in reader.records} & {"fields", "decide", "root remove", "root rename"},
        "kinds of pages": pages,
        "`indexes/`": {about["kind"] for about, _ in reader.indexes()},
    }


def test_the_formats_differ_in_what_the_table_says() -> None:
    one, two = found_in("format-1"), found_in("format-2")
    rows = {row["what"]: row for row in table("differences")}
    assert rows.keys() == one.keys() == two.keys()
    for what, row in rows.items():
        if row["format 1"] == "-":
            assert not one[what], what
            assert two[what] or what in LATER, what
    assert (one["`format` in `FORMAT`"], two["`format` in `FORMAT`"]) == ({1}, {2})
    assert (one["`vstore` in a record"], two["`vstore` in a record"]) == ({1}, {2})
    assert not one["`snapshots` in the state"] and {"v8", "origin/v7"} <= two["`snapshots` in the state"]
    assert (one["names of snapshots"], two["names of snapshots"]) == ({""}, {"", "origin"})
    assert (one["operations"], two["operations"]) == (set(), {"fields", "decide"})
    kinds = rows["kinds of pages"]
    assert (set(words(kinds["format 1"])), set(words(kinds["format 2"]))) == (
        one["kinds of pages"],
        two["kinds of pages"],
    )


def test_records_from_before_a_migration_keep_their_format(tmp_path: Path) -> None:
    shutil.copytree(DATA / "format-1/store", tmp_path / "store")
    with Store(tmp_path / "store") as store:
        store.migrate()
    reader = StoreReader(tmp_path / "store")
    assert [record["vstore"] for record in reader.records] == [1] * 6 + [2]
    assert (reader.form["format"], reader.records[-1]["op"]) == (2, "migrate")
    assert "state" in reader.records[-1]


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
    assert listed == {**code, "pixels/<hex>": "k", "flat/<hex>": "1"}
    types = {word_ for row in table("column types") for word_ in words(row["type"])}
    assert types == fact_columns.TYPES
    prepare = {"policy": 7, "frame": 0}
    column = facts.pixels(prepare)
    assert column == ("pixels/" + sha256(b'{"frame":0,"policy":7}').hexdigest()[:16], "k")
    assert facts.flat(prepare) == (column.name.replace("pixels/", "flat/"), "1")


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


def test_a_part_of_edges_has_the_columns_of_its_table(builder: Builder) -> None:
    """Two clumps, of 20 and 3 pictures that reach one another, one picture that reaches none, and one more pair."""
    rows = unit_vectors(4, seed=3)
    rows[1] = rows[0] + 0.2 * rows[1]
    vectors = np.repeat([rows[0], rows[1], rows[2], rows[3], rows[3] + 0.1 * rows[0]], [20, 3, 1, 1, 1], axis=0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    keys = [HASH.digest(b"%d" % number) for number in range(len(vectors))]
    builder.add_segment(keys, vectors)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vstore.search.comparison.BLOCK", 20)
        near_pairs(builder.repo, builder.space, keys, 0.9, stages=Stages())
    (path,) = parts_of(builder.repo.layout)
    with IndexPart(path) as part:
        head, payload = part.head, b"".join(part.blocks())
    about = head.parameters
    assert (head.kind, head.covers) == ("edges", ())
    assert {word(row["field"]): type(about[word(row["field"])]) for row in table("edges")} == dict.fromkeys(about, int)
    names = {"N": about["pictures"], "E": about["pairs"], "C": about["crowds"]}
    columns, at = {}, 0
    for row in table("edges payload"):
        times, of = row["size"].split(" × ")
        width = {"a digest": 16, "u64": 8, "u32": 4}[of]
        size = names[times] * width
        column = [payload[begin : begin + width] for begin in range(at, at + size, width)]
        columns[row["column"]] = column if of == "a digest" else [int.from_bytes(one, "little") for one in column]
        at += size
    assert at == len(payload)
    assert columns["keys"] == keys
    (segment,) = (builder.repo.segment(ref) for ref in builder.repo.state.segments(builder.space))
    assert columns["sums"] == [int.from_bytes(checksum(np.array(row).tobytes()), "little") for row in segment.rows()]
    assert columns["clumps"] == [0] * 20 + [20] * 3 + [23, 24, 25]
    assert list(zip(columns["one"], columns["other"], strict=True)) == [(24, 25)]
    assert list(zip(columns["crowds"], columns["rows"], strict=True)) == [(0, 20), (0, 21), (0, 22)]
    assert columns["scores"] == [plain_score(segment.rows()[24], segment.rows()[25])]
    assert (about["least"], about["turns"], about["version"]) == (900_000, 1, 1)
