"""The entries of the state: snapshots, folders, spaces, files and imports as the log lists them. Pure.

Named tuples here and in the reports: a frozen dataclass takes 0.9 ms to define, and every command would pay for each.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from vstore.format.canonical import Document, Json, path_from_json, path_to_json
from vstore.format.manifest import Manifest


class Snapshot(NamedTuple):
    """One version, as the log lists it. paths and images count its aliases and its distinct keys."""

    name: str
    id: str
    manifest: bytes
    space: str
    paths: int
    images: int
    time: str
    message: str = ""
    parent: str | None = None
    partial: bool = False
    kept: bool = True
    degraded: bool = False

    @classmethod
    def of(cls, manifest: Manifest, digest: bytes, id: str) -> Snapshot:
        """Make the entry of a snapshot from its manifest, the digest of that manifest, and its content id."""
        return cls(
            name=manifest.name,
            id=id,
            manifest=digest,
            space=manifest.space,
            paths=manifest.paths,
            images=manifest.images,
            time=manifest.time,
            message=manifest.message,
            parent=manifest.parent,
            partial=manifest.partial,
        )

    def manifest_over(self, tree: bytes) -> Manifest:
        """Make the manifest of this snapshot again, over an alias tree of that root."""
        return Manifest(
            name=self.name,
            space=self.space,
            tree=tree,
            paths=self.paths,
            images=self.images,
            time=self.time,
            message=self.message,
            parent=self.parent,
            partial=self.partial,
        )

    @classmethod
    def from_json(cls, name: str, value: Document) -> Snapshot:
        return cls(
            name=name,
            id=value["id"],
            manifest=bytes.fromhex(value["manifest"]),
            space=value["space"],
            paths=value["paths"],
            images=value["images"],
            time=value["time"],
            message=value.get("message", ""),
            parent=value.get("parent"),
            partial=value.get("partial", False),
            kept=value.get("kept", True),
            degraded=value.get("degraded", False),
        )

    def to_json(self) -> dict[str, Json]:
        value: dict[str, Json] = {
            "id": self.id,
            "manifest": self.manifest.hex(),
            "space": self.space,
            "paths": self.paths,
            "images": self.images,
            "time": self.time,
        }
        if self.message:
            value["message"] = self.message
        if self.parent:
            value["parent"] = self.parent
        for flag in ("partial", "degraded"):
            if getattr(self, flag):
                value[flag] = True
        if not self.kept:
            value["kept"] = False
        return value


class Root(NamedTuple):
    """A synced folder. place is relative to the folder that holds the store where `relative`, else absolute."""

    label: str
    place: bytes
    relative: bool
    options: Document = {}  # noqa: RUF012  # never changed

    @classmethod
    def from_json(cls, label: str, value: Document) -> Root:
        return cls(label, path_from_json(value["place"]), value["relative"], value.get("options", {}))

    def to_json(self) -> dict[str, Json]:
        return {"place": path_to_json(self.place), "relative": self.relative, "options": dict(self.options)}


class Space(NamedTuple):
    """An embedding space: its name here, whether its recipe is claimed or verified, and where the recipe lies.

    recipe: its digest; none where `repair` found that it is lost: nothing is embedded in that space then.
    place:  where its model is and how it is run: no part of what the space is. probes: digest of its probes' vectors.
    """

    id: str
    name: str
    status: str
    recipe: bytes
    dim: int
    place: Document = {}  # noqa: RUF012  # never changed
    probes: bytes = b""

    @classmethod
    def from_json(cls, id: str, value: Document) -> Space:
        place, probes = value.get("place", {}), bytes.fromhex(value.get("probes", ""))
        recipe = bytes.fromhex(value.get("recipe", ""))
        return cls(id, value["name"], value["status"], recipe, value["dim"], place, probes)

    def to_json(self) -> dict[str, Json]:
        value: dict[str, Json] = {
            "name": self.name,
            "status": self.status,
            "dim": self.dim,
        }
        if self.recipe:
            value["recipe"] = self.recipe.hex()
        if self.place:
            value["place"] = dict(self.place)
        if self.probes:
            value["probes"] = self.probes.hex()
        return value


class FileRef(NamedTuple):
    """A segment or a pack as the log lists it. check is the checksum of its footer; rows is 0 for packs."""

    name: str
    size: int
    check: str
    rows: int = 0


def listed_packs(refs: Iterable[FileRef]) -> dict[str, Json]:
    """Packs as the state has them: a record names those alone that came or went, however many there are."""
    return {ref.name: [ref.size, ref.check] for ref in refs}


def listed_segments(refs: Iterable[FileRef]) -> dict[str, Json]:
    """Segments of a space as the state has them, each at its place; a place is a number, and the order is theirs."""
    return {str(place): list(ref) for place, ref in enumerate(refs)}


class Import(NamedTuple):
    """What an import left over: rows of an old index whose pictures were not found, kept outside every segment.

    names, vectors: digests of the blobs in packs that hold them (FORMAT.md, section 6). root: the label that it was
    about. written: when the old index was, ns since 1970.
    """

    id: str
    space: str
    root: str
    rows: int
    names: bytes
    vectors: tuple[bytes, ...]
    written: int
    time: str

    @classmethod
    def from_json(cls, id: str, value: Document) -> Import:
        return cls(
            id,
            value["space"],
            value["root"],
            value["rows"],
            bytes.fromhex(value["names"]),
            tuple(bytes.fromhex(digest) for digest in value["vectors"]),
            value["written"],
            value["time"],
        )

    def to_json(self) -> dict[str, Json]:
        value = self._asdict()
        del value["id"]
        value["names"] = self.names.hex()
        value["vectors"] = [digest.hex() for digest in self.vectors]
        return value
