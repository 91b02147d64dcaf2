"""The folders that labels meant before: a label of an old snapshot may be that of another folder by now. Pure."""

from __future__ import annotations

import os
from typing import NamedTuple

from vstore.format.canonical import Document, Json, path_from_json, path_to_json

_LONGEST = 255  # bytes of a label


class Retired(NamedTuple):
    """A folder that a label meant.

    place:    its path.
    relative: its path is relative to the store's parent folder.
    first:    the number of the first snapshot in which the label means it.
    before:   the number after the last of these; 0 while no other folder has the label.
    """

    place: bytes
    relative: bool
    first: int = 1
    before: int = 0

    @classmethod
    def from_json(cls, value: Document) -> Retired:
        return cls(path_from_json(value["place"]), value["relative"], value.get("from", 1), value.get("before", 0))

    def to_json(self) -> dict[str, Json]:
        where = {"place": path_to_json(self.place), "relative": self.relative}
        return {**where, "from": self.first, "before": self.before} if self.before else where

    def label(self, label: str) -> str:
        """Name the pictures of the folder, if they are to stay: no folder has this label by chance."""
        end = f" (before v{self.before})"
        return os.fsdecode(os.fsencode(label)[: _LONGEST - len(end)]) + end
