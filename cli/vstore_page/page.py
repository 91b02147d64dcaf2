"""The store, its open snapshots and its pictures, as the views of the page share them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vstore import ModelError, UsageError
from vstore_page.folders import Folders
from vstore_page.kept import Kept
from vstore_page.uploads import Uploads

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from vstore import Store, View

_OPEN = 3  # snapshots that are kept open: each takes some 100 bytes for each picture


class Page:
    """A store that is shown, to several threads at once.

    store:     the store.
    can_write: the page may change it.
    previews:  the pictures, small and large.
    uploads:   the pictures that clients look for.
    folders:   the folders of snapshots.
    is_closing: the page ends: what takes long is to end, too.
    """

    def __init__(self, store: Store, *, can_write: bool = False, device: str = "auto", offline: bool = False) -> None:
        """device, offline: for the model of a query, as in `Store.view`."""
        self.store = store
        self.can_write = can_write
        self.previews = store.previews()
        self.uploads = Uploads(self.previews)
        self.folders = Folders()
        self._device, self._offline = device, offline
        self._views: Kept[str, View] = Kept(_OPEN)
        self.is_closing = False

    def view(self, at: str = "current") -> View:
        """Open a snapshot, or find it open. One that is let go of ends with its last use.

        Raises: SnapshotNotFound, AmbiguousSnapshot, UsageError, Damage.
        """
        name = self.store.snapshot_named(at).snapshot
        return self._views.of(name, lambda: self._open(name))

    def _open(self, name: str) -> View:
        # Pictures that clients send are decoded in a process of its own.
        return self.store.view(name, device=self._device, offline=self._offline, isolate_decoding=True)

    def reads_text(self, space: str) -> bool:
        """Tell whether a space may be asked with words. A space that was dropped may not."""
        try:
            return self.store.model_show(space).reads_text
        except (UsageError, ModelError):
            return False

    def close(self) -> None:
        """Let go of the snapshots, and end the processes that decode."""
        self.is_closing = True
        self.previews.close()
        self._views.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
