"""Forges a store in one place after another, and calls commands on it. Run in a process that may die."""

from __future__ import annotations

import contextlib
import copy
import faulthandler
import hashlib
import io
import json
import random
import resource
import shutil
import signal
import struct
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from support.folders import put
from support.forge import Forge, canonical, checksum, digest

from vstore.format.leb128 import put_number
from vstore_cli.main import run

MEMORY = 4 << 30  # bytes of address space for a case; LMDB and faiss map some
SECONDS = 20  # of the processor, for a command
PATIENCE = 200  # seconds by the clock, for a command that waits: other processes may be at work
BAD = ("\x1b", "\x9b", "\u202e", "Traceback", "this is a bug in vstore")
EVIL = "a\x1b[2J\x9b2J\u202eb"

COMMANDS = [
    "search ./pictures/a.png -k 2",
    "check --read-data",
    "snapshot list",
    "snapshot show",
    "snapshot list --json",
    "log",
    "stats",
    "dupes",
    "ls -R -l",
    "ls --failed",
    "find *.png --all",
    "show pictures/a.png",
    "model list",
    "model show builtin-2",
    "model show model",
    "model use model",
    "model allow model",
    "search red",
    "snapshot diff v1 v2",
    "status",
    "search ./pictures/b.png --under pictures/sub",
    "gc --dry-run",
    "repair --dry-run --no-embed",
    "sync",
    "undo",
    "snapshot tag v1 mine",
    "snapshot export current out.jsonl",
    "snapshot forget --keep-last 1 --dry-run",
    "rollback v1",
    "facts",
    "facts --fill",
    "dupes --near 0.9",
    "import --resume i1",
    "search ./pictures/d.png --json",
    "gc",
    "repair --no-embed",
]

STRANGE: list[Any] = [
    -1,
    0,
    1,
    2**31,
    2**62,
    2**63 - 1,
    2**63,
    10**30,
    1.5,
    True,
    False,
    None,
    "",
    "../../../x",
    "v0",
    "v1",
    "v99",
    "zz",
    "00" * 16,
    "00" * 32,
    EVIL,
    "\ud800",
    "\udcff",
    "a\0b",
    "x" * 100_000,
    [],
    [[]],
    ["a"],
    {},
    {"a": 1},
    {"b64": "!"},
    {"b64": "AA=="},
    "/etc",
    "..",
]


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value of a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*at, key)
        yield from places(one, (*at, key))


def changed(value: Any, chance: random.Random) -> Any:
    """Change one place of a document: another value, another name, a value more, or one less."""
    value = copy.deepcopy(value)
    *way, last = chance.choice(list(places(value)))
    inner = value
    for key in way:
        inner = inner[key]
    kind = chance.randrange(6)
    if kind == 0:
        del inner[last]
    elif kind == 1 and isinstance(inner, dict):
        inner[chance.choice(["../x", "", "v1", EVIL, "0", "x" * 300, "..", "a/b", "1" * 50])] = inner.pop(last)
    elif kind == 2 and isinstance(inner, list):
        inner.append(chance.choice(STRANGE))
    else:
        inner[last] = copy.deepcopy(chance.choice(STRANGE))
    return value


def of_state(forge: Forge, chance: random.Random) -> None:
    state = changed(forge.state, chance)
    if chance.randrange(2):
        forge.record("seal", {}, state=state)
        return
    patch = {key: value for key, value in state.items() if forge.state.get(key) != value}
    forge.record("seal", patch)


