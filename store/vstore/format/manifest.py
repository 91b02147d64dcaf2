"""The manifest of a snapshot: its pictures, and its content id. Pure."""

from __future__ import annotations

from vstore.errors import Damage
from vstore.format.canonical import SMALL, Json, canonical, parsed
from vstore.format.hashing import Hash
from vstore.format.names import is_digest, is_number, is_snapshot
from vstore.quick_tuple import NamedTuple


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
    fields:  the digest of the root of its fields; empty if it has none.
    store:   the id of the store that made it; empty in format 1.
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
    fields: bytes = b""
    store: str = ""

    def to_bytes(self) -> bytes:
        value: dict[str, Json] = {
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
        if self.fields:
            value["fields"] = self.fields.hex()
        if self.store:
            value["store"] = self.store
        return canonical(value)

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Read a manifest whose digest was checked. Raises: Damage if it is not a valid one."""
        try:
            value = parsed(data, SMALL)
            _require_types(value)
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
                fields=bytes.fromhex(value.get("fields", "")),
                store=value.get("store", ""),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as err:
            raise Damage(f"a manifest cannot be read: {err!r}", "run: vstore check") from err

    def content_id(self, hash: Hash) -> str:
        """Compute the content id: equal hash, space, aliases and fields give equal ids, whatever the history."""
        return content_id(hash, self.space, self.tree, self.fields)


def _require_types(value: Json) -> None:
    name, parent = value["snapshot"], value["parent"]
    if not is_snapshot(name) or "/" in name or not (parent is None or is_snapshot(parent)):
        raise ValueError(f"its names are {name!r:.100} and {parent!r:.100}")
    if not is_digest(value["space"], 64) or type(value["partial"]) is not bool:
        raise ValueError(f"its space is {value['space']!r:.100}")
    if not all(type(value.get(field, "")) is str for field in ("time", "message", "store")):
        raise ValueError("its time, its message or its store is no text")
    if not (value["time"] + value.get("store", "")).isprintable():
        raise ValueError("its time or its store is no word")
    if not is_number(value["images"]) or not is_number(value["paths"], value["images"]):
        raise ValueError(f"it counts {value['paths']!r:.100} paths and {value['images']!r:.100} images")


def content_id(hash: Hash, space: str, tree: bytes, fields: bytes = b"") -> str:
    """Compute digest(canonical JSON of [1, hash name, space id, root of the aliases, root of the fields]), in hex.

    The 1 stands whatever the format of the store. The root of the fields is left out where there are none.
    """
    roots = [tree.hex(), fields.hex()] if fields else [tree.hex()]
    return hash.digest(canonical([1, hash.name, space, *roots])).hex()
