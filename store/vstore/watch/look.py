"""Looks at watched folders: which there are, what names in them matter, and whether anything changed."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vstore.errors import Untrusted, UsageError
from vstore.intake.targets import Target, scope_of
from vstore.pictures.folder import names_in
from vstore.pictures.formats import EXTENSIONS
from vstore.pictures.rules import IGNORE_FILE
from vstore.pictures.scan import Scan
from vstore.pictures.scan_options import OptionEdits
from vstore.repository.acquaintance import KnownFolders
from vstore.repository.places import identity, is_below
from vstore.watch.filesystems import Mount, silent_kind

if TYPE_CHECKING:
    from vstore.repository.repository import Repository
    from vstore.watch.events import Seen


class Place:
    """A watched folder, or a part of one, as one walk found it.

    target:  as a sync takes it in.
    path:    absolute.
    folders: those in which names matter: itself, and what a sync enters below it; none if it may not be looked at.
    untold:  those of them with a name that is not UTF-8, which no event can tell.
    digest:  of the names and stats of its pictures.
    silent:  the type of its filesystem, if that does not tell of every change, else None.
    """

    def __init__(
        self, repo: Repository, target: Target, listed: Sequence[Mount], stop: threading.Event | None = None
    ) -> None:
        """
        listed: what is mounted.
        stop:   ends the walk when set; the place is of no use then.
        Raises: SystemLimit.
        """
        self.target = target
        self.path = os.path.join(target.place, target.under) if target.under else target.place
        self.silent = silent_kind(target.place, list(listed))
        self.folders: set[bytes] = set()
        self.untold: set[bytes] = set()
        self._scan = Scan(
            target.place,
            target.options,
            EXTENSIONS,
            under=target.under,
            skip=[found] if (found := identity(os.fsencode(repo.layout.folder))) else [],
            fence=None if target.named else KnownFolders(repo).fence(target.root),
        )
        digest = hashlib.blake2b(digest_size=16)
        try:
            for folder in self._scan:
                if stop is not None and stop.is_set():
                    break
                path = os.path.join(target.place, folder.path) if folder.path else target.place
                self.folders.add(path)
                if not all(map(_is_text, [path, *map(names_in, folder.heads)])):
                    self.untold.add(path)
                digest.update(b"".join([folder.path, b"\0", *folder.heads]))
        except (Untrusted, UsageError):  # the sync says so
            self.folders.clear()
        self.digest = digest.digest()

    def matters(self, seen: Seen) -> bool:
        """Tell whether a change may be one of pictures: of a name that a sync takes in, or of a folder it enters."""
        if not is_below(seen.path, self.target.place):
            return False
        if seen.path in self.folders:
            return seen.is_new or seen.is_gone
        folder, name = os.path.split(seen.path)
        if folder not in self.folders:
            return False
        if name == os.fsencode(IGNORE_FILE):
            return True
        within = seen.path[len(self.target.place.rstrip(b"/")) + 1 :]
        if seen.is_new and os.path.isdir(seen.path):
            return not self._scan.hides(within + b"/")
        return self._scan.takes(within)


def places_of(
    repo: Repository, paths: Sequence[bytes], listed: Sequence[Mount], stop: threading.Event | None = None
) -> list[Place]:
    """Walk the folders of a watch. paths: as given; none means all that the store knows. listed, stop: as in `Place`.

    Those that are missing, or may not be looked at, are left out: the sync says so.
    """
    found: dict[bytes, Place] = {}
    for path in paths or (None,):
        try:
            targets = scope_of(repo, [] if path is None else [path], None, OptionEdits()).targets
        except (Untrusted, UsageError):
            if path is not None:
                continue
            targets = _known(repo)
        for target in targets:
            place = Place(repo, target, listed, stop)
            if place.folders:
                found[target.prefix] = place
    return list(found.values())


def _known(repo: Repository) -> list[Target]:
    """List the folders of a store that may be looked at, where some may not."""
    folders = KnownFolders(repo)
    return [
        Target(root, repo.place(root), repo.scan_options(root))
        for root in repo.state.roots.values()
        if folders.is_known(root)
    ]


def _is_text(name: bytes) -> bool:
    """Tell whether a name is UTF-8."""
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True