def of_record(forge: Forge, chance: random.Random) -> None:
    fields: dict[str, list[Any]] = {
        "vstore": [0, -1, 3, 10**30, "2", True],
        "number": [0, -1, 1, 10**13, 10**30, True, "1"],
        "op": [EVIL, "", 5, "undo", "gc", "repair"],
        "undoes": [0, -1, 1, 2, 99, True],
        "redoes": [0, 1, 2, 99],
        "before": ["", "zz", "00" * 16],
        "time": [EVIL, "", "9999-99-99T99:99:99Z", "x" * 10_000],
        "about": [EVIL, "x" * 100_000, 5],
        "from": [[], [1, 2, 3], [EVIL, 1, "x"], ["00" * 16, 2**70, "00"]],
        "nonce": [""],
    }
    if chance.randrange(2):
        field = chance.choice(sorted(fields))
        op = chance.choice(["sync", "undo", "redo", "seal", "gc"])
        forge.record(**{"op": op, "changes": {"current": "v1"}, field: chance.choice(fields[field])})
        return
    deep = b"[" * 100_000 + b"]" * 100_000
    value = chance.choice(
        [b"NaN", b"-Infinity", b"1e999", b"9" * 5_000, b"1." + b"0" * 5_000, deep, b'"\xff"', b"\xe2\x80\xae"]
    )
    value = chance.choice([value, b"[" * 500 + b"]" * 500, b'{"a":' * 500 + b"1" + b"}" * 500])
    forge.record("seal", {"x": 1}, spoil=lambda line: line.replace(b'{"x":1}', b'{"x":' + value + b"}"))


def of_absorbed(forge: Forge, chance: random.Random) -> None:
    labels = ["pictures", "a", "b", "c"]
    prefixes = [*labels, "a/x", "b/y", "pictures/x", "..", "a/../b", "", "/", "a//b", "a\0", EVIL, "x" * 40_000]
    absorbed = {label: chance.choice(prefixes) for label in chance.sample(labels, chance.randint(1, 4))}
    if not chance.randrange(4):
        absorbed = {f"l{n}": f"l{n + 1}/{'y' * 900}" for n in range(chance.choice([20, 2_000]))}
    forge.record("roots", {"absorbed": absorbed})


def page(paths: list[bytes], keys: list[bytes], *, shared: list[int] | None = None, count: int | None = None) -> bytes:
    out = bytearray(b"vp0")
    put_number(out, len(paths) if count is None else count)
    for at, path in enumerate(paths):
        put_number(out, shared[at] if shared else 0)
        put_number(out, len(path))
        out += path
    return bytes(out) + b"".join(keys)


def inner(level: int, children: list[tuple[bytes, bytes, int]]) -> bytes:
    out = bytearray(b"vp%d" % level)
    put_number(out, len(children))
    for first, _, _ in children:
        put_number(out, 0)
        put_number(out, len(first))
        out += first
    for _, name, count in children:
        out += name
        put_number(out, count)
    return bytes(out)


def long_tree(leaves: int) -> list[bytes]:
    """Make the pages of a tree, the root first: leaves of 512 paths of 32,000 bytes each."""
    pages: list[bytes] = []
    children = []
    for n in range(leaves):
        first = b"pictures/%06d/" % n + b"a/" * 15_990
        leaf = page(
            [first + b"000", *(b"%03d" % m for m in range(1, 512))],
            [digest(b"a picture")] * 512,
            shared=[0] + [len(first)] * 511,
        )
        pages.append(leaf)
        children.append((first + b"000", digest(leaf), 512))
    return [inner(1, children), *pages]


