"""The words `[SNAP] [PATH]` of a listing: which snapshot, and which of its folders."""

from __future__ import annotations

import os
from collections.abc import Sequence

from vstore.errors import AmbiguousSnapshot, SnapshotNotFound, UsageError
from vstore.format.entries import Snapshot
from vstore.format.tree import Tree
from vstore.paths import AnyPath, as_bytes
from vstore.quick_tuple import NamedTuple
from vstore.quoting import quoted
from vstore.repository.addresses import file_meant
from vstore.repository.repository import Repository

_PATHS = (b"/", b"./", b"../", b"~")


class Asked(NamedTuple):
    """The part of a snapshot that words mean.

    snapshot: the snapshot.
    tree:     its alias tree.
    prefixes: stored paths of folders and pictures, in its own labels, in rising order; None for all.
    """

    snapshot: Snapshot
    tree: Tree
    prefixes: tuple[bytes, ...] | None


def read_words(repo: Repository, words: Sequence[AnyPath], at: str | None) -> Asked:
    """Find what `[SNAP] [PATH]` means. With `at`, which names the snapshot, only PATH may be there.

    Raises: UsageError for words that mean nothing, or two things; SnapshotNotFound, AmbiguousSnapshot.
    """
    given = [file_meant(as_bytes(word), "show") for word in words]
    if len(given) > (1 if at is not None else 2):
        raise UsageError(
            f"{len(given)} words are too many", "give a snapshot, a path, or a snapshot and then a path, each once"
        )
    if at is not None or not given:
        return _asked(repo, repo.snapshot("current" if at is None else at), given[0] if given else None)
    if len(given) == 2:
        return _asked(repo, repo.snapshot(os.fsdecode(given[0])), given[1])
    return _either(repo, given[0])


def _asked(repo: Repository, snapshot: Snapshot, path: bytes | None) -> Asked:
    tree = repo.tree(snapshot)
    if path is None:
        return Asked(snapshot, tree, None)
    from vstore.repository.stored_paths import prefixes_of  # the top has no path

    return Asked(snapshot, tree, prefixes_of(repo, snapshot, tree, path))


def _either(repo: Repository, word: bytes) -> Asked:
    """Find what one word means: a snapshot, or a path of the current one."""
    name, missing = os.fsdecode(word), None
    try:
        snapshot = None if word.startswith(_PATHS) else repo.snapshot(name)
    except SnapshotNotFound as err:
        snapshot, missing = None, err
    except AmbiguousSnapshot:
        if not os.path.lexists(word):
            raise
        snapshot = None
    if snapshot is not None and not _may_be_path(repo, word):
        return _asked(repo, snapshot, None)
    try:
        current = _asked(repo, repo.snapshot("current"), word)
    except UsageError as err:
        if snapshot is not None:
            return _asked(repo, snapshot, None)
        if missing is None or (b"/" in word and missing.instead is None):
            raise
        instead = missing.instead if err.instead is None else err.instead
        raise UsageError(f"{missing.message}; and as a path, {err.message}", err.next_step, instead=instead) from err
    if snapshot is not None:
        raise UsageError(
            f"{name} is a snapshot, and a path too",
            f"for the snapshot, add --at {quoted(name)} and leave the word out; for the path, write "
            f"{quoted('./' + name)}",
        )
    return current


def _may_be_path(repo: Repository, word: bytes) -> bool:
    """Tell whether a word that is the name of a snapshot means something else too."""
    label = os.fsdecode(word.partition(b"/")[0])
    state = repo.state
    return os.path.lexists(word) or any(label in known for known in (state.roots, state.absorbed, state.retired))
