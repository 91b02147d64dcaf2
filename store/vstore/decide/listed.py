"""Lists the decisions in force."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from vstore.clock import written
from vstore.counts import whole
from vstore.decide.keys import KeyOf, Keys
from vstore.decide.report import DecidedPicture, DecisionRow, DecisionsReport
from vstore.errors import UsageError
from vstore.format.decisions import Decision
from vstore.format.entries import Snapshot
from vstore.paths import AnyPath, several
from vstore.repository.decisions import newest_decisions
from vstore.repository.files import files_of
from vstore.repository.repository import Repository


def decisions(
    repo: Repository,
    pictures: Sequence[AnyPath],
    key_of: KeyOf,
    *,
    limit: int | None,
) -> DecisionsReport:
    """List the decisions in force, newest first.

    pictures: only decisions about all of these.
    key_of:   finds the key of a picture that a word means.
    limit:    of the newest alone; no more is read than they need.
    Raises:   UsageError, Damage.
    """
    if limit is not None:
        most = whole(limit)
        if most is None or most < 0:
            raise UsageError(f"a list of {limit!r} decisions is none", "give 0 or more, or None for all")
        limit = most
    snapshot = repo.state.current_snapshot
    keys = Keys(repo, key_of)
    wanted = {keys.of(word) for word in several(pictures)}
    found = list(islice(_about(newest_decisions(repo), wanted), limit))
    paths = {} if snapshot is None else _first_paths(repo, snapshot, {key for one in found for key in one.keys})
    where = files_of(repo, repo.labels_in(snapshot))
    return DecisionsReport(tuple(_row(one, paths) for one in found), where)


def _about(found: Iterable[Decision], wanted: set[bytes]) -> Iterator[Decision]:
    return (one for one in found if wanted.issubset(one.keys)) if wanted else iter(found)


def _first_paths(repo: Repository, snapshot: Snapshot, keys: set[bytes]) -> dict[bytes, bytes]:
    """Find the first stored path of each of some pictures that a snapshot has."""
    tree, size = repo.tree(snapshot), repo.hash.size
    found: dict[bytes, bytes] = {}
    for leaf, column in zip(tree.leaves, tree.key_columns(), strict=True):
        if len(found) == len(keys):
            break
        if not keys.isdisjoint(column[at : at + size] for at in range(0, len(column), size)):
            for path, key in tree.decode(leaf):
                if key in keys:
                    found.setdefault(key, path)
    return found


def _row(decision: Decision, paths: dict[bytes, bytes]) -> DecisionRow:
    kept = set(decision.kept) or set(decision.keys)
    every = [DecidedPicture(key, paths.get(key)) for key in decision.keys]
    every.sort(key=lambda picture: (picture.path is None, picture.path or b"", picture.key))
    stay, over = (tuple(one for one in every if (one.key in kept) is wanted) for wanted in (True, False))
    return DecisionRow(decision.id.hex(), written(decision.time // 1_000_000), decision.verb, stay, over)
