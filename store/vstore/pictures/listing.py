"""Lists one folder: its candidates, its subfolders, and its troubles."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Callable
from itertools import islice
from typing import TYPE_CHECKING

from vstore.pictures import passed_over
from vstore.pictures.elsewhere import ABSENT, ICLOUD, name_at_icloud, program_of_link, reason_of
from vstore.pictures.extras import lacking, needs
from vstore.pictures.folder import CHUNK, GONE, Trouble, pack_rows, row_of, without
from vstore.pictures.left_out import LeftOut, may_be_left_out
from vstore.pictures.passed_over import BROKEN, DISK, EXTRA, LINK, OTHER, PassedOver
from vstore.pictures.rules import IGNORE_FILE, Rules, is_hidden
from vstore.quick_tuple import NamedTuple

if TYPE_CHECKING:
    from vstore.pictures.links import Fence
    from vstore.pictures.pattern_watch import Watch
    from vstore.pictures.rules import Chain
    from vstore.pictures.scan_options import ScanOptions


class Lister:
    """The folders of one scan, listed one at a time.

    keeps_out: tells of the stat of a folder why it is never entered; None if it is.
    """

    def __init__(
        self,
        options: ScanOptions,
        rules: Rules,
        extensions: frozenset[str],
        keeps_out: Callable[[os.stat_result], str | None],
        watch: Watch | None = None,
        fence: Fence | None = None,
    ) -> None:
        """
        extensions: of candidates, lower case, with the dot.
        watch:      sees every name that is met.
        fence:      links must not lead out of it.
        """
        self.fence = fence
        self.watch = watch
        self.options = options
        self.rules = rules
        self.lacking = lacking(extensions)
        self.extensions = extensions - self.lacking.keys()
        self.tails = frozenset(tail for e in self.extensions if len(e) in (4, 5) for tail in (e, e.upper()))
        self.keeps_out = keeps_out
        self._kinds: dict[str, tuple[str, str] | None] = {}  # by what follows the last dot

    def takes(self, path: str) -> bool:
        """Tell whether a file of this path is a candidate by its extension, or by an include."""
        return path[path.rfind(".") :].lower() in self.extensions or self.rules.include(path)

    def kind_of(self, name: str) -> tuple[str, str] | None:
        """Return the kind of a file and its extension; None if that is one of candidates."""
        at = name.rfind(".")
        tail = name[at:] if at > 0 else ""
        if tail not in self._kinds:
            if len(self._kinds) >= CHUNK:
                self._kinds.clear()
            self._kinds[tail] = self._kind(tail.lower(), name)
        return self._kinds[tail]

    def _kind(self, extension: str, name: str) -> tuple[str, str] | None:
        if extension in self.extensions:
            return None
        if extension in self.lacking:
            return EXTRA, self.lacking[extension].extras[0]
        return passed_over.kind_of(name, self.extensions)

    def list(self, fd: int, path: bytes, only: str | None = None) -> Listing:
        """List an open folder. only: the one name asked for.

        Raises: OSError if it cannot be listed to its end.
        """
        while True:
            found = _Sorting(self, path)
            found.read(fd, only)
            if not found.met_rules:
                break
            self.rules.read(path, fd)  # the ignore file is about the names before it, too: list them again
        rows = found.rows + found.odd_rows
        if self.options.ignore_ctime or self.options.ignore_inode:
            ignored = {"ctime": self.options.ignore_ctime, "inode": self.options.ignore_inode}
            rows = without(rows, **ignored)
        names, troubles = found.names + found.odd_names, tuple(found.troubles)
        return Listing(names, rows, found.folders, troubles=troubles, passed=found.passed)


class Listing(NamedTuple):
    """The entries of one folder.

    names:    of candidates, in the order of the disk.
    rows:     their packed stats, one after the other.
    folders:  name and (device, inode) of each subfolder; the latter only if an option asks for it.
    troubles: entries not stat-ed because of an error, and pictures whose content is elsewhere.
    passed:   what was passed over; paths are relative to the root.
    """

    names: list[str]
    rows: bytearray
    folders: list[tuple[str, tuple[int, int]]]
    troubles: tuple[Trouble, ...]
    passed: PassedOver


class _Sorting:
    """The entries of one folder, being sorted. met_rules: it stopped at a new ignore file."""

    def __init__(self, lister: Lister, path: bytes) -> None:
        self.names: list[str] = []
        self.rows = bytearray()
        self.odd_names: list[str] = []
        self.odd_rows = bytearray()
        self.folders: list[tuple[str, tuple[int, int]]] = []
        self.troubles: list[Trouble] = []
        self._passed: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        self.met_rules = False
        self._leads_out: bytes | None = None  # a link that is refused unless the folder's ignore file leaves it out
        self._fd = -1
        self._lister = lister
        self._base = os.fsdecode(path) + "/" if path else ""
        self._chain: Chain = lister.rules.over(self._base)

    def read(self, fd: int, only: str | None) -> None:
        self._fd = fd
        tails, chain, exclude = self._lister.tails, self._chain, self._lister.rules.exclude
        with os.scandir(fd) as entries:
            while block := list(islice(entries, CHUNK)):
                if only is not None:
                    block = [e for e in block if e.name == only]
                if self._lister.watch is not None:
                    self._show(block, self._lister.watch)
                # Nearly every file of nearly every folder is one of these; `_take_odd` would decide the same, slowly.
                plain = [
                    e
                    for e in block
                    if (e.name[-4:] in tails or e.name[-5:] in tails)
                    and e.name[0] != "."
                    and e.is_file(follow_symlinks=False)
                ]
                if len(plain) < len(block):
                    taken = {e.name for e in plain}
                    self._take_odd([e for e in block if e.name not in taken])
                    if self.met_rules:
                        return
                if chain:
                    plain = [e for e in plain if not exclude(self._base + e.name, chain)]
                self._take_plain(plain)
        if self._leads_out is not None and self._lister.fence is not None:
            self._lister.fence.refuse(self._leads_out)

    def _show(self, entries: list[os.DirEntry[str]], watch: Watch) -> None:
        folds = self._lister.rules.folds
        for entry in entries:
            is_folder = entry.is_dir(follow_symlinks=False)
            watch.see(f"{self._base}{entry.name}/" if is_folder else self._base + entry.name, fold=folds)

    def _take_plain(self, entries: list[os.DirEntry[str]]) -> None:
        try:
            found = [entry.stat(follow_symlinks=False) for entry in entries]
            rows = pack_rows(found)
        except (OSError, OverflowError):  # an entry remembers its stat: none is asked for twice
            self._take_each(entries)
        else:
            self.names += [entry.name for entry in entries]
            self.rows += rows

    def _take_each(self, entries: list[os.DirEntry[str]]) -> None:
        """Take files of which some have no stat, or one that is too large for a row."""
        for entry in entries:
            try:
                row = row_of(entry.stat(follow_symlinks=False))
            except OSError as err:
                self._missed(entry.name, err)
                continue
            self.names.append(entry.name)
            self.rows += row

    def _take_odd(self, entries: list[os.DirEntry[str]]) -> None:
        lister, passed, kind_of = self._lister, self._passed, self._lister.kind_of
        unruled = not self._chain and not lister.options.include
        for entry in entries:
            name = entry.name
            try:
                # As `_take` would decide, for the many.
                if unruled and name[0] != "." and entry.is_file(follow_symlinks=False):
                    kind = kind_of(name)
                    if kind is not None and kind[0] != EXTRA:
                        passed[kind].append(name)
                        continue
                if name == IGNORE_FILE and not lister.rules.knows(self._base):
                    self.met_rules = True
                    return
                self._take(entry)
            except OSError as err:
                # Its type may be unknown: to a link that may be followed, and on disks that do not tell.
                is_folder = not entry.is_symlink() or lister.options.follow_symlinks
                self._missed(entry.name, err, is_folder=is_folder)

    def _take(self, entry: os.DirEntry[str]) -> None:
        options, rules = self._lister.options, self._lister.rules
        path = self._base + entry.name
        hidden = is_hidden(entry.name) and not rules.include(path)
        if hidden and not rules.is_known(path):  # its type matters to nobody, and may be unreadable
            self._take_placeholder(entry.name)
            return
        if (
            self._lister.fence is not None
            and entry.is_symlink()
            and not self._may_follow(entry.name, self._lister.fence)
        ):
            return
        if entry.is_dir(follow_symlinks=options.follow_symlinks):
            self._take_folder(entry, path + "/")
            return
        if hidden:
            return
        if self._chain and rules.exclude(path, self._chain):
            return
        is_link = entry.is_symlink()
        if not self._is_candidate(entry.name):
            if is_link and entry.is_dir():
                self._note(LINK, "", entry.name)
            else:
                self._pass_over(entry.name, self._lister.kind_of(entry.name) or (OTHER, ""))
            return
        if not (is_link or entry.is_file(follow_symlinks=False)):
            self._note(OTHER, "", entry.name)
            return
        try:
            found = entry.stat()
        except OSError as err:
            if err.errno not in GONE:
                raise
            if is_link:
                self._take_broken(entry.name)
            return
        if stat.S_ISREG(found.st_mode):
            self.odd_names.append(entry.name)
            self.odd_rows += row_of(found)
        elif stat.S_ISDIR(found.st_mode):
            self._note(LINK, "", entry.name)
        else:
            self._note(OTHER, "", entry.name)

    def _may_follow(self, name: str, fence: Fence) -> bool:
        """Tell whether to look at what a link names. One that leads out of the fence is not looked at; it is refused
        after the last entry if its content is to be read.
        """
        path = self._base + name
        at = os.path.join(self._lister.rules.place, os.fsencode(path))
        if fence.holds(at):
            return True
        rules, chain = self._lister.rules, self._chain
        if chain and (rules.exclude(path, chain) or rules.keeps_out(path + "/", chain)):
            return False
        if self._lister.options.follow_symlinks or self._is_candidate(name):
            self._leads_out = at
        else:
            self._note(LINK, "", name)
        return False

    def _pass_over(self, name: str, kind: tuple[str, str]) -> None:
        self._note(*kind, name)
        if kind[0] == EXTRA:
            package = self._lister.lacking[name[name.rfind(".") :].lower()]
            self._keep(name, EXTRA, needs(package).reason)

    def _is_candidate(self, name: str) -> bool:
        return self._lister.takes(self._base + name)

    def _take_broken(self, name: str) -> None:
        """Take a link of a candidate's name that leads nowhere."""
        program = program_of_link(os.readlink(name, dir_fd=self._fd))
        if program is None:
            self._note(BROKEN, "", name)
        else:
            self._take_absent(name, program)

    def _take_placeholder(self, hidden: str) -> None:
        """Take a hidden name, if it stands for a candidate whose content is elsewhere."""
        name = name_at_icloud(hidden)
        if name is None or not (self._is_candidate(name) or name[name.rfind(".") :].lower() in self._lister.lacking):
            return
        if not (self._chain and self._lister.rules.exclude(self._base + name, self._chain)):
            self._take_absent(name, ICLOUD)

    def _take_absent(self, name: str, program: str) -> None:
        self._note(ABSENT, program, name)
        self._keep(name, ABSENT, reason_of(program))

    def _keep(self, name: str, kind: str, reason: str) -> None:
        self.troubles.append(Trouble(os.fsencode(self._base + name), kind, reason, is_folder=False))

    def _note(self, kind: str, about: str, name: str) -> None:
        self._passed[kind, about].append(name)

    @property
    def passed(self) -> PassedOver:
        """What was passed over; paths are relative to the root."""
        if not self._passed:
            return passed_over.NONE
        return {key: (len(names), os.fsencode(self._base + min(names))) for key, names in self._passed.items()}

    def _take_folder(self, entry: os.DirEntry[str], path: str) -> None:
        options, rules = self._lister.options, self._lister.rules
        if self._chain or entry.name[0] == "." or may_be_left_out(entry.name):
            out = rules.keeps_out(path, self._chain)
            if isinstance(out, LeftOut):
                self._note(out.kind, out.name, entry.name)
            if out:
                return
        identity = (0, 0)
        if options.follow_symlinks or options.one_file_system:
            found = entry.stat(follow_symlinks=options.follow_symlinks)
            reason = self._lister.keeps_out(found)
            if reason == DISK:
                self._note(DISK, "", entry.name)
            if reason:
                return
            identity = (found.st_dev, found.st_ino)
        self.folders.append((entry.name, identity))

    def _missed(self, name: str, err: OSError, *, is_folder: bool = False) -> None:
        if err.errno not in GONE:
            self.troubles.append(Trouble.of(os.fsencode(self._base + name), err, is_folder=is_folder))
