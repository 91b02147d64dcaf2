"""What stands on disk, held against the stat cache: which folders are as they were, and which files must be read.

A *clean* run of files is one whose names and stats are, byte for byte, those of the catalogue, all of them settled;
nothing is unpacked for it. Where the catalogue also agrees with the snapshot (`agreed`), clean files are unchanged
without a look at their aliases; otherwise every folder is held against them.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

from vstore.catalogue import Batch, Catalogue
from vstore.formats import EXTENSIONS
from vstore.labels import Absorbed, yesterday
from vstore.pages import Tree
from vstore.scan import FileStat, Folder, Scan, Trouble, files_of, subfolders_of
from vstore.sharing import shared_scan
from vstore.sync.targets import Target

UNKNOWN, KNOWN, LOOSE, FAILED, TROUBLE, TOO_LARGE, GONE = range(7)
"""What is known of a file: nothing; its key; its key, but it was too young when read to trust its stat; its key, and
that it does not decode; that it could not be read; that it was not read for its size; that it went away meanwhile."""

HAS_KEY = frozenset({KNOWN, LOOSE, FAILED})
_HEAD = struct.Struct("<BI")


class Chunk:
    """Up to 1,000 files of one folder: their packed stats, and what is known of each.

    folder: stored path of the folder. place: its absolute path. only: not the whole folder was asked for.
    """

    __slots__ = ("folder", "head", "index", "keys", "names", "only", "place", "size", "states")

    def __init__(self, folder: bytes, index: int, place: bytes, head: bytes, count: int, size: int, only: bool) -> None:
        self.folder = folder
        self.index = index
        self.place = place
        self.head = head
        self.only = only
        self.size = size
        self.keys = bytearray(count * size)
        self.states = bytearray(count)

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
        settled = self.states.count(KNOWN) == len(self.states)
        return _HEAD.pack(settled, len(self.head)) + self.head + self.keys + self.states

    def load(self, value: bytes) -> None:
        """Take over what the catalogue knows of exactly these files."""
        at = _HEAD.size + len(self.head)
        self.keys[:] = value[at : at + len(self.keys)]
        self.states[:] = value[at + len(self.keys) :]


def _is_clean(value: bytes | None, head: bytes) -> bool:
    return value is not None and value.startswith(_HEAD.pack(1, len(head)) + head)


def _facts(value: bytes, size: int) -> Iterator[tuple[FileStat, bytes, int]]:
    """What a value of the stat cache says: stat, key and state of each file. Nothing if it is of another make."""
    if len(value) < _HEAD.size:
        return
    _, length = _HEAD.unpack_from(value)
    files = list(files_of(value[_HEAD.size : _HEAD.size + length]))
    keys = value[_HEAD.size + length :]
    if len(keys) == len(files) * (size + 1):
        for i, file in enumerate(files):
            yield file, keys[i * size : (i + 1) * size], keys[len(files) * size + i]


def _subfolders(value: bytes) -> list[bytes]:
    _, length = _HEAD.unpack_from(value)
    return subfolders_of(value[_HEAD.size : _HEAD.size + length])


@dataclass(slots=True)
class Survey:
    """What a scan found.

    chunks:   runs of files that are not clean, or all, where the snapshot has to be compared with everything.
    clean:    files in clean runs that are not among the chunks.
    unlisted: stored paths of folders that could not be listed; what the snapshot has below them is carried.
    troubled: stored paths of files that could not be stat-ed.
    vanished: stored paths of folders that are there no more, as far as clean folders can tell.
    listed:   the folders that were listed in what is compared whole.
    compared: stored paths of the targets that are compared whole.
    """

    targets: list[Target]
    chunks: list[Chunk] = field(default_factory=list)
    clean: int = 0
    candidates: int = 0
    ignored: int = 0
    unlisted: list[bytes] = field(default_factory=list)
    troubled: dict[bytes, Trouble] = field(default_factory=dict)
    vanished: list[bytes] = field(default_factory=list)
    listed: set[bytes] = field(default_factory=set)
    compared: list[bytes] = field(default_factory=list)
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
        label, _, rest = path.partition(b"/")
        scan = self.scans.get(label)
        return scan is not None and scan.hides(rest)

    def is_unlisted(self, path: bytes) -> bool:
        return any(path.startswith(prefix + b"/") for prefix in self.unlisted)


class Surveyor:
    """Scans targets. Reads the catalogue, where there is one, and writes nothing."""

    def __init__(
        self, catalogue: Catalogue | None, tree: Tree, key_size: int, store: tuple[int, int], absorbed: Absorbed
    ) -> None:
        self._catalogue = catalogue
        self._tree = tree
        self._size = key_size
        self._skip = {store}
        self._absorbed = absorbed

    def survey(self, targets: list[Target], agreed: frozenset[bytes]) -> Survey:
        """Scan all targets.

        agreed: labels whose clean folders are known to hold what the snapshot names; the others are compared whole.
        """
        survey = Survey(targets)
        for target in targets:
            if target.gone:
                survey.vanished.append(target.prefix)
                continue
            whole = os.fsencode(target.root.label) not in agreed
            if whole and not is_file(target):
                survey.compared.append(target.prefix)
            self._scan(survey, target, whole)
        return survey

    def _scan(self, survey: Survey, target: Target, whole: bool) -> None:
        label = os.fsencode(target.root.label)
        expect = 0
        if self._catalogue is not None and not target.under:
            known = self._catalogue.meta(count_name(target.root.label))
            expect = int.from_bytes(known, "little") if known is not None else 0
        scan = shared_scan(target.place, target.options, EXTENSIONS, target.under, self._skip, expect)
        survey.scans[label] = scan
        only = is_file(target)
        found = 0
        for folder in scan:
            stored = label + b"/" + folder.path if folder.path else label
            found += folder.count
            survey.ignored += folder.ignored
            self._take(survey, folder, stored, os.path.join(target.place, folder.path), whole, only)
            self._take_troubles(survey, label, folder.troubles)
        self._take_troubles(survey, label, tuple(scan.troubles))
        survey.found[target.prefix] = found
        survey.candidates += found

    def _take_troubles(self, survey: Survey, label: bytes, troubles: tuple[Trouble, ...]) -> None:
        for trouble in troubles:
            stored = label + b"/" + trouble.path if trouble.path else label
            if trouble.is_folder and stored not in survey.unlisted:
                survey.unlisted.append(stored)
            survey.troubled[stored] = trouble

    def _take(self, survey: Survey, folder: Folder, stored: bytes, place: bytes, whole: bool, only: bool) -> None:
        if whole:
            survey.listed.add(stored)
        values = [self._value(stored, i) for i in range(len(folder.heads))]
        clean = [_is_clean(value, head) for value, head in zip(values, folder.heads, strict=True)]
        if not whole and not only and all(clean):
            survey.clean += folder.count
            return
        facts: dict[FileStat, tuple[bytes, int]] | None = None
        counts = _counts(folder)
        for index, head in enumerate(folder.heads):
            chunk = Chunk(stored, index, place, head, counts[index], self._size, only)
            value = values[index]
            if clean[index] and value is not None:
                chunk.load(value)
            else:
                if facts is None:
                    facts = self._folder_facts(stored)
                for number, file in enumerate(files_of(head)):
                    known = facts.get(file)
                    if known and known[1] in (KNOWN, FAILED):
                        chunk.put(number, known[1], known[0])
            survey.chunks.append(chunk)
        if not whole and not only:
            self._take_vanished(survey, folder, stored, values)

    def _take_vanished(self, survey: Survey, folder: Folder, stored: bytes, values: list[bytes | None]) -> None:
        before: set[bytes] = set()
        if any(value is None for value in values):
            before.update(self._tree.folders_in(stored))
        else:
            for value in values:
                before.update(_subfolders(value or b""))
        troubled = {os.path.basename(t.path) for t in folder.troubles if t.is_folder}
        survey.vanished += [stored + b"/" + name for name in before.difference(folder.subfolders, troubled)]

    def _value(self, stored: bytes, index: int) -> bytes | None:
        if self._catalogue is None:
            return None
        value = self._catalogue.folder(stored, index)
        if value is None and self._absorbed:
            for older in yesterday(stored, self._absorbed):
                value = value or self._catalogue.folder(older, index)
        return value

    def _folder_facts(self, stored: bytes) -> dict[FileStat, tuple[bytes, int]]:
        facts: dict[FileStat, tuple[bytes, int]] = {}
        for index in range(1 << 20):
            value = self._value(stored, index)
            if value is None:
                return facts
            for file, key, state in _facts(value, self._size):
                facts[file] = (key, state)
        return facts


def count_name(label: str) -> str:
    """The name under which the catalogue keeps how many pictures a root had."""
    return f"count/{label}"


def is_file(target: Target) -> bool:
    return bool(target.under) and not os.path.isdir(os.path.join(target.place, target.under))


def _counts(folder: Folder) -> list[int]:
    return [sum(1 for _ in files_of(head)) for head in folder.heads]


def keep_stats(batch: Batch, survey: Survey) -> None:
    """Write what is now known of the files that were not clean."""
    for chunk in survey.chunks:
        if not chunk.only:
            batch.put_folder(chunk.folder, chunk.index, chunk.to_value())
