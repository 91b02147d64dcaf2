"""A second reader of stores, written from the words of FORMAT.md alone: it uses public tools and nothing of vstore.

It checks every digest and checksum on the way, and the orders and limits that the page states.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xxhash
from support.independent_bytes import HASHES, Bytes, canonical, checksum, checksums, field_value, merged, parsed, rises

NUMBERS = {1: "e", 2: "f"}  # of a row, by dtype
WIDTHS = {"1": "B", "2": "H", "4": "I", "8": "Q", "s": "q", "d": "d"}  # of columns of facts
VERBS = {1: "different", 2: "same", 3: "keep"}
Entries = list[tuple[bytes, Any]]


def header_of(dtype: int, dim: int, rows: int) -> bytes:
    """The one legal header of a segment."""
    old = 1 << 20
    if dtype == 1:
        sizes = 0.0, dim, 2 * dim, 0, 2 * dim * rows
        return struct.pack("<4siqqqBiiifQQQQ", b"IxSQ", dim, rows, old, old, 1, 0, 4, 0, *sizes)
    return struct.pack("<4siqqqBiQ", b"IxFI", dim, rows, old, old, 1, 0, dim * rows)


class StoreReader:
    """Everything that a store says, as plain data.

    state:     the fold of its log.
    records:   its log, oldest first.
    snapshots: those of the window and those of the table, forgotten or not.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.form = json.loads((folder / "FORMAT").read_bytes())
        rest = {name: value for name, value in self.form.items() if name != "check"}
        assert self.form["format"] in (1, 2) and self.form["check"] == checksum(canonical(rest)).hex()
        self.digest = HASHES[self.form["hash"]]
        self.size = len(self.digest(b""))
        self.records = self._read_records()
        self.state: dict[str, Any] = {}
        for record in self.records:
            folded = merged(self.state, record["changes"])
            self.state = record.get("state", folded)
            assert record is self.records[0] or self.state == folded
        assert self.form["format"] == 2 or not {"listed", "trees", "facts"} & self.state.keys()
        self.blobs: dict[bytes, bytes] = dict(
            blob for name in self.state.get("packs", {}) for blob in self._read_pack(name)
        )
        self.trees: dict[str, str] = self.state.get("trees", {})
        self.snapshots = self._read_snapshots()

    def _read_records(self) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = []
        before = None
        for path in sorted((self.folder / "refs").glob("*.json"), reverse=True):
            line, tail = path.read_bytes().splitlines(keepends=True)
            name = self.digest(line).hex()
            assert tail == name.encode() + b"\n" and before in (None, name)
            record = parsed(line[:-1])
            assert path.name == f"{record['number']:012d}.json" and record["vstore"] <= self.form["format"]
            records.insert(0, record)
            before = record["before"]
            if not before or (record["op"] in ("gc", "repair") and "state" in record):
                break  # what lies before is no part of the log
        return records

    def _read_pack(self, name: str) -> Entries:
        data = (self.folder / "packs" / name).read_bytes()
        table, count, width, body_sum, table_sum = struct.unpack("<QII8s8s", data[-48:-16])
        assert [len(data), data[-16:-8].hex()] == self.state["packs"][name] and data[-16:-8] == checksum(data[-48:-16])
        assert (data[:8], data[-8:], width) == (b"vpack001", b"vpackend", self.size)
        assert (checksum(data[:table]), checksum(data[table:-48])) == (body_sum, table_sum)
        found = []
        with Bytes(data[table:-48]) as entries:
            for _ in range(count):
                digest, (offset, stored, length) = entries.take(width), entries.unpack("QII")
                blob = zlib.decompress(data[offset : offset + stored])
                assert offset + stored <= table and len(blob) == length and self.digest(blob) == digest
                found.append((digest, blob))
        return found

    def blob(self, digest: str) -> bytes:
        return bytes(self.blobs[bytes.fromhex(digest)])

    # Trees

    def tree(self, kind: str, root: str, leaf: Callable[[Bytes, int], Entries]) -> Entries:
        """Read the entries of a tree. leaf: reads those of a leaf after their number."""
        return self._page(kind, bytes.fromhex(root), leaf, None)

    def _page(self, kind: str, digest: bytes, leaf: Callable[[Bytes, int], Entries], level: int | None) -> Entries:
        with Bytes(self.blobs[digest]) as page:
            head = page.take(3).decode("ascii")
            assert head[:2] == f"v{kind}" and level in (None, int(head[2]))
            level, count = int(head[2]), page.number()
            assert count <= (512 if level or kind != "f" else 1024) and (count or not level)
            if not level:
                found, firsts = leaf(page, count), []
                firsts = [key for key, _ in found]
            else:
                found, firsts = [], page.keys(count)
                for first in firsts:
                    entries = self._page(kind, page.take(self.size), leaf, level - 1)
                    assert (entries[0][0], len(entries)) == (first, page.number())
                    found += entries
            assert rises([key for key, _ in found])
            begins = [level < 6 and (xxhash.xxh3_64_intdigest(key) >> 7 * level) % 128 == 0 for key in firsts]
            assert kind == "f" or not any(begins[1:])
            return found

    def _alias_leaf(self, page: Bytes, count: int) -> Entries:
        return [(path, page.take(self.size)) for path in page.keys(count)]

    def _table_leaf(self, page: Bytes, count: int) -> Entries:
        keys, lengths = page.keys(count), [page.number() for _ in range(count)]
        assert max(lengths, default=0) <= 1 << 20 and (count == 1 or sum(lengths) <= 65_536)
        return [(key, page.take(length)) for key, length in zip(keys, lengths, strict=True)]

    def _facts_leaf(self, page: Bytes, count: int) -> Entries:
        heads = [(page.take(page.number()).decode("ascii"), page.take(1).decode()) for _ in range(page.number())]
        assert heads[:2] == [("key", "k"), ("reader", "2")] and rises([name for name, _ in heads[2:]])
        rows: list[dict[tuple[str, str], Any]] = [{} for _ in range(count)]
        for head in heads:
            given = page.bits(count) if head not in heads[:2] else [True] * count
            if head[1] == "k":
                values: list[Any] = [page.take(self.size) for _ in range(count)]
            elif head[1] == "t":
                values = [page.take(size).decode() for size in page.unpack(f"{count}I")]
            else:
                values = list(page.unpack(f"{count}{WIDTHS[head[1]]}"))
            assert any(given)
            for row, value, is_given in zip(rows, values, given, strict=True):
                assert is_given or value in (0, "", bytes(self.size))
                row.update({head: value} if is_given else {})
        return [(row.pop(heads[0]), row) for row in rows]

    def table(self, root: str | None) -> Entries:
        return self.tree("t", root, self._table_leaf) if root else []

    # Snapshots

    def _read_snapshots(self) -> dict[str, dict[str, Any]]:
        listed, next_v = self.state.get("listed", 1), self.state.get("next_v", 1)
        found = {}
        for key, value in self.table(self.trees.get("snapshots")):
            name, nul, number = key[:-9].decode(), key[-9], int.from_bytes(key[-8:], "big")
            assert nul == 0 and (name or number < listed)
            found[f"{name}/v{number}" if name else f"v{number}"] = parsed(value)
        for name, entry in self.state.get("snapshots", {}).items():
            in_table = "/" in name or int(name[1:]) < listed
            assert found.get(name) == entry if in_table else int(name[1:]) < next_v
            found[name] = entry
        return found

    def manifest(self, name: str) -> dict[str, Any]:
        """Read the manifest of a snapshot, and compute its content id again."""
        entry = self.snapshots[name]
        manifest: dict[str, Any] = parsed(self.blob(entry["manifest"]))
        fields = [manifest["fields"]] if "fields" in manifest else []
        identified = [1, self.form["hash"], manifest["space"], manifest["tree"], *fields]
        assert self.digest(canonical(identified)).hex() == entry["id"]
        assert all(manifest.get(part) == entry.get(part) for part in ("space", "paths", "images", "fields"))
        assert manifest["snapshot"] == name.rpartition("/")[2]
        return manifest

    def aliases(self, name: str) -> dict[bytes, bytes]:
        manifest = self.manifest(name)
        found = dict(self.tree("p", manifest["tree"], self._alias_leaf))
        assert (len(found), len(set(found.values()))) == (manifest["paths"], manifest["images"])
        return found

    def fields(self, name: str) -> dict[tuple[bytes, str], tuple[str, Any]]:
        entries = self.table(self.manifest(name).get("fields"))
        return {(key[: self.size], key[self.size :].decode()): field_value(value) for key, value in entries}

    # Vectors

    def rows(self, space: str) -> dict[bytes, tuple[float, ...]]:
        """Read the row of each key of a space: where a key stands twice, the first."""
        found: dict[bytes, tuple[float, ...]] = {}
        places = self.state.get("segments", {}).get(space, {})
        for name, length, check, count in (places[place] for place in sorted(places, key=int)):
            data = (self.folder / "segments" / name).read_bytes()
            assert len(data) == length and data[-8:] == b"vsegment"
            assert data[-16:-8] == checksum(data[-128:-16]) == bytes.fromhex(check)
            version, dtype, key_size, dim, n, header, *sums = struct.unpack("<HHIIQI40x8s8s8s40x", data[-128:])
            number = NUMBERS[dtype]
            width = dim * struct.calcsize(number)
            assert data[:header] == header_of(dtype, dim, n) and (version, key_size, n) == (1, self.size, count)
            keys_at, sums_at = header + n * width, header + n * (width + key_size)
            rows, keys = data[header:keys_at], data[keys_at:sums_at]
            assert [checksum(data[:header]), checksum(keys), checksum(data[sums_at:-128])] == sums
            assert checksums(rows, 4096 * width) == data[sums_at:-128]
            for row in range(n):
                values = struct.unpack_from(f"<{dim}{number}", rows, row * width)
                found.setdefault(keys[row * key_size :][:key_size], values)
        return found

    def journals(self) -> dict[str, list[bytes]]:
        """Read the keys of the sound frames of each journal."""
        found = {}
        for path in sorted((self.folder / "journal").glob("*-*")):
            data = path.read_bytes()
            magic, dtype, key_size, dim, space, nonce = struct.unpack("<8sHHI32s16s", data[:64])
            assert magic == b"vjourn01" and data[64:72] == checksum(data[:64])
            assert path.name == f"{space.hex()}-{nonce.hex()}" and key_size == self.size
            size = key_size + dim * 2 * dtype + 8
            frames = enumerate(data[at : at + size] for at in range(72, len(data) - size + 1, size))
            sound = [f for i, f in frames if checksum(nonce + struct.pack("<Q", i) + f[:-8]) == f[-8:]]
            found[path.name] = [frame[:key_size] for frame in sound]
        return found

    # What users decided, what was done, what pictures say of themselves

    def decisions(self) -> list[tuple[int, bytes, str, list[bytes], list[bytes]]]:
        """Read time, id, verb, keys and the kept ones of each decision, oldest first."""
        found = []
        for key, data in self.table(self.trees.get("decisions")):
            with Bytes(data) as value:
                (code,), count = value.take(1), value.number()
                keys = [value.take(self.size) for _ in range(count)]
                kept = [key for key, bit in zip(keys, value.bits(count) if code == 3 else (), strict=False) if bit]
                assert len(key) == 24 and rises(keys) and count in range(1 if code == 3 else 2, 10_001)
                assert bool(kept) == (code == 3)
                found.append((int.from_bytes(key[:8], "big"), key[8:], VERBS[code], keys, kept))
        return found

    def history(self) -> list[list[Any]]:
        """Read the log lines of records that are gone."""
        chunks = parsed(self.blob(self.trees["history"])) if "history" in self.trees else []
        lines: list[list[Any]] = []
        for first, last, digest in chunks:
            chunk = parsed(self.blob(digest))
            assert (chunk[0][0], chunk[-1][0]) == (first, last) and (len(chunk) == 1000 or digest == chunks[-1][2])
            lines += chunk
        assert rises([line[0] for line in lines])
        return lines

    def facts(self) -> dict[bytes, dict[tuple[str, str], Any]]:
        """Read of each key the row that wins, by column, with what it lacks of pixels and cuts and others have."""
        rows = []
        for place, (root, count) in self.state.get("facts", {}).items():
            run = self.tree("f", root, self._facts_leaf)
            assert len(run) == count
            rows += [(row["reader", "2"], int(place), key, row) for key, row in run]
        found: dict[bytes, dict[tuple[str, str], Any]] = {}
        for _, _, key, row in sorted(rows, key=lambda row: row[:3], reverse=True):
            more = {
                column: value for column, value in row.items() if column[0].startswith(("pixels/", "flat/", "cut/"))
            }
            found[key] = more | found[key] if key in found else row
        return found

    def indexes(self) -> list[tuple[dict[str, Any], bytes]]:
        """Read head and payload of each part that may be used."""
        found = []
        for path in sorted((self.folder / "indexes").glob("*/*.part")):
            with Bytes(path.read_bytes()) as part:
                assert part.take(8) == b"vindex01"
                head = part.take(*part.unpack("I"))
                assert part.take(8) == checksum(head)
                about = parsed(head)
                payload = part.take(about["size"])
                sums = part.take(-(-len(payload) // (1 << 20)) * 8)
                assert sums == checksums(payload, 1 << 20)
                assert part.take(16) == checksum(sums) + b"vindexed" and about["space"] == path.parent.name
            segments = self.state.get("segments", {}).get(about["space"], {}).values()
            if all(one in [[name, check] for name, _, check, _ in segments] for one in about["covers"]):
                found.append((about, payload))
        return found
