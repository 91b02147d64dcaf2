"""The entries of the state: snapshots, folders, spaces, files and imports as the log lists them. Pure.

Named tuples here and in the reports: a frozen dataclass takes 0.9 ms to define, and every command would pay for each.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vstore.errors import Damage
from vstore.format.canonical import Document, Json, path_from_json, path_to_json
from vstore.format.names import is_digest, is_number, is_snapshot
from vstore.quick_tuple import NamedTuple

if TYPE_CHECKING:
    from vstore.format.manifest import Manifest

NAMED = 128  # pictures known by their names alone that a space remembers, for a sample


class Snapshot(NamedTuple):
    """A snapshot, as the log lists it.

    name:     v1, v2, …; never given twice. Of another store: its name for that store, a slash, its name there.
    id:       its content id, in hex.
    manifest: the digest of its manifest.
    space:    the id of its embedding space.
    paths:    its aliases.
    images:   its distinct keys.
    time:     when it was made.
    message:  the words of the user.
    parent:   the name of the snapshot before it.
    partial:  the run ended before all pictures were reached.
    kept:     it was not forgotten.
    degraded: a repair took pictures out of it.
    fields:   the digest of the root of its fields; empty if it has none.
    """

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
    fields: bytes = b""

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
            fields=manifest.fields,
        )

    @property
    def number(self) -> int:
        """Its number in the store that made it."""
        return int(self.name.rpartition("/")[2][1:])

    @property
    def is_own(self) -> bool:
        """Tell whether this store made it; else it was fetched from another."""
        return not self._prefix

    @property
    def _prefix(self) -> str:
        """The name of the other store with its slash; empty for a snapshot of this store."""
        return self.name[: self.name.rfind("/") + 1]

    def manifest_over(self, tree: bytes, store: str = "") -> Manifest:
        """Make the manifest of this snapshot again, over aliases with this root.

        store: the id of the store that made it; empty in format 1.
        """
        from vstore.format.manifest import Manifest  # most commands read entries alone

        return Manifest(
            name=f"v{self.number}",
            space=self.space,
            tree=tree,
            paths=self.paths,
            images=self.images,
            time=self.time,
            message=self.message,
            parent=self.parent.removeprefix(self._prefix) if self.parent else None,
            partial=self.partial,
            fields=self.fields,
            store=store,
        )

    @staticmethod
    def is_whole(value: Document) -> bool:
        """Tell whether an entry has what every snapshot has. Of a lost record's entry only later changes are left."""
        texts, counts = ("id", "manifest", "space", "time"), ("paths", "images")
        return all(isinstance(value.get(f), str) for f in texts) and all(type(value.get(f)) is int for f in counts)

    @classmethod
    def from_json(cls, name: str, value: Document) -> Snapshot:
        """Read an entry. Raises: Damage if it is not one of a snapshot."""
        try:
            _require_entry(name, value)
        except KeyError as err:
            raise Damage(f"the log lists {name} without {err}", "run: vstore check") from err
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
            fields=bytes.fromhex(value.get("fields", "")),
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
        if self.fields:
            value["fields"] = self.fields.hex()
        return value


def _require_entry(name: str, value: Document) -> None:
    """Look at the values of an entry. Its id becomes the name of a file, and its parent is followed."""
    parent = value.get("parent")
    fits = (
        (is_digest(value["id"], 32) or is_digest(value["id"], 64))
        and is_digest(value["space"], 64)
        and is_number(value["images"])
        and is_number(value["paths"], value["images"])
        and (parent is None or (is_snapshot(parent) and _leads_down(name, parent)))
        and all(type(value.get(field, "")) is str for field in ("manifest", "time", "message", "fields"))
        and all(type(value.get(field, False)) is bool for field in ("partial", "kept", "degraded"))
        and value["time"].isprintable()
        and not (value["manifest"] + value.get("fields", "")).strip("0123456789abcdef")
    )
    if not fits:
        raise Damage(f"the log lists {name} with what no snapshot has", "run: vstore check")


def _leads_down(name: str, parent: str) -> bool:
    """Tell whether a parent has a smaller number, or is a fetched one of a snapshot of this store: walks then end."""
    origin, _, own = name.rpartition("/")
    other, _, earlier = parent.rpartition("/")
    return int(earlier[1:]) < int(own[1:]) if origin == other else not origin


class Root(NamedTuple):
    """A synced folder.

    label:    the first part of its stored paths.
    place:    its path on disk: relative to the store's parent folder if `relative`, else absolute.
    relative: its place is relative to the store's parent folder: both move together.
    options:  the options of its scans.
    since:    the number of the snapshot before which lost pictures are no longer counted; 0 if all are.
    """

    label: str
    place: bytes
    relative: bool
    options: Document = {}  # noqa: RUF012  # never changed
    since: int = 0

    @classmethod
    def from_json(cls, label: str, value: Document) -> Root:
        return cls(
            label, path_from_json(value["place"]), value["relative"], value.get("options", {}), value.get("since", 0)
        )

    def to_json(self) -> dict[str, Json]:
        value = {"place": path_to_json(self.place), "relative": self.relative, "options": dict(self.options)}
        return {**value, "since": self.since} if self.since else value


class Space(NamedTuple):
    """An embedding space.

    id:       the sha256 of its recipe.
    name:     its name in this store.
    status:   whether its vectors are known to be of this recipe: `verified`, or `claimed` by an import.
    recipe:   the digest of its recipe; empty if `repair` found it lost: nothing is embedded in the space then.
    dim:      the numbers of a vector.
    place:    the place and settings of its model; no part of its identity.
    probes:   the digest of the vectors of its probes.
    identity: the sha256 of all that decides its vectors, however its files are cut; empty if not known.
    by_name:  keys of pictures that an import matched by their names alone, not all if they are many.
    """

    id: str
    name: str
    status: str
    recipe: bytes
    dim: int
    place: Document = {}  # noqa: RUF012  # never changed
    probes: bytes = b""
    identity: str = ""
    by_name: tuple[bytes, ...] = ()

    @classmethod
    def from_json(cls, id: str, value: Document) -> Space:
        return cls(
            id=id,
            name=value["name"],
            status=value["status"],
            recipe=bytes.fromhex(value.get("recipe", "")),
            dim=value["dim"],
            place=value.get("place", {}),
            probes=bytes.fromhex(value.get("probes", "")),
            identity=value.get("identity", ""),
            by_name=tuple(bytes.fromhex(key) for key in value.get("by_name", [])),
        )

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
        if self.identity:
            value["identity"] = self.identity
        if self.by_name:
            value["by_name"] = [key.hex() for key in self.by_name]
        return value


class FileRef(NamedTuple):
    """A segment or a pack, as the log lists it.

    name:  its file name.
    size:  its bytes.
    check: the checksum of its footer, in hex.
    rows:  its vectors; 0 for a pack.
    """

    name: str
    size: int
    check: str
    rows: int = 0


def listed_packs(refs: Iterable[FileRef]) -> dict[str, Json]:
    """Write packs as the state lists them: by name, so that a record holds only those that came or went."""
    return {ref.name: [ref.size, ref.check] for ref in refs}


def listed_segments(refs: Iterable[FileRef]) -> dict[str, Json]:
    """Write segments of a space as the state lists them: by place, a number that gives their order."""
    return {str(place): list(ref) for place, ref in enumerate(refs)}
