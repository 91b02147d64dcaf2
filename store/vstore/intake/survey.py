"""What stands on disk, held against the stat cache: which folders are as they were, and which files must be read.

A *clean* run of files is one whose names and stats are, byte for byte, those of the catalogue, all of them settled;
nothing is unpacked for it. Where the catalogue also agrees with the snapshot (`agreed`), clean files are unchanged
without a look at their aliases; otherwise every folder is held against them.

A folder that its parent did not hold when the catalogue agreed (it was moved away and is back, or an exclude hid it)
is held against them too: what the catalogue knows of it is older than the agreement.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, zip_longest

from vstore.disk.catalogue import Batch, Catalogue
from vstore.format.pages import Tree
from vstore.format.relabelling import Absorbed, yesterday
from vstore.intake.targets import Target
from vstore.pictures.folder import FileStat, Folder, Trouble, count_of, files_of, heads_of, subfolders_of
from vstore.pictures.formats import EXTENSIONS
from vstore.pictures.scan import Scan
from vstore.pictures.shared_scan import shared_scan
from vstore.progress import Progress
from vstore.repository.places import identity, is_below

UNKNOWN, KNOWN, LOOSE, FAILED, TROUBLE, TOO_LARGE, GONE = range(7)
"""What is known of a file: nothing; its key; its key, but it was too young when read to trust its stat; its key, and
that it does not decode; that it could not be read; that it was not read for its size; that it went away meanwhile."""

HAS_KEY = frozenset({KNOWN, LOOSE, FAILED})
_HEAD = struct.Struct("<BI")


class Chunk:
    """Up to 1,000 files of one folder: their packed stats, and what is known of each.

    folder: stored path of the folder. place: its absolute path. only: not the whole folder was asked for.
    doubtful: a file of the folder may be missing here, as it could not be stat-ed.
    stored:   of each file, whether its key is known to have a vector, as the snapshot names it.
    """

    __slots__ = ("doubtful", "folder", "head", "index", "keys", "only", "place", "size", "states", "stored")

    def __init__(
        self, folder: bytes, index: int, place: bytes, head: bytes, size: int, *, only: bool, doubtful: bool
    ) -> None:
        count = count_of(head)
        self.folder = folder
        self.index = index
        self.place = place
        self.head = head
        self.only = only
        self.doubtful = doubtful
        self.size = size
        self.keys = bytearray(count * size)
        self.states = bytearray(count)
        self.stored = bytearray(count)

    def files(self) -> Iterator[tuple[int, bytes, FileStat]]:
        """Number, stored path and stat of each file."""
        base = self.folder + b"/"
        for number, file in enumerate(files_of(self.head)):
            yield number, base + file.name, file

    def key(self, number: int) -> bytes:
        return bytes(self.keys[number * self.size : (number + 1) * self.size])

    def put(self, number: int, state: int, key: bytes | None = None) -> None:
        if key is not None:
            self.keys[number * self.size : (number + 1) * self.size] = key
        self.states[number] = state

    def to_value(self) -> bytes:
        settled = not self.doubtful and self.states.count(KNOWN) == len(self.states)
        return _HEAD.pack(settled, len(self.head)) + self.head + self.keys + self.states

    def load(self, value: bytes) -> None:
        """Take over what the catalogue knows of exactly these files."""
        at = _HEAD.size + len(self.head)
        self.keys[:] = value[at : at + len(self.keys)]
        self.states[:] = value[at + len(self.keys) :]


def _head(value: bytes) -> bytes:
    """The names and stats in a value of the stat cache."""
    _, length = _HEAD.unpack_from(value)
    return value[_HEAD.size : _HEAD.size + length]


def _is_clean(value: bytes | None, head: bytes) -> bool:
    return value is not None and head != b"" and value.startswith(_HEAD.pack(1, len(head)) + head)


def _is_settled(value: bytes | None) -> bool:
    return value is not None and value.startswith(b"\1")


def _facts(value: bytes, size: int) -> Iterator[tuple[FileStat, bytes, int]]:
    """What a value of the stat cache says: stat, key and state of each file. Nothing if it is of another make."""
    if len(value) < _HEAD.size:
        return
    head = _head(value)
    files = list(files_of(head))
    keys = value[_HEAD.size + len(head) :]
    if len(keys) == len(files) * (size + 1):
        for i, file in enumerate(files):
            yield file, keys[i * size : (i + 1) * size], keys[len(files) * size + i]


def _subfolders(value: bytes) -> list[bytes]:
    return subfolders_of(_head(value))


@dataclass(slots=True)
class Survey:
    """What a scan found. All paths are stored ones.

    chunks:   runs of files that are not clean, or all, where the snapshot has to be compared with everything.
    clean:    files in clean runs that are not among the chunks.
    unlisted: folders that could not be listed; what the snapshot has below them is carried.
    troubled: folders that could not be listed, and files that could not be stat-ed.
    unsure:   what may be a file, and could not be stat-ed; an alias there is carried.
    large:    files that an earlier run met, and did not read for their size.
    compared: the parts that are compared whole; listed: the folders in them that were listed.
    emptied:  folders that are there no more, with all that the snapshot has below them.
    no_files: paths where no file stands any more: nothing, or a folder.
    doubts:   labels of which the catalogue cannot be said to know all: a folder in them was not met.
    names:    of some folders, the names of all files that the snapshot can have in them, as the catalogue knows.
    found:    candidates, by the stored path of the target.
    """

    targets: list[Target]
    chunks: list[Chunk] = field(default_factory=list)
    clean: int = 0
    ignored: int = 0
    unlisted: list[bytes] = field(default_factory=list)
    troubled: dict[bytes, Trouble] = field(default_factory=dict)
    unsure: set[bytes] = field(default_factory=set)
    large: set[bytes] = field(default_factory=set)
    compared: list[bytes] = field(default_factory=list)
    listed: set[bytes] = field(default_factory=set)
    emptied: list[bytes] = field(default_factory=list)
    no_files: list[bytes] = field(default_factory=list)
    doubts: set[bytes] = field(default_factory=set)
    names: dict[bytes, list[bytes]] = field(default_factory=dict)
    found: dict[bytes, int] = field(default_factory=dict)
    scans: dict[bytes, Scan] = field(default_factory=dict)

    def folders(self) -> Iterator[tuple[bytes, list[Chunk]]]:
        for folder, chunks in groupby(self.chunks, lambda chunk: chunk.folder):
            yield folder, list(chunks)

    def unread(self) -> int:
        """How many files must be read."""
        return sum(chunk.states.count(UNKNOWN) for chunk in self.chunks)

    def hides(self, path: bytes) -> bool:
        """Whether the excludes, as this scan met them, keep a stored path from being found."""
        rest = path.partition(b"/")[2]
        return any(is_below(path, prefix) and scan.hides(rest) for prefix, scan in self.scans.items())

    def is_unlisted(self, path: bytes) -> bool:
        return any(path.startswith(prefix + b"/") for prefix in self.unlisted)


class Surveyor:
    """Scans targets. Reads the catalogue, where there is one, and writes nothing."""

    def __init__(
        self,
        catalogue: Catalogue | None,
        tree: Tree,
        key_size: int,
        store: tuple[int, int],
        absorbed: Absorbed,
        progress: Progress,
    ) -> None:
        self._catalogue = catalogue
        self._tree = tree
        self._size = key_size
        self._skip = {store}
        self._absorbed = absorbed
        self._progress = progress
        self._unproven: set[bytes] = set()  # folders that the catalogue's agreement does not cover
        self._awaited: dict[bytes, bytes] = {}  # of those, the ones not met yet, with where they should be

    def survey(self, targets: list[Target], agreed: frozenset[bytes]) -> Survey:
        """Scan all targets.

        agreed: labels whose clean folders are known to hold what the snapshot names; the others are compared whole.
        """
        survey = Survey(targets)
        for target in targets:
            if target.gone:
                survey.no_files.append(target.prefix)
                survey.emptied.append(target.prefix)
            else:
                self._scan(survey, target, os.fsencode(target.root.label) in agreed)
        return survey

    def _scan(self, survey: Survey, target: Target, agreed: bool) -> None:
        label, under = os.fsencode(target.root.label), target.under
        expect = 0
        if self._catalogue is not None and not under:
            known = self._catalogue.meta(count_name(target.root.label))
            expect = int.from_bytes(known, "little") if known is not None else 0
        scan = shared_scan(target.place, target.options, EXTENSIONS, under, self._skip, expect)
        survey.scans[target.prefix] = scan
        whole = not agreed or bool(under)  # nobody looked whether the folder above a part knows of it
        if whole:
            self._unproven.add(target.prefix)
        is_folder = not under
        found = 0
        for folder in scan:
            stored = label + b"/" + folder.path if folder.path else label
            is_folder = is_folder or folder.path == under
            found += folder.count
            survey.ignored += folder.ignored
            self._progress.advance(folder.count)
            self._take(survey, folder, stored, os.path.join(target.place, folder.path), only=not is_folder)
            self._take_troubles(survey, target, folder.troubles)
            survey.unsure.update(label + b"/" + trouble.path for trouble in folder.troubles)
        self._take_troubles(survey, target, tuple(scan.troubles))
        survey.found[target.prefix] = found
        if is_folder and whole:
            survey.compared.append(target.prefix)
        if under:
            self._take_part(survey, target.prefix, is_folder, found)
        if any(path not in survey.unlisted and not self._is_skipped(at) for path, at in self._awaited.items()):
            survey.doubts.add(label)  # a folder went away between the look at its parent and the look at it
        self._awaited.clear()

    def _take_part(self, survey: Survey, prefix: bytes, is_folder: bool, found: int) -> None:
        """Note what a target that is no whole root says of the alias at its own path, and of those below it."""
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
                stored = target.prefix  # what lies beside a part was not asked for
            survey.troubled[stored] = trouble
            if trouble.is_folder:
                survey.unlisted.append(stored)
                if stored in self._unproven:
                    survey.doubts.add(label)

    def _take(self, survey: Survey, folder: Folder, stored: bytes, place: bytes, *, only: bool) -> None:
        proven = stored not in self._unproven and not only
        self._awaited.pop(stored, None)
        if not proven and not only:
            survey.listed.add(stored)
        values = self._values(stored, proven)
        clean = [_is_clean(value, head) for value, head in zip_longest(values, folder.heads, fillvalue=b"")]
        if proven and all(clean):
            survey.clean += folder.count
            return
        facts = {} if all(clean) else self._folder_facts(values)
        if proven and all(map(_is_settled, values)) and len(facts) < len(folder.subfolders):
            # To ask for each name is quicker than to leap over every subfolder: a root often holds nothing else.
            survey.names[stored] = [file.name for file in facts]
        for index, head in enumerate(folder.heads):
            chunk = Chunk(stored, index, place, head, self._size, only=only, doubtful=bool(folder.troubles))
            value = values[index] if clean[index] else None
            if value is not None:
                chunk.load(value)
                chunk.stored[:] = bytes([proven]) * len(chunk.stored)
            else:
                for number, path, file in chunk.files():
                    key, state = facts.get(file, (b"", UNKNOWN))
                    if state in (KNOWN, FAILED):
                        chunk.put(number, state, key)
                        chunk.stored[number] = proven and state == KNOWN
                    elif state == TOO_LARGE:
                        survey.large.add(path)
            survey.chunks.append(chunk)
        if not only:
            self._take_subfolders(survey, folder, stored, place, values, proven)

    def _take_subfolders(
        self, survey: Survey, folder: Folder, stored: bytes, place: bytes, values: list[bytes | None], proven: bool
    ) -> None:
        """Note which subfolders went, and which the catalogue's agreement does not cover."""
        there = set(folder.subfolders)
        before: set[bytes] = set()
        if proven:
            if all(map(_is_settled, values)):
                before.update(*(_subfolders(value or b"") for value in values))
            else:
                before.update(self._tree.folders_in(stored))
            troubled = {os.path.basename(trouble.path) for trouble in folder.troubles}
            survey.emptied += [stored + b"/" + name for name in before - there - troubled]
        for name in there - before:
            path = stored + b"/" + name
            self._unproven.add(path)
            self._awaited[path] = os.path.join(place, name)
            if proven:
                survey.compared.append(path)

    def _is_skipped(self, place: bytes) -> bool:
        found = identity(place)
        return found is not None and found in self._skip

    def _values(self, stored: bytes, proven: bool) -> list[bytes | None]:
        """What the catalogue knows of a folder: of each thousand files that it held when they were written.

        What lies beyond is of a time when it held more, and nobody has kept it since.
        """
        first = self._value(stored, 0, proven)
        parts = heads_of(_head(first)) if first is not None else 1
        return [first, *(self._value(stored, index, proven) for index in range(1, parts))]

    def _value(self, stored: bytes, index: int, proven: bool) -> bytes | None:
        if self._catalogue is None:
            return None
        value = self._catalogue.folder(stored, index)
        if value is None and self._absorbed and not proven:
            for older in yesterday(stored, self._absorbed):
                value = value or self._catalogue.folder(older, index)
        return value

    def _folder_facts(self, values: Iterable[bytes | None]) -> dict[FileStat, tuple[bytes, int]]:
        found = (fact for value in values if value is not None for fact in _facts(value, self._size))
        return {file: (key, state) for file, key, state in found}


def count_name(label: str) -> str:
    """The name under which the catalogue keeps how many pictures a root had."""
    return f"count/{label}"


def keep_stats(batch: Batch, chunks: Iterable[Chunk]) -> None:
    """Write what is known of some runs of files now."""
    for chunk in chunks:
        if not chunk.only:
            batch.put_folder(chunk.folder, chunk.index, chunk.to_value())
