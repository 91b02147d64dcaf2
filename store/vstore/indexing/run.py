"""Builds the approximate index of a space, tells what there is of it, and deletes it."""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

from vstore.approximate.build import Wanted, build
from vstore.approximate.summary import IndexStatus, index_files, index_status
from vstore.brief import briefly
from vstore.counts import as_number, whole
from vstore.disk import durable
from vstore.errors import SnapshotNotFound, UsageError
from vstore.format.canonical import Json
from vstore.progress import Progress, Stages
from vstore.repository.repository import Repository

_ONE = 1_000_000


@briefly
class IndexBuilt(NamedTuple):
    """The result of building an index.

    now:      the index as it is now.
    trained:  its lists were made new.
    encoded:  vectors that were put into lists.
    merged:   files that were merged into others.
    seconds:  that it took.
    notes:    remarks for people.
    """

    now: IndexStatus
    trained: bool
    encoded: int
    merged: int
    seconds: float
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        return {**self._asdict(), "now": self.now.to_json(), "notes": list(self.notes)}


@briefly
class IndexDropped(NamedTuple):
    """The result of deleting indexes.

    spaces: the names of the spaces that had one.
    files:  deleted files.
    bytes:  bytes freed.
    """

    spaces: tuple[str, ...]
    files: int
    bytes: int

    def to_json(self) -> dict[str, Json]:
        return {**self._asdict(), "spaces": list(self.spaces)}


def index_build(
    repo: Repository,
    *,
    space: str | None = None,
    recall: float | None = None,
    exact_below: int | None = None,
    retrain: bool = False,
    device: str = "auto",
    wait: bool = False,
    progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> IndexBuilt:
    """Build the index of a space, or bring it up to date. `Store.index_build` says what the words mean.

    Raises: UsageError, SnapshotNotFound, MigrationNeeded, Locked, Damage, DiskTrouble, MissingPackage, Interrupted.
    """
    wanted = Wanted(_share(recall), _bytes(exact_below))
    repo.require_format_2("indexes")
    begun, stages = time.monotonic(), Stages(progress)
    with repo.lock("ingest") as lock:
        lock.acquire(None if wait else 0.0, "index")
        stages.share(lock.tell)
        repo.reload()
        repo.refuse_unsound()
        repo.sweep()  # a part that a killed build had begun may be large
        chosen = _space(repo, space)
        built = build(repo, chosen, wanted, stages=stages, stop=stop, again=retrain, device=device)
        stages.close()
        status = index_status(repo, chosen)
        if wanted.exact is not None and built.generation is None:
            status = status._replace(exact_below=wanted.exact)
    seconds = round(time.monotonic() - begun, 3)
    return IndexBuilt(status, built.trained, built.encoded, built.merged, seconds, built.notes)


def index_list(repo: Repository) -> tuple[IndexStatus, ...]:
    """Tell what there is of the indexes of all spaces with vectors, by name."""
    spaces = sorted(repo.state.spaces.values(), key=lambda space: space.name)
    return tuple(index_status(repo, space.id) for space in spaces if repo.state.segments(space.id))


def index_drop(repo: Repository, *, space: str | None = None, wait: bool = False) -> IndexDropped:
    """Delete the approximate indexes of all spaces, or of one. Kept neighbours (`dupes --near`) stay.

    Raises: UsageError, Locked, DiskTrouble, ReadOnly.
    """
    with repo.lock("ingest") as lock:
        lock.acquire(None if wait else 0.0, "index")
        repo.reload()
        repo.sweep()
        chosen = [repo.space(space)] if space is not None else list(repo.state.spaces.values())
        names, files, size = [], 0, 0
        for one in chosen:
            found = index_files(repo, one.id)
            for part, length in found:
                durable.remove(part.path)
                files, size = files + 1, size + length
            names += [one.name] * bool(found)
    return IndexDropped(tuple(sorted(names)), files, size)


def _space(repo: Repository, name: str | None) -> str:
    if name is not None:
        return repo.space(name).id
    current = repo.state.current_snapshot
    if current is None:
        raise SnapshotNotFound("there is no snapshot yet", "make the first one with: vstore sync PATH")
    return current.space


def _share(recall: float | None) -> int | None:
    if recall is None:
        return None
    share = as_number(recall)
    if not 0 < share <= 1:
        raise UsageError(f"{recall!r:.100} is not a valid recall", "give a share above 0, up to 1: 0.97")
    return round(share * _ONE)


def _bytes(exact_below: int | None) -> int | None:
    if exact_below is None:
        return None
    size = whole(exact_below)
    if size is None or size < 0:
        raise UsageError(f"{exact_below!r:.100} is no number of bytes", "give 0 or more")
    return size
