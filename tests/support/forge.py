"""Writes into a store what a stranger could write: right by its checksums, which anybody can compute.

Written from FORMAT.md alone: nothing of vstore decides what these bytes are.
"""

from __future__ import annotations

import json
import os
import secrets
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import xxhash

KEY = 16  # bytes


def checksum(data: bytes) -> bytes:
    return xxhash.xxh3_64_intdigest(data).to_bytes(8, "little")


def digest(data: bytes) -> bytes:
    found: bytes = xxhash.xxh3_128_digest(data)
    return found


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def merged(target: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Apply a JSON Merge Patch."""
    new = dict(target)
    for key, value in patch.items():
        if value is None:
            new.pop(key, None)
        elif isinstance(value, dict):
            old = new.get(key)
            new[key] = merged(old if isinstance(old, dict) else {}, value)
        else:
            new[key] = value
    return new


class Forge:
    """A store of the default hash.

    state: what its log folds to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state: dict[str, Any] = {}
        self._number, self._before = 0, ""
        for path in sorted((folder / "refs").glob("*.json")):
            line, tail = path.read_bytes().split(b"\n", 1)
            record = json.loads(line)
            self._number, self._before, self._format = record["number"], tail.decode().strip(), record["vstore"]
            self.state = record["state"] if "state" in record else merged(self.state, record["changes"])

    @property
    def space(self) -> str:
        found: str = self.state["start_space"]
        return found

    def record(
        self, op: str, changes: Any, *, state: Any = None, spoil: Callable[[bytes], bytes] | None = None, **more: Any
    ) -> None:
        """Append a record.

        state: put this whole state into it. spoil: changes its line, before the digest. more: fields of it.
        """
        self._number += 1
        record = {
            "vstore": self._format,
            "number": self._number,
            "op": op,
            "nonce": secrets.token_hex(16),
            "time": "2026-01-02T03:04:05Z",
            "before": self._before,
            "changes": changes,
            **({} if state is None else {"state": state}),
            **more,
        }
        line = canonical(record)
        line = (line if spoil is None else spoil(line)) + b"\n"
        self._before = digest(line).hex()
        (self.folder / f"refs/{self._number:012d}.json").write_bytes(line + self._before.encode() + b"\n")

    def pack(
        self,
        blobs: list[bytes],
        *,
        level: int = 9,
        entry: Callable[[int, int, int], tuple[int, int, int]] | None = None,
    ) -> dict[str, Any]:
        """Write a pack. entry: changes offset, stored length and length. Returns: the change of `packs`."""
        body, table = bytearray(b"vpack001"), []
        for blob in blobs:
            packed = zlib.compress(blob, level)
            place = (len(body), len(packed), len(blob))
            table.append(digest(blob) + struct.pack("<QII", *(entry(*place) if entry else place)))
            body += packed
        listed = b"".join(sorted(table))
        foot = struct.pack("<QII", len(body), len(blobs), KEY) + checksum(bytes(body)) + checksum(listed)
        data = bytes(body) + listed + foot + checksum(foot) + b"vpackend"
        name = f"{secrets.token_hex(16)}.pack"
        (self.folder / "packs" / name).write_bytes(data)
        return {name: [len(data), checksum(foot).hex()]}

    def raw_pack(self, body: bytes, entries: list[tuple[bytes, tuple[int, int, int]]]) -> None:
        """List a pack of any bytes and any table. entries: digest; offset, stored length and length."""
        listed = b"".join(sorted(name + struct.pack("<QII", *place) for name, place in entries))
        foot = struct.pack("<QII", len(body), len(entries), KEY) + checksum(body) + checksum(listed)
        data = body + listed + foot + checksum(foot) + b"vpackend"
        name = f"{secrets.token_hex(16)}.pack"
        (self.folder / "packs" / name).write_bytes(data)
        self.record("merge", {"packs": {name: [len(data), checksum(foot).hex()]}})

    def segment(
        self,
        *,
        header: Callable[[bytes], bytes] | None = None,
        rows: Callable[[bytes], bytes] | None = None,
        keys: Callable[[bytes], bytes] | None = None,
        foot: Callable[[bytearray], None] | None = None,
    ) -> None:
        """Put another in the place of the first segment, with changed parts. foot: changes fields of the footer."""
        place, (name, *_) = next(iter(self.state["segments"][self.space].items()))
        data = (self.folder / "segments" / name).read_bytes()
        footer = bytearray(data[-128:])
        _, kind, width, dim, count, start = struct.unpack_from("<HHIIQI", footer)
        size = dim * 2 * kind
        head, body = data[:start], data[start : start + count * size]
        column = data[start + count * size : start + count * (size + width)]
        head = header(head) if header else head
        body = rows(body) if rows else body
        column = keys(column) if keys else column
        sums = b"".join(checksum(body[at * size : (at + 4096) * size]) for at in range(0, count, 4096))
        struct.pack_into("<I", footer, 20, len(head))
        footer[64:88] = checksum(head) + checksum(column) + checksum(sums)
        if foot:
            foot(footer)
        footer[112:120] = checksum(bytes(footer[:112]))
        out = head + body + column + sums + bytes(footer)
        new = f"{secrets.token_hex(16)}.faiss"
        (self.folder / "segments" / new).write_bytes(out)
        rows_now = struct.unpack_from("<Q", footer, 12)[0]
        self.record("seal", {"segments": {self.space: {place: [new, len(out), footer[112:120].hex(), rows_now]}}})

    def blob(self, wanted: str) -> bytes:
        """Read the blob of a digest, from whatever pack has it."""
        key = bytes.fromhex(wanted)
        for name in self.state["packs"]:
            data = (self.folder / "packs" / name).read_bytes()
            at, count = struct.unpack_from("<QI", data, len(data) - 48)
            for entry in range(at, at + count * (KEY + 16), KEY + 16):
                if data[entry : entry + KEY] == key:
                    start, size = struct.unpack_from("<QI", data, entry + KEY)
                    return zlib.decompress(data[start : start + size])
        raise KeyError(wanted)

    def snapshot(self, pages: list[bytes], *, manifest: Callable[[Any], Any] = lambda value: value) -> None:
        """Let the current snapshot be one whose root is the first of these pages. manifest: changes it."""
        name = self.state["current"]
        old = self.state["snapshots"][name]
        value = {**json.loads(self.blob(old["manifest"])), "tree": digest(pages[0]).hex()}
        blob = canonical(manifest(value))
        id = digest(canonical([1, "xxh3_128", self.space, value["tree"]])).hex()
        new = {**old, "manifest": digest(blob).hex(), "id": id}
        self.record("sync", {"packs": self.pack([*pages, blob]), "snapshots": {name: new}})

    def cache(self, name: str, content: bytes) -> None:
        """Write a file of the cache."""
        folder = self.folder / "cache"
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(checksum(os.fsencode(name) + content) + content)
