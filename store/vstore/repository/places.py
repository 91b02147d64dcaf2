"""Where a path lies: whether it is in a folder on disk, and what it means among the stored paths of a snapshot."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from vstore.errors import UsageError
from vstore.format.pages import Alias
from vstore.format.relabelling import today, yesterday
from vstore.format.tree import Tree
from vstore.repository.repository import Repository


def below(tree: Tree, prefixes: Iterable[bytes] | None) -> Iterator[Alias]:
    """The aliases at or below some stored paths; of None, all."""
    if prefixes is None:
        yield from tree
        return
    for prefix in prefixes:
        key = tree.get(prefix)
        if key is not None:
            yield prefix, key
        yield from tree.under(prefix)


def prefixes_of(repo: Repository, tree: Tree, under: bytes) -> tuple[bytes, ...]:
    """The stored paths, in the snapshot's own labels, that a stored path or a path on disk means.

    Raises: UsageError if it is neither below a synced folder nor a path of the snapshot.
    """
    absorbed = repo.state.absorbed
    labels = {os.fsencode(label) for label in [*repo.state.roots, *absorbed]}
    named = under.rstrip(b"/")
    found = []
    if named.partition(b"/")[0] in labels or next(below(tree, [named]), None) is not None:
        found.append(today(named, absorbed))
    else:
        # As the user has it, and as the file system has it: symlinks may lead to either.
        for path in {os.path.abspath(under), os.path.realpath(under)}:
            for root in repo.state.roots.values():
                label, place = os.fsencode(root.label), repo.place(root)
                rest = relative(place, path)
                if rest is not None:
                    found.append(label + b"/" + rest)
                elif is_same(place, path) or relative(path, place) is not None:
                    found.append(label)
    if not found:
        raise UsageError(
            f"{os.fsdecode(under)} lies under no synced folder",
            "name one, a part of one, or a stored path such as LABEL/FOLDER",
        )
    before = [name for path in found for name in yesterday(path, absorbed)]
    before += [
        os.fsencode(old) for old in absorbed if any(is_below(today(os.fsencode(old), absorbed), p) for p in found)
    ]
    listed = {*found, *before}
    return tuple(sorted(path for path in listed if not any(path != p and is_below(path, p) for p in listed)))


def label_of(repo: Repository, folder: bytes) -> str | None:
    """Find the synced folder that is a folder on disk, or holds it. Returns: its label, or None."""
    here = os.path.realpath(folder)
    places = {root.label: os.path.realpath(repo.place(root)) for root in repo.state.roots.values()}
    return next((label for label, place in places.items() if is_below(here, place)), None)


def is_below(path: bytes, folder: bytes) -> bool:
    """Whether a path is that of a folder, or of something in it, by its bytes alone."""
    return path == folder or path.startswith(folder.rstrip(b"/") + b"/")


def identity(path: bytes) -> tuple[int, int] | None:
    """Device and inode of what a path leads to, if it can be looked at."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def is_gone(path: bytes) -> bool:
    """Whether nothing has this name. What cannot be looked at is not gone."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def is_same(one: bytes, other: bytes) -> bool:
    """Whether two paths mean one folder: by device and inode, so that letter case and links do not matter."""
    found = identity(one)
    return one == other or (found is not None and found == identity(other))


def relative(folder: bytes, path: bytes) -> bytes | None:
    """The path relative to a folder that holds it, else None. What is gone is placed by its nearest parent left."""
    names: list[bytes] = []
    wanted = identity(folder)
    while True:
        parent, name = os.path.split(path)
        if not name:
            return None
        names.append(name)
        if parent == folder or (wanted is not None and identity(parent) == wanted):
            return b"/".join(reversed(names))
        path = parent
