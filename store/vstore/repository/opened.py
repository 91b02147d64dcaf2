"""An open store at a state of its log: how it is opened, read again and closed."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from vstore.disk.inside import layout_of, names_if_any
from vstore.disk.long_folders import first_absent
from vstore.disk.oplog import Oplog, Tip
from vstore.disk.owner import User
from vstore.errors import Damage, NoStore, StoreGone
from vstore.format.hashing import store_hash
from vstore.format.listing import Listing
from vstore.format.records import Record
from vstore.format.state import State
from vstore.repository.form import Form, read_form
from vstore.repository.ownership import caches_for

if TYPE_CHECKING:
    from typing import Self

    from vstore.disk.lock import Lock
    from vstore.disk.named_places import NamedPlaces
    from vstore.disk.packs import Packs
    from vstore.disk.segments import Segment
    from vstore.pictures.scan_options import ScanOptions

T = TypeVar("T")

# What a system says of a disk that was taken away from under a path.
_AWAY = {errno.ESTALE, errno.ENOTCONN, errno.ENODEV, errno.ENXIO}


class OpenedStore:
    """An open store at a state of its log. Reading takes no lock."""

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

    @classmethod
    def unread(cls, folder: Path, form: Form, user: User, *locks: Lock) -> Self:
        """Open a store without reading its log, for repair: it may hold no sound record. locks: held for it."""
        repo = cls.__new__(cls)
        repo._begin(folder, form, user)
        repo._held = {lock.name: lock for lock in locks}
        return repo

    def beside(self) -> Self:
        """Open the same store once more, for another thread. Shares with this one what never changes.

        Raises: as `reload`.
        """
        form = Form(self.store_id, self.hash.name, self.dtype, self.format)
        repo = self.unread(self.layout.folder, form, self.user)
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
