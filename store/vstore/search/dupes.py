"""Duplicates: paths of one snapshot with one content, or with look-alikes. Changes nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from vstore.brief import briefly
from vstore.counts import as_number, counted
from vstore.errors import UsageError
from vstore.format.canonical import Json
from vstore.format.entries import Snapshot
from vstore.format.pages import Alias
from vstore.format.tree import Tree, paths_by_key
from vstore.paths import AnyPath, as_bytes
from vstore.progress import Progress, Stages
from vstore.repository.acquaintance import KnownFolders, PictureSource
from vstore.repository.files import Files, files_of
from vstore.repository.repository import Repository
from vstore.repository.stored_paths import below, prefixes_of
from vstore.search.decided import Undecided
from vstore.search.group_files import FileOf
from vstore.search.groups import Group, Picture, group_of_one
from vstore.search.keep_best import KeepBest
from vstore.search.look_alikes import alone, look_alikes
from vstore.search.pairs import near_pairs

if TYPE_CHECKING:
    import pandas
    import pyarrow

    from vstore.gallery.write import GalleryReport

_COLUMNS = {
    "group": "int", "key": "text", "score": "float", "path": "path", "file": "path", "trouble": "text", "tier": "text",
    "burst": "bool", "part": "int", "best": "bool",
}  # fmt: skip


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
    loose:    look-alikes reach `near` with the representative of their group, and not with all of it.
    bursts:   pictures of a burst count as copies.
    one_in:   one of so many pairs of unrelated pictures scores `near` or more, 1,000,000,000: of so many or more; None
              if it is not known.
    decided:  groups that are left out, as all is decided about them.
    notes:    remarks on what an expression could not know.
    source:   the way to the pictures, to show them.
    approximate: an index chose the pairs that were scored: some may be missing.
    recall_at_10: the share of the ten nearest pictures that it finds, as measured; None if it was not asked.
    """

    snapshot: str
    verified: bool
    near: float | None
    groups: tuple[Group, ...]
    wasted: int
    flat: int | None = None
    where: Files = Files()
    loose: bool = False
    bursts: bool = False
    one_in: int | None = None
    decided: int = 0
    notes: tuple[str, ...] = ()
    source: PictureSource = PictureSource()
    approximate: bool = False
    recall_at_10: float | None = None

    def to_html(self, out: AnyPath, *, title: str = "Duplicates", progress: Progress | None = None) -> GalleryReport:
        """Write the groups to a page, which needs no other file and loads nothing: each file with its picture.

        out:    a new file.
        title:  stands above the groups.
        Raises: UsageError if `out` exists, or its folder does not; DiskTrouble, Damage; VstoreError if no process can
                be started, which decodes them.
        """
        from vstore.search.dupes_html import write_groups

        return write_groups(
            self.groups,
            [*self._remarks()],
            self.where,
            self.source,
            out,
            snapshot=self.snapshot,
            title=title,
            loose=self.loose,
            progress=progress,
        )

    def _remarks(self) -> Iterator[str]:
        if self.near is not None:
            from vstore.search.background import RAREST

            rare = "" if self.one_in is None else f"1 in {self.one_in:,} pairs of unrelated pictures scores this high"
            fewer = "fewer than " if self.one_in == RAREST else ""
            yield f"score {self.near:g} or more" + (f": {fewer}{rare}" if rare else "")
        if self.decided:
            yield f"{counted(self.decided, 'group')} left out, as all is decided"
        if self.flat:
            yield f"{counted(self.flat, 'picture')} of one colour left out of pictures that look alike"
        if self.approximate:
            # Rounded down: 1.000 is said only where nothing was missed.
            thousandths = None if self.recall_at_10 is None else round(self.recall_at_10 * 1_000_000) // 1000
            share = "" if thousandths is None else f": it finds {thousandths / 1000:.3f} of the nearest ten"
            yield f"the index chose the pairs that were compared{share}; some may be missing"
        yield from self.notes

    def to_json(self) -> dict[str, Json]:
        value = self._asdict()
        del value["where"], value["notes"], value["source"]
        for name in ("approximate", "recall_at_10"):
            if not value[name]:
                del value[name]
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
            best = {one.path for one in group.best}
            for picture in group.pictures or (Picture(group.key, 1.0, group.paths),):
                key, score, tier = picture.key.hex(), picture.score, picture.tier
                for path in picture.paths:
                    file, trouble = self.where.file_of(path), group.troubles.get(path)
                    yield number, key, score, path, file, trouble, tier, picture.burst, picture.part, path in best


