"""Proves a store whole: every object is what was written, and everything that is named is there. Changes nothing."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from vstore import durable
from vstore.errors import VstoreError
from vstore.journal import Journal, journals
from vstore.leftovers import LeftVectors, left_rows
from vstore.packs import Pack
from vstore.pages import Tree, decode_leaf, level_of
from vstore.records import FileRef, Import, Json, Snapshot, State, content_id, named_path
from vstore.repository import Repository
from vstore.segments import Segment

if TYPE_CHECKING:
    from vstore.reembed import ReembedReport

_PATHS = 10  # pictures that a problem names
_REPAIR = "restore this file from a backup of the store, or re-embed what it held: remove nothing by hand"


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
    """What was looked at, and what is wrong. notes: what is no damage, but good to know. reembed: whether a model
    gives the vectors that are stored, where that was asked."""

    ok: bool
    snapshots: int
    segments: int
    packs: int
    records: int
    bytes_read: int
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    reembed: ReembedReport | None = None

    def to_json(self) -> dict[str, Json]:
        value = self._asdict()
        value["problems"] = [problem.to_json() for problem in self.problems]
        value["notes"] = list(self.notes)
        value["reembed"] = self.reembed.to_json() if self.reembed is not None else None
        return value


def check(repo: Repository, *, read_data: bool = False) -> CheckReport:
    """Look at every record, pack, page, manifest, segment and count; with read_data, at every byte.

    Damage is reported, never raised, and the first problem does not hide the next. A writer may be at work meanwhile:
    what it adds is not looked at.
    """
    run = _Check(repo, read_data)
    run.log()
    state = run.state
    run.packs(state)
    run.segments(state)
    for snapshot in state.snapshots():
        run.snapshot(snapshot)
    for found in state.imports.values():
        run.left(found)
    run.leftovers(state)
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
        self._segments = self._snapshots = 0
        self.state = State({})

    def report(self) -> CheckReport:
        for pack in self._packs:
            pack.close()
        return CheckReport(
            not self._problems,
            self._snapshots,
            self._segments,
            len(self._packs),
            self._records,
            self._bytes,
            tuple(self._problems),
            tuple(self._notes),
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

    def _try(self, file: str, work: Callable[[], None]) -> bool:
        """Do one piece of the check. Whatever garbage makes it raise is a problem of that file, and of no other."""
        try:
            work()
        except VstoreError as err:
            self._wrong(file, err.message)
        except FileNotFoundError:
            self._wrong(file, "it is missing")
        except Exception as err:
            self._wrong(file, f"it cannot be read: {type(err).__name__}: {err}")
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
            before = (number, record.digest)

        for number in log.numbers():
            self._records += 1
            if not self._try(f"refs/{number:012d}.json", lambda number=number: one(number)):  # type: ignore[misc]
                before = None
        self._try("refs", lambda: self._load())

    def _load(self) -> None:
        tip = self._repo.log.load()
        self.state = tip.state
        if tip.complaint:
            self._wrong("refs", f"the newest record cannot be used: {tip.complaint}")

    def packs(self, state: State) -> None:
        """Footer, size and table of every pack; with read_data, every blob."""

        def one(ref: FileRef) -> None:
            pack = Pack(self._repo.layout.packs, ref, self._repo.hash)
            self._packs.append(pack)
            self._bytes += len(pack.table)
            if self._read_data:
                self._bytes += ref.size
                pack.verify()
                for digest in pack.digests():
                    self._try(f"packs/{ref.name}", lambda digest=digest: _found(pack.get(digest)))  # type: ignore[misc]

        for ref in state.packs:
            self._try(f"packs/{ref.name}", lambda ref=ref: one(ref))  # type: ignore[misc]

    def segments(self, state: State) -> None:
        """Footer, size and keys of every segment; with read_data, every row."""
        for space in state.document.get("segments", {}):
            keys: set[bytes] = set()
            self._keys[space] = keys
            for ref in state.segments(space):
                self._segments += 1
                self._try(f"segments/{ref.name}", lambda ref=ref, keys=keys: self._segment(ref, keys))  # type: ignore[misc]

    def _segment(self, ref: FileRef, keys: set[bytes]) -> None:
        segment = Segment(self._repo.layout.segments, ref)
        self._bytes += len(segment.keys)
        listed = segment.key_list()
        keys.update(listed)
        if not self._read_data:
            return
        self._bytes += ref.size
        for first, end in segment.bad_blocks():
            touched = self._paths(set(listed[first:end]))
            self._wrong(
                f"segments/{ref.name}", f"rows {first} to {end - 1} are not what was written", (first, end - 1), touched
            )

    def _paths(self, keys: set[bytes]) -> tuple[bytes, ...]:
        """Some paths of the current snapshot that hold these keys."""
        found: list[bytes] = []
        try:
            current = self._repo.snapshot("current")
            for path, key in self._repo.tree(current):
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
        manifest = repo.manifest(snapshot)
        if (manifest.name, manifest.space) != (name, snapshot.space):
            raise VstoreError(f"its manifest is that of {manifest.name}")
        if content_id(repo.hash, manifest.space, manifest.tree) != snapshot.id:
            raise VstoreError("its id is not that of its content")
        if (manifest.paths, manifest.images) != (snapshot.paths, snapshot.images):
            raise VstoreError("its manifest and the log count differently")
        if snapshot.space not in self.state.spaces:
            raise VstoreError(f"its space {snapshot.space} is not in the log")
        repo.recipe(snapshot.space)
        tree = repo.tree(snapshot)
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
            if Tree.empty(repo.hash, repo.packs.get).edited(dict(iter(tree))).root != tree.root:
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
                frames = sum(1 for _ in Journal(path).frames())
            except ValueError:
                frames = 0
            counts["vectors in journals, which the next sync seals"] += frames
        self._notes += [f"{amount} {what}" for what, amount in sorted(counts.items()) if amount]


def _found(blob: bytes | None) -> None:
    if blob is None:
        raise VstoreError("its table is not in order")
