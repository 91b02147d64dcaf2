"""The alphabet of FORMAT.md for the independent reader: checksums, canonical JSON, patches, numbers, runs of keys."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import xxhash

HASHES: dict[str, Callable[[bytes], bytes]] = {
    "xxh3_128": lambda data: bytes(xxhash.xxh3_128_digest(data)),
    "sha256": lambda data: hashlib.sha256(data).digest(),
}


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def parsed(data: bytes) -> Any:
    value = json.loads(data)
    assert canonical(value) == data
    return value


def checksum(data: bytes) -> bytes:
    return xxhash.xxh3_64_intdigest(data).to_bytes(8, "little")


def checksums(data: bytes, block: int) -> bytes:
    return b"".join(checksum(data[at : at + block]) for at in range(0, len(data), block))


def merged(target: Any, patch: Any) -> Any:
    """Apply a JSON Merge Patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return patch
    old = target if isinstance(target, dict) else {}
    new = {name: merged(old.get(name), value) for name, value in patch.items()}
    return {name: value for name, value in {**old, **new}.items() if name not in patch or patch[name] is not None}


def rises(keys: list[Any]) -> bool:
    return all(a < b for a, b in pairwise(keys))


class Bytes:
    """A run of bytes, read from the front; `with` says that nothing is left over."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def __enter__(self) -> Bytes:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        assert kind is not None or self.at == len(self.data), "bytes are left over"

    def take(self, size: int) -> bytes:
        self.at += size
        assert self.at <= len(self.data), "it is cut short"
        return self.data[self.at - size : self.at]

    def number(self) -> int:
        value = shift = 0
        while True:
            (byte,) = self.take(1)
            value, shift = value | (byte & 127) << shift, shift + 7
            if byte < 128:
                assert shift == 7 or (byte and shift <= 63), "a number with needless bytes"
                return value

    def unpack(self, layout: str) -> tuple[Any, ...]:
        return struct.unpack("<" + layout, self.take(struct.calcsize("<" + layout)))

    def keys(self, count: int) -> list[bytes]:
        keys = [b""]
        for _ in range(count):
            shared, rest = self.number(), self.number()
            assert shared <= len(keys[-1])
            keys.append(keys[-1][:shared] + self.take(rest))
        assert rises(keys[1:])
        return keys[1:]

    def bits(self, count: int) -> list[bool]:
        bits = [bool(byte >> bit & 1) for byte in self.take(-(-count // 8)) for bit in range(8)]
        assert not any(bits[count:])
        return bits[:count]


def field_value(data: bytes) -> tuple[str, Any]:
    with Bytes(data) as value:
        kind = value.take(1).decode("ascii")
        if kind == "t":
            return kind, value.take(len(data) - 1).decode()
        if kind == "l":
            return kind, [value.take(value.number()).decode() for _ in range(value.number())]
        (found,) = value.unpack({"i": "q", "f": "d", "b": "B", "d": "q"}[kind])
        return kind, {0: False, 1: True}[found] if kind == "b" else found
