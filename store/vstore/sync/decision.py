"""Decides how a commit changes the aliases of its base. Nothing is written."""

from __future__ import annotations

from collections import Counter

from vstore.format.delta import Change, Edit
from vstore.format.entries import Snapshot
from vstore.format.tree import Tree
from vstore.intake.ingest import Ingest
from vstore.intake.survey import Survey
from vstore.intake.targets import Scope
from vstore.quick_tuple import NamedTuple
from vstore.repository.repository import Repository
from vstore.sync.edits import Edits, edits_of
from vstore.sync.occurrences import occurrences, touched


class Base(NamedTuple):
    """The base of a commit.

    parent:  the current snapshot, or None.
    tree:    its aliases, as they are called today.
    scope:   the targets, and the news of the folders for the next commit.
    written: the last snapshot of this run.
    """

    parent: Snapshot | None
    tree: Tree
    scope: Scope
    written: Snapshot | None = None

    def after(self, repo: Repository, tree: Tree, written: Snapshot | None) -> Base:
        """Return the base of the next commit, after this tree and, if one was written, this snapshot."""
        written = written or self.written
        # Fresh pages of a tree would be stored again by the next commit of this run: they lie in packs now.
        tree = Tree(repo.hash, repo.packs.get, tree.root) if written else tree
        return Base(repo.state.current_snapshot, tree, Scope(self.scope.targets, {}, {}), written)


class Decision(NamedTuple):
    """The aliases of a snapshot to be.

    edits:   the changes of the survey.
    changes: all changes, those of dropped and unfit paths included.
    before:  of the keys of the changes: how many aliases of the base name them.
    tree:    the aliases after the changes.
    same:    of the changes: those whose pictures before and after have the same pixels.
    unfit:   path -> key of pictures without a vector in the wanted space, for a known reason.
    missing: paths of pictures without a vector there yet.
    """

    edits: Edits
    changes: list[Change]
    before: Counter[bytes]
    tree: Tree
    same: list[Edit]
    unfit: dict[bytes, bytes]
    missing: list[bytes]


def decide(base: Base, survey: Survey, ingest: Ingest, *, space: str, key_size: int, complete: bool) -> Decision:
    """Decide on the aliases after a run in the space of its base.

    complete: every file was hashed and every picture tried.
    """
    edits = edits_of(survey, base.tree, ingest.vectors, ingest.failures, complete=complete)
    changes = edits.every()
    before = occurrences(base.tree, _nameable(base, changes, ingest, space), key_size)
    same = ingest.same_pixels(changes)
    return Decision(edits, changes, before, tree=_edited(base.tree, changes), same=same, unfit={}, missing=[])


def decide_whole(base: Base, survey: Survey, ingest: Ingest, *, key_size: int, complete: bool) -> Decision:
    """Decide on the aliases of a snapshot in another space: every picture needs a vector there.

    Aliases of pictures known to have none go.
    """
    edits = edits_of(survey, base.tree, ingest.vectors, ingest.failures, complete=complete)
    changes = edits.every()
    tree = _edited(base.tree, changes)
    unfit: dict[bytes, bytes] = {}
    missing = []
    for path, key in tree:
        if key not in ingest.vectors:
            if ingest.wants(key):
                missing.append(path)
            else:
                unfit[path] = key
    tree = tree.edited(dict.fromkeys(unfit))
    changes = _joined(changes, unfit)
    before = occurrences(base.tree, touched(changes), key_size)
    same = ingest.same_pixels(changes)
    return Decision(edits, changes, before, tree=tree, same=same, unfit=unfit, missing=missing)


def _edited(tree: Tree, changes: list[Change]) -> Tree:
    return tree.edited({path: new for path, _, new in changes})


def _nameable(base: Base, changes: list[Change], ingest: Ingest, space: str) -> set[bytes]:
    """List the keys of changes known to the base.

    A key that had no vector when the run began is named by snapshots of this run alone. So a run that only adds
    pictures need not count their keys.
    """
    keys, parent = touched(changes), base.parent
    if base.written is not None or parent is None or parent.space != space or parent.degraded:
        return keys
    return {key for key in keys if ingest.vectors.stored(key)}


def _joined(changes: list[Change], unfit: dict[bytes, bytes]) -> list[Change]:
    """Add the removal of unfit paths to changes. A path in both keeps its key before from the changes."""
    first = {path: old for path, old, _ in changes}
    others = [change for change in changes if change[0] not in unfit]
    return [*others, *((path, old, None) for path, key in unfit.items() if (old := first.get(path, key)) is not None)]
