"""Rows meet files, and files give keys."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from vstore.disk.catalogue import Catalogue
from vstore.errors import LabelTaken, UsageError
from vstore.format.entries import Root
from vstore.format.exported import Exported
from vstore.format.pages import Tree
from vstore.importing.matching import AMBIGUOUS, MATCHED, MISSING, Answer, File, Matcher
from vstore.importing.old import Old
from vstore.importing.options import ImportOptions
from vstore.intake.reader import Item, Reader
from vstore.intake.survey import HAS_KEY, Chunk, Surveyor
from vstore.intake.targets import Plan, plan
from vstore.pictures.preparation import Preparation
from vstore.pictures.scan_options import OptionEdits
from vstore.progress import Progress
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    import threading


class Meeting(NamedTuple):
    """What came of it.

    answers: what each entry means. keys: entry -> the key of its file. prefix: of stored paths.
    label:   of the root. plan: what the log has to learn of roots. learnt: runs of files of which some were read.
    """

    answers: list[Answer]
    keys: dict[int, bytes]
    prefix: bytes
    label: str
    plan: Plan
    learnt: Sequence[Chunk]
    notes: tuple[str, ...]


class Host:
    """Brings rows and files together."""

    def __init__(
        self,
        repo: Repository,
        options: ImportOptions,
        catalogue: Catalogue | None,
        progress: Progress,
        stop: threading.Event,
    ) -> None:
        self._repo = repo
        self._options = options
        self._catalogue = catalogue
        self._progress = progress
        self._stop = stop

    def by_paths(self, old: Old, root: bytes) -> Meeting:
        """Find the file of each entry under a root, and hash it."""
        options, repo = self._options, self._repo
        planned = plan(repo, [root], options.as_label, OptionEdits())
        target = planned.targets[0]
        if target.gone or not os.path.isdir(os.path.join(target.place, target.under)):
            raise UsageError(f"{os.fsdecode(root)} is not a folder", "name the folder of the pictures with --root")
        self._progress.stage("scan", None)
        store = os.stat(repo.layout.folder)
        tree = Tree.empty(repo.hash, repo.packs.get)
        surveyor = Surveyor(
            self._catalogue, tree, repo.hash.size, (store.st_dev, store.st_ino), repo.state.absorbed, self._progress
        )
        survey = surveyor.survey([target], frozenset())
        prefix = target.prefix + b"/"
        files: dict[bytes, File] = {}
        places: dict[bytes, Item] = {}
        for chunk in survey.chunks:
            for number, path, file in chunk.files():
                relative = path[len(prefix) :]
                files[relative] = File(file.size, file.mtime_ns)
                places[relative] = Item(chunk, number, path, file)
        troubled = len(survey.troubled)
        notes = [f"{troubled:,} folders or files under the root could not be read"] if troubled else []
        here = os.path.join(target.place, target.under).rstrip(b"/")
        matcher = Matcher(files, {here, os.path.abspath(root)}, old.starts, old.written, options.trust_edited)
        # Within one row order, entries whose vectors are equal bit for bit may share a file.
        entry_of = {row: number for number, row in enumerate(old.rows_of)}
        same = {entry_of[row]: entry_of[first] for row, first in old.seen.same.items() if row in entry_of}
        answers = matcher.match(old.entries, same)
        hashed, learnt = self._hash(places, answers)
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
        return Meeting(answers, keys, prefix, target.root.label, planned, learnt, tuple(notes))

    def _hash(
        self, places: Mapping[bytes, Item], answers: Sequence[Answer]
    ) -> tuple[dict[bytes, bytes], Sequence[Chunk]]:
        """The keys of the files that matter: relative path -> key; and the runs of files of which some were read.

        Files that the catalogue knows are not read.
        """
        wanted: dict[bytes, Item] = {}
        for answer in answers:
            if answer.state == MATCHED or (answer.state == AMBIGUOUS and len(answer.files) > 1):
                wanted.update((file, places[file]) for file in answer.files)
        items = [item for item in wanted.values() if item.chunk.states[item.number] not in HAS_KEY]
        self._progress.stage("hash", len(items))
        limit = self._options.max_file_size
        # Nothing is decoded, so nothing has to be finished or held ready.
        reader = Reader(
            self._repo.hash, Preparation(), limit, lambda key: False, lambda picture: picture, lambda: 0, self._stop
        )
        with closing(reader.answers(items, decode=False)) as found:
            for read in found:
                read.item.chunk.put(read.item.number, read.state, read.key)
                self._progress.advance()
        if self._stop.is_set():
            raise KeyboardInterrupt
        keys = {
            file: item.chunk.key(item.number)
            for file, item in wanted.items()
            if item.chunk.states[item.number] in HAS_KEY
        }
        return keys, list({id(item.chunk): item.chunk for item in items}.values())

    def by_keys(self, exported: Exported) -> Meeting:
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
        roots: dict[str, Root | None] = {}
        for label in map(os.fsdecode, labels):
            place = os.path.realpath(options.root) if options.root is not None else exported.places[label]
            known = repo.state.roots.get(label)
            if known is None:
                roots[label] = _root(repo, label, place)
            elif os.path.realpath(repo.place(known)) != os.path.realpath(place):
                raise LabelTaken(
                    f"the label {label} belongs to {os.fsdecode(repo.place(known))}", "import into a store of its own"
                )
        answers = [Answer(MATCHED, "as vstore.json says", (path,)) for path in exported.paths]
        keys = dict(enumerate(exported.keys))
        return Meeting(answers, keys, b"", os.fsdecode(labels[0]) if labels else "", Plan([], roots, {}), (), ())


def _root(repo: Repository, label: str, place: bytes) -> Root:
    """A root at a place, relative to the folder that holds the store where it lies inside it."""
    if place.startswith(repo.base.rstrip(b"/") + b"/"):
        return Root(label, place[len(repo.base.rstrip(b"/")) + 1 :], True)
    return Root(label, place, False)
