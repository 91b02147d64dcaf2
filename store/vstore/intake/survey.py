"""The files of a scan, in runs of up to a thousand of one folder, with the facts known of each.

Two parties write a survey, by its methods alone: the surveyor adds runs of files with the facts of the
catalogue, and the ingest adds the results of reading the files. All others only read it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import groupby
from typing import TYPE_CHECKING

from vstore.intake.targets import Target
from vstore.pictures.folder import FileStat, Trouble, count_of, files_of, sizes_of
from vstore.pictures.passed_over import PassedOver
from vstore.pictures.scan import Scan
from vstore.quick_tuple import NamedTuple
from vstore.repository.files import Files
from vstore.repository.places import is_below

if TYPE_CHECKING:
    from vstore.pictures.pattern_faults import Fault
    from vstore.pictures.pattern_watch import Unmatched

UNKNOWN, KNOWN, LOOSE, FAILED, TROUBLE, TOO_LARGE, GONE = range(7)
"""The state of a file.

UNKNOWN:   nothing is known: it must be read.
KNOWN:     its key is known.
LOOSE:     its key is known, but it was too young when it was read for its stat to be trusted later.
FAILED:    its key is known, and the picture has no vector for a known reason.
TROUBLE:   it could not be read.
TOO_LARGE: it was not read for its size.
GONE:      it went away since the scan.
"""

SHALLOW = 2
_WITH_KEY = frozenset({KNOWN, LOOSE, FAILED})


class Chunk:
    """Up to 1,000 files of one folder. `Survey` alone changes their facts.

    folder:   stored path of the folder.
    index:    number of the run within its folder.
    place:    absolute path of the folder.
    head:     the packed names and stats.
    only:     the folder was not asked for as a whole.
    doubtful: a file of the folder may be missing here, as it could not be stat-ed.
    """

    __slots__ = ("_keys", "_size", "_states", "_stored", "doubtful", "folder", "head", "index", "only", "place")

    def __init__(
        self, folder: bytes, index: int, place: bytes, head: bytes, *, key_size: int, only: bool, doubtful: bool
    ) -> None:
        count = count_of(head)
        self.folder = folder
        self.index = index
        self.place = place
        self.head = head
        self.only = only
        self.doubtful = doubtful
        self._size = key_size
        self._keys = bytearray(count * key_size)
        self._states = bytearray(count)
        self._stored = bytearray(count)

    def __len__(self) -> int:
        return len(self._states)

    def files(self) -> Iterator[tuple[int, bytes, FileStat]]:
        """Yield number, stored path and stat of each file."""
        base = self.folder + b"/"
        for number, file in enumerate(files_of(self.head)):
            yield number, base + file.name, file

    def state(self, number: int) -> int:
        return self._states[number]

    def key(self, number: int) -> bytes | None:
        """Return the key of a file, or None if unknown."""
        if self._states[number] not in _WITH_KEY:
            return None
        return bytes(self._keys[number * self._size : (number + 1) * self._size])

    def count(self, state: int) -> int:
        """Count the files in a state."""
        return self._states.count(state)

    @property
    def facts(self) -> tuple[bytes, bytes]:
        """The keys of all files (zeros for unknown ones) and their states, for the catalogue."""
        return bytes(self._keys), bytes(self._states)


class Item(NamedTuple):
    """One file of a survey: its run and its number there, its stored path, and its stat in the scan."""

    chunk: Chunk
    number: int
    path: bytes
    file: FileStat


class Survey:
    """The result of a scan. All paths are stored ones.

    targets:  the scanned folders, and parts of folders.
    chunks:   runs with changes; all runs if the whole snapshot has to be compared.
    clean:    number of files in clean runs, without those among the chunks.
    ignored:  number of other files.
    passed:   what was passed over, by kind.
    unmatched: new patterns that match nothing.
    unlisted: folders that could not be listed; their aliases are carried over.
    troubled: folders not listed, and files not stat-ed, because of an error.
    unsure:   paths not stat-ed: maybe files; an alias there is carried over.
    large:    files too large for an earlier run.
    compared: parts compared with the snapshot as a whole.
    listed:   listed folders in those parts.
    shallow:  listed folders at most `SHALLOW` levels below their root.
    emptied:  folders that are gone, with everything below them.
    no_files: paths that no longer lead to a file.
    doubts:   labels of folders with a subfolder not met: the catalogue may not know all of them.
    names:    of some folders, the names of all files the snapshot can have there.
    found:    number of candidates, by the stored path of the target.
    scans:    the finished scans, by the stored path of the target.
    """

    __slots__ = (
        "chunks", "clean", "compared", "doubts", "emptied", "found", "ignored", "large", "listed", "names", "no_files",
        "passed", "scans", "shallow", "targets", "troubled", "unlisted", "unmatched", "unsure",
    )  # fmt: skip

    def __init__(self, targets: list[Target]) -> None:  # a dataclass would cost each command two milliseconds
        self.targets = targets
        self.chunks: list[Chunk] = []
        self.clean = 0
        self.ignored = 0
        self.passed: PassedOver = {}
        self.unmatched: list[Unmatched] = []
        self.unlisted: list[bytes] = []
        self.troubled: dict[bytes, Trouble] = {}
        self.unsure: set[bytes] = set()
        self.large: set[bytes] = set()
        self.compared: list[bytes] = []
        self.listed: set[bytes] = set()
        self.shallow: list[bytes] = []
        self.emptied: list[bytes] = []
        self.no_files: list[bytes] = []
        self.doubts: set[bytes] = set()
        self.names: dict[bytes, list[bytes]] = {}
        self.found: dict[bytes, int] = {}
        self.scans: dict[bytes, Scan] = {}

    # The surveyor writes

    def add(self, chunk: Chunk, facts: Mapping[FileStat, tuple[bytes, int]], *, proven: bool) -> None:
        """Add a run of files, with the keys and states known to the catalogue.

        proven: every known picture is in the snapshot, and so has a vector.
        """
        for number, path, file in chunk.files():
            key, state = facts.get(file, (b"", UNKNOWN))
            if state in (KNOWN, FAILED):
                _put(chunk, number, state, key)
                chunk._stored[number] = proven and state == KNOWN
            elif state == TOO_LARGE:
                self.large.add(path)
        self.chunks.append(chunk)

    def add_clean(self, chunk: Chunk, keys: bytes, states: bytes, *, proven: bool) -> None:
        """Add a run of files, all known to the catalogue."""
        chunk._keys[:] = keys
        chunk._states[:] = states
        chunk._stored[:] = bytes([proven]) * len(chunk)
        self.chunks.append(chunk)

    def sort(self) -> None:
        """Put what was met into the order in which one process meets it: two of them met it in no order."""
        self.chunks.sort(key=lambda chunk: (chunk.folder.split(b"/"), chunk.index))
        self.shallow.sort(key=lambda path: path.split(b"/"))
        self.troubled = dict(sorted(self.troubled.items()))

    # The ingest writes

    def learn(self, item: Item, state: int, key: bytes | None) -> None:
        """Record the result of reading a file."""
        _put(item.chunk, item.number, state, key)

    def learn_failures(self, failures: Collection[bytes]) -> None:
        """Record the failed keys. Earlier failures not among them fail no longer."""
        for chunk in self.chunks:
            if not failures and not chunk.count(FAILED):
                continue
            for number, state in enumerate(chunk._states):
                if state in (KNOWN, FAILED):
                    chunk._states[number] = FAILED if chunk.key(number) in failures else KNOWN

    # All read

    def folders(self) -> Iterator[tuple[bytes, list[Chunk]]]:
        """Yield each folder with its runs."""
        for folder, chunks in groupby(self.chunks, lambda chunk: chunk.folder):
            yield folder, list(chunks)

    def unread_count(self) -> int:
        return sum(chunk.count(UNKNOWN) for chunk in self.chunks)

    def unread_size(self) -> int:
        """Add up the bytes of the files that must be read, as the scan saw them."""
        found = 0
        for chunk in self.chunks:
            unread = chunk.count(UNKNOWN)
            if unread == len(chunk):
                found += sum(sizes_of(chunk.head))
            elif unread:
                found += sum(
                    size for size, state in zip(sizes_of(chunk.head), chunk._states, strict=True) if state == UNKNOWN
                )
        return found

    def unread(self) -> Iterator[Item]:
        """Yield the files that must be read."""
        for chunk in self.chunks:
            if chunk.count(UNKNOWN):
                for number, path, file in chunk.files():
                    if chunk.state(number) == UNKNOWN:
                        yield Item(chunk, number, path, file)

    def unembedded(self, wants: Callable[[bytes], bool]) -> Iterator[Item]:
        """Yield one file of each picture to embed whose key is known.

        wants: tells whether a key must be embedded.
        """
        asked: set[bytes] = set()
        for chunk in self.chunks:
            found: set[int] = set()
            for number, stored in enumerate(chunk._stored):
                key = None if stored else chunk.key(number)
                if key is not None and key not in asked and wants(key):
                    asked.add(key)
                    found.add(number)
            for number, path, file in chunk.files() if found else ():
                if number in found:
                    yield Item(chunk, number, path, file)

    def failed_keys(self) -> Iterator[bytes]:
        """Yield the keys of the files in the state FAILED."""
        for chunk in self.chunks:
            for number, state in enumerate(chunk._states) if chunk.count(FAILED) else ():
                key = chunk.key(number)
                if state == FAILED and key is not None:
                    yield key

    def hides(self, path: bytes) -> bool:
        """Tell whether the excludes, as this scan met them, hide a stored path."""
        rest = path.partition(b"/")[2]
        return any(is_below(path, prefix) and scan.hides(rest) for prefix, scan in self.scans.items())

    def faults(self) -> Iterator[tuple[bytes, str, Fault]]:
        """Yield the lines of ignore files that can match nothing: stored path of the file, line, and the reason."""
        for prefix, scan in self.scans.items():
            for path, line, fault in scan.faults:
                yield prefix.partition(b"/")[0] + b"/" + path, line, fault

    def file_of(self, path: bytes) -> bytes:
        """Find the absolute path of a stored path; of another folder it stays what it is."""
        places = {os.fsencode(target.root.label): target.place for target in self.targets}
        return Files(places).file_of(path) or path

    def is_left_out(self, path: bytes) -> bool:
        """Tell whether a stored path lies in a folder that is left out by default."""
        rest = path.partition(b"/")[2]
        return any(is_below(path, prefix) and scan.leaves_out(rest) for prefix, scan in self.scans.items())

    def is_unlisted(self, path: bytes) -> bool:
        """Tell whether a stored path lies below an unlisted folder."""
        return any(path.startswith(prefix + b"/") for prefix in self.unlisted)


def _put(chunk: Chunk, number: int, state: int, key: bytes | None) -> None:
    if key is not None:
        chunk._keys[number * chunk._size : (number + 1) * chunk._size] = key
    chunk._states[number] = state
