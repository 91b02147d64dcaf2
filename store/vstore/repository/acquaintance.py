"""The folders of a store that may be looked at: a store names places, but only its user says which are read.

Whoever unpacks an archive owns what was in it, so ownership tells nothing of who chose the places. A folder is known if

- it lies in the folder that holds the store: where both came from, they came together; or
- its user named it at this machine (`disk.named_places`); or
- its pictures are those that this very store met on this very disk (`on_this_disk`): noted, and not asked for again.

In any other, nothing is opened, listed or looked for: even a look may reach a network.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NoReturn

from vstore.errors import Untrusted
from vstore.format.entries import Root, Snapshot
from vstore.format.relabelling import yesterday
from vstore.pictures.links import Fence, open_unlinked, stays_below
from vstore.pictures.scan_options import ScanOptions
from vstore.quoting import quoted
from vstore.repository.places import is_below, is_gone, is_same, relative
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from pathlib import Path

    from vstore.disk.named_places import NamedPlace


class PictureSource:
    """The way from the stored paths of a report to its pictures, to show them. In another process nothing is shown.

    It is no part of an answer: any two are equal.

    open_file: opens the file of a stored path, to be read; None where there is none, or nobody may look.
    cache:     the folder for caches; None if nothing is kept.
    """

    __slots__ = ("cache", "open_file")

    def __init__(self, open_file: Callable[[bytes], int | None] = lambda path: None, cache: Path | None = None) -> None:
        self.open_file = open_file
        self.cache = cache

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PictureSource)

    def __hash__(self) -> int:
        return 0

    def __repr__(self) -> str:
        return "PictureSource()"

    def __reduce__(self) -> tuple[type[PictureSource], tuple[()]]:
        return PictureSource, ()


class KnownFolders:
    """The folders of a store, as far as they may be looked at, for the time of one command."""

    def __init__(self, repo: Repository) -> None:
        self._repo = repo
        self._base = repo.base
        self._below: dict[bytes, bool] = {}
        self._named: dict[tuple[str, bytes], bool] = {}
        self._met: dict[tuple[str, bytes], bool] = {}

    def name(self, root: Root) -> None:
        """Take a folder for named: its user does so in this very command."""
        self._named[root.label, self._repo.place(root)] = True

    def is_named(self, root: Root) -> bool:
        """Tell whether the user named a folder at this machine."""
        about = root.label, self._repo.place(root)
        if about not in self._named:
            self._named[about] = _is_named(self._repo, *about)
        return self._named[about]

    def may_lead_out(self, root: Root) -> bool:
        """Tell whether the user named a folder, or this store met here before what lies outside its own folder."""
        if self.is_named(root):
            return True
        about = root.label, self._repo.place(root)
        if about not in self._met:
            self._met[about] = _was_synced_here(self._repo, *about)
        return self._met[about]

    def is_below(self, root: Root) -> bool:
        """Tell whether a folder lies in the folder that holds the store."""
        place = self._repo.place(root)
        if place not in self._below:
            self._below[place] = stays_below(self._base, place)
        return self._below[place]

    def is_known(self, root: Root) -> bool:
        """Tell whether a folder may be looked at."""
        return self.is_below(root) or self.may_lead_out(root)

    def require(self, roots: Iterable[Root]) -> None:
        """Make sure that folders may be looked at. Raises: Untrusted."""
        unknown = [root for root in roots if not self.is_known(root)]
        if unknown:
            raise _refusal(self._repo, unknown)

    def is_same(self, root: Root, path: bytes) -> bool:
        """Tell whether a path means a folder; by its name alone if the folder is not known."""
        place = self._repo.place(root)
        return place == path or (self.is_known(root) and is_same(place, path))

    def within(self, root: Root, path: bytes) -> bytes | None:
        """Give a path relative to a folder above it, else None; by its name alone if the folder is not known."""
        place = self._repo.place(root)
        return relative(place, path) if self.is_known(root) else _by_name(place, path)

    def around(self, root: Root, path: bytes) -> bytes | None:
        """Give the place of a folder relative to a path above it, else None; by its name alone if it is not known."""
        place = self._repo.place(root)
        return relative(path, place) if self.is_known(root) else _by_name(path, place)

    def is_gone(self, root: Root) -> bool:
        """Tell whether a known folder is no longer there."""
        return self.is_known(root) and is_gone(self._repo.place(root))

    def fence(self, root: Root) -> Fence | None:
        """Give the limit of the links in a folder; None where they may lead anywhere.

        Passing it raises Untrusted, unless the user named the folder.
        """

        def refuse(path: bytes) -> NoReturn:
            raise _refusal_of_link(self._repo, root, path)

        if not self.is_below(root):
            return None
        return Fence(
            self._base,
            is_named=lambda: self.is_named(root),
            is_allowed=lambda: self.may_lead_out(root),
            refuse=refuse,
        )

    def knower(self, snapshot: Snapshot | None) -> Callable[[bytes], bool]:
        """Give a function that tells of a path of a snapshot whether its folder may be looked at."""
        labels = self._repo.labels_in(snapshot)
        known = {os.fsencode(root.label) for root in self._repo.state.roots.values() if self.is_known(root)}
        return lambda path: labels.today(path).partition(b"/")[0] in known

    def file_finder(self, snapshot: Snapshot | None) -> Callable[[bytes], bytes | None]:
        """Give a function that finds the file of a path of a snapshot, to open it; None if its folder is not known.

        In a folder that nobody named, links must not lead out of the folder that holds the store.
        """
        base, labels = self._base, self._repo.labels_in(snapshot)
        roots = {os.fsencode(root.label): root for root in self._repo.state.roots.values() if self.is_known(root)}

        def file_of(path: bytes) -> bytes | None:
            label, _, rest = labels.today(path).partition(b"/")
            root = roots.get(label)
            if root is None:
                return None
            file = os.path.join(self._repo.place(root), rest)
            return file if stays_below(base, file) or self.may_lead_out(root) else None

        return file_of

    def source(self, snapshot: Snapshot | None) -> PictureSource:
        """Give the way to the pictures of a snapshot. Links are followed as `file_finder` does."""
        base, labels = self._base, self._repo.labels_in(snapshot)
        file_of = self.file_finder(snapshot)
        roots = {os.fsencode(root.label): root for root in self._repo.state.roots.values()}

        def open_file(path: bytes) -> int | None:
            file = file_of(path)
            if file is None:
                return None
            real = os.path.realpath(file)  # a link may have come since
            if not is_below(real, base) and not self.may_lead_out(roots[labels.today(path).partition(b"/")[0]]):
                return None
            return open_unlinked(real)

        return PictureSource(open_file, self._repo.layout.cache)


def keep_named(repo: Repository, roots: Iterable[Root]) -> None:
    """Note the folders that the user of this process names; where that cannot be kept, it holds in this process."""
    for root in roots:
        repo.named_places.keep(_named(repo, root.label, repo.place(root)))


def require_known(repo: Repository) -> None:
    """Make sure that all folders of a store may be looked at. Raises: Untrusted."""
    KnownFolders(repo).require(repo.state.roots.values())


def _is_named(repo: Repository, label: str, place: bytes) -> bool:
    """Tell whether the user named a folder, under its label or one that it had before."""
    from vstore.disk.named_places import NamedPlace  # few folders lie where they must be named

    names = [label, *map(os.fsdecode, yesterday(os.fsencode(label), repo.state.absorbed))]
    named = (NamedPlace(repo.store_id, name, place, b"") for name in names)
    return any(repo.named_places.has(one, lambda: os.path.realpath(place)) for one in named)


def _was_synced_here(repo: Repository, label: str, place: bytes) -> bool:
    from vstore.repository.on_this_disk import was_synced_here

    if not was_synced_here(repo, os.fsencode(label), place):
        return False
    repo.named_places.keep(_named(repo, label, place))
    return True


def _named(repo: Repository, label: str, place: bytes) -> NamedPlace:
    from vstore.disk.named_places import NamedPlace

    return NamedPlace(repo.store_id, label, place, os.path.realpath(place))


def _by_name(folder: bytes, path: bytes) -> bytes | None:
    if path == folder or not is_below(path, folder):
        return None
    return path[len(folder.rstrip(b"/")) + 1 :]


def _refusal(repo: Repository, unknown: list[Root]) -> Untrusted:
    places = [os.fsdecode(repo.place(root)) for root in unknown]
    folders, them = f"the folder {places[0]}", "it"
    if len(places) > 1:
        folders, them = f"the folders {', '.join(places)}", "them"
    each = "" if repo.named_places.can_keep else f", each time: {_why_each_time(repo)}"
    return Untrusted(
        f"the store names {folders}, and you have not named {them} at this machine; the store "
        "may be a stranger's, so nothing there was looked at",
        f"if the pictures there are yours: vstore sync {' '.join(map(quoted, places))}{each}",
    )


def _why_each_time(repo: Repository) -> str:
    folder = repo.named_places.folder
    return "you have no folder for configurations" if folder is None else f"{folder} cannot be written"


def _refusal_of_link(repo: Repository, root: Root, path: bytes) -> Untrusted:
    link, place = os.fsdecode(path), os.fsdecode(repo.place(root))
    if repo.scan_options(root).follow_symlinks:
        command = f"vstore sync {quoted(place)}"
        said = (
            "the store, which may be a stranger's, says"
            if ScanOptions.from_json(root.options).follow_symlinks
            else "your configuration says of every folder"
        )
        return Untrusted(
            f"{link} is a link out of the folder that holds the store; {said} that the links of {place} are followed, "
            "and you have not said so at this machine",
            f"if they should be: {command} --follow-symlinks; else: {command} --no-follow-symlinks",
        )
    return Untrusted(
        f"{link} is a link out of the folder that holds the store, and you have not named {place} at this machine; the "
        "store may be a stranger's, so the link was not followed",
        f"if the pictures there are yours: vstore sync {quoted(place)}",
    )