def of_pages(forge: Forge, chance: random.Random) -> None:
    key = digest(b"a picture")
    kind = chance.randrange(9)
    if kind == 8:  # the same in many leaves
        forge.snapshot(long_tree(chance.choice([2, 30, 200])))
    elif kind == 0:  # paths that share a long beginning
        length = chance.choice([300, 40_000, 8 << 20])
        first = b"pictures/" + b"a" * length
        forge.snapshot(
            [page([first] + [b"%03d" % n for n in range(1, 512)], [key] * 512, shared=[0] + [len(first) - 4] * 511)]
        )
    elif kind == 1:  # the same child over and over, on several levels
        leaf = page([b"pictures/a"], [key])
        pages, below, count = [leaf], leaf, 1
        for level in range(1, chance.randint(2, 9)):
            count *= 512
            same = chance.randrange(2)
            firsts = [b"pictures/a" + (b"" if same or not n else b"%03d" % n) for n in range(512)]
            below = inner(level, [(first, digest(below), count // 512) for first in firsts])
            pages.insert(0, below)
        forge.snapshot(pages)
    elif kind == 2:  # paths that lead elsewhere
        paths = sorted(
            {
                b"pictures/../../x",
                b"..",
                b"/etc/passwd",
                b"pictures//a",
                b"a\0b",
                b"",
                b"pictures/./a",
                EVIL.encode(),
                b"pictures/\xff",
            }
        )
        some = sorted(chance.sample(paths, 2))
        forge.snapshot([page(some, [key] * 2)])
    elif kind == 3:  # out of order, or twice
        forge.snapshot([page([b"pictures/b", b"pictures/a", b"pictures/a"], [key] * 3)])
    elif kind == 4:  # a count that is not that of the page
        forge.snapshot([page([b"pictures/a"], [key], count=chance.choice([0, 2, 512, 513, 1 << 40, 1 << 62]))])
    elif kind == 5:  # a blob that is longer than any
        forge.snapshot([b"vp0" + bytes(chance.choice([1 << 20, 40 << 20, 200 << 20]))])
    elif kind == 6:
        forge.snapshot([page([b"pictures/a"], [key])], manifest=lambda value: changed(value, chance))
    else:
        data = bytearray(forge.blob(json.loads(forge.blob(forge.state["snapshots"]["v2"]["manifest"]))["tree"]))
        data[chance.randrange(len(data))] = chance.randrange(256)
        forge.snapshot([bytes(data)])


def of_packs(forge: Forge, chance: random.Random) -> None:
    numbers = [0, 1, 7, 8, 9, 2**16, 2**31, 2**32 - 1]
    at = chance.randrange(3)
    number = chance.choice([*numbers, 2**40, 2**63, 2**64 - 1] if at == 0 else numbers)

    def entry(*place: int) -> tuple[int, int, int]:
        offset, stored, length = [number if at == n else old for n, old in enumerate(place)]
        return offset, stored, length

    name = forge.state["current"]
    manifest = forge.blob(forge.state["snapshots"][name]["manifest"])
    packs = dict.fromkeys(forge.state["packs"])
    every = [
        manifest,
        forge.blob(json.loads(manifest)["tree"]),
        forge.blob(forge.state["spaces"][forge.space]["recipe"]),
    ]
    forge.record("merge", {"packs": {**packs, **forge.pack(every, entry=entry)}})


def of_segments(forge: Forge, chance: random.Random) -> None:
    kind = chance.randrange(6)
    if kind == 0:
        forge.segment(header=lambda old: spoilt(old, chance))
    elif kind == 1:
        forge.segment(header=lambda old: chance.choice([b"", old[:-1], old * 2, b"IwFl" + old[4:], b"IxPT" + old[4:]]))
    elif kind == 2:
        forge.segment(
            rows=lambda old: chance.choice(
                [b"\x00\x7e" * (len(old) // 2), b"\x00\x7c" * (len(old) // 2), bytes(len(old))]
            )
        )
    elif kind == 3:
        forge.segment(
            keys=lambda old: chance.choice([bytes(len(old)), old[:16] * (len(old) // 16), spoilt(old, chance)])
        )
    elif kind == 4:
        values = [b"\x00\x7e", b"\x00\x7c", b"\xff\x7b", b"\x00\x3c"]  # not a number, infinity, 65,504, 1
        forge.segment(rows=lambda old: old[2:] + chance.choice(values))
    else:
        offset, form = chance.choice(
            [(0, "<H"), (2, "<H"), (4, "<I"), (8, "<I"), (12, "<Q"), (20, "<I"), (56, "<q"), (90, "<I")]
        )
        value = chance.choice([0, 1, 2, 3, 2**15, 2**16 - 1, 2**31, 2**32 - 1, 2**63 - 1])
        value = min(value, 2 ** (8 * struct.calcsize(form) - (form == "<q")) - 1)
        forge.segment(foot=lambda foot: struct.pack_into(form, foot, offset, value))


def of_journals(forge: Forge, chance: random.Random) -> None:
    nonce = chance.randbytes(16)
    width, dim = chance.choice([0, 1, 16, 65_535]), chance.choice([0, 1, 8, 3_072, 2**31, 2**32 - 1])
    kind = chance.choice([0, 1, 2, 9])
    head = struct.pack("<8sHHI32s16s", b"vjourn01", kind, width, dim, bytes.fromhex(forge.space), nonce)
    (forge.folder / "journal").mkdir(exist_ok=True)
    path = forge.folder / "journal" / f"{forge.space}-{nonce.hex()}"
    with path.open("wb") as file:
        file.write(head + checksum(head) + chance.randbytes(chance.choice([0, 50, 5_000])))
        if chance.randrange(2):
            file.truncate(chance.choice([1 << 20, 3 << 30]))  # a hole


def of_caches(forge: Forge, chance: random.Random) -> None:
    last = max((forge.folder / "refs").iterdir())
    number, mark = int(last.name[:12]), last.read_bytes().split(b"\n")[1].decode()
    good = [number, mark, 1, 1, forge.state]
    bodies = [
        canonical(changed(good, chance)),
        b"[" * 10_000,
        b"9" * 5_000 + b",",
        b"[" + b"9" * 5_000,
        b"null",
        b"{}",
        b"\xff",
    ]
    forge.record("seal", {"x": 1})
    for name in ("state", "checked", "verified", "turn", "names-refs", "names-segments", "names-packs", "model-files"):
        forge.cache(name, chance.choice(bodies))


def of_form(forge: Forge, chance: random.Random) -> None:
    value = changed({"format": 2, "store": "00" * 16, "hash": "xxh3_128", "dtype": "float16"}, chance)
    if chance.randrange(2):
        value["check"] = checksum(canonical(value)).hex()
    (forge.folder / "FORMAT").write_bytes(canonical(value) + chance.choice([b"\n", b"", b"\n" * 99]))


def of_recipes(forge: Forge, chance: random.Random) -> None:
    field = chance.choice(["recipe", "probes"])
    space = forge.state["spaces"][forge.space]
    value = changed(json.loads(forge.blob(space.get(field, space["recipe"]))), chance)
    blob = chance.choice([canonical(value), canonical(value), b"[]", b"[" * 10_000, b"9" * 5_000])
    forge.record("verify", {"packs": forge.pack([blob]), "spaces": {forge.space: {field: digest(blob).hex()}}})


def of_models(forge: Forge, chance: random.Random) -> None:
    """A space of a model, whose recipe has what no model has."""
    size = {"height": 224, "width": 224, "shortest_edge": 224, "longest_edge": 10**6, "shortest": None}
    recipe: dict[str, Any] = {
        "family": chance.choice(
            ["clip", "siglip", "siglip-naflex", "backbone", "qwen-vl", "remote", "open-clip", "timm"]
        ),
        "version": 1,
        "dim": 8,
        "model_type": "clip",
        "weights": ["00" * 32],
        "config": {"hidden_size": 8, "vision_config": {"image_size": 224}},
        "adapter": {"weights": ["00" * 32], "config": {"r": 4}, "merge": "merged in fp32, then cast"},
        "processor": {"class": "x", "backend": "pil", "size": size, "max_num_patches": 9, "patch_size": 16},
        "pooling": "features",
        "positions": "learned",
        "fetch": {"factor": 28, "shortest_edge": 9, "longest_edge": 99},
        "text": {"tokenizer": "00" * 32, "max_length": 77},
        "normalise": "l2",
        "code": ["00" * 32],
        "prepare": {"policy": 2, "max_side": 512, "short_side": 224},
    }
    for _ in range(chance.randrange(3)):
        recipe = changed(recipe, chance)
    blob = canonical(recipe)
    id = hashlib.sha256(blob).hexdigest()
    place: dict[str, Any] = {"model": "org/name", "revision": "0" * 40, "compute": "bf16", "max_side": 512}
    if chance.randrange(2):
        place = changed({**place, "adapter": "a", "prompt": "x", "pooling": "mean", "preset": EVIL}, chance)
    space = {"name": "model", "status": "claimed", "recipe": digest(blob).hex(), "dim": 8, "place": place}
    forge.record("model add", {"packs": forge.pack([blob]), "spaces": {id: space}})
    if chance.randrange(2):
        name = forge.state["current"]
        tree = json.loads(forge.blob(forge.state["snapshots"][name]["manifest"]))["tree"]
        old = forge.state["snapshots"][name]
        manifest = canonical({**json.loads(forge.blob(old["manifest"])), "space": id})
        content = digest(canonical([1, "xxh3_128", id, tree])).hex()
        new = {**old, "space": id, "manifest": digest(manifest).hex(), "id": content}
        forge.record("model use", {"packs": forge.pack([manifest]), "snapshots": {name: new}})


def of_bitmaps(forge: Forge, chance: random.Random) -> None:
    """Bitmaps of the rows of a snapshot, of the right length, and vectors of texts."""
    lists = [list(places.values()) for places in forge.state["segments"].values()]
    for listed in forge.state["snapshots"].values():
        for some in lists:
            names = digest("\n".join(name for name, *_ in some).encode()).hex()
            size = sum(-(-rows // 8) for *_, rows in some)
            body = chance.choice([b"\xff" * size, bytes(size), chance.randbytes(size), b"\x80" * size])
            forge.cache(f"rows-{listed['id'][:32]}-{names[:32]}", body)


def spoilt_document(value: Any, chance: random.Random) -> bytes:
    return chance.choice([canonical(changed(value, chance)), b"[" * 10_000, b"null", b"[[]]", b"{}", b"\xff"])


def table_leaf(entries: list[tuple[bytes, bytes]]) -> bytes:
    out = bytearray(b"vt0")
    put_number(out, len(entries))
    for key, _ in entries:
        put_number(out, 0)
        put_number(out, len(key))
        out += key
    for _, value in entries:
        put_number(out, len(value))
    return bytes(out) + b"".join(value for _, value in entries)


def of_listing(forge: Forge, chance: random.Random) -> None:
    """A table of snapshots, with `listed` above what stands in it."""
    entries = forge.state["snapshots"]
    name = chance.choice(["v1", "v2", "v7", "v99"])
    values = [
        (b"\0" + int(one[1:]).to_bytes(8, "big"), canonical(entries.get(one, entries["v1"])))
        for one in sorted({"v1", "v2", name}, key=lambda one: int(one[1:]))
    ]
    at = chance.randrange(len(values))
    key, value = values[at]
    kind = chance.randrange(6)
    if kind == 0:
        values[at] = key, spoilt_document(json.loads(value), chance)
    elif kind == 1:
        values[at] = (
            chance.choice([b"", b"\0", b"\0" * 9, b"x" * 1_000, b"a\x1b\0" + key[1:], b"..\0" + key[1:]]),
            value,
        )
    elif kind == 2:
        values.reverse()
    elif kind == 3:
        values = []
    page_ = table_leaf(values)
    if kind == 4:
        page_ = spoilt(page_, chance)
    elif kind == 5:
        first = values[0][0]
        page_ = b"vt1" + inner(1, [(first, digest(page_), len(values))])[3:]
    root = chance.choice([digest(page_).hex(), digest(page_).hex(), "00" * 16])
    forge.record(
        "sync",
        {
            "packs": forge.pack([page_, table_leaf(values)] if kind == 5 else [page_]),
            "listed": chance.choice([2, 3, 100, 2**61]),
            "next_v": chance.choice([3, 100, 2**61]),
            "trees": {"snapshots": root},
            "snapshots": chance.choice([{}, {"v1": None}]),
        },
    )


def spoilt(data: bytes, chance: random.Random) -> bytes:
    found = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        found[chance.randrange(len(found))] = chance.randrange(256)
    return bytes(found)


def of_history(forge: Forge, chance: random.Random) -> None:
    line = [1, "sync", "2026-01-02T03:04:05Z", EVIL, "v1", False]
    lines: list[Any] = [list(line) for _ in range(chance.choice([0, 1, 1_000]))]
    chunk = spoilt_document(lines or [line], chance) if chance.randrange(2) else canonical(lines)
    listed = [[1, chance.choice([1, 1_000, 2**62, -1]), digest(chunk).hex()]] * chance.choice([1, 1, 3])
    blob = spoilt_document(listed, chance) if chance.randrange(3) == 0 else canonical(listed)
    forge.record("seal", {"packs": forge.pack([blob, chunk]), "trees": {"history": digest(blob).hex()}})


def of_decisions(forge: Forge, chance: random.Random) -> None:
    keys = sorted(digest(b"%d" % n) for n in range(chance.choice([1, 2, 9, 500])))
    value = bytearray([chance.choice([0, 1, 2, 3, 4, 255])])
    put_number(value, chance.choice([len(keys), len(keys), 0, 2**40, 10_001]))
    value += b"".join(chance.choice([keys, keys, keys[::-1], [keys[0]] * len(keys)]))
    value += chance.choice([b"", b"\xff" * -(-len(keys) // 8), bytes(-(-len(keys) // 8))])
    stamp = chance.choice([bytes(8), b"\xff" * 8, (10**15).to_bytes(8, "big")]) + bytes(chance.choice([16, 16, 15, 0]))
    page_ = table_leaf([(stamp, bytes(value))])
    forge.record("decide", {"packs": forge.pack([page_]), "trees": {"decisions": digest(page_).hex()}})


def of_fields(forge: Forge, chance: random.Random) -> None:
    values = [b"", b"t" + b"\xff", b"t" + EVIL.encode(), b"t" + b"x" * 65_537, b"i", b"i" + b"\xff" * 8]
    values += [b"f" + struct.pack("<d", number) for number in (float("nan"), float("inf"), -0.0, 1e308)]
    values += [
        b"b\x02",
        b"d" + b"\x7f" * 8,
        b"d" + b"\xff" * 8,
        b"l\xff\xff\xff\xff\x7f",
        b"l\x01\x05a",
        b"z",
        b"tgood",
    ]
    name = chance.choice([b"name", b"", EVIL.encode(), b"\xff", b"x" * 900])
    page_ = table_leaf([(digest(b"a") + name, chance.choice(values))])
    tree = json.loads(forge.blob(forge.state["snapshots"]["v2"]["manifest"]))["tree"]
    root = digest(page_).hex()
    id = digest(canonical([1, "xxh3_128", forge.space, tree, root])).hex()
    old = forge.state["snapshots"]["v2"]
    blob = canonical({**json.loads(forge.blob(old["manifest"])), "fields": root})
    new = {**old, "manifest": digest(blob).hex(), "id": id, "fields": root}
    forge.record("fields", {"packs": forge.pack([page_, blob]), "snapshots": {"v2": new}})


def fact_leaf(columns: list[tuple[bytes, bytes, bytes]], rows: int) -> bytes:
    out = bytearray(b"vf0")
    put_number(out, rows)
    put_number(out, len(columns))
    for name, kind, _ in columns:
        put_number(out, len(name))
        out += name + kind
    return bytes(out) + b"".join(body for *_, body in columns)


def of_facts(forge: Forge, chance: random.Random) -> None:
    rows = chance.choice([1, 3, 1_024])
    keys = sorted(digest(b"%d" % n) for n in range(rows))
    bits = b"\xff" * (rows // 8) + (bytes([(1 << rows % 8) - 1]) if rows % 8 else b"")
    columns = [(b"key", b"k", b"".join(keys)), (b"reader", b"2", b"\1\0" * rows)]
    columns += [
        chance.choice(
            [
                (b"camera", b"t", bits + struct.pack("<I", 20) * rows + EVIL.encode().ljust(20) * rows),
                (b"camera", b"t", bits + struct.pack("<I", 2**31) * rows),
                (b"latitude", b"d", bits + struct.pack("<d", float("nan")) * rows),
                (b"taken", b"s", bits + struct.pack("<q", chance.choice([2**63 - 1, -(2**63), 10**15])) * rows),
                (b"zone", b"s", bits + struct.pack("<q", 2**62) * rows),
                (b"width", b"4", bits + b"\xff" * 4 * rows),
                (b"width", b"8", bits + b"\xff" * 8 * rows),
                (b"\x1b[2J", b"8", bits + b"\xff" * 8 * rows),
                (b"format", b"t", bits + struct.pack("<I", 3) * rows + b"\xff\xfe\x80" * rows),
                (b"pixels/0123456789abcdef", b"k", bits + b"".join(keys)),
            ]
        )
    ]
    page_ = fact_leaf(columns, chance.choice([rows, rows, rows, 2**40]))
    if chance.randrange(3) == 0:
        page_ = spoilt(page_, chance)
    run = [digest(page_).hex(), chance.choice([rows, rows, 1, 2**62])]
    forge.record("sync", {"packs": forge.pack([page_]), "facts": {chance.choice(["0", "1", "7"]): run}})


def of_parts(forge: Forge, chance: random.Random) -> None:
    folder = forge.folder / "indexes" / forge.space
    folder.mkdir(parents=True, exist_ok=True)
    names = [[name, check] for name, _, check, _ in forge.state["segments"][forge.space].values()]
    head = {"covers": names, "kind": "graph", "parameters": {}, "size": 100, "space": forge.space}
    data = spoilt_document(head, chance) if chance.randrange(2) else canonical(head)
    body = struct.pack("<8sI", b"vindex01", chance.choice([len(data), len(data), 2**32 - 1, 0])) + data + checksum(data)
    body += bytes(100) + checksum(bytes(100)) + checksum(checksum(bytes(100))) + b"vindexed"
    path = folder / f"{chance.randbytes(16).hex()}.part"
    path.write_bytes(body)
    if not chance.randrange(3):
        with path.open("r+b") as file:
            file.truncate(chance.choice([1 << 40, 30, 0]))


def of_imports(forge: Forge, chance: random.Random) -> None:
    rows: list[Any] = [[n, f"old/{n}.png", "missing", EVIL] for n in range(chance.choice([0, 1, 3]))]
    names = chance.choice([canonical(rows), spoilt_document(rows or [[1]], chance)])
    names = chance.choice([names, names, b"[" + b"[]," * 3_000_000 + b"[]]"])
    dim = forge.state["spaces"][forge.space]["dim"]
    row = struct.pack(f"<{dim}e", *([chance.choice([float("nan"), float("inf"), 0.0, 1.0])] * dim))
    vectors = row * chance.choice([len(rows), 0, 5]) + b"x" * chance.choice([0, 0, 1])
    value = {
        "space": forge.space,
        "root": "pictures",
        "rows": len(rows),
        "names": digest(names).hex(),
        "vectors": [digest(vectors).hex()] * chance.choice([1, 1, 0, 9]),
        "written": 0,
        "time": "2026-01-02T03:04:05Z",
    }
    if not chance.randrange(4):
        value = changed(value, chance)
    forge.record("import", {"packs": forge.pack([names, vectors]), "imports": {"i1": value}})


def of_frames(forge: Forge, chance: random.Random) -> None:
    """A journal whose frames prove themselves."""
    nonce, dim = chance.randbytes(16), forge.state["spaces"][forge.space]["dim"]
    head = struct.pack("<8sHHI32s16s", b"vjourn01", 1, 16, dim, bytes.fromhex(forge.space), nonce)
    (forge.folder / "journal").mkdir(exist_ok=True)
    with (forge.folder / "journal" / f"{forge.space}-{nonce.hex()}").open("wb") as file:
        file.write(head + checksum(head))
        for number in range(chance.choice([1, 3, 2_000])):
            value = chance.choice([float("nan"), float("inf"), 0.0, 1.0, 60_000.0])
            body = digest(b"%d" % (number % 5)) + struct.pack(f"<{dim}e", *([value] * dim))
            file.write(body + checksum(nonce + struct.pack("<Q", number) + body))


def of_tables(forge: Forge, chance: random.Random) -> None:
    """A pack whose table names one stream again and again, or streams within another."""
    zeros = zlib.compress(bytes(chance.choice([1 << 20, 16 << 20, 64 << 20])))
    body, table = bytearray(b"vpack001"), []
    place = (len(body), len(zeros), len(zlib.decompress(zeros)))
    body += zeros
    table = [digest(bytes(place[2]))] * chance.choice([1, 50, 1_000])
    if chance.randrange(2):
        table = [digest(b"%d" % n) for n in range(len(table))]
    forge.raw_pack(bytes(body), [(name, place) for name in table])


def of_catalogues(forge: Forge, chance: random.Random) -> None:
    folder = forge.folder / "catalogue"
    data = spoilt((folder / "data.mdb").read_bytes(), chance)
    kind = chance.randrange(4)
    if kind == 0:
        data = data[: chance.randrange(len(data))]
    elif kind == 1:
        data += bytes(chance.choice([1, 4096, 1 << 20]))
    (folder / "data.mdb").write_bytes(data)
    (folder / "seal").write_bytes(checksum(data))
    if chance.randrange(2):
        (folder / "place").unlink()


KINDS: list[Callable[[Forge, random.Random], None]] = [
    of_state,
    of_state,
    of_state,
    of_record,
    of_absorbed,
    of_pages,
    of_pages,
    of_packs,
    of_segments,
    of_segments,
    of_journals,
    of_caches,
    of_form,
    of_recipes,
    of_models,
    of_bitmaps,
    of_listing,
    of_history,
    of_decisions,
    of_fields,
    of_facts,
    of_parts,
    of_imports,
    of_frames,
    of_tables,
    of_catalogues,
]


def call(words: str) -> tuple[int, str]:
    """Call a command. Returns: its exit code, all that it printed."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="surrogateescape", write_through=True)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = run(words.split())
    out.flush()
    assert isinstance(out.buffer, io.BytesIO)
    said = out.buffer.getvalue().decode("utf-8", "replace")
    assert code in (0, 1, 2, 3, 4, 5, 10, 12, 13), f"exit {code} of {words}: {said}"
    return code, said


def figures(outcomes: Counter[tuple[str, int]]) -> str:
    """Write a line for each kind: how many commands ended with which exit code."""
    kinds = sorted({kind for kind, _ in outcomes})
    codes = sorted({code for _, code in outcomes})
    lines = [[f"{outcomes[kind, code]} with exit {code}" for code in codes if outcomes[kind, code]] for kind in kinds]
    return "\n".join(f"{kind}: {', '.join(line)}" for kind, line in zip(kinds, lines, strict=True))


def main() -> None:
    """Forge as many cases as are asked for, from a seed on; one that goes wrong is named."""
    home, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    kinds = [kind for kind in KINDS if len(sys.argv) < 5 or kind.__name__ in sys.argv[4:]]
    faulthandler.enable()
    faulthandler.register(signal.SIGPROF, chain=True)  # and then it ends the process
    put(home, {"pictures/a.png": 1, "pictures/b.png": 2, "pictures/sub/c.png": 3})
    call("sync pictures -q")
    put(home, {"pictures/d.png": 4})
    call("sync pictures -q")
    sound = home / "sound"
    shutil.copytree(home / ".vstore", sound)
    outside = sorted(str(path) for path in home.parent.rglob("*") if home not in path.parents)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))
    began, slowest = time.monotonic(), (0.0, "")
    outcomes: Counter[tuple[str, int]] = Counter()
    for seed in range(first, first + count):
        chance = random.Random(seed)
        shutil.rmtree(home / ".vstore")
        shutil.copytree(sound, home / ".vstore")
        kind = chance.choice(kinds)
        kind(Forge(home / ".vstore"), chance)
        for words in [*COMMANDS[:2], *chance.sample(COMMANDS[2:], 3)]:
            case = f"case {seed} ({kind.__name__}), vstore {words}"
            print(case, file=sys.__stderr__, flush=True)
            faulthandler.dump_traceback_later(PATIENCE, exit=True)
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            start = time.process_time()
            code, said = call(words)
            signal.setitimer(signal.ITIMER_PROF, 0)
            faulthandler.cancel_dump_traceback_later()
            slowest = max(slowest, (time.process_time() - start, case))
            outcomes[kind.__name__, code] += 1
            assert not any(bad in said for bad in BAD), f"{case}: {said!r}"
            assert "not enough memory" not in said, f"{case}: {said!r}"
    assert outside == sorted(str(path) for path in home.parent.rglob("*") if home not in path.parents)
    seconds = time.monotonic() - began
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> (20 if sys.platform == "darwin" else 10)
    print(
        f"{count} cases in {seconds:.0f} s, at most {most:,} MiB of memory,"
        f" the slowest {slowest[0]:.1f} s: {slowest[1]}",
        figures(outcomes),
        sep="\n",
        file=sys.__stdout__,
    )
