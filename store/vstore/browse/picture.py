"""The picture that a word means: a file, a stored path, or the first digits of a key."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence

from vstore.browse.spans import in_order
from vstore.errors import UsageError, VstoreError
from vstore.format.entries import Snapshot
from vstore.format.tree import Tree
from vstore.near_files import find_by_name
from vstore.paths import AnyPath, as_bytes
from vstore.quick_tuple import NamedTuple
from vstore.quoting import quoted
from vstore.repository.addresses import file_meant
from vstore.repository.files import finder_to_look
from vstore.repository.repository import Repository

_DIGITS = 6  # of a key at least
_SHOWN = 5  # keys that are named if several fit


class Picture(NamedTuple):
    """A picture that a user asks for.

    path:  its stored path, or the one that it would have; None for a file in no synced folder, and for a key, unless no
           sync could read the picture.
    file:  the file on disk that was named; None if it was named otherwise, or is not there.
    key:   the hash of the bytes in the snapshot at that path, or the key that was given.
    found: the hash of the bytes of the file; None if there is none to look at.
    size:  the number of these bytes.
    """

    path: bytes | None
    file: bytes | None
    key: bytes | None
    found: bytes | None = None
    size: int | None = None


def picture_of(repo: Repository, snapshot: Snapshot, tree: Tree, word: bytes) -> Picture:
    """Find the picture that a word means. A file or a stored path comes before the digits of a key.

    tree:   the aliases of the snapshot.
    Raises: UsageError if it means none, or several; VstoreError if a file cannot be read.
    """
    text = os.fsdecode(word)
    is_file = os.path.lexists(word)
    path = word.rstrip(b"/")
    key = tree.get(path)
    if key is not None and not is_file:
        return Picture(path, None, key)
    if key is None and not is_file and _is_key(repo, text):
        return _by_key(repo, snapshot, tree, text.lower())
    return _at_path(repo, snapshot, tree, word, is_file=is_file)


def _at_path(repo: Repository, snapshot: Snapshot, tree: Tree, word: bytes, *, is_file: bool) -> Picture:
    from vstore.repository.stored_paths import prefixes_of  # a stored path that is no file needs no look at folders

    try:
        paths = prefixes_of(repo, snapshot, tree, word)
    except UsageError as err:
        if is_file:
            return Picture(None, word, None, *_read(repo, word))
        from vstore.repository.stored_paths import paths_today

        earlier = _earlier(repo, paths_today(repo, snapshot, tree, word), word.rstrip(b"/"))
        if earlier is None:
            raise _with_keys(err, os.fsdecode(word)) from err
        return earlier
    for path in paths:
        key = tree.get(path)
        if key is not None:
            return Picture(path, word, key, *_read(repo, word)) if is_file else Picture(path, None, key)
    if os.path.isdir(word) or any(next(tree.under(path), None) is not None for path in paths):
        raise UsageError(
            f"{os.fsdecode(word)} is a folder", f"list what is in it: vstore ls {quoted(os.fsdecode(word))}"
        )
    first = next(iter(paths), None)  # none where its folder had no picture in that snapshot
    if is_file:
        return Picture(first, word, None, *_read(repo, word))
    return _absent(repo, word, word if first is None else first)


def _absent(repo: Repository, word: bytes, path: bytes) -> Picture:
    earlier = _earlier(repo, [path], word)
    if earlier is None:
        raise UsageError(
            f"{os.fsdecode(word)} is neither on disk nor in any snapshot",
            f"look for it with: {find_by_name(os.fsdecode(word))}",
        )
    return earlier


def _earlier(repo: Repository, paths: Sequence[bytes], word: bytes) -> Picture | None:
    """Find the newest snapshot that has one of some paths of today; else one that has the word in its own labels.

    A label of that snapshot may be another folder's by now: the path that is given back says so.
    """
    snapshots = [(repo.tree(one), repo.labels_in(one)) for one in reversed(in_order(repo.listing.kept()))]
    for path in (*paths, word):
        for tree, labels in snapshots:
            key = next(filter(None, map(tree.get, labels.then(path))), None)
            if key is not None:
                return Picture(path, None, key)
    for tree, labels in snapshots:
        key = tree.get(word)
        if key is not None:
            return Picture(labels.today(word), None, key)
    return None


def _with_keys(err: UsageError, word: str) -> UsageError:
    near = f"{err.next_step} " if err.next_step.startswith("did you mean") else ""
    find = f"look for it with: {find_by_name(word)}"
    return UsageError(err.message, f"{near}{find}; or give the first {_DIGITS} digits of its key")


def looked_at(repo: Repository, snapshot: Snapshot, asked: Picture, paths: Sequence[bytes]) -> Picture:
    """Read the file of a picture that was named by its stored path, or by its key if it has one path alone.

    paths:   of the picture in the snapshot.
    Returns: the picture as it was if its file is not there, cannot be read, or lies where nobody may look.
    """
    path = asked.path if asked.path in paths else paths[0] if asked.path is None and len(paths) == 1 else None
    file = None if path is None else finder_to_look(repo, snapshot)(path)
    if file is None:
        return asked
    try:
        found, size = _read(repo, file)
    except VstoreError:
        return asked
    return asked._replace(found=found, size=size)


def _read(repo: Repository, file: bytes) -> tuple[bytes, int]:
    """Hash a file that the user named. Returns: the hash, and the number of its bytes.

    Raises: UsageError for a folder, VstoreError if it cannot be read.
    """
    from vstore.disk.file_hash import hash_file
    from vstore.pictures.picture_file import open_regular

    name = os.fsdecode(file)
    try:
        descriptor = open_regular(file)
        size = os.fstat(descriptor).st_size
        digest: bytes = hash_file(descriptor, repo.hash.new()).digest()
    except IsADirectoryError as err:
        raise UsageError(f"{name} is a folder", f"list what is in it: vstore ls {quoted(name)}") from err
    except OSError as err:
        raise VstoreError(f"cannot read {name}: {err.strerror or err}", "name a picture file") from err
    return digest, size


def _is_key(repo: Repository, text: str) -> bool:
    return re.fullmatch(f"[0-9a-fA-F]{{{_DIGITS},{2 * repo.hash.size}}}", text) is not None


def _by_key(repo: Repository, snapshot: Snapshot, tree: Tree, digits: str) -> Picture:
    """Find the picture whose key begins with some digits: in a snapshot, else in any, else one that no sync could read.

    Raises: UsageError for none or several.
    """
    found = {key: None for key in tree.every_key() if key.hex().startswith(digits)}
    if not found:
        trees = (repo.tree(one) for one in repo.listing.kept())
        found = {key: None for other in trees for key in other.every_key() if key.hex().startswith(digits)}
    paths: Mapping[bytes, bytes | None] = found or _unread(repo, snapshot.space, digits)
    if len(paths) > 1:
        some = ", ".join(sorted(key.hex()[: len(digits) + 6] for key in paths)[:_SHOWN])
        raise UsageError(f"{len(paths)} pictures have keys that begin with {digits}: {some}", "give more digits")
    if not paths:
        raise UsageError(
            f"no snapshot has a picture whose key begins with {digits}", "name a picture: vstore find GLOB"
        )
    key, path = next(iter(paths.items()))
    return Picture(path, None, key)


def _unread(repo: Repository, space: str, digits: str) -> dict[bytes, bytes]:
    """Find the pictures that no sync could read, by keys that begin so. Returns: key -> first stored path."""
    from vstore.browse.failed import unread_files  # the catalogue is read for it

    found: dict[bytes, bytes] = {}
    for one in unread_files(repo, space, repo.tree(repo.state.current_snapshot), None):
        if one.key is not None and one.key.hex().startswith(digits):
            found.setdefault(one.key, one.path)
    return found


def known_key(repo: Repository, snapshot: Snapshot, word: AnyPath) -> bytes:
    """Find the key of the picture that a word means, which the store knows. A file may be known by another name.

    Raises: UsageError if it means none, or several, or a file that no snapshot holds; VstoreError if it cannot be read.
    """
    tree = repo.tree(snapshot)
    asked = picture_of(repo, snapshot, tree, file_meant(as_bytes(word), "show"))
    if asked.key is not None:
        return asked.key
    assert asked.found is not None
    if asked.found in tree.every_key() or any(asked.found in repo.tree(one).every_key() for one in repo.listing.kept()):
        return asked.found
    raise UsageError(f"{os.fsdecode(as_bytes(word))} is in no snapshot", "take it in first: vstore sync FOLDER")
