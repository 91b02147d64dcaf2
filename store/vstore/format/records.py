"""What the operation log says: records, and the state that they fold to. Pure: no disk, no clock.

Named tuples here and in the reports: a frozen dataclass takes 0.9 ms to define, and every command would pay for each.
"""

from __future__ import annotations

import binascii
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from vstore.errors import Damage, FormatTooNew
from vstore.format.hashing import Hash
from vstore.format.layout import FORMAT_VERSION

Json = Any
Document = Mapping[str, Json]

# Operations that `undo` takes back; every other kind of record is passed over, or stops it.
UNDOABLE = frozenset({"sync", "rollback", "hold", "release", "tag", "untag", "forget", "model use", "import"})
BARRIERS = frozenset({"init", "model drop", "gc", "repair", "migrate"})
# What each field of a record holds, and what one that may be left out holds where it stands.
_FIELDS = {"vstore": int, "number": int, "op": str, "nonce": str, "time": str, "before": str, "changes": dict}
_OPTIONAL = {"state": dict, "undoes": int, "redoes": int, "about": str}


def canonical(document: Json) -> bytes:
    """JSON with sorted keys, no blanks, ASCII only: one document has one form."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii")


def path_to_json(path: bytes) -> Json:
    """A path as a string, or as {"b64": …} where it is not UTF-8."""
    try:
        return path.decode("utf-8")
    except UnicodeDecodeError:
        return {"b64": binascii.b2a_base64(path, newline=False).decode("ascii")}


def named_path(path: bytes) -> dict[str, Json]:
    """A path for people and programs: `path`, and `path_b64` too where it is not UTF-8."""
    try:
        return {"path": path.decode("utf-8")}
    except UnicodeDecodeError:
        return {
            "path": path.decode("utf-8", "replace"),
            "path_b64": binascii.b2a_base64(path, newline=False).decode("ascii"),
        }


def path_from_json(value: Json) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8")
    return binascii.a2b_base64(value["b64"])


def merge_patch(target: Document, *patches: Document) -> dict[str, Json]:
    """Apply JSON Merge Patches (RFC 7386), one after another: objects merge, null deletes, everything else replaces.

    An object is copied once, however many of the patches change it: a log of thousands of records is folded so.
    """
    merged = dict(target)
    inner: dict[str, list[Document]] = {}
    for patch in patches:
        for name, value in patch.items():
            if isinstance(value, dict):
                inner.setdefault(name, []).append(value)
                continue
            inner.pop(name, None)
            if value is None:
                merged.pop(name, None)
            else:
                merged[name] = value
    for name, some in inner.items():
        old = merged.get(name)
        merged[name] = merge_patch(old if isinstance(old, dict) else {}, *some)
    return merged


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


class State(NamedTuple):
    """The fold of the log up to one record."""

    document: Document

    @property
    def current(self) -> str | None:
        return self.document.get("current")

    @property
    def next_v(self) -> int:
        return int(self.document.get("next_v", 1))

    @property
    def start_space(self) -> str | None:
        return self.document.get("start_space")

    @property
    def hold(self) -> str | None:
        """The snapshot at which sync is held, if it is."""
        return self.document.get("hold")

    @property
    def tags(self) -> dict[str, str]:
        return dict(self.document.get("tags", {}))

    @property
    def absorbed(self) -> dict[str, str]:
        """Old label -> prefix that its paths have now."""
        return dict(self.document.get("absorbed", {}))

    @property
    def roots(self) -> dict[str, Root]:
        return {label: Root.from_json(label, value) for label, value in self.document.get("roots", {}).items()}

    @property
    def spaces(self) -> dict[str, Space]:
        return {id: Space.from_json(id, value) for id, value in self.document.get("spaces", {}).items()}

    @property
    def imports(self) -> dict[str, Import]:
        """What imports left over, by their id."""
        return {id: Import.from_json(id, value) for id, value in self.document.get("imports", {}).items()}

    def segments(self, space: str) -> list[FileRef]:
        """The segments of a space, in the order in which rows win."""
        places = self.document.get("segments", {}).get(space, {})
        return [FileRef(*places[place]) for place in sorted(places, key=int)]

    @property
    def packs(self) -> list[FileRef]:
        return [FileRef(name, *value) for name, value in self.document.get("packs", {}).items()]

    def snapshot(self, name: str) -> Snapshot | None:
        value = self.document.get("snapshots", {}).get(name)
        return None if value is None else Snapshot.from_json(name, value)

    def snapshots(self) -> list[Snapshot]:
        """The snapshots that are kept, newest first."""
        listed = self.document.get("snapshots", {})
        kept = [name for name, value in listed.items() if value.get("kept", True)]
        return [Snapshot.from_json(name, listed[name]) for name in sorted(kept, key=lambda n: -int(n[1:]))]

    def blobs(self) -> set[bytes]:
        """The digests of all blobs that the state itself names: what hangs on manifests is not among them."""
        found = {snapshot.manifest.hex() for snapshot in self.snapshots()}
        for value in self.document.get("spaces", {}).values():
            found.update(value[name] for name in ("recipe", "probes") if value.get(name))
        for value in self.document.get("imports", {}).values():
            found.update((value["names"], *value["vectors"]))
        return set(map(bytes.fromhex, found))

    def kept(self) -> dict[str, bool]:
        return {name: value.get("kept", True) for name, value in self.document.get("snapshots", {}).items()}

    def packs_changed(self, added: Iterable[FileRef], gone: Iterable[FileRef]) -> dict[str, Json]:
        """The changes of `packs` where some come and others go."""
        return {**dict.fromkeys(ref.name for ref in gone), **listed_packs(added)}

    def segments_changed(self, space: str, refs: Sequence[FileRef]) -> dict[str, Json]:
        """The changes of `segments` after which the segments of a space are these, in this order.

        One that stays keeps its place; one that replaces neighbours takes the first of theirs, and a new one the next
        after the last: so a record names what changed alone. Where that would not give the order, all are placed anew.
        """
        old = self.document.get("segments", {}).get(space, {})
        placed = {value[0]: int(place) for place, value in old.items()}
        stay = {ref.name for ref in refs}
        free = sorted(place for name, place in placed.items() if name not in stay)
        places: list[int] = []
        for ref in refs:
            last = places[-1] if places else -1
            place = placed.get(ref.name)
            if place is None:
                place = next((n for n in free if n > last), max((last, *placed.values())) + 1)
            places.append(place)
        if any(a >= b for a, b in pairwise(places)):
            places = list(range(len(refs)))
        new = {str(place): list(ref) for place, ref in zip(places, refs, strict=True)}
        changed = {place: value for place, value in new.items() if old.get(place) != value}
        return {space: {**dict.fromkeys(old.keys() - new.keys()), **changed}}

    def after(self, changes: Document) -> State:
        return State(merge_patch(self.document, changes))

    def restoring(self, earlier: State) -> dict[str, Json]:
        """The changes that bring back what `undo` brings back: current, tags, kept set and hold."""
        changes: dict[str, Json] = {}
        if earlier.current != self.current:
            changes["current"] = earlier.current
        if earlier.hold != self.hold:
            changes["hold"] = earlier.hold
        tags = {name: None for name in self.tags if name not in earlier.tags}
        tags |= {name: to for name, to in earlier.tags.items() if self.tags.get(name) != to}  # type: ignore[misc]
        if tags:
            changes["tags"] = tags
        before = earlier.kept()
        # A snapshot that came later than the state restored stays as it is: an undone sync's snapshot stays listed.
        kept = {n: {"kept": before[n]} for n, is_kept in self.kept().items() if n in before and before[n] != is_kept}
        if kept:
            changes["snapshots"] = {n: {"kept": None} if value["kept"] else value for n, value in kept.items()}
        return changes


class Record(NamedTuple):
    """One operation. `changes` is a JSON Merge Patch on the state; `whole` the state after it, if carried."""

    number: int
    op: str
    nonce: str
    time: str
    before: str
    changes: Document
    whole: Document | None = None
    undoes: int | None = None
    redoes: int | None = None
    about: str = ""
    digest: str = ""
    size: int = 0

    def to_bytes(self, hash: Hash) -> bytes:
        """One line of canonical JSON, then the hex digest of that line (newline included)."""
        document: dict[str, Json] = {
            "vstore": FORMAT_VERSION,
            "number": self.number,
            "op": self.op,
            "nonce": self.nonce,
            "time": self.time,
            "before": self.before,
            "changes": self.changes,
        }
        if self.whole is not None:
            document["state"] = self.whole
        if self.undoes is not None:
            document["undoes"] = self.undoes
        if self.redoes is not None:
            document["redoes"] = self.redoes
        if self.about:
            document["about"] = self.about
        line = canonical(document) + b"\n"
        return line + hash.digest(line).hex().encode("ascii") + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes, hash: Hash, name: str) -> Record:
        """Read a record.

        Raises: Damage if its digest is not right, FormatTooNew if a later vstore wrote it.
        """
        line, newline, tail = data.partition(b"\n")
        line += newline
        digest = hash.digest(line).hex()
        if tail != digest.encode("ascii") + b"\n":
            raise Damage(f"refs/{name} is damaged: its digest does not fit", "run: vstore repair")
        try:
            document = json.loads(line)
            if document["vstore"] > FORMAT_VERSION:
                raise FormatTooNew(
                    f"refs/{name} was written by a later vstore (format {document['vstore']})", "upgrade vstore"
                )
            for field, kind in (*_FIELDS.items(), *((f, k) for f, k in _OPTIONAL.items() if f in document)):
                if type(document[field]) is not kind:
                    raise TypeError(f"{field} is {document[field]!r}")
            return cls(
                number=document["number"],
                op=document["op"],
                nonce=document["nonce"],
                time=document["time"],
                before=document["before"],
                changes=document["changes"],
                whole=document.get("state"),
                undoes=document.get("undoes"),
                redoes=document.get("redoes"),
                about=document.get("about", ""),
                digest=digest,
                size=len(data),
            )
        except (ValueError, KeyError, TypeError, RecursionError) as err:
            raise Damage(f"refs/{name} is no record: {err!r}", "run: vstore repair") from err


class Manifest(NamedTuple):
    """What a snapshot names: pictures by their aliases, never the places of their vectors."""

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
        """Read a manifest whose digest was checked. Raises: Damage if it is none."""
        try:
            value = json.loads(data)
            return cls(
                value["snapshot"],
                value["space"],
                bytes.fromhex(value["tree"]),
                value["paths"],
                value["images"],
                value["time"],
                value["message"],
                value["parent"],
                value["partial"],
            )
        except (ValueError, KeyError, TypeError, RecursionError) as err:
            raise Damage(f"a manifest cannot be read: {err!r}", "run: vstore check") from err

    def content_id(self, hash: Hash) -> str:
        """The identity of a state: equal format, hash, space and alias tree give equal ids, whatever the history."""
        return content_id(hash, self.space, self.tree)


def content_id(hash: Hash, space: str, tree: bytes) -> str:
    """digest(canonical JSON of [format, hash name, space id, hex of the alias-tree root]), in hex."""
    return hash.digest(canonical([FORMAT_VERSION, hash.name, space, tree.hex()])).hex()


def ends_the_log(record: Record) -> bool:
    """Whether a record is one of the pair with which gc and repair begin the log anew: nothing before it counts."""
    return record.op in ("gc", "repair") and record.whole is not None


def beginning(records: Mapping[int, Record | None]) -> int:
    """The number from which on records count: 0, or that of the newest pair that ends the log.

    What lies before it may be there in part, as its removal is not flushed. records: None for one that is damaged.
    """
    newest = max((number for number, record in records.items() if record and ends_the_log(record)), default=0)
    if newest - 1 in records:
        first = records[newest - 1]
        return newest - 1 if first is None or ends_the_log(first) else newest
    return newest


def operations_in_force(records: Iterator[Record]) -> tuple[list[Record], list[Record], Record | None]:
    """Walk the log, oldest first: what undo would take back, what redo would bring back, the last barrier.

    Returns: undoable records in force, newest last; undone records, newest undo last; the barrier below them.
    Where the log begins in the midst of things, an undo of what is not in it any more is passed over.
    """
    done: list[Record] = []
    undone: list[Record] = []
    barrier: Record | None = None
    for record in records:
        if record.undoes is not None:
            undone += [done.pop()] if done else []
        elif record.redoes is not None:
            done += [undone.pop()] if undone else []
        elif record.op in BARRIERS:
            barrier, done, undone = record, [], []
        elif record.op in UNDOABLE:
            done.append(record)
            undone = []
    return done, undone, barrier
