"""The manifest of a snapshot: its pictures, and its content id. Pure."""

from __future__ import annotations

import json
from typing import NamedTuple

from vstore.errors import Damage
from vstore.format.canonical import canonical
from vstore.format.hashing import Hash
from vstore.format.layout import FORMAT_VERSION


class Manifest(NamedTuple):
    """The content of a snapshot: pictures by their aliases, never the places of their vectors.

    name:    of the snapshot.
    space:   the id of its embedding space.
    tree:    the digest of the root of its alias tree.
    paths:   its aliases.
    images:  its distinct keys.
    time:    when it was made.
    message: the words of the user.
    parent:  the name of the snapshot before it.
    partial: the run ended before all pictures were reached.
    """

    name: str
    space: str
    tree: bytes
    paths: int
    images: int
    time: str
    message: str
    parent: str | None
    partial: bool

    def to_bytes(self) -> bytes:
        return canonical(
            {
                "snapshot": self.name,
                "space": self.space,
                "tree": self.tree.hex(),
                "paths": self.paths,
                "images": self.images,
                "time": self.time,
                "message": self.message,
                "parent": self.parent,
                "partial": self.partial,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Read a manifest whose digest was checked. Raises: Damage if it is not a valid one."""
        try:
            value = json.loads(data)
            return cls(
                name=value["snapshot"],
                space=value["space"],
                tree=bytes.fromhex(value["tree"]),
                paths=value["paths"],
                images=value["images"],
                time=value["time"],
                message=value["message"],
                parent=value["parent"],
                partial=value["partial"],
            )
        except (ValueError, KeyError, TypeError, RecursionError) as err:
            raise Damage(f"a manifest cannot be read: {err!r}", "run: vstore check") from err

    def content_id(self, hash: Hash) -> str:
        """Compute the content id: equal format, hash, space and alias tree give equal ids, whatever the history."""
        return content_id(hash, self.space, self.tree)


def content_id(hash: Hash, space: str, tree: bytes) -> str:
    """Compute digest(canonical JSON of [format, hash name, space id, hex of the alias-tree root]), in hex."""
    return hash.digest(canonical([FORMAT_VERSION, hash.name, space, tree.hex()])).hex()
