"""`vstore.json`: what `vstore export` lays beside the files of an old shape, so that an import need not guess."""

from __future__ import annotations

import json
from typing import NamedTuple

from vstore.errors import UsageError
from vstore.format.canonical import Json, path_from_json, path_to_json
from vstore.format.hashing import HASHES

NAME = "vstore.json"
VERSION = 1


class Exported(NamedTuple):
    """Stored paths and keys, row by row, of one snapshot.

    places: label -> absolute path of the root, as it was. files: name -> xxh3_128 of the file, in hex.
    """

    hash: str
    dtype: str
    recipe: Json
    space_name: str
    snapshot: str
    id: str
    paths: list[bytes]
    keys: list[bytes]
    places: dict[str, bytes]
    files: dict[str, str]

    def to_bytes(self) -> bytes:
        document = {
            "vstore_export": VERSION,
            "hash": self.hash,
            "dtype": self.dtype,
            "recipe": self.recipe,
            "space_name": self.space_name,
            "snapshot": self.snapshot,
            "id": self.id,
            "roots": {label: path_to_json(place) for label, place in self.places.items()},
            "files": self.files,
            "keys": [key.hex() for key in self.keys],
            "paths": [path_to_json(path) for path in self.paths],
        }
        return json.dumps(document, indent=1).encode("ascii") + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes, name: str) -> Exported:
        """Raises: UsageError if it is not what an export writes."""
        try:
            value = json.loads(data)
            version = value["vstore_export"]
            if version != VERSION:
                raise UsageError(f"{name} has version {version}, which this vstore does not know", "upgrade vstore")
            size = HASHES[value["hash"]].size
            found = cls(
                value["hash"],
                value["dtype"],
                value["recipe"],
                value["space_name"],
                value["snapshot"],
                value["id"],
                [path_from_json(path) for path in value["paths"]],
                [bytes.fromhex(key) for key in value["keys"]],
                {label: path_from_json(place) for label, place in value["roots"].items()},
                dict(value["files"]),
            )
            labels = {path.partition(b"/")[0] for path in found.paths}
            if len(found.paths) != len(found.keys) or any(len(key) != size for key in found.keys):
                raise ValueError("its paths and keys do not fit")
            if not all(b"/" in path and _is_plain(path) for path in found.paths):
                raise ValueError("a path of it is no stored path")
            if not labels <= {label.encode("utf-8", "surrogateescape") for label in found.places}:
                raise ValueError("it does not name the folder of every path")
            return found
        except (ValueError, KeyError, TypeError, AttributeError) as err:
            raise UsageError(
                f"{name} is not what vstore export writes ({err!r})", f"move {NAME} away to import by the paths alone"
            ) from err


def _is_plain(path: bytes) -> bool:
    return b"\0" not in path and not {b"", b".", b".."} & set(path.split(b"/"))
