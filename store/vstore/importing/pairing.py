"""Pairs the entries of an old index with files: the file of each entry, and the key of each file."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from vstore.disk.catalogue import Catalogue
from vstore.errors import LabelTaken, UsageError
from vstore.format.entries import Root
from vstore.format.exported import Exported
from vstore.format.tree import Tree
from vstore.importing.files import File
from vstore.importing.left_out_rows import left_out_rows
from vstore.importing.matching import (
    AMBIGUOUS,
    BYTES,
    EDITED,
    MATCHED,
    MISSING,
    OTHER_BYTES,
    UNREADABLE,
    Answer,
    Matcher,
)
from vstore.importing.old_index import Old
from vstore.importing.options import ImportOptions
from vstore.importing.ways import Way
from vstore.intake.reader import Reader
from vstore.intake.survey import Chunk, Item, Survey
from vstore.intake.surveyor import Surveyor
from vstore.intake.targets import Scope, scope_of
from vstore.pictures.links import stays_below
from vstore.pictures.preparation import Preparation
from vstore.pictures.scan_options import OptionEdits
from vstore.progress import Stages
from vstore.repository.acquaintance import KnownFolders
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    import threading


class Pairing(NamedTuple):
    """The files of an index's entries.

    answers: the outcome of matching each entry.
    keys:    entry -> the key of its file.
    prefix:  of stored paths.
    label:   of the root.
    scope:   changes of the roots, for the log.
    learnt:  the chunks in which files were read.
    notes:   remarks for the report.
    ways:    the changes that lead from the listed paths to the files.
    named:   the folders that the user named.
    place:   the folder to which the files of the answers are relative; None if they are stored paths.
    """

    answers: list[Answer]
    keys: dict[int, bytes]
    prefix: bytes
    label: str
    scope: Scope
    learnt: Sequence[Chunk]
    notes: tuple[str, ...]
    ways: tuple[Way, ...] = ()
    named: tuple[Root, ...] = ()
    place: bytes | None = None


class Pairer:
    """A pairer of one old index with the files of one root."""

    def __init__(
        self,
        repo: Repository,
        options: ImportOptions,
        catalogue: Catalogue | None,
        stages: Stages,
        stop: threading.Event,
    ) -> None:
        self._repo = repo
        self._options = options
        self._catalogue = catalogue
        self._stages = stages
        self._stop = stop

    def by_paths(self, old: Old, root: bytes) -> Pairing:
        """Find the file of each entry under a root, and hash it.

        Raises: UsageError, LabelTaken, DiskTrouble; KeyboardInterrupt if the run was stopped.
        """
        options, repo = self._options, self._repo
        scope = scope_of(repo, [root], options.as_label, OptionEdits())
        target = scope.targets[0]
        if target.gone or not os.path.isdir(os.path.join(target.place, target.under)):
            raise UsageError(f"{os.fsdecode(root)} is not a folder", "name the folder of the pictures with --root")
        self._stages.begin("listing folders")
        tree = Tree.empty(repo.hash, repo.packs.get)
        survey = Surveyor(repo, self._catalogue, tree, stages=self._stages, stop=self._stop).survey(
            [target], frozenset()
        )
        prefix = target.prefix + b"/"
        files: dict[bytes, File] = {}
        places: dict[bytes, Item] = {}
        for chunk in survey.chunks:
            for number, path, file in chunk.files():
                relative = path[len(prefix) :]
                files[relative] = File(file.size, file.mtime_ns)
                places[relative] = Item(chunk, number, path, file)
        troubled = len(survey.troubled)
        kinds = "folder or file" if troubled == 1 else "folders or files"
        notes = [f"{troubled:,} {kinds} under --root could not be read"] if troubled else []
        here = os.path.join(target.place, target.under).rstrip(b"/")
        matcher = Matcher(
            files,
            places={here, os.path.abspath(root)},
            starts=old.starts,
            written=old.written,
            trust_edited=options.trust_edited,
            by_name=options.by_name,
            ways=old.ways,
            taken=self._with_vectors(prefix) if old.numbers is not None else (),
        )
        # Entries whose vectors are equal, bit for bit, may share a file.
        entry_of = {row: number for number, row in enumerate(old.rows_of)}
        same = {entry_of[row]: entry_of[first] for row, first in old.seen.same.items() if row in entry_of}
        answers, ways = matcher.match(old.entries, same)
        told = {n: entry.key for n, entry in enumerate(old.entries) if len(entry.key or b"") == repo.hash.size}
        hashed, learnt = self._hash(survey, places, answers, told)
        notes += left_out_rows(survey, old.entries, answers)
        return Pairing(
            answers=answers,
            keys=_settle_by_keys(answers, hashed, told),
            prefix=prefix,
            label=target.root.label,
            scope=scope,
            learnt=learnt,
            notes=tuple(notes),
            ways=ways,
            named=(target.root,) if target.named else (),
            place=here,
        )

    def _with_vectors(self, prefix: bytes) -> set[bytes]:
        """List the files of the current snapshot below a folder, relative to it. prefix: of their stored paths."""
        current = self._repo.state.current_snapshot
        tree = self._repo.mapped_tree(current) if current is not None else ()
        return {path[len(prefix) :] for path, _ in tree if path.startswith(prefix)}

    def _hash(
        self, survey: Survey, places: Mapping[bytes, Item], answers: Sequence[Answer], told: Collection[int]
    ) -> tuple[dict[bytes, bytes], Sequence[Chunk]]:
        """Hash the candidates that the catalogue does not know.

        told:    entries whose key the list tells: their near misses are candidates too.
        Returns: relative path -> key, and the chunks in which files were read.
        """
        wanted: dict[bytes, Item] = {}
        for number, answer in enumerate(answers):
            if answer.state == MATCHED or _is_choice(answer) or number in told:
                wanted.update((file, places[file]) for file in answer.files)
        items = [item for item in wanted.values() if item.chunk.key(item.number) is None]
        self._stages.begin("reading", len(items), size=sum(item.file.size for item in items))
        reader = Reader(
            self._repo.hash,
            Preparation(),
            max_size=self._options.max_file_size,
            stop=self._stop,
            stages=self._stages,
        )
        with closing(reader.answers(items, decode=False)) as found:
            for read in found:
                survey.learn(read.item, read.state, read.key)
                self._stages.advance(1, read.item.file.size, failed=read.failure is not None)
        if self._stop.is_set():
            raise KeyboardInterrupt
        keys = {file: key for file, item in wanted.items() if (key := item.chunk.key(item.number)) is not None}
        return keys, list({id(item.chunk): item.chunk for item in items}.values())

    def by_keys(self, exported: Exported) -> Pairing:
        """Take paths and keys from `vstore.json`; the next sync looks at the files themselves.

        Raises: UsageError if it does not fit this store or the options; LabelTaken.
        """
        repo, options = self._repo, self._options
        if exported.hash != repo.hash.name:
            raise UsageError(
                f"vstore.json has keys of {exported.hash}, this store has keys of {repo.hash.name}",
                f"import into a store made with: vstore init --store DIR --hash {exported.hash}",
            )
        if options.as_label is not None:
            raise UsageError("--as cannot be used with vstore.json, which holds the labels", "leave --as out")
        labels = sorted({path.partition(b"/")[0] for path in exported.paths})
        if options.root is not None and len(labels) != 1:
            raise UsageError(
                f"vstore.json has pictures of {len(labels)} folders, and --root names one folder", "leave --root out"
            )
        roots: dict[str, Root | None] = {}
        named: list[Root] = []
        for label in map(os.fsdecode, labels):
            place = (
                os.path.realpath(options.root) if options.root is not None else os.path.normpath(exported.places[label])
            )
            known = repo.state.roots.get(label)
            if known is None:
                roots[label] = _root(repo, label, place)
            elif place != repo.place(known) and not self._is_same(known, place):
                raise LabelTaken(
                    f"the label {label} belongs to the folder {os.fsdecode(repo.place(known))}",
                    "import into a store of its own",
                )
            if options.root is not None:
                named.append(known or _root(repo, label, place))
        answers = [Answer(MATCHED, "as vstore.json says", (path,)) for path in exported.paths]
        keys = dict(enumerate(exported.keys))
        return Pairing(
            answers=answers,
            keys=keys,
            prefix=b"",
            label=os.fsdecode(labels[0]) if labels else "",
            scope=Scope([], roots, {}),
            learnt=(),
            notes=(),
            named=tuple(named),
        )

    def _is_same(self, root: Root, place: bytes) -> bool:
        """Tell whether a place, which the export may name, is that of a known folder."""
        if self._options.root is None and not stays_below(self._repo.base, place):
            return False  # whoever made the export named it
        known = KnownFolders(self._repo).is_known(root)
        return known and os.path.realpath(self._repo.place(root)) == os.path.realpath(place)


def _settle_by_keys(
    answers: list[Answer], hashed: Mapping[bytes, bytes], told: Mapping[int, bytes | None]
) -> dict[int, bytes]:
    """Change the answers that the keys settle: unreadable files are missing, equal files are one picture.

    hashed:  relative path -> key.
    told:    entry -> the key that the list tells: a file with another one is another picture.
    Returns: entry -> key.
    """
    keys: dict[int, bytes] = {}
    for number, answer in enumerate(answers):
        found = {hashed[file] for file in answer.files if file in hashed}
        key = told.get(number)
        if key is not None and key in found:
            file = next(file for file in answer.files if hashed.get(file) == key)
            if answer.state != MATCHED:
                answers[number] = Answer(MATCHED, BYTES, (file,), answer.rank, BYTES)
            keys[number] = key
        elif key is not None and found and answer.state == MATCHED:
            other = "its bytes are not those that the export names"
            answers[number] = Answer(EDITED, other, answer.files, answer.rank, why=OTHER_BYTES)
        elif answer.state == MATCHED:
            if found:
                keys[number] = found.pop()
            else:
                answers[number] = Answer(MISSING, "its file could not be read", answer.files, why=UNREADABLE)
        elif _is_choice(answer) and len(found) == 1 and all(file in hashed for file in answer.files):
            same = "all files that match it are the same picture"
            answers[number] = Answer(MATCHED, same, answer.files[:1], answer.rank, answer.how)
            keys[number] = found.pop()
    return keys


def _is_choice(answer: Answer) -> bool:
    """Tell whether an entry has several files of which each may be its picture: they may turn out to be one."""
    return answer.state == AMBIGUOUS and len(answer.files) > 1 and bool(answer.how)


def _root(repo: Repository, label: str, place: bytes) -> Root:
    """Make a root; its place is relative to the store's parent folder where it is inside that."""
    if place.startswith(repo.base.rstrip(b"/") + b"/"):
        return Root(label, place[len(repo.base.rstrip(b"/")) + 1 :], True)
    return Root(label, place, False)
