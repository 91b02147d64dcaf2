"""The fields of the snapshots of a damaged store, as far as their pages exist."""

from __future__ import annotations

from typing import NamedTuple

from vstore.counts import counted
from vstore.errors import Damage
from vstore.format.fields import decode_field, split_field_key
from vstore.format.hashing import Hash
from vstore.format.pages import Entry
from vstore.format.table_left import left_of, table_of
from vstore.format.table_walk import TableWalk
from vstore.repair.blobs import Blobs


class FieldsLeft(NamedTuple):
    """The fields left of a snapshot.

    root: the root of their table; empty without any.
    gone: how many are lost; None if no page tells.
    """

    root: bytes
    gone: int | None

    @property
    def words(self) -> str:
        """Say how many are lost."""
        return "fields" if self.gone is None else counted(self.gone, "field")


class Fields:
    """The fields of all snapshots, most of which share their pages."""

    def __init__(self, hash: Hash, blobs: Blobs) -> None:
        self._hash = hash
        self._blobs = blobs
        self._walk = TableWalk(hash.size, blobs.fetch, self._check)
        self._left: dict[bytes, FieldsLeft] = {}

    def are_whole(self, root: bytes) -> bool:
        """Read all fields under a root; an empty one has none. Returns: whether all are sound."""
        try:
            if root:
                self._walk.walk(root)
        except Damage:
            return False
        return True

    def left(self, root: bytes) -> FieldsLeft:
        """Put the fields that are left under a damaged root into a table of their own."""
        if root not in self._left:
            left = left_of(root, self._blobs.fetch, self._hash.size)
            entries = {key: value for key, value in left.entries.items() if self._is_field((key, value))}
            table = table_of(self._hash, entries)
            self._blobs.add(table.fresh)
            gone = None if left.gone is None else left.gone + len(left.entries) - len(entries)
            self._left[root] = FieldsLeft(table.root or b"", gone)
        return self._left[root]

    def _check(self, entry: Entry) -> None:
        split_field_key(entry[0], self._hash.size)
        decode_field(entry[1])

    def _is_field(self, entry: Entry) -> bool:
        try:
            self._check(entry)
        except Damage:
            return False
        return True
