"""Duplicates: paths of one snapshot with one content, or with look-alikes. Changes nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from vstore.brief import briefly
from vstore.counts import as_number
from vstore.errors import UsageError
from vstore.format.canonical import Json
from vstore.format.entries import Snapshot
from vstore.format.pages import Alias
from vstore.format.tree import Tree, paths_by_key
from vstore.paths import AnyPath, as_bytes
from vstore.progress import Progress, Stages
from vstore.repository.acquaintance import KnownFolders
from vstore.repository.files import Files, files_of
from vstore.repository.repository import Repository
from vstore.repository.stored_paths import below, prefixes_of
from vstore.search.group_files import FileOf
from vstore.search.groups import Group, Picture, group_of_one, group_of_pictures

if TYPE_CHECKING:
    import pandas
    import pyarrow

_COLUMNS = {"group": "int", "key": "text", "score": "float", "path": "path", "file": "path", "trouble": "text"}

# Of the built-in embedder: among 180,000 pairs of different pictures none scored more than 0.83; pictures that were
# re-encoded, resized, recoloured, framed or cropped by 5 % score 0.84 or more (`bench_builtin_quality.py`'s changes).
NEAR = 0.85


@briefly
class DupesReport(NamedTuple):
    """The duplicates of a snapshot.

    snapshot: the snapshot.
    verified: the files were compared byte for byte.
    near:     the least cosine of look-alikes, or None.
    groups:   the groups, the most wasteful first.
    wasted:   wasted bytes of all groups.
    flat:     pictures of one colour, which are look-alikes of nothing; None without `near`.
    where:    finds the files of the stored paths.
    notes:    remarks on what an expression could not know.
    """

    snapshot: str
    verified: bool
    near: float | None
    groups: tuple[Group, ...]
    wasted: int
    flat: int | None = None
    where: Files = Files()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        value = self._asdict()
        del value["where"], value["notes"]
        return {**value, "groups": [group.to_json(self.where) for group in self.groups]}

    def to_arrow(self) -> pyarrow.Table:
        """Make a table of Arrow, a row for each path. See the guide for programs. Raises: MissingPackage."""
        from vstore import tables

        return tables.to_arrow(_COLUMNS, self._rows())

    def to_pandas(self) -> pandas.DataFrame:
        """Make a data frame of pandas, with the columns of `to_arrow`. Raises: MissingPackage."""
        from vstore import tables

        return tables.to_pandas(_COLUMNS, self._rows())

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        for number, group in enumerate(self.groups):
            for picture in group.pictures or (Picture(group.key, 1.0, group.paths),):
                for path in picture.paths:
                    file, trouble = self.where.file_of(path), group.troubles.get(path)
                    yield number, picture.key.hex(), picture.score, path, file, trouble


def dupes(
    repo: Repository,
    *,
    at: str | None = None,
    under: AnyPath | None = None,
    verify: bool = False,
    near: float | Literal["auto"] | None = None,
    where: str | None = None,
    progress: Progress | None = None,
) -> DupesReport:
    """Find the pictures with several paths in a snapshot.

    under:  a stored path, or a folder on disk; only paths below it count.
    verify: compare the files byte for byte.
    near:   also find look-alikes, from this cosine on; "auto" takes the space's own, if it is known. Pictures that
            the facts of the store know to be of one colour are left out of these.
            Every pair is compared: the time grows with the square of the number of pictures.
    where:  only paths for which this expression is true count.
    Raises: SnapshotNotFound, UsageError; Damage, for `near`; Untrusted, for `verify`.
    """
    if near is not None and verify:
        raise UsageError("pictures that look alike differ in their bytes", "leave out --verify, or --near")
    folders = KnownFolders(repo)
    if verify:
        folders.require(repo.state.roots.values())
    snapshot = repo.snapshot("current" if at is None else at)
    file_of = FileOf(folders.file_finder(snapshot), repo.file_finder(snapshot))
    tree = repo.tree(snapshot)
    prefixes = None if under is None else prefixes_of(repo, snapshot, tree, as_bytes(under))
    fits: Callable[[Alias], bool] | None = None
    notes: tuple[str, ...] = ()
    if where is not None:
        from vstore.where.lines import fitting

        fits, notes = fitting(repo, snapshot, below(tree, prefixes), where)
    if near is None:
        groups = _identical(repo, tree, prefixes, fits, file_of, verified=Stages(progress) if verify else None)
        least = flat = None
    else:
        least = _least(repo, snapshot, near)
        paths = paths_by_key(filter(fits, below(tree, prefixes)) if fits else below(tree, prefixes))
        plain = _flat(repo, snapshot.space, paths)
        flat = len(plain)
        shown = {key: found for key, found in paths.items() if key not in plain}
        groups = _alike(repo, snapshot.space, shown, least, file_of=file_of, stages=Stages(progress))
        copied = (Picture(key, 1.0, tuple(paths[key])) for key in plain if len(paths[key]) > 1)
        groups += [group_of_pictures(repo, [picture], file_of) for picture in copied]
    groups.sort(key=lambda group: (-group.wasted, group.paths))
    return DupesReport(
        snapshot=snapshot.name,
        verified=verify,
        near=least,
        groups=tuple(groups),
        wasted=sum(group.wasted for group in groups),
        flat=flat,
        where=files_of(repo, repo.labels_in(snapshot)),
        notes=notes,
    )


def _identical(
    repo: Repository,
    tree: Tree,
    prefixes: Sequence[bytes] | None,
    fits: Callable[[Alias], bool] | None,
    file_of: FileOf,
    *,
    verified: Stages | None,
) -> list[Group]:
    """Group the paths of identical pictures.

    fits:     tells which paths count; None: all.
    verified: the stages of reading their files; None if none is read.
    """
    seen: set[bytes] = set()
    twice: set[bytes] = set()
    for key in tree.every_key():
        (twice if key in seen else seen).add(key)
    seen.clear()
    several_of = (alias for alias in below(tree, prefixes) if alias[1] in twice)
    paths = paths_by_key(filter(fits, several_of) if fits else several_of) if twice else {}
    several = {key: found for key, found in paths.items() if len(found) > 1}
    if verified is None:
        return [group_of_one(repo, key, found, file_of, verify=False) for key, found in several.items()]
    groups = []
    verified.begin("comparing files", sum(map(len, several.values())))
    for key, found in several.items():
        verified.take(file_of.opened(found[0]) or found[0])
        groups.append(group_of_one(repo, key, found, file_of, verify=True))
        verified.advance(len(found), (groups[-1].size or 0) * len(found))
    verified.put_down()
    return groups


def _least(repo: Repository, snapshot: Snapshot, near: float | Literal["auto"]) -> float:
    if near != "auto":
        least = as_number(near)
        if not 0 < least <= 1:
            given = repr(near)[:100] if math.isnan(least) else f"{least:g}"
            raise UsageError(f"{given} is not a valid --near", "give a cosine above 0, up to 1")
        return least
    space = repo.state.spaces[snapshot.space]
    if repo.recipe(space.id).get("family") != "builtin":
        raise UsageError(
            f"the space {space.name!r} has no default score for pictures that look alike",
            "give a score: --near 0.95, then lower ones until too much is found",
        )
    return NEAR


def _flat(repo: Repository, space: str, keys: Collection[bytes]) -> set[bytes]:
    """Find the pictures of one colour: a model sees nothing in them that tells one from another."""
    from vstore.repository.pixel_facts import flat_among

    return flat_among(repo, repo.recipe(space), keys) if repo.state.spaces[space].recipe else set()


def _alike(
    repo: Repository, space: str, paths: dict[bytes, list[bytes]], least: float, *, file_of: FileOf, stages: Stages
) -> list[Group]:
    from vstore.search.alike import look_alike
    from vstore.search.bitmaps import bitmaps_of, is_marked

    segments = [repo.segment(ref) for ref in repo.state.segments(space)]
    bitmaps = bitmaps_of(segments, paths)
    keys = [
        key
        for segment, bitmap in zip(segments, bitmaps, strict=True)
        for row, key in enumerate(segment.key_list())
        if is_marked(bitmap, row)
    ]
    found = look_alike(segments, bitmaps, least, stages)
    members: dict[int, list[Picture]] = {}
    for key, first, score in zip(keys, found.group.tolist(), found.score.tolist(), strict=True):
        same = tuple(paths[key])  # identical files look alike, of course
        members.setdefault(first, []).append(Picture(key, 1.0 if len(same) > 1 else score, same))
    return [
        group_of_pictures(repo, sorted(pictures, key=lambda picture: picture.paths), file_of)
        for pictures in members.values()
        if len(pictures) > 1 or len(pictures[0].paths) > 1
    ]