def dupes(
    repo: Repository,
    *,
    at: str | None = None,
    under: AnyPath | None = None,
    verify: bool = False,
    near: float | Literal["auto"] | None = None,
    loose: bool = False,
    bursts: bool = False,
    all: bool = False,
    prefer: Sequence[AnyPath] = (),
    keep_by: str | Sequence[str] | None = None,
    where: str | None = None,
    exact: bool = False,
    progress: Progress | None = None,
) -> DupesReport:
    """Find the pictures with several paths in a snapshot.

    under:  a stored path, or a folder on disk; only paths below it count.
    verify: compare the files byte for byte.
    near:   also find look-alikes: every two of a group reach this cosine; "auto" takes one that unrelated pictures of
            the snapshot hardly reach (of 100,000 pairs one, of 100 times as many as it has pictures if that is more).
            Pictures that the facts of the store know to be of one colour are left out of these.
            Every pair is compared, once: what came of it is kept, if the store can be written and no sync runs. Where
            a space has an approximate index, and the snapshot is large, that chooses the pairs.
    loose:  let each picture of a group reach it with the representative alone.
    bursts: count pictures that were taken one after the other as copies, too.
    all:    also the groups about which all is decided.
    prefer: folders whose files are the best, in their order.
    keep_by: names of rules for the best file, in their order.
    where:  only paths for which this expression is true count.
    exact:  every pair is scored, although an approximate index could choose some.
    Raises: SnapshotNotFound, UsageError; Damage, for `near`; Untrusted, for `verify`.
    """
    if near is not None and verify:
        raise UsageError("pictures that look alike differ in their bytes", "leave out --verify, or --near")
    if near is None and (loose or bursts or exact):
        name = "--loose" if loose else "--bursts" if bursts else "--exact"
        raise UsageError(f"{name} is about pictures that look alike", f"add --near, or leave out {name}")
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
    undecided = Undecided(repo, all=all)
    keep_best = KeepBest(repo, snapshot, prefer=prefer, by=keep_by)
    if near is None:
        stages = Stages(progress) if verify else None
        groups = _identical(repo, tree, prefixes, fits, undecided, keep_best, file_of, verified=stages)
        least = flat = rarity = recall = None
        approximate = False
    else:
        least, rarity = _least(repo, snapshot, tree, near)
        paths = paths_by_key(filter(fits, below(tree, prefixes)) if fits else below(tree, prefixes))
        plain = _flat(repo, snapshot.space, paths)
        flat = len(plain)
        shown = {key: found for key, found in paths.items() if key not in plain}
        decided = undecided.decided
        pairs = near_pairs(
            repo,
            snapshot.space,
            shown,
            least,
            apart=decided.are_apart,
            decided=decided.different,
            stages=Stages(progress),
            exact=exact,
        )
        approximate, recall = not pairs.is_exact, pairs.recall
        groups = look_alikes(
            repo,
            snapshot.space,
            shown,
            pairs,
            loose=loose,
            bursts=bursts,
            undecided=undecided,
            keep_best=keep_best,
            file_of=file_of,
        )
        for key in plain:
            if len(paths[key]) > 1:
                groups += alone(repo, key, paths[key], undecided, keep_best, file_of)
    groups.sort(key=lambda group: (-group.wasted, group.paths))
    return DupesReport(
        snapshot=snapshot.name,
        verified=verify,
        near=least,
        groups=tuple(groups),
        wasted=sum(group.wasted for group in groups),
        flat=flat,
        where=files_of(repo, repo.labels_in(snapshot)),
        loose=loose,
        bursts=bursts,
        one_in=rarity,
        decided=undecided.left_out,
        notes=notes,
        source=folders.source(snapshot),
        approximate=approximate,
        recall_at_10=recall,
    )


def _identical(
    repo: Repository,
    tree: Tree,
    prefixes: Sequence[bytes] | None,
    fits: Callable[[Alias], bool] | None,
    undecided: Undecided,
    keep_best: KeepBest,
    file_of: FileOf,
    *,
    verified: Stages | None,
) -> list[Group]:
    """Group the paths of identical pictures.

    fits:     tells which paths count; None: all.
    undecided: chooses the groups that are shown.
    keep_best: finds the best file of each.
    verified: the stages of reading their files; None if none is read.
    """
    seen: set[bytes] = set()
    twice: set[bytes] = set()
    for key in tree.every_key():
        (twice if key in seen else seen).add(key)
    seen.clear()
    several_of = (alias for alias in below(tree, prefixes) if alias[1] in twice)
    paths = paths_by_key(filter(fits, several_of) if fits else several_of) if twice else {}
    several = [
        (key, found, verdict)
        for key, found in paths.items()
        if len(found) > 1 and (verdict := undecided.about({key: found})) is not None
    ]
    if verified is None:
        return [
            group_of_one(repo, key, found, file_of, verify=False, verdict=verdict, keep_best=keep_best)
            for key, found, verdict in several
        ]
    groups = []
    verified.begin("comparing files", sum(len(found) for _, found, _ in several))
    for key, found, verdict in several:
        verified.take(file_of.opened(found[0]) or found[0])
        groups.append(group_of_one(repo, key, found, file_of, verify=True, verdict=verdict, keep_best=keep_best))
        verified.advance(len(found), (groups[-1].size or 0) * len(found))
    verified.put_down()
    return groups


def _least(repo: Repository, snapshot: Snapshot, tree: Tree, near: float | Literal["auto"]) -> tuple[float, int | None]:
    """Find the score of look-alikes, and of how many unrelated pairs one reaches it, if that is known."""
    if near != "auto":
        near = as_number(given := near)
        if not 0 < near <= 1:
            shown = repr(given)[:100] if math.isnan(near) else f"{near:g}"
            raise UsageError(f"{shown} is not a valid --near", "give a cosine above 0, up to 1, or auto")
    from vstore.search.background import background_of, one_in
    from vstore.search.calibration import FEWEST

    background = background_of(repo, snapshot.space, tree)
    unrelated, default = background.turned_pairs, background.near
    if near != "auto":
        return near, None if unrelated is None else one_in(unrelated, near)
    if default is None:
        raise UsageError(
            f"{snapshot.name} has too few different pictures to tell how unrelated ones score: fewer than {FEWEST}",
            "give a score: --near 0.95, then lower ones until too much is found",
        )
    return default.score, default.one_in


def _flat(repo: Repository, space: str, keys: Collection[bytes]) -> set[bytes]:
    """Find the pictures of one colour: a model sees nothing in them that tells one from another."""
    from vstore.repository.pixel_facts import flat_among

    return flat_among(repo, repo.recipe(space), keys) if repo.state.spaces[space].recipe else set()
