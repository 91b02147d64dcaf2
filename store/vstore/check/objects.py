"""Checks the objects of the log: packs, the recipes of spaces, segments, rows set aside by imports."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial

from vstore.check.findings import Findings
from vstore.check.parts_to_read import longest_unread, part_of
from vstore.disk.packs import LARGEST_PAGE, Pack
from vstore.disk.read_times import read_times
from vstore.disk.segments import Segment
from vstore.errors import Damage, VstoreError
from vstore.format.entries import FileRef, Snapshot, Space
from vstore.format.manifest import Manifest
from vstore.format.recipes import recipe_of, space_id
from vstore.format.rest_entry import Import
from vstore.format.state import State
from vstore.format.tree import Tree
from vstore.progress import Stages
from vstore.repository.leftovers import LeftVectors, left_fields, left_rows
from vstore.repository.objects import how_to_give
from vstore.repository.repository import Repository

PATHS = 10  # pictures that a problem names


class Objects:
    """The packs and segments of a store, as far as a check has read them.

    keys:       the keys with a vector, by space.
    verified:   names of the fully read files.
    read_whole: read every byte, not only footers, tables and keys.
    """

    def __init__(self, repo: Repository, state: State, findings: Findings, *, read_whole: bool, stages: Stages) -> None:
        self.keys: dict[str, set[bytes]] = {}
        self.verified: set[str] = set()
        self.read_whole = read_whole
        self._repo = repo
        self._state = state
        self._findings = findings
        self._stages = stages
        self._packs: dict[str, Pack] = {}
        # Several spaces may list one segment: it is read, and counted, once.
        self._segments = {ref.name: ref for ref in state.all_segments()}

    @property
    def opened(self) -> int:
        """The number of opened packs."""
        return len(self._packs)

    @property
    def segments(self) -> int:
        """The number of segments in the log."""
        return len(self._segments)

    @property
    def listed(self) -> dict[str, FileRef]:
        """All packs and segments of the log, by name."""
        return {ref.name: ref for ref in self._state.packs} | self._segments

    def begin(self) -> None:
        """Begin the stage of `check_packs` and `check_segments`."""
        size = sum(ref.size for ref in self.listed.values()) if self.read_whole else None
        self._stages.begin("reading the store", len(self.listed), size=size)

    def close(self) -> None:
        for pack in self._packs.values():
            pack.close()

    # Packs, and the blobs in them

    def check_packs(self) -> None:
        """Check footer, size and table of every pack."""

        def one(ref: FileRef) -> None:
            pack = Pack(self._repo.layout.packs, ref, self._repo.hash)
            self._packs[ref.name] = pack
            self._findings.bytes_read += len(pack.table)
            if self.read_whole:
                self._read_pack(pack)

        for ref in self._state.packs:
            self._attempt("packs", ref, partial(one, ref))

    def _attempt(self, room: str, ref: FileRef, work: Callable[[], None]) -> None:
        """Look at a file, and count it. room: its folder in the store."""
        self._stages.take(os.fsencode(self._repo.layout.folder / room / ref.name))
        whole = self._findings.attempt(f"{room}/{ref.name}", work, (0, ref.rows - 1) if ref.rows else None)
        self._stages.advance(1, ref.size if self.read_whole else 0, failed=not whole)
        self._stages.put_down()

    def blob(self, digest: bytes) -> bytes:
        """Find a page or a recipe in the opened packs. An unopened one has its own line, and hides no other's."""
        for pack in self._packs.values():
            blob = pack.get(digest, LARGEST_PAGE)
            if blob is not None:
                return blob
        raise Damage(f"no pack that can be read holds its blob {digest.hex()}", "run: vstore repair")

    def tree(self, snapshot: Snapshot) -> tuple[Manifest, Tree]:
        """Read the manifest of a snapshot, and open its alias tree."""
        manifest = Manifest.from_bytes(self.blob(snapshot.manifest))
        return manifest, Tree(self._repo.hash, self.blob, manifest.tree)

    def _read_pack(self, pack: Pack) -> None:
        def one(digest: bytes) -> None:
            if pack.get(digest) is None:
                raise VstoreError("its table is not in order")

        file = f"packs/{pack.ref.name}"
        self._findings.bytes_read += pack.ref.size
        pack.verify()
        whole = [self._findings.attempt(file, partial(one, digest)) for digest in pack.digests()]
        if all(whole):
            self.verified.add(pack.ref.name)

    def check_spaces(self) -> None:
        """Check that each space has its recipe, and its probes if any: gc needs both.

        A recipe lost by the log's own account is a note.
        """

        def one(space: Space) -> None:
            recipe = recipe_of(self.blob(space.recipe))
            if space_id(recipe) != space.id or recipe.get("dim") != space.dim:
                raise VstoreError("its recipe belongs to another space")
            if space.probes:
                self.blob(space.probes)

        for space in self._state.spaces.values():
            if space.recipe:
                self._findings.attempt(f"space {space.name}", partial(one, space))
            else:
                self._findings.notes.append(f"the recipe of the space {space.name} is lost: {how_to_give(space)}")

    def check_imports(self) -> None:
        """Check that each row set aside by an import has a name and a vector."""

        def one(found: Import) -> None:
            rows = left_rows(self._repo, found)
            for left in rows:
                left_fields(left)
            names = len(rows)
            vectors = LeftVectors(self._repo, found).count()
            if (names, vectors) != (found.rows, found.rows):
                raise VstoreError(f"it has {names} names and {vectors} vectors, the log says {found.rows}")

        for found in self._state.imports.values():
            self._findings.attempt(f"import {found.id}", partial(one, found))

    # Segments

    def check_segments(self) -> None:
        """Check footer, size and keys of every segment of every space."""
        seen: set[str] = set()
        shared: dict[tuple[FileRef, ...], set[bytes]] = {}  # spaces with one list, as an adoption leaves, have one set
        for space, refs in self._state.segment_lists().items():
            self.keys[space] = shared.setdefault(tuple(refs), set())
            for ref in refs:
                is_new = ref.name not in seen
                seen.add(ref.name)
                work = partial(self._check_segment, ref, space, read=self.read_whole and is_new)
                if is_new:
                    self._attempt("segments", ref, work)
                else:
                    self._findings.attempt(f"segments/{ref.name}", work, (0, ref.rows - 1))

    def _check_segment(self, ref: FileRef, space: str, *, read: bool) -> None:
        segment = Segment(self._repo.layout.segments, ref)
        known = self._state.spaces.get(space)
        made = (segment.footer.dtype, segment.footer.key_size, segment.footer.dim)
        if known is not None and made != (self._repo.dtype, self._repo.hash.size, known.dim):
            raise VstoreError("its rows or keys do not fit its space and its store")
        self._findings.bytes_read += len(segment.keys)
        self.keys[space].update(segment.key_list())
        if read:
            self._read_rows(segment)

    def _read_rows(self, segment: Segment) -> None:
        ref, keys = segment.ref, segment.key_list()
        self._findings.bytes_read += ref.size
        whole = True
        for first, end in segment.bad_blocks():
            whole = False
            self._findings.wrong(
                f"segments/{ref.name}",
                f"rows {first} to {end - 1} do not match their checksums",
                rows=(first, end - 1),
                paths=self._current_paths(set(keys[first:end])),
            )
        if whole:
            self._look_at_rows(segment)
            self.verified.add(ref.name)

    def _look_at_rows(self, segment: Segment) -> None:
        """Look for rows that are no vectors: whoever makes a file makes its checksums."""
        odd = list(segment.odd_rows())
        if odd:
            self._findings.wrong(
                f"segments/{segment.ref.name}",
                f"{len(odd)} of its rows are no vectors of norm 1, the first is row {odd[0]}",
                rows=(odd[0], odd[-1]),
                paths=self._current_paths(set(map(segment.key, odd))),
            )

    def _current_paths(self, keys: set[bytes]) -> tuple[bytes, ...]:
        """Name some pictures of the current snapshot with these keys."""
        found: list[bytes] = []
        current = self._state.current_snapshot
        if current is None:
            return ()
        try:
            for path, key in self.tree(current)[1]:
                if key in keys:
                    found.append(path)
                    if len(found) == PATHS:
                        break
        except (VstoreError, OSError):
            return tuple(found)
        return tuple(found)

    # A part of the bytes

    def read_some(self, subset: str | None, until: float | None) -> None:
        """Read every byte of some packs and segments, the longest unread first. until: of `time.monotonic`."""
        refs = longest_unread(self.listed.values(), read_times(self._repo.layout.cache))
        some = part_of(refs, subset) if subset is not None else refs
        self._stages.begin("reading the store", len(some), size=sum(ref.size for ref in some))
        for ref in some:
            if until is not None and time.monotonic() >= until:
                self._findings.notes.append(
                    "time ran out before everything was read: run the same command again to go on"
                )
                return
            self._stages.take(os.fsencode(self._repo.layout.folder / ref.name))
            if ref.name in self._packs:
                self._findings.attempt(f"packs/{ref.name}", partial(self._read_pack, self._packs[ref.name]))
            elif ref.rows:
                self._findings.attempt(f"segments/{ref.name}", partial(self._read_segment, ref))
            self._stages.advance(1, ref.size)
        self._stages.put_down()

    def _read_segment(self, ref: FileRef) -> None:
        self._read_rows(Segment(self._repo.layout.segments, ref))
