"""The matching of an old list's paths with the files under a root. Pure: the files come as a table of names and stats.

Nothing is guessed silently: a path that fits several files, no file, or one newer than the index is reported as such.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from vstore.importing.listing import Entry

MATCHED, AMBIGUOUS, MISSING, EDITED = "matched", "ambiguous", "missing", "possibly_edited"
SAME_TIME = 2.0  # seconds by which a file's time may differ between two filesystems
_WINDOWS = re.compile(rb"[A-Za-z]:[\\/]|\\\\|[^/]*\\[^/]*\Z")
_HERE, _TAIL, _NAME = 3, 2, 1
_WAYS = {_HERE: "where it says", _TAIL: "by the end of its path", _NAME: "by its name"}


class File(NamedTuple):
    """One candidate under the root.

    size:     in bytes.
    mtime_ns: since 1970.
    """

    size: int
    mtime_ns: int


class Answer(NamedTuple):
    """The outcome of matching one entry.

    state:  matched, ambiguous, missing or possibly_edited.
    reason: how it was matched, or why it was not.
    files:  the matching file, or the candidates; paths relative to the root.
    rank:   quality of the match; a larger one is better.
    """

    state: str
    reason: str
    files: tuple[bytes, ...] = ()
    rank: tuple[int, int] = (0, 0)


class Matcher:
    """A finder of files for paths."""

    def __init__(
        self,
        files: Mapping[bytes, File],
        places: Iterable[bytes],
        starts: Sequence[bytes],
        written: int,
        trust_edited: bool = False,
    ) -> None:
        """Index the files by their names.

        files:        path relative to the root -> its stats.
        places:       the absolute path of the root, and its other paths.
        starts:       the folders to which a relative path may be relative.
        written:      when the index was written, in ns since 1970.
        trust_edited: match files that are newer than the index too.
        """
        self._files = files
        self._places = [place.rstrip(b"/") + b"/" for place in places]
        self._starts = starts
        self._written = written
        self._trust = trust_edited
        self._named: defaultdict[bytes, list[bytes]] = defaultdict(list)
        for path in files:
            self._named[path.rpartition(b"/")[2]].append(path)

    def match(self, entries: Sequence[Entry], same: Mapping[int, int] | None = None) -> list[Answer]:
        """Find the file of each entry. same: entry -> an earlier entry with the same vector, bit for bit."""
        answers = [self._one(entry) for entry in entries]
        return _settle_claims(entries, answers, same or {})

    def _one(self, entry: Entry) -> Answer:
        path = entry.path
        if b"\0" in path or not path:
            return Answer(MISSING, "no file can have this name")
        if _WINDOWS.match(path) and path.rpartition(b"/")[2] not in self._named:  # a name may hold a backslash here
            path = path.replace(b"\\", b"/")
        here = self._where_it_says(path)
        if here is not None:
            return self._judged(entry, here, (_HERE, 0), "")
        names = [name for name in os.path.normpath(path).split(b"/") if name not in (b"", b".", b"..")]
        named = self._named.get(names[-1], []) if names else []
        if not named:
            return Answer(MISSING, "no file under --root has this name")
        ranks = {file: _rank(names, file.split(b"/")) for file in named}
        best = max(ranks.values())
        fitting = sorted(file for file, rank in ranks.items() if rank == best)
        if len(fitting) == 1:
            return self._judged(entry, fitting[0], best, "")
        return self._settled(entry, fitting, best)

    def _where_it_says(self, path: bytes) -> bytes | None:
        for start in self._starts:
            full = os.path.normpath(os.path.join(start, path))
            for place in self._places:
                if full.startswith(place) and full[len(place) :] in self._files:
                    return full[len(place) :]
        return None

    def _settled(self, entry: Entry, fitting: list[bytes], rank: tuple[int, int]) -> Answer:
        """Choose among several files by size, then by date."""
        sizes = [file for file in fitting if self._files[file].size == entry.size]
        if len(sizes) == 1:
            return self._judged(entry, sizes[0], rank, ", settled by its size")
        rest = sizes or fitting
        times = [file for file in rest if self._same_time(entry, file)]
        if len(times) == 1:
            return self._judged(entry, times[0], rank, ", settled by its date")
        rest = times or rest
        old = [file for file in rest if self._files[file].mtime_ns <= self._written]
        if len(old) == 1:
            return self._judged(entry, old[0], rank, ", settled by date: the others are newer than the index")
        return Answer(AMBIGUOUS, f"{len(rest)} files match it", tuple(rest), rank)

    def _same_time(self, entry: Entry, file: bytes) -> bool:
        return entry.mtime is not None and abs(self._files[file].mtime_ns / 1e9 - entry.mtime) <= SAME_TIME

    def _judged(self, entry: Entry, file: bytes, rank: tuple[int, int], how: str) -> Answer:
        found = self._files[file]
        reason = _WAYS[rank[0]] + how
        if entry.size is not None and entry.size != found.size:
            edited = f"it has {found.size} bytes now, the list has {entry.size}"
        elif self._same_time(entry, file) or found.mtime_ns <= self._written:
            return Answer(MATCHED, reason, (file,), rank)
        else:
            edited = "it is newer than the index"
        if self._trust:
            return Answer(MATCHED, f"{reason}, although {edited}", (file,), rank)
        return Answer(EDITED, edited, (file,), rank)


def _rank(names: Sequence[bytes], file: Sequence[bytes]) -> tuple[int, int]:
    """Rank a file for a path: by the names shared at the end, then by whether they are the file's whole path."""
    shared = 0
    while shared < min(len(names), len(file)) and names[-1 - shared] == file[-1 - shared]:
        shared += 1
    whole = shared == len(file)
    return (_TAIL if whole or shared > 1 else _NAME, shared * 2 + whole)


def _settle_claims(entries: Sequence[Entry], answers: list[Answer], same: Mapping[int, int]) -> list[Answer]:
    """Let several entries share a file only if they have the same path or the same vector."""
    claims: defaultdict[bytes, list[int]] = defaultdict(list)
    for number, answer in enumerate(answers):
        if len(answer.files) == 1:
            claims[answer.files[0]].append(number)
    for file, claimants in claims.items():
        if len(claimants) < 2:
            continue
        best = max(answers[number].rank for number in claimants)
        first = [number for number in claimants if answers[number].rank == best]
        agreed = len({entries[n].path for n in first}) == 1 or len({same.get(n, n) for n in first}) == 1
        for number in claimants:
            if number in first and agreed:
                continue
            others = [other for other in first if other != number][:3]
            whose = ", ".join(os.fsdecode(entries[other].path) for other in others)
            why = "as well" if number in first else "better"
            answers[number] = Answer(AMBIGUOUS, f"{whose} matches the same file {why}", (file,), answers[number].rank)
    return answers
