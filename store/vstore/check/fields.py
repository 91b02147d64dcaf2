"""Checks the fields of snapshots: the pages of their tables, each key and each value."""

from __future__ import annotations

from vstore.errors import VstoreError
from vstore.format.fields import decode_field, split_field_key
from vstore.format.hashing import Hash
from vstore.format.page_tree import Fetch
from vstore.format.pages import Entry
from vstore.format.table import Table
from vstore.format.table_left import table_of
from vstore.format.table_walk import TableWalk


class CheckedFields:
    """The fields of all snapshots, most of which share their pages: each page is read once."""

    def __init__(self, hash: Hash, fetch: Fetch, *, read_whole: bool) -> None:
        """read_whole: check how the pages are cut, too."""
        self._hash = hash
        self._fetch = fetch
        self._walk = TableWalk(hash.size, fetch, self._check_entry)
        self._cut_right: set[bytes] | None = set() if read_whole else None

    def check(self, root: bytes) -> None:
        """Check the fields under a root; none if it is empty. Raises: VstoreError."""
        if not root:
            return
        self._walk.walk(root)
        if self._cut_right is not None and root not in self._cut_right:
            if table_of(self._hash, dict(Table(self._hash, self._fetch, root).items())).root != root:
                raise VstoreError("the pages of its fields are not cut as FORMAT.md says")
            self._cut_right.add(root)

    def _check_entry(self, entry: Entry) -> None:
        split_field_key(entry[0], self._hash.size)
        decode_field(entry[1])
