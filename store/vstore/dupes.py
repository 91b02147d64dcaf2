"""Identical pictures: paths of one snapshot whose bytes have one hash. Reports; never deletes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from vstore.places import below, prefixes_of
from vstore.records import Json, named_path
from vstore.repository import Repository

_READ = 1 << 20


class Group(NamedTuple):
    """Paths with one content. size: bytes of one of the files, or None if none is there. troubles: path -> what is
    wrong with its file: gone, unreadable, or (verified) not the same bytes any more."""

    key: bytes
    size: int | None
    paths: tuple[bytes, ...]
    troubles: Mapping[bytes, str]

    def to_json(self) -> dict[str, Json]:
        return {
            "key": self.key.hex(),
            "size": self.size,
            "paths": [
                {**named_path(path), **({"trouble": self.troubles[path]} if path in self.troubles else {})}
                for path in self.paths
            ],
        }


class DupesReport(NamedTuple):
    """Groups, the most wasteful first. wasted: bytes of all files of a group but one."""

    snapshot: str
    verified: bool
    groups: tuple[Group, ...]
    wasted: int

    def to_json(self) -> dict[str, Json]:
        return {
            "snapshot": self.snapshot,
            "verified": self.verified,
            "groups": [group.to_json() for group in self.groups],
            "wasted": self.wasted,
        }


def dupes(repo: Repository, *, at: str | None = None, under: bytes | None = None, verify: bool = False) -> DupesReport:
    """Find the pictures that a snapshot names under several paths.

    under:  a stored path, or a folder of a root on disk; only paths below it count.
    verify: compare the files byte for byte.
    Raises: SnapshotNotFound, UsageError.
    """
    snapshot = repo.snapshot(at or "current")
    tree = repo.tree(snapshot)
    prefixes = None if under is None else prefixes_of(repo, tree, under)
    size = repo.hash.size
    seen: set[bytes] = set()
    twice: set[bytes] = set()
    for column in tree.key_columns():
        for start in range(0, len(column), size):
            key = column[start : start + size]
            (twice if key in seen else seen).add(key)
    seen.clear()
    paths: dict[bytes, list[bytes]] = {}
    for path, key in below(tree, prefixes) if twice else ():
        if key in twice:
            paths.setdefault(key, []).append(path)
    groups = [_group(repo, key, found, verify) for key, found in paths.items() if len(found) > 1]
    groups.sort(key=lambda group: (-(group.size or 0) * (len(group.paths) - 1), group.paths))
    wasted = sum((group.size or 0) * (len(group.paths) - len(group.troubles) - 1) for group in groups)
    return DupesReport(snapshot.name, verify, tuple(groups), max(0, wasted))


def _group(repo: Repository, key: bytes, paths: list[bytes], verify: bool) -> Group:
    troubles: dict[bytes, str] = {}
    size: int | None = None
    first: bytes | None = None
    for path in paths:
        file = repo.file_of(path)
        if file is None:
            troubles[path] = "its folder is not known any more"
            continue
        try:
            found = os.stat(file).st_size
        except OSError as err:
            troubles[path] = err.strerror or str(err)
            continue
        size = found if size is None else size
        if not verify:
            continue
        try:
            if first is None:
                # The first one must still be what the snapshot says, or the others would be held against a stranger.
                with open(file, "rb") as data:
                    hasher = repo.hash.new()
                    while part := data.read(_READ):
                        hasher.update(part)
                if hasher.digest() != key:
                    troubles[path] = "it has changed since"
                    continue
                first, size = file, found
            elif not _same(first, file):
                troubles[path] = "it differs"
        except OSError as err:
            troubles[path] = err.strerror or str(err)
    return Group(key, size, tuple(paths), troubles)


def _same(one: bytes, other: bytes) -> bool:
    with open(one, "rb") as a, open(other, "rb") as b:
        while True:
            left, right = a.read(_READ), b.read(_READ)
            if left != right:
                return False
            if not left:
                return True
