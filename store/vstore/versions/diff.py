"""Compares two snapshots."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from vstore.brief import briefly
from vstore.errors import UsageError
from vstore.format.canonical import Json
from vstore.format.entries import Snapshot
from vstore.format.relabelling import Labels
from vstore.format.tree import Tree
from vstore.paths import AnyPath, as_bytes
from vstore.repository.files import Files, files_of
from vstore.repository.places import is_below
from vstore.repository.repository import Repository
from vstore.versions.diff_fields import FieldDiff, diff_fields
from vstore.versions.diff_stat import KINDS, FolderDiff, by_folder


@briefly
class DiffReport(NamedTuple):
    """The difference between two snapshots.

    before:     the name of the first.
    after:      the name of the second.
    same_space: both are of one model space.
    changed:    paths with another picture.
    renamed:    pairs of old and new paths of one picture.
    copied:     new paths of pictures with another path.
    added:      paths of new pictures.
    removed:    paths only in the first.
    where:      finds the files of the stored paths.
    stat:       the same, counted by folder; None if that was not asked for.
    fields:     of each field that differs, for how many pictures; none if only a part was asked for.
    """

    before: str
    after: str
    same_space: bool
    changed: tuple[bytes, ...]
    renamed: tuple[tuple[bytes, bytes], ...]
    copied: tuple[bytes, ...]
    added: tuple[bytes, ...]
    removed: tuple[bytes, ...]
    where: Files = Files()
    stat: tuple[FolderDiff, ...] | None = None
    fields: tuple[FieldDiff, ...] = ()

    def to_json(self) -> dict[str, Json]:
        stat = {} if self.stat is None else {"stat": [folder.to_json() for folder in self.stat]}
        return {
            "before": self.before,
            "after": self.after,
            "same_space": self.same_space,
            "changed": [self.where.named(path) for path in self.changed],
            "renamed": [{"from": self.where.named(old), "to": self.where.named(new)} for old, new in self.renamed],
            "copied": [self.where.named(path) for path in self.copied],
            "added": [self.where.named(path) for path in self.added],
            "removed": [self.where.named(path) for path in self.removed],
            **stat,
            "fields": [field.to_json() for field in self.fields],
        }


def snapshot_diff(
    repo: Repository, a: str, b: str, *, under: AnyPath | None = None, only: Sequence[str] = (), stat: bool = False
) -> DiffReport:
    """Compare snapshot b with a, both under the labels of today. Shared pages are not read.

    under:  a stored path, or a folder or file on disk: only paths below it count; of a rename, either one.
    only:   the kinds that count; none means all.
    stat:   count them by folder too.
    Raises: SnapshotNotFound, AmbiguousSnapshot, UsageError.
    """
    from vstore.format.delta import classify
    from vstore.format.differences import differences

    unknown = sorted(set(only).difference(KINDS))
    if unknown:
        raise UsageError(f"{unknown[0]!r} is no kind of difference", f"the kinds are: {', '.join(KINDS)}")
    before, after = repo.snapshot(a), repo.snapshot(b)
    old, new = repo.mapped_tree(before), repo.mapped_tree(after)
    within = None if under is None else _within(repo, (after, before), as_bytes(under))
    changes = list(differences(old, new))
    wanted = {key for _, _, key in changes if key is not None}
    named = wanted.intersection(old.every_key()) if wanted else set()
    found = classify(changes, named, (), examples=len(changes)).examples
    kept: dict[str, list[tuple[bytes, ...]]] = {
        kind: [paths for paths in found["new" if kind == "added" else kind] if _lies(paths, within)]
        for kind in KINDS
        if not only or kind in only
    }
    one = {kind: tuple(paths[0] for paths in kept.get(kind, ())) for kind in KINDS}
    return DiffReport(
        before=before.name,
        after=after.name,
        same_space=before.space == after.space,
        changed=one["changed"],
        renamed=tuple((paths[0], paths[1]) for paths in kept.get("renamed", ())),
        copied=one["copied"],
        added=one["added"],
        removed=one["removed"],
        where=files_of(repo, Labels()),
        stat=_stat(old, new, kept) if stat else None,
        fields=diff_fields(repo, before, after) if within is None and not only else (),
    )


def _within(repo: Repository, snapshots: Sequence[Snapshot], under: bytes) -> set[bytes]:
    """Find the paths of today that a word means in one of two snapshots. Raises: UsageError if in neither."""
    from vstore.repository.stored_paths import prefixes_of

    found: set[bytes] = set()
    refused: UsageError | None = None
    for snapshot in snapshots:
        try:
            prefixes = prefixes_of(repo, snapshot, repo.tree(snapshot), under)
        except UsageError as err:
            refused = refused or err
            continue
        found.update(map(repo.labels_in(snapshot).today, prefixes))
    if not found and refused is not None:
        raise refused
    return found


def _lies(paths: Iterable[bytes], within: Collection[bytes] | None) -> bool:
    return within is None or any(path == top or is_below(path, top) for path in paths for top in within)


def _stat(old: Tree, new: Tree, kept: Mapping[str, Sequence[tuple[bytes, ...]]]) -> tuple[FolderDiff, ...]:
    def is_whole(folder: bytes) -> bool:
        return any(next(tree.under(folder), None) is None for tree in (old, new))

    return tuple(by_folder(((kind, paths[-1]) for kind, listed in kept.items() for paths in listed), is_whole))
