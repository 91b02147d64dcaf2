"""Scans folders and compares them with the stat cache: unchanged folders need no look, new files must be read.

If the catalogue also agrees with the snapshot (`agreed`), clean files are unchanged without a look at their
aliases; otherwise every folder is compared with them.

A folder that its parent did not hold when the catalogue agreed (it was moved away and is back, or an exclude hid it)
is compared with them, too: what the catalogue knows of it is older than the agreement.
"""

from __future__ import annotations

import os
import threading
from contextlib import closing
from itertools import zip_longest
from typing import TYPE_CHECKING

from vstore.format.state import State
from vstore.format.tree import Tree
from vstore.intake.stat_cache import StatCache, facts_of, is_clean, is_settled, keys_and_states, subfolders_in
from vstore.intake.survey import SHALLOW, Chunk, Survey
from vstore.intake.targets import Target
from vstore.pictures import passed_over
from vstore.pictures.folder import Folder, Trouble
from vstore.pictures.formats import EXTENSIONS
from vstore.pictures.shared_scan import shared_scan
from vstore.progress import Stages
from vstore.repository.acquaintance import KnownFolders
from vstore.repository.places import identity, is_below
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.disk.catalogue import Catalogue
    from vstore.pictures.pattern_watch import Watch


class Surveyor:
    """A scan of targets. Reads the catalogue, if any, and writes nothing."""

    def __init__(
        self,
        repo: Repository,
        catalogue: Catalogue | None,
        tree: Tree,
        *,
        stages: Stages,
        stop: threading.Event | None = None,
        state: State | None = None,
    ) -> None:
        """
        tree:  the aliases to compare the folders with.
        stop:  set by another thread, ends the scan.
        state: the labels of the folders, as they will be; by default those of the log.
        """
        store = os.stat(repo.layout.folder)
        self._state = repo.state if state is None else state
        self._cache = StatCache(catalogue, self._state.absorbed)
        self._tree = tree
        self._size = repo.hash.size
        self._folders = KnownFolders(repo)
        self._watch: Watch | None = None
        self._skip = {(store.st_dev, store.st_ino)}
        self._stages = stages
        self._stop = stop
        self._unproven: set[bytes] = set()  # folders that the catalogue's agreement does not cover
        self._awaited: dict[bytes, bytes] = {}  # of those, the ones not met yet, with their expected places

    def survey(self, targets: list[Target], agreed: frozenset[bytes], watch: Watch | None = None) -> Survey:
        """Scan all targets.

        agreed: labels whose clean folders agree with the snapshot; the others are compared as a whole.
        watch:  sees every name that is met in whole folders.
        Raises: Interrupted if it was asked to stop.
        """
        survey = Survey(targets)
        self._watch = watch
        for target in targets:
            if target.gone:
                survey.no_files.append(target.prefix)
                survey.emptied.append(target.prefix)
            else:
                self._scan(survey, target, os.fsencode(target.root.label) in agreed)
        return survey

    def _scan(self, survey: Survey, target: Target, agreed: bool) -> None:
        label, under = os.fsencode(target.root.label), target.under
        if not target.known and target.root.label in self._state.retired:
            self._cache.distrust(label)
        expect = 0 if under else self._cache.count(target.root.label)
        scan = shared_scan(
            target.place,
            target.options,
            EXTENSIONS,
            under=under,
            skip=self._skip,
            expect=expect,
            watch=self._watch,
            fence=None if target.named else self._folders.fence(target.root),
            stop=self._stop,
        )
        survey.scans[target.prefix] = scan
        whole = not agreed or bool(under)  # the folder above a part may not know of it
        if whole:
            self._unproven.add(target.prefix)
        is_folder = not under
        found = 0
        with closing(iter(scan)) as folders:  # an interrupted one may have another process
            for folder in folders:
                stored = label + b"/" + folder.path if folder.path else label
                is_folder = is_folder or folder.path == under
                found += folder.count
                survey.ignored += folder.ignored
                if folder.passed:
                    passed_over.add(survey.passed, folder.passed, label + b"/")
                place = os.path.join(target.place, folder.path)
                self._stages.take(place)
                self._stages.advance(folder.count)
                self._take(survey, folder, stored, place, only=not is_folder)
                self._take_troubles(survey, target, folder.troubles)
                survey.unsure.update(label + b"/" + trouble.path for trouble in folder.troubles)
        self._stages.put_down()
        self._take_troubles(survey, target, tuple(scan.troubles))
        passed_over.add(survey.passed, scan.passed, label + b"/")
        survey.found[target.prefix] = found
        if is_folder and whole:
            survey.compared.append(target.prefix)
        if under:
            self._take_part(survey, target.prefix, is_folder, found)
        if any(path not in survey.unlisted and not self._is_skipped(at) for path, at in self._awaited.items()):
            survey.doubts.add(label)  # a folder went away between the look at its parent and the look at it
        self._awaited.clear()
        if scan.shared:
            survey.sort()

    def _take_part(self, survey: Survey, prefix: bytes, is_folder: bool, found: int) -> None:
        """Note the meaning of a part of a root for the alias at its own path, and for those below it."""
        if is_folder:
            survey.no_files.append(prefix)
        elif prefix in survey.troubled:
            survey.no_files.append(prefix)
            survey.unsure.add(prefix)
        else:
            survey.emptied.append(prefix)
            if not found:
                survey.no_files.append(prefix)

    def _take_troubles(self, survey: Survey, target: Target, troubles: tuple[Trouble, ...]) -> None:
        label = os.fsencode(target.root.label)
        for trouble in troubles:
            stored = label + b"/" + trouble.path if trouble.path else label
            if is_below(target.prefix, stored):
                stored = target.prefix  # a part was asked for, not its surroundings
            if trouble.kind in passed_over.AWAY:
                continue
            survey.troubled[stored] = trouble
            if trouble.is_folder:
                survey.unlisted.append(stored)
                if stored in self._unproven:
                    survey.doubts.add(label)

    def _take(self, survey: Survey, folder: Folder, stored: bytes, place: bytes, *, only: bool) -> None:
        proven = stored not in self._unproven and not only
        self._awaited.pop(stored, None)
        if 0 < stored.count(b"/") <= SHALLOW:
            survey.shallow.append(stored)
        if not proven and not only:
            survey.listed.add(stored)
        values = self._cache.values(stored, proven=proven)
        clean = [is_clean(value, head) for value, head in zip_longest(values, folder.heads, fillvalue=b"")]
        if proven and all(clean):
            survey.clean += folder.count
            return
        facts = {} if all(clean) else facts_of(values, self._size)
        if proven and all(map(is_settled, values)) and len(facts) < len(folder.subfolders):
            # Asking for each name is faster than leaping over every subfolder: a root often holds nothing else.
            survey.names[stored] = [file.name for file in facts]
        for index, head in enumerate(folder.heads):
            doubtful = bool(folder.troubles)
            chunk = Chunk(stored, index, place, head, key_size=self._size, only=only, doubtful=doubtful)
            value = values[index] if clean[index] else None
            if value is not None:
                keys, states = keys_and_states(value, len(chunk) * self._size)
                survey.add_clean(chunk, keys, states, proven=proven)
            else:
                survey.add(chunk, facts, proven=proven)
        if not only:
            before = self._subfolders_before(stored, values) if proven else None
            self._take_subfolders(survey, folder, stored, place, before=before)

    def _subfolders_before(self, stored: bytes, values: list[bytes | None]) -> set[bytes]:
        """List the subfolders of a folder at the time of the catalogue's agreement with the snapshot."""
        return subfolders_in(values) if all(map(is_settled, values)) else set(self._tree.folders_in(stored))

    def _take_subfolders(
        self, survey: Survey, folder: Folder, stored: bytes, place: bytes, *, before: set[bytes] | None
    ) -> None:
        """Note the subfolders that went, and those outside the catalogue's agreement.

        before: the subfolders it covers; None if it does not cover the folder itself.
        """
        there = set(folder.subfolders)
        if before is not None:
            troubled = {os.path.basename(trouble.path) for trouble in folder.troubles}
            survey.emptied += [stored + b"/" + name for name in before - there - troubled]
        for name in there - (before or set()):
            path = stored + b"/" + name
            self._unproven.add(path)
            self._awaited[path] = os.path.join(place, name)
            if before is not None:
                survey.compared.append(path)

    def _is_skipped(self, place: bytes) -> bool:
        found = identity(place)
        return found is not None and found in self._skip
