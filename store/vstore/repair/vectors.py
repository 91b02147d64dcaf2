"""The vectors of a damaged store: what is left of its segments, and what can be found or computed anew."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Set
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from vstore.disk.journal import Journal, journals
from vstore.disk.salvage import insisted, refuse_unreadable, remains, sound_segment, whole_segment
from vstore.embed.embedder import Embedder
from vstore.embed.rows import unit_rows, usable
from vstore.errors import Damage, MissingPackage, ModelError
from vstore.format.entries import FileRef, Space, listed_segments
from vstore.format.recipes import Recipe
from vstore.intake.keeper import Keeper, segment_of
from vstore.pictures.decoding import prepare
from vstore.pictures.failures import PictureFailure
from vstore.pictures.preparation import Preparation, preparation_of
from vstore.progress import Progress
from vstore.repair.blobs import Blobs
from vstore.repair.findings import SEGMENT, Findings, files
from vstore.repository.repository import Repository, how_to_give

if TYPE_CHECKING:
    from PIL.Image import Image

_BATCH = 16  # pictures per call of the embedder


class Vectors:
    """stored: by space, the keys that have a vector. keepers: whose journals go once a record lists their rows.

    away: keys that no file was found for, and what would find one.
    named: by space, the keys that need one. load: makes an embedder; None where nothing is to be embedded.
    """

    def __init__(
        self,
        repo: Repository,
        found: Findings,
        blobs: Blobs,
        named: Mapping[str, set[bytes]],
        load: Callable[[Space, Recipe], Embedder] | None,
        progress: Progress,
    ) -> None:
        self._repo = repo
        self._found = found
        self._blobs = blobs
        self._named = named
        self._load = load
        self._progress = progress
        self.stored: dict[str, set[bytes]] = {}
        self.keepers: list[Keeper] = []
        self._away: dict[bytes, str] = {}

    def read_segments(self) -> None:
        """Keep segments that are whole, and write those anew of which only some rows are left."""
        repo = self._repo
        folder = repo.layout.segments
        lists = dict(self._found.document.get("segments", {}))
        listed: dict[str, set[str]] = {}
        for space_id, listed_refs in self._found.state.segment_lists().items():
            for ref in listed_refs:
                listed.setdefault(ref.name, set()).add(space_id)
        for space in self._found.state.spaces.values():
            refs: list[FileRef] = []
            stored = self.stored.setdefault(space.id, set())
            for ref in self._found.state.segments(space.id):
                self._progress.advance()
                segment = whole_segment(folder, ref)
                if segment is not None:
                    refs.append(ref)
                    stored.update(segment.key_list())
                    continue
                refs += self._left_of(space, ref)
            lists[space.id] = listed_segments(refs)
        self._found.document["segments"] = lists
        for path in files(folder, SEGMENT):
            if path.name not in listed or self._found.gap:
                self._adopt_segment(path, listed.get(path.name, set()))

    def _left_of(self, space: Space, ref: FileRef) -> list[FileRef]:
        """Set a damaged segment aside. Returns: what is left of it, written anew; nothing where that is no row."""
        repo, folder = self._repo, self._repo.layout.segments
        left = remains(folder, ref, space.dim, repo.dtype, repo.hash.size, self._named.get(space.id, set()))
        self._found.did(f"segments/{ref.name}: {len(left.keys)} of {ref.rows} rows are what was written")
        self._found.put_aside(folder / ref.name)
        self.stored.setdefault(space.id, set()).update(left.keys)
        if not left.keys or self._found.dry_run:
            return []
        return [repo.write_segment(space.id, left.keys, left.blocks(), when=left.time or None)]

    def _adopt_segment(self, path: Path, listed: Set[str]) -> None:
        """Take in a segment that no record names, if it holds what is lost, or what a lost record may have named.

        listed: the spaces that have it; where an import turned out to be of another model, the one that it was written
        for may not be among them.
        """
        segment = sound_segment(path)
        if segment is None:
            if self._found.gap and not listed:  # gc would free it
                self._found.did(f"segments/{path.name} is damaged, and what it was is not known")
                self._found.put_aside(path)
            return
        if segment.footer.space.hex() in listed:
            return
        space, footer = segment.footer.space.hex(), segment.footer
        entry = self._found.state.spaces.get(space)
        fitting = (entry.dim, self._repo.dtype, self._repo.hash.size) if entry is not None else None
        if entry is None or (footer.dim, footer.dtype, footer.key_size) != fitting:
            return
        stored = self.stored.setdefault(space, set())
        new = set(segment.key_list()) - stored
        if not (new if self._found.gap else new & self._named.get(space, set())):
            return
        if whole_segment(path.parent, segment.ref) is not None:
            stored.update(new)
            self._found.list_segment(space, segment.ref)
            self._found.did(
                f"segments/{path.name}: {len(new)} vectors found again in a file that no record names for them"
            )
        elif not listed:
            for ref in self._left_of(entry, segment.ref):
                self._found.list_segment(space, ref)

    def find_lost(self) -> None:
        """Vectors that snapshots need and no segment has: from journals, then from the pictures themselves."""
        for path in journals(self._repo.layout.journal) if self._repo.layout.journal.is_dir() else ():
            self._take_journal(path)
        for space in self._found.state.spaces.values():
            lost = self._named.get(space.id, set()) - self.stored.get(space.id, set())
            if lost:
                self._recompute(space, lost)

    def _take_journal(self, path: Path) -> None:
        try:
            journal = insisted(partial(Journal, path))
            keys = insisted(lambda: [key for _, key in journal.frames()])
        except Damage as err:
            self._found.aside.append(path)
            self._found.done.append(err.message)
            return
        except (ValueError, OSError) as err:
            refuse_unreadable(err, path)
            return  # the next sync removes it: it never held a frame that could be read
        space = self._found.state.spaces.get(journal.space)
        if space is None:
            return
        repo = self._repo
        if (journal.dim, journal.dtype, journal.key_size) != (space.dim, repo.dtype, repo.hash.size):
            self._found.aside.append(path)
            self._found.done.append(f"journal/{path.name} does not fit its space")
            return
        lost = self._named.get(space.id, set()) - self.stored[space.id]
        found = lost.intersection(keys)
        if found:
            self.stored[space.id].update(found)
            self._found.did(f"{len(found)} vectors found again in a journal")
            if not self._found.dry_run:
                ref = segment_of(repo, path, lambda key: key in found)
                assert ref is not None
                self._found.list_segment(space.id, ref)

    def _recompute(self, space: Space, lost: set[bytes]) -> None:
        """Embed lost pictures that are still there, under any path that a snapshot knew them by."""
        load = self._load
        if load is None:
            return
        if not space.recipe:
            self._found.left.append(
                f"{len(lost)} pictures of the space {space.name} have no vector, and its recipe is lost; "
                f"{how_to_give(space)}, and repair again, or let them go with --no-embed"
            )
            self.stored[space.id].update(lost)  # nothing is taken from a snapshot that may yet be made whole
            return
        recipe = json.loads(self._blobs.read(space.recipe))
        embedder: Embedder | None = None
        keeper: Keeper | None = None
        batch: list[tuple[bytes, Image]] = []
        found = 0
        self._progress.stage("embed what was lost", len(lost))
        pictures = self._pictures(lost, preparation_of(recipe))
        try:
            while True:
                item = next(pictures, None)
                if item is not None:
                    batch.append(item)
                    self._progress.advance()
                if batch and (item is None or len(batch) == _BATCH):
                    if embedder is None and not self._found.dry_run:
                        embedder = load(space, recipe)
                        keeper = Keeper(self._repo, space.id, space.dim)
                        self.keepers.append(keeper)
                    found += len(self._embed_batch(space, embedder, keeper, batch))
                    batch = []
                if item is None:
                    break
        except (ModelError, MissingPackage, Damage) as err:  # Damage: the probes that would prove it are lost
            self._found.left.append(
                f"{len(lost)} pictures of the space {space.name} have no vector, and its model cannot be used "
                f"({err.message}); {err.next_step or 'install it'} and repair again, or let them go with --no-embed"
            )
            self.stored[space.id].update(lost)  # nothing is taken from a snapshot that may yet be made whole
            return
        if keeper is not None:
            for ref in keeper.write():
                self._found.list_segment(space.id, ref)
        if found:
            self._found.embedded += found
            self._found.did(f"{found} vectors computed anew from pictures that are still there")
        away = self._away.keys() & (lost - self.stored[space.id])
        if away:
            self._found.left.append(
                f"{len(away)} pictures of the space {space.name} have no vector, and {self._away[min(away)]}, or let "
                "them go with --no-embed"
            )
            self.stored[space.id].update(away)  # an unmounted disk must not empty a snapshot

    def _embed_batch(
        self, space: Space, embedder: Embedder | None, keeper: Keeper | None, batch: list[tuple[bytes, Image]]
    ) -> list[bytes]:
        keys = [key for key, _ in batch]
        if embedder is not None and keeper is not None:
            unit = unit_rows(embedder.embed_images([picture for _, picture in batch]), len(batch), space.dim)
            good = usable(unit)
            keys = [key for key, fine in zip(keys, good, strict=True) if fine]
            if keys:
                keeper.keep(keys, unit[good])
        self.stored[space.id].update(keys)
        return keys

    def _pictures(self, lost: set[bytes], preparation: Preparation) -> Iterator[tuple[bytes, Image]]:
        """The lost pictures that are found on disk, prepared; each once."""
        left = set(lost)
        tried: set[bytes] = set()
        for snapshot in self._found.state.snapshots():
            for path, key in self._blobs.aliases(snapshot):
                if key not in left or path in tried:
                    continue
                tried.add(path)
                file = self._repo.file_of(path)
                if file is None:
                    label = os.fsdecode(self._repo.today(path).partition(b"/")[0])
                    self._away[key] = f"where their folder {label} lies is lost: name it with vstore sync FOLDER"
                    continue
                try:
                    with open(file, "rb") as opened:
                        data = opened.read()
                    if self._repo.hash.digest(data) == key:
                        picture, _ = prepare(data, preparation)
                        left.discard(key)
                        yield key, picture
                except (OSError, PictureFailure):
                    root = self._root_of(path)
                    if not os.path.isdir(root):
                        self._away[key] = f"their folder {os.fsdecode(root)} is not there: mount it and repair again"

    def _root_of(self, path: bytes) -> bytes:
        """The folder under which a stored path was synced. The root is known."""
        label = self._repo.today(path).partition(b"/")[0]
        return self._repo.place(self._repo.state.roots[os.fsdecode(label)])
