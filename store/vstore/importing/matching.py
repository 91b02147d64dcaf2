"""The matching of an old list's paths with the files under a root. Pure: the files come as a table of names and stats.

Nothing is guessed silently: a path that fits several files, no file, or one newer than the index is reported as such.
A file that shares only its name with a path is not its picture, unless the caller says so.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from vstore.importing.asked import Reading, below, nearest, pair_of, placed, readings_of
from vstore.importing.files import File, Files, Found
from vstore.importing.listing import Entry
from vstore.importing.near_names import near_names
from vstore.importing.spelling import is_escaped
from vstore.importing.ways import Way, common_ways

MATCHED, AMBIGUOUS, MISSING, EDITED = "matched", "ambiguous", "missing", "possibly_edited"
SAME_TIME = 2.0  # seconds by which a file's time may differ between two filesystems
HERE, MOVED, SAME, NAME = "where it says", "by the end of its path", "by its name, size and date", "by its name"
BYTES = "by its bytes"  # which the list knows, as a store wrote it
_RANKS = {HERE: 4, MOVED: 3, SAME: 2, NAME: 1}
_OFF = ("", ", in another Unicode form", ", in another letter case")
SEVERAL, SHARED, NAMESAKE, NEARLY, NOWHERE = "several_files", "shared_file", "name_only", "near_name", "no_file"
OTHER_SIZE, OTHER_BYTES, NEWER, UNREADABLE = "other_size", "other_bytes", "newer", "unreadable"
TAKEN = "taken_file"
WAITING = (  # why a row has no picture
    SEVERAL, SHARED, NAMESAKE, TAKEN, NEARLY, OTHER_SIZE, OTHER_BYTES, NEWER, UNREADABLE, NOWHERE,
)  # fmt: skip
MOST = 16  # files of one path that speak for a way: of more nobody can say which it is


class Answer(NamedTuple):
    """The outcome of matching one entry.

    state:  matched, ambiguous, missing or possibly_edited.
    reason: how it was matched, or why it was not.
    files:  the matching file, or the candidates, or the near misses; paths relative to the root.
    rank:   quality of the match; a larger one is better.
    how:    HERE, MOVED, SAME, NAME or BYTES; empty if its files only share its name, and it was not asked for these.
    why:    one of WAITING, unless it is matched.
    """

    state: str
    reason: str
    files: tuple[bytes, ...] = ()
    rank: tuple[int, ...] = ()
    how: str = ""
    why: str = ""


class Matches(NamedTuple):
    """The outcome of matching a list.

    answers: one for each entry.
    ways:    the changes that lead from the listed paths to the files; none if they are not clear.
    """

    answers: list[Answer]
    ways: tuple[Way, ...]


class Matcher:
    """A finder of files for the paths of one list."""

    def __init__(
        self,
        files: Mapping[bytes, File],
        places: Iterable[bytes],
        starts: Sequence[bytes],
        written: int,
        *,
        trust_edited: bool = False,
        by_name: bool = False,
        ways: tuple[Way, ...] | None = None,
        taken: Collection[bytes] = (),
    ) -> None:
        """Take the files of a root.

        files:        path relative to the root -> its stats.
        places:       the absolute path of the root, and its other paths.
        starts:       the folders to which relative paths may be relative; the root is tried last.
        written:      when the index was written, in ns since 1970.
        trust_edited: match files that are newer than the index too.
        by_name:      match files that share only the name.
        ways:         the ways of the list that these entries are a part of; None if they are a whole list.
        taken:        files with a vector of their own, which no name alone gives another one.
        """
        self._stats = files
        self._places = [place.rstrip(b"/") + b"/" for place in places]
        self._starts = starts
        self._written = written
        self._trust = trust_edited
        self._by_name = by_name
        self._ways = ways
        self._taken = frozenset(taken)

    def match(self, entries: Sequence[Entry], same: Mapping[int, int] | None = None) -> Matches:
        """Find the file of each entry. same: entry -> an earlier entry with the same vector, bit for bit."""
        escaped = is_escaped(entry.path for entry in entries) and not self._has_escapes(entries)
        asked = [readings_of(entry.path, escaped) for entry in entries]
        wanted = {reading.folded[-1] for some in asked for reading in some if reading.folded}
        files = Files(self._stats, wanted)
        here = self._here(files, asked)
        ways = self._ways if self._ways is not None else self._find_ways(files, asked, here)
        told = Counter((entry.size, entry.mtime) for entry in entries)
        answers = []
        for number, entry in enumerate(entries):
            found = here.get(number)
            if found is None:  # of a list that lies where it says, what does not is gone
                found = Found() if here and self._ways is None else placed(files, asked[number], ways)
            sure = entry.size is not None and entry.mtime is not None and told[entry.size, entry.mtime] == 1
            answers.append(
                self._one(entry, asked[number], files, found, how=HERE if number in here else MOVED, sure=sure)
            )
        settled = _without_taken(_settle_claims(entries, answers, same or {}), self._taken)
        return Matches(self._with_near_names(settled, asked), ways)

    def _has_escapes(self, entries: Sequence[Entry]) -> bool:
        """Tell whether files have listed names with their escapes: nobody encoded these."""
        names = {file.rpartition(b"/")[2] for file in self._stats if b"%" in file}
        return any(entry.path.rpartition(b"/")[2] in names for entry in entries) if names else False

    def _with_near_names(self, answers: list[Answer], asked: Sequence[Sequence[Reading]]) -> list[Answer]:
        """Name the files that nearly have the name of an entry that no file has."""
        gone = {n: asked[n][-1].folded for n, answer in enumerate(answers) if answer.why == NOWHERE and asked[n]}
        gone = {number: names for number, names in gone.items() if names}
        if not gone:
            return answers
        taken = _taken_files(answers, self._taken)
        for number, near in near_names(gone, (file for file in self._stats if file not in taken)).items():
            what = f"a file has its name {near.how}" if len(near.files) == 1 else f"files have its name {near.how}"
            answers[number] = Answer(MISSING, what, near.files[:MOST], why=NEARLY)
        return answers

    # Where the list says, and where it moved

    def _here(self, files: Files, asked: Sequence[Sequence[Reading]]) -> dict[int, Found]:
        """Find the files that lie where the list says. A list is relative to one folder: the one with most files."""
        if self._ways:  # a part of a list whose folder is known by its ways
            return self._all_below(files, asked, b"/")
        best: dict[int, Found] = {}
        for start in dict.fromkeys(self._starts):
            found = self._all_below(files, asked, start)
            if len(found) > len(best):
                best = found
        if best:
            return best
        # Nobody said that the list is relative to the root: this must hold for half of what may be found at all.
        best = self._all_below(files, asked, self._places[0])
        known = sum(nearest(files, some)[0] is not None for some in asked)
        return best if 2 * len(best) >= known else {}

    def _all_below(self, files: Files, asked: Sequence[Sequence[Reading]], start: bytes) -> dict[int, Found]:
        return {n: found for n, some in enumerate(asked) if (found := self._lies(files, some, start)).files}

    def _lies(self, files: Files, some: Sequence[Reading], start: bytes) -> Found:
        best = Found()
        for reading in some:
            full = os.path.normpath(os.path.join(start, reading.path))
            for place in self._places:
                inside = below(full, place)
                found = files.at(inside) if inside else Found()
                if found.files and (not best.files or found.off < best.off):
                    best = found
        return best

    def _find_ways(
        self, files: Files, asked: Sequence[Sequence[Reading]], here: Mapping[int, Found]
    ) -> tuple[Way, ...]:
        listed = {some[0].folded for some in asked if some and some[0].folded}
        if here:
            pairs = [pair_of(asked[n][0].folded, found.files[0]) for n, found in here.items() if len(found.files) == 1]
            counted = Counter(pair.way() for pair in pairs)
            return tuple(way for way, _ in counted.most_common(1))
        pairs = []
        for some in asked:
            reading, (_, found) = nearest(files, some)
            if reading is not None and len(found) <= MOST:
                pairs += [pair_of(reading.folded, file) for file in found]
        return common_ways(
            pairs, listed | {pair.listed for pair in pairs}, lambda names: bool(files.at(b"/".join(names)).files)
        )

    # One entry

    def _one(
        self, entry: Entry, some: Sequence[Reading], files: Files, found: Found, *, how: str, sure: bool
    ) -> Answer:
        if not some:
            return Answer(MISSING, "no file can have this name", why=NOWHERE)
        if found.files:
            return self._settled(entry, list(found.files), how, (-found.off,))
        reading, (shared, ending) = nearest(files, some)
        if reading is None:
            return Answer(MISSING, "no file under --root has this name", why=NOWHERE)
        if sure:
            twins = [file for file in files.namesakes(reading.folded[-1]) if self._is_as_told(entry, file)]
            if twins:
                return self._settled(entry, twins, SAME, ())
        whole = [file for file in ending if file.count(b"/") + 1 == shared]
        best = whole or list(ending)
        if self._by_name and (best := [file for file in best if file not in self._taken]):
            return self._settled(entry, best, NAME, (shared * 2 + bool(whole),))
        if len(best) != 1:
            return Answer(AMBIGUOUS, f"{len(best)} files match it", tuple(best), why=NAMESAKE)
        return Answer(MISSING, "only a file elsewhere has its name", tuple(best), why=NAMESAKE)

    def _is_as_told(self, entry: Entry, file: bytes) -> bool:
        return self._stats[file].size == entry.size and self._same_time(entry, file)

    def _settled(self, entry: Entry, fitting: list[bytes], how: str, quality: tuple[int, ...]) -> Answer:
        """Choose among several files by size, then by date."""
        rank = (_RANKS[how], *quality)
        way = how + (_OFF[-quality[0]] if how in (HERE, MOVED) else "")
        if len(fitting) == 1:
            return self._judged(entry, fitting[0], Answer(MATCHED, way, rank=rank, how=how))
        sizes = [file for file in fitting if self._stats[file].size == entry.size]
        if len(sizes) == 1:
            return self._judged(entry, sizes[0], Answer(MATCHED, f"{way}, settled by its size", rank=rank, how=how))
        rest = sizes or fitting
        times = [file for file in rest if self._same_time(entry, file)]
        if len(times) == 1:
            return self._judged(entry, times[0], Answer(MATCHED, f"{way}, settled by its date", rank=rank, how=how))
        rest = times or rest
        old = [file for file in rest if self._stats[file].mtime_ns <= self._written]
        if len(old) == 1:
            by = f"{way}, settled by date: the others are newer than the index"
            return self._judged(entry, old[0], Answer(MATCHED, by, rank=rank, how=how))
        return Answer(AMBIGUOUS, f"{len(rest)} files match it", tuple(rest), rank, how, SEVERAL)

    def _same_time(self, entry: Entry, file: bytes) -> bool:
        return entry.mtime is not None and abs(self._stats[file].mtime_ns / 1e9 - entry.mtime) <= SAME_TIME

    def _judged(self, entry: Entry, file: bytes, answer: Answer) -> Answer:
        """Answer with one file, unless it was edited since the index was written."""
        found = self._stats[file]
        answer = answer._replace(files=(file,))
        if entry.size is not None and entry.size != found.size:
            edited, why = f"it has {found.size} bytes now, the list has {entry.size}", OTHER_SIZE
        elif self._same_time(entry, file) or found.mtime_ns <= self._written:
            return answer
        else:
            edited, why = "it is newer than the index", NEWER
        if self._trust:
            return answer._replace(reason=f"{answer.reason}, although {edited}")
        return answer._replace(state=EDITED, reason=edited, why=why)


def _settle_claims(entries: Sequence[Entry], answers: list[Answer], same: Mapping[int, int]) -> list[Answer]:
    """Let several entries share a file only if they have the same path or the same vector."""
    claims: defaultdict[bytes, list[int]] = defaultdict(list)
    for number, answer in enumerate(answers):
        if answer.state in (MATCHED, EDITED):
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
            reason = f"{whose} matches the same file {why}"
            answers[number] = Answer(AMBIGUOUS, reason, (file,), answers[number].rank, why=SHARED)
    return answers


def _taken_files(answers: Iterable[Answer], known: Collection[bytes]) -> set[bytes]:
    return set(known) | {answer.files[0] for answer in answers if answer.state in (MATCHED, EDITED)}


def _without_taken(answers: list[Answer], known: Collection[bytes]) -> list[Answer]:
    """Take the files of other entries, and those known to be other pictures, from the near misses."""
    taken = _taken_files(answers, known)
    for number, answer in enumerate(answers):
        if answer.why != NAMESAKE:
            continue
        left = tuple(file for file in answer.files if file not in taken)
        if not left:
            answers[number] = Answer(MISSING, "the files of its name are those of other rows", why=TAKEN)
        elif len(left) == 1:
            answers[number] = Answer(MISSING, "only a file elsewhere has its name", left, why=NAMESAKE)
        else:
            answers[number] = answer._replace(reason=f"{len(left)} files match it", files=left)
    return answers
