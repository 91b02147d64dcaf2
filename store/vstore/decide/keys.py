"""The keys of the pictures that the words of a decision mean."""

from __future__ import annotations

import os
import re
from collections.abc import Callable

from vstore.errors import UsageError
from vstore.format.entries import Snapshot
from vstore.paths import AnyPath, as_bytes
from vstore.repository.repository import Repository

KeyOf = Callable[[Repository, Snapshot, AnyPath], bytes]


class Keys:
    """The keys of the pictures that words mean. A whole key, in hex or as its bytes, is taken as it is.

    Its picture may come later.
    """

    def __init__(self, repo: Repository, key_of: KeyOf) -> None:
        self._repo = repo
        self._key_of = key_of
        self._whole = re.compile(b"[0-9a-fA-F]{%d}" % (2 * repo.hash.size))
        self._snapshot = repo.state.current_snapshot
        self._tree = repo.tree(self._snapshot)

    def of(self, word: AnyPath) -> bytes:
        """Find a key. Raises: UsageError if the word means no picture, or several."""
        if isinstance(word, bytes) and len(word) == self._repo.hash.size and not self._is_path(word):
            return word
        name = as_bytes(word)
        key = self._tree.get(name)
        if key is not None:
            return key
        if self._whole.fullmatch(name) and not os.path.lexists(name):
            return bytes.fromhex(name.decode())
        if self._snapshot is None:
            raise UsageError("there is no snapshot yet", "make the first one with: vstore sync PATH")
        return self._key_of(self._repo, self._snapshot, word)

    def _is_path(self, name: bytes) -> bool:
        return b"\0" not in name and (self._tree.get(name) is not None or os.path.lexists(name))
