"""Compares two snapshots."""

from __future__ import annotations

from typing import NamedTuple

from vstore.brief import briefly
from vstore.format.canonical import Json, named_path
from vstore.format.relabelling import Labels
from vstore.repository.files import Files, files_of
from vstore.repository.repository import Repository


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

    def to_json(self) -> dict[str, Json]:
        return {
            "before": self.before,
            "after": self.after,
            "same_space": self.same_space,
            "changed": [named_path(path) for path in self.changed],
            "renamed": [{"from": named_path(old), "to": named_path(new)} for old, new in self.renamed],
            "copied": [named_path(path) for path in self.copied],
            "added": [named_path(path) for path in self.added],
            "removed": [named_path(path) for path in self.removed],
        }


def snapshot_diff(repo: Repository, a: str, b: str) -> DiffReport:
    """Compare snapshot b with a, both under the labels of today. Shared pages are not read.

    Raises: SnapshotNotFound, AmbiguousSnapshot.
    """
    from vstore.format.delta import classify
    from vstore.format.differences import differences

    before, after = repo.snapshot(a), repo.snapshot(b)
    old, new = repo.mapped_tree(before), repo.mapped_tree(after)
    changes = list(differences(old, new))
    wanted = {key for _, _, key in changes if key is not None}
    named = wanted.intersection(old.every_key()) if wanted else set()
    delta = classify(changes, named, (), examples=len(changes))
    return DiffReport(
        before=before.name,
        after=after.name,
        same_space=before.space == after.space,
        changed=tuple(paths[0] for paths in delta.examples["changed"]),
        renamed=tuple((paths[0], paths[1]) for paths in delta.examples["renamed"]),
        copied=tuple(paths[0] for paths in delta.examples["copied"]),
        added=tuple(paths[0] for paths in delta.examples["new"]),
        removed=tuple(paths[0] for paths in delta.examples["removed"]),
        where=files_of(repo, Labels()),
    )
