"""The common part of taking a folder out and renaming one: both make a snapshot, undone as a sync is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

from vstore.format.canonical import Json
from vstore.format.entries import Snapshot
from vstore.format.tree import Tree
from vstore.repository.repository import Repository
from vstore.repository.small_packs import merge_small_packs
from vstore.repository.snapshots import images_of, new_snapshot

WHAT = "changed folders"

T = TypeVar("T")


class Change(NamedTuple):
    """A change of the folders.

    op:      the operation, for the log.
    about:   a few words on it.
    changes: of the state.
    tree:    the aliases of the snapshot to be; None if none is made.
    """

    op: str
    about: str
    changes: dict[str, Json]
    tree: Tree | None


def decided(
    repo: Repository, op: str, decide: Callable[[], tuple[Change, T]], *, message: str, dry_run: bool, wait: bool
) -> tuple[T, Snapshot | None, str | None]:
    """Decide on a change of the folders, and publish it.

    wait:    wait for a sync that is running, which would bring a folder back.
    Returns: what was decided, the snapshot that was made if one was, and the current snapshot before.
    Raises: MigrationNeeded; UsageError; Refused while syncing is held; Locked, Damage, DiskTrouble.
    """
    repo.require_format_2(WHAT)
    if dry_run:
        return repo.reading(lambda: (decide()[1], None, repo.state.current))
    with _alone(repo, op, wait=wait):
        repo.refuse_held()
        change, result = decide()
        before = repo.state.current
        return result, _published(repo, change, message), before


@contextlib.contextmanager
def _alone(repo: Repository, op: str, *, wait: bool) -> Iterator[None]:
    with repo.lock("ingest") as lock:
        lock.acquire(None if wait else 0.0, op)
        with repo.committing(op):
            yield


def _published(repo: Repository, change: Change, message: str) -> Snapshot | None:
    changes, current = dict(change.changes), repo.state.current_snapshot
    snapshot, about = None, change.about
    blobs: dict[bytes, bytes] = {}
    if change.tree is not None and current is not None:
        snapshot, more, blobs = new_snapshot(
            repo,
            current.space,
            change.tree,
            images=images_of(change.tree),
            parent=current,
            message=message,
            partial=current.partial,
        )
        changes |= more
        about = f"{about}; {snapshot.name}: {snapshot.paths:,} paths"
    repo.publish(change.op, changes, blobs=blobs, about=about)
    merge_small_packs(repo)
    return snapshot
