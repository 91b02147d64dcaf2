"""The facts of the catalogue: their keys, their values, and their transaction.

Every value ends in the checksum of (table, key, value), by which it proves itself.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from itertools import islice
from typing import Any

import xxhash

from vstore.format.hashing import checksum
from vstore.quick_tuple import NamedTuple

SUM = 8  # bytes of the checksum at the end of a value
LOCATION_VALUE = struct.Struct("<II")
FACTS_VALUE = struct.Struct("<QII")
_SORTED = 4096  # locations that are put in the order of their keys: quicker, and no more of them are held at once
# One byte each, at the head of a key.
FOLDER, LOCATION, PICTURE, DECODE_FAILURE, MODEL_FAILURE, META = b"f", b"l", b"p", b"d", b"m", b"x"


class ModelFailure(NamedTuple):
    """A picture to which the model of a space gave no vector.

    kind:        of the failure.
    reason:      one line for people.
    machine:     what was known of the machine before the model was loaded there.
    environment: the device, compute dtype and versions of the loaded model, as JSON.
    """

    kind: str
    reason: str
    machine: str = ""
    environment: str = ""


class Batch:
    """One write transaction."""

    def __init__(self, transaction: Any) -> None:
        self._transaction = transaction

    def _put(self, key: bytes, value: bytes) -> None:
        self._transaction.put(key, value + checksum(key, value))

    def put_folder(self, path: bytes, chunk: int, value: bytes) -> None:
        self._put(folder_key(path, chunk), value)

    def put_locations(self, space: str, places: Iterable[tuple[bytes, int, int]]) -> None:
        """Put locations of vectors. A key with one keeps it.

        places: key, position of the segment in the list, row.
        """
        prefix = space_key(LOCATION, space, b"")

        def entry(key: bytes, ordinal: int, row: int) -> tuple[bytes, bytes]:
            value = LOCATION_VALUE.pack(ordinal, row)
            return prefix + key, value + checksum(prefix + key, value)

        rest = iter(places)
        with self._transaction.cursor() as cursor:
            while some := sorted(entry(*place) for place in islice(rest, _SORTED)):
                cursor.putmulti(some, overwrite=False)

    def clear_locations(self, space: str) -> None:
        """Remove all locations of a space."""
        prefix = space_key(LOCATION, space, b"")
        with self._transaction.cursor() as cursor:
            found = cursor.set_range(prefix)
            while found and cursor.key().startswith(prefix):
                found = cursor.delete()

    def put_facts(self, key: bytes, *, size: int, format: str, width: int, height: int) -> None:
        self._put(PICTURE + key, FACTS_VALUE.pack(size, width, height) + format.encode("ascii", "replace"))

    def put_decode_failure(self, key: bytes, decoder: str, kind: str, reason: str) -> None:
        self._put(DECODE_FAILURE + key, "\0".join((decoder, kind, reason.replace("\0", " "))).encode())

    def drop_decode_failure(self, key: bytes) -> None:
        self._transaction.delete(DECODE_FAILURE + key)

    def put_model_failure(self, space: str, key: bytes, failure: ModelFailure) -> None:
        parts = (part.replace("\0", " ") for part in failure)
        self._put(space_key(MODEL_FAILURE, space, key), "\0".join(parts).encode())

    def drop_model_failure(self, space: str, key: bytes) -> None:
        self._transaction.delete(space_key(MODEL_FAILURE, space, key))

    def take_over(self, items: Iterable[tuple[bytes, bytes]]) -> None:
        """Put the items of another catalogue, but for the notes of its runs."""
        for key, value in items:
            if not key.startswith(META):
                self._transaction.put(key, value)

    def put_meta(self, name: str, value: bytes) -> None:
        """Put a note of a run."""
        self._put(meta_key(name), value)

    def drop_meta(self, name: str) -> None:
        self._transaction.delete(meta_key(name))


def folder_key(path: bytes, chunk: int) -> bytes:
    # LMDB keys end at 511 bytes, paths do not.
    return FOLDER + xxhash.xxh3_128_digest(path) + struct.pack(">I", chunk)


def space_key(table: bytes, space: str, key: bytes) -> bytes:
    return table + bytes.fromhex(space)[:8] + key


def meta_key(name: str) -> bytes:
    # Names may hold labels, and labels may be long, or no UTF-8.
    return META + xxhash.xxh3_128_digest(os.fsencode(name))
