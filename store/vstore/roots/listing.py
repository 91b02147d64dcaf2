"""Lists the folders of a store."""

from __future__ import annotations

import os
from collections.abc import Mapping

from vstore.format.entries import Root
from vstore.pictures.scan_options import ScanOptions
from vstore.repository.acquaintance import KnownFolders
from vstore.repository.places import is_gone
from vstore.repository.repository import Repository
from vstore.roots.report import RootRow


def root_list(repo: Repository) -> list[RootRow]:
    """List the folders, and labels of the current snapshot that no folder has. Reads all its paths. Raises: Damage."""
    keys: dict[str, list[bytes]] = {label: [] for label in repo.state.roots}
    for path, key in repo.mapped_tree(repo.state.current_snapshot):
        keys.setdefault(os.fsdecode(path.partition(b"/")[0]), []).append(key)
    folders = KnownFolders(repo)
    tops = {old: os.fsdecode(repo.today(os.fsencode(old)).partition(b"/")[0]) for old in repo.state.absorbed}
    return [_row(repo, folders, label, keys[label], tops=tops) for label in sorted(keys)]


def _row(repo: Repository, folders: KnownFolders, label: str, keys: list[bytes], *, tops: Mapping[str, str]) -> RootRow:
    """Make the row of a label. keys: of its pictures, one for each path. tops: old label -> label of today."""
    root = repo.state.roots.get(label)
    place = None if root is None else repo.place(root)
    named = root is not None and folders.is_known(root)
    return RootRow(
        label=label,
        place=place,
        there=named and place is not None and not is_gone(place),
        named=named,
        paths=len(keys),
        images=len(set(keys)),
        options={} if root is None else _kept(root),
        earlier=tuple(sorted(old for old, top in tops.items() if top == label)),
    )


def _kept(root: Root) -> dict[str, bool | int | list[str]]:
    """Give the options of a folder that are not at their defaults."""
    usual = ScanOptions()._asdict()
    kept = ScanOptions.from_json(root.options)._asdict()
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in kept.items() if value != usual[name]
    }
