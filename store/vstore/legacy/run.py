"""One import: rows meet files, files give keys, and what is believed becomes a segment and a snapshot."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vstore import durable
from vstore.catalogue import Catalogue
from vstore.embed import Recipe, space_id
from vstore.errors import LabelTaken, ModelError, Refused, UsageError
from vstore.exported import Exported
from vstore.images import Preparation
from vstore.layout import why_not_a_name
from vstore.leftovers import BLOCK, LeftRow, LeftVectors, left_rows, write_leftovers
from vstore.legacy.matching import AMBIGUOUS, EDITED, MATCHED, MISSING, Answer, File, Matcher
from vstore.legacy.metadata import Entry
from vstore.legacy.old import Named, Old, open_old
from vstore.legacy.report import DUPLICATED, UNFIT, ImportRefused, ImportReport, Row, short, write_report
from vstore.legacy.vectors import AGREE, UNIT, Look, Source, blocks, cosine, finished
from vstore.pages import Tree
from vstore.progress import Progress, Silent
from vstore.records import FileRef, Import, Json, Root, Space, canonical
from vstore.repository import Repository
from vstore.segments import write_segment
from vstore.snapshots import new_snapshot
from vstore.sync.keeper import recover
from vstore.sync.reader import Item, Reader
from vstore.sync.survey import HAS_KEY, Survey, Surveyor, keep_stats
from vstore.sync.targets import OptionEdits, Plan, plan
from vstore.sync.vectors import align
from vstore.timing import now

if TYPE_CHECKING:
    import threading

    import numpy as np
    import numpy.typing as npt

    from vstore.segments import Rows

FAMILY = "imported"  # the family of a recipe that knows no model
NAMED = 5  # rows that a message names


class ImportOptions(NamedTuple):
    """What an import was asked for. root: the folder that holds the pictures; recipe: of the model that made the
    vectors, if it was declared; resume: the id of an import whose leftovers are to be joined."""

    named: Named = Named()
    root: bytes | None = None
    recipe: Recipe | None = None
    as_label: str | None = None
    as_space: str | None = None
    path_field: str | None = None
    rows_by: str | None = None
    trust_edited: bool = False
    force: bool = False
    dry_run: bool = False
    report: Path | None = None
    resume: str | None = None
    message: str = ""
    wait: bool = False
    max_file_size: int = 256 << 20


class _Fate(NamedTuple):
    """What becomes of the rows: entry by entry, and which vectors go where.

    aliases: stored path -> key. winners: row -> key, for the segment. left: rows that wait. known: entries whose
    picture had a vector already.
    """

    rows: list[Row]
    aliases: dict[bytes, bytes]
    winners: dict[int, bytes]
    left: dict[int, LeftRow]
    known: int


class ImportRun:
    """One import, or one look at what an import would do."""

    def __init__(
        self, repo: Repository, options: ImportOptions, progress: Progress | None, stop: threading.Event
    ) -> None:
        self._repo = repo
        self._options = options
        self._progress: Progress = progress or Silent()
        self._stop = stop
        self._began = time.perf_counter()
        self._catalogue: Catalogue | None = None
        self._plan = Plan([], {}, {})
        self._survey: Survey | None = None
        self._resumed: Import | None = None
        self._notes: list[str] = []
        self._existing: dict[bytes, tuple[FileRef, int]] = {}

    def run(self) -> ImportReport:
        """Import. Raises: UsageError, Refused, ImportRefused, Locked, ModelError, MissingPackage, Damage, DiskTrouble.

        Whatever is raised, the store says what it said before.
        """
        repo = self._repo
        if self._options.dry_run:
            return self._import()
        with repo.lock("ingest") as lock:
            lock.acquire(None if self._options.wait else 0.0, "import")
            repo.reload()
            repo.refuse_unsound()
            if repo.state.hold is not None:
                raise Refused(
                    f"syncing is held at {repo.state.hold} since a rollback", "go on with: vstore rollback --release"
                )
            durable.sweep(repo.layout.segments, "ingest")
            durable.sweep(repo.layout.packs, "ingest")
            recover(repo, "import")
            return self._import()

    def _import(self) -> ImportReport:
        repo = self._repo
        self._catalogue = Catalogue.open(repo.layout.catalogue, repo.store_id, write=not self._options.dry_run)
        try:
            self._progress.stage("read the vectors", None)
            old = self._open()
            space, name, status = self._space(old)
            self._know_stored(space)
            answers, keys, label = self._answers(old)
            fate = self._decide(old, answers, keys, label)
            report = self._report(old, fate, space, name, status, label)
            self._refuse(old, fate, report)
            if not self._options.dry_run and (fate.aliases or self._resumed is None):
                report = self._commit(old, fate, report)
            if self._options.report is not None:
                write_report(self._options.report, report.rows_of, report.to_json())
            return report
        finally:
            if self._catalogue is not None:
                self._catalogue.close()

    # What there is

    def _open(self) -> Old:
        options, repo = self._options, self._repo
        if options.resume is None:
            return open_old(options.named, options.path_field, options.rows_by, options.force)
        if any(value is not None for value in options.named) or options.recipe is not None:
            raise UsageError("--resume goes on with what the store kept", "name no other index with it")
        found = repo.state.imports.get(options.resume)
        if found is None:
            had = ", ".join(repo.state.imports) or "none"
            raise UsageError(f"no import {options.resume!r} has left anything over", f"the imports that have: {had}")
        self._resumed = found
        return _left(repo, found)

    def _space(self, old: Old) -> tuple[str, str, str]:
        """The space of the rows: its id, its name, and what it is to be called: claimed, unless it is known better."""
        repo, options = self._repo, self._options
        if self._resumed is not None:
            known = repo.state.spaces[self._resumed.space]
            return known.id, known.name, known.status
        self._recipe = self._recipe_of(old)
        space = space_id(self._recipe)
        if self._recipe["dim"] != old.source.dim:
            raise UsageError(
                f"the model gives vectors of {self._recipe['dim']} numbers, {old.origin} has {old.source.dim}",
                "it is not the model that made this index",
            )
        found = repo.state.spaces.get(space)
        if found is not None:
            if options.as_space not in (None, found.name):
                raise UsageError(
                    f"this space is here already, and is called {found.name!r}", "import without --as-space"
                )
            return space, found.name, found.status
        name = options.as_space or self._name_of(old, space)
        why_not = why_not_a_name(name)
        if why_not:
            raise UsageError(why_not, "choose another name with --as-space")
        if any(other.name == name for other in repo.state.spaces.values()):
            raise UsageError(f"another space is called {name!r} already", "choose another name with --as-space")
        return space, name, "claimed"

    def _recipe_of(self, old: Old) -> Recipe:
        if old.exported is not None:
            if self._options.recipe is not None and space_id(self._options.recipe) != space_id(old.exported.recipe):
                raise ModelError(
                    "vstore.json names another model than --model does", "leave --model out, or move vstore.json away"
                )
            recipe: Recipe = old.exported.recipe
            return recipe
        if self._options.recipe is not None:
            return self._options.recipe
        return {"family": FAMILY, "dim": old.source.dim, "sha256": old.fingerprint()}

    def _name_of(self, old: Old, space: str) -> str:
        if old.exported is not None:
            return old.exported.space_name
        return str(self._recipe.get("name") or f"imported-{space[:8]}")

    def _know_stored(self, space: str) -> None:
        for ref in self._repo.state.segments(space):
            for row, key in enumerate(self._repo.segment(ref).key_list()):
                self._existing.setdefault(key, (ref, row))

    # Rows meet files, files give keys

    def _answers(self, old: Old) -> tuple[list[Answer], dict[int, bytes], bytes]:
        """What each entry means; the key of each entry that means one; the label of the root."""
        if old.exported is not None:
            return self._by_keys(old.exported)
        options, repo = self._options, self._repo
        root = options.root
        if root is None and self._resumed is not None and self._resumed.root in repo.state.roots:
            root = repo.place(repo.state.roots[self._resumed.root])
        if root is None:
            raise UsageError("where the pictures are was not said", "name their folder with --root")
        self._plan = plan(repo, [root], options.as_label, OptionEdits())
        target = self._plan.targets[0]
        if target.gone or not os.path.isdir(os.path.join(target.place, target.under)):
            raise UsageError(f"{os.fsdecode(root)} is not a folder", "name the folder of the pictures with --root")
        self._progress.stage("scan", None)
        store = os.stat(repo.layout.folder)
        tree = Tree.empty(repo.hash, repo.packs.get)
        surveyor = Surveyor(self._catalogue, tree, repo.hash.size, (store.st_dev, store.st_ino), repo.state.absorbed)
        self._survey = survey = surveyor.survey([target], frozenset())
        prefix = target.prefix + b"/"
        files: dict[bytes, File] = {}
        places: dict[bytes, Item] = {}
        for chunk in survey.chunks:
            for number, path, file in chunk.files():
                relative = path[len(prefix) :]
                files[relative] = File(file.size, file.mtime_ns)
                places[relative] = Item(chunk, number, path, file)
        if survey.troubled:
            self._notes.append(f"{len(survey.troubled)} folders or files under the root could not be read")
        here = os.path.join(target.place, target.under).rstrip(b"/")
        matcher = Matcher(files, {here, os.path.abspath(root)}, old.starts, old.written, options.trust_edited)
        # Within one row order, entries whose vectors are equal bit for bit may share a file.
        entry_of = {row: number for number, row in enumerate(old.rows_of)}
        same = {entry_of[row]: entry_of[first] for row, first in old.seen.same.items() if row in entry_of}
        answers = matcher.match(old.entries, same)
        hashed = self._hash(places, answers)
        keys: dict[int, bytes] = {}
        for number, answer in enumerate(answers):
            found = {hashed[file] for file in answer.files if file in hashed}
            if answer.state == MATCHED:
                if found:
                    keys[number] = found.pop()
                else:
                    answers[number] = Answer(MISSING, "its file could not be read", answer.files)
            elif len(answer.files) > 1 and len(found) == 1 and all(file in hashed for file in answer.files):
                answers[number] = Answer(MATCHED, "all files that fit it are one picture", answer.files[:1])
                keys[number] = found.pop()
        self._prefix = prefix
        return answers, keys, os.fsencode(target.root.label)

    def _hash(self, places: Mapping[bytes, Item], answers: Sequence[Answer]) -> dict[bytes, bytes]:
        """The keys of the files that matter: relative path -> key. Files that the catalogue knows are not read."""
        wanted: dict[bytes, Item] = {}
        for answer in answers:
            if answer.state == MATCHED or (answer.state == AMBIGUOUS and len(answer.files) > 1):
                wanted.update((file, places[file]) for file in answer.files)
        items = [item for item in wanted.values() if item.chunk.states[item.number] not in HAS_KEY]
        self._progress.stage("hash", len(items))
        limit = self._options.max_file_size
        reader = Reader(self._repo.hash, Preparation(), limit, lambda key: False, self._stop)
        with closing(reader.answers(items, decode=False)) as found:
            for read in found:
                read.item.chunk.put(read.item.number, read.state, read.key)
                self._progress.advance()
        if self._stop.is_set():
            raise KeyboardInterrupt
        return {
            file: item.chunk.key(item.number)
            for file, item in wanted.items()
            if item.chunk.states[item.number] in HAS_KEY
        }

    def _by_keys(self, exported: Exported) -> tuple[list[Answer], dict[int, bytes], bytes]:
        """Paths and keys as our own export wrote them: no file is looked at, the next sync does that."""
        repo, options = self._repo, self._options
        if exported.hash != repo.hash.name:
            raise UsageError(
                f"vstore.json has keys of {exported.hash}, this store has {repo.hash.name}",
                f"import into a store made with: vstore init --hash {exported.hash}",
            )
        if options.as_label is not None:
            raise UsageError("--as does not go with vstore.json, which holds the labels", "leave it out")
        labels = sorted({path.partition(b"/")[0] for path in exported.paths})
        if options.root is not None and len(labels) != 1:
            raise UsageError(f"vstore.json has pictures of {len(labels)} folders, --root names one", "leave --root out")
        for label in map(os.fsdecode, labels):
            place = os.path.realpath(options.root) if options.root is not None else exported.places[label]
            known = repo.state.roots.get(label)
            if known is not None and os.path.realpath(repo.place(known)) != os.path.realpath(place):
                raise LabelTaken(
                    f"the label {label} belongs to {os.fsdecode(repo.place(known))}", "import into a store of its own"
                )
            if known is None:
                self._plan.roots[label] = _root(repo, label, place)
        self._prefix = b""
        answers = [Answer(MATCHED, "as vstore.json says", (path,)) for path in exported.paths]
        return answers, dict(enumerate(exported.keys)), labels[0] if labels else b""

    # What is believed

    def _decide(self, old: Old, answers: list[Answer], keys: Mapping[int, bytes], label: bytes) -> _Fate:
        """Say what becomes of each row.

        Raises: ImportRefused where pictures with one key have several vectors: then the order of the rows is broken.
        """
        rows: list[Row] = []
        fate = _Fate(rows, {}, {}, {}, 0)
        known = 0
        first_of: dict[bytes, int] = {}
        torn: list[str] = []
        for number, (entry, answer) in enumerate(zip(old.entries, answers, strict=True)):
            row = old.rows_of[number]
            told = old.number(row)
            key = keys.get(number) if answer.state == MATCHED else None
            if row in old.seen.unfit:
                rows.append(Row(told, entry.path, UNFIT, "its vector holds NaN, infinity, or only zeros"))
                continue
            if key is None:
                rows.append(Row(told, entry.path, answer.state, answer.reason, answer.files))
                if answer.state in (AMBIGUOUS, MISSING, EDITED):
                    fate.left[row] = LeftRow(told, entry.path, answer.state, answer.reason)
                continue
            fate.aliases[self._prefix + answer.files[0]] = key
            state, reason = MATCHED, answer.reason
            before = first_of.get(key)
            if before is not None:
                state, reason = DUPLICATED, f"the same picture as row {old.number(before)}"
                if not self._equal(old.source, row, before):
                    torn.append(f"rows {before} and {row} ({short(entry.path)})")
            elif key in self._existing:
                known += 1
                if not self._is_stored_so(old.source, row, key):
                    torn.append(f"row {row} ({short(entry.path)}) and what the store has")
            else:
                fate.winners[row] = key
            first_of.setdefault(key, row)
            rows.append(Row(told, entry.path, state, reason, answer.files, key.hex()))
        if torn:
            what = (
                f"{len(torn)} pairs of vectors differ although their pictures are the same, byte for byte: "
                f"{', '.join(torn[:NAMED])}"
            )
            if not self._options.force:
                raise self._refused(
                    old, rows, f"{what}; the order of the rows is broken", "find the right list, or go on with --force"
                )
            self._notes.append(f"forced: {what}; the first of each was taken")
        return fate._replace(known=known)

    def _equal(self, source: Source, one: int, other: int) -> bool:
        a, b = source.block(one, one + 1)[0], source.block(other, other + 1)[0]
        return bool(a.tobytes() == b.tobytes() or cosine(a, b) >= AGREE)

    def _is_stored_so(self, source: Source, row: int, key: bytes) -> bool:
        ref, at = self._existing[key]
        return cosine(source.block(row, row + 1)[0], self._repo.segment(ref).rows()[at]) >= AGREE

    def _refuse(self, old: Old, fate: _Fate, report: ImportReport) -> None:
        if fate.aliases or not old.entries:
            if not old.entries:
                raise self._refused(old, fate.rows, "the old index is empty", "nothing was changed")
            return
        if self._resumed is not None:
            return
        counts = ", ".join(f"{count:,} {state.replace('_', ' ')}" for state, count in report.counts().items() if count)
        some = "; ".join(f"{short(row.path)}: {row.reason}" for row in fate.rows[:NAMED])
        step = "look at --root: the names, or the ends of the paths, must be those of files under it"
        if report.counts()[EDITED]:
            step = "files that were copied are newer than the index: if nobody edited them, add --trust-edited"
        raise self._refused(
            old, fate.rows, f"none of the {len(old.entries):,} rows has a picture ({counts}): {some}", step
        )

    def _refused(self, old: Old, rows: Sequence[Row], what: str, step: str) -> ImportRefused:
        if self._options.report is not None:
            write_report(self._options.report, rows, {"refused": what, "next": step, "vectors_from": old.origin})
        return ImportRefused(what, step)

    # What is written

    def _commit(self, old: Old, fate: _Fate, report: ImportReport) -> ImportReport:
        repo, space = self._repo, report.space
        self._progress.stage("write", None)
        if repo.tip.number == 0:
            repo.add_space(self._recipe, report.space_name, report.status)  # a store begins with a record
        order = sorted(fate.winners)
        refs: list[FileRef] = []
        if order:
            rows = _selected(old.source, old.seen, order, repo.dtype)
            keys = [fate.winners[row] for row in order]
            refs.append(
                write_segment(
                    repo.layout.segments, space, keys, rows, old.source.dim, repo.dtype, int(time.time()), "ingest"
                )
            )
        left_order = sorted(fate.left)
        waiting = [fate.left[row] for row in left_order]
        left: tuple[bytes, list[bytes], list[FileRef]] = (b"", [], [])
        if waiting:
            rows = _selected(old.source, old.seen, left_order, repo.dtype)
            left = write_leftovers(repo, waiting, rows)
        resumed = self._resumed
        with repo.committing("import"):
            state = repo.state
            changes: dict[str, Json] = self._plan.changes()
            blobs: dict[bytes, bytes] = {}
            current = state.snapshot(state.current) if state.current else None
            status = "claimed" if refs else report.status
            if space not in state.spaces:
                recipe = canonical(self._recipe)
                blobs[repo.hash.digest(recipe)] = recipe
                entry = Space(space, report.space_name, status, repo.hash.digest(recipe), old.source.dim)
                changes["spaces"] = {space: entry.to_json()}
                if state.start_space is None:
                    changes["start_space"] = space
            elif state.spaces[space].status != status:
                changes["spaces"] = {space: {"status": status}}
                self._notes.append("the space was verified; rows that are only claimed were added to it")
            if refs:
                changes["segments"] = {space: [ref.to_json() for ref in [*state.segments(space), *refs]]}
            import_id = resumed.id if resumed is not None else f"i{repo.tip.highest + 1}"
            if waiting:
                kept = Import(
                    import_id, space, report.root or "", len(waiting), left[0], tuple(left[1]), old.written, now()
                )
                changes["imports"] = {import_id: kept.to_json()}
            elif resumed is not None:
                changes["imports"] = {import_id: None}
            snapshot = None
            if current is None or current.space == space or resumed is None:
                same = current is not None and current.space == space
                base = repo.mapped_tree(current if same else None, {**state.absorbed, **self._plan.absorbed})
                tree = base.edited(fate.aliases)
                if not same or current is None or tree.root != base.root:
                    snapshot, more, pages = new_snapshot(repo, space, tree, current, self._options.message)
                    changes |= more
                    blobs |= pages
                if current is not None and not same:
                    self._notes.append(
                        f"{current.name} was of another embedding space; vstore undo makes it current again"
                    )
            elif fate.aliases:
                self._notes.append(f"{current.name} is of another embedding space: no snapshot was written")
            packs = [*state.packs, *left[2]]
            if blobs or left[2]:
                changes["packs"] = [*repo.add_pack(blobs)] if blobs else [ref.to_json() for ref in packs]
                if blobs and left[2]:
                    changes["packs"] += [ref.to_json() for ref in left[2]]
            if changes:
                repo.publish("import", changes, about=f"{len(fate.aliases)} paths from {old.origin}"[:200])
        self._remember(space)
        now_current = repo.state.snapshot(repo.state.current) if repo.state.current else None
        return report._replace(
            import_id=import_id if waiting else None,
            snapshot=snapshot.name if snapshot else None,
            current=now_current.name if now_current else None,
            id=now_current.id if now_current else None,
            status=repo.state.spaces[space].status,
            seconds=round(time.perf_counter() - self._began, 3),
            notes=(*old.notes, *self._notes),
        )

    def _remember(self, space: str) -> None:
        """Keep what was hashed, so that no sync reads these files again, and where the vectors lie."""
        if self._catalogue is not None:
            with self._catalogue.batch() as batch:
                align(self._repo, self._catalogue, batch, space)
                if self._survey is not None:
                    keep_stats(batch, self._survey)

    def _report(self, old: Old, fate: _Fate, space: str, name: str, status: str, label: bytes) -> ImportReport:
        import numpy as np

        rows = np.array(sorted(fate.winners), np.int64)
        kept = 0
        if old.source.dtype == "float16":
            kept = int((np.abs(old.seen.norms[rows] - 1) <= UNIT).sum())
        current = self._repo.state.snapshot(self._repo.state.current) if self._repo.state.current else None
        return ImportReport(
            import_id=None,
            snapshot=None,
            current=current.name if current else None,
            id=current.id if current else None,
            space=space,
            space_name=name,
            status=status,
            root=os.fsdecode(label),
            vectors_from=old.origin,
            dim=old.source.dim,
            rows=old.source.rows,
            added=len(fate.winners),
            known=fate.known,
            kept_bits=kept,
            normalised=len(fate.winners) - kept,
            left=len(fate.left),
            dry_run=self._options.dry_run,
            seconds=round(time.perf_counter() - self._began, 3),
            notes=(*old.notes, *self._notes),
            rows_of=tuple(fate.rows),
        )


def _selected(source: Source, seen: Look, wanted: Sequence[int], dtype: str) -> Iterator[Rows]:
    """Some rows, in rising order, finished, in blocks of 1,024 and a last one; never more of them in memory."""
    import numpy as np

    rows: npt.NDArray[np.int64] = np.array(wanted, np.int64)
    open_rows: list[Any] = []
    held = 0
    for at, block in blocks(source):
        low, high = np.searchsorted(rows, (at, at + len(block)))
        if low == high:
            continue
        chosen = rows[low:high]
        done = finished(block[chosen - at], seen.norms[chosen], dtype)
        while len(done):
            part = done[: BLOCK - held]
            open_rows.append(part)
            held += len(part)
            done = done[len(part) :]
            if held == BLOCK:
                yield _joined(open_rows)
                open_rows, held = [], 0
    if open_rows:
        yield _joined(open_rows)


def _joined(parts: list[Any]) -> Rows:
    import numpy as np

    joined: Rows = np.concatenate(parts)
    return joined


class _LeftSource:
    """What an import left over, as a source of rows, which are finished already."""

    def __init__(self, repo: Repository, found: Import) -> None:
        self._vectors = LeftVectors(repo, found)
        self.files: tuple[Path, ...] = ()
        self.rows, self.dim = found.rows, repo.state.spaces[found.space].dim
        self.dtype = repo.dtype
        self.ids: npt.NDArray[np.int64] | None = None
        self.notes: tuple[str, ...] = ()

    def block(self, first: int, end: int) -> Rows:
        return self._vectors.block(first, end)


def _left(repo: Repository, found: Import) -> Old:
    """What an import left over, as an old index of its own."""
    import numpy as np

    source = _LeftSource(repo, found)
    rows = left_rows(repo, found)
    entries, numbers = [Entry(left.path) for left in rows], [left.row for left in rows]
    # They were finished by the import that left them: to say that their norm is 1 keeps their bits.
    seen = Look(np.ones(source.rows), (), (), {}, True)
    return Old(source, entries, list(range(source.rows)), seen, (), (os.getcwdb(),), found.written, None, numbers)


def _root(repo: Repository, label: str, place: bytes) -> Root:
    """A root at a place, relative to the folder that holds the store where it lies inside it."""
    if place.startswith(repo.base.rstrip(b"/") + b"/"):
        return Root(label, place[len(repo.base.rstrip(b"/")) + 1 :], True)
    return Root(label, place, False)
