"""One opened store folder: its format, the state that its log folds to, the snapshots by name, and the commit."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from vstore.clock import now
from vstore.disk import durable
from vstore.disk.durable import Lock
from vstore.disk.oplog import Oplog, Tip
from vstore.errors import (
    AmbiguousSnapshot,
    Damage,
    FormatTooNew,
    ModelError,
    NoStore,
    Refused,
    SnapshotNotFound,
    UsageError,
    VstoreError,
)
from vstore.format.canonical import Document, canonical
from vstore.format.entries import FileRef, Root, Snapshot, Space, listed_packs
from vstore.format.hashing import checksum, store_hash
from vstore.format.layout import DTYPES, FORMAT_VERSION, Layout, record_number
from vstore.format.manifest import Manifest
from vstore.format.recipes import space_id
from vstore.format.records import Record
from vstore.format.relabelling import Absorbed, today
from vstore.format.state import State

if TYPE_CHECKING:
    from vstore.disk.packs import Packs
    from vstore.disk.segments import Rows, Segment
    from vstore.format.pages import Tree

T = TypeVar("T")

RESERVE = 1 << 20  # bytes kept aside, so that gc can write its record on a full disk
COMMIT_WAIT = 10.0  # seconds that a commit waits for another one
_STEP = r"(?P<base>.+)~(?P<up>\d+)"  # compiled when a name is looked up: every command would pay for it
_PAST = r"@\{(\d+)\}"


class Form(NamedTuple):
    """What the file FORMAT says of a store."""

    store: str
    hash: str
    dtype: str

    def to_bytes(self) -> bytes:
        form = {"format": FORMAT_VERSION, "store": self.store, "hash": self.hash, "dtype": self.dtype}
        return canonical({**form, "check": _check(form)}) + b"\n"


def _check(form: Document) -> str:
    """What the file FORMAT holds as `check`, so that rot in it is found too: the checksum of its other fields."""
    return checksum(canonical(form)).hex()


def read_format(folder: Path) -> Form:
    """Read what a store is. Raises: NoStore, FormatTooNew, Damage."""
    path = Layout(folder).format
    try:
        text = durable.read(path)
    except (FileNotFoundError, NotADirectoryError):
        raise NoStore(
            f"there is no store at {folder}", "make one with: vstore init, or name its folder with --store"
        ) from None
    except OSError as err:
        if err.errno not in durable.LOST:
            raise
        raise Damage(f"{path} cannot be read: {err.strerror}", "run: vstore repair") from err
    try:
        value = json.loads(text)
        # A later format keeps `check` as it is: else one flipped bit of the version would read as a later format.
        if (
            value["format"] > FORMAT_VERSION
            and _check({n: v for n, v in value.items() if n != "check"}) == value["check"]
        ):
            raise FormatTooNew(
                f"the store {folder} has format {value['format']}; this vstore reads up to {FORMAT_VERSION}",
                "upgrade vstore: pip install -U vstore-index",
            )
        form = Form(value["store"], store_hash(value["hash"]).name, value["dtype"])
        if form.dtype not in DTYPES or form.to_bytes() != text:
            raise ValueError("it is not what was written")
    except (ValueError, KeyError, TypeError, UsageError) as err:
        raise Damage(f"{path} cannot be read: {err!r}", "run: vstore repair") from err
    return form


class Repository:
    """An open store. Reading takes no lock; `commit` is the one way to change what the store says."""

    def __init__(self, folder: Path, *, damaged: bool = False) -> None:
        """damaged: take the newest sound record even where what it names is missing, so that a check can say all.

        Raises: NoStore, FormatTooNew, Damage.
        """
        self._begin(folder, read_format(folder))
        self._damaged = damaged
        self.reload()

    def _begin(self, folder: Path, form: Form) -> None:
        self.layout = Layout(folder)
        self.store_id = form.store
        self.hash = store_hash(form.hash)
        self.dtype = form.dtype
        self.log = Oplog(self.layout, self.hash)
        self.tip = Tip(State({}), 0, "", 0, 0, 0)
        self._damaged = False
        self._packs: Packs | None = None
        self._segments: dict[str, Segment] = {}

    @classmethod
    def unread(cls, folder: Path, form: Form) -> Repository:
        """A store whose log was not read, for repair: it may hold no sound record."""
        repo = cls.__new__(cls)
        repo._begin(folder, form)
        return repo

    @classmethod
    def create(cls, folder: Path, hash: str = "xxh3_128", dtype: str = "float16") -> Repository:
        """Make an empty store. The name FORMAT appears last, so that half a store is no store.

        A store without any record, whose maker was killed before the first one, is given back as it is.
        Raises: UsageError if there is a store already, or for an unknown hash or dtype; Locked.
        """
        layout = Layout(folder)
        if dtype not in DTYPES:
            raise UsageError(f"unknown store dtype {dtype!r}", f"choose one of: {', '.join(DTYPES)}")
        hash = store_hash(hash).name
        if not layout.format.exists():
            _refuse_other(layout)
        durable.make_folder(folder)
        with durable.trouble(folder.parent), contextlib.suppress(PermissionError):  # a parent that may not be listed
            durable.sync_folder(folder.parent)  # a maker that was killed may not have come to it
        for path in layout.folders():
            durable.make_folder(path)
        with Lock(layout.locks, "ingest") as lock:
            lock.acquire(0.0, "init")
            if layout.format.exists():
                return cls._unfinished(folder, hash, dtype)
            durable.sweep(folder, "ingest")
            durable.write_durably(layout.reserve, [bytes(RESERVE)], "ingest")
            durable.publish(layout.format, Form(durable.nonce(), hash, dtype).to_bytes(), "ingest")
        return cls(folder)

    @classmethod
    def refuse_existing(cls, folder: Path) -> None:
        """Raises: UsageError if there is a store already; one whose maker was killed before a record is none."""
        if Layout(folder).format.exists() and cls(folder).tip.highest:
            raise UsageError(
                f"there is a store at {folder} already",
                "use it, adding the model with: vstore model add NAME; or name another folder with --store",
            )

    @classmethod
    def _unfinished(cls, folder: Path, hash: str, dtype: str) -> Repository:
        try:
            repo = cls(folder)
        except VstoreError:
            repo = None
        if repo is None or repo.tip.highest:
            raise UsageError(f"there is a store at {folder} already", "use it, or name another folder with --store")
        if (repo.hash.name, repo.dtype) != (hash, dtype):
            raise UsageError(
                f"a store was begun at {folder} with --hash {repo.hash.name} --store-dtype {repo.dtype}",
                "go on with these, or remove it: nothing is in it yet",
            )
        return repo

    # What the log says

    @property
    def state(self) -> State:
        return self.tip.state

    @property
    def base(self) -> bytes:
        """The real path of the folder that holds the store."""
        return os.path.realpath(os.fsencode(self.layout.folder.parent))

    def reload(self) -> None:
        """Fold the log anew."""
        self.tip = self.log.load(known=self.tip) if self._damaged else self.log.load(self._missing, self.tip)
        if not self.tip.highest and self._holds_vectors():
            raise Damage(
                f"{self.layout.refs}/ holds no record, but segments/ holds vectors",
                "run: vstore repair",
            )
        self._list_objects()

    def _list_objects(self) -> None:
        """Let go of packs and segments that the log does not list any more."""
        if self._packs is not None:
            self._packs.listing(self.state.packs)
        if self._segments:
            listed = {ref.name for ref in self.state.all_segments()}
            for name in self._segments.keys() - listed:
                del self._segments[name]

    @property
    def packs(self) -> Packs:
        """The packs that the log lists; what reads only the log never asks for them."""
        if self._packs is None:
            from vstore.disk.packs import Packs

            self._packs = Packs(self.layout.packs, self.state.packs, self.hash)
        return self._packs

    def _holds_vectors(self) -> bool:
        folder = self.layout.segments
        return folder.is_dir() and any(name.endswith(".faiss") for name in os.listdir(folder))

    def _missing(self, state: State) -> str | None:
        for kind, folder, refs in (
            ("pack", self.layout.packs, state.packs),
            ("segment", self.layout.segments, state.all_segments()),
        ):
            names = set(os.listdir(folder)) if refs and folder.is_dir() else set()
            for ref in refs:
                if ref.name not in names:
                    return f"the {kind} {ref.name} is missing"
        return None

    def reading(self, read: Callable[[], T]) -> T:
        """Run something that only reads; where an object was collected meanwhile, start anew from the newest record.

        Raises: Damage if an object is missing although nobody has changed the store.
        """
        while True:
            try:
                return read()
            except FileNotFoundError as err:
                if not self._is_ours(err.filename):
                    raise
                highest = self.tip.highest
                self.reload()
                if self.tip.highest == highest:
                    raise Damage(f"{err.filename} is missing", "run: vstore check") from err

    def _is_ours(self, file: str | bytes | None) -> bool:
        return file is not None and Path(os.fsdecode(file)).is_relative_to(self.layout.folder)

    # Snapshots

    def snapshot(self, name: str) -> Snapshot:
        """Find a snapshot by v-number, id prefix, tag, `current`, `latest`, `X~2` or `@{3}`.

        Raises: SnapshotNotFound, AmbiguousSnapshot.
        """
        step = re.fullmatch(_STEP, name) if "~" in name else None
        if step:
            found = self.snapshot(step["base"])
            for _ in range(int(step["up"])):
                parent = found.parent and self.state.snapshot(found.parent)
                if not parent or not parent.kept:
                    raise self._not_found(name)
                found = parent
            return found
        if not name:
            raise self._not_found(name)
        if name == "current":
            if self.state.current is None and self.state.snapshots():
                raise SnapshotNotFound("no snapshot is current", "make one so with: vstore rollback SNAP")
            return self._kept(self.state.current, name)
        if name == "latest":
            kept = self.state.snapshots()
            return self._kept(kept[0].name if kept else None, name)
        past = re.fullmatch(_PAST, name) if name.startswith("@") else None
        if past:
            values = self._past_currents()
            back = int(past[1])
            return self._kept(values[-1 - back] if back < len(values) else None, name)
        if name in self.state.tags:
            return self._kept(self.state.tags[name], name)
        if name[0] in "vV" and name[1:].isascii() and name[1:].isdigit():
            return self._kept(f"v{int(name[1:])}", name)
        if re.fullmatch(r"[0-9a-fA-F]{4,}", name):
            fitting = [s for s in self.state.snapshots() if s.id.startswith(name.lower())]
            if len({s.id for s in fitting}) > 1:
                listed = ", ".join(f"{s.name} ({s.id[:12]})" for s in fitting)
                raise AmbiguousSnapshot(f"{name!r} may mean {listed}", "give more digits, or the name")
            if fitting:
                return fitting[0]
        raise self._not_found(name)

    def _kept(self, name: str | None, wanted: str) -> Snapshot:
        found = self.state.snapshot(name) if name else None
        if found is None or not found.kept:
            raise self._not_found(wanted)
        return found

    def _not_found(self, wanted: str) -> SnapshotNotFound:
        kept = len(self.state.snapshots())
        if not kept:
            return SnapshotNotFound("this store has no snapshot yet", "make one with: vstore sync FOLDER")
        return SnapshotNotFound(
            f"no snapshot {wanted!r} among the {kept} kept here", "list them with: vstore snapshot list"
        )

    def _past_currents(self) -> list[str | None]:
        values: list[str | None] = []
        for record in self.records():
            if record.whole is not None and not values and record.whole.get("current"):
                values.append(record.whole["current"])
            elif "current" in record.changes:
                values.append(record.changes["current"])
        return values

    def manifest(self, snapshot: Snapshot) -> Manifest:
        return Manifest.from_bytes(self.packs.get(snapshot.manifest))

    def tree(self, snapshot: Snapshot | None) -> Tree:
        """The aliases of a snapshot as it names them; of None, none."""
        from vstore.format.pages import Tree

        if snapshot is None:
            return Tree.empty(self.hash, self.packs.get)
        return Tree(self.hash, self.packs.get, self.manifest(snapshot).tree)

    def mapped_tree(self, snapshot: Snapshot | None, absorbed: Absorbed | None = None) -> Tree:
        """The aliases of a snapshot as they are called today: labels that a wider root absorbed are mapped."""
        tree = self.tree(snapshot)
        absorbed = self.state.absorbed if absorbed is None else absorbed
        edits: dict[bytes, bytes | None] = {}
        for label in absorbed:
            for path, key in tree.under(os.fsencode(label)):
                edits[path] = None
                edits[today(path, absorbed)] = key
        return tree.edited(edits)

    def today(self, path: bytes) -> bytes:
        """What a stored path is called now that a wider root may have absorbed its root."""
        return today(path, self.state.absorbed)

    # Roots, spaces, segments

    def place(self, root: Root) -> bytes:
        """The absolute path of a root."""
        return os.path.normpath(os.path.join(self.base, root.place)) if root.relative else root.place

    def file_of(self, path: bytes) -> bytes | None:
        """The absolute path of a stored path, or None if its root is not known any more."""
        label, _, rest = self.today(path).partition(b"/")
        root = self.state.roots.get(os.fsdecode(label))
        return os.path.join(self.place(root), rest) if root else None

    def space(self, wanted: str) -> Space:
        """Find a space by name, or by id or a prefix of it (6 or more). Raises: UsageError."""
        spaces = self.state.spaces
        found = [s for s in spaces.values() if s.name == wanted or (len(wanted) >= 6 and s.id.startswith(wanted))]
        if len(found) != 1:
            names = ", ".join(sorted(s.name for s in spaces.values())) or "none"
            raise UsageError(f"no space {wanted!r} in this store", f"the spaces here are: {names}")
        return found[0]

    def recipe(self, space: str) -> dict[str, Any]:
        """The recipe of a space. Raises: Damage; ModelError where the log knows that it is lost."""
        found = self.state.spaces[space]
        if not found.recipe:
            raise ModelError(
                f"the recipe of the space {found.name!r} is lost: nothing can be embedded beside its vectors",
                how_to_give(found),
            )
        value: dict[str, Any] = json.loads(self.packs.get(found.recipe))
        return value

    def segment(self, ref: FileRef) -> Segment:
        """Open a segment, once. Raises: Damage, FileNotFoundError."""
        if ref.name not in self._segments:
            from vstore.disk.segments import Segment

            self._segments[ref.name] = Segment(self.layout.segments, ref)
        return self._segments[ref.name]

    # Changing

    def write_segment(
        self, space: str, keys: Sequence[bytes], blocks: Iterable[Rows], *, when: int | None = None
    ) -> FileRef:
        """Write vectors of a space as a segment that no record lists yet. The caller holds `ingest`.

        keys:   n distinct keys, row by row; at least one.
        blocks: (m, dim) each in the store's dtype, as `rounded` gives them; n rows in all.
        when:   seconds since 1970, UTC; now, where nothing is said.
        Raises: DiskTrouble, ReadOnly, MissingPackage.
        """
        from vstore.disk.segments import write_segment

        moment = int(time.time()) if when is None else when
        folder = self.layout.segments
        return write_segment(folder, space, keys, blocks, dtype=self.dtype, time=moment, lock="ingest")

    def lock(self, name: str) -> Lock:
        return Lock(self.layout.locks, name)

    @contextlib.contextmanager
    def committing(self, command: str) -> Iterator[None]:
        """Hold `commit`, with the newest state loaded.

        Raises: Locked after ten seconds; Damage if the newest record is not sound, as nothing may be built on it.
        """
        with self.lock("commit") as lock:
            lock.acquire(COMMIT_WAIT, command)
            self.reload()
            self.refuse_unsound()
            durable.sweep(self.layout.refs, "commit")
            durable.sweep(self.layout.packs, "commit")
            durable.sweep(self.layout.cache, "cache")  # a writer that is at work loses no more than its cache file
            yield

    def sweep(self) -> None:
        """Remove what earlier holders of `ingest` left half-written. The caller holds it."""
        for folder in (self.layout.folder, self.layout.segments, self.layout.packs):
            durable.sweep(folder, "ingest")
        durable.sweep(self.layout.catalogue, "cache")

    def refuse_held(self) -> None:
        """Raises: Refused if syncing is held since a rollback: nothing may make another snapshot current."""
        if self.state.hold is not None:
            raise Refused(
                f"syncing is held at {self.state.hold} since a rollback", "go on with: vstore rollback --release"
            )

    def refuse_unsound(self) -> None:
        """Raises: Damage if the newest record is not sound: nothing may be built on it."""
        if self.tip.complaint:
            raise Damage(self.tip.complaint, "run: vstore repair")

    def publish(
        self,
        op: str,
        changes: Document,
        *,
        undoes: int | None = None,
        redoes: int | None = None,
        about: str = "",
        whole: bool = False,
    ) -> None:
        """Publish a record. The caller is inside `committing`, and all that the changes name is durable.

        whole: let it carry the whole state in any case.
        """
        self.tip = self.log.append(self.tip, op, changes, now(), undoes=undoes, redoes=redoes, about=about, whole=whole)
        self._list_objects()

    def add_space(
        self,
        recipe: Mapping[str, Any],
        name: str,
        status: str = "verified",
        place: Mapping[str, Any] | None = None,
        probes: bytes = b"",
    ) -> None:
        """Tell the log of a space, with its recipe; the first one is where the first sync starts.

        place:  where its model is now; one that is there already gets it anew. probes: the vectors of its probes.
        status: of one that is new; another keeps its own.
        Raises: UsageError if the name is another space's.
        """
        data = canonical(recipe)
        space, digest = space_id(recipe), self.hash.digest(data)
        with self.committing("init"):
            old = self.state.spaces.get(space)
            taken = next((s for s in self.state.spaces.values() if s.name == name and s.id != space), None)
            if taken is not None:
                raise UsageError(f"the name {name!r} is that of another space", "choose another name")
            blobs = {digest: data, **({self.hash.digest(probes): probes} if probes else {})}
            proofs = self.hash.digest(probes) if probes else b""
            # Where its model lies proves nothing of the vectors that a space has.
            entry = Space(space, name, old.status if old else status, digest, recipe["dim"], place or {}, proofs)
            if old is not None and (not place or old == entry):
                lost = {digest: blob for digest, blob in blobs.items() if not self._has_blob(digest)}
                if lost:  # as repair said: they are the same again
                    again = {} if old.recipe else {"spaces": {space: {"recipe": digest.hex()}}}
                    self.publish("model add", {"packs": self.add_pack(lost), **again}, about=name)
                return
            changes: dict[str, Any] = {"spaces": {space: entry.to_json()}, "packs": self.add_pack(blobs)}
            if old is not None:
                # A merge patch would keep what the new place does not name.
                gone = {word: None for word in old.place if word not in entry.place}
                changes["spaces"][space]["place"] = {**entry.place, **gone}
            if self.state.start_space is None:
                changes["start_space"] = space
            self.publish("init" if self.tip.number == 0 else "model add", changes, about=name)

    def _has_blob(self, digest: bytes) -> bool:
        try:
            self.packs.get(digest)
        except Damage:
            return False
        return True

    def add_pack(self, blobs: Mapping[bytes, bytes]) -> dict[str, Any]:
        """Write a pack and return what the changes of the record to come say of packs."""
        from vstore.disk.packs import write_pack

        return listed_packs([write_pack(self.layout.packs, self.hash, blobs, "commit")])

    def records(self) -> Iterator[Record]:
        """The records up to the newest sound one, oldest first."""
        return self.log.records(self.tip.number)

    def close(self) -> None:
        if self._packs is not None:
            self._packs.close()
            self._packs = None
        self._segments.clear()


def how_to_give(space: Space) -> str:
    """What brings the recipe of a space back."""
    return (
        f"add the same model again: vstore model add {space.name} --model MODEL; or, where its vectors were imported "
        "without a model, import the same index again"
    )


def _refuse_other(layout: Layout) -> None:
    """A store must neither be strewn among the files of somebody else nor be made over one that lost its FORMAT."""
    folder = layout.folder
    try:
        names = set(os.listdir(folder))
    except FileNotFoundError:
        if not folder.parent.is_dir():
            raise UsageError(f"there is no folder {folder.parent} to make a store in", "make it first") from None
        return
    except NotADirectoryError:
        raise UsageError(f"{folder} is not a folder", "name a new or an empty one") from None
    own = {path.name for path in (*layout.folders(), layout.catalogue, layout.reserve)}
    others = sorted(name for name in names - own if not name.startswith(durable.TEMPORARY))
    if others:
        raise UsageError(f"{folder} is no store, and holds {others[0]!r}", "name a new or an empty folder")
    if layout.refs.is_dir() and any(record_number(name) is not None for name in os.listdir(layout.refs)):
        raise Damage(f"{layout.format} is missing, although the store has records", "restore it from a backup")
