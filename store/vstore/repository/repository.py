"""An open store: the state of its log, its snapshots by name, its objects, and the commit."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from vstore import clock
from vstore.clock import now
from vstore.disk import durable
from vstore.disk.inside import layout_of, names_if_any
from vstore.disk.long_folders import first_absent, look, note, recall
from vstore.disk.oplog import Oplog, Tip
from vstore.disk.owner import User
from vstore.errors import (
    Damage,
    MigrationNeeded,
    ModelError,
    NoStore,
    Refused,
    StoreGone,
)
from vstore.format.canonical import Document, Json
from vstore.format.entries import FileRef, Root, Snapshot, Space, listed_packs
from vstore.format.hashing import store_hash
from vstore.format.listing import Listing
from vstore.format.records import Record
from vstore.format.relabelling import Labels, labels_in, today
from vstore.format.state import State
from vstore.repository.form import Form, read_form
from vstore.repository.names import Past, find_snapshot, find_space
from vstore.repository.ownership import caches_for, refuse_foreign

if TYPE_CHECKING:
    from typing import Unpack

    from vstore.disk.catalogue import Catalogue
    from vstore.disk.lock import Lock
    from vstore.disk.named_places import NamedPlaces
    from vstore.disk.packs import Packs
    from vstore.disk.segments import Rows, Segment
    from vstore.format.history import History, Line
    from vstore.format.manifest import Manifest
    from vstore.format.tree import Tree
    from vstore.format.typed_words import RecordWords
    from vstore.pictures.scan_options import ScanOptions

T = TypeVar("T")

# What a system says of a disk that was taken away from under a path.
_AWAY = {errno.ESTALE, errno.ENOTCONN, errno.ENODEV, errno.ENXIO}
COMMIT_WAIT = 10.0  # seconds that a commit waits for another one


class Repository:
    """An open store. Reading takes no lock; `committing` and `publish` are the one way to change its state."""

    def __init__(self, folder: Path, *, damaged: bool = False, user: User | None = None) -> None:
        """
        damaged: take the newest sound record even if its objects are missing: a check must tell everything.
        user:    the user for whom it is opened; by default one who trusts no other.
        Raises:  NoStore, FormatTooNew, Damage.
        """
        self._begin(folder, read_form(folder), user or User())
        self._damaged = damaged
        self.reload()

    def _begin(self, folder: Path, form: Form, user: User) -> None:
        self.user = user
        self.layout = layout_of(folder, caches_for(layout_of(folder), form.store, user))
        self.format = form.format
        self.store_id = form.store
        self.hash = store_hash(form.hash)
        self.dtype = form.dtype
        self.log = Oplog(self.layout, self.hash)
        self.tip = Tip(State({}))
        self._damaged = False
        self._packs: Packs | None = None
        self._segments: dict[str, Segment] = {}
        self._listing: Listing | None = None
        self._held: dict[str, Lock] = {}

    @cached_property
    def named_places(self) -> NamedPlaces:
        """The folders of pictures that the user named for this store."""
        from vstore.disk.named_places import NamedPlaces  # what only looks at snapshots follows no place

        return NamedPlaces.of_user(self.user.config_folder())

    @cached_property
    def usual(self) -> ScanOptions:
        """The user's options for folders that keep none of their own. Raises: UsageError."""
        from vstore.pictures.scan_options import ScanOptions

        usual = ScanOptions.of_user(self.user.usual or {})
        return usual if self.format > 1 else usual._replace(accept_truncated=0)  # its marks need format 2

    def scan_options(self, root: Root) -> ScanOptions:
        """Find the options with which a folder is scanned: those kept with it, else the user's usual ones."""
        from vstore.pictures.scan_options import ScanOptions

        return ScanOptions.from_json(root.options).filled(self.usual)

    @classmethod
    def unread(cls, folder: Path, form: Form, user: User, *locks: Lock) -> Repository:
        """Open a store without reading its log, for repair: it may hold no sound record. locks: held for it."""
        repo = cls.__new__(cls)
        repo._begin(folder, form, user)
        repo._held = {lock.name: lock for lock in locks}
        return repo

    def beside(self) -> Repository:
        """Open the same store once more, for another thread. Shares with this one what never changes.

        Raises: as `reload`.
        """
        form = Form(self.store_id, self.hash.name, self.dtype, self.format)
        repo = Repository.unread(self.layout.folder, form, self.user)
        repo._damaged = self._damaged
        repo._segments = self._segments
        repo.named_places = self.named_places
        repo.tip = self.tip
        repo.reload()
        return repo

    def refuse_gone(self) -> Form:
        """Refuse if the folder no longer holds the store that was opened.

        Returns: its form. Raises: StoreGone, FormatTooNew, Damage.
        """
        folder = self.layout.folder
        try:
            form = read_form(folder)
        except (NoStore, OSError) as err:
            if isinstance(err, OSError) and err.errno not in _AWAY:
                raise
            raise StoreGone(
                f"the store {folder} is gone since it was opened",
                "mount its disk again, or open the store at its new place",
            ) from err
        if form.store != self.store_id:
            if not self.log.has(self.tip):
                raise StoreGone(
                    f"another store lies at {folder} now than the one that was opened there",
                    "open it again, or open the other one at its new place",
                )
            self.store_id = form.store  # a repair wrote FORMAT again, and found no other id
        return form

    def refuse_lost_locks(self) -> None:
        """Refuse to change the store if a lock that is held for it was removed. Raises: LockLost."""
        for lock in list(self._held.values()):
            lock.refuse_lost()

    # What the log says

    @property
    def state(self) -> State:
        """The newest state."""
        return self.tip.state

    @property
    def listing(self) -> Listing:
        """All snapshots of the newest state."""
        if self._listing is None or self._listing.state is not self.state:
            self._listing = self.listing_of(self.state)
        return self._listing

    def listing_of(self, state: State) -> Listing:
        """List the snapshots of any state of this store since the last gc."""
        return Listing(state, self.hash, self._blob)

    def _blob(self, digest: bytes) -> bytes:
        return self.packs.get(digest)

    @property
    def base(self) -> bytes:
        """The real path of the store's parent folder."""
        return os.path.realpath(os.fsencode(self.layout.folder.parent))

    def reload(self) -> None:
        """Fold the log again. Raises: StoreGone, Damage."""
        self.refuse_gone_to_readers()
        self.tip = self.log.load(known=self.tip) if self._damaged else self.log.load(self._missing, self.tip)
        if not self.tip.highest:
            self.refuse_gone_to_readers()  # it may have gone meanwhile
        self.format = max(self.format, self.tip.format)  # it may have been migrated since it was opened
        if not self.tip.highest and self._holds_vectors():
            raise Damage(
                f"{self.layout.refs}/ holds no record, but segments/ holds vectors",
                "run: vstore repair",
            )
        self._list_objects()

    def refuse_gone_to_readers(self) -> None:
        """Refuse, as `refuse_gone`, even if FORMAT is damaged now. Raises: StoreGone, FormatTooNew."""
        with contextlib.suppress(Damage):  # of FORMAT: what is read proves itself, and a writer is refused
            self.refuse_gone()

    def _list_objects(self) -> None:
        """Close packs and segments no longer in the log."""
        if self._packs is not None:
            self._packs.listing(self.state.packs)
        if self._segments:
            listed = {ref.name for ref in self.state.all_segments()}
            for name in [name for name in list(self._segments) if name not in listed]:
                self._segments.pop(name, None)

    @property
    def packs(self) -> Packs:
        """The packs of the log, opened by their first use."""
        if self._packs is None:
            from vstore.disk.packs import Packs

            self._packs = Packs(self.layout.packs, self.state.packs, self.hash)
        return self._packs

    def _holds_vectors(self) -> bool:
        return any(name.endswith(".faiss") for name in names_if_any(self.layout.segments))

    def _missing(self, state: State) -> str | None:
        for kind, folder, refs in (
            ("pack", self.layout.packs, state.packs),
            ("segment", self.layout.segments, state.all_segments()),
        ):
            name = first_absent(folder, (ref.name for ref in refs)) if refs else None
            if name is not None:
                return f"the {kind} {name} is missing"
        return None

    def reading(self, read: Callable[[], T]) -> T:
        """Run a function that only reads. If an object was collected meanwhile, run it again on the newest record.

        Raises: Damage if an object is missing although nobody has changed the store.
        """
        while True:
            try:
                return read()
            except FileNotFoundError as err:
                self.catch_up(err)

    def catch_up(self, err: FileNotFoundError) -> None:
        """Load the newest record, as an object was collected meanwhile. err: says which; others are raised again.

        Raises: Damage if nobody has changed the store.
        """
        if not self._is_ours(err.filename):
            raise err
        highest = self.tip.highest
        self.reload()
        if self.tip.highest == highest:
            raise Damage(f"{err.filename} is missing", "run: vstore check") from err

    def _is_ours(self, file: str | bytes | None) -> bool:
        return file is not None and Path(os.fsdecode(file)).is_relative_to(self.layout.folder)

    # Snapshots

    def snapshot(self, name: str) -> Snapshot:
        """Find a snapshot by any of its names. Raises: SnapshotNotFound, AmbiguousSnapshot."""
        return find_snapshot(self.listing, name, Past(self._values_of_current, self._lines, clock.seconds))

    def _values_of_current(self) -> Iterator[str | None]:
        from vstore.format.log_lines import values_of_current  # most names need no history

        return values_of_current(self.records_backwards(), self._history())

    def _lines(self) -> Iterator[Line]:
        """Yield the lines of the log, newest first, as far as it can be read; gc ends undo, not memory."""
        from vstore.format.log_lines import lines_of

        yield from lines_of([*self.records_backwards()][::-1])[::-1]
        yield from self._history().newest()

    def _history(self) -> History:
        from vstore.format.history import History

        return History(self.hash, self._blob, self.state.root("history"))

    def manifest(self, snapshot: Snapshot) -> Manifest:
        """Read the manifest of a snapshot. Raises: Damage."""
        from vstore.format.manifest import Manifest

        return Manifest.from_bytes(self.packs.get(snapshot.manifest))

    def tree(self, snapshot: Snapshot | None) -> Tree:
        """Open the aliases of a snapshot as it lists them; of None, an empty tree."""
        from vstore.format.tree import Tree

        if snapshot is None:
            return Tree.empty(self.hash, self.packs.get)
        return Tree(self.hash, self.packs.get, self.manifest(snapshot).tree)

    def mapped_tree(self, snapshot: Snapshot | None, state: State | None = None) -> Tree:
        """Open the aliases of a snapshot under their present names.

        Whatever is made current goes out from these: a label must mean the same folder in it as today.
        state: the state whose names they are, instead of the newest.
        """
        tree = self.tree(snapshot)
        labels = self.labels_in(snapshot, state)
        gone: dict[bytes, bytes | None] = {}
        come: dict[bytes, bytes | None] = {}
        for label in labels.moved:
            for path, key in tree.under(os.fsencode(label)):
                gone[path] = None
                come[labels.today(path)] = key
        return tree.edited({**gone, **come})

    def labels_in(self, snapshot: Snapshot | None, state: State | None = None) -> Labels:
        """Find the present names of the labels of a snapshot, or (None) of one that is made now.

        state: the state whose names they are, instead of the newest.
        """
        number = snapshot.number if snapshot is not None and snapshot.is_own else None
        return labels_in(self.state if state is None else state, number)

    def today(self, path: bytes) -> bytes:
        """Give the present name of a stored path: a wider folder may have absorbed its folder."""
        return today(path, self.state.absorbed)

    # Roots, spaces, segments

    def place(self, root: Root) -> bytes:
        """Give the absolute path of a synced folder."""
        return os.path.normpath(os.path.join(self.base, root.place) if root.relative else root.place)

    def file_finder(self, snapshot: Snapshot | None) -> Callable[[bytes], bytes | None]:
        """Give a function that finds the absolute path of a path of a snapshot; None if its folder is no longer known.

        The folders are looked up once.
        """
        labels = self.labels_in(snapshot)
        places = {os.fsencode(label): self.place(root) for label, root in self.state.roots.items()}

        def file_of(path: bytes) -> bytes | None:
            label, _, rest = labels.today(path).partition(b"/")
            place = places.get(label)
            return None if place is None else os.path.join(place, rest)

        return file_of

    def space(self, wanted: str) -> Space:
        """Find a space by name, id or prefix of an id. Raises: UsageError."""
        return find_space(self.state, wanted)

    def recipe(self, space: str) -> dict[str, Any]:
        """Read the recipe of a space. Raises: Damage; ModelError if the log has it as lost."""
        found = self.state.spaces[space]
        if not found.recipe:
            raise ModelError(
                f"the recipe of the space {found.name!r} is lost: nothing can be embedded beside its vectors",
                how_to_give(found),
            )
        from vstore.format.recipes import recipe_of

        return recipe_of(self.packs.get(found.recipe))

    def segment(self, ref: FileRef) -> Segment:
        """Open a segment, once. Raises: Damage, FileNotFoundError."""
        found = self._segments.get(ref.name)  # other threads have this table, too
        if found is None:
            from vstore.disk.segments import Segment

            segment = Segment(self.layout.segments, ref)
            made, ours = (segment.footer.dtype, segment.footer.key_size), (self.dtype, self.hash.size)
            if made != ours:
                has, wants = (f"{dtype} rows and keys of {size} bytes" for dtype, size in (made, ours))
                raise segment.damage(f"it has {has}, where {wants} belong")
            found = self._segments.setdefault(ref.name, segment)
        return found

    def catalogue(self, *, write: bool) -> Catalogue | None:
        """Open the catalogue. Returns: None for a missing or unusable one.

        write:  the caller holds `ingest`; a missing or unusable catalogue is made again.
        Raises: DiskTrouble if a new one cannot be made.
        """
        from vstore.disk.catalogue import Catalogue

        is_foreign = self.layout.caches is not None
        return Catalogue.open(self.layout.catalogue, self.store_id, write=write, foreign=is_foreign)

    # Changing

    def write_segment(
        self, space: str, keys: Sequence[bytes], blocks: Iterable[Rows], *, when: int | None = None
    ) -> FileRef:
        """Write vectors of a space as a segment, unlisted as yet. The caller holds `ingest`.

        keys:   n distinct keys, row by row; at least one.
        blocks: (m, dim) each in the store's dtype, as `rounded` gives them; n rows in all.
        when:   seconds since 1970, UTC; None for now.
        Raises: DiskTrouble, ReadOnly, MissingPackage.
        """
        from vstore.disk.segment_writer import write_segment

        moment = int(time.time()) if when is None else when
        folder = self.layout.segments
        return write_segment(folder, space, keys, blocks, dtype=self.dtype, time=moment, lock="ingest")

    def lock(self, name: str) -> Lock:
        """Name a lock of this store. It is not taken yet."""
        from vstore.disk.lock import Lock

        return Lock(self.layout.locks, name, confirm=self.refuse_writing, held=self._held)

    def refuse_writing(self) -> None:
        """Refuse to change the store if it is gone, or another user's. Raises: StoreGone, ForeignStore, Damage."""
        self.refuse_gone()
        refuse_foreign(self.layout, self.user)

    @contextlib.contextmanager
    def committing(self, command: str) -> Iterator[None]:
        """Hold `commit`, with the newest state loaded.

        Raises: Locked after ten seconds; Damage if the newest record is not sound: nothing may be built on it.
        """
        with self.lock("commit") as lock:
            lock.acquire(COMMIT_WAIT, command)
            # A migration may have been killed before its record.
            self.format = self.refuse_gone().format
            self.reload()
            self.refuse_unsound()
            self._sweep(self.layout.refs, "commit")
            self._sweep(self.layout.packs, "commit")
            durable.sweep(self.layout.own_cache, "cache")  # a writer at work loses its cache file at worst
            yield

    def sweep(self) -> None:
        """Remove the half-written files of earlier holders of `ingest`. The caller holds it."""
        folders = [self.layout.folder, self.layout.segments, self.layout.packs]
        if os.path.lexists(self.layout.indexes):  # few stores have parts of indexes
            from vstore.disk.index_parts import part_folders

            folders += part_folders(self.layout)
        for folder in folders:
            self._sweep(folder, "ingest")
        durable.sweep(self.layout.catalogue, "cache")

    def _sweep(self, folder: Path, lock: str) -> None:
        cache = self.layout.cache
        with contextlib.suppress(FileNotFoundError):
            if recall(cache, folder) is None:
                seen = look(folder)
                note(cache, folder, seen, durable.sweep(folder, lock))

    def refuse_held(self) -> None:
        """Refuse to make another snapshot current while syncing is held since a rollback. Raises: Refused."""
        if self.state.hold is not None:
            raise Refused(
                f"syncing is held at {self.state.hold} since a rollback", "go on with: vstore rollback --release"
            )

    def refuse_unsound(self) -> None:
        """Refuse to build on an unsound newest record. Raises: Damage."""
        if self.tip.complaint:
            raise Damage(self.tip.complaint, "run: vstore repair")

    def publish(
        self, op: str, changes: Document, *, blobs: Mapping[bytes, bytes] | None = None, **words: Unpack[RecordWords]
    ) -> None:
        """Publish a record. The caller is inside `committing`, and all files named by the changes are durable.

        changes: as if the state held all snapshots, whatever the format.
        blobs:   blobs named by the changes, by digest: they are written first, as one pack.
        words:   more of the record.
        Raises: CommitRace, DiskTrouble, ReadOnly; Damage if the list of snapshots is.
        """
        changes, pages = self.settled({**changes, **self.retired_by(changes)})
        packs = self.write_blobs({**(blobs or {}), **pages})
        if packs:
            changes = {**changes, "packs": {**changes.get("packs", {}), **packs}}
        self.append(op, changes, **words)

    def retired_by(self, changes: Document) -> dict[str, Json]:
        """Give the changes of the folders that labels had, if the folders that they have change."""
        if self.format < 2 or not ("roots" in changes or "absorbed" in changes):
            return {}
        from vstore.format.retiring import retiring  # few records change folders

        def absolute(place: bytes, relative: bool) -> bytes:
            return self.place(Root("", place, relative))

        labels = {*changes.get("roots", {}), *changes.get("absorbed", {})}
        retired = retiring(self.state, self.state.after(changes), labels, absolute)
        return {"retired": retired} if retired else {}

    def after_folders(self, changes: Document) -> State:
        """Give the state after changes of the folders."""
        return self.state.after({**changes, **self.retired_by(changes)})

    def append(self, op: str, changes: Document, **words: Unpack[RecordWords]) -> None:
        """Publish a record of changes as the format of this store records them: see `publish`."""
        self.refuse_lost_locks()
        self.tip = self.log.append(self.tip, op, changes, now(), format=self.format, **words)
        self._list_objects()

    def write_blobs(self, blobs: Mapping[bytes, bytes]) -> dict[str, Json]:
        """Write blobs as one pack. Returns: the changes of `packs` for the record. Raises: DiskTrouble, ReadOnly."""
        if not blobs:
            return {}
        from vstore.disk.pack_writer import write_pack

        return listed_packs([write_pack(self.layout.packs, self.hash, blobs, "commit")])

    def settled(self, changes: Document) -> tuple[Document, dict[bytes, bytes]]:
        """Give changes as the format of this store records them, and the blobs that they name. Raises: Damage."""
        return (changes, {}) if self.format == 1 else self.listing.settled(changes)

    def require_format_2(self, what: str) -> None:
        """Refuse what a store of format 1 cannot hold. Raises: MigrationNeeded."""
        if self.format < 2:
            raise MigrationNeeded(f"{what} need store format 2, and this store has format 1", "run: vstore migrate")

    def records(self) -> Iterator[Record]:
        """Read the records up to the newest sound one, oldest first. Raises: Damage, FileNotFoundError."""
        return self.log.records(self.tip.number)

    def records_backwards(self) -> Iterator[Record]:
        """Read the records up to the newest sound one, newest first, as far as the log is whole. Raises: Damage."""
        return self.log.backwards(self.tip.number)

    def close(self) -> None:
        """Close all packs and segments. The store can still be used: they open again."""
        if self._packs is not None:
            self._packs.close()
            self._packs = None
        self._segments = {}


def how_to_give(space: Space) -> str:
    """Say how to bring back the recipe of a space."""
    from vstore.embed.model_words import Words

    return (
        f"add the same model again: {Words.from_json(space.place).command(space.name)}; or, if its vectors were "
        "imported without a model, import the same index again"
    )
