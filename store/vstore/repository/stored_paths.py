"""The stored paths of a snapshot for the words of a user."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from vstore.counts import some
from vstore.errors import UsageError
from vstore.format.entries import Snapshot
from vstore.format.pages import Alias
from vstore.format.tree import Tree
from vstore.repository.acquaintance import KnownFolders
from vstore.repository.discovery import find_store
from vstore.repository.places import is_below, is_gone
from vstore.repository.repository import Repository

_NEAR = 3  # paths that are proposed for one


def below(tree: Tree, prefixes: Iterable[bytes] | None) -> Iterator[Alias]:
    """Yield the aliases at or below some stored paths; of None, all."""
    if prefixes is None:
        yield from tree
        return
    for prefix in prefixes:
        key = tree.get(prefix)
        if key is not None:
            yield prefix, key
        yield from tree.under(prefix)


def prefixes_of(repo: Repository, snapshot: Snapshot, tree: Tree, under: bytes) -> tuple[bytes, ...]:
    """Find the stored paths, in the snapshot's own labels, of a stored path or a path on disk.

    tree:   the aliases of the snapshot.
    Raises: UsageError if it is neither below a synced folder nor a path of the snapshot, or exists nowhere.
    """
    names, folders = repo.labels_in(snapshot), KnownFolders(repo)
    found = list(paths_today(repo, snapshot, tree, under))
    listed = {name for path in found for name in names.then(path)}
    if next(below(tree, sorted(listed)), None) is None:
        from vstore.repository.respelling import respelled

        same = [path for wanted in (listed if found else [_plain(under)]) for path in respelled(repo, tree, wanted)]
        if found and not same:
            _refuse_absent(repo, tree, under, found, folders)
        found += map(names.today, same)
        listed.update(name for path in same for name in names.then(names.today(path)))
    if not found:
        raise _in_no_folder(repo, tree, under, folders)
    listed |= {
        label for label in map(os.fsencode, names.moved) if any(is_below(names.today(label), path) for path in found)
    }
    return tuple(sorted(path for path in listed if not any(path != p and is_below(path, p) for p in listed)))


def paths_today(repo: Repository, snapshot: Snapshot, tree: Tree, under: bytes) -> tuple[bytes, ...]:
    """Find the stored paths, in the labels of today, that a stored path or a path on disk may mean; there may be none.

    tree: the aliases of the snapshot, in whose labels the path may be stored, too.
    """
    names, folders = repo.labels_in(snapshot), KnownFolders(repo)
    labels = {os.fsencode(label) for label in [*repo.state.roots, *names.moved]}
    named = _plain(under)
    if named.partition(b"/")[0] in labels or next(below(tree, [named]), None) is not None:
        return (names.today(named),)
    found = []
    # As the user has it, and as the file system has it: symlinks may lead to either.
    for path in {os.path.abspath(under), os.path.realpath(under)}:
        for root in repo.state.roots.values():
            label = os.fsencode(root.label)
            rest = folders.within(root, path)
            if rest is not None:
                found.append(label + b"/" + rest)
            elif folders.is_same(root, path) or folders.around(root, path) is not None:
                found.append(label)
    return tuple(found)


def _plain(under: bytes) -> bytes:
    """Write a relative path without empty names."""
    return under if under.startswith(b"/") else b"/".join(name for name in under.split(b"/") if name)


def _refuse_absent(repo: Repository, tree: Tree, under: bytes, wanted: Iterable[bytes], folders: KnownFolders) -> None:
    """Refuse words for paths that are in no snapshot, and not on disk: they are misspelled. Raises: UsageError.

    wanted: stored paths that the words may mean; the tree has none of them.
    """
    from vstore.near_files import as_written, did_you_mean  # few paths are mistyped

    near: list[bytes] = []
    for path in wanted:
        label, _, rest = path.partition(b"/")
        root = repo.state.roots.get(os.fsdecode(label))
        place = repo.place(root) if root is not None and folders.is_known(root) else None
        if not rest or (place is not None and not is_gone(os.path.join(place, rest))):
            return
        from vstore.repository.near_paths import near_paths

        found = [os.path.join(label, one) for one in near_paths(tree, os.fsdecode(label), place, rest)]
        near += [as_written(one, path, under) or one for one in found]
    raise UsageError(
        f"{os.fsdecode(under)} is neither on disk nor in this snapshot",
        did_you_mean(near, "name a part of a synced folder, or a stored path such as LABEL/FOLDER"),
    )


def _in_no_folder(repo: Repository, tree: Tree, under: bytes, folders: KnownFolders) -> UsageError:
    """Make the error for words outside every synced folder: mistyped from the first name on, or of another store."""
    from vstore import near_files
    from vstore.near_files import did_you_mean
    from vstore.repository.near_paths import near_paths

    roots = repo.state.roots
    first, _, rest = under.rstrip(b"/").partition(b"/")
    near: list[bytes] = []
    for label in near_files.near_paths(lambda done: () if done else map(os.fsencode, roots), [first]):
        root = roots[os.fsdecode(label)]
        place = repo.place(root) if folders.is_known(root) else None
        found = near_paths(tree, root.label, place, rest) if rest else []
        near += [os.path.join(label, one) for one in found] or [label]
    for path in near_files.near_files(under):
        whole = os.path.realpath(path)
        if any(folders.is_same(root, whole) or folders.within(root, whole) is not None for root in roots.values()):
            near.append(path)
    if not near and under[:1] not in (b"/", b"."):  # written as if a synced folder were the working folder
        for root in roots.values():
            place = repo.place(root) if folders.is_known(root) else None
            found = near_paths(tree, root.label, place, _plain(under))
            near += [os.path.join(os.fsencode(root.label), one) for one in found]
    message = f"{os.fsdecode(under)} is not in any synced folder"
    if not roots:
        return UsageError(message, "this store has no folder yet; take one in with: vstore sync FOLDER")
    listed = [f"{label} ({os.fsdecode(repo.place(root))})" for label, root in roots.items()]
    step = f"name one, a part of one, or a stored path such as LABEL/FOLDER; the folders are {some(listed)}"
    other = find_store(under) if os.path.exists(under) else None
    if other is not None and os.path.realpath(other) != os.path.realpath(repo.layout.folder):
        step += f"; its own store is {other}"
    return UsageError(message, did_you_mean(near[:_NEAR], step))


def label_of(repo: Repository, folder: bytes) -> str | None:
    """Find the synced folder at or above a folder on disk. Returns: its label, or None."""
    here = os.path.realpath(folder)
    folders = KnownFolders(repo)
    for root in repo.state.roots.values():
        place = repo.place(root)
        if is_below(here, os.path.realpath(place) if folders.is_known(root) else place):
            return root.label
    return None
