"""The names that a scan passes over or takes in: hidden names, excludes, includes and ignore files."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from typing import TYPE_CHECKING

from vstore.errors import UsageError

if TYPE_CHECKING:
    from vstore.pictures.patterns import Patterns
    from vstore.pictures.scan_options import ScanOptions

    Chain = list[tuple[int, Patterns]]  # length of the folder's path, and the patterns that stand in it

IGNORE_FILE = ".vstoreignore"
_SKIPPED = frozenset({"@eaDir"})  # thumbnails that Synology's file server leaves beside the pictures


class Rules:
    """The rules of one scan. Paths are relative to the root; those of folders end in a slash."""

    def __init__(self, options: ScanOptions) -> None:
        """Raises: UsageError for an invalid pattern."""
        self._include = _patterns(options.include) if options.include else None
        self._exclude = _patterns(options.exclude) if options.exclude else None
        self._files: dict[str, Patterns | None] = {}

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
        try:
            file = os.open(IGNORE_FILE, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=fd)
        except FileNotFoundError:
            return
        try:
            if stat.S_ISREG(os.fstat(file).st_mode):
                from vstore.pictures.patterns import Patterns

                with open(file, "rb", closefd=False) as text:
                    lines = text.read().removeprefix(b"\xef\xbb\xbf")
                self._files[base] = Patterns.from_file(os.fsdecode(lines))
        finally:
            os.close(file)

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
        for length, patterns in chain:
            verdict = patterns.matches(path[length:])
            if verdict is not None:
                return verdict
        return False

    def include(self, path: str) -> bool:
        """Tell whether an include names a path, or else a folder above it."""
        while self._include is not None and path:
            verdict = self._include.matches(path)
            if verdict is not None:
                return verdict
            path = path[: path.rfind("/", 0, -1) + 1]
        return False

    def hide(self, path: str) -> bool:
        """Tell whether a path is hidden or excluded, by its own name or by that of a folder above it."""
        base = ""
        *folders, name = path.split("/")
        for folder in folders:
            if is_hidden(folder) or self.exclude(f"{base}{folder}/", self.over(base)):
                return True
            base += folder + "/"
        if not name:
            return False
        return (is_hidden(name) and not self.include(path)) or self.exclude(path, self.over(base))


def is_hidden(name: str) -> bool:
    """Tell whether a name is hidden, whatever the options of the root are."""
    return name[:1] == "." or name in _SKIPPED


def _patterns(globs: Iterable[str]) -> Patterns:
    from vstore.pictures.patterns import Pattern, Patterns

    patterns = []
    for glob in globs:
        try:
            patterns.append(Pattern.parse(glob))
        except ValueError as err:
            raise UsageError(f"{glob!r} is not a valid pattern of an ignore file: {err}") from err
    return Patterns(patterns)
