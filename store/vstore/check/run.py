"""Proves a store whole: every object is what was written, and everything that is named is there. Changes nothing."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from vstore.disk import durable
from vstore.disk.journal import Journal, journals
from vstore.disk.oplog import Oplog
from vstore.disk.packs import Pack
from vstore.disk.segments import Segment
from vstore.embed.embedder import space_id
from vstore.errors import Damage, UsageError, VstoreError
from vstore.format.canonical import Json, canonical, named_path
from vstore.format.entries import FileRef, Import, Snapshot, Space
from vstore.format.hashing import checksum
from vstore.format.manifest import Manifest, content_id
from vstore.format.pages import Tree, decode_leaf, level_of
from vstore.format.records import Record, beginning, ends_the_log
from vstore.format.state import State
from vstore.repository.leftovers import LeftVectors, left_rows
from vstore.repository.repository import Repository, how_to_give

if TYPE_CHECKING:
    from vstore.check.reembed import ReembedReport

_PATHS = 10  # pictures that a problem names
_VERIFIED = "verified"
_REPAIR = "run: vstore repair"


class Problem(NamedTuple):
    """Something that is not what was written. rows: the first and last of a segment, if it is about rows; paths: some
    of the current snapshot's pictures that it touches; next: what to do."""

    file: str
    what: str
    rows: tuple[int, int] | None
    paths: tuple[bytes, ...]
    next: str

    def to_json(self) -> dict[str, Json]:
        return {
            "file": self.file,
            "what": self.what,
            "rows": None if self.rows is None else list(self.rows),
            "paths": [named_path(path) for path in self.paths],
            "next": self.next,
        }


class CheckReport(NamedTuple):
    """What was looked at, and what is wrong. notes: what is no damage, but good to know.
    verified: of the `files` segments and packs, those whose every byte was read.
     reembed: whether a model gives the vectors that are stored, where that was asked."""

    ok: bool
    snapshots: int
    segments: int
    packs: int
    records: int
    bytes_read: int
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    verified: int = 0
    files: int = 0
    reembed: ReembedReport | None = None

    def to_json(self) -> dict[str, Json]:
        value = self._asdict()
        value["problems"] = [problem.to_json() for problem in self.problems]
        value["notes"] = list(self.notes)
        value["reembed"] = self.reembed.to_json() if self.reembed is not None else None
        return value


def check(
    repo: Repository, *, read_data: bool = False, subset: str | None = None, max_duration: float | None = None
) -> CheckReport:
    """Look at every record, pack, page, manifest, segment and count; with read_data, at every byte.

    subset:       read a part of the bytes: `1/7`, of seven parts the first, the same whenever it is asked for; or
                  `10%`, of what was not read for longest.
    max_duration: seconds for which to read, what was not read for longest first.
    Raises: UsageError for a subset that is none.

    Damage is reported, never raised, and the first problem does not hide the next. A writer may be at work meanwhile:
    what it adds is not looked at.
    """
    if subset is not None:
        _part_of([], subset)
    until = None if max_duration is None else time.monotonic() + max_duration
    while True:
        highest = repo.log.numbers()[-1:]
        with contextlib.suppress(Damage):  # whatever is wrong with the log is found below
            repo.reload()
        report = _looked_at(repo, read_data, subset, until)
        # What was missing may have been collected meanwhile: it is damage only if nobody has changed the store.
        if report.ok or repo.log.numbers()[-1:] == highest:
            return report


def _looked_at(repo: Repository, read_data: bool, subset: str | None, until: float | None) -> CheckReport:
    run = _Check(repo, read_data)
    run.log()
    state = run.state
    run.names(state)
    run.packs(state)
    run.spaces(state)
    run.segments(state)
    for snapshot in state.snapshots():
        run.snapshot(snapshot)
    for found in state.imports.values():
        run.left(found)
    run.leftovers(state)
    if subset is not None or until is not None:
        run.some_data(state, subset, until)
    run.remember(state)
    return run.report()


