"""The objects that the log of an open store names: snapshots and their trees, folders, spaces, segments."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from vstore import clock
from vstore.errors import ModelError
from vstore.format.entries import FileRef, Root, Snapshot, Space
from vstore.format.state import State
from vstore.repository.opened import OpenedStore

if TYPE_CHECKING:
    from vstore.disk.catalogue import Catalogue
    from vstore.disk.segments import Segment
    from vstore.format.history import History, Line
    from vstore.format.manifest import Manifest
    from vstore.format.relabelling import Labels
    from vstore.format.tree import Tree
    from vstore.pictures.scan_options import ScanOptions


class Objects(OpenedStore):
    """The snapshots, folders, spaces and segments of an open store."""

    # Snapshots

    def snapshot(self, name: str) -> Snapshot:
        """Find a snapshot by any of its names. Raises: SnapshotNotFound, AmbiguousSnapshot."""
        from vstore.repository.names import Past, find_snapshot

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
        from vstore.format.relabelling import labels_in

        return labels_in(self.state if state is None else state, number)

    def today(self, path: bytes) -> bytes:
        """Give the present name of a stored path: a wider folder may have absorbed its folder."""
        from vstore.format.relabelling import today

        return today(path, self.state.absorbed)

    # Roots, spaces, segments

    def scan_options(self, root: Root) -> ScanOptions:
        """Find the options with which a folder is scanned: those kept with it, else the user's usual ones."""
        from vstore.pictures.scan_options import ScanOptions

        return ScanOptions.from_json(root.options).filled(self.usual)

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
        from vstore.repository.names import find_space

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
        found = self.segment_with_late_keys(ref)
        _ = found.keys
        return found

    def segment_with_late_keys(self, ref: FileRef) -> Segment:
        """Open a segment, once; its keys are read when they are asked for. Raises: Damage, FileNotFoundError."""
        found = self._segments.get(ref.name)  # other threads have this table, too
        if found is None:
            from vstore.disk.segments import Segment

            segment = Segment(self.layout.segments, ref, late_keys=True)
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


def how_to_give(space: Space) -> str:
    """Say how to bring back the recipe of a space."""
    from vstore.embed.model_words import Words

    return (
        f"add the same model again: {Words.from_json(space.place).command(space.name)}; or, if its vectors were "
        "imported without a model, import the same index again"
    )
