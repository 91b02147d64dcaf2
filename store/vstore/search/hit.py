"""The pictures that a search found."""

from __future__ import annotations

import os
from collections.abc import Sequence

from vstore.brief import briefly
from vstore.format.canonical import Json, named_files, named_path
from vstore.quick_tuple import NamedTuple


class Fold(NamedTuple):
    """A hit, and the near-duplicates that are folded under it: a key and a score each, best first."""

    hit: tuple[bytes, float]
    others: Sequence[tuple[bytes, float]]


@briefly
class Hit(NamedTuple):
    """One picture found.

    key:   the hash of its bytes.
    score: its cosine with the query.
    paths: its stored paths in the snapshot.
    files: the files at these paths today; None if the folder is not known.
    flat:  it is known to be of one colour.
    unnamed: those of the files in folders that the user did not name at this machine: nobody should look there.
    chance: the share of what is unrelated that scores as high; None if it was not asked for.
    collapsed: the near-duplicates of it that were folded under it, best first.
    """

    key: bytes
    score: float
    paths: tuple[bytes, ...]
    files: tuple[bytes | None, ...]
    flat: bool = False
    unnamed: tuple[bytes, ...] = ()
    chance: float | None = None
    collapsed: tuple[Hit, ...] = ()

    @property
    def file(self) -> str | None:
        """The first of its files that may be opened, as `os.fsdecode` writes it; None if no folder is known."""
        found = next((file for file in self.files if file is not None and file not in self.unnamed), None)
        return None if found is None else os.fsdecode(found)

    @property
    def path(self) -> str:
        """Its file, or else its first stored path, as `os.fsdecode` writes it."""
        return self.file or os.fsdecode(self.paths[0])

    def __str__(self) -> str:
        # A name must neither break the line nor send escapes to a terminal, and what is not UTF-8 would end a print.
        text = os.fsencode(self.path).decode("utf-8", "backslashreplace")
        return f"{self.score:.3f}  " + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)

    def to_json(self) -> dict[str, Json]:
        value: dict[str, Json] = {
            "key": self.key.hex(),
            "score": round(self.score, 6),
            "paths": [named_path(path)["path"] for path in self.paths],
            **named_files(self.files),
        }
        if self.flat:
            value["flat"] = True
        if self.unnamed:
            value["unnamed"] = [named_path(file)["path"] for file in self.unnamed]
        encoded = [named_path(path).get("path_b64") for path in self.paths]
        if any(encoded):
            value["paths_b64"] = encoded
        if self.chance is not None:
            value["chance"] = float(f"{self.chance:.3g}")
        if self.collapsed:
            value["collapsed"] = [hit.to_json() for hit in self.collapsed]
        return value
