"""The folder that a user means, by its label or its place."""

from __future__ import annotations

import os
from collections.abc import Collection

from vstore.errors import UsageError
from vstore.paths import AnyPath, as_bytes
from vstore.quoting import quoted
from vstore.repository.acquaintance import KnownFolders
from vstore.repository.places import is_gone
from vstore.repository.repository import Repository

_LIST = "list them with: vstore root list"


def label_meant(repo: Repository, words: AnyPath, others: Collection[str] = ()) -> str:
    """Find the label of the folder that some words mean: a label, or a path on disk.

    others: labels that may be meant though no folder has them.
    Raises: UsageError if they mean none, or two.
    """
    path = as_bytes(words)
    text = os.fsdecode(path)
    labelled = text if text in repo.state.roots or text in others else None
    placed = _at(repo, path)
    if labelled is not None and placed is not None and labelled != placed:
        raise UsageError(
            f"{text!r} means two folders: the label {labelled!r}, and the folder here, whose label is {placed!r}",
            f"say {quoted(placed)} or {quoted('./' + text)} for the one here; for the other one, give its path",
        )
    found = labelled or placed
    if found is None:
        raise _unknown(repo, path, others)
    return found


def _at(repo: Repository, path: bytes) -> str | None:
    """Find the label of the folder at a path."""
    folders, real, named = KnownFolders(repo), os.path.realpath(path), os.path.abspath(path)
    for root in repo.state.roots.values():
        if folders.is_same(root, real) or repo.place(root) == named:
            return root.label
    return None


def _unknown(repo: Repository, path: bytes, others: Collection[str]) -> UsageError:
    state, text = repo.state, os.fsdecode(path)
    if text in state.absorbed:
        prefix = os.fsdecode(repo.today(path))
        top, slash, rest = prefix.partition("/")
        if not slash:
            return UsageError(f"the folder {text!r} is called {top!r} now", f"name it so: {quoted(top)}")
        return UsageError(
            f"{text!r} is a part of the folder {top!r} now, as {prefix}",
            f"leave it out with: vstore sync {quoted(_place(repo, top))} --exclude {quoted('/' + rest + '/')}",
        )
    folders = KnownFolders(repo)
    for root in state.roots.values():
        for name in (os.path.realpath(path), os.path.abspath(path)):
            within = folders.within(root, name)
            if within and not (folders.is_known(root) and is_gone(name)):  # a misspelt label is no part of any
                place, part = _place(repo, root.label), "/" + os.fsdecode(within) + "/"
                return UsageError(
                    f"{text} is a part of the folder {root.label!r}, and no folder of its own",
                    f"leave it out with: vstore sync {quoted(place)} --exclude {quoted(part)}",
                )
    from vstore.closeness import instead  # few folders are misspelt

    return UsageError(f"this store has no folder {text!r}", _LIST, instead=instead(text, {*state.roots, *others}))


def _place(repo: Repository, label: str) -> str:
    root = repo.state.roots.get(label)
    return label if root is None else os.fsdecode(repo.place(root))
