"""Groups of identical pictures, or of look-alikes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from vstore.brief import briefly
from vstore.format.canonical import Json, named_files, named_path
from vstore.repository.files import UNKNOWN, Files
from vstore.repository.repository import Repository
from vstore.search.group_files import FileOf, GroupFiles


@briefly
class Picture(NamedTuple):
    """One of several look-alikes.

    key:   the hash of its bytes.
    score: its best cosine with another one of them.
    paths: its stored paths.
    """

    key: bytes
    score: float
    paths: tuple[bytes, ...]

    def to_json(self, where: Files = UNKNOWN) -> dict[str, Json]:
        return {
            "key": self.key.hex(),
            "score": round(self.score, 6),
            "paths": [named_path(path) for path in self.paths],
            **named_files([where.file_of(path) for path in self.paths]),
        }


@briefly
class Group(NamedTuple):
    """Paths with one content, or with look-alikes.

    key:      the hash of the first picture's bytes.
    size:     bytes of the first existing file, or None.
    paths:    the stored paths.
    troubles: the trouble with a file, by its stored path: gone, unreadable, or (verified) not the same bytes.
    wasted:   bytes of all existing files but the largest, each counted once.
    pictures: the pictures, in a group of look-alikes.
    """

    key: bytes
    size: int | None
    paths: tuple[bytes, ...]
    troubles: Mapping[bytes, str]
    wasted: int
    pictures: tuple[Picture, ...] = ()

    def to_json(self, where: Files = UNKNOWN) -> dict[str, Json]:
        """Make the JSON form. where: finds the files."""
        value: dict[str, Json] = {
            "key": self.key.hex(),
            "size": self.size,
            "wasted": self.wasted,
            "paths": [
                {**named_path(path), **({"trouble": self.troubles[path]} if path in self.troubles else {})}
                for path in self.paths
            ],
            **named_files([where.file_of(path) for path in self.paths]),
        }
        if self.pictures:
            value["pictures"] = [picture.to_json(where) for picture in self.pictures]
        return value


def group_of_pictures(repo: Repository, pictures: list[Picture], file_of: FileOf) -> Group:
    """Make the group of look-alikes. file_of: finds the files."""
    paths = tuple(path for picture in pictures for path in picture.paths)
    return _group(pictures[0].key, paths, GroupFiles(repo, paths, file_of), tuple(pictures))


def group_of_one(repo: Repository, key: bytes, paths: list[bytes], file_of: FileOf, *, verify: bool) -> Group:
    """Make the group of one content.

    file_of: finds the files.
    verify:  compare them byte for byte.
    """
    files = GroupFiles(repo, paths, file_of)
    if verify:
        files.verify(key)
    return _group(key, tuple(paths), files)


def _group(key: bytes, paths: tuple[bytes, ...], files: GroupFiles, pictures: tuple[Picture, ...] = ()) -> Group:
    return Group(key=key, size=files.size, paths=paths, troubles=files.troubles, wasted=files.wasted, pictures=pictures)
