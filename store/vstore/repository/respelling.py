"""Stored paths for a path that is spelled otherwise: in the other form of Unicode, or in another letter case."""

from __future__ import annotations

import os
from collections.abc import Iterator

from vstore.format.tree import Tree
from vstore.pictures.spelling import composed, folds_case
from vstore.repository.acquaintance import KnownFolders
from vstore.repository.repository import Repository


def respelled(repo: Repository, tree: Tree, path: bytes) -> list[bytes]:
    """Find the folders and files of a snapshot that a stored path may mean.

    Letter case matters, except below a folder whose disk finds names in any.
    """
    label, *names = path.split(b"/")
    found: list[bytes] = []
    folders = KnownFolders(repo)
    for known in {*repo.state.roots, *repo.state.absorbed, *repo.state.retired}:
        if composed(known) == composed(os.fsdecode(label)):
            root = repo.state.roots.get(known)
            fold = root is not None and folders.is_known(root) and folds_case(repo.place(root))
            found += _walk(tree, os.fsencode(known), names, fold)
    return sorted(found)


def _walk(tree: Tree, folder: bytes, names: list[bytes], fold: bool) -> Iterator[bytes]:
    """Yield the paths below a folder whose names are the same but for their spelling."""
    if not names:
        yield folder
        return
    wanted = _plain(names[0], fold)
    for name in tree.folders_in(folder):
        if _plain(name, fold) == wanted:
            yield from _walk(tree, folder + b"/" + name, names[1:], fold)
    if len(names) == 1:
        for path, _ in tree.directly_in(folder):
            if _plain(path[len(folder) + 1 :], fold) == wanted:
                yield path


def _plain(name: bytes, fold: bool) -> str:
    text = composed(os.fsdecode(name))
    return text.casefold() if fold else text
