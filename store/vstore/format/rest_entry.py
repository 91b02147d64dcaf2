"""The entries of the state of which most stores have none: rests of imports. Pure."""

from __future__ import annotations

from typing import NamedTuple

from vstore.format.canonical import Document, Json, path_from_json, path_to_json


class Import(NamedTuple):
    """The rest of an import: rows of an old index without a picture, stored outside every segment.

    id:      i1, i2, …
    space:   the id of the space of its vectors.
    root:    the label of its folder.
    rows:    how many rows wait.
    names:   the digest of the blob with their paths (FORMAT.md, section 6).
    vectors: the digests of the blobs with their vectors.
    written: when the old index was written, ns since 1970.
    time:    when it was imported.
    moved:   the changes that led from the starts of the old paths to the starts of the files' paths in the folder.
    """

    id: str
    space: str
    root: str
    rows: int
    names: bytes
    vectors: tuple[bytes, ...]
    written: int
    time: str
    moved: tuple[tuple[bytes, bytes], ...] = ()

    @classmethod
    def from_json(cls, id: str, value: Document) -> Import:
        return cls(
            id=id,
            space=value["space"],
            root=value["root"],
            rows=value["rows"],
            names=bytes.fromhex(value["names"]),
            vectors=tuple(bytes.fromhex(digest) for digest in value["vectors"]),
            written=value["written"],
            time=value["time"],
            moved=tuple((path_from_json(old), path_from_json(new)) for old, new in value.get("moved", [])),
        )

    def to_json(self) -> dict[str, Json]:
        value = self._asdict()
        del value["id"]
        value["names"] = self.names.hex()
        value["vectors"] = [digest.hex() for digest in self.vectors]
        if self.moved:
            value["moved"] = [[path_to_json(old), path_to_json(new)] for old, new in self.moved]
        else:
            del value["moved"]
        return value
