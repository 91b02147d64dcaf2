"""The vectors of a damaged store: sound rows of its segments and journals, and those computed again."""

from __future__ import annotations

import os
from collections.abc import Mapping, Set
from functools import partial
from pathlib import Path

from vstore.counts import counted
from vstore.disk.journal import Journal, journals
from vstore.disk.salvage import insisted, refuse_unreadable
from vstore.disk.salvaged_rows import remains, sound_segment, whole_segment
from vstore.errors import Damage
from vstore.format.entries import FileRef, Space, listed_segments
from vstore.intake.keeper import segment_of
from vstore.progress import Stages
from vstore.repair.findings import SEGMENT, Findings, files
from vstore.repair.recompute import Recompute
from vstore.repair.stored_keys import StoredKeys
from vstore.repository.repository import Repository


class Vectors:
    """All vectors of a damaged store.

    stored:  the keys with a vector, by space.
    named:   the keys in need of one, by space.
    """

    def __init__(
        self,
        repo: Repository,
        found: Findings,
        recompute: Recompute,
        *,
        named: Mapping[str, set[bytes]],
        stages: Stages,
    ) -> None:
        self.stored = recompute.stored
        self._repo = repo
        self._found = found
        self._recompute = recompute
        self._named = named
        self._stages = stages

    def read_segments(self) -> None:
        """Keep whole segments, and rewrite damaged ones with the rows left."""
        repo = self._repo
        folder = repo.layout.segments
        lists = dict(self._found.document.get("segments", {}))
        listed: dict[str, set[str]] = {}
        for space_id, listed_refs in self._found.state.segment_lists().items():
            for ref in listed_refs:
                listed.setdefault(ref.name, set()).add(space_id)
        shared: dict[tuple[FileRef, ...], frozenset[bytes]] = {}  # keys of whole segments: spaces may list the same
        for space in self._found.state.spaces.values():
            lists[space.id] = listed_segments(self._read_list(space, shared))
        self._found.document["segments"] = lists
        for path in files(folder, SEGMENT):
            if path.name not in listed or self._found.gap:
                self._adopt_segment(path, listed.get(path.name, set()))

    def _read_list(self, space: Space, shared: dict[tuple[FileRef, ...], frozenset[bytes]]) -> list[FileRef]:
        """Read the segments of a space. Returns: the whole ones, and those written in the place of damaged ones."""
        listed = self._found.state.segments(space.id)
        known = shared.get(tuple(listed))
        if known is not None:
            self.stored[space.id] = StoredKeys(known)
            self._stages.advance(len(listed), sum(ref.size for ref in listed))
            return listed
        keys: set[bytes] = set()
        whole: list[FileRef] = []
        for ref in listed:
            self._stages.take(os.fsencode(self._repo.layout.segments / ref.name))
            segment = whole_segment(self._repo.layout.segments, ref)
            if segment is not None:
                whole.append(ref)
                keys.update(segment.key_list())
            self._stages.advance(1, ref.size, failed=segment is None)
        self._stages.put_down()
        self.stored[space.id] = StoredKeys(shared.setdefault(tuple(whole), frozenset(keys)))
        refs: list[FileRef] = []
        kept = set(whole)
        for ref in listed:
            refs += [ref] if ref in kept else self._left_of(space, ref)
        return refs

    def _left_of(self, space: Space, ref: FileRef) -> list[FileRef]:
        """Set a damaged segment aside, and rewrite its sound rows. Returns: the new segment, if any row is left."""
        repo, folder = self._repo, self._repo.layout.segments
        left = remains(
            folder=folder,
            ref=ref,
            dim=space.dim,
            dtype=repo.dtype,
            key_size=repo.hash.size,
            known=self._named.get(space.id, set()),
        )
        self._found.did(f"segments/{ref.name}: {len(left.keys):,} of {counted(ref.rows, 'row')} intact")
        self._found.put_aside(folder / ref.name)
        self.stored[space.id].update(left.keys)
        if not left.keys or self._found.dry_run:
            return []
        return [repo.write_segment(space.id, left.keys, left.blocks(), when=left.time or None)]

    def _adopt_segment(self, path: Path, listed: Set[str]) -> None:
        """List an unused segment if it has lost vectors, or if a lost record may have listed it.

        listed: its spaces. After an import turned out to be of another model, the space that it was
                written for may not be among them.
        """
        segment = sound_segment(path)
        if segment is None:
            if self._found.gap and not listed:  # gc would delete it
                self._found.did(f"segments/{path.name} is damaged, and its content is unknown")
                self._found.put_aside(path)
            return
        if segment.footer.space.hex() in listed:
            return
        space, footer = segment.footer.space.hex(), segment.footer
        entry = self._found.state.spaces.get(space)
        fitting = (entry.dim, self._repo.dtype, self._repo.hash.size) if entry is not None else None
        if entry is None or (footer.dim, footer.dtype, footer.key_size) != fitting:
            return
        stored = self.stored[space]
        new = set(segment.key_list()) - stored
        if not (new if self._found.gap else new & self._named.get(space, set())):
            return
        if whole_segment(path.parent, segment.ref) is not None:
            stored.update(new)
            self._found.list_segment(space, segment.ref)
            self._found.did(f"segments/{path.name}: recovered {counted(len(new), 'vector')} from an unused file")
        elif not listed:
            for ref in self._left_of(entry, segment.ref):
                self._found.list_segment(space, ref)

    def find_lost(self) -> None:
        """Find vectors outside every segment: in journals, then by embedding the pictures again."""
        for path in journals(self._repo.layout.journal):
            self._take_journal(path)
        for space in self._found.state.spaces.values():
            lost = self._named.get(space.id, set()) - self.stored[space.id]
            if lost:
                self._recompute.recompute(space, lost)

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
            self._found.did(f"recovered {counted(len(found), 'vector')} from a journal")
            if not self._found.dry_run:
                ref = segment_of(repo, path, lambda key: key in found)
                assert ref is not None
                self._found.list_segment(space.id, ref)
