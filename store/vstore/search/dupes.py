"""Pictures that stand twice: paths of one snapshot with one content, or with pictures that look alike. Only tells."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from vstore.disk.file_hash import hash_file
from vstore.errors import UsageError
from vstore.format.canonical import Json, named_path
from vstore.format.entries import Snapshot
from vstore.progress import Progress, Silent
from vstore.repository.places import below, prefixes_of
from vstore.repository.repository import Repository

if TYPE_CHECKING:
    from vstore.format.pages import Tree

_READ = 1 << 20
# Of the built-in embedder: among 180,000 pairs of different pictures none scored more than 0.83; pictures that were
# re-encoded, resized, recoloured, framed or cropped by 5 % score 0.84 or more (`bench_builtin_quality.py`'s changes).
NEAR = 0.85


class Picture(NamedTuple):
    """One of several that look alike. score: its best cosine with another one of them."""

    key: bytes
    score: float
    paths: tuple[bytes, ...]

    def to_json(self) -> dict[str, Json]:
        return {
            "key": self.key.hex(),
            "score": round(self.score, 6),
            "paths": [named_path(path) for path in self.paths],
        }


class Group(NamedTuple):
    """Paths with one content, or with pictures that look alike.

    key, size: of the first picture; bytes of its file, or None if no file is there. troubles: path -> what is wrong
    with its file: gone, unreadable, or (verified) not the same bytes any more. wasted: bytes of all files that are
    there, each counted once, but for the largest. pictures: where it is about looking alike.
    """

    key: bytes
    size: int | None
    paths: tuple[bytes, ...]
    troubles: Mapping[bytes, str]
    wasted: int
    pictures: tuple[Picture, ...] = ()

    def to_json(self) -> dict[str, Json]:
        value: dict[str, Json] = {
            "key": self.key.hex(),
            "size": self.size,
            "wasted": self.wasted,
            "paths": [
                {**named_path(path), **({"trouble": self.troubles[path]} if path in self.troubles else {})}
                for path in self.paths
            ],
        }
        if self.pictures:
            value["pictures"] = [picture.to_json() for picture in self.pictures]
        return value


class DupesReport(NamedTuple):
    """Groups, the most wasteful first. near: from which cosine on pictures were taken to look alike, or None."""

    snapshot: str
    verified: bool
    near: float | None
    groups: tuple[Group, ...]
    wasted: int

    def to_json(self) -> dict[str, Json]:
        return {**self._asdict(), "groups": [group.to_json() for group in self.groups]}


def dupes(
    repo: Repository,
    *,
    at: str | None = None,
    under: bytes | None = None,
    verify: bool = False,
    near: float | Literal["auto"] | None = None,
    progress: Progress | None = None,
) -> DupesReport:
    """Find the pictures that a snapshot names under several paths.

    under:  a stored path, or a folder of a root on disk; only paths below it count.
    verify: compare the files byte for byte.
    near:   find pictures that look alike too, from this cosine on; "auto" where the space's own is known. Each pair is
            compared, so that the time grows with the square of their number.
    Raises: SnapshotNotFound, UsageError; Damage, for `near`.
    """
    if near is not None and verify:
        raise UsageError("pictures that look alike differ in their bytes", "leave out --verify, or --near")
    snapshot = repo.snapshot(at or "current")
    tree = repo.tree(snapshot)
    prefixes = None if under is None else prefixes_of(repo, tree, under)
    if near is None:
        groups = _identical(repo, tree, prefixes, verify)
        least = None
    else:
        least = _least(repo, snapshot, near)
        groups = _alike(
            repo=repo, snapshot=snapshot, tree=tree, prefixes=prefixes, least=least, progress=progress or Silent()
        )
    groups.sort(key=lambda group: (-group.wasted, group.paths))
    return DupesReport(
        snapshot=snapshot.name,
        verified=verify,
        near=least,
        groups=tuple(groups),
        wasted=sum(group.wasted for group in groups),
    )


def _identical(repo: Repository, tree: Tree, prefixes: Sequence[bytes] | None, verify: bool) -> list[Group]:
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
    return [_group(repo, key, found, verify) for key, found in paths.items() if len(found) > 1]


def _least(repo: Repository, snapshot: Snapshot, near: float | Literal["auto"]) -> float:
    if near != "auto":
        if not 0 < near <= 1:
            raise UsageError(f"--near {near:g} is no likeness", "give a cosine above 0, up to 1")
        return near
    space = repo.state.spaces[snapshot.space]
    if repo.recipe(space.id).get("family") != "builtin":
        raise UsageError(
            f"from which score on two pictures look alike to {space.name!r} is not known",
            "give it: --near 0.95, or lower, until too much is found",
        )
    return NEAR


def _alike(
    repo: Repository,
    snapshot: Snapshot,
    tree: Tree,
    prefixes: Sequence[bytes] | None,
    least: float,
    progress: Progress,
) -> list[Group]:
    from vstore.search.alike import look_alike
    from vstore.search.index import named_rows

    paths: dict[bytes, list[bytes]] = {}
    for path, key in below(tree, prefixes):
        paths.setdefault(key, []).append(path)
    segments = [repo.segment(ref) for ref in repo.state.segments(snapshot.space)]
    bitmaps = named_rows(segments, paths)
    keys = [
        key
        for segment, bitmap in zip(segments, bitmaps, strict=True)
        for row, key in enumerate(segment.key_list())
        if bitmap[row >> 3] >> (row & 7) & 1
    ]
    found = look_alike(segments, bitmaps, least, progress)
    members: dict[int, list[Picture]] = {}
    for key, first, score in zip(keys, found.group.tolist(), found.score.tolist(), strict=True):
        same = tuple(paths[key])  # identical files look alike, of course
        members.setdefault(first, []).append(Picture(key, 1.0 if len(same) > 1 else score, same))
    return [
        _of_pictures(repo, sorted(pictures, key=lambda picture: picture.paths))
        for pictures in members.values()
        if len(pictures) > 1 or len(pictures[0].paths) > 1
    ]


def _of_pictures(repo: Repository, pictures: list[Picture]) -> Group:
    files = _Files(repo)
    for picture in pictures:
        for path in picture.paths:
            files.look(path)
    paths = tuple(path for picture in pictures for path in picture.paths)
    return Group(
        key=pictures[0].key,
        size=files.size_of(paths),
        paths=paths,
        troubles=files.troubles,
        wasted=files.wasted,
        pictures=tuple(pictures),
    )


def _group(repo: Repository, key: bytes, paths: list[bytes], verify: bool) -> Group:
    files = _Files(repo)
    first: bytes | None = None
    for path in paths:
        file = files.look(path)
        if file is None or not verify:
            continue
        try:
            # The first one must still be what the snapshot says, or the others would be held against a stranger.
            if first is None and _digest(repo, file) != key:
                files.miss(path, "it has changed since")
            elif first is not None and not _same(first, file):
                files.miss(path, "it differs")
            else:
                first = first or file
        except OSError as err:
            files.miss(path, err.strerror or str(err))
    return Group(key=key, size=files.size_of(paths), paths=tuple(paths), troubles=files.troubles, wasted=files.wasted)


class _Files:
    """The files of a group, as far as they are there. Two names of one file are one: nothing is won by removing one."""

    def __init__(self, repo: Repository) -> None:
        self._repo = repo
        self._found: dict[bytes, tuple[tuple[int, int], int]] = {}
        self.troubles: dict[bytes, str] = {}

    def look(self, path: bytes) -> bytes | None:
        """The file of a stored path, or None and a trouble."""
        file = self._repo.file_of(path)
        if file is None:
            self.troubles[path] = "its folder is not known any more"
            return None
        try:
            found = os.stat(file)
        except OSError as err:
            self.troubles[path] = err.strerror or str(err)
            return None
        self._found[path] = (found.st_dev, found.st_ino), found.st_size
        return file

    def miss(self, path: bytes, why: str) -> None:
        self.troubles[path] = why
        del self._found[path]

    def size_of(self, paths: Iterable[bytes]) -> int | None:
        """Bytes of the first file that is there."""
        return next((self._found[path][1] for path in paths if path in self._found), None)

    @property
    def wasted(self) -> int:
        sizes = dict(self._found.values()).values()
        return sum(sizes) - max(sizes, default=0)


def _digest(repo: Repository, file: bytes) -> bytes:
    digest: bytes = hash_file(file, repo.hash.new()).digest()
    return digest


def _same(one: bytes, other: bytes) -> bool:
    with open(one, "rb") as a, open(other, "rb") as b:
        while True:
            left, right = a.read(_READ), b.read(_READ)
            if left != right:
                return False
            if not left:
                return True
