"""The file `vstore.json`, which an export lays beside files of an old shape: an import of them need not guess."""

from __future__ import annotations

import json
from typing import NamedTuple

from vstore.errors import UsageError
from vstore.format.canonical import Json, path_from_json, path_to_json
from vstore.format.hashing import HASHES

NAME = "vstore.json"
PICTURES = "pictures.jsonl"
VERSION = 1


class Exported(NamedTuple):
    """Stored paths and keys of one snapshot, row by row.

    hash:       the name of the store's hash.
    dtype:      the store's dtype.
    recipe:     the recipe of the space.
    space_name: the name of the space.
    snapshot:   the name of the snapshot.
    id:         its content id.
    paths:      the stored path of each row.
    keys:       the key of each row.
    places:     the absolute path of each folder at the time, by label.
    files:      the xxh3_128 of each file, in hex, by name.
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
        """Read what an export wrote. name: of the file, for messages. Raises: UsageError if it is not valid."""
        try:
            value = json.loads(data)
            version = value["vstore_export"]
            if version != VERSION:
                raise UsageError(f"{name} has version {version}, which this vstore does not know", "upgrade vstore")
            size = HASHES[value["hash"]].size
            found = cls(
                hash=value["hash"],
                dtype=value["dtype"],
                recipe=value["recipe"],
                space_name=value["space_name"],
                snapshot=value["snapshot"],
                id=value["id"],
                paths=[path_from_json(path) for path in value["paths"]],
                keys=[bytes.fromhex(key) for key in value["keys"]],
                places={label: path_from_json(place) for label, place in value["roots"].items()},
                files=dict(value["files"]),
            )
            labels = {path.partition(b"/")[0] for path in found.paths}
            if len(found.paths) != len(found.keys) or any(len(key) != size for key in found.keys):
                raise ValueError("its paths and keys do not match")
            if not all(b"/" in path and _is_plain(path) for path in found.paths):
                raise ValueError("one of its paths is not a stored path")
            if not labels <= {label.encode("utf-8", "surrogateescape") for label in found.places}:
                raise ValueError("it does not name the folder of every path")
            return found
        except (ValueError, KeyError, TypeError, AttributeError) as err:
            raise UsageError(
                f"{name} is not a valid file of vstore export ({err!r})",
                f"move {NAME} away to import by the paths alone",
            ) from err


def _is_plain(path: bytes) -> bool:
    return b"\0" not in path and not {b"", b".", b".."} & set(path.split(b"/"))
