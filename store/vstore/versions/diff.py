"""Compares two snapshots."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from vstore.brief import briefly
from vstore.counts import counted
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

if TYPE_CHECKING:
    from vstore.gallery.write import GalleryReport
    from vstore.progress import Progress
    from vstore.repository.acquaintance import PictureSource


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
    keys:       the keys of the pictures at each of these paths in the first and in the second; None for no picture.
    source:     the way to the pictures, to show them; None where nobody may look.
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
    keys: Mapping[bytes, tuple[bytes | None, bytes | None]] = {}  # never changed
    source: PictureSource | None = None

    def to_json(self) -> dict[str, Json]:
        stat = {} if self.stat is None else {"stat": [folder.to_json() for folder in self.stat]}
        return {
            "before": self.before,
            "after": self.after,
            "same_space": self.same_space,
            "changed": [{**self._named(path), "key_before": self._key(path, 0)} for path in self.changed],
            "renamed": [
                {"from": self.where.named(old), "to": self.where.named(new), "key": self._key(new, 1)}
                for old, new in self.renamed
            ],
            "copied": [self._named(path) for path in self.copied],
            "added": [self._named(path) for path in self.added],
            "removed": [{**self.where.named(path), "key": self._key(path, 0)} for path in self.removed],
            **stat,
            "fields": [field.to_json() for field in self.fields],
        }

    def to_html(self, out: AnyPath, *, title: str = "", progress: Progress | None = None) -> GalleryReport:
        """Write the pictures that differ to a page of its own, which needs no other file and loads nothing.

        out:    a new file.
        title:  stands above the pictures; by default the names of the snapshots.
        Raises: UsageError if `out` exists, or its folder does not; DiskTrouble, Damage; VstoreError if no process can
                be started, which decodes them.
        """
        from vstore.versions.diff_html import Differing, write_diff

        one = {kind: [(path,) for path in getattr(self, kind)] for kind in ("copied", "added", "removed")}
        paths = {"changed": [(path,) for path in self.changed], "renamed": self.renamed, **one}
        return write_diff(
            Differing(self.before, self.after, paths, self.keys, self.where),
            list(self._lines()),
            self.source,
            out,
            title=title or f"{self.before} → {self.after}",
            progress=progress,
        )

    def _lines(self) -> Iterator[str]:
        kinds = ("added", "removed", "changed", "copied", "renamed")
        counts = [f"{len(getattr(self, kind)):,} {kind}" for kind in kinds if getattr(self, kind)]
        yield ", ".join(counts) or "no picture differs"
        if not self.same_space:
            yield f"{self.before} and {self.after} are in different model spaces"
        for field in self.fields:
            amounts = ((field.added, "added"), (field.changed, "changed"), (field.removed, "removed"))
            parts = (f"{counted(amount, 'picture')} {word}" for amount, word in amounts if amount)
            yield f"field {field.name}: {', '.join(parts)}"

    def _named(self, path: bytes) -> dict[str, Json]:
        return {**self.where.named(path), "key": self._key(path, 1)}

    def _key(self, path: bytes, at: int) -> str | None:
        key = self.keys.get(path, (None, None))[at]
        return None if key is None else key.hex()


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
    from vstore.repository.acquaintance import KnownFolders

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
    named_there = {path for listed in kept.values() for paths in listed for path in paths}
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
        keys={path: (was, now) for path, was, now in changes if path in named_there},
        source=KnownFolders(repo).source(None),
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
