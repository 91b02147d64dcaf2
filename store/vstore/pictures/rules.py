"""The names that a scan passes over or takes in: hidden names, excludes, includes and ignore files."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from typing import TYPE_CHECKING

from vstore.errors import UsageError
from vstore.pictures.left_out import LeftOut, left_out

if TYPE_CHECKING:
    from vstore.pictures.links import Fence
    from vstore.pictures.pattern_faults import Fault
    from vstore.pictures.pattern_watch import CaseWatch
    from vstore.pictures.patterns import Pattern, Patterns
    from vstore.pictures.scan_options import ScanOptions

    Chain = list[tuple[int, Patterns]]  # length of the folder's path, and the patterns that stand in it

IGNORE_FILE = ".vstoreignore"
LONGEST_FILE = 1 << 24  # bytes of an ignore file
MOST_LINES = 100_000  # different lines of the ignore files of a root
MOST_WATCHED = 1_024  # lines of ignore files whose letter case is watched: each name is held against each


class Rules:
    """The rules of one scan. Paths are relative to the root; those of folders end in a slash.

    faults: the lines of ignore files that can match nothing: path of the file, line, and the reason.
    """

    def __init__(self, options: ScanOptions, place: bytes, fence: Fence | None = None) -> None:
        """
        place:  real path of the root.
        fence:  links must not lead out of it.
        Raises: UsageError for an invalid pattern.
        """
        self.place = place
        self._fence = fence
        self._above = os.fsdecode(place).rstrip("/") + "/"
        self._folds: bool | None = None
        self._lines: dict[str, Pattern | None] = {}
        self._include = self._patterns(options.include) if options.include else None
        self._exclude = self._patterns(options.exclude) if options.exclude else None
        self._files: dict[str, Patterns | None] = {}
        self._watches: dict[str, CaseWatch] = {}
        self._watched = 0
        self.faults: list[tuple[bytes, str, Fault]] = []

    @property
    def folds(self) -> bool:
        """True if the disk of the root finds names in any letter case; then patterns do, too."""
        if self._folds is None:
            from vstore.pictures.spelling import folds_case  # most roots have no pattern

            self._folds = folds_case(self.place)
        return self._folds

    def _patterns(self, globs: Iterable[str]) -> Patterns:
        from vstore.pictures.patterns import MOST_WILD, Patterns, parsed

        patterns = Patterns((parsed(glob, fold=self.folds) for glob in globs), fold=self.folds)
        if patterns.wild > MOST_WILD:
            raise UsageError(
                f"the folder has {patterns.wild:,} patterns with wildcards, more than the {MOST_WILD:,} that each name "
                "is held against",
                "take some away with --no-exclude, or exclude their folder",
            )
        return patterns

    @property
    def met(self) -> bool:
        """True if any ignore file holds a pattern."""
        return any(self._files.values())

    def knows(self, base: str) -> bool:
        """Tell whether the ignore file of a folder was read."""
        return base in self._files

    def read(self, path: bytes, fd: int) -> None:
        """Read the ignore file of an open folder, if it has one.

        Raises: OSError if it cannot be read: its folder then counts as not listed.
        """
        base = os.fsdecode(path) + "/" if path else ""
        self._files[base] = None
        if self._fence is not None:
            self._fence.follow(os.path.join(self.place, path, os.fsencode(IGNORE_FILE)))
        try:
            file = os.open(IGNORE_FILE, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=fd)
        except FileNotFoundError:
            return
        try:
            if stat.S_ISREG(os.fstat(file).st_mode):
                with open(file, "rb", closefd=False) as text:
                    lines = text.read(LONGEST_FILE + 1).removeprefix(b"\xef\xbb\xbf")
                if len(lines) > LONGEST_FILE:
                    raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), IGNORE_FILE)
                content = os.fsdecode(lines)
                self._files[base] = self._parsed(base, content)
                self._note_faults(base, content)
                if not self.folds:
                    self._watch(base, content)
        finally:
            os.close(file)

    def _parsed(self, base: str, text: str) -> Patterns:
        """Read the ignore file of a folder. Raises: OSError if that are too many patterns."""
        from vstore.pictures.patterns import MOST_WILD, Patterns, lines_of, parsed_line

        patterns = []
        for line in lines_of(text):
            if line not in self._lines:
                if len(self._lines) == MOST_LINES:
                    raise _too_many(f"the ignore files up to this one have more than {MOST_LINES:,} different lines")
                self._lines[line] = parsed_line(line, fold=self.folds)
            pattern = self._lines[line]
            if pattern is not None:
                patterns.append(pattern)
        found = Patterns(patterns, fold=self.folds)
        above = sum(patterns.wild for _, patterns in self.over(base) if patterns is not self._exclude)
        if above + found.wild > MOST_WILD:
            raise _too_many(
                f"its ignore file and those above it have {above + found.wild:,} patterns with wildcards, "
                f"more than {MOST_WILD:,}"
            )
        return found

    def _note_faults(self, base: str, text: str) -> None:
        """Note the lines of the ignore file of a folder that can match nothing.

        An absolute path may name another folder of this disk. A stranger's must not be looked for there.
        """
        from vstore.pictures.pattern_faults import fault_of, fault_of_line, is_absolute
        from vstore.pictures.patterns import lines_of

        place = (self._above + base).rstrip("/")
        is_strange = self._fence is not None and not self._fence.is_named()
        for line in lines_of(text):
            fault = fault_of_line(line) if self._lines.get(line) is None else None
            if fault is None and not (is_strange and is_absolute(line)):
                fault = fault_of(line, place, os.path.basename(place))
            if fault is not None:
                self.faults.append((os.fsencode(base + IGNORE_FILE), line, fault))

    def _watch(self, base: str, text: str) -> None:
        """Watch whether a line of the ignore file of a folder would match in another letter case, if all are few."""
        from vstore.pictures.pattern_watch import CaseWatch
        from vstore.pictures.patterns import lines_of

        lines = list(lines_of(text))
        if base in self._watches or self._watched + len(lines) > MOST_WATCHED:
            return
        self._watched += len(lines)
        self._watches[base] = CaseWatch(lines)

    def finish(self, under: str) -> None:
        """After a walk: note the lines of ignore files that matched nothing for their letter case.

        under: the part that was walked, with a slash at its end; all of "". Only there every name was met.
        """
        for base, watch in self._watches.items():
            if base.startswith(under):
                self.faults += ((os.fsencode(base + IGNORE_FILE), line, fault) for line, fault in watch.faults())
        self._watches.clear()

    def stand_over(self, base: str) -> bool:
        """Tell whether an ignore file with a pattern stands in a folder or above it."""
        return self.met and any(patterns is not self._exclude for _, patterns in self.over(base))

    def over(self, base: str) -> Chain:
        """List the patterns for the names in a folder: the excludes, then, as in git, the deepest ignore file first."""
        chain: Chain = [(0, self._exclude)] if self._exclude is not None else []
        above = base
        while any(self._files.values()):
            spec = self._files.get(above)
            if spec is not None:
                chain.append((len(above), spec))
            if not above:
                break
            above = above[: above.rfind("/", 0, -1) + 1]
        return chain

    def exclude(self, path: str, chain: Chain) -> bool:
        """Tell whether a path is excluded: the first of the patterns that matches it decides."""
        excluded = False
        for length, patterns in chain:
            decides = patterns.deciding(path[length:])
            if decides is not None:
                excluded = not decides.brings_back
                break
        if self._watches:
            for length, patterns in chain:
                if patterns is not self._exclude and (watch := self._watches.get(path[:length])) is not None:
                    watch.see(path[length:], excluded=excluded)
        return excluded

    def include(self, path: str) -> bool:
        """Tell whether an include names a path, or else a folder above it."""
        while self._include is not None and path:
            verdict = self._include.matches(path)
            if verdict is not None:
                return verdict
            path = path[: path.rfind("/", 0, -1) + 1]
        return False

    def is_known(self, path: str) -> bool:
        """Tell whether a folder of this path would be left out by default."""
        return left_out(self._above + path) is not None

    def keeps_out(self, path: str, chain: Chain) -> LeftOut | bool:
        """Tell whether a folder is never entered, whatever is above it: by default, or as it is hidden or excluded.

        A pattern takes in what is left out by default if it spells its name: `!*/` says nothing of it.
        path: ends in a slash.
        """
        known = left_out(self._above + path[:-1])
        if known is None:
            return is_hidden(path[path.rfind("/", 0, -1) + 1 :]) or self.exclude(path, chain)
        for length, patterns in chain:
            decides = patterns.deciding(path[length:])
            if decides is not None and not decides.brings_back:
                return True
            if decides is not None and decides.spelled:
                return False
        return known

    def left_out_above(self, path: str) -> LeftOut | None:
        """Find the folder above a path that is left out by default."""
        at = path.find("/")
        while at >= 0:
            found = self.keeps_out(path[: at + 1], self.over(path[: path.rfind("/", 0, at) + 1]))
            if isinstance(found, LeftOut):
                return found
            at = path.find("/", at + 1)
        return None

    def hide(self, path: str) -> bool:
        """Tell whether a path is hidden or excluded, by its own name or by that of a folder above it."""
        base = ""
        *folders, name = path.split("/")
        for folder in folders:
            if self.keeps_out(f"{base}{folder}/", self.over(base)):
                return True
            base += folder + "/"
        if not name:
            return False
        return (is_hidden(name) and not self.include(path)) or self.exclude(path, self.over(base))


def _too_many(words: str) -> OSError:
    return OSError(errno.EFBIG, words, IGNORE_FILE)


def is_hidden(name: str) -> bool:
    """Tell whether a name is hidden, whatever the options of the root are."""
    return name[:1] == "."