class _Check:
    def __init__(self, repo: Repository, read_data: bool) -> None:
        self._repo = repo
        self._read_data = read_data
        self._problems: list[Problem] = []
        self._notes: list[str] = []
        self._bytes = 0
        self._records = 0
        self._packs: list[Pack] = []
        self._keys: dict[str, set[bytes]] = {}
        self._whole: set[tuple[str, bytes]] = set()
        self._snapshots = 0
        self._segments: set[str] = set()  # spaces may list the same ones
        self._verified: set[str] = set()
        self.state = State({})

    def report(self) -> CheckReport:
        for pack in self._packs:
            pack.close()
        return CheckReport(
            not self._problems,
            self._snapshots,
            len(self._segments),
            len(self._packs),
            self._records,
            self._bytes,
            tuple(self._problems),
            tuple(self._notes),
            len(self._verified),
            len(self._segments) + len(self.state.packs),
        )

    def _wrong(
        self,
        file: str,
        what: str,
        rows: tuple[int, int] | None = None,
        paths: tuple[bytes, ...] = (),
        next_step: str = _REPAIR,
    ) -> None:
        self._problems.append(Problem(file, what, rows, paths, next_step))

    def _try(self, file: str, work: Callable[[], None], rows: tuple[int, int] | None = None) -> bool:
        """Do one piece of the check. Whatever garbage makes it raise is a problem of that file, and of no other."""
        try:
            work()
        except VstoreError as err:
            self._wrong(file, err.message, rows)
        except FileNotFoundError:
            self._wrong(file, "it is missing", rows)
        except Exception as err:
            self._wrong(file, f"it cannot be read: {type(err).__name__}: {err}", rows)
        else:
            return True
        return False

    def log(self) -> None:
        """Every record, and that each follows the one before it."""
        log = self._repo.log
        before: tuple[int, str] | None = None

        def one(number: int) -> None:
            nonlocal before
            record = log.read(number)
            self._bytes += record.size
            if before is not None and record.before != before[1]:
                raise VstoreError(f"it does not follow record {before[0]}")
            if before is None and record.before and record.whole is None:
                raise VstoreError("the records before it are missing, and it does not carry the whole state")
            if number == oldest and record.before and not ends_the_log(record):
                what = "the records before it are missing: what they did cannot be undone any more"
                self._wrong(f"refs/{number:012d}.json", what)
            before = (number, record.digest)

        ended = self._ended(log)
        oldest = next((number for number in log.numbers() if number >= ended), None)
        for number in log.numbers():
            if number < ended:
                self._notes.append(f"record {number} is no part of the log any more (gc frees it)")
                continue
            self._records += 1
            if not self._try(f"refs/{number:012d}.json", lambda number=number: one(number)):  # type: ignore[misc]
                before = None
        self._try("refs", lambda: self._load())

    def _ended(self, log: Oplog) -> int:
        found: dict[int, Record | None] = {}
        for number in log.numbers():
            found[number] = None
            with contextlib.suppress(VstoreError, OSError):
                found[number] = log.read(number)
        return beginning(found)

    def _load(self) -> None:
        tip = self._repo.log.load()
        self.state = tip.state
        if tip.complaint:
            self._wrong("refs", f"the newest record cannot be used: {tip.complaint}")

    def names(self, state: State) -> None:
        """That what is current, tagged and held is there, and that what has segments is known."""
        named = [
            ("current", state.current),
            ("the hold", state.hold),
            *((f"the tag {t}", v) for t, v in state.tags.items()),
        ]
        for what, name in named:
            found = None if name is None else state.snapshot(name)
            if name is not None and (found is None or not found.kept):
                self._wrong("refs", f"{what} is {name}, which is not among the versions that are kept")
        for space in state.document.get("segments", {}):
            if space not in state.spaces and state.segments(space):
                self._wrong("refs", f"it lists segments of the space {space}, which it does not know")

    def spaces(self, state: State) -> None:
        """That each space has its recipe, and its probes where it has some: gc needs both.

        A recipe that the log knows to be lost is noted.
        """

        def one(space: Space) -> None:
            recipe = json.loads(self._blob(space.recipe))
            if space_id(recipe) != space.id or recipe.get("dim") != space.dim:
                raise VstoreError("its recipe is another space's")
            if space.probes:
                self._blob(space.probes)

        for space in state.spaces.values():
            if space.recipe:
                self._try(f"space {space.name}", partial(one, space))
            else:
                self._notes.append(f"the recipe of the space {space.name} is lost: {how_to_give(space)}")

    def packs(self, state: State) -> None:
        """Footer, size and table of every pack; with read_data, every blob."""

        def one(ref: FileRef) -> None:
            pack = Pack(self._repo.layout.packs, ref, self._repo.hash)
            self._packs.append(pack)
            self._bytes += len(pack.table)
            if self._read_data:
                self._read_pack(pack)

        for ref in state.packs:
            self._try(f"packs/{ref.name}", lambda ref=ref: one(ref))  # type: ignore[misc]

    def _blob(self, digest: bytes) -> bytes:
        """A blob, from the packs that could be opened: one that could not has its own line, and hides no other's."""
        for pack in self._packs:
            blob = pack.get(digest)
            if blob is not None:
                return blob
        raise VstoreError(f"no pack that can be read holds its blob {digest.hex()}")

    def _tree(self, snapshot: Snapshot) -> tuple[Manifest, Tree]:
        manifest = Manifest.from_bytes(self._blob(snapshot.manifest))
        return manifest, Tree(self._repo.hash, self._blob, manifest.tree)

    def _read_pack(self, pack: Pack) -> None:
        self._bytes += pack.ref.size
        pack.verify()
        whole = [
            self._try(f"packs/{pack.ref.name}", lambda digest=digest: _found(pack.get(digest)))  # type: ignore[misc]
            for digest in pack.digests()
        ]
        if all(whole):
            self._verified.add(pack.ref.name)

    def segments(self, state: State) -> None:
        """Footer, size and keys of every segment; with read_data, every row."""
        for space in state.document.get("segments", {}):
            keys: set[bytes] = set()
            self._keys[space] = keys
            for ref in state.segments(space):
                read = self._read_data and ref.name not in self._segments
                self._segments.add(ref.name)
                self._try(f"segments/{ref.name}", partial(self._segment, ref, space, keys, read), (0, ref.rows - 1))

    def _segment(self, ref: FileRef, space: str, keys: set[bytes], read: bool) -> None:
        repo = self._repo
        segment = Segment(repo.layout.segments, ref)
        found = self.state.spaces.get(space)
        made = (segment.footer.dtype, segment.footer.key_size, segment.footer.dim)
        if found is not None and made != (repo.dtype, repo.hash.size, found.dim):
            raise VstoreError("its rows or keys are not those of its space and store")
        self._bytes += len(segment.keys)
        listed = segment.key_list()
        keys.update(listed)
        if read:
            self._read_rows(segment)

    def _read_rows(self, segment: Segment) -> None:
        ref, listed = segment.ref, segment.key_list()
        self._bytes += ref.size
        problems = len(self._problems)
        for first, end in segment.bad_blocks():
            touched = self._paths(set(listed[first:end]))
            self._wrong(
                f"segments/{ref.name}", f"rows {first} to {end - 1} are not what was written", (first, end - 1), touched
            )
        if len(self._problems) == problems:
            self._verified.add(ref.name)

    def some_data(self, state: State, subset: str | None, until: float | None) -> None:
        """Read every byte of some segments and packs."""
        packs = {pack.ref.name: pack for pack in self._packs}
        listed = [ref for space in state.document.get("segments", {}) for ref in state.segments(space)]
        refs = list({ref.name: ref for ref in [*state.packs, *listed]}.values())
        times = self._times()
        refs.sort(key=lambda ref: (times.get(ref.name, 0), ref.name))
        for ref in _part_of(refs, subset) if subset is not None else refs:
            if until is not None and time.monotonic() >= until:
                self._notes.append("the time was up before all was read: go on with the same command")
                return
            if ref.name in packs:
                self._try(f"packs/{ref.name}", partial(self._read_pack, packs[ref.name]))
            elif ref.rows:
                self._try(f"segments/{ref.name}", partial(self._read_segment, ref))

    def _read_segment(self, ref: FileRef) -> None:
        self._read_rows(Segment(self._repo.layout.segments, ref))

    def _times(self) -> dict[str, int]:
        """When the files of this store were last read whole, as far as that is remembered."""
        try:
            data = durable.read(self._repo.layout.cache / _VERIFIED)
            if data[:8] == checksum(_VERIFIED.encode(), data[8:]):
                found: dict[str, int] = json.loads(data[8:])
                return found
        except (OSError, ValueError):
            pass
        return {}

    def remember(self, state: State) -> None:
        """Note what was read whole just now. On a store that cannot be written nothing is remembered."""
        if self._verified:
            listed = {ref.name for ref in state.packs}
            listed.update(r.name for space in state.document.get("segments", {}) for r in state.segments(space))
            times = {name: at for name, at in self._times().items() if name in listed}
            times |= dict.fromkeys(sorted(self._verified), int(time.time()))
            body = canonical(times)
            durable.write_cache(self._repo.layout.cache / _VERIFIED, checksum(_VERIFIED.encode(), body) + body)

    def _paths(self, keys: set[bytes]) -> tuple[bytes, ...]:
        """Some paths of the current snapshot that hold these keys."""
        found: list[bytes] = []
        current = self.state.snapshot(self.state.current) if self.state.current else None
        if current is None:
            return ()
        try:
            for path, key in self._tree(current)[1]:
                if key in keys:
                    found.append(path)
                    if len(found) == _PATHS:
                        break
        except (VstoreError, OSError):
            return tuple(found)
        return tuple(found)

    def left(self, found: Import) -> None:
        """What an import left over: a name and a vector for each row."""

        def look() -> None:
            names = len(left_rows(self._repo, found))
            vectors = LeftVectors(self._repo, found).count()
            if (names, vectors) != (found.rows, found.rows):
                raise VstoreError(f"it has {names} names and {vectors} vectors, the log says {found.rows}")

        self._try(f"import {found.id}", look)

    def snapshot(self, snapshot: Snapshot) -> None:
        """Its manifest, its counts, its id, its pages, and that every picture of it has a vector."""
        self._snapshots += 1
        self._try(f"snapshot {snapshot.name}", lambda: self._look_at(snapshot))

    def _look_at(self, snapshot: Snapshot) -> None:
        repo, name = self._repo, snapshot.name
        manifest, tree = self._tree(snapshot)
        if (manifest.name, manifest.space) != (name, snapshot.space):
            raise VstoreError(f"its manifest is that of {manifest.name}")
        if content_id(repo.hash, manifest.space, manifest.tree) != snapshot.id:
            raise VstoreError("its id is not that of its content")
        if (manifest.paths, manifest.images) != (snapshot.paths, snapshot.images):
            raise VstoreError("its manifest and the log count differently")
        if snapshot.space not in self.state.spaces:
            raise VstoreError(f"its space {snapshot.space} is not in the log")
        stored = self._keys.get(snapshot.space, set())
        paths = 0
        named: set[bytes] = set()
        missing: list[bytes] = []
        last = b""
        for leaf in tree.leaves:
            page = tree.page(leaf.digest)
            if level_of(page) != 0:
                raise VstoreError("an inner page stands where a leaf should")
            aliases = decode_leaf(page, repo.hash.size)
            if len(aliases) != leaf.count or (aliases and aliases[0][0] != leaf.first):
                raise VstoreError("a page is not what the page above says of it")
            for path, key in aliases:
                if path <= last:
                    raise VstoreError("its paths are out of order")
                last = path
                named.add(key)
                if key not in stored and len(missing) < _PATHS:
                    missing.append(path)
            paths += len(aliases)
        if (paths, len(named)) != (snapshot.paths, snapshot.images):
            raise VstoreError(f"it has {paths} paths and {len(named)} pictures, its manifest says otherwise")
        if missing:
            self._wrong(f"snapshot {name}", "pictures of it have no vector", None, tuple(missing))
        if self._read_data and (snapshot.space, tree.root) not in self._whole:
            self._whole.add((snapshot.space, tree.root))
            if Tree.empty(repo.hash, self._blob).edited(dict(iter(tree))).root != tree.root:
                raise VstoreError("its pages are cut otherwise than FORMAT.md says")

    def leftovers(self, state: State) -> None:
        """What no record names: no damage, as a killed run may leave it."""
        listed = {ref.name for ref in state.packs}
        listed.update(r.name for space in state.document.get("segments", {}) for r in state.segments(space))
        counts: Counter[str] = Counter()
        layout = self._repo.layout
        for folder in (layout.refs, layout.packs, layout.segments, layout.journal):
            for name in sorted(os.listdir(folder)) if folder.is_dir() else ():
                if name.startswith(durable.TEMPORARY):
                    counts[f"unfinished files in {folder.name}/"] += 1
                elif folder in (layout.packs, layout.segments) and name not in listed:
                    counts[f"files in {folder.name}/ that no record names (gc frees them)"] += 1
        for path in journals(layout.journal) if layout.journal.is_dir() else ():
            try:
                journal = Journal(path)
                frames = sum(1 for _ in journal.frames())
            except (ValueError, FileNotFoundError):  # it has no head, or a sync has sealed it meanwhile
                continue
            except Damage as err:
                self._wrong(f"journal/{path.name}", err.message)
                continue
            if journal.space in state.spaces:
                counts["vectors in journals, which the next sync seals"] += frames
            else:
                counts["vectors in journals of spaces that the log does not know (gc frees them)"] += frames
        self._notes += [f"{amount} {what}" for what, amount in sorted(counts.items()) if amount]


def _found(blob: bytes | None) -> None:
    if blob is None:
        raise VstoreError("its table is not in order")


def _part_of(refs: list[FileRef], subset: str) -> list[FileRef]:
    """The part of some files, sorted by when they were last read, that a user asked for. Raises: UsageError."""
    parts = re.fullmatch(r"(\d+)/(\d+)", subset)
    if parts and 1 <= int(parts[1]) <= int(parts[2]):
        # Names are random, so their first digits part the files evenly, and always in the same way.
        return [ref for ref in refs if int(ref.name[:8], 16) % int(parts[2]) == int(parts[1]) - 1]
    share = re.fullmatch(r"(\d+(?:\.\d+)?)%", subset)
    if not share or not 0 < float(share[1]) <= 100:
        raise UsageError(f"{subset!r} is no part of anything", "write 10%, or 1/7 for the first of seven parts")
    left = sum(ref.size for ref in refs) * float(share[1]) / 100
    found = []
    for ref in refs:
        if left <= 0:
            break
        found.append(ref)
        left -= ref.size
    return found
